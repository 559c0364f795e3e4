//! The daemon dies at each of its named places, and starts again: every answer that was given is still true, and the
//! switch has what was asked for and nothing else of ours.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::{Client, Daemon, Lab, within};

/// Flows that a life of the daemon is asked for at most, one after the other, every third of them removed again.
const FLOWS: u32 = 200;

/// Every place, and at which passings of it.
const CRASHES: [&str; 16] = [
    "before-write:4",
    "before-write:5",
    "before-fsync:7",
    "before-fsync:8",
    "before-fsync:11",
    "after-fsync:3",
    "after-fsync:6",
    "before-answer:5",
    "before-answer:6",
    "after-answer:5",
    "after-flow-mods:6",
    "after-flow-mods:9",
    "after-barrier:2",
    "after-barrier:4",
    "after-read:1",
    "during-repair:1",
];

/// What clients were told of each flow: the last state.
type Told = BTreeMap<String, String>;

#[test]
fn whatever_was_told_before_a_crash_is_true_after_it() {
    let Some(mut lab) = Lab::start(&[]) else { return };
    let mut client = lab.daemon.client();
    lab.add_dialled_node(&mut client, "s1", 0xa1);
    drop(client);
    let mut told = Told::new();
    for (life, crash) in (0..).zip(CRASHES) {
        lab.daemon.kill();
        // So that there is something to repair.
        lab.ovs.delete_flows("s1", "udp");
        lab.daemon.restart_to_crash_at(crash);
        ask_until_it_dies(&mut lab.daemon, life, &mut told);
        lab.daemon.wait_for_end();
        lab.daemon.restart();
        let mut client = lab.daemon.client();
        client.wait_for_node("s1", "connected", 20);
        for (flow_id, state) in &told {
            let now = client.flow(flow_id)["state"].clone();
            assert_eq!(now, **state, "{flow_id} after {crash}");
        }
        check_switch(&lab, &mut client, crash);
    }
    assert!(told.len() >= 10, "hardly anything was told: {told:?}");
}

/// Asks for one thing after the other; what is not answered any more is in doubt.
fn ask_until_it_dies(daemon: &mut Daemon, life: u32, told: &mut Told) {
    let connected = within(20, "the daemon to listen or to die", || {
        let client = Client::try_connect(daemon.northbound);
        (client.is_some() || daemon.process.has_ended()).then_some(client)
    });
    let Some(mut client) = connected else { return };
    // A daemon may die while it brings the switch up to date.
    loop {
        let Some(node) = client.reply_if_alive("GetNode", json!({"name": "s1"})) else { return };
        if node["node"]["state"] == "connected" {
            break;
        }
    }
    for number in 0..FLOWS {
        let flow_id = format!("life-{life}-{number}");
        let request = json!({"flow_id": flow_id, "source": format!("10.{life}.0.{number}"), "destination": "10.9.0.1",
            "traffic_type": "voice", "protocol": "udp"});
        let Some(flow) = client.reply_if_alive("InstallFlow", request) else { return };
        remember(told, &flow_id, &flow);
        if number % 3 == 2 {
            // Asked for, it may have happened.
            told.remove(&flow_id);
            let Some(flow) = client.reply_if_alive("RemoveFlow", json!({"flow_id": flow_id})) else { return };
            remember(told, &flow_id, &flow);
        }
    }
    panic!("the daemon did not die");
}

/// Only what is final: `accepted` and `unknown` become something else.
fn remember(told: &mut Told, flow_id: &str, reply: &Value) {
    let state = reply["flow"]["state"].as_str().unwrap();
    if matches!(state, "applied" | "removed") {
        told.insert(flow_id.to_owned(), state.to_owned());
    }
}

/// The switch has the rules of the flows that are applied, each once, the table-miss rule, and nothing else.
fn check_switch(lab: &Lab, client: &mut Client, crash: &str) {
    within(5, &format!("the switch to have what is applied, after {crash}"), || {
        let flows = client.reply("ListFlows", json!({"limit": 1000}))["flows"].take();
        let flows = flows.as_array().unwrap();
        let applied: Vec<_> = flows.iter().filter(|flow| flow["state"] == "applied").collect();
        let is_settled = |flow: &Value| matches!(flow["state"].as_str(), Some("applied" | "removed"));
        let is_all = flows.iter().all(is_settled) && lab.ovs.flow_count("s1") == applied.len() + 1;
        is_all.then_some(())
    });
}
