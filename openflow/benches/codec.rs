//! How long encoding and decoding take, beside a copy of the same bytes.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints, and stops at what is wrong")]

use std::fmt::Write as _;
use std::fs::File;
use std::hint::black_box;
use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use openflow::{
    Action, EthType, FlowMod, FlowModFlags, FlowStats, Hex, Instruction, IpProto, Match, Message, MeterId,
    MultipartReplyBody, OxmField, PortNo, QueueId, TableId, Xid, split_frame,
};

fn main() {
    let flow_mod = Message::FlowMod(qos_flow());
    measure("FLOW_MOD of a QoS flow", &flow_mod);
    measure("FLOW_STATS reply of 64 KiB", &flow_stats(usize::MAX));
    beside_osken();
    beside_open_vswitch(&encoded(&flow_mod));
}

/// The same flow in os-ken, if there is a Python that has it: `OSKEN_PYTHON`, or the one of the conformance tests.
fn beside_osken() {
    let entry = encoded(&flow_stats(1)).slice(16..);
    let hex = Hex(&entry).to_string();
    let manifest = env!("CARGO_MANIFEST_DIR");
    let python = std::env::var("OSKEN_PYTHON");
    let python = python.unwrap_or_else(|_| format!("{manifest}/../target/conformance/venv/bin/python"));
    let output = Command::new(python).arg(format!("{manifest}/benches/osken.py")).arg(hex).output();
    match output.ok().filter(|output| output.status.success()) {
        Some(output) => {
            let text = String::from_utf8(output.stdout).unwrap();
            let times: Vec<f64> = text.split_whitespace().map(|time| time.parse().unwrap()).collect();
            println!("os-ken, a like FLOW_MOD encoded and a like flow entry decoded");
            println!("  encode: {:9.1} ns\n  decode: {:9.1} ns", times[0], times[1]);
        }
        None => println!("os-ken is not there: OSKEN_PYTHON names a Python that has it"),
    }
}

/// A file of a million messages through `ovs-ofctl ofp-parse`, which decodes and prints, and through this crate.
fn beside_open_vswitch(frame: &Bytes) {
    const MESSAGES: usize = 1_000_000;
    let path = std::env::temp_dir().join(format!("openflow-bench-{}", std::process::id()));
    std::fs::write(&path, frame.repeat(MESSAGES)).unwrap();
    println!("a file of {MESSAGES} of these messages");
    rate("read, cut and decode", MESSAGES, || through(&path, |_| {}));
    let mut text = String::new();
    rate("decode and print", MESSAGES, || {
        through(&path, |message| {
            text.clear();
            write!(text, "{message}").unwrap();
            black_box(&text);
        });
    });
    for (name, command, arguments) in [
        ("flumen decode --count", "target/release/flumen", &["decode", "--count"][..]),
        ("ovs-ofctl ofp-parse", "ovs-ofctl", &["ofp-parse"]),
    ] {
        let command =
            if command.contains('/') { format!("{}/../{command}", env!("CARGO_MANIFEST_DIR")) } else { command.into() };
        let start = Instant::now();
        let status =
            Command::new(command).args(arguments).arg(&path).stdout(Stdio::null()).stderr(Stdio::null()).status();
        match status.is_ok_and(|status| status.success()) {
            true => println!("  {name}: {:9.0} messages/s", MESSAGES as f64 / start.elapsed().as_secs_f64()),
            false => println!("  {name}: not there"),
        }
    }
    std::fs::remove_file(path).unwrap();
}

/// Reads the file and does something with each message.
fn through(path: &Path, mut work: impl FnMut(&Message)) {
    let mut file = File::open(path).unwrap();
    let mut stream = BytesMut::new();
    let mut chunk = vec![0; 1 << 16];
    loop {
        let length = file.read(&mut chunk).unwrap();
        if length == 0 {
            break;
        }
        stream.extend_from_slice(&chunk[..length]);
        while let Some(frame) = split_frame(&mut stream).unwrap() {
            work(&Message::decode(&frame).unwrap().1);
        }
    }
}

fn rate(what: &str, messages: usize, work: impl FnOnce()) {
    let start = Instant::now();
    work();
    println!("  {what}: {:9.0} messages/s", messages as f64 / start.elapsed().as_secs_f64());
}

/// Five match fields, a meter, a set-field, a set-queue and an output.
fn qos_flow() -> FlowMod {
    let flow_match = Match::builder()
        .in_port(PortNo(1))
        .eth_type(EthType::IPV4)
        .ip_proto(IpProto::UDP)
        .ipv4_dst_masked([10, 1, 0, 0].into(), [255, 255, 0, 0].into())
        .udp_dst(5060);
    FlowMod {
        cookie: 0x1234_0000_0000_0001,
        priority: 1000,
        flags: FlowModFlags::SEND_FLOW_REM,
        flow_match: flow_match.build().unwrap(),
        instructions: vec![
            Instruction::Meter(MeterId(7)),
            Instruction::ApplyActions(vec![
                Action::set_field(OxmField::IpDscp(46)).unwrap(),
                Action::SetQueue(QueueId(1)),
                Action::output(PortNo(2)),
            ]),
        ],
        ..FlowMod::add()
    }
}

/// So many entries of that flow, or as many as fit into one message.
fn flow_stats(most: usize) -> Message {
    let flow = qos_flow();
    let entry = FlowStats {
        table_id: TableId(0),
        duration_sec: 100,
        duration_nsec: 5,
        priority: flow.priority,
        idle_timeout: 0,
        hard_timeout: 0,
        flags: flow.flags,
        cookie: flow.cookie,
        packet_count: 1_000_000,
        byte_count: 1_000_000_000,
        flow_match: flow.flow_match,
        instructions: flow.instructions,
    };
    let reply = |entries| Message::MultipartReply(MultipartReplyBody::Flow(vec![entry.clone(); entries]).into());
    let size = |entries| encoded(&reply(entries)).len();
    let each = size(2) - size(1);
    reply(most.min(1 + (usize::from(u16::MAX) - size(1)) / each))
}

fn encoded(message: &Message) -> Bytes {
    let mut out = BytesMut::new();
    message.encode(Xid(1), &mut out).unwrap();
    out.freeze()
}

fn measure(name: &str, message: &Message) {
    let frame = encoded(message);
    println!("{name}, {} bytes", frame.len());
    let mut out = BytesMut::with_capacity(frame.len());
    line("encode", frame.len(), || {
        out.clear();
        black_box(message).encode(Xid(1), &mut out).unwrap();
        black_box(&out);
    });
    line("decode", frame.len(), || {
        black_box(Message::decode(black_box(&frame)).unwrap());
    });
    let mut copy = vec![0; frame.len()];
    line("memcpy", frame.len(), || {
        copy.copy_from_slice(black_box(&frame));
        black_box(&copy);
    });
}

/// The best of many rounds: what the code costs when nothing disturbs it.
fn line(what: &str, bytes: usize, mut work: impl FnMut()) {
    let mut best = Duration::MAX;
    let calls = (4_000_000 / bytes.max(100)).max(20);
    for _ in 0..100 {
        let start = Instant::now();
        for _ in 0..calls {
            work();
        }
        best = best.min(start.elapsed());
    }
    let nanoseconds = best.as_secs_f64() * 1e9 / calls as f64;
    println!("  {what}: {nanoseconds:9.1} ns {:9.0} MB/s", bytes as f64 * 1e3 / nanoseconds);
}
