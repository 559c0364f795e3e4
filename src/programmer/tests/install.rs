//! Installing and removing while everything works, or the switch says no.

use std::time::Duration;

use openflow::{FlowMod, Match, Message};

use super::*;
use crate::emulator::{Fault, MissingPorts, SwitchConfig};
use crate::programmer::cookie::Purpose;
use crate::southbound::Origin;

const RULE: &str = "priority=46000,ip,nw_src=10.0.0.1,nw_dst=10.9.0.1 actions=set_field:46->ip_dscp,set_queue:6,NORMAL";

#[test]
fn a_confirmed_flow_is_applied_and_on_the_switch() {
    let mut world = World::connected();
    let flow = world.ok("InstallFlow", voice("a", 1))["flow"].clone();
    assert_eq!((&flow["state"], &flow["nodes"][0]["state"]), (&json!("applied"), &json!("applied")));
    assert_eq!(flow["priority"], 46000);
    assert!(flow["nodes"][0]["applied_at"].is_string());
    let rules = world.rules(0);
    assert_eq!(rules.len(), 1);
    assert!(rules[0].ends_with(RULE), "{rules:?}");
}

#[test]
fn the_answer_waits_for_the_disk_as_well_as_for_the_switch() {
    let mut world = World::connected();
    world.disk(Disk::Lags);
    let ticket = world.ask("InstallFlow", voice("a", 1));
    assert_eq!(world.rule_count(0), 1, "the switch is written to meanwhile");
    assert_eq!(world.answer(ticket), None);
    world.disk(Disk::Writes);
    assert_eq!(world.answer(ticket).unwrap()["flow"]["state"], "applied");
}

#[test]
fn the_switchs_error_is_the_verdict_of_its_flow_alone() {
    let mut world = World::new(1);
    world.switches[0] =
        crate::emulator::Switch::new(SwitchConfig { table_limit: 1, ..SwitchConfig::new(openflow::DatapathId(1)) });
    world.add_node(1);
    world.connect(0);
    let first = world.send("InstallFlow", voice("a", 1));
    let second = world.send("InstallFlow", voice("b", 2));
    world.run();
    assert_eq!(world.answer(first).unwrap()["flow"]["state"], "applied");
    let flow = world.answer(second).unwrap()["flow"].clone();
    assert_eq!(flow["state"], "rejected");
    assert_eq!(flow["nodes"][0]["error"]["type"], "FLOW_MOD_FAILED");
    assert_eq!(flow["nodes"][0]["error"]["code"], "TABLE_FULL");
    assert_eq!(world.rule_count(0), 1);
}

#[test]
fn a_flow_of_many_rules_of_which_one_is_refused_leaves_none_behind() {
    let mut world = World::new(1);
    world.switches[0] =
        crate::emulator::Switch::new(SwitchConfig { table_limit: 3, ..SwitchConfig::new(openflow::DatapathId(1)) });
    world.add_node(1);
    world.connect(0);
    let many = voice_with("many", 1, json!({"protocol": "udp", "destination_port": "1-65534"}));
    let flow = world.ok("InstallFlow", many)["flow"].clone();
    assert_eq!((&flow["state"], &flow["nodes"][0]["rules"]), (&json!("rejected"), &json!(16)));
    assert_eq!(world.rule_count(0), 0);
}

#[test]
fn a_flow_of_many_rules_of_which_one_is_refused_too_late_leaves_none_behind() {
    let mut world = World::new(1);
    let config = SwitchConfig { table_limit: 3, ..SwitchConfig::new(openflow::DatapathId(1)) };
    world.switches[0] = crate::emulator::Switch::new(config);
    world.add_node(1);
    world.connect_with(0, vec![Fault::ErrorsAfterBarrier], Origin::Accepted);
    let many = voice_with("many", 1, json!({"protocol": "udp", "destination_port": "1-65534"}));
    world.ok("InstallFlow", many);
    assert_eq!((world.state("many"), world.rule_count(0)), ("rejected".to_owned(), 0));
}

#[test]
fn a_removal_that_the_switch_refuses_is_not_called_done() {
    let mut world = World::connected();
    world.ok("InstallFlow", voice("a", 1));
    world.refused = Some(Purpose::Remove);
    let ticket = world.ask("RemoveFlow", json!({"flow_id": "a"}));
    assert_eq!((world.answer(ticket), world.state("a")), (None, "removing".to_owned()));
    world.pass(Duration::from_secs(1));
    assert_eq!(world.answer(ticket).unwrap()["flow"]["state"], "removed", "by then it was found to be gone");
}

#[test]
fn a_rejected_flow_keeps_its_answer_until_removal_frees_the_id() {
    let mut world = World::new(1);
    let refuse = SwitchConfig { missing_ports: MissingPorts::Refuse, ..SwitchConfig::new(openflow::DatapathId(1)) };
    world.switches[0] = crate::emulator::Switch::new(refuse);
    world.add_node(1);
    world.connect(0);
    let bad = voice_with("a", 1, json!({"forward": {"port": 99}}));
    for _ in 0..2 {
        let flow = world.ok("InstallFlow", bad.clone())["flow"].clone();
        assert_eq!(flow["nodes"][0]["error"]["code"], "BAD_OUT_PORT", "{flow}");
    }
    world.restart();
    assert_eq!(world.state("a"), "rejected");
    assert_eq!(world.ok("RemoveFlow", json!({"flow_id": "a"}))["flow"]["state"], "removed");
    assert_eq!(world.error("GetFlow", json!({"flow_id": "a"}))["code"], "not_found");
    world.connect(0);
    assert_eq!(world.ok("InstallFlow", voice("a", 1))["flow"]["state"], "applied");
}

#[test]
fn the_same_request_again_is_the_same_flow_and_another_body_is_a_conflict() {
    let mut world = World::connected();
    let first = world.ok("InstallFlow", voice("a", 1));
    assert_eq!(world.ok("InstallFlow", voice("a", 1)), first);
    assert_eq!(world.ok("InstallFlow", voice_with("a", 1, json!({"wait": "accepted"}))), first);
    let error = world.error("InstallFlow", voice("a", 2));
    assert_eq!((&error["code"], &error["path"]), (&json!("conflict"), &json!("payload.flow_id")));
    assert_eq!(world.rule_count(0), 1);
}

#[test]
fn a_flow_that_was_removed_stays_removed_when_its_request_comes_again() {
    let mut world = World::connected();
    world.ok("InstallFlow", voice("a", 1));
    assert_eq!(world.ok("RemoveFlow", json!({"flow_id": "a"}))["flow"]["state"], "removed");
    assert_eq!(world.rule_count(0), 0);
    assert_eq!(world.ok("InstallFlow", voice("a", 1))["flow"]["state"], "removed");
    assert_eq!(world.ok("RemoveFlow", json!({"flow_id": "a"}))["flow"]["state"], "removed");
    assert_eq!(world.rule_count(0), 0);
    let error = world.error("InstallFlow", voice("a", 2));
    let (code, message) = (&error["code"], error["message"].as_str().unwrap());
    assert!(code == "conflict" && message.contains("removed") && !message.contains("RemoveFlow"), "{error}");
    world.pass(Duration::from_secs(25 * 3600));
    assert_eq!(world.error("GetFlow", json!({"flow_id": "a"}))["code"], "not_found", "the last word is kept a day");
}

#[test]
fn the_place_of_a_rule_is_taken_only_with_replace() {
    let mut world = World::connected();
    world.ok("InstallFlow", voice_with("old", 1, json!({"bidirectional": true})));
    let error = world.error("InstallFlow", voice("new", 1));
    assert_eq!(error["code"], "conflict");
    assert!(error["message"].as_str().unwrap().contains("old"), "{error}");
    let flow = world.ok("InstallFlow", voice_with("new", 1, json!({"replace": true})))["flow"].clone();
    assert_eq!(flow["state"], "applied");
    assert_eq!(world.state("old"), "superseded");
    assert_eq!(world.rule_count(0), 1, "the other rule of the old flow is gone too");
    world.ok("RemoveFlow", json!({"flow_id": "new"}));
    assert_eq!(world.ok("InstallFlow", voice("third", 1))["flow"]["state"], "applied", "the place is free again");
}

#[test]
fn a_replacement_that_is_refused_leaves_the_flow_it_was_to_replace() {
    let mut world = World::new(1);
    let refuse = SwitchConfig { missing_ports: MissingPorts::Refuse, ..SwitchConfig::new(openflow::DatapathId(1)) };
    world.switches[0] = crate::emulator::Switch::new(refuse);
    world.add_node(1);
    world.connect(0);
    world.ok("InstallFlow", voice("old", 1));
    let new = voice_with("new", 1, json!({"replace": true, "forward": {"port": 99}}));
    assert_eq!(world.ok("InstallFlow", new)["flow"]["state"], "rejected");
    assert_eq!(world.state("old"), "applied");
    assert_eq!(world.rule_count(0), 1);
    assert_eq!(world.error("InstallFlow", voice("third", 1))["code"], "conflict");
}

#[test]
fn a_foreign_rule_in_the_same_place_is_a_conflict_that_names_its_cookie() {
    let mut world = World::new(1);
    let flow_match = Match::builder()
        .eth_type(openflow::EthType::IPV4)
        .ipv4_src([10, 0, 0, 1].into())
        .ipv4_dst([10, 9, 0, 1].into())
        .build()
        .unwrap();
    let foreign = FlowMod { cookie: 0xbeef, priority: 46000, flow_match, ..FlowMod::add() };
    world.meddle(0, &[Message::FlowMod(foreign)]);
    world.add_node(1);
    world.connect(0);
    let error = world.error("InstallFlow", voice("a", 1));
    assert_eq!(error["code"], "conflict");
    assert!(error["message"].as_str().unwrap().contains("0x000000000000beef"), "{error}");
    assert_eq!(world.ok("InstallFlow", voice_with("a", 1, json!({"replace": true})))["flow"]["state"], "applied");
}

#[test]
fn a_dry_run_tells_every_conflict_on_the_node_that_has_it() {
    let mut world = World::new(2);
    for id in 1..=2 {
        world.add_node(id);
        world.connect(usize::try_from(id).unwrap() - 1);
    }
    let both_ways = voice_with("there", 1, json!({"bidirectional": true, "nodes": ["s1"]}));
    world.ok("InstallFlow", both_ways.clone());
    let plan = voice_with("new", 1, json!({"bidirectional": true, "dry_run": true}));
    let nodes = world.ok("InstallFlow", plan)["flow"]["nodes"].clone();
    let message = nodes[0]["error"]["message"].as_str().unwrap();
    assert_eq!(message.matches("flow there").count(), 2, "one for each direction: {message}");
    assert_eq!((&nodes[1]["node"], &nodes[1]["error"]), (&json!("s2"), &json!(null)));
    let itself = json!({"dry_run": true, "bidirectional": true, "nodes": ["s1"]});
    let again = world.ok("InstallFlow", voice_with("there", 1, itself))["flow"]["nodes"].clone();
    assert_eq!(again[0]["error"], json!(null), "a flow is not in its own way");
}

#[test]
fn a_dry_run_shows_the_rules_and_changes_nothing() {
    let mut world = World::connected();
    let flow = world.ok("InstallFlow", voice_with("a", 1, json!({"dry_run": true})))["flow"].clone();
    assert_eq!(flow["state"], "planned");
    let shown = &flow["nodes"][0]["flow_mods"][0];
    let text = shown["text"].as_str().unwrap();
    assert!(text.starts_with("cookie=0x") && text.ends_with(&RULE.replace(" actions=", ",actions=")), "{text}");
    assert_eq!(text.parse::<FlowMod>().unwrap().priority, 46_000, "it can be pasted");
    assert!(shown["hex"].as_str().unwrap().starts_with("040e"), "{shown}");
    assert_eq!(world.rule_count(0), 0);
    assert_eq!(world.error("GetFlow", json!({"flow_id": "a"}))["code"], "not_found");
}

#[test]
fn a_flow_is_shown_with_what_its_rules_have_counted() {
    let mut world = World::connected();
    world.ok("InstallFlow", voice_with("a", 1, json!({"bidirectional": true})));
    let counted = |world: &mut World| (world.flow("a")["packets"].clone(), world.flow("a")["bytes"].clone());
    assert_eq!(counted(&mut world), (json!(0), json!(0)));
    for entry in world.switches[0].flows(world.now) {
        let now = world.now;
        world.switches[0].count_traffic(entry.table_id, entry.priority, &entry.flow_match, 2, 300, now);
    }
    assert_eq!(counted(&mut world), (json!(4), json!(600)));
    world.restart_connection();
    assert_eq!(counted(&mut world), (Value::Null, Value::Null), "nobody is there to be asked");
}

#[test]
fn a_switch_that_does_not_tell_its_counters_delays_the_flow_by_two_seconds_at_most() {
    let mut world = World::new(1);
    world.add_node(1);
    world.connect_with(0, vec![Fault::Silent { after: 10 }], Origin::Accepted);
    world.ok("InstallFlow", voice_with("a", 1, json!({"wait": "accepted"})));
    let ticket = world.ask("GetFlow", json!({"flow_id": "a"}));
    assert_eq!(world.answer(ticket), None);
    world.pass(Duration::from_secs(2));
    assert_eq!(world.answer(ticket).unwrap()["flow"]["flow_id"], "a");
}

#[test]
fn a_switch_that_does_not_tell_its_counters_is_not_asked_without_end() {
    let mut world = World::new(1);
    world.add_node(1);
    world.connect_with(0, vec![Fault::Silent { after: 10 }], Origin::Accepted);
    world.ok("InstallFlow", voice_with("a", 1, json!({"wait": "accepted"})));
    let tickets: Vec<_> = (0..1_025).map(|_| world.send("GetFlow", json!({"flow_id": "a"}))).collect();
    world.run();
    let answered: Vec<_> = tickets.into_iter().filter(|ticket| world.answer(*ticket).is_some()).collect();
    assert_eq!(answered.len(), 1, "the last one is shown as it is");
}

#[test]
fn an_install_names_unknown_nodes_and_classes() {
    let mut world = World::connected();
    for (more, code, path) in [
        (json!({"nodes": ["s1", "s9"]}), "not_found", "payload.nodes[1]"),
        (json!({"traffic_type": "gold"}), "invalid_request", "payload.traffic_type"),
    ] {
        let error = world.error("InstallFlow", voice_with("a", 1, more));
        assert_eq!((&error["code"], &error["path"]), (&json!(code), &json!(path)), "{error}");
    }
    let mut empty = World::new(0);
    assert_eq!(empty.error("InstallFlow", voice("a", 1))["code"], "not_found");
}

#[test]
fn a_batch_answers_each_flow_and_refuses_the_whole_for_an_item_that_could_never_be() {
    let mut world = World::connected();
    let reply = world.ok("InstallFlows", json!({"flows": [voice("a", 1), voice("b", 2), voice("c", 1)]}));
    assert_eq!(reply["summary"], json!({"applied": 2, "rejected": 1}));
    let conflict = reply["flows"].as_array().unwrap().iter().find(|flow| flow["flow_id"] == "c").unwrap();
    assert_eq!(conflict["nodes"][0]["error"]["code"], "CONFLICT");
    let error = world
        .error("InstallFlows", json!({"flows": [voice("d", 4), voice_with("e", 5, json!({"traffic_type": "gold"}))]}));
    assert_eq!(error["path"], "payload.flows[1].traffic_type");
    assert_eq!(world.rule_count(0), 2);
    let problems = world.ok("InstallFlows", json!({"flows": [voice("f", 6)], "report": "problems"}));
    assert_eq!((&problems["flows"], &problems["summary"]), (&json!([]), &json!({"applied": 1})));
}

#[test]
fn an_item_of_a_batch_with_the_id_of_another_flow_is_a_conflict_of_its_own() {
    let mut world = World::connected();
    world.ok("InstallFlow", voice("a", 1));
    let flows = [voice("a", 1), voice("a", 2), voice("b", 3), voice("b", 4), voice("b", 3)];
    let reply = world.ok("InstallFlows", json!({"flows": flows}));
    assert_eq!(reply["summary"], json!({"applied": 3, "rejected": 2}), "{reply}");
    let refused = |flow: &&Value| flow["state"] == "rejected";
    let refused: Vec<_> =
        reply["flows"].as_array().unwrap().iter().filter(refused).map(|flow| &flow["source"]).collect();
    assert_eq!(refused, ["10.0.0.2", "10.0.0.4"]);
    assert_eq!(world.rule_count(0), 2);
}

#[test]
fn removal_by_filter_takes_what_it_names_and_nothing_else() {
    let mut world = World::connected();
    world.ok("InstallFlow", voice("a", 1));
    world.ok("InstallFlow", voice("b", 2));
    world.ok("InstallFlow", voice_with("c", 3, json!({"traffic_type": "bulk"})));
    assert_eq!(world.ok("RemoveFlows", json!({"traffic_type": "voice"}))["summary"], json!({"removed": 2}));
    assert_eq!(world.rule_count(0), 1);
    assert_eq!(world.error("RemoveFlows", json!({"flow_ids": ["c", "zz"]}))["path"], "payload.flow_ids[1]");
    assert_eq!(world.ok("RemoveFlows", json!({"flow_ids": ["c", "c"]}))["summary"], json!({"removed": 1}));
    assert_eq!(world.rule_count(0), 0);
}

#[test]
fn a_thousand_flows_at_once_share_barriers_and_commits() {
    let mut world = World::connected();
    let tickets: Vec<_> = (0..1_000u32)
        .map(|n| {
            let source = format!("10.{}.{}.1", n / 250, n % 250);
            let request =
                json!({"flow_id": format!("f{n}"), "source": source, "destination": "any", "traffic_type": "bulk"});
            world.send("InstallFlow", request)
        })
        .collect();
    world.run();
    for ticket in tickets {
        assert_eq!(world.answer(ticket).unwrap()["flow"]["state"], "applied");
    }
    assert_eq!(world.rule_count(0), 1_000);
}

#[test]
fn lists_come_in_pages_in_the_order_of_installation() {
    let mut world = World::connected();
    for host in 1..=5 {
        world.ok("InstallFlow", voice(&format!("f{host}"), host));
    }
    let ids = |reply: &Value| {
        reply["flows"]
            .as_array()
            .unwrap()
            .iter()
            .map(|flow| flow["flow_id"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let first = world.ok("ListFlows", json!({"limit": 3}));
    assert_eq!(ids(&first), ["f1", "f2", "f3"]);
    let second = world.ok("ListFlows", json!({"limit": 3, "cursor": first["next_cursor"]}));
    assert_eq!((ids(&second), &second["next_cursor"]), (vec!["f4".to_owned(), "f5".to_owned()], &Value::Null));
    assert_eq!(world.error("ListFlows", json!({"cursor": "x"}))["path"], "payload.cursor");
    assert_eq!(world.error("ListFlows", json!({"node": "s9"}))["code"], "not_found");
}

#[test]
fn all_who_wait_for_the_removal_of_a_refused_flow_hear_of_it() {
    let refuse = SwitchConfig { missing_ports: MissingPorts::Refuse, ..SwitchConfig::new(openflow::DatapathId(1)) };
    let mut world = World::connected_to(refuse);
    world.ok("InstallFlow", voice_with("a", 1, json!({"forward": {"port": 99}})));
    world.disk(Disk::Lags);
    let removals = [(); 3].map(|()| world.ask("RemoveFlow", json!({"flow_id": "a"})));
    world.disk(Disk::Writes);
    for removal in removals {
        assert_eq!(world.answer(removal).unwrap()["flow"]["state"], "removed");
    }
    assert_eq!(world.error("GetFlow", json!({"flow_id": "a"}))["code"], "not_found");
}
