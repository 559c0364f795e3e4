//! The half of a WebSocket that writes: answers in the order in which they come, many to a flush.

use std::borrow::Cow;
use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{FuturesUnordered, SplitSink, StreamExt};
use futures_util::{FutureExt, SinkExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::Server;
use super::keepalive::{Beat, Keepalive};
use super::load::Load;
use super::progress::{Counted, Written};
use super::websocket::Ending;
use crate::contract::{CommandName, ErrorBody, ErrorCode, Reply, RequestId, ServerMessage, Timestamp};
use crate::programmer::{Answer, Closed};

/// Who is to be answered.
#[derive(Debug)]
pub(super) struct Asked {
    /// The request's id, where one could be read.
    pub(super) id: Option<RequestId>,
    /// The command, where one could be read.
    pub(super) command: Option<CommandName>,
    /// The request's share of the connection's allowance, given back when the answer is written.
    pub(super) permits: Vec<OwnedSemaphorePermit>,
}

/// A request that the reader is done with.
#[derive(Debug)]
pub(super) enum Handed {
    /// It goes no further.
    Refused(Asked, ErrorBody),
    /// The programmer has it.
    Submitted(Asked, oneshot::Receiver<Answer>),
}

/// Yields the programmer's answer together with who asked.
#[derive(Debug)]
struct Awaited {
    asked: Option<Asked>,
    answer: oneshot::Receiver<Answer>,
}

impl Future for Awaited {
    type Output = (Option<Asked>, Answer);

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = ready!(self.answer.poll_unpin(cx)).unwrap_or_else(|_| Err(unavailable(Closed)));
        Poll::Ready((self.asked.take(), answer))
    }
}

/// What is said when the programmer is gone.
pub(super) fn unavailable(closed: Closed) -> ErrorBody {
    ErrorBody::new(ErrorCode::Unavailable, closed.to_string())
}

/// The half that writes.
pub(super) struct Writer<'a, S> {
    pub(super) sink: SplitSink<WebSocketStream<Counted<S>>, Message>,
    handed: mpsc::Receiver<Handed>,
    awaited: FuturesUnordered<Awaited>,
    reader_ended: bool,
    keepalive: Keepalive<'a>,
    load: &'a Load,
    written: Written,
    server: &'a Server,
}

impl<'a, S: AsyncRead + AsyncWrite + Unpin> Writer<'a, S> {
    pub(super) fn new(
        sink: SplitSink<WebSocketStream<Counted<S>>, Message>,
        handed: mpsc::Receiver<Handed>,
        keepalive: Keepalive<'a>,
        load: &'a Load,
        written: Written,
        server: &'a Server,
    ) -> Self {
        Self { sink, handed, awaited: FuturesUnordered::new(), reader_ended: false, keepalive, load, written, server }
    }

    /// Writes what there is to write until the client is lost; or, once the reader has ended, until everything is
    /// answered.
    pub(super) async fn run(&mut self) -> Ending {
        loop {
            match self.turn().await {
                Ok(true) => {}
                Ok(false) => return Ending::SHUTDOWN,
                Err(ending) => return ending,
            }
        }
    }

    /// Waits for something to write, writes it and all else that is ready, and flushes once. False when there is
    /// nothing to write any more.
    async fn turn(&mut self) -> Result<bool, Ending> {
        if self.reader_ended && self.awaited.is_empty() {
            return Ok(false);
        }
        tokio::select! {
            handed = self.handed.recv(), if !self.reader_ended => match handed {
                Some(handed) => self.take(handed).await?,
                None => self.reader_ended = true,
            },
            Some((asked, answer)) = self.awaited.next() => self.answer(asked, answer).await?,
            beat = self.keepalive.next() => match beat {
                Beat::Ping => self.feed(Message::Ping(Bytes::new())).await?,
                Beat::Lost => return Err(Ending::TOO_SLOW),
            },
        }
        loop {
            if let Ok(handed) = self.handed.try_recv() {
                self.take(handed).await?;
            } else if let Some(Some((asked, answer))) = self.awaited.next().now_or_never() {
                self.answer(asked, answer).await?;
            } else {
                break;
            }
        }
        let stall_timeout = self.server.config.stall_timeout;
        unless_stalled(&self.written, stall_timeout, self.sink.flush()).await?;
        Ok(true)
    }

    async fn take(&mut self, handed: Handed) -> Result<(), Ending> {
        match handed {
            Handed::Refused(asked, error) => self.write(asked, Err(error)).await,
            Handed::Submitted(asked, answer) => {
                self.awaited.push(Awaited { asked: Some(asked), answer });
                Ok(())
            }
        }
    }

    /// Writes the programmer's answer; from here on the id means nothing.
    async fn answer(&mut self, asked: Option<Asked>, answer: Answer) -> Result<(), Ending> {
        let Some(asked) = asked else { return Ok(()) };
        if let Some(id) = &asked.id {
            self.load.end(id);
        }
        self.write(asked, answer).await
    }

    async fn write(&mut self, asked: Asked, answer: Answer) -> Result<(), Ending> {
        let Asked { id, command, permits } = asked;
        let mut error = answer.as_ref().err().map(|error| error.code);
        let mut text = encode(id.clone(), command, answer);
        if text.len() > self.server.config.outbound_bytes {
            let message = "the answer is too big to send; ask for less at a time";
            error = Some(ErrorCode::TooLarge);
            text = encode(id, command, Err(ErrorBody::new(ErrorCode::TooLarge, message)));
        }
        self.server.metrics.answered(command, error);
        self.feed(Message::text(text)).await?;
        drop(permits);
        Ok(())
    }

    /// Queues a frame, waiting while the client does not take what is queued already.
    async fn feed(&mut self, message: Message) -> Result<(), Ending> {
        unless_stalled(&self.written, self.server.config.stall_timeout, self.sink.feed(message)).await
    }
}

/// The text of an answer.
fn encode(id: Option<RequestId>, command: Option<CommandName>, answer: Answer) -> String {
    let timestamp = Timestamp::now();
    let message: ServerMessage<Reply> = match (answer, id) {
        (Ok(payload), Some(id)) => {
            let command = Cow::Borrowed(command.map_or("", CommandName::as_str));
            ServerMessage::Reply { id, command, payload, timestamp }
        }
        (Ok(_), None) => {
            let error = ErrorBody::new(ErrorCode::Internal, "the request has no id");
            ServerMessage::Error { id: None, error, timestamp }
        }
        (Err(error), id) => ServerMessage::Error { id, error, timestamp },
    };
    // The contract's types are strings, numbers and maps with string keys: writing them cannot fail.
    serde_json::to_string(&message).unwrap_or_default()
}

/// Waits for a write for as long as the client takes something of it.
async fn unless_stalled(
    written: &Written,
    patience: Duration,
    write: impl Future<Output = Result<(), Error>>,
) -> Result<(), Ending> {
    let mut write = pin!(write);
    loop {
        let before = written.bytes();
        match timeout(patience, write.as_mut()).await {
            Ok(result) => return result.map_err(|error| Ending::from(&error)),
            Err(_) if written.bytes() == before => return Err(Ending::TOO_SLOW),
            Err(_) => {}
        }
    }
}
