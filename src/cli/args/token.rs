//! `flumen token …` as typed.

use std::path::PathBuf;

use clap::Subcommand;

use super::words;
use crate::contract::{NodeName, Role};

const EXAMPLES: &str = "\
Examples:
  flumen token add noc --role operator > noc.token
  flumen --token-file noc.token flow list";

/// Make, list and revoke the tokens that clients show
///
/// While there is a token, everybody must show one. The daemon takes changes within a second; connections whose token
/// is revoked end. Tokens are kept as hashes.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Token {
    /// The token file [default: tokens in the daemon's data directory]
    #[arg(long, global = true, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub(crate) tokens: Option<PathBuf>,
    /// The daemon's data directory [default: ~/.local/state/flumen]
    #[arg(long, global = true, value_name = "DIR", env = "FLUMEN_DATA", hide_env_values = true, value_hint = clap::ValueHint::DirPath)]
    pub(crate) data: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: TokenCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Make a token and print it: it is shown this once
    Add {
        /// The token's name
        name: NodeName,
        /// What its holder may do: read; also flows; also nodes and queues
        #[arg(long, default_value = "viewer", value_parser = words(Role::ALL, Role::as_str))]
        role: Role,
    },
    /// List the tokens, without what is secret
    #[command(visible_alias = "ls")]
    List,
    /// Make a token worthless
    #[command(visible_alias = "rm")]
    Revoke {
        /// The token's name
        name: NodeName,
    },
}
