//! The task behind a client: one connection after the other, until the client lets go or there can be no other.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::connection::{Ended, Outgoing, Shared, drive};
use super::in_flight::Answer;
use super::wire::{Dial, Line, open};
use super::{Config, ConnectionState, Lost, Reconnect, RequestError};
use crate::backoff::Backoff;

/// What the task works with.
pub(super) struct Supervisor {
    pub(super) config: Config,
    pub(super) dial: Arc<dyn Dial>,
    pub(super) requests: mpsc::Receiver<Outgoing>,
    pub(super) shared: Arc<Shared>,
    pub(super) stop: CancellationToken,
}

/// How the way to the next connection ended.
enum Way {
    Open(Box<Line>),
    /// Not this time.
    Failed(Lost),
    /// There is no use in trying again.
    Closed(Lost),
}

impl Supervisor {
    /// Runs to the end, beginning with a connection that stands already or else with making one.
    pub(super) async fn run(mut self, first: Option<Line>) {
        let lost = self.connections(first).await;
        self.end(&lost).await;
    }

    async fn connections(&mut self, first: Option<Line>) -> Lost {
        let Reconnect { first: wait, longest, attempts } = self.config.reconnect;
        let mut backoff = Backoff::doubling(wait, longest);
        let mut tried = 0;
        let mut way = match first {
            Some(line) => Way::Open(Box::new(line)),
            None => self.attempt().await,
        };
        loop {
            let lost = match way {
                Way::Open(line) => {
                    let Ended { lost, was_heard } = self.connection(*line).await;
                    if was_heard && !matches!(lost, Lost::NotResumed(_)) {
                        backoff.reset();
                        tried = 0;
                    }
                    lost
                }
                Way::Failed(lost) => lost,
                Way::Closed(lost) => return lost,
            };
            if self.stop.is_cancelled() {
                return Lost::Closed;
            }
            if lost.is_final() || attempts.is_some_and(|attempts| tried >= attempts) {
                return lost;
            }
            self.shared.states.enter(ConnectionState::Reconnecting);
            if self.stop.run_until_cancelled(sleep(backoff.wait())).await.is_none() {
                return Lost::Closed;
            }
            tried += 1;
            way = self.attempt().await;
        }
    }

    async fn connection(&mut self, line: Line) -> Ended {
        let Self { config, requests, shared, stop, .. } = self;
        shared.tally.connections.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let ended = drive(line, requests, shared, config, stop).await;
        shared.states.enter(ConnectionState::Disconnected);
        shared.in_flight.lost(&ended.lost);
        ended
    }

    async fn attempt(&self) -> Way {
        let Some(opened) = self.stop.run_until_cancelled(open(&*self.dial, &self.config, &self.shared)).await else {
            return Way::Closed(Lost::Closed);
        };
        match opened {
            Ok(line) => Way::Open(Box::new(line)),
            Err(error) if error.is_refusal() => Way::Closed(Lost::LockedOut(error.to_string())),
            Err(error) => Way::Failed(Lost::Unreachable(error.to_string())),
        }
    }

    /// Whoever waits is told why, and whoever comes later, too.
    async fn end(&mut self, lost: &Lost) {
        let _ = self.shared.ended.set(lost.clone());
        self.shared.subscriptions.read_by(None);
        self.shared.in_flight.end(lost);
        self.requests.close();
        while let Some(Outgoing { pending, .. }) = self.requests.recv().await {
            let answer: Answer = Err(RequestError::NotSent(lost.clone()));
            pending.settle(answer);
        }
        self.shared.states.end();
    }
}
