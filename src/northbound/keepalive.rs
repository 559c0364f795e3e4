//! Whether the client is still there.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

use super::progress::Count;

/// What the reading half knows of the client's life. Any byte is a sign of it, not only a pong: the pong may be far
/// behind in what the client has sent, or behind a long frame that is still on its way.
#[derive(Debug)]
pub(super) struct Pulse {
    read: Count,
    reading: AtomicBool,
}

impl Pulse {
    pub(super) fn new(read: Count) -> Self {
        Self { read, reading: AtomicBool::new(false) }
    }

    /// Whether the reading half waits for the client, or holds it back.
    pub(super) fn set_reading(&self, reading: bool) {
        self.reading.store(reading, Ordering::Relaxed);
    }
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beat {
    /// Send a ping.
    Ping,
    /// Nothing was heard since the last one.
    Lost,
}

/// Asks every interval whether the client is there, and allows it so long to show that it is.
#[derive(Debug)]
pub(super) struct Keepalive<'a> {
    pulse: &'a Pulse,
    interval: Duration,
    patience: Duration,
    timer: Pin<Box<Sleep>>,
    /// How many bytes were heard when the last ping was sent and nothing had to be heard yet.
    asked_at: Option<u64>,
}

impl<'a> Keepalive<'a> {
    pub(super) fn new(pulse: &'a Pulse, interval: Duration, patience: Duration) -> Self {
        Self { pulse, interval, patience, timer: Box::pin(sleep(interval)), asked_at: None }
    }

    /// What is to be done next, when it is time. May be dropped at any time.
    pub(super) async fn next(&mut self) -> Beat {
        loop {
            self.timer.as_mut().await;
            match self.asked_at.take() {
                None => {
                    self.asked_at = Some(self.pulse.read.bytes());
                    self.timer.as_mut().reset(Instant::now() + self.patience);
                    return Beat::Ping;
                }
                // A client that we do not read from cannot be heard.
                Some(bytes) if bytes == self.pulse.read.bytes() && self.pulse.reading.load(Ordering::Relaxed) => {
                    return Beat::Lost;
                }
                Some(_) => self.timer.as_mut().reset(Instant::now() + self.interval.saturating_sub(self.patience)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(30);
    const PATIENCE: Duration = Duration::from_secs(5);

    #[tokio::test(start_paused = true)]
    async fn a_client_that_is_heard_is_asked_again_after_the_interval() {
        let read = Count::default();
        let pulse = Pulse::new(read.clone());
        pulse.set_reading(true);
        let start = Instant::now();
        let mut keepalive = Keepalive::new(&pulse, INTERVAL, PATIENCE);
        for round in 1..4 {
            assert_eq!(keepalive.next().await, Beat::Ping);
            assert_eq!(start.elapsed(), INTERVAL * round);
            read.add(1);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_is_not_heard_is_lost_after_the_patience() {
        let read = Count::default();
        let pulse = Pulse::new(read.clone());
        pulse.set_reading(true);
        read.add(1);
        let start = Instant::now();
        let mut keepalive = Keepalive::new(&pulse, INTERVAL, PATIENCE);
        assert_eq!(keepalive.next().await, Beat::Ping);
        assert_eq!(keepalive.next().await, Beat::Lost);
        assert_eq!(start.elapsed(), INTERVAL + PATIENCE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_we_hold_back_is_not_lost() {
        let pulse = Pulse::new(Count::default());
        let mut keepalive = Keepalive::new(&pulse, INTERVAL, PATIENCE);
        assert_eq!(keepalive.next().await, Beat::Ping);
        assert_eq!(keepalive.next().await, Beat::Ping);
    }
}
