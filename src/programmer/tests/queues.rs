//! Queues: what a database is asked, what it says, what is stored, and what clients are told of it.

use std::collections::BTreeMap;

use super::*;
use crate::ovsdb::{Address, Done, News, PortQueues, PortRef, PortState, Queue, Refusal, Report, Standing, Wish};
use crate::programmer::engine::Ticket;
use crate::programmer::node::NodeId;

/// A world with a connected node `s1` whose database is reached and has no queues.
fn world() -> World {
    let mut world = World::new(1);
    let payload = json!({"name": "s1", "datapath_id": "0x1", "ovsdb": "unix:/run/db.sock"});
    world.ok("AddNode", payload);
    world.connect(0);
    says(&mut world, News::Reached);
    says(&mut world, News::Ports(Vec::new()));
    world
}

fn node(world: &World) -> NodeId {
    *world.watched.keys().next().expect("a database that is watched")
}

fn says(world: &mut World, news: News) {
    let key = node(world).0;
    world.engine.handle_database(Report { key, news });
    world.run();
}

fn request(port: Value) -> Value {
    let queue = json!({"queue": 6, "min_rate_kbps": 2000, "max_rate_kbps": 5000, "priority": 1, "burst_kb": 64});
    json!({"node": "s1", "port": port, "max_rate_kbps": 10000, "queues": [queue]})
}

/// The same in bits, with the default queue.
fn in_bits() -> PortQueues {
    let queue = Queue { min_rate: Some(2_000_000), max_rate: Some(5_000_000), burst: Some(64_000), priority: Some(1) };
    PortQueues { max_rate: Some(10_000_000), queues: BTreeMap::from([(0, Queue::default()), (6, queue)]) }
}

fn state(standing: Standing) -> PortState {
    PortState { name: "p1".to_owned(), number: Some(1), found: in_bits(), standing, error: None }
}

/// What was asked last, which the database now does.
fn done(world: &mut World, state: Option<PortState>, is_taken: bool) {
    let (_, command) = world.wishes.pop().expect("a wish");
    if let Some(state) = &state {
        says(world, News::Ports(vec![state.clone()]));
    }
    let port = matches!(command.wish, Wish::Set { .. }).then(|| "p1".to_owned());
    says(world, News::Done { token: command.token, result: Ok(Done { port, state, is_taken }) });
}

fn set(world: &mut World) -> Value {
    let ticket = world.ask("SetQueues", request(json!("p1")));
    done(world, Some(state(Standing::Applied)), true);
    world.answer(ticket).expect("an answer")
}

fn refused(world: &mut World, ticket: Ticket) -> Value {
    world.answer(ticket).expect("an answer")["error"].clone()
}

#[test]
fn queues_go_to_the_database_in_bits_with_queue_0_and_are_answered_as_it_has_them() {
    let mut world = world();
    let ticket = world.ask("SetQueues", request(json!(1)));
    assert_eq!(world.answer(ticket), None, "nothing is said before the database has");
    let (_, command) = world.wishes.last().unwrap();
    assert_eq!(command.wish, Wish::Set { port: PortRef::Number(1), queues: Some(in_bits()) });
    done(&mut world, Some(state(Standing::Applied)), true);
    let answer = world.answer(ticket).unwrap();
    let queue = json!({"queue": 6, "min_rate_kbps": 2000, "max_rate_kbps": 5000, "priority": 1, "burst_kb": 64});
    let expected = json!({
        "node": "s1", "port": "p1", "number": 1, "state": "applied", "max_rate_kbps": 10000,
        "queues": [{"queue": 0}, queue], "warnings": [],
    });
    assert_eq!(answer, expected);
}

#[test]
fn queues_are_acknowledged_when_they_are_on_disk_and_wanted_after_a_restart() {
    let mut world = world();
    world.disk(Disk::Lags);
    let ticket = world.ask("SetQueues", request(json!("p1")));
    done(&mut world, Some(state(Standing::Applied)), true);
    assert_eq!(world.answer(ticket), None);
    world.disk(Disk::Writes);
    assert!(world.answer(ticket).is_some());
    world.restart();
    let target = &world.watched[&node(&world)];
    assert_eq!(target.wanted, BTreeMap::from([("p1".to_owned(), in_bits())]));
    assert_eq!((&target.address, target.datapath_id), (&Address::Unix("/run/db.sock".to_owned()), 1));
}

#[test]
fn queues_for_which_the_disk_has_no_room_are_not_acknowledged() {
    let mut world = world();
    world.disk(Disk::IsFull);
    let ticket = world.ask("SetQueues", request(json!("p1")));
    done(&mut world, Some(state(Standing::Applied)), true);
    assert_eq!(refused(&mut world, ticket)["code"], "unavailable");
}

#[test]
fn an_empty_list_takes_the_queues_off_for_good() {
    let mut world = world();
    set(&mut world);
    let ticket = world.ask("SetQueues", json!({"node": "s1", "port": "p1", "queues": []}));
    assert_eq!(world.wishes.last().unwrap().1.wish, Wish::Set { port: PortRef::Name("p1".to_owned()), queues: None });
    done(&mut world, None, true);
    let answer = world.answer(ticket).unwrap();
    assert_eq!((&answer["queues"], &answer["state"]), (&json!([]), &json!("applied")));
    world.restart();
    assert!(world.watched[&node(&world)].wanted.is_empty());
}

#[test]
fn a_switch_that_does_not_say_that_it_has_taken_them_is_accepted_with_a_warning() {
    let mut world = world();
    let ticket = world.ask("SetQueues", request(json!("p1")));
    let broken = PortState { error: Some("no such device".to_owned()), ..state(Standing::Written) };
    done(&mut world, Some(broken), false);
    let answer = world.answer(ticket).unwrap();
    assert_eq!(answer["state"], "accepted");
    let warnings = answer["warnings"].to_string();
    assert!(warnings.contains("ovs-vswitchd") && warnings.contains("no such device"), "{warnings}");
}

#[test]
fn what_cannot_be_done_is_told_with_its_code_and_place_and_nothing_is_stored() {
    let mut world = world();
    let port = PortRef::Name("p1".to_owned());
    for (refusal, code, path) in [
        (Refusal::Unreachable("no route".to_owned()), "unavailable", None),
        (Refusal::Unconfirmed, "timeout", None),
        (Refusal::NoBridge("0000000000000001".to_owned()), "not_found", Some("payload.node")),
        (Refusal::NoPort(port), "not_found", Some("payload.port")),
        (Refusal::Foreign("p1".to_owned()), "conflict", Some("payload.port")),
        (Refusal::Database(crate::ovsdb::DatabaseError::Changed), "conflict", None),
        (Refusal::Database(crate::ovsdb::DatabaseError::Refused("no".into())), "unsupported", None),
    ] {
        let ticket = world.ask("SetQueues", request(json!("p1")));
        let (_, command) = world.wishes.pop().unwrap();
        says(&mut world, News::Done { token: command.token, result: Err(refusal) });
        let error = refused(&mut world, ticket);
        assert_eq!((&error["code"], error["path"].as_str()), (&json!(code), path), "{error}");
    }
    world.restart();
    assert!(world.watched[&node(&world)].wanted.is_empty());
}

#[test]
fn a_node_without_a_database_says_how_to_get_one() {
    let mut world = World::connected();
    let error = world.error("SetQueues", request(json!("p1")));
    assert_eq!((&error["code"], &error["path"]), (&json!("unsupported"), &json!("payload.node")));
    assert!(error["message"].as_str().unwrap().contains(r#"AddNode it again with "ovsdb""#), "{error}");
    assert!(world.watched.is_empty());
    assert_eq!(world.node("s1")["ports"][0].get("queues"), None);
    let unknown = json!({"node": "s9", "port": 1, "queues": []});
    let error = world.error("SetQueues", unknown);
    assert_eq!((&error["code"], &error["path"]), (&json!("not_found"), &json!("payload.node")));
}

#[test]
fn a_dialled_node_is_looked_after_once_its_datapath_id_is_known() {
    let mut world = World::new(1);
    let payload = json!({"name": "s1", "address": "tcp:127.0.0.1:7000", "ovsdb": "tcp:127.0.0.1:6640"});
    world.ok("AddNode", payload);
    assert!(world.watched.is_empty());
    assert_eq!(world.error("SetQueues", request(json!("p1")))["code"], "unavailable");
    let address = crate::southbound::SwitchAddress { tls: false, host: "127.0.0.1".to_owned(), port: 7000 };
    world.connect_with(0, Vec::new(), crate::southbound::Origin::Dialed(address));
    assert_eq!(world.watched[&node(&world)].address, Address::Tcp("127.0.0.1".to_owned(), 6640));
}

#[test]
fn a_database_over_tls_needs_certificates() {
    let mut world = World::new(0);
    let error = world.error("AddNode", json!({"name": "s1", "datapath_id": "1", "ovsdb": "ssl:127.0.0.1:6640"}));
    assert_eq!((&error["code"], &error["path"]), (&json!("unsupported"), &json!("payload.ovsdb")));
}

#[test]
fn the_queues_of_a_port_are_shown_with_the_node_while_the_database_can_be_seen() {
    let mut world = world();
    assert_eq!(world.node("s1")["ports"][0]["queues"], json!([]));
    set(&mut world);
    let port = world.node("s1")["ports"][0].clone();
    assert_eq!((&port["max_rate_kbps"], &port["queues_state"]), (&json!(10000), &json!("applied")));
    assert_eq!(port["queues"][1]["min_rate_kbps"], 2000);
    assert_eq!(world.node("s1")["ports"][1]["queues"], json!([]));
    says(&mut world, News::Ports(vec![state(Standing::Foreign)]));
    let shown = world.node("s1");
    assert_eq!(shown["ports"][0]["queues_state"], "foreign");
    assert!(shown["warnings"][0].as_str().unwrap().contains("p1"), "{shown}");
    says(&mut world, News::Lost { reason: "connection refused".to_owned() });
    let shown = world.node("s1");
    assert_eq!(shown["ports"][0].get("queues"), None);
    assert!(shown["warnings"][0].as_str().unwrap().contains("connection refused"), "{shown}");
    says(&mut world, News::Reached);
    assert_eq!(world.node("s1")["warnings"], json!([]));
}

#[test]
fn a_flow_whose_queue_is_not_on_its_egress_port_is_installed_with_a_warning() {
    let mut world = world();
    set(&mut world);
    // Each from a host of its own, so that none is in another's way.
    let mut host = 0;
    let mut warnings = |id: &str, more: Value| {
        host += 1;
        let flow = world.ok("InstallFlow", voice_with(id, host, more))["flow"].clone();
        assert_ne!(flow["state"], "rejected");
        flow["warnings"].clone()
    };
    for (id, more) in [
        ("a", json!({})),
        ("b", json!({"traffic_type": "best_effort", "priority": 1})),
        ("c", json!({"queue": 5, "forward": "drop", "priority": 2})),
        ("d", json!({"traffic_type": "bulk", "forward": {"port": 2}, "priority": 3})),
    ] {
        assert_eq!(warnings(id, more), json!([]), "{id}");
    }
    for (id, more, place) in [
        ("e", json!({"traffic_type": "bulk"}), "no queue 1, which the flow is for, on p1"),
        ("f", json!({"queue": 5, "forward": {"port": 1}, "priority": 4}), "no queue 5, which the flow is for, on p1"),
        (
            "g",
            json!({"queue": 5, "forward": {"port": 2}, "priority": 5}),
            "no queue 5, which the flow is for, on port 2",
        ),
        ("h", json!({"queue": 5, "dry_run": true, "priority": 6}), "no queue 5, which the flow is for, on p1"),
    ] {
        let warnings = warnings(id, more);
        assert_eq!((&warnings[0]["kind"], &warnings[0]["node"]), (&json!("missing_queue"), &json!("s1")), "{id}");
        assert!(warnings[0]["message"].as_str().unwrap().contains(place), "{id}: {warnings}");
    }
}

#[test]
fn a_node_goes_after_its_queues() {
    let mut world = world();
    set(&mut world);
    let ticket = world.ask("RemoveNode", json!({"name": "s1"}));
    assert_eq!(world.answer(ticket), None);
    assert_eq!(world.wishes.last().unwrap().1.wish, Wish::Clear);
    assert_eq!(world.error("SetQueues", request(json!("p1")))["code"], "conflict");
    done(&mut world, None, true);
    assert!(world.answer(ticket).unwrap().get("node").is_some());
    assert!(world.watched.is_empty());
}

#[test]
fn a_node_whose_queues_cannot_be_removed_stays_or_leaves_them() {
    let mut world = world();
    set(&mut world);
    let ticket = world.ask("RemoveNode", json!({"name": "s1"}));
    let (_, command) = world.wishes.pop().unwrap();
    says(&mut world, News::Done { token: command.token, result: Err(Refusal::Unreachable("gone".to_owned())) });
    let error = refused(&mut world, ticket);
    assert_eq!(error["code"], "unavailable");
    assert!(error["message"].as_str().unwrap().contains(r#""flows": "leave""#), "{error}");
    assert_eq!(world.node("s1")["ports"][0]["queues_state"], "applied");
    world.ok("RemoveNode", json!({"name": "s1", "flows": "leave"}));
    assert!(world.wishes.is_empty() && world.watched.is_empty());
}

#[test]
fn a_node_that_goes_answers_all_who_wait_for_its_queues_once() {
    let mut world = world();
    set(&mut world);
    let asked = world.ask("SetQueues", request(json!("p1")));
    let removal = world.ask("RemoveNode", json!({"name": "s1"}));
    world.ok("RemoveNode", json!({"name": "s1", "flows": "leave"}));
    assert_eq!(refused(&mut world, asked)["code"], "unavailable");
    assert_eq!(refused(&mut world, removal)["code"], "unavailable");
}

#[test]
fn a_connection_that_breaks_while_the_queues_go_ends_the_removal_once() {
    let mut world = world();
    set(&mut world);
    let ticket = world.ask("RemoveNode", json!({"name": "s1"}));
    world.restart_connection();
    assert_eq!(refused(&mut world, ticket)["code"], "unavailable");
    done(&mut world, None, true);
    world.connect(0);
    world.ok("RemoveNode", json!({"name": "s1"}));
    assert!(world.wishes.is_empty(), "the queues are gone already");
}

#[test]
fn requests_that_pile_up_at_a_database_are_refused() {
    let mut world = world();
    let tickets: Vec<Ticket> = (0..65).map(|_| world.ask("SetQueues", request(json!("p1")))).collect();
    assert_eq!(refused(&mut world, tickets[64])["code"], "overloaded");
    assert_eq!(world.wishes.len(), 64);
}
