//! The programmer as a pure state machine: commands, reports and the time go in, answers and orders come out.
//!
//! One thread owns the engine, so every change of the desired state and every verdict of a switch has one place in one
//! order. It does no input or output and reads no clock; [`super::driver`] feeds it and carries out its [`Output`]s.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use hashbrown::HashMap;
use openflow::DatapathId;

use super::answers::Waiters;
use super::arrival::Arrival;
use super::atom::Atoms;
use super::cookie::{FlowNumber, Tag};
use super::counters::Queries;
use super::discovered::Discovered;
use super::flows::Flows;
use super::metering::Recorded;
use super::news::{Audience, Desk, News};
use super::node::{Node, NodeId};
use super::places::Claims;
use super::queues::QueueRequests;
use super::reads::Reads;
use super::record::Loaded;
use super::soon::Soon;
use super::trail::{Step, Trails};
use super::{Admission, Answer, StartError, TableMiss};
use crate::contract::{Command, ErrorBody, ErrorCode, FlowId, Limits, NodeName, Timestamp};
use crate::ovsdb;
use crate::policy::{ClassTable, Pipeline};
use crate::session;
use crate::southbound::{ConnectionId, Report, SwitchAddress};
use crate::store::{Batch, Completion, StoreError};

/// What the engine is told at its start.
#[derive(Debug, Clone)]
pub struct Config {
    /// What happens to a switch that dials in without having been added.
    pub admission: Admission,
    /// The rule of priority 0.
    pub table_miss: TableMiss,
    /// The tables of the switches that are used.
    pub pipeline: Pipeline,
    /// Whether switches can be dialled over TLS.
    pub dial_tls: bool,
    /// How many flows there may be.
    pub max_flows: usize,
    /// How long a change of a flow waits for the switch's word on it, to be stored with that in one write.
    pub patience: Duration,
    /// How many flows of one batch it takes to send them to a switch as a bundle.
    pub bulk: usize,
    /// How many flows of one removal it takes to let what is asked beside it go first.
    pub many: usize,
    /// The classes of traffic that requests may name.
    pub classes: ClassTable,
    /// The bounds that `GetInfo` tells; those of the northbound side come from there.
    pub limits: Limits,
}

/// The caller's name for a command; comes back with its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Ticket(pub(super) u64);

/// What the driver is to do.
#[derive(Debug)]
pub(super) enum Output {
    /// What was sent for a command that is followed: its answer is next.
    Trail { ticket: Ticket, steps: Vec<Step> },
    /// The one answer to a command.
    Answer { ticket: Ticket, answer: Answer },
    /// A command for a connection.
    Command { connection: ConnectionId, command: session::Command },
    /// Connect to this node's switch and stay connected.
    Dial { node: NodeId, address: SwitchAddress },
    /// Stop doing so.
    HangUp { node: NodeId },
    /// Connect to the database of this node's switch and stay connected.
    Watch { node: NodeId, target: ovsdb::Target },
    /// Stop doing so.
    Unwatch { node: NodeId },
    /// A command for such a database.
    Database { node: NodeId, command: ovsdb::Command },
    /// Make these changes durable, and say so with the ticket.
    Commit { ticket: u64, batch: Batch },
    /// Tell those who subscribed.
    Tell(News),
}

/// A change of a flow that is not on disk yet.
#[derive(Debug)]
pub(super) struct Undurable {
    pub(super) commit: u64,
    pub(super) number: FlowNumber,
    /// It says that the flow has ended on a node, or is about to.
    pub(super) ends: bool,
}

/// What is to be stored again.
#[derive(Debug, Default)]
pub(super) struct Unsaved {
    pub(super) flows: BTreeSet<FlowNumber>,
    pub(super) retry_at: Option<Instant>,
}

/// The state machine. Its parts are in files of their own: `inventory` (nodes and connections), `install`, `removal`,
/// `outcome` (what switches say), `reconcile`, `outbox` (what they are sent), `answers` (who waits), `record`
/// (what is stored), `view` (what is shown).
#[derive(Debug)]
pub(super) struct Engine {
    pub(super) config: Config,
    pub(super) classes: ClassTable,
    pub(super) tag: Tag,
    pub(super) now: Instant,
    pub(super) wall: Timestamp,
    pub(super) started: Instant,
    /// Ascends with every change; orders changes against reads of a switch.
    pub(super) sequence: u64,
    /// Ascends with every change of what plans are made by: nodes, their switches, classes, flows on their way out.
    pub(super) revision: u64,

    pub(super) nodes: BTreeMap<NodeId, Node>,
    pub(super) names: HashMap<NodeName, NodeId>,
    pub(super) datapaths: HashMap<DatapathId, NodeId>,
    pub(super) dialed: HashMap<SwitchAddress, NodeId>,
    pub(super) connections: HashMap<ConnectionId, NodeId>,
    pub(super) discovered: Discovered,
    /// Second connections of nodes whose first is being asked whether it is alive.
    pub(super) contenders: HashMap<ConnectionId, (NodeId, Box<session::Description>)>,
    /// The names of nodes that are gone but stand in the last word on some flow.
    pub(super) retired: HashMap<NodeId, NodeName>,
    next_node: u32,
    /// Nodes that the disk does not know yet as such that have been connected.
    pub(super) arrivals: Vec<Arrival>,
    /// Nodes that the disk is to forget, and with which commit.
    pub(super) going: VecDeque<(u64, NodeId)>,

    pub(super) flows: Flows,
    /// Who holds a table, priority and match on a node, by their hash.
    pub(super) claims: Claims,
    next_number: u64,
    /// Numbers below this are reserved durably.
    reserved: u64,
    reserving: bool,

    /// Numbers of meters on their way to the disk, in the order of the commits.
    pub(super) recording: VecDeque<Recorded>,

    pub(super) waiters: Waiters,
    pub(super) trails: Trails,
    pub(super) atoms: Atoms,
    pub(super) queries: Queries,
    pub(super) desk: Desk,
    pub(super) queue_requests: QueueRequests,
    pub(super) reads: Reads,
    /// Nodes whose queue may have something to send.
    pub(super) ready: BTreeSet<NodeId>,
    pub(super) batch: Batch,
    pub(super) next_commit: u64,
    pub(super) durable: u64,
    /// Changes of flows on their way to the disk, in the order of the commits.
    pub(super) undurable: VecDeque<Undurable>,
    /// Changes of flows that are stored with the switch's word on them.
    pub(super) soon: Soon,
    /// What found no room on the disk, and when it is tried again.
    pub(super) unsaved: Unsaved,
    pub(super) outputs: VecDeque<Output>,
    pub(super) fatal: Option<StoreError>,
    next_cleaning: Instant,
}

/// How often flows whose last word was kept long enough are looked for.
const CLEANING: Duration = Duration::from_secs(3600);

/// Flow numbers that are reserved at a time: enough that a reservation is rare, few enough that 48 bits last.
pub(super) const NUMBER_BLOCK: u64 = 1 << 20;

impl Engine {
    /// An engine with what the store remembers. The reservation of [`NUMBER_BLOCK`] numbers beyond
    /// `loaded.next_number` must be durable before the engine's first output is carried out.
    ///
    /// # Errors
    /// A flow that the store has cannot be read, or its class is gone.
    pub(super) fn new(
        config: Config,
        loaded: Loaded<'_>,
        audience: Audience,
        now: Instant,
        wall: Timestamp,
    ) -> Result<Self, StartError> {
        let mut engine = Self {
            classes: config.classes.clone(),
            config,
            tag: loaded.tag,
            now,
            wall,
            started: now,
            sequence: 0,
            revision: 0,
            nodes: BTreeMap::new(),
            names: HashMap::new(),
            datapaths: HashMap::new(),
            dialed: HashMap::new(),
            connections: HashMap::new(),
            discovered: Discovered::default(),
            contenders: HashMap::new(),
            retired: HashMap::new(),
            next_node: 0,
            arrivals: Vec::new(),
            going: VecDeque::new(),
            flows: Flows::default(),
            claims: Claims::default(),
            next_number: loaded.next_number,
            reserved: loaded.next_number + NUMBER_BLOCK,
            reserving: false,
            recording: VecDeque::new(),
            waiters: Waiters::default(),
            trails: Trails::default(),
            atoms: Atoms::default(),
            queries: Queries::default(),
            desk: Desk::new(audience),
            queue_requests: QueueRequests::default(),
            reads: Reads::default(),
            ready: BTreeSet::new(),
            batch: Batch::new(),
            next_commit: 1,
            durable: 0,
            undurable: VecDeque::new(),
            soon: Soon::default(),
            unsaved: Unsaved::default(),
            next_cleaning: now,
            outputs: VecDeque::new(),
            fatal: None,
        };
        engine.recall(loaded.nodes, loaded.flows)?;
        // What was so before the start is no news.
        engine.forget_changes();
        Ok(engine)
    }

    /// Takes a command. Its answer comes as an [`Output::Answer`], now or later.
    pub(super) fn handle_command(&mut self, ticket: Ticket, command: Command) {
        let is_of_nodes = matches!(command, Command::AddNode(_) | Command::RemoveNode(_) | Command::SetQueues(_));
        self.revision += u64::from(is_of_nodes);
        let answer = match command {
            Command::AddNode(request) => return self.add_node(ticket, request),
            Command::RemoveNode(request) => return self.remove_node(ticket, &request),
            Command::ListNodes => Ok(self.list_nodes()),
            Command::GetNode(request) => self.get_node(&request),
            Command::InstallFlow(request) => return self.install_flow(ticket, *request),
            Command::InstallFlows(request) => return self.install_flows(ticket, request),
            Command::RemoveFlow(request) => return self.remove_flow(ticket, &request.flow_id),
            Command::RemoveFlows(request) => return self.remove_flows(ticket, &request),
            Command::ListFlows(request) => self.list_flows(&request),
            Command::GetFlow(request) => return self.get_flow(ticket, &request.flow_id),
            Command::Subscribe(request) => Ok(self.subscribe(&request)),
            Command::Unsubscribe(request) => Ok(self.standing(&request.topics)),
            Command::Authenticate(_) => {
                Err(ErrorBody::new(ErrorCode::Internal, "who asks is known before a command comes here"))
            }
            Command::SetQueues(request) => return self.set_queues(ticket, request),
            Command::GetInfo => Ok(self.info()),
        };
        self.answer(ticket, answer);
    }

    /// Takes news from a switch.
    pub(super) fn handle_report(&mut self, report: Report) {
        self.revision += u64::from(!matches!(report, Report::Happened { event: session::Event::Settled(_), .. }));
        match report {
            Report::Connected { connection, peer, origin, description, .. } => {
                self.connected(connection, peer, &origin, description);
            }
            Report::Happened { connection, event } => self.happened(connection, event),
            Report::DialFailed { address, reason } => self.dial_failed(&address, &reason),
        }
    }

    /// Takes news from the store.
    pub(super) fn handle_completion(&mut self, completion: Completion) {
        match completion {
            Completion::Committed { tickets } => self.committed(&tickets),
            Completion::Refused { tickets, error } => {
                self.revision += 1;
                self.not_stored(&tickets, &error);
            }
            Completion::Failed { error } => self.fatal = Some(error),
        }
    }

    /// Does what is due.
    pub(super) fn handle_timeout(&mut self) {
        self.answer_overdue();
        self.sample_when_due();
        self.show_overdue();
        self.read_due_tables();
        self.give_up_overdue_atoms();
        self.save_again();
        if self.next_cleaning <= self.now {
            self.next_cleaning = self.now + CLEANING;
            self.forget_old_flows();
        }
    }

    /// When [`Engine::handle_timeout`] has something to do.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let due = [
            self.reads.deadline(),
            self.desk.deadline(),
            self.waiters.deadline(),
            self.atoms.deadline(),
            self.queries.deadline(),
            self.soon.deadline(),
            self.unsaved.retry_at,
            Some(self.next_cleaning),
        ];
        due.into_iter().flatten().min()
    }

    /// Sets the time of what follows.
    pub(super) fn set_time(&mut self, now: Instant, wall: Timestamp) {
        (self.now, self.wall) = (now, wall);
    }

    /// Turns what has gathered into outputs: FLOW_MODs for switches with room, one batch for the store. Call it when
    /// the input at hand has been taken, so that what came together leaves together.
    pub(super) fn flush(&mut self) {
        self.advance_atoms();
        self.send_queued();
        // What was sent may be what an atom waited for, or the last of what meters were to outlast.
        while self.atoms.have_news() || !self.ready.is_empty() {
            self.advance_atoms();
            self.send_queued();
        }
        self.save_due();
        self.tell_changes();
        self.reserve_numbers();
        if !self.batch.operations().is_empty() {
            let ticket = self.next_commit;
            self.next_commit += 1;
            let batch = std::mem::take(&mut self.batch);
            self.outputs.push_back(Output::Commit { ticket, batch });
        }
    }

    /// The next thing to do.
    pub(super) fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The store can no longer be trusted: nothing may be acknowledged any more.
    pub(super) fn fatal(&mut self) -> Option<StoreError> {
        self.fatal.take()
    }

    pub(super) fn answer(&mut self, ticket: Ticket, answer: Answer) {
        self.trails.forget(ticket);
        self.outputs.push_back(Output::Answer { ticket, answer });
    }

    pub(super) fn command(&mut self, connection: ConnectionId, command: session::Command) {
        self.outputs.push_back(Output::Command { connection, command });
    }

    pub(super) fn next_sequence(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence
    }

    pub(super) fn new_node_id(&mut self) -> NodeId {
        let id = NodeId(self.next_node);
        self.next_node += 1;
        id
    }

    /// The number that the next flow gets.
    pub(super) fn next_flow_number(&self) -> Option<FlowNumber> {
        FlowNumber::new(self.next_number)
    }

    /// A number that no flow of this installation ever had. `None` when the store has not confirmed more of them.
    pub(super) fn new_number(&mut self) -> Option<FlowNumber> {
        if self.next_number >= self.reserved {
            return None;
        }
        let number = FlowNumber::new(self.next_number)?;
        self.next_number += 1;
        Some(number)
    }

    /// Reserves the next block before this one is used up.
    fn reserve_numbers(&mut self) {
        if !self.reserving && self.unsaved.retry_at.is_none() && self.reserved - self.next_number < NUMBER_BLOCK / 2 {
            self.reserving = true;
            let upto = self.reserved + NUMBER_BLOCK;
            super::record::put_reservation(&mut self.batch, upto);
            let number = FlowNumber::TABLE_MISS;
            self.undurable.push_back(Undurable { commit: self.next_commit, number, ends: false });
        }
    }

    /// The reservation is on disk.
    pub(super) fn reserved_more(&mut self) {
        self.reserved += NUMBER_BLOCK;
        self.reserving = false;
    }

    /// The reservation found no room: it is tried again with the rest.
    pub(super) fn reservation_failed(&mut self) {
        self.reserving = false;
    }

    pub(super) fn node_name(&self, id: NodeId) -> Option<&NodeName> {
        self.nodes.get(&id).map(|node| &node.request.name).or_else(|| self.retired.get(&id))
    }
}

/// The error for a node name that means nothing.
pub(super) fn no_such_node(name: &NodeName, path: &str) -> ErrorBody {
    let message = format!("there is no node {name}; ListNodes shows those that there are");
    ErrorBody::new(ErrorCode::NotFound, message).at(path)
}

/// The error for a flow id that means nothing.
pub(super) fn no_such_flow(id: &FlowId) -> ErrorBody {
    ErrorBody::new(ErrorCode::NotFound, format!("there is no flow {id}; ListFlows shows those that there are"))
        .at("payload.flow_id")
}

/// The error for a flow that went while its answer was prepared.
pub(super) fn gone() -> ErrorBody {
    ErrorBody::new(ErrorCode::NotFound, "the flow is gone")
}
