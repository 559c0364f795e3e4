//! The task that drives one session over one connection.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};
use openflow::DatapathId;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::tally::Refusal;
use super::tls::Identity;
use super::{COMMANDS, ConnectionId, Origin, Report, Shared};
use crate::crash::{self, Place};
use crate::session::{CloseReason, Command, Counters, Event, Session};

/// Bytes read at a time, at most: a few hundred replies, and nearly the largest message in one piece.
const READ: usize = 64 << 10;

/// Alarms go off at multiples of this, the same for all connections: a few milliseconds late, and many at a time. Waking
/// up for each of thousands of idle switches would cost more than asking them whether they are there.
pub(super) const GRID: Duration = Duration::from_millis(50);

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
    /// Who the switch must be, by its certificate; over plain TCP anybody.
    pub(super) identity: Option<Identity>,
}

/// How a connection ended.
pub(super) struct Ended {
    pub(super) reason: CloseReason,
    pub(super) was_ready: bool,
}

/// Drives a session until it is over or `stop` is cancelled. Always reads while it writes, so that a switch that
/// stops reading until its own replies are taken cannot lock both sides up.
pub(super) async fn drive<S>(mut stream: S, link: Link, shared: &Shared, stop: &CancellationToken) -> Ended
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    shared.tally.connected();
    let mut buffers = Buffers::default();
    let mut session = Session::new(shared.config, now()).with_first_xid(fastrand::u32(..)).holding_tables();
    let mut reporter = Reporter { link, shared, commands: None, counted: Counters::default() };
    let mut stopped = pin!(stop.cancelled());
    let mut alarm = pin!(tokio::time::sleep_until(now().into()));
    let mut turn = None;

    let reason = loop {
        if let Some(reason) = reporter.report_all(&mut session).await {
            break reason;
        }
        if turn.is_some() && !session.is_reading_tables() {
            turn = None;
            buffers.release();
        }
        if buffers.output.is_empty() {
            session.poll_transmit(&mut buffers.output, now());
        }
        // An alarm that goes off too early costs one turn; one that is set for every message costs more.
        let deadline = shared.on_the_grid(session.poll_timeout().unwrap_or_else(now)).into();
        if deadline < alarm.deadline() || alarm.is_elapsed() {
            alarm.as_mut().reset(deadline);
        }
        tokio::select! {
            exchanged = poll_fn(|context| buffers.poll_exchange(&mut stream, context)) => {
                buffers.hand_over(exchanged, &mut session);
            }
            permit = shared.table_reads.acquire(), if session.wants_tables() => {
                turn = permit.ok();
                session.ask_tables(now());
            }
            command = reporter.next_command(), if session.capacity() > 0 => {
                let command = command.unwrap_or(Command::Close(CloseReason::Abandoned));
                session.handle_command(command, now());
                reporter.take_waiting(&mut session);
            }
            () = &mut alarm => {
                // What came while this side was busy is heard before the peer is called silent.
                let at_once = poll_fn(|context| Poll::Ready(buffers.poll_exchange(&mut stream, context))).await;
                if let Poll::Ready(exchanged) = at_once {
                    buffers.hand_over(exchanged, &mut session);
                }
                session.handle_timeout(now());
                buffers.release();
            }
            () = &mut stopped => {
                let is_end = shared.shutdown.is_cancelled();
                session.handle_disconnect(if is_end { CloseReason::Shutdown } else { CloseReason::Removed });
            }
        }
    };
    session.poll_transmit(&mut buffers.output, now());
    // The peer may be gone or not reading: what it does not take in time is lost, and nothing depends on it.
    let _ = tokio::time::timeout(LAST_WORDS, async {
        stream.write_all_buf(&mut buffers.output).await?;
        stream.shutdown().await
    })
    .await;
    Ended { reason, was_ready: reporter.commands.is_some() }
}

impl Shared {
    /// The first moment of the grid that is not before this one.
    pub(super) fn on_the_grid(&self, at: Instant) -> Instant {
        let (since, step) = (at.saturating_duration_since(self.started).as_nanos(), GRID.as_nanos());
        let late = (step - since % step) % step;
        at.max(self.started) + Duration::from_nanos(late as u64)
    }
}

/// What was read and is no whole message yet, and what is to be written. A connection at rest owns no memory here.
#[derive(Default)]
struct Buffers {
    input: BytesMut,
    output: BytesMut,
    /// What was written has not all left: TLS has a buffer of its own.
    unflushed: bool,
}

/// What came of reading and writing.
enum Exchanged {
    Something,
    /// The peer has ended the stream.
    End,
}

impl Buffers {
    /// Reads what there is and writes what there is room for, both at every turn; pending while neither moves. The
    /// bytes read come by way of the stack, so that a connection that waits holds no buffer for them.
    fn poll_exchange<S>(&mut self, stream: &mut S, context: &mut Context<'_>) -> Poll<io::Result<Exchanged>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut has_moved = false;
        let mut space = [MaybeUninit::<u8>::uninit(); READ];
        let mut read = ReadBuf::uninit(&mut space);
        if let Poll::Ready(result) = Pin::new(&mut *stream).poll_read(context, &mut read) {
            result?;
            if read.filled().is_empty() {
                return Poll::Ready(Ok(Exchanged::End));
            }
            if self.input.is_empty() {
                self.input = BytesMut::new();
            }
            self.input.extend_from_slice(read.filled());
            has_moved = true;
        }
        while !self.output.is_empty()
            && let Poll::Ready(written) = Pin::new(&mut *stream).poll_write(context, &self.output)?
        {
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.output.advance(written);
            crash::pass(Place::AfterFlowMods);
            self.unflushed = true;
            has_moved = true;
        }
        if self.unflushed && Pin::new(&mut *stream).poll_flush(context)?.is_ready() {
            self.unflushed = false;
        }
        if has_moved { Poll::Ready(Ok(Exchanged::Something)) } else { Poll::Pending }
    }

    /// Tells the session what came of reading and writing.
    fn hand_over(&mut self, exchanged: io::Result<Exchanged>, session: &mut Session) {
        match exchanged {
            Ok(Exchanged::Something) => session.handle_input(&mut self.input, now()),
            Ok(Exchanged::End) => session.handle_disconnect(CloseReason::PeerClosed),
            Err(error) => session.handle_disconnect(CloseReason::Transport(error.kind())),
        }
    }

    /// Gives memory back that a burst took, when there is nothing to say.
    fn release(&mut self) {
        for buffer in [&mut self.input, &mut self.output] {
            if buffer.is_empty() {
                *buffer = BytesMut::new();
            }
        }
    }
}

/// Carries a session's events to the owner.
struct Reporter<'a> {
    link: Link,
    shared: &'a Shared,
    commands: Option<mpsc::Receiver<Command>>,
    /// What the session had counted when it was last looked at.
    counted: Counters,
}

impl Reporter<'_> {
    /// Reports everything that happened; the reason once the session is over. Waits while the owner is behind.
    async fn report_all(&mut self, session: &mut Session) -> Option<CloseReason> {
        self.count(session.counters());
        while let Some(event) = session.poll_event() {
            if let Event::Ready(description) = &event
                && let Some(reason) = self.refuse(description.features.datapath_id)
            {
                session.handle_disconnect(reason);
                continue;
            }
            let closed = match &event {
                Event::Closed(reason) => Some(reason.clone()),
                _ => None,
            };
            if let Some(reason) = &closed {
                self.count_refusal(reason);
            }
            if let Some(report) = self.report_of(event) {
                match self.report(report).await {
                    Ok(Duration::ZERO) => {}
                    Ok(waited) => session.handle_stall(waited),
                    Err(reason) => return Some(reason),
                }
            }
            if closed.is_some() {
                return closed;
            }
        }
        None
    }

    /// Hands a report over: how long that took. While the owner is behind, nothing is read or written.
    async fn report(&self, report: Report) -> Result<Duration, CloseReason> {
        match self.shared.reports.try_send(report) {
            Ok(()) => Ok(Duration::ZERO),
            Err(TrySendError::Full(report)) => {
                let begun = now();
                self.shared.reports.send(report).await.map_err(|_| CloseReason::Shutdown)?;
                Ok(now() - begun)
            }
            Err(TrySendError::Closed(_)) => Err(CloseReason::Shutdown),
        }
    }

    /// Why a switch that calls itself this is not the one whose certificate was shown.
    fn refuse(&self, datapath_id: DatapathId) -> Option<CloseReason> {
        let identity = self.link.identity.as_ref().filter(|identity| !identity.allows(datapath_id))?;
        self.shared.tally.refused(Refusal::WrongDatapathId);
        let reason = format!("the switch says that it is {datapath_id}, its certificate is for {identity}");
        warn!(peer = %self.link.peer, "refused a switch: {reason}");
        Some(CloseReason::NotAdmitted(reason))
    }

    /// Counts the end of a switch that said who it is and that the owner does not want.
    fn count_refusal(&self, reason: &CloseReason) {
        match reason {
            CloseReason::DuplicateDatapathId => self.shared.tally.refused(Refusal::Duplicate),
            CloseReason::NotAdmitted(_) if self.commands.is_some() => self.shared.tally.refused(Refusal::NotAdmitted),
            _ => {}
        }
    }

    /// Adds to the sums; says so at the first malformed message, and whenever their number has doubled.
    fn count(&mut self, now: Counters) {
        let before = std::mem::replace(&mut self.counted, now);
        if before == now {
            return;
        }
        self.shared.tally.add(before, now);
        if now.malformed.checked_ilog2() != before.malformed.checked_ilog2() {
            warn!(peer = %self.link.peer, connection = self.link.connection.0, malformed = now.malformed,
                "a switch sends malformed messages");
        }
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

    /// The next command; none when the owner has dropped its end. Pending before there is a channel.
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
            session.handle_command(command, now());
        }
    }
}

/// The time, as timers know it.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Small messages go at once, and a dead path is noticed. A socket that does not take the options works without.
pub(super) fn configure(stream: &TcpStream) {
    let socket = socket2::SockRef::from(stream);
    let _ = socket.set_tcp_nodelay(true);
    let _ = socket.set_tcp_user_timeout(Some(USER_TIMEOUT));
}
