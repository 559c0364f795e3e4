//! Thousands of idle switches of another process: what each of them costs, and how long until all are back.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command as Program, Stdio};
use std::time::{Duration, Instant};

use flumen::session::{CloseReason, Command, Event};
use flumen::southbound::{ConnectionId, Report};
use tokio::sync::mpsc;

use super::listening;
use super::process::{Running, processor_time, resident};

const SWITCHES: usize = 9_500;
/// What the handshakes left behind is not what idle switches cost.
const SETTLE: Duration = Duration::from_secs(12);
/// How long is watched what they cost: four rounds of echo requests.
const WATCH: Duration = Duration::from_secs(20);
/// For all of them to come, or to be back.
const PATIENCE: Duration = Duration::from_secs(120);

/// The southbound side alone, in this process.
pub(super) async fn library() {
    let (address, reports, _southbound) = listening().await;
    let mut owner = Owner { reports, switches: HashMap::new() };
    let (before, begun) = (resident(std::process::id()).0, Instant::now());
    let _switches = emulate(address);
    owner.wait_for_all().await;
    println!("idle: {SWITCHES} switches connected after {:.1?}", begun.elapsed());
    owner.take_reports_for(SETTLE).await;
    let start = Sample::now(std::process::id());
    owner.take_reports_for(WATCH).await;
    start.print("idle", before);
    let begun = Instant::now();
    owner.close_all();
    owner.wait_for_all().await;
    println!("idle: all {SWITCHES} were back after {:.1?}", begun.elapsed());
}

/// Who has the connections.
struct Owner {
    reports: mpsc::Receiver<Report>,
    switches: HashMap<ConnectionId, mpsc::Sender<Command>>,
}

impl Owner {
    async fn take_report(&mut self) {
        match self.reports.recv().await.expect("news") {
            Report::Connected { connection, commands, .. } => {
                self.switches.insert(connection, commands);
            }
            Report::Happened { connection, event: Event::Closed(_) } => {
                self.switches.remove(&connection);
            }
            Report::Happened { .. } | Report::DialFailed { .. } => {}
        }
    }

    async fn wait_for_all(&mut self) {
        let all = async {
            while self.switches.len() < SWITCHES {
                self.take_report().await;
            }
        };
        let came = tokio::time::timeout(PATIENCE, all).await;
        assert!(came.is_ok(), "{} of {SWITCHES} switches came in time", self.switches.len());
    }

    async fn take_reports_for(&mut self, time: Duration) {
        let _ = tokio::time::timeout(time, async {
            loop {
                self.take_report().await;
            }
        })
        .await;
    }

    fn close_all(&mut self) {
        for (_, switch) in self.switches.drain() {
            // One that has ended by itself meanwhile comes back as well.
            let _ = switch.try_send(Command::Close(CloseReason::Shutdown));
        }
    }
}

/// A whole daemon, whose nodes they are. It is killed and started again to see how long until all are back.
pub(super) fn daemon() {
    let data = tempfile::tempdir().expect("a directory");
    let (northbound, openflow) = (free(), free());
    let serve = || {
        let mut serve = flumen();
        serve.args(["serve", "--log", "error", "--admission", "adopt", "--data"]).arg(data.path());
        serve.args(["--listen", &northbound.to_string(), "--openflow", &openflow.to_string()]);
        Running::start(&mut serve).expect("flumen serve")
    };
    let daemon = serve();
    wait_until("the daemon listens", || connected(northbound).is_some());
    let (before, begun) = (resident(daemon.id()).0, Instant::now());
    let _switches = emulate(openflow);
    wait_until("all are nodes", || connected(northbound) == Some(SWITCHES));
    println!("daemon: {SWITCHES} switches connected after {:.1?}", begun.elapsed());
    std::thread::sleep(SETTLE);
    let start = Sample::now(daemon.id());
    std::thread::sleep(WATCH);
    start.print("daemon", before);
    drop(daemon);
    let begun = Instant::now();
    let daemon = serve();
    wait_until("all are back", || connected(northbound) == Some(SWITCHES));
    println!("daemon: killed and started again, all {SWITCHES} were back after {:.1?}", begun.elapsed());
    std::thread::sleep(SETTLE);
    let start = Sample::now(daemon.id());
    std::thread::sleep(WATCH);
    start.print("daemon, started again", before);
}

/// What a process has used up at a moment.
struct Sample {
    process: u32,
    at: Instant,
    busy: Duration,
}

impl Sample {
    fn now(process: u32) -> Self {
        Self { process, at: Instant::now(), busy: processor_time(process) }
    }

    /// What it has used since, and the memory that it had `before` there were switches.
    fn print(&self, what: &str, before: u64) {
        let share = (processor_time(self.process) - self.busy).as_secs_f64() / self.at.elapsed().as_secs_f64();
        let (now, most) = resident(self.process);
        let each = |kib: u64| kib.saturating_sub(before) as f64 / SWITCHES as f64;
        println!("{what}: {:.1} KiB each (at most {:.1}), {:.1} % of a core", each(now), each(most), share * 100.0);
    }
}

fn flumen() -> Program {
    Program::new(env!("CARGO_BIN_EXE_flumen"))
}

fn emulate(address: SocketAddr) -> Running {
    let mut emulate = flumen();
    emulate.args(["emulate", "--switches", &SWITCHES.to_string(), "--connect", &address.to_string()]);
    Running::start(emulate.stdout(Stdio::null()).stderr(Stdio::null())).expect("flumen emulate")
}

/// An address that nobody listens on.
fn free() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("an address");
    listener.local_addr().expect("an address")
}

/// How many nodes the daemon says are connected, once it answers.
fn connected(northbound: SocketAddr) -> Option<usize> {
    let mut stream = TcpStream::connect(northbound).ok()?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let line = answer.lines().find_map(|line| line.strip_prefix(r#"flumen_nodes{state="connected"} "#))?;
    line.parse().ok()
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "{what}: not in time");
        std::thread::sleep(Duration::from_millis(100));
    }
}
