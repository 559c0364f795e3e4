//! Wrong input is answered by the contract's error with the right path; the connection and the daemon go on.

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::installs::flow_rules;
use crate::support::{Client, Daemon, Lab};

/// A lawful request, which each case spoils in one place.
fn lawful() -> Value {
    json!({"source": "10.0.0.1", "destination": "10.0.0.2", "traffic_type": "voice"})
}

/// The lawful request with one field set.
fn with(field: &str, value: &Value) -> Value {
    let mut payload = lawful();
    payload[field] = value.clone();
    payload
}

/// Each wrong value of a field of InstallFlow, and the path that the error must name.
fn wrong_values() -> Vec<(&'static str, Vec<Value>)> {
    let not_a_u16 = || vec![json!(-1), json!(65536), json!(1.5), json!("1"), json!(true), json!(1e300)];
    let address = || {
        vec![
            json!(7),
            json!(true),
            json!([]),
            json!(""),
            json!("10.0.0"),
            json!("10.0.0.256"),
            json!("10.0.0.0/33"),
            json!("10.0.0.1/24"),
            json!("2001:db8::1/64"),
            json!("2001:db8::/129"),
            json!("ANY"),
            json!("010.0.0.1"),
        ]
    };
    let port = || {
        vec![json!(-1), json!(65536), json!(1.5), json!("x"), json!("2-1"), json!("1-65536"), json!("1-"), json!([1])]
    };
    let with_zero = |mut values: Vec<Value>| {
        values.push(json!(0));
        values
    };
    vec![
        ("flow_id", vec![json!(""), json!("x".repeat(129)), json!(7), json!({})]),
        ("nodes", vec![json!("s1"), json!(7), json!({})]),
        ("source", address()),
        ("destination", address()),
        ("traffic_type", vec![json!("gold"), json!(""), json!(7), json!(["voice"])]),
        ("priority", with_zero(not_a_u16())),
        ("protocol", vec![json!("gre"), json!("TCP"), json!(6)]),
        ("dscp", vec![json!(-1), json!(64), json!("46"), json!(1.5)]),
        ("queue", vec![json!(-1), json!(4_294_967_296_u64), json!("6")]),
        ("rate_limit", vec![json!(5), json!("5"), json!([])]),
        (
            "forward",
            vec![
                json!("flood"),
                json!(2),
                json!({}),
                json!({"port": -1}),
                json!({"port": 1, "table": 1}),
                json!({"table": 256}),
                json!({"queue": 1}),
            ],
        ),
        ("bidirectional", vec![json!(1), json!("true")]),
        ("idle_timeout", not_a_u16()),
        ("hard_timeout", not_a_u16()),
        ("dry_run", vec![json!(0), json!("no")]),
        ("on_conflict", vec![json!("ignore"), json!(1)]),
        ("replace", vec![json!("yes")]),
        ("wait", vec![json!("verified"), json!(5)]),
        ("timeout_ms", vec![json!(-1), json!("5000"), json!(1.5)]),
        ("source_port", port()),
        ("destination_port", port()),
    ]
}

/// The error must have this code, and a path that begins with the place.
fn assert_refused(case: &Value, error: &Value, code: &str, path: &str) {
    assert_eq!(error["code"], code, "{case}: {error}");
    let named = error["path"].as_str().unwrap_or_default();
    assert!(
        named == path || named.strip_prefix(path).is_some_and(|rest| rest.starts_with(['.', '['])),
        "{case}: {error}"
    );
    assert!(error["message"].as_str().is_some_and(|message| message.len() > 8), "{case}: {error}");
}

fn assert_unharmed(lab: &mut Lab, client: &mut Client) {
    lab.daemon.assert_running();
    assert_eq!(client.nodes()["s1"]["state"], "connected");
    assert!(flow_rules(&lab.ovs, "s1").is_empty());
}

#[test]
fn each_wrong_value_is_refused_with_the_path_of_its_field() {
    let Some((mut lab, mut client)) = Lab::with_one_node() else {
        return;
    };
    for (field, values) in wrong_values() {
        for value in values {
            let mut payload = with(field, &value);
            if field.ends_with("_port") {
                payload["protocol"] = json!("udp");
            }
            let error = client.error("InstallFlow", payload);
            assert_refused(&json!({field: value}), &error, "invalid_request", &format!("payload.{field}"));
        }
    }
    assert_unharmed(&mut lab, &mut client);
}

#[test]
fn each_missing_field_is_named() {
    let Some((mut lab, mut client)) = Lab::with_one_node() else {
        return;
    };
    for field in ["source", "destination", "traffic_type"] {
        let mut payload = lawful();
        payload.as_object_mut().unwrap().remove(field);
        let error = client.error("InstallFlow", payload.clone());
        assert_refused(&payload, &error, "invalid_request", &format!("payload.{field}"));
    }
    for (command, field) in [
        ("RemoveFlow", "flow_id"),
        ("GetFlow", "flow_id"),
        ("GetNode", "name"),
        ("RemoveNode", "name"),
        ("AddNode", "name"),
    ] {
        let error = client.error(command, json!({}));
        assert_refused(&json!(command), &error, "invalid_request", &format!("payload.{field}"));
    }
    assert_unharmed(&mut lab, &mut client);
}

#[test]
fn fields_that_contradict_each_other_are_refused() {
    let Some((mut lab, mut client)) = Lab::with_one_node() else {
        return;
    };
    let cases = [
        (json!({"destination": "::1"}), "payload"),
        (json!({"source": "2001:db8::/32"}), "payload"),
        (json!({"source_port": 5060}), "payload"),
        (json!({"protocol": "icmp", "destination_port": 5060}), "payload"),
        (json!({"bidirectional": true, "forward": {"port": 1}}), "payload"),
    ];
    for (fields, path) in cases {
        let mut payload = lawful();
        payload.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let error = client.error("InstallFlow", payload);
        assert_refused(&fields, &error, "invalid_request", path);
    }
    assert_unharmed(&mut lab, &mut client);
}

#[test]
fn host_bits_are_refused_with_the_prefix_that_was_meant() {
    let Some((_lab, mut client)) = Lab::with_one_node() else {
        return;
    };
    for (source, meant) in [("10.1.2.3/24", "10.1.2.0/24"), ("2001:db8::7/64", "2001:db8::/64")] {
        let error = client.error("InstallFlow", with("source", &json!(source)));
        assert_refused(&json!(source), &error, "invalid_request", "payload.source");
        assert!(error["message"].as_str().unwrap().contains(meant), "{error}");
    }
}

#[test]
fn unknown_fields_and_duplicate_keys_are_refused_everywhere() {
    let Some((mut lab, mut client)) = Lab::with_one_node() else {
        return;
    };
    let error = client.error("InstallFlow", with("colour", &json!(1)));
    assert_refused(&json!("colour"), &error, "invalid_request", "payload.colour");
    let error = client.error("InstallFlow", with("forward", &json!({"port": 1, "colour": 2})));
    assert_refused(&json!("forward.colour"), &error, "invalid_request", "payload.forward");
    for text in [
        r#"{"type":"GetInfo","id":"x","payload":{},"colour":1}"#,
        r#"{"type":"GetInfo","id":"x","id":"y","payload":{}}"#,
        r#"{"type":"InstallFlow","id":"x","payload":{"source":"10.0.0.1","source":"10.0.0.2","destination":"any","traffic_type":"voice"}}"#,
    ] {
        let answer = client.exchange(text);
        assert_eq!(
            (&answer["type"], &answer["error"]["code"]),
            (&json!("Error"), &json!("invalid_request")),
            "{text}: {answer}"
        );
    }
    assert_unharmed(&mut lab, &mut client);
}

#[test]
fn what_is_no_lawful_envelope_is_answered_without_an_id() {
    let Some((mut lab, mut client)) = Lab::with_one_node() else {
        return;
    };
    let deep = format!(r#"{{"type":"GetInfo","id":"x","payload":{}{}}}"#, "[".repeat(40), "]".repeat(40));
    for text in ["", "{", "nonsense", "{\"type\":\"GetInfo\",}", "[1", "\u{0}", deep.as_str()] {
        let answer = client.exchange(text);
        assert_eq!(
            (&answer["type"], &answer["error"]["code"], &answer["id"]),
            (&json!("Error"), &json!("invalid_json"), &Value::Null),
            "{text}: {answer}"
        );
    }
    let long = format!(r#"{{"type":"GetInfo","id":"{}"}}"#, "i".repeat(129));
    for text in [
        "[]",
        "7",
        "null",
        r#"{"type":"GetInfo"}"#,
        r#"{"type":"GetInfo","id":7}"#,
        r#"{"type":"GetInfo","id":""}"#,
        long.as_str(),
    ] {
        let answer = client.exchange(text);
        assert_eq!(
            (&answer["type"], &answer["error"]["code"], &answer["id"]),
            (&json!("Error"), &json!("invalid_request"), &Value::Null),
            "{text}: {answer}"
        );
    }
    assert_unharmed(&mut lab, &mut client);
}

#[test]
fn unknown_commands_and_names_have_codes_of_their_own() {
    let Some((mut lab, mut client)) = Lab::with_one_node() else {
        return;
    };
    assert_eq!(client.error("Frobnicate", json!({}))["code"], "unknown_command");
    assert_eq!(client.error("GetFlow", json!({"flow_id": "nobody"}))["code"], "not_found");
    assert_eq!(client.error("RemoveFlow", json!({"flow_id": "nobody"}))["code"], "not_found");
    assert_eq!(client.error("GetNode", json!({"name": "nobody"}))["code"], "not_found");
    assert_eq!(client.error("RemoveNode", json!({"name": "nobody"}))["code"], "not_found");
    assert_eq!(client.error("InstallFlow", with("nodes", &json!(["s1", "nobody"])))["code"], "not_found");
    assert_eq!(
        client.error("AddNode", json!({"name": "s1", "datapath_id": "00000000000000ff"}))["code"],
        "already_exists"
    );
    assert_eq!(
        client.error("AddNode", json!({"name": "other", "datapath_id": "00000000000000a1"}))["code"],
        "already_exists"
    );
    assert_unharmed(&mut lab, &mut client);
}

#[test]
fn wrong_nodes_are_refused_with_the_path_of_their_field() {
    let Some((mut lab, mut client)) = Lab::with_one_node() else {
        return;
    };
    for (payload, path) in [
        (json!({"name": "", "datapath_id": "1"}), "payload.name"),
        (json!({"name": "a b", "datapath_id": "1"}), "payload.name"),
        (json!({"name": "x".repeat(65), "datapath_id": "1"}), "payload.name"),
        (json!({"name": "x", "datapath_id": "not hex"}), "payload.datapath_id"),
        (json!({"name": "x", "address": "udp:127.0.0.1:6653"}), "payload.address"),
        (json!({"name": "x", "address": "tcp:127.0.0.1"}), "payload.address"),
        (json!({"name": "x", "address": "tcp:127.0.0.1:65536"}), "payload.address"),
        (json!({"name": "x", "datapath_id": "1", "kind": "p4"}), "payload.kind"),
        (json!({"name": "x", "datapath_id": "1", "labels": ["a"]}), "payload.labels"),
        (json!({"name": "x"}), "payload"),
    ] {
        let error = client.error("AddNode", payload.clone());
        assert_refused(&payload, &error, "invalid_request", path);
    }
    assert_eq!(client.nodes().len(), 1);
    assert_unharmed(&mut lab, &mut client);
}

#[test]
fn an_id_in_flight_is_a_conflict_and_its_first_request_is_answered_all_the_same() {
    let Some((mut lab, mut client)) = Lab::with_one_node() else {
        return;
    };
    // A switch that is stopped confirms nothing: the first request stays in flight.
    lab.ovs.pause_switch(true);
    let mut payload = lawful();
    payload["timeout_ms"] = json!(3000);
    let request = json!({"type": "InstallFlow", "id": "twice", "payload": payload}).to_string();
    client.send(Message::text(request));
    let refused = client.exchange(&json!({"type": "GetInfo", "id": "twice", "payload": {}}).to_string());
    assert_eq!((&refused["error"]["code"], &refused["id"]), (&json!("conflict"), &json!("twice")), "{refused}");
    lab.ovs.pause_switch(false);
    let answer = client.receive();
    assert_eq!(
        (&answer["type"], &answer["id"], &answer["payload"]["flow"]["state"]),
        (&json!("Reply"), &json!("twice"), &json!("applied")),
        "{answer}"
    );
    lab.daemon.assert_running();
}

#[test]
fn a_binary_frame_closes_only_its_own_connection_with_1003() {
    let mut daemon = Daemon::start(&[]);
    let mut other = daemon.client();
    let mut client = daemon.client();
    client.send(Message::binary(vec![0x80]));
    match client.receive_frame() {
        Message::Close(Some(close)) => assert_eq!(u16::from(close.code), 1003, "{close}"),
        frame => panic!("expected a Close, not {frame:?}"),
    }
    other.reply("GetInfo", json!({}));
    daemon.assert_running();
}
