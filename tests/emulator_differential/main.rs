//! The emulator against Open vSwitch: the same bytes to both, and the same errors, notices and tables from both.
//!
//! `FLUMEN_SEED` repeats a sequence; the seed of each run is printed. Skipped, with a line that says why, where Open
//! vSwitch is not installed.

mod operations;
mod ovs;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Instant;

use bytes::BytesMut;
use fastrand::Rng;
use flumen::emulator::{ChannelId, Switch, SwitchConfig};
use openflow::{
    DatapathId, FlowStats, FlowStatsRequest, Hello, Message, MultipartReplyBody, MultipartRequestBody, OFP_VERSION,
    SwitchConfig as WireConfig, Xid, split_frame,
};

use self::operations::TABLES;
use self::ovs::Ovs;

const OPERATIONS: u32 = 10_000;
/// After so many operations the two are compared.
const ROUND: u32 = 100;
/// So few that tables are full now and then.
const TABLE_LIMIT: usize = 150;

/// A switch that answers bytes with bytes.
trait Peer {
    fn exchange(&mut self, bytes: &BytesMut) -> BytesMut;
}

struct Emulated {
    switch: Switch,
    channel: ChannelId,
}

impl Peer for Emulated {
    fn exchange(&mut self, bytes: &BytesMut) -> BytesMut {
        let mut output = BytesMut::new();
        let mut input = bytes.clone();
        while !input.is_empty() {
            self.switch.handle_input(self.channel, &mut input, Instant::now());
            self.switch.poll_transmit(self.channel, &mut output);
        }
        output
    }
}

impl Peer for UnixStream {
    /// Reads until the answer to the barrier that ends every exchange.
    fn exchange(&mut self, bytes: &BytesMut) -> BytesMut {
        let mut writer = self.try_clone().expect("a second handle");
        let bytes = bytes.clone().freeze();
        let writing = std::thread::spawn(move || writer.write_all(&bytes).expect("Open vSwitch reads"));
        let (mut answers, mut unread) = (BytesMut::new(), BytesMut::new());
        let mut space = [0; 65536];
        loop {
            let length = self.read(&mut space).expect("Open vSwitch answers");
            assert!(length > 0, "Open vSwitch ended the connection");
            unread.extend_from_slice(&space[..length]);
            while let Some(frame) = split_frame(&mut unread).expect("whole messages") {
                answers.extend_from_slice(&frame);
                if frame[1] == Message::BarrierReply.message_type() {
                    writing.join().expect("everything is written");
                    return answers;
                }
            }
        }
    }
}

/// What a switch said, in an order that two switches have in common.
#[derive(Debug, Default, PartialEq)]
struct Answers {
    /// Type and code by xid.
    errors: BTreeMap<u32, String>,
    /// The flows that went, as text without their age.
    removed: Vec<String>,
    /// The table, as text without ages.
    flows: Vec<String>,
}

fn ask(peer: &mut impl Peer, bytes: &BytesMut) -> Answers {
    let mut answers = Answers::default();
    let mut said = peer.exchange(bytes);
    while let Some(frame) = split_frame(&mut said).expect("whole messages") {
        match Message::decode(&frame).expect("a message that the codec knows") {
            (xid, Message::Error(error)) => {
                answers.errors.insert(xid.0, format!("{}/{}", error.type_name(), error.code_name()));
            }
            (_, Message::FlowRemoved(removed)) => {
                let removed = openflow::FlowRemoved { duration_sec: 0, duration_nsec: 0, ..removed };
                answers.removed.push(format!("{removed:?}"));
            }
            (_, Message::MultipartReply(reply)) => {
                if let MultipartReplyBody::Flow(flows) = reply.body {
                    answers.flows.extend(flows.into_iter().map(as_text));
                }
            }
            _ => {}
        }
    }
    answers.removed.sort();
    answers.flows.sort();
    answers
}

/// A flow without its age, its match in the order of the fields' numbers and without what says nothing.
fn as_text(flow: FlowStats) -> String {
    let mut fields = flow.flow_match.fields().to_vec();
    fields.sort();
    let FlowStats { table_id, priority, idle_timeout, hard_timeout, flags, cookie, instructions, .. } = flow;
    format!(
        "table={table_id} priority={priority} {fields:?} cookie={cookie} idle={idle_timeout} hard={hard_timeout} \
         flags={flags:?} {instructions:?}"
    )
}

fn encode(messages: impl IntoIterator<Item = (u32, Message)>) -> BytesMut {
    let mut bytes = BytesMut::new();
    for (xid, message) in messages {
        message.encode(Xid(xid), &mut bytes).expect("a message that fits");
    }
    bytes
}

#[test]
fn ten_thousand_random_operations_leave_the_emulator_and_open_vswitch_with_the_same_tables() {
    let ovs = match Ovs::start() {
        Ok(ovs) => ovs,
        Err(reason) => return println!("skipped: {reason}"),
    };
    ovs.add_bridge(TABLES, TABLE_LIMIT);
    let mut real = ovs.connect().expect("Open vSwitch accepts connections");

    let config = SwitchConfig { table_limit: TABLE_LIMIT, ..SwitchConfig::new(DatapathId(1)) };
    let mut switch = Switch::new(config);
    let channel = switch.open(Instant::now());
    let mut emulated = Emulated { switch, channel };

    let seed = std::env::var("FLUMEN_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| fastrand::u64(..));
    println!("FLUMEN_SEED={seed}");
    let mut rng = Rng::with_seed(seed);
    let greeting = encode([
        (1, Message::Hello(Hello::with_versions(&[OFP_VERSION]))),
        (2, Message::SetConfig(WireConfig { flags: 0, miss_send_len: 128 })),
        (3, Message::BarrierRequest),
    ]);
    ask(&mut real, &greeting);
    ask(&mut emulated, &greeting);

    let mut totals = (0, 0, 0);
    for round in 0..OPERATIONS / ROUND {
        let first = 1000 + round * ROUND;
        let operations: Vec<_> = (first..first + ROUND).map(|xid| (xid, operations::flow_mod(&mut rng))).collect();
        let dump = MultipartRequestBody::Flow(FlowStatsRequest::default());
        let bytes = encode(operations.iter().map(|(xid, flow_mod)| (*xid, Message::FlowMod(flow_mod.clone()))).chain([
            (4, Message::BarrierRequest),
        ]));
        let dump = encode([(5, Message::MultipartRequest(dump.into())), (6, Message::BarrierRequest)]);
        let (theirs, ours) = (ask(&mut real, &bytes), ask(&mut emulated, &bytes));
        for (xid, operation) in &operations {
            let (theirs, ours) = (theirs.errors.get(xid), ours.errors.get(xid));
            assert_eq!(theirs, ours, "Open vSwitch and the emulator on {operation:?} (seed {seed})");
        }
        assert_same(&theirs.removed, &ours.removed, "flows removed", seed);
        totals.0 += ours.errors.len();
        totals.1 += ours.removed.len();
        let (theirs, ours) = (ask(&mut real, &dump), ask(&mut emulated, &dump));
        assert_same(&theirs.flows, &ours.flows, "flows in the tables", seed);
        totals.2 = totals.2.max(ours.flows.len());
    }
    println!("{OPERATIONS} operations: {} errors, {} flows reported removed, at most {} flows", totals.0, totals.1, totals.2);
    assert!(totals.0 > 100 && totals.1 > 100 && totals.2 > 100, "the operations should have more effect");
}

fn assert_same(theirs: &[String], ours: &[String], what: &str, seed: u64) {
    let only = |these: &[String], those: &[String]| {
        these.iter().filter(|line| !those.contains(line)).map(|line| format!("\n  {line}")).collect::<String>()
    };
    let (missing, extra) = (only(theirs, ours), only(ours, theirs));
    assert!(
        theirs == ours,
        "{what} differ (seed {seed})\nonly Open vSwitch:{missing}\nonly the emulator:{extra}"
    );
}
