//! `models`: look into model files.

use std::path::PathBuf;

use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(super) enum Arguments {
    /// Load an ONNX file as the service would and print what it says about itself
    #[command(after_help = "Example:\n  synfinance models inspect models/fraud.onnx --json")]
    Inspect {
        /// ONNX file
        file: PathBuf,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let Arguments::Inspect { file, json: _ } = arguments;
    anyhow::bail!("models inspect {} is not wired yet", file.display())
}
