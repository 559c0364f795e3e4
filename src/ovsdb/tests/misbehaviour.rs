//! A database that is away, refuses, lags or talks nonsense, and a switch that does not take what is written.

use super::super::agent::PATIENCE;
use super::super::{DatabaseError, Standing};
use super::*;

#[test]
fn a_wish_waits_for_the_connection_and_is_refused_when_there_is_none_in_time() {
    let mut world = World::with(Database::new(), BTreeMap::new());
    world.asks(1, Wish::Set { port: PortRef::Number(1), queues: Some(queues(1)) });
    world.passes(PATIENCE / 2);
    world.connect();
    assert!(world.done.remove(&1).unwrap().is_ok());
    world.cut();
    world.agent.handle_disconnected("connection refused".to_owned());
    world.asks(2, Wish::Set { port: PortRef::Number(1), queues: None });
    world.passes(PATIENCE);
    assert_eq!(world.done[&2], Err(Refusal::Unreachable("connection refused".to_owned())));
    world.connect();
    assert_eq!(world.database.shown("p1"), shown(1), "what was set before stays");
}

#[test]
fn a_switch_that_does_not_take_the_rows_in_time_is_told_and_takes_them_later() {
    let mut world = World::new();
    world.database.has_switch = false;
    world.asks(1, Wish::Set { port: PortRef::Number(1), queues: Some(queues(1)) });
    assert!(world.done.is_empty());
    world.asks(2, Wish::Set { port: PortRef::Number(2), queues: Some(queues(2)) });
    world.passes(PATIENCE);
    for token in [1, 2] {
        let done = world.done.remove(&token).unwrap().unwrap();
        assert_eq!((done.is_taken, done.state.unwrap().standing), (false, Standing::Written));
    }
    world.meddle(Database::take);
    assert!(world.ports.iter().all(|port| port.standing == Standing::Applied), "{:?}", world.ports);
}

#[test]
fn a_database_that_refuses_is_quoted_and_what_was_set_before_stays() {
    let mut world = World::new();
    world.sets("p1", Some(queues(1))).unwrap();
    world.database.refuses = Some(json!({"error": "constraint violation", "details": "not that"}));
    let words = DatabaseError::Refused("constraint violation: not that".into());
    assert_eq!(world.sets("p1", Some(queues(2))), Err(Refusal::Database(words)));
    world.database.refuses = None;
    world.meddle(|database| database.rows("QoS").for_each(|row| row["type"] = json!("")));
    assert_eq!(world.database.shown("p1"), shown(1));
}

#[test]
fn a_port_that_somebody_else_takes_meanwhile_is_a_conflict_and_stays_theirs() {
    let mut world = World::new();
    world.database.meddler = Some(|database| {
        let foreign = database.insert_foreign_qos();
        database.named("Port", "p1")["qos"] = foreign;
    });
    assert_eq!(world.sets("p1", Some(queues(1))), Err(Refusal::Foreign("p1".to_owned())));
    assert_eq!(world.database.count("QoS"), 1);
}

#[test]
fn a_connection_that_breaks_before_the_answer_is_made_up_for_on_the_next() {
    let mut world = World::new();
    world.agent.handle_command(
        Command { token: 1, wish: Wish::Set { port: PortRef::Number(1), queues: Some(queues(1)) } },
        world.now,
    );
    // What was sent is lost with the connection.
    world.cut();
    assert!(world.done.is_empty());
    world.connect();
    assert!(world.done[&1].is_ok());
    assert_eq!(world.database.shown("p1"), shown(1));
}

#[test]
fn an_outcome_that_stays_unknown_is_told_and_what_was_set_before_is_brought_back() {
    let mut world = World::new();
    world.sets("p1", Some(queues(1))).unwrap();
    // The database carries the transaction out, and the connection breaks before it says so.
    world.agent.handle_command(
        Command { token: 1, wish: Wish::Set { port: PortRef::Number(1), queues: Some(queues(2)) } },
        world.now,
    );
    let mut sent = BytesMut::new();
    world.agent.poll_transmit(&mut sent);
    let request: Value = serde_json::from_slice(&sent).unwrap();
    world.answer(&request);
    assert_eq!(world.database.shown("p1"), shown(2));
    world.cut();
    world.passes(PATIENCE);
    assert_eq!(world.done[&1], Err(Refusal::Unconfirmed));
    world.connect();
    assert_eq!(world.database.shown("p1"), shown(1));
}

#[test]
fn what_makes_no_sense_ends_the_connection_and_says_why() {
    let update = |params: &str| format!(r#"{{"id":null,"method":"update","params":{params}}}"#);
    for (text, reason) in [
        (update("[]"), "it sent something else than was asked for"),
        (update("[null]"), "it sent something else than was asked for"),
        (update("[5,{}]"), "it sent something else than was asked for"),
        (update(r#"[null,{"Queue":{},"Queue":{}}]"#), "it sent something else than was asked for"),
        (update(r#"[null,{"QoS":{"x":{"new":{}}}}]"#), "it sent something else than was asked for"),
        ("{}".to_owned(), "it sent something that is no message of JSON-RPC"),
        ("[".to_owned(), "it sent something that is no JSON object"),
        (r#"{"id":77,"result":[],"error":null}"#.to_owned(), "it answered a request that was never made"),
    ] {
        let mut world = World::new();
        world.to_agent.extend_from_slice(text.as_bytes());
        world.run();
        assert_eq!((world.lost.as_slice(), world.agent.is_up()), (&[reason.to_owned()][..], false), "{text}");
        world.connect();
        assert!(world.sets("p1", Some(queues(1))).is_ok());
    }
}

#[test]
fn a_database_without_the_tables_is_told_in_its_own_words() {
    let mut world = World::with(Database::new(), BTreeMap::new());
    world.agent.handle_connected(world.now);
    let error = json!({"error": "unknown database", "details": "Open_vSwitch"});
    world.to_agent.extend_from_slice(json!({"id": 1, "result": null, "error": error}).to_string().as_bytes());
    world.agent.handle_input(&mut world.to_agent, world.now);
    world.take_news();
    assert_eq!(world.lost, ["it does not show its rows: unknown database: Open_vSwitch"]);
}

#[test]
fn other_notifications_are_passed_over() {
    let mut world = World::new();
    world.says(json!({"id": null, "method": "locked", "params": ["x"]}));
    world.run();
    assert!(world.lost.is_empty() && world.sets("p1", Some(queues(1))).is_ok());
}
