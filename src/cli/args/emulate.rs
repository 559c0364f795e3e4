//! `flumen emulate` as typed.

use clap::value_parser;

use crate::contract::DatapathId;

const EXAMPLES: &str = "\
Examples:
  One switch for a daemon on this machine:
    flumen emulate --connect 127.0.0.1:6653

  A hundred, with datapath ids 1 to 100 and room for 1000 flows each:
    flumen emulate --switches 100 --table-limit 1000 --connect 127.0.0.1:6653";

/// Play OpenFlow 1.3 switches that dial a controller, until SIGINT or SIGTERM
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Emulate {
    /// The controller they dial
    #[arg(long, value_name = "HOST:PORT", value_parser = host_port)]
    pub(crate) connect: String,
    /// How many switches
    #[arg(long, value_name = "N", default_value_t = 1, allow_negative_numbers = true, value_parser = value_parser!(u32).range(1..=1_000_000))]
    pub(crate) switches: u32,
    /// The first one's datapath id; the others count up from it
    #[arg(long, value_name = "ID", default_value = "0000000000000001")]
    pub(crate) datapath_id: DatapathId,
    /// How many ports each has, numbered from 1
    #[arg(long, value_name = "N", default_value_t = 4, allow_negative_numbers = true)]
    pub(crate) ports: u16,
    /// How many flows fit into each table; the next is refused with TABLE_FULL
    #[arg(long, value_name = "N", default_value_t = 1_000_000, allow_negative_numbers = true)]
    pub(crate) table_limit: u32,
}

fn host_port(text: &str) -> Result<String, &'static str> {
    const ALLOWED: &str = "must be HOST:PORT (an IPv6 address in brackets, port 1 to 65535)";
    match text.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && port.parse().is_ok_and(|port: u16| port > 0) => Ok(text.to_owned()),
        _ => Err(ALLOWED),
    }
}
