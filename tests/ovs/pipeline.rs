//! Ten thousand requests of one client at once.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::installs::{cookie, flow_rules};
use crate::support::{Client, Lab, bytes_of, messages};

const FLOWS: usize = 10_000;

/// OpenFlow 1.3 headers without a body, with the xid 1: HELLO and BARRIER_REQUEST.
const HELLO: [u8; 8] = [4, 0, 0, 8, 0, 0, 0, 1];
const BARRIER_REQUEST: [u8; 8] = [4, 20, 0, 8, 0, 0, 0, 1];
const BARRIER_REPLY: u8 = 21;
const ERROR: u8 = 1;

fn source(number: usize) -> [u8; 4] {
    [10, 64, (number / 256).try_into().unwrap(), (number % 256).try_into().unwrap()]
}

fn request(number: usize) -> Value {
    let [a, b, c, d] = source(number);
    json!({"source": format!("{a}.{b}.{c}.{d}"), "destination": "10.3.0.1", "traffic_type": "video", "nodes": ["s1"]})
}

#[test]
fn ten_thousand_pipelined_requests_are_all_answered_applied_and_counted_by_the_switch() {
    let Some((lab, mut client)) = Lab::with_one_node() else {
        return;
    };
    let raw = raw_rate(&lab, &mut client);
    let requests: Vec<_> = (0..FLOWS).map(request).collect();
    let start = Instant::now();
    let answers = client.pipeline("InstallFlow", &requests);
    let rate = per_second(start.elapsed());
    let mut cookies: Vec<_> = answers
        .iter()
        .map(|answer| {
            assert_eq!(answer["payload"]["flow"]["state"], "applied", "{answer}");
            cookie(&answer["payload"]["flow"]["nodes"][0])
        })
        .collect();
    cookies.sort_unstable();
    cookies.dedup();
    assert_eq!(cookies.len(), FLOWS);
    assert_eq!(lab.ovs.flow_count("s1"), FLOWS + 1);
    let mut held: Vec<_> = flow_rules(&lab.ovs, "s1").iter().map(|rule| rule.cookie).collect();
    held.sort_unstable();
    assert_eq!(held, cookies);
    let build = if cfg!(debug_assertions) { "debug" } else { "release" };
    // Straight to the stream, because a figure is for people: the print macros are captured when a test passes.
    let _ = writeln!(
        std::io::stderr(),
        "{FLOWS} pipelined InstallFlow: {rate:.0} flows/s ({build} build of the test); the same FLOW_MODs, pre-encoded, \
         on one raw connection: {raw:.0} flows/s; ratio {:.2}",
        rate / raw
    );
}

/// How many flows a second a switch takes from one connection that writes pre-encoded FLOW_MODs and one barrier.
fn raw_rate(lab: &Lab, client: &mut Client) -> f64 {
    let mut dry_run = request(0);
    dry_run["dry_run"] = json!(true);
    let flow = client.install(&dry_run);
    let hex = flow["nodes"][0]["flow_mods"][0]["hex"].as_str().unwrap();
    let template = bytes_of(&hex.chars().filter(char::is_ascii_hexdigit).collect::<String>());
    let place = template.windows(4).position(|bytes| bytes == source(0)).unwrap();
    let mut bytes = Vec::with_capacity(FLOWS * template.len());
    for number in 0..FLOWS {
        let start = bytes.len() + place;
        bytes.extend_from_slice(&template);
        bytes[start..start + 4].copy_from_slice(&source(number));
    }
    bytes.extend_from_slice(&BARRIER_REQUEST);

    let port = lab.ovs.add_dialled_bridge("raw", 0xff);
    let mut switch = TcpStream::connect(("127.0.0.1", port)).unwrap();
    switch.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    switch.write_all(&HELLO).unwrap();
    assert_eq!(switch.read(&mut [0; 64]).unwrap(), 16, "the HELLO of the switch");
    let start = Instant::now();
    switch.write_all(&bytes).unwrap();
    let mut answer = Vec::new();
    while !messages(&answer).iter().any(|message| message[1] == BARRIER_REPLY) {
        let mut part = [0; 4096];
        let read = switch.read(&mut part).unwrap();
        answer.extend_from_slice(&part[..read]);
    }
    let rate = per_second(start.elapsed());
    assert!(messages(&answer).iter().all(|message| message[1] != ERROR));
    assert_eq!(lab.ovs.flow_count("raw"), FLOWS);
    rate
}

fn per_second(time: Duration) -> f64 {
    u32::try_from(FLOWS).map(f64::from).unwrap() / time.as_secs_f64()
}
