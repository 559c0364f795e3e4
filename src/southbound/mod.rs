//! Switches over TCP and TLS: accepting them, dialling them, and driving one [`session`] for each.
//!
//! What happens on every connection arrives as [`Report`]s on one bounded channel; the owner answers through the
//! command channel that each connection hands out when it is ready. A slow switch delays nobody: it has a task and a
//! queue of its own, and its reader goes on while it writes.
//!
//! Everything runs on the runtime in which [`Southbound::start`] is called. On a current-thread runtime, with the owner on
//! it too, a FLOW_MOD on its way out and its verdict on the way back cross no thread: that is the shortest confirmed
//! round trip. On a multi-thread runtime thousands of switches share the cores, and a lone FLOW_MOD waits for threads to
//! wake.
//!
//! Tasks, all on the tracker given to [`Southbound::start`]; the shutdown token stops each, and none holds anything
//! that is lost with it:
//!
//! | task | for | also ends |
//! | --- | --- | --- |
//! | listener | the OpenFlow port | when accepting fails for good |
//! | dialer | each [`Dial`] | when the `Dial` is dropped |
//! | connection | each accepted switch; a dialer drives its own | with the session |

mod address;
mod connection;
mod dialer;
mod listener;
mod tally;
#[cfg(test)]
mod tests;
mod tls;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use openflow::DatapathId;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio_rustls::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use crate::session::{self, Command, Description, Event};
use tally::Tally;

pub use address::SwitchAddress;
pub use dialer::Dial;
pub use tally::{Refusal, Totals};
pub use tls::{Tls, TlsError, TlsFiles};

/// Reports that wait for the owner. A connection that finds the queue full stops reading until there is room, which
/// slows its switch and nobody else; a few thousand keep a burst of settlements moving.
pub const REPORTS: usize = 4_096;

/// Commands that wait for one connection. The owner bounds the FLOW_MODs it has under way on a connection, by fewer than
/// this even when each is a command of its own, and so never finds the queue of a living connection full.
pub const COMMANDS: usize = 4_096;

/// Why nothing is dialled over TLS.
const NO_CERTIFICATES: &str = "this daemon has no certificates to dial with";

/// Connections at a time, accepted and dialled. Each costs a file, a task and a session.
const MAX_CONNECTIONS: usize = 16_384;

/// Switches that may say at a time what their tables can do. That takes up to a megabyte in messages of 64 KiB: read from
/// thousands at once, they would leave holes in the memory for as long as the daemon runs.
const TABLE_READS: usize = 64;

/// One connection, for as long as the daemon runs. Two connections of the same switch have different ids: nothing that
/// was asked on one is answered by the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub u64);

/// Who made a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The switch.
    Accepted,
    /// This side, because the owner asked for it.
    Dialed(SwitchAddress),
}

/// News from a switch.
#[derive(Debug)]
pub enum Report {
    /// The handshake is done.
    Connected {
        /// The connection.
        connection: ConnectionId,
        /// The other end.
        peer: SocketAddr,
        /// Who made the connection.
        origin: Origin,
        /// What the switch says of itself.
        description: Box<Description>,
        /// Where commands for it go.
        commands: mpsc::Sender<Command>,
    },
    /// Something happened on a connection that was reported as connected; [`Event::Closed`] comes last.
    Happened {
        /// The connection.
        connection: ConnectionId,
        /// What happened.
        event: Event,
    },
    /// A dialled switch could not be reached, or its handshake failed. The dialer goes on trying.
    DialFailed {
        /// Who was dialled.
        address: SwitchAddress,
        /// Why it failed, for people.
        reason: String,
    },
}

/// The southbound side: makes connections and drives them.
#[derive(Debug, Clone)]
pub struct Southbound {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    config: session::Config,
    reports: mpsc::Sender<Report>,
    tls: Option<Arc<Tls>>,
    tally: Tally,
    /// The second, since the start, in which a refusal was last told as a warning.
    warned: AtomicU64,
    started: Instant,
    next_connection: AtomicU64,
    places: Semaphore,
    table_reads: Semaphore,
    tracker: TaskTracker,
    shutdown: CancellationToken,
}

impl Southbound {
    /// Begins to accept switches on `listener`, if there is one: with certificates over TLS and in no other way.
    #[must_use]
    pub fn start(
        config: session::Config,
        listener: Option<TcpListener>,
        tls: Option<Arc<Tls>>,
        reports: mpsc::Sender<Report>,
        tracker: TaskTracker,
        shutdown: CancellationToken,
    ) -> Self {
        let shared = Arc::new(Shared {
            config,
            reports,
            tls,
            tally: Tally::default(),
            warned: AtomicU64::new(0),
            started: Instant::now(),
            next_connection: AtomicU64::new(1),
            places: Semaphore::new(MAX_CONNECTIONS),
            table_reads: Semaphore::new(TABLE_READS),
            tracker,
            shutdown,
        });
        if let Some(listener) = listener {
            shared.tracker.spawn(listener::run(listener, Arc::clone(&shared)));
        }
        Self { shared }
    }

    /// Connects to a switch and stays connected, until the returned guard is dropped.
    #[must_use]
    pub fn dial(&self, address: SwitchAddress) -> Dial {
        dialer::start(address, &self.shared)
    }

    /// Whether switches can be dialled over TLS.
    #[must_use]
    pub fn has_certificates(&self) -> bool {
        self.shared.tls.is_some()
    }

    /// The TLS handshake with something else that belongs to a switch and shows its certificate, which this side dialled.
    ///
    /// # Errors
    /// Why the other end is not let in, or that there are no certificates to dial with.
    pub async fn secure(&self, stream: TcpStream, of: DatapathId) -> Result<TlsStream<TcpStream>, String> {
        let tls = self.shared.tls.as_ref().ok_or(NO_CERTIFICATES)?;
        let (stream, identity) = tls.connect(stream).await.map_err(|refusal| refusal.to_string())?;
        if identity.allows(of) { Ok(stream) } else { Err(Refusal::WrongDatapathId.to_string()) }
    }

    /// What was counted since the start.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.shared.tally.totals()
    }
}

impl Shared {
    /// Counts a refusal, and says so: the first of each second aloud.
    fn refuse(&self, reason: Refusal, peer: &dyn fmt::Display) {
        self.tally.refused(reason);
        let second = self.started.elapsed().as_secs() + 1;
        if self.warned.swap(second, Ordering::Relaxed) == second {
            debug!(%peer, "refused a switch: {reason}");
        } else {
            warn!(%peer, "refused a switch: {reason}");
        }
    }

    fn next_connection(&self) -> ConnectionId {
        ConnectionId(self.next_connection.fetch_add(1, Ordering::Relaxed))
    }
}
