//! `flumen queues …` as typed.

use clap::Subcommand;

use crate::contract::{MAX_PRIORITY, MAX_QUEUE, MIN_RATE_KBPS, NodeName, PortRef, QueueSetting};

const SET_EXAMPLES: &str = "\
Examples:
  Voice (queue 6) is sure of 2 of a port's 10 Mbit/s, and served first:
    flumen queues set br0 1 --max-rate-kbps 10000 --queue 6:min=2000,priority=0

  What is there then:
    flumen queues show br0

  The same by Open vSwitch's own tools:
    ovs-vsctl list port eth1 -- list qos -- list queue
    ovs-ofctl -O OpenFlow13 queue-stats br0

Queue 0 is always there: it takes what no flow gives to another. The node must have been added with --ovsdb.";

#[derive(Debug, Subcommand)]
pub(crate) enum QueueCommand {
    /// Set the queues of a port, in the place of those that Flumen set before
    #[command(after_help = SET_EXAMPLES)]
    Set(SetQueues),
    /// Show the queues of a node's ports, as its database has them
    Show {
        /// The node's name
        node: NodeName,
    },
    /// Remove the queues that Flumen set on a port
    #[command(visible_alias = "rm")]
    Remove {
        /// The node's name
        node: NodeName,
        /// The port: its OpenFlow number or its name
        port: PortRef,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct SetQueues {
    /// The node's name
    pub(crate) node: NodeName,
    /// The port: its OpenFlow number or its name
    pub(crate) port: PortRef,
    /// What the port sends at most, in kbit/s [default: what its link can]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(i64::from(MIN_RATE_KBPS)..))]
    pub(crate) max_rate_kbps: Option<u32>,
    /// A queue: its number, and min=, max= (kbit/s), burst= (kbit), priority= (0 first, 7 last); one or more times
    #[arg(long = "queue", value_name = "N[:KEY=VALUE,...]", required = true, value_parser = queue)]
    pub(crate) queues: Vec<QueueSetting>,
}

/// `6`, `6:min=2000,priority=1`.
fn queue(text: &str) -> Result<QueueSetting, String> {
    let (number, rest) = text.split_once(':').map_or((text, None), |(number, rest)| (number, Some(rest)));
    let mut queue = QueueSetting { queue: within("the number", number, 0, MAX_QUEUE)?, ..QueueSetting::default() };
    for pair in rest.into_iter().flat_map(|rest| rest.split(',')) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (field, least, most) = match key {
            "min" => (&mut queue.min_rate_kbps, MIN_RATE_KBPS, u32::MAX),
            "max" => (&mut queue.max_rate_kbps, MIN_RATE_KBPS, u32::MAX),
            "burst" => (&mut queue.burst_kb, 1, u32::MAX),
            "priority" => (&mut queue.priority, 0, MAX_PRIORITY),
            _ => return Err(format!("{pair:?} must be one of min=, max=, burst=, priority= and a number")),
        };
        if field.replace(within(key, value, least, most)?).is_some() {
            return Err(format!("{key} is given twice"));
        }
    }
    Ok(queue)
}

fn within(what: &str, text: &str, least: u32, most: u32) -> Result<u32, String> {
    let number = text.parse().ok().filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| format!("{what} must be a whole number from {least} to {most}, not {text:?}"))
}
