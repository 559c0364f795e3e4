//! The half of a WebSocket that writes: answers in the order in which they come, many to a flush.

use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio_tungstenite::tungstenite::Message;

use super::Server;
use super::audit::Change;
use super::keepalive::{Beat, Keepalive};
use super::load::Load;
use super::outbox::{Outbox, Sink};
use super::subprotocol::Subprotocol;
use super::subscriptions::Subscriptions;
use super::websocket::Ending;
use crate::contract::{
    Command, CommandName, ErrorBody, ErrorCode, Reply, RequestId, ServerMessage, Subscribe, Timestamp, Unsubscribe,
};
use crate::programmer::{Answer, Closed};

/// A request that the reader is done with. Its permit is its share of the connection's allowance, given back when the
/// answer is written.
#[derive(Debug)]
pub(super) enum Handed {
    /// It goes no further; its id and its command are known as far as they could be read.
    Refused(Option<RequestId>, Option<CommandName>, ErrorBody, OwnedSemaphorePermit),
    /// It was done at once.
    Done(RequestId, CommandName, Reply, OwnedSemaphorePermit),
    /// The programmer has it.
    Submitted(Submitted, oneshot::Receiver<Answer>),
}

/// A request that the programmer has.
#[derive(Debug)]
pub(super) struct Submitted {
    pub(super) id: RequestId,
    pub(super) command: CommandName,
    pub(super) permit: OwnedSemaphorePermit,
    /// What is written down of it.
    pub(super) change: Option<Change>,
    /// What is to be done here once the programmer has answered.
    pub(super) follow_up: Option<FollowUp>,
}

/// What the connection itself does with a command.
#[derive(Debug)]
pub(super) enum FollowUp {
    Subscribe(Subscribe),
    Unsubscribe(Unsubscribe),
}

impl FollowUp {
    pub(super) fn of(command: &Command) -> Option<Self> {
        match command {
            Command::Subscribe(request) => Some(Self::Subscribe(request.clone())),
            Command::Unsubscribe(request) => Some(Self::Unsubscribe(request.clone())),
            _ => None,
        }
    }
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
    outbox: Outbox<'a, S>,
    subprotocol: Subprotocol,
    handed: mpsc::Receiver<Handed>,
    awaited: FuturesUnordered<Awaited>,
    reader_ended: bool,
    keepalive: Keepalive<'a>,
    subscriptions: Subscriptions<'a>,
    load: &'a Load,
    server: &'a Server,
}

impl<'a, S: AsyncRead + AsyncWrite + Unpin> Writer<'a, S> {
    pub(super) fn new(
        outbox: Outbox<'a, S>,
        subprotocol: Subprotocol,
        handed: mpsc::Receiver<Handed>,
        keepalive: Keepalive<'a>,
        load: &'a Load,
        server: &'a Server,
    ) -> Self {
        let subscriptions = Subscriptions::new(&server.hub);
        let awaited = FuturesUnordered::new();
        Self { outbox, subprotocol, handed, awaited, reader_ended: false, keepalive, subscriptions, load, server }
    }

    pub(super) fn into_sink(self) -> Sink<S> {
        self.outbox.into_sink()
    }

    /// Writes what there is to write until the client is lost; or, once the reader has ended, until everything is
    /// answered.
    pub(super) async fn run(&mut self) -> Ending {
        while !(self.reader_ended && self.awaited.is_empty() && self.outbox.is_clear()) {
            if let Err(ending) = self.turn().await {
                return ending;
            }
        }
        Ending::SHUTDOWN
    }

    /// Waits for something to do and does it. Answers that are ready at the same time share a flush. They are taken
    /// also while the client takes nothing, because only then is it known how much waits, and the reader stops in time.
    async fn turn(&mut self) -> Result<(), Ending> {
        tokio::select! {
            handed = self.handed.recv(), if !self.reader_ended => match handed {
                Some(handed) => self.take(handed),
                None => self.reader_ended = true,
            },
            Some(answered) = self.awaited.next() => self.answer(answered),
            beat = self.keepalive.next() => match beat {
                Beat::Ping => self.outbox.push(Message::Ping(Bytes::new()), None),
                Beat::Lost => return Err(Ending::TOO_SLOW),
            },
            flushed = self.outbox.flush(), if !self.outbox.is_clear() => flushed?,
            // Whoever takes nothing is given nothing more: it waits where it costs nobody anything.
            () = self.subscriptions.changed(),
                if self.outbox.is_clear() && !self.subscriptions.is_empty() && !self.reader_ended =>
            {
                let events = self.subscriptions.read();
                events.iter().for_each(|event| self.outbox.push(event.message(self.subprotocol), None));
            }
        }
        loop {
            if let Some(Some(answered)) = self.awaited.next().now_or_never() {
                self.answer(answered);
            } else if let Ok(handed) = self.handed.try_recv() {
                self.take(handed);
            } else {
                break;
            }
        }
        Ok(())
    }

    fn take(&mut self, handed: Handed) {
        match handed {
            Handed::Refused(id, command, error, permit) => {
                self.server.metrics.answered(command, Some(error.code));
                self.outbox.push(self.encode_error(id, error), Some(permit));
            }
            Handed::Done(id, command, reply, permit) => {
                self.server.metrics.answered(Some(command), None);
                let message = self.encode_reply(id.clone(), command, reply);
                let message = message.unwrap_or_else(|error| self.encode_error(Some(id), error));
                self.outbox.push(message, Some(permit));
            }
            Handed::Submitted(request, answer) => self.awaited.push(Awaited { request: Some(request), answer }),
        }
    }

    /// Queues the programmer's answer; from here on the id means nothing.
    fn answer(&mut self, answered: Option<(Submitted, Answer)>) {
        let Some((Submitted { id, command, permit, change, follow_up }, answer)) = answered else { return };
        self.load.end(&id);
        change.inspect(|change| change.settle(&answer));
        let answer = answer.and_then(|reply| self.follow_up(follow_up, reply));
        let reply = answer.and_then(|payload| self.encode_reply(id.clone(), command, payload));
        self.server.metrics.answered(Some(command), reply.as_ref().err().map(|error| error.code));
        let message = reply.unwrap_or_else(|error| self.encode_error(Some(id), error));
        self.outbox.push(message, Some(permit));
    }

    /// Does what is left to do here. The first event comes after the Reply, which is written first.
    fn follow_up(&mut self, follow_up: Option<FollowUp>, reply: Reply) -> Answer {
        match (follow_up, &reply) {
            (Some(FollowUp::Subscribe(request)), Reply::Subscribed { topics, .. }) => {
                self.subscriptions.add(&request, topics)?;
            }
            (Some(FollowUp::Unsubscribe(request)), _) => {
                request.topics.into_iter().for_each(|topic| self.subscriptions.remove(topic));
            }
            (Some(FollowUp::Subscribe(_)) | None, _) => {}
        }
        Ok(reply)
    }

    /// A reply as it is written, if it may be that long.
    fn encode_reply(&self, id: RequestId, command: CommandName, payload: Reply) -> Result<Message, ErrorBody> {
        let message = self.subprotocol.encode(&ServerMessage::Reply {
            id,
            command: Cow::Borrowed(command.as_str()),
            payload,
            timestamp: Timestamp::now(),
        });
        if message.len() > self.server.config.outbound_bytes {
            return Err(ErrorBody::new(ErrorCode::TooLarge, "the answer is too big to send; ask for less at a time"));
        }
        Ok(message)
    }

    fn encode_error(&self, id: Option<RequestId>, error: ErrorBody) -> Message {
        self.subprotocol.encode(&ServerMessage::<Reply>::Error { id, error, timestamp: Timestamp::now() })
    }
}
