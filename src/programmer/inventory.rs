//! Nodes and the connections to them: adding, removing, coming and going.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use openflow::{DatapathId, PortReason, PortStatus};
use tracing::{debug, info, warn};

use super::cookie::FlowNumber;
use super::discovered::Guest;
use super::engine::{Engine, Output, Ticket, no_such_node};
use super::flow::{Flow, Placement};
use super::leaving::{UNCONFIRMED, being_removed};
use super::node::{About, Link, Live, Node, NodeId};
use super::reads::TABLE_READ;
use super::sample::SAMPLE;
use super::view::guest_view;
use super::{Admission, Answer, Survey};
use crate::contract::{
    AddNode, AlarmKind, ErrorBody, ErrorCode, FlowState, GetNode, NodeName, NodeState, OvsdbAddress, Reply,
    SwitchAddress as Address,
};
use crate::session::{CloseReason, Command, Description, Event, MAX_PORTS, describe};
use crate::southbound::{ConnectionId, Origin, SwitchAddress};

/// How long the older of two connections with one datapath id has to show that it is alive.
const ALIVE_WITHIN: Duration = Duration::from_secs(1);

impl Engine {
    pub(super) fn add_node(&mut self, ticket: Ticket, request: AddNode) {
        self.save_leavers_of(&request.name);
        match self.try_add_node(request) {
            Ok(reply) => self.answer_when_durable(ticket, Ok(reply)),
            Err(error) => self.answer(ticket, Err(error)),
        }
    }

    /// A flow that has left a node of this name must not be on the new one after a restart: that it has left is written
    /// with that node, where it is not on disk yet.
    fn save_leavers_of(&mut self, name: &NodeName) {
        let gone: Vec<NodeId> =
            self.retired.iter().filter(|(_, retired)| *retired == name).map(|(id, _)| *id).collect();
        if gone.is_empty() {
            return;
        }
        let was_there = |flow: &Flow| flow.placements.iter().any(|placement| gone.contains(&placement.node));
        let is_meant = |flow: &Flow| flow.durable > self.durable && was_there(flow);
        let leavers: Vec<_> = self.flows.iter().filter(|(_, flow)| is_meant(flow)).map(|(number, _)| number).collect();
        leavers.into_iter().for_each(|number| self.save_flow(number));
    }

    fn try_add_node(&mut self, request: AddNode) -> Answer {
        if !self.config.dial_tls && request.address.as_ref().is_some_and(|address| address.tls) {
            let message = "address must be tcp:HOST:PORT: this daemon has no certificates to dial over TLS with; \
                           --openflow-cert, --openflow-key and --openflow-ca say where they are";
            return Err(ErrorBody::new(ErrorCode::Unsupported, message).at("payload.address"));
        }
        if !self.config.dial_tls && matches!(request.ovsdb, Some(OvsdbAddress::Ssl(_))) {
            let message = "ovsdb must be tcp:HOST:PORT or unix:PATH: this daemon has no certificates to dial over TLS \
                           with; --openflow-cert, --openflow-key and --openflow-ca say where they are";
            return Err(ErrorBody::new(ErrorCode::Unsupported, message).at("payload.ovsdb"));
        }
        let datapath_id = request.datapath_id.map(|id| DatapathId(id.0));
        if let Some(id) = self.names.get(&request.name).copied() {
            let same = |node: &&Node| node.request == request;
            let Some(node) = self.nodes.get(&id).filter(same) else {
                return Err(taken(&request.name, "name", "another node has the name"));
            };
            return if node.leaving.is_none() { Ok(self.node_reply(id)) } else { Err(being_removed(&request.name)) };
        }
        if let Some(other) = datapath_id.and_then(|id| self.datapaths.get(&id)).and_then(|id| self.node_name(*id)) {
            return Err(taken(other, "datapath_id", "has this datapath id"));
        }
        if let Some((other, _)) = self.discovered.named(&request.name)
            && datapath_id != Some(other)
        {
            return Err(taken(&request.name, "name", "a discovered switch goes by the name"));
        }
        if let Some(address) = &request.address
            && let Some(other) = self.dialed.get(&switch_address(address)).and_then(|id| self.node_name(*id))
        {
            return Err(taken(other, "address", "is dialled at this address"));
        }
        let id = self.register(request, datapath_id);
        Ok(self.node_reply(id))
    }

    /// Makes a node, durably, and begins to look for its switch.
    pub(super) fn register(&mut self, request: AddNode, datapath_id: Option<DatapathId>) -> NodeId {
        let id = self.insert_node(Node::new(request, datapath_id));
        self.save_node(id);
        if let Some((datapath_id, guest)) = datapath_id.and_then(|id| Some((id, self.discovered.take(id)?))) {
            self.tell_node(Some(guest_view(datapath_id, &guest)), true);
            self.go_live(id, guest.connection, guest.description);
        }
        id
    }

    /// Puts a node into every index, and dials it when it has an address.
    pub(super) fn insert_node(&mut self, node: Node) -> NodeId {
        let id = self.new_node_id();
        self.names.insert(node.request.name.clone(), id);
        if let Some(datapath_id) = node.datapath_id {
            self.datapaths.insert(datapath_id, id);
        }
        if let Some(address) = node.request.address.as_ref().map(switch_address) {
            self.dialed.insert(address.clone(), id);
            self.outputs.push_back(Output::Dial { node: id, address });
        }
        self.nodes.insert(id, node);
        self.watch_queues(id);
        self.note_node(id);
        id
    }

    pub(super) fn list_nodes(&self) -> Reply {
        let mut nodes: Vec<_> = self.nodes.keys().filter_map(|id| self.node_view(*id)).collect();
        nodes.extend(self.discovered.iter().map(|(datapath_id, guest)| guest_view(datapath_id, guest)));
        nodes.sort_by(|a, b| a.name.cmp(&b.name));
        Reply::Nodes { nodes }
    }

    /// Counts nodes, flows and alarms. Every state and kind is there, if only with 0.
    pub(super) fn survey(&self) -> Survey {
        let mut survey = Survey { alarms: self.desk.alarms(), ..Survey::default() };
        let discovered = self.discovered.iter().map(|_| NodeState::Discovered);
        for state in self.nodes.values().map(Node::state).chain(discovered) {
            *survey.nodes.entry(state).or_default() += 1;
        }
        for (&state, count) in self.nodes.values().flat_map(|node| &node.counts) {
            *survey.flows.entry(state).or_default() += count;
        }
        survey
    }

    pub(super) fn get_node(&self, request: &GetNode) -> Answer {
        if let Some(view) = self.names.get(&request.name).and_then(|id| self.node_view(*id)) {
            return Ok(Reply::Node { node: Box::new(view) });
        }
        match self.discovered.named(&request.name) {
            Some((datapath_id, guest)) => Ok(Reply::Node { node: Box::new(guest_view(datapath_id, guest)) }),
            None => Err(no_such_node(&request.name, "payload.name")),
        }
    }

    /// The error for a name that is no registered node's.
    pub(super) fn unknown_node(&self, name: &NodeName) -> ErrorBody {
        if self.discovered.named(name).is_some() {
            let message = format!("node {name} is only discovered; AddNode registers it");
            return ErrorBody::new(ErrorCode::NotFound, message).at("payload.name");
        }
        no_such_node(name, "payload.name")
    }

    /// A switch is there and has said what it is.
    pub(super) fn connected(
        &mut self,
        connection: ConnectionId,
        peer: SocketAddr,
        origin: &Origin,
        description: Box<Description>,
    ) {
        let datapath_id = description.features.datapath_id;
        let admitted = match origin {
            Origin::Dialed(address) => self.admit_dialed(address, datapath_id),
            Origin::Accepted => self.admit_accepted(connection, datapath_id, &description),
        };
        match admitted {
            Ok(Some(id)) => self.attach(id, connection, description),
            Ok(None) => {
                info!(%datapath_id, %peer, "discovered a switch");
                let view = self.discovered.get(datapath_id).map(|guest| guest_view(datapath_id, guest));
                self.tell_node(view, false);
            }
            Err(reason) => {
                warn!(%datapath_id, %peer, %reason, "refused a switch");
                self.command(connection, Command::Close(reason));
            }
        }
    }

    fn admit_dialed(
        &mut self,
        address: &SwitchAddress,
        datapath_id: DatapathId,
    ) -> Result<Option<NodeId>, CloseReason> {
        let Some(id) = self.dialed.get(address).copied() else { return Err(CloseReason::Removed) };
        let owner = self.datapaths.get(&datapath_id).copied();
        self.note_node(id);
        let Some(node) = self.nodes.get_mut(&id) else { return Err(CloseReason::Removed) };
        match (node.datapath_id, owner) {
            (Some(expected), _) if expected != datapath_id => {
                let reason = format!("the switch at {address} has datapath id {datapath_id}, not {expected}");
                node.warnings.insert("address", reason.clone());
                Err(CloseReason::NotAdmitted(reason))
            }
            (None, Some(_)) => {
                let reason = format!("the switch at {address} has the datapath id of another node, {datapath_id}");
                node.warnings.insert("address", reason.clone());
                Err(CloseReason::NotAdmitted(reason))
            }
            (Some(_), _) => Ok(Some(id)),
            (None, None) => {
                node.datapath_id = Some(datapath_id);
                self.datapaths.insert(datapath_id, id);
                self.save_node(id);
                self.watch_queues(id);
                Ok(Some(id))
            }
        }
    }

    fn admit_accepted(
        &mut self,
        connection: ConnectionId,
        datapath_id: DatapathId,
        description: &Description,
    ) -> Result<Option<NodeId>, CloseReason> {
        if let Some(id) = self.datapaths.get(&datapath_id) {
            return Ok(Some(*id));
        }
        match self.config.admission {
            Admission::Registered => {
                let reason = format!("no node with datapath id {datapath_id} was added");
                Err(CloseReason::NotAdmitted(reason))
            }
            Admission::Adopt => self.adopt(datapath_id).map(Some),
            Admission::Discover => {
                let guest = Guest { connection, since: self.wall, description: Box::new(description.clone()) };
                self.discovered.admit(datapath_id, guest).map(|()| None)
            }
        }
    }

    /// Registers a switch under its datapath id, which is a lawful name, unless another node has it.
    fn adopt(&mut self, datapath_id: DatapathId) -> Result<NodeId, CloseReason> {
        let name = datapath_id.to_string().parse().ok().filter(|name| !self.names.contains_key(name));
        let Some(name) = name else {
            return Err(CloseReason::NotAdmitted(format!("another node has the name {datapath_id}")));
        };
        let request = AddNode {
            name,
            kind: Default::default(),
            datapath_id: Some(crate::contract::DatapathId(datapath_id.0)),
            address: None,
            ovsdb: None,
            labels: BTreeMap::new(),
        };
        Ok(self.register(request, Some(datapath_id)))
    }

    /// A connection of a registered node. If the node has one, the older is asked whether it is alive: while it is,
    /// the newer is an impostor or a mistake.
    fn attach(&mut self, id: NodeId, connection: ConnectionId, description: Box<Description>) {
        let Some(live) = self.nodes.get_mut(&id).and_then(Node::live_mut) else {
            return self.go_live(id, connection, description);
        };
        if live.contender.is_some() {
            return self.command(connection, Command::Close(CloseReason::DuplicateDatapathId));
        }
        live.contender = Some(connection);
        let older = live.connection;
        self.contenders.insert(connection, (id, description));
        self.command(older, Command::Probe { within: ALIVE_WITHIN });
    }

    pub(super) fn go_live(&mut self, id: NodeId, connection: ConnectionId, description: Box<Description>) {
        let Some(node) = self.nodes.get_mut(&id) else { return };
        info!(node = %node.request.name, datapath_id = %description.features.datapath_id, connection = connection.0, "switch connected");
        let ports = description.ports.iter().map(|port| (port.port_no, port.clone())).collect();
        node.about = Some(About { description, ports });
        node.warnings.remove("address");
        node.link = Link::Up(Live::new(connection, self.wall));
        self.connections.insert(connection, id);
        // In this order: what the monitor tells is about changes after the read began.
        let packet_in = self.config.table_miss == super::TableMiss::Controller;
        self.command(connection, Command::Control { packet_in });
        self.command(connection, Command::Monitor);
        self.arrived(id);
    }

    /// Something happened on a connection.
    pub(super) fn happened(&mut self, connection: ConnectionId, event: Event) {
        let Some(id) = self.connections.get(&connection).copied() else {
            return self.happened_to_guest(connection, event);
        };
        self.note_node(id);
        match event {
            Event::Ready(_) => {}
            Event::Settled(settlements) => self.settled(id, settlements),
            Event::Prepared { bundle } => self.prepared(bundle, id),
            Event::LateRefusal { token, error } => self.late_refusal(id, token, &error),
            Event::FlowsRead { token: SAMPLE, result } => self.sampled(id, &result),
            Event::MetersRead { result, .. } => self.meters_read(id, &result),
            Event::MeterStatsRead { token, result } => self.meter_counters_read(token, id, &result),
            Event::FlowsRead { token, result } if token != TABLE_READ => self.counters_read(token, id, &result),
            Event::FlowsRead { result: Ok(entries), .. } => self.reconcile(id, &entries),
            Event::FlowsRead { result: Err(error), .. } => self.read_failed(id, &error),
            Event::Bundles(has_bundles) => self.with_live(id, |live| live.has_bundles = has_bundles),
            Event::Monitoring(has_monitor) => self.with_live(id, |live| live.has_monitor = has_monitor),
            Event::FlowUpdates(updates) => self.flow_updates(id, &updates),
            // No role is claimed while there is one controller.
            Event::RoleGranted(_) | Event::RoleRefused { .. } => {}
            Event::FlowRemoved(removed) => self.flow_removed(id, &removed),
            Event::PortStatus(status) => self.port_changed(id, *status),
            Event::Alive => self.keep_older(id),
            Event::StrayError(error) => warn!(
                node = self.node_name(id).map(NodeName::as_str),
                error = describe(&error),
                "error for nothing that was asked"
            ),
            Event::Closed(reason) => self.lost(id, connection, &reason),
        }
    }

    /// The same for a switch that is no node's, or not yet.
    fn happened_to_guest(&mut self, connection: ConnectionId, event: Event) {
        match event {
            Event::PortStatus(status) => {
                if let Some(name) = self.discovered.named_on(connection) {
                    self.tell_port(name, &status);
                }
                self.discovered.port_changed(connection, *status);
            }
            Event::Closed(_) => {
                if let Some((datapath_id, guest)) = self.discovered.leave(connection) {
                    self.tell_node(Some(guest_view(datapath_id, &guest)), true);
                }
                self.contender_left(connection);
            }
            // Nothing was asked of it.
            Event::Ready(_)
            | Event::Settled(_)
            | Event::Prepared { .. }
            | Event::LateRefusal { .. }
            | Event::FlowsRead { .. }
            | Event::MetersRead { .. }
            | Event::MeterStatsRead { .. }
            | Event::Bundles(_)
            | Event::Monitoring(_)
            | Event::FlowUpdates(_)
            | Event::RoleGranted(_)
            | Event::RoleRefused { .. }
            | Event::FlowRemoved(_)
            | Event::Alive
            | Event::StrayError(_) => {}
        }
    }

    fn with_live(&mut self, id: NodeId, change: impl FnOnce(&mut Live)) {
        if let Some(live) = self.nodes.get_mut(&id).and_then(Node::live_mut) {
            change(live);
        }
    }

    fn keep_older(&mut self, id: NodeId) {
        let Some(node) = self.nodes.get_mut(&id) else { return };
        let Some(contender) = node.live_mut().and_then(|live| live.contender.take()) else { return };
        let warning = "another switch claimed this datapath id while this one was connected and alive; it was refused";
        node.warnings.insert("duplicate", warning.to_owned());
        warn!(node = %node.request.name, "{warning}");
        self.alarm(AlarmKind::DuplicateDatapathId, Some(id), None, warning);
        self.contenders.remove(&contender);
        self.command(contender, Command::Close(CloseReason::DuplicateDatapathId));
    }

    fn contender_left(&mut self, connection: ConnectionId) {
        let Some((id, _)) = self.contenders.remove(&connection) else { return };
        if let Some(live) = self.nodes.get_mut(&id).and_then(Node::live_mut) {
            live.contender.take_if(|contender| *contender == connection);
        }
    }

    fn lost(&mut self, id: NodeId, connection: ConnectionId, reason: &CloseReason) {
        self.connections.remove(&connection);
        let Some(node) = self.nodes.get_mut(&id).filter(|node| node.is_on(connection)) else { return };
        info!(node = %node.request.name, %reason, "switch disconnected");
        let contender = node.live().and_then(|live| live.contender);
        node.link = Link::Lost;
        self.desk.samples.forget(id);
        node.clear_queues();
        node.meters.disconnected();
        for number in node.flows.clone().iter() {
            self.connection_lost(number, id);
        }
        self.stay(id, UNCONFIRMED);
        self.give_place(id);
        // While the node is seen to be away, which a second connection may end at once.
        self.advance_atoms();
        if let Some((_, description)) = contender.and_then(|contender| self.contenders.remove(&contender))
            && let Some(contender) = contender
        {
            self.go_live(id, contender, description);
        }
    }

    fn port_changed(&mut self, id: NodeId, status: PortStatus) {
        if let Some(name) = self.node_name(id).cloned() {
            self.tell_port(name, &status);
        }
        let Some(about) = self.nodes.get_mut(&id).and_then(|node| node.about.as_mut()) else { return };
        match status.reason {
            PortReason::Delete => {
                about.ports.remove(&status.desc.port_no);
            }
            _ if about.ports.len() >= MAX_PORTS && !about.ports.contains_key(&status.desc.port_no) => {
                debug!(port = status.desc.port_no.0, "a switch has more ports than are kept");
            }
            _ => {
                about.ports.insert(status.desc.port_no, status.desc);
            }
        }
    }

    pub(super) fn dial_failed(&mut self, address: &SwitchAddress, reason: &str) {
        let Some(id) = self.dialed.get(address).copied() else { return };
        self.note_node(id);
        if let Some(node) = self.nodes.get_mut(&id) {
            let news = format!("cannot connect to {address}: {reason}");
            if node.warnings.get("address") != Some(&news) {
                info!(node = %node.request.name, "{news}; trying on");
                node.warnings.insert("address", news);
            }
        }
    }

    pub(super) fn node_reply(&self, id: NodeId) -> Reply {
        match self.node_view(id) {
            Some(view) => Reply::Node { node: Box::new(view) },
            None => Reply::Nodes { nodes: Vec::new() },
        }
    }

    /// From now on the flow is told of as it stands, unless the disk does not know that yet.
    pub(super) fn retell(&mut self, number: FlowNumber) {
        if self.flows.get(&number).is_some_and(|flow| flow.durable <= self.durable) {
            self.tell(number, Placement::state);
        }
    }

    /// From now on the flow is told of, and counted, in these states.
    pub(super) fn tell(&mut self, number: FlowNumber, state: impl Fn(&Placement) -> FlowState) {
        let Some(flow) = self.flows.get_mut(&number) else { return };
        let mut is_news = false;
        for placement in &mut flow.placements {
            let state = state(placement);
            let before = placement.told.replace(state);
            is_news |= before != Some(state);
            let before = before.filter(|before| !before.is_ended());
            let now = Some(state).filter(|state| !state.is_ended());
            if before == now {
                continue;
            }
            let Some(node) = self.nodes.get_mut(&placement.node) else { continue };
            if let Some(count) = before.and_then(|before| node.counts.get_mut(&before)) {
                *count -= 1;
            }
            node.counts.retain(|_, count| *count > 0);
            if let Some(state) = now {
                *node.counts.entry(state).or_default() += 1;
            }
        }
        if is_news {
            self.note_flow(number);
        }
    }

    /// Puts the flow into the index of the node, or takes it out, as it is to be there or not.
    pub(super) fn index_placement(&mut self, number: FlowNumber, id: NodeId) {
        let present = self.flows.get(&number).and_then(|flow| flow.placement(id)).is_some_and(|p| !p.stage.is_ended());
        if let Some(node) = self.nodes.get_mut(&id) {
            if present {
                node.flows.insert(number);
            } else {
                node.flows.remove(number);
            }
        }
        self.index_shapes(number, id, present);
    }
}

fn taken(name: &NodeName, field: &str, what: &str) -> ErrorBody {
    ErrorBody::new(ErrorCode::AlreadyExists, format!("{name}: {what}")).at(format!("payload.{field}"))
}

pub(super) fn switch_address(address: &Address) -> SwitchAddress {
    SwitchAddress { tls: address.tls, host: address.target.host.clone(), port: address.target.port }
}
