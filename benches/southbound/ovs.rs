//! One Open vSwitch on the dummy datapath: raw and library in turn, so that both meet the same machine.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command as Program, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use flumen::session::{Command, Token};
use flumen::southbound::{Dial, Report, SwitchAddress};
use openflow::{FlowMod, Hello, Message, OFP_VERSION, Xid, split_frame};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;

use super::process::Running;
use super::{commands, confirmed, flow_mod, southbound};

const FLOWS: u32 = 100_000;
const RUNS: usize = 3;
/// Single round trips of a run, each way, and how many of them come in a row before the other way has its turn.
const ROUND_TRIPS: u32 = 3_000;
const TURN: u32 = 50;
/// The port of the private Open vSwitch.
const PORT: u16 = 16_653;

pub(super) fn run(runtime: &Runtime) {
    let dir = tempfile::tempdir().expect("a directory");
    let Some(_ovs) = start_ovs(dir.path()) else { return println!("Open vSwitch is not installed") };
    throughput(runtime);
    round_trips(runtime);
}

fn throughput(runtime: &Runtime) {
    let encoded = encode((0..FLOWS).map(|number| Message::FlowMod(flow_mod(number))));
    let mut ratios = Vec::new();
    for run in 1..=RUNS {
        let raw = Raw::connect().blast(&encoded);
        let library = runtime.block_on(async { Controller::dial().await.program(commands(FLOWS)).await });
        ratios.push(raw.as_secs_f64() / library.as_secs_f64());
        println!("ovs {run}: {FLOWS} flows raw {}, library {}", rate(raw), rate(library));
    }
    println!("ovs: library/raw, median of {RUNS}: {:.2}", median(&mut ratios));
}

/// One FLOW_MOD and its barrier, and nothing else under way, in three ways that take turns:
///
/// - raw: a blocking socket, `write` and `read`, on a connection of its own;
/// - one thread: the owner and the connection on a current-thread runtime;
/// - two tasks: the owner is a task beside the connection's on a multi-thread runtime, as in the daemon.
fn round_trips(runtime: &Runtime) {
    println!("ovs: one FLOW_MOD until its barrier reply, {ROUND_TRIPS} times each way, {TURN} in turn");
    let single = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (mut to_one_thread, mut to_two_tasks) = (Vec::new(), Vec::new());
    for run in 1..=RUNS {
        let mut raw = Raw::connect();
        let mut one_thread = single.block_on(Controller::dial());
        let mut two_tasks = runtime.block_on(Controller::dial());
        let mut times = [Vec::new(), Vec::new(), Vec::new()];
        for first in (0..ROUND_TRIPS).step_by(TURN as usize) {
            let [of_raw, of_one_thread, of_two_tasks] = &mut times;
            let flows = first..first + TURN;
            of_raw.extend(flows.clone().map(|number| raw.round_trip(number)));
            of_one_thread.extend(single.block_on(one_thread.round_trips(flows.clone())));
            let (controller, took) = runtime
                .block_on(runtime.spawn(async move {
                    let took = two_tasks.round_trips(flows).await;
                    (two_tasks, took)
                }))
                .expect("a task that ends");
            two_tasks = controller;
            of_two_tasks.extend(took);
        }
        let [(raw, raw_99), (one, one_99), (two, two_99)] = times.map(percentiles);
        to_one_thread.push(one / raw);
        to_two_tasks.push(two / raw);
        println!(
            "ovs {run}: p50/p99 in us: raw {raw:.1}/{raw_99:.1}, library on one thread {one:.1}/{one_99:.1}, between two \
             tasks {two:.1}/{two_99:.1}"
        );
    }
    let (one, two) = (median(&mut to_one_thread), median(&mut to_two_tasks));
    println!(
        "ovs: round trip library/raw at p50, median of {RUNS}: on one thread {one:.2}, between two tasks {two:.2}"
    );
}

fn rate(time: Duration) -> String {
    format!("{:.0}/s", f64::from(FLOWS) / time.as_secs_f64())
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The 50th and the 99th, in microseconds.
fn percentiles(mut times: Vec<Duration>) -> (f64, f64) {
    times.sort();
    let at = |percent: usize| times.get(times.len() * percent / 100).map_or(f64::NAN, |time| time.as_secs_f64() * 1e6);
    (at(50), at(99))
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
                match Message::decode(&frame) {
                    Ok((BARRIER, Message::BarrierReply)) => return,
                    // Open vSwitch asks as well, and gives up who does not answer.
                    Ok((xid, Message::EchoRequest(echo))) => {
                        let mut reply = BytesMut::new();
                        Message::EchoReply(echo).encode(xid, &mut reply).expect("a message that fits");
                        self.0.write_all(&reply).expect("written");
                    }
                    _ => {}
                }
            }
        }
    }

    fn blast(mut self, encoded: &[u8]) -> Duration {
        let begun = Instant::now();
        self.confirm(encoded);
        begun.elapsed()
    }

    fn round_trip(&mut self, number: u32) -> Duration {
        let encoded = encode([Message::FlowMod(flow_mod(number))].into_iter());
        let begun = Instant::now();
        self.confirm(&encoded);
        begun.elapsed()
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

    /// How long each took. The flows are made beforehand, as the raw ones are encoded.
    async fn round_trips(&mut self, numbers: std::ops::Range<u32>) -> Vec<Duration> {
        let mut times = Vec::new();
        for number in numbers {
            let command = Command::Program(vec![(Token(0), flow_mod(number))]);
            times.push(self.send(vec![command], 1).await);
        }
        times
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
    let server = Running::start(program("ovsdb-server").arg(&database).arg(remote))?;
    while !home.join("db.sock").exists() {
        std::thread::sleep(Duration::from_millis(20));
    }
    let mut switch = program("ovs-vswitchd");
    let switch = Running::start(switch.arg(&socket).args(["--disable-system", "--enable-dummy=override"]))?;
    let set_up = format!(
        "--timeout=20 --db={socket} add-br br0 -- set bridge br0 datapath_type=dummy protocols=OpenFlow13 \
         fail-mode=secure -- set-controller br0 ptcp:{PORT}:127.0.0.1 -- set controller br0 \
         connection-mode=out-of-band"
    );
    program("ovs-vsctl").args(set_up.split_whitespace()).status().ok().filter(ExitStatus::success)?;
    Some([switch, server])
}
