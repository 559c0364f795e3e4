//! The task that drives one session over one TCP connection.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{COMMANDS, ConnectionId, Origin, Report, Shared};
use crate::session::{CloseReason, Command, Event, Session};

/// Bytes read at a time, at least: a few hundred replies, and the largest message in one piece.
const READ: usize = 64 << 10;

/// How long unacknowledged bytes may stay on the wire before the kernel gives the connection up (RFC 5482). It finds a
/// dead path while there is something to say; the session's echo finds it in silence.
const USER_TIMEOUT: Duration = Duration::from_secs(10);

/// The time for the last words (an error to the peer) once the session is over.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Which connection this is.
pub(super) struct Link {
    pub(super) connection: ConnectionId,
    pub(super) peer: SocketAddr,
    pub(super) origin: Origin,
}

/// How a connection ended.
pub(super) struct Ended {
    pub(super) reason: CloseReason,
    pub(super) was_ready: bool,
}

/// Drives a session until it is over or `stop` is cancelled. Always reads while it writes, so that a switch that
/// stops reading until its own replies are taken cannot lock both sides up.
pub(super) async fn drive(stream: TcpStream, link: Link, shared: &Shared, stop: &CancellationToken) -> Ended {
    configure(&stream);
    let (mut reader, mut writer) = stream.into_split();
    let mut input = BytesMut::with_capacity(READ);
    let mut output = BytesMut::new();
    let mut session = Session::new(shared.config, Instant::now());
    let mut reporter = Reporter { link, reports: &shared.reports, commands: None };

    let reason = loop {
        if let Some(reason) = reporter.report_all(&mut session).await {
            break reason;
        }
        if output.is_empty() {
            session.poll_transmit(&mut output, Instant::now());
        }
        let deadline = session.poll_timeout().unwrap_or_else(Instant::now);
        tokio::select! {
            read = reader.read_buf(&mut input) => match read {
                Ok(0) => session.handle_disconnect(CloseReason::PeerClosed),
                Ok(_) => session.handle_input(&mut input, Instant::now()),
                Err(error) => session.handle_disconnect(CloseReason::Transport(error.kind())),
            },
            written = writer.write_buf(&mut output), if !output.is_empty() => match written {
                Ok(0) => session.handle_disconnect(CloseReason::PeerClosed),
                Ok(_) => {}
                Err(error) => session.handle_disconnect(CloseReason::Transport(error.kind())),
            },
            Some(command) = reporter.next_command(), if session.capacity() > 0 => {
                session.handle_command(command, Instant::now());
                reporter.take_waiting(&mut session);
            }
            () = tokio::time::sleep_until(deadline.into()) => session.handle_timeout(Instant::now()),
            () = stop.cancelled() => session.handle_disconnect(CloseReason::Shutdown),
        }
        input.reserve(READ);
    };
    session.poll_transmit(&mut output, Instant::now());
    // The peer may be gone or not reading: what it does not take in time is lost, and nothing depends on it.
    let _ = tokio::time::timeout(LAST_WORDS, writer.write_all_buf(&mut output)).await;
    Ended { reason, was_ready: reporter.commands.is_some() }
}

/// Carries a session's events to the owner.
struct Reporter<'a> {
    link: Link,
    reports: &'a mpsc::Sender<Report>,
    commands: Option<mpsc::Receiver<Command>>,
}

impl Reporter<'_> {
    /// Reports everything that happened; the reason once the session is over. Waits while the owner is behind.
    async fn report_all(&mut self, session: &mut Session) -> Option<CloseReason> {
        while let Some(event) = session.poll_event() {
            let closed = match &event {
                Event::Closed(reason) => Some(reason.clone()),
                _ => None,
            };
            if let Some(report) = self.report_of(event)
                && self.reports.send(report).await.is_err()
            {
                return Some(CloseReason::Shutdown);
            }
            if closed.is_some() {
                return closed;
            }
        }
        None
    }

    /// What an event is to the owner. A connection that ends before it was ready has nothing to report.
    fn report_of(&mut self, event: Event) -> Option<Report> {
        let connection = self.link.connection;
        match event {
            Event::Ready(description) => {
                let (commands, receiver) = mpsc::channel(COMMANDS);
                self.commands = Some(receiver);
                let (peer, origin) = (self.link.peer, self.link.origin.clone());
                Some(Report::Connected { connection, peer, origin, description, commands })
            }
            event if self.commands.is_some() => Some(Report::Happened { connection, event }),
            _ => None,
        }
    }

    /// The next command; pending before there is a channel and after the owner dropped its end.
    async fn next_command(&mut self) -> Option<Command> {
        match &mut self.commands {
            Some(commands) => commands.recv().await,
            None => std::future::pending().await,
        }
    }

    /// Takes what else is waiting, so that a burst of commands leaves under one barrier.
    fn take_waiting(&mut self, session: &mut Session) {
        let Some(commands) = &mut self.commands else { return };
        while session.capacity() > 0
            && let Ok(command) = commands.try_recv()
        {
            session.handle_command(command, Instant::now());
        }
    }
}

/// Small messages go at once, and a dead path is noticed. A socket that does not take the options works without.
fn configure(stream: &TcpStream) {
    let socket = socket2::SockRef::from(stream);
    let _ = socket.set_tcp_nodelay(true);
    let _ = socket.set_tcp_user_timeout(Some(USER_TIMEOUT));
}
