//! Input that attacks: each is an error that names the structure, in time that grows with the input and not faster.

use std::time::{Duration, Instant};

use bytes::{BufMut, Bytes, BytesMut};
use openflow::{
    DecodeError, ErrorCode, Experimenter, Fault, FrameError, Header, Hello, HelloElement, Message, MultipartReplyBody,
    PortNo, split_frame,
};

/// A message of this type with this body.
fn frame(message_type: u8, body: &[u8]) -> Bytes {
    let mut out = BytesMut::new();
    out.put_slice(&[4, message_type]);
    out.put_u16(u16::try_from(8 + body.len()).unwrap());
    out.put_u32(1);
    out.put_slice(body);
    out.freeze()
}

fn decode(message_type: u8, body: &[u8]) -> Result<Message, DecodeError> {
    Message::decode(&frame(message_type, body)).map(|(_, message)| message)
}

/// The structure in which decoding stopped.
fn stops_in(message_type: u8, body: &[u8]) -> &'static str {
    decode(message_type, body).expect_err("unlawful bytes").structure.name()
}

/// A multipart reply of this type with this body.
fn reply(number: u16, body: &[u8]) -> Vec<u8> {
    [&number.to_be_bytes()[..], &[0; 6], body].concat()
}

/// The same with a length of 16 bits at an offset.
fn with_length(bytes: &[u8], offset: usize, length: u16) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[offset..offset + 2].copy_from_slice(&length.to_be_bytes());
    bytes
}

/// A flow entry of 56 bytes.
fn flow_entry() -> Vec<u8> {
    [&[0, 56][..], &[0; 46], &[0, 1, 0, 4, 0, 0, 0, 0]].concat()
}

/// A FLOW_MOD with this match and these instructions.
fn flow_mod(flow_match: &[u8], instructions: &[u8]) -> Vec<u8> {
    [&[0; 40][..], flow_match, instructions].concat()
}

const MATCH_ALL: [u8; 8] = [0, 1, 0, 4, 0, 0, 0, 0];

#[test]
fn m01_and_m02_a_length_below_eight_is_an_error() {
    for length in 0..8 {
        let mut stream = BytesMut::from(&[4, 2, 0, length, 0, 0, 0, 0][..]);
        assert_eq!(split_frame(&mut stream), Err(FrameError::Short(length.into())));
        let error = Message::decode(&stream.freeze()).expect_err("a lying length");
        assert_eq!(error.fault, Fault::Length);
    }
}

#[test]
fn m03_a_message_of_65535_bytes_that_comes_byte_by_byte_is_waited_for() {
    let mut stream = BytesMut::from(&[4, 2, 0xff, 0xff, 0, 0, 0, 1][..]);
    for _ in 8..65_535 {
        assert_eq!(split_frame(&mut stream), Ok(None));
        assert!(stream.capacity() <= 2 * 65_536, "the buffer grows with what is promised, not beyond");
        stream.put_u8(0);
    }
    assert_eq!(split_frame(&mut stream).unwrap().map(|frame| frame.len()), Some(65_535));
}

#[test]
fn m04_and_m05_every_split_position_of_a_stream_gives_the_same_messages() {
    let bytes = [frame(2, b"one"), frame(3, b""), frame(20, b"")].concat();
    for split in 0..=bytes.len() {
        let (mut stream, mut count) = (BytesMut::new(), 0);
        for part in [&bytes[..split], &bytes[split..]] {
            stream.put_slice(part);
            while split_frame(&mut stream).unwrap().is_some() {
                count += 1;
            }
        }
        assert_eq!((count, stream.len()), (3, 0), "split at {split}");
    }
}

#[test]
fn m06_a_thousand_messages_in_one_segment_are_a_thousand_messages() {
    let mut stream = BytesMut::from(&frame(20, b"").repeat(1000)[..]);
    let mut count = 0;
    while split_frame(&mut stream).unwrap().is_some() {
        count += 1;
    }
    assert_eq!(count, 1000);
}

#[test]
fn m07_another_version_is_refused_but_in_hello() {
    for version in [0, 1, 5, 0xff] {
        let mut bytes = BytesMut::from(&frame(20, b"")[..]);
        bytes[0] = version;
        let error = Message::decode(&bytes.clone().freeze()).expect_err("another version");
        assert_eq!(error.code(), ErrorCode::BAD_REQUEST_BAD_VERSION);
        bytes[1] = 0;
        assert!(Message::decode(&bytes.freeze()).is_ok(), "HELLO of version {version}");
    }
}

#[test]
fn m08_types_that_do_not_exist_are_refused() {
    for message_type in 30..=255 {
        let error = decode(message_type, b"").expect_err("no such type");
        assert_eq!(error.code(), ErrorCode::BAD_REQUEST_BAD_TYPE);
    }
}

#[test]
fn m09_a_flow_mod_with_an_instruction_of_no_length_is_refused() {
    for length in 0..8 {
        let body = flow_mod(&MATCH_ALL, &[0, 4, 0, length, 0, 0, 0, 0]);
        let error = decode(14, &body).expect_err("an instruction of no length");
        assert_eq!(error.code(), ErrorCode::BAD_INSTRUCTION_BAD_LEN);
    }
}

#[test]
fn m10_a_body_longer_than_its_type_allows_is_refused() {
    let lengths: [(u8, usize); 16] = [
        (5, 0),
        (6, 24),
        (7, 0),
        (8, 4),
        (9, 4),
        (12, 72),
        (16, 32),
        (17, 8),
        (20, 0),
        (21, 0),
        (22, 8),
        (24, 16),
        (25, 16),
        (26, 0),
        (27, 24),
        (28, 24),
    ];
    for (message_type, length) in lengths {
        assert!(decode(message_type, &vec![0; length]).is_ok(), "type {message_type}");
        let error = decode(message_type, &vec![0; length + 1]).expect_err("a byte too many");
        assert_eq!((error.fault, error.remaining), (Fault::Trailing, 1), "type {message_type}");
        assert_eq!(error.code(), ErrorCode::BAD_REQUEST_BAD_LEN);
        if length > 0 {
            assert!(decode(message_type, &vec![0; length - 1]).is_err(), "type {message_type}");
        }
    }
}

#[test]
fn m10_padding_that_is_not_zero_is_ignored() {
    let mut body = vec![0; 8];
    body[4..].copy_from_slice(&[1, 2, 3, 4]);
    assert!(decode(22, &body).is_ok());
}

#[test]
fn m11_to_m13_hello_elements_with_lying_lengths_are_refused() {
    for length in [0, 1, 2, 3, 9, 0xffff] {
        assert_eq!(stops_in(0, &with_length(&[0, 1, 0, 0, 0, 0, 0, 16], 2, length)), "ofp_hello_elem");
    }
}

#[test]
fn m14_a_bitmap_that_is_no_multiple_of_four_bytes_is_refused() {
    assert_eq!(stops_in(0, &[0, 1, 0, 7, 0, 0, 16, 0]), "ofp_hello_elem");
}

#[test]
fn m15_a_bitmap_without_this_version_says_so() {
    let Ok(Message::Hello(hello)) = decode(0, &[0, 1, 0, 8, 0, 0, 0, 2]) else { panic!("a HELLO") };
    assert_eq!(hello.versions().map(|versions| versions >> 4 & 1), Some(0));
    assert_eq!(Hello::with_versions(&[1, 4]).versions(), Some(0b1_0010));
    assert_eq!(Hello::default().versions(), None);
    assert_eq!(Hello { elements: vec![HelloElement::VersionBitmap(vec![])], ..Hello::default() }.versions(), Some(0));
}

#[test]
fn m16_eight_thousand_empty_elements_are_read_in_linear_time() {
    let element = [0, 9, 0, 4, 0, 0, 0, 0];
    let Ok(Message::Hello(hello)) = decode(0, &element.repeat(8000)) else { panic!("a HELLO") };
    assert_eq!(hello.elements.len(), 8000);
}

#[test]
fn m21_a_features_reply_short_by_any_number_of_bytes_is_refused() {
    for length in 0..24 {
        assert_eq!(stops_in(6, &vec![0; length]), "ofp_switch_features");
    }
}

#[test]
fn m30_to_m32_flow_entries_with_lying_lengths_are_refused() {
    let entry = flow_entry();
    assert!(decode(19, &reply(1, &entry)).is_ok());
    for length in [0, 1, 8, 48, 55, 57, 64, 0xffff] {
        assert_eq!(stops_in(19, &reply(1, &with_length(&entry, 0, length))), "ofp_flow_stats", "length {length}");
    }
}

#[test]
fn m33_matches_with_lying_lengths_are_refused() {
    for length in [0, 3, 9, 0xffff] {
        assert_eq!(stops_in(19, &reply(1, &with_length(&flow_entry(), 50, length))), "ofp_match", "length {length}");
    }
}

#[test]
fn m34_fields_with_lying_lengths_are_refused() {
    for field in [
        [0x80, 0, 10, 0, 0, 0, 0, 0],
        [0x80, 0, 10, 5, 8, 0, 0, 0],
        [0x80, 0, 10, 1, 8, 0, 0, 0],
        [0x80, 0, 11, 3, 8, 0, 0, 0],
    ] {
        let body = flow_mod(&[&[0, 1, 0, 12][..], &field, &[0; 4]].concat(), &[]);
        let error = decode(14, &body).expect_err("a field that lies");
        assert!(
            [ErrorCode::BAD_MATCH_BAD_LEN, ErrorCode::BAD_MATCH_BAD_MASK].contains(&error.code()),
            "{field:?}: {error}"
        );
    }
    let unknown_class = [0, 1, 0, 10, 0x12, 0x34, 2, 2, 1, 2, 0, 0, 0, 0, 0, 0];
    assert!(decode(14, &flow_mod(&unknown_class, &[])).is_ok(), "an unknown class survives");
}

#[test]
fn m35_instructions_with_lying_lengths_are_refused() {
    for length in [0, 1, 7, 9, 12, 24, 0xffff] {
        let body = flow_mod(&MATCH_ALL, &with_length(&[0, 1, 0, 8, 5, 0, 0, 0], 2, length));
        assert_eq!(stops_in(14, &body), "ofp_instruction", "length {length}");
    }
}

#[test]
fn m36_actions_with_lying_lengths_are_refused() {
    for length in [0, 1, 7, 9, 12, 24, 0xffff] {
        let action = with_length(&[0, 24, 0, 8, 0, 0, 0, 0], 2, length);
        let body = flow_mod(&MATCH_ALL, &[&[0, 4, 0, 16, 0, 0, 0, 0][..], &action].concat());
        assert_eq!(stops_in(14, &body), "ofp_action", "length {length}");
    }
}

#[test]
fn m37_table_features_with_lying_lengths_are_refused() {
    let table = [&[0, 64][..], &[0; 62]].concat();
    assert!(decode(19, &reply(12, &table)).is_ok());
    for length in [0, 1, 63, 65, 0xffff] {
        let error = decode(19, &reply(12, &with_length(&table, 0, length))).expect_err("a lying length");
        assert_eq!(error.code(), ErrorCode::TABLE_FEATURES_FAILED_BAD_LEN, "length {length}");
    }
}

#[test]
fn m38_properties_of_tables_with_lying_lengths_are_refused() {
    for length in [0, 1, 3, 9, 0xffff] {
        let property = with_length(&[0, 2, 0, 4, 0, 0, 0, 0], 2, length);
        let table = [&[0, 72][..], &[0; 62], &property].concat();
        assert_eq!(stops_in(19, &reply(12, &table)), "ofp_table_feature_prop_header", "length {length}");
    }
}

#[test]
fn m39_group_descriptions_with_lying_lengths_are_refused() {
    for length in [0, 1, 7, 9, 0xffff] {
        assert_eq!(stops_in(19, &reply(7, &with_length(&[0, 8, 0, 0, 0, 0, 0, 1], 0, length))), "ofp_group_desc");
    }
}

#[test]
fn m40_and_m41_buckets_and_their_actions_with_lying_lengths_are_refused() {
    let bucket = [&[0, 24, 0, 0][..], &[0xff; 8], &[0; 4], &[0, 24, 0, 8, 0, 0, 0, 0]].concat();
    let group = |bucket: &[u8]| reply(7, &[&[0, 32, 0, 0, 0, 0, 0, 1][..], bucket].concat());
    assert!(decode(19, &group(&bucket)).is_ok());
    for length in [0, 1, 15, 17, 25, 0xffff] {
        let structure = stops_in(19, &group(&with_length(&bucket, 0, length)));
        assert!(["ofp_bucket", "ofp_action"].contains(&structure), "length {length}: {structure}");
        assert!(decode(15, &[&[0, 0, 0, 0, 0, 0, 0, 1][..], &with_length(&bucket, 0, length)].concat()).is_err());
    }
    for length in [0, 1, 7, 9, 16] {
        assert_eq!(stops_in(19, &group(&with_length(&bucket, 18, length))), "ofp_action", "length {length}");
    }
}

#[test]
fn m42_meters_and_bands_with_lying_lengths_are_refused() {
    let meter = [0, 24, 0, 1, 0, 0, 0, 1, 0, 1, 0, 16, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0];
    assert!(decode(19, &reply(10, &meter)).is_ok());
    for length in [0, 1, 7, 25, 0xffff] {
        assert_eq!(stops_in(19, &reply(10, &with_length(&meter, 0, length))), "ofp_meter_config", "length {length}");
    }
    for length in [0, 1, 15, 17, 0xffff] {
        let body = with_length(&meter, 10, length);
        assert_eq!(stops_in(19, &reply(10, &body)), "ofp_meter_band_header", "length {length}");
    }
}

#[test]
fn m43_ports_that_are_no_multiple_of_64_bytes_are_refused_and_any_name_is_kept() {
    let mut port = vec![0; 64];
    port[16..32].copy_from_slice(&[0xff; 16]);
    let Ok(Message::MultipartReply(ports)) = decode(19, &reply(13, &port)) else { panic!("a reply") };
    let MultipartReplyBody::PortDesc(ports) = ports.body else { panic!("ports") };
    assert_eq!((ports[0].port_no, ports[0].name.0), (PortNo(0), [0xff; 16]), "no NUL, no UTF-8");
    assert_eq!(ports[0].name.to_string().chars().count(), 16);
    for length in [1, 32, 63, 65, 127] {
        assert_eq!(stops_in(19, &reply(13, &vec![0; length])), "ofp_port", "{length} bytes");
    }
}

#[test]
fn m50_an_empty_body_with_more_to_come_is_a_part_like_any_other() {
    let Ok(Message::MultipartReply(part)) = decode(19, &[0, 1, 0, 1, 0, 0, 0, 0]) else { panic!("a reply") };
    assert_eq!((part.more, part.body), (true, MultipartReplyBody::Flow(vec![])));
}

#[test]
fn m51_queues_and_their_properties_with_lying_lengths_are_refused() {
    let property = [0, 1, 0, 16, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0];
    let queue = [&[0, 0, 0, 1, 0, 0, 0, 1, 0, 32, 0, 0, 0, 0, 0, 0][..], &property].concat();
    let reply = |queue: &[u8]| [&[0; 8][..], queue].concat();
    assert!(decode(23, &reply(&queue)).is_ok());
    for length in [0, 1, 15, 33, 0xffff] {
        assert_eq!(stops_in(23, &reply(&with_length(&queue, 8, length))), "ofp_packet_queue", "length {length}");
    }
    for length in [0, 1, 7, 8, 15, 17, 0xffff] {
        let structure = stops_in(23, &reply(&with_length(&queue, 18, length)));
        assert_eq!(structure, "ofp_queue_prop_header", "length {length}");
    }
}

#[test]
fn m52_bundle_messages_with_lying_lengths_are_refused() {
    let control =
        |property: &[u8]| [&[0x4f, 0x4e, 0x46, 0, 0, 0, 8, 0xfc, 0, 0, 0, 1, 0, 1, 0, 0][..], property].concat();
    assert!(decode(4, &control(&[])).is_ok());
    for length in [0, 1, 3, 9, 0xffff] {
        let property = with_length(&[0xff, 0xff, 0, 8, 0, 0, 0, 0], 2, length);
        assert_eq!(stops_in(4, &control(&property)), "onf_bundle_prop_header", "length {length}");
    }
    let add = |inner: &[u8]| [&[0x4f, 0x4e, 0x46, 0, 0, 0, 8, 0xfd, 0, 0, 0, 1, 0, 0, 0, 0][..], inner].concat();
    assert!(decode(4, &add(&[4, 20, 0, 8, 0, 0, 0, 1])).is_ok());
    for length in [0, 7, 9, 0xffff] {
        assert_eq!(stops_in(4, &add(&with_length(&[4, 20, 0, 8, 0, 0, 0, 1], 2, length))), "onf_bundle_add_msg");
    }
}

#[test]
fn m52_a_bundle_in_a_bundle_is_refused_before_it_is_read() {
    let mut inner = frame(20, b"").to_vec();
    for _ in 0..1000 {
        let add = [0x4f, 0x4e, 0x46, 0, 0, 0, 8, 0xfd, 0, 0, 0, 1, 0, 0, 0, 0];
        inner = frame(4, &[&add[..], &inner].concat()).to_vec();
    }
    let error = Message::decode(&inner.into()).expect_err("a bundle in a bundle");
    assert_eq!(error.code(), ErrorCode::BAD_REQUEST_BAD_EXP_TYPE);
}

#[test]
fn m53_a_role_that_does_not_exist_is_refused() {
    let error = decode(25, &[&[0, 0, 0, 7][..], &[0; 12]].concat()).expect_err("role 7");
    assert_eq!(error.code(), ErrorCode::ROLE_REQUEST_FAILED_BAD_ROLE);
}

#[test]
fn m55_an_unknown_experimenter_of_65519_bytes_survives() {
    let body = [&[0, 0, 0x23, 0x20, 0, 0, 0, 99][..], &vec![7; 65_519]].concat();
    let frame = frame(4, &body);
    let (xid, message) = Message::decode(&frame).unwrap();
    assert!(matches!(&message, Message::Experimenter(Experimenter::Other(other)) if other.data.len() == 65_519));
    let mut out = BytesMut::new();
    message.encode(xid, &mut out).unwrap();
    assert_eq!(out, frame);
}

#[test]
fn m56_an_error_with_few_bytes_of_data_decodes() {
    for length in 0..8 {
        let body = [&[0, 5, 0, 1][..], &vec![4; length]].concat();
        let Ok(Message::Error(error)) = decode(1, &body) else { panic!("an ERROR") };
        assert_eq!((error.data.len(), error.failed()), (length, None));
    }
    for length in 0..4 {
        assert!(decode(1, &vec![0; length]).is_err());
    }
}

#[test]
fn m57_an_error_of_unknown_type_and_code_has_numbers_for_names() {
    let Ok(Message::Error(error)) = decode(1, &[0x12, 0x34, 0x56, 0x78]) else { panic!("an ERROR") };
    assert_eq!((error.type_name().as_ref(), error.code_name().as_ref()), ("4660", "22136"));
}

#[test]
fn m63_a_barrier_reply_with_a_body_is_refused() {
    assert_eq!(decode(21, &[0]).map_err(|error| error.fault), Err(Fault::Trailing));
}

#[test]
fn m68_a_packet_in_shorter_than_its_total_length_decodes() {
    let body = [&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0][..], &[0; 8], &MATCH_ALL, &[0, 0, 1, 2, 3]].concat();
    let Ok(Message::PacketIn(packet)) = decode(10, &body) else { panic!("a packet") };
    assert_eq!((packet.total_len, &packet.data[..]), (0xffff, &[1, 2, 3][..]));
}

#[test]
fn m69_a_flow_removed_for_an_unknown_reason_decodes() {
    let mut body = [&[0; 40][..], &MATCH_ALL].concat();
    body[10] = 255;
    let Ok(Message::FlowRemoved(removed)) = decode(11, &body) else { panic!("a FLOW_REMOVED") };
    assert_eq!(removed.reason, openflow::FlowRemovedReason::Unknown(255));
}

#[test]
fn m73_updates_of_flow_monitors_with_lying_lengths_are_refused() {
    for length in [0, 1, 4, 7, 9, 16, 0xffff] {
        let update = with_length(&[0, 8, 0, 3, 0, 0, 0, 1], 0, length);
        let body = [&[0x4f, 0x4e, 0x46, 0, 0, 0, 7, 0x4e][..], &update].concat();
        assert_eq!(stops_in(19, &reply(0xffff, &body)), "onf_flow_update_header", "length {length}");
    }
}

/// The best of several rounds of decoding.
fn time(frame: &Bytes) -> Duration {
    let round = || {
        let start = Instant::now();
        let _ = Message::decode(frame);
        start.elapsed()
    };
    (0..5).map(|_| round()).min().unwrap()
}

#[test]
fn the_time_grows_with_the_input_and_not_faster() {
    // The smallest elements of each list, 4 KiB of them and 16 times as many: linear is 16, quadratic is 256.
    let unknown_field = |number: u16| [number.to_be_bytes(), [0, 0]].concat();
    let fields = |count: u16| {
        let fields: Vec<u8> = (1..=count).flat_map(unknown_field).collect();
        let length = u16::try_from(4 + fields.len()).unwrap();
        let padding = vec![0; usize::from(length.next_multiple_of(8) - length)];
        [&[0, 1][..], &length.to_be_bytes(), &fields, &padding].concat()
    };
    let action = [0, 24, 0, 8, 0, 0, 0, 0];
    let actions = |count: usize| {
        let length = u16::try_from(8 + 8 * count).unwrap();
        [&[0, 4][..], &length.to_be_bytes(), &[0; 4], &action.repeat(count)].concat()
    };
    for (name, short, long) in [
        ("fields", frame(14, &flow_mod(&fields(1000), &[])), frame(14, &flow_mod(&fields(16_000), &[]))),
        ("actions", frame(14, &flow_mod(&MATCH_ALL, &actions(500))), frame(14, &flow_mod(&MATCH_ALL, &actions(8000)))),
        ("entries", frame(19, &reply(1, &flow_entry().repeat(70))), frame(19, &reply(1, &flow_entry().repeat(1120)))),
        ("hello", frame(0, &[0, 9, 0, 4, 0, 0, 0, 0].repeat(500)), frame(0, &[0, 9, 0, 4, 0, 0, 0, 0].repeat(8000))),
    ] {
        assert!(Message::decode(&long).is_ok(), "{name}");
        let ratio = time(&long).as_secs_f64() / time(&short).as_secs_f64().max(1e-9);
        assert!(ratio < 100.0, "{name}: 16 times the input took {ratio:.0} times as long");
    }
}

#[test]
fn an_update_of_a_flow_monitor_is_a_multiple_of_eight_bytes_long() {
    let update = [0, 12, 0xff, 0xff, 0, 0, 0, 1, 0, 0, 0, 0];
    let body = [&0x4f4e_4600_u32.to_be_bytes()[..], &1870_u32.to_be_bytes(), &update].concat();
    let error = decode(19, &reply(0xffff, &body)).unwrap_err();
    assert_eq!((error.fault, error.structure.name()), (Fault::Length, "onf_flow_update_header"));
}

#[test]
fn a_header_is_there_or_not() {
    for length in 0..8 {
        assert_eq!(Header::peek(&vec![4; length]), None);
    }
}

#[test]
fn a_message_longer_than_its_length_can_say_is_not_encoded() {
    let mut out = BytesMut::from(&b"before"[..]);
    let echo = |length| Message::EchoRequest(openflow::Echo { data: vec![0; length].into() });
    let error = echo(65_528).encode(openflow::Xid(1), &mut out).expect_err("65,536 bytes");
    assert_eq!(error, openflow::EncodeError::TooLong(65_536));
    assert_eq!(&out[..], b"before", "nothing is left of it");
    echo(65_527).encode(openflow::Xid(1), &mut out).unwrap();
    assert_eq!(out.len(), 6 + 65_535);
}
