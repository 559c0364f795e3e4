//! Flows that are asked for together: all of them or none, on each switch or on all, whatever breaks meanwhile.

use std::time::Duration;

use openflow::{DatapathId, FlowMod, Message};

use super::*;
use crate::emulator::{Fault, Switch, SwitchConfig};
use crate::southbound::{ConnectionId, Origin};

/// A world of connected nodes `s1`, `s2`…, whose tables take so many rules.
fn world(limits: &[usize]) -> World {
    let mut world = World::new(limits.len() as u64);
    for (at, limit) in limits.iter().enumerate() {
        let id = at as u64 + 1;
        world.switches[at] = Switch::new(SwitchConfig { table_limit: *limit, ..SwitchConfig::new(DatapathId(id)) });
        world.add_node(id);
        world.connect(at);
    }
    world
}

/// An `InstallFlows` of so many flows, `f1`, `f2`….
fn batch(atomic: &str, count: u8) -> Value {
    let flows: Vec<_> = (1..=count).map(|host| voice(&format!("f{host}"), host)).collect();
    json!({"atomic": atomic, "flows": flows})
}

fn states(reply: &Value) -> Vec<&str> {
    reply["flows"].as_array().unwrap().iter().map(|flow| flow["state"].as_str().unwrap()).collect()
}

/// What a node says of one of the flows in a reply.
fn verdict(reply: &Value, flow: usize, node: usize) -> (&str, &str, &str, &str) {
    let node = &reply["flows"][flow]["nodes"][node];
    let error = |field: &str| node["error"][field].as_str().unwrap_or_default();
    (node["state"].as_str().unwrap(), error("type"), error("code"), error("message"))
}

fn squatter() -> Message {
    Message::FlowMod(FlowMod { cookie: 7, priority: 1, ..FlowMod::add() })
}

#[test]
fn a_batch_that_fits_is_applied_as_a_whole() {
    for atomic in ["node", "all"] {
        let mut world = world(&[8, 8]);
        let reply = world.ok("InstallFlows", batch(atomic, 8));
        assert_eq!(reply["summary"], json!({"applied": 8}), "{atomic}");
        assert_eq!((world.rule_count(0), world.rule_count(1)), (8, 8));
        assert!(reply["flows"][7]["nodes"][1]["applied_at"].is_string());
    }
}

#[test]
fn a_batch_of_eight_on_a_table_of_five_installs_none_and_names_who_is_to_blame() {
    let mut world = world(&[5]);
    let reply = world.ok("InstallFlows", batch("node", 8));
    assert_eq!(states(&reply), ["rejected"; 8]);
    assert_eq!(world.rule_count(0), 0);
    let (_, error_type, code, _) = verdict(&reply, 5, 0);
    assert_eq!((error_type, code), ("FLOW_MOD_FAILED", "TABLE_FULL"), "the sixth is the one that was refused");
    for other in [0, 1, 2, 3, 4, 6, 7] {
        let (_, error_type, code, message) = verdict(&reply, other, 0);
        assert_eq!((error_type, code), ("BUNDLE_FAILED", "MSG_FAILED"));
        assert!(message.contains("flow f6") && message.contains("FLOW_MOD_FAILED/TABLE_FULL"), "{message}");
    }
    assert_eq!(world.ok("InstallFlows", batch("none", 8))["summary"], json!({"rejected": 8}), "the same request again");
}

#[test]
fn each_node_decides_for_itself_or_all_of_them_together() {
    for (atomic, expected) in [("node", [0, 8]), ("all", [0, 0])] {
        let mut world = world(&[5, 100]);
        world.meddle(1, &[squatter()]);
        let reply = world.ok("InstallFlows", batch(atomic, 8));
        assert_eq!(states(&reply), ["rejected"; 8]);
        assert_eq!([world.rule_count(0), world.rule_count(1)], [expected[0], expected[1] + 1], "{atomic}");
        if atomic == "all" {
            let (state, error_type, _, message) = verdict(&reply, 5, 1);
            assert_eq!((state, error_type), ("rejected", "BUNDLE_FAILED"));
            assert!(message.contains("flow f6, which node s1 refused"), "{message}");
        } else {
            assert_eq!(verdict(&reply, 5, 1).0, "applied");
        }
        assert!(world.rules(1).iter().any(|rule| rule.contains("priority=1 ")), "what is not ours stays");
    }
}

#[test]
fn a_node_without_bundles_refuses_before_anything_is_stored_or_sent() {
    for atomic in ["node", "all"] {
        let mut world = World::connected_to(SwitchConfig { bundles: false, ..SwitchConfig::new(DatapathId(1)) });
        let error = world.error("InstallFlows", batch(atomic, 2));
        assert_eq!((&error["code"], &error["path"]), (&json!("unsupported"), &json!("payload.atomic")), "{error}");
        assert!(error["message"].as_str().unwrap().contains("s1"), "{error}");
        assert_eq!(
            (world.error("GetFlow", json!({"flow_id": "f1"}))["code"].as_str(), world.rule_count(0)),
            (Some("not_found"), 0)
        );
    }
}

#[test]
fn a_switch_that_turns_out_to_have_no_bundles_rejects_what_waited_for_it() {
    let mut world = World::new(1);
    world.switches[0] = Switch::new(SwitchConfig { bundles: false, ..SwitchConfig::new(DatapathId(1)) });
    world.add_node(1);
    assert_eq!(states(&world.ok("InstallFlows", batch("node", 2))), ["accepted"; 2]);
    world.connect(0);
    let error = world.flow("f1")["nodes"][0]["error"].clone();
    assert_eq!((world.state("f1"), world.rule_count(0)), ("rejected".to_owned(), 0));
    assert_eq!((&error["type"], &error["code"]), (&json!("FLUMEN"), &json!("UNSUPPORTED")));
}

#[test]
fn a_batch_for_a_switch_that_is_away_is_all_or_none_when_it_comes_and_after_a_restart_of_the_daemon_too() {
    for (limit, restart, expected) in [(8, false, 8), (8, true, 8), (5, false, 0), (5, true, 0)] {
        let mut world = World::new(1);
        world.switches[0] = Switch::new(SwitchConfig { table_limit: limit, ..SwitchConfig::new(DatapathId(1)) });
        world.add_node(1);
        assert_eq!(states(&world.ok("InstallFlows", batch("node", 8))), ["accepted"; 8]);
        if restart {
            world.restart();
        }
        world.connect(0);
        assert_eq!(world.rule_count(0), expected, "a table of {limit}, restart: {restart}");
        let state = if expected == 8 { "applied" } else { "rejected" };
        assert!((1..=8).all(|host| world.state(&format!("f{host}")) == state));
    }
}

#[test]
fn all_nodes_together_wait_for_the_one_that_is_away() {
    let mut world = world(&[8, 8]);
    world.restart_switch(1);
    let reply = world.ok("InstallFlows", batch("all", 3));
    assert_eq!(states(&reply), ["accepted"; 3], "it is answered at once");
    assert_eq!(world.rule_count(0), 0);
    world.connect(1);
    assert_eq!((world.rule_count(0), world.rule_count(1), world.state("f3")), (3, 3, "applied".to_owned()));
}

#[test]
fn conflicts_come_as_a_list_and_nothing_is_installed() {
    let mut world = world(&[8]);
    world.ok("InstallFlow", voice("old", 2));
    let mut request = batch("node", 4);
    request["flows"][3] = voice("f4", 1);
    let reply = world.ok("InstallFlows", request);
    let codes: Vec<_> = (0..4).map(|flow| verdict(&reply, flow, 0)).map(|(.., code, _)| code).collect();
    assert_eq!(codes, ["NOT_INSTALLED", "CONFLICT", "NOT_INSTALLED", "CONFLICT"]);
    assert!(verdict(&reply, 1, 0).3.contains("flow old"));
    assert!(verdict(&reply, 3, 0).3.contains("flows[0] of the same batch"));
    assert!(verdict(&reply, 0, 0).3.contains("flow old"), "the others name the first of them");
    assert_eq!((reply["summary"].clone(), world.rule_count(0)), (json!({"rejected": 4}), 1));
    assert_eq!(world.error("GetFlow", json!({"flow_id": "f1"}))["code"], "not_found");
}

#[test]
fn the_same_batch_again_is_the_same_and_one_with_a_flow_that_exists_is_a_conflict() {
    let mut world = world(&[8]);
    let first = world.ok("InstallFlows", batch("node", 2));
    assert_eq!(world.ok("InstallFlows", batch("node", 2))["flows"], first["flows"]);
    let reply = world.ok("InstallFlows", batch("node", 3));
    assert_eq!(states(&reply), ["rejected"; 3]);
    assert!(verdict(&reply, 0, 0).3.contains("flow f1 exists and is applied"), "{reply}");
    assert_eq!((world.rule_count(0), world.state("f1")), (2, "applied".to_owned()));
}

#[test]
fn a_dry_run_in_a_batch_is_shown_and_does_not_belong_to_it() {
    let mut world = world(&[8]);
    let mut request = batch("node", 2);
    request["flows"][1]["dry_run"] = json!(true);
    assert_eq!(world.ok("InstallFlows", request)["summary"], json!({"applied": 1, "planned": 1}));
    assert_eq!(world.rule_count(0), 1);
}

#[test]
fn a_dry_run_in_a_batch_tells_what_would_be_in_the_way() {
    let mut world = world(&[8]);
    world.ok("InstallFlow", voice("old", 1));
    let above = voice_with("above", 1, json!({"source": "10.0.0.0/16", "priority": 50_000, "dry_run": true}));
    let reply = world.ok("InstallFlows", json!({"atomic": "node", "flows": [above]}));
    let warning = &reply["flows"][0]["warnings"][0];
    assert_eq!((&warning["kind"], &warning["flow_id"]), (&json!("hides"), &json!("old")), "{reply}");
}

#[test]
fn who_refuses_to_be_in_anybodys_way_stops_its_batch() {
    for atomic in ["node", "all"] {
        let mut world = world(&[8]);
        world.ok("InstallFlow", voice("old", 9));
        let mut request = batch(atomic, 2);
        let above = json!({"source": "10.0.0.0/24", "priority": 50_000, "on_conflict": "refuse"});
        request["flows"][1] = voice_with("f2", 2, above);
        let reply = world.ok("InstallFlows", request);
        assert_eq!(states(&reply), ["rejected"; 2], "{atomic}");
        let (_, _, code, message) = verdict(&reply, 1, 0);
        assert!(code == "CONFLICT" && message.contains("takes all traffic of flow old"), "{code}: {message}");
        assert_eq!((verdict(&reply, 0, 0).2, world.rule_count(0)), ("NOT_INSTALLED", 1));
    }
}

#[test]
fn the_item_in_the_way_of_another_is_named_by_its_place_in_the_request() {
    let mut world = world(&[8]);
    let mut request = batch("node", 3);
    request["flows"][0]["dry_run"] = json!(true);
    request["flows"][2] = voice("f3", 2);
    let reply = world.ok("InstallFlows", request).to_string();
    assert!(reply.contains("flows[1] of the same batch"), "{reply}");
}

#[test]
fn what_a_refused_batch_was_to_replace_is_as_it_was() {
    for atomic in ["node", "all"] {
        let mut world = world(&[100, 4]);
        let on_first = json!({"nodes": ["s1"], "queue": 5});
        world.ok("InstallFlow", voice_with("old", 1, on_first));
        let before = world.rules(0);
        let mut request = batch(atomic, 5);
        request["flows"][0]["replace"] = json!(true);
        world.ok("InstallFlows", request);
        let expected = if atomic == "all" { "applied" } else { "superseded" };
        assert_eq!(world.state("old"), expected, "{atomic}");
        if atomic == "all" {
            assert_eq!(world.rules(0), before);
        }
        assert_eq!(world.rule_count(1), 0);
    }
}

#[test]
fn a_flow_that_is_removed_before_its_switch_comes_is_left_out_and_the_others_stay_together() {
    let mut world = World::new(1);
    world.switches[0] = Switch::new(SwitchConfig { table_limit: 2, ..SwitchConfig::new(DatapathId(1)) });
    world.add_node(1);
    world.ok("InstallFlows", batch("node", 3));
    assert_eq!(world.ok("RemoveFlow", json!({"flow_id": "f2"}))["flow"]["state"], "removed");
    world.connect(0);
    assert_eq!(
        (world.state("f1"), world.state("f3"), world.rule_count(0)),
        ("applied".to_owned(), "applied".to_owned(), 2)
    );
}

#[test]
fn a_flow_that_is_removed_while_its_bundle_is_under_way_goes_after_it() {
    for atomic in ["node", "all"] {
        for steps in 0..6 {
            let mut world = world(&[8, 8]);
            let install = world.send("InstallFlows", batch(atomic, 3));
            world.steps(steps);
            let removal = world.send("RemoveFlow", json!({"flow_id": "f2"}));
            world.run();
            assert!(world.answer(install).is_some());
            assert_eq!(world.answer(removal).unwrap()["flow"]["state"], "removed", "{atomic}, after {steps} steps");
            assert_eq!((world.rule_count(0), world.rule_count(1)), (2, 2));
            assert_eq!((world.state("f1"), world.state("f3")), ("applied".to_owned(), "applied".to_owned()));
        }
    }
}

#[test]
fn a_node_that_is_removed_leaves_the_batch_to_the_others() {
    for steps in 0..6 {
        let mut world = world(&[8, 8]);
        let install = world.send("InstallFlows", batch("all", 3));
        world.steps(steps);
        let removal = world.send("RemoveNode", json!({"name": "s2"}));
        world.run();
        assert!(world.answer(install).is_some());
        assert_eq!(world.answer(removal).unwrap().get("error"), None, "after {steps} steps");
        assert_eq!((world.rule_count(0), world.rule_count(1)), (3, 0), "after {steps} steps");
    }
}

#[test]
fn ten_thousand_flows_go_in_one_bundle_and_single_flows_do_not_wait_for_it() {
    let mut world = world(&[20_000]);
    let flow = |number: u32| {
        json!({"flow_id": format!("f{number}"), "source": format!("10.1.{}.{}", number / 256, number % 256),
               "destination": "10.9.0.1", "traffic_type": "voice"})
    };
    let flows: Vec<_> = (0..10_000).map(flow).collect();
    let many = world.send("InstallFlows", json!({"atomic": "node", "flows": flows, "report": "problems"}));
    world.steps(1);
    let one = world.send("InstallFlow", voice("one", 1));
    while world.answer(one).is_none() {
        world.steps(1);
    }
    assert_eq!(world.answer(many), None, "the bundle is not through yet");
    assert_eq!(world.rule_count(0), 1);
    world.run();
    assert_eq!(world.answer(many).unwrap()["summary"], json!({"applied": 10_000}));
    assert_eq!(world.rule_count(0), 10_001);
}

#[test]
fn closed_bundles_do_not_wait_for_a_slow_switch_without_end() {
    let mut world = World::new(2);
    world.add_node(1);
    world.connect(0);
    world.add_node(2);
    // The second switch falls silent when the first reconciliation is done.
    let connection = (5..).find_map(|after| {
        let connection = world.connect_with(1, vec![Fault::Silent { after }], Origin::Accepted);
        let is_connected = world.node("s2")["state"] == "connected";
        is_connected.then_some(connection).or_else(|| {
            world.cut(connection);
            None
        })
    });
    let ticket = world.ask("InstallFlows", batch("all", 8));
    world.pass(Duration::from_millis(3_999));
    assert_eq!(world.answer(ticket), None);
    world.pass(Duration::from_millis(1));
    world.cut(connection.unwrap());
    let reply = world.answer(ticket).unwrap();
    let (state, error_type, code, message) = verdict(&reply, 0, 0);
    assert_eq!((state, error_type, code), ("rejected", "FLUMEN", "TIMEOUT"), "{reply}");
    assert!(message.contains("s2"), "{message}");
    world.connect(1);
    assert_eq!((world.rule_count(0), world.rule_count(1)), (0, 0));
}

/// What must be true of a batch of four wherever everything is at rest: each switch has all of it or none.
fn assert_whole(world: &World, when: &str) {
    let counts: Vec<_> = (0..world.switches.len()).map(|at| world.rule_count(at)).collect();
    assert!(counts.iter().all(|found| [0, 4].contains(found)), "{counts:?}: {when}");
}

/// Two nodes, the second one's connection cut after so many bytes.
fn world_with_cut(fault: Fault) -> (World, ConnectionId) {
    let mut world = World::new(2);
    world.add_node(1);
    world.add_node(2);
    world.connect(0);
    let connection = world.connect_with(1, vec![fault], Origin::Accepted);
    (world, connection)
}

/// The least number of bytes after which nothing is left to be cut.
fn bytes_of(conversation: impl Fn(u64) -> bool) -> u64 {
    let (mut too_few, mut enough) = (0, 10_000);
    while enough - too_few > 1 {
        let middle = u64::midpoint(too_few, enough);
        *if conversation(middle) { &mut enough } else { &mut too_few } = middle;
    }
    enough
}

/// Cutting the connection of one of two switches at every byte of a batch. Wherever the cut falls, each switch has all
/// or none when everything is at rest, the answers are true, and in the end everything is applied everywhere.
fn cut_at_every_byte(atomic: &str, fault: fn(u64) -> Fault) {
    let first = bytes_of(|after| {
        let (world, connection) = world_with_cut(fault(after));
        world.is_open(connection)
    });
    let last = bytes_of(|after| {
        let (mut world, connection) = world_with_cut(fault(after));
        world.ask("InstallFlows", batch(atomic, 4));
        world.is_open(connection)
    });
    assert!(last >= first + 3 * 24, "a bundle has three requests and replies at least: {first}..{last}");
    for after in first..=last {
        let when = format!("{atomic}, cut after {after} of {first}..{last} bytes");
        let (mut world, connection) = world_with_cut(fault(after));
        let ticket = world.ask("InstallFlows", batch(atomic, 4));
        let was_cut = !world.is_open(connection);
        assert_whole(&world, &when);
        let reply = world.answer(ticket).unwrap_or_else(|| panic!("no answer: {when}"));
        let allowed: &[&str] = if was_cut { &["applied", "unknown", "accepted"] } else { &["applied"] };
        assert!(states(&reply).iter().all(|state| allowed.contains(state)), "{:?}: {when}", states(&reply));
        if atomic == "all" && was_cut && world.rule_count(0) == 0 {
            assert!(states(&reply).iter().all(|state| *state != "applied"), "{when}");
        }
        world.connect(1);
        assert_eq!((world.rule_count(0), world.rule_count(1)), (4, 4), "{when}");
        assert!((1..=4).all(|host| world.state(&format!("f{host}")) == "applied"), "{when}");
    }
}

#[test]
fn a_cut_at_every_byte_of_a_bundle_towards_the_switch_leaves_all_or_none() {
    for atomic in ["node", "all"] {
        cut_at_every_byte(atomic, |after| Fault::CutInput { after });
    }
}

#[test]
fn a_cut_at_every_byte_of_the_answers_to_a_bundle_leaves_all_or_none() {
    for atomic in ["node", "all"] {
        cut_at_every_byte(atomic, |after| Fault::CutOutput { after });
    }
}

/// Lets the daemon die after every step of a batch.
fn die_at_every_step(atomic: &str, limits: &[usize], expected: usize) {
    for steps in 1..12 {
        for reconnected in [[0, 1], [1, 0]] {
            let when = format!("died after {steps} steps, {reconnected:?}");
            let mut world = world(limits);
            world.send("InstallFlows", batch(atomic, 4));
            world.steps(steps);
            world.restart();
            world.connect(reconnected[0]);
            if atomic == "all" && world.state("f1") != "applied" {
                assert_eq!(world.rule_count(reconnected[0]), 0, "nothing before the other is there, {when}");
            }
            world.connect(reconnected[1]);
            let counts = (world.rule_count(0), world.rule_count(1));
            assert_eq!(counts, (expected, expected), "{atomic}, {when}");
        }
    }
}

#[test]
fn a_daemon_that_dies_at_any_step_leaves_all_or_none() {
    die_at_every_step("node", &[8, 8], 4);
    die_at_every_step("all", &[8, 8], 4);
    die_at_every_step("all", &[3, 8], 0);
    die_at_every_step("all", &[8, 3], 0);
}

#[test]
fn a_switch_that_dies_at_any_step_leaves_all_or_none_on_the_others() {
    for steps in 0..12 {
        let mut world = world(&[8, 8]);
        let ticket = world.send("InstallFlows", batch("all", 4));
        world.steps(steps);
        world.restart_switch(1);
        world.run();
        let state = world.state("f1");
        let expected = if state == "applied" { 4 } else { 0 };
        assert_eq!(world.rule_count(0), expected, "{state}, after {steps} steps");
        assert!(world.answer(ticket).is_some(), "after {steps} steps");
        world.connect(1);
        assert_eq!((world.rule_count(0), world.rule_count(1)), (4, 4), "after {steps} steps");
    }
}

#[test]
fn the_flows_of_a_reply_come_in_the_order_of_the_request_whatever_became_of_them() {
    for atomic in ["none", "node", "all"] {
        let mut world = world(&[9]);
        world.ok("InstallFlow", voice("old", 3));
        let mut request = batch(atomic, 6);
        for (flow, planned) in
            request["flows"].as_array_mut().unwrap().iter_mut().zip([true, false, false, false, true, true])
        {
            flow["dry_run"] = planned.into();
        }
        let reply = world.ok("InstallFlows", request);
        let ids: Vec<_> =
            reply["flows"].as_array().unwrap().iter().map(|flow| flow["flow_id"].as_str().unwrap()).collect();
        assert_eq!(ids, ["f1", "f2", "f3", "f4", "f5", "f6"], "{atomic}");
        let others = if atomic == "none" { "applied" } else { "rejected" };
        assert_eq!(states(&reply), ["planned", others, "rejected", others, "planned", "planned"], "{atomic}");
    }
}

#[test]
fn a_bundle_that_a_switch_forgot_before_its_commit_is_sent_again() {
    let mut forgotten = 0;
    for steps in 1..12 {
        let mut world = world(&[8]);
        world.send("InstallFlows", batch("node", 4));
        world.steps(steps);
        forgotten += usize::from(world.rule_count(0) == 0);
        world.switches[0].handle_timeout(world.now + Duration::from_secs(11));
        world.run();
        world.pass(Duration::from_secs(2));
        assert_eq!((world.state("f1"), world.rule_count(0)), ("applied".to_owned(), 4), "after {steps} steps");
    }
    assert!(forgotten > 0);
}
