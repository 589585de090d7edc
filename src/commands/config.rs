//! `config`: is the configuration valid, and what is in effect?
//!
//! Keys are read and checked before any command runs, so the check has passed that when it gets
//! here. The rest is what `run` finds out before it contacts a server: files and properties.

use clap::Subcommand;

use super::output;
use super::run::prepare;
use crate::api::http;
use crate::base::config::Loaded;
use crate::edges::registry;
use crate::service;

#[derive(Debug, Subcommand)]
pub(super) enum Arguments {
    /// Say whether `run` could start with it; reads the files it names and asks no server
    #[command(after_help = "Example:\n  \
        SYNFINANCE_ENV=production synfinance --config site.yaml config check")]
    Check,
    /// Print every key with its value and where that came from; secrets are hidden
    #[command(after_help = "Examples:\n  \
        synfinance config show\n  \
        synfinance --config site.yaml config show --json | jq .values.stream")]
    Show {
        /// One JSON object: {"values": {...}, "sources": {"section.key": where}}
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(arguments: &Arguments, loaded: &Loaded) -> anyhow::Result<()> {
    match arguments {
        Arguments::Check => {
            let settings = &loaded.settings;
            let (service, _) = prepare(settings)?;
            service::connection(&settings.stream)?;
            registry::Schemas::check(&settings.schema_registry)?;
            http::check(&settings.http)?;
            let model = &service.model;
            output::print(&format!(
                "ok: the configuration is valid, with model {} {} alerting from {}",
                model.name, model.version, model.threshold
            ))
        }
        Arguments::Show { json: true } => output::print_json(&loaded.to_json()),
        Arguments::Show { json: false } => output::print(&loaded.to_yaml()),
    }
}
