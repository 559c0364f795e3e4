//! What is said of flows that are in each other's way without wanting the same place.

use openflow::{EthType, FlowMod, Match, Message};
use serde_json::{Value, json};

use super::world::World;
use super::{voice, voice_with};

/// Kind, other flow or cookie, and node of each warning.
fn told(flow: &Value) -> Vec<(String, String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let warnings = flow["flow"]["warnings"].as_array().unwrap();
    let other =
        |warning: &Value| text(if warning["flow_id"].is_null() { &warning["cookie"] } else { &warning["flow_id"] });
    warnings.iter().map(|warning| (text(&warning["kind"]), other(warning), text(&warning["node"]))).collect()
}

fn warning(kind: &str, other: &str) -> (String, String, String) {
    (kind.to_owned(), other.to_owned(), "s1".to_owned())
}

/// All traffic from the subnet that `voice` has its sources in.
fn subnet(flow_id: &str, priority: u16, more: Value) -> Value {
    let mut request = json!({
        "flow_id": flow_id, "source": "10.0.0.0/16", "destination": "any", "traffic_type": "bulk", "priority": priority,
    });
    request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    request
}

#[test]
fn a_flow_that_a_higher_one_takes_all_of_is_hidden_and_the_higher_one_hides_it() {
    let mut world = World::connected();
    world.ok("InstallFlow", voice("a", 1));
    let above = world.ok("InstallFlow", subnet("above", 50_000, json!({})));
    assert_eq!(told(&above), [warning("hides", "a")]);
    assert_eq!(told(&world.ok("InstallFlow", voice("b", 2))), [warning("hidden", "above")]);
    assert_eq!(told(&world.ok("GetFlow", json!({"flow_id": "a"}))), [warning("hidden", "above")]);
    let message = above["flow"]["warnings"][0]["message"].as_str().unwrap().to_owned();
    assert!(message.contains("flow a") && message.contains("node s1"), "{message}");
}

#[test]
fn two_of_one_priority_with_traffic_in_common_overlap() {
    let mut world = World::connected();
    world.ok("InstallFlow", voice("a", 1));
    assert_eq!(told(&world.ok("InstallFlow", subnet("same", 46_000, json!({})))), [warning("overlap", "a")]);
    let tcp = json!({"protocol": "tcp", "destination_port": "80-90"});
    assert_eq!(told(&world.ok("InstallFlow", subnet("tcp", 47_000, tcp))), []);
    let udp = json!({"protocol": "udp", "destination_port": "85"});
    assert_eq!(told(&world.ok("InstallFlow", subnet("udp", 47_000, udp))), [], "another protocol is other traffic");
    let within = json!({"protocol": "tcp", "destination_port": "90-99", "source": "10.0.3.0/24"});
    assert_eq!(told(&world.ok("InstallFlow", subnet("some", 47_000, within))), [warning("overlap", "tcp")]);
}

#[test]
fn a_lower_flow_that_keeps_some_of_its_traffic_is_nobodys_business() {
    let mut world = World::connected();
    world.ok("InstallFlow", voice("a", 1));
    assert_eq!(told(&world.ok("InstallFlow", subnet("below", 100, json!({})))), []);
    assert_eq!(told(&world.ok("InstallFlow", subnet("v6", 50_000, json!({"source": "2001:db8::/32"})))), []);
}

#[test]
fn a_foreign_rule_that_hides_ours_is_told_by_its_cookie() {
    let mut world = World::new(1);
    let foreign =
        |cookie, priority, flow_match| Message::FlowMod(FlowMod { cookie, priority, flow_match, ..FlowMod::add() });
    let arp = Match::builder().eth_type(EthType::ARP).build().unwrap();
    world.meddle(0, &[foreign(0xbeef, 50_000, Match::any()), foreign(0xa, 60_000, arp)]);
    world.add_node(1);
    world.connect(0);
    let installed = world.ok("InstallFlow", voice("a", 1));
    assert_eq!(told(&installed), [warning("hidden", "0x000000000000beef")]);
    assert_eq!(installed["flow"]["state"], "applied", "it is only a warning");
}

#[test]
fn who_refuses_conflicts_gets_none() {
    let mut world = World::connected();
    world.ok("InstallFlow", voice("a", 1));
    let refused = subnet("above", 50_000, json!({"on_conflict": "refuse"}));
    let error = world.error("InstallFlow", refused.clone());
    assert_eq!(error["code"], "conflict");
    assert!(error["message"].as_str().unwrap().contains("flow a"), "{error}");
    assert_eq!(world.rule_count(0), 1, "only a is there");
    world.ok("RemoveFlow", json!({"flow_id": "a"}));
    assert_eq!(told(&world.ok("InstallFlow", refused)), []);
}

#[test]
fn a_dry_run_tells_what_would_be_in_the_way() {
    let mut world = World::connected();
    world.ok("InstallFlow", voice("a", 1));
    let dry = world.ok("InstallFlow", subnet("above", 50_000, json!({"dry_run": true})));
    assert_eq!(told(&dry), [warning("hides", "a")]);
    assert_eq!(told(&world.ok("GetFlow", json!({"flow_id": "a"}))), []);
}

#[test]
fn what_is_replaced_removed_or_the_flow_itself_is_not_in_its_way() {
    let mut world = World::connected();
    world.ok("InstallFlow", voice("a", 1));
    assert_eq!(told(&world.ok("InstallFlow", voice_with("b", 1, json!({"replace": true})))), []);
    assert_eq!(told(&world.ok("InstallFlow", voice_with("b", 1, json!({"replace": true})))), []);
    world.ok("RemoveFlow", json!({"flow_id": "b"}));
    assert_eq!(told(&world.ok("InstallFlow", subnet("above", 50_000, json!({})))), []);
}

#[test]
fn an_answer_has_a_bounded_number_of_warnings() {
    let mut world = World::connected();
    (1..=40).for_each(|host| drop(world.ok("InstallFlow", voice(&format!("f{host}"), host))));
    assert_eq!(told(&world.ok("InstallFlow", subnet("above", 50_000, json!({})))).len(), 16);
}

#[test]
fn flows_are_in_the_way_after_a_restart_too() {
    let mut world = World::connected();
    world.ok("InstallFlow", voice("a", 1));
    world.restart();
    assert_eq!(told(&world.ok("InstallFlow", subnet("above", 50_000, json!({})))), [warning("hides", "a")]);
}

#[test]
fn items_of_an_atomic_batch_that_must_not_be_in_anybodys_way_are_compared_with_each_other() {
    let refuse = |id: &str, more: Value| {
        let mut request = voice_with(id, 1, more);
        request["on_conflict"] = json!("refuse");
        request
    };
    let wide =
        || json!({"flow_id": "wide", "source": "10.0.0.0/8", "destination": "any", "traffic_type": "network_control"});
    for (kind, other, narrow, words) in [
        ("hidden", wide(), refuse("narrow", json!({})), "flows[0] of the same batch has a higher priority on node s1"),
        (
            "hides",
            voice_with("below", 1, json!({"priority": 7, "protocol": "udp"})),
            refuse("narrow", json!({})),
            "this flow has a higher priority on node s1 and takes all traffic of flows[0]",
        ),
        (
            "overlap",
            voice_with("beside", 1, json!({"protocol": "udp"})),
            refuse("narrow", json!({"destination": "10.9.0.0/16"})),
            "flows[0] of the same batch has the same priority",
        ),
    ] {
        for atomic in ["node", "all"] {
            let mut world = World::connected();
            let reply = world.ok("InstallFlows", json!({"atomic": atomic, "flows": [other.clone(), narrow.clone()]}));
            assert_eq!(reply["summary"], json!({"rejected": 2}), "{kind}");
            let message = reply["flows"][1]["nodes"][0]["error"]["message"].as_str().unwrap().to_owned();
            assert!(message.contains(words), "{kind}: {message}");
            assert_eq!(world.rule_count(0), 0);

            let mut shown = narrow.clone();
            (shown["dry_run"], shown["on_conflict"]) = (json!(true), json!("warn"));
            let mut first = other.clone();
            first["dry_run"] = json!(true);
            let reply = world.ok("InstallFlows", json!({"atomic": atomic, "flows": [first, shown]}));
            assert_eq!(reply["flows"][1]["warnings"][0]["kind"], kind);
        }
    }
}

#[test]
fn items_of_an_atomic_batch_on_different_nodes_are_in_nobodys_way() {
    let mut world = World::new(2);
    (1..=2).for_each(|node| world.add_node(node));
    for switch in 0..2 {
        world.connect(switch);
    }
    let on = |id: &str, node: &str, priority: u16| {
        voice_with(id, 1, json!({"nodes": [node], "priority": priority, "on_conflict": "refuse"}))
    };
    let reply = world.ok("InstallFlows", json!({"atomic": "all", "flows": [on("a", "s1", 7), on("b", "s2", 8)]}));
    assert_eq!(reply["summary"], json!({"applied": 2}));
}
