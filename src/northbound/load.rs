//! What one connection makes the daemon hold: requests in flight, and answers that the client has not taken.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use super::NorthboundConfig;
use crate::contract::{Command, RequestId};

/// What `ListNodes` counts for: there may be a thousand nodes, with all their ports.
const LIST_NODES_WEIGHT: u32 = 1024;

/// The load of one connection, and its bounds.
#[derive(Debug)]
pub(super) struct Load {
    ids: Mutex<HashSet<RequestId>>,
    allowance: Arc<Semaphore>,
    limit: u32,
    /// The bytes of the answers that wait.
    backlog: AtomicUsize,
    backlog_limit: usize,
    /// Told when the backlog has fallen below its limit.
    room: Notify,
}

impl Load {
    pub(super) fn new(config: &NorthboundConfig) -> Self {
        let limit = config.requests_in_flight.max(1);
        Self {
            ids: Mutex::default(),
            allowance: Arc::new(Semaphore::new(limit as usize)),
            limit,
            backlog: AtomicUsize::new(0),
            backlog_limit: config.outbound_bytes,
            room: Notify::new(),
        }
    }

    /// Waits until one more request may be read.
    pub(super) async fn admit(&self) -> Option<OwnedSemaphorePermit> {
        while self.is_backed_up() {
            self.room.notified().await;
        }
        self.acquire(1).await
    }

    /// Whether as much waits for the client as may.
    fn is_backed_up(&self) -> bool {
        self.backlog.load(Ordering::Relaxed) >= self.backlog_limit
    }

    /// An answer waits for the client.
    pub(super) fn queued(&self, bytes: usize) {
        self.backlog.fetch_add(bytes, Ordering::Relaxed);
    }

    /// An answer no longer waits for the client.
    pub(super) fn dequeued(&self, bytes: usize) {
        let before = self.backlog.fetch_sub(bytes, Ordering::Relaxed);
        if before >= self.backlog_limit && before - bytes < self.backlog_limit {
            self.room.notify_one();
        }
    }

    /// Waits until there is room for `weight` more. The room is given back when the permit is dropped.
    async fn acquire(&self, weight: u32) -> Option<OwnedSemaphorePermit> {
        // The semaphore is never closed.
        Arc::clone(&self.allowance).acquire_many_owned(weight).await.ok()
    }

    /// Waits until there is room for what a command weighs beyond the 1 of every request.
    pub(super) async fn extend(&self, mut permit: OwnedSemaphorePermit, command: &Command) -> OwnedSemaphorePermit {
        let extra = weight(command).clamp(1, self.limit) - 1;
        if extra > 0
            && let Some(more) = self.acquire(extra).await
        {
            permit.merge(more);
        }
        permit
    }

    /// The most that can be in flight.
    pub(super) fn limit(&self) -> usize {
        self.limit as usize
    }

    /// Notes an id.
    pub(super) fn begin(&self, id: &RequestId) {
        self.ids().insert(id.clone());
    }

    /// Whether it is in flight.
    pub(super) fn is_in_flight(&self, id: &RequestId) -> bool {
        self.ids().contains(id)
    }

    /// Forgets an id, which from now on means nothing.
    pub(super) fn end(&self, id: &RequestId) {
        self.ids().remove(id);
    }

    fn ids(&self) -> MutexGuard<'_, HashSet<RequestId>> {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many flows (or things of their size) the answer may hold: it can be thousands of times as long as the request.
fn weight(command: &Command) -> u32 {
    match command {
        Command::ListFlows(payload) => payload.limit,
        Command::InstallFlows(payload) => u32::try_from(payload.flows.len()).unwrap_or(u32::MAX),
        Command::ListNodes => LIST_NODES_WEIGHT,
        Command::AddNode(_)
        | Command::RemoveNode(_)
        | Command::GetNode(_)
        | Command::InstallFlow(_)
        | Command::RemoveFlow(_)
        | Command::RemoveFlows(_)
        | Command::GetFlow(_)
        | Command::Subscribe(_)
        | Command::Unsubscribe(_)
        | Command::Authenticate(_)
        | Command::SetQueues(_)
        | Command::GetInfo => 1,
    }
}
