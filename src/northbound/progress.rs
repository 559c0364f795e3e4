//! A stream that counts what the peer has sent and taken, so that slow can be told from stuck, and that reads only so much
//! as may be read of somebody who is not known yet.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::counted::{self, Meter};

/// How many bytes went one way.
#[derive(Debug, Clone, Default)]
pub(super) struct Count(Arc<AtomicU64>);

impl Count {
    pub(super) fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// So many more.
    pub(super) fn add(&self, bytes: u64) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// How much may be read before the peer is known.
#[derive(Debug, Clone)]
pub(super) struct Credit(Arc<AtomicU64>);

impl Credit {
    /// So many bytes.
    pub(super) fn new(bytes: u64) -> Self {
        Self(Arc::new(AtomicU64::new(bytes)))
    }

    /// The peer is known.
    pub(super) fn lift(&self) {
        self.0.store(u64::MAX, Ordering::Relaxed);
    }

    /// Whether so much is more than may be read.
    pub(super) fn is_exceeded_by(&self, read: &Count) -> bool {
        read.bytes() > self.0.load(Ordering::Relaxed)
    }
}

/// What counts the bytes of one connection.
#[derive(Debug)]
pub(super) struct Progress {
    read: Count,
    written: Count,
    credit: Credit,
}

impl Meter for Progress {
    fn read(&self, bytes: u64) -> io::Result<()> {
        self.read.add(bytes);
        if self.credit.is_exceeded_by(&self.read) {
            return Err(io::Error::new(io::ErrorKind::QuotaExceeded, "a stranger has sent too much"));
        }
        Ok(())
    }

    fn written(&self, bytes: u64) {
        self.written.add(bytes);
    }
}

/// The counting stream.
pub(super) type Counted<S> = counted::Counted<S, Progress>;

impl<S> Counted<S> {
    /// The stream, and what is counted of what is read from it and written to it.
    pub(super) fn new(stream: S, credit: Credit) -> (Self, Count, Count) {
        let (read, written) = (Count::default(), Count::default());
        let progress = Progress { read: read.clone(), written: written.clone(), credit };
        (Self::by(progress, stream), read, written)
    }
}
