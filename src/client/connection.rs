//! One connection: requests out, answers matched by id, pings, and one truth about how it ended.
//!
//! It reads and writes at the same time, always: a daemon whose answers are not read stops reading, too.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt, stream};
use serde_json::value::RawValue;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_tungstenite::tungstenite::{Error as WsError, Message};
use tokio_util::sync::CancellationToken;

use super::counters::Tally;
use super::encoded::{Received, strange};
use super::in_flight::{Answer, InFlightTable, Pending};
use super::state::States;
use super::subscriptions::{Event, Subscriptions};
use super::wire::{Line, Socket};
use super::{Config, Lost, RequestError};
use crate::contract::{ErrorBody, RequestId, ServerMessage, Subprotocol};

type Sink = stream::SplitSink<Socket, Message>;
type Stream = stream::SplitStream<Socket>;

/// How long the daemon has to answer our goodbye.
const CLOSE_WAIT: Duration = Duration::from_secs(2);

/// When the first ping is sent: the round trip is to be known soon.
const FIRST_PING: Duration = Duration::from_secs(1);

/// A request on its way out.
pub(super) struct Outgoing {
    pub(super) number: u64,
    pub(super) pending: Pending,
}

/// What the task and the [`Client`](super::Client) share. `ended` is set before anybody who waits is let go.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) in_flight: InFlightTable,
    pub(super) subscriptions: Subscriptions,
    pub(super) states: States,
    pub(super) tally: Arc<Tally>,
    /// What is spoken on the connection, or was on the last one.
    pub(super) spoken: Mutex<Option<Subprotocol>>,
    pub(super) ended: OnceLock<Lost>,
}

impl Shared {
    pub(super) fn new() -> Self {
        Self {
            in_flight: InFlightTable::default(),
            subscriptions: Subscriptions::default(),
            states: States::new(),
            tally: Arc::default(),
            spoken: Mutex::default(),
            ended: OnceLock::new(),
        }
    }

    /// Why there is no connection any more.
    pub(super) fn loss(&self) -> Lost {
        self.ended.get().cloned().unwrap_or(Lost::Closed)
    }
}

/// How one connection ended.
pub(super) struct Ended {
    pub(super) lost: Lost,
    /// Whether the daemon had said anything on it.
    pub(super) was_heard: bool,
}

/// Runs one connection until the client lets go of it or it is lost.
pub(super) async fn drive(
    Line { socket, subprotocol }: Line,
    requests: &mut mpsc::Receiver<Outgoing>,
    shared: &Shared,
    config: &Config,
    stop: &CancellationToken,
) -> Ended {
    *shared.spoken.lock().unwrap_or_else(PoisonError::into_inner) = Some(subprotocol);
    let (sink, mut stream) = socket.split();
    // One that waits is as good as many.
    let (pings_in, pings) = mpsc::channel(1);
    let pulse = Pulse::default();
    let lost = {
        let reading = read(&mut stream, subprotocol, shared, &pulse);
        tokio::pin!(reading);
        tokio::select! {
            lost = &mut reading => lost,
            written = write(sink, subprotocol, requests, pings, shared) => match written {
                Ok(()) => {
                    let _ = timeout(CLOSE_WAIT, &mut reading).await;
                    Lost::Closed
                }
                // The daemon's goodbye, if there is one, says more than a failed write.
                Err(error) => timeout(CLOSE_WAIT, &mut reading).await.unwrap_or_else(|_| error.into()),
            },
            lost = beat(pings_in, shared, config, &pulse) => lost,
            () = overdue(stop) => Lost::Closed,
        }
    };
    if matches!(lost, Lost::ByDaemon { .. }) {
        // The engine answers the daemon's goodbye while it reads, and the daemon hangs up after that (RFC 6455, 7.1.1).
        let _ = timeout(CLOSE_WAIT, async { while let Some(Ok(_)) = stream.next().await {} }).await;
    }
    Ended { lost, was_heard: pulse.heard.load(Relaxed) }
}

/// A goodbye takes no longer than this, whatever the daemon does.
async fn overdue(stop: &CancellationToken) {
    stop.cancelled().await;
    sleep(CLOSE_WAIT).await;
}

/// What is written next.
enum Next {
    Request(Outgoing),
    Ping(u64),
}

/// Writes what is to be asked again, then requests as they come until the client lets go, then says goodbye. A ping goes
/// before the requests that wait. Flushes when nothing more is ready, so that pipelined requests share a write.
async fn write(
    mut sink: Sink,
    subprotocol: Subprotocol,
    requests: &mut mpsc::Receiver<Outgoing>,
    mut pings: mpsc::Receiver<u64>,
    shared: &Shared,
) -> Result<(), WsError> {
    let resume = shared.subscriptions.resume(subprotocol).map_err(|error| WsError::Io(error.into()))?;
    for message in resume.into_iter().chain(shared.in_flight.again()) {
        feed(&mut sink, message.frame(subprotocol), shared).await?;
    }
    sink.flush().await?;
    loop {
        let mut next = tokio::select! {
            biased;
            Some(number) = pings.recv() => Next::Ping(number),
            request = requests.recv() => match request {
                Some(request) => Next::Request(request),
                None => return sink.close().await,
            },
        };
        loop {
            match next {
                Next::Request(Outgoing { number, pending }) => {
                    let message = pending.message.clone();
                    shared.in_flight.expect(number, pending);
                    feed(&mut sink, message.frame(subprotocol), shared).await?;
                }
                Next::Ping(number) => {
                    sink.feed(Message::Ping(Bytes::copy_from_slice(&number.to_be_bytes()))).await?;
                }
            }
            next = if let Ok(number) = pings.try_recv() {
                Next::Ping(number)
            } else if let Ok(request) = requests.try_recv() {
                Next::Request(request)
            } else {
                break;
            };
        }
        sink.flush().await?;
    }
}

async fn feed(sink: &mut Sink, frame: Message, shared: &Shared) -> Result<(), WsError> {
    shared.tally.messages_sent.fetch_add(1, Relaxed);
    sink.feed(frame).await
}

/// Whether the daemon is there.
#[derive(Debug, Default)]
struct Pulse {
    heard: AtomicBool,
    /// The last ping: its number, and when it was handed over to be written.
    asked: Mutex<Option<(u64, Instant)>>,
}

impl Pulse {
    fn ask(&self, number: u64) {
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner) = Some((number, Instant::now()));
    }

    /// How long the daemon took, if this is the answer to the last ping.
    fn answer(&self, payload: &[u8]) -> Option<Duration> {
        let number = u64::from_be_bytes(payload.try_into().ok()?);
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, at) = asked.take_if(|(asked, _)| *asked == number)?;
        Some(at.elapsed())
    }
}

/// Pings after a moment and then at every interval; ends when the daemon has sent nothing since, not a byte of anything, and
/// cannot be busy with a request either that was written before the ping.
async fn beat(pings: mpsc::Sender<u64>, shared: &Shared, config: &Config, pulse: &Pulse) -> Lost {
    let mut number = 0;
    // Who asks one thing and leaves needs none.
    sleep(FIRST_PING.min(config.ping_interval)).await;
    loop {
        number += 1;
        let heard = shared.tally.bytes_received();
        let is_silent = || shared.tally.bytes_received() == heard;
        pulse.ask(number);
        // What is written after the ping does not hold up its answer.
        let excuse = shared.in_flight.excuse();
        // Where one waits already the daemon takes nothing: it has to say something all the same.
        let _ = pings.try_send(number);
        sleep(config.pong_timeout).await;
        if let Some(until) = excuse.filter(|_| is_silent()) {
            sleep_until(until).await;
        }
        if is_silent() {
            return Lost::Silent;
        }
        sleep(config.ping_interval.saturating_sub(config.pong_timeout)).await;
    }
}

/// Reads until the daemon says goodbye or the connection is no good any more.
async fn read(stream: &mut Stream, subprotocol: Subprotocol, shared: &Shared, pulse: &Pulse) -> Lost {
    loop {
        let message = tokio::select! {
            message = stream.next() => message,
            () = shared.subscriptions.make_good(), if shared.subscriptions.owes() => continue,
        };
        let received = match (message, subprotocol) {
            (Some(Ok(Message::Text(text))), Subprotocol::Json) => Received::json(text),
            (Some(Ok(Message::Binary(bytes))), Subprotocol::MessagePack) => Received::msgpack(&bytes),
            (other, _) => match heard(other, shared, pulse) {
                Some(lost) => return lost,
                None => continue,
            },
        };
        shared.tally.messages_received.fetch_add(1, Relaxed);
        if let Err(lost) = received.and_then(|received| deliver(received, shared)) {
            return lost;
        }
        pulse.heard.store(true, Relaxed);
    }
}

/// Takes what is no message of the protocol; how the connection ends, if it does with that.
fn heard(message: Option<Result<Message, WsError>>, shared: &Shared, pulse: &Pulse) -> Option<Lost> {
    Some(match message {
        Some(Ok(Message::Pong(payload))) => {
            pulse.heard.store(true, Relaxed);
            pulse.answer(&payload).into_iter().for_each(|time| shared.tally.pong_after(time));
            return None;
        }
        // Pings are answered by the WebSocket engine.
        Some(Ok(Message::Ping(_) | Message::Frame(_))) => return None,
        Some(Ok(Message::Close(frame))) => frame.into(),
        Some(Ok(Message::Binary(_))) => Lost::Protocol("a binary frame on a JSON connection".to_owned()),
        Some(Ok(Message::Text(_))) => Lost::Protocol("a text frame on a MessagePack connection".to_owned()),
        Some(Err(error)) => error.into(),
        None => Lost::Broken("the daemon hung up".to_owned()),
    })
}

/// Hands one message of the daemon to whom it is for.
fn deliver(received: Received, shared: &Shared) -> Result<(), Lost> {
    let text = matches!(received.message, ServerMessage::Event { .. }).then(|| received.text()).unwrap_or_default();
    match received.message {
        ServerMessage::Reply { id, payload, .. } => answer(&id, Ok(payload), shared),
        ServerMessage::Error { id: Some(id), error, .. } => answer(&id, Err(error), shared),
        ServerMessage::Event { topic, seq, epoch, payload, timestamp } => {
            let payload = serde_json::from_str(payload.get()).map_err(strange)?;
            shared.subscriptions.arrived(Event { topic, seq, epoch: epoch.into_owned(), payload, timestamp, text });
            Ok(())
        }
        // Without an id the daemon could not tell which request it means: all of them are in doubt.
        ServerMessage::Error { id: None, error, .. } => Err(Lost::Protocol(error.to_string())),
    }
}

fn answer(id: &RequestId, answer: Result<Box<RawValue>, ErrorBody>, shared: &Shared) -> Result<(), Lost> {
    if let Some(topic) = shared.subscriptions.resumed_by(id) {
        return match answer {
            Ok(payload) => shared.subscriptions.resumed(topic, &payload),
            Err(error) => Err(Lost::NotResumed(error)),
        };
    }
    // An answer to nothing that waits is not worth a connection.
    let Some(mut pending) = id.as_str().parse().ok().and_then(|number| shared.in_flight.take(number)) else {
        return Ok(());
    };
    let asked = pending.asked.take();
    let understood = match (&answer, asked) {
        (Ok(payload), Some(asked)) => shared.subscriptions.done(asked, payload),
        _ => Ok(()),
    };
    let answer: Answer = answer.map_err(RequestError::Refused);
    pending.settle(answer);
    understood
}
