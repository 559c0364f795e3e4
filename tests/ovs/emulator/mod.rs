//! The emulator against Open vSwitch: the same bytes to both, and the same errors, notices and tables from both.
//!
//! `FLUMEN_SEED` repeats a sequence; the seed of each run is printed.

mod operations;
mod scripts;

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use fastrand::Rng;
use flumen::emulator::{ChannelId, Switch, SwitchConfig, WhenFull};
use openflow::{
    DatapathId, FlowMod, FlowRemoved, FlowStats, FlowStatsRequest, Hello, Match, Message, MultipartReplyBody,
    MultipartRequestBody, OFP_VERSION, OxmField, SwitchConfig as WireConfig, Xid, split_frame,
};

use self::operations::TABLES;
use crate::support::Ovs;

const OPERATIONS: u32 = 10_000;
/// After so many operations the two are compared.
const ROUND: u32 = 100;
/// So few that tables are full now and then.
const TABLE_LIMIT: usize = 400;

/// A switch that answers bytes with bytes.
trait Peer {
    fn exchange(&mut self, bytes: &BytesMut) -> BytesMut;
}

struct Emulated {
    switch: Switch,
    channel: ChannelId,
}

impl Emulated {
    fn new(config: SwitchConfig) -> Self {
        let mut switch = Switch::new(config);
        let channel = switch.open(Instant::now());
        Self { switch, channel }
    }
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

/// Open vSwitch, and what it said after its last answer to a barrier.
struct Real {
    stream: UnixStream,
    unread: BytesMut,
}

impl Peer for Real {
    /// Reads until the answer to the barrier that ends every exchange.
    fn exchange(&mut self, bytes: &BytesMut) -> BytesMut {
        let mut writer = self.stream.try_clone().expect("a second handle");
        let bytes = bytes.clone().freeze();
        let writing = std::thread::spawn(move || writer.write_all(&bytes).expect("Open vSwitch reads"));
        let mut answers = BytesMut::new();
        let mut space = [0; 65536];
        loop {
            while let Some(frame) = split_frame(&mut self.unread).expect("whole messages") {
                answers.extend_from_slice(&frame);
                if frame[1] == Message::BarrierReply.message_type() {
                    writing.join().expect("everything is written");
                    return answers;
                }
            }
            let length = match self.stream.read(&mut space) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                read => read.expect("Open vSwitch answers"),
            };
            assert!(length > 0, "Open vSwitch ended the connection");
            self.unread.extend_from_slice(&space[..length]);
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
                let FlowRemoved { table_id, priority, reason, cookie, flow_match, .. } = removed;
                let fields = sorted(&flow_match);
                answers.removed.push(format!("table={table_id} priority={priority} {fields:?} {cookie} {reason:?}"));
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
    let fields = sorted(&flow.flow_match);
    let FlowStats { table_id, priority, idle_timeout, hard_timeout, flags, cookie, instructions, .. } = flow;
    format!(
        "table={table_id} priority={priority} {fields:?} cookie={cookie} idle={idle_timeout} hard={hard_timeout} \
         flags={flags:?} {instructions:?}"
    )
}

/// The fields of a match in the order of their numbers: each switch has an order of its own.
fn sorted(flow_match: &Match) -> Vec<OxmField> {
    let mut fields = flow_match.fields().to_vec();
    fields.sort();
    fields
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
    let Some(ovs) = Ovs::start() else { return };
    ovs.add_bridge("br0", 1, 4);
    ovs.limit_tables("br0", TABLES, TABLE_LIMIT, "refuse");
    let mut real = Real { stream: ovs.connect("br0"), unread: BytesMut::new() };
    let mut emulated = Emulated::new(SwitchConfig { table_limit: TABLE_LIMIT, ..SwitchConfig::new(DatapathId(1)) });

    let seed =
        std::env::var("FLUMEN_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| fastrand::u64(..));
    println!("FLUMEN_SEED={seed}");
    let mut rng = Rng::with_seed(seed);
    let greeting = encode([
        (1, Message::Hello(Hello::with_versions(&[OFP_VERSION]))),
        (2, Message::SetConfig(WireConfig { flags: 0, miss_send_len: 128 })),
        (3, Message::BarrierRequest),
    ]);
    ask(&mut real, &greeting);
    ask(&mut emulated, &greeting);

    let (mut removed_there, mut removed_here) = (Vec::new(), Vec::new());
    let (mut errors, mut most_flows) = (0, 0);
    for round in 0..OPERATIONS / ROUND {
        let first = 1000 + round * ROUND;
        let operations: Vec<_> = (first..first + ROUND).map(|xid| (xid, operations::flow_mod(&mut rng))).collect();
        let dump = MultipartRequestBody::Flow(FlowStatsRequest::default());
        let flow_mods = operations.iter().map(|(xid, flow_mod)| (*xid, Message::FlowMod(flow_mod.clone())));
        let bytes =
            encode(flow_mods.chain([(4, Message::MultipartRequest(dump.into())), (5, Message::BarrierRequest)]));
        let (theirs, ours) = (ask(&mut real, &bytes), ask(&mut emulated, &bytes));
        for (xid, operation) in &operations {
            let (theirs, ours) = (theirs.errors.get(xid), ours.errors.get(xid));
            assert_eq!(theirs, ours, "Open vSwitch and the emulator on {operation} (seed {seed})");
        }
        assert_same(&theirs.flows, &ours.flows, "flows in the tables", seed);
        errors += ours.errors.len();
        most_flows = most_flows.max(ours.flows.len());
        removed_there.extend(theirs.removed);
        removed_here.extend(ours.removed);
    }
    // Open vSwitch reports a flow when its last reader is gone, which may be after the barrier.
    for _ in 0..500 {
        if removed_there.len() >= removed_here.len() {
            break;
        }
        std::thread::park_timeout(Duration::from_millis(10));
        removed_there.extend(ask(&mut real, &encode([(6, Message::BarrierRequest)])).removed);
    }
    removed_there.sort();
    removed_here.sort();
    assert_same(&removed_there, &removed_here, "flows reported as removed", seed);
    let removed = removed_here.len();
    println!("{OPERATIONS} operations: {errors} errors, {removed} flows reported removed, {most_flows} at once");
    assert!(errors > 100 && removed > 100 && most_flows > 100, "the operations should have more effect");
}

#[test]
fn groups_meters_bundles_and_monitors_are_answered_as_open_vswitch_answers_them() {
    let Some(ovs) = Ovs::start() else { return };
    ovs.add_bridge("br0", 1, 4);
    let differences: String = scripts::scripts()
        .into_iter()
        .map(|(about, script)| differences(&ovs, SwitchConfig::new(DatapathId(1)), about, script))
        .collect();
    assert!(differences.is_empty(), "{differences}");
}

#[test]
fn eviction_is_told_as_open_vswitch_tells_it() {
    let Some(ovs) = Ovs::start() else { return };
    ovs.add_bridge("br0", 1, 4);
    ovs.limit_tables("br0", 1, 2, "evict");
    let config = SwitchConfig { table_limit: 2, when_full: WhenFull::Evict, ..SwitchConfig::new(DatapathId(1)) };
    let differences = differences(&ovs, config, "eviction", scripts::eviction());
    assert!(differences.is_empty(), "{differences}");
}

/// Says the same to both, each message after the last was answered, and tells where the answers differ.
fn differences(ovs: &Ovs, config: SwitchConfig, about: &str, script: Vec<Message>) -> String {
    let mut differences = String::new();
    let mut real = Real { stream: ovs.connect("br0"), unread: BytesMut::new() };
    let mut emulated = Emulated::new(config);
    let greeting = encode([
        (0, Message::Hello(Hello::with_versions(&[OFP_VERSION]))),
        (0, Message::SetConfig(WireConfig { flags: 0, miss_send_len: 128 })),
        (0, Message::FlowMod(FlowMod::delete())),
        (0, Message::BarrierRequest),
    ]);
    real.exchange(&greeting);
    emulated.exchange(&greeting);
    for (xid, message) in (1..).zip(script) {
        let bytes = encode([(xid, message.clone()), (0, Message::BarrierRequest)]);
        let (theirs, ours) = (transcript(real.exchange(&bytes)), transcript(emulated.exchange(&bytes)));
        if theirs != ours {
            let line = format!("{about}, message {xid}: {message}");
            differences.push_str(&format!("{line}\nOpen vSwitch: {theirs:#?}\nemulator: {ours:#?}\n"));
        }
    }
    differences
}

/// What a switch said, but for its age and the order in which it keeps things.
fn transcript(mut said: BytesMut) -> Vec<String> {
    let mut lines = Vec::new();
    while let Some(frame) = split_frame(&mut said).expect("whole messages") {
        let (xid, message) = Message::decode(&frame).expect("a message that the codec knows");
        match message {
            // When a flow is reported as removed is up to the switch.
            Message::Hello(_) | Message::BarrierReply | Message::FlowRemoved(_) => {}
            Message::Error(error) => lines.push(format!("{xid} {}/{}", error.type_name(), error.code_name())),
            Message::MultipartReply(reply) => match reply.body {
                MultipartReplyBody::Flow(flows) => lines.extend(flows.into_iter().map(as_text)),
                MultipartReplyBody::GroupDesc(groups) => lines.extend(groups.iter().map(|group| format!("{group:?}"))),
                MultipartReplyBody::MeterConfig(meters) => {
                    lines.extend(meters.iter().map(|meter| format!("{meter:?}")));
                }
                MultipartReplyBody::FlowMonitor(updates) => {
                    lines.extend(updates.iter().map(|u| format!("{xid} {u:?}")));
                }
                other => lines.push(format!("{xid} {other:?}")),
            },
            other => lines.push(format!("{xid} {other:?}")),
        }
    }
    lines.sort();
    lines
}

fn assert_same(theirs: &[String], ours: &[String], what: &str, seed: u64) {
    let only = |these: &[String], those: &[String]| {
        these.iter().filter(|line| !those.contains(line)).map(|line| format!("\n  {line}")).collect::<String>()
    };
    let (missing, extra) = (only(theirs, ours), only(ours, theirs));
    assert!(theirs == ours, "{what} differ (seed {seed})\nonly Open vSwitch:{missing}\nonly the emulator:{extra}");
}
