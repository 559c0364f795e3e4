//! What a session and its driver cost: FLOW_MODs to one Open vSwitch beside the same bytes from a raw socket, FLOW_MODs
//! to a hundred emulated switches, and the memory of thousands of idle ones. Prints figures and judges none of them:
//! machines differ.
//!
//! `cargo bench --bench southbound`, with `ovs`, `fleet` or `idle` behind `--` for a part of it. The first part needs
//! Open vSwitch, the last more than 9,600 files (`ulimit -n`).

#![expect(clippy::expect_used, clippy::print_stdout, reason = "a benchmark prints what it finds or fails")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command as Program, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use flumen::emulator::{Fleet, SwitchConfig};
use flumen::session::{CloseReason, Command, Config, Event, Outcome, Token};
use flumen::southbound::{Dial, REPORTS, Report, Southbound, SwitchAddress};
use openflow::{DatapathId, FlowMod, Hello, Message, OFP_VERSION, Xid, split_frame};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

const FLOWS: u32 = 100_000;
/// FLOW_MODs in one command, about as many as the programmer hands over at a time.
const COMMAND: usize = 250;
const ROUND_TRIPS: u32 = 2_000;
const RUNS: usize = 3;
const SWITCHES: u64 = 100;
const IDLE: u64 = 9_500;
/// The port of the private Open vSwitch.
const PORT: u16 = 16_653;

fn main() {
    let chosen: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let is_chosen = |part: &str| chosen.is_empty() || chosen.iter().any(|name| name == part);
    let runtime = Builder::new_multi_thread().enable_all().build().expect("a runtime");
    if is_chosen("ovs") {
        open_vswitch(&runtime);
    }
    if is_chosen("fleet") {
        runtime.block_on(fleet());
    }
    if is_chosen("idle") {
        runtime.block_on(idle());
    }
}

/// A flow like those of a voice call.
fn flow_mod(number: u32) -> FlowMod {
    let [_, b, c, d] = number.to_be_bytes();
    let packets = format!("priority=46000,udp,nw_src=10.{b}.{c}.{d},nw_dst=10.1.2.3,tp_dst=5060");
    let flow = format!("cookie={number},{packets},actions=set_field:46->ip_dscp,set_queue:6,NORMAL");
    flow.parse().expect("a lawful flow")
}

fn commands(flows: u32) -> Vec<Command> {
    let mods: Vec<_> = (0..flows).map(|number| (Token(number.into()), flow_mod(number))).collect();
    mods.chunks(COMMAND).map(|mods| Command::Program(mods.to_vec())).collect()
}

/// One Open vSwitch on the dummy datapath: raw and library in turn, so that both meet the same machine.
fn open_vswitch(runtime: &Runtime) {
    let dir = tempfile::tempdir().expect("a directory");
    let Some(_ovs) = start_ovs(dir.path()) else { return println!("Open vSwitch is not installed") };
    let encoded = encode((0..FLOWS).map(|number| Message::FlowMod(flow_mod(number))));
    let mut ratios = Vec::new();
    for run in 1..=RUNS {
        let raw = Raw::connect().blast(&encoded);
        let library = runtime.block_on(async { Controller::dial().await.program(commands(FLOWS)).await });
        ratios.push(raw.as_secs_f64() / library.as_secs_f64());
        println!("ovs {run}: {FLOWS} flows raw {}, library {}", rate(raw), rate(library));
    }
    println!("ovs: library/raw, median of {RUNS}: {:.2}", median(&mut ratios));

    let mut ratios = Vec::new();
    for run in 1..=RUNS {
        let raw = Raw::connect().round_trips();
        // On one thread, as the documentation of `southbound` says for those to whom each microsecond counts.
        let single = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let library = single.block_on(async { Controller::dial().await.round_trips().await });
        let threads = runtime.block_on(async { Controller::dial().await.round_trips().await });
        ratios.push(library.as_secs_f64() / raw.as_secs_f64());
        println!(
            "ovs {run}: one flow confirmed, p50 raw {raw:.1?}, library {library:.1?}, from thread to thread {threads:.1?}"
        );
    }
    println!("ovs: round trip library/raw, median of {RUNS}: {:.2}", median(&mut ratios));
}

fn rate(time: Duration) -> String {
    format!("{:.0}/s", f64::from(FLOWS) / time.as_secs_f64())
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn encode(messages: impl Iterator<Item = Message>) -> BytesMut {
    let mut bytes = BytesMut::new();
    for (number, message) in messages.enumerate() {
        message.encode(Xid(number as u32 + 1), &mut bytes).expect("a message that fits");
    }
    bytes
}

/// The limit: a blocking socket that writes what is encoded, and one barrier.
struct Raw(TcpStream);

impl Raw {
    fn connect() -> Self {
        let mut raw = Self(TcpStream::connect(("127.0.0.1", PORT)).expect("a connection"));
        raw.0.set_nodelay(true).expect("a socket option");
        raw.0.write_all(&encode([Message::Hello(Hello::with_versions(&[OFP_VERSION]))].into_iter())).expect("written");
        raw.confirm(&encode([Message::FlowMod(FlowMod::delete())].into_iter()));
        raw
    }

    /// Writes these and a barrier, and waits for its reply.
    fn confirm(&mut self, bytes: &[u8]) {
        const BARRIER: Xid = Xid(0xffff_fff0);
        let mut barrier = BytesMut::from(bytes);
        Message::BarrierRequest.encode(BARRIER, &mut barrier).expect("a message that fits");
        self.0.write_all(&barrier).expect("written");
        let (mut input, mut space) = (BytesMut::new(), [0; 4096]);
        loop {
            let read = self.0.read(&mut space).expect("read");
            input.extend_from_slice(space.get(..read).expect("what was read"));
            while let Some(frame) = split_frame(&mut input).expect("a message") {
                if matches!(Message::decode(&frame), Ok((BARRIER, Message::BarrierReply))) {
                    return;
                }
            }
        }
    }

    fn blast(mut self, encoded: &[u8]) -> Duration {
        let begun = Instant::now();
        self.confirm(encoded);
        begun.elapsed()
    }

    fn round_trips(mut self) -> Duration {
        let single: Vec<_> = (0..ROUND_TRIPS).map(|n| encode([Message::FlowMod(flow_mod(n))].into_iter())).collect();
        let mut times: Vec<_> = single
            .iter()
            .map(|bytes| {
                let begun = Instant::now();
                self.confirm(bytes);
                begun.elapsed()
            })
            .collect();
        times.sort();
        times.get(times.len() / 2).copied().unwrap_or_default()
    }
}

/// The library's way to the same switch.
struct Controller {
    reports: mpsc::Receiver<Report>,
    commands: mpsc::Sender<Command>,
    _dial: Dial,
}

impl Controller {
    async fn dial() -> Self {
        let (southbound, mut reports) = southbound(None);
        let dial = southbound.dial(SwitchAddress { tls: false, host: "127.0.0.1".to_owned(), port: PORT });
        let commands = loop {
            if let Report::Connected { commands, .. } = reports.recv().await.expect("news") {
                break commands;
            }
        };
        let mut controller = Self { reports, commands, _dial: dial };
        let _ = controller.send(vec![Command::Program(vec![(Token(0), FlowMod::delete())])], 1).await;
        controller
    }

    async fn program(mut self, commands: Vec<Command>) -> Duration {
        self.send(commands, FLOWS as usize).await
    }

    async fn round_trips(mut self) -> Duration {
        let mut times = Vec::new();
        for number in 0..ROUND_TRIPS {
            times.push(self.send(vec![Command::Program(vec![(Token(0), flow_mod(number))])], 1).await);
        }
        times.sort();
        times.get(times.len() / 2).copied().unwrap_or_default()
    }

    /// Sends and waits until so many FLOW_MODs are confirmed.
    async fn send(&mut self, commands: Vec<Command>, mut left: usize) -> Duration {
        let begun = Instant::now();
        let mut commands = commands.into_iter();
        let mut next = commands.next();
        while left > 0 {
            tokio::select! {
                permit = self.commands.reserve(), if next.is_some() => {
                    permit.expect("a connection").send(next.take().expect("a command"));
                    next = commands.next();
                }
                report = self.reports.recv() => left -= confirmed(&report.expect("news")),
            }
        }
        begun.elapsed()
    }
}

fn southbound(listener: Option<tokio::net::TcpListener>) -> (Southbound, mpsc::Receiver<Report>) {
    let (sender, reports) = mpsc::channel(REPORTS);
    let (tracker, token) = (TaskTracker::new(), CancellationToken::new());
    (Southbound::start(Config::default(), listener, None, sender, tracker, token), reports)
}

/// How many FLOW_MODs a report confirms.
fn confirmed(report: &Report) -> usize {
    let Report::Happened { event: Event::Settled(settlements), .. } = report else { return 0 };
    assert!(settlements.iter().all(|settlement| matches!(settlement.outcome, Outcome::Confirmed)), "{settlements:?}");
    settlements.len()
}

async fn listening() -> (SocketAddr, mpsc::Receiver<Report>, Southbound) {
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.bind(([127, 0, 0, 1], 0).into()).expect("an address");
    let listener = socket.listen(16_384).expect("a listener");
    let address = listener.local_addr().expect("an address");
    let (southbound, reports) = southbound(Some(listener));
    (address, reports, southbound)
}

/// Every connection that becomes ready, until there are so many.
async fn connected(reports: &mut mpsc::Receiver<Report>, count: u64) -> Vec<mpsc::Sender<Command>> {
    let mut switches = Vec::new();
    while (switches.len() as u64) < count {
        if let Report::Connected { commands, .. } = reports.recv().await.expect("news") {
            switches.push(commands);
        }
    }
    switches
}

/// A hundred emulated switches in this process: both ends share its cores.
async fn fleet() {
    let (address, mut reports, _southbound) = listening().await;
    let template = SwitchConfig::new(DatapathId(1));
    let _fleet = Fleet::connect(&address.to_string(), SWITCHES, &template, &CancellationToken::new());
    let switches = connected(&mut reports, SWITCHES).await;
    let flows = FLOWS / 10;
    let work: Vec<_> = switches.into_iter().map(|switch| (switch, commands(flows))).collect();
    let begun = Instant::now();
    for (switch, commands) in work {
        tokio::spawn(async move {
            for command in commands {
                switch.send(command).await.expect("a connection");
            }
            switch.closed().await;
        });
    }
    let all = SWITCHES as usize * flows as usize;
    let mut done = 0;
    while done < all {
        done += confirmed(&reports.recv().await.expect("news"));
    }
    let rate = all as f64 / begun.elapsed().as_secs_f64();
    println!("fleet: {all} flows confirmed by {SWITCHES} emulated switches: {rate:.0}/s");
}

/// Idle switches of another process: what each costs here, and how long until all are back.
async fn idle() {
    let (address, mut reports, _southbound) = listening().await;
    let before = resident();
    let begun = Instant::now();
    let mut emulate = Program::new(env!("CARGO_BIN_EXE_flumen"));
    let count = IDLE.to_string();
    emulate.args(["emulate", "--switches", &count, "--connect", &address.to_string()]).stdout(Stdio::null());
    let _emulate = Running(emulate.stderr(Stdio::null()).spawn().expect("flumen emulate"));
    let switches = connected(&mut reports, IDLE).await;
    println!("idle: {IDLE} switches connected after {:.1?}", begun.elapsed());
    // What the handshakes left behind is not what idle switches cost.
    take_reports_for(&mut reports, Duration::from_secs(6)).await;
    let (busy, begun) = (processor_time(), Instant::now());
    take_reports_for(&mut reports, Duration::from_secs(20)).await;
    let share = (processor_time() - busy).as_secs_f64() / begun.elapsed().as_secs_f64();
    println!("idle: {:.1} KiB each, {:.1} % of a core", (resident() - before) as f64 / IDLE as f64, share * 100.0);
    let begun = Instant::now();
    for switch in &switches {
        switch.send(Command::Close(CloseReason::Shutdown)).await.expect("a connection");
    }
    connected(&mut reports, IDLE).await;
    println!("idle: all {IDLE} were back after {:.1?}", begun.elapsed());
}

async fn take_reports_for(reports: &mut mpsc::Receiver<Report>, time: Duration) {
    let _ = tokio::time::timeout(time, async { while reports.recv().await.is_some() {} }).await;
}

/// The time that this process has spent on processors.
fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("the state of this process");
    // The name, in parentheses, may have spaces; user and system time are the 12th and 13th field after it, in ticks.
    let fields = stat.rsplit(')').next().expect("fields").split_whitespace();
    let ticks: u64 = fields.skip(11).take(2).map(|ticks| ticks.parse::<u64>().expect("ticks")).sum();
    Duration::from_millis(ticks * 10)
}

/// KiB of memory that this process has.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("the state of this process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// A process that ends with the value.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start_ovs(home: &Path) -> Option<[Running; 2]> {
    let program = |name: &str| {
        let mut program = Program::new(name);
        program.envs(["OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR", "OVS_SYSCONFDIR"].map(|name| (name, home)));
        program.stdout(Stdio::null()).stderr(Stdio::null());
        program
    };
    let (database, socket) = (home.join("conf.db"), format!("unix:{}/db.sock", home.display()));
    let schema = "/usr/share/openvswitch/vswitch.ovsschema";
    program("ovsdb-tool").arg("create").arg(&database).arg(schema).status().ok().filter(ExitStatus::success)?;
    let remote = format!("--remote=p{socket}");
    let server = Running(program("ovsdb-server").arg(&database).arg(remote).spawn().ok()?);
    while !home.join("db.sock").exists() {
        std::thread::sleep(Duration::from_millis(20));
    }
    let mut switch = program("ovs-vswitchd");
    let switch = Running(switch.arg(&socket).args(["--disable-system", "--enable-dummy=override"]).spawn().ok()?);
    let set_up = format!(
        "--timeout=20 --db={socket} add-br br0 -- set bridge br0 datapath_type=dummy protocols=OpenFlow13 \
         fail-mode=secure -- set-controller br0 ptcp:{PORT}:127.0.0.1 -- set controller br0 \
         connection-mode=out-of-band"
    );
    program("ovs-vsctl").args(set_up.split_whitespace()).status().ok().filter(ExitStatus::success)?;
    Some([switch, server])
}
