//! Rate limits: meters are there before the rules behind them and gone after the last of them, whatever happens.

use std::time::Duration;

use openflow::{Band, BandKind, DatapathId, FlowMod, Message, MeterFlags, MeterId, MeterMod, MeterModCommand};

use super::*;
use crate::contract::RateLimit;
use crate::emulator::SwitchConfig;
use crate::policy::{ClassLimit, ClassTable, Exceed, TrafficClass};
use crate::programmer::cookie::Purpose;
use crate::programmer::engine::Config;

/// A voice flow with a limit of its own.
fn limited(id: &str, host: u8, rate_kbps: u32) -> Value {
    voice_with(id, host, json!({"rate_limit": {"rate_kbps": rate_kbps}}))
}

fn meter_mod(command: MeterModCommand, id: u32, rate: u32) -> Message {
    let bands = vec![Band { rate, burst_size: 0, kind: BandKind::Drop }];
    Message::MeterMod(MeterMod { command, flags: MeterFlags::KBPS, meter_id: MeterId(id), bands })
}

/// Classes of which voice may have this much on each switch.
fn voice_limited(rate_kbps: u32, exceed: Exceed) -> Config {
    let rate = RateLimit { rate_kbps, burst_kb: None };
    let mut classes = ClassTable::built_in();
    let voice = classes.get("voice").unwrap().clone();
    classes.put(TrafficClass { limit: Some(ClassLimit { rate, exceed }), ..voice });
    Config { classes, ..config() }
}

fn world_with(config: Config) -> World {
    let mut world = World::with(config, 1);
    world.add_node(1);
    world.connect(0);
    world
}

/// The meters that the switch's rules name, one for each rule.
fn meters_in_rules(world: &World, switch: usize) -> Vec<u32> {
    let rules = world.rules(switch);
    let number = |rule: &String| rule.split("meter:").nth(1)?.split([',', ' ']).next()?.parse().ok();
    rules.iter().filter_map(number).collect()
}

#[test]
fn a_limited_flow_is_behind_a_meter_of_its_own_and_takes_it_along() {
    let mut world = World::connected();
    let flow = world.ok("InstallFlow", limited("a", 1, 5000))["flow"].clone();
    assert_eq!(flow["state"], "applied");
    assert_eq!(world.meters(0), [(1, 5000, 5000)]);
    assert_eq!(meters_in_rules(&world, 0), [1]);
    assert_eq!(world.ok("RemoveFlow", json!({"flow_id": "a"}))["flow"]["state"], "removed");
    assert_eq!((world.meters(0), world.rule_count(0)), (vec![], 0));
}

#[test]
fn all_rules_of_a_flow_share_its_meter_and_other_flows_have_theirs() {
    let mut world = World::connected();
    let more = json!({"bidirectional": true, "protocol": "udp", "destination_port": "5000-5002",
        "rate_limit": {"rate_kbps": 100, "burst_kb": 50}});
    world.ok("InstallFlow", voice_with("a", 1, more));
    world.ok("InstallFlow", limited("b", 2, 100));
    assert_eq!(world.meters(0), [(1, 100, 50), (2, 100, 100)]);
    assert_eq!(world.rule_count(0), 5);
    assert_eq!(meters_in_rules(&world, 0).iter().filter(|meter| **meter == 1).count(), 4);
}

#[test]
fn the_flows_of_a_class_share_its_limit_until_the_last_of_them_is_gone() {
    let mut world = world_with(voice_limited(9000, Exceed::Drop));
    world.ok("InstallFlow", voice("a", 1));
    world.ok("InstallFlow", voice("b", 2));
    world.ok("InstallFlow", limited("own", 3, 100));
    assert_eq!(world.meters(0), [(1, 9000, 9000), (2, 100, 100)]);
    assert_eq!(meters_in_rules(&world, 0), [1, 1, 2]);
    world.ok("RemoveFlow", json!({"flow_id": "a"}));
    assert_eq!(world.meters(0).len(), 2);
    world.ok("RemoveFlow", json!({"flow_id": "b"}));
    assert_eq!(world.meters(0), [(2, 100, 100)]);
    world.ok("InstallFlow", voice("c", 1));
    assert_eq!((world.meters(0).len(), world.state("c")), (2, "applied".to_owned()));
}

#[test]
fn flows_of_a_class_that_come_and_go_together_leave_the_meter_that_the_last_of_them_needs() {
    let mut world = world_with(voice_limited(9000, Exceed::Drop));
    world.ok("InstallFlow", voice("a", 1));
    let removal = world.send("RemoveFlow", json!({"flow_id": "a"}));
    let install = world.send("InstallFlow", voice("b", 2));
    world.run();
    assert_eq!(world.answer(removal).unwrap()["flow"]["state"], "removed");
    assert_eq!(world.answer(install).unwrap()["flow"]["state"], "applied");
    assert_eq!((world.meters(0).len(), meters_in_rules(&world, 0).len()), (1, 1));
}

#[test]
fn a_meter_leaves_with_the_flow_that_expires_or_is_superseded_or_whose_node_goes() {
    let mut world = World::connected();
    let hard = json!({"hard_timeout": 5, "rate_limit": {"rate_kbps": 100}});
    world.ok("InstallFlow", voice_with("expires", 1, hard));
    world.ok("InstallFlow", limited("superseded", 2, 200));
    world.ok("InstallFlow", limited("stays", 3, 300));
    assert_eq!(world.meters(0).len(), 3);
    world.ok("InstallFlow", voice_with("instead", 2, json!({"replace": true})));
    world.pass(Duration::from_secs(6));
    assert_eq!((world.state("expires"), world.state("superseded")), ("expired".to_owned(), "superseded".to_owned()));
    assert_eq!(world.meters(0), [(3, 300, 300)]);
    world.ok("RemoveNode", json!({"name": "s1"}));
    assert_eq!((world.meters(0), world.rule_count(0)), (vec![], 0));
}

#[test]
fn a_node_that_is_removed_with_its_flows_left_keeps_their_meters() {
    let mut world = World::connected();
    world.ok("InstallFlow", limited("a", 1, 100));
    world.ok("RemoveNode", json!({"name": "s1", "flows": "leave"}));
    assert_eq!((world.meters(0).len(), world.rule_count(0)), (1, 1));
}

#[test]
fn what_the_switch_says_of_a_meter_is_said_of_the_flow() {
    let mut world = World::connected_to(SwitchConfig { meter_limit: 1, ..SwitchConfig::new(DatapathId(1)) });
    world.ok("InstallFlow", limited("a", 1, 100));
    let flow = world.ok("InstallFlow", limited("b", 2, 100))["flow"].clone();
    assert_eq!(flow["state"], "rejected");
    assert_eq!(flow["nodes"][0]["error"]["type"], "METER_MOD_FAILED");
    assert_eq!(flow["nodes"][0]["error"]["code"], "OUT_OF_METERS");
    assert_eq!((world.meters(0).len(), world.rule_count(0)), (1, 1));
    world.ok("RemoveFlow", json!({"flow_id": "b"}));
    world.ok("RemoveFlow", json!({"flow_id": "a"}));
    assert_eq!(world.ok("InstallFlow", limited("b", 2, 100))["flow"]["state"], "applied");
}

#[test]
fn a_flow_that_the_table_has_no_room_for_leaves_no_meter() {
    let mut world = World::connected_to(SwitchConfig { table_limit: 0, ..SwitchConfig::new(DatapathId(1)) });
    let flow = world.ok("InstallFlow", limited("a", 1, 100))["flow"].clone();
    assert_eq!((flow["state"].as_str(), world.meters(0)), (Some("rejected"), vec![]));
}

#[test]
fn meters_of_others_are_neither_used_nor_touched() {
    let mut world = World::new(1);
    world.meddle(0, &[meter_mod(MeterModCommand::Add, 1, 77)]);
    world.add_node(1);
    world.connect(0);
    world.ok("InstallFlow", limited("a", 1, 100));
    assert_eq!(world.meters(0), [(1, 77, 77), (2, 100, 100)]);
    // One that came after the list was read is found out by trying.
    world.meddle(0, &[meter_mod(MeterModCommand::Add, 3, 78)]);
    assert_eq!(world.ok("InstallFlow", limited("b", 2, 200))["flow"]["state"], "applied");
    assert_eq!(world.meters(0), [(1, 77, 77), (2, 100, 100), (3, 78, 78), (4, 200, 200)]);
    world.restart();
    world.connect(0);
    world.ok("RemoveFlows", json!({"all": true}));
    assert_eq!(world.meters(0), [(1, 77, 77), (3, 78, 78)]);
}

#[test]
fn a_switch_that_restarts_gets_meters_and_rules_back_before_it_is_connected() {
    for bundles in [true, false] {
        let mut world = World::connected_to(SwitchConfig { bundles, ..SwitchConfig::new(DatapathId(1)) });
        for host in 1..=4 {
            world.ok("InstallFlow", limited(&format!("f{host}"), host, 1000 + u32::from(host)));
        }
        let before = (world.meters(0), world.rules(0));
        world.restart_switch(0);
        world.connect(0);
        assert_eq!((world.meters(0), world.rules(0)), before);
        assert_eq!((world.node("s1")["state"].as_str(), world.state("f1")), (Some("connected"), "applied".to_owned()));
    }
}

#[test]
fn a_daemon_that_restarts_knows_its_meters() {
    let mut world = world_with(voice_limited(9000, Exceed::Drop));
    world.ok("InstallFlow", voice("shared", 1));
    world.ok("InstallFlow", limited("own", 2, 100));
    let before = (world.meters(0), world.rules(0));
    world.restart();
    world.connect(0);
    assert_eq!((world.meters(0), world.rules(0)), before);
    world.ok("RemoveFlows", json!({"all": true}));
    assert_eq!(world.meters(0), []);
    world.restart();
    world.connect(0);
    assert_eq!(world.meters(0), []);
}

#[test]
fn a_meter_that_was_sent_before_the_daemon_died_is_not_forgotten() {
    let mut world = World::connected();
    let ticket = world.send("InstallFlow", limited("a", 1, 100));
    while world.meters(0).is_empty() {
        assert!(world.step(), "no meter was sent");
    }
    world.restart();
    world.connect(0);
    drop(world.answer(ticket));
    assert_eq!((world.meters(0), meters_in_rules(&world, 0)), (vec![(1, 100, 100)], vec![1]));
    world.ok("RemoveFlow", json!({"flow_id": "a"}));
    assert_eq!(world.meters(0), []);
}

#[test]
fn nothing_of_a_meter_is_sent_before_the_disk_has_its_number() {
    let mut world = World::connected();
    world.disk(Disk::Lags);
    let ticket = world.ask("InstallFlow", limited("a", 1, 100));
    assert_eq!((world.meters(0), world.rule_count(0)), (vec![], 0));
    world.disk(Disk::Writes);
    assert_eq!(world.answer(ticket).unwrap()["flow"]["state"], "applied");
    assert_eq!(world.meters(0).len(), 1);
}

#[test]
fn a_limited_flow_that_finds_no_room_on_the_disk_leaves_no_meter() {
    let mut world = World::connected();
    world.disk(Disk::IsFull);
    assert_eq!(world.error("InstallFlow", limited("a", 1, 100))["code"], "unavailable");
    world.disk(Disk::Writes);
    world.pass(Duration::from_secs(5));
    assert_eq!((world.meters(0), world.rule_count(0)), (vec![], 0));
    assert_eq!(world.ok("InstallFlow", limited("a", 1, 100))["flow"]["state"], "applied");
    assert_eq!(world.meters(0).len(), 1);
}

#[test]
fn a_flow_asked_for_while_its_node_was_away_gets_its_meter_when_it_comes() {
    let mut world = World::new(1);
    world.add_node(1);
    assert_eq!(world.ok("InstallFlow", limited("a", 1, 100))["flow"]["state"], "accepted");
    world.connect(0);
    assert_eq!(world.state("a"), "applied");
    assert_eq!((world.meters(0), meters_in_rules(&world, 0)), (vec![(1, 100, 100)], vec![1]));
}

#[test]
fn a_meter_that_somebody_deletes_comes_back_with_the_rules_behind_it() {
    for flow_monitors in [true, false] {
        let mut world = World::connected_to(SwitchConfig { flow_monitors, ..SwitchConfig::new(DatapathId(1)) });
        world.ok("InstallFlow", limited("a", 1, 100));
        world.meddle(0, &[meter_mod(MeterModCommand::Delete, 1, 0)]);
        assert_eq!(world.state("a"), "applied");
        assert_eq!((world.meters(0), meters_in_rules(&world, 0)), (vec![(1, 100, 100)], vec![1]));
    }
}

#[test]
fn a_meter_that_somebody_changes_is_changed_back_within_a_minute() {
    let mut world = World::connected();
    world.ok("InstallFlow", limited("a", 1, 100));
    world.meddle(0, &[meter_mod(MeterModCommand::Modify, 1, 100_000)]);
    world.pass(Duration::from_secs(40));
    assert_eq!((world.meters(0), world.state("a")), (vec![(1, 100, 100)], "applied".to_owned()));
}

#[test]
fn a_meter_that_somebody_changes_again_and_again_is_held_and_its_flow_called_drifted() {
    let mut world = World::connected();
    world.ok("InstallFlow", limited("a", 1, 100));
    for _ in 0..5 {
        world.meddle(0, &[meter_mod(MeterModCommand::Modify, 1, 100_000)]);
        // Deleting a rule of ours has the switch read at once.
        world.meddle(0, &[Message::FlowMod(FlowMod::delete())]);
    }
    assert_eq!((world.meters(0)[0].1, world.state("a")), (100_000, "drifted".to_owned()));
    world.pass(Duration::from_secs(61));
    world.pass(Duration::from_secs(61));
    assert_eq!((world.meters(0), world.state("a")), (vec![(1, 100, 100)], "applied".to_owned()));
}

#[test]
fn a_refused_limit_is_told_before_anything_is_sent_where_the_switch_is_there() {
    let mut world = World::connected_to(SwitchConfig { meter_limit: 0, ..SwitchConfig::new(DatapathId(1)) });
    let error = world.error("InstallFlow", limited("a", 1, 100));
    assert_eq!((error["code"].as_str(), error["path"].as_str()), (Some("unsupported"), Some("payload.rate_limit")));
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .contains("node s1 cannot do this: rate_limit cannot be enforced: the switch has no meters"),
        "{error}"
    );
    assert_eq!(world.rule_count(0), 0);
    let batch = world.error("InstallFlows", json!({"flows": [voice("b", 2), limited("a", 1, 100)]}));
    assert_eq!(batch["path"], "payload.flows[1].rate_limit");
}

#[test]
fn a_refused_limit_is_a_rejected_flow_where_the_switch_was_away() {
    let mut world = World::new(1);
    world.switches[0] =
        crate::emulator::Switch::new(SwitchConfig { meter_limit: 0, ..SwitchConfig::new(DatapathId(1)) });
    world.add_node(1);
    world.ok("InstallFlow", limited("a", 1, 100));
    world.ok("InstallFlow", voice_with("many", 2, json!({"bidirectional": true, "rate_limit": {"rate_kbps": 1}})));
    world.connect(0);
    for id in ["a", "many"] {
        let flow = world.flow(id);
        assert_eq!(flow["state"], "rejected");
        assert_eq!(flow["nodes"][0]["error"]["code"], "UNSUPPORTED");
    }
    assert_eq!((world.rule_count(0), world.node("s1")["state"].as_str()), (0, Some("connected")));
}

#[test]
fn a_class_whose_excess_is_to_be_remarked_is_dropped_instead_where_meters_cannot() {
    for (dscp_remark_bands, expected) in [(true, BandKind::DscpRemark { prec_level: 1 }), (false, BandKind::Drop)] {
        let mut world = World::with(voice_limited(100, Exceed::Remark), 1);
        let switch = SwitchConfig { dscp_remark_bands, ..SwitchConfig::new(DatapathId(1)) };
        world.switches[0] = crate::emulator::Switch::new(switch);
        world.add_node(1);
        world.connect(0);
        world.ok("InstallFlow", voice("a", 1));
        assert_eq!(world.switches[0].meters()[0].bands[0].kind, expected);
    }
}

#[test]
fn a_switch_that_refuses_to_delete_a_meter_lets_the_flow_go() {
    let mut world = World::connected();
    world.ok("InstallFlow", limited("a", 1, 100));
    world.refused = Some(Purpose::DeleteMeter);
    assert_eq!(world.ok("RemoveFlow", json!({"flow_id": "a"}))["flow"]["state"], "removed");
}

#[test]
fn flows_whose_shared_meter_is_refused_when_their_switch_comes_back_are_rejected() {
    let mut world = world_with(voice_limited(100, Exceed::Drop));
    world.ok("InstallFlow", voice("a", 1));
    world.ok("InstallFlow", voice("b", 2));
    world.refused = Some(Purpose::AddMeter);
    world.restart_switch(0);
    world.connect(0);
    assert_eq!((world.state("a"), world.state("b")), ("rejected".to_owned(), "rejected".to_owned()));
    assert_eq!(world.rule_count(0), 0);
}

#[test]
fn a_limit_on_dropped_traffic_needs_no_meter() {
    let mut world = World::connected();
    let more = json!({"forward": "drop", "rate_limit": {"rate_kbps": 100}});
    assert_eq!(world.ok("InstallFlow", voice_with("a", 1, more))["flow"]["state"], "applied");
    assert_eq!(world.meters(0), []);
}
