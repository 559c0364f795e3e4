//! Restarts: of a daemon that has a million flows, and of an Open vSwitch that had a hundred thousand.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::support::{Client, Daemon, Lab};

const STORED: u32 = 1_000_000;
const ON_THE_SWITCH: u32 = 100_000;
/// Flows of one request: what fits into a message.
const BATCH: u32 = 4_000;
/// A restart that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// A daemon with a million flows for a switch that is away is killed, and started again.
pub(crate) fn daemon() {
    let mut daemon = Daemon::start(&[]);
    let empty = memory(&daemon);
    let mut client = daemon.client();
    client.reply("AddNode", json!({"name": "s1", "datapath_id": "00000000000000a1"}));
    let begun = Instant::now();
    install(&mut client, STORED);
    println!("daemon: {STORED} flows stored in {:.1?}", begun.elapsed());
    drop(client);
    tell_memory("while they came", memory(&daemon), empty);

    let begun = Instant::now();
    daemon.kill_and_restart();
    while !daemon.get("/readyz").contains("200 OK") {
        assert!(begun.elapsed() < PATIENCE, "the daemon is not ready");
    }
    let mut client = daemon.client();
    client.reply("GetInfo", json!({}));
    println!("daemon: serves {STORED} flows {:.2?} after kill -9", begun.elapsed());
    assert_eq!(client.flow(&format!("call-{}", STORED - 1))["state"], "accepted");
    tell_memory("after the restart", memory(&daemon), empty);
}

/// Open vSwitch is killed and started again under a hundred thousand flows.
pub(crate) fn switch() {
    let Some(mut lab) = Lab::start(&[]) else { return };
    let mut client = lab.daemon.client();
    lab.add_dialled_node(&mut client, "s1", 0xa1);
    let begun = Instant::now();
    install(&mut client, ON_THE_SWITCH);
    while lab.ovs.flow_count("s1") <= ON_THE_SWITCH as usize {
        assert!(begun.elapsed() < PATIENCE, "the flows are not on the switch");
    }
    println!("switch: {ON_THE_SWITCH} flows installed in {:.1?}", begun.elapsed());

    lab.ovs.kill_switch();
    client.wait_for_node("s1", "disconnected", 10);
    lab.ovs.start_switch();
    let begun = Instant::now();
    // The table-miss rule is there too.
    while lab.ovs.flow_count("s1") <= ON_THE_SWITCH as usize {
        assert!(begun.elapsed() < PATIENCE, "the flows are not back");
    }
    let back = begun.elapsed();
    client.wait_for_node("s1", "connected", 60);
    println!("switch: all back {back:.2?} after its restart, connected after {:.2?}", begun.elapsed());
}

fn install(client: &mut Client, flows: u32) {
    for first in (0..flows).step_by(BATCH as usize) {
        let batch: Vec<Value> = (first..first + BATCH).map(flow).collect();
        let reply = client.reply("InstallFlows", json!({"flows": batch, "report": "problems"}));
        assert_eq!(reply["summary"].as_object().map(serde_json::Map::len), Some(1), "{}", reply["summary"]);
    }
}

fn flow(number: u32) -> Value {
    let source = Ipv4Addr::from(0x0a00_0000 + number);
    json!({"flow_id": format!("call-{number}"), "source": source, "destination": "10.200.0.1", "traffic_type": "voice",
        "protocol": "udp", "destination_port": 5060})
}

/// The memory that the daemon has, in KiB.
fn memory(daemon: &Daemon) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.process.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

fn tell_memory(when: &str, now: u64, empty: u64) {
    let each = (now - empty) * 1024 / u64::from(STORED);
    println!("daemon: {} MiB resident {when}, {each} bytes a flow", now / 1024);
}
