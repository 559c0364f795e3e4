//! Many flows of one batch: in bundles where the switch has them.

use openflow::DatapathId;
use serde_json::{Value, json};

use super::world::World;
use crate::contract::{self, parse_request};
use crate::emulator::{Fault, Switch, SwitchConfig};
use crate::programmer::engine::{Output, Ticket};
use crate::session::Command;
use crate::southbound::Origin;

/// So many of voice, with ids from `a0` on.
fn flows(count: usize) -> Vec<Value> {
    let flow = |number| json!({"flow_id": format!("a{number}"), "source": format!("10.1.{}.{}", number / 250, number % 250), "destination": "10.9.0.1", "traffic_type": "voice"});
    (0..count).map(flow).collect()
}

fn batch(count: usize) -> Value {
    json!({"flows": flows(count), "report": "problems"})
}

fn single() -> Value {
    json!({"flow_id": "single", "source": "10.0.2.1", "destination": "10.9.0.1", "traffic_type": "voice"})
}

fn parsed(command: &str, payload: Value) -> contract::Command {
    let text = json!({"type": command, "id": "1", "payload": payload}).to_string();
    parse_request(text.as_bytes()).unwrap().1
}

/// What goes to switches for this command, until an answer is needed: how many FLOW_MODs, each time, and whether in a bundle.
fn orders(world: &mut World, command: &str, payload: Value) -> Vec<(usize, bool)> {
    world.engine.handle_command(Ticket(1_000_000), parsed(command, payload));
    flushed(world)
}

fn flushed(world: &mut World) -> Vec<(usize, bool)> {
    world.engine.flush();
    let mut orders = Vec::new();
    while let Some(output) = world.engine.poll_output() {
        match output {
            Output::Command { command: Command::Bundle(mods), .. } => orders.push((mods.len(), true)),
            Output::Command { command: Command::Program(mods), .. } => orders.push((mods.len(), false)),
            _ => {}
        }
    }
    orders
}

#[test]
fn many_flows_of_one_batch_go_in_a_bundle_and_few_do_not() {
    for (count, expected) in [(16, (16, true)), (15, (15, false))] {
        let mut world = World::connected();
        assert_eq!(orders(&mut world, "InstallFlows", batch(count)), [expected]);
    }
}

#[test]
fn all_of_a_bundle_are_applied_and_on_the_switch() {
    let mut world = World::connected();
    assert_eq!(world.ok("InstallFlows", batch(200))["summary"], json!({"applied": 200}));
    assert_eq!(world.rule_count(0), 200);
    assert_eq!(world.state("a199"), "applied");
}

#[test]
fn a_switch_without_bundles_is_sent_each_flow() {
    let mut world = World::connected_to(SwitchConfig { bundles: false, ..SwitchConfig::new(DatapathId(1)) });
    assert_eq!(orders(&mut world, "InstallFlows", batch(20)), [(20, false)]);
}

#[test]
fn a_flow_that_the_switch_refuses_in_a_bundle_is_rejected_and_the_others_are_applied() {
    let mut world = World::new(1);
    world.switches[0] = Switch::new(SwitchConfig { table_limit: 20, ..SwitchConfig::new(DatapathId(1)) });
    world.add_node(1);
    world.connect(0);
    let answer = world.ok("InstallFlows", batch(25));
    assert_eq!(answer["summary"], json!({"applied": 20, "rejected": 5}));
    let codes: Vec<_> =
        answer["flows"].as_array().unwrap().iter().map(|flow| &flow["nodes"][0]["error"]["code"]).collect();
    assert_eq!(codes, ["TABLE_FULL"; 5]);
    assert_eq!(world.rule_count(0), 20);
}

#[test]
fn a_bundle_whose_connection_goes_is_unknown_and_then_applied() {
    let mut world = World::connected();
    world.restart_connection();
    let connection = world.connect_with(0, vec![Fault::CutInput { after: 4_000 }], Origin::Accepted);
    let ticket = world.ask("InstallFlows", batch(100));
    assert!(!world.is_open(connection));
    assert_eq!(
        world.answer(ticket).map(|answer| answer["summary"]["applied"].clone()).filter(|applied| *applied == 100),
        None
    );
    world.connect(0);
    assert_eq!((world.rule_count(0), world.state("a99").as_str()), (100, "applied"));
}

#[test]
fn a_single_flow_leaves_before_what_waits_of_a_large_batch() {
    let mut world = World::connected();
    let rest = json!({"flows": flows(1_200).split_off(200), "report": "problems"});
    assert_eq!(orders(&mut world, "InstallFlows", batch(200)), [(200, true)]);
    let sent: usize = orders(&mut world, "InstallFlows", rest).iter().map(|(count, _)| count).sum();
    assert!(sent < 1_000, "{sent} of 1000 while 200 are not answered");
    assert_eq!(orders(&mut world, "InstallFlow", single()), [(1, false)]);
}

#[test]
fn single_flows_without_end_leave_room_for_a_batch() {
    let mut world = World::connected();
    for number in 0..2_000 {
        let mut flow = single();
        flow["flow_id"] = json!(format!("single-{number}"));
        flow["source"] = json!(format!("10.3.{}.{}", number / 250, number % 250));
        world.engine.handle_command(Ticket(2_000_000 + number), parsed("InstallFlow", flow));
    }
    world.engine.handle_command(Ticket(1_000_000), parsed("InstallFlows", batch(200)));
    assert_eq!(flushed(&mut world), [(744, false), (200, true)]);
}

#[test]
fn a_meter_leaves_while_batches_go_on() {
    let mut world = World::connected();
    let mut limited = single();
    limited["rate_limit"] = json!({"rate_kbps": 1_000});
    assert_eq!(world.ok("InstallFlow", limited)["flow"]["state"], "applied");
    assert_eq!(world.meters(0).len(), 1);
    // The switch never hears of it.
    assert_eq!(orders(&mut world, "InstallFlows", batch(20)), [(20, true)]);
    assert_eq!(world.ok("RemoveFlow", json!({"flow_id": "single"}))["flow"]["state"], "removed");
    assert_eq!(world.meters(0), []);
}

#[test]
fn a_flow_of_a_batch_that_takes_anothers_place_comes_in_its_turn() {
    let mut world = World::connected();
    world.ok("InstallFlows", batch(20));
    let replacing: Vec<Value> = flows(20)
        .into_iter()
        .map(|mut flow| {
            flow["flow_id"] = json!(format!("b-{}", flow["flow_id"].as_str().unwrap()));
            flow["replace"] = json!(true);
            flow
        })
        .collect();
    assert_eq!(orders(&mut world, "InstallFlows", json!({"flows": replacing})), [(20, false)]);
}

#[test]
fn what_replaces_a_flow_that_waits_of_a_batch_comes_after_it() {
    let mut world = World::connected();
    let installed = world.send("InstallFlows", batch(20));
    let mut other = flows(1).remove(0);
    (other["flow_id"], other["replace"], other["queue"]) = (json!("other"), json!(true), json!(3));
    let replacing = world.send("InstallFlow", other);
    world.run();
    assert!(world.answer(installed).is_some());
    assert_eq!(world.answer(replacing).unwrap()["flow"]["state"], "applied");
    assert_eq!(world.state("a0"), "superseded");
    let there = world.rules(0);
    assert_eq!((there.len(), there.iter().filter(|rule| rule.contains("set_queue:3,")).count()), (20, 1), "{there:?}");
}

#[test]
fn a_flow_that_is_removed_while_its_bundle_is_under_way_goes_when_that_is_settled() {
    let mut world = World::connected();
    let installed = world.send("InstallFlows", batch(20));
    let removed = world.send("RemoveFlow", json!({"flow_id": "a3"}));
    world.run();
    assert!(world.answer(installed).is_some());
    assert_eq!(world.answer(removed).unwrap()["flow"]["state"], "removed");
    assert_eq!(world.rule_count(0), 19);
}

#[test]
fn a_flow_that_is_asked_for_meets_no_more_of_a_large_removal_than_is_under_way() {
    let mut world = World::connected();
    world.ok("InstallFlows", batch(1_000));
    let removal = parsed("RemoveFlows", json!({"all": true}));
    world.engine.handle_command(Ticket(1_000_000), removal);
    assert_eq!(flushed(&mut world), [(256, false)]);
    world.engine.handle_command(Ticket(1_000_001), parsed("InstallFlow", single()));
    assert_eq!(flushed(&mut world), [(1, false)], "it goes before what waits");
}

#[test]
fn many_flows_that_are_removed_at_once_leave_for_good() {
    let mut world = World::connected();
    world.ok("InstallFlows", batch(1_000));
    assert_eq!(world.ok("RemoveFlows", json!({"all": true}))["summary"], json!({"removed": 1_000}));
    assert_eq!(world.rule_count(0), 0);
    world.restart();
    assert_eq!(world.state("a7"), "removed");
}

#[test]
fn a_large_removal_comes_to_an_end_whatever_is_asked_beside_it() {
    let mut world = World::connected();
    world.ok("InstallFlows", batch(1_000));
    world.engine.handle_command(Ticket(1_000_000), parsed("RemoveFlows", json!({"all": true})));
    assert_eq!(flushed(&mut world), [(256, false)]);
    for number in 0..800 {
        let mut flow = single();
        flow["flow_id"] = json!(format!("single-{number}"));
        flow["source"] = json!(format!("10.3.{}.{}", number / 250, number % 250));
        world.engine.handle_command(Ticket(2_000_000 + number), parsed("InstallFlow", flow));
    }
    world.engine.flush();
    let node = world.engine.nodes.values().next().unwrap();
    assert!((600..700).contains(&node.behind.len()), "{} wait, of 744", node.behind.len());
}
