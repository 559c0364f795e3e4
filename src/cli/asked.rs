//! What is asked of the network: when a request and a flow that the daemon has are the same.
//!
//! What a request leaves open is filled in from its class before, and nodes count only where the request names some.

use super::flow_file::without_id;
use crate::contract::{FlowState, FlowView, InstallFlow, TrafficTypeView};

/// Whether a flow is on a switch, or on its way there.
pub(super) const fn is_wanted(state: FlowState) -> bool {
    match state {
        FlowState::Unknown | FlowState::Drifted | FlowState::Accepted | FlowState::Applied => true,
        FlowState::Rejected
        | FlowState::Removing
        | FlowState::Expired
        | FlowState::Superseded
        | FlowState::Removed
        | FlowState::Planned => false,
    }
}

/// The request that leads to this flow.
pub(super) fn request(flow: &FlowView) -> InstallFlow {
    InstallFlow {
        flow_id: Some(flow.flow_id.clone()),
        nodes: Some(flow.nodes.iter().map(|node| node.node.clone()).collect()),
        priority: Some(flow.priority),
        protocol: flow.protocol,
        source_port: flow.source_port,
        destination_port: flow.destination_port,
        dscp: flow.dscp,
        queue: flow.queue,
        rate_limit: flow.rate_limit,
        forward: flow.forward,
        bidirectional: flow.bidirectional,
        idle_timeout: flow.idle_timeout,
        hard_timeout: flow.hard_timeout,
        ..InstallFlow::new(flow.source, flow.destination, flow.traffic_type.clone())
    }
}

/// What is asked, spelt out: two requests with the same key are the same but for their nodes.
pub(super) fn key(flow: &InstallFlow, classes: &[TrafficTypeView]) -> String {
    let class = classes.iter().find(|class| class.name == flow.traffic_type);
    let template = class.filter(|_| flow.protocol.is_none());
    let spelt_out = InstallFlow {
        nodes: None,
        protocol: flow.protocol.or_else(|| template?.protocol),
        source_port: flow.source_port.or_else(|| template?.source_port),
        destination_port: flow.destination_port.or_else(|| template?.destination_port),
        priority: flow.priority.or_else(|| class.map(|class| class.priority)),
        dscp: flow.dscp.or_else(|| class.map(|class| class.dscp)),
        queue: flow.queue.or_else(|| class.map(|class| class.queue)),
        ..without_id(flow)
    };
    format!("{spelt_out:?}")
}

pub(super) fn is_on_nodes(flow: &InstallFlow, found: &FlowView) -> bool {
    let Some(nodes) = &flow.nodes else { return true };
    nodes.len() == found.nodes.len() && found.nodes.iter().all(|node| nodes.contains(&node.node))
}

/// Whether the daemon's flow is what the request asks for.
pub(super) fn is_same(flow: &InstallFlow, found: &FlowView, classes: &[TrafficTypeView]) -> bool {
    is_on_nodes(flow, found) && key(flow, classes) == key(&request(found), classes)
}
