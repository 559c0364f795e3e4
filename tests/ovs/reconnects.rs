//! A switch or a daemon that dies and comes back.

use serde_json::json;

use crate::expectation::rules;
use crate::installs::{cookie, flow_rules, install_applied};
use crate::support::Lab;

#[test]
fn a_switch_that_is_killed_is_disconnected_at_once_and_connected_within_ten_seconds_of_its_start() {
    let Some((mut lab, mut client)) = Lab::with_two_nodes() else {
        return;
    };
    for _ in 0..2 {
        lab.ovs.kill_switch();
        for name in ["s1", "s2"] {
            let node = client.wait_for_node(name, "disconnected", 2);
            assert_eq!(node["connected_since"], json!(null), "{node}");
        }
        lab.ovs.start_switch();
        for name in ["s1", "s2"] {
            let node = client.wait_for_node(name, "connected", 10);
            assert!(node["connected_since"].is_string(), "{node}");
        }
    }
}

#[test]
fn the_flows_of_a_switch_that_lost_them_are_back_when_it_is_connected_again() {
    let Some((mut lab, mut client)) = Lab::with_two_nodes() else {
        return;
    };
    let request = json!({"source": "10.0.0.1", "destination": "10.0.0.2", "traffic_type": "voice"});
    let expected = install_applied(&mut client, &request, &["s1", "s2"]);
    lab.ovs.kill_switch();
    client.wait_for_node("s1", "disconnected", 2);
    client.wait_for_node("s2", "disconnected", 2);
    lab.ovs.start_switch();
    for name in ["s1", "s2"] {
        client.wait_for_node(name, "connected", 10);
        assert_eq!(flow_rules(&lab.ovs, name), expected, "{name}");
    }
}

#[test]
fn a_flow_for_a_switch_that_is_away_is_accepted_and_applied_when_it_is_back() {
    let Some((mut lab, mut client)) = Lab::with_one_node() else {
        return;
    };
    lab.ovs.kill_switch();
    client.wait_for_node("s1", "disconnected", 2);
    let request = json!({"flow_id": "later", "source": "10.0.0.1", "destination": "any", "traffic_type": "voice"});
    assert_eq!(client.install(&request)["state"], "accepted");
    lab.ovs.start_switch();
    let flow = client.wait_for_flow("later", "applied", 10);
    assert_eq!(flow_rules(&lab.ovs, "s1"), rules(&request, cookie(&flow["nodes"][0])));
}

#[test]
fn a_switch_that_never_confirms_is_not_reported_as_applied() {
    let Some((lab, mut client)) = Lab::with_one_node() else {
        return;
    };
    lab.ovs.pause_switch(true);
    let request = json!({"flow_id": "slow", "source": "10.0.0.1", "destination": "any", "traffic_type": "voice", "timeout_ms": 300});
    let flow = client.install(&request);
    assert!(["accepted", "unknown"].contains(&flow["state"].as_str().unwrap()), "{flow}");
    lab.ovs.pause_switch(false);
    client.wait_for_flow("slow", "applied", 15);
    assert_eq!(flow_rules(&lab.ovs, "s1").len(), 1);
}

#[test]
fn nodes_and_flows_survive_the_end_of_the_daemon_orderly_or_not() {
    let Some((mut lab, mut client)) = Lab::with_two_nodes() else {
        return;
    };
    let request = json!({"flow_id": "kept", "source": "10.0.0.1", "destination": "10.0.0.2", "traffic_type": "voice"});
    let expected = install_applied(&mut client, &request, &["s1", "s2"]);
    for kill in [true, false] {
        if kill {
            lab.daemon.kill_and_restart();
        } else {
            lab.daemon.stop_and_restart();
        }
        client = lab.daemon.client();
        for name in ["s1", "s2"] {
            client.wait_for_node(name, "connected", 15);
            assert_eq!(flow_rules(&lab.ovs, name), expected, "{name}");
        }
        assert_eq!(client.flow("kept")["state"], "applied");
        // The same request again is the same flow, and does nothing twice.
        assert_eq!(install_applied(&mut client, &request, &["s1", "s2"]), expected);
    }
    client.reply("RemoveFlow", json!({"flow_id": "kept"}));
    assert_eq!((flow_rules(&lab.ovs, "s1").len(), flow_rules(&lab.ovs, "s2").len()), (0, 0));
}

#[test]
fn a_request_with_no_time_to_wait_is_answered_with_a_state_and_not_with_an_error() {
    let Some((_lab, mut client)) = Lab::with_one_node() else { return };
    for number in 0..20 {
        let flow = client.install(&json!({"source": format!("10.0.0.{number}"), "destination": "any",
                                          "traffic_type": "voice", "timeout_ms": 0}));
        assert!(["accepted", "applied"].contains(&flow["state"].as_str().unwrap()), "{flow}");
    }
}

#[test]
fn a_switch_that_falls_silent_is_given_up_and_has_what_was_asked_meanwhile_when_it_speaks_again() {
    let Some((lab, mut client)) = Lab::with_one_node() else { return };
    lab.ovs.pause_switch(true);
    let request = json!({"flow_id": "f", "source": "10.0.0.1", "destination": "any", "traffic_type": "voice",
                         "wait": "accepted"});
    assert_eq!(client.install(&request)["state"], "accepted");
    client.wait_for_node("s1", "disconnected", 20);
    assert!(["accepted", "unknown"].contains(&client.flow("f")["state"].as_str().unwrap()));
    lab.ovs.pause_switch(false);
    client.wait_for_node("s1", "connected", 20);
    let flow = client.wait_for_flow("f", "applied", 5);
    assert_eq!(flow_rules(&lab.ovs, "s1"), rules(&request, cookie(&flow["nodes"][0])));
}
