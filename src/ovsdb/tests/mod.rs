//! The agent against a database in memory, in time that only the test moves.

mod database;
mod misbehaviour;
mod over_sockets;
mod wishes;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use serde_json::{Value, json};

use super::agent::Agent;
use super::framing::Framer;
use super::queues::Mark;
use super::session::CloseReason;
use super::{Command, Done, News, PortQueues, PortRef, PortState, Queue, Refusal, Wish};
use database::Database;

/// An agent, its database, and the wire between them.
struct World {
    agent: Agent,
    database: Database,
    now: Instant,
    is_up: bool,
    /// What the agent has been told of the database's rows.
    known: BTreeMap<String, BTreeMap<String, Value>>,
    from_agent: (Framer, BytesMut),
    to_agent: BytesMut,
    done: BTreeMap<u64, Result<Done, Refusal>>,
    ports: Vec<PortState>,
    lost: Vec<String>,
}

impl World {
    /// Connected, with nothing wanted.
    fn new() -> Self {
        let mut world = Self::with(Database::new(), BTreeMap::new());
        world.connect();
        world
    }

    fn with(database: Database, wanted: BTreeMap<String, PortQueues>) -> Self {
        Self {
            agent: Agent::new(Mark::new(0xbeef, 1), wanted),
            database,
            now: Instant::now(),
            is_up: false,
            known: BTreeMap::new(),
            from_agent: Default::default(),
            to_agent: BytesMut::new(),
            done: BTreeMap::new(),
            ports: Vec::new(),
            lost: Vec::new(),
        }
    }

    fn connect(&mut self) {
        self.is_up = true;
        self.from_agent = Default::default();
        self.to_agent.clear();
        self.agent.handle_connected(self.now);
        self.run();
    }

    fn cut(&mut self) {
        self.is_up = false;
        self.agent.handle_broken(CloseReason::Closed);
        self.agent.handle_timeout(self.now);
        self.take_news();
    }

    fn asks(&mut self, token: u64, wish: Wish) {
        self.agent.handle_command(Command { token, wish }, self.now);
        self.run();
    }

    /// Asks for queues of a port, and expects the answer at once.
    fn sets(&mut self, port: &str, queues: Option<PortQueues>) -> Result<Done, Refusal> {
        self.asks(99, Wish::Set { port: PortRef::Name(port.to_owned()), queues });
        self.done.remove(&99).expect("an answer")
    }

    fn passes(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.agent.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.agent.handle_timeout(self.now);
            self.run();
        }
        self.now = end;
    }

    /// Somebody else changes the database.
    fn meddle(&mut self, change: impl FnOnce(&mut Database)) {
        change(&mut self.database);
        self.tell_changes();
        self.run();
    }

    fn tell_changes(&mut self) {
        let changes = self.database.changes(&self.known);
        self.known = self.database.tables.clone();
        if changes != json!({}) {
            self.says(json!({"id": null, "method": "update", "params": [null, changes]}));
        }
    }

    fn says(&mut self, message: Value) {
        self.to_agent.extend_from_slice(message.to_string().as_bytes());
    }

    /// Lets everything happen that can without time passing.
    fn run(&mut self) {
        loop {
            self.take_news();
            let mut sent = BytesMut::new();
            self.agent.poll_transmit(&mut sent);
            if !self.is_up || (sent.is_empty() && self.to_agent.is_empty()) {
                return;
            }
            self.from_agent.1.unsplit(sent);
            while let Some(message) = self.from_agent.0.next_message(&mut self.from_agent.1).unwrap() {
                self.answer(&serde_json::from_slice(&message).unwrap());
            }
            self.agent.handle_input(&mut self.to_agent, self.now);
        }
    }

    fn answer(&mut self, request: &Value) {
        let result = match request["method"].as_str().unwrap() {
            "monitor" => {
                self.known.clear();
                let all = self.database.changes(&self.known);
                self.known = self.database.tables.clone();
                all
            }
            "transact" => {
                let result = self.database.transact(&request["params"].as_array().unwrap()[1..]);
                self.tell_changes();
                result
            }
            "echo" => request["params"].clone(),
            other => panic!("the agent calls {other}"),
        };
        self.says(json!({"id": request["id"], "result": result, "error": null}));
    }

    fn take_news(&mut self) {
        while let Some(news) = self.agent.poll_news() {
            match news {
                News::Reached => {}
                News::Lost { reason } => self.lost.push(reason),
                News::Ports(ports) => self.ports = ports,
                News::Done { token, result } => assert!(self.done.insert(token, result).is_none(), "{token} is done"),
            }
        }
    }
}

/// A port limited to 10 Mbit/s with the queues 0 and 1, the second of which has at least so much.
fn queues(min_rate: u64) -> PortQueues {
    let guaranteed =
        Queue { min_rate: Some(min_rate), max_rate: Some(8_000_000), burst: Some(64_000), priority: Some(1) };
    PortQueues { max_rate: Some(10_000_000), queues: BTreeMap::from([(0, Queue::default()), (1, guaranteed)]) }
}

/// The same as the database shows them.
fn shown(min_rate: u64) -> String {
    format!("linux-htb max-rate=10000000; 0:; 1: burst=64000 max-rate=8000000 min-rate={min_rate} priority=1")
}
