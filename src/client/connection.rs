//! The task that owns the socket: text out, answers matched by id, and one truth about how it ended.
//!
//! It reads and writes at the same time, always: a daemon whose answers are not read stops reading, too.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt, stream};
use serde_json::value::RawValue;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Error as WsError, Message};

use super::wire::Wire;
use super::{Event, Lost, RequestError};
use crate::contract::{RequestId, ServerMessage};

type Sink = stream::SplitSink<WebSocketStream<Wire>, Message>;
type Stream = stream::SplitStream<WebSocketStream<Wire>>;
type Answer = Result<Box<RawValue>, RequestError>;

/// How long the daemon has to answer our goodbye.
const CLOSE_WAIT: Duration = Duration::from_secs(2);

/// A request on its way out.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) id: RequestId,
    pub(super) text: String,
    pub(super) answer: oneshot::Sender<Answer>,
}

/// What the task and the [`Client`](super::Client) share. `ended` is set before anybody who waits is let go.
#[derive(Debug, Default)]
pub(super) struct Shared {
    waiting: Mutex<HashMap<RequestId, oneshot::Sender<Answer>>>,
    ended: OnceLock<Lost>,
    events: Mutex<Option<mpsc::Sender<Event>>>,
}

impl Shared {
    /// The error of a request that will not be answered any more.
    pub(super) fn lost(&self) -> RequestError {
        RequestError::Lost(self.ended.get().cloned().unwrap_or(Lost::Closed))
    }

    fn expect(&self, id: RequestId, answer: oneshot::Sender<Answer>) {
        self.waiting().insert(id, answer);
    }

    fn answer(&self, id: &RequestId, answer: Answer) {
        // An answer to nothing that waits is not worth a connection: its request may have been given up.
        if let Some(waiting) = self.waiting().remove(id) {
            let _ = waiting.send(answer);
        }
    }

    fn end(&self, lost: Lost) {
        let _ = self.ended.set(lost);
        self.send_events_to(None);
        self.waiting().clear();
    }

    /// Where events go from now on.
    pub(super) fn send_events_to(&self, events: Option<mpsc::Sender<Event>>) {
        *self.events.lock().unwrap_or_else(PoisonError::into_inner) = events;
    }

    fn events(&self) -> Option<mpsc::Sender<Event>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<RequestId, oneshot::Sender<Answer>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs one connection until the client lets go of it or it is lost.
pub(super) async fn drive(sink: Sink, mut stream: Stream, mut requests: mpsc::Receiver<Outgoing>, shared: Arc<Shared>) {
    let lost = {
        let reading = read(&mut stream, &shared);
        tokio::pin!(reading);
        tokio::select! {
            lost = &mut reading => lost,
            written = write(sink, &mut requests, &shared) => match written {
                Ok(()) => {
                    let _ = timeout(CLOSE_WAIT, &mut reading).await;
                    Lost::Closed
                }
                // The daemon's goodbye, if there is one, says more than a failed write.
                Err(error) => timeout(CLOSE_WAIT, &mut reading).await.unwrap_or_else(|_| error.into()),
            },
        }
    };
    shared.end(lost);
    // The engine answers the daemon's goodbye while it reads, and the daemon hangs up after that (RFC 6455, 7.1.1).
    let _ = timeout(CLOSE_WAIT, async { while let Some(Ok(_)) = stream.next().await {} }).await;
}

/// Writes requests until the client lets go, then says goodbye. Flushes when nothing more is ready, so that
/// pipelined requests share a write.
async fn write(mut sink: Sink, requests: &mut mpsc::Receiver<Outgoing>, shared: &Shared) -> Result<(), WsError> {
    while let Some(next) = requests.recv().await {
        let mut next = Some(next);
        while let Some(Outgoing { id, text, answer }) = next {
            shared.expect(id, answer);
            sink.feed(Message::text(text)).await?;
            next = requests.try_recv().ok();
        }
        sink.flush().await?;
    }
    sink.close().await
}

/// Reads until the daemon says goodbye or the connection is no good any more.
async fn read(stream: &mut Stream, shared: &Shared) -> Lost {
    while let Some(message) = stream.next().await {
        match message {
            Ok(Message::Text(text)) => {
                if let Err(lost) = deliver(&text, shared).await {
                    return lost;
                }
            }
            Ok(Message::Close(frame)) => return frame.into(),
            // Pings are answered by the WebSocket engine.
            Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => {}
            Ok(Message::Binary(_)) => return Lost::Protocol("a binary frame on a JSON connection".to_owned()),
            Err(error) => return error.into(),
        }
    }
    Lost::Broken("the daemon hung up".to_owned())
}

/// Hands one message of the daemon to whom it is for.
async fn deliver(text: &str, shared: &Shared) -> Result<(), Lost> {
    let message: ServerMessage<Box<RawValue>> =
        serde_json::from_str(text).map_err(|error| Lost::Protocol(error.to_string()))?;
    match message {
        ServerMessage::Reply { id, payload, .. } => shared.answer(&id, Ok(payload)),
        ServerMessage::Error { id: Some(id), error, .. } => shared.answer(&id, Err(RequestError::Refused(error))),
        ServerMessage::Event { topic, seq, payload, timestamp, .. } => {
            let Some(events) = shared.events() else { return Ok(()) };
            let payload = serde_json::from_str(payload.get()).map_err(|error| Lost::Protocol(error.to_string()))?;
            // Whoever does not want them any more has dropped the receiver.
            let _ = events.send(Event { topic, seq, payload, timestamp, text: text.to_owned() }).await;
        }
        // Without an id the daemon could not tell which request it means: all of them are in doubt.
        ServerMessage::Error { id: None, error, .. } => return Err(Lost::Protocol(error.to_string())),
    }
    Ok(())
}
