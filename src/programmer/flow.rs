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

use std::fmt;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::{Duration, Instant};

use openflow::ErrorMsg;
use smallvec::SmallVec;

use super::asked::Asked;
use super::atom::AtomId;
use super::cookie::FlowNumber;
use super::counters::Sample;
use super::node::NodeId;
use crate::contract::{FlowState, InstallFlow, SwitchError, Timestamp};
use crate::southbound::ConnectionId;

/// Repairs of one flow on one node within [`REPAIR_PERIOD`], after which it is held instead: somebody else wants it
/// otherwise, and fighting for ever helps nobody.
const MAX_REPAIRS: u8 = 3;
pub(super) const REPAIR_PERIOD: Duration = Duration::from_secs(60);

/// A flow that was asked for. There may be millions of them: what most do not have is in [`Placement::more`].
#[derive(Debug)]
pub(super) struct Flow {
    /// As it was asked for; what the class adds is looked up when it is needed.
    pub(super) asked: Asked,
    /// How many rules it is on each node.
    pub(super) rules: u32,
    /// Its id is free again: the record goes when it has ended and nobody waits for it.
    pub(super) freed: bool,
    /// It has changed, and that is stored with the switch's word on it.
    pub(super) is_unsaved: bool,
    /// The disk has it that the flow has ended on a node, or is about to, which is not told before it has the rest, too.
    pub(super) is_end_stored: bool,
    pub(super) placements: Placements,
    /// The store's ticket that must be durable before the flow's state may be told.
    pub(super) durable: u64,
    /// When it left for good, on every node.
    pub(super) ended: Option<Timestamp>,
}

/// A flow's placements. Most flows are on one node.
pub(super) type Placements = SmallVec<[Placement; 1]>;

/// A flow on one node.
#[derive(Debug)]
pub(super) struct Placement {
    pub(super) node: NodeId,
    pub(super) stage: Stage,
    /// The state that is told of it, and under which its node counts it: the last one that the disk knows. Nothing as
    /// long as the disk does not know the flow.
    pub(super) told: Option<FlowState>,
    pub(super) reason: Option<Reason>,
    /// A job for it waits in the node's queue, or its atom is at work there.
    pub(super) queued: bool,
    /// That job is not in the queue proper, where it would come before what is asked later.
    pub(super) aside: bool,
    /// It is rejected, and whether its switch has something of it is not known before that is read.
    pub(super) in_doubt: bool,
    /// It comes from the store: what was sent of it before is not known.
    pub(super) restored: bool,
    pub(super) replan: Replan,
    /// FLOW_MODs sent and not settled, and what the settled ones said.
    pub(super) tally: Tally,
    /// The number of the connection that its last FLOW_MODs went to.
    connection: Option<NonZeroU64>,
    /// The engine's sequence number at its last change: a read of the switch that began before it proves nothing.
    pub(super) touched: u64,
    pub(super) applied_at: Option<Timestamp>,
    pub(super) verified_at: Option<Timestamp>,
    pub(super) error: Option<Box<SwitchError>>,
    more: Option<Box<More>>,
}

/// What few placements have at a time.
#[derive(Debug, Default)]
pub(super) struct More {
    /// The flows that it stands or falls with, until that is decided.
    pub(super) atom: Option<AtomId>,
    /// What the switch said to a bundle that was rolled back, where it blamed no rule.
    pub(super) cause: Option<Arc<ErrorMsg>>,
    /// Rules that ended by their own timeout.
    pub(super) expired_rules: u32,
    /// Flows whose places it was given, and that are superseded once it is applied.
    pub(super) replaces: Vec<FlowNumber>,
    /// A rule of its was sent into the place of somebody else's.
    pub(super) covers_foreign: bool,
    /// A flow that was to replace it came to nothing, and may have taken rules of its before.
    pub(super) was_yielding: bool,
    pub(super) repairs: Repairs,
    /// What its rules had counted when they were last read.
    pub(super) sample: Option<Sample>,
}

impl More {
    fn is_empty(&self) -> bool {
        let Self { atom, cause, expired_rules, replaces, covers_foreign, was_yielding, repairs, sample } = self;
        let has_history = *expired_rules > 0 || repairs.since.is_some() || sample.is_some();
        let is_marked = *covers_foreign || *was_yielding;
        atom.is_none() && cause.is_none() && replaces.is_empty() && !has_history && !is_marked
    }
}

/// Why a flow stands as it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    ConnectionLost,
    BarrierOverdue,
    BarrierSkipped,
    BarrierRefused,
    AnswerMalformed,
    Restarted,
    NodeRemoved,
    Deleted,
    Changed,
    Evicted,
}

impl Reason {
    /// As a client is told.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::ConnectionLost => "the connection ended before the switch confirmed it",
            Self::BarrierOverdue => "the switch has not answered the barrier in time",
            Self::BarrierSkipped => "the switch skipped the barrier",
            Self::BarrierRefused => "the switch refused the barrier",
            Self::AnswerMalformed => "the switch's answer is malformed",
            Self::Restarted => "the daemon restarted before the switch confirmed it",
            Self::NodeRemoved => "left on the switch when its node was removed",
            Self::Deleted => "deleted",
            Self::Changed => "changed",
            Self::Evicted => "evicted",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
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

    /// Whether somebody asked for its end: for that of the flow itself, or for another in its place.
    pub(super) fn is_end_asked_for(self) -> bool {
        matches!(self, Self::Removing | Self::Removed | Self::Superseded)
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
            told: None,
            reason: None,
            queued: false,
            aside: false,
            in_doubt: false,
            restored: false,
            replan: Replan::No,
            tally: Tally::default(),
            connection: None,
            touched: 0,
            applied_at: None,
            verified_at: None,
            error: None,
            more: None,
        }
    }

    /// The connection that its last FLOW_MODs went to.
    pub(super) fn connection(&self) -> Option<ConnectionId> {
        self.connection.map(|number| ConnectionId(number.get()))
    }

    pub(super) fn set_connection(&mut self, ConnectionId(number): ConnectionId) {
        self.connection = NonZeroU64::new(number);
    }

    /// What few placements have, to be changed.
    pub(super) fn more(&mut self) -> &mut More {
        self.more.get_or_insert_default()
    }

    /// The flows that it stands or falls with, until that is decided.
    pub(super) fn atom(&self) -> Option<AtomId> {
        self.more.as_ref()?.atom
    }

    pub(super) fn set_atom(&mut self, atom: Option<AtomId>) {
        self.set_more(atom.is_some(), |more| more.atom = atom);
    }

    /// What the switch said to a bundle that was rolled back, where it blamed no rule.
    pub(super) fn set_cause(&mut self, cause: Option<Arc<ErrorMsg>>) {
        self.set_more(cause.is_some(), |more| more.cause = cause);
    }

    /// Rules that ended by their own timeout.
    pub(super) fn expired_rules(&self) -> u32 {
        self.more.as_ref().map_or(0, |more| more.expired_rules)
    }

    pub(super) fn set_expired_rules(&mut self, expired_rules: u32) {
        self.set_more(expired_rules > 0, |more| more.expired_rules = expired_rules);
    }

    /// Flows whose places it was given, and that are superseded once it is applied.
    pub(super) fn replaces(&self) -> &[FlowNumber] {
        self.more.as_ref().map(|more| more.replaces.as_slice()).unwrap_or_default()
    }

    pub(super) fn set_replaces(&mut self, replaces: Vec<FlowNumber>) {
        self.set_more(!replaces.is_empty(), |more| more.replaces = replaces);
    }

    pub(super) fn take_replaces(&mut self) -> Vec<FlowNumber> {
        let replaces = self.more.as_mut().map(|more| std::mem::take(&mut more.replaces)).unwrap_or_default();
        self.more.take_if(|more| more.is_empty());
        replaces
    }

    /// Whether a rule of its was sent into the place of somebody else's; from here on that is over.
    pub(super) fn take_covers_foreign(&mut self) -> bool {
        self.take_mark(|more| &mut more.covers_foreign)
    }

    /// Whether what was to replace it may have taken rules of its; from here on that is over.
    pub(super) fn take_was_yielding(&mut self) -> bool {
        self.take_mark(|more| &mut more.was_yielding)
    }

    fn take_mark(&mut self, mark: impl FnOnce(&mut More) -> &mut bool) -> bool {
        let is_set = self.more.as_mut().is_some_and(|more| std::mem::take(mark(more)));
        self.more.take_if(|more| more.is_empty());
        is_set
    }

    /// Sets one of what few have. Whoever has nothing of it any more does without.
    fn set_more(&mut self, is_something: bool, set: impl FnOnce(&mut More)) {
        if is_something || self.more.is_some() {
            set(self.more());
            self.more.take_if(|more| more.is_empty());
        }
    }

    /// The state that a client is told.
    pub(super) fn state(&self) -> FlowState {
        if self.is_adrift() { FlowState::Drifted } else { self.stage.state() }
    }

    /// It was applied, and is not so any more: it is refused when it is put back, until nothing is left of it, or whether
    /// it has been put back is not known. That it was confirmed, and went, is known, and on disk.
    pub(super) fn is_adrift(&self) -> bool {
        match self.stage {
            Stage::Undoing => self.applied_at.is_some(),
            Stage::Unknown => matches!(self.told, Some(FlowState::Applied | FlowState::Drifted)),
            _ => false,
        }
    }

    /// Whether a job or an answer of the switch will move it on.
    pub(super) fn is_under_way(&self) -> bool {
        self.queued || self.tally.outstanding > 0
    }

    /// Whether it stands or falls with the other flows of this atom, still.
    pub(super) fn is_in(&self, atom: AtomId) -> bool {
        let is_undecided = matches!(self.stage, Stage::Waiting | Stage::Sent | Stage::Unknown | Stage::Undoing);
        self.atom() == Some(atom) && is_undecided
    }

    /// The atom that it is in, while that is not decided.
    pub(super) fn undecided(&self) -> Option<AtomId> {
        self.atom().filter(|atom| self.is_in(*atom))
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
        FlowState::worst(self.placements.iter().map(Placement::state)).unwrap_or(FlowState::Removed)
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
        essence(&self.asked.request()) == essence(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flow_on_one_node_takes_little() {
        assert_eq!((size_of::<Placement>(), size_of::<Flow>()), (72, 120));
    }
}
