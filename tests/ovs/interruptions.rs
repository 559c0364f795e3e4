//! Switches and daemons that die in the middle of many requests: what was answered stays true, and what was not known
//! becomes known.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::installs::{cookie, flow_rules};
use crate::support::{Client, Lab, free_port, within};

const FLOWS: usize = 3_000;

fn requests() -> Vec<Value> {
    (0..FLOWS)
        .map(|number| {
            json!({"flow_id": format!("f-{number}"), "source": format!("10.9.{}.{}", number / 256, number % 256),
                   "destination": "10.0.0.2", "traffic_type": "bulk", "timeout_ms": 1000})
        })
        .collect()
}

/// The cookies of all flows in a state, read page by page.
fn cookies_of(client: &mut Client, state: &str) -> BTreeSet<u64> {
    let mut cookies = BTreeSet::new();
    let mut filter = json!({"state": state});
    loop {
        let page = client.reply("ListFlows", filter.clone());
        cookies.extend(page["flows"].as_array().unwrap().iter().map(|flow| cookie(&flow["nodes"][0])));
        if page["next_cursor"].is_null() {
            return cookies;
        }
        filter["cursor"] = page["next_cursor"].clone();
    }
}

fn cookies_in_switch(lab: &Lab) -> BTreeSet<u64> {
    flow_rules(&lab.ovs, "s1").into_iter().map(|rule| rule.cookie).collect()
}

#[test]
fn a_switch_killed_among_many_installs_ends_with_every_flow_applied() {
    let Some((mut lab, mut client)) = Lab::with_one_node() else { return };
    let requests = requests();
    client.write_pipeline("InstallFlow", &requests);
    within(20, "some flows in the switch", || (lab.ovs.flow_count("s1") > 100).then_some(()));
    lab.ovs.kill_switch();
    // Whatever was under way is answered in time, and never as a failure.
    for answer in client.read_pipeline(FLOWS) {
        let state = answer["payload"]["flow"]["state"].as_str().unwrap_or_default();
        assert!(["applied", "accepted", "unknown"].contains(&state), "{answer}");
    }
    lab.ovs.start_switch();
    client.wait_for_node("s1", "connected", 10);
    within(20, "every flow to be applied", || (cookies_of(&mut client, "applied").len() == FLOWS).then_some(()));
    assert_eq!(cookies_in_switch(&lab), cookies_of(&mut client, "applied"));
}

#[test]
fn a_daemon_killed_among_many_installs_keeps_every_answer_that_it_gave() {
    let Some((mut lab, mut client)) = Lab::with_one_node() else { return };
    client.write_pipeline("InstallFlow", &requests());
    let answered: Vec<_> = client.read_pipeline(FLOWS / 4);
    lab.daemon.kill_and_restart();
    let mut client = lab.daemon.client();
    client.wait_for_node("s1", "connected", 15);
    let told: BTreeSet<_> = answered.iter().map(|answer| cookie(&answer["payload"]["flow"]["nodes"][0])).collect();
    assert_eq!(told.len(), FLOWS / 4);
    assert!(cookies_in_switch(&lab).is_superset(&told));
    // What was stored and not answered is carried out; what was not stored is not in the switch.
    within(20, "the switch to have what is applied", || {
        (cookies_in_switch(&lab) == cookies_of(&mut client, "applied")).then_some(())
    });
    assert!(cookies_of(&mut client, "applied").is_superset(&told));
    for answer in answered {
        let flow = client.flow(answer["payload"]["flow"]["flow_id"].as_str().unwrap());
        assert_eq!(
            (&flow["state"], &flow["nodes"][0]["cookie"]),
            (&json!("applied"), &answer["payload"]["flow"]["nodes"][0]["cookie"])
        );
    }
}

#[test]
fn a_flow_removed_while_its_switch_is_away_is_gone_when_the_switch_is_back() {
    let Some((mut lab, mut client)) = Lab::with_two_nodes() else { return };
    client.install(&json!({"flow_id": "f", "source": "10.0.0.1", "destination": "any", "traffic_type": "voice"}));
    // The switch keeps its flows and only its connections are cut: the daemon goes and comes back without them.
    lab.ovs.pause_switch(true);
    let flow = client.reply("RemoveFlow", json!({"flow_id": "f"}))["flow"].take();
    assert_eq!(flow["state"], "removing", "{flow}");
    lab.daemon.kill_and_restart();
    lab.ovs.pause_switch(false);
    let mut client = lab.daemon.client();
    for name in ["s1", "s2"] {
        client.wait_for_node(name, "connected", 15);
        within(10, "the rule to go", || flow_rules(&lab.ovs, name).is_empty().then_some(()));
    }
}

#[test]
fn flows_are_back_after_the_controller_was_cleared_and_set_again() {
    let Some((lab, mut client)) = Lab::with_one_node() else { return };
    let request = json!({"flow_id": "f", "source": "10.0.0.1", "destination": "any", "traffic_type": "voice"});
    client.install(&request);
    let before = flow_rules(&lab.ovs, "s1");
    lab.ovs.vsctl(&["del-controller", "s1"]);
    client.wait_for_node("s1", "disconnected", 10);
    assert_eq!(lab.ovs.rules("s1"), [], "the switch has flushed them");
    lab.ovs.vsctl(&["set-controller", "s1", &format!("tcp:127.0.0.1:{}", lab.daemon.openflow)]);
    client.wait_for_node("s1", "connected", 15);
    assert_eq!((&client.flow("f")["state"], flow_rules(&lab.ovs, "s1")), (&json!("applied"), before));
}

#[test]
fn a_standalone_switch_that_flushed_its_flows_has_them_again_with_its_controller() {
    let Some((lab, mut client)) = Lab::with_one_node() else { return };
    lab.ovs.vsctl(&["set-fail-mode", "s1", "standalone"]);
    client.wait_for_node("s1", "connected", 15);
    let request = json!({"flow_id": "f", "source": "10.0.0.1", "destination": "any", "traffic_type": "voice"});
    client.install(&request);
    let before = flow_rules(&lab.ovs, "s1");
    let set_controller = |port: u16| lab.ovs.vsctl(&["set-controller", "s1", &format!("tcp:127.0.0.1:{port}")]);
    // Nobody listens there.
    set_controller(free_port());
    let is_there = || !lab.ovs.rules_of_priority("s1", 46_000).is_empty();
    within(40, "the switch to forward by itself", || (!is_there()).then_some(()));
    set_controller(lab.daemon.openflow);
    within(30, "the flow to be back", || is_there().then_some(()));
    client.wait_for_node("s1", "connected", 15);
    assert_eq!(flow_rules(&lab.ovs, "s1"), before);
    assert_eq!(client.flow("f")["state"], "applied");
}
