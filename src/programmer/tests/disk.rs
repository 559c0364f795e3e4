//! A disk that is full: what cannot be stored is not acknowledged, and not left on a switch either.

use std::time::Duration;

use super::*;

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
fn a_removal_that_could_not_be_stored_is_not_acknowledged_but_stored_when_there_is_room() {
    let mut world = World::connected();
    world.ok("InstallFlow", voice("a", 1));
    world.disk(Disk::IsFull);
    assert_eq!(world.error("RemoveFlow", json!({"flow_id": "a"}))["code"], "unavailable");
    world.disk(Disk::Writes);
    world.pass(Duration::from_secs(1));
    assert_eq!(world.ok("RemoveFlow", json!({"flow_id": "a"}))["flow"]["state"], "removed");
    world.restart();
    world.connect(0);
    assert_eq!((world.state("a"), world.rule_count(0)), ("removed".to_owned(), 0));
}
