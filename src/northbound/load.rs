//! What one connection has in flight: which ids, and how much of its allowance.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::contract::{Command, RequestId};

/// What `ListNodes` counts for: there may be a thousand nodes, with all their ports.
const LIST_NODES_WEIGHT: u32 = 1024;

/// The requests in flight on one connection.
#[derive(Debug)]
pub(super) struct Load {
    ids: Mutex<HashSet<RequestId>>,
    allowance: Arc<Semaphore>,
    limit: u32,
}

impl Load {
    pub(super) fn new(limit: u32) -> Self {
        let limit = limit.max(1);
        let allowance = Arc::new(Semaphore::new(limit as usize));
        Self { ids: Mutex::default(), allowance, limit }
    }

    /// Waits until there is room for `weight` more. The room is given back when the permit is dropped.
    pub(super) async fn acquire(&self, weight: u32) -> Option<OwnedSemaphorePermit> {
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

    /// Notes an id; false if it is in flight already.
    pub(super) fn begin(&self, id: &RequestId) -> bool {
        self.ids().insert(id.clone())
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
        | Command::GetInfo => 1,
    }
}
