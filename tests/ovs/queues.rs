//! Queues through the switch's own database: its rows are as asked for, whoever changes them or goes away meanwhile, and
//! those of others are not touched.

use serde_json::{Value, json};

use crate::support::{Client, Lab, Ovs, within};

/// A lab whose switch `s1` has a database that the node was added with.
fn lab() -> Option<(Lab, Client)> {
    let lab = Lab::start(&[])?;
    let mut client = lab.daemon.client();
    add_node(&lab, &mut client, &lab.ovs.database_socket());
    Some((lab, client))
}

fn add_node(lab: &Lab, client: &mut Client, ovsdb: &str) {
    client.reply("AddNode", json!({"name": "s1", "datapath_id": "00000000000000a1", "ovsdb": ovsdb}));
    lab.ovs.add_dialling_bridge("s1", 0xa1, lab.daemon.openflow);
    client.wait_for_node("s1", "connected", 15);
}

/// A port of 10 Mbit/s with the queues 0, 1 and 6.
fn request(port: Value) -> Value {
    json!({"node": "s1", "port": port, "max_rate_kbps": 10_000, "queues": [
        {"queue": 1, "max_rate_kbps": 5_000, "priority": 3},
        {"queue": 6, "min_rate_kbps": 2_000, "priority": 1, "burst_kb": 64},
    ]})
}

/// What `ovs-vsctl` shows of the port's queues: the QoS, and then each queue, as it prints them.
fn rows(ovs: &Ovs, port: &str) -> Vec<String> {
    let get = |table: &str, row: &str, column: &str| ovs.vsctl(&["get", table, row, column]).trim().to_owned();
    let qos = get("port", port, "qos");
    if qos == "[]" {
        return Vec::new();
    }
    let queues = get("qos", &qos, "queues");
    let queues = queues.trim_matches(['{', '}']).split(", ").map(|pair| {
        let (number, uuid) = pair.split_once('=').unwrap();
        format!("{number} {}", get("queue", uuid, "other_config"))
    });
    std::iter::once(format!("{} {}", get("qos", &qos, "type"), get("qos", &qos, "other_config")))
        .chain(queues)
        .collect()
}

/// The rows that `request` stands for.
fn expected() -> Vec<String> {
    let rows = [
        r#"linux-htb {max-rate="10000000"}"#,
        "0 {}",
        r#"1 {max-rate="5000000", priority="3"}"#,
        r#"6 {burst="64000", min-rate="2000000", priority="1"}"#,
    ];
    rows.map(str::to_owned).to_vec()
}

/// Every row of the tables that hold queues, with the ports that use them.
fn everything(ovs: &Ovs) -> String {
    ["QoS", "Queue"].map(|table| ovs.vsctl(&["--format=csv", "list", table])).concat()
        + &ovs.vsctl(&["--format=csv", "--columns=name,qos", "list", "Port"])
}

fn restored(ovs: &Ovs) {
    within(10, "the queues to be as asked for", || (rows(ovs, "s1p1") == expected()).then_some(()));
}

/// Somebody else's queues on a port, and a queue of theirs that nothing uses.
fn add_foreign_queues(ovs: &Ovs, port: &str) {
    let words = format!(
        "set port {port} qos=@q -- --id=@q create qos type=linux-htb other-config:max-rate=7000 queues:0=@z \
         -- --id=@z create queue other-config:max-rate=7000 -- create queue other-config:max-rate=8000"
    );
    ovs.vsctl(&words.split_whitespace().collect::<Vec<_>>());
}

#[test]
fn queues_are_in_the_database_as_asked_for_and_gone_without_a_trace_when_removed() {
    let Some((lab, mut client)) = lab() else { return };
    add_foreign_queues(&lab.ovs, "s1p2");
    let before = everything(&lab.ovs);
    let reply = client.reply("SetQueues", request(json!(1)));
    let queues = json!([
        {"queue": 0},
        {"queue": 1, "max_rate_kbps": 5_000, "priority": 3},
        {"queue": 6, "min_rate_kbps": 2_000, "priority": 1, "burst_kb": 64},
    ]);
    assert_eq!((&reply["queues"], &reply["state"], &reply["port"]), (&queues, &json!("applied"), &json!("s1p1")));
    assert_eq!(rows(&lab.ovs, "s1p1"), expected());
    let ports = client.node("s1")["ports"].clone();
    assert_eq!((&ports[0]["queues"], &ports[0]["queues_state"]), (&queues, &json!("applied")));
    assert_eq!((&ports[1]["queues"][0]["max_rate_kbps"], &ports[1]["queues_state"]), (&json!(7), &json!("foreign")));

    client.reply("SetQueues", request(json!("s1p1")));
    assert_eq!(rows(&lab.ovs, "s1p1"), expected(), "the same again");
    let reply = client.reply("SetQueues", json!({"node": "s1", "port": "s1p1", "queues": []}));
    assert_eq!((&reply["queues"], &reply["state"]), (&json!([]), &json!("applied")));
    assert_eq!(everything(&lab.ovs), before);
}

#[test]
fn a_port_with_somebody_elses_queues_is_a_conflict_until_they_are_taken_off() {
    let Some((lab, mut client)) = lab() else { return };
    add_foreign_queues(&lab.ovs, "s1p1");
    let before = everything(&lab.ovs);
    let error = client.error("SetQueues", request(json!(1)));
    assert_eq!((&error["code"], &error["path"]), (&json!("conflict"), &json!("payload.port")), "{error}");
    assert_eq!(everything(&lab.ovs), before);
    lab.ovs.vsctl(&["clear", "port", "s1p1", "qos"]);
    client.reply("SetQueues", request(json!(1)));
    assert_eq!(rows(&lab.ovs, "s1p1"), expected());
}

#[test]
fn what_somebody_else_changes_of_our_rows_is_put_back() {
    let Some((lab, mut client)) = lab() else { return };
    client.reply("SetQueues", request(json!(1)));
    let qos = lab.ovs.vsctl(&["get", "port", "s1p1", "qos"]);
    lab.ovs.vsctl(&["set", "qos", qos.trim(), "other-config:max-rate=5"]);
    restored(&lab.ovs);
    lab.ovs.vsctl(&["clear", "port", "s1p1", "qos"]);
    restored(&lab.ovs);
    lab.ovs
        .vsctl(&["--all", "destroy", "qos", "--", "--all", "destroy", "queue", "--", "clear", "port", "s1p1", "qos"]);
    restored(&lab.ovs);
}

#[test]
fn queues_outlive_the_daemon_and_the_database() {
    let Some((mut lab, mut client)) = lab() else { return };
    client.reply("SetQueues", request(json!(1)));
    lab.ovs.restart_database();
    lab.ovs.vsctl(&["clear", "port", "s1p1", "qos"]);
    restored(&lab.ovs);
    lab.daemon.kill_and_restart();
    lab.ovs.vsctl(&["clear", "port", "s1p1", "qos"]);
    restored(&lab.ovs);
    let mut client = lab.daemon.client();
    client.wait_for_node("s1", "connected", 15);
    client.reply("RemoveNode", json!({"name": "s1"}));
    assert_eq!((lab.ovs.vsctl(&["list", "qos"]), lab.ovs.vsctl(&["list", "queue"])), (String::new(), String::new()));
}

#[test]
fn a_switch_that_is_away_takes_its_queues_when_it_comes_back() {
    let Some((mut lab, mut client)) = lab() else { return };
    lab.ovs.kill_switch();
    let reply = client.reply("SetQueues", request(json!("s1p1")));
    assert_eq!(reply["state"], "accepted");
    assert!(reply["warnings"][0].as_str().unwrap().contains("ovs-vswitchd"), "{reply}");
    assert_eq!(rows(&lab.ovs, "s1p1"), expected());
    lab.ovs.start_switch();
    within(20, "the switch to have taken the queues", || {
        (client.node("s1")["ports"][0]["queues_state"] == "applied").then_some(())
    });
}

#[test]
fn a_node_that_is_removed_leaves_its_queues_only_when_asked_to() {
    let Some((lab, mut client)) = lab() else { return };
    client.reply("SetQueues", request(json!(1)));
    client.reply("RemoveNode", json!({"name": "s1", "flows": "leave"}));
    assert_eq!(rows(&lab.ovs, "s1p1"), expected());
    // Nobody remembers that they were asked for: they go like rules that belong to no flow.
    client.reply(
        "AddNode",
        json!({"name": "s1", "datapath_id": "a1:00:00:00:00:00:00:a1", "ovsdb": lab.ovs.database_socket()}),
    );
    client.reply("RemoveNode", json!({"name": "s1"}));
    client
        .reply("AddNode", json!({"name": "s1", "datapath_id": "00000000000000a1", "ovsdb": lab.ovs.database_socket()}));
    within(10, "the rows to be collected", || rows(&lab.ovs, "s1p1").is_empty().then_some(()));
}

#[test]
fn a_database_that_cannot_be_reached_and_a_port_that_is_not_there_are_told() {
    let Some(lab) = Lab::start(&[]) else { return };
    let mut client = lab.daemon.client();
    add_node(&lab, &mut client, "unix:/nowhere/db.sock");
    let error = client.error("SetQueues", request(json!(1)));
    assert_eq!(error["code"], "unavailable", "{error}");
    assert!(error["message"].as_str().unwrap().contains("No such file"), "{error}");
    client.reply("RemoveNode", json!({"name": "s1"}));

    let payload = json!({"name": "s1", "datapath_id": "00000000000000a1", "ovsdb": lab.ovs.database_socket()});
    client.reply("AddNode", payload);
    for port in [json!(77), json!("s9p1")] {
        let error = client.error("SetQueues", request(port));
        assert_eq!((&error["code"], &error["path"]), (&json!("not_found"), &json!("payload.port")), "{error}");
    }
}

#[test]
fn a_database_is_reached_over_tcp() {
    let Some(lab) = Lab::start(&[]) else { return };
    let port = lab.ovs.open_database("ptcp");
    let mut client = lab.daemon.client();
    add_node(&lab, &mut client, &format!("tcp:127.0.0.1:{port}"));
    client.reply("SetQueues", request(json!("s1p1")));
    assert_eq!(rows(&lab.ovs, "s1p1"), expected());
}

#[test]
fn two_switches_of_one_database_keep_out_of_each_others_way() {
    let Some((lab, mut client)) = lab() else { return };
    let payload = json!({"name": "s2", "datapath_id": "00000000000000b2", "ovsdb": lab.ovs.database_socket()});
    client.reply("AddNode", payload);
    lab.ovs.add_dialling_bridge("s2", 0xb2, lab.daemon.openflow);
    client.wait_for_node("s2", "connected", 15);
    for (node, port) in [("s1", "s1p1"), ("s2", "s2p2")] {
        let mut request = request(json!(port));
        request["node"] = json!(node);
        client.reply("SetQueues", request);
    }
    client.reply("RemoveNode", json!({"name": "s2"}));
    assert_eq!((rows(&lab.ovs, "s1p1"), rows(&lab.ovs, "s2p2")), (expected(), Vec::new()));
}

#[test]
fn a_flow_for_a_queue_that_its_egress_port_lacks_is_installed_with_a_warning() {
    let Some((_lab, mut client)) = lab() else { return };
    client.reply("SetQueues", request(json!(1)));
    let flow = |host: u8, traffic_type: &str| json!({"source": format!("10.0.0.{host}"), "destination": "any", "traffic_type": traffic_type});
    let with_queue = client.install(&flow(1, "voice"));
    assert_eq!((&with_queue["state"], &with_queue["warnings"]), (&json!("applied"), &json!([])));
    let without = client.install(&flow(2, "video"));
    assert_eq!((&without["state"], &without["warnings"][0]["kind"]), (&json!("applied"), &json!("missing_queue")));
}
