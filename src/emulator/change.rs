//! What an operation did to the switch: enough to take it back, and enough to tell the controllers.
//!
//! Every operation on the [`super::datapath::Datapath`] appends to one list. A bundle that fails walks the list
//! backwards; FLOW_REMOVED, PORT_STATUS and the flow monitors are made from it once the operation stands.

use openflow::{FlowModFlags, FlowRemovedReason, GroupId, Port, TableId};

use super::flow_table::{FlowEntry, Rule};
use super::group_table::Group;

/// One thing that is not as it was.
#[derive(Debug)]
pub(super) enum Change {
    /// A flow came, changed or went.
    Flow(FlowChange),
    /// A group came, changed or went; `before` is what it was.
    Group { group_id: GroupId, before: Option<Group> },
    /// A port came, changed or went.
    Port { before: Option<Port>, after: Option<Port> },
}

/// A flow as it was and as it is.
#[derive(Debug)]
pub(super) struct FlowChange {
    pub(super) table_id: TableId,
    pub(super) rule: Rule,
    pub(super) before: Option<FlowEntry>,
    pub(super) after: Option<FlowEntry>,
    pub(super) cause: Cause,
}

/// Why a flow changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// FLOW_MOD added it, perhaps in the place of another.
    Added,
    /// FLOW_MOD gave it other instructions.
    Modified,
    /// It went.
    Removed(FlowRemovedReason),
    /// It made room for another flow.
    Evicted,
}

impl Cause {
    /// The reason that controllers are told, if the flow went. Evictions have none of their own in OpenFlow 1.3.
    pub(super) fn reason(self) -> Option<FlowRemovedReason> {
        match self {
            Cause::Added | Cause::Modified => None,
            Cause::Removed(reason) => Some(reason),
            Cause::Evicted => Some(FlowRemovedReason::Delete),
        }
    }
}

/// The changes of one operation, in their order.
#[derive(Debug, Default)]
pub(super) struct Changes {
    list: Vec<Change>,
    complete: bool,
}

impl Changes {
    /// Starts over. A list that is not `complete` leaves out the changes of flows that no controller hears of, which
    /// is what most of them are; it cannot be taken back.
    pub(super) fn start(&mut self, complete: bool) {
        self.list.clear();
        self.complete = complete;
    }

    /// Whether changes of flows are wanted, other than the removal of those that asked for it.
    pub(super) fn are_complete(&self) -> bool {
        self.complete
    }

    pub(super) fn push(&mut self, change: Change) {
        self.list.push(change);
    }

    /// Notes that a flow has gone.
    pub(super) fn removed(&mut self, table_id: TableId, rule: Rule, before: FlowEntry, cause: Cause) {
        if self.complete || before.flags.contains(FlowModFlags::SEND_FLOW_REM) {
            self.list.push(Change::Flow(FlowChange { table_id, rule, before: Some(before), after: None, cause }));
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Change> {
        self.list.iter()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Gives back what happened, the last first, and forgets it.
    pub(super) fn undo(&mut self) -> impl Iterator<Item = Change> + use<> {
        std::mem::take(&mut self.list).into_iter().rev()
    }
}
