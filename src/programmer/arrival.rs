//! The first time that a node's switch is there. Nothing is written to it before the disk knows that: whoever removes the
//! node, after a restart too, is to know that something of ours may be on the switch.

use super::engine::Engine;
use super::leaving::UNRECORDED;
use super::node::{Leaving, Node, NodeId, Sync};

/// A node that the disk is to know as one that has been connected, with this commit.
#[derive(Debug)]
pub(super) struct Arrival {
    commit: u64,
    node: NodeId,
}

/// The commit of what found no room on the disk.
const NO_ROOM: u64 = u64::MAX;

impl Engine {
    /// A switch is connected. Its tables are read as soon as it may be written to.
    pub(super) fn arrived(&mut self, id: NodeId) {
        let Some(node) = self.nodes.get_mut(&id) else { return };
        let is_first = !std::mem::replace(&mut node.was_seen, true);
        if is_first {
            self.save_node(id);
            self.arrivals.push(Arrival { commit: self.next_commit, node: id });
        }
        if !self.arrivals.iter().any(|arrival| arrival.node == id) {
            self.read_table(id);
        } else if let Some(live) = self.nodes.get_mut(&id).and_then(Node::live_mut) {
            live.sync = Sync::Unrecorded;
        }
    }

    /// Batches up to this one are on disk.
    pub(super) fn arrivals_recorded(&mut self, durable: u64) {
        let recorded: Vec<_> = self.arrivals.extract_if(.., |arrival| arrival.commit <= durable).collect();
        for Arrival { node, .. } in recorded {
            if self.nodes.get(&node).and_then(Node::live).is_some_and(|live| live.sync == Sync::Unrecorded) {
                self.ready.insert(node);
                self.read_table(node);
            }
        }
    }

    /// Batches up to this one found no room: the switches wait, and a removal that waits for one of them does not.
    pub(super) fn arrivals_not_recorded(&mut self, last: u64) {
        let refused = self.arrivals.iter_mut().filter(|arrival| arrival.commit <= last);
        let nodes: Vec<NodeId> = refused.map(|arrival| (arrival.commit = NO_ROOM, arrival.node).1).collect();
        nodes.into_iter().for_each(|node| self.stay(node, UNRECORDED));
    }

    /// Every node that is to stay is being written again, with the next commit.
    pub(super) fn record_arrivals_again(&mut self) {
        let is_going =
            |id: NodeId| matches!(self.nodes.get(&id).and_then(|node| node.leaving), Some(Leaving::Going(_)));
        for arrival in self.arrivals.iter_mut().filter(|arrival| arrival.commit == NO_ROOM && !is_going(arrival.node)) {
            arrival.commit = self.next_commit;
        }
    }

    /// The node is gone.
    pub(super) fn forget_arrival(&mut self, id: NodeId) {
        self.arrivals.retain(|arrival| arrival.node != id);
    }
}
