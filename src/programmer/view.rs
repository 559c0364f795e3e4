//! Nodes and flows as clients are shown them.

use std::collections::BTreeMap;

use openflow::{Capabilities as Features, DatapathId, Port, PortNo};

use super::Answer;
use super::cookie::{FlowNumber, Hex};
use super::discovered::{Guest, MAX_DISCOVERED};
use super::engine::{Engine, no_such_node};
use super::flow::{Flow, Placement};
use super::node::{Node, NodeId};
use super::preview::meter_view;
use super::queues::{self, NodeQueues};
use crate::contract::{
    Capabilities, ErrorBody, ErrorCode, FlowId, FlowNodeView, FlowState, FlowView, Info, InstallFlow, Limits,
    ListFlows, NodeName, NodeState, NodeView, PortView, Reply, SwitchError, TrafficTypeView,
};
use crate::policy::{self, Rule};
use crate::session::Description;

/// The type of an error that is the daemon's and not a switch's.
const OWN_ERROR: &str = "FLUMEN";

impl Engine {
    pub(super) fn node_view(&self, id: NodeId) -> Option<NodeView> {
        let node = self.nodes.get(&id)?;
        let description = node.about.as_ref().map(|about| about.description.as_ref());
        Some(NodeView {
            address: node.request.address.as_ref().map(ToString::to_string),
            ovsdb: node.request.ovsdb.as_ref().map(ToString::to_string),
            labels: node.request.labels.clone(),
            kind: node.request.kind,
            ports: node.about.as_ref().map(|about| port_views(about.ports.values(), &node.queues)).unwrap_or_default(),
            connected_since: node.live().map(|live| live.since),
            flows: node.counts.clone(),
            warnings: node.warnings.values().cloned().collect(),
            capabilities: Capabilities {
                bundles: node.live().is_some_and(|live| live.has_bundles),
                flow_monitor: node.live().is_some_and(|live| live.has_monitor),
                ..capabilities(description)
            },
            ..described(node.request.name.clone(), node.datapath_id, node.state(), description)
        })
    }

    pub(super) fn flow_view(&self, number: FlowNumber) -> Option<FlowView> {
        let flow = self.flows.get(&number)?;
        let state = flow.told()?;
        let nodes =
            flow.placements.iter().filter_map(|placement| self.placement_view(number, flow, placement)).collect();
        Some(self.view_of(flow.asked.flow_id(), state, &flow.asked.request(), nodes))
    }

    /// Where it stands by what is on disk. What a state that is not there yet came with is not told before it.
    fn placement_view(&self, number: FlowNumber, flow: &Flow, placement: &Placement) -> Option<FlowNodeView> {
        let node = self.nodes.get(&placement.node);
        let state = placement.told?;
        let is_all = state == placement.state();
        Some(FlowNodeView {
            state,
            cookie: Some(Hex(self.tag.cookie(number)).to_string()),
            rules: flow.rules,
            error: placement.error.as_deref().filter(|_| is_all || state == FlowState::Rejected).cloned(),
            reason: placement.reason.filter(|_| is_all).map(|reason| reason.as_str().to_owned()),
            applied_at: placement.applied_at.filter(|_| is_all || state != FlowState::Accepted),
            verified_at: placement.verified_at,
            meter: self.meter_of(number, placement.node).and_then(|meter| {
                let limit = self.limit_of_flow(flow)?;
                Some(meter_view(&limit, meter.id))
            }),
            ..self.node_of_flow(self.node_name(placement.node)?.clone(), node)
        })
    }

    /// What a dry run shows: METER_MODs and FLOW_MODs in the order of sending, byte for byte as they would be sent if
    /// the flow were asked for now.
    pub(super) fn planned_view(&self, request: &InstallFlow, rules: &[Rule], nodes: &[NodeId]) -> FlowView {
        let on_node = |id: &NodeId| {
            let node = self.nodes.get(id)?;
            let conflicts: Vec<_> = self.conflicts_on(*id, request, rules).collect();
            Some(FlowNodeView {
                state: FlowState::Planned,
                rules: count(rules),
                error: (!conflicts.is_empty()).then(|| conflict_error(&conflicts.join("; "))),
                ..self.preview(*id, request, rules, self.node_of_flow(node.request.name.clone(), Some(node)))
            })
        };
        let nodes = nodes.iter().filter_map(on_node).collect();
        self.view_of(self.shown_id(request), FlowState::Planned, request, nodes)
    }

    /// An item of a batch that did not become a flow.
    pub(super) fn refused_view(
        &self,
        request: &InstallFlow,
        rules: &[Rule],
        nodes: &[NodeId],
        error: &SwitchError,
    ) -> FlowView {
        let on_node = |id: &NodeId| {
            let node = self.nodes.get(id)?;
            Some(FlowNodeView {
                state: FlowState::Rejected,
                rules: count(rules),
                error: Some(error.clone()),
                ..self.node_of_flow(node.request.name.clone(), Some(node))
            })
        };
        let nodes = nodes.iter().filter_map(on_node).collect();
        self.view_of(self.shown_id(request), FlowState::Rejected, request, nodes)
    }

    fn node_of_flow(&self, name: NodeName, node: Option<&Node>) -> FlowNodeView {
        FlowNodeView {
            node: name,
            datapath_id: node.and_then(|node| node.datapath_id).map(|id| id.to_string()),
            state: FlowState::Removed,
            cookie: None,
            table: self.config.pipeline.qos_table().0,
            rules: 0,
            error: None,
            reason: None,
            applied_at: None,
            verified_at: None,
            meter: None,
            counters: None,
            flow_mods: None,
        }
    }

    fn view_of(&self, flow_id: FlowId, state: FlowState, request: &InstallFlow, nodes: Vec<FlowNodeView>) -> FlowView {
        let class = self.classes.known(&request.traffic_type);
        let warnings = self.substitutes(request, &nodes);
        let packets = class.map(|class| class.packets(request)).unwrap_or_default();
        FlowView {
            flow_id,
            state,
            source: request.source,
            destination: request.destination,
            traffic_type: request.traffic_type.clone(),
            priority: request.priority.or_else(|| class.map(|class| class.default_priority)).unwrap_or_default(),
            protocol: packets.protocol,
            source_port: packets.source_port,
            destination_port: packets.destination_port,
            dscp: request.dscp.or_else(|| class.map(|class| class.dscp)),
            queue: request.queue.or_else(|| class.map(|class| class.queue)),
            rate_limit: request.rate_limit,
            forward: request.forward,
            bidirectional: request.bidirectional,
            idle_timeout: request.idle_timeout,
            hard_timeout: request.hard_timeout,
            nodes,
            warnings,
            packets: None,
            bytes: None,
        }
    }

    pub(super) fn shown_id(&self, request: &InstallFlow) -> FlowId {
        request.flow_id.clone().unwrap_or_else(|| self.new_flow_id(FlowNumber::TABLE_MISS))
    }

    /// One page, in the order of installation. Flows that are removed or superseded are left out unless asked for.
    pub(super) fn list_flows(&self, request: &ListFlows) -> Answer {
        let node = match &request.node {
            Some(name) => Some(*self.names.get(name).ok_or_else(|| no_such_node(name, "payload.node"))?),
            None => None,
        };
        if let Some(name) = &request.traffic_type {
            let known = self.classes.get(name);
            known.map_err(|error| {
                ErrorBody::new(ErrorCode::InvalidRequest, error.to_string()).at("payload.traffic_type")
            })?;
        }
        let after = match &request.cursor {
            Some(cursor) => cursor.parse::<u64>().ok().and_then(FlowNumber::new).ok_or_else(|| {
                ErrorBody::new(ErrorCode::InvalidRequest, "cursor must be the next_cursor of the page before")
                    .at("payload.cursor")
            })?,
            None => FlowNumber::TABLE_MISS,
        };
        let is_meant = |flow: &Flow| {
            let is_shown = match (request.state, flow.told()) {
                (_, None) => false,
                (Some(wanted), Some(state)) => wanted == state,
                (None, Some(state)) => !matches!(state, FlowState::Removed | FlowState::Superseded),
            };
            is_shown
                && node.is_none_or(|id| flow.placement(id).is_some())
                && request.traffic_type.as_ref().is_none_or(|name| name == flow.asked.traffic_type())
        };
        let limit = usize::try_from(request.limit).unwrap_or(usize::MAX);
        let mut matching = self.flows.after(after).filter(|(_, flow)| is_meant(flow)).map(|(number, _)| number);
        let page: Vec<FlowNumber> = matching.by_ref().take(limit).collect();
        let next_cursor = matching.next().and(page.last()).map(|last| last.get().to_string());
        let flows = page.into_iter().filter_map(|number| self.flow_view(number)).collect();
        Ok(Reply::Flows { flows, next_cursor })
    }

    pub(super) fn info(&self) -> Reply {
        let traffic_types = self.classes.iter().map(|class| TrafficTypeView {
            name: class.name.to_string(),
            dscp: class.dscp,
            dscp_name: class.dscp_name().map(str::to_owned),
            queue: class.queue,
            priority: class.default_priority,
            description: class.description.to_string(),
            rate_limit: class.limit.map(|limit| limit.rate),
            protocol: class.template.protocol,
            source_port: class.template.source_port,
            destination_port: class.template.destination_port,
            trust_dscp: class.template.trust_dscp,
        });
        Reply::Info(Box::new(Info {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime: self.now.duration_since(self.started).as_secs(),
            limits: Limits {
                discovered_nodes: u32::try_from(MAX_DISCOVERED).unwrap_or(u32::MAX),
                ..self.config.limits
            },
            traffic_types: traffic_types.collect(),
        }))
    }
}

/// A discovered switch.
pub(super) fn guest_view(datapath_id: DatapathId, guest: &Guest) -> NodeView {
    // 16 hex digits are a lawful name.
    let name = datapath_id.to_string().parse().unwrap_or_else(|_| unreachable!("a datapath id is a lawful name"));
    NodeView {
        ports: port_views(guest.description.ports.iter(), &NodeQueues::default()),
        connected_since: Some(guest.since),
        ..described(name, Some(datapath_id), NodeState::Discovered, Some(&guest.description))
    }
}

fn described(
    name: NodeName,
    datapath_id: Option<DatapathId>,
    state: NodeState,
    description: Option<&Description>,
) -> NodeView {
    let features = description.map(|description| &description.features);
    let text =
        |text: fn(&Description) -> &str| description.map(text).filter(|text| !text.is_empty()).map(str::to_owned);
    NodeView {
        name,
        kind: Default::default(),
        datapath_id: datapath_id.map(|id| id.to_string()),
        address: None,
        ovsdb: None,
        labels: BTreeMap::new(),
        state,
        manufacturer: text(|about| &about.manufacturer),
        hardware: text(|about| &about.hardware),
        software: text(|about| &about.software),
        tables: features.map(|features| features.n_tables),
        ports: Vec::new(),
        capabilities: capabilities(description),
        connected_since: None,
        flows: BTreeMap::new(),
        warnings: Vec::new(),
    }
}

/// What a switch can do by its own word. Bundles and flow monitors are known only after they were tried.
fn capabilities(description: Option<&Description>) -> Capabilities {
    let Some(description) = description else { return Capabilities::default() };
    let meters = description.meters.as_ref();
    let bands = meters.map(policy::band_names).unwrap_or_default();
    Capabilities {
        meters: meters.is_some_and(|meters| meters.max_meter > 0),
        bands: bands.into_iter().map(str::to_owned).collect(),
        queues: description.features.capabilities.contains(Features::QUEUE_STATS),
        bundles: false,
        flow_monitor: false,
    }
}

fn port_views<'a>(ports: impl Iterator<Item = &'a Port>, queues: &NodeQueues) -> Vec<PortView> {
    let view = |port: &Port| {
        let found = queues.of_port(port.port_no.0);
        PortView {
            max_rate_kbps: found.and_then(|port| queues::kilobits(port.found.max_rate)),
            queues: queues.seen.as_ref().map(|_| found.map(|port| queues::views(&port.found)).unwrap_or_default()),
            queues_state: found.map(|port| queues::state_of(port.standing)),
            ..port_view(port)
        }
    };
    ports.filter(|port| port.port_no <= PortNo::MAX).map(view).collect()
}

/// One port, without its queues.
pub(super) fn port_view(port: &Port) -> PortView {
    PortView {
        number: port.port_no.0,
        name: port.name.to_string(),
        up: port.is_up(),
        speed_kbps: port.curr_speed,
        max_rate_kbps: None,
        queues: None,
        queues_state: None,
    }
}

fn conflict_error(message: &str) -> SwitchError {
    own_error("CONFLICT", message)
}

/// An error that is the daemon's own.
pub(super) fn own_error(code: &str, message: &str) -> SwitchError {
    SwitchError { error_type: OWN_ERROR.to_owned(), code: code.to_owned(), message: message.to_owned() }
}

fn count(rules: &[Rule]) -> u32 {
    u32::try_from(rules.len()).unwrap_or(u32::MAX)
}
