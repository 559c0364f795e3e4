//! What has gone over the connections of a client, and how quickly the daemon answers a ping.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::counted::Meter;

/// What was counted over all connections of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Connections that the daemon has taken.
    pub connections: u64,
    /// Requests written; one that was asked again counts again.
    pub messages_sent: u64,
    /// Replies, Errors and Events read.
    pub messages_received: u64,
    /// Bytes written: WebSocket frames and handshakes, without what TLS adds.
    pub bytes_sent: u64,
    /// Bytes read, likewise.
    pub bytes_received: u64,
    /// From the last ping to its pong.
    pub round_trip: Option<Duration>,
}

/// The same, while it is counted.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) connections: AtomicU64,
    pub(super) messages_sent: AtomicU64,
    pub(super) messages_received: AtomicU64,
    bytes_sent: AtomicU64,
    bytes_received: AtomicU64,
    /// In nanoseconds; 0 stands for none.
    round_trip: AtomicU64,
}

impl Tally {
    pub(super) fn read(&self) -> Counters {
        let nanos = self.round_trip.load(Relaxed);
        Counters {
            connections: self.connections.load(Relaxed),
            messages_sent: self.messages_sent.load(Relaxed),
            messages_received: self.messages_received.load(Relaxed),
            bytes_sent: self.bytes_sent.load(Relaxed),
            bytes_received: self.bytes_received.load(Relaxed),
            round_trip: (nanos > 0).then(|| Duration::from_nanos(nanos)),
        }
    }

    pub(super) fn bytes_received(&self) -> u64 {
        self.bytes_received.load(Relaxed)
    }

    pub(super) fn pong_after(&self, time: Duration) {
        self.round_trip.store(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX).max(1), Relaxed);
    }
}

impl Meter for Arc<Tally> {
    fn read(&self, bytes: u64) -> io::Result<()> {
        self.bytes_received.fetch_add(bytes, Relaxed);
        Ok(())
    }

    fn written(&self, bytes: u64) {
        self.bytes_sent.fetch_add(bytes, Relaxed);
    }
}
