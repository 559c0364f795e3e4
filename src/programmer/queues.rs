//! Queues: what is wanted of each node's ports, what its database says of them, and who asked.
//!
//! What is wanted is part of the node's record. A `SetQueues` goes to the database first, and is stored when that has
//! committed it: what was never acknowledged is not wanted after a restart, and its rows are collected then. Keeping
//! the rows as they are wanted is the business of [`crate::ovsdb`].

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use tracing::info;

use super::engine::{Engine, Output, Ticket};
use super::leaving::being_removed;
use super::node::{Leaving, Node, NodeId};
use crate::contract::{
    ErrorBody, ErrorCode, Forward, InstallFlow, OvsdbAddress, PortRef, QueueSetting, QueueView, QueuesState,
    QueuesView, RemoveNode, Reply, SetQueues, Warning, WarningKind,
};
use crate::ovsdb::{self, Address, Command, DEFAULT_QUEUE, Done, News, PortState, Refusal, Report, Standing, Wish};

/// Requests that one database may have without an answer; fewer than its task takes.
const MAX_PENDING: usize = ovsdb::COMMANDS / 2;

/// Ports of one node that may have queues.
const MAX_PORTS: usize = 4_096;

/// A kilobit, in bits.
const KILO: u64 = 1_000;

/// The queues that a port is to have, as they are stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Wanted {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_rate_kbps: Option<u32>,
    queues: Vec<QueueSetting>,
}

/// The queues of a node.
#[derive(Debug, Default)]
pub(super) struct NodeQueues {
    /// What its ports are to have, by their names.
    pub(super) wanted: BTreeMap<String, Wanted>,
    /// What its database has; `None` while that cannot be seen.
    pub(super) seen: Option<Vec<PortState>>,
}

/// Requests to databases that have no answer.
#[derive(Debug, Default)]
pub(super) struct QueueRequests {
    next_token: u64,
    pending: HashMap<u64, (NodeId, Pending)>,
}

#[derive(Debug)]
enum Pending {
    Set {
        ticket: Ticket,
        wanted: Option<Wanted>,
    },
    /// Before the node goes.
    Clear {
        ticket: Ticket,
        request: RemoveNode,
    },
}

impl Engine {
    /// Begins to look after the queues of a node, once its datapath id is known.
    pub(super) fn watch_queues(&mut self, id: NodeId) {
        let Some(node) = self.nodes.get(&id) else { return };
        let (Some(address), Some(datapath_id)) = (&node.request.ovsdb, node.datapath_id) else { return };
        let address = match address.clone() {
            OvsdbAddress::Tcp(target) => Address::Tcp(target.host, target.port),
            OvsdbAddress::Ssl(target) => Address::Ssl(target.host, target.port),
            OvsdbAddress::Unix(path) => Address::Unix(path),
        };
        let wanted = node.queues.wanted.iter().map(|(port, wanted)| (port.clone(), wanted.in_bits())).collect();
        let target = ovsdb::Target { address, datapath_id: datapath_id.0, installation: self.tag.0, wanted };
        self.outputs.push_back(Output::Watch { node: id, target });
    }

    pub(super) fn set_queues(&mut self, ticket: Ticket, request: SetQueues) {
        if let Err(error) = self.try_set_queues(ticket, request) {
            self.answer(ticket, Err(error));
        }
    }

    fn try_set_queues(&mut self, ticket: Ticket, request: SetQueues) -> Result<(), ErrorBody> {
        if let Some(error) = self.has_no_room() {
            return Err(error);
        }
        let SetQueues { node: name, port, max_rate_kbps, queues } = request;
        let found = self.names.get(&name).and_then(|id| Some((*id, self.nodes.get(id)?)));
        let Some((id, node)) = found else { return Err(self.unknown_node(&name).at("payload.node")) };
        let refuse = |code, message| Err(ErrorBody::new(code, message).at("payload.node"));
        if node.leaving.is_some() {
            return Err(being_removed(&name).at("payload.node"));
        }
        if node.request.ovsdb.is_none() {
            let message = format!(
                "node {name} was added without ovsdb, so its queues cannot be set: RemoveNode it with \"flows\": \
                 \"leave\", and AddNode it again with \"ovsdb\": \"tcp:HOST:6640\" (or ssl:HOST:PORT, or unix:PATH)"
            );
            return refuse(ErrorCode::Unsupported, message);
        }
        if node.datapath_id.is_none() {
            let message = format!("node {name} has never connected, so its bridge in the database is not known yet");
            return refuse(ErrorCode::Unavailable, message);
        }
        let is_wanted = matches!(&port, PortRef::Name(name) if node.queues.wanted.contains_key(name));
        if node.queues.wanted.len() >= MAX_PORTS && !is_wanted && !queues.is_empty() {
            let message = format!("node {name} has {MAX_PORTS} ports with queues, which is as many as it may have");
            return refuse(ErrorCode::TooLarge, message);
        }
        if self.queue_requests.pending.values().filter(|(node, _)| *node == id).count() >= MAX_PENDING {
            let message = format!("node {name} has {MAX_PENDING} requests for queues without an answer");
            return refuse(ErrorCode::Overloaded, message);
        }
        let port = match port {
            PortRef::Number(number) => ovsdb::PortRef::Number(number),
            PortRef::Name(name) => ovsdb::PortRef::Name(name),
        };
        let wanted = (!queues.is_empty()).then_some(Wanted { max_rate_kbps, queues });
        let wish = Wish::Set { port, queues: wanted.as_ref().map(Wanted::in_bits) };
        self.ask_database(id, wish, Pending::Set { ticket, wanted });
        Ok(())
    }

    /// Takes the queues off before the node goes; then [`Engine::remove_node`] goes on.
    pub(super) fn clear_queues(&mut self, ticket: Ticket, id: NodeId, request: RemoveNode) {
        if let Some(node) = self.nodes.get_mut(&id) {
            node.leaving = Some(Leaving::Wiping(ticket));
            self.ask_database(id, Wish::Clear, Pending::Clear { ticket, request });
        }
    }

    fn ask_database(&mut self, node: NodeId, wish: Wish, pending: Pending) {
        let token = self.queue_requests.next_token;
        self.queue_requests.next_token += 1;
        self.queue_requests.pending.insert(token, (node, pending));
        self.outputs.push_back(Output::Database { node, command: Command { token, wish } });
    }

    /// The node is gone; who waits for its queues hears so. A removal has been answered where the node went.
    pub(super) fn drop_queue_requests(&mut self, id: NodeId) {
        let of_node = self.queue_requests.pending.extract_if(|_, (node, _)| *node == id);
        let tickets: Vec<Ticket> = of_node
            .filter_map(|(_, (_, pending))| match pending {
                Pending::Set { ticket, .. } => Some(ticket),
                Pending::Clear { .. } => None,
            })
            .collect();
        for ticket in tickets {
            self.answer(ticket, Err(ErrorBody::new(ErrorCode::Unavailable, "the node was removed meanwhile")));
        }
        self.outputs.push_back(Output::Unwatch { node: id });
    }

    /// Takes news from a database.
    pub(super) fn handle_database(&mut self, report: Report) {
        self.revision += 1;
        let id = NodeId(report.key);
        match report.news {
            News::Done { token, result } => self.database_done(token, result),
            News::Reached => self.with_node(id, |node| {
                info!(node = %node.request.name, "the switch's database is reached");
                node.warnings.remove("ovsdb");
                node.queues.seen = Some(Vec::new());
            }),
            News::Lost { reason } => self.with_node(id, |node| {
                let address = node.request.ovsdb.as_ref().map(ToString::to_string).unwrap_or_default();
                let news = format!("its database at {address} cannot be reached: {reason}");
                if node.warnings.get("ovsdb") != Some(&news) {
                    info!(node = %node.request.name, "{news}; trying on");
                    node.warnings.insert("ovsdb", news);
                }
                node.warnings.remove("queues");
                node.queues.seen = None;
            }),
            News::Ports(ports) => self.with_node(id, |node| {
                node.warnings.remove("queues");
                if let Some(news) = node.queues.trouble(&ports) {
                    node.warnings.insert("queues", news);
                }
                node.queues.seen = Some(ports);
            }),
        }
    }

    fn with_node(&mut self, id: NodeId, change: impl FnOnce(&mut Node)) {
        if let Some(node) = self.nodes.get_mut(&id) {
            change(node);
        }
    }

    fn database_done(&mut self, token: u64, result: Result<Done, Refusal>) {
        let Some((id, pending)) = self.queue_requests.pending.remove(&token) else { return };
        match (pending, result) {
            (Pending::Set { ticket, wanted }, Ok(done)) => self.queues_set(ticket, id, wanted, done),
            (Pending::Set { ticket, .. }, Err(refusal)) => self.answer(ticket, Err(error_of(&refusal))),
            (Pending::Clear { ticket, request }, result) => {
                let Some(node) = self.nodes.get_mut(&id) else { return };
                let is_leaving = node.leaving.take_if(|leaving| *leaving == Leaving::Wiping(ticket)).is_some();
                match result {
                    Ok(_) => {
                        node.queues.wanted.clear();
                        self.save_node(id);
                        if is_leaving {
                            self.remove_node(ticket, &request);
                        }
                    }
                    Err(refusal) if is_leaving => {
                        let message = format!("{refusal}; \"flows\": \"leave\" leaves its queues as they are");
                        self.answer(ticket, Err(ErrorBody { message: message.into(), ..error_of(&refusal) }));
                    }
                    Err(_) => {}
                }
            }
        }
    }

    /// The database has committed it: now it is to last.
    fn queues_set(&mut self, ticket: Ticket, id: NodeId, wanted: Option<Wanted>, done: Done) {
        let (Some(node), Some(port)) = (self.nodes.get_mut(&id), done.port) else { return };
        let written = wanted.as_ref().map(Wanted::in_bits).unwrap_or_default();
        match wanted {
            Some(wanted) => drop(node.queues.wanted.insert(port.clone(), wanted)),
            None => drop(node.queues.wanted.remove(&port)),
        }
        let state = match &done.state {
            Some(state) => state_of(state.standing),
            None if done.is_taken => QueuesState::Applied,
            None => QueuesState::Accepted,
        };
        let found = done.state.as_ref().map_or(&written, |state| &state.found);
        let mut warnings = Vec::new();
        if !done.is_taken {
            let message = "the switch has not said in time that it has taken the change: is ovs-vswitchd running?";
            warnings.push(message.to_owned());
        }
        if let Some(error) = done.state.as_ref().and_then(|state| state.error.as_ref()) {
            warnings.push(format!("the switch says that the port does not work: {error}"));
        }
        let view = QueuesView {
            node: node.request.name.clone(),
            number: done.state.as_ref().and_then(|state| state.number),
            state,
            max_rate_kbps: kilobits(found.max_rate),
            queues: views(found),
            warnings,
            port,
        };
        self.save_node(id);
        self.answer_when_durable(ticket, Ok(Reply::Queues(Box::new(view))));
    }

    /// Ports that the flow's packets leave by, and that have queues but not the flow's.
    pub(super) fn queue_warnings<'a>(
        &'a self,
        request: &'a InstallFlow,
        nodes: &'a [NodeId],
    ) -> impl Iterator<Item = Warning> + 'a {
        let class = self.classes.get(&request.traffic_type).ok();
        let queue = request.queue.or_else(|| class.map(|class| class.queue)).filter(|queue| *queue != DEFAULT_QUEUE);
        nodes.iter().filter_map(move |id| {
            let (queue, node) = (queue?, self.nodes.get(id)?);
            let seen = node.queues.seen.as_ref()?;
            let is_egress = |port: &&PortState| match request.forward {
                Forward::Normal => true,
                Forward::Port(number) => port.number == Some(number),
                Forward::Drop | Forward::Table(_) => false,
            };
            let lacking = seen.iter().filter(is_egress).filter(|port| !port.found.queues.contains_key(&queue));
            let ports: Vec<&str> = lacking.map(|port| port.name.as_str()).collect();
            // A class names a queue for ports that have queues; a request that names one wants it.
            let place = match request.forward {
                _ if !ports.is_empty() => ports.join(", "),
                Forward::Port(number) if request.queue.is_some() && !seen.iter().any(|port| is_egress(&port)) => {
                    format!("port {number}")
                }
                Forward::Normal if request.queue.is_some() && seen.is_empty() => "any port".to_owned(),
                Forward::Normal | Forward::Port(_) | Forward::Drop | Forward::Table(_) => return None,
            };
            let name = &node.request.name;
            Some(Warning {
                kind: WarningKind::MissingQueue,
                flow_id: None,
                cookie: None,
                node: Some(name.clone()),
                message: format!("node {name} has no queue {queue}, which the flow is for, on {place}"),
            })
        })
    }
}

impl Wanted {
    /// The same for the database: in bits, and with the queue that takes what no rule gives to another.
    fn in_bits(&self) -> ovsdb::PortQueues {
        let bits = |kilobits: Option<u32>| kilobits.map(|kilobits| u64::from(kilobits) * KILO);
        let queue = |setting: &QueueSetting| ovsdb::Queue {
            min_rate: bits(setting.min_rate_kbps),
            max_rate: bits(setting.max_rate_kbps),
            burst: bits(setting.burst_kb),
            priority: setting.priority.map(u64::from),
        };
        let mut queues: BTreeMap<u32, ovsdb::Queue> =
            self.queues.iter().map(|setting| (setting.queue, queue(setting))).collect();
        queues.entry(DEFAULT_QUEUE).or_default();
        ovsdb::PortQueues { max_rate: bits(self.max_rate_kbps), queues }
    }
}

impl NodeQueues {
    /// The port with this number, where the database can be seen.
    pub(super) fn of_port(&self, number: u32) -> Option<&PortState> {
        self.seen.as_ref()?.iter().find(|port| port.number == Some(number))
    }

    /// What an operator should know.
    fn trouble(&self, ports: &[PortState]) -> Option<String> {
        let is_ousted = |port: &&PortState| port.standing == Standing::Foreign && self.wanted.contains_key(&port.name);
        let ousted: Vec<&str> = ports.iter().filter(is_ousted).map(|port| port.name.as_str()).collect();
        (!ousted.is_empty()).then(|| {
            format!(
                "somebody put a QoS of their own in the place of the queues of {}; it is left alone",
                ousted.join(", ")
            )
        })
    }
}

pub(super) fn state_of(standing: Standing) -> QueuesState {
    match standing {
        Standing::Applied => QueuesState::Applied,
        Standing::Written => QueuesState::Accepted,
        Standing::Drifted => QueuesState::Drifted,
        Standing::Foreign => QueuesState::Foreign,
    }
}

/// Queues in the contract's kilobits.
pub(super) fn views(found: &ovsdb::PortQueues) -> Vec<QueueView> {
    let view = |(number, queue): (&u32, &ovsdb::Queue)| QueueView {
        queue: *number,
        min_rate_kbps: kilobits(queue.min_rate),
        max_rate_kbps: kilobits(queue.max_rate),
        priority: queue.priority,
        burst_kb: kilobits(queue.burst),
    };
    found.queues.iter().map(view).collect()
}

pub(super) fn kilobits(bits: Option<u64>) -> Option<u64> {
    bits.map(|bits| bits / KILO)
}

fn error_of(refusal: &Refusal) -> ErrorBody {
    let (code, field) = match refusal {
        Refusal::Unreachable(_) => (ErrorCode::Unavailable, None),
        Refusal::Unconfirmed => (ErrorCode::Timeout, None),
        Refusal::NoBridge(_) => (ErrorCode::NotFound, Some("payload.node")),
        Refusal::NoPort(_) => (ErrorCode::NotFound, Some("payload.port")),
        Refusal::Foreign(_) => (ErrorCode::Conflict, Some("payload.port")),
        Refusal::Database(ovsdb::DatabaseError::Changed) => (ErrorCode::Conflict, None),
        Refusal::Database(ovsdb::DatabaseError::Refused(_)) => (ErrorCode::Unsupported, None),
    };
    let error = ErrorBody::new(code, refusal.to_string());
    match field {
        Some(field) => error.at(field),
        None => error,
    }
}
