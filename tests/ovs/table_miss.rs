//! The table-miss rule of a registered node.

use serde_json::json;

use crate::expectation::is_table_miss;
use crate::support::Lab;

/// The actions of the rules of priority 0 on a node that is added to a daemon with these options.
fn table_miss_actions(lab: &Lab) -> Vec<Vec<String>> {
    let mut client = lab.daemon.client();
    lab.add_dialling_node(&mut client, "s1", 0xa1);
    lab.ovs.rules("s1").into_iter().map(|rule| rule.actions).collect()
}

#[test]
fn a_registered_node_gets_a_rule_of_priority_0_that_forwards_as_usual() {
    let Some(lab) = Lab::start(&[]) else { return };
    assert_eq!(table_miss_actions(&lab), [["NORMAL"]]);
    assert!(is_table_miss(&lab.ovs.rules("s1")[0], &["NORMAL"]));
}

#[test]
fn table_miss_drop_writes_a_rule_that_drops() {
    let Some(lab) = Lab::start(&["--table-miss", "drop"]) else {
        return;
    };
    assert_eq!(table_miss_actions(&lab), [["drop"]]);
}

#[test]
fn table_miss_controller_writes_a_rule_that_sends_packets_up() {
    let Some(lab) = Lab::start(&["--table-miss", "controller"]) else {
        return;
    };
    let actions = table_miss_actions(&lab);
    assert!(actions.len() == 1 && actions[0][0].starts_with("CONTROLLER:"), "{actions:?}");
}

#[test]
fn table_miss_none_writes_nothing() {
    let Some(lab) = Lab::start(&["--table-miss", "none"]) else {
        return;
    };
    assert_eq!(table_miss_actions(&lab), Vec::<Vec<String>>::new());
}

#[test]
fn a_table_miss_rule_of_somebody_else_is_left_alone_and_reported() {
    let Some(lab) = Lab::start(&[]) else { return };
    let mut client = lab.daemon.client();
    let port = lab.ovs.add_dialled_bridge("s1", 0xa1);
    lab.ovs.add_foreign_flow("s1", "cookie=0x77,priority=0,actions=drop");
    client.reply("AddNode", json!({"name": "s1", "address": format!("tcp:127.0.0.1:{port}")}));
    let node = client.wait_for_node("s1", "connected", 15);
    let warnings = node["warnings"].as_array().unwrap();
    assert!(warnings.iter().any(|warning| warning.as_str().unwrap().contains("table-miss")), "{node}");
    assert!(lab.daemon.log().contains("table-miss"), "{}", lab.daemon.log());
    let rules = lab.ovs.rules("s1");
    assert!(rules.len() == 1 && rules[0].cookie == 0x77 && is_table_miss(&rules[0], &["drop"]), "{rules:?}");
    // Nor does it go when the node goes.
    client.reply("RemoveNode", json!({"name": "s1"}));
    assert_eq!(lab.ovs.rules("s1"), rules);
}

#[test]
fn the_table_miss_rule_is_back_after_the_switch_lost_it_and_is_there_once() {
    let Some((mut lab, mut client)) = Lab::with_one_node() else {
        return;
    };
    let before = lab.ovs.rules("s1");
    lab.ovs.kill_switch();
    client.wait_for_node("s1", "disconnected", 5);
    lab.ovs.start_switch();
    client.wait_for_node("s1", "connected", 10);
    assert_eq!(lab.ovs.rules("s1"), before);
    lab.daemon.stop_and_restart();
    lab.daemon.client().wait_for_node("s1", "connected", 15);
    assert_eq!(lab.ovs.rules("s1"), before);
}
