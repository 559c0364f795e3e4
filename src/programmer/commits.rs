//! What is on its way from the engine to the store, kept where the store has no room.

use crate::store::{Batch, Store, SubmitError};

/// The batches that the store does not have yet, as one.
#[derive(Debug, Default)]
pub(super) struct Commits {
    /// The ticket is the last batch's: what is reported of it holds for those before it.
    waiting: Option<(u64, Batch)>,
}

impl Commits {
    /// Takes a batch from the engine.
    pub(super) fn add(&mut self, ticket: u64, batch: Batch) {
        match &mut self.waiting {
            Some((last, waiting)) => {
                *last = ticket;
                waiting.append(batch);
            }
            None => self.waiting = Some((ticket, batch)),
        }
    }

    /// Gives the store what waits.
    pub(super) fn submit(&mut self, store: &Store) {
        let Some((ticket, batch)) = self.waiting.take() else { return };
        match store.submit(batch, ticket) {
            // A failed store says so itself, as its last completion.
            Ok(()) | Err(SubmitError::Failed(_)) => {}
            Err(SubmitError::Full(batch)) => self.waiting = Some((ticket, batch)),
        }
    }

    /// Whether the store has no room: there may be some after its next completion.
    pub(super) fn are_blocked(&self) -> bool {
        self.waiting.is_some()
    }

    /// Gives the store everything.
    pub(super) async fn finish(mut self, store: &mut Store) {
        self.submit(store);
        while self.are_blocked() {
            store.completion().await;
            self.submit(store);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Completion, QUEUE_BATCHES, Table};

    fn batch(key: u64) -> Batch {
        let mut batch = Batch::new();
        batch.put(Table::Flow, key.to_be_bytes(), "x");
        batch
    }

    async fn committed(store: &mut Store) -> Vec<u64> {
        match store.completion().await {
            Completion::Committed { tickets } => tickets,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn what_a_full_store_gives_back_is_kept_and_given_to_it_again() {
        let (mut commits, mut store) = (Commits::default(), Store::memory());
        let room = QUEUE_BATCHES as u64;
        (0..room).for_each(|ticket| store.submit(batch(ticket), ticket).unwrap());
        for ticket in room..room + 2 {
            commits.add(ticket, batch(ticket));
            commits.submit(&store);
            assert!(commits.are_blocked());
        }
        assert_eq!(committed(&mut store).await, [0]);
        commits.submit(&store);
        assert!(!commits.are_blocked());
        let last = store.close().await.pop();
        assert!(matches!(last, Some(Completion::Committed { tickets }) if tickets == [room + 1]));
    }

    #[tokio::test]
    async fn what_waits_at_the_end_is_stored() {
        let (mut commits, mut store) = (Commits::default(), Store::memory());
        commits.add(1, batch(1));
        commits.finish(&mut store).await;
        assert_eq!(committed(&mut store).await, [1]);
    }
}
