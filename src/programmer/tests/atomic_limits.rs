//! Flows with a rate limit that are asked for together: their meters come before the bundle and go when it fails.

use openflow::{DatapathId, Message, MeterId};

use super::*;
use crate::emulator::{Switch, SwitchConfig};
use crate::policy::delete_meter;

fn world(configs: Vec<SwitchConfig>) -> World {
    let mut world = World::new(configs.len() as u64);
    for (at, config) in configs.into_iter().enumerate() {
        world.switches[at] = Switch::new(config);
        world.add_node(at as u64 + 1);
        world.connect(at);
    }
    world
}

fn switch(id: u64) -> SwitchConfig {
    SwitchConfig { n_tables: 8, ..SwitchConfig::new(DatapathId(id)) }
}

/// So many flows `f1`, `f2`…, all but the last of them with a limit.
fn batch(atomic: &str, count: u8) -> Value {
    let flow = |host: u8| {
        let id = format!("f{host}");
        if host == count { voice(&id, host) } else { voice_with(&id, host, json!({"rate_limit": {"rate_kbps": 100}})) }
    };
    json!({"atomic": atomic, "flows": (1..=count).map(flow).collect::<Vec<_>>()})
}

#[test]
fn limited_flows_go_together_each_behind_its_meter() {
    for atomic in ["node", "all"] {
        let mut world = world(vec![switch(1), switch(2)]);
        let reply = world.ok("InstallFlows", batch(atomic, 4));
        assert_eq!(reply["summary"], json!({"applied": 4}), "{atomic}");
        for at in 0..2 {
            assert_eq!(world.meters(at), [(1, 100, 100), (2, 100, 100), (3, 100, 100)]);
            let metered = world.rules(at).iter().filter(|rule| rule.contains("meter:")).count();
            assert_eq!((world.rule_count(at), metered), (4, 3));
        }
        world.ok("RemoveFlows", json!({"all": true}));
        assert_eq!((world.meters(0), world.meters(1), world.rule_count(0)), (vec![], vec![], 0));
    }
}

#[test]
fn every_meter_is_there_before_any_rule_behind_one() {
    let mut world = world(vec![switch(1), switch(2)]);
    world.send("InstallFlows", batch("all", 4));
    while world.step() {
        for at in 0..2 {
            assert!(world.rule_count(at) == 0 || world.meters(0).len() == 3 && world.meters(1).len() == 3);
            assert!(matches!(world.rule_count(at), 0 | 4));
        }
    }
    assert_eq!(world.rule_count(1), 4);
}

#[test]
fn meters_go_again_when_the_bundle_fails_and_before_that_is_answered() {
    for atomic in ["node", "all"] {
        let mut world = world(vec![SwitchConfig { table_limit: 3, ..switch(1) }]);
        let ticket = world.send("InstallFlows", batch(atomic, 4));
        let mut had_meters = false;
        let reply = loop {
            assert!(world.step(), "there is no answer");
            had_meters |= world.meters(0).len() == 3;
            if let Some(reply) = world.answer(ticket) {
                break reply;
            }
        };
        assert_eq!((&reply["summary"], had_meters), (&json!({"rejected": 4}), true));
        assert_eq!((world.meters(0), world.rule_count(0)), (vec![], 0), "{atomic}");
        assert_eq!(reply["flows"][3]["nodes"][0]["error"]["code"], "TABLE_FULL");
        assert_eq!(reply["flows"][0]["nodes"][0]["error"]["code"], "MSG_FAILED");
        world.run();
        world.restart();
        world.connect(0);
        assert_eq!((world.meters(0), world.rule_count(0)), (vec![], 0));
    }
}

#[test]
fn a_meter_that_a_switch_refuses_rejects_all_of_them() {
    let mut world = world(vec![switch(1), SwitchConfig { meter_limit: 2, ..switch(2) }]);
    let reply = world.ok("InstallFlows", batch("all", 4));
    assert_eq!(reply["summary"], json!({"rejected": 4}));
    let error = |flow: usize| reply["flows"][flow]["nodes"][1]["error"].clone();
    assert_eq!((&error(2)["type"], &error(2)["code"]), (&json!("METER_MOD_FAILED"), &json!("OUT_OF_METERS")));
    assert!(error(0)["message"].as_str().unwrap().contains("rolled back together with flow f3"), "{}", error(0));
    assert_eq!((world.meters(0), world.meters(1), world.rule_count(0)), (vec![], vec![], 0));
}

#[test]
fn no_meter_is_written_before_all_switches_are_there() {
    let mut world = World::new(2);
    (1..=2).for_each(|node| world.add_node(node));
    world.connect(0);
    let reply = world.ok("InstallFlows", batch("all", 3));
    assert_eq!((&reply["summary"], world.meters(0)), (&json!({"accepted": 3}), vec![]));
    world.connect(1);
    assert_eq!((world.meters(0).len(), world.meters(1).len(), world.rule_count(0)), (2, 2, 3));
    assert_eq!(world.state("f1"), "applied");
}

#[test]
fn a_daemon_that_dies_in_the_middle_has_all_of_them_or_none_and_no_meter_too_many() {
    for atomic in ["node", "all"] {
        for steps in 0..16 {
            let mut world = world(vec![switch(1), switch(2)]);
            let ticket = world.send("InstallFlows", batch(atomic, 3));
            world.steps(steps);
            let answer = world.answer(ticket);
            world.restart();
            for switch in 0..2 {
                world.connect(switch);
            }
            world.pass(std::time::Duration::from_secs(2));
            for at in 0..2 {
                let count = world.rule_count(at);
                assert!(matches!(count, 0 | 3), "{count} rules after {steps} steps of {atomic}");
                let meters = if count == 0 { 0 } else { 2 };
                assert_eq!(world.meters(at).len(), meters, "after {steps} steps of {atomic}");
                assert!(answer.is_none() || count == 3, "what was told to be applied is gone");
            }
        }
    }
}

#[test]
fn a_meter_that_somebody_takes_away_while_the_bundle_waits_is_made_again() {
    let mut world = World::new(2);
    (1..=2).for_each(|node| world.add_node(node));
    for switch in 0..2 {
        world.connect(switch);
    }
    let ticket = world.send("InstallFlows", batch("all", 3));
    while world.meters(0).len() < 2 {
        assert!(world.step());
    }
    world.meddle(0, &[Message::MeterMod(delete_meter(MeterId(1)))]);
    world.pass(std::time::Duration::from_secs(2));
    assert_eq!(world.answer(ticket).unwrap()["summary"], json!({"applied": 3}));
    assert_eq!((world.meters(0).len(), world.rule_count(0), world.rule_count(1)), (2, 3, 3));
}

#[test]
fn a_switch_that_keeps_no_meter_rejects_all_of_them_after_some_attempts() {
    for atomic in ["node", "all"] {
        let mut world = world(vec![SwitchConfig { keeps_meters: false, ..switch(1) }, switch(2)]);
        let mut flows = batch(atomic, 3);
        flows["flows"].as_array_mut().unwrap().iter_mut().for_each(|flow| flow["timeout_ms"] = json!(60_000));
        let ticket = world.send("InstallFlows", flows);
        let steps = (0..5_000).take_while(|_| world.answer(ticket).is_none() && world.step()).count();
        assert!(steps < 5_000, "it is tried without end");
        let error = |world: &mut World| world.flow("f1")["nodes"][0]["error"].clone();
        let code = error(&mut world)["code"].clone();
        assert_eq!((code, world.rule_count(0)), (json!("INVALID_METER"), 0), "{atomic}");
    }
}
