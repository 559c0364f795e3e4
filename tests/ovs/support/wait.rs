//! Waiting for what happens outside this process: asked again and again until a deadline.

use std::net::TcpListener;
use std::ops::Range;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Asks `probe` every few milliseconds until it answers; panics after `seconds`.
pub(crate) fn within<T>(seconds: u64, what: &str, probe: impl FnMut() -> Option<T>) -> T {
    eventually(seconds, probe).unwrap_or_else(|| panic!("waited {seconds} s in vain for {what}"))
}

/// The same without a panic: `None` after `seconds`.
pub(crate) fn eventually<T>(seconds: u64, mut probe: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    loop {
        let found = probe();
        if found.is_some() || Instant::now() >= deadline {
            return found;
        }
        thread::park_timeout(Duration::from_millis(20));
    }
}

/// A TCP port on loopback that nobody listens on, given to nobody else in this process, and below those that the system
/// gives to outgoing connections: it can be listened on again after its listener was gone for a while.
pub(crate) fn free_port() -> u16 {
    static NEXT: LazyLock<AtomicU16> = LazyLock::new(|| AtomicU16::new(fastrand::u16(0..PORTS.end - PORTS.start)));
    loop {
        let offset = NEXT.fetch_add(1, Ordering::Relaxed) % (PORTS.end - PORTS.start);
        let port = PORTS.start + offset;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Linux gives outgoing connections the ports from 32768 on.
const PORTS: Range<u16> = 12_000..32_000;
