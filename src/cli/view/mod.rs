//! Replies as people read them.

mod flow;
mod info;
mod node;
mod queues;

use std::collections::BTreeMap;

use super::output::{Output, Tone};
use crate::contract::{Command, FlowState, FlowView, Reply};

/// The Reply to `command` as text.
pub(super) fn reply(command: &Command, reply: &Reply, output: &Output) -> String {
    match reply {
        Reply::Node { node } => match command {
            Command::RemoveNode(_) => format!("{} removed\n", node.name),
            _ => node::one(node, output),
        },
        Reply::Nodes { nodes } => node::list(nodes, output),
        Reply::Flow { flow } => flow::one(flow, !matches!(command, Command::GetFlow(_)), output),
        Reply::Flows { flows, .. } | Reply::FlowsInstalled { flows, .. } => flow::list(flows, output),
        Reply::FlowsRemoved { summary } => flow::summary(summary, output),
        Reply::Authenticated { role } => format!("{role}\n"),
        Reply::Subscribed { topics, .. } => topics.keys().map(|topic| format!("{topic}\n")).collect(),
        Reply::Queues(view) => queues::one(view, output),
        Reply::Info(info) => info::info(info, output),
    }
}

/// Only the classes of traffic, out of the Reply to `GetInfo`.
pub(super) fn classes(command: &Command, reply: &Reply, output: &Output) -> String {
    match reply {
        Reply::Info(info) => info::classes(&info.traffic_types, output),
        other => self::reply(command, other, output),
    }
}

/// Only the queues, out of the Reply to `GetNode`.
pub(super) fn queues(command: &Command, reply: &Reply, output: &Output) -> String {
    match reply {
        Reply::Node { node } => queues::of_node(node, output),
        other => self::reply(command, other, output),
    }
}

/// Flows as a table.
pub(super) fn flows(flows: &[FlowView], output: &Output) -> String {
    flow::list(flows, output)
}

/// What a dry run of many would send, in the syntax of ovs-ofctl.
pub(super) fn flow_mods(flows: &[FlowView]) -> String {
    flow::all_flow_mods(flows)
}

/// How many flows are in each state.
pub(super) fn summary(summary: &BTreeMap<FlowState, u64>, output: &Output) -> String {
    flow::summary(summary, output)
}

/// How good the news of a state is.
pub(super) fn tone(state: FlowState) -> Tone {
    match state {
        FlowState::Applied => Tone::Good,
        FlowState::Rejected => Tone::Bad,
        FlowState::Unknown | FlowState::Drifted | FlowState::Accepted | FlowState::Removing => Tone::Doubtful,
        FlowState::Expired | FlowState::Superseded | FlowState::Removed | FlowState::Planned => Tone::Quiet,
    }
}

/// `3 applied, 1 rejected`.
pub(super) fn counts<'a>(counts: impl IntoIterator<Item = (&'a FlowState, &'a u64)>) -> String {
    let parts: Vec<String> =
        counts.into_iter().filter(|(_, count)| **count > 0).map(|(state, count)| format!("{count} {state}")).collect();
    parts.join(", ")
}
