//! `flumen config …` as typed.

use std::path::PathBuf;

use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Say whether 'flumen serve' would take a configuration file, and everything that is wrong with it
    Check {
        /// The file
        #[arg(value_hint = clap::ValueHint::FilePath)]
        file: PathBuf,
    },
    /// Write a configuration file with every option, its default and what it does
    Show,
}
