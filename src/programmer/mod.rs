//! The point of it all: desired flows, what each switch has confirmed of them, and the way from one to the other.
//!
//! A command becomes a flow that is stored, rules that are sent, and an answer that is the switch's own: `applied` is
//! said only after the barrier reply came on the connection that the rules went out on, and after the request is on
//! disk. The decisions are all in `engine`, a pure state machine; `driver` is the task around it.

mod answers;
mod arrival;
mod asked;
mod atom;
mod atomic;
mod backup;
mod batch_warnings;
mod capability;
mod commits;
mod cookie;
mod counters;
mod discovered;
mod drift;
mod driver;
mod engine;
mod flow;
mod flows;
mod foreign;
mod install;
mod inventory;
mod leaving;
mod meter;
mod meter_answers;
mod metering;
mod news;
mod node;
mod outbox;
mod outcome;
mod places;
mod preview;
mod queues;
mod reads;
mod recall;
mod reclass;
mod reconcile;
mod record;
mod removal;
mod restore;
mod sample;
mod slice;
mod soon;
mod stored;
mod table_miss;
#[cfg(test)]
mod tests;
mod trail;
mod view;
mod warnings;

use std::collections::BTreeMap;
use std::future::Future;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::contract::{AlarmKind, Command, ErrorBody, FlowId, FlowState, NodeState, Reply, Timestamp};
use crate::ovsdb::{self, Ovsdb, Secured};
use crate::policy::ClassTable;
use crate::southbound::{Report, Southbound};
use crate::store::{Completion, Snapshot, Store, StoreError};

pub use backup::{Counts, ExportError, ImportError, export, import};
use driver::Newsroom;
pub use engine::Config;
pub use news::{Audience, INTERVALS_MS, News, Seat, interval_index};
pub use reclass::{ReclassError, Reclassed};
pub use record::RecordError;
pub(crate) use slice::Slice;
pub use slice::{Checked, Part, Terms};
pub use trail::Step;

pub use crate::session::Counters;
pub use crate::southbound::{Refusal, Totals};

/// Commands that wait for the programmer, from all clients together. A client that finds it full waits, and so reads no
/// more of its own requests.
const INBOX: usize = 4_096;

/// News of databases that waits for the programmer: there is little of it. A database whose news finds it full waits.
const DATABASE_REPORTS: usize = 256;

/// Flows that there may be, those that have ended and are remembered included: about a gigabyte of memory.
pub const MAX_FLOWS: usize = 2_000_000;

/// Parts of batches that wait for the programmer: it takes one at a time, and each client has few of them under way.
const SLICES: usize = 64;

/// Questions after the states of all nodes that wait for the programmer. Each costs it a look at every node.
const SURVEYS: usize = 4;

/// Classes of traffic that wait to be put in force.
const RECLASSINGS: usize = 1;

/// Events that wait to be written for subscribers: those of one large batch. Beyond them there is a gap.
const NEWS: usize = 65_536;

/// How long a change of a flow waits for the switch's word on it, to be stored with that in one write. A switch whose answer
/// takes longer takes longer than the disk, too.
pub const PATIENCE: Duration = Duration::from_millis(1);

/// So many flows of one batch go to a switch that has bundles in one: fewer are as fast without.
pub const BULK: usize = 16;

/// A removal of so many flows lets what is asked beside it go first: fewer are gone in a few milliseconds.
pub const MANY: usize = 256;

/// The ticket of the first commit, before the engine counts its own.
const FIRST_COMMIT: u64 = 0;

/// What happens to a switch that dials in without having been added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Admission {
    /// It appears as a discovered node, to which nothing is written.
    #[default]
    Discover,
    /// It is registered at once, named by its datapath id.
    Adopt,
    /// It is refused.
    Registered,
}

/// The rule of priority 0 that a registered node gets in table 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TableMiss {
    /// Packets that no flow takes are forwarded as an ordinary switch would.
    #[default]
    Normal,
    /// They are dropped.
    Drop,
    /// They are sent to the controller.
    Controller,
    /// No such rule is written.
    None,
}

/// The one answer to a command.
pub type Answer = Result<Reply, ErrorBody>;

/// The daemon is shutting down: the command was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the daemon is shutting down")]
pub struct Closed;

/// A command on its way in, and where its answer goes.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) command: Command,
    pub(crate) answer: oneshot::Sender<Answer>,
    pub(crate) trail: Option<TrailSender>,
}

/// Where what was sent to switches for a command is told, right before its answer.
pub type TrailSender = oneshot::Sender<Vec<Step>>;

/// Classes of traffic on their way in, and where the word on them goes.
#[derive(Debug)]
struct Reclassing {
    classes: ClassTable,
    answer: oneshot::Sender<Result<Reclassed, ReclassError>>,
}

/// What there is, counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survey {
    /// How many nodes are in each state.
    pub nodes: BTreeMap<NodeState, u64>,
    /// How many flows are in each state on their nodes: a flow on two nodes counts twice.
    pub flows: BTreeMap<FlowState, u64>,
    /// How many alarms of each kind were raised since the start.
    pub alarms: BTreeMap<AlarmKind, u64>,
}

impl Default for Survey {
    /// Every state and kind, with 0.
    fn default() -> Self {
        fn none<K: Copy + Ord>(all: &[K]) -> BTreeMap<K, u64> {
            all.iter().map(|&key| (key, 0)).collect()
        }
        Self { nodes: none(NodeState::ALL), flows: none(FlowState::ALL), alarms: none(AlarmKind::ALL) }
    }
}

/// A handle on the programmer: cheap to clone, good for any number of callers.
#[derive(Debug, Clone)]
pub struct Programmer {
    inbox: mpsc::Sender<Request>,
    slices: mpsc::Sender<Slice>,
    surveys: mpsc::Sender<oneshot::Sender<Survey>>,
    reclassings: mpsc::Sender<Reclassing>,
    southbound: Option<Southbound>,
    audience: Audience,
}

impl Programmer {
    /// A handle whose commands go to `inbox`, where a test answers them.
    #[cfg(test)]
    pub(crate) fn new(inbox: mpsc::Sender<Request>) -> Self {
        Self::with_slices(inbox, mpsc::channel(1).0)
    }

    /// The same for parts of batches too.
    #[cfg(test)]
    pub(crate) fn with_slices(inbox: mpsc::Sender<Request>, slices: mpsc::Sender<Slice>) -> Self {
        let (surveys, reclassings) = (mpsc::channel(1).0, mpsc::channel(1).0);
        Self { inbox, slices, surveys, reclassings, southbound: None, audience: Audience::default() }
    }

    /// What there is, counted; `None` when the programmer has stopped.
    pub async fn survey(&self) -> Option<Survey> {
        let (answer, receiver) = oneshot::channel();
        self.surveys.send(answer).await.ok()?;
        receiver.await.ok()
    }

    /// Puts other classes of traffic in force, and plans the flows anew that they change.
    ///
    /// # Errors
    /// A [`ReclassError`] when one flow could not be as they say: then the ones before stay in force for all.
    pub async fn reclass(&self, classes: ClassTable) -> Result<Reclassed, ReclassError> {
        let (answer, receiver) = oneshot::channel();
        let sent = self.reclassings.send(Reclassing { classes, answer }).await;
        sent.map_err(|_| ReclassError::Stopped)?;
        receiver.await.unwrap_or(Err(ReclassError::Stopped))
    }

    /// Who listens to its news. Those who have subscribers count them here.
    #[must_use]
    pub fn audience(&self) -> &Audience {
        &self.audience
    }

    /// What the connections to switches have counted.
    #[must_use]
    pub fn switch_totals(&self) -> Option<Totals> {
        self.southbound.as_ref().map(Southbound::totals)
    }

    /// Queues a command; waits while the inbox is full. The receiver yields exactly one answer, or is closed when
    /// the daemon shuts down first.
    ///
    /// # Errors
    /// [`Closed`] when the programmer has stopped.
    pub async fn submit(&self, command: Command) -> Result<oneshot::Receiver<Answer>, Closed> {
        self.submit_followed(command, None).await
    }

    /// The same, where somebody may want to know what was sent to switches for it.
    ///
    /// # Errors
    /// [`Closed`] when the programmer has stopped.
    pub async fn submit_followed(
        &self,
        command: Command,
        trail: Option<TrailSender>,
    ) -> Result<oneshot::Receiver<Answer>, Closed> {
        let (answer, receiver) = oneshot::channel();
        self.inbox.send(Request { command, answer, trail }).await.map_err(|_| Closed)?;
        Ok(receiver)
    }
}

/// Why the programmer could not begin.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store has a record that makes no sense.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The store cannot be written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A class of traffic is gone that a flow has.
    #[error(
        "flow {flow} is of the traffic type {class}, which there is not any more: \
         put [classes.{class}] into the configuration file again"
    )]
    UnknownClass {
        /// One such flow.
        flow: FlowId,
        /// The name of the class.
        class: String,
    },
    /// The store's queue was full before anything was asked of it.
    #[error("the store takes no work")]
    Busy,
}

/// Makes a programmer from what the store had: a handle for its callers, the events for those who subscribe, and the
/// future that is its task. It ends when `shutdown` is cancelled, or with an error when the store can no longer be trusted.
///
/// # Errors
/// A [`StartError`] when the store's records cannot be read, or the first of this start cannot be written.
pub async fn start(
    config: Config,
    mut store: Store,
    snapshot: &Snapshot,
    southbound: Southbound,
    reports: mpsc::Receiver<Report>,
    tracker: TaskTracker,
    shutdown: CancellationToken,
) -> Result<(Programmer, mpsc::Receiver<News>, impl Future<Output = Result<(), StoreError>> + use<>), StartError> {
    let (loaded, batch) = record::Loaded::new(snapshot)?;
    let audience = Audience::default();
    let engine = engine::Engine::new(config, loaded, audience.clone(), Instant::now(), Timestamp::now())?;
    // No number may be used, and so no cookie written to a switch, that a later start could use again.
    store.submit(batch, FIRST_COMMIT).map_err(|_| StartError::Busy)?;
    match store.completion().await {
        Completion::Committed { .. } => {}
        Completion::Refused { error, .. } | Completion::Failed { error } => return Err(error.into()),
    }
    let (news, told) = mpsc::channel(NEWS);
    let (inbox, receiver) = mpsc::channel(INBOX);
    let (surveys, surveyed) = mpsc::channel(SURVEYS);
    let (reclassings, reclassed) = mpsc::channel(RECLASSINGS);
    let (slices, sliced) = mpsc::channel(SLICES);
    let southbound_handle = Some(southbound.clone());
    let handle = Programmer { inbox, slices, surveys, reclassings, southbound: southbound_handle, audience };
    let news = Newsroom::new(news);
    let (database_reports, databases) = mpsc::channel(DATABASE_REPORTS);
    let ovsdb = Ovsdb::new(database_reports, secure(southbound.clone()), tracker, shutdown.clone());
    let driver = driver::Driver {
        engine,
        store,
        southbound,
        ovsdb,
        inbox: receiver,
        slices: sliced,
        surveys: surveyed,
        reclassings: reclassed,
        reports,
        databases,
        news,
    };
    Ok((handle, told, driver.run(shutdown)))
}

/// Databases show the certificates that their switches show.
fn secure(southbound: Southbound) -> ovsdb::Secure {
    std::sync::Arc::new(move |stream, datapath_id| -> Secured {
        let southbound = southbound.clone();
        Box::pin(async move {
            let stream = southbound.secure(stream, openflow::DatapathId(datapath_id)).await?;
            Ok(Box::new(stream) as Box<dyn ovsdb::Stream>)
        })
    })
}
