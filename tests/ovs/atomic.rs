//! Flows that are asked for together, on real tables that are too small, on switches that die between two steps, and
//! beside rules of others.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::expectation::rules;
use crate::installs::{cookie, flow_rules};
use crate::support::{Client, Lab, Ovs, Rule, Tap, within};

/// A rule of somebody else, below all of ours.
const FOREIGN: &str = "cookie=0x7,priority=7,ip,nw_src=10.77.0.1,actions=NORMAL";

/// A batch of so many flows on these nodes.
fn batch(atomic: &str, count: usize, nodes: &[&str]) -> Value {
    let flow = |number| {
        json!({"flow_id": format!("f-{number}"), "source": format!("10.9.{}.{}", number / 256, number % 256),
               "destination": "10.0.0.2", "traffic_type": "bulk", "nodes": nodes})
    };
    json!({"atomic": atomic, "flows": (0..count).map(flow).collect::<Vec<_>>()})
}

/// The rules of our flows on a node.
fn ours(lab: &Lab, node: &str) -> BTreeSet<Rule> {
    flow_rules(&lab.ovs, node).into_iter().filter(|rule| rule.cookie != 7).collect()
}

/// The verdicts of a node on the flows of a reply: state, type and code.
fn verdicts(reply: &Value, node: &str) -> Vec<(String, String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let of_node = |flow: &Value| {
        let verdict = flow["nodes"].as_array().unwrap().iter().find(|verdict| verdict["node"] == node).unwrap().clone();
        (text(&verdict["state"]), text(&verdict["error"]["type"]), text(&verdict["error"]["code"]))
    };
    reply["flows"].as_array().unwrap().iter().map(of_node).collect()
}

/// Exactly what the request asks for is on the node, under the cookies of the reply.
fn assert_installed(lab: &Lab, client: &mut Client, request: &Value, node: &str) {
    let expected: BTreeSet<_> = request["flows"].as_array().unwrap().iter().fold(BTreeSet::new(), |mut all, item| {
        let flow = client.flow(item["flow_id"].as_str().unwrap());
        assert_eq!(flow["state"], "applied", "{flow}");
        let verdict = flow["nodes"].as_array().unwrap().iter().find(|verdict| verdict["node"] == node).unwrap().clone();
        all.extend(rules(item, cookie(&verdict)));
        all
    });
    assert_eq!(ours(lab, node), expected);
}

#[test]
fn limited_flows_of_a_batch_have_their_meters_and_leave_none_when_it_fails() {
    let Some((lab, mut client)) = Lab::with_one_node() else { return };
    let mut request = batch("node", 4, &["s1"]);
    for number in 0..3 {
        request["flows"][number]["rate_limit"] = json!({"rate_kbps": 1000 + number});
    }
    // With the table-miss rule there is room for three of the four.
    lab.ovs.limit_table("s1", 1 + 3);
    let reply = client.reply("InstallFlows", request.clone());
    assert_eq!(reply["summary"], json!({"rejected": 4}), "{reply}");
    assert_eq!((lab.ovs.meters("s1"), ours(&lab, "s1").len()), (vec![], 0));
    client.reply("RemoveFlows", json!({"flow_ids": ["f-0", "f-1", "f-2", "f-3"]}));
    lab.ovs.limit_table("s1", 100);
    assert_eq!(client.reply("InstallFlows", request)["summary"], json!({"applied": 4}));
    let meters: Vec<_> =
        (0..3).map(|number| format!("{} kbps stats bands= type=drop rate={}", number + 1, 1000 + number)).collect();
    assert_eq!(lab.ovs.meters("s1"), meters);
    let metered = lab.ovs.rules("s1").into_iter().filter(|rule| rule.actions.iter().any(|a| a.starts_with("meter:")));
    assert_eq!((metered.count(), ours(&lab, "s1").len()), (3, 4));
}

#[test]
fn a_batch_of_eight_on_a_table_with_room_for_five_installs_none() {
    let Some((lab, mut client)) = Lab::with_one_node() else { return };
    lab.ovs.add_foreign_flow("s1", FOREIGN);
    // The table-miss rule and the foreign one have two of the places.
    lab.ovs.limit_table("s1", 2 + 5);
    let reply = client.reply("InstallFlows", batch("node", 8, &["s1"]));
    let verdicts = verdicts(&reply, "s1");
    assert!(verdicts.iter().all(|(state, ..)| state == "rejected"), "{reply}");
    let blamed = |error_type: &str, code: &str| {
        verdicts
            .iter()
            .filter(|(_, own_type, own_code)| (own_type.as_str(), own_code.as_str()) == (error_type, code))
            .count()
    };
    assert_eq!(blamed("FLOW_MOD_FAILED", "TABLE_FULL"), 1, "{reply}");
    assert_eq!(blamed("BUNDLE_FAILED", "MSG_FAILED"), 7, "{reply}");
    assert_eq!(ours(&lab, "s1"), BTreeSet::new());
    assert_eq!(lab.ovs.rules_of_priority("s1", 7).len(), 1, "what is not ours stays");
    client.reply("RemoveFlows", json!({"all": true}));
    let request = batch("node", 5, &["s1"]);
    let reply = client.reply("InstallFlows", request.clone());
    assert_eq!(reply["summary"], json!({"applied": 5}), "{reply}");
    assert_installed(&lab, &mut client, &request, "s1");
}

#[test]
fn of_two_switches_of_which_one_refuses_neither_has_anything() {
    let Some((lab, mut client)) = Lab::with_two_nodes() else { return };
    for node in ["s1", "s2"] {
        lab.ovs.add_foreign_flow(node, FOREIGN);
    }
    for full in ["s1", "s2"] {
        lab.ovs.limit_table(full, 2 + 5);
        let reply = client.reply("InstallFlows", batch("all", 8, &["s1", "s2"]));
        assert_eq!(reply["summary"], json!({"rejected": 8}), "{reply}");
        for node in ["s1", "s2"] {
            assert!(verdicts(&reply, node).iter().all(|(state, ..)| state == "rejected"), "{reply}");
            assert_eq!(ours(&lab, node), BTreeSet::new(), "{node}");
            assert_eq!(lab.ovs.rules_of_priority(node, 7).len(), 1, "what is not ours stays on {node}");
        }
        lab.ovs.vsctl(&["clear", "bridge", full, "flow_tables"]);
        client.reply("RemoveFlows", json!({"all": true}));
    }
    let request = batch("all", 8, &["s1", "s2"]);
    assert_eq!(client.reply("InstallFlows", request.clone())["summary"], json!({"applied": 8}));
    for node in ["s1", "s2"] {
        assert_installed(&lab, &mut client, &request, node);
    }
}

#[test]
fn each_node_decides_for_itself_where_that_was_asked_for() {
    let Some((lab, mut client)) = Lab::with_two_nodes() else { return };
    lab.ovs.limit_table("s1", 1 + 5);
    let reply = client.reply("InstallFlows", batch("node", 8, &["s1", "s2"]));
    assert_eq!(reply["summary"], json!({"rejected": 8}), "{reply}");
    assert!(verdicts(&reply, "s2").iter().all(|(state, ..)| state == "applied"), "{reply}");
    assert_eq!((flow_rules(&lab.ovs, "s1").len(), flow_rules(&lab.ovs, "s2").len()), (0, 8));
}

#[test]
fn ten_thousand_flows_are_one_bundle() {
    let Some((lab, mut client)) = Lab::with_one_node() else { return };
    let flow = |number| {
        json!({"source": format!("10.9.{}.{}", number / 256, number % 256), "destination": "any",
                               "traffic_type": "bulk"})
    };
    let flows: Vec<_> = (0..10_000).map(flow).collect();
    let reply = client.reply("InstallFlows", json!({"atomic": "node", "report": "problems", "flows": flows}));
    assert_eq!(reply["summary"], json!({"applied": 10_000}), "{reply}");
    assert_eq!(flow_rules(&lab.ovs, "s1").len(), 10_000);
}

#[test]
fn a_switch_that_dies_with_its_bundle_closed_and_not_committed_leaves_the_other_without_the_batch() {
    let Some((lab, mut client)) = Lab::with_one_node() else { return };
    // A second Open vSwitch, which can die without the first.
    let Some(mut other) = Ovs::start() else { return };
    let tap = Tap::before(other.add_dialled_bridge("t1", 0xc3));
    client.reply("AddNode", json!({"name": "t1", "address": format!("tcp:127.0.0.1:{}", tap.port)}));
    client.wait_for_node("t1", "connected", 15);
    // The first one does not get as far as closing its bundle, so that the second waits with its own.
    lab.ovs.pause_switch(true);
    client.write_pipeline("InstallFlows", &[batch("all", 50, &["s1", "t1"])]);
    within(5, "the bundle to be closed", || tap.messages().iter().any(|message| is_close(message)).then_some(()));
    other.kill_switch();
    let mut second = lab.daemon.client();
    second.wait_for_node("t1", "disconnected", 10);
    lab.ovs.pause_switch(false);
    let answer = client.read_pipeline(1).remove(0);
    assert_eq!(answer["payload"]["summary"], json!({"accepted": 50}), "{answer}");
    assert_eq!(flow_rules(&lab.ovs, "s1"), BTreeSet::new());
    other.start_switch();
    second.wait_for_flow("f-49", "applied", 20);
    assert_eq!((flow_rules(&lab.ovs, "s1").len(), flow_rules(&other, "t1").len()), (50, 50));
}

/// Whether a message asks to close a bundle: experimenter ONF, type 2300, control type 2.
fn is_close(message: &[u8]) -> bool {
    matches!(message, [_, 4, _, _, _, _, _, _, 0x4f, 0x4e, 0x46, 0, 0, 0, 0x08, 0xfc, _, _, _, _, 0, 2, ..])
}
