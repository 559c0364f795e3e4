//! One flow in the place of another: whatever comes of it, at most one of them is said to be there, and that one is.

use openflow::DatapathId;

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
