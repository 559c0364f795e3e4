//! The Rust client of the northbound interface: one WebSocket connection to a Flumen daemon.
//!
//! [`Client::connect`] opens it, [`Client::request`] asks and waits, [`Client::send`] asks and hands back the answer
//! to wait for later, so that requests can be pipelined. Answers are matched by `id` and may come in any order.
//!
//! Promises: a request that was sent is answered, or fails with the reason the connection ended ([`Lost`]); nothing
//! is retried here, because only the caller knows whether asking twice is harmless. At most [`IN_FLIGHT_MAX`]
//! requests wait at a time; whoever sends more waits for a place.
//!
//! What comes of a `Subscribe` is read from [`Client::events`]. Whoever takes it and does not read it holds up the answers
//! behind it, too: the daemon sees a slow reader, and tells of a gap instead of keeping everything.
//!
//! It does not reconnect.
//!
//! Tasks: `client connection` (one a connection, in `connection.rs`). It ends when the [`Client`] is dropped or
//! closed (it then says goodbye to the daemon), or when the connection is lost. It owns the socket and nothing else,
//! so dropping it half-way loses only the connection.

mod connection;
mod error;
mod token;
mod url;
mod wire;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use serde_json::value::RawValue;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Error as WsError;
use tokio_tungstenite::tungstenite::http::{HeaderValue, header};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use crate::contract::{Command, EventPayload, Request, RequestId, Timestamp, Topic};

pub use self::error::{ConnectError, Lost, RequestError};
pub use self::token::{Token, TokenError};
pub use self::url::{Url, UrlError};
use connection::{Outgoing, Shared};
use wire::Wire;

/// The subprotocol this client speaks: one JSON object a text frame.
pub const SUBPROTOCOL: &str = "flumen.v1.json";

/// Requests of one client that may wait for their answer at a time. It bounds the client's memory and what a daemon
/// that answers slowly is made to hold for it.
pub const IN_FLIGHT_MAX: usize = 1024;

/// Events that wait for their reader here.
const EVENTS_MAX: usize = 1024;

/// An event of a topic that was subscribed to.
#[derive(Debug, Clone)]
pub struct Event {
    /// The topic.
    pub topic: Topic,
    /// Its number in the topic, since the start of the daemon.
    pub seq: u64,
    /// What happened.
    pub payload: EventPayload,
    /// When it happened.
    pub timestamp: Timestamp,
    /// The message, byte for byte as the daemon wrote it.
    pub text: String,
}

/// How long resolving, connecting and the WebSocket handshake may take together.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The largest message accepted: a Reply to a large batch is far over a request's limit of 1 MiB.
const MESSAGE_MAX: usize = 64 << 20;

/// One connection to a daemon. Cheap to share behind an `Arc`; every method takes `&self`.
#[derive(Debug)]
pub struct Client {
    outgoing: mpsc::Sender<Outgoing>,
    places: Arc<Semaphore>,
    shared: Arc<Shared>,
    last_id: AtomicU64,
    task: JoinHandle<()>,
}

impl Client {
    /// Connects to the daemon at `url`, showing `token` where there is one.
    pub async fn connect(url: &Url, token: Option<&Token>) -> Result<Self, ConnectError> {
        Self::connect_with(url, token, None).await
    }

    /// The same, where `wss://` trusts these authorities (PEM) instead of the system's.
    pub async fn connect_with(
        url: &Url,
        token: Option<&Token>,
        authorities: Option<&Path>,
    ) -> Result<Self, ConnectError> {
        let socket =
            timeout(CONNECT_TIMEOUT, open(url, token, authorities)).await.map_err(|_| ConnectError::Timeout)??;
        let (sink, stream) = socket.split();
        let (outgoing, requests) = mpsc::channel(IN_FLIGHT_MAX);
        let shared = Arc::new(Shared::default());
        let task = tokio::spawn(connection::drive(sink, stream, requests, Arc::clone(&shared)));
        Ok(Self { outgoing, places: Arc::new(Semaphore::new(IN_FLIGHT_MAX)), shared, last_id: AtomicU64::new(0), task })
    }

    /// Sends `command` and waits for its answer: the Reply's payload, byte for byte as the daemon wrote it.
    pub async fn request(&self, command: &Command) -> Result<Box<RawValue>, RequestError> {
        self.send(command).await?.answer().await
    }

    /// Sends `command` and returns at once with what there is to wait for; waits only while [`IN_FLIGHT_MAX`]
    /// requests are unanswered.
    pub async fn send(&self, command: &Command) -> Result<InFlight, RequestError> {
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(|_| self.shared.lost())?;
        let id = RequestId::from(self.last_id.fetch_add(1, Ordering::Relaxed) + 1);
        let text = serde_json::to_string(&Request { id: &id, command }).map_err(RequestError::Encode)?;
        let (answer, answered) = oneshot::channel();
        let outgoing = Outgoing { id, text: text.clone(), answer };
        self.outgoing.send(outgoing).await.map_err(|_| self.shared.lost())?;
        Ok(InFlight { text, answered, shared: Arc::clone(&self.shared), _place: place })
    }

    /// The events of all subscriptions of this connection, until it ends; `None` when it has ended. Those that came
    /// before were dropped, and whoever was given them before gets no more.
    pub fn events(&self) -> Option<mpsc::Receiver<Event>> {
        let (sender, events) = mpsc::channel(EVENTS_MAX);
        self.shared.send_events_to(Some(sender));
        if self.task.is_finished() { None } else { Some(events) }
    }

    /// Says goodbye and waits until the daemon has, too (2 s at most).
    pub async fn close(self) {
        drop(self.outgoing);
        // A task that panicked has nobody left to say goodbye to.
        let _ = self.task.await;
    }
}

/// A request that was sent and not yet answered. Dropping it forgets the answer, not the request.
#[derive(Debug)]
pub struct InFlight {
    text: String,
    answered: oneshot::Receiver<Result<Box<RawValue>, RequestError>>,
    shared: Arc<Shared>,
    _place: OwnedSemaphorePermit,
}

impl InFlight {
    /// The message as it was sent.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Waits for the answer.
    pub async fn answer(self) -> Result<Box<RawValue>, RequestError> {
        match self.answered.await {
            Ok(answer) => answer,
            Err(_) => Err(self.shared.lost()),
        }
    }
}

async fn open(
    url: &Url,
    token: Option<&Token>,
    authorities: Option<&Path>,
) -> Result<WebSocketStream<Wire>, ConnectError> {
    let addresses: Vec<_> =
        tokio::net::lookup_host((url.host(), url.port())).await.map_err(ConnectError::Resolve)?.collect();
    let socket = TcpStream::connect(addresses.as_slice()).await.map_err(ConnectError::Tcp)?;
    // A request is one small write: it must not wait for the answer to the one before.
    socket.set_nodelay(true).map_err(ConnectError::Tcp)?;
    let socket: Wire = match url.is_secure() {
        true => wire::secure(socket, url.host(), authorities).await.map_err(ConnectError::Tcp)?,
        false => Box::new(socket),
    };
    let mut request = url.upgrade()?;
    let headers = request.headers_mut();
    headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    if let Some(token) = token {
        headers.insert(header::AUTHORIZATION, token.authorization());
    }
    let config = WebSocketConfig::default().max_message_size(Some(MESSAGE_MAX)).max_frame_size(Some(MESSAGE_MAX));
    match client_async_with_config(request, socket, Some(config)).await {
        Ok((socket, _response)) => Ok(socket),
        Err(WsError::Http(response)) => Err(ConnectError::Http(response.status())),
        Err(WsError::Io(error)) => Err(ConnectError::Tcp(error)),
        Err(error) => Err(ConnectError::Handshake(Box::new(error))),
    }
}

#[cfg(test)]
mod tests;
