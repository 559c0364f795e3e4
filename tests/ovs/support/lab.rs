//! What most tests begin with: a daemon, and an Open vSwitch whose bridges are its nodes.

use serde_json::json;

use super::{Client, Daemon, Ovs};

/// A daemon and a private Open vSwitch.
#[derive(Debug)]
pub(crate) struct Lab {
    pub(crate) ovs: Ovs,
    pub(crate) daemon: Daemon,
}

impl Lab {
    /// Starts both, the daemon with these options; `None`, with the reason printed, where Open vSwitch is missing.
    pub(crate) fn start(options: &[&str]) -> Option<Self> {
        let ovs = Ovs::start()?;
        Some(Self { ovs, daemon: Daemon::start(options) })
    }

    /// Both, with one connected node `s1` that dials in, and a client.
    pub(crate) fn with_one_node() -> Option<(Self, Client)> {
        let lab = Self::start(&[])?;
        let mut client = lab.daemon.client();
        lab.add_dialling_node(&mut client, "s1", 0xa1);
        Some((lab, client))
    }

    /// Both, with a node `s1` that dials in, a node `s2` that is dialled, both connected, and a client.
    pub(crate) fn with_two_nodes() -> Option<(Self, Client)> {
        let (lab, mut client) = Self::with_one_node()?;
        lab.add_dialled_node(&mut client, "s2", 0xb2);
        Some((lab, client))
    }

    /// Adds a bridge that connects to the daemon, makes it a node, and waits for the connection.
    pub(crate) fn add_dialling_node(&self, client: &mut Client, name: &str, datapath_id: u64) {
        client.reply("AddNode", json!({"name": name, "datapath_id": format!("{datapath_id:016x}")}));
        self.ovs.add_dialling_bridge(name, datapath_id, self.daemon.openflow);
        client.wait_for_node(name, "connected", 15);
    }

    /// Adds a bridge that the daemon connects to, makes it a node, and waits for the connection.
    pub(crate) fn add_dialled_node(&self, client: &mut Client, name: &str, datapath_id: u64) {
        let port = self.ovs.add_dialled_bridge(name, datapath_id);
        client.reply("AddNode", json!({"name": name, "address": format!("tcp:127.0.0.1:{port}")}));
        client.wait_for_node(name, "connected", 15);
    }
}
