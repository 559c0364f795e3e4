//! The northbound front end: WebSocket at `/v1/ws`, and `/healthz`, `/readyz` and `/metrics` on the same port.
//!
//! It turns frames into commands and answers into frames, in any order, exactly one for each; what a command means is
//! the programmer's business. Everything that a client can make it hold is bounded by [`NorthboundConfig`].
//!
//! ## Tasks
//! | task | ends when | stopped by |
//! | --- | --- | --- |
//! | the caller of [`serve`] | the token is cancelled and every other task has ended | its `shutdown` token |
//! | one for each connection (`http`, then `websocket`) | its peer closes, fails or is too slow | the same token, then after the deadline the `kill` token |
//! | one that writes events (`hub`) | the programmer has ended | its `shutdown` token |
//! | one that looks at the token file (`auth`) | never by itself | its `shutdown` token |
//! | one for each large batch (`batch`) | every part of it is answered | after the deadline the `kill` token |
//! | one for what a lost client had asked to change | the programmer has answered, which the audit log is told | the same |
//! | one for each refused connection, 64 at most | the 503 is written, or after a second | the same |
//!
//! Each of them may be dropped at any await: what was submitted is carried out by the programmer, whose answer then finds
//! its receiver gone. Of a batch that is what the programmer has by then; the audit log says of a change that its outcome
//! is unknown.

mod audit;
mod auth;
mod batch;
mod commands;
mod form;
mod gate;
mod http;
mod hub;
mod keepalive;
mod load;
mod metrics;
mod origin;
mod outbox;
mod pace;
mod progress;
mod ring;
mod statistics;
mod subprotocol;
mod subscriptions;
mod tls;
mod turns;
mod upgrade;
mod websocket;
mod writer;

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use crate::contract::MAX_DEPTH;
use crate::programmer::{News, Programmer};
use crate::tokens::{Tokens, TokensError};
pub use audit::TARGET as AUDIT_TARGET;
use auth::Auth;
use gate::Gate;
use http::Ends;
use hub::Hub;
use metrics::Metrics;
use origin::Origins;
pub use tls::{Tls, TlsError, TlsFiles};
use turns::Turns;

/// How long somebody on one of the connections that are kept for admins may take to show an admin's token. It is short, so
/// that strangers cannot hold them.
const RESERVED_TIMEOUT: Duration = Duration::from_secs(1);
/// How long the listener rests when the system has no more sockets to give.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How many connections beyond the limit are told so at a time; more are closed without a word.
const REFUSALS: usize = 64;
/// How long a connection beyond the limit may take to listen to the refusal.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(1);
/// What a connection beyond the limit is told.
const REFUSAL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\n\
    Content-Length: 51\r\nRetry-After: 5\r\nConnection: close\r\n\r\n\
    the daemon has as many connections as it may have.\n";

/// What the front end allows its clients.
#[derive(Debug, Clone)]
pub struct NorthboundConfig {
    /// Origins, beside the daemon's own address, whose pages may connect: `https://noc.example.net`.
    pub origins: Vec<String>,
    /// The certificate with which clients speak TLS.
    pub tls: Option<Arc<Tls>>,
    /// The token file. While there is a token in it, everybody must show one.
    pub tokens: Option<PathBuf>,
    /// A token may also come in the query of the address, where logs of others may keep it.
    pub query_tokens: bool,
    /// How many connections one address may have; loopback, where everybody is local, may have all.
    pub connections_per_address: usize,
    /// How many connections there may be; each takes a file descriptor and, idle, some 10 KiB.
    pub connections: usize,
    /// The biggest message of a client on `flumen.v1.json`, in bytes.
    pub message_bytes: usize,
    /// The same on `flumen.v1.msgpack`.
    pub msgpack_message_bytes: usize,
    /// How deeply a message of a client may be nested, 1 at least.
    pub json_depth: usize,
    /// How much may wait for a client to read it before the daemon stops reading from it, and the longest answer, in
    /// bytes.
    pub outbound_bytes: usize,
    /// How many requests of one connection may be in flight, each counted as often as its answer may hold flows.
    /// Beyond it the daemon stops reading.
    pub requests_in_flight: u32,
    /// How many subscriptions there may be, of all connections together.
    pub subscriptions: usize,
    /// How many flows the large batches under way may have, of all connections together and of those that have gone
    /// before their answer; a single batch may have any number. Beyond it the daemon stops reading from whoever
    /// sends more.
    pub batch_flows: u32,
    /// How long a client may take from connecting to the end of its HTTP request.
    pub handshake_timeout: Duration,
    /// How long a message may take from its first byte to its last, in however many fragments it comes.
    pub message_timeout: Duration,
    /// How often a client is pinged.
    pub ping_interval: Duration,
    /// How long it may take to show that it is there.
    pub pong_timeout: Duration,
    /// How long a client may take nothing of what waits for it.
    pub stall_timeout: Duration,
    /// How long the daemon goes on reading after it sent a Close.
    pub close_linger: Duration,
    /// How long the answers in flight are waited for at shutdown.
    pub drain_deadline: Duration,
}

impl Default for NorthboundConfig {
    fn default() -> Self {
        Self {
            origins: Vec::new(),
            tls: None,
            tokens: None,
            query_tokens: false,
            connections_per_address: 1_000,
            connections: 10_000,
            message_bytes: 1 << 20,
            msgpack_message_bytes: 16 << 20,
            json_depth: MAX_DEPTH,
            outbound_bytes: 32 << 20,
            requests_in_flight: 16_384,
            subscriptions: 50_000,
            batch_flows: 1 << 19,
            handshake_timeout: Duration::from_secs(5),
            message_timeout: Duration::from_secs(30),
            ping_interval: Duration::from_secs(30),
            pong_timeout: Duration::from_secs(5),
            stall_timeout: Duration::from_secs(10),
            close_linger: Duration::from_secs(2),
            drain_deadline: Duration::from_secs(5),
        }
    }
}

/// Why the front end does not open.
#[derive(Debug, thiserror::Error)]
pub enum NotAdmitted {
    /// Listening there needs tokens, and there are none.
    #[error(
        "refusing to listen on {0}: beyond loopback anybody who reaches this port could program the network; make a \
         token with 'flumen token add', listen on 127.0.0.1, or pass --insecure to let everybody in"
    )]
    Open(SocketAddr),
    /// The token file cannot be used.
    #[error(transparent)]
    Tokens(#[from] TokensError),
}

/// Whether the daemon may listen there: beyond loopback only with tokens, or with `insecure`.
///
/// # Errors
/// [`NotAdmitted`], which says what to do.
pub fn admission(listen: SocketAddr, tokens: Option<&Path>, insecure: bool) -> Result<(), NotAdmitted> {
    let tokens = tokens.map(Tokens::load).transpose()?.unwrap_or_default();
    let is_safe = insecure || !tokens.is_empty() || canonical(listen.ip()).is_loopback();
    if is_safe { Ok(()) } else { Err(NotAdmitted::Open(listen)) }
}

/// An IPv4 address also where a dual-stack socket shows it as an IPv6 one.
fn canonical(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

/// What all connections share.
#[derive(Debug)]
struct Server {
    programmer: Programmer,
    config: NorthboundConfig,
    origins: Origins,
    metrics: Metrics,
    hub: Hub,
    auth: Auth,
    /// Long messages that may be read at a time.
    parsers: Semaphore,
    /// How many parts of batches may be under way.
    turns: Arc<Turns>,
    /// The flows of batches that there is room for.
    room: Arc<Semaphore>,
    tasks: TaskTracker,
    /// Cancelled to end in order: answers in flight are delivered.
    shutdown: CancellationToken,
    /// Cancelled when that has taken too long.
    kill: CancellationToken,
}

impl Server {
    fn new(programmer: Programmer, config: NorthboundConfig, shutdown: CancellationToken) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            origins: Origins::new(&config.origins),
            metrics: Metrics::default(),
            hub: Hub::new(programmer.audience().clone(), config.subscriptions),
            auth: Auth::new(config.tokens.clone(), config.query_tokens),
            parsers: Semaphore::new((processors / 2).max(1)),
            turns: Arc::new(Turns::new(turns::PARTS)),
            room: Arc::new(Semaphore::new(config.batch_flows as usize)),
            tasks: TaskTracker::new(),
            programmer,
            config,
            shutdown,
            kill: CancellationToken::new(),
        }
    }

    /// Begins a task that may last until the deadline of the shutdown.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let kill = self.kill.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                // What ends with the others is not heard as an answer.
                biased;
                () = kill.cancelled() => {}
                () = task => {}
            }
        });
    }

    /// How long the handshake of a connection may take.
    fn handshake_timeout(&self, is_reserved: bool) -> Duration {
        let timeout = self.config.handshake_timeout;
        if is_reserved { timeout.min(RESERVED_TIMEOUT) } else { timeout }
    }
}

/// Serves clients until `shutdown` is cancelled, then delivers what is in flight, says goodbye and returns; stuck
/// peers delay that by no more than the deadlines of the configuration.
pub async fn serve(
    listener: TcpListener,
    programmer: Programmer,
    news: mpsc::Receiver<News>,
    config: NorthboundConfig,
    shutdown: CancellationToken,
) {
    let gate = Gate::new(config.connections, config.connections_per_address);
    let refusals = Arc::new(Semaphore::new(REFUSALS));
    let orderly_end = http::PROGRAMMER_TIMEOUT + config.drain_deadline + config.close_linger;
    let server = Arc::new(Server::new(programmer, config, shutdown));
    let tasks = server.tasks.clone();
    tasks.spawn({
        let server = Arc::clone(&server);
        async move { server.shutdown.run_until_cancelled(server.hub.run(news)).await }
    });
    tasks.spawn({
        let server = Arc::clone(&server);
        async move { server.shutdown.run_until_cancelled(server.auth.follow()).await }
    });
    while let Some((socket, peer)) = accept(&listener, &server.shutdown).await {
        let Ok(local) = socket.local_addr() else { continue };
        if let Some(place) = gate.enter(peer.ip()) {
            let serving = Arc::clone(&server);
            server.spawn(async move {
                let is_reserved = place.is_reserved() && serving.auth.is_required();
                serve_socket(socket, Ends { peer, local }, &serving, is_reserved).await;
                drop(place);
            });
        } else if let Ok(slot) = Arc::clone(&refusals).try_acquire_owned() {
            server.metrics.refused();
            server.spawn(async move {
                let _ = timeout(REFUSAL_TIMEOUT, refuse(socket)).await;
                drop(slot);
            });
        } else {
            server.metrics.refused();
        }
    }
    drop(listener);
    tasks.close();
    if timeout(orderly_end, tasks.wait()).await.is_err() {
        warn!(left = tasks.len(), "dropping the connections and batches that did not end in time");
        server.kill.cancel();
        tasks.wait().await;
    }
}

/// Serves one connection, behind TLS where there is a certificate.
async fn serve_socket<S>(socket: S, ends: Ends, server: &Server, is_reserved: bool)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let deadline = Instant::now() + server.handshake_timeout(is_reserved);
    let Some(tls) = &server.config.tls else {
        return http::serve_connection(socket, ends, server, is_reserved, deadline).await;
    };
    match timeout_at(deadline, tls.acceptor().accept(socket)).await {
        Ok(Ok(stream)) => http::serve_connection(stream, ends, server, is_reserved, deadline).await,
        Ok(Err(error)) => debug!(peer = %ends.peer, %error, "a TLS handshake failed"),
        Err(_) => debug!(peer = %ends.peer, "a TLS handshake took too long"),
    }
}

/// The next connection; `None` at shutdown.
async fn accept(listener: &TcpListener, shutdown: &CancellationToken) -> Option<(TcpStream, SocketAddr)> {
    loop {
        match shutdown.run_until_cancelled(listener.accept()).await? {
            Ok((socket, peer)) => {
                // Answers are batched by us; waiting for more in the kernel would only delay them.
                if let Err(error) = socket.set_nodelay(true) {
                    debug!(%peer, %error, "cannot turn off Nagle's algorithm");
                }
                return Some((socket, peer));
            }
            Err(error) => {
                warn!(%error, "cannot accept a connection");
                shutdown.run_until_cancelled(tokio::time::sleep(ACCEPT_PAUSE)).await?;
            }
        }
    }
}

/// Answers 503 and reads on for a moment: closing with input unread would reset the connection and lose the answer.
async fn refuse(mut socket: TcpStream) {
    if socket.write_all(REFUSAL).await.is_ok() && socket.shutdown().await.is_ok() {
        let mut discarded = [0; 1024];
        while matches!(socket.read(&mut discarded).await, Ok(1..)) {}
    }
}

#[cfg(test)]
mod tests;
