//! Batches a part at a time.

use std::time::Duration;

use serde_json::json;

use super::super::engine::Ticket;
use super::super::slice::{Part, Terms};
use super::world::World;
use crate::contract::{ErrorCode, InstallFlow, Report, Wait};

const TICKET: Ticket = Ticket(1_000_000);

fn flows(class: &str) -> Vec<InstallFlow> {
    let flow = |number: u8| {
        let source = format!("10.0.0.{number}").parse().unwrap();
        InstallFlow::new(source, "10.0.1.0/24".parse().unwrap(), class)
    };
    (1..=3).map(flow).collect()
}

fn terms(world: &World, wait: Wait, report: Report) -> Terms {
    Terms { report, wait, due: world.now + Duration::from_secs(5) }
}

#[test]
fn a_check_stores_and_sends_nothing_and_names_the_place_in_the_whole_batch() {
    let mut world = World::connected();
    let before = world.rule_count(0);
    let mut wrong = flows("voice");
    wrong[2].traffic_type = "vioce".to_owned();
    let error = world.engine.check_part(Part { flows: wrong, first: 256 }).unwrap_err();
    assert_eq!(
        (error.code, error.path.as_deref()),
        (ErrorCode::InvalidRequest, Some("payload.flows[258].traffic_type"))
    );
    let part = world.engine.check_part(Part { flows: flows("voice"), first: 512 }).unwrap();
    assert_eq!((part.len(), part.first()), (3, 512));
    world.run();
    assert_eq!(world.rule_count(0), before);
    assert_eq!(world.ok("ListFlows", json!({}))["flows"], json!([]));
}

#[test]
fn a_part_is_answered_like_a_batch_of_its_own() {
    for (report, told) in [(Report::All, 3), (Report::Problems, 0)] {
        let mut world = World::connected();
        let terms = terms(&world, Wait::Applied, report);
        let part = world.engine.check_part(Part { flows: flows("voice"), first: 256 }).unwrap();
        world.engine.install_part(TICKET, part, terms);
        world.run();
        let answer = world.answer(TICKET).unwrap();
        assert_eq!(answer["summary"], json!({"applied": 3}));
        assert_eq!(answer["flows"].as_array().unwrap().len(), told);
    }
}

#[test]
fn a_part_whose_batch_has_no_time_left_is_answered_when_it_is_on_disk() {
    let mut world = World::connected();
    let terms = Terms { due: world.now, ..terms(&world, Wait::Applied, Report::All) };
    let part = world.engine.check_part(Part { flows: flows("voice"), first: 0 }).unwrap();
    world.engine.install_part(TICKET, part, terms);
    world.run();
    let answer = world.answer(TICKET).unwrap();
    let summary = answer["summary"].as_object().unwrap();
    assert_eq!(summary.values().filter_map(serde_json::Value::as_u64).sum::<u64>(), 3, "{summary:?}");
}

#[test]
fn a_node_that_went_since_the_check_refuses_the_part() {
    let mut world = World::connected();
    let mut named = flows("voice");
    named.iter_mut().for_each(|flow| flow.nodes = Some(vec!["s1".parse().unwrap()]));
    let part = world.engine.check_part(Part { flows: named, first: 256 }).unwrap();
    world.ok("RemoveNode", json!({"name": "s1"}));
    let terms = terms(&world, Wait::Applied, Report::All);
    world.engine.install_part(TICKET, part, terms);
    world.run();
    let error = world.answer(TICKET).unwrap()["error"].clone();
    assert_eq!((&error["code"], &error["path"]), (&"not_found".into(), &"payload.flows[256].nodes[0]".into()));
}

#[test]
fn what_has_changed_since_the_check_is_looked_at_again() {
    let mut world = World::connected();
    let part = world.engine.check_part(Part { flows: flows("voice"), first: 0 }).unwrap();
    world.ok("AddNode", json!({"name": "s2", "datapath_id": "00000000000000b2"}));
    let terms = terms(&world, Wait::Accepted, Report::All);
    world.engine.install_part(TICKET, part, terms);
    world.run();
    let answer = world.answer(TICKET).unwrap();
    let nodes: Vec<usize> =
        answer["flows"].as_array().unwrap().iter().map(|flow| flow["nodes"].as_array().unwrap().len()).collect();
    assert_eq!(nodes, [2; 3], "a request without nodes is for all of them, the new one too");
}
