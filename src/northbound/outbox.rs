//! What waits for one client to take it, and for how long.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::SinkExt;
use futures_util::stream::SplitSink;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep_until};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::load::Load;
use super::progress::{Count, Counted};
use super::websocket::Ending;

/// The sending half of a WebSocket, as socket.split() gives it.
pub(super) type Sink<S> = SplitSink<WebSocketStream<Counted<S>>, Message>;

/// The frames that wait, before and in the WebSocket's own buffer.
pub(super) struct Outbox<'a, S> {
    sink: Sink<S>,
    /// Each with its share of the connection's allowance, given back when it is written.
    queue: VecDeque<(Message, Option<OwnedSemaphorePermit>)>,
    load: &'a Load,
    /// Whether anything was queued since the last complete flush.
    waiting: bool,
    patience: Duration,
    written: Count,
    /// When the client was last seen to take something, and how much it had taken by then.
    progress: (Instant, u64),
}

impl<'a, S: AsyncRead + AsyncWrite + Unpin> Outbox<'a, S> {
    pub(super) fn new(sink: Sink<S>, load: &'a Load, written: Count, patience: Duration) -> Self {
        let progress = (Instant::now(), 0);
        Self { sink, queue: VecDeque::new(), load, waiting: false, patience, written, progress }
    }

    pub(super) fn into_sink(self) -> Sink<S> {
        self.sink
    }

    /// Whether everything was written.
    pub(super) fn is_clear(&self) -> bool {
        !self.waiting
    }

    /// Queues a frame.
    pub(super) fn push(&mut self, message: Message, permit: Option<OwnedSemaphorePermit>) {
        if !self.waiting {
            self.waiting = true;
            self.progress = (Instant::now(), self.written.bytes());
        }
        self.load.queued(message.len());
        self.queue.push_back((message, permit));
    }

    /// Writes everything and flushes once. May be dropped at any time: what is not written is still queued.
    ///
    /// # Errors
    /// The connection failed, or the client has taken nothing for too long.
    pub(super) async fn flush(&mut self) -> Result<(), Ending> {
        loop {
            let (since, bytes) = self.progress;
            let deadline = since + self.patience;
            tokio::select! {
                biased;
                result = poll_fn(|cx| self.poll_flush(cx)) => return result.map_err(|error| Ending::from(&error)),
                () = sleep_until(deadline) => {}
            }
            if self.written.bytes() == bytes {
                return Err(Ending::TOO_SLOW);
            }
            self.progress = (Instant::now(), self.written.bytes());
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        while !self.queue.is_empty() {
            ready!(self.sink.poll_ready_unpin(cx))?;
            if let Some((message, permit)) = self.queue.pop_front() {
                self.load.dequeued(message.len());
                self.sink.start_send_unpin(message)?;
                drop(permit);
            }
        }
        ready!(self.sink.poll_flush_unpin(cx))?;
        self.waiting = false;
        Poll::Ready(Ok(()))
    }
}
