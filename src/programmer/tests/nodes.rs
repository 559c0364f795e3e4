//! Nodes: adding, discovering, removing, and two switches with one datapath id.

use std::time::Duration;

use openflow::{DatapathId, Port, PortNo, PortReason, PortStatus};

use super::*;
use crate::contract::{FlowState, NodeState};
use crate::emulator::{Fault, Switch, SwitchConfig};
use crate::programmer::cookie::Purpose;
use crate::programmer::engine::{Config, Ticket};
use crate::programmer::{Admission, Survey, TableMiss};
use crate::session::{Event, MAX_PORTS};
use crate::southbound::{ConnectionId, Origin, Report, SwitchAddress};

#[test]
fn a_switch_that_dials_in_unasked_is_discovered_and_written_nothing() {
    let mut world = World::new(1);
    let connection = world.connect(0);
    let nodes = world.ok("ListNodes", json!({}))["nodes"].clone();
    assert_eq!((&nodes[0]["name"], &nodes[0]["state"]), (&json!("0000000000000001"), &json!("discovered")));
    assert!(world.switches[0].journal().is_empty() && world.rule_count(0) == 0);
    let error = world.error("InstallFlow", voice_with("a", 1, json!({"nodes": ["0000000000000001"]})));
    assert_eq!((&error["code"], &error["path"]), (&json!("not_found"), &json!("payload.nodes[0]")));
    assert_eq!(world.error("RemoveNode", json!({"name": "0000000000000001"}))["code"], "not_found");
    world.cut(connection);
    assert_eq!(world.ok("ListNodes", json!({}))["nodes"], json!([]));
}

#[test]
fn adding_a_discovered_switch_adopts_it_at_once() {
    let mut world = World::new(1);
    world.connect(0);
    world.add_node(1);
    assert_eq!(world.node("s1")["state"], "connected");
    assert_eq!(world.ok("ListNodes", json!({}))["nodes"].as_array().unwrap().len(), 1);
}

#[test]
fn m24_admission_decides_about_switches_that_nobody_added() {
    let mut world = World::with(Config { admission: Admission::Adopt, ..config() }, 1);
    world.connect(0);
    assert_eq!(world.node("0000000000000001")["state"], "connected");
    world.restart();
    assert_eq!(world.node("0000000000000001")["state"], "registered", "it is registered for good");

    let mut world = World::with(Config { admission: Admission::Registered, ..config() }, 1);
    let connection = world.connect(0);
    assert!(!world.is_open(connection));
    assert_eq!(world.ok("ListNodes", json!({}))["nodes"], json!([]));
}

#[test]
fn the_same_node_again_is_the_same_and_another_one_is_refused() {
    let mut world = World::new(0);
    world.add_node(1);
    world.add_node(1);
    for (payload, path) in [
        (json!({"name": "s1", "datapath_id": "0x2"}), "payload.name"),
        (json!({"name": "s2", "datapath_id": "00:00:00:00:00:00:00:01"}), "payload.datapath_id"),
    ] {
        let error = world.error("AddNode", payload);
        assert_eq!((&error["code"], &error["path"]), (&json!("already_exists"), &json!(path)));
    }
    world.ok("AddNode", json!({"name": "d1", "address": "tcp:127.0.0.1:7000"}));
    assert_eq!(
        world.error("AddNode", json!({"name": "d2", "address": "tcp:127.0.0.1:7000"}))["code"],
        "already_exists"
    );
    assert_eq!(world.error("AddNode", json!({"name": "d3", "address": "tls:127.0.0.1:7000"}))["code"], "unsupported");
}

fn dialed() -> Origin {
    Origin::Dialed(SwitchAddress { tls: false, host: "127.0.0.1".to_owned(), port: 7000 })
}

#[test]
fn a_dialled_node_learns_its_datapath_id_and_keeps_it() {
    let mut world = World::new(2);
    world.ok("AddNode", json!({"name": "d1", "address": "tcp:127.0.0.1:7000"}));
    assert_eq!(world.dials.len(), 1);
    assert_eq!(world.node("d1")["state"], "connecting");
    let first = world.connect_with(0, Vec::new(), dialed());
    assert_eq!(world.node("d1")["datapath_id"], "0000000000000001");
    world.cut(first);
    let other = world.connect_with(1, Vec::new(), dialed());
    assert!(!world.is_open(other), "another switch answers at the address");
    let node = world.node("d1");
    assert_eq!(node["state"], "disconnected");
    assert!(node["warnings"][0].as_str().unwrap().contains("0000000000000002"), "{node}");
    world.restart();
    assert_eq!(world.dials.len(), 1, "it is dialled again after a restart");
    assert_eq!(world.node("d1")["datapath_id"], "0000000000000001");
}

#[test]
fn a_node_with_an_address_and_the_wrong_datapath_id_is_not_written_to() {
    let mut world = World::new(1);
    world.ok("AddNode", json!({"name": "d1", "address": "tcp:127.0.0.1:7000", "datapath_id": "0x9"}));
    let connection = world.connect_with(0, Vec::new(), dialed());
    assert!(!world.is_open(connection));
    assert!(world.switches[0].journal().is_empty());
}

#[test]
fn removing_a_node_takes_its_flows_off_the_switch_first() {
    let mut world = World::connected();
    world.ok("InstallFlow", voice("a", 1));
    world.ok("RemoveNode", json!({"name": "s1"}));
    assert_eq!(world.rule_count(0), 0);
    assert_eq!(world.state("a"), "removed");
    assert_eq!(world.error("GetNode", json!({"name": "s1"}))["code"], "not_found");
    world.connect(0);
    assert_eq!(world.node("0000000000000001")["state"], "discovered");
    world.restart();
    assert_eq!(world.error("GetNode", json!({"name": "s1"}))["code"], "not_found", "it is gone for good");
}

#[test]
fn removing_a_node_can_leave_its_flows() {
    let mut world = World::connected();
    world.ok("InstallFlow", voice("a", 1));
    world.ok("RemoveNode", json!({"name": "s1", "flows": "leave"}));
    assert_eq!(world.rule_count(0), 1);
    assert_eq!(world.state("a"), "removed");
}

#[test]
fn removing_a_node_that_is_away_needs_leave_when_flows_may_be_on_it() {
    let mut world = World::connected();
    world.ok("InstallFlow", voice("a", 1));
    world.restart();
    let error = world.error("RemoveNode", json!({"name": "s1"}));
    assert_eq!(error["code"], "unavailable");
    assert!(error["message"].as_str().unwrap().contains("leave"));
    world.ok("RemoveNode", json!({"name": "s1", "flows": "leave"}));
}

#[test]
fn m25_a_second_switch_with_the_datapath_id_of_a_living_one_is_refused_and_reported() {
    let mut world = World::connected();
    world.ok("InstallFlow", voice("a", 1));
    let mut twin = World::new(1);
    std::mem::swap(&mut world.switches, &mut twin.switches);
    world.switches.append(&mut twin.switches);
    // The node's own connection still belongs to the first switch; the twin is the second one.
    world.switches.swap(0, 1);
    let second = world.connect(1);
    assert!(!world.is_open(second));
    let node = world.node("s1");
    assert_eq!(node["state"], "connected");
    assert!(node["warnings"][0].as_str().unwrap().contains("another switch"), "{node}");
}

#[test]
fn m25_a_switch_whose_old_connection_is_dead_takes_its_place() {
    let mut world = World::new(1);
    world.add_node(1);
    let dead = world.connect_with(0, vec![Fault::Silent { after: 7 }], Origin::Accepted);
    let alive = world.connect(0);
    assert!(world.is_open(dead) && world.is_open(alive));
    world.pass(Duration::from_secs(1));
    assert!(!world.is_open(dead) && world.is_open(alive));
    assert_eq!(world.node("s1")["state"], "connected");
    assert_eq!(world.ok("InstallFlow", voice("a", 1))["flow"]["state"], "applied");
}

#[test]
fn nodes_and_their_flows_are_counted_by_state() {
    let mut world = World::new(3);
    world.add_node(1);
    world.add_node(2);
    world.connect(0);
    world.connect(2);
    world.ok("InstallFlow", voice("b", 1));
    let survey = world.engine.survey();
    let mut expected = Survey::default();
    expected.nodes.extend([NodeState::Connected, NodeState::Registered, NodeState::Discovered].map(|state| (state, 1)));
    expected.flows.extend([FlowState::Applied, FlowState::Accepted].map(|state| (state, 1)));
    assert_eq!(survey, expected);
}

#[test]
fn a_node_that_was_removed_is_not_dialled_and_its_address_is_free() {
    let mut world = World::new(1);
    let dialled = |name: &str| json!({"name": name, "address": "tcp:127.0.0.1:6653"});
    world.ok("AddNode", dialled("a"));
    assert_eq!(world.error("AddNode", dialled("b"))["code"], "already_exists");
    world.ok("RemoveNode", json!({"name": "a"}));
    world.ok("AddNode", dialled("b"));
}

#[test]
fn ports_and_makers_are_shown_as_the_switch_tells_them() {
    let mut world = World::connected();
    let node = world.node("s1");
    assert_eq!(node["ports"].as_array().unwrap().len(), 4);
    assert!(node["manufacturer"].is_string() && node["tables"].is_number(), "{node}");
    assert_eq!(node["flows"], json!({}));
    world.ok("InstallFlow", voice("a", 1));
    assert_eq!(world.node("s1")["flows"], json!({"applied": 1}));
}

/// A `RemoveNode` that waits for a switch which never answers barriers.
fn removal_that_waits(world: &mut World) -> Ticket {
    world.add_node(1);
    world.connect_with(0, vec![Fault::NoBarrierReply], Origin::Accepted);
    let ticket = world.ask("RemoveNode", json!({"name": "s1"}));
    assert_eq!(world.answer(ticket), None);
    ticket
}

#[test]
fn a_node_that_is_being_removed_is_neither_added_nor_removed_again_meanwhile() {
    let mut world = World::new(1);
    let first = removal_that_waits(&mut world);
    for (command, payload) in
        [("RemoveNode", json!({"name": "s1"})), ("AddNode", json!({"name": "s1", "datapath_id": "0x1"}))]
    {
        assert_eq!(world.error(command, payload)["code"], "conflict", "{command}");
    }
    world.restart_connection();
    assert_eq!(world.answer(first).unwrap()["error"]["code"], "unavailable");
}

#[test]
fn a_removal_that_is_overtaken_by_one_that_leaves_the_flows_is_answered_too() {
    let mut world = World::new(1);
    let first = removal_that_waits(&mut world);
    world.ok("RemoveNode", json!({"name": "s1", "flows": "leave"}));
    let answer = world.answer(first).unwrap();
    assert!(answer["error"]["message"].as_str().unwrap().contains("left the flows"), "{answer}");
}

#[test]
fn a_node_whose_switch_refuses_the_deletion_stays_and_its_flows_go_when_they_can() {
    let mut world = World::connected();
    world.ok("InstallFlow", voice("a", 1));
    world.refused = Some(Purpose::Wipe);
    assert_eq!(world.error("RemoveNode", json!({"name": "s1"}))["code"], "unavailable");
    assert_eq!((world.node("s1")["state"].clone(), world.state("a")), (json!("connected"), "removing".to_owned()));
    world.pass(Duration::from_secs(1));
    assert_eq!((world.state("a"), world.rule_count(0)), ("removed".to_owned(), 0));
}

#[test]
fn a_node_removed_while_its_flows_come_back_in_a_bundle_leaves_none_of_them() {
    let mut world = World::connected();
    world.ok("InstallFlow", voice("a", 1));
    world.restart_switch(0);
    world.connect_until_restoring(0);
    let ticket = world.ask("RemoveNode", json!({"name": "s1"}));
    assert_eq!(world.answer(ticket).unwrap()["node"]["name"], "s1");
    assert_eq!((world.state("a"), world.rule_count(0)), ("removed".to_owned(), 0));
}

#[test]
fn a_flow_is_not_called_removed_before_its_node_is_wiped() {
    let mut world = World::connected();
    let install = world.send("InstallFlow", voice("a", 1));
    world.engine.flush();
    let removal = world.send("RemoveNode", json!({"name": "s1"}));
    world.restart_connection();
    assert!(world.answer(install).is_some() && world.answer(removal).is_some());
    assert_eq!(world.state("a"), "removing");
}

#[test]
fn a_second_connection_of_a_node_that_is_removed_is_closed_with_the_first() {
    let mut world = World::new(1);
    world.add_node(1);
    let silent = world.connect_with(0, vec![Fault::Silent { after: 7 }], Origin::Accepted);
    let second = world.connect(0);
    assert!(world.is_open(silent) && world.is_open(second));
    world.ok("RemoveNode", json!({"name": "s1", "flows": "leave"}));
    assert!(!world.is_open(silent) && !world.is_open(second));
}

#[test]
fn a_discovered_switch_is_shown_with_the_ports_that_it_has_now_and_keeps_them_when_it_is_added() {
    let mut world = World::new(1);
    world.connect(0);
    let port = Port { port_no: PortNo(9), ..world.switches[0].config().ports[0].clone() };
    world.switches[0].set_port(port, world.now);
    world.switches[0].remove_port(PortNo(1), world.now);
    world.run();
    let numbers = |node: Value| -> Vec<u64> {
        node["ports"].as_array().unwrap().iter().map(|port| port["number"].as_u64().unwrap()).collect()
    };
    assert_eq!(numbers(world.node("0000000000000001")), [2, 3, 4, 9]);
    world.add_node(1);
    assert_eq!(numbers(world.node("s1")), [2, 3, 4, 9]);
}

#[test]
fn a_switch_that_makes_up_ports_without_end_is_not_believed_without_end() {
    let mut world = World::connected();
    let port = world.switches[0].config().ports[0].clone();
    for port_no in (1..=70_000).map(PortNo) {
        let desc = Port { port_no, ..port.clone() };
        let event = Event::PortStatus(Box::new(PortStatus { reason: PortReason::Add, desc }));
        world.engine.handle_report(Report::Happened { connection: ConnectionId(1), event });
    }
    assert_eq!(world.node("s1")["ports"].as_array().unwrap().len(), MAX_PORTS);
}

#[test]
fn a_switch_is_not_adopted_under_a_name_that_another_node_has() {
    let mut world = World::with(Config { admission: Admission::Adopt, ..config() }, 1);
    world.ok("AddNode", json!({"name": "0000000000000001", "datapath_id": "0x2"}));
    let connection = world.connect(0);
    assert!(!world.is_open(connection), "nobody would ever talk to it");
}

#[test]
fn the_name_of_a_removed_node_is_kept_as_long_as_a_flow_is_shown_with_it() {
    let mut world = World::connected();
    world.ok("InstallFlow", voice("a", 1));
    for _ in 0..3 {
        world.ok("RemoveNode", json!({"name": "s1"}));
        world.add_node(1);
        world.connect(0);
    }
    world.pass(Duration::from_secs(3600));
    assert_eq!((world.flow("a")["nodes"][0]["node"].clone(), world.engine.retired.len()), (json!("s1"), 1));
    world.pass(Duration::from_secs(24 * 3600));
    assert_eq!(world.engine.retired.len(), 0);
}

#[test]
fn a_flow_that_is_sent_again_is_counted_as_it_is_shown() {
    let mut world = World::new(1);
    world.switches[0] = Switch::new(SwitchConfig { bundles: false, ..SwitchConfig::new(DatapathId(1)) });
    world.add_node(1);
    world.connect_with(0, vec![Fault::NoBarrierReply], Origin::Accepted);
    world.ask("InstallFlow", voice("a", 1));
    world.restart_connection();
    assert_eq!(world.node("s1")["flows"], json!({"unknown": 1}));
    world.restart_switch(0);
    world.connect_with(0, vec![Fault::NoBarrierReply], Origin::Accepted);
    assert_eq!((world.state("a"), &world.node("s1")["flows"]), ("accepted".to_owned(), &json!({"accepted": 1})));
}

#[test]
fn a_node_that_never_connected_goes_with_the_flows_that_never_left() {
    let mut world = World::new(1);
    for dies in [false, true] {
        world.add_node(1);
        world.ok("InstallFlow", voice("a", 1));
        if dies {
            world.restart();
        }
        world.ok("RemoveNode", json!({"name": "s1"}));
        assert_eq!(world.state("a"), "removed");
        assert_eq!(world.error("GetNode", json!({"name": "s1"}))["code"], "not_found");
        world.restart();
        assert_eq!(world.state("a"), "removed");
        world = World::new(1);
    }
}

#[test]
fn a_node_that_was_connected_before_the_daemon_died_may_have_our_table_miss_rule() {
    let mut world = World::with(Config { table_miss: TableMiss::Drop, ..config() }, 1);
    world.add_node(1);
    world.connect(0);
    assert_eq!(world.rule_count(0), 1);
    world.restart();
    assert_eq!(world.error("RemoveNode", json!({"name": "s1"}))["code"], "unavailable");
    world.connect(0);
    world.ok("RemoveNode", json!({"name": "s1"}));
    assert_eq!(world.rule_count(0), 0);
}

#[test]
fn nothing_is_written_to_a_switch_before_the_disk_knows_that_it_was_connected() {
    let mut world = World::new(1);
    for dies in [true, false] {
        world.add_node(1);
        world.disk(Disk::Lags);
        world.connect(0);
        let install = world.ask("InstallFlow", voice("a", 1));
        assert_eq!((world.answer(install), world.rule_count(0)), (None, 0));
        assert_eq!(world.node("s1")["state"], "connecting");
        if dies {
            world.restart();
        }
        world.disk(Disk::Writes);
        assert_eq!(world.rule_count(0), usize::from(!dies));
        world.ok("RemoveNode", json!({"name": "s1"}));
        assert_eq!(world.rule_count(0), 0, "the node is gone, and nothing of ours is left");
    }
}

#[test]
fn the_removal_of_a_node_that_a_full_disk_keeps_from_being_written_to_is_refused() {
    let mut world = World::new(1);
    world.add_node(1);
    world.disk(Disk::IsFull);
    world.connect(0);
    let removal = world.ask("RemoveNode", json!({"name": "s1"}));
    world.pass(Duration::from_secs(1));
    assert_eq!(world.answer(removal).unwrap()["error"]["code"], "unavailable");
    world.disk(Disk::Writes);
    world.pass(Duration::from_secs(1));
    assert_eq!(world.node("s1")["state"], "connected");
    world.restart();
    assert_eq!(world.error("RemoveNode", json!({"name": "s1"}))["code"], "unavailable", "something may be on it");
}
