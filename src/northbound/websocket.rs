//! One WebSocket: a reader that hands messages to a desk, a writer that sends what comes back, and the end of both.
//!
//! The two halves run side by side in the connection's task and share only what is in flight ([`Load`]). A client that
//! does not read is still read from until it has as much in flight as it may have; one that writes without
//! reading, as a batch program does, is not a deadlock.

use std::future::Future;
use std::io;
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

use super::auth::Grant;
use super::commands::Commands;
use super::form::Form;
use super::keepalive::{Keepalive, Pulse};
use super::load::Load;
use super::outbox::Outbox;
use super::pace::Pace;
use super::progress::{Counted, Credit};
use super::subprotocol::Subprotocol;
use super::writer::{Handed, Writer};
use super::{NorthboundConfig, Server};

/// Allocated for every connection at once; big enough for some ten requests a read.
const READ_BUFFER_BYTES: usize = 8 << 10;
/// How much is gathered before it is written without being flushed.
const WRITE_BUFFER_BYTES: usize = 64 << 10;

/// What somebody may send in all before a token is shown: an `Authenticate` is far shorter. What was read together with
/// it is on top.
const STRANGERS_BYTES: u64 = 8 << 10;

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

/// Who takes the messages of a connection: the commands of clients have theirs in `commands`.
pub(super) trait Desk {
    /// Takes a message; what comes of it is the writer's.
    async fn take(&self, message: Message, permit: OwnedSemaphorePermit) -> Result<Handed, Ending>;
}

/// What the two halves of a connection share.
#[derive(Clone, Copy)]
pub(super) struct Line<'a> {
    pub(super) subprotocol: Subprotocol,
    pub(super) load: &'a Load,
    pub(super) server: &'a Server,
    pub(super) peer: SocketAddr,
}

impl Line<'_> {
    /// How its answers are written.
    pub(super) fn form(self) -> Form {
        Form { subprotocol: self.subprotocol, limit: self.server.config.outbound_bytes }
    }
}

/// Runs the connection of a client to its end.
pub(super) async fn run<S>(stream: S, peer: SocketAddr, grant: Grant, subprotocol: Subprotocol, server: &Server)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    server.metrics.websocket();
    let credit = Credit::new(STRANGERS_BYTES);
    if grant != Grant::Nothing {
        credit.lift();
    }
    let (granted, grants) = watch::channel(grant);
    let load = Load::new(&server.config);
    let line = Line { subprotocol, load: &load, server, peer };
    let commands = Commands::new(line, granted, credit.clone());
    carry(stream, line, credit, &commands, dishonoured(server, grants)).await;
}

/// Carries messages to the desk and answers back until either end has had enough, or until `revoked` says so.
pub(super) async fn carry<S, D>(
    stream: S,
    line: Line<'_>,
    credit: Credit,
    desk: &D,
    revoked: impl Future<Output = Ending>,
) where
    S: AsyncRead + AsyncWrite + Unpin,
    D: Desk,
{
    let Line { subprotocol, load, server, peer } = line;
    let config = &server.config;
    let (stream, read, written) = Counted::new(stream, credit.clone());
    let limits = protocol_config(config, subprotocol.message_bytes(config));
    let socket = WebSocketStream::from_raw_socket(stream, Role::Server, Some(limits)).await;
    let (sink, stream) = socket.split();

    let pulse = Pulse::new(read.clone());
    // Every request holds a permit of the load while it is in this channel, so there is always room.
    let (handed, from_reader) = mpsc::channel(load.limit());
    let keepalive = Keepalive::new(&pulse, config.ping_interval, config.pong_timeout);
    let outbox = Outbox::new(sink, load, written, config.stall_timeout);
    let mut writer = Writer::new(outbox, line, from_reader, keepalive);
    let mut reader = Reader { stream, line, pulse: &pulse, pace: Pace::new(read, config), desk };

    let ending = tokio::select! {
        ending = serve(&mut reader, &mut writer, handed) => ending,
        ending = revoked => ending,
        () = overdue(server) => Ending::SHUTDOWN,
    };
    debug!(%peer, ?ending, "a WebSocket ends");
    server.turns.gone(peer);
    // What is still on its way is read to its end, and not kept.
    credit.lift();
    // The halves came from one another.
    if let Ok(socket) = reader.stream.reunite(writer.into_sink()) {
        // Beyond that, nobody is listening.
        let _ = timeout(config.close_linger, say_goodbye(socket, ending)).await;
    }
}

/// Reads and writes until either ends; when the reader ends for the shutdown, what is in flight is still answered, and when
/// it ends for a violation, what is answered is still written.
async fn serve<S, D>(reader: &mut Reader<'_, S, D>, writer: &mut Writer<'_, S>, handed: mpsc::Sender<Handed>) -> Ending
where
    S: AsyncRead + AsyncWrite + Unpin,
    D: Desk,
{
    let ending = {
        let mut writing = pin!(writer.run());
        let ending = tokio::select! {
            // What is known to wait must be up to date before more is read.
            biased;
            ending = &mut writing => return ending,
            ending = reader.run(handed) => ending,
        };
        if ending == Ending::SHUTDOWN {
            return writing.await;
        }
        ending
    };
    if matches!(ending, Ending::Close(..)) {
        // A client that breaks the protocol has what it was answered before all the same, if it takes it.
        let _ = timeout(writer.close_linger(), writer.settle_up()).await;
    }
    ending
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
struct Reader<'a, S, D> {
    stream: SplitStream<WebSocketStream<Counted<S>>>,
    line: Line<'a>,
    pulse: &'a Pulse,
    pace: Pace,
    desk: &'a D,
}

impl<S: AsyncRead + AsyncWrite + Unpin, D: Desk> Reader<'_, S, D> {
    /// Hands on what comes in until the client, the shutdown or a violation ends it.
    async fn run(&mut self, handed: mpsc::Sender<Handed>) -> Ending {
        loop {
            let server = self.line.server;
            let Some(next) = server.shutdown.run_until_cancelled(self.next()).await else {
                self.pulse.set_reading(false);
                return Ending::SHUTDOWN;
            };
            let taken = match next {
                Ok((message, permit)) => self.desk.take(message, permit).await,
                Err(ending) => Err(ending),
            };
            let taken = match taken {
                Ok(taken) => taken,
                Err(ending) => return ending,
            };
            if handed.send(taken).await.is_err() {
                return Ending::Lost;
            }
        }
    }

    /// The next message, as soon as there is room for one. May be dropped at any time without losing a message: the
    /// stream's `next` is cancel-safe, and nothing is awaited behind it.
    async fn next(&mut self) -> Result<(Message, OwnedSemaphorePermit), Ending> {
        let permit = self.line.load.admit().await.ok_or(Ending::Lost)?;
        self.pulse.set_reading(true);
        let message = loop {
            let message = tokio::select! {
                message = self.stream.next() => message,
                ending = self.pace.overstrained() => return Err(ending),
            };
            match message {
                Some(Ok(Message::Ping(frame) | Message::Pong(frame))) => self.pace.control_frame(frame.len())?,
                Some(Ok(Message::Frame(_))) => {}
                other => break other,
            }
        };
        self.pulse.set_reading(false);
        self.pace.message();
        match message {
            Some(Ok(Message::Close(_))) | None => Err(Ending::ClosedByPeer),
            Some(Ok(message)) => Ok((message, permit)),
            Some(Err(Error::Io(error))) if error.kind() == io::ErrorKind::QuotaExceeded => {
                Err(Ending::Close(CloseCode::Policy, "authenticate first"))
            }
            Some(Err(error)) => Err(Ending::from(&error)),
        }
    }
}
