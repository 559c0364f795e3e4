//! One flow in the place of another: whatever comes of it, at most one of them is said to be there, and that one is.

use openflow::{DatapathId, FlowMod, Message};

use super::*;
use crate::emulator::{Fault, MissingPorts, SwitchConfig};
use crate::southbound::Origin;

fn replacing(id: &str, host: u8, more: Value) -> Value {
    let mut request = voice_with(id, host, more);
    request["replace"] = json!(true);
    request
}

fn pair(world: &mut World) -> (String, String) {
    (world.state("old"), world.state("new"))
}

fn is(old: &str, new: &str) -> (String, String) {
    (old.to_owned(), new.to_owned())
}

/// Somebody else writes a rule in the place of the flow that `voice` with this id and host is.
fn write_over(world: &mut World, id: &str, host: u8) {
    world.ok("InstallFlow", voice(id, host));
    let entry = world.switches[0].flows(world.now).remove(0);
    world.ok("RemoveFlow", json!({"flow_id": id}));
    let rule = FlowMod { cookie: 0x77, priority: entry.priority, flow_match: entry.flow_match, ..FlowMod::add() };
    world.meddle(0, &[Message::FlowMod(rule)]);
}

#[test]
fn a_foreign_rule_that_was_replaced_is_in_nobodys_way_any_more() {
    for flow_monitors in [true, false] {
        let mut world = World::connected_to(SwitchConfig { flow_monitors, ..SwitchConfig::new(DatapathId(1)) });
        write_over(&mut world, "first", 1);
        world.restart_connection();
        world.connect(0);
        assert_eq!(world.error("InstallFlow", voice("a", 1))["code"], "conflict", "it is known");
        world.ok("InstallFlow", replacing("a", 1, json!({})));
        world.ok("RemoveFlow", json!({"flow_id": "a"}));
        assert_eq!(world.rule_count(0), 0);
        let dry = world.ok("InstallFlow", voice_with("b", 1, json!({"dry_run": true})));
        assert!(dry["flow"]["nodes"][0]["error"].is_null(), "{dry}");
        assert_eq!(world.ok("InstallFlow", voice("b", 1))["flow"]["state"], "applied");
    }
}

#[test]
fn a_foreign_rule_that_ours_was_put_back_over_is_in_nobodys_way_any_more() {
    let mut world = World::connected();
    world.ok("InstallFlow", voice("a", 1));
    let entry = world.switches[0].flows(world.now).remove(0);
    let over = FlowMod { cookie: 9, priority: entry.priority, flow_match: entry.flow_match, ..FlowMod::add() };
    world.meddle(0, &[Message::FlowMod(over)]);
    world.ok("RemoveFlow", json!({"flow_id": "a"}));
    assert_eq!(world.ok("InstallFlow", voice("b", 1))["flow"]["state"], "applied");
}

#[test]
fn what_flows_that_go_together_replaced_of_others_is_in_nobodys_way_any_more() {
    let mut world = World::connected();
    write_over(&mut world, "first", 1);
    let flows = [replacing("a", 1, json!({})), voice("b", 2)];
    let reply = world.ok("InstallFlows", json!({"atomic": "node", "flows": flows}));
    assert_eq!(reply["summary"], json!({"applied": 2}));
    world.ok("RemoveFlow", json!({"flow_id": "a"}));
    assert_eq!(world.ok("InstallFlow", voice("c", 1))["flow"]["state"], "applied");
}

#[test]
fn what_a_refused_replacement_took_of_others_is_looked_at_again() {
    let mut world = World::connected_to(SwitchConfig { table_limit: 3, ..SwitchConfig::new(DatapathId(1)) });
    write_over(&mut world, "first", 1);
    let refused = replacing("a", 1, json!({"nodes": ["s1"], "priority": 46000, "bidirectional": true}));
    world.ok("InstallFlow", voice("other", 2));
    world.ok("InstallFlow", voice("another", 3));
    assert_eq!(world.ok("InstallFlow", refused)["flow"]["state"], "rejected");
    world.pass(std::time::Duration::from_secs(1));
    assert!(!world.rules(0).iter().any(|rule| rule.contains("10.0.0.1")), "{:?}", world.rules(0));
    world.ok("RemoveFlow", json!({"flow_id": "other"}));
    assert_eq!(world.ok("InstallFlow", voice("b", 1))["flow"]["state"], "applied");
}

#[test]
fn a_replacement_cut_off_before_its_barrier_reply_has_the_place_after_the_reconnect() {
    for bundles in [true, false] {
        let mut world = World::connected_to(SwitchConfig { bundles, ..SwitchConfig::new(DatapathId(1)) });
        world.ok("InstallFlow", voice_with("old", 1, json!({"bidirectional": true})));
        world.restart_connection();
        world.connect_with(0, vec![Fault::NoBarrierReply], Origin::Accepted);
        world.ask("InstallFlow", replacing("new", 1, json!({"dscp": 10})));
        world.restart_connection();
        assert_eq!(pair(&mut world), is("applied", "unknown"));
        world.connect(0);
        assert_eq!(pair(&mut world), is("superseded", "applied"));
        assert!(world.rules(0).len() == 1 && world.rules(0)[0].contains("set_field:10"), "{:?}", world.rules(0));
    }
}

#[test]
fn a_replacement_under_way_when_the_daemon_dies_has_the_place_afterwards() {
    let mut world = World::connected();
    world.ok("InstallFlow", voice("old", 1));
    world.restart_connection();
    world.connect_with(0, vec![Fault::NoBarrierReply], Origin::Accepted);
    world.ask("InstallFlow", replacing("new", 1, json!({"dscp": 10})));
    world.restart();
    world.connect(0);
    assert_eq!(pair(&mut world), is("superseded", "applied"));
    assert!(world.rules(0).len() == 1 && world.rules(0)[0].contains("set_field:10"), "{:?}", world.rules(0));
}

#[test]
fn a_replacement_that_is_removed_before_it_left_gives_the_place_back() {
    let mut world = World::connected();
    world.ok("InstallFlow", voice("old", 1));
    world.restart_connection();
    world.ok("InstallFlow", replacing("new", 1, json!({"dscp": 10})));
    world.ok("RemoveFlow", json!({"flow_id": "new"}));
    assert_eq!(world.error("InstallFlow", voice("third", 1))["code"], "conflict");
    world.connect(0);
    assert_eq!(pair(&mut world), is("applied", "removed"));
    assert_eq!(world.rule_count(0), 1);
}

#[test]
fn a_replacement_that_is_removed_after_it_was_sent_leaves_what_it_was_to_replace_in_place() {
    let mut world = World::connected();
    world.ok("InstallFlow", voice("old", 1));
    let before = world.rules(0);
    let install = world.send("InstallFlow", replacing("new", 1, json!({"dscp": 10})));
    world.engine.flush();
    let removal = world.send("RemoveFlow", json!({"flow_id": "new"}));
    world.run();
    assert_eq!(world.answer(install).unwrap()["flow"]["state"], "removed");
    assert_eq!(world.answer(removal).unwrap()["flow"]["state"], "removed");
    assert_eq!((world.state("old"), world.rules(0)), ("applied".to_owned(), before));
}

#[test]
fn a_replacement_of_which_one_rule_is_refused_puts_back_what_the_others_took() {
    let mut world = World::connected_to(SwitchConfig { table_limit: 3, ..SwitchConfig::new(DatapathId(1)) });
    let ports = |ports: &str| json!({"protocol": "udp", "destination_port": ports});
    world.ok("InstallFlow", voice_with("old", 1, ports("1-1")));
    let before = world.rules(0);
    let new = replacing("new", 1, ports("1-65534"));
    assert_eq!(world.ok("InstallFlow", new)["flow"]["state"], "rejected");
    assert_eq!((world.state("old"), world.rules(0)), ("applied".to_owned(), before));
}

#[test]
fn a_place_is_not_given_back_to_a_flow_that_has_ended_meanwhile() {
    let refuse = SwitchConfig { missing_ports: MissingPorts::Refuse, ..SwitchConfig::new(DatapathId(1)) };
    let mut world = World::connected_to(refuse);
    world.ok("InstallFlow", voice("old", 1));
    world.restart_connection();
    world.ok("InstallFlow", replacing("new", 1, json!({"forward": {"port": 99}})));
    world.ok("RemoveFlow", json!({"flow_id": "old"}));
    world.connect(0);
    assert_eq!(pair(&mut world), is("removed", "rejected"));
    assert_eq!(world.ok("InstallFlow", voice("third", 1))["flow"]["state"], "applied");
}

#[test]
fn of_replacements_in_a_row_the_last_one_that_the_switch_takes_has_the_place() {
    for (second, third, states, dscp) in [
        (json!({}), json!({"dscp": 12}), ["superseded", "superseded", "applied"], "12"),
        (json!({"forward": {"port": 99}}), json!({"dscp": 12}), ["superseded", "rejected", "applied"], "12"),
        (json!({"dscp": 10}), json!({"forward": {"port": 99}}), ["superseded", "applied", "rejected"], "10"),
    ] {
        let refuse = SwitchConfig { missing_ports: MissingPorts::Refuse, ..SwitchConfig::new(DatapathId(1)) };
        let mut world = World::connected_to(refuse);
        world.ok("InstallFlow", voice("a", 1));
        world.send("InstallFlow", replacing("b", 1, second));
        world.send("InstallFlow", replacing("c", 1, third));
        world.run();
        world.pass(std::time::Duration::from_millis(1));
        assert_eq!(["a", "b", "c"].map(|id| world.state(id)), states);
        let rules = world.rules(0);
        assert!(rules.len() == 1 && rules[0].contains(&format!("set_field:{dscp}")), "{rules:?}");
    }
}
