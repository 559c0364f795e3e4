//! What a flow does: questions about its instructions.

use openflow::{Action, GroupId, Instruction, MeterId, PortNo};

/// Puts instructions into the order in which the switch executes them, and checks and reports them.
///
/// > "The only constraints are that the Meter instruction is executed before the Apply-Actions instruction, that the
/// > Clear-Actions instruction is executed before the Write-Actions instruction, and that Goto-Table is executed last"
/// > (section 5.9).
pub(super) fn put_in_order(instructions: &mut [Instruction]) {
    instructions.sort_by_key(Instruction::execution_order);
}

/// The actions of a flow, those applied and those written.
pub(super) fn actions(instructions: &[Instruction]) -> impl Iterator<Item = &Action> {
    instructions.iter().flat_map(|instruction| match instruction {
        Instruction::ApplyActions(actions) | Instruction::WriteActions(actions) => actions.as_slice(),
        _ => &[],
    })
}

/// Whether a flow has an output action to the port.
pub(super) fn outputs_to(instructions: &[Instruction], port: PortNo) -> bool {
    actions(instructions).any(|action| matches!(action, Action::Output { port: to, .. } if *to == port))
}

/// The groups that actions send packets to.
pub(super) fn groups<'a>(actions: impl Iterator<Item = &'a Action>) -> impl Iterator<Item = GroupId> {
    actions.filter_map(|action| match action {
        Action::Group(group) => Some(*group),
        _ => None,
    })
}

/// The meters that a flow's packets go through.
pub(super) fn meters(instructions: &[Instruction]) -> impl Iterator<Item = MeterId> {
    instructions.iter().filter_map(|instruction| match instruction {
        Instruction::Meter(meter) => Some(*meter),
        _ => None,
    })
}

/// Whether a flow sends packets to the group.
pub(super) fn uses_group(instructions: &[Instruction], group: GroupId) -> bool {
    groups(actions(instructions)).any(|used| used == group)
}
