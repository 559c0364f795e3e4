//! A switch that refuses: the verdict is the switch's own, and exactly what is answered `applied` is in the table.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::expectation::rules;
use crate::installs::{cookie, flow_rules};
use crate::support::Lab;

/// Asks for `count` flows on `s1` that differ in the source address.
fn requests(count: usize) -> Vec<Value> {
    let source = |number| format!("10.9.{}.{}", number / 256, number % 256);
    (0..count)
        .map(|number| {
            json!({"flow_id": format!("f-{number}"), "source": source(number), "destination": "10.0.0.2",
                   "traffic_type": "bulk", "nodes": ["s1"]})
        })
        .collect()
}

#[test]
fn flows_beyond_the_limit_are_rejected_with_table_full_and_the_others_are_applied() {
    let Some((lab, mut client)) = Lab::with_two_nodes() else {
        return;
    };
    // One place is taken by the table-miss rule.
    lab.ovs.limit_table("s1", 1 + 3);
    let requests = requests(10);
    let mut expected = BTreeSet::new();
    let mut rejected = Vec::new();
    for (request, answer) in requests.iter().zip(client.pipeline("InstallFlow", &requests)) {
        let flow = &answer["payload"]["flow"];
        let verdict = &flow["nodes"][0];
        assert_eq!((&answer["type"], &flow["state"]), (&json!("Reply"), &verdict["state"]), "{answer}");
        if flow["state"] == "applied" {
            expected.extend(rules(request, cookie(verdict)));
        } else {
            let error = &verdict["error"];
            assert_eq!(flow["state"], "rejected", "{flow}");
            assert_eq!((&error["type"], &error["code"]), (&json!("FLOW_MOD_FAILED"), &json!("TABLE_FULL")), "{flow}");
            assert!(error["message"].as_str().is_some_and(|sentence| sentence.contains(' ')), "{flow}");
            rejected.push(flow["flow_id"].clone());
        }
    }
    assert_eq!((expected.len(), rejected.len()), (3, 7));
    assert_eq!(flow_rules(&lab.ovs, "s1"), expected);
    for flow_id in &rejected {
        assert_eq!(client.flow(flow_id.as_str().unwrap())["state"], "rejected");
    }
}

#[test]
fn a_rejected_flow_is_not_sent_again_and_its_id_is_free_after_remove_flow() {
    let Some((mut lab, mut client)) = Lab::with_one_node() else {
        return;
    };
    lab.ovs.limit_table("s1", 1);
    let request = &requests(1)[0];
    assert_eq!(client.install(request)["state"], "rejected");
    lab.ovs.vsctl(&["clear", "bridge", "s1", "flow_tables"]);
    // Neither a reconnect nor asking again brings it back.
    lab.ovs.kill_switch();
    client.wait_for_node("s1", "disconnected", 10);
    lab.ovs.start_switch();
    client.wait_for_node("s1", "connected", 10);
    assert_eq!(client.install(request)["state"], "rejected");
    assert_eq!(flow_rules(&lab.ovs, "s1"), BTreeSet::new());
    client.reply("RemoveFlow", json!({"flow_id": "f-0"}));
    assert_eq!(client.install(request)["state"], "applied");
    assert_eq!(flow_rules(&lab.ovs, "s1").len(), 1);
}

#[test]
fn a_flow_that_one_of_two_nodes_refuses_tells_both_verdicts() {
    let Some((lab, mut client)) = Lab::with_two_nodes() else {
        return;
    };
    lab.ovs.limit_table("s1", 1);
    let flow = client.install(&json!({"source": "10.0.0.1", "destination": "10.0.0.2", "traffic_type": "oam"}));
    assert_eq!(flow["state"], "rejected", "{flow}");
    let states: BTreeSet<_> =
        flow["nodes"].as_array().unwrap().iter().map(|node| (node["node"].as_str(), node["state"].as_str())).collect();
    assert_eq!(states, BTreeSet::from([(Some("s1"), Some("rejected")), (Some("s2"), Some("applied"))]), "{flow}");
    assert_eq!((flow_rules(&lab.ovs, "s1").len(), flow_rules(&lab.ovs, "s2").len()), (0, 1));
}
