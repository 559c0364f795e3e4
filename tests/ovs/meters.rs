//! Rate limits on Open vSwitch: what `dump-meters` prints is what was asked, and nothing of it is left over.

use serde_json::{Value, json};

use crate::support::{Lab, bytes_of, within};

fn limited(id: &str, host: u8, rate_limit: &Value) -> Value {
    json!({"flow_id": id, "source": format!("10.0.0.{host}"), "destination": "10.9.0.1", "traffic_type": "voice",
        "bidirectional": true, "rate_limit": rate_limit})
}

#[test]
fn a_limited_flow_has_one_drop_meter_for_all_its_rules_and_takes_it_along() {
    let Some((lab, mut client)) = Lab::with_one_node() else { return };
    let flow = client.install(&limited("a", 1, &json!({"rate_kbps": 5000, "burst_kb": 800})));
    assert_eq!(flow["state"], "applied", "{flow}");
    assert_eq!(flow["nodes"][0]["meter"], json!({"meter_id": 1, "shared": false, "rate_kbps": 5000, "burst_kb": 800}));
    client.install(&limited("b", 2, &json!({"rate_kbps": 64})));
    assert_eq!(
        lab.ovs.meters("s1"),
        ["1 kbps burst stats bands= type=drop rate=5000 burst_size=800", "2 kbps stats bands= type=drop rate=64"]
    );
    let rules = lab.ovs.rules("s1");
    let behind = |meter: &str| rules.iter().filter(|rule| rule.actions.iter().any(|action| action == meter)).count();
    assert_eq!((behind("meter:1"), behind("meter:2")), (2, 2), "{rules:?}");
    assert_eq!(client.reply("RemoveFlow", json!({"flow_id": "a"}))["flow"]["state"], "removed");
    assert_eq!(lab.ovs.meters("s1"), ["2 kbps stats bands= type=drop rate=64"]);
    client.reply("RemoveNode", json!({"name": "s1"}));
    assert_eq!(lab.ovs.meters("s1"), Vec::<String>::new());
}

#[test]
fn meters_of_others_are_left_alone_and_ours_survive_a_switch_that_is_killed() {
    let Some((mut lab, mut client)) = Lab::with_one_node() else { return };
    lab.ovs.add_foreign_meter("s1", "meter=1,kbps,band=type=drop,rate=77");
    client.install(&limited("a", 1, &json!({"rate_kbps": 5000})));
    let ours = "2 kbps stats bands= type=drop rate=5000";
    assert_eq!(lab.ovs.meters("s1"), ["1 kbps bands= type=drop rate=77", ours]);
    lab.ovs.kill_switch();
    lab.ovs.start_switch();
    client.wait_for_node("s1", "connected", 20);
    assert_eq!(lab.ovs.meters("s1"), [ours]);
    assert_eq!(client.flow("a")["state"], "applied");
    client.reply("RemoveFlow", json!({"flow_id": "a"}));
    assert_eq!(lab.ovs.meters("s1"), Vec::<String>::new());
}

#[test]
fn a_meter_that_somebody_deletes_comes_back_with_its_rules() {
    let Some((lab, mut client)) = Lab::with_one_node() else { return };
    client.install(&limited("a", 1, &json!({"rate_kbps": 5000})));
    let before = lab.ovs.rules("s1");
    lab.ovs.delete_meter("s1", 1);
    let is_back = || lab.ovs.meters("s1").len() == 1 && lab.ovs.rules("s1") == before;
    within(10, "the meter and its rules", || is_back().then_some(()));
    client.wait_for_flow("a", "applied", 10);
}

#[test]
fn a_dry_run_shows_the_meter_before_the_rules_and_the_install_is_like_it() {
    let Some((lab, mut client)) = Lab::with_one_node() else { return };
    lab.ovs.add_dialled_bridge("s9", 0xff);
    let mut request = limited("a", 1, &json!({"rate_kbps": 5000, "burst_kb": 800}));
    request["dry_run"] = json!(true);
    let planned = client.install(&request);
    let messages = planned["nodes"][0]["flow_mods"].as_array().unwrap();
    assert_eq!(messages[0]["text"], "meter=1,kbps,burst,stats,band=type=drop,rate=5000,burst_size=800");
    assert!(lab.ovs.print_message(&bytes_of(messages[0]["hex"].as_str().unwrap())).starts_with("OFPT_METER_MOD"));
    lab.ovs.add_foreign_meter("s9", messages[0]["text"].as_str().unwrap());
    for rule in &messages[1..] {
        lab.ovs.add_foreign_flow("s9", rule["text"].as_str().unwrap());
    }
    assert_eq!(lab.ovs.meters("s1"), Vec::<String>::new(), "nothing is sent");
    request["dry_run"] = json!(false);
    assert_eq!(client.install(&request)["state"], "applied");
    assert_eq!(lab.ovs.meters("s9"), lab.ovs.meters("s1"));
    let without_miss = |bridge| {
        let rules = lab.ovs.rules(bridge).into_iter();
        rules.filter(|rule| rule.priority > 0).collect::<Vec<_>>()
    };
    assert_eq!(without_miss("s9"), without_miss("s1"), "cookie and all");
}

#[test]
fn what_the_switch_can_do_is_told_of_the_node() {
    let Some((_lab, mut client)) = Lab::with_one_node() else { return };
    let node = client.node("s1");
    assert_eq!((&node["capabilities"]["meters"], &node["capabilities"]["bands"]), (&json!(true), &json!(["drop"])));
}
