//! Emulated switches on real sockets, in either direction.
//!
//! Tasks, each in the tracker of its [`EmulatedSwitch`] and stopped by the token that it was started with:
//! - **dial** (one for each controller of the switch): connects, converses, waits, connects again;
//! - **accept** (one for each listener): accepts controllers and starts a **converse** for each.
//!
//! All of them only wait on sockets, timers and tokens between two turns of the switch; a turn is synchronous and
//! holds the lock, so a task that is cancelled leaves the switch whole. A task that is stopped closes its connection.
//!
//! A conversation reads while it writes, but no more than the switch has room for answers: a controller that does not
//! read its answers is not read from, as with real switches. An idle one owns no buffers.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::ready;
use std::time::Instant;

use bytes::BytesMut;
use openflow::{DatapathId, FlowStats};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::channel::ChannelId;
use super::config::{Backoff, SwitchConfig};
use super::journal::JournalEntry;
use super::misbehaviour::{Fault, Link};
use super::switch::Switch;

/// How much one read takes: some five hundred flows.
const READ_SIZE: usize = 64 * 1024;

/// Starts a switch that dials the controller at `controller` (`HOST:PORT`), again and again, until it is shut down.
pub fn connect(controller: impl Into<String>, config: SwitchConfig, shutdown: CancellationToken) -> EmulatedSwitch {
    let switch = EmulatedSwitch::new(config);
    switch.dial(controller, shutdown);
    switch
}

/// Starts a switch that waits for controllers on `listener`, until it is shut down.
pub fn listen(listener: TcpListener, config: SwitchConfig, shutdown: CancellationToken) -> EmulatedSwitch {
    let switch = EmulatedSwitch::new(config);
    switch.accept(listener, shutdown);
    switch
}

/// A switch that runs by itself, to look into and to disturb. Clones are the same switch.
#[derive(Clone, Debug)]
pub struct EmulatedSwitch {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    switch: Mutex<Switch>,
    /// Wakes the conversations after something happened to the switch outside of them.
    stirred: watch::Sender<()>,
    faults: Mutex<Vec<Fault>>,
    tasks: TaskTracker,
}

impl EmulatedSwitch {
    /// A switch without a connection.
    pub fn new(config: SwitchConfig) -> Self {
        let shared = Shared {
            switch: Mutex::new(Switch::new(config)),
            stirred: watch::Sender::default(),
            faults: Mutex::default(),
            tasks: TaskTracker::new(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Dials one more controller, again and again, until the token is cancelled.
    pub fn dial(&self, controller: impl Into<String>, shutdown: CancellationToken) {
        let (switch, controller) = (self.clone(), controller.into());
        self.shared.tasks.spawn(async move {
            shutdown.run_until_cancelled(switch.dial_for_ever(&controller)).await;
        });
    }

    /// Accepts controllers until the token is cancelled.
    pub fn accept(&self, listener: TcpListener, shutdown: CancellationToken) {
        let switch = self.clone();
        self.shared.tasks.spawn(async move {
            while let Some(accepted) = shutdown.run_until_cancelled(listener.accept()).await {
                let Ok((stream, _)) = accepted else {
                    tokio::time::sleep(Backoff::default().first).await;
                    continue;
                };
                let (switch, shutdown) = (switch.clone(), shutdown.clone());
                switch.shared.tasks.clone().spawn(async move {
                    let channel = switch.lock().open_dialled(now());
                    shutdown.run_until_cancelled(switch.converse_over_tcp(channel, stream)).await;
                });
            }
        });
    }

    /// Talks with one controller over any stream until either side ends it.
    pub async fn converse(&self, stream: impl AsyncRead + AsyncWrite) -> io::Result<()> {
        let channel = self.lock().open(now());
        self.converse_on(channel, stream).await
    }

    async fn converse_on(&self, channel: ChannelId, stream: impl AsyncRead + AsyncWrite) -> io::Result<()> {
        let (mut reader, mut writer) = tokio::io::split(stream);
        Conversation::new(self, channel).run(&mut reader, &mut writer).await?;
        writer.shutdown().await
    }

    /// The faults of the connections to come; those that exist keep theirs.
    pub fn misbehave(&self, faults: Vec<Fault>) {
        *lock(&self.shared.faults) = faults;
    }

    /// The switch's datapath id.
    pub fn datapath_id(&self) -> DatapathId {
        self.lock().config().datapath_id
    }

    /// Whether a controller has got past HELLO.
    pub fn is_connected(&self) -> bool {
        self.lock().is_connected()
    }

    /// All flows, as FLOW_STATS would report them: by table, then the highest priority first.
    pub fn flows(&self) -> Vec<FlowStats> {
        self.with(|switch, now| switch.flows(now))
    }

    /// How many flows there are.
    pub fn flow_count(&self) -> usize {
        self.lock().flow_count()
    }

    /// All flows in the syntax of `ovs-ofctl dump-flows`, one in a line.
    pub fn flows_as_text(&self) -> String {
        self.flows().iter().map(|flow| format!("{flow}\n")).collect()
    }

    /// The last FLOW_MODs that arrived, the oldest first, each with what became of it.
    pub fn journal(&self) -> Vec<JournalEntry> {
        self.lock().journal()
    }

    /// Does something to the switch between two turns of its connections, which then see what it led to.
    pub fn with<T>(&self, work: impl FnOnce(&mut Switch, Instant) -> T) -> T {
        let mut switch = self.lock();
        let now = now();
        switch.handle_timeout(now);
        let result = work(&mut switch, now);
        drop(switch);
        self.shared.stirred.send_replace(());
        result
    }

    /// Waits until every task of the switch has ended, after its token was cancelled.
    pub async fn stopped(&self) {
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
    }

    fn lock(&self) -> MutexGuard<'_, Switch> {
        lock(&self.shared.switch)
    }

    async fn dial_for_ever(&self, controller: &str) {
        let backoff = self.lock().config().backoff;
        let mut wait = backoff.first;
        loop {
            let started = now();
            match TcpStream::connect(controller).await {
                Ok(stream) => {
                    let channel = self.lock().open(now());
                    self.converse_over_tcp(channel, stream).await;
                }
                Err(error) => tracing::debug!(%error, controller, "the controller cannot be reached"),
            }
            wait = if started.elapsed() > backoff.last { backoff.first } else { wait };
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(backoff.last);
        }
    }

    async fn converse_over_tcp(&self, channel: ChannelId, stream: TcpStream) {
        // Small answers go out at once; a socket that refuses the option still works.
        let _ = stream.set_nodelay(true);
        if let Err(error) = self.converse_on(channel, stream).await {
            tracing::debug!(%error, datapath_id = %self.datapath_id(), "a connection to a controller broke");
        }
    }
}

/// One connection: what was read and not yet understood, what was answered and not yet written.
struct Conversation<'a> {
    switch: &'a EmulatedSwitch,
    stirred: watch::Receiver<()>,
    link: Link,
    input: BytesMut,
    output: BytesMut,
}

impl<'a> Conversation<'a> {
    fn new(switch: &'a EmulatedSwitch, channel: ChannelId) -> Self {
        let link = Link::new(channel, lock(&switch.shared.faults).clone());
        let stirred = switch.shared.stirred.subscribe();
        Self { switch, stirred, link, input: BytesMut::new(), output: BytesMut::new() }
    }

    async fn run(
        mut self,
        reader: &mut (impl AsyncRead + Unpin),
        writer: &mut (impl AsyncWrite + Unpin),
    ) -> io::Result<()> {
        loop {
            let turn = self.turn();
            if turn.closed && self.output.is_empty() {
                return Ok(());
            }
            tokio::select! {
                read = read_into(reader, &mut self.input), if turn.wants_input => {
                    if read? == 0 {
                        return Ok(());
                    }
                }
                written = writer.write_buf(&mut self.output), if !self.output.is_empty() => {
                    written?;
                }
                () = sleep_until(turn.timeout) => {}
                _ = self.stirred.changed() => {}
            }
        }
    }

    /// Lets the switch do all that it can do now.
    fn turn(&mut self) -> Turn {
        let mut switch = self.switch.lock();
        let now = now();
        self.stirred.mark_unchanged();
        switch.handle_timeout(now);
        self.link.handle_timeout(&mut switch, now);
        self.link.handle_input(&mut switch, &mut self.input, now);
        if self.output.is_empty() {
            self.link.poll_transmit(&mut switch, &mut self.output);
        }
        let turn = Turn {
            wants_input: self.link.wants_input(&switch),
            closed: self.link.is_closed(&switch),
            timeout: self.link.poll_timeout(&switch),
        };
        let others = switch.take_stir();
        drop(switch);
        if others {
            self.switch.shared.stirred.send_replace(());
        }
        for buffer in [&mut self.input, &mut self.output] {
            if buffer.is_empty() {
                *buffer = BytesMut::new();
            }
        }
        turn
    }
}

impl Drop for Conversation<'_> {
    fn drop(&mut self) {
        self.link.close(&mut self.switch.lock());
    }
}

/// What a connection does until its next turn.
struct Turn {
    wants_input: bool,
    closed: bool,
    timeout: Option<Instant>,
}

/// Appends what one read gives. The bytes come by way of the stack, so that a connection that waits owns no buffer.
async fn read_into(reader: &mut (impl AsyncRead + Unpin), input: &mut BytesMut) -> io::Result<usize> {
    poll_fn(|context| {
        let mut space = [MaybeUninit::<u8>::uninit(); READ_SIZE];
        let mut read = ReadBuf::uninit(&mut space);
        ready!(Pin::new(&mut *reader).poll_read(context, &mut read))?;
        input.extend_from_slice(read.filled());
        Ok(read.filled().len()).into()
    })
    .await
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

/// The time of the runtime, which tests may pause.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
