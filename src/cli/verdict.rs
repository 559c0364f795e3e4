//! Whether the answer is what was asked for: the exit code, and what a person should know beside the data.

use super::exit::Exit;
use super::output::{Output, shown};
use crate::contract::{
    AddNode, Command, FlowNodeView, FlowState, FlowView, InstallFlow, NodeState, NodeView, QueuesState, QueuesView,
    Reply, Wait,
};

/// Judges the Reply to a command; says on standard error what is not as it was asked for.
pub(super) fn judge(command: &Command, reply: &Reply, output: &Output) -> Exit {
    match (command, reply) {
        (Command::InstallFlow(asked), Reply::Flow { flow }) => installed(asked, flow, output),
        (Command::SetQueues(_), Reply::Queues(view)) => queues_set(view, output),
        (Command::AddNode(asked), Reply::Node { node }) => added(asked, node, output),
        (Command::RemoveFlow(_), Reply::Flow { flow }) => removed(flow, output),
        (Command::RemoveFlows(_), Reply::FlowsRemoved { summary }) => {
            let left: u64 = summary.iter().filter(|(state, _)| !is_off(**state)).map(|(_, count)| count).sum();
            if left == 0 {
                return Exit::Done;
            }
            output.error(format_args!(
                "{left} {} not yet off the switch",
                if left == 1 { "flow is" } else { "flows are" }
            ));
            output.hint("Flumen goes on by itself; 'flumen flow list --state removing' shows what is left");
            Exit::No
        }
        _ => Exit::Done,
    }
}

/// A node that is added is done, whether or not its switch is there already; a newcomer wants to know what is missing.
fn added(asked: &AddNode, node: &NodeView, output: &Output) -> Exit {
    if node.state == NodeState::Registered {
        output.hint(match asked.address {
            None => "the switch has not connected yet; Open vSwitch does with 'ovs-vsctl set-controller BRIDGE tcp:HOST:6653'",
            Some(_) => "the switch has not answered yet; 'flumen node list' shows when it has",
        });
    }
    Exit::Done
}

/// Queues that the switch has not taken are as good as a flow that it has not confirmed.
fn queues_set(view: &QueuesView, output: &Output) -> Exit {
    if view.state == QueuesState::Applied {
        return Exit::Done;
    }
    output.error(format_args!("the queues of {} are {}", shown(&view.port), view.state));
    output.hint(format_args!("Flumen goes on by itself; 'flumen queues show {}' tells how they are", view.node));
    Exit::No
}

fn installed(asked: &InstallFlow, flow: &FlowView, output: &Output) -> Exit {
    for warning in &flow.warnings {
        output.warning(shown(&warning.message));
    }
    let wanted = |state| match (asked.dry_run, asked.wait) {
        (true, _) => state == FlowState::Planned,
        (false, Wait::Applied) => state == FlowState::Applied,
        (false, Wait::Accepted) => matches!(state, FlowState::Accepted | FlowState::Applied),
    };
    if wanted(flow.state) {
        let in_the_way = flow.nodes.iter().filter_map(|node| node.error.as_ref());
        in_the_way.for_each(|error| output.warning(shown(&error.message)));
        return Exit::Done;
    }
    for node in flow.nodes.iter().filter(|node| !wanted(node.state)) {
        output.error(trouble(node));
    }
    if flow.nodes.is_empty() {
        output.error(format_args!("the flow is {}", flow.state));
    }
    match flow.state {
        FlowState::Rejected => output.hint(format_args!(
            "a rejected flow is never sent again by itself; 'flumen flow remove {}' frees its id",
            shown(flow.flow_id.as_str())
        )),
        FlowState::Accepted | FlowState::Unknown | FlowState::Drifted => output.hint(format_args!(
            "Flumen goes on by itself; 'flumen flow show {}' tells how it ended",
            shown(flow.flow_id.as_str())
        )),
        FlowState::Removed | FlowState::Expired | FlowState::Superseded => output.hint(format_args!(
            "nothing was done: the id {} stays that of the flow that was, for a day; use another --flow-id",
            shown(flow.flow_id.as_str())
        )),
        FlowState::Applied | FlowState::Removing | FlowState::Planned => {}
    }
    Exit::No
}

fn removed(flow: &FlowView, output: &Output) -> Exit {
    if is_off(flow.state) {
        return Exit::Done;
    }
    for node in flow.nodes.iter().filter(|node| !is_off(node.state)) {
        output.error(trouble(node));
    }
    output.hint("Flumen goes on by itself, as soon as the switch answers");
    Exit::No
}

/// Off the switch, one way or another.
fn is_off(state: FlowState) -> bool {
    matches!(state, FlowState::Removed | FlowState::Expired | FlowState::Superseded)
}

pub(super) fn trouble(node: &FlowNodeView) -> String {
    let FlowNodeView { node: name, state, error, reason, .. } = node;
    let because = match (error, reason) {
        (Some(error), _) => format!("{} {}: {}", shown(&error.error_type), shown(&error.code), shown(&error.message)),
        (None, Some(reason)) => shown(reason),
        (None, None) => match state {
            FlowState::Accepted => "the switch is away or has not confirmed it yet".to_owned(),
            FlowState::Unknown => "it was sent, and the outcome is not known yet".to_owned(),
            FlowState::Removing => "the switch is away or has not confirmed the removal yet".to_owned(),
            _ => return format!("{name}: {state}"),
        },
    };
    format!("{name}: {state}: {because}")
}
