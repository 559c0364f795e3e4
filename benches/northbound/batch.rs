//! A hundred thousand flows in batches, beside the same FLOW_MODs from a raw socket and `ovs-ofctl --bundle add-flows`.
//! All take turns on one Open vSwitch, so that they meet the same machine.

use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::frames::{Bare, Form};
use super::support::{Lab, bytes_of, messages, output, spawned};

pub(crate) const FLOWS: u32 = 100_000;
const RUNS: usize = 3;

/// How the flows are asked for: in as many messages at least. All of a message is checked before any of it is installed,
/// so the switch has nothing to do while the first is read.
const WAYS: [(Form, &str, usize); 5] = [
    (Form::Json, "problems", 1),
    (Form::Json, "all", 1),
    (Form::MessagePack, "problems", 1),
    (Form::MessagePack, "problems", 10),
    (Form::MessagePack, "all", 10),
];

/// OpenFlow 1.3 headers without a body, with the xid 1: HELLO and BARRIER_REQUEST.
const HELLO: [u8; 8] = [4, 0, 0, 8, 0, 0, 0, 1];
const BARRIER_REQUEST: [u8; 8] = [4, 20, 0, 8, 0, 0, 0, 1];
const BARRIER_REPLY: u8 = 21;
const ERROR: u8 = 1;

pub(crate) fn run() {
    let Some(lab) = Lab::start(&[]) else { return };
    let mut control = Bare::connect(lab.daemon.northbound, Form::Json);
    lab.add_dialled_node(&mut lab.daemon.client(), "s1", 0xa1);
    let raw_port = lab.ovs.add_dialled_bridge("raw", 0xb2);
    let template = template(&mut control);
    let (raw_bytes, lines) = (raw_bytes(&template), lines(&mut control));
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(&file, lines).unwrap();

    let mut ratios: Vec<(String, Vec<f64>)> = Vec::new();
    let mut note = |what: &str, ratio: f64| match ratios.iter_mut().find(|(known, _)| known == what) {
        Some((_, ratios)) => ratios.push(ratio),
        None => ratios.push((what.to_owned(), vec![ratio])),
    };
    for run in 1..=RUNS {
        let raw = blast(raw_port, &raw_bytes);
        assert_eq!(lab.ovs.flow_count("raw"), FLOWS as usize);
        lab.ovs.delete_flows("raw", "");
        let mut tool = spawned("ovs-ofctl");
        let bridge = format!("unix:{}", lab.ovs.management("raw").display());
        tool.args(["-O", "OpenFlow13", "--bundle", "add-flows", &bridge]).arg(file.path());
        let begun = Instant::now();
        output(&mut tool);
        let tool = begun.elapsed();
        assert_eq!(lab.ovs.flow_count("raw"), FLOWS as usize);
        lab.ovs.delete_flows("raw", "");
        println!("batch {run}: raw {}, ovs-ofctl --bundle add-flows {}", rate(raw), rate(tool));
        for (form, report, least_messages) in WAYS {
            let (frames, messages) = batches(form, report, least_messages, 0);
            let time = install(&lab, form, &frames, messages);
            let what = format!("{} report={report}, {messages} messages", form.subprotocol());
            println!("batch {run}: {what}: {}, {:.2} of raw", rate(time), raw.as_secs_f64() / time.as_secs_f64());
            note(&format!("{what} / raw"), raw.as_secs_f64() / time.as_secs_f64());
            note(&format!("{what} / ovs-ofctl --bundle"), tool.as_secs_f64() / time.as_secs_f64());
            assert_eq!(lab.ovs.flow_count("s1"), FLOWS as usize + 1);
            let removed = json!({"type": "RemoveFlows", "id": "r", "payload": {"all": true}});
            assert_eq!(control.ask(&removed)["type"], "Reply");
        }
    }
    for (what, mut ratios) in ratios {
        ratios.sort_by(f64::total_cmp);
        println!("batch: {what}, median of {RUNS}: {:.2}", ratios[RUNS / 2]);
    }
}

fn source(number: u32) -> [u8; 4] {
    let [_, b, c, d] = number.to_be_bytes();
    [10, b, c, d]
}

fn flow(number: u32) -> Value {
    let [a, b, c, d] = source(number);
    json!({"source": format!("{a}.{b}.{c}.{d}"), "destination": "10.200.0.1", "traffic_type": "voice"})
}

/// Sends every flow and waits until the last answer is there; whether all are applied is looked at behind the clock.
fn install(lab: &Lab, form: Form, frames: &[u8], messages: usize) -> Duration {
    let mut client = Bare::connect(lab.daemon.northbound, form);
    let begun = Instant::now();
    let answers = client.exchange(frames, messages);
    let time = begun.elapsed();
    let applied: u64 = answers.iter().map(|answer| applied(&form.read(answer))).sum();
    assert_eq!(applied, u64::from(FLOWS));
    time
}

pub(crate) fn applied(answer: &Value) -> u64 {
    let summary = answer["payload"]["summary"].as_object().unwrap_or_else(|| panic!("{answer}"));
    assert_eq!(summary.len(), 1, "{summary:?}");
    summary["applied"].as_u64().unwrap()
}

/// The frames of as many messages as the daemon's limit makes of all flows, or of more, and how many they are.
pub(crate) fn batches(form: Form, report: &str, least_messages: usize, first: u32) -> (Vec<u8>, usize) {
    let message = |flows: &[Value], id: usize| {
        let payload = json!({"flows": flows, "report": report});
        form.write(&json!({"type": "InstallFlows", "id": id.to_string(), "payload": payload}))
    };
    let flows: Vec<Value> = (first..first + FLOWS).map(flow).collect();
    let by_limit = message(&flows, 0).len().div_ceil(form.message_bytes()).max(least_messages);
    // Nor may an answer that tells of every flow be longer than what may wait for a client.
    let messages = if report == "all" { by_limit.max(2) } else { by_limit };
    let parts = flows.chunks(flows.len().div_ceil(messages));
    let frames: Vec<_> = parts.enumerate().map(|(id, flows)| form.frame(&message(flows, id))).collect();
    (frames.concat(), frames.len())
}

/// What the daemon would send for the first flow.
fn template(control: &mut Bare) -> Value {
    let mut flow = flow(0);
    flow["dry_run"] = json!(true);
    control.ask(&json!({"type": "InstallFlow", "id": "t", "payload": flow}))["payload"]["flow"]["nodes"][0]["flow_mods"]
        [0]
    .take()
}

/// Every FLOW_MOD and one barrier.
fn raw_bytes(template: &Value) -> Vec<u8> {
    let hex = template["hex"].as_str().unwrap();
    let template = bytes_of(&hex.chars().filter(char::is_ascii_hexdigit).collect::<String>());
    let place = template.windows(4).position(|bytes| bytes == source(0)).unwrap();
    let mut bytes = Vec::with_capacity(FLOWS as usize * template.len());
    for number in 0..FLOWS {
        let start = bytes.len() + place;
        bytes.extend_from_slice(&template);
        bytes[start..start + 4].copy_from_slice(&source(number));
    }
    bytes.extend_from_slice(&BARRIER_REQUEST);
    bytes
}

/// The same flows as ovs-ofctl reads them.
fn lines(control: &mut Bare) -> String {
    let text = template(control)["text"].as_str().unwrap().to_owned();
    let mut lines = String::new();
    for number in 0..FLOWS {
        let [a, b, c, d] = source(number);
        writeln!(lines, "{}", text.replacen("nw_src=10.0.0.0", &format!("nw_src={a}.{b}.{c}.{d}"), 1)).unwrap();
    }
    lines
}

/// A blocking socket that writes what is encoded and waits for the barrier.
fn blast(port: u16, bytes: &[u8]) -> Duration {
    let mut switch = TcpStream::connect(("127.0.0.1", port)).unwrap();
    switch.set_nodelay(true).unwrap();
    switch.write_all(&HELLO).unwrap();
    assert_eq!(switch.read(&mut [0; 64]).unwrap(), 16, "the HELLO of the switch");
    let begun = Instant::now();
    switch.write_all(bytes).unwrap();
    let mut answer = Vec::new();
    while !messages(&answer).iter().any(|message| message[1] == BARRIER_REPLY) {
        let mut part = [0; 4096];
        let read = switch.read(&mut part).unwrap();
        answer.extend_from_slice(&part[..read]);
    }
    let time = begun.elapsed();
    assert!(messages(&answer).iter().all(|message| message[1] != ERROR));
    time
}

fn rate(time: Duration) -> String {
    format!("{:.0} flows/s", f64::from(FLOWS) / time.as_secs_f64())
}
