//! `flumen store` as typed.

use std::path::PathBuf;

use clap::Subcommand;

const EXAMPLES: &str = "\
Examples:
  flumen store export --data /var/lib/flumen > flumen.jsonl
  flumen store import --data /var/lib/flumen-new < flumen.jsonl";

#[derive(Debug, Subcommand)]
pub(crate) enum StoreCommand {
    /// Write a store to standard output, as lines of JSON; no daemon may be running on it
    #[command(after_help = EXAMPLES)]
    Export(StoreDir),
    /// Make a store of what was exported, from standard input; there must be none yet, or an empty one
    #[command(after_help = EXAMPLES)]
    Import(StoreDir),
}

#[derive(Debug, clap::Args)]
pub(crate) struct StoreDir {
    /// Directory of the durable state [default: ~/.local/state/flumen]
    #[arg(long, value_name = "DIR", env = "FLUMEN_DATA", hide_env_values = true, value_hint = clap::ValueHint::DirPath)]
    pub(crate) data: Option<PathBuf>,
}
