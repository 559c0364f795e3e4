//! Brings the queues of one switch together with what is wanted of them, and keeps them so: a pure state machine.
//!
//! It works by level and not by edge: whatever the database says, what is wanted is compared with what is there, and the
//! difference is one transaction. Only one is under way at a time. A request changes what is wanted; it is done when the
//! database has committed the difference and the switch has taken it (`cur_cfg` has reached the `next_cfg` that the
//! transaction wrote), and what it changed is taken back when the database refuses.
//!
//! ```text
//! Waiting --connected--> Writing --committed--> confirming --taken--> done
//!    |                      |                       `--late--> done, the switch has not said so
//!    `--late, refused-------`--late, refused--> failed, and what was wanted before is wanted again
//! ```
//! The driver's order: any `handle_*`, then [`Agent::poll_news`] until there is none, then [`Agent::poll_transmit`].

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use serde_json::json;
use serde_json::value::{RawValue, Value};

use super::message::RequestId;
use super::operation::{DatabaseError, Operation, outcome};
use super::pace::Pace;
use super::plan::{self, plan};
use super::queues::{Mark, PortQueues, PortRef, PortState};
use super::replica::{DATABASE, OPEN_VSWITCH, Port, Replica, monitor_params};
use super::session::{CloseReason, Event, Session};
use super::{Command, Done, News, Refusal, Wish};

/// How long a request may take, the connection and the switch's own confirmation included.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// How often a transaction is tried while others change the same rows.
const ATTEMPTS: u8 = 5;

#[derive(Debug)]
pub(super) struct Agent {
    mark: Mark,
    wanted: BTreeMap<String, PortQueues>,
    link: Link,
    requests: VecDeque<Request>,
    confirming: Vec<Confirming>,
    /// The last `next_cfg` that a transaction of ours wrote.
    written: i64,
    pace: Pace,
    news: VecDeque<News>,
    told: Option<Vec<PortState>>,
    was_reached: bool,
}

#[derive(Debug)]
enum Link {
    Down { why: String },
    Up { session: Session, monitor: RequestId, replica: Option<Replica>, transaction: Option<Transaction> },
}

/// A transaction under way.
#[derive(Debug, Clone, Copy)]
struct Transaction {
    id: RequestId,
    /// Whether it is the first request's, and not a repair.
    is_asked: bool,
}

#[derive(Debug)]
struct Request {
    token: u64,
    wish: Wish,
    deadline: Instant,
    /// Once it has begun: the port, and what was wanted before.
    begun: Option<(Option<String>, BTreeMap<String, PortQueues>)>,
    attempts: u8,
}

/// A request whose rows are committed.
#[derive(Debug)]
struct Confirming {
    token: u64,
    port: Option<String>,
    next_cfg: i64,
    deadline: Instant,
}

impl Agent {
    pub(super) fn new(mark: Mark, wanted: BTreeMap<String, PortQueues>) -> Self {
        Self {
            mark,
            wanted,
            link: Link::Down { why: "it has not been reached yet".to_owned() },
            requests: VecDeque::new(),
            confirming: Vec::new(),
            written: 0,
            pace: Pace::default(),
            news: VecDeque::new(),
            told: None,
            was_reached: false,
        }
    }

    /// There is a connection.
    pub(super) fn handle_connected(&mut self, now: Instant) {
        self.was_reached = false;
        let mut session = Session::new(now);
        let monitor = session.request("monitor", &monitor_params(), now);
        self.link = Link::Up { session, monitor, replica: None, transaction: None };
    }

    /// There is none, or no more.
    pub(super) fn handle_disconnected(&mut self, why: String) {
        self.told = None;
        self.news.push_back(News::Lost { reason: why.clone() });
        self.link = Link::Down { why };
    }

    /// The connection broke.
    pub(super) fn handle_broken(&mut self, reason: CloseReason) {
        if let Link::Up { session, .. } = &mut self.link {
            session.close(reason);
        }
    }

    pub(super) fn handle_input(&mut self, input: &mut BytesMut, now: Instant) {
        if let Link::Up { session, .. } = &mut self.link {
            session.handle_input(input, now);
        }
        self.advance(now);
    }

    pub(super) fn handle_command(&mut self, command: Command, now: Instant) {
        let Command { token, wish } = command;
        self.requests.push_back(Request { token, wish, deadline: now + PATIENCE, begun: None, attempts: 0 });
        self.advance(now);
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if let Link::Up { session, .. } = &mut self.link {
            session.handle_timeout(now);
        }
        self.advance(now);
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let session = match &self.link {
            Link::Up { session, .. } => Some(session.poll_timeout()),
            Link::Down { .. } => None,
        };
        let requests = self.requests.iter().map(|request| request.deadline);
        let confirming = self.confirming.iter().map(|confirming| confirming.deadline);
        session.into_iter().chain(requests).chain(confirming).chain(self.pace.retry_at()).min()
    }

    pub(super) fn poll_news(&mut self) -> Option<News> {
        self.news.pop_front()
    }

    pub(super) fn poll_transmit(&mut self, output: &mut BytesMut) {
        if let Link::Up { session, .. } = &mut self.link {
            session.poll_transmit(output);
        }
    }

    /// Whether the connection is still of use.
    pub(super) fn is_up(&self) -> bool {
        matches!(self.link, Link::Up { .. })
    }

    /// Whether the last connection came so far that the rows were seen.
    pub(super) fn was_reached(&self) -> bool {
        self.was_reached
    }

    /// Takes in what happened, and does what follows from it.
    fn advance(&mut self, now: Instant) {
        while let Link::Up { session, .. } = &mut self.link
            && let Some(event) = session.poll_event()
        {
            if let Err(reason) = self.happened(event) {
                self.handle_disconnected(reason);
            }
        }
        self.expire(now);
        self.act(now);
        self.confirm();
        self.tell();
    }

    fn happened(&mut self, event: Event) -> Result<(), String> {
        let Link::Up { monitor, replica, transaction, .. } = &mut self.link else { return Ok(()) };
        match (event, replica) {
            (Event::Closed(reason), _) => return Err(reason.to_string()),
            (Event::Answered { id, outcome }, first) if id == *monitor => {
                let rows = outcome.map_err(|error| format!("it does not show its rows: {error}"))?;
                let mut replica = Replica::default();
                replica.update(rows.get()).map_err(|reason| reason.to_string())?;
                *first = Some(replica);
                self.pace = Pace::default();
                self.was_reached = true;
                self.news.push_back(News::Reached);
            }
            (Event::Answered { id, outcome: answer }, _) => {
                if let Some(of) = transaction.take_if(|transaction| transaction.id == id) {
                    let result = answer.map_err(|error| DatabaseError::Refused(error.into()));
                    self.settled(
                        of,
                        result
                            .and_then(|rows| outcome(rows.get()))
                            .map(|rows| rows.iter().find_map(|row| row.integer("next_cfg")).unwrap_or_default()),
                    );
                }
            }
            (Event::Notified { method, params }, Some(replica)) if method == "update" => {
                // The monitor's own name is null.
                let ((), updates): ((), Box<RawValue>) =
                    serde_json::from_str(params.get()).map_err(|_| CloseReason::Nonsense.to_string())?;
                replica.update(updates.get()).map_err(|reason| reason.to_string())?;
            }
            // Nothing else is asked for.
            (Event::Notified { .. }, _) => {}
        }
        Ok(())
    }

    /// What became of a transaction: the `next_cfg` that it wrote.
    fn settled(&mut self, transaction: Transaction, result: Result<i64, DatabaseError>) {
        if let Ok(next_cfg) = result {
            self.written = self.written.max(next_cfg);
        }
        if !transaction.is_asked {
            if let Err(error) = &result {
                tracing::warn!(datapath_id = self.mark.datapath_id(), %error, "the queues cannot be repaired");
            }
            return;
        }
        match result {
            Ok(next_cfg) => {
                let Some(Request { token, begun, deadline, .. }) = self.requests.pop_front() else { return };
                let port = begun.and_then(|(port, _)| port);
                self.confirming.push(Confirming { token, port, next_cfg, deadline });
            }
            Err(DatabaseError::Changed) if self.requests.front().is_some_and(|first| first.attempts < ATTEMPTS) => {
                self.begin_again();
            }
            Err(error) => self.fail(Refusal::Database(error)),
        }
    }

    /// The first request is looked at anew: what somebody else changed may be what it is about.
    fn begin_again(&mut self) {
        if let Some((_, before)) = self.requests.front_mut().and_then(|first| first.begun.take()) {
            self.wanted = before;
        }
    }

    /// The first request cannot be done: what was wanted before it is wanted again.
    fn fail(&mut self, refusal: Refusal) {
        let Some(Request { token, begun, .. }) = self.requests.pop_front() else { return };
        if let Some((_, before)) = begun {
            self.wanted = before;
        }
        self.news.push_back(News::Done { token, result: Err(refusal) });
    }

    fn expire(&mut self, now: Instant) {
        while let Some(first) = self.requests.front().filter(|first| first.deadline <= now) {
            let refusal = match (&self.link, &first.begun) {
                (Link::Down { why }, None) => Refusal::Unreachable(why.clone()),
                (Link::Up { .. }, None) => Refusal::Unreachable("it has not answered in time".to_owned()),
                (_, Some(_)) => Refusal::Unconfirmed,
            };
            if let Link::Up { transaction: Some(transaction), .. } = &mut self.link {
                transaction.is_asked = false;
            }
            self.fail(refusal);
        }
        let (late, rest) = std::mem::take(&mut self.confirming).into_iter().partition(|one| one.deadline <= now);
        self.confirming = rest;
        self.done(late, false);
    }

    /// Sends the next transaction, if there is something to do and none is under way.
    fn act(&mut self, now: Instant) {
        while let Link::Up { replica: Some(replica), transaction: None, .. } = &self.link
            && let Some(first) = self.requests.front_mut().filter(|first| first.begun.is_none())
        {
            match begin(replica, &self.mark, &self.wanted, &first.wish) {
                Ok((port, change)) => {
                    let before = self.wanted.clone();
                    change.apply(&mut self.wanted);
                    first.begun = Some((port, before));
                }
                Err(refusal) => self.fail(refusal),
            }
        }
        let Link::Up { session, replica: Some(replica), transaction: transaction @ None, .. } = &mut self.link else {
            return;
        };
        let mut operations = plan(replica, &self.mark, &self.wanted);
        let is_asked = match self.requests.front_mut() {
            Some(first) => {
                first.attempts += 1;
                true
            }
            None if operations.is_empty() => return self.pace.rest(),
            None if !self.pace.may_repair(now) => return,
            None => false,
        };
        operations.push(Operation::Increment { table: OPEN_VSWITCH, column: "next_cfg" });
        operations.push(Operation::Select { table: OPEN_VSWITCH, column: "next_cfg" });
        let why = if is_asked { "flumen: queues as asked for" } else { "flumen: queues repaired" };
        operations.push(Operation::Comment(why.to_owned()));
        let params: Vec<Value> =
            std::iter::once(json!(DATABASE)).chain(operations.iter().map(|operation| json!(operation))).collect();
        *transaction = Some(Transaction { id: session.request("transact", &params, now), is_asked });
    }

    /// Finishes the requests whose rows the switch has taken.
    fn confirm(&mut self) {
        let Link::Up { replica: Some(replica), .. } = &self.link else { return };
        let taken = replica.taken();
        let (confirmed, rest) = std::mem::take(&mut self.confirming).into_iter().partition(|one| one.next_cfg <= taken);
        self.confirming = rest;
        self.done(confirmed, true);
    }

    fn done(&mut self, confirming: Vec<Confirming>, is_taken: bool) {
        for Confirming { token, port, .. } in confirming {
            let state = port.as_deref().and_then(|name| self.port_state(name));
            self.news.push_back(News::Done { token, result: Ok(Done { port, state, is_taken }) });
        }
    }

    fn port_state(&self, name: &str) -> Option<PortState> {
        let Link::Up { replica: Some(replica), .. } = &self.link else { return None };
        let ports = replica.ports(self.mark.datapath_id())?;
        let port = ports.into_iter().find(|port| port.name == name)?;
        self.state(replica, port)
    }

    fn state(&self, replica: &Replica, port: Port<'_>) -> Option<PortState> {
        plan::state(replica, &self.mark, port, self.wanted.get(port.name), replica.taken() >= self.written)
    }

    /// Tells the queues of every port, when they are not as they were told before.
    fn tell(&mut self) {
        let Link::Up { replica: Some(replica), .. } = &self.link else { return };
        let ports = replica.ports(self.mark.datapath_id()).unwrap_or_default();
        let states: Vec<PortState> = ports.into_iter().filter_map(|port| self.state(replica, port)).collect();
        if self.told.as_ref() != Some(&states) {
            self.news.push_back(News::Ports(states.clone()));
            self.told = Some(states);
        }
    }
}

/// What a request changes of what is wanted.
enum Change {
    Set(String, PortQueues),
    Unset(String),
    UnsetAll,
}

impl Change {
    fn apply(self, wanted: &mut BTreeMap<String, PortQueues>) {
        match self {
            Self::Set(port, queues) => drop(wanted.insert(port, queues)),
            Self::Unset(port) => drop(wanted.remove(&port)),
            Self::UnsetAll => wanted.clear(),
        }
    }
}

/// Finds what a request is about.
fn begin(
    replica: &Replica,
    mark: &Mark,
    wanted: &BTreeMap<String, PortQueues>,
    wish: &Wish,
) -> Result<(Option<String>, Change), Refusal> {
    let (port, queues) = match wish {
        Wish::Clear => return Ok((None, Change::UnsetAll)),
        // The port may be gone, and is not to have queues when it comes back.
        Wish::Set { port: PortRef::Name(name), queues: None } if wanted.contains_key(name) => {
            return Ok((Some(name.clone()), Change::Unset(name.clone())));
        }
        Wish::Set { port, queues } => (port, queues),
    };
    let ports = replica.ports(mark.datapath_id()).ok_or_else(|| Refusal::NoBridge(mark.datapath_id().to_owned()))?;
    let is_it = |candidate: &&Port<'_>| match port {
        PortRef::Name(name) => candidate.name == name,
        PortRef::Number(number) => replica.number(**candidate) == Some(*number),
    };
    let Some(found) = ports.iter().find(is_it) else { return Err(Refusal::NoPort(port.clone())) };
    let name = found.name.to_owned();
    match queues {
        Some(_) if plan::is_foreign(replica, mark, *found) => Err(Refusal::Foreign(name)),
        Some(queues) => Ok((Some(name.clone()), Change::Set(name, queues.clone()))),
        None => Ok((Some(name.clone()), Change::Unset(name))),
    }
}
