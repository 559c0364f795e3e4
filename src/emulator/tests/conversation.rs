//! From HELLO to the end of the connection.

use bytes::{Bytes, BytesMut};
use openflow::{Echo, ErrorCode, Hello, Message, OFP_VERSION, SwitchConfig as WireConfig, Xid};

use super::*;

/// A HELLO as a peer of another version would send it.
fn hello(version: u8, bitmap: &[u8]) -> BytesMut {
    let mut bytes = BytesMut::new();
    let hello = if bitmap.is_empty() { Hello::default() } else { Hello::with_versions(bitmap) };
    Message::Hello(hello).encode(Xid(7), &mut bytes).unwrap();
    bytes[0] = version;
    bytes
}

#[test]
fn the_switch_speaks_first_and_offers_its_versions() {
    let mut stage = Stage::opened(config());
    let said = stage.hear();
    let [(_, Message::Hello(hello))] = said.as_slice() else { panic!("{said:?}") };
    assert_eq!(hello.versions(), Some(1 << OFP_VERSION));
}

#[test]
fn a_common_bit_in_both_bitmaps_decides_whatever_the_versions_say() {
    let mut stage = Stage::opened(config());
    stage.hear();
    assert_eq!(stage.say_bytes(hello(6, &[1, 4, 6])), []);
    assert!(stage.switch.is_connected());
}

#[test]
fn without_a_bitmap_the_smaller_version_decides() {
    let mut stage = Stage::opened(config());
    stage.hear();
    assert_eq!(stage.say_bytes(hello(6, &[])), []);
    assert!(stage.switch.is_connected());
}

#[test]
fn a_controller_without_a_common_version_gets_hello_failed_and_the_end() {
    for mut greeting in [hello(1, &[]), hello(6, &[1, 6])] {
        let mut stage = Stage::opened(SwitchConfig { versions: [OFP_VERSION].into(), ..config() });
        stage.hear();
        greeting[0] = 1;
        let said = stage.say_bytes(greeting);
        let [(Xid(7), Message::Error(error))] = said.as_slice() else { panic!("{said:?}") };
        assert_eq!(error.error_code(), ErrorCode::HELLO_FAILED_INCOMPATIBLE);
        assert!(stage.switch.is_closed(stage.channel));
    }
}

#[test]
fn a_switch_of_another_version_says_so_in_its_hello() {
    let mut switch = Switch::new(SwitchConfig { versions: [1].into(), version_bitmap: false, ..config() });
    let channel = switch.open(Instant::now());
    let mut output = BytesMut::new();
    switch.poll_transmit(channel, &mut output);
    assert_eq!(output[..], [1, 0, 0, 8, 0, 0, 0, 1]);
}

#[test]
fn whoever_does_not_start_with_hello_is_left() {
    let mut stage = Stage::opened(config());
    stage.hear();
    assert_eq!(stage.say(&Message::FeaturesRequest), []);
    assert!(stage.switch.is_closed(stage.channel));
}

#[test]
fn a_length_below_eight_ends_the_conversation() {
    let mut stage = Stage::ready(config());
    stage.say_bytes(BytesMut::from(&[4, 2, 0, 7, 0, 0, 0, 1][..]));
    assert!(stage.switch.is_closed(stage.channel));
}

#[test]
fn features_name_the_switch() {
    let mut stage = Stage::ready(SwitchConfig { n_tables: 7, ..SwitchConfig::new(DatapathId(0xabc)) });
    let said = stage.say(&Message::FeaturesRequest);
    let [(_, Message::FeaturesReply(features))] = said.as_slice() else { panic!("{said:?}") };
    assert_eq!((features.datapath_id, features.n_tables, features.auxiliary_id), (DatapathId(0xabc), 7, 0));
}

#[test]
fn an_echo_comes_back_with_its_data_and_its_xid() {
    let mut stage = Stage::ready(config());
    let echo = Echo { data: Bytes::from_static(b"still there?") };
    let said = stage.say(&Message::EchoRequest(echo.clone()));
    assert_eq!(said, [(Xid(stage.last_xid), Message::EchoReply(echo))]);
}

#[test]
fn the_configuration_is_what_was_set() {
    let mut stage = Stage::ready(config());
    let wanted = WireConfig { flags: 1, miss_send_len: 64 };
    assert_eq!(stage.say(&Message::SetConfig(wanted.clone())), []);
    assert_eq!(stage.say(&Message::GetConfigRequest)[0].1, Message::GetConfigReply(wanted));
}

#[test]
fn a_barrier_is_answered_after_everything_before_it() {
    let mut stage = Stage::ready(config());
    let mut bytes = BytesMut::new();
    Message::FlowMod(FlowMod { table_id: openflow::TableId::ALL, ..flow(1) }).encode(Xid(1), &mut bytes).unwrap();
    Message::FlowMod(flow(2)).encode(Xid(2), &mut bytes).unwrap();
    Message::BarrierRequest.encode(Xid(3), &mut bytes).unwrap();
    let said = stage.say_bytes(bytes);
    let [(Xid(1), Message::Error(_)), (Xid(3), Message::BarrierReply)] = said.as_slice() else { panic!("{said:?}") };
    assert_eq!(stage.priorities(), [2]);
}

#[test]
fn a_stream_means_the_same_wherever_it_is_cut() {
    let mut bytes = BytesMut::new();
    Message::FlowMod(flow(2)).encode(Xid(2), &mut bytes).unwrap();
    Message::BarrierRequest.encode(Xid(3), &mut bytes).unwrap();
    for cut in 0..bytes.len() {
        let mut stage = Stage::ready(config());
        let mut input = BytesMut::from(&bytes[..cut]);
        stage.switch.handle_input(stage.channel, &mut input, stage.now);
        input.extend_from_slice(&bytes[cut..]);
        stage.switch.handle_input(stage.channel, &mut input, stage.now);
        assert_eq!(stage.hear(), [(Xid(3), Message::BarrierReply)], "cut at {cut}");
        assert_eq!(stage.priorities(), [2]);
    }
}

#[test]
fn an_error_quotes_the_first_64_bytes_of_what_it_is_about() {
    let mut stage = Stage::ready(config());
    let wrong = FlowMod { table_id: openflow::TableId::ALL, ..flow(9) };
    let mut bytes = BytesMut::new();
    Message::FlowMod(wrong).encode(Xid(0x1234), &mut bytes).unwrap();
    let sent = bytes.clone();
    let said = stage.say_bytes(bytes);
    let [(Xid(0x1234), Message::Error(error))] = said.as_slice() else { panic!("{said:?}") };
    assert_eq!(error.data[..], sent[..64]);
}

#[test]
fn another_version_after_hello_is_a_bad_request() {
    let mut stage = Stage::ready(config());
    let said = stage.say_bytes(BytesMut::from(&[1, 5, 0, 8, 0, 0, 0, 9][..]));
    let [(Xid(9), Message::Error(error))] = said.as_slice() else { panic!("{said:?}") };
    assert_eq!(error.error_code(), ErrorCode::BAD_REQUEST_BAD_VERSION);
    assert!(!stage.switch.is_closed(stage.channel));
}

#[test]
fn what_a_controller_cannot_say_is_a_bad_type() {
    let mut stage = Stage::ready(config());
    let said = stage.say(&Message::BarrierReply);
    let [(_, Message::Error(error))] = said.as_slice() else { panic!("{said:?}") };
    assert_eq!(error.error_code(), ErrorCode::BAD_REQUEST_BAD_TYPE);
}

#[test]
fn a_controller_that_does_not_read_is_not_listened_to() {
    let mut stage = Stage::ready(config());
    let mut bytes = BytesMut::new();
    for xid in 0..100_000 {
        Message::BarrierRequest.encode(Xid(xid), &mut bytes).unwrap();
    }
    stage.switch.handle_input(stage.channel, &mut bytes, stage.now);
    assert!(!stage.switch.wants_input(stage.channel));
    let mut answers = 0;
    while !bytes.is_empty() {
        answers += stage.hear().len();
        stage.switch.handle_input(stage.channel, &mut bytes, stage.now);
    }
    assert_eq!(answers + stage.hear().len(), 100_000);
}
