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

/// A request that the reader is done with. Its permit is its share of the connection's allowance, given back when the
/// answer is written.
#[derive(Debug)]
pub(super) enum Handed {
    /// It goes no further; its id and its command are known as far as they could be read.
    Refused(Option<RequestId>, Option<CommandName>, ErrorBody, OwnedSemaphorePermit),
    /// The programmer has it.
    Submitted(Submitted, oneshot::Receiver<Answer>),
}

/// A request that the programmer has.
#[derive(Debug)]
pub(super) struct Submitted {
    pub(super) id: RequestId,
    pub(super) command: CommandName,
    pub(super) permit: OwnedSemaphorePermit,
}

/// Yields the programmer's answer together with the request, once.
#[derive(Debug)]
struct Awaited {
    request: Option<Submitted>,
    answer: oneshot::Receiver<Answer>,
}

impl Future for Awaited {
    type Output = Option<(Submitted, Answer)>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = ready!(self.answer.poll_unpin(cx)).unwrap_or_else(|_| Err(unavailable(Closed)));
        Poll::Ready(self.request.take().map(|request| (request, answer)))
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
            Some(answered) = self.awaited.next() => self.answer(answered).await?,
            beat = self.keepalive.next() => match beat {
                Beat::Ping => self.feed(Message::Ping(Bytes::new())).await?,
                Beat::Lost => return Err(Ending::TOO_SLOW),
            },
        }
        loop {
            if let Ok(handed) = self.handed.try_recv() {
                self.take(handed).await?;
            } else if let Some(Some(answered)) = self.awaited.next().now_or_never() {
                self.answer(answered).await?;
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
            Handed::Refused(id, command, error, permit) => {
                self.server.metrics.answered(command, Some(error.code));
                self.feed(encode_error(id, error)).await?;
                drop(permit);
            }
            Handed::Submitted(request, answer) => self.awaited.push(Awaited { request: Some(request), answer }),
        }
        Ok(())
    }

    /// Writes the programmer's answer; from here on the id means nothing.
    async fn answer(&mut self, answered: Option<(Submitted, Answer)>) -> Result<(), Ending> {
        let Some((Submitted { id, command, permit }, answer)) = answered else { return Ok(()) };
        self.load.end(&id);
        let reply = answer.and_then(|payload| self.encode_reply(id.clone(), command, payload));
        self.server.metrics.answered(Some(command), reply.as_ref().err().map(|error| error.code));
        self.feed(reply.unwrap_or_else(|error| encode_error(Some(id), error))).await?;
        drop(permit);
        Ok(())
    }

    /// The text of a reply, if it may be that long.
    fn encode_reply(&self, id: RequestId, command: CommandName, payload: Reply) -> Result<String, ErrorBody> {
        let text = encode(&ServerMessage::Reply {
            id,
            command: Cow::Borrowed(command.as_str()),
            payload,
            timestamp: Timestamp::now(),
        });
        if text.len() > self.server.config.outbound_bytes {
            return Err(ErrorBody::new(ErrorCode::TooLarge, "the answer is too big to send; ask for less at a time"));
        }
        Ok(text)
    }

    /// Queues a frame, waiting while the client does not take what is queued already.
    async fn feed(&mut self, message: impl Into<Message>) -> Result<(), Ending> {
        unless_stalled(&self.written, self.server.config.stall_timeout, self.sink.feed(message.into())).await
    }
}

fn encode_error(id: Option<RequestId>, error: ErrorBody) -> String {
    encode(&ServerMessage::Error { id, error, timestamp: Timestamp::now() })
}

fn encode(message: &ServerMessage) -> String {
    // The contract's types are strings, numbers and maps with string keys: writing them cannot fail.
    serde_json::to_string(message).unwrap_or_default()
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
