//! The task that owns the engine: brings it commands, reports and the time, and carries out what it says.
//!
//! While the store takes no more, neither commands nor reports are taken: they wait where they are, and are bounded there.
//!
//! Tasks: one, on the daemon's tracker. The shutdown token stops it; what was submitted to the store is written by the
//! store's own thread whatever becomes of the task, and a command without an answer finds its channel closed.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use tokio::sync::{mpsc, oneshot};
use tokio::task::yield_now;
use tokio_util::sync::CancellationToken;
use tracing::error;

use super::commits::Commits;
use super::cookie::is_bulk;
use super::engine::{Engine, Output, Ticket};
use super::news::News;
use super::node::NodeId;
use super::{Answer, Reclassing, Request, Slice, Survey, TrailSender};
use crate::contract::{self, Timestamp, Topic};
use crate::crash::{self, Place};
use crate::ovsdb::{self, Ovsdb, Watch};
use crate::session::{Command, Event};
use crate::southbound::{ConnectionId, Dial, Report, Southbound};
use crate::store::{Completion, Store, StoreError};

/// Requests, and words of switches, that are taken at a time before the engine's outputs are carried out: enough to share a
/// commit and a barrier, few enough that nobody waits long behind them. A request for many flows counts as many.
const TAKE: usize = 512;

/// Requests and words that take long enough together for others to have come meanwhile.
const LONG: usize = 64;

pub(super) struct Driver {
    pub(super) engine: Engine,
    pub(super) store: Store,
    pub(super) southbound: Southbound,
    pub(super) ovsdb: Ovsdb,
    pub(super) inbox: mpsc::Receiver<Request>,
    pub(super) slices: mpsc::Receiver<Slice>,
    pub(super) surveys: mpsc::Receiver<oneshot::Sender<Survey>>,
    pub(super) reclassings: mpsc::Receiver<Reclassing>,
    pub(super) reports: mpsc::Receiver<Report>,
    pub(super) news: Newsroom,
    pub(super) databases: mpsc::Receiver<ovsdb::Report>,
}

/// Where events go, and what was lost of them for want of room.
pub(super) struct Newsroom {
    readers: mpsc::Sender<News>,
    lost: BTreeMap<Topic, News>,
}

impl Newsroom {
    pub(super) fn new(readers: mpsc::Sender<News>) -> Self {
        Self { readers, lost: BTreeMap::new() }
    }

    /// Hands an event on. One that finds no room is a gap, which is told when there is room again.
    fn publish(&mut self, news: News) {
        self.make_up();
        let topic = news.topic;
        let sent = if self.lost.contains_key(&topic) { Err(news) } else { self.offer(news) };
        if let Err(news) = sent {
            self.lost.insert(topic, News { payload: None, ..news });
        }
    }

    /// Tells of what was lost.
    fn make_up(&mut self) {
        while let Some((topic, gap)) = self.lost.pop_first() {
            if let Err(gap) = self.offer(gap) {
                self.lost.insert(topic, gap);
                return;
            }
        }
    }

    #[expect(clippy::result_large_err, reason = "the event comes back to whoever offers it")]
    fn offer(&self, news: News) -> Result<(), News> {
        match self.readers.try_send(news) {
            Err(mpsc::error::TrySendError::Full(news)) => Err(news),
            // Without readers there is nobody to tell.
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => Ok(()),
        }
    }
}

/// What the outputs of the engine are about.
struct Ends {
    news: Newsroom,
    answers: HashMap<Ticket, oneshot::Sender<Answer>>,
    trails: HashMap<Ticket, TrailSender>,
    connections: HashMap<ConnectionId, mpsc::Sender<Command>>,
    dials: HashMap<NodeId, Dial>,
    watches: HashMap<NodeId, Watch>,
    next_ticket: u64,
    /// Classes have changed, and nothing has been sent for it.
    is_reclassing: bool,
}

impl Driver {
    /// Runs until `shutdown` is cancelled or the store can no longer be trusted.
    pub(super) async fn run(self, shutdown: CancellationToken) -> Result<(), StoreError> {
        let Self { mut engine, mut store, southbound, ovsdb, .. } = self;
        let Self { mut inbox, mut slices, mut surveys, mut reclassings, mut reports, mut databases, news, .. } = self;
        let mut ends = Ends::new(news);
        let mut commits = Commits::default();
        let mut commands = Vec::with_capacity(TAKE);
        let mut waiting = VecDeque::with_capacity(TAKE);
        let mut heard = Vec::with_capacity(TAKE);
        let mut is_long = false;
        loop {
            engine.flush();
            while let Some(output) = engine.poll_output() {
                ends.carry_out(output, &mut commits, &southbound, &ovsdb);
            }
            ends.news.make_up();
            commits.submit(&store);
            // Whoever is on the way to or from here goes on before the next part of a batch, and not behind all of it.
            if std::mem::take(&mut is_long) {
                yield_now().await;
            }
            let deadline = engine.poll_timeout().unwrap_or_else(|| Instant::now() + Duration::from_secs(3600));
            tokio::select! {
                completion = store.completion() => {
                    is_long = matches!(&completion, Completion::Committed { tickets } if tickets.len() > 1);
                    engine.set_time(Instant::now(), Timestamp::now());
                    engine.handle_completion(completion);
                }
                _ = reports.recv_many(&mut heard, TAKE), if !commits.are_blocked() => {}
                Some(report) = databases.recv(), if !commits.are_blocked() => {
                    engine.set_time(Instant::now(), Timestamp::now());
                    engine.handle_database(report);
                }
                _ = inbox.recv_many(&mut commands, TAKE),
                    if waiting.is_empty() && !(commits.are_blocked() || inbox.is_closed() && inbox.is_empty()) => {}
                // The connections have their turn before the next.
                () = yield_now(), if !(waiting.is_empty() || commits.are_blocked()) => {}
                Some(Reclassing { classes, answer }) = reclassings.recv(), if !commits.are_blocked() => {
                    engine.set_time(Instant::now(), Timestamp::now());
                    let result = engine.reclass(classes);
                    ends.is_reclassing = result.is_ok();
                    if ends.is_reclassing {
                        crash::pass(Place::DuringReload);
                    }
                    // Whoever asked may have gone away meanwhile.
                    let _ = answer.send(result);
                }
                // One at a time: behind each of them whoever has waited has a turn.
                Some(slice) = slices.recv(), if !commits.are_blocked() => {
                    is_long = true;
                    engine.set_time(Instant::now(), Timestamp::now());
                    match slice {
                        // Whoever asked may have gone away meanwhile.
                        Slice::Check(part, answer) => drop(answer.send(engine.check_part(part))),
                        Slice::Install(part, terms, answer, trail) => {
                            let ticket = ends.ticket(&mut engine, answer, trail);
                            engine.install_part(ticket, part, terms);
                        }
                    }
                }
                Some(answer) = surveys.recv() => {
                    // Whoever asked may have gone away meanwhile.
                    let _ = answer.send(engine.survey());
                }
                () = tokio::time::sleep_until(deadline.into()) => engine.set_time(Instant::now(), Timestamp::now()),
                () = shutdown.cancelled() => break,
            }
            // Whatever it was that came first, requests and the switches' words are not left to the luck of the draw.
            if !commits.are_blocked() {
                fill(&mut heard, &mut reports);
                let told = ends.hear(&mut engine, &mut heard);
                if waiting.is_empty() {
                    fill(&mut commands, &mut inbox);
                    waiting.extend(commands.drain(..));
                }
                let taken = ends.take(&mut engine, &mut waiting);
                is_long |= told + taken >= LONG;
            }
            engine.handle_timeout();
            if let Some(error) = engine.fatal() {
                return Err(error);
            }
        }
        drop(ends);
        engine.save_rest();
        engine.flush();
        while let Some(output) = engine.poll_output() {
            if let Output::Commit { ticket, batch } = output {
                commits.add(ticket, batch);
            }
        }
        commits.finish(&mut store).await;
        store.close().await;
        Ok(())
    }
}

impl Ends {
    fn new(news: Newsroom) -> Self {
        Self {
            news,
            answers: HashMap::new(),
            trails: HashMap::new(),
            connections: HashMap::new(),
            dials: HashMap::new(),
            watches: HashMap::new(),
            next_ticket: 0,
            is_reclassing: false,
        }
    }

    /// Gives the engine what the switches said; how many words that were.
    fn hear(&mut self, engine: &mut Engine, heard: &mut Vec<Report>) -> usize {
        let count = heard.len();
        if count > 0 {
            engine.set_time(Instant::now(), Timestamp::now());
        }
        for report in heard.drain(..) {
            self.note(&report);
            engine.handle_report(report);
        }
        count
    }

    /// Gives the engine as many of the requests that wait as may go at a time; how much work that was.
    fn take(&mut self, engine: &mut Engine, waiting: &mut VecDeque<Request>) -> usize {
        if !waiting.is_empty() {
            engine.set_time(Instant::now(), Timestamp::now());
        }
        let mut taken = 0;
        while taken < TAKE
            && let Some(Request { command, answer, trail }) = waiting.pop_front()
        {
            taken += weight(&command);
            let ticket = self.ticket(engine, answer, trail);
            engine.handle_command(ticket, command);
        }
        taken
    }

    fn ticket(&mut self, engine: &mut Engine, answer: oneshot::Sender<Answer>, trail: Option<TrailSender>) -> Ticket {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        self.answers.insert(ticket, answer);
        if let Some(trail) = trail {
            engine.trails.follow(ticket);
            self.trails.insert(ticket, trail);
        }
        ticket
    }

    /// Keeps the way to a connection while there is one.
    fn note(&mut self, report: &Report) {
        match report {
            Report::Happened { event: Event::Settled(_), .. } => crash::pass(Place::AfterBarrier),
            Report::Happened { event: Event::FlowsRead { .. }, .. } => crash::pass(Place::AfterRead),
            Report::Connected { connection, commands, .. } => {
                self.connections.insert(*connection, commands.clone());
            }
            Report::Happened { connection, event: Event::Closed(_) } => {
                self.connections.remove(connection);
            }
            Report::Happened { .. } | Report::DialFailed { .. } => {}
        }
    }

    fn carry_out(&mut self, output: Output, commits: &mut Commits, southbound: &Southbound, ovsdb: &Ovsdb) {
        match output {
            Output::Trail { ticket, steps } => {
                if let Some(channel) = self.trails.remove(&ticket) {
                    // Whoever asked may have gone away meanwhile.
                    let _ = channel.send(steps);
                }
            }
            Output::Answer { ticket, answer } => {
                crash::pass(Place::BeforeAnswer);
                if !self.trails.is_empty() {
                    self.trails.remove(&ticket);
                }
                if let Some(channel) = self.answers.remove(&ticket) {
                    // Whoever asked may have gone away meanwhile.
                    let _ = channel.send(answer);
                }
                crash::pass(Place::AfterAnswer);
            }
            Output::Command { connection, command } => {
                // All of a bundle is for one purpose.
                let is_repair = matches!(&command, Command::Bundle(mods) if !mods.first().is_some_and(|(token, _)| is_bulk(*token)));
                self.send(connection, command);
                if is_repair {
                    crash::pass(Place::DuringRepair);
                }
                if is_repair && std::mem::take(&mut self.is_reclassing) {
                    crash::pass(Place::DuringReload);
                }
            }
            Output::Dial { node, address } => {
                self.dials.insert(node, southbound.dial(address));
            }
            Output::HangUp { node } => {
                self.dials.remove(&node);
            }
            Output::Watch { node, target } => {
                self.watches.insert(node, ovsdb.watch(node.0, target));
            }
            Output::Unwatch { node } => {
                self.watches.remove(&node);
            }
            Output::Database { node, command } => {
                let refused = self.watches.get(&node).map(|watch| watch.command(command));
                if let Some(Err(command)) = refused {
                    error!(node = node.0, token = command.token, "a database does not take its commands");
                }
            }
            Output::Commit { ticket, batch } => commits.add(ticket, batch),
            Output::Tell(news) => self.news.publish(news),
        }
    }

    /// A connection that has ended has said so, or is about to. One whose queue is full does not follow its orders:
    /// giving it up settles everything that it was given.
    fn send(&mut self, connection: ConnectionId, command: Command) {
        let Some(commands) = self.connections.get(&connection) else { return };
        if let Err(mpsc::error::TrySendError::Full(_)) = commands.try_send(command) {
            error!(connection = connection.0, "a connection does not take its commands; giving it up");
            self.connections.remove(&connection);
        }
    }
}

/// Takes what is there already. `recv_many` takes either at once or nothing, so that giving it up loses nothing.
fn fill<T>(taken: &mut Vec<T>, channel: &mut mpsc::Receiver<T>) {
    let _ = channel.recv_many(taken, TAKE.saturating_sub(taken.len())).now_or_never();
}

/// How much work a request is, beside one for one flow.
fn weight(command: &contract::Command) -> usize {
    match command {
        contract::Command::InstallFlows(request) => request.flows.len().max(1),
        _ => 1,
    }
}
