//! `flumen watch` as typed.

use clap::value_parser;

use super::words;
use crate::contract::{DEFAULT_INTERVAL_MS, Topic};

const EXAMPLES: &str = "\
Examples:
  flumen watch
  flumen watch --topic stats --interval-ms 1000
  flumen watch --json | jq -c 'select(.topic == \"alarms\") | .payload'

Exit status: 0 when it was interrupted or has shown what --count asks for, 1 when the daemon says no, 3 when the daemon
cannot be reached at the start. A daemon that goes away later is waited for.";

/// Show what happens: nodes, flows, ports and alarms
///
/// On a terminal a table of the nodes and of the states of flows stands above the log; it is left with q. In a pipe and
/// with --count there is a line for each event.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Watch {
    /// Topic to watch, can be given several times; left out: all but stats
    #[arg(long = "topic", value_name = "TOPIC", value_parser = words(Topic::ALL, Topic::as_str))]
    pub(crate) topics: Vec<Topic>,
    /// How often statistics come, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = DEFAULT_INTERVAL_MS, value_parser = value_parser!(u32).range(100..=60_000))]
    pub(crate) interval_ms: u32,
    /// End after so many events
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
}
