//! A registered node: what was asked for, what the switch says of itself, and the connection to it.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use openflow::{DatapathId, MeterMod, Port, PortNo};

use super::atom::AtomId;
use super::cookie::FlowNumber;
use super::engine::Ticket;
use super::flow::Repairs;
use super::flows::FlowSet;
use super::foreign::Foreign;
use super::meter::Meters;
use super::queues::NodeQueues;
use crate::contract::{AddNode, FlowState, NodeState, Timestamp};
use crate::policy::{ConflictIndex, Rule};
use crate::session::Description;
use crate::southbound::ConnectionId;

/// FLOW_MODs that one node may have without an answer (the switch's queue is not ours to fill).
pub(super) const WINDOW: u64 = 1_000;

/// How many of them may be of large batches, so that there is room for what somebody asks beside them.
pub(super) const BULK_WINDOW: u64 = 768;

/// Deletions without an answer beyond which those that are many wait: what is asked beside them meets no more.
pub(super) const BEHIND_WINDOW: u64 = 256;

/// One of so many jobs is taken of those that are behind the others, so that they come to an end.
const TURN_BEHIND: u32 = 8;

/// A node's place in the engine; never used twice while the daemon runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct NodeId(pub(super) u32);

/// A registered node.
#[derive(Debug)]
pub(super) struct Node {
    /// As it was asked for.
    pub(super) request: AddNode,
    /// The one asked for, or the one that the dialled switch turned out to have.
    pub(super) datapath_id: Option<DatapathId>,
    /// What the switch said at its last handshake.
    pub(super) about: Option<About>,
    pub(super) link: Link,
    /// Flows with a placement here that has not ended.
    pub(super) flows: FlowSet,
    /// How many of them are in each state.
    pub(super) counts: BTreeMap<FlowState, u64>,
    /// Work that waits for a place in the window, in order.
    pub(super) queue: VecDeque<Job>,
    /// New flows of large batches that are in nobody's way. They come after what is in the queue, in whatever order.
    pub(super) bulk: VecDeque<Job>,
    /// Deletions that are many.
    pub(super) behind: VecDeque<Job>,
    turns: u32,
    /// Rules of others as they were when the table was last read, and as has been told of since.
    pub(super) foreign: Foreign,
    /// What our flows here take, once somebody has asked what is in a flow's way.
    pub(super) index: Option<ConflictIndex<FlowNumber>>,
    /// Its meters that are ours.
    pub(super) meters: Meters,
    pub(super) queues: NodeQueues,
    /// It is on its way out.
    pub(super) leaving: Option<Leaving>,
    /// Its switch has been connected once, perhaps to a daemon before this one: something of ours may be on it.
    pub(super) was_seen: bool,
    table_miss_repairs: Repairs,
    /// What an operator should know, by subject, so that a newer word takes the place of the older.
    pub(super) warnings: BTreeMap<&'static str, String>,
}

/// Where work waits for its place in the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lane {
    /// In order.
    Queue,
    /// Behind whatever is in order, also what comes later.
    Behind,
}

/// How far the removal of a node is, and who is to be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leaving {
    /// Its switch is to confirm that nothing of ours is left.
    Wiping(Ticket),
    /// The disk is to forget it.
    Going(Ticket),
}

/// What a switch says of itself.
#[derive(Debug)]
pub(super) struct About {
    pub(super) description: Box<Description>,
    pub(super) ports: BTreeMap<PortNo, Port>,
}

/// The connection to a node.
#[derive(Debug)]
pub(super) enum Link {
    /// Never connected since the daemon started.
    Never,
    /// It was.
    Lost,
    /// It is.
    Up(Live),
}

/// A connection in use.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) connection: ConnectionId,
    pub(super) since: Timestamp,
    pub(super) sync: Sync,
    /// FLOW_MODs handed to the connection, and how many of them are settled for good. They settle in order.
    pub(super) sent: u64,
    pub(super) settled: u64,
    /// Another connection that claims to be this switch, while this one is asked whether it is alive.
    pub(super) contender: Option<ConnectionId>,
    /// When the table is read next.
    pub(super) next_read: Option<Instant>,
    pub(super) listed_meters: ListedMeters,
    /// What the switch turned out to have.
    pub(super) has_bundles: bool,
    pub(super) has_monitor: bool,
    /// FLOW_MODs in bundles that are not settled. They do not count against the window: a bundle is one thing, however
    /// much is in it.
    pub(super) bundled: u64,
    /// Those of them that are of large batches. They do count.
    pub(super) bulk: u64,
    /// Jobs that must come after what is in a bundle now.
    pub(super) deferred: Vec<Job>,
    /// Classes of its flows have changed, and it has not been read since.
    pub(super) is_replanned: bool,
    /// Meters that nobody is to be behind any more leave when so many FLOW_MODs are settled, and no bundle is under way.
    pub(super) meters_leave: Option<u64>,
}

/// What is known of the switch's meters on this connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum ListedMeters {
    /// It has not told yet which it has, or has none.
    #[default]
    Unread,
    Known,
    /// It has meters and does not tell.
    Refused,
}

/// How far the desired state and the switch have been brought together on this connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sync {
    /// The disk is to know first that the switch has been connected. Nothing is written to it before.
    Unrecorded,
    /// The switch is asked which meters it has, before its tables are read.
    ReadingMeters { began: u64, first: bool },
    /// The meters that rules need are being put there.
    Metering { first: bool },
    /// The switch's tables are being read; changes after `began` are not in what it will say.
    Reading { began: u64, first: bool },
    /// The first read failed, and is tried again.
    Unread,
    /// The first repairs are under way in bundles.
    Restoring,
    /// The first repairs are under way: done when so many FLOW_MODs are settled.
    Repairing { until: u64 },
    /// The first repairs wait in the queue, in front of a [`Job::Synced`].
    Queued,
    /// The first reconciliation is done.
    Done,
}

/// Work for a switch.
#[derive(Debug)]
pub(super) enum Job {
    /// Put these rules of a flow there.
    Install { number: FlowNumber, rules: Vec<Rule> },
    /// Take a flow's rules away.
    Remove { number: FlowNumber },
    /// Take away what is left of a flow of which a rule was refused.
    Undo { number: FlowNumber },
    /// Send the bundle of flows that stand or fall together.
    Prepare { atom: AtomId },
    /// Delete one rule that is ours and belongs to no flow, or is not as its flow wants it.
    Sweep { cookie: u64, rule: Rule },
    /// Add, change or delete a meter.
    Meter(MeterMod),
    /// Delete the meters that nobody is to be behind, when everything before it is settled.
    DropMeters,
    /// Write the table-miss rule.
    WriteTableMiss,
    /// Delete the table-miss rule.
    DeleteTableMiss,
    /// Delete everything that is ours.
    Wipe,
    /// Everything before it belongs to the first reconciliation.
    Synced,
}

impl Node {
    pub(super) fn new(request: AddNode, datapath_id: Option<DatapathId>) -> Self {
        Self {
            request,
            datapath_id,
            about: None,
            link: Link::Never,
            flows: FlowSet::default(),
            counts: BTreeMap::new(),
            queue: VecDeque::new(),
            bulk: VecDeque::new(),
            behind: VecDeque::new(),
            turns: 0,
            foreign: Foreign::default(),
            index: None,
            meters: Meters::default(),
            queues: NodeQueues::default(),
            leaving: None,
            was_seen: false,
            table_miss_repairs: Repairs::default(),
            warnings: BTreeMap::new(),
        }
    }

    /// Forgets all work that waits.
    pub(super) fn clear_queues(&mut self) {
        self.queue.clear();
        self.bulk.clear();
        self.behind.clear();
    }

    /// Whether the next job is one of those behind the others: when there is no other and `has_leisure`, and now and then
    /// whatever comes.
    pub(super) fn is_turn_of_behind(&mut self, has_leisure: bool) -> bool {
        self.turns = self.turns.wrapping_add(1);
        let is_turn = if self.queue.is_empty() { has_leisure } else { self.turns.is_multiple_of(TURN_BEHIND) };
        is_turn && !self.behind.is_empty()
    }

    pub(super) fn live(&self) -> Option<&Live> {
        match &self.link {
            Link::Up(live) => Some(live),
            Link::Never | Link::Lost => None,
        }
    }

    pub(super) fn live_mut(&mut self) -> Option<&mut Live> {
        match &mut self.link {
            Link::Up(live) => Some(live),
            Link::Never | Link::Lost => None,
        }
    }

    pub(super) fn is_on(&self, connection: ConnectionId) -> bool {
        self.live().is_some_and(|live| live.connection == connection)
    }

    /// Counts a repair of the table-miss rule; false when it is better left alone.
    pub(super) fn may_repair_table_miss(&mut self, now: Instant) -> bool {
        self.table_miss_repairs.may_repair(now)
    }

    /// The state that a client is told.
    pub(super) fn state(&self) -> NodeState {
        match &self.link {
            Link::Never if self.request.address.is_some() => NodeState::Connecting,
            Link::Never => NodeState::Registered,
            Link::Lost => NodeState::Disconnected,
            Link::Up(live) if live.has_synced() => NodeState::Connected,
            Link::Up(_) => NodeState::Connecting,
        }
    }
}

impl Live {
    pub(super) fn new(connection: ConnectionId, since: Timestamp) -> Self {
        Self {
            connection,
            since,
            sync: Sync::Queued,
            sent: 0,
            settled: 0,
            contender: None,
            next_read: None,
            listed_meters: ListedMeters::default(),
            has_bundles: false,
            has_monitor: false,
            bundled: 0,
            bulk: 0,
            deferred: Vec::new(),
            is_replanned: false,
            meters_leave: None,
        }
    }

    /// FLOW_MODs that may be handed to the connection now.
    pub(super) fn credit(&self) -> u64 {
        WINDOW.saturating_sub(self.in_window() + self.bulk)
    }

    /// The same for large batches.
    pub(super) fn bulk_credit(&self) -> u64 {
        self.credit().min(BULK_WINDOW.saturating_sub(self.bulk))
    }

    /// FLOW_MODs without an answer, but for those in bundles.
    pub(super) fn in_window(&self) -> u64 {
        self.sent.saturating_sub(self.settled)
    }

    /// Whether nothing is under way that a read would disturb.
    pub(super) fn may_read(&self) -> bool {
        matches!(self.sync, Sync::Done | Sync::Unread)
    }

    pub(super) fn has_synced(&self) -> bool {
        match self.sync {
            Sync::Done
            | Sync::Reading { first: false, .. }
            | Sync::ReadingMeters { first: false, .. }
            | Sync::Metering { first: false } => true,
            Sync::Reading { first: true, .. }
            | Sync::ReadingMeters { first: true, .. }
            | Sync::Metering { first: true }
            | Sync::Unrecorded
            | Sync::Unread
            | Sync::Restoring
            | Sync::Repairing { .. }
            | Sync::Queued => false,
        }
    }
}
