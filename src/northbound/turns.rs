//! The turns of large batches: how many of their parts are under way at a time, which is what anybody else's request meets
//! before it.
//!
//! Among themselves batches have so many that neither the programmer nor a disk nor a switch waits for the next part.
//! While somebody asks for something else they have fewer, and take a little longer for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// Parts that are under way at a time: about as many milliseconds' work for disk and switch.
pub(super) const PARTS: u32 = 6;
/// How many of them while somebody asks for something else. Where a part takes a few milliseconds, batches then take about
/// twice the time; with two at a time they would take a quarter more, and whoever asks would wait twice as long.
const PARTS_BESIDE: u32 = 1;
/// How long after a request the next one is expected. It is short: the request may have been the batch's own client's.
const BESIDE: Duration = Duration::from_millis(100);

/// The turns of all batches. Whose turn it is goes round: turns are taken in the order in which they were asked for.
#[derive(Debug)]
pub(super) struct Turns {
    places: Arc<Semaphore>,
    /// What a part takes of them beside others.
    places_beside: u32,
    begun: Instant,
    /// Milliseconds from then until nobody else is expected to ask any more.
    quiet_from: AtomicU64,
}

impl Turns {
    pub(super) fn new(parts: u32) -> Self {
        let places = Arc::new(Semaphore::new(parts as usize));
        let places_beside = parts.div_ceil(PARTS_BESIDE);
        Self { places, places_beside, begun: Instant::now(), quiet_from: AtomicU64::new(0) }
    }

    /// Somebody asks for something that is no large batch.
    pub(super) fn make_way(&self) {
        self.quiet_from.fetch_max(millis(self.begun.elapsed() + BESIDE), Ordering::Relaxed);
    }

    /// Waits for a turn, which lasts until it is dropped. How many parts may be under way with it is decided as soon as it
    /// is waited for.
    ///
    /// # Errors
    /// The semaphore is closed, which nobody does.
    pub(super) async fn take(self: Arc<Self>) -> Result<OwnedSemaphorePermit, AcquireError> {
        let is_quiet = millis(self.begun.elapsed()) >= self.quiet_from.load(Ordering::Relaxed);
        let places = if is_quiet { 1 } else { self.places_beside };
        Arc::clone(&self.places).acquire_many_owned(places).await
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use tokio::time::advance;

    use super::*;

    /// How many parts are under way when everybody wants more to be.
    fn parts_under_way(turns: &Arc<Turns>) -> usize {
        let taken: Vec<_> = (0..=PARTS).map_while(|_| Arc::clone(turns).take().now_or_never()).collect();
        taken.len()
    }

    #[tokio::test(start_paused = true)]
    async fn w15_beside_somebody_else_there_are_fewer_parts_under_way_and_afterwards_as_many_as_before() {
        let turns = Arc::new(Turns::new(PARTS));
        assert_eq!(parts_under_way(&turns), PARTS as usize);
        turns.make_way();
        assert_eq!(parts_under_way(&turns), PARTS_BESIDE as usize);
        advance(BESIDE - Duration::from_millis(1)).await;
        assert_eq!(parts_under_way(&turns), PARTS_BESIDE as usize);
        turns.make_way();
        advance(BESIDE - Duration::from_millis(1)).await;
        assert_eq!(parts_under_way(&turns), PARTS_BESIDE as usize, "somebody has asked again");
        advance(Duration::from_millis(1)).await;
        assert_eq!(parts_under_way(&turns), PARTS as usize);
    }
}
