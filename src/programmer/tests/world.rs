//! The engine with real sessions and emulated switches around it, all in memory, in time that only the test moves.
//!
//! What the driver, the connection tasks and the store's thread do is done here by [`World::run`], in one order, until
//! nothing is left to do. The disk can be told to lag, to be full, or to be lost with what it had not written.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt;
use openflow::{DatapathId, ErrorCode, ErrorMsg};
use serde_json::{Value, json};

pub(super) use super::disks::Disk;
use super::disks::{boot, no_room};
use crate::contract::{Limits, Timestamp, parse_request};
use crate::emulator::{Fault, Link, Switch, SwitchConfig};
use crate::ovsdb;
use crate::policy::{ClassTable, Pipeline};
use crate::programmer::cookie::{Purpose, from_token};
use crate::programmer::engine::{Config, Engine, Output, Ticket};
use crate::programmer::node::{NodeId, Sync};
use crate::programmer::{Admission, News, Step, TableMiss};
use crate::session::{self, CloseReason, Event, Outcome, Session};
use crate::southbound::{ConnectionId, Origin, Report, SwitchAddress};
use crate::store::{Batch, Memory, Store};

pub(super) struct World {
    pub(super) engine: Engine,
    pub(super) config: Config,
    pub(super) now: Instant,
    wall: i64,
    pub(super) disk: Disk,
    lagging: VecDeque<(u64, Batch)>,
    memory: Memory,
    store: Store,
    pub(super) switches: Vec<Switch>,
    pipes: BTreeMap<ConnectionId, Pipe>,
    pub(super) dials: Vec<SwitchAddress>,
    pub(super) news: Vec<News>,
    /// Databases that are looked after, and what was asked of them.
    pub(super) watched: BTreeMap<NodeId, ovsdb::Target>,
    pub(super) wishes: Vec<(NodeId, ovsdb::Command)>,
    answers: HashMap<Ticket, Value>,
    pub(super) trails: HashMap<Ticket, Vec<Step>>,
    pub(super) next_ticket: u64,
    next_connection: u64,
    /// Switches refuse what is sent for this purpose.
    pub(super) refused: Option<Purpose>,
}

/// One connection: the controller's end, the switch's end, and who made it.
struct Pipe {
    session: Session,
    link: Link,
    switch: usize,
    origin: Origin,
    is_ready: bool,
    /// Its switch answers barriers with an error.
    refuses_barriers: bool,
}

pub(super) fn config() -> Config {
    let limits = Limits {
        message_bytes: 0,
        msgpack_message_bytes: 0,
        outbound_bytes: 0,
        json_depth: 0,
        requests_in_flight: 0,
        connections: 0,
        discovered_nodes: 0,
    };
    let classes = ClassTable::built_in();
    Config {
        admission: Admission::Discover,
        table_miss: TableMiss::None,
        pipeline: Pipeline::default(),
        dial_tls: false,
        max_flows: 20_000,
        // Every step is stored by itself, and can be looked at.
        patience: Duration::ZERO,
        bulk: crate::programmer::BULK,
        many: crate::programmer::MANY,
        classes,
        limits,
    }
}

/// A switch with few tables: each connection reads what all of them can do.
pub(super) fn switch(datapath_id: u64) -> SwitchConfig {
    SwitchConfig { n_tables: 8, ..SwitchConfig::new(DatapathId(datapath_id)) }
}

impl World {
    /// A daemon without a memory, and so many switches with the datapath ids 1, 2, 3….
    pub(super) fn new(switches: u64) -> Self {
        Self::with(config(), switches)
    }

    pub(super) fn with(config: Config, switches: u64) -> Self {
        let (memory, now, wall) = (Memory::default(), Instant::now(), 1_800_000_000_000_000);
        let (store, engine) = boot(&config, &memory, now, wall);
        let switches = (1..=switches).map(|id| Switch::new(switch(id))).collect();
        Self {
            engine,
            config,
            now,
            wall,
            disk: Disk::Writes,
            lagging: VecDeque::new(),
            memory,
            store,
            switches,
            pipes: BTreeMap::new(),
            dials: Vec::new(),
            news: Vec::new(),
            watched: BTreeMap::new(),
            wishes: Vec::new(),
            answers: HashMap::new(),
            trails: HashMap::new(),
            next_ticket: 0,
            next_connection: 1,
            refused: None,
        }
    }

    /// A world with one node `s1`, connected.
    pub(super) fn connected() -> Self {
        Self::connected_to(switch(1))
    }

    /// The same with another kind of switch.
    pub(super) fn connected_to(switch: SwitchConfig) -> Self {
        let mut world = Self::new(1);
        world.switches[0] = Switch::new(switch);
        world.add_node(1);
        world.connect(0);
        assert_eq!(world.node("s1")["state"], "connected");
        world
    }

    pub(super) fn add_node(&mut self, id: u64) {
        self.ok("AddNode", json!({"name": format!("s{id}"), "datapath_id": format!("{id:016x}")}));
    }

    /// The switch dials in.
    pub(super) fn connect(&mut self, switch: usize) -> ConnectionId {
        self.connect_with(switch, Vec::new(), Origin::Accepted)
    }

    pub(super) fn connect_with(&mut self, switch: usize, faults: Vec<Fault>, origin: Origin) -> ConnectionId {
        let connection = self.open(switch, faults, origin);
        self.run();
        connection
    }

    /// The switch dials in, and the world stands still when its first repairs are on their way in a bundle.
    pub(super) fn connect_until_restoring(&mut self, switch: usize) {
        self.connect_until(switch, |sync| sync == Sync::Restoring);
    }

    /// The switch dials in, and the world stands still when its first reconciliation has come so far.
    pub(super) fn connect_until(&mut self, switch: usize, has_come: fn(Sync) -> bool) {
        self.open(switch, Vec::new(), Origin::Accepted);
        let is_there =
            |engine: &Engine| engine.nodes.values().any(|node| node.live().is_some_and(|live| has_come(live.sync)));
        while !is_there(&self.engine) {
            assert!(self.step(), "it did not come so far");
        }
    }

    pub(super) fn open(&mut self, switch: usize, faults: Vec<Fault>, origin: Origin) -> ConnectionId {
        let connection = ConnectionId(self.next_connection);
        self.next_connection += 1;
        let link = Link::open(&mut self.switches[switch], faults, self.now);
        let session = Session::new(session::Config::default(), self.now);
        self.pipes.insert(connection, Pipe { session, link, switch, origin, is_ready: false, refuses_barriers: false });
        connection
    }

    /// The connection breaks; whatever was on its way is lost.
    pub(super) fn cut(&mut self, connection: ConnectionId) {
        if let Some(pipe) = self.pipes.get_mut(&connection) {
            pipe.session.handle_disconnect(CloseReason::PeerClosed);
        }
        self.run();
    }

    /// Every connection breaks.
    pub(super) fn restart_connection(&mut self) {
        for connection in self.pipes.keys().copied().collect::<Vec<_>>() {
            self.cut(connection);
        }
    }

    /// From now on every switch refuses barriers, or does not any more.
    pub(super) fn refuse_barriers(&mut self, refuses: bool) {
        self.pipes.values_mut().for_each(|pipe| pipe.refuses_barriers = refuses);
    }

    pub(super) fn is_open(&self, connection: ConnectionId) -> bool {
        self.pipes.contains_key(&connection)
    }

    /// The daemon dies as it is and starts again: its connections break, and it knows what the disk has.
    pub(super) fn restart(&mut self) {
        for (_, mut pipe) in std::mem::take(&mut self.pipes) {
            pipe.link.close(&mut self.switches[pipe.switch]);
        }
        self.lagging.clear();
        self.dials.clear();
        self.watched.clear();
        self.wishes.clear();
        (self.store, self.engine) = boot(&self.config, &self.memory, self.now, self.wall);
        self.run();
    }

    /// The switch loses its flows and comes back.
    pub(super) fn restart_switch(&mut self, switch: usize) {
        let lost: Vec<_> = self.pipes.iter().filter(|(_, pipe)| pipe.switch == switch).map(|(id, _)| *id).collect();
        lost.into_iter().for_each(|connection| self.cut(connection));
        let config = self.switches[switch].config().clone();
        self.switches[switch] = Switch::new(config);
    }

    pub(super) fn pass(&mut self, time: Duration) {
        self.now += time;
        self.wall += i64::try_from(time.as_micros()).unwrap();
        for switch in &mut self.switches {
            switch.handle_timeout(self.now);
        }
        for pipe in self.pipes.values_mut() {
            pipe.session.handle_timeout(self.now);
            pipe.link.handle_timeout(&mut self.switches[pipe.switch], self.now);
        }
        self.tell_time();
        self.engine.handle_timeout();
        self.run();
    }

    /// Somebody sets the wall clock by so many hours.
    pub(super) fn set_clock(&mut self, hours: i64) {
        self.wall += hours * 3_600_000_000;
    }

    /// Asks and returns at once.
    pub(super) fn send(&mut self, command: &str, payload: Value) -> Ticket {
        let text = json!({"type": command, "id": "1", "payload": payload}).to_string();
        let (_, command) = parse_request(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error:?}"));
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        self.tell_time();
        self.engine.handle_command(ticket, command);
        ticket
    }

    /// Asks and lets everything happen that can.
    pub(super) fn ask(&mut self, command: &str, payload: Value) -> Ticket {
        let ticket = self.send(command, payload);
        self.run();
        ticket
    }

    /// The answer, if it has come: the payload of a Reply, or `{"error": …}`.
    pub(super) fn answer(&mut self, ticket: Ticket) -> Option<Value> {
        self.answers.remove(&ticket)
    }

    /// Asks, and expects the Reply at once.
    pub(super) fn ok(&mut self, command: &str, payload: Value) -> Value {
        let ticket = self.ask(command, payload);
        let answer = self.answer(ticket).unwrap_or_else(|| panic!("{command} has no answer yet"));
        assert_eq!(answer.get("error"), None, "{command}");
        answer
    }

    /// Asks, and expects an Error at once.
    pub(super) fn error(&mut self, command: &str, payload: Value) -> Value {
        let ticket = self.ask(command, payload);
        let answer = self.answer(ticket).unwrap_or_else(|| panic!("{command} has no answer yet"));
        answer.get("error").cloned().unwrap_or_else(|| panic!("{command} was expected to fail: {answer}"))
    }

    pub(super) fn node(&mut self, name: &str) -> Value {
        self.ok("GetNode", json!({"name": name}))["node"].clone()
    }

    pub(super) fn flow(&mut self, id: &str) -> Value {
        self.ok("GetFlow", json!({"flow_id": id}))["flow"].clone()
    }

    pub(super) fn state(&mut self, id: &str) -> String {
        self.flow(id)["state"].as_str().unwrap().to_owned()
    }

    /// The switch's rules as text, sorted.
    pub(super) fn rules(&self, switch: usize) -> Vec<String> {
        let text = |entry: openflow::FlowStats| {
            let entry = openflow::FlowStats { duration_sec: 0, duration_nsec: 0, cookie: 0, ..entry };
            entry.to_string()
        };
        let mut rules: Vec<_> = self.switches[switch].flows(self.now).into_iter().map(text).collect();
        rules.sort();
        rules
    }

    /// A packet takes the rule that the switch lists at this place.
    pub(super) fn count_traffic(&mut self, switch: usize, place: usize) {
        let rule = self.switches[switch].flows(self.now).swap_remove(place);
        let switch = &mut self.switches[switch];
        assert!(switch.count_traffic(rule.table_id, rule.priority, &rule.flow_match, 1, 100, self.now));
    }

    /// The switch's meters: number, rate, burst.
    pub(super) fn meters(&self, switch: usize) -> Vec<(u32, u32, u32)> {
        let meters = self.switches[switch].meters().into_iter();
        meters.map(|meter| (meter.meter_id.0, meter.bands[0].rate, meter.bands[0].burst_size)).collect()
    }

    pub(super) fn rule_count(&self, switch: usize) -> usize {
        self.switches[switch].flows(self.now).len()
    }

    /// Somebody else's controller writes to the switch.
    pub(super) fn begin_to_meddle(&mut self, switch: usize, messages: &[openflow::Message]) {
        let mut link = Link::open(&mut self.switches[switch], Vec::new(), self.now);
        let mut bytes = BytesMut::new();
        let hello = openflow::Message::Hello(openflow::Hello::with_versions(&[openflow::OFP_VERSION]));
        for message in std::iter::once(&hello).chain(messages) {
            message.encode(openflow::Xid(1), &mut bytes).unwrap();
        }
        link.handle_input(&mut self.switches[switch], &mut bytes, self.now);
        link.close(&mut self.switches[switch]);
    }

    /// The same, and everything that follows from it happens.
    pub(super) fn meddle(&mut self, switch: usize, messages: &[openflow::Message]) {
        self.begin_to_meddle(switch, messages);
        self.run();
    }

    /// The disk catches up, or begins to write again.
    pub(super) fn disk(&mut self, disk: Disk) {
        self.disk = disk;
        if disk == Disk::Writes {
            for (ticket, batch) in std::mem::take(&mut self.lagging) {
                self.commit(ticket, batch);
            }
        }
        self.run();
    }

    /// A lagging disk writes the batch that has waited longest.
    pub(super) fn write_one(&mut self) {
        let (ticket, batch) = self.lagging.pop_front().expect("a batch waits for the disk");
        self.commit(ticket, batch);
        self.run();
    }

    /// A lagging disk has no room for what waits.
    pub(super) fn refuse_lagging(&mut self) {
        for (ticket, _) in std::mem::take(&mut self.lagging) {
            self.engine.handle_completion(no_room(ticket));
        }
        self.run();
    }

    /// The disk catches up, and has no room for what comes after.
    pub(super) fn fill_disk(&mut self) {
        for (ticket, batch) in std::mem::take(&mut self.lagging) {
            self.commit(ticket, batch);
        }
        self.disk(Disk::IsFull);
    }

    /// Lets everything happen that can happen without time passing.
    pub(super) fn run(&mut self) {
        self.tell_time();
        while self.step() {}
        self.engine.check_consistency().unwrap();
    }

    /// Lets so many rounds of what can happen happen.
    pub(super) fn steps(&mut self, count: usize) {
        for _ in 0..count {
            self.step();
        }
    }

    /// One round of the engine, the switches and the wire between; false when nothing is left to do.
    pub(super) fn step(&mut self) -> bool {
        self.engine.flush();
        let mut has_moved = false;
        while let Some(output) = self.engine.poll_output() {
            has_moved = true;
            self.carry_out(output);
        }
        for connection in self.pipes.keys().copied().collect::<Vec<_>>() {
            has_moved |= self.drive(connection);
        }
        self.engine.handle_timeout();
        has_moved
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Trail { ticket, steps } => {
                assert!(!self.answers.contains_key(&ticket), "a trail comes before its answer");
                self.trails.insert(ticket, steps);
            }
            Output::Answer { ticket, answer } => {
                let value = match answer {
                    Ok(reply) => serde_json::to_value(reply).unwrap(),
                    Err(error) => json!({"error": error}),
                };
                assert!(self.answers.insert(ticket, value).is_none(), "a command is answered once");
            }
            Output::Command { connection, command } => {
                if let Some(pipe) = self.pipes.get_mut(&connection) {
                    pipe.session.handle_command(command, self.now);
                }
            }
            Output::Dial { address, .. } => self.dials.push(address),
            Output::HangUp { .. } => {}
            Output::Tell(news) => self.news.push(news),
            Output::Watch { node, target } => drop(self.watched.insert(node, target)),
            Output::Unwatch { node } => drop(self.watched.remove(&node)),
            Output::Database { node, command } => self.wishes.push((node, command)),
            Output::Commit { ticket, batch } => match self.disk {
                Disk::Writes => self.commit(ticket, batch),
                Disk::Lags => self.lagging.push_back((ticket, batch)),
                Disk::IsFull => self.engine.handle_completion(no_room(ticket)),
            },
        }
    }

    fn commit(&mut self, ticket: u64, batch: Batch) {
        self.store.submit(batch, ticket).unwrap();
        let completion = self.store.completion().now_or_never().unwrap();
        self.engine.handle_completion(completion);
    }

    /// Moves what there is over one connection; true when something moved.
    fn drive(&mut self, connection: ConnectionId) -> bool {
        let Some(pipe) = self.pipes.get_mut(&connection) else { return false };
        let switch = &mut self.switches[pipe.switch];
        let (mut down, mut up) = (BytesMut::new(), BytesMut::new());
        pipe.session.poll_transmit(&mut down, self.now);
        let mut has_moved = !down.is_empty();
        pipe.link.handle_input(switch, &mut down, self.now);
        pipe.link.poll_transmit(switch, &mut up);
        if pipe.refuses_barriers {
            up = super::without_barrier_replies(up);
        }
        has_moved |= !up.is_empty();
        pipe.session.handle_input(&mut up, self.now);
        if pipe.link.is_closed(switch) {
            pipe.session.handle_disconnect(CloseReason::PeerClosed);
        }
        let mut is_over = false;
        let mut reports = Vec::new();
        while let Some(event) = pipe.session.poll_event() {
            has_moved = true;
            is_over |= matches!(event, Event::Closed(_));
            match event {
                Event::Ready(description) => {
                    pipe.is_ready = true;
                    let (commands, _) = tokio::sync::mpsc::channel(1);
                    let peer = ([127, 0, 0, 1], 1).into();
                    let origin = pipe.origin.clone();
                    reports.push(Report::Connected { connection, peer, origin, description, commands });
                }
                Event::Settled(mut settlements) => {
                    for settlement in &mut settlements {
                        if from_token(settlement.token).is_some_and(|(purpose, _)| Some(purpose) == self.refused) {
                            let error = ErrorMsg::new(ErrorCode::FLOW_MOD_FAILED_EPERM, Bytes::new());
                            settlement.outcome = Outcome::Refused(Box::new(error));
                        }
                    }
                    reports.push(Report::Happened { connection, event: Event::Settled(settlements) });
                }
                event if pipe.is_ready => reports.push(Report::Happened { connection, event }),
                _ => {}
            }
        }
        if is_over {
            pipe.link.close(switch);
            self.pipes.remove(&connection);
        }
        reports.into_iter().for_each(|report| self.engine.handle_report(report));
        has_moved
    }

    fn tell_time(&mut self) {
        self.engine.set_time(self.now, Timestamp::from_micros(self.wall).unwrap());
    }
}
