//! When each switch's tables are read: at every connect, when something is unknown, and now and then where the switch
//! does not tell by itself what others do.

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use openflow::FlowStatsRequest;
use tracing::warn;

use super::engine::Engine;
use super::flow::REPAIR_PERIOD;
use super::node::{Job, Node, NodeId, Sync};
use crate::contract::NodeName;
use crate::session::{Command, ReadError, Token};

/// The token of a read of everything a switch has, which nothing else has.
pub(super) const TABLE_READ: Token = Token(u64::MAX);

/// How often a table is read to find what nobody reported, give or take a quarter.
const POLL: Duration = Duration::from_secs(30);
/// How soon something is looked at again that did not come out.
const RETRY: Duration = Duration::from_secs(1);

/// Switches whose first reconciliation is under way at a time. When all of them come back at once, what they have is
/// read and repaired in turns; what is asked for now does not wait for that.
pub(super) const RECONCILING: usize = 64;

/// The reads that are due sometime, and the nodes that are being brought up to date.
#[derive(Debug, Default)]
pub(super) struct Reads {
    /// An entry counts only while its node still means the same moment.
    due: BTreeSet<(Instant, NodeId)>,
    reconciling: BTreeSet<NodeId>,
    /// Those whose turn has not come. An entry counts only while its node has not been read.
    waiting: VecDeque<NodeId>,
}

impl Reads {
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Whether it is the node's turn to be brought up to date.
    fn take_place(&mut self, id: NodeId) -> bool {
        let is_its_turn = self.reconciling.contains(&id) || self.reconciling.len() < RECONCILING;
        if is_its_turn {
            self.reconciling.insert(id);
        } else if !self.waiting.contains(&id) {
            self.waiting.push_back(id);
        }
        is_its_turn
    }

    /// How many nodes are being brought up to date.
    #[cfg(test)]
    pub(super) fn reconciling(&self) -> usize {
        self.reconciling.len()
    }
}

impl Engine {
    /// Asks for everything the switch has: its meters, where it has any that matter, and then its rules.
    pub(super) fn read_table(&mut self, id: NodeId) {
        let began = self.next_sequence();
        let Some(node) = self.nodes.get_mut(&id) else { return };
        let meters = node.about.as_ref().and_then(|about| about.description.meters.as_ref());
        let has_meters = meters.is_some_and(|meters| meters.max_meter > 0);
        let has_meters_of_ours = !node.meters.is_empty();
        let Some(live) = node.live_mut() else { return };
        let first = !live.has_synced();
        if first && !self.reads.take_place(id) {
            live.sync = Sync::Unread;
            return;
        }
        if !(has_meters && (first || has_meters_of_ours || live.is_replanned)) {
            return self.read_flows(id, first);
        }
        live.sync = Sync::ReadingMeters { began, first };
        live.next_read = None;
        let connection = live.connection;
        self.command(connection, Command::ReadMeters { token: TABLE_READ });
    }

    /// Asks for every rule of the switch. The answer is compared with what was desired when the question left.
    pub(super) fn read_flows(&mut self, id: NodeId, first: bool) {
        let began = self.next_sequence();
        let Some(live) = self.nodes.get_mut(&id).and_then(Node::live_mut) else { return };
        live.sync = Sync::Reading { began, first };
        live.next_read = None;
        let connection = live.connection;
        let expected = self.rules_put_on(id);
        let request = FlowStatsRequest::default();
        self.command(connection, Command::ReadFlows { token: TABLE_READ, request, expected });
    }

    /// How many rules of ours a switch may have.
    pub(super) fn rules_put_on(&self, id: NodeId) -> usize {
        let flows = self.nodes.get(&id).into_iter().flat_map(|node| node.flows.iter());
        flows.filter_map(|number| self.flows.get(&number)).map(|flow| flow.rules as usize).sum()
    }

    pub(super) fn read_due_tables(&mut self) {
        while let Some((at, id)) = self.reads.due.first().copied().filter(|(at, _)| *at <= self.now) {
            self.reads.due.remove(&(at, id));
            let live = self.nodes.get(&id).and_then(Node::live);
            if live.is_some_and(|live| live.next_read == Some(at) && live.may_read()) {
                self.read_table(id);
            }
        }
    }

    /// What the switch has and what it is to have have been brought together: what is due next may begin.
    pub(super) fn synced(&mut self, id: NodeId) {
        let Some(node) = self.nodes.get_mut(&id) else { return };
        // Nothing tells of what others do to meters.
        let has_meters = !node.meters.is_empty();
        let has_useless_meters = node.meters.iter().any(|(_, meter)| meter.is_useless());
        let Some(live) = node.live_mut() else { return };
        live.sync = Sync::Done;
        if has_useless_meters {
            self.push_job(id, Job::DropMeters);
        }
        self.give_place(id);
        self.atoms.wake(id);
        let Some(live) = self.nodes.get_mut(&id).and_then(Node::live_mut) else { return };
        let planned = live.next_read;
        let polls = !live.has_monitor || has_meters;
        if let Some(at) = planned {
            self.plan_read(id, at);
        }
        if polls {
            self.read_now_and_then(id);
        }
    }

    /// Nobody reports what others do to something on the switch: it is looked at now and then.
    pub(super) fn read_now_and_then(&mut self, id: NodeId) {
        self.plan_read(id, self.now + POLL.mul_f64(0.75 + fastrand::f64() / 2.0));
    }

    /// The node is up to date, or gone, or could not be read: the next one has its turn.
    pub(super) fn give_place(&mut self, id: NodeId) {
        if !self.reads.reconciling.remove(&id) {
            return;
        }
        while let Some(next) = self.reads.waiting.pop_front() {
            if self.nodes.get(&next).and_then(Node::live).is_some_and(|live| live.sync == Sync::Unread) {
                return self.read_table(next);
            }
        }
    }

    /// A read has no answer: nothing is concluded from it, and it is tried again.
    pub(super) fn read_failed(&mut self, id: NodeId, error: &ReadError) {
        warn!(node = self.node_name(id).map(NodeName::as_str), %error, "could not read the switch's tables");
        if let Some(live) = self.nodes.get_mut(&id).and_then(Node::live_mut) {
            live.sync = if live.has_synced() { Sync::Done } else { Sync::Unread };
        }
        self.give_place(id);
        self.read_soon(id);
    }

    /// Something is unknown that only the switch's tables can tell.
    pub(super) fn read_now(&mut self, id: NodeId) {
        self.plan_read(id, self.now);
    }

    /// Something did not come out, and is to be looked at again.
    pub(super) fn read_soon(&mut self, id: NodeId) {
        self.plan_read(id, self.now + RETRY);
    }

    /// A flow is held: the switch is looked at again when it may be repaired again.
    pub(super) fn read_when_held(&mut self, id: NodeId) {
        self.plan_read(id, self.now + REPAIR_PERIOD);
    }

    /// Reads no later than `at`, or as soon after it as the node may be read.
    fn plan_read(&mut self, id: NodeId, at: Instant) {
        let Some(live) = self.nodes.get_mut(&id).and_then(Node::live_mut) else { return };
        let at = live.next_read.map_or(at, |before| before.min(at));
        live.next_read = Some(at);
        if live.may_read() {
            self.reads.due.insert((at, id));
        }
    }
}
