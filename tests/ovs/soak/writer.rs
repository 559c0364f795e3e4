//! One client: asks without waiting, and asks again what was not answered when the daemon went away.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use super::history::{Event, Log};
use super::workload::{Request, Workload};
use crate::support::{Client, within};

/// What a daemon that is there may take for an answer: more than any request gives it, and the disk's patience.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long everything may take to be answered, once nothing is broken any more.
const CATCH_UP_SECONDS: u64 = 60;

/// Numbers of requests, of all clients.
static NEXT: AtomicU64 = AtomicU64::new(1);

#[derive(Debug)]
pub(super) struct Writer {
    workload: Workload,
    log: Log,
    port: u16,
    client: Option<Client>,
    /// Asked on a connection that has ended, in their order.
    unanswered: Vec<Request>,
}

impl Writer {
    pub(super) fn new(workload: Workload, port: u16, log: &Log) -> Self {
        Self { workload, log: log.clone(), port, client: None, unanswered: Vec::new() }
    }

    /// Asks for more and more until it is over, then until everything is answered; counts the answers.
    pub(super) fn work(&mut self, is_over: &AtomicBool, answers: &AtomicU64) {
        while !is_over.load(Ordering::Relaxed) {
            self.advance(answers, Workload::burst);
        }
        self.catch_up(answers);
    }

    /// Asks once more for flows that were asked for before, all of those that are not listed among them.
    pub(super) fn repeat(&mut self, is_listed: impl Fn(&str) -> bool) {
        let answers = AtomicU64::new(0);
        self.unanswered = self.workload.repetitions(is_listed);
        self.catch_up(&answers);
    }

    fn catch_up(&mut self, answers: &AtomicU64) {
        within(CATCH_UP_SECONDS, "an answer to everything", || {
            self.advance(answers, |_| Vec::new());
            self.unanswered.is_empty().then_some(())
        });
    }

    /// Asks what was not answered or, when everything was, something new. Does nothing while the daemon is away.
    fn advance(&mut self, answers: &AtomicU64, new: impl FnOnce(&mut Workload) -> Vec<Request>) {
        let Some(mut client) = self.client.take().or_else(|| Client::try_connect(self.port)) else {
            return std::thread::park_timeout(Duration::from_millis(5));
        };
        let mut requests = std::mem::take(&mut self.unanswered);
        if requests.is_empty() {
            requests = new(&mut self.workload);
        }
        let mut waiting = BTreeMap::new();
        for (command, payload) in requests {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            self.log.write(Event::Asked { number, command: command.to_owned(), payload: payload.clone() });
            client.try_ask(&number.to_string(), command, &payload);
            waiting.insert(number, (command, payload));
        }
        while !waiting.is_empty() {
            match client.try_receive(PATIENCE) {
                Ok(answer) => {
                    let number = answer["id"].as_str().and_then(|id| id.parse().ok()).unwrap_or_default();
                    if let Some(request) = waiting.remove(&number) {
                        self.workload.answered(&request, &answer);
                    }
                    self.log.write(Event::Answered { number, answer });
                    answers.fetch_add(1, Ordering::Relaxed);
                }
                Err(RecvTimeoutError::Disconnected) => {
                    waiting.keys().for_each(|number| self.log.write(Event::Lost { number: *number }));
                    return self.unanswered.extend(waiting.into_values());
                }
                // What is never answered stands so in the history.
                Err(RecvTimeoutError::Timeout) => return,
            }
        }
        self.client = Some(client);
    }
}
