//! One WebSocket: a reader that submits commands, a writer that sends answers, and the end of both.
//!
//! The two halves run side by side in the connection's task and share only what is in flight ([`Load`]). A client that
//! does not read is still read from until it has as much in flight as it may have; one that writes without
//! reading, as a batch program does, is not a deadlock.

use std::net::SocketAddr;
use std::pin::pin;

use futures_util::stream::{SplitStream, StreamExt};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message, error::ProtocolError};
use tracing::debug;

use super::audit::Change;
use super::auth::{Denied, Grant};
use super::keepalive::{Keepalive, Pulse};
use super::load::Load;
use super::outbox::Outbox;
use super::pace::Pace;
use super::progress::Counted;
use super::subprotocol::{Frame, Subprotocol};
use super::writer::{FollowUp, Handed, Submitted, Writer, unavailable};
use super::{NorthboundConfig, Server};
use crate::contract::{Authenticate, Command, ErrorBody, ErrorCode, Reply, Role as Rank};

/// Allocated for every connection at once; big enough for some ten requests a read.
const READ_BUFFER_BYTES: usize = 8 << 10;
/// How much is gathered before it is written without being flushed.
const WRITE_BUFFER_BYTES: usize = 64 << 10;

/// The longest message of somebody who has not shown a token: an `Authenticate` is far shorter.
const STRANGERS_BYTES: usize = 8 << 10;

/// Why a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// The client said goodbye.
    ClosedByPeer,
    /// There is nobody to say goodbye to.
    Lost,
    /// We say goodbye.
    Close(CloseCode, &'static str),
}

impl Ending {
    /// The daemon is shutting down.
    pub(super) const SHUTDOWN: Self = Self::Close(CloseCode::Away, "the daemon is shutting down");
    /// The client does not keep up.
    pub(super) const TOO_SLOW: Self = Self::Close(CloseCode::Again, "too slow");
}

impl From<&Error> for Ending {
    fn from(error: &Error) -> Self {
        match error {
            Error::Capacity(_) => Self::Close(CloseCode::Size, "the message is too big"),
            Error::Utf8(_) => Self::Close(CloseCode::Invalid, "the text is not UTF-8"),
            Error::WriteBufferFull(_) => Self::TOO_SLOW,
            Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)
            | Error::ConnectionClosed
            | Error::AlreadyClosed
            | Error::Io(_) => Self::Lost,
            Error::Protocol(_) => Self::Close(CloseCode::Protocol, "the frame breaks RFC 6455"),
            _ => Self::Close(CloseCode::Error, "an internal error"),
        }
    }
}

/// Runs the connection to its end.
pub(super) async fn run<S>(stream: S, peer: SocketAddr, grant: Grant, subprotocol: Subprotocol, server: &Server)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let config = &server.config;
    server.metrics.websocket();
    let (stream, read, written) = Counted::new(stream);
    let limits = protocol_config(config, subprotocol.message_bytes(config));
    let socket = WebSocketStream::from_raw_socket(stream, Role::Server, Some(limits)).await;
    let (sink, stream) = socket.split();

    let load = Load::new(config);
    let pulse = Pulse::default();
    // Every request holds a permit of the load while it is in this channel, so there is always room.
    let (handed, from_reader) = mpsc::channel(load.limit());
    let keepalive = Keepalive::new(&pulse, config.ping_interval, config.pong_timeout);
    let outbox = Outbox::new(sink, &load, written, config.stall_timeout);
    let mut writer = Writer::new(outbox, subprotocol, from_reader, keepalive, &load, server);
    let (granted, grants) = watch::channel(grant);
    let mut reader = Reader {
        stream,
        subprotocol,
        load: &load,
        pulse: &pulse,
        server,
        peer,
        granted,
        pace: Pace::new(read, config),
    };

    let ending = tokio::select! {
        ending = serve(&mut reader, &mut writer, handed) => ending,
        ending = dishonoured(server, grants) => ending,
        () = overdue(server) => Ending::SHUTDOWN,
    };
    debug!(%peer, ?ending, "a WebSocket ends");
    // The halves came from one another.
    if let Ok(socket) = reader.stream.reunite(writer.into_sink()) {
        // Beyond that, nobody is listening.
        let _ = timeout(config.close_linger, say_goodbye(socket, ending)).await;
    }
}

/// Reads and writes until either ends; when the reader ends for the shutdown, what is in flight is still answered.
async fn serve<S>(reader: &mut Reader<'_, S>, writer: &mut Writer<'_, S>, handed: mpsc::Sender<Handed>) -> Ending
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut writing = pin!(writer.run());
    let ending = tokio::select! {
        // What is known to wait must be up to date before more is read.
        biased;
        ending = &mut writing => return ending,
        ending = reader.run(handed) => ending,
    };
    // The same future goes on: dropped half-way, it could take an answer with it.
    if ending == Ending::SHUTDOWN { writing.await } else { ending }
}

/// Ends when a connection has not shown a token in time, or the one that it has shown is there no more.
async fn dishonoured(server: &Server, mut grants: watch::Receiver<Grant>) -> Ending {
    let mut state = server.auth.watch();
    let deadline = Instant::now() + server.config.handshake_timeout;
    loop {
        let grant = grants.borrow_and_update().clone();
        if !state.borrow_and_update().honours(&grant) {
            return Ending::Close(CloseCode::Policy, "the token is not valid any more");
        }
        tokio::select! {
            Ok(()) = grants.changed() => {}
            Ok(()) = state.changed() => {}
            () = sleep_until(deadline), if grant == Grant::Nothing => {
                return Ending::Close(CloseCode::Policy, "not authenticated in time");
            }
        }
    }
}

/// Ends when the time for answers in flight is over.
async fn overdue(server: &Server) {
    server.shutdown.cancelled().await;
    sleep(server.config.drain_deadline).await;
}

fn protocol_config(config: &NorthboundConfig, message_bytes: usize) -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(WRITE_BUFFER_BYTES)
        .max_write_buffer_size(config.outbound_bytes.saturating_add(2 * WRITE_BUFFER_BYTES))
        .max_message_size(Some(message_bytes))
        .max_frame_size(Some(message_bytes))
}

/// Sends the Close, if it is for us to send, and reads on until the client has seen it.
async fn say_goodbye<S>(mut socket: WebSocketStream<Counted<S>>, ending: Ending)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let sent = match ending {
        Ending::Lost => return,
        Ending::ClosedByPeer => Ok(()),
        Ending::Close(code, reason) => socket.close(Some(CloseFrame { code, reason: reason.into() })).await,
    };
    if sent.is_err() {
        return;
    }
    while let Some(Ok(_)) = socket.next().await {}
    // After a violation the protocol is out of step; the bytes that are on their way are read all the same, because
    // closing with input unread would reset the connection, and the Close might be lost.
    let stream = socket.get_mut();
    if stream.shutdown().await.is_ok() {
        let mut discarded = [0; 1024];
        while matches!(stream.read(&mut discarded).await, Ok(1..)) {}
    }
}

/// The half that reads.
struct Reader<'a, S> {
    stream: SplitStream<WebSocketStream<Counted<S>>>,
    subprotocol: Subprotocol,
    load: &'a Load,
    pulse: &'a Pulse,
    server: &'a Server,
    peer: SocketAddr,
    /// Who asks.
    granted: watch::Sender<Grant>,
    pace: Pace,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Reader<'_, S> {
    /// Submits what comes in until the client, the shutdown or a violation ends it.
    async fn run(&mut self, handed: mpsc::Sender<Handed>) -> Ending {
        loop {
            let Some(next) = self.server.shutdown.run_until_cancelled(self.next()).await else {
                self.pulse.set_reading(false);
                return Ending::SHUTDOWN;
            };
            let (frame, permit) = match next {
                Ok(request) => request,
                Err(ending) => return ending,
            };
            if *self.granted.borrow() == Grant::Nothing && frame.len() > STRANGERS_BYTES {
                return Ending::Close(CloseCode::Policy, "authenticate first");
            }
            if handed.send(self.submit(&frame, permit).await).await.is_err() {
                return Ending::Lost;
            }
        }
    }

    /// The next request, as soon as there is room for one. May be dropped at any time without losing a request: the
    /// stream's `next` is cancel-safe, and nothing is awaited behind it.
    async fn next(&mut self) -> Result<(Frame, OwnedSemaphorePermit), Ending> {
        let permit = self.load.admit().await.ok_or(Ending::Lost)?;
        self.pulse.set_reading(true);
        let message = loop {
            let message = tokio::select! {
                message = self.stream.next() => message,
                ending = self.pace.overstrained() => return Err(ending),
            };
            self.pulse.beat();
            match message {
                Some(Ok(Message::Ping(frame) | Message::Pong(frame))) => self.pace.control_frame(frame.len())?,
                Some(Ok(Message::Frame(_))) => {}
                other => break other,
            }
        };
        self.pulse.set_reading(false);
        self.pace.message();
        match message {
            Some(Ok(message)) => self.subprotocol.accept(message).map(|frame| (frame, permit)),
            Some(Err(error)) => Err(Ending::from(&error)),
            None => Err(Ending::ClosedByPeer),
        }
    }

    /// Takes a token. From here on the connection is its holder's.
    fn authenticate(&self, request: &Authenticate) -> Result<Reply, ErrorBody> {
        let denied = match self.server.auth.check(request.token.reveal(), self.peer.ip()) {
            Ok(grant) => {
                let role = grant.role().unwrap_or(Rank::Viewer);
                self.granted.send_replace(grant);
                return Ok(Reply::Authenticated { role });
            }
            Err(Denied::TooMany) => "too many wrong tokens from this address; wait a second",
            Err(Denied::Wrong | Denied::InQuery) => "the token is not one that is known here",
        };
        Err(ErrorBody::new(ErrorCode::Unauthenticated, denied).at("payload.token"))
    }

    /// Whether whoever asks may.
    fn authorize(&self, command: &Command) -> Result<(), ErrorBody> {
        let Some(needed) = command.role() else { return Ok(()) };
        match self.granted.borrow().role() {
            Some(role) if role >= needed => Ok(()),
            Some(role) => {
                let message = format!("{} is for the role {needed}; this token's is {role}", command.name());
                Err(ErrorBody::new(ErrorCode::Forbidden, message).at("type"))
            }
            None => {
                let message = "show a token first: with Authenticate, or with the upgrade";
                Err(ErrorBody::new(ErrorCode::Unauthenticated, message).at("type"))
            }
        }
    }

    /// Hands a request to the programmer, waiting while its inbox is full.
    async fn submit(&self, frame: &Frame, permit: OwnedSemaphorePermit) -> Handed {
        let (id, command) = match frame.parse(self.server.config.json_depth) {
            Ok(request) => request,
            Err((id, error)) => return Handed::Refused(id, None, error, permit),
        };
        let name = command.kind();
        if let Command::Authenticate(request) = &command {
            return match self.authenticate(request) {
                Ok(reply) => Handed::Done(id, name, reply, permit),
                Err(error) => Handed::Refused(Some(id), Some(name), error, permit),
            };
        }
        let change = Change::of(&command, &id, &self.granted.borrow(), self.peer);
        if let Err(error) = self.authorize(&command) {
            change.inspect(|change| change.settle(&Err(error.clone())));
            return Handed::Refused(Some(id), Some(name), error, permit);
        }
        if !self.load.begin(&id) {
            let message = "a request with this id is in flight on this connection";
            let error = ErrorBody::new(ErrorCode::Conflict, message).at("id");
            return Handed::Refused(Some(id), Some(name), error, permit);
        }
        let permit = self.load.extend(permit, &command).await;
        let follow_up = FollowUp::of(&command);
        match self.server.programmer.submit(command).await {
            Ok(answer) => Handed::Submitted(Submitted { id, command: name, permit, change, follow_up }, answer),
            Err(closed) => {
                self.load.end(&id);
                Handed::Refused(Some(id), Some(name), unavailable(closed), permit)
            }
        }
    }
}
