//! `flumen flow …` as typed.

use clap::{Subcommand, value_parser};

use super::flow_file::{APPLY_EXAMPLES, ApplyFlows, DIFF_EXAMPLES, DiffFlows, ExportFlows};
use super::words;
use crate::contract::{
    DEFAULT_TIMEOUT_MS, Endpoint, FlowId, FlowState, Forward, MAX_LIST_LIMIT, NodeName, OnConflict, PortRange,
    Protocol, Wait,
};

const INSTALL_EXAMPLES: &str = "\
Examples:
  Voice between two subnets first, both ways, on every node:
    flumen flow install --source 10.0.1.0/24 --destination 10.0.2.0/24 \\
      --traffic-type voice --bidirectional

  SIP signalling of one IPv6 host, on two nodes:
    flumen flow install --source 2001:db8:1::/64 --destination 2001:db8:2::9 \\
      --traffic-type signaling --protocol udp --destination-port 5060-5063 \\
      --node s1 --node s2

  A backup behind everything else, until it has been silent for five minutes:
    flumen flow install --source 10.0.9.7 --destination any \\
      --traffic-type background --idle-timeout 300

  Look before you leap: the exact FLOW_MODs, and what they would hide or be hidden by:
    flumen flow install --source 10.0.1.7 --destination any \\
      --traffic-type video --dry-run

'flumen classes' shows the traffic types with their marks, queues and priorities.";

const REMOVE_EXAMPLES: &str = "\
Examples:
  flumen flow remove voice-1 voice-2
  flumen flow remove --node s1 --traffic-type bulk
  flumen flow remove --all";

#[derive(Debug, Subcommand)]
pub(crate) enum FlowCommand {
    /// Install a flow and hear the switches' verdict
    #[command(visible_alias = "add", after_help = INSTALL_EXAMPLES)]
    Install(Box<Install>),
    /// Remove flows, by id or by what they are
    #[command(visible_alias = "rm", after_help = REMOVE_EXAMPLES)]
    Remove(RemoveFlows),
    /// List flows
    #[command(visible_alias = "ls")]
    List(ListFlows),
    /// Show one flow with its verdict on each node
    Show {
        /// The flow's id
        flow_id: FlowId,
    },
    /// Install the flows of a file: YAML, JSON, CSV or lines of ovs-ofctl
    #[command(after_help = APPLY_EXAMPLES)]
    Apply(ApplyFlows),
    /// Compare the flows of a file with the daemon's
    #[command(after_help = DIFF_EXAMPLES)]
    Diff(DiffFlows),
    /// Write the daemon's flows as a file for 'flumen flow apply'
    Export(ExportFlows),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Install {
    #[command(flatten)]
    pub(crate) matching: Matching,
    #[command(flatten)]
    pub(crate) treatment: Treatment,
    #[command(flatten)]
    pub(crate) placement: Placement,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "What it matches")]
pub(crate) struct Matching {
    /// Source address or prefix, IPv4 or IPv6, or "any"
    #[arg(long, value_name = "PREFIX")]
    pub(crate) source: Endpoint,
    /// Destination address or prefix, or "any"
    #[arg(long, value_name = "PREFIX")]
    pub(crate) destination: Endpoint,
    /// Protocol on top of IP; icmp is ICMPv6 on IPv6
    #[arg(long, value_name = "PROTOCOL", value_parser = words(Protocol::ALL, Protocol::as_str))]
    pub(crate) protocol: Option<Protocol>,
    /// Source port or range, such as 5060 or 5060-5070; needs --protocol
    #[arg(long, value_name = "PORTS")]
    pub(crate) source_port: Option<PortRange>,
    /// Destination port or range; needs --protocol
    #[arg(long, value_name = "PORTS")]
    pub(crate) destination_port: Option<PortRange>,
    /// Also the reverse direction, addresses and ports swapped
    #[arg(long)]
    pub(crate) bidirectional: bool,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "What happens to it")]
pub(crate) struct Treatment {
    /// The class of traffic, such as voice ('flumen classes' lists them)
    #[arg(long, value_name = "CLASS")]
    pub(crate) traffic_type: String,
    /// OpenFlow priority, 1 to 65535; left out: the class's own
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = value_parser!(u16).range(1..))]
    pub(crate) priority: Option<u16>,
    /// DSCP to mark, 0 to 63; left out: the class's
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = value_parser!(u8).range(..=63))]
    pub(crate) dscp: Option<u8>,
    /// Queue of the output port; left out: the class's
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = value_parser!(u32).range(..=0xffff_fffe))]
    pub(crate) queue: Option<u32>,
    /// Rate limit in kbit/s, of this flow on each node; left out: the class's, which its flows share
    #[arg(long, visible_alias = "rate-limit", value_name = "N", allow_negative_numbers = true, value_parser = value_parser!(u32).range(1..))]
    pub(crate) rate_kbps: Option<u32>,
    /// Burst of the rate limit in kilobits; left out: the class's or the switch's
    #[arg(long, visible_alias = "burst", value_name = "N", allow_negative_numbers = true, value_parser = value_parser!(u32).range(1..), requires = "rate_kbps")]
    pub(crate) burst_kb: Option<u32>,
    /// Where it goes: normal, drop, port:N or table:N
    #[arg(long, value_name = "WHERE", default_value = "normal", value_parser = forward)]
    pub(crate) forward: Forward,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Where and how")]
pub(crate) struct Placement {
    /// Node to install it on, can be given several times; left out: all that are registered now
    #[arg(long = "node", value_name = "NAME")]
    pub(crate) nodes: Vec<NodeName>,
    /// The flow's id, 1 to 128 characters; asking again with the same id does nothing twice
    #[arg(long, value_name = "ID")]
    pub(crate) flow_id: Option<FlowId>,
    /// Remove it after so many seconds without a packet; 0: never
    #[arg(long, value_name = "SECONDS", default_value_t = 0, allow_negative_numbers = true)]
    pub(crate) idle_timeout: u16,
    /// Remove it after so many seconds; 0: never
    #[arg(long, value_name = "SECONDS", default_value_t = 0, allow_negative_numbers = true)]
    pub(crate) hard_timeout: u16,
    /// Only show what would be sent, and every conflict
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// What to do when it hides another rule, or is hidden by one
    #[arg(long, value_name = "WHAT", default_value = "warn", value_parser = words(OnConflict::ALL, OnConflict::as_str))]
    pub(crate) on_conflict: OnConflict,
    /// Take the place of a rule with the same table, priority and match
    #[arg(long)]
    pub(crate) replace: bool,
    /// What to wait for: applied by the switches, or only accepted by the daemon
    #[arg(long, value_name = "FOR", default_value = "applied", value_parser = words(Wait::ALL, Wait::as_str))]
    pub(crate) wait: Wait,
    /// How long to wait for it, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = DEFAULT_TIMEOUT_MS, allow_negative_numbers = true)]
    pub(crate) timeout_ms: u32,
}

#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("which").required(true).multiple(true)))]
pub(crate) struct RemoveFlows {
    /// The flows' ids
    #[arg(value_name = "FLOW_ID", group = "which", conflicts_with_all = ["node", "traffic_type", "all"])]
    pub(crate) flow_ids: Vec<FlowId>,
    /// All flows on this node
    #[arg(long, value_name = "NAME", group = "which")]
    pub(crate) node: Option<NodeName>,
    /// All flows of this class of traffic
    #[arg(long, value_name = "CLASS", group = "which")]
    pub(crate) traffic_type: Option<String>,
    /// All flows there are
    #[arg(long, group = "which", conflicts_with_all = ["node", "traffic_type"])]
    pub(crate) all: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ListFlows {
    /// Only flows on this node
    #[arg(long, value_name = "NAME")]
    pub(crate) node: Option<NodeName>,
    /// Only flows of this class of traffic
    #[arg(long, value_name = "CLASS")]
    pub(crate) traffic_type: Option<String>,
    /// Only flows in this state
    #[arg(long, value_name = "STATE", value_parser = words(FlowState::ALL, FlowState::as_str))]
    pub(crate) state: Option<FlowState>,
    /// At most so many flows, 1 to 10000; left out: all (with --json: the first page)
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = value_parser!(u32).range(1..=i64::from(MAX_LIST_LIMIT)))]
    pub(crate) limit: Option<u32>,
    /// Go on where the last list ended: its next_cursor
    #[arg(long, value_name = "CURSOR")]
    pub(crate) cursor: Option<String>,
}

fn forward(text: &str) -> Result<Forward, &'static str> {
    const ALLOWED: &str = "must be normal, drop, port:N (0 to 4294967295) or table:N (0 to 254)";
    match text.split_once(':') {
        None if text == "normal" => Ok(Forward::Normal),
        None if text == "drop" => Ok(Forward::Drop),
        Some(("port", number)) => number.parse().map(Forward::Port).map_err(|_| ALLOWED),
        Some(("table", number)) => match number.parse() {
            Ok(table @ 0..=254) => Ok(Forward::Table(table)),
            Ok(255) | Err(_) => Err(ALLOWED),
        },
        _ => Err(ALLOWED),
    }
}
