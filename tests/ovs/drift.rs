//! Somebody else changes the switch behind the daemon's back.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::installs::{flow_rules, install_applied};
use crate::support::{Lab, within};

/// Flows that are meddled with in turn, each of them once in each way: one that drifts too often is held.
const FLOWS: usize = 20;

#[test]
fn what_del_flows_and_mod_flows_do_is_undone_within_a_second_where_there_is_a_flow_monitor() {
    let Some((lab, mut client)) = Lab::with_one_node() else { return };
    for number in 0..FLOWS {
        let source = format!("10.0.0.{number}");
        client.install(&json!({"source": source, "destination": "any", "traffic_type": "voice"}));
    }
    let expected = flow_rules(&lab.ovs, "s1");
    for (name, meddle) in [("del-flows", delete as fn(&Lab, usize)), ("mod-flows", modify)] {
        let mut times: Vec<Duration> = (0..FLOWS)
            .map(|number| {
                meddle(&lab, number);
                let done = Instant::now();
                within(5, "the rule to be as asked", || (flow_rules(&lab.ovs, "s1") == expected).then_some(()));
                done.elapsed()
            })
            .collect();
        times.sort();
        let (median, longest) = (times[FLOWS / 2], times[FLOWS - 1]);
        println!("{name}: undone in {median:?} (median), {longest:?} (longest of {FLOWS}), reading the table included");
        assert!(longest < Duration::from_secs(1), "{name}: {times:?}");
    }
}

fn delete(lab: &Lab, number: usize) {
    lab.ovs.delete_flows("s1", &format!("ip,nw_src=10.0.0.{number}"));
}

fn modify(lab: &Lab, number: usize) {
    lab.ovs.modify_flows("s1", &format!("ip,nw_src=10.0.0.{number},actions=drop"));
}

#[test]
fn a_rule_deleted_by_somebody_else_is_put_back() {
    let Some((lab, mut client)) = Lab::with_two_nodes() else { return };
    let request = json!({"flow_id": "f", "source": "10.0.0.1", "destination": "any", "traffic_type": "voice"});
    let expected = install_applied(&mut client, &request, &["s1", "s2"]);
    for bridge in ["s1", "s2"] {
        lab.ovs.delete_flows(bridge, "ip");
        within(5, "the rule to be back", || (flow_rules(&lab.ovs, bridge) == expected).then_some(()));
    }
    client.wait_for_flow("f", "applied", 5);
}

#[test]
fn a_rule_changed_by_somebody_else_is_as_asked_again() {
    let Some((lab, mut client)) = Lab::with_one_node() else { return };
    let request = json!({"flow_id": "f", "source": "10.0.0.1", "destination": "any", "traffic_type": "voice"});
    let expected = install_applied(&mut client, &request, &["s1"]);
    lab.ovs.add_foreign_flow("s1", "priority=46000,ip,nw_src=10.0.0.1,actions=drop");
    within(5, "the rule to be as asked", || (flow_rules(&lab.ovs, "s1") == expected).then_some(()));
    client.wait_for_flow("f", "applied", 5);
}

#[test]
fn rules_of_somebody_else_come_and_go_as_they_like() {
    let Some((lab, mut client)) = Lab::with_one_node() else { return };
    let request = json!({"source": "10.0.0.1", "destination": "any", "traffic_type": "voice"});
    let ours = install_applied(&mut client, &request, &["s1"]);
    lab.ovs.add_foreign_flow("s1", "cookie=0x77,priority=7,udp,actions=drop");
    client.install(&json!({"source": "10.0.0.2", "destination": "any", "traffic_type": "voice"}));
    assert_eq!(lab.ovs.rules_of_priority("s1", 7).len(), 1);
    lab.ovs.delete_flows("s1", "udp");
    client.install(&json!({"source": "10.0.0.3", "destination": "any", "traffic_type": "voice"}));
    assert!(flow_rules(&lab.ovs, "s1").is_superset(&ours));
    assert_eq!((flow_rules(&lab.ovs, "s1").len(), lab.ovs.rules_of_priority("s1", 7).len()), (3, 0));
}
