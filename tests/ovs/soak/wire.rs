//! The wires between the switches and the daemon, in the checker's hands: each is cut, deafened or slowed down at will,
//! and tells when a switch confirms what it was sent.

use std::collections::HashSet;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::history::{Event, Log};
use super::witness::Witness;

/// How long a connection is held for an end that does not listen yet, before its maker is refused.
const PATIENCE: Duration = Duration::from_secs(3);

/// How long a connection that is to be torn is waited for.
const TORN: Duration = Duration::from_millis(500);

/// Who connects to the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Caller {
    Switch,
    Daemon,
}

/// How a connection is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cut {
    /// Both ends are closed at once.
    Closed,
    /// After so many bytes more towards the switch, in the middle of a message most likely; or after [`TORN`].
    Torn(u16),
    /// The daemon hears nothing more while the switch goes on carrying out what it is sent, for so many milliseconds;
    /// then both ends are closed.
    Deaf(u16),
    /// Everything takes so many milliseconds, for ten times as long; then both ends are closed.
    Slow(u16),
    /// The switch's end is closed; the daemon's stays open and is silent.
    Forsaken,
    /// Both ends stay open, and nothing passes any more: they find out by themselves.
    HalfOpen,
}

/// The way of one node's connections.
#[derive(Debug, Clone)]
pub(super) struct Wire {
    /// Where its caller connects.
    pub(super) port: u16,
    name: String,
    log: Log,
    /// Cookies that were told of before.
    told: Arc<Mutex<HashSet<u64>>>,
    current: Arc<Mutex<Option<Arc<Connection>>>>,
}

/// One connection through a wire.
#[derive(Debug)]
struct Connection {
    began: Instant,
    switch: TcpStream,
    daemon: TcpStream,
    witness: Mutex<Witness>,
    /// What the switch says goes nowhere.
    is_deaf: AtomicBool,
    /// What the daemon says goes nowhere.
    is_dumb: AtomicBool,
    delay_ms: AtomicU64,
    /// Bytes that may still go to the switch.
    allowance: AtomicI64,
    /// The daemon's end is kept when the switch's ends.
    is_forsaken: AtomicBool,
    /// How many of the two ends have spoken; more once it is over.
    spoken: AtomicU64,
}

impl Wire {
    /// Listens on `listener` and hands every connection on to `target`.
    pub(super) fn lay(name: &str, listener: TcpListener, caller: Caller, target: u16, log: &Log) -> Self {
        let wire = Self {
            port: listener.local_addr().unwrap().port(),
            name: name.to_owned(),
            log: log.clone(),
            told: Arc::default(),
            current: Arc::default(),
        };
        let own = wire.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let wire = own.clone();
                thread::spawn(move || wire.carry(stream?, caller, target));
            }
        });
        wire
    }

    /// Breaks the connection that there is; false when there is none.
    pub(super) fn cut(&self, cut: Cut) -> bool {
        let Some(connection) = self.current.lock().unwrap().clone() else { return false };
        match cut {
            Cut::Closed => connection.close(),
            Cut::Torn(bytes) => {
                connection.allowance.store(bytes.into(), Ordering::Relaxed);
                connection.close_after(TORN);
            }
            Cut::Deaf(time) => {
                connection.is_deaf.store(true, Ordering::Relaxed);
                connection.close_after(Duration::from_millis(time.into()));
            }
            Cut::Slow(time) => {
                connection.delay_ms.store(time.into(), Ordering::Relaxed);
                connection.close_after(Duration::from_millis(u64::from(time) * 10));
            }
            Cut::Forsaken => {
                connection.is_forsaken.store(true, Ordering::Relaxed);
                let _ = connection.switch.shutdown(Shutdown::Both);
            }
            Cut::HalfOpen => {
                connection.is_deaf.store(true, Ordering::Relaxed);
                connection.is_dumb.store(true, Ordering::Relaxed);
            }
        }
        self.over(&connection);
        true
    }

    /// Whether both ends of the present connection have spoken, nothing has been done to it, and it is so old at least.
    pub(super) fn has_carried_for(&self, time: Duration) -> bool {
        let is_old = |current: &Arc<Connection>| current.began.elapsed() >= time;
        let is_up = |current: &Arc<Connection>| current.spoken.load(Ordering::Relaxed) == 2;
        self.current.lock().unwrap().as_ref().is_some_and(|current| is_up(current) && is_old(current))
    }

    fn carry(&self, caller_end: TcpStream, caller: Caller, target: u16) -> io::Result<()> {
        let other_end = connect(target)?;
        let (switch, daemon) = match caller {
            Caller::Switch => (caller_end, other_end),
            Caller::Daemon => (other_end, caller_end),
        };
        switch.set_nodelay(true)?;
        daemon.set_nodelay(true)?;
        let connection = Arc::new(Connection {
            began: Instant::now(),
            switch,
            daemon,
            witness: Mutex::default(),
            is_deaf: AtomicBool::new(false),
            is_dumb: AtomicBool::new(false),
            delay_ms: AtomicU64::new(0),
            allowance: AtomicI64::new(i64::MAX),
            is_forsaken: AtomicBool::new(false),
            spoken: AtomicU64::new(0),
        });
        *self.current.lock().unwrap() = Some(Arc::clone(&connection));
        let (wire, downward) = (self.clone(), Arc::clone(&connection));
        thread::spawn(move || {
            let _ = wire.pump_down(&downward);
            wire.over(&downward);
            downward.close();
        });
        let _ = self.pump_up(&connection);
        self.over(&connection);
        if connection.is_forsaken.load(Ordering::Relaxed) {
            let _ = connection.switch.shutdown(Shutdown::Both);
        } else {
            connection.close();
        }
        Ok(())
    }

    fn pump_down(&self, connection: &Arc<Connection>) -> io::Result<()> {
        let mut buffer = [0; 65_536];
        let mut has_spoken = false;
        loop {
            let read = (&connection.daemon).read(&mut buffer)?;
            if read == 0 {
                return Ok(());
            }
            if connection.is_dumb.load(Ordering::Relaxed) || connection.is_forsaken.load(Ordering::Relaxed) {
                continue;
            }
            connection.dawdle();
            self.speak(connection, &mut has_spoken);
            let allowed = connection.allowance.fetch_sub(i64::try_from(read).unwrap(), Ordering::Relaxed);
            let passes = read.min(usize::try_from(allowed).unwrap_or(0));
            connection.witness.lock().unwrap().sent(&buffer[..passes]);
            (&connection.switch).write_all(&buffer[..passes])?;
            if passes < read {
                return Ok(());
            }
        }
    }

    fn pump_up(&self, connection: &Arc<Connection>) -> io::Result<()> {
        let mut buffer = [0; 65_536];
        let mut has_spoken = false;
        loop {
            let read = (&connection.switch).read(&mut buffer)?;
            if read == 0 {
                return Ok(());
            }
            connection.dawdle();
            if connection.is_deaf.load(Ordering::Relaxed) {
                continue;
            }
            self.speak(connection, &mut has_spoken);
            let mut cookies = connection.witness.lock().unwrap().heard(&buffer[..read]);
            cookies.retain(|cookie| self.told.lock().unwrap().insert(*cookie));
            if !cookies.is_empty() {
                self.log.write(Event::Confirmed { node: self.name.clone(), cookies });
            }
            (&connection.daemon).write_all(&buffer[..read])?;
        }
    }

    /// An end of the connection speaks for the first time.
    fn speak(&self, connection: &Connection, has_spoken: &mut bool) {
        if !std::mem::replace(has_spoken, true) && connection.spoken.fetch_add(1, Ordering::Relaxed) == 1 {
            self.log.write(Event::Linked { node: self.name.clone() });
        }
    }

    fn over(&self, connection: &Connection) {
        if connection.spoken.fetch_add(2, Ordering::Relaxed) == 2 {
            let is_forsaken = connection.is_forsaken.load(Ordering::Relaxed);
            self.log.write(Event::Unlinked { node: self.name.clone(), is_forsaken });
        }
    }
}

impl Connection {
    fn close(&self) {
        let _ = self.switch.shutdown(Shutdown::Both);
        let _ = self.daemon.shutdown(Shutdown::Both);
    }

    fn close_after(self: &Arc<Self>, time: Duration) {
        let connection = Arc::clone(self);
        thread::spawn(move || {
            wait(time);
            connection.close();
        });
    }

    fn dawdle(&self) {
        wait(Duration::from_millis(self.delay_ms.load(Ordering::Relaxed)));
    }
}

/// Connects to a port on loopback, once somebody listens there.
fn connect(port: u16) -> io::Result<TcpStream> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match TcpStream::connect(("127.0.0.1", port)) {
            Err(_) if Instant::now() < deadline => wait(Duration::from_millis(5)),
            result => return result,
        }
    }
}

/// Lets time pass: that of the wire, not of a test that waits for something.
fn wait(time: Duration) {
    let deadline = Instant::now() + time;
    while let Some(rest) = deadline.checked_duration_since(Instant::now()).filter(|rest| !rest.is_zero()) {
        thread::park_timeout(rest);
    }
}
