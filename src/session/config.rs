//! What a session puts up with: how long it waits, and how much it keeps.

use std::time::Duration;

/// The bounds and deadlines of a session.
#[derive(Debug, Clone, Copy)]
pub struct Config {
    /// From the first byte to [`Event::Ready`](super::Event::Ready).
    pub handshake: Duration,
    /// From the other answers of the handshake to the moment when a switch that has not said what its tables can do is
    /// taken as it is.
    pub tables: Duration,
    /// Silence after which the peer is asked whether it is there.
    pub idle: Duration,
    /// Silence after which it is taken for dead.
    pub dead: Duration,
    /// From a barrier request to the moment when what it covers is called unknown.
    pub barrier: Duration,
    /// From one sign of progress to the moment when a switch with an open barrier is given up: a window whose oldest
    /// barrier is never answered would never move again.
    pub barrier_dead: Duration,
    /// Between two parts of a multipart reply.
    pub read: Duration,
    /// From the question to the last part of a multipart reply.
    pub read_total: Duration,
    /// FLOW_MODs that may be without an answer at a time.
    pub window: usize,
    /// A barrier follows at least every so many FLOW_MODs, so that the window moves on while it is full.
    pub barrier_every: usize,
    /// FLOW_MODs that may wait for a place in the window.
    pub backlog: usize,
    /// Bytes that may wait to be written before replies to the peer's own requests are taken for an attack: two echo
    /// replies of the largest size.
    pub transmit: usize,
    /// Malformed messages that a peer may send at once, and one more each second, before it is given up.
    pub malformed: u32,
    /// Errors for nothing that are told as events at once, and one more each second; the others are only counted.
    pub stray_errors: u32,
    /// Bytes of one reassembled multipart reply.
    pub read_bytes: usize,
    /// Entries of one reassembled multipart reply.
    pub read_entries: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(10),
            tables: Duration::from_secs(3),
            idle: Duration::from_secs(5),
            dead: Duration::from_secs(10),
            barrier: Duration::from_secs(5),
            barrier_dead: Duration::from_secs(60),
            read: Duration::from_secs(10),
            read_total: Duration::from_secs(120),
            window: 1_000,
            barrier_every: 250,
            backlog: 4_096,
            transmit: 128 << 10,
            malformed: 100,
            stray_errors: 10,
            read_bytes: 64 << 20,
            read_entries: 1_000_000,
        }
    }
}
