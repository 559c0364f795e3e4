//! Thousands of subscribers of flows, and how long after its time each event reaches them; then the same with a thousand
//! of them that have stopped reading, and the memory that those cost. The subscribers live in a process of their own.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdin, ChildStdout};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use flumen::contract::Timestamp;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio::sync::mpsc;

use super::frames::{Bare, Form};
use super::support::{Lab, Process, spawned};

const SUBSCRIBERS: usize = 9_500;
const STALLED: usize = 1_000;
/// Each `InstallFlow` is one event or two: applied, and accepted where the disk knows that first, which is up to the disk.
/// Twenty a second and some, which is printed.
const INSTALLS_PER_SECOND: u32 = 18;
const SECONDS: u32 = 15;
/// Installed at once, so that whoever does not read has soon more than the kernel holds for it: millions of events in all.
const BURST: u32 = 250;
/// Until those who read have read them.
const SETTLE: Duration = Duration::from_secs(25);
/// Subscribers whose delays are measured, one of so many.
const SAMPLED: usize = 10;
/// Subscribers do not look for pings, and show so often that they are there: within the time that a pong may take.
const SIGN_OF_LIFE: Duration = Duration::from_secs(4);
const UNASKED_PONG: [u8; 6] = [0x8a, 0x80, 0, 0, 0, 0];
/// The port, how many subscribers, and how many of them stop reading, for the process that is them.
const VARIABLE: &str = "FLUMEN_BENCH_SUBSCRIBERS";

pub(crate) fn run() {
    if let Ok(words) = std::env::var(VARIABLE) {
        let numbers: Vec<usize> = words.split(' ').map(|word| word.parse().unwrap()).collect();
        return subscribe(numbers[0] as u16, numbers[1], numbers[2]);
    }
    let Some(lab) = Lab::start(&[]) else { return };
    lab.add_dialled_node(&mut lab.daemon.client(), "s1", 0xa1);
    let mut worker = Worker { port: lab.daemon.northbound, client: None, number: 0 };

    let mut all = Subscribers::start(&lab, SUBSCRIBERS, 0);
    let idle = resident(&lab);
    println!("subscribers: {SUBSCRIBERS} are there; the daemon has {idle} MiB");
    let listening = all.measure(&mut worker);
    drop(all);

    let mut some = Subscribers::start(&lab, SUBSCRIBERS, STALLED);
    let before = resident(&lab);
    worker.burst();
    let burst = resident(&lab);
    let beside = some.measure(&mut worker);
    let after = resident(&lab);
    println!(
        "subscribers: {STALLED} that do not read, and {BURST} flows at once: {before} MiB before, {burst} MiB behind \
         the burst, {after} MiB at the end"
    );
    println!("subscribers: p99 beside them to p99 without them: {:.2}", beside.as_secs_f64() / listening.as_secs_f64());
}

/// MiB of memory that the daemon has.
fn resident(lab: &Lab) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", lab.daemon.process.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}

/// Who makes the events.
struct Worker {
    port: u16,
    /// Connected when there is something to ask: who does not read answers no pings.
    client: Option<Bare>,
    number: u32,
}

impl Worker {
    fn ask(&mut self, request: &serde_json::Value) -> serde_json::Value {
        self.client.get_or_insert_with(|| Bare::connect(self.port, Form::Json)).ask(request)
    }

    fn flow(&mut self) -> serde_json::Value {
        let [_, b, c, d] = self.number.to_be_bytes();
        self.number += 1;
        json!({"source": format!("10.{b}.{c}.{d}"), "destination": "10.201.0.1", "traffic_type": "video"})
    }

    fn install(&mut self) {
        let request = json!({"type": "InstallFlow", "id": "s", "payload": self.flow()});
        assert_eq!(self.ask(&request)["type"], "Reply");
    }

    fn burst(&mut self) {
        let flows: Vec<_> = (0..BURST).map(|_| self.flow()).collect();
        let request = json!({"type": "InstallFlows", "id": "b", "payload": {"flows": flows, "report": "problems"}});
        let answer = self.ask(&request);
        assert_eq!(answer["type"], "Reply", "{answer}");
        self.client = None;
        thread::sleep(SETTLE);
    }
}

/// The process of the subscribers.
struct Subscribers {
    lines: BufReader<ChildStdout>,
    input: ChildStdin,
    _process: Process,
    listening: usize,
}

impl Subscribers {
    fn start(lab: &Lab, count: usize, stalled: usize) -> Self {
        let mut command = spawned(std::env::current_exe().unwrap());
        command.arg("subscribers").env(VARIABLE, format!("{} {count} {stalled}", lab.daemon.northbound));
        let (process, input, output) = Process::piped(&mut command);
        let mut subscribers =
            Self { lines: BufReader::new(output), input, _process: process, listening: count - stalled };
        subscribers.wait_for("ready");
        subscribers
    }

    fn wait_for(&mut self, word: &str) -> String {
        let mut line = String::new();
        while !line.starts_with(word) {
            line.clear();
            assert!(self.lines.read_line(&mut line).unwrap() > 0, "the subscribers have ended before {word}");
        }
        line
    }

    /// The 99th percentile of the delays while flows are installed at a steady rate.
    fn measure(&mut self, worker: &mut Worker) -> Duration {
        writeln!(self.input, "begin").unwrap();
        self.wait_for("begun");
        let begun = Instant::now();
        for number in 0..INSTALLS_PER_SECOND * SECONDS {
            let due = Duration::from_secs(1) * number / INSTALLS_PER_SECOND;
            thread::sleep(due.saturating_sub(begun.elapsed()));
            worker.install();
        }
        worker.client = None;
        thread::sleep(Duration::from_secs(1));
        writeln!(self.input, "end").unwrap();
        let line = self.wait_for("delays");
        let numbers: Vec<u64> = line.split_whitespace().skip(1).map(|word| word.parse().unwrap()).collect();
        let [p50, p99, most] = [numbers[0], numbers[1], numbers[2]].map(Duration::from_micros);
        println!(
            "subscribers: {} listen: p50 {p50:.1?}, p99 {p99:.1?}, most {most:.1?}; {:.1} events a second each",
            self.listening,
            numbers[3] as f64 / f64::from(SECONDS)
        );
        p99
    }
}

/// The subscribers' process: connects them, and measures from the line "begin" of its input to the line "end".
fn subscribe(port: u16, count: usize, stalled: usize) {
    let delays: Arc<Mutex<Vec<u64>>> = Arc::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (ready, mut readied) = mpsc::channel(count);
    let kept = Arc::clone(&delays);
    thread::spawn(move || control(&kept, count - stalled));
    runtime.block_on(async {
        for number in 0..count {
            let (ready, delays) = (ready.clone(), Arc::clone(&delays));
            let part = if number < stalled { Part::Stalled } else { Part::listening(number, delays) };
            tokio::spawn(follow(port, part, ready));
            if number % 100 == 99 {
                for _ in 0..100 {
                    readied.recv().await.unwrap();
                }
            }
        }
        println!("ready");
        std::future::pending::<()>().await;
    });
}

/// What a subscriber does.
enum Part {
    /// It reads, and what it reads is looked at.
    Sampled(Arc<Mutex<Vec<u64>>>),
    /// It reads.
    Reading,
    /// It subscribes, and reads no more.
    Stalled,
}

impl Part {
    fn listening(number: usize, delays: Arc<Mutex<Vec<u64>>>) -> Self {
        if number.is_multiple_of(SAMPLED) { Self::Sampled(delays) } else { Self::Reading }
    }
}

/// Follows the lines of the input.
fn control(delays: &Mutex<Vec<u64>>, listening: usize) {
    for line in std::io::stdin().lines() {
        let mut delays = delays.lock().unwrap();
        match line.unwrap().as_str() {
            "begin" => {
                delays.clear();
                println!("begun");
            }
            _ => {
                delays.sort_unstable();
                let at = |percent: usize| delays[(delays.len() * percent / 100).min(delays.len() - 1)];
                println!("delays {} {} {} {}", at(50), at(99), at(100), delays.len() * SAMPLED / listening);
            }
        }
    }
    std::process::exit(0);
}

async fn follow(port: u16, part: Part, ready: mpsc::Sender<()>) {
    let socket = TcpSocket::new_v4().unwrap();
    if matches!(part, Part::Stalled) {
        socket.set_recv_buffer_size(4 << 10).unwrap();
    }
    let mut stream = socket.connect(([127, 0, 0, 1], port).into()).await.unwrap();
    let handshake = format!(
        "GET /v1/ws HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(handshake.as_bytes()).await.unwrap();
    let mut input = Vec::new();
    while !input.ends_with(b"\r\n\r\n") {
        input.push(stream.read_u8().await.unwrap());
    }
    let request = json!({"type": "Subscribe", "id": "s", "payload": {"topics": ["flows"]}});
    stream.write_all(&Form::Json.frame(request.to_string().as_bytes())).await.unwrap();
    let mut input = vec![0; 64 << 10];
    let mut held = stream.read(&mut input).await.unwrap();
    assert!(String::from_utf8_lossy(&input[..held]).contains("Subscribe"));
    held = 0;
    ready.send(()).await.unwrap();
    if matches!(part, Part::Stalled) {
        return std::future::pending().await;
    }
    let mut alive = tokio::time::interval(SIGN_OF_LIFE);
    loop {
        let read = tokio::select! {
            read = stream.read(&mut input[held..]) => read.unwrap(),
            _ = alive.tick() => {
                stream.write_all(&UNASKED_PONG).await.unwrap();
                continue;
            }
        };
        assert!(read > 0, "the daemon has hung up on somebody who reads");
        let Part::Sampled(delays) = &part else { continue };
        held += read;
        let now = Timestamp::now().as_micros();
        let mut rest = &input[..held];
        let mut delays = delays.lock().unwrap();
        while let Some(text) = next_text(&mut rest) {
            delays.extend(told_at(text).map(|at| (now - at).max(0) as u64));
        }
        let left = rest.len();
        input.copy_within(held - left..held, 0);
        held = left;
    }
}

/// Cuts the payload of the first frame off, if it is whole: none here is longer than 64 KiB.
fn next_text<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (header, length) = match rest.get(1)? {
        126 => (4, usize::from(u16::from_be_bytes(rest.get(2..4)?.try_into().ok()?))),
        short => (2, usize::from(*short)),
    };
    let text = rest.get(header..header + length)?;
    *rest = &rest[header + length..];
    Some(text)
}

/// When an event happened, which is the last field of its text.
fn told_at(text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?;
    let (_, time) = text.rsplit_once("\"timestamp\":\"")?;
    Some(time.trim_end_matches("\"}").parse::<Timestamp>().ok()?.as_micros())
}
