//! Timeouts: shown by the switch, and a flow whose time is over is `expired` and stays so.

use serde_json::json;

use crate::installs::{flow_rules, install_applied};
use crate::support::Lab;

#[test]
fn a_flow_whose_hard_timeout_is_over_becomes_expired_and_is_not_installed_again() {
    let Some((lab, mut client)) = Lab::with_two_nodes() else {
        return;
    };
    let request = json!({"flow_id": "brief", "source": "10.0.0.1", "destination": "any", "traffic_type": "voice",
                         "hard_timeout": 1});
    install_applied(&mut client, &request, &["s1", "s2"]);
    client.wait_for_flow("brief", "expired", 10);
    assert_eq!((flow_rules(&lab.ovs, "s1").len(), flow_rules(&lab.ovs, "s2").len()), (0, 0));
    assert_eq!(client.install(&request)["state"], "expired");
    assert_eq!(flow_rules(&lab.ovs, "s1").len(), 0);
}

#[test]
fn a_flow_whose_idle_timeout_is_over_becomes_expired() {
    let Some((_lab, mut client)) = Lab::with_one_node() else {
        return;
    };
    let request = json!({"flow_id": "idle", "source": "10.0.0.1", "destination": "any", "traffic_type": "voice",
                         "idle_timeout": 1});
    install_applied(&mut client, &request, &["s1"]);
    client.wait_for_flow("idle", "expired", 10);
}
