//! One `InstallFlow` after the other, from the request to `applied`, beside what it cannot do without: a FLOW_MOD and a
//! barrier on a raw socket, an echo over WebSocket, and one durable write of the store. All take turns.

use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use flumen::store::{Batch, Store, Table};
use openflow::{Action, EthType, FlowMod, Hello, Instruction, Match, Message, OFP_VERSION, PortNo, Xid, split_frame};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{self, WebSocket};

use super::percentile;
use super::support::Lab;

const ROUNDS: u32 = 10;
/// Of each kind in a round.
const TURNS: u32 = 200;
/// Not measured: everything is there and warm after them.
const WARM_UP: u32 = 1;

pub(crate) fn run() {
    let Some(lab) = Lab::start(&[]) else { return };
    lab.add_dialled_node(&mut lab.daemon.client(), "s1", 0xa1);
    let mut daemon = WebSocketClient::connect(lab.daemon.northbound);
    let mut echo = WebSocketClient::connect(echo_server());
    let mut switch = RawSwitch::connect(lab.ovs.add_dialled_bridge("raw", 0xb2));
    let mut disk = Disk::open();

    let [mut raws, mut echoes, mut writes, mut installs] = [const { Vec::new() }; 4];
    for round in 0..ROUNDS + WARM_UP {
        let numbers = || round * TURNS..(round + 1) * TURNS;
        let timed = |work: &mut dyn FnMut(u32)| -> Vec<Duration> {
            let time = |number| {
                let begun = Instant::now();
                work(number);
                begun.elapsed()
            };
            numbers().map(time).collect()
        };
        let raw = timed(&mut |number| switch.install(number));
        let echoed = timed(&mut |number| drop(echo.exchange(&request(number))));
        let written = timed(&mut |number| disk.write(number));
        let installed = timed(&mut |number| {
            let answer = daemon.exchange(&request(number));
            assert!(answer.contains(r#""state":"applied""#), "{answer}");
        });
        if round >= WARM_UP {
            raws.extend(raw);
            echoes.extend(echoed);
            writes.extend(written);
            installs.extend(installed);
        }
    }
    let mut sum = Duration::ZERO;
    let parts = [("raw FLOW_MOD and barrier", raws), ("WebSocket echo", echoes), ("durable write", writes)];
    for (what, mut times) in parts {
        let median = percentile(&mut times, 50);
        sum += median;
        println!("latency: {what}: p50 {median:.1?}, p99 {:.1?}", percentile(&mut times, 99));
    }
    let median = percentile(&mut installs, 50);
    println!("latency: durable InstallFlow: p50 {median:.1?}, p99 {:.1?}", percentile(&mut installs, 99));
    println!("latency: p50 to the sum of the parts, {sum:.1?}: {:.2}", median.as_secs_f64() / sum.as_secs_f64());
}

fn request(number: u32) -> String {
    let [_, b, c, d] = number.to_be_bytes();
    let payload: Value = json!({"flow_id": format!("call-{number}"), "source": format!("10.{b}.{c}.{d}"),
        "destination": "10.200.0.1", "traffic_type": "voice", "protocol": "udp", "destination_port": 5060});
    json!({"type": "InstallFlow", "id": number.to_string(), "payload": payload}).to_string()
}

/// A client without a thread of its own: it writes, and it reads.
struct WebSocketClient(WebSocket<TcpStream>);

impl WebSocketClient {
    fn connect(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self(tungstenite::client(format!("ws://127.0.0.1:{port}/v1/ws"), stream).unwrap().0)
    }

    fn exchange(&mut self, text: &str) -> String {
        self.0.send(tungstenite::Message::text(text)).unwrap();
        loop {
            if let tungstenite::Message::Text(text) = self.0.read().unwrap() {
                return text.to_string();
            }
        }
    }
}

/// The port of a server that sends back what it is sent.
fn echo_server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        stream.set_nodelay(true).unwrap();
        let mut socket = tungstenite::accept(stream).unwrap();
        while let Ok(message) = socket.read() {
            socket.send(message).unwrap();
        }
    });
    port
}

/// A blocking socket to a bridge.
struct RawSwitch(TcpStream);

impl RawSwitch {
    fn connect(port: u16) -> Self {
        let mut switch = Self(TcpStream::connect(("127.0.0.1", port)).unwrap());
        switch.0.set_nodelay(true).unwrap();
        switch.exchange(Message::Hello(Hello::with_versions(&[OFP_VERSION])));
        switch
    }

    fn install(&mut self, number: u32) {
        let flow_match = Match::builder().eth_type(EthType::IPV4).ipv4_src(number.into()).build().unwrap();
        let instructions = vec![Instruction::ApplyActions(vec![Action::output(PortNo::NORMAL)])];
        self.exchange(Message::FlowMod(FlowMod { flow_match, instructions, ..FlowMod::add() }));
    }

    /// Writes this and a barrier, and waits for the barrier's reply.
    fn exchange(&mut self, message: Message) {
        use std::io::{Read, Write};
        let (mut output, mut input, mut space) = (BytesMut::new(), BytesMut::new(), [0; 4096]);
        message.encode(Xid(1), &mut output).unwrap();
        Message::BarrierRequest.encode(Xid(2), &mut output).unwrap();
        self.0.write_all(&output).unwrap();
        loop {
            let read = self.0.read(&mut space).unwrap();
            assert!(read > 0, "the switch has hung up");
            input.extend_from_slice(&space[..read]);
            while let Some(frame) = split_frame(&mut input).unwrap() {
                if matches!(Message::decode(&frame), Ok((Xid(2), Message::BarrierReply))) {
                    return;
                }
            }
        }
    }
}

/// A store of its own on the disk of the daemon's.
struct Disk {
    store: Store,
    runtime: tokio::runtime::Runtime,
    _directory: tempfile::TempDir,
}

impl Disk {
    fn open() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (store, _) = Store::open(directory.path()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        Self { store, runtime, _directory: directory }
    }

    fn write(&mut self, number: u32) {
        let mut batch = Batch::new();
        batch.put(Table::Flow, u64::from(number).to_be_bytes(), [0x5a; 160]);
        self.store.submit(batch, number.into()).unwrap();
        self.runtime.block_on(self.store.completion());
    }
}
