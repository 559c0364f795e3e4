//! RemoveFlow and RemoveNode: exactly our own rules go, and they are gone when the answer comes.

use serde_json::json;

use crate::installs::{flow_rules, install_applied};
use crate::support::Lab;

#[test]
fn remove_flow_removes_exactly_its_own_rules_from_every_node() {
    let Some((lab, mut client)) = Lab::with_two_nodes() else {
        return;
    };
    let wide = json!({"flow_id": "wide", "source": "10.0.0.0/8", "destination": "any", "traffic_type": "voice",
                      "protocol": "udp", "destination_port": "5060-5070", "bidirectional": true});
    // Inside the other, and of the same priority: a delete that is not strict would take it too.
    let inside = json!({"flow_id": "inside", "source": "10.0.0.1", "destination": "10.0.0.2", "traffic_type": "voice",
                        "protocol": "udp", "destination_port": 5061});
    install_applied(&mut client, &wide, &["s1", "s2"]);
    let expected = install_applied(&mut client, &inside, &["s1", "s2"]);
    lab.ovs.add_foreign_flow("s1", "priority=46000,udp,nw_src=10.0.0.7,actions=drop");
    let flow = client.reply("RemoveFlow", json!({"flow_id": "wide"}))["flow"].take();
    assert_eq!(flow["state"], "removed", "{flow}");
    assert_eq!(flow_rules(&lab.ovs, "s2"), expected);
    let mut left = flow_rules(&lab.ovs, "s1");
    left.retain(|rule| rule.cookie != 0);
    assert_eq!((left, flow_rules(&lab.ovs, "s1").len()), (expected, 2));
}

#[test]
fn remove_node_takes_our_flows_and_our_table_miss_rule_and_leaves_the_rest() {
    let Some((lab, mut client)) = Lab::with_two_nodes() else {
        return;
    };
    let request = json!({"flow_id": "f", "source": "10.0.0.1", "destination": "any", "traffic_type": "voice"});
    install_applied(&mut client, &request, &["s1", "s2"]);
    lab.ovs.add_foreign_flow("s1", "priority=7,udp,actions=drop");
    client.reply("RemoveNode", json!({"name": "s1"}));
    let left = lab.ovs.rules("s1");
    assert!(left.iter().all(|rule| rule.priority == 7 || rule.priority == 0), "{left:?}");
    assert_eq!(lab.ovs.rules_of_priority("s1", 7).len(), 1);
    assert_eq!(flow_rules(&lab.ovs, "s2").len(), 1);
    assert!(!client.nodes().contains_key("s1"));
}

#[test]
fn remove_node_can_leave_the_flows_where_they_are() {
    let Some((lab, mut client)) = Lab::with_one_node() else {
        return;
    };
    let request = json!({"source": "10.0.0.1", "destination": "any", "traffic_type": "voice"});
    let expected = install_applied(&mut client, &request, &["s1"]);
    client.reply("RemoveNode", json!({"name": "s1", "flows": "leave"}));
    assert!(!client.nodes().contains_key("s1"));
    let left = lab.ovs.rules("s1");
    assert!(expected.iter().all(|rule| left.contains(rule)), "{left:?}");
}

#[test]
fn removing_half_of_the_flows_at_once_leaves_the_other_half() {
    let Some((lab, mut client)) = Lab::with_one_node() else {
        return;
    };
    let requests: Vec<_> = (0..100)
        .map(|number| {
            json!({"flow_id": format!("f-{number}"), "source": format!("10.0.0.{number}"),
                             "destination": "10.1.0.1", "traffic_type": "bulk"})
        })
        .collect();
    client.pipeline("InstallFlow", &requests);
    let odd: Vec<_> = (1..100).step_by(2).map(|number| json!({"flow_id": format!("f-{number}")})).collect();
    for answer in client.pipeline("RemoveFlow", &odd) {
        assert_eq!(answer["payload"]["flow"]["state"], "removed", "{answer}");
    }
    let left = flow_rules(&lab.ovs, "s1");
    assert_eq!(left.len(), 50);
    assert!(
        (0..100)
            .step_by(2)
            .all(|number| { left.iter().any(|rule| rule.fields.contains(&format!("nw_src=10.0.0.{number}"))) })
    );
}
