//! What subscribers are told, and when.

use std::time::Duration;

use openflow::{DatapathId, FlowMod, Message, PortNo, PortReason, PortStatus};

use super::*;
use crate::contract::{FlowState, Topic};
use crate::emulator::SwitchConfig;
use crate::session::Event;
use crate::southbound::{ConnectionId, Origin, Report};

/// A world with one connected node, all of whose news is heard.
fn subscribed(topics: &[&str]) -> World {
    let mut world = World::connected();
    world.ok("Subscribe", json!({"topics": topics}));
    world.news.clear();
    world
}

/// The payloads of what was told on a topic.
fn told(world: &World, topic: Topic) -> Vec<Value> {
    let of_topic = world.news.iter().filter(|news| news.topic == topic);
    of_topic.map(|news| serde_json::to_value(&news.payload).unwrap()).collect()
}

/// The states of one flow, in the order in which they were told.
fn states(world: &World, id: &str) -> Vec<String> {
    let flows = told(world, Topic::Flows);
    let of_flow = flows.iter().filter(|payload| payload["flow"]["flow_id"] == id);
    of_flow.map(|payload| payload["flow"]["state"].as_str().unwrap().to_owned()).collect()
}

/// Packets of every flow on the switch.
fn count(world: &mut World, packets: u64, bytes: u64) {
    let now = world.now;
    for flow in world.switches[0].flows(now) {
        assert!(world.switches[0].count_traffic(flow.table_id, flow.priority, &flow.flow_match, packets, bytes, now));
    }
}

#[test]
fn the_life_of_a_flow_is_told_in_order_and_numbered_from_one() {
    let mut world = World::connected();
    let reply = world.ok("Subscribe", json!({"topics": ["flows"]}));
    assert_eq!(reply["topics"], json!({"flows": 0}));
    world.news.clear();
    world.ok("InstallFlow", voice("a", 1));
    world.ok("RemoveFlow", json!({"flow_id": "a"}));
    let mut states = states(&world, "a");
    // Whether what passes at once is seen is nobody's business.
    states.retain(|state| !matches!(state.as_str(), "accepted" | "removing"));
    assert_eq!(states, ["applied", "removed"]);
    let seqs: Vec<u64> = world.news.iter().map(|news| news.seq).collect();
    assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>());
}

#[test]
fn nothing_is_told_of_a_flow_before_the_disk_has_it() {
    let mut world = subscribed(&["flows"]);
    world.disk(Disk::Lags);
    world.ask("InstallFlow", voice("a", 1));
    assert_eq!(world.rule_count(0), 1, "the switch has confirmed it");
    assert!(states(&world, "a").is_empty());
    world.disk(Disk::Writes);
    assert_eq!(states(&world, "a"), ["applied"]);
    world.disk(Disk::Lags);
    world.ask("RemoveFlow", json!({"flow_id": "a"}));
    assert!(!states(&world, "a").contains(&"removed".to_owned()));
    world.disk(Disk::Writes);
    assert_eq!(states(&world, "a").last().unwrap(), "removed");
}

#[test]
fn a_flow_that_found_no_room_on_the_disk_is_never_told() {
    let mut world = subscribed(&["flows", "alarms"]);
    world.disk(Disk::IsFull);
    world.error("InstallFlow", voice("a", 1));
    world.error("InstallFlow", voice("b", 2));
    assert!(told(&world, Topic::Flows).is_empty());
    let alarms = told(&world, Topic::Alarms);
    assert_eq!((alarms.len(), &alarms[0]["alarm"]), (1, &json!("store_full")), "once, however often it is tried");
}

#[test]
fn the_event_shows_the_flow_as_get_flow_does_without_its_counters() {
    let mut world = subscribed(&["flows"]);
    world.ok("InstallFlow", voice("a", 1));
    let mut shown = world.flow("a");
    for counter in ["packets", "bytes"] {
        shown.as_object_mut().unwrap().remove(counter);
    }
    shown["nodes"][0].as_object_mut().unwrap().remove("counters");
    assert_eq!(told(&world, Topic::Flows).last().unwrap()["flow"], shown);
}

#[test]
fn a_node_that_comes_goes_and_is_removed_is_told_of() {
    let mut world = World::new(1);
    world.ok("Subscribe", json!({"topics": ["nodes"]}));
    world.news.clear();
    world.add_node(1);
    let connection = world.connect(0);
    world.cut(connection);
    world.ok("RemoveNode", json!({"name": "s1", "flows": "leave"}));
    let nodes = told(&world, Topic::Nodes);
    let mut states: Vec<&str> = nodes.iter().map(|payload| payload["node"]["state"].as_str().unwrap()).collect();
    states.retain(|state| *state != "connecting");
    states.dedup();
    assert_eq!(states, ["registered", "connected", "disconnected"]);
    assert_eq!(nodes.iter().map(|payload| payload.get("removed").is_some()).filter(|removed| *removed).count(), 1);
    assert_eq!(nodes.last().unwrap()["removed"], true);
}

#[test]
fn a_node_is_not_told_of_before_the_disk_has_it() {
    let mut world = World::new(0);
    world.ok("Subscribe", json!({"topics": ["nodes"]}));
    world.news.clear();
    world.disk(Disk::Lags);
    world.ask("AddNode", json!({"name": "s1", "datapath_id": "0x1"}));
    assert!(told(&world, Topic::Nodes).is_empty());
    world.disk(Disk::Writes);
    assert_eq!(told(&world, Topic::Nodes)[0]["node"]["name"], "s1");
}

#[test]
fn a_discovered_switch_is_told_of_while_it_is_there() {
    let mut world = World::new(1);
    world.ok("Subscribe", json!({"topics": ["nodes"]}));
    world.news.clear();
    let connection = world.connect(0);
    world.cut(connection);
    let nodes = told(&world, Topic::Nodes);
    assert_eq!((nodes.len(), &nodes[0]["node"]["state"]), (2, &json!("discovered")));
    assert_eq!(nodes[1]["removed"], true);
}

#[test]
fn a_port_that_goes_down_is_told_of() {
    let mut world = subscribed(&["ports"]);
    let port = world.switches[0].config().ports[0].clone();
    let status = PortStatus { reason: PortReason::Modify, desc: port };
    world
        .engine
        .handle_report(Report::Happened { connection: ConnectionId(1), event: Event::PortStatus(Box::new(status)) });
    world.run();
    let ports = told(&world, Topic::Ports);
    assert_eq!((ports.len(), &ports[0]["node"], &ports[0]["port"]["number"]), (1, &json!("s1"), &json!(1)));
    let reserved = PortStatus {
        reason: PortReason::Modify,
        desc: openflow::Port { port_no: PortNo::LOCAL, ..world.switches[0].config().ports[0].clone() },
    };
    world
        .engine
        .handle_report(Report::Happened { connection: ConnectionId(1), event: Event::PortStatus(Box::new(reserved)) });
    world.run();
    assert_eq!(told(&world, Topic::Ports).len(), 1, "as GetNode, it shows no reserved port");
}

#[test]
fn drift_is_an_alarm_and_what_is_held_is_another() {
    let mut world = subscribed(&["alarms", "flows"]);
    world.ok("InstallFlow", voice("a", 1));
    for _ in 0..4 {
        world.meddle(0, &[Message::FlowMod(FlowMod::delete())]);
    }
    let alarms = told(&world, Topic::Alarms);
    let kinds: Vec<&str> = alarms.iter().map(|alarm| alarm["alarm"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["drift", "drift", "drift", "flow_held"]);
    assert_eq!((&alarms[0]["flow_id"], &alarms[0]["node"]), (&json!("a"), &json!("s1")));
    assert_eq!(states(&world, "a").last().unwrap(), FlowState::Drifted.as_str());
}

#[test]
fn what_a_refused_replacement_of_ours_took_is_put_back_without_an_alarm() {
    let mut world = World::connected_to(SwitchConfig { table_limit: 3, ..SwitchConfig::new(DatapathId(1)) });
    world.ok("Subscribe", json!({"topics": ["alarms"]}));
    let ports = |ports: &str| json!({"protocol": "udp", "destination_port": ports, "replace": true});
    for _ in 0..5 {
        world.ok("InstallFlow", voice_with("old", 1, ports("1-1")));
        let before = world.rules(0);
        let refused = world.ok("InstallFlow", voice_with("new", 1, ports("1-65534")));
        assert_eq!(refused["flow"]["state"], "rejected");
        assert_eq!((world.state("old"), world.rules(0)), ("applied".to_owned(), before));
        world.ok("RemoveFlow", json!({"flow_id": "new"}));
    }
    assert!(told(&world, Topic::Alarms).iter().all(|alarm| alarm["alarm"] != "drift"), "nobody else took it");
    world.meddle(0, &[Message::FlowMod(FlowMod::delete())]);
    assert_eq!(
        told(&world, Topic::Alarms).iter().filter(|alarm| alarm["alarm"] == "drift").count(),
        1,
        "now somebody did"
    );
}

#[test]
fn a_second_switch_with_the_same_datapath_id_is_an_alarm() {
    let mut world = World::new(1);
    world.switches.push(crate::emulator::Switch::new(SwitchConfig::new(DatapathId(1))));
    world.add_node(1);
    world.connect(0);
    world.ok("Subscribe", json!({"topics": ["alarms"]}));
    world.connect_with(1, Vec::new(), Origin::Accepted);
    let alarms: Vec<Value> = told(&world, Topic::Alarms).into_iter().filter(|alarm| !alarm.is_null()).collect();
    assert_eq!((alarms.len(), &alarms[0]["alarm"]), (1, &json!("duplicate_datapath_id")));
}

#[test]
fn what_happens_while_nobody_listens_is_counted_and_told_as_gone() {
    let mut world = World::connected();
    world.ok("InstallFlow", voice("a", 1));
    assert!(world.news.is_empty());
    let seq = world.ok("Subscribe", json!({"topics": ["flows"]}))["topics"]["flows"].as_u64().unwrap();
    assert!(seq > 0);
    assert_eq!((world.news[0].seq, &world.news[0].payload), (seq, &None));
    world.news.clear();
    world.ok("Unsubscribe", json!({"topics": ["flows"]}));
    world.ok("InstallFlow", voice("b", 2));
    assert_eq!(states(&world, "b").last().unwrap(), "applied", "whoever comes back soon misses nothing");
    world.pass(Duration::from_secs(61));
    world.ok("InstallFlow", voice("c", 3));
    assert!(states(&world, "c").is_empty());
}

#[test]
fn who_comes_back_to_a_quiet_topic_gets_the_one_event_that_it_missed() {
    let mut world = World::connected();
    let seat = world.engine.audience().seat(Topic::Flows, 0);
    world.ok("Subscribe", json!({"topics": ["flows"]}));
    world.pass(Duration::from_secs(600));
    drop(seat);
    world.news.clear();
    world.ok("InstallFlow", voice("a", 1));
    let seq = world.news.last().unwrap().seq;
    assert_eq!(states(&world, "a").last().unwrap(), "applied");
    world.news.clear();
    world.pass(Duration::from_secs(30));
    assert_eq!(world.ok("Subscribe", json!({"topics": ["flows"]}))["topics"], json!({"flows": seq}));
    assert!(world.news.is_empty(), "and is told of nothing that is gone");
}

#[test]
fn what_was_so_before_the_start_is_no_news() {
    let mut world = World::connected();
    world.ok("InstallFlow", voice("a", 1));
    world.restart();
    assert_eq!(world.ok("Subscribe", json!({"topics": ["flows", "nodes"]}))["topics"], json!({"flows": 0, "nodes": 0}));
    world.news.clear();
    world.connect(0);
    assert!(states(&world, "a").is_empty(), "the switch still has it");
    assert_eq!(told(&world, Topic::Nodes).last().unwrap()["node"]["state"], "connected");
}

#[test]
fn statistics_are_sampled_while_somebody_wants_them_and_tell_what_changed() {
    let mut world = World::connected();
    world.ok("InstallFlow", voice("a", 1));
    let _seat = world.engine.audience().seat(Topic::Stats, 1000);
    world.ok("Subscribe", json!({"topics": ["stats"], "interval_ms": 1000}));
    world.news.clear();
    world.pass(Duration::from_secs(1));
    let stats = told(&world, Topic::Stats);
    assert_eq!((stats.len(), &stats[0]["flows"][0]["flow_id"]), (1, &json!("a")));
    assert_eq!(stats[0]["nodes"][0], json!({"node": "s1", "flows": 1, "packets_per_second": 0, "bits_per_second": 0}));
    world.pass(Duration::from_secs(1));
    assert_eq!(told(&world, Topic::Stats).len(), 1, "nothing has changed");
    count(&mut world, 7, 700);
    world.pass(Duration::from_secs(1));
    let stats = told(&world, Topic::Stats);
    let flow = &stats.last().unwrap()["flows"][0];
    assert_eq!(
        (&flow["packets"], &flow["packets_per_second"], &flow["bits_per_second"]),
        (&json!(7), &json!(7), &json!(5600))
    );
    world.pass(Duration::from_secs(1));
    let stats = told(&world, Topic::Stats);
    assert_eq!(stats.last().unwrap()["flows"][0]["bits_per_second"], 0, "that it stopped is a change");
}

#[test]
fn nobody_asks_the_switches_when_nobody_wants_statistics() {
    let mut world = World::connected();
    world.ok("Subscribe", json!({"topics": ["stats"], "interval_ms": 100}));
    world.pass(Duration::from_millis(100));
    world.pass(Duration::from_secs(10));
    assert!(told(&world, Topic::Stats).iter().all(Value::is_null));
}
