//! The command line as typed: what clap accepts, before anything is checked against the contract.
//!
//! Options carry the contract's names. Only what clap can say better than the contract is checked here: which options
//! there are, which exclude each other, which take one of a few words.

mod config;
mod decode;
mod emulate;
mod flow;
mod flow_file;
mod limits;
mod node;
mod queues;
mod serve;
mod store;
mod token;
mod top;
mod watch;

use std::path::PathBuf;
use std::str::FromStr;

use clap::builder::{PossibleValuesParser, TypedValueParser, styling};
use clap::{Parser, Subcommand, ValueEnum};

use crate::contract::Reason;

pub(super) use self::config::ConfigCommand;
pub(super) use self::decode::{Decode, Form};
pub(super) use self::emulate::Emulate;
pub(super) use self::flow::{FlowCommand, Install, ListFlows, RemoveFlows};
pub(super) use self::flow_file::{ApplyFlows, DiffFlows, ExportFlows, FlowFile};
pub(super) use self::limits::Limits;
pub(super) use self::node::{AddNode, NodeCommand};
pub(super) use self::queues::{QueueCommand, SetQueues};
pub(super) use self::serve::{Admission, LogFormat, Serve, TableMiss};
pub(super) use self::store::{StoreCommand, StoreDir};
pub(super) use self::token::{Token, TokenCommand};
pub(super) use self::top::Top;
pub(super) use self::watch::Watch;

/// Where a daemon listens unless it was told otherwise.
pub(super) const DEFAULT_URL: &str = "ws://127.0.0.1:8653/v1/ws";

const STYLES: styling::Styles = styling::Styles::styled()
    .header(styling::AnsiColor::Green.on_default().bold())
    .usage(styling::AnsiColor::Green.on_default().bold())
    .literal(styling::AnsiColor::Cyan.on_default().bold())
    .placeholder(styling::AnsiColor::Cyan.on_default());

const EXAMPLES: &str = "\
Examples:
  See it work, with nothing installed:
    flumen demo

  Run the daemon and point an Open vSwitch bridge at it:
    flumen serve
    ovs-vsctl set bridge br0 protocols=OpenFlow13 -- set-controller br0 tcp:127.0.0.1:6653

  Adopt the switch, then let voice go first:
    flumen node add br0 --datapath-id 00:00:00:00:00:00:00:a1
    flumen flow install --source 10.0.1.0/24 --destination 10.0.2.0/24 --traffic-type voice

Exit status:
  0  done and applied (or accepted, where that was asked for)
  1  the daemon or a switch said no, or the outcome is not known
  2  wrong usage
  3  the daemon cannot be reached";

/// Program QoS flows into OpenFlow 1.3 switches, and hear what the switch said
///
/// A flow is `applied` only when the switch's barrier reply came after it, on the same connection, without an error.
#[derive(Debug, Parser)]
#[command(name = "flumen", version, styles = STYLES, after_help = EXAMPLES, max_term_width = 100)]
#[command(subcommand_required = true, arg_required_else_help = true, disable_help_subcommand = true)]
pub(super) struct Args {
    #[command(flatten)]
    pub(super) global: Global,
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Global options")]
pub(super) struct Global {
    /// The daemon to talk to
    #[arg(long, global = true, value_name = "URL", env = "FLUMEN_URL", hide_env_values = true, default_value = DEFAULT_URL)]
    pub(super) url: String,
    /// File that holds the bearer token [env: FLUMEN_TOKEN, the token itself]
    #[arg(long, global = true, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub(super) token_file: Option<PathBuf>,
    /// Authorities to trust with wss://, in PEM [default: the system's]
    #[arg(long, global = true, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub(super) ca: Option<PathBuf>,
    /// Attempts to reach a daemon again that goes away in the middle [default: 3; watch and top go on trying]
    #[arg(long, global = true, value_name = "N", allow_negative_numbers = true)]
    pub(super) retries: Option<u32>,
    /// Print JSON for programs: exactly the payload of the daemon's Reply; of decode and watch, one object a line
    #[arg(long, global = true)]
    pub(super) json: bool,
    /// When to use colours; NO_COLOR is respected
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(super) color: Color,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Color {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    Serve(Box<Serve>),
    /// Add, remove and look at switches
    #[command(subcommand, visible_alias = "nodes")]
    Node(NodeCommand),
    /// Install, remove and look at flows
    #[command(subcommand, visible_alias = "flows")]
    Flow(FlowCommand),
    /// Carry what a daemon keeps to another place: as lines of JSON, and back
    #[command(subcommand)]
    Store(StoreCommand),
    Token(Token),
    /// Set, show and remove the queues of a switch's ports
    #[command(subcommand, visible_alias = "queue")]
    Queues(QueueCommand),
    /// Show the daemon's version, uptime and limits
    Info,
    Watch(Watch),
    Top(Top),
    /// Show the classes of traffic that --traffic-type takes
    Classes,
    /// Check and write configuration files of the daemon
    #[command(subcommand)]
    Config(ConfigCommand),
    /// See it work: a daemon, an embedded switch and three flows, one of them refused
    ///
    /// Needs no root, no packages and no network beyond loopback. Everything is real: the daemon listens on free ports
    /// of 127.0.0.1, the switch connects to it over TCP and the flows are asked for over WebSocket. Exits 0 only if
    /// every verdict is as it should be.
    Demo,
    Emulate(Emulate),
    Decode(Decode),
    /// Write the completions of a shell to standard output
    #[command(after_help = COMPLETIONS_HELP)]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Write the manual pages into a directory
    #[command(after_help = MAN_HELP)]
    Man {
        /// The directory; it is made when it is not there
        #[arg(value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
        directory: PathBuf,
    },
}

const COMPLETIONS_HELP: &str = "\
Examples:
  flumen completions bash > ~/.local/share/bash-completion/completions/flumen
  flumen completions zsh > \"${fpath[1]}/_flumen\"
  flumen completions fish > ~/.config/fish/completions/flumen.fish";

const MAN_HELP: &str = "\
Examples:
  flumen man ~/.local/share/man/man1 && man flumen-flow-install
  flumen man /tmp/flumen && man -l /tmp/flumen/flumen.toml.5";

/// Takes one of the words of a closed vocabulary of the contract; help and completions show them.
fn words<T>(all: &[T], as_str: fn(T) -> &'static str) -> impl TypedValueParser<Value = T>
where
    T: Copy + FromStr<Err = Reason> + Send + Sync + 'static,
{
    PossibleValuesParser::new(all.iter().map(|word| as_str(*word))).try_map(|word| word.parse())
}
