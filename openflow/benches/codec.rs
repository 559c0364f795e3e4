//! How long encoding and decoding take, beside a copy of the same bytes.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints, and stops at what is wrong")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use openflow::{
    Action, EthType, FlowMod, FlowModFlags, FlowStats, Instruction, IpProto, Match, Message, MeterId,
    MultipartReplyBody, OxmField, PortNo, QueueId, TableId, Xid,
};

fn main() {
    let flow_mod = Message::FlowMod(qos_flow());
    measure("FLOW_MOD of a QoS flow", &flow_mod);
    measure("FLOW_STATS reply of 64 KiB", &flow_stats());
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

/// As many entries of that flow as fit into one message.
fn flow_stats() -> Message {
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
    reply(1 + (usize::from(u16::MAX) - size(1)) / each)
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
