//! What an operation did to the flows of the switch, for those who want to be told.

use openflow::{FlowRemovedReason, TableId};

use super::flow_table::{FlowEntry, Rule};

/// A flow as it was, and why it is not like that any more.
#[derive(Clone, Debug)]
pub(super) struct FlowChange {
    pub(super) table_id: TableId,
    pub(super) rule: Rule,
    pub(super) before: Option<FlowEntry>,
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
