//! `flumen top` as typed.

use clap::value_parser;

const KEYS: &str = "\
Keys:
  up, down, page up, page down, home, end   choose a flow (also k, j, g, G)
  s    sort by rate, by state or by id
  p    stop the picture, and let it go on
  q    leave (also Esc and Ctrl-C)

Examples:
  flumen top
  flumen top --interval-ms 5000

Rates come from the counters of the switches. A flow that is on several nodes is shown with the rate that it has on the
busiest of them.";

/// Show nodes and flows by rate, full-screen, with a plot of the chosen flow's rate
#[derive(Debug, clap::Args)]
#[command(after_help = KEYS)]
pub(crate) struct Top {
    /// How often rates come, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 1_000, allow_negative_numbers = true, value_parser = value_parser!(u32).range(100..=60_000))]
    pub(crate) interval_ms: u32,
}
