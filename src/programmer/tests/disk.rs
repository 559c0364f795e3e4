//! A disk that is full: what cannot be stored is not acknowledged, and not left on a switch either.

use std::time::Duration;

use openflow::DatapathId;

use super::*;
use crate::emulator::{Fault, MissingPorts, SwitchConfig};
use crate::programmer::engine::{Config, Ticket};
use crate::southbound::Origin;

#[test]
fn a_full_disk_refuses_new_flows_and_takes_them_off_the_switch_again() {
    let mut world = World::connected();
    world.ok("InstallFlow", voice("kept", 1));
    world.disk(Disk::IsFull);
    let error = world.error("InstallFlow", voice("a", 2));
    assert_eq!(error["code"], "unavailable");
    assert_eq!(world.rule_count(0), 1, "only what is stored stays");
    assert_eq!(world.state("kept"), "applied", "reading goes on");
    world.disk(Disk::Writes);
    world.pass(Duration::from_secs(1));
    assert_eq!(world.ok("InstallFlow", voice("a", 2))["flow"]["state"], "applied", "the id is free");
    assert_eq!(world.rule_count(0), 2);
}

#[test]
fn a_node_that_could_not_be_stored_is_not_acknowledged() {
    let mut world = World::new(0);
    world.disk(Disk::IsFull);
    assert_eq!(world.error("AddNode", json!({"name": "s1", "datapath_id": "0x1"}))["code"], "unavailable");
    world.disk(Disk::Writes);
    world.pass(Duration::from_secs(1));
    world.ok("AddNode", json!({"name": "s1", "datapath_id": "0x1"}));
    world.restart();
    assert_eq!(world.node("s1")["state"], "registered");
}

#[test]
fn a_removal_that_could_not_be_stored_has_not_been_whether_the_daemon_dies_or_not() {
    for dies in [false, true] {
        for more in [json!({}), json!({"rate_limit": {"rate_kbps": 1000}, "bidirectional": true})] {
            let mut world = World::connected();
            world.ok("InstallFlow", voice_with("a", 1, more.clone()));
            world.ok("InstallFlow", voice_with("b", 2, more));
            let before = world.rules(0);
            world.disk(Disk::IsFull);
            assert_eq!(world.error("RemoveFlow", json!({"flow_id": "a"}))["code"], "unavailable");
            assert_eq!((world.state("a"), world.rules(0)), ("applied".to_owned(), before.clone()));
            assert_eq!(world.error("RemoveFlows", json!({"all": true}))["code"], "unavailable");
            if dies {
                world.restart();
                world.disk(Disk::Writes);
                world.connect(0);
            } else {
                world.disk(Disk::Writes);
                world.pass(Duration::from_secs(1));
            }
            assert_eq!((world.state("a"), world.state("b")), ("applied".to_owned(), "applied".to_owned()));
            assert_eq!(world.rules(0), before);
            world.ok("RemoveFlows", json!({"all": true}));
            world.restart();
            world.connect(0);
            assert_eq!((world.state("a"), world.rule_count(0)), ("removed".to_owned(), 0));
        }
    }
}

#[test]
fn while_the_disk_is_known_to_be_full_no_switch_hears_of_a_change() {
    let mut world = World::connected();
    world.ok("InstallFlow", voice("a", 1));
    world.disk(Disk::IsFull);
    assert_eq!(world.error("InstallFlow", voice("b", 2))["code"], "unavailable");
    let sent = world.switches[0].journal().len();
    for (command, payload) in [
        ("InstallFlow", voice("c", 3)),
        ("InstallFlow", voice_with("d", 1, json!({"replace": true}))),
        ("InstallFlows", json!({"flows": [voice("e", 4)], "atomic": "node"})),
        ("RemoveFlow", json!({"flow_id": "a"})),
        ("RemoveFlows", json!({"traffic_type": "voice"})),
        ("RemoveNode", json!({"name": "s1"})),
    ] {
        let error = world.error(command, payload);
        assert_eq!(error["code"], "unavailable", "{command}");
        assert!(error["message"].as_str().unwrap().starts_with("the store has no room; it is tried"), "{error}");
    }
    assert_eq!(world.ok("InstallFlow", voice("a", 1))["flow"]["state"], "applied", "it is there already");
    assert_eq!(world.switches[0].journal().len(), sent);
}

#[test]
fn a_replacement_that_could_not_be_stored_leaves_the_place_to_whose_it_is() {
    for dies in [false, true] {
        let mut world = World::connected();
        world.ok("InstallFlow", voice("old", 1));
        let before = world.rules(0);
        world.disk(Disk::IsFull);
        let new = voice_with("new", 1, json!({"replace": true, "dscp": 10}));
        assert_eq!(world.error("InstallFlow", new.clone())["code"], "unavailable");
        world.pass(Duration::from_secs(1));
        assert_eq!((world.state("old"), world.rules(0)), ("applied".to_owned(), before.clone()));
        world.disk(Disk::Writes);
        if dies {
            world.restart();
            world.connect(0);
        }
        world.pass(Duration::from_secs(2));
        assert_eq!((world.state("old"), world.rules(0)), ("applied".to_owned(), before));
        assert_eq!(world.error("GetFlow", json!({"flow_id": "new"}))["code"], "not_found");
        assert_eq!(world.ok("InstallFlow", new)["flow"]["state"], "applied");
        assert_eq!(world.state("old"), "superseded");
    }
}

#[test]
fn what_went_with_its_node_is_told_when_it_is_on_disk() {
    let mut world = World::new(1);
    world.add_node(1);
    world.connect_with(0, vec![Fault::NoBarrierReply], Origin::Accepted);
    let install = world.ask("InstallFlow", voice("a", 1));
    world.disk(Disk::Lags);
    world.ask("RemoveNode", json!({"name": "s1", "flows": "leave"}));
    assert_eq!(world.answer(install), None, "a restart would bring node and flow back");
    world.disk(Disk::Writes);
    assert_eq!(world.answer(install).unwrap()["flow"]["state"], "removed");
}

#[test]
fn an_id_that_is_on_its_way_out_is_not_answered_with_the_flow_that_goes() {
    let mut world = World::connected();
    world.disk(Disk::IsFull);
    assert_eq!(world.error("InstallFlow", voice("a", 1))["code"], "unavailable");
    world.disk(Disk::Lags);
    world.pass(Duration::from_secs(1));
    let error = world.error("InstallFlow", voice("a", 1));
    assert_eq!((&error["code"], &error["path"]), (&json!("unavailable"), &json!("payload.flow_id")));
    world.disk(Disk::Writes);
    assert_eq!(world.ok("InstallFlow", voice("a", 1))["flow"]["state"], "applied");
}

#[test]
fn a_flow_that_was_forgotten_while_the_disk_was_full_does_not_come_back() {
    let refuse = SwitchConfig { missing_ports: MissingPorts::Refuse, ..SwitchConfig::new(DatapathId(1)) };
    let mut world = World::connected_to(refuse);
    let refused = world.ok("InstallFlow", voice_with("a", 1, json!({"forward": {"port": 99}})));
    assert_eq!(refused["flow"]["state"], "rejected");
    world.disk(Disk::Lags);
    let removal = world.ask("RemoveFlow", json!({"flow_id": "a"}));
    world.fill_disk();
    assert_eq!(world.answer(removal).unwrap()["flow"]["state"], "removed");
    assert_eq!(world.error("GetFlow", json!({"flow_id": "a"}))["code"], "not_found");
    world.disk(Disk::Writes);
    world.pass(Duration::from_secs(1));
    world.restart();
    assert_eq!(world.error("GetFlow", json!({"flow_id": "a"}))["code"], "not_found");
}

#[test]
fn a_removal_of_all_waits_for_removals_that_are_not_on_disk_yet() {
    let mut world = World::connected();
    world.ok("InstallFlow", voice("a", 1));
    world.disk(Disk::Lags);
    let first = world.ask("RemoveFlow", json!({"flow_id": "a"}));
    let all = world.ask("RemoveFlows", json!({"all": true}));
    assert_eq!((world.answer(first), world.answer(all)), (None, None));
    world.disk(Disk::Writes);
    assert!(world.answer(first).is_some() && world.answer(all).is_some());
}

#[test]
fn a_flow_is_acknowledged_on_a_node_that_found_no_room_when_both_are_on_disk() {
    let mut world = World::new(1);
    world.disk(Disk::IsFull);
    assert_eq!(world.error("AddNode", json!({"name": "s1", "datapath_id": "0x1"}))["code"], "unavailable");
    world.disk(Disk::Writes);
    world.connect(0);
    assert_eq!(world.error("InstallFlow", voice("a", 1))["code"], "unavailable");
    world.pass(Duration::from_secs(1));
    assert_eq!(world.ok("InstallFlow", voice("a", 1))["flow"]["state"], "applied");
    world.restart();
    assert_eq!(world.node("s1")["state"], "registered", "a flow was acknowledged on it");
    world.connect(0);
    assert_eq!((world.state("a"), world.rule_count(0)), ("applied".to_owned(), 1));
}

#[test]
fn applied_is_told_when_the_outcome_is_on_disk_and_stays_true_after_a_crash() {
    let mut world = World::connected();
    world.disk(Disk::Lags);
    let install = world.ask("InstallFlow", voice("a", 1));
    world.write_one();
    assert_eq!((world.answer(install), world.rule_count(0)), (None, 1), "only the intent is on disk");
    world.write_one();
    assert_eq!(world.answer(install).unwrap()["flow"]["state"], "applied");
    world.restart();
    assert_eq!(world.state("a"), "applied", "its switch is away");
}

#[test]
fn an_outcome_that_finds_no_room_is_not_acknowledged() {
    let mut world = World::connected();
    world.disk(Disk::Lags);
    let install = world.ask("InstallFlow", voice("a", 1));
    world.write_one();
    world.disk(Disk::IsFull);
    world.refuse_lagging();
    assert_eq!(world.answer(install).unwrap()["error"]["code"], "unavailable");
    assert_eq!(world.state("a"), "accepted", "as the disk has it");
    world.disk(Disk::Writes);
    world.pass(Duration::from_secs(1));
    assert_eq!(world.state("a"), "applied");
    assert_eq!(world.node("s1")["flows"], json!({"applied": 1}));
}

#[test]
fn reading_tells_what_is_on_disk_and_nothing_sooner() {
    let mut world = World::connected();
    world.disk(Disk::Lags);
    let listed = |world: &mut World| world.ok("ListFlows", json!({}))["flows"].as_array().unwrap().len();
    let install = world.ask("InstallFlow", voice("a", 1));
    assert_eq!(world.error("GetFlow", json!({"flow_id": "a"}))["code"], "not_found");
    assert_eq!(listed(&mut world), 0);
    world.write_one();
    assert_eq!((world.state("a"), listed(&mut world)), ("accepted".to_owned(), 1));
    assert!(world.flow("a")["nodes"][0]["applied_at"].is_null());
    world.write_one();
    assert_eq!(world.state("a"), "applied");
    assert!(world.answer(install).is_some());
    world.ask("RemoveFlow", json!({"flow_id": "a"}));
    assert_eq!((world.state("a"), world.rule_count(0)), ("applied".to_owned(), 0));
    assert_eq!(world.node("s1")["flows"], json!({"applied": 1}));
    world.disk(Disk::Writes);
    assert_eq!(world.state("a"), "removed");
    assert_eq!(world.node("s1")["flows"], json!({}));
}

#[test]
fn a_node_whose_removal_found_no_room_is_still_there() {
    let mut world = World::connected();
    world.ok("InstallFlow", voice("a", 1));
    world.disk(Disk::IsFull);
    for flows in ["remove", "leave"] {
        let error = world.error("RemoveNode", json!({"name": "s1", "flows": flows}));
        assert_eq!(error["code"], "unavailable");
        assert_eq!(world.node("s1")["state"], "connected");
    }
    world.disk(Disk::Writes);
    world.pass(Duration::from_secs(1));
    world.ok("RemoveNode", json!({"name": "s1"}));
    assert_eq!(
        (world.error("GetNode", json!({"name": "s1"}))["code"].clone(), world.rule_count(0)),
        (json!("not_found"), 0)
    );
    world.restart();
    assert_eq!(world.error("GetNode", json!({"name": "s1"}))["code"], "not_found");
    assert_eq!(world.state("a"), "removed");
}

#[test]
fn the_flows_of_a_node_whose_removal_found_no_room_go_nevertheless_and_do_not_stay_on_their_way() {
    let mut world = World::connected();
    world.ok("InstallFlow", voice("a", 1));
    world.disk(Disk::IsFull);
    assert_eq!(world.error("RemoveNode", json!({"name": "s1"}))["code"], "unavailable");
    world.disk(Disk::Writes);
    world.pass(Duration::from_secs(2));
    assert_eq!((world.state("a"), world.rule_count(0)), ("removed".to_owned(), 0));
}

#[test]
fn a_node_that_goes_takes_its_flows_along_whenever_the_daemon_dies() {
    let mut world = World::connected();
    world.ok("InstallFlow", voice("a", 1));
    world.disk(Disk::Lags);
    world.ask("RemoveNode", json!({"name": "s1", "flows": "leave"}));
    world.write_one();
    world.restart();
    assert_eq!(world.error("GetNode", json!({"name": "s1"}))["code"], "not_found");
    assert_eq!(world.state("a"), "removed");
    // Nor do they come back with a node of the same name.
    world.disk(Disk::Writes);
    world.add_node(1);
    world.restart();
    assert_eq!(world.state("a"), "removed");
}

#[test]
fn flows_beyond_what_is_kept_are_refused() {
    let mut world = World::with(Config { max_flows: 2, ..config() }, 1);
    world.add_node(1);
    world.ok("InstallFlow", voice("a", 1));
    world.ok("InstallFlow", voice("b", 2));
    assert_eq!(world.error("InstallFlow", voice("c", 3))["code"], "overloaded");
    assert_eq!(world.ok("InstallFlow", voice("b", 2))["flow"]["flow_id"], "b", "it is there already");
}

/// The disk has no room for what a request has done to the switch by now, and has some again afterwards.
fn refuse_late(world: &mut World, request: Ticket) {
    world.refuse_lagging();
    assert_eq!(world.answer(request).unwrap()["error"]["code"], "unavailable");
    world.disk(Disk::Writes);
    world.pass(Duration::from_secs(2));
}

#[test]
fn a_removal_that_the_switch_confirmed_before_the_disk_refused_it_has_not_been() {
    for more in [json!({}), json!({"rate_limit": {"rate_kbps": 1000}})] {
        let mut world = World::connected();
        world.ok("InstallFlow", voice_with("a", 1, more));
        let before = world.rules(0);
        world.disk(Disk::Lags);
        let removal = world.ask("RemoveFlow", json!({"flow_id": "a"}));
        assert_eq!((world.rule_count(0), world.answer(removal)), (0, None));
        refuse_late(&mut world, removal);
        assert_eq!((world.state("a"), world.rules(0)), ("applied".to_owned(), before));
        // Whoever takes it away now is told of.
        world.ok("Subscribe", json!({"topics": ["alarms"]}));
        world.meddle(0, &[openflow::Message::FlowMod(openflow::FlowMod::delete())]);
        let alarms = world.news.iter().map(|news| serde_json::to_value(&news.payload).unwrap());
        assert_eq!(alarms.filter(|alarm| alarm["alarm"] == "drift").count(), 1);
        assert_eq!(world.ok("RemoveFlow", json!({"flow_id": "a"}))["flow"]["state"], "removed");
        assert_eq!(world.rule_count(0), 0);
    }
}

#[test]
fn a_replacement_that_the_switch_confirmed_before_the_disk_refused_it_has_not_been() {
    let mut world = World::connected();
    let both = json!({"bidirectional": true});
    world.ok("InstallFlow", voice_with("old", 1, both));
    let before = world.rules(0);
    world.disk(Disk::Lags);
    let new = world.ask("InstallFlow", voice_with("new", 1, json!({"replace": true, "dscp": 10})));
    assert_eq!((world.rule_count(0), world.answer(new)), (1, None));
    refuse_late(&mut world, new);
    assert_eq!((world.state("old"), world.rules(0)), ("applied".to_owned(), before));
    assert_eq!(world.error("GetFlow", json!({"flow_id": "new"}))["code"], "not_found");
}

#[test]
fn a_refused_removal_is_taken_back_where_the_flow_was_and_nowhere_else() {
    let mut world = World::new(2);
    for id in 1..=2 {
        world.add_node(id);
        world.connect(usize::try_from(id).unwrap() - 1);
    }
    world.ok("InstallFlow", voice("a", 1));
    world.ok("RemoveNode", json!({"name": "s2"}));
    world.disk(Disk::Lags);
    let removal = world.ask("RemoveFlow", json!({"flow_id": "a"}));
    refuse_late(&mut world, removal);
    assert_eq!((world.rule_count(0), world.state("a")), (1, "applied".to_owned()));
    world.restart();
    world.connect(0);
    assert_eq!((world.rule_count(0), world.state("a")), (1, "applied".to_owned()));
}

#[test]
fn a_removal_that_is_on_disk_stands_whatever_finds_no_room_after_it() {
    let mut world = World::connected();
    world.ok("InstallFlow", voice("a", 1));
    world.disk(Disk::Lags);
    let removal = world.ask("RemoveFlow", json!({"flow_id": "a"}));
    world.write_one();
    world.refuse_lagging();
    world.disk(Disk::Writes);
    world.pass(Duration::from_secs(2));
    assert!(world.answer(removal).is_some());
    assert_eq!((world.rule_count(0), world.state("a")), (0, "removed".to_owned()));
}
