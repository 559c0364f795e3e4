//! Waiting for what happens outside this process: asked again and again until a deadline.

use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

/// Asks `probe` every few milliseconds until it answers; panics after `seconds`.
pub(crate) fn within<T>(seconds: u64, what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited {seconds} s in vain for {what}");
        thread::park_timeout(Duration::from_millis(20));
    }
}

/// A TCP port on loopback that nobody listens on at the moment.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
