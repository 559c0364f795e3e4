//! The half of a WebSocket that writes: answers in the order in which they come, many to a flush.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::stream::{FuturesOrdered, FuturesUnordered, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::Server;
use super::audit::Change;
use super::form::{WrittenAnswer, is_long};
use super::keepalive::{Beat, Keepalive};
use super::outbox::{Outbox, Sink};
use super::subscriptions::Subscriptions;
use super::websocket::{Ending, Line};
use crate::contract::{CommandName, ErrorBody, ErrorCode, Reply, RequestId, Subscription};
use crate::programmer::{Answer, Closed, Step};

/// A request that the reader is done with. Its permit is its share of the connection's allowance, given back when the
/// answer is written.
#[derive(Debug)]
pub(super) enum Handed {
    /// It is answered already.
    Written(Message, OwnedSemaphorePermit),
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
    /// What was sent for it, which is there before its answer.
    pub(super) trail: Option<oneshot::Receiver<Vec<Step>>>,
    /// What is to be done here once the programmer has answered.
    pub(super) follow_up: Option<Subscription>,
}

impl Submitted {
    /// Writes down what came of it, where that is wanted.
    fn write_down(&mut self, answer: &Answer) {
        let Some(change) = self.change.take() else { return };
        let steps = self.trail.take().and_then(|mut trail| trail.try_recv().ok());
        change.settle(answer, &steps.unwrap_or_default());
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

/// What the programmer has.
#[derive(Default)]
struct AwaitedAll {
    in_any_order: FuturesUnordered<Awaited>,
    /// Those of which something is left to do here once they are answered: that is done in the order in which it was asked.
    in_order: FuturesOrdered<Awaited>,
}

impl AwaitedAll {
    fn push(&mut self, request: Submitted, answer: oneshot::Receiver<Answer>) {
        let is_followed_up = request.follow_up.is_some();
        let awaited = Awaited { request: Some(request), answer };
        if is_followed_up {
            self.in_order.push_back(awaited);
        } else {
            self.in_any_order.push(awaited);
        }
    }

    fn is_empty(&self) -> bool {
        self.in_any_order.is_empty() && self.in_order.is_empty()
    }

    /// The next answer, as long as there is one to wait for. May be dropped at any time.
    async fn next(&mut self) -> Option<Option<(Submitted, Answer)>> {
        tokio::select! {
            Some(answered) = self.in_order.next() => Some(answered),
            Some(answered) = self.in_any_order.next() => Some(answered),
            else => None,
        }
    }
}

/// What has no answer yet.
struct Pending<'a> {
    handed: mpsc::Receiver<Handed>,
    awaited: AwaitedAll,
    server: &'a Server,
}

/// What the programmer has is carried out although nobody waits for it any more: what comes of it is written down.
impl Drop for Pending<'_> {
    fn drop(&mut self) {
        while let Ok(handed) = self.handed.try_recv() {
            if let Handed::Submitted(request, answer) = handed {
                self.awaited.push(request, answer);
            }
        }
        let is_change = |awaited: &Awaited| awaited.request.as_ref().is_some_and(|request| request.change.is_some());
        if self.awaited.in_any_order.iter().any(is_change) {
            let mut awaited = std::mem::take(&mut self.awaited);
            self.server.spawn(async move {
                while let Some(answered) = awaited.next().await {
                    let Some((mut request, answer)) = answered else { continue };
                    request.write_down(&answer);
                }
            });
        }
    }
}

/// The half that writes.
pub(super) struct Writer<'a, S> {
    outbox: Outbox<'a, S>,
    line: Line<'a>,
    pending: Pending<'a>,
    /// Long answers that are being written elsewhere.
    long: FuturesUnordered<JoinHandle<(WrittenAnswer, OwnedSemaphorePermit)>>,
    reader_ended: bool,
    keepalive: Keepalive<'a>,
    subscriptions: Subscriptions<'a>,
}

impl<'a, S: AsyncRead + AsyncWrite + Unpin> Writer<'a, S> {
    pub(super) fn new(
        outbox: Outbox<'a, S>,
        line: Line<'a>,
        handed: mpsc::Receiver<Handed>,
        keepalive: Keepalive<'a>,
    ) -> Self {
        let server = line.server;
        let subscriptions = Subscriptions::new(&server.hub);
        let pending = Pending { handed, awaited: AwaitedAll::default(), server };
        let long = FuturesUnordered::new();
        Self { outbox, line, pending, long, reader_ended: false, keepalive, subscriptions }
    }

    pub(super) fn into_sink(self) -> Sink<S> {
        self.outbox.into_sink()
    }

    /// Writes what there is to write until the client is lost; or, once the reader has ended, until everything is
    /// answered.
    pub(super) async fn run(&mut self) -> Ending {
        while !(self.reader_ended && self.is_idle()) {
            if let Err(ending) = self.turn().await {
                return ending;
            }
        }
        Ending::SHUTDOWN
    }

    /// Writes the answers that are there, and waits for no other.
    pub(super) async fn settle_up(&mut self) -> Result<(), Ending> {
        self.take_ready();
        while let Some(Ok((written, permit))) = self.long.next().await {
            self.push(written, permit);
        }
        self.outbox.flush().await
    }

    pub(super) fn close_linger(&self) -> Duration {
        self.line.server.config.close_linger
    }

    /// Whether everything is answered.
    fn is_idle(&self) -> bool {
        self.pending.awaited.is_empty() && self.long.is_empty() && self.outbox.is_clear()
    }

    /// Waits for something to do and does it. Answers that are ready at the same time share a flush. They are taken
    /// also while the client takes nothing, because only then is it known how much waits, and the reader stops in time.
    async fn turn(&mut self) -> Result<(), Ending> {
        tokio::select! {
            handed = self.pending.handed.recv(), if !self.reader_ended => match handed {
                Some(handed) => self.take(handed),
                None => self.reader_ended = true,
            },
            Some(answered) = self.pending.awaited.next() => self.answer(answered),
            Some(written) = self.long.next() => match written {
                Ok((written, permit)) => self.push(written, permit),
                // Only a fault of the program leads here, and the answer went with it.
                Err(_) => return Err(Ending::Close(CloseCode::Error, "an internal error")),
            },
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
                events.iter().for_each(|event| self.outbox.push(event.message(self.line.subprotocol), None));
            }
        }
        self.take_ready();
        Ok(())
    }

    /// Takes every request that was handed over, and every answer that is there.
    fn take_ready(&mut self) {
        loop {
            if let Some(Some(answered)) = self.pending.awaited.next().now_or_never() {
                self.answer(answered);
            } else if let Ok(handed) = self.pending.handed.try_recv() {
                self.take(handed);
            } else {
                break;
            }
        }
    }

    fn take(&mut self, handed: Handed) {
        match handed {
            Handed::Written(message, permit) => self.outbox.push(message, Some(permit)),
            Handed::Submitted(request, answer) => self.pending.awaited.push(request, answer),
        }
    }

    /// Takes the programmer's answer.
    fn answer(&mut self, answered: Option<(Submitted, Answer)>) {
        let Some((mut request, answer)) = answered else { return };
        request.write_down(&answer);
        let Submitted { id, command, permit, follow_up, .. } = request;
        let answer = answer.and_then(|reply| self.follow_up(follow_up, reply));
        let form = self.line.form();
        if answer.as_ref().is_ok_and(is_long) {
            self.long.push(spawn_blocking(move || (form.write(id, command, answer), permit)));
        } else {
            self.push(form.write(id, command, answer), permit);
        }
    }

    /// Queues an answer; from here on the id means nothing.
    fn push(&mut self, WrittenAnswer { id, command, outcome, message }: WrittenAnswer, permit: OwnedSemaphorePermit) {
        self.line.load.end(&id);
        self.line.server.metrics.answered(Some(command), outcome);
        self.outbox.push(message, Some(permit));
    }

    /// Does what is left to do here. The first event comes after the Reply, which is written first.
    fn follow_up(&mut self, follow_up: Option<Subscription>, mut reply: Reply) -> Answer {
        if let (Some(change), Reply::Subscribed { topics, .. }) = (follow_up, &mut reply) {
            match change {
                Subscription::Begin(request) => self.subscriptions.add(&request, topics)?,
                Subscription::End(request) => self.subscriptions.end(&request, topics),
            }
        }
        Ok(reply)
    }
}
