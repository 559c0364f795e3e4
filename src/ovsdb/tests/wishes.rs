//! What is asked for is in the database, nothing else is touched, and it stays so.

use super::super::Standing;
use super::*;

#[test]
fn queues_are_written_in_one_transaction_and_reported_as_the_database_has_them() {
    let mut world = World::new();
    let done = world.sets("p1", Some(queues(4_000_000))).unwrap();
    assert_eq!(world.database.shown("p1"), shown(4_000_000));
    let state = done.state.unwrap();
    assert_eq!((state.found, state.standing, state.number), (queues(4_000_000), Standing::Applied, Some(1)));
    assert_eq!((done.port.as_deref(), done.is_taken, world.database.transactions), (Some("p1"), true, 1));
    assert_eq!(world.ports.len(), 1);
}

#[test]
fn a_port_is_found_by_its_number_as_well() {
    let mut world = World::new();
    world.asks(1, Wish::Set { port: PortRef::Number(2), queues: Some(queues(1)) });
    assert_eq!(world.done[&1].as_ref().unwrap().port.as_deref(), Some("p2"));
    assert_eq!((world.database.shown("p1").as_str(), world.database.shown("p2")), ("none", shown(1)));
}

#[test]
fn other_queues_take_the_place_of_the_old_ones_in_the_same_rows() {
    let mut world = World::new();
    world.sets("p1", Some(queues(1))).unwrap();
    let qos = world.database.named("Port", "p1")["qos"].clone();
    world.sets("p1", Some(queues(2))).unwrap();
    assert_eq!(world.database.shown("p1"), shown(2));
    assert_eq!(world.database.named("Port", "p1")["qos"], qos);
    let one = PortQueues { max_rate: None, queues: BTreeMap::from([(5, Queue::default())]) };
    world.sets("p1", Some(one)).unwrap();
    assert_eq!(world.database.shown("p1"), "linux-htb; 5:");
    assert_eq!((world.database.count("QoS"), world.database.count("Queue")), (1, 1));
}

#[test]
fn no_queues_leave_nothing_of_ours_behind() {
    let mut world = World::new();
    let foreign = world.database.insert_foreign_qos();
    world.meddle(|database| database.named("Port", "q1")["qos"] = foreign.clone());
    let before = world.database.tables.clone();
    world.sets("p1", Some(queues(1))).unwrap();
    world.sets("p2", Some(queues(2))).unwrap();
    assert!(world.sets("p1", None).unwrap().state.is_none());
    world.asks(1, Wish::Clear);
    assert!(world.done[&1].is_ok());
    for table in ["QoS", "Queue", "Port"] {
        assert_eq!(world.database.tables[table], before[table], "{table}");
    }
    assert!(world.ports.is_empty());
}

#[test]
fn a_port_with_queues_of_somebody_else_is_refused_and_not_touched() {
    let mut world = World::new();
    let foreign = world.database.insert_foreign_qos();
    world.meddle(|database| database.named("Port", "p1")["qos"] = foreign.clone());
    assert_eq!(world.ports[0].standing, Standing::Foreign);
    assert_eq!(world.sets("p1", Some(queues(1))), Err(Refusal::Foreign("p1".to_owned())));
    assert!(world.sets("p1", None).is_ok(), "there is nothing of ours to remove");
    assert_eq!(world.database.named("Port", "p1")["qos"], foreign);
    assert_eq!(world.database.count("QoS"), 1);
}

#[test]
fn a_foreign_change_of_our_rows_is_repaired() {
    let mut world = World::new();
    world.sets("p1", Some(queues(1))).unwrap();
    let changes: [fn(&mut Database); 5] = [
        |database| database.rows("QoS").for_each(|row| row["type"] = json!("linux-hfsc")),
        |database| database.rows("QoS").for_each(|row| row["queues"] = json!(["map", []])),
        |database| database.rows("Queue").for_each(|row| row["other_config"] = json!(["map", [["max-rate", "5"]]])),
        |database| database.named("Port", "p1")["qos"] = json!(["set", []]),
        |database| {
            database.named("Port", "p1")["qos"] = json!(["set", []]);
            database.tables.remove("QoS");
            database.tables.remove("Queue");
        },
    ];
    for change in changes {
        world.meddle(change);
        assert_eq!(world.database.shown("p1"), shown(1));
        assert_eq!((world.database.count("QoS"), world.database.count("Queue")), (1, 2));
        world.passes(Duration::from_secs(60));
    }
}

#[test]
fn the_fourth_repair_in_a_minute_waits_and_the_port_is_told_as_drifted() {
    let mut world = World::new();
    world.sets("p1", Some(queues(1))).unwrap();
    let clear = |database: &mut Database| database.named("Port", "p1")["qos"] = json!(["set", []]);
    for _ in 0..3 {
        world.meddle(clear);
        assert_eq!(world.database.shown("p1"), shown(1));
    }
    world.meddle(clear);
    assert_eq!((world.database.shown("p1").as_str(), world.ports[0].standing), ("none", Standing::Drifted));
    world.passes(Duration::from_secs(60));
    assert_eq!((world.database.shown("p1"), world.ports[0].standing), (shown(1), Standing::Applied));
}

#[test]
fn queues_that_somebody_else_put_in_the_place_of_ours_are_left_and_told() {
    let mut world = World::new();
    world.sets("p1", Some(queues(1))).unwrap();
    let foreign = world.database.insert_foreign_qos();
    world.meddle(|database| database.named("Port", "p1")["qos"] = foreign.clone());
    assert_eq!((&world.database.named("Port", "p1")["qos"], world.ports[0].standing), (&foreign, Standing::Foreign));
    assert_eq!(world.database.count("QoS"), 1, "ours is in nobody's use");
    world.meddle(|database| database.named("Port", "p1")["qos"] = json!(["set", []]));
    assert_eq!(world.database.shown("p1"), shown(1));
}

#[test]
fn a_qos_of_ours_on_two_ports_is_split() {
    let mut world = World::new();
    world.sets("p1", Some(queues(1))).unwrap();
    world.sets("p2", Some(queues(2))).unwrap();
    world.meddle(|database| {
        let qos = database.named("Port", "p1")["qos"].clone();
        database.named("Port", "p2")["qos"] = qos;
    });
    assert_eq!((world.database.shown("p1"), world.database.shown("p2")), (shown(1), shown(2)));
    assert_eq!((world.database.count("QoS"), world.database.count("Queue")), (2, 4));
}

#[test]
fn a_qos_of_ours_on_a_port_of_another_bridge_stays_until_it_is_taken_off_there() {
    let mut world = World::new();
    world.sets("p1", Some(queues(1))).unwrap();
    world.meddle(|database| {
        let qos = database.named("Port", "p1")["qos"].clone();
        database.named("Port", "q1")["qos"] = qos;
    });
    world.sets("p1", None).unwrap();
    assert_eq!((world.database.shown("p1"), world.database.shown("q1")), (shown(1), shown(1)));
    world.meddle(|database| database.named("Port", "q1")["qos"] = json!(["set", []]));
    assert_eq!((world.database.count("QoS"), world.database.count("Queue")), (0, 0));
    assert_eq!(world.database.shown("p1"), "none");
}

#[test]
fn rows_that_a_daemon_left_without_storing_them_are_collected_at_the_next_start() {
    let mut world = World::new();
    world.sets("p1", Some(queues(1))).unwrap();
    world.sets("p2", Some(queues(2))).unwrap();
    let wanted = BTreeMap::from([("p2".to_owned(), queues(3))]);
    let mut next = World::with(world.database, wanted);
    next.connect();
    assert_eq!((next.database.shown("p1"), next.database.shown("p2")), ("none".to_owned(), shown(3)));
    assert_eq!((next.database.count("QoS"), next.database.count("Queue")), (1, 2));
}

#[test]
fn rows_of_another_installation_and_of_another_switch_are_not_ours() {
    let mut world = World::new();
    world.sets("p1", Some(queues(1))).unwrap();
    let tables = world.database.tables.clone();
    for mark in [Mark::new(0xbeef, 2), Mark::new(0xbee0, 1)] {
        let mut other = World::with(world.database, BTreeMap::new());
        other.agent = Agent::new(mark, BTreeMap::new());
        other.connect();
        assert_eq!(other.database.tables, tables);
        world.database = other.database;
    }
}

#[test]
fn a_port_that_is_gone_gets_its_queues_when_it_comes_back_unless_they_were_taken_from_it() {
    let mut world = World::new();
    world.sets("p1", Some(queues(1))).unwrap();
    let ports = world.database.named("Bridge", "s1")["ports"].clone();
    world.meddle(|database| {
        database.named("Bridge", "s1")["ports"] = json!(["set", []]);
        database.named("Port", "p1")["qos"] = json!(["set", []]);
    });
    assert_eq!(world.database.count("QoS"), 0);
    assert_eq!(world.sets("p1", Some(queues(2))), Err(Refusal::NoPort(PortRef::Name("p1".to_owned()))));
    world.meddle(|database| database.named("Bridge", "s1")["ports"] = ports.clone());
    assert_eq!(world.database.shown("p1"), shown(1));
    world.meddle(|database| database.named("Bridge", "s1")["ports"] = json!(["set", []]));
    world.sets("p1", None).unwrap();
    world.meddle(|database| {
        database.named("Port", "p1")["qos"] = json!(["set", []]);
        database.named("Bridge", "s1")["ports"] = ports;
    });
    assert_eq!((world.database.shown("p1").as_str(), world.database.count("QoS")), ("none", 0));
}

#[test]
fn a_bridge_or_a_port_that_is_not_there_is_told() {
    let mut world = World::new();
    let missing = PortRef::Number(3);
    world.asks(1, Wish::Set { port: missing.clone(), queues: Some(queues(1)) });
    assert_eq!(world.done[&1], Err(Refusal::NoPort(missing)));
    assert_eq!(world.sets("q1", Some(queues(1))), Err(Refusal::NoPort(PortRef::Name("q1".to_owned()))));
    world.meddle(|database| database.named("Bridge", "s1")["datapath_id"] = json!("0000000000000009"));
    assert_eq!(world.sets("p1", Some(queues(1))), Err(Refusal::NoBridge("0000000000000001".to_owned())));
}
