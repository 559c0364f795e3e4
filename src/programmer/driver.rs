//! The task that owns the engine: brings it commands, reports and the time, and carries out what it says.
//!
//! While the store takes no more, neither commands nor reports are taken: they wait where they are, and are bounded there.
//!
//! Tasks: one, on the daemon's tracker. The shutdown token stops it; what was submitted to the store is written by the
//! store's own thread whatever becomes of the task, and a command without an answer finds its channel closed.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tracing::error;

use super::commits::Commits;
use super::engine::{Engine, Output, Ticket};
use super::node::NodeId;
use super::{Answer, NodeStates, Request};
use crate::contract::Timestamp;
use crate::crash::{self, Place};
use crate::session::{Command, Event};
use crate::southbound::{ConnectionId, Dial, Report, Southbound};
use crate::store::{Store, StoreError};

/// Inputs taken at a time before the engine's outputs are carried out: enough to share a commit and a barrier, few
/// enough that nobody waits long behind them.
const TAKE: usize = 512;

pub(super) struct Driver {
    pub(super) engine: Engine,
    pub(super) store: Store,
    pub(super) southbound: Southbound,
    pub(super) inbox: mpsc::Receiver<Request>,
    pub(super) surveys: mpsc::Receiver<oneshot::Sender<NodeStates>>,
    pub(super) reports: mpsc::Receiver<Report>,
}

/// What the outputs of the engine are about.
#[derive(Default)]
struct Ends {
    answers: HashMap<Ticket, oneshot::Sender<Answer>>,
    connections: HashMap<ConnectionId, mpsc::Sender<Command>>,
    dials: HashMap<NodeId, Dial>,
    next_ticket: u64,
}

impl Driver {
    /// Runs until `shutdown` is cancelled or the store can no longer be trusted.
    pub(super) async fn run(self, shutdown: CancellationToken) -> Result<(), StoreError> {
        let Self { mut engine, mut store, southbound, mut inbox, mut surveys, mut reports } = self;
        let mut ends = Ends::default();
        let mut commits = Commits::default();
        let mut commands = Vec::with_capacity(TAKE);
        let mut news = Vec::with_capacity(TAKE);
        loop {
            engine.flush();
            while let Some(output) = engine.poll_output() {
                ends.carry_out(output, &mut commits, &southbound);
            }
            commits.submit(&store, Instant::now());
            let deadline = engine.poll_timeout().into_iter().chain(commits.deadline()).min();
            let deadline = deadline.unwrap_or_else(|| Instant::now() + Duration::from_secs(3600));
            tokio::select! {
                completion = store.completion() => {
                    engine.set_time(Instant::now(), Timestamp::now());
                    engine.handle_completion(completion);
                }
                _ = reports.recv_many(&mut news, TAKE), if !commits.are_blocked() => {
                    engine.set_time(Instant::now(), Timestamp::now());
                    for report in news.drain(..) {
                        ends.note(&report);
                        engine.handle_report(report);
                    }
                }
                _ = inbox.recv_many(&mut commands, TAKE),
                    if !(commits.are_blocked() || inbox.is_closed() && inbox.is_empty()) =>
                {
                    engine.set_time(Instant::now(), Timestamp::now());
                    for request in commands.drain(..) {
                        let ticket = ends.ticket(request.answer);
                        engine.handle_command(ticket, request.command);
                    }
                }
                Some(answer) = surveys.recv() => {
                    // Whoever asked may have gone away meanwhile.
                    let _ = answer.send(engine.node_states());
                }
                () = tokio::time::sleep_until(deadline.into()) => engine.set_time(Instant::now(), Timestamp::now()),
                () = shutdown.cancelled() => break,
            }
            engine.handle_timeout();
            if let Some(error) = engine.fatal() {
                return Err(error);
            }
        }
        drop(ends);
        commits.finish(&mut store).await;
        store.close().await;
        Ok(())
    }
}

impl Ends {
    fn ticket(&mut self, answer: oneshot::Sender<Answer>) -> Ticket {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        self.answers.insert(ticket, answer);
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

    fn carry_out(&mut self, output: Output, commits: &mut Commits, southbound: &Southbound) {
        match output {
            Output::Answer { ticket, answer } => {
                crash::pass(Place::BeforeAnswer);
                if let Some(channel) = self.answers.remove(&ticket) {
                    // Whoever asked may have gone away meanwhile.
                    let _ = channel.send(answer);
                }
                crash::pass(Place::AfterAnswer);
            }
            Output::Command { connection, command } => {
                let is_repair = matches!(command, Command::Bundle(_));
                self.send(connection, command);
                if is_repair {
                    crash::pass(Place::DuringRepair);
                }
            }
            Output::Dial { node, address } => {
                self.dials.insert(node, southbound.dial(address));
            }
            Output::HangUp { node } => {
                self.dials.remove(&node);
            }
            Output::Commit { ticket, batch } => commits.add(ticket, batch, Instant::now()),
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
