//! The disk of a world: what it does with a batch, and what a daemon that starts finds on it.

use std::time::Instant;

use futures_util::FutureExt;

use crate::contract::Timestamp;
use crate::programmer::Audience;
use crate::programmer::engine::{Config, Engine};
use crate::programmer::record::Loaded;
use crate::store::{Completion, Memory, Store, StoreError};

/// What the disk does with a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Disk {
    Writes,
    Lags,
    IsFull,
}

pub(super) fn no_room(ticket: u64) -> Completion {
    Completion::Refused { tickets: vec![ticket], error: StoreError::Stopped }
}

/// A daemon that starts.
pub(super) fn boot(config: &Config, memory: &Memory, now: Instant, wall: i64) -> (Store, Engine) {
    let (mut store, snapshot) = Store::open_memory(memory);
    let (loaded, batch) = Loaded::new(&snapshot).unwrap();
    store.submit(batch, 0).unwrap();
    assert!(store.completion().now_or_never().is_some());
    let wall = Timestamp::from_micros(wall).unwrap();
    (store, Engine::new(config.clone(), loaded, Audience::default(), now, wall).unwrap())
}
