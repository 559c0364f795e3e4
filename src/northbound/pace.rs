//! What a client may send beside messages: so many control frames in a second, and no message without end.
//!
//! The WebSocket engine hides fragments, empty ones too; but what it has read and not made a message of is counted.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::NorthboundConfig;
use super::progress::Count;
use super::websocket::Ending;

/// Pings and pongs that a client may send in a second.
const CONTROL_FRAMES: u32 = 100;
/// The least that a control frame of a client takes beside its payload: two bytes, and the mask.
const CONTROL_OVERHEAD: u64 = 6;

/// One connection's account.
#[derive(Debug)]
pub(super) struct Pace {
    read: Count,
    patience: Duration,
    /// Everything up to there has become messages and control frames.
    settled: u64,
    /// Since when there has been more than that.
    unsettled_since: Option<Instant>,
    /// When that is looked at next, however often somebody begins to wait for it.
    next_look: Instant,
    second: Instant,
    control_frames: u32,
}

impl Pace {
    pub(super) fn new(read: Count, config: &NorthboundConfig) -> Self {
        let (patience, now) = (config.message_timeout, Instant::now());
        let next_look = now + patience / 3;
        Self { read, patience, settled: 0, unsettled_since: None, next_look, second: now, control_frames: 0 }
    }

    /// A message is complete.
    pub(super) fn message(&mut self) {
        self.settled = self.read.bytes();
        self.unsettled_since = None;
    }

    /// A ping or pong came, perhaps between the fragments of a message.
    pub(super) fn control_frame(&mut self, payload: usize) -> Result<(), Ending> {
        self.settled += payload as u64 + CONTROL_OVERHEAD;
        let now = Instant::now();
        if now.duration_since(self.second) >= Duration::from_secs(1) {
            (self.second, self.control_frames) = (now, 0);
        }
        self.control_frames += 1;
        if self.control_frames > CONTROL_FRAMES {
            return Err(Ending::Close(CloseCode::Policy, "too many control frames"));
        }
        Ok(())
    }

    /// Ends when a message has been on its way for too long. May be dropped at any time.
    pub(super) async fn overstrained(&mut self) -> Ending {
        loop {
            sleep_until(self.next_look).await;
            let now = Instant::now();
            self.next_look = now + self.patience / 3;
            if self.read.bytes() <= self.settled {
                self.unsettled_since = None;
            } else if now.duration_since(*self.unsettled_since.get_or_insert(now)) >= self.patience / 2 {
                return Ending::Close(CloseCode::Policy, "a message took too long");
            }
        }
    }
}
