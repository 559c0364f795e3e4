//! The parser against tables of good and bad requests, against mutations of them, and against the client's writer.

mod msgpack;
mod queue_rows;
mod rows;
mod schemas;

use proptest::prelude::*;
use proptest::sample::Index;

use super::parse::ways_agree;
use super::{
    ErrorCode, MAX_FLOW_IDS, MAX_NODES_NAMED, parse_msgpack_request_within, parse_request, parse_request_within,
    to_msgpack,
};
use queue_rows::QUEUES;
use rows::{ENDPOINTS, ENVELOPES, INSTALL_FIELDS, PAYLOADS};

/// Words of Rust and of serde that mean nothing to a client.
const JARGON: [&str; 12] =
    ["expected", "struct", "u16", "u32", "u8", "i64", "invalid type", "variant", "sequence", "map", "boolean", "unit"];

fn assert_verdict(request: &str, verdict: &str) {
    let refusal = match (parse_request(request.as_bytes()), verdict) {
        (Ok(_), "ok") => return,
        (Ok(_), _) => panic!("accepted, not {verdict}: {request}"),
        (Err(refusal), _) => refusal,
    };
    let mut expected = verdict.splitn(3, ' ');
    let (id, error) = refusal;
    let path = error.path.as_deref().unwrap_or("-");
    assert_eq!((Some(error.code.as_str()), Some(path)), (expected.next(), expected.next()), "{request}: {error}");
    let piece = expected.next().unwrap_or_default();
    assert!(error.message.contains(piece), "{request}: {:?} does not say {piece:?}", error.message);
    if error.code != ErrorCode::InvalidJson {
        let said = error.message.split_whitespace().find(|word| JARGON.contains(word));
        assert_eq!(said, None, "{request}: {:?}", error.message);
    }
    let no_usable_id = error.code == ErrorCode::InvalidJson || matches!(path, "-" | "id");
    assert_eq!(id.is_none(), no_usable_id, "{request}: {error}");
}

fn request(command: &str, payload: &str) -> String {
    format!(r#"{{"type":"{command}","id":"a","payload":{payload}}}"#)
}

#[test]
fn each_envelope_gets_its_verdict() {
    for (text, verdict) in ENVELOPES {
        assert_verdict(text, verdict);
    }
}

#[test]
fn each_payload_gets_its_verdict() {
    for (command, payload, verdict) in PAYLOADS {
        assert_verdict(&request(command, payload), verdict);
    }
}

#[test]
fn each_pair_of_endpoints_gets_its_verdict() {
    for (source, destination, verdict) in ENDPOINTS {
        let payload = format!(r#"{{"source":{source},"destination":{destination},"traffic_type":"voice"}}"#);
        assert_verdict(&request("InstallFlow", &payload), verdict);
    }
}

#[test]
fn each_field_of_install_flow_gets_its_verdict_alone_and_in_a_batch() {
    for (fields, verdict) in INSTALL_FIELDS {
        let flow = format!(r#"{{"source":"10.0.0.1","destination":"10.0.0.2","traffic_type":"voice",{fields}}}"#);
        assert_verdict(&request("InstallFlow", &flow), verdict);
        let batch = format!(r#"{{"flows":[{{"source":"any","destination":"any","traffic_type":"bulk"}},{flow}]}}"#);
        assert_verdict(&request("InstallFlows", &batch), &verdict.replacen("payload.", "payload.flows[1].", 1));
    }
}

/// A `SetQueues` for s1 with these fields beside.
fn set_queues(fields: &str) -> String {
    request("SetQueues", &format!(r#"{{"node":"s1",{fields}}}"#))
}

#[test]
fn each_field_of_set_queues_gets_its_verdict() {
    for (fields, verdict) in QUEUES {
        assert_verdict(&set_queues(fields), verdict);
    }
}

/// Every request of the tables.
fn requests() -> Vec<(String, &'static str)> {
    let install = |fields: &str| {
        let payload = format!(r#"{{"source":"10.0.0.1","destination":"10.0.0.2","traffic_type":"voice",{fields}}}"#);
        request("InstallFlow", &payload)
    };
    let ends = |source: &str, destination: &str| {
        request("InstallFlow", &format!(r#"{{"source":{source},"destination":{destination},"traffic_type":"voice"}}"#))
    };
    (ENVELOPES.iter().map(|row| (row.0.to_owned(), row.1)))
        .chain(PAYLOADS.iter().map(|row| (request(row.0, row.1), row.2)))
        .chain(ENDPOINTS.iter().map(|row| (ends(row.0, row.1), row.2)))
        .chain(INSTALL_FIELDS.iter().map(|row| (install(row.0), row.1)))
        .chain(QUEUES.iter().map(|row| (set_queues(row.0), row.1)))
        .collect()
}

#[test]
fn what_is_accepted_reads_the_same_after_it_was_written_again() {
    for (text, _) in requests().iter().filter(|row| row.1 == "ok") {
        let (id, command) = parse_request(text.as_bytes()).unwrap();
        let written = serde_json::to_string(&super::Request { id: &id, command: &command }).unwrap();
        assert_eq!(parse_request(written.as_bytes()), Ok((id, command)), "{text} became {written}");
    }
}

#[test]
fn the_fast_way_and_the_slow_way_accept_the_same() {
    for (text, _) in requests() {
        assert!(ways_agree(&text), "{text}");
    }
}

proptest! {
    #[test]
    fn no_mutation_of_a_request_panics_or_is_read_in_two_ways(text in mutated()) {
        prop_assert!(ways_agree(&text), "{text}");
        if let Ok((id, command)) = parse_request(text.as_bytes()) {
            let written = serde_json::to_string(&super::Request { id: &id, command: &command }).unwrap();
            prop_assert_eq!(parse_request(written.as_bytes()), Ok((id, command)));
        }
    }
}

/// A request of the tables after a few edits.
fn mutated() -> impl Strategy<Value = String> {
    let edits = proptest::collection::vec((any::<Index>(), any::<Index>(), piece()), 1..4);
    (any::<Index>(), edits).prop_map(|(row, edits)| {
        let requests = requests();
        let mut text = row.get(&requests).0.clone();
        for (from, to, piece) in edits {
            let ends: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
            let (from, to) = (*from.get(&ends), *to.get(&ends));
            // Most edits are small; some cut a good part out.
            let to = if to > from && to - from < 20 { to } else { from };
            text.replace_range(from..to, piece);
        }
        text
    })
}

/// What an edit puts in.
fn piece() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(vec![
        "",
        "\"",
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "0",
        "-",
        ".",
        "e9",
        "null",
        "true",
        "\\",
        "\\u",
        "\\ud800",
        "any",
        "\"id\":",
        "\"payload\":{",
        "\"type\":",
        "é",
        "\u{0}",
        "/",
        "10.0.0.0/8",
        "::",
        "99999999999999999999",
        "{\"port\":1}",
        " ",
    ])
}

#[test]
fn w10_there_are_at_least_300_rows() {
    assert!(requests().len() >= 300);
}

/// Every number of a request: the command, its payload around the number, the number's place, and its bounds.
const NUMBERS: [(&str, &str, &str, i128, i128); 19] = [
    ("InstallFlow", r#"{FLOW,"priority":N}"#, "priority", 1, 0xffff),
    ("InstallFlow", r#"{FLOW,"dscp":N}"#, "dscp", 0, 63),
    ("InstallFlow", r#"{FLOW,"queue":N}"#, "queue", 0, 0xffff_fffe),
    ("InstallFlow", r#"{FLOW,"protocol":"tcp","source_port":N}"#, "source_port", 0, 0xffff),
    ("InstallFlow", r#"{FLOW,"protocol":"tcp","destination_port":N}"#, "destination_port", 0, 0xffff),
    ("InstallFlow", r#"{FLOW,"rate_limit":{"rate_kbps":N}}"#, "rate_limit.rate_kbps", 1, 0xffff_ffff),
    ("InstallFlow", r#"{FLOW,"rate_limit":{"rate_kbps":1,"burst_kb":N}}"#, "rate_limit.burst_kb", 1, 0xffff_ffff),
    ("InstallFlow", r#"{FLOW,"forward":{"port":N}}"#, "forward.port", 0, 0xffff_ffff),
    ("InstallFlow", r#"{FLOW,"forward":{"table":N}}"#, "forward.table", 0, 254),
    ("InstallFlow", r#"{FLOW,"idle_timeout":N}"#, "idle_timeout", 0, 0xffff),
    ("InstallFlow", r#"{FLOW,"hard_timeout":N}"#, "hard_timeout", 0, 0xffff),
    ("InstallFlow", r#"{FLOW,"timeout_ms":N}"#, "timeout_ms", 0, 0xffff_ffff),
    ("AddNode", r#"{"name":"a","datapath_id":N}"#, "datapath_id", 0, (1 << 53) - 1),
    ("ListFlows", r#"{"limit":N}"#, "limit", 1, 10_000),
    ("Subscribe", r#"{"topics":["stats"],"interval_ms":N}"#, "interval_ms", 100, 60_000),
    ("Subscribe", r#"{"topics":["stats"],"epoch":"e","from_seq":{"stats":N}}"#, "from_seq.stats", 1, (1 << 53) - 1),
    ("SetQueues", r#"{"node":"a","port":1,"queues":[{"queue":N}]}"#, "queues[0].queue", 0, 61_439),
    ("SetQueues", r#"{"node":"a","port":1,"queues":[{"queue":1,"priority":N}]}"#, "queues[0].priority", 0, 7),
    (
        "SetQueues",
        r#"{"node":"a","port":1,"max_rate_kbps":N,"queues":[{"queue":1}]}"#,
        "max_rate_kbps",
        12,
        0xffff_ffff,
    ),
];

/// Whether a number passes there, in both subprotocols, and is otherwise refused at its place.
fn assert_bounds(row: Index, number: i128) {
    let (command, payload, place, least, most) = *row.get(&NUMBERS);
    let flow = r#""source":"any","destination":"any","traffic_type":"voice""#;
    let text = request(command, &payload.replace("FLOW", flow).replace('N', &number.to_string()));
    msgpack::assert_same_verdict(&text);
    match parse_request(text.as_bytes()) {
        Ok((id, command)) => {
            assert!((least..=most).contains(&number), "{text}");
            let written = serde_json::to_string(&super::Request { id: &id, command: &command }).unwrap();
            assert_eq!(parse_request(written.as_bytes()), Ok((id, command)), "it is kept as it was: {text}");
        }
        Err((_, error)) => {
            assert!(!(least..=most).contains(&number), "{text}: {error}");
            assert_eq!(
                (error.code, error.path),
                (ErrorCode::InvalidRequest, Some(format!("payload.{place}"))),
                "{text}"
            );
        }
    }
}

proptest! {
    #[test]
    fn w11_every_number_beyond_its_bounds_is_refused_at_its_place(
        row in any::<Index>(),
        any_number in any::<i64>(),
        near in -3..=3_i128,
        exponent in 0..66_u32,
    ) {
        let (.., least, most) = *row.get(&NUMBERS);
        for number in [any_number.into(), least + near, most + near, (1 << exponent) + near, near - (1 << exponent)] {
            assert_bounds(row, number);
        }
    }
}

#[test]
fn the_bound_on_the_depth_can_be_configured_and_is_the_same_for_both_subprotocols() {
    let text = r#"{"type":"GetInfo","id":"a","payload":{"x":[[]]}}"#;
    let msgpack = to_msgpack(&serde_json::from_str::<serde_json::Value>(text).unwrap());
    for (depth, code, says) in [(3, ErrorCode::InvalidJson, "3 levels"), (4, ErrorCode::InvalidRequest, "known")] {
        let (json, msgpack) =
            (parse_request_within(depth, text.as_bytes()), parse_msgpack_request_within(depth, &msgpack));
        let (_, error) = json.clone().unwrap_err();
        assert!(error.code == code && error.message.contains(says), "{depth}: {error}");
        assert_eq!(json, msgpack, "{depth}");
    }
}

#[test]
fn lists_of_nodes_and_of_flow_ids_are_bounded_and_the_bound_is_told() {
    let names = |count: usize| {
        let names: Vec<String> = (0..count).map(|number| format!("\"{number:x}\"")).collect();
        names.join(",")
    };
    let install = |count| {
        let nodes = names(count);
        request(
            "InstallFlow",
            &format!(r#"{{"source":"any","destination":"any","traffic_type":"voice","nodes":[{nodes}]}}"#),
        )
    };
    assert_verdict(&install(MAX_NODES_NAMED), "ok");
    assert_verdict(&install(MAX_NODES_NAMED + 1), "invalid_request payload.nodes at most 16384 nodes, or be left out");
    let remove = |count| request("RemoveFlows", &format!(r#"{{"flow_ids":[{}]}}"#, names(count)));
    assert_verdict(&remove(MAX_FLOW_IDS), "ok");
    assert_verdict(&remove(MAX_FLOW_IDS + 1), "invalid_request payload.flow_ids at most 262144 ids");
}
