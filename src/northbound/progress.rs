//! A stream that counts what the peer has sent and taken, so that slow can be told from stuck, and that reads only so much
//! as may be read of somebody who is not known yet.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How many bytes went one way.
#[derive(Debug, Clone, Default)]
pub(super) struct Count(Arc<AtomicU64>);

impl Count {
    pub(super) fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// So many more.
    pub(super) fn add(&self, bytes: usize) {
        self.0.fetch_add(bytes as u64, Ordering::Relaxed);
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

/// The counting stream.
#[derive(Debug)]
pub(super) struct Counted<S> {
    stream: S,
    read: Count,
    written: Count,
    credit: Credit,
}

impl<S> Counted<S> {
    /// The stream, and what is counted of what is read from it and written to it.
    pub(super) fn new(stream: S, credit: Credit) -> (Self, Count, Count) {
        let (read, written) = (Count::default(), Count::default());
        (Self { stream, read: read.clone(), written: written.clone(), credit }, read, written)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(cx, buffer))?;
        this.read.add(buffer.filled().len() - before);
        if this.credit.is_exceeded_by(&this.read) {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::QuotaExceeded, "a stranger has sent too much")));
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = ready!(Pin::new(&mut this.stream).poll_write(cx, bytes))?;
        this.written.add(written);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
