//! Switches that dial in without having been added.

use serde_json::json;

use crate::expectation::is_table_miss;
use crate::installs::install_applied;
use crate::support::{Lab, within};

const DATAPATH: &str = "00000000000000a1";

#[test]
fn a_discovered_node_is_listed_and_nothing_is_written_to_it() {
    let Some(lab) = Lab::start(&[]) else { return };
    let mut client = lab.daemon.client();
    lab.ovs.add_dialling_bridge("s1", 0xa1, lab.daemon.openflow);
    let node = client.wait_for_node(DATAPATH, "discovered", 15);
    assert_eq!((&node["datapath_id"], node["ports"].as_array().map(Vec::len)), (&json!(DATAPATH), Some(2)), "{node}");
    // A flow for "the nodes registered now" finds none, and one that names it is refused.
    let mut request = json!({"source": "10.0.0.1", "destination": "any", "traffic_type": "voice"});
    assert_eq!(client.error("InstallFlow", request.clone())["code"], "not_found");
    request["nodes"] = json!([DATAPATH]);
    client.error("InstallFlow", request);
    assert_eq!(lab.ovs.rules("s1"), []);

    lab.ovs.vsctl(&["del-controller", "s1"]);
    within(10, "the node to be forgotten", || (!client.nodes().contains_key(DATAPATH)).then_some(()));
}

#[test]
fn add_node_adopts_a_discovered_node_at_once() {
    let Some(lab) = Lab::start(&[]) else { return };
    let mut client = lab.daemon.client();
    lab.ovs.add_dialling_bridge("s1", 0xa1, lab.daemon.openflow);
    client.wait_for_node(DATAPATH, "discovered", 15);
    client.reply("AddNode", json!({"name": "edge", "datapath_id": DATAPATH}));
    client.wait_for_node("edge", "connected", 5);
    assert!(!client.nodes().contains_key(DATAPATH));
    let request = json!({"source": "10.0.0.1", "destination": "any", "traffic_type": "voice"});
    install_applied(&mut client, &request, &["edge"]);
}

#[test]
fn admission_adopt_registers_a_switch_that_dials_in() {
    let Some(lab) = Lab::start(&["--admission", "adopt"]) else {
        return;
    };
    let mut client = lab.daemon.client();
    lab.ovs.add_dialling_bridge("s1", 0xa1, lab.daemon.openflow);
    client.wait_for_node(DATAPATH, "connected", 15);
    let request = json!({"source": "10.0.0.1", "destination": "any", "traffic_type": "voice"});
    install_applied(&mut client, &request, &[DATAPATH]);
    assert_eq!(lab.ovs.rules("s1").iter().filter(|rule| is_table_miss(rule, &["NORMAL"])).count(), 1);
}

#[test]
fn admission_registered_refuses_a_switch_that_was_not_added() {
    let Some(lab) = Lab::start(&["--admission", "registered"]) else {
        return;
    };
    let mut client = lab.daemon.client();
    lab.add_dialling_node(&mut client, "s1", 0xa1);
    lab.ovs.add_dialling_bridge("s2", 0xb2, lab.daemon.openflow);
    within(15, "the refusal in the log", || lab.daemon.log().contains("00000000000000b2").then_some(()));
    assert_eq!(client.nodes().into_keys().collect::<Vec<_>>(), ["s1"]);
    assert_eq!(lab.ovs.rules("s2"), []);
}

#[test]
fn a_second_switch_with_a_live_datapath_id_does_not_take_the_place_of_the_first() {
    let Some((lab, mut client)) = Lab::with_one_node() else {
        return;
    };
    let before = client.node("s1");
    lab.ovs.add_dialling_bridge("impostor", 0xa1, lab.daemon.openflow);
    within(15, "the refusal in the log", || lab.daemon.log().to_lowercase().contains("datapath").then_some(()));
    let request = json!({"source": "10.0.0.1", "destination": "any", "traffic_type": "voice"});
    install_applied(&mut client, &request, &["s1"]);
    assert_eq!(client.node("s1")["connected_since"], before["connected_since"]);
    assert_eq!((lab.ovs.rules("s1").len(), lab.ovs.rules("impostor").len()), (2, 0));
}
