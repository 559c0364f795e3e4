//! What was sent for a request, told to whoever follows it.

use std::time::Duration;

use serde_json::json;

use super::super::engine::Ticket;
use super::super::trail::Step;
use super::world::{World, switch};
use super::{voice, voice_with};
use crate::contract::FlowState;
use crate::emulator::{Fault, SwitchConfig};
use crate::southbound::Origin;

/// Asks for something that is followed.
fn follow(world: &mut World, command: &str, payload: serde_json::Value) -> Ticket {
    let ticket = Ticket(world.next_ticket);
    world.engine.trails.follow(ticket);
    assert_eq!(world.ask(command, payload), ticket);
    ticket
}

fn trail(world: &mut World, ticket: Ticket) -> Vec<Step> {
    assert!(world.answer(ticket).is_some(), "it is answered");
    assert!(world.engine.trails.is_idle(), "and nothing is kept of it");
    world.trails.remove(&ticket).expect("a trail")
}

/// The transaction ids of the FLOW_MODs that the switch was sent last.
fn sent_last(world: &World, count: usize) -> Vec<openflow::Xid> {
    let sent = world.switches[0].journal();
    sent[sent.len() - count..].iter().map(|entry| entry.xid).collect()
}

#[test]
fn the_trail_of_an_install_and_of_a_removal_names_every_flow_mod_by_its_xid_and_cookie() {
    let mut world = World::connected_to(SwitchConfig { journal: 64, ..switch(1) });
    let ports = json!({"protocol": "udp", "destination_port": "5060-5062"});
    let ticket = follow(&mut world, "InstallFlow", voice_with("a", 1, ports));
    let [step] = &trail(&mut world, ticket)[..] else { panic!("one node") };
    assert_eq!((step.flow_id.as_str(), step.node.as_str(), step.state), ("a", "s1", FlowState::Applied));
    assert_eq!(step.xids, sent_last(&world, 2), "one for each rule");
    let shown = world.ok("GetFlow", json!({"flow_id": "a"}));
    assert_eq!(shown["flow"]["nodes"][0]["cookie"].as_str(), step.cookie.as_deref());
    let ticket = follow(&mut world, "RemoveFlows", json!({"all": true}));
    let [step] = &trail(&mut world, ticket)[..] else { panic!("one node") };
    assert_eq!((step.flow_id.as_str(), step.state), ("a", FlowState::Removed));
    assert_eq!(step.xids, sent_last(&world, 2));
}

#[test]
fn the_trail_of_a_batch_has_what_the_reply_leaves_out_and_what_was_refused_before_anything_was_sent() {
    let mut world = World::connected();
    world.ok("InstallFlow", voice("taken", 1));
    let flows = json!([voice("a", 2), voice("b", 1), voice("c", 3)]);
    let ticket = follow(&mut world, "InstallFlows", json!({"flows": flows, "report": "problems"}));
    let mut steps = trail(&mut world, ticket);
    steps.sort_by_key(|step| step.flow_id.to_string());
    let told: Vec<_> = steps.iter().map(|step| (step.flow_id.as_str(), step.state, step.xids.len())).collect();
    assert_eq!(told, [("a", FlowState::Applied, 1), ("b", FlowState::Rejected, 0), ("c", FlowState::Applied, 1)]);
}

#[test]
fn the_trail_of_an_atomic_batch_names_the_messages_of_its_bundle() {
    let mut world = World::connected();
    let request = json!({"flows": [voice("a", 1), voice("b", 2)], "atomic": "all"});
    let ticket = follow(&mut world, "InstallFlows", request);
    let steps = trail(&mut world, ticket);
    assert!(steps.iter().all(|step| step.state == FlowState::Applied && step.xids.len() == 1), "{steps:?}");
    assert_ne!(steps[0].xids, steps[1].xids);
}

#[test]
fn a_flow_mod_whose_barrier_is_overdue_is_named_once() {
    let mut world = World::new(1);
    world.add_node(1);
    world.connect_with(0, vec![Fault::NoBarrierReply], Origin::Accepted);
    let ticket = follow(&mut world, "InstallFlow", voice_with("a", 1, json!({"timeout_ms": 6_000})));
    [5, 1].iter().for_each(|seconds| world.pass(Duration::from_secs(*seconds)));
    let steps = trail(&mut world, ticket);
    assert_eq!((steps[0].state, steps[0].xids.len()), (FlowState::Unknown, 1));
}

#[test]
fn for_a_switch_that_is_away_nothing_was_sent() {
    let mut world = World::new(1);
    world.add_node(1);
    let ticket = follow(&mut world, "InstallFlow", voice("a", 1));
    let steps = trail(&mut world, ticket);
    assert_eq!((steps[0].state, steps[0].xids.len()), (FlowState::Accepted, 0));
}

#[test]
fn what_is_refused_at_once_has_no_trail_and_leaves_nothing_behind() {
    let mut world = World::connected();
    for (command, payload) in [("RemoveFlow", json!({"flow_id": "x"})), ("GetInfo", json!({}))] {
        let ticket = follow(&mut world, command, payload);
        assert!(world.answer(ticket).is_some() && world.trails.is_empty());
        assert!(world.engine.trails.is_idle());
    }
}

#[test]
fn two_requests_for_the_same_flow_have_a_trail_each() {
    let mut world = World::new(1);
    world.add_node(1);
    world.connect_with(0, vec![Fault::NoBarrierReply], Origin::Accepted);
    let first = follow(&mut world, "InstallFlow", voice_with("a", 1, json!({"timeout_ms": 6_000})));
    let second = follow(&mut world, "InstallFlow", voice_with("a", 1, json!({"timeout_ms": 7_000})));
    [5, 1, 1].iter().for_each(|seconds| world.pass(Duration::from_secs(*seconds)));
    for ticket in [first, second] {
        assert!(world.answer(ticket).is_some());
        assert_eq!(world.trails[&ticket][0].xids.len(), 1);
    }
    assert!(world.engine.trails.is_idle());
}
