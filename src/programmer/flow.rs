//! A desired flow and where it stands on each of its nodes.
//!
//! ```text
//!            sent             barrier reply, no error
//! Waiting ─────────▶ Sent ─────────────────────────────▶ Applied ◀──────────┐
//!    ▲  not sent      │ │ an error                          │ gone, changed  │ repaired
//!    └────────────────┤ └────────▶ Undoing ─▶ Rejected      ▼                │
//!                     │ connection lost, barrier overdue   Drifted ──────────┘
//!                     ▼                                     │ three repairs in a minute
//!                  Unknown ─▶ read back: Applied, or sent   └─▶ (held)
//!
//! any of them ── RemoveFlow ──▶ Removing ── confirmed ──▶ Removed
//! Applied ── its own timeout ──▶ Expired        Applied ── another flow's replace ──▶ Superseded
//! ```

use std::sync::Arc;
use std::time::{Duration, Instant};

use openflow::ErrorMsg;

use super::atom::AtomId;
use super::cookie::FlowNumber;
use super::counters::Sample;
use super::node::NodeId;
use crate::contract::{FlowId, FlowState, InstallFlow, SwitchError, Timestamp};
use crate::southbound::ConnectionId;

/// Repairs of one flow on one node within [`REPAIR_PERIOD`], after which it is held instead: somebody else wants it
/// otherwise, and fighting for ever helps nobody.
const MAX_REPAIRS: u8 = 3;
pub(super) const REPAIR_PERIOD: Duration = Duration::from_secs(60);

/// A flow that was asked for.
#[derive(Debug)]
pub(super) struct Flow {
    pub(super) id: FlowId,
    /// As it was asked for; what the class adds is looked up when it is needed.
    pub(super) request: Box<InstallFlow>,
    /// How many rules it is on each node.
    pub(super) rules: u32,
    pub(super) placements: Vec<Placement>,
    /// The store's ticket that must be durable before the flow's state may be told.
    pub(super) durable: u64,
    /// When it left for good, on every node.
    pub(super) ended: Option<Timestamp>,
    /// Its id is free again: the record goes when it has ended and nobody waits for it.
    pub(super) freed: bool,
}

/// A flow on one node.
#[derive(Debug)]
pub(super) struct Placement {
    pub(super) node: NodeId,
    pub(super) stage: Stage,
    /// FLOW_MODs sent and not settled, and what the settled ones said.
    pub(super) tally: Tally,
    /// A job for it waits in the node's queue, or its atom is at work there.
    pub(super) queued: bool,
    /// The flows that it stands or falls with, until that is decided.
    pub(super) atom: Option<AtomId>,
    /// The connection that its last FLOW_MODs went to.
    pub(super) connection: Option<ConnectionId>,
    /// The engine's sequence number at its last change: a read of the switch that began before it proves nothing.
    pub(super) touched: u64,
    pub(super) error: Option<Box<SwitchError>>,
    pub(super) reason: Option<&'static str>,
    pub(super) applied_at: Option<Timestamp>,
    pub(super) verified_at: Option<Timestamp>,
    /// Rules that ended by their own timeout.
    pub(super) expired_rules: u32,
    /// It comes from the store: what was sent of it before is not known.
    pub(super) restored: bool,
    /// Flows whose places it was given, and that are superseded once it is applied.
    pub(super) replaces: Vec<FlowNumber>,
    pub(super) repairs: Repairs,
    pub(super) replan: Replan,
    /// What its rules had counted when they were last read.
    pub(super) sample: Option<Sample>,
    /// The state that is told of it, and under which its node counts it: the last one that the disk knows. Nothing as
    /// long as the disk does not know the flow.
    pub(super) told: Option<FlowState>,
}

/// Whether the switch may have rules of a flow as its class was before it changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Replan {
    /// It has none.
    #[default]
    No,
    /// It may, and has not been sent the rules as they are now.
    Due,
    /// It has been sent the rules as they are now, and may have others beside them until a reading shows that it has not.
    Sent,
}

/// How often something was repaired lately.
#[derive(Debug, Default)]
pub(super) struct Repairs {
    count: u8,
    since: Option<Instant>,
}

impl Repairs {
    /// Counts a repair; false when there were too many in a short time, and it is to be held.
    pub(super) fn may_repair(&mut self, now: Instant) -> bool {
        match self.since {
            Some(since) if now.duration_since(since) < REPAIR_PERIOD => self.count = self.count.saturating_add(1),
            _ => (self.since, self.count) = (Some(now), 1),
        }
        self.count <= MAX_REPAIRS
    }
}

/// Where a flow stands on one node; the diagram is in the [module](self).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Waiting,
    Sent,
    Undoing,
    Applied,
    Rejected,
    Unknown,
    Drifted,
    Removing,
    Removed,
    Expired,
    Superseded,
}

/// What has come back of the FLOW_MODs that were sent together, and what happened to the flow's rules meanwhile. It is
/// used up when the last of them settles.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) outstanding: u32,
    pub(super) lost: bool,
    pub(super) unsent: bool,
    /// They are in a bundle, which takes effect at its commit: whatever is to come after them must wait.
    pub(super) bundled: bool,
    /// The bundle was rolled back, for another rule's sake.
    pub(super) rolled_back: bool,
    /// What the switch said to that, where it blamed no rule.
    pub(super) cause: Option<Arc<ErrorMsg>>,
    /// The switch refused to delete a rule.
    pub(super) kept: bool,
    /// The switch refused a rule because its meter is not there.
    pub(super) unmetered: bool,
}

impl Stage {
    /// The state that a client is told.
    pub(super) fn state(self) -> FlowState {
        match self {
            Self::Waiting | Self::Sent | Self::Undoing => FlowState::Accepted,
            Self::Applied => FlowState::Applied,
            Self::Rejected => FlowState::Rejected,
            Self::Unknown => FlowState::Unknown,
            Self::Drifted => FlowState::Drifted,
            Self::Removing => FlowState::Removing,
            Self::Removed => FlowState::Removed,
            Self::Expired => FlowState::Expired,
            Self::Superseded => FlowState::Superseded,
        }
    }

    /// Whether the switch is to have its rules.
    pub(super) fn is_desired(self) -> bool {
        match self {
            Self::Waiting | Self::Sent | Self::Applied | Self::Unknown | Self::Drifted => true,
            Self::Undoing | Self::Rejected | Self::Removing | Self::Removed | Self::Expired | Self::Superseded => false,
        }
    }

    /// Whether it has left the node for good.
    pub(super) fn is_ended(self) -> bool {
        matches!(self, Self::Removed | Self::Expired | Self::Superseded)
    }
}

impl Placement {
    pub(super) fn new(node: NodeId) -> Self {
        Self {
            node,
            stage: Stage::Waiting,
            tally: Tally::default(),
            queued: false,
            atom: None,
            connection: None,
            touched: 0,
            error: None,
            reason: None,
            applied_at: None,
            verified_at: None,
            expired_rules: 0,
            restored: false,
            replaces: Vec::new(),
            repairs: Repairs::default(),
            replan: Replan::No,
            sample: None,
            told: None,
        }
    }

    /// Whether a job or an answer of the switch will move it on.
    pub(super) fn is_under_way(&self) -> bool {
        self.queued || self.tally.outstanding > 0
    }

    /// Whether it stands or falls with the other flows of this atom, still.
    pub(super) fn is_in(&self, atom: AtomId) -> bool {
        let is_undecided = matches!(self.stage, Stage::Waiting | Stage::Sent | Stage::Unknown | Stage::Undoing);
        self.atom == Some(atom) && is_undecided
    }

    /// The atom that it is in, while that is not decided.
    pub(super) fn undecided(&self) -> Option<AtomId> {
        self.atom.filter(|atom| self.is_in(*atom))
    }

    /// Drifted, and left so until its repairs are long enough ago.
    pub(super) fn is_held(&self) -> bool {
        self.stage == Stage::Drifted && !self.is_under_way()
    }

    /// The switch has confirmed it.
    pub(super) fn confirm(&mut self, at: Timestamp) {
        self.stage = Stage::Applied;
        self.reason = None;
        self.applied_at.get_or_insert(at);
    }
}

impl Flow {
    /// The flow's state: the worst of its nodes'.
    pub(super) fn state(&self) -> FlowState {
        FlowState::worst(self.placements.iter().map(|placement| placement.stage.state())).unwrap_or(FlowState::Removed)
    }

    /// The state that is told: nothing as long as the disk does not know the flow.
    pub(super) fn told(&self) -> Option<FlowState> {
        FlowState::worst(self.placements.iter().filter_map(|placement| placement.told))
    }

    pub(super) fn placement(&self, node: NodeId) -> Option<&Placement> {
        self.placements.iter().find(|placement| placement.node == node)
    }

    pub(super) fn placement_mut(&mut self, node: NodeId) -> Option<&mut Placement> {
        self.placements.iter_mut().find(|placement| placement.node == node)
    }

    /// Whether it has left every node for good.
    pub(super) fn is_ended(&self) -> bool {
        self.placements.iter().all(|placement| placement.stage.is_ended())
    }

    /// Whether another request means the same flow: all that decides what is on the switches is equal. What the caller
    /// waits for, and whether a conflict would have been worth a refusal, does not belong to the flow.
    pub(super) fn is_same(&self, other: &InstallFlow) -> bool {
        let essence = |request: &InstallFlow| InstallFlow {
            flow_id: None,
            dry_run: false,
            on_conflict: crate::contract::OnConflict::default(),
            wait: crate::contract::Wait::default(),
            timeout_ms: 0,
            ..request.clone()
        };
        essence(&self.request) == essence(other)
    }
}

/// What a flow is known by inside the engine.
pub(super) type Flows = std::collections::BTreeMap<FlowNumber, Flow>;
