//! The daemon, its disk, the switches and the wires between, in pieces that move one at a time.
//!
//! What [`super::super::world::World`] does in one sweep is a [`Move`] here: a commit, an answer of one switch, a
//! message on one wire. Who moves next is the caller's choice, so switches, disk and clients overtake each other as they
//! do in life, while nothing overtakes itself.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt;
use openflow::{FlowStats, Hello, Message, OFP_VERSION, Xid, split_frame};

use super::sabotage::Sabotage;
use crate::contract::{self, Timestamp};
use crate::emulator::{ChannelId, Switch};
use crate::programmer::engine::{Config, Engine, Output, Ticket};
use crate::programmer::record::Loaded;
use crate::programmer::{Answer, Audience};
use crate::session::{self, CloseReason, Event, Session};
use crate::southbound::{ConnectionId, Origin, Report};
use crate::store::{Batch, Completion, Memory, Store, StoreError};

/// What the disk does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Disk {
    Writes,
    Stalls,
    IsFull,
}

/// One thing that can happen next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Move {
    /// The engine takes commands of clients.
    Inbox,
    /// The engine takes news of this connection.
    News(ConnectionId),
    /// The engine takes a word of the store.
    Completion,
    /// The engine does what is due.
    Tick,
    /// A session takes commands of the engine.
    Orders(ConnectionId),
    /// A switch takes one message.
    Down(ConnectionId),
    /// A session takes bytes of a switch.
    Up(ConnectionId),
    /// The disk takes batches.
    Disk,
}

/// What the caller is to know of a move.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Answers that left the engine.
    pub(super) answers: Vec<(Ticket, Answer)>,
    /// A switch that took a message which may change its tables, and what it had before.
    pub(super) changed: Option<(usize, Vec<FlowStats>)>,
    /// The daemon had given the connection up before that came.
    pub(super) is_late: bool,
}

/// One connection. Either end may be gone before the other knows.
struct Wire {
    switch: usize,
    session: Option<Session>,
    channel: Option<ChannelId>,
    orders: VecDeque<session::Command>,
    down: BytesMut,
    up: BytesMut,
    /// What the session was given and could not use yet: the beginning of a message.
    unread: BytesMut,
    news: VecDeque<Report>,
    is_ready: bool,
}

pub(super) struct Stage {
    pub(super) engine: Engine,
    pub(super) now: Instant,
    wall: i64,
    config: Config,
    pub(super) disk: Disk,
    writes: VecDeque<(u64, Batch)>,
    completions: VecDeque<Completion>,
    memory: Memory,
    store: Store,
    pub(super) switches: Vec<Switch>,
    wires: BTreeMap<ConnectionId, Wire>,
    inbox: VecDeque<(Ticket, contract::Command)>,
    next_connection: u64,
    sabotage: Option<Sabotage>,
    pub(super) is_traced: bool,
}

const OFPT_EXPERIMENTER: u8 = 4;
const OFPT_FLOW_MOD: u8 = 14;

impl Stage {
    pub(super) fn new(config: Config, switches: Vec<Switch>, sabotage: Option<Sabotage>) -> Self {
        let (memory, now, wall) = (Memory::default(), Instant::now(), 1_800_000_000_000_000);
        let (store, engine) = boot(&config, &memory, now, wall, None);
        Self {
            engine,
            now,
            wall,
            config,
            disk: Disk::Writes,
            writes: VecDeque::new(),
            completions: VecDeque::new(),
            memory,
            store,
            switches,
            wires: BTreeMap::new(),
            inbox: VecDeque::new(),
            next_connection: 1,
            sabotage,
            is_traced: false,
        }
    }

    pub(super) fn ask(&mut self, ticket: Ticket, command: contract::Command) {
        self.inbox.push_back((ticket, command));
    }

    /// Everything that could happen next.
    pub(super) fn moves(&self) -> Vec<Move> {
        let mut moves = Vec::new();
        let mut push = |is_possible: bool, next: Move| moves.extend(is_possible.then_some(next));
        push(!self.inbox.is_empty(), Move::Inbox);
        push(!self.completions.is_empty(), Move::Completion);
        push(!self.writes.is_empty() && self.disk != Disk::Stalls, Move::Disk);
        push(self.engine.poll_timeout().is_some_and(|at| at <= self.now), Move::Tick);
        for (id, wire) in &self.wires {
            push(!wire.news.is_empty(), Move::News(*id));
            push(!wire.orders.is_empty(), Move::Orders(*id));
            let takes = wire.channel.is_some_and(|channel| self.switches[wire.switch].wants_input(channel));
            push(!wire.down.is_empty() && takes, Move::Down(*id));
            push(!wire.up.is_empty() && wire.session.is_some(), Move::Up(*id));
        }
        moves
    }

    /// Makes a move, of at most `amount` of what there is.
    pub(super) fn make(&mut self, next: Move, amount: usize) -> Seen {
        match next {
            Move::Inbox => {
                self.tell_time();
                for _ in 0..amount {
                    let Some((ticket, mut command)) = self.inbox.pop_front() else { break };
                    if let Some(sabotage) = self.sabotage {
                        sabotage.request(&mut command);
                    }
                    self.engine.handle_command(ticket, command);
                }
                self.end_turn()
            }
            Move::News(id) => {
                self.tell_time();
                for _ in 0..amount {
                    let Some(report) = self.wires.get_mut(&id).and_then(|wire| wire.news.pop_front()) else { break };
                    self.engine.handle_report(report);
                }
                self.forget_dead(id);
                self.end_turn()
            }
            Move::Completion => {
                self.tell_time();
                if let Some(completion) = self.completions.pop_front() {
                    self.engine.handle_completion(completion);
                }
                self.end_turn()
            }
            Move::Tick => {
                self.tell_time();
                self.end_turn()
            }
            Move::Orders(id) => {
                let Some(wire) = self.wires.get_mut(&id) else { return Seen::default() };
                for order in wire.orders.drain(..amount.min(wire.orders.len())) {
                    if let Some(session) = &mut wire.session {
                        session.handle_command(order, self.now);
                    }
                }
                self.drive(id);
                Seen::default()
            }
            Move::Up(id) => {
                let Some(wire) = self.wires.get_mut(&id) else { return Seen::default() };
                let bytes = wire.up.split_to(amount.saturating_mul(40).min(wire.up.len()));
                wire.unread.extend_from_slice(&bytes);
                if let Some(session) = &mut wire.session {
                    session.handle_input(&mut wire.unread, self.now);
                }
                self.drive(id);
                Seen::default()
            }
            Move::Down(id) => {
                let is_late = self.wires.get(&id).is_some_and(|wire| wire.session.is_none());
                Seen { changed: self.deliver(id), answers: Vec::new(), is_late }
            }
            Move::Disk => {
                self.write(amount);
                Seen::default()
            }
        }
    }

    /// One message reaches its switch.
    fn deliver(&mut self, id: ConnectionId) -> Option<(usize, Vec<FlowStats>)> {
        let wire = self.wires.get_mut(&id)?;
        let (at, channel) = (wire.switch, wire.channel?);
        let Ok(Some(frame)) = split_frame(&mut wire.down) else {
            wire.down.clear();
            return None;
        };
        let may_change = matches!(frame.get(1), Some(&(OFPT_FLOW_MOD | OFPT_EXPERIMENTER)));
        let before = may_change.then(|| self.switches[at].flows(self.now));
        self.switches[at].handle_message(channel, &frame, self.now);
        self.hear(at);
        self.close_drained(id);
        Some((at, before?))
    }

    /// Takes what a switch has to say to anybody.
    fn hear(&mut self, at: usize) {
        let switch = &mut self.switches[at];
        for wire in self.wires.values_mut().filter(|wire| wire.switch == at) {
            let Some(channel) = wire.channel else { continue };
            let mut bytes = BytesMut::new();
            switch.poll_transmit(channel, &mut bytes);
            wire.up.extend_from_slice(&bytes);
        }
    }

    /// Carries the events and the bytes of a session away.
    fn drive(&mut self, id: ConnectionId) {
        let Some(wire) = self.wires.get_mut(&id) else { return };
        let Some(session) = &mut wire.session else { return };
        session.poll_transmit(&mut wire.down, self.now);
        let mut is_over = false;
        while let Some(event) = session.poll_event() {
            if let Event::Closed(reason) = &event {
                is_over = true;
                if self.is_traced {
                    println!("    {id:?} ends: {reason}");
                }
            }
            match event {
                Event::Ready(description) => {
                    wire.is_ready = true;
                    let (commands, _) = tokio::sync::mpsc::channel(1);
                    let (peer, origin) = (([127, 0, 0, 1], 1).into(), Origin::Accepted);
                    wire.news.push_back(Report::Connected { connection: id, peer, origin, description, commands });
                }
                event if wire.is_ready => wire.news.push_back(Report::Happened { connection: id, event }),
                _ => {}
            }
        }
        if is_over {
            wire.session = None;
            if let Some(channel) = wire.channel.take() {
                self.switches[wire.switch].close(channel);
            }
        }
    }

    /// A switch closes its end when it has read everything up to the end of the stream.
    fn close_drained(&mut self, id: ConnectionId) {
        let Some(wire) = self.wires.get_mut(&id) else { return };
        if wire.session.is_none()
            && wire.down.is_empty()
            && let Some(channel) = wire.channel.take()
        {
            self.switches[wire.switch].close(channel);
        }
        self.forget_dead(id);
    }

    fn forget_dead(&mut self, id: ConnectionId) {
        if self
            .wires
            .get(&id)
            .is_some_and(|wire| wire.session.is_none() && wire.channel.is_none() && wire.news.is_empty())
        {
            self.wires.remove(&id);
        }
    }

    /// What the driver does after every input.
    fn end_turn(&mut self) -> Seen {
        self.engine.handle_timeout();
        self.engine.flush();
        let mut seen = Seen::default();
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Answer { ticket, answer } => seen.answers.push((ticket, answer)),
                Output::Command { connection, command } => {
                    let command = match self.sabotage {
                        Some(sabotage) => sabotage.order(command),
                        None => command,
                    };
                    if let Some(wire) = self.wires.get_mut(&connection).filter(|wire| wire.session.is_some()) {
                        wire.orders.push_back(command);
                    }
                }
                Output::Dial { .. } | Output::HangUp { .. } | Output::Tell(_) | Output::Trail { .. } => {}
                // No node of the play has a database.
                Output::Watch { .. } | Output::Unwatch { .. } | Output::Database { .. } => {}
                Output::Commit { ticket, batch } => self.writes.push_back((ticket, batch)),
            }
        }
        if let Some(sabotage) = self.sabotage {
            sabotage.answers(&mut seen.answers);
        }
        seen
    }

    /// The disk takes batches, or says that it has no room for them.
    fn write(&mut self, amount: usize) {
        let group: Vec<_> = self.writes.drain(..amount.clamp(1, self.writes.len())).collect();
        let tickets: Vec<_> = group.iter().map(|(ticket, _)| *ticket).collect();
        if self.disk == Disk::IsFull {
            self.completions.push_back(Completion::Refused { tickets, error: StoreError::Stopped });
            return;
        }
        for (ticket, batch) in group {
            if self.sabotage.is_none_or(|sabotage| sabotage.writes(ticket)) {
                self.store.submit(batch, ticket).unwrap();
                self.store.completion().now_or_never().unwrap();
            }
        }
        self.completions.push_back(Completion::Committed { tickets });
    }

    pub(super) fn dial(&mut self, switch: usize) -> ConnectionId {
        let connection = ConnectionId(self.next_connection);
        self.next_connection += 1;
        let wire = Wire {
            switch,
            session: Some(Session::new(session::Config::default(), self.now)),
            channel: Some(self.switches[switch].open(self.now)),
            orders: VecDeque::new(),
            down: BytesMut::new(),
            up: BytesMut::new(),
            unread: BytesMut::new(),
            news: VecDeque::new(),
            is_ready: false,
        };
        self.wires.insert(connection, wire);
        self.drive(connection);
        self.hear(switch);
        connection
    }

    /// The switches that believe to have a connection.
    pub(super) fn is_dialled(&self, switch: usize) -> bool {
        self.wires.values().any(|wire| wire.switch == switch && wire.channel.is_some())
    }

    pub(super) fn connections(&self) -> Vec<ConnectionId> {
        self.wires.keys().copied().collect()
    }

    /// The switch's end goes, and what is on the way with it; the daemon does not know.
    pub(super) fn cut_far_end(&mut self, id: ConnectionId) {
        let Some(wire) = self.wires.get_mut(&id) else { return };
        wire.down.clear();
        if let Some(channel) = wire.channel.take() {
            self.switches[wire.switch].close(channel);
        }
    }

    /// The daemon's end goes. With `lingers`, what it had sent still arrives.
    pub(super) fn cut_near_end(&mut self, id: ConnectionId, lingers: bool) {
        let Some(wire) = self.wires.get_mut(&id) else { return };
        if let Some(session) = &mut wire.session {
            session.handle_disconnect(CloseReason::PeerClosed);
        }
        let channel = if lingers { wire.channel.take() } else { None };
        self.drive(id);
        if let Some(wire) = self.wires.get_mut(&id) {
            wire.session = None;
            wire.up.clear();
            wire.channel = channel;
        }
        self.close_drained(id);
    }

    /// The daemon dies and starts again with what the disk has; some of what it had sent still arrives.
    pub(super) fn restart(&mut self, written: usize, lingers: bool) {
        for id in self.connections() {
            self.wires.get_mut(&id).into_iter().for_each(|wire| {
                wire.news.clear();
                wire.orders.clear();
            });
            self.cut_near_end(id, lingers);
        }
        self.wires.retain(|_, wire| wire.channel.is_some());
        self.wires.values_mut().for_each(|wire| wire.news.clear());
        if self.disk == Disk::Writes && written > 0 && !self.writes.is_empty() {
            self.write(written);
        }
        self.writes.clear();
        self.completions.clear();
        self.inbox.clear();
        (self.store, self.engine) = boot(&self.config, &self.memory, self.now, self.wall, self.sabotage);
        let _ = self.end_turn();
    }

    /// The switch restarts with empty tables.
    pub(super) fn restart_switch(&mut self, at: usize) {
        for id in self.connections() {
            if self.wires.get(&id).is_some_and(|wire| wire.switch == at) {
                self.cut_far_end(id);
            }
        }
        self.switches[at] = Switch::new(self.switches[at].config().clone());
    }

    pub(super) fn pass(&mut self, time: Duration) {
        self.now += time;
        self.wall += i64::try_from(time.as_micros()).unwrap();
        for at in 0..self.switches.len() {
            self.switches[at].handle_timeout(self.now);
            self.hear(at);
        }
        for id in self.connections() {
            if let Some(session) = self.wires.get_mut(&id).and_then(|wire| wire.session.as_mut()) {
                session.handle_timeout(self.now);
            }
            self.drive(id);
        }
    }

    /// Somebody else's controller writes to the switch.
    pub(super) fn meddle(&mut self, at: usize, messages: &[Message]) {
        let switch = &mut self.switches[at];
        let channel = switch.open(self.now);
        let hello = Message::Hello(Hello::with_versions(&[OFP_VERSION]));
        for message in std::iter::once(&hello).chain(messages) {
            let mut bytes = BytesMut::new();
            message.encode(Xid(1), &mut bytes).unwrap();
            switch.handle_message(channel, &Bytes::from(bytes), self.now);
        }
        switch.close(channel);
        self.hear(at);
    }

    fn tell_time(&mut self) {
        self.engine.set_time(self.now, Timestamp::from_micros(self.wall).unwrap());
    }
}

fn boot(config: &Config, memory: &Memory, now: Instant, wall: i64, sabotage: Option<Sabotage>) -> (Store, Engine) {
    let (mut store, mut snapshot) = Store::open_memory(memory);
    if let Some(sabotage) = sabotage {
        sabotage.snapshot(&mut snapshot);
    }
    let (loaded, batch) = Loaded::new(&snapshot).unwrap();
    store.submit(batch, 0).unwrap();
    assert!(store.completion().now_or_never().is_some());
    let wall = Timestamp::from_micros(wall).unwrap();
    (store, Engine::new(config.clone(), loaded, Audience::default(), now, wall).unwrap())
}
