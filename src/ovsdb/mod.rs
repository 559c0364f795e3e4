//! The database of an Open vSwitch (OVSDB, RFC 7047): the queues of its ports.
//!
//! A [`Watch`] keeps a connection to the database of one switch, sees to it that the queues there are as they are wanted,
//! and tells how they are. What is wanted is the owner's to remember: it is given at the start, and changed by
//! [`Command`]s, each of which has exactly one [`News::Done`].
//!
//! Tasks, all on the tracker given to [`Ovsdb::new`]:
//!
//! | task | for | ends when |
//! | --- | --- | --- |
//! | agent | each [`Watch`] | the `Watch` is dropped, or the shutdown token is cancelled; what it had not committed is made up at the next start |
//!
//! It does not write flows, read counters, or touch rows that others have made.

mod agent;
mod datum;
mod driver;
mod framing;
mod message;
mod operation;
mod pace;
mod plan;
mod queues;
mod replica;
mod session;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

pub use operation::DatabaseError;
pub use queues::{DEFAULT_QUEUE, PortQueues, PortRef, PortState, Queue, Standing};

/// Commands that wait for one database. The owner bounds the requests that it has without an answer by fewer.
pub const COMMANDS: usize = 128;

/// Where a database listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// Plain TCP: a host and a port.
    Tcp(String, u16),
    /// TLS over TCP.
    Ssl(String, u16),
    /// A socket in the file system.
    Unix(String),
}

/// The database of one switch.
#[derive(Debug, Clone)]
pub struct Target {
    /// Where it listens.
    pub address: Address,
    /// The switch's datapath id: it names the bridge, and is part of the mark on our rows.
    pub datapath_id: u64,
    /// This installation's tag: the other part.
    pub installation: u16,
    /// The queues that the ports are to have, by the ports' names.
    pub wanted: BTreeMap<String, PortQueues>,
}

/// What is asked of a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Comes back with the answer.
    pub token: u64,
    /// What is wanted.
    pub wish: Wish,
}

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// A port is to have these queues; `None`: none of ours.
    Set {
        /// Which port.
        port: PortRef,
        /// Its queues.
        queues: Option<PortQueues>,
    },
    /// No port is to have queues of ours.
    Clear,
}

/// News of the database with this key.
#[derive(Debug)]
pub struct Report {
    /// The key given to [`Ovsdb::watch`].
    pub key: u32,
    /// What happened.
    pub news: News,
}

/// What happened.
#[derive(Debug)]
pub enum News {
    /// There is a connection, and the rows are known.
    Reached,
    /// There is none; it is tried again.
    Lost {
        /// Why, for people.
        reason: String,
    },
    /// All ports that have queues, or are to have some.
    Ports(Vec<PortState>),
    /// What became of a command.
    Done {
        /// The command's.
        token: u64,
        /// What it came to.
        result: Result<Done, Refusal>,
    },
}

/// The database has committed what was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// The port's name; `None` for [`Wish::Clear`].
    pub port: Option<String>,
    /// The port as it is now, if it has queues.
    pub state: Option<PortState>,
    /// Whether the switch has said in time that it has taken the change.
    pub is_taken: bool,
}

/// Why a command was not done. What was wanted before is wanted still.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    /// There is no connection.
    #[error("the switch's database cannot be reached: {0}")]
    Unreachable(String),
    /// The connection went, or nothing was heard, before the database said what became of it.
    #[error("the switch's database has not said what became of it; what was set before is brought back")]
    Unconfirmed,
    /// No bridge has the datapath id.
    #[error("the switch's database has no bridge with the datapath id {0}")]
    NoBridge(String),
    /// The bridge has no such port.
    #[error("the switch has no port {0}")]
    NoPort(PortRef),
    /// The port has a QoS that is not ours.
    #[error(
        "port {0} has a QoS that somebody else made; take it off first (ovs-vsctl clear port {0} qos), and delete it \
         where nothing uses it"
    )]
    Foreign(String),
    /// The database said no.
    #[error("the switch's database refused: {0}")]
    Database(#[from] DatabaseError),
}

/// A connection, whatever it goes over.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A connection made secure, or why it is none.
pub type Secured = Pin<Box<dyn Future<Output = Result<Box<dyn Stream>, String>> + Send>>;

/// How a TCP connection to the database of the switch with this datapath id is made secure.
pub type Secure = Arc<dyn Fn(TcpStream, u64) -> Secured + Send + Sync>;

/// Connects to databases.
#[derive(Clone)]
pub struct Ovsdb {
    reports: mpsc::Sender<Report>,
    secure: Secure,
    tracker: TaskTracker,
    shutdown: CancellationToken,
}

impl fmt::Debug for Ovsdb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ovsdb")
    }
}

impl Ovsdb {
    /// News of all databases goes to `reports`.
    #[must_use]
    pub fn new(
        reports: mpsc::Sender<Report>,
        secure: Secure,
        tracker: TaskTracker,
        shutdown: CancellationToken,
    ) -> Self {
        Self { reports, secure, tracker, shutdown }
    }

    /// Connects to a database and stays connected, until the returned guard is dropped. Its news carries `key`.
    #[must_use]
    pub fn watch(&self, key: u32, target: Target) -> Watch {
        let (commands, receiver) = mpsc::channel(COMMANDS);
        let stop = self.shutdown.child_token();
        self.tracker.spawn(driver::run(self.clone(), key, target, receiver, stop.clone()));
        Watch { commands, _stop: stop.drop_guard() }
    }
}

/// Keeps the queues of a switch as they are wanted; dropping it leaves them as they are.
#[derive(Debug)]
pub struct Watch {
    commands: mpsc::Sender<Command>,
    _stop: DropGuard,
}

impl Watch {
    /// Asks for something.
    ///
    /// # Errors
    /// The command comes back when [`COMMANDS`] of them wait.
    pub fn command(&self, command: Command) -> Result<(), Command> {
        self.commands.try_send(command).map_err(mpsc::error::TrySendError::into_inner)
    }
}
