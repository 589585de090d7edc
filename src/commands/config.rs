//! `config`: is the configuration valid, and what is in effect?
//!
//! Reading and checking happen before any command runs, so a check that gets here has passed.

use clap::Subcommand;

use super::output;
use crate::config::Loaded;

#[derive(Debug, Subcommand)]
pub(super) enum Arguments {
    /// Say whether the configuration is valid; everything wrong is listed at once
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
        Arguments::Check => output::print("ok: the configuration is valid"),
        Arguments::Show { json: true } => output::print_json(&loaded.to_json()),
        Arguments::Show { json: false } => output::print(&loaded.to_yaml()),
    }
}
