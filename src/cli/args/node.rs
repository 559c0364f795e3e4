//! `flumen node …` as typed.

use clap::Subcommand;

use super::words;
use crate::contract::{DatapathId, FlowsOnRemoval, NodeName, OvsdbAddress, SwitchAddress};

const ADD_EXAMPLES: &str = "\
Examples:
  A switch that connects to the daemon (ovs-vsctl set-controller br0 tcp:127.0.0.1:6653):
    flumen node add br0 --datapath-id 00:00:00:00:00:00:00:a1

  A switch that the daemon connects to (ovs-vsctl set-controller br0 ptcp:6654):
    flumen node add br0 --address tcp:192.0.2.7:6654

The datapath id of an Open vSwitch bridge:
    ovs-vsctl get bridge br0 datapath_id";

#[derive(Debug, Subcommand)]
pub(crate) enum NodeCommand {
    /// Add a switch, or adopt one that was discovered
    #[command(after_help = ADD_EXAMPLES)]
    Add(AddNode),
    /// Remove a switch, by default together with our flows on it
    #[command(visible_alias = "rm")]
    Remove {
        /// The node's name
        name: NodeName,
        /// What becomes of our flows on the switch
        #[arg(long, value_name = "WHAT", default_value = "remove", value_parser = words(FlowsOnRemoval::ALL, FlowsOnRemoval::as_str))]
        flows: FlowsOnRemoval,
    },
    /// List all nodes
    #[command(visible_alias = "ls")]
    List,
    /// Show one node with its ports and capabilities
    Show {
        /// The node's name
        name: NodeName,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct AddNode {
    /// The node's name: 1 to 64 of A-Z a-z 0-9 . _ -
    pub(crate) name: NodeName,
    /// Datapath id of a switch that connects to the daemon: 16 hex digits, 0x... or decimal
    #[arg(long, value_name = "ID")]
    pub(crate) datapath_id: Option<DatapathId>,
    /// Address of a switch that the daemon connects to: tcp:HOST:PORT
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) address: Option<SwitchAddress>,
    /// Address of the switch's OVSDB, for queues: tcp:HOST:PORT, ssl:HOST:PORT or unix:PATH
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) ovsdb: Option<OvsdbAddress>,
    /// A label of your own; can be given several times
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = label)]
    pub(crate) labels: Vec<(String, String)>,
}

fn label(text: &str) -> Result<(String, String), &'static str> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("must be KEY=VALUE"),
    }
}
