//! The same flow twice, and two flows that want the same place in a table.

use serde_json::json;

use crate::installs::{flow_rules, install_applied};
use crate::support::Lab;

#[test]
fn the_same_id_with_the_same_body_is_the_same_flow_and_does_nothing_twice() {
    let Some((lab, mut client)) = Lab::with_one_node() else {
        return;
    };
    let request = json!({"flow_id": "f", "source": "10.0.0.1", "destination": "any", "traffic_type": "voice"});
    let expected = install_applied(&mut client, &request, &["s1"]);
    assert_eq!(install_applied(&mut client, &request, &["s1"]), expected);
    assert_eq!(flow_rules(&lab.ovs, "s1"), expected);
}

#[test]
fn the_same_id_with_another_body_is_a_conflict() {
    let Some((lab, mut client)) = Lab::with_one_node() else {
        return;
    };
    let mut request = json!({"flow_id": "f", "source": "10.0.0.1", "destination": "any", "traffic_type": "voice"});
    let expected = install_applied(&mut client, &request, &["s1"]);
    request["priority"] = json!(7);
    assert_eq!(client.error("InstallFlow", request)["code"], "conflict");
    assert_eq!(flow_rules(&lab.ovs, "s1"), expected);
}

#[test]
fn the_same_match_and_priority_is_a_conflict_that_names_the_other_flow() {
    let Some((lab, mut client)) = Lab::with_one_node() else {
        return;
    };
    let mut request = json!({"flow_id": "first", "source": "10.0.0.1", "destination": "any", "traffic_type": "voice"});
    let expected = install_applied(&mut client, &request, &["s1"]);
    request["flow_id"] = json!("second");
    let error = client.error("InstallFlow", request.clone());
    assert_eq!(error["code"], "conflict", "{error}");
    assert!(error["message"].as_str().unwrap().contains("first"), "{error}");
    assert_eq!(flow_rules(&lab.ovs, "s1"), expected);

    request["replace"] = json!(true);
    let expected = install_applied(&mut client, &request, &["s1"]);
    assert_eq!(flow_rules(&lab.ovs, "s1"), expected);
    assert_eq!(client.flow("first")["state"], "superseded");
    // The first one's end does not take the second one's rule.
    client.reply("RemoveFlow", json!({"flow_id": "first"}));
    assert_eq!(flow_rules(&lab.ovs, "s1"), expected);
}

#[test]
fn a_foreign_rule_in_the_same_place_is_a_conflict_and_stays() {
    let Some(lab) = Lab::start(&[]) else { return };
    let mut client = lab.daemon.client();
    let port = lab.ovs.add_dialled_bridge("s1", 0xa1);
    lab.ovs.add_foreign_flow("s1", "cookie=0x77,priority=46000,ip,nw_src=10.0.0.1,actions=drop");
    client.reply("AddNode", json!({"name": "s1", "address": format!("tcp:127.0.0.1:{port}")}));
    client.wait_for_node("s1", "connected", 15);
    let request = json!({"source": "10.0.0.1", "destination": "any", "traffic_type": "voice"});
    let error = client.error("InstallFlow", request);
    assert_eq!(error["code"], "conflict", "{error}");
    assert!(
        error["message"].as_str().unwrap().contains("0x77")
            || error["message"].as_str().unwrap().contains("0x0000000000000077"),
        "{error}"
    );
    assert_eq!(lab.ovs.rules_of_priority("s1", 46000)[0].cookie, 0x77);
}
