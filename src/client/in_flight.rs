//! The requests that wait for their answer, over however many connections that takes.
//!
//! When a connection is lost nobody knows which of the requests on it the daemon has read. Those that can be asked again
//! without being done twice are asked again on the next one, in their order; the others end at once, as not known.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::value::RawValue;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::Instant;

use super::encoded::Encoded;
use super::{Lost, RequestError};
use crate::contract::{Command, InstallFlow, Subscription};

/// What comes of a request.
pub(super) type Answer = Result<Box<RawValue>, RequestError>;

/// Connections that a request may be lost with and still be asked again: one that takes the daemon down each time must come
/// to its end.
pub const LOSSES_MAX: u32 = 8;

/// How long an answer may take beyond what the request itself asks to wait, before a daemon that says nothing at all is
/// taken to be gone.
const GRACE: Duration = Duration::from_secs(10);

/// A request and who waits for its answer.
pub(super) struct Pending {
    pub(super) message: Encoded,
    /// What it means for the subscriptions.
    pub(super) asked: Option<Subscription>,
    may_repeat: bool,
    own_wait: Duration,
    answer: oneshot::Sender<Answer>,
    losses: u32,
    due: Option<Instant>,
    /// Its share of what may be in flight.
    _places: [OwnedSemaphorePermit; 2],
}

impl Pending {
    pub(super) fn new(
        command: &Command,
        message: Encoded,
        answer: oneshot::Sender<Answer>,
        places: [OwnedSemaphorePermit; 2],
    ) -> Self {
        let (asked, may_repeat, own_wait) = (command.subscription(), may_repeat(command), own_wait(command));
        Self { message, asked, may_repeat, own_wait, answer, losses: 0, due: None, _places: places }
    }

    pub(super) fn settle(self, answer: Answer) {
        // Whoever asked may have given up.
        let _ = self.answer.send(answer);
    }

    fn written(&mut self) {
        self.due = Some(Instant::now() + self.own_wait + GRACE);
    }
}

/// Whether asking twice does nothing twice. A flow has its id for that, and reading changes nothing. An id that the removal
/// of a rejected flow has freed is the exception, which `RemoveFlow` cannot tell: no answer says whose the id was before.
fn may_repeat(command: &Command) -> bool {
    let has_id = |flow: &InstallFlow| flow.flow_id.is_some() || flow.dry_run;
    match command {
        Command::InstallFlow(flow) => has_id(flow),
        Command::InstallFlows(many) => many.flows.iter().all(has_id),
        Command::RemoveFlow(_)
        | Command::ListNodes
        | Command::GetNode(_)
        | Command::ListFlows(_)
        | Command::GetFlow(_)
        | Command::Subscribe(_)
        | Command::Unsubscribe(_)
        | Command::GetInfo => true,
        Command::AddNode(_)
        | Command::RemoveNode(_)
        | Command::RemoveFlows(_)
        | Command::SetQueues(_)
        | Command::Authenticate(_) => false,
    }
}

/// How long the daemon may wait for switches before it answers.
fn own_wait(command: &Command) -> Duration {
    let longest = match command {
        Command::InstallFlow(flow) => Some(flow.timeout_ms),
        Command::InstallFlows(many) => many.timeout_ms(),
        _ => None,
    };
    Duration::from_millis(longest.unwrap_or(crate::contract::DEFAULT_TIMEOUT_MS).into())
}

/// All of them, by the number that is their id.
#[derive(Default)]
pub(super) struct InFlightTable(Mutex<BTreeMap<u64, Pending>>);

impl InFlightTable {
    /// It is about to be written.
    pub(super) fn expect(&self, number: u64, mut pending: Pending) {
        pending.written();
        self.lock().insert(number, pending);
    }

    /// Its answer is there.
    pub(super) fn take(&self, number: u64) -> Option<Pending> {
        self.lock().remove(&number)
    }

    /// What is to be asked again on a new connection, in its order.
    pub(super) fn again(&self) -> Vec<Encoded> {
        let mut pending = self.lock();
        pending.values_mut().for_each(Pending::written);
        pending.values().map(|pending| pending.message.clone()).collect()
    }

    /// The connection is lost: ends what cannot be asked again.
    pub(super) fn lost(&self, lost: &Lost) {
        let is_over = |_: &u64, pending: &mut Pending| {
            pending.losses += 1;
            let in_vain = pending.losses > LOSSES_MAX || pending.answer.is_closed();
            !pending.may_repeat || in_vain || lost.blames_us()
        };
        let over: Vec<(u64, Pending)> = self.lock().extract_if(.., is_over).collect();
        over.into_iter().for_each(|(_, pending)| pending.settle(Err(RequestError::OutcomeUnknown(lost.clone()))));
    }

    /// There will be no other connection.
    pub(super) fn end(&self, lost: &Lost) {
        let over = std::mem::take(&mut *self.lock());
        over.into_values().for_each(|pending| pending.settle(Err(RequestError::OutcomeUnknown(lost.clone()))));
    }

    /// Until when a daemon may be silent because it is busy with what is in flight.
    pub(super) fn excuse(&self) -> Option<Instant> {
        self.lock().values().filter_map(|pending| pending.due).max()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Pending>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Without the texts, which may hold a token.
impl fmt::Debug for InFlightTable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "InFlightTable({} requests)", self.lock().len())
    }
}
