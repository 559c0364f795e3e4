//! Multipart replies whose lengths lie, whose parts do not belong together, or which never end.

use super::*;

const FLOW: u16 = 1;
const GROUP_DESC: u16 = 7;
const METER_CONFIG: u16 = 10;
const TABLE_FEATURES: u16 = 12;
const PORT_DESC: u16 = 13;

/// OFPT_MULTIPART_REPLY/OFPMP_FLOW: a flow entry with these matches and instructions, and the right length.
fn entry(flow_match: &[u8], instructions: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 48];
    bytes.extend_from_slice(flow_match);
    bytes.extend_from_slice(instructions);
    let length = u16::try_from(bytes.len()).unwrap();
    with(bytes, 0, &length.to_be_bytes())
}

/// `ofp_match` with this claimed length around these fields, padded as it should be.
fn match_of(length: u16, fields: &[u8]) -> Vec<u8> {
    let mut bytes = [&[0, 1][..], &length.to_be_bytes(), fields].concat();
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    bytes
}

/// A match that holds exactly this field.
fn field(oxm: &[u8]) -> Vec<u8> {
    match_of(u16::try_from(4 + oxm.len()).unwrap(), oxm)
}

fn any() -> Vec<u8> {
    match_of(4, &[])
}

/// OFPIT_APPLY_ACTIONS around these actions.
fn apply(actions: &[u8]) -> Vec<u8> {
    let length = u16::try_from(8 + actions.len()).unwrap();
    [&[0, 4][..], &length.to_be_bytes(), &[0; 4], actions].concat()
}

fn output() -> Vec<u8> {
    vec![0, 0, 0, 16, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]
}

#[test]
fn a_flow_entry_without_faults_is_read() {
    let mut trial = Trial::begin(InFlight);
    trial.give(&multipart(trial.read, FLOW, false, &entry(&any(), &apply(&output()))));
    assert!(matches!(trial.read_result(), Some(Ok(entries)) if entries.len() == 1));
}

#[test]
fn m30_a_flow_entry_of_length_0_is_refused() {
    malformed_reply(FLOW, &with(entry(&any(), &[]), 0, &[0, 0]), ErrorCode::BAD_REQUEST_BAD_LEN);
}

#[test]
fn m31_a_flow_entry_shorter_than_its_fixed_part_is_refused() {
    for length in 1..56 {
        malformed_reply(FLOW, &with(entry(&any(), &[]), 0, &[0, length]), ErrorCode::BAD_REQUEST_BAD_LEN);
    }
}

#[test]
fn m32_a_flow_entry_longer_than_what_is_left_is_refused() {
    for length in [57_u16, 64, 0xffff] {
        let body = with(entry(&any(), &[]), 0, &length.to_be_bytes());
        malformed_reply(FLOW, &body, ErrorCode::BAD_REQUEST_BAD_LEN);
    }
}

#[test]
fn m33_a_match_shorter_than_its_header_or_longer_than_its_entry_is_refused() {
    for length in [0, 1, 2, 3, 9, 16, 0xffff] {
        malformed_reply(FLOW, &entry(&match_of(length, &[]), &[]), ErrorCode::BAD_MATCH_BAD_LEN);
    }
}

#[test]
fn m34_a_field_of_the_wrong_length_or_class_is_refused() {
    // in_port (field 0, 4 bytes) of class 0x8000.
    malformed_reply(FLOW, &entry(&field(&[0x80, 0, 0, 0]), &[]), ErrorCode::BAD_MATCH_BAD_LEN);
    malformed_reply(FLOW, &entry(&field(&[0x80, 0, 0, 200, 0, 0, 0, 1]), &[]), ErrorCode::BAD_MATCH_BAD_LEN);
    // ipv4_src (field 11) with a mask: 8 bytes, never 7.
    malformed_reply(
        FLOW,
        &entry(&field(&[0x80, 0, 11 << 1 | 1, 7, 0, 0, 0, 0, 0, 0, 0]), &[]),
        ErrorCode::BAD_MATCH_BAD_LEN,
    );
}

#[test]
fn m34_a_field_of_an_unknown_class_in_a_reply_is_kept_as_it_is() {
    let mut trial = Trial::begin(InFlight);
    let body = entry(&field(&[0x12, 0x34, 0, 4, 0, 0, 0, 1]), &[]);
    trial.give(&multipart(trial.read, FLOW, false, &body));
    assert!(trial.read_result().is_some(), "the read ends");
    assert_eq!(trial.settle(), ["confirmed"; 3]);
}

#[test]
fn m35_an_instruction_of_the_wrong_length_is_refused() {
    for length in [0, 1, 2, 3, 4, 5, 6, 7, 16, 200] {
        let instruction = with(apply(&[]), 2, &[0, length]);
        malformed_reply(FLOW, &entry(&any(), &instruction), ErrorCode::BAD_INSTRUCTION_BAD_LEN);
    }
}

#[test]
fn m36_an_action_of_the_wrong_length_is_refused() {
    for length in [0, 1, 2, 3, 4, 5, 6, 7, 9, 12, 24, 200] {
        let action = with(output(), 2, &[0, length]);
        malformed_reply(FLOW, &entry(&any(), &apply(&action)), ErrorCode::BAD_ACTION_BAD_LEN);
    }
}

#[test]
fn m37_table_features_of_length_0_are_refused() {
    malformed_reply(TABLE_FEATURES, &[0; 64], ErrorCode::TABLE_FEATURES_FAILED_BAD_LEN);
}

#[test]
fn m38_a_table_feature_property_shorter_than_its_header_is_refused() {
    for length in 0..4 {
        let table = [&with(vec![0; 64], 0, &[0, 72])[..], &[0, 0, 0, length, 0, 0, 0, 0]].concat();
        malformed_reply(TABLE_FEATURES, &table, ErrorCode::TABLE_FEATURES_FAILED_BAD_LEN);
    }
}

#[test]
fn m39_a_group_of_length_0_is_refused() {
    malformed_reply(GROUP_DESC, &[0; 8], ErrorCode::BAD_REQUEST_BAD_LEN);
}

#[test]
fn m40_a_bucket_of_length_0_is_refused() {
    let group = [&[0, 24, 0, 0, 0, 0, 0, 1][..], &[0; 16]].concat();
    malformed_reply(GROUP_DESC, &group, ErrorCode::BAD_REQUEST_BAD_LEN);
}

#[test]
fn m41_an_action_of_length_0_in_a_bucket_is_refused() {
    let bucket = [&with(vec![0; 16], 0, &[0, 24])[..], &[0; 8]].concat();
    let group = [&[0, 32, 0, 0, 0, 0, 0, 1][..], &bucket].concat();
    malformed_reply(GROUP_DESC, &group, ErrorCode::BAD_ACTION_BAD_LEN);
}

#[test]
fn m42_a_meter_and_a_band_of_length_0_are_refused() {
    malformed_reply(METER_CONFIG, &[0; 8], ErrorCode::BAD_REQUEST_BAD_LEN);
    let band = [0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
    let meter = [&[0, 24, 0, 0, 0, 0, 0, 1][..], &band].concat();
    malformed_reply(METER_CONFIG, &meter, ErrorCode::BAD_REQUEST_BAD_LEN);
}

#[test]
fn m43_a_port_list_that_is_no_row_of_ports_is_refused() {
    for length in [1, 63, 65, 127] {
        malformed_reply(PORT_DESC, &vec![0; length], ErrorCode::BAD_REQUEST_BAD_LEN);
    }
}

#[test]
fn m43_a_port_name_without_an_end_or_not_in_utf_8_is_taken_as_it_is() {
    for name in [[b'x'; 16], [0xff; 16]] {
        let mut trial = Trial::begin(BeforeFeatures);
        trial.tell(trial.features, &features_reply());
        let ports = multipart(trial.sent[1].0, PORT_DESC, false, &with(vec![0; 64], 16, &name));
        trial.give(&ports);
        trial.goes_on();
        trial.describe();
        let is_ready = |event: &Event| matches!(event, Event::Ready(description) if description.ports.len() == 1);
        assert!(trial.events.iter().any(is_ready), "{:?}", trial.events);
    }
}

#[test]
fn m44_a_reply_without_end_is_given_up_at_its_bound_of_bytes_and_of_entries() {
    let limits = Config::default();
    assert_eq!((limits.read_bytes, limits.read_entries), (64 << 20, 1_000_000));
    let entries = entry(&any(), &[]).repeat(1_000);
    for config in [Config { read_bytes: 1 << 20, ..limits }, Config { read_entries: 10_000, ..limits }] {
        let mut trial = Trial::configured(InFlight, config);
        let part = multipart(trial.read, FLOW, true, &entries);
        let mut parts = 0;
        while trial.read_result().is_none() {
            trial.give(&part);
            parts += 1;
            assert!(parts < 20);
        }
        assert!(matches!(trial.read_result(), Some(Err(ReadError::TooLarge))));
        trial.give(&part);
        assert_eq!(trial.counted(), STRAY_REPLY, "what still comes is not kept");
        assert_eq!(trial.settle(), ["confirmed"; 3]);
    }
}

#[test]
fn m45_a_reply_that_falls_silent_in_the_middle_is_given_up() {
    let mut trial = Trial::begin(InFlight);
    trial.give(&multipart(trial.read, FLOW, true, &entry(&any(), &[])));
    for _ in 0..10 {
        assert!(trial.read_result().is_none());
        trial.give(&echo_request(0));
        trial.pass(Duration::from_secs(1));
    }
    assert!(matches!(trial.read_result(), Some(Err(ReadError::Timeout))));
    assert!(!trial.session.is_closed());
}

#[test]
fn m46_parts_of_different_types_are_no_answer() {
    let mut trial = Trial::begin(InFlight);
    trial.give(&multipart(trial.read, FLOW, true, &entry(&any(), &[])));
    trial.give(&multipart(trial.read, PORT_DESC, false, &[0; 64]));
    assert!(matches!(trial.read_result(), Some(Err(ReadError::MixedTypes))));
    assert_eq!(trial.settle(), ["confirmed"; 3]);
}

#[test]
fn m47_a_reply_with_an_unknown_xid_is_counted() {
    unasked(&multipart(NOBODY, FLOW, false, &entry(&any(), &[])), STRAY_REPLY);
}

#[test]
fn m48_two_replies_that_interleave_are_two_replies() {
    let mut trial = Trial::begin(InFlight);
    let other = Token(78);
    let command = Command::ReadFlows { token: other, request: FlowStatsRequest::default(), expected: 0 };
    trial.session.handle_command(command, trial.now);
    trial.look();
    let (first, (second, _)) = (trial.read, trial.sent[0].clone());
    for (xid, more, entries) in [(first, true, 1), (second, true, 2), (first, false, 3), (second, false, 4)] {
        trial.give(&multipart(xid, FLOW, more, &entry(&any(), &[]).repeat(entries)));
    }
    let lengths: Vec<_> = trial
        .events
        .iter()
        .map(|event| match event {
            Event::FlowsRead { token, result: Ok(entries) } => (*token, entries.len()),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(lengths, [(READ, 4), (other, 6)]);
}

#[test]
fn m49_a_reply_after_the_last_part_answers_nothing() {
    let mut trial = Trial::begin(InFlight);
    let last = multipart(trial.read, FLOW, false, &[]);
    trial.give(&last.repeat(2));
    assert!(matches!(trial.read_result(), Some(Ok(entries)) if entries.is_empty()));
    assert_eq!((trial.events.len(), trial.counted()), (1, STRAY_REPLY));
}

#[test]
fn m50_empty_parts_do_not_keep_a_read_open_for_ever() {
    let mut trial = Trial::begin(InFlight);
    let part = multipart(trial.read, FLOW, true, &[]);
    let barrier = bytes_of(trial.barrier, &Message::BarrierReply);
    trial.give(&barrier);
    for _ in 0..120 {
        assert!(trial.read_result().is_none());
        trial.give(&[echo_request(0), part.clone()].concat());
        trial.pass(Duration::from_secs(1));
    }
    assert!(matches!(trial.read_result(), Some(Err(ReadError::Timeout))));
}
