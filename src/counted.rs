//! A stream whose bytes are counted, in both directions.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What is told of the bytes of a [`Counted`] stream.
pub(crate) trait Meter {
    /// So many came.
    ///
    /// # Errors
    /// Why nothing more is to be read.
    fn read(&self, bytes: u64) -> io::Result<()>;

    /// So many went.
    fn written(&self, bytes: u64);
}

/// A stream, and what counts its bytes.
#[derive(Debug)]
pub(crate) struct Counted<S, M> {
    stream: S,
    meter: M,
}

impl<S, M> Counted<S, M> {
    pub(crate) fn by(meter: M, stream: S) -> Self {
        Self { stream, meter }
    }
}

impl<S: AsyncRead + Unpin, M: Meter + Unpin> AsyncRead for Counted<S, M> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(cx, buffer))?;
        Poll::Ready(this.meter.read((buffer.filled().len() - before) as u64))
    }
}

impl<S: AsyncWrite + Unpin, M: Meter + Unpin> AsyncWrite for Counted<S, M> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = ready!(Pin::new(&mut this.stream).poll_write(cx, bytes))?;
        this.meter.written(written as u64);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
