//! What is on its way from the engine to the store: held back for a moment where that saves a commit, and kept where the
//! store has no room.
//!
//! A flow is stored twice: as it was asked for, and with the switch's verdict. Where the verdict is there sooner than a
//! write would be, one commit has both. To wait costs nothing: an answer waits for the verdict and for the commit that
//! has it, whether or not another one went before.

use std::time::{Duration, Instant};

use crate::store::{Batch, Store, SubmitError};

/// How long a batch waits for the one that is expected after it. A switch whose answer takes longer takes longer than the
/// disk, too.
const PATIENCE: Duration = Duration::from_millis(1);

/// Operations that wait, at most: to write more than these takes a while, which had better begin.
const MAX_WAITING: usize = 64;

/// The batches that the store does not have yet, as one.
#[derive(Debug, Default)]
pub(super) struct Commits {
    waiting: Option<Waiting>,
    is_blocked: bool,
}

#[derive(Debug)]
struct Waiting {
    /// The last batch's: what is reported of it holds for those before it.
    ticket: u64,
    batch: Batch,
    until: Instant,
}

impl Commits {
    /// Takes a batch from the engine.
    pub(super) fn add(&mut self, ticket: u64, batch: Batch, now: Instant) {
        match &mut self.waiting {
            Some(waiting) => {
                waiting.ticket = ticket;
                waiting.batch.append(batch);
            }
            None => self.waiting = Some(Waiting { ticket, batch, until: now + PATIENCE }),
        }
    }

    /// Gives the store what has waited long enough.
    pub(super) fn submit(&mut self, store: &Store, now: Instant) {
        let may_wait = |waiting: &Waiting| {
            waiting.until > now && waiting.batch.expects_more() && waiting.batch.operations().len() <= MAX_WAITING
        };
        let Some(Waiting { ticket, batch, until }) = self.waiting.take_if(|waiting| !may_wait(waiting)) else { return };
        self.is_blocked = match store.submit(batch, ticket) {
            // A failed store says so itself, as its last completion.
            Ok(()) | Err(SubmitError::Failed(_)) => false,
            Err(SubmitError::Full(batch)) => {
                self.waiting = Some(Waiting { ticket, batch, until });
                true
            }
        };
    }

    /// Whether the store has no room: there may be some after its next completion.
    pub(super) fn are_blocked(&self) -> bool {
        self.is_blocked
    }

    /// When [`Commits::submit`] has something to do.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.waiting.as_ref().filter(|_| !self.is_blocked).map(|waiting| waiting.until)
    }

    /// Gives the store everything.
    pub(super) async fn finish(mut self, store: &mut Store) {
        let nothing_waits = Instant::now() + PATIENCE;
        self.submit(store, nothing_waits);
        while self.is_blocked {
            store.completion().await;
            self.submit(store, nothing_waits);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Completion, QUEUE_BATCHES, Table};

    fn batch(key: u64, expects_more: bool) -> Batch {
        let mut batch = Batch::new();
        batch.put(Table::Flow, key.to_be_bytes(), "x");
        if expects_more {
            batch.expect_more();
        }
        batch
    }

    async fn committed(store: &mut Store) -> Vec<u64> {
        match store.completion().await {
            Completion::Committed { tickets } => tickets,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_quick_verdict_shares_the_commit_of_its_request() {
        let (mut commits, mut store, now) = (Commits::default(), Store::memory(), Instant::now());
        commits.add(1, batch(1, true), now);
        commits.submit(&store, now);
        commits.add(2, batch(1, false), now);
        commits.submit(&store, now);
        assert_eq!(committed(&mut store).await, [2]);
        assert!(store.close().await.is_empty(), "one commit has both");
    }

    #[tokio::test]
    async fn a_request_whose_verdict_takes_long_is_stored_meanwhile() {
        let (mut commits, mut store, now) = (Commits::default(), Store::memory(), Instant::now());
        commits.add(1, batch(1, true), now);
        commits.submit(&store, now);
        let later = commits.deadline().unwrap();
        assert_eq!(later, now + PATIENCE);
        commits.submit(&store, later);
        assert_eq!(committed(&mut store).await, [1]);
        assert_eq!(commits.deadline(), None);
    }

    #[tokio::test]
    async fn nothing_waits_that_somebody_may_be_waiting_for() {
        let (mut commits, mut store, now) = (Commits::default(), Store::memory(), Instant::now());
        let mut verdict_and_request = batch(1, false);
        verdict_and_request.append(batch(2, true));
        commits.add(1, verdict_and_request, now);
        commits.submit(&store, now);
        assert_eq!(committed(&mut store).await, [1]);
        let mut many = Batch::new();
        (0..=MAX_WAITING as u64).for_each(|key| many.append(batch(key, true)));
        commits.add(2, many, now);
        commits.submit(&store, now);
        assert_eq!(committed(&mut store).await, [2]);
    }

    #[tokio::test]
    async fn what_a_full_store_gives_back_is_kept_and_given_to_it_again() {
        let (mut commits, mut store, now) = (Commits::default(), Store::memory(), Instant::now());
        let room = QUEUE_BATCHES as u64;
        (0..room).for_each(|ticket| store.submit(batch(ticket, false), ticket).unwrap());
        for ticket in room..room + 2 {
            commits.add(ticket, batch(ticket, false), now);
            commits.submit(&store, now);
            assert!(commits.are_blocked());
        }
        assert_eq!(commits.deadline(), None, "only a completion makes room");
        assert_eq!(committed(&mut store).await, [0]);
        commits.submit(&store, now);
        assert!(!commits.are_blocked());
        let last = store.close().await.pop();
        assert!(matches!(last, Some(Completion::Committed { tickets }) if tickets == [room + 1]));
    }

    #[tokio::test]
    async fn what_waits_at_the_end_is_stored() {
        let (mut commits, mut store, now) = (Commits::default(), Store::memory(), Instant::now());
        commits.add(1, batch(1, true), now);
        commits.submit(&store, now);
        commits.finish(&mut store).await;
        assert_eq!(committed(&mut store).await, [1]);
    }
}
