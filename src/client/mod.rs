//! The Rust client of the northbound interface: a connection to a Flumen daemon that is made again when it is lost.
//!
//! [`Client::connect`] opens it, [`Client::call`] asks and waits, [`Client::send`] asks and hands back the answer to
//! wait for later, so that requests can be pipelined. Answers are matched by `id` and may come in any order. Messages are
//! JSON, or MessagePack where the configuration says so ([`Config::subprotocol`]) and the daemon agrees.
//!
//! ```no_run
//! use flumen::client::{Client, Config};
//! use flumen::contract::{Command, InstallFlow, Reply};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::connect(Config::new("ws://127.0.0.1:8653".parse()?)).await?;
//! let voice = InstallFlow::new("10.0.1.0/24".parse()?, "10.0.2.0/24".parse()?, "voice".to_owned());
//! if let Reply::Flow { flow } = client.call(&Command::InstallFlow(Box::new(voice))).await? {
//!     println!("{} is {}", flow.flow_id, flow.state);
//! }
//! client.close().await;
//! # Ok(())
//! # }
//! ```
//!
//! # When the connection is lost
//! It is made again, after a wait that doubles from 1 s to 30 s, until it stands or [`Reconnect::attempts`] are over;
//! [`Client::watch`] tells of every step. What was in flight ends truthfully:
//!
//! - `InstallFlow` and `InstallFlows` are asked again by their `flow_id`, which does nothing twice, and so is everything
//!   that only reads. A flow that is given no `flow_id` gets one here.
//! - `RemoveFlow` is asked again, too: it does nothing to a flow that is on its way out or has ended. Only of a flow that
//!   was `rejected` it frees the id. Then the second one hears `not_found`, or takes off what was installed under that id
//!   in between: whoever gives a freed id away waits for the answer first.
//! - The others end with [`RequestError::OutcomeUnknown`], and so does what was in flight when the connection was lost
//!   more than [`LOSSES_MAX`] times, or when no other connection comes about. What was never written ends with
//!   [`RequestError::NotSent`].
//! - Everything that was in flight, with a `flow_id` or not, ends with [`RequestError::OutcomeUnknown`] when the daemon
//!   closes with 1002, 1003, 1007 or 1009: it took offence at one of them, nobody knows at which, and would again.
//! - Subscriptions go on behind the last event that came. What the daemon can tell no more comes as an event that is a
//!   [`Gap`](crate::contract::EventPayload::Gap).
//!
//! # Bounds
//! [`IN_FLIGHT_MAX`] requests of together [`IN_FLIGHT_BYTES_MAX`] wait at a time; whoever sends more waits for a place.
//! [`EVENTS_MAX`] events wait for their reader; when it is slower, it finds a gap in their place, and nobody else waits.
//!
//! # Tasks
//! One, the supervisor (`supervisor.rs`). It ends when the [`Client`] is dropped or closed (it then says goodbye to the
//! daemon, and takes 2 s at most), or when there can be no other connection. It owns the socket and nothing else, so
//! dropping it half-way loses only the connection.

mod config;
mod connection;
mod counters;
mod encoded;
mod error;
mod in_flight;
mod state;
mod subscriptions;
mod supervisor;
mod token;
mod url;
mod wire;

use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use serde_json::value::RawValue;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::contract::{Command, FlowId, InstallFlow, Reply, Request, RequestId, Subprotocol};

pub use self::config::{Config, Reconnect};
pub use self::counters::Counters;
pub use self::error::{AuthoritiesError, ConnectError, Lost, RequestError};
pub use self::in_flight::LOSSES_MAX;
pub use self::state::{ConnectionState, STATES_MAX, Watch};
pub use self::subscriptions::{EVENTS_MAX, Event};
pub use self::token::{Token, TokenError};
pub use self::url::{Url, UrlError};
use connection::{Outgoing, Shared};
use encoded::Encoded;
use in_flight::{Answer, Pending};
use supervisor::Supervisor;
use wire::{Dial, Line, Network};

/// Requests of one client that may wait for their answer at a time. It bounds what a daemon that answers slowly is made
/// to hold for it.
pub const IN_FLIGHT_MAX: usize = 1024;

/// Bytes of those requests, which are kept for when they have to be asked again. One request alone may be bigger.
pub const IN_FLIGHT_BYTES_MAX: usize = 64 << 20;

/// What [`IN_FLIGHT_BYTES_MAX`] is counted in: a semaphore counts no further than 32 bits at once.
const BYTES_UNIT: usize = 1 << 10;

/// How long resolving, connecting and the WebSocket handshake may take together.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The largest message accepted: a Reply to a large batch is far over a request's limit of 1 MiB.
const MESSAGE_MAX: usize = 64 << 20;

/// A connection to a daemon, one after the other. Cheap to share behind an `Arc`; every method takes `&self`.
#[derive(Debug)]
pub struct Client {
    outgoing: mpsc::Sender<Outgoing>,
    /// How requests are written, unless the daemon wants them otherwise.
    subprotocol: Subprotocol,
    places: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
    shared: Arc<Shared>,
    last_id: AtomicU64,
    /// What the ids of flows that are given none begin with: no other client has it.
    name: String,
    last_flow: AtomicU64,
    task: JoinHandle<()>,
    stop: DropGuard,
}

impl Client {
    /// Connects. The first attempt must succeed; later ones are made as the configuration says.
    ///
    /// # Errors
    /// Why there is no connection.
    pub async fn connect(config: Config) -> Result<Self, ConnectError> {
        Self::connect_over(config, Arc::new(Network)).await
    }

    /// Begins to connect, and goes on trying as the configuration says. Requests wait until there is a connection.
    pub fn start(config: Config) -> Self {
        let shared = Arc::new(Shared::new());
        shared.states.enter(ConnectionState::Connecting);
        Self::supervised(config, Arc::new(Network), shared, None)
    }

    async fn connect_over(config: Config, dial: Arc<dyn Dial>) -> Result<Self, ConnectError> {
        let shared = Arc::new(Shared::new());
        shared.states.enter(ConnectionState::Connecting);
        let line = wire::open(&*dial, &config, &shared).await?;
        Ok(Self::supervised(config, dial, shared, Some(line)))
    }

    fn supervised(config: Config, dial: Arc<dyn Dial>, shared: Arc<Shared>, line: Option<Line>) -> Self {
        let (outgoing, requests) = mpsc::channel(IN_FLIGHT_MAX);
        let stop = CancellationToken::new();
        let subprotocol = config.subprotocol;
        let supervisor = Supervisor { config, dial, requests, shared: Arc::clone(&shared), stop: stop.clone() };
        let task = tokio::spawn(supervisor.run(line));
        Self {
            outgoing,
            subprotocol,
            places: Arc::new(Semaphore::new(IN_FLIGHT_MAX)),
            bytes: Arc::new(Semaphore::new(IN_FLIGHT_BYTES_MAX / BYTES_UNIT)),
            shared,
            last_id: AtomicU64::new(0),
            name: format!("c{:016x}", fastrand::u64(..)),
            last_flow: AtomicU64::new(0),
            task,
            stop: stop.drop_guard(),
        }
    }

    /// Sends `command` and waits for its Reply.
    ///
    /// # Errors
    /// Why there is no Reply.
    pub async fn call(&self, command: &Command) -> Result<Reply, RequestError> {
        let payload = self.request(command).await?;
        serde_json::from_str(payload.get()).map_err(RequestError::Strange)
    }

    /// Sends `command` and waits for its answer: the Reply's payload, byte for byte as the daemon wrote it in JSON; what
    /// came as MessagePack is written as the daemon would.
    ///
    /// # Errors
    /// Why there is no Reply.
    pub async fn request(&self, command: &Command) -> Result<Box<RawValue>, RequestError> {
        self.send(command).await?.answer().await
    }

    /// Sends `command` and returns at once with what there is to wait for; waits only while as much as may be is
    /// unanswered.
    ///
    /// # Errors
    /// Why it was not sent.
    pub async fn send(&self, command: &Command) -> Result<InFlight, RequestError> {
        let not_sent = || RequestError::NotSent(self.shared.loss());
        let command = self.with_ids(command)?;
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(|_| not_sent())?;
        let number = self.last_id.fetch_add(1, Ordering::Relaxed) + 1;
        let request = Request { id: &RequestId::from(number), command: &command };
        let message = Encoded::of(self.subprotocol, &request).map_err(RequestError::Encode)?;
        let units = message.len().min(IN_FLIGHT_BYTES_MAX).div_ceil(BYTES_UNIT);
        let units = u32::try_from(units).unwrap_or(u32::MAX);
        let bytes = Arc::clone(&self.bytes).acquire_many_owned(units).await.map_err(|_| not_sent())?;
        let (answer, answered) = oneshot::channel();
        let pending = Pending::new(&command, message.clone(), answer, [place, bytes]);
        self.outgoing.send(Outgoing { number, pending }).await.map_err(|_| not_sent())?;
        Ok(InFlight { message, answered, shared: Arc::clone(&self.shared) })
    }

    /// The command, in which every flow that is to be installed has an id: the key by which it can be asked for again.
    fn with_ids<'a>(&self, command: &'a Command) -> Result<Cow<'a, Command>, RequestError> {
        let needs_id = |flow: &InstallFlow| flow.flow_id.is_none() && !flow.dry_run;
        Ok(match command {
            Command::InstallFlow(flow) if needs_id(flow) => {
                let flow = InstallFlow { flow_id: Some(self.new_flow_id()?), ..(**flow).clone() };
                Cow::Owned(Command::InstallFlow(Box::new(flow)))
            }
            Command::InstallFlows(many) if many.flows.iter().any(needs_id) => {
                let mut many = many.clone();
                for flow in many.flows.iter_mut().filter(|flow| needs_id(flow)) {
                    flow.flow_id = Some(self.new_flow_id()?);
                }
                Cow::Owned(Command::InstallFlows(many))
            }
            other => Cow::Borrowed(other),
        })
    }

    fn new_flow_id(&self) -> Result<FlowId, RequestError> {
        let id = format!("{}-{}", self.name, self.last_flow.fetch_add(1, Ordering::Relaxed) + 1);
        // It is short and plain, so this does not happen.
        id.parse().map_err(|error| RequestError::Encode(serde::de::Error::custom(error)))
    }

    /// The events of all subscriptions until the client ends; `None` when it has ended. Whoever was given them before
    /// gets no more.
    pub fn events(&self) -> Option<mpsc::Receiver<Event>> {
        let (sender, events) = mpsc::channel(EVENTS_MAX);
        self.shared.subscriptions.read_by(Some(sender));
        if self.shared.ended.get().is_some() { None } else { Some(events) }
    }

    /// Where the connection stands.
    pub fn state(&self) -> ConnectionState {
        self.shared.states.now()
    }

    /// Where the connection stands, and then every change.
    pub fn watch(&self) -> Watch {
        self.shared.states.watch()
    }

    /// Why the client has ended by itself, when it has.
    pub fn loss(&self) -> Option<Lost> {
        self.shared.ended.get().cloned()
    }

    /// How messages are written on the connection, or were on the last one.
    pub fn subprotocol(&self) -> Subprotocol {
        self.shared.spoken.lock().unwrap_or_else(PoisonError::into_inner).unwrap_or(self.subprotocol)
    }

    /// What went over its connections so far.
    pub fn counters(&self) -> Counters {
        self.shared.tally.read()
    }

    /// Sends what was asked before, says goodbye, and waits until the daemon has, too (2 s at most).
    pub async fn close(self) {
        let Self { outgoing, task, stop, .. } = self;
        drop((outgoing, stop));
        // A task that panicked has nobody left to say goodbye to.
        let _ = task.await;
    }
}

/// A request that was sent and not yet answered. Dropping it forgets the answer, not the request; but nothing is asked
/// again that nobody waits for.
#[derive(Debug)]
pub struct InFlight {
    message: Encoded,
    answered: oneshot::Receiver<Answer>,
    shared: Arc<Shared>,
}

impl InFlight {
    /// The message, as JSON.
    pub fn text(&self) -> Cow<'_, str> {
        self.message.json()
    }

    /// Waits for the answer.
    ///
    /// # Errors
    /// Why there is no Reply.
    pub async fn answer(self) -> Result<Box<RawValue>, RequestError> {
        match self.answered.await {
            Ok(answer) => answer,
            Err(_) => Err(RequestError::OutcomeUnknown(self.shared.loss())),
        }
    }
}

#[cfg(test)]
mod tests;
