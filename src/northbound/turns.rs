//! The turns of large batches: how many of their parts are under way at a time, which is what anybody else's request meets
//! before it.
//!
//! Among themselves batches have so many that neither the programmer nor a disk nor a switch waits for the next part.
//! While somebody else asks for something they have fewer, and take a little longer for it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// Parts that are under way at a time: about as many milliseconds' work for disk and switch.
pub(super) const PARTS: u32 = 6;
/// How many of them while somebody else asks for something. Where a part takes a few milliseconds, batches then take about
/// twice the time; with two at a time they would take a quarter more, and whoever asks would wait twice as long.
const PARTS_BESIDE: u32 = 1;
/// How long after a client's request its next one is expected.
const BESIDE: Duration = Duration::from_millis(600);
/// The same after it has gone: perhaps it comes back for each request, as the command line does.
const GONE: Duration = Duration::from_millis(100);

/// The turns of all batches. Whose turn it is goes round: turns are taken in the order in which they were asked for.
#[derive(Debug)]
pub(super) struct Turns {
    places: Arc<Semaphore>,
    /// What a part takes of them beside others.
    places_beside: u32,
    asked: Mutex<Asked>,
}

/// The two clients that asked last for something that is no large batch, and until when more is expected of each.
#[derive(Debug, Default)]
struct Asked {
    last: Option<(SocketAddr, Instant)>,
    before: Option<(SocketAddr, Instant)>,
}

impl Asked {
    fn note(&mut self, client: SocketAddr, until: Instant) {
        if let Some(other) = self.last.replace((client, until)).filter(|(last, _)| *last != client) {
            self.before = Some(other);
        }
    }

    fn forget(&mut self, client: SocketAddr, until: Instant) {
        let of_client = self.last.iter_mut().chain(&mut self.before).filter(|(asker, _)| *asker == client);
        of_client.for_each(|(_, expected)| *expected = until.min(*expected));
    }

    /// Whether more is expected of others than this client.
    fn is_beside(&self, client: SocketAddr, now: Instant) -> bool {
        self.last.iter().chain(&self.before).any(|(asker, until)| *asker != client && now < *until)
    }
}

impl Turns {
    pub(super) fn new(parts: u32) -> Self {
        let places = Arc::new(Semaphore::new(parts as usize));
        Self { places, places_beside: parts.div_ceil(PARTS_BESIDE), asked: Mutex::default() }
    }

    fn asked(&self) -> MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A client asks for something that is no large batch.
    pub(super) fn make_way(&self, client: SocketAddr) {
        self.asked().note(client, Instant::now() + BESIDE);
    }

    /// A client's connection is over.
    pub(super) fn gone(&self, client: SocketAddr) {
        self.asked().forget(client, Instant::now() + GONE);
    }

    /// Waits for a turn of a client's batch, which lasts until it is dropped. How many parts may be under way with it is
    /// decided as soon as it is waited for.
    ///
    /// # Errors
    /// The semaphore is closed, which nobody does.
    pub(super) async fn take(self: Arc<Self>, client: SocketAddr) -> Result<OwnedSemaphorePermit, AcquireError> {
        let places = if self.asked().is_beside(client, Instant::now()) { self.places_beside } else { 1 };
        Arc::clone(&self.places).acquire_many_owned(places).await
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use tokio::time::advance;

    use super::*;

    const BATCH: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 1);
    const OTHER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 2);

    /// How many parts are under way when everybody wants more to be.
    fn parts_under_way(turns: &Arc<Turns>) -> usize {
        let taken: Vec<_> = (0..=PARTS).map_while(|_| Arc::clone(turns).take(BATCH).now_or_never()).collect();
        taken.len()
    }

    #[tokio::test(start_paused = true)]
    async fn w15_beside_somebody_else_there_are_fewer_parts_under_way_and_afterwards_as_many_as_before() {
        let turns = Arc::new(Turns::new(PARTS));
        assert_eq!(parts_under_way(&turns), PARTS as usize);
        turns.make_way(OTHER);
        assert_eq!(parts_under_way(&turns), PARTS_BESIDE as usize);
        advance(BESIDE - Duration::from_millis(1)).await;
        assert_eq!(parts_under_way(&turns), PARTS_BESIDE as usize);
        turns.make_way(OTHER);
        advance(BESIDE - Duration::from_millis(1)).await;
        assert_eq!(parts_under_way(&turns), PARTS_BESIDE as usize, "somebody has asked again");
        advance(Duration::from_millis(1)).await;
        assert_eq!(parts_under_way(&turns), PARTS as usize);
    }

    #[tokio::test(start_paused = true)]
    async fn of_a_client_that_has_gone_little_is_expected() {
        let turns = Arc::new(Turns::new(PARTS));
        turns.make_way(OTHER);
        turns.gone(OTHER);
        assert_eq!(parts_under_way(&turns), PARTS_BESIDE as usize);
        advance(GONE).await;
        assert_eq!(parts_under_way(&turns), PARTS as usize);
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_batchs_own_client_asks_for_does_not_slow_it_down() {
        let turns = Arc::new(Turns::new(PARTS));
        turns.make_way(BATCH);
        assert_eq!(parts_under_way(&turns), PARTS as usize);
        turns.make_way(OTHER);
        turns.make_way(BATCH);
        turns.make_way(BATCH);
        assert_eq!(parts_under_way(&turns), PARTS_BESIDE as usize, "somebody else has asked before");
    }
}
