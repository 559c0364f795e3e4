//! Beginnings: what opens a session, and what ends it before it is ready.

use super::*;

#[test]
fn the_first_message_is_a_hello_that_offers_only_1_3() {
    let (_, message) = Script::begin().only_sent();
    let Message::Hello(hello) = message else { panic!("{message:?}") };
    assert_eq!(hello.versions(), Some(1 << 4));
}

#[test]
fn a_switch_without_a_description_is_ready_all_the_same() {
    Script::ready();
}

#[test]
fn a_switch_of_openflow_1_0_is_told_hello_failed_with_both_versions() {
    let mut script = Script::begin();
    script.sent();
    script.raw(&[1, 0, 0, 8, 0, 0, 0, 7]);
    let (xid, Message::Error(error)) = script.only_sent() else { panic!("expected an error") };
    assert_eq!((xid, error.error_code()), (Xid(7), ErrorCode::HELLO_FAILED_INCOMPATIBLE));
    let text = String::from_utf8(error.data.to_vec()).unwrap();
    assert!(text.contains("0x01") && text.contains("0x04"), "{text}");
    assert_eq!(script.close_reason(), CloseReason::Version { peer: 1 });
}

#[test]
fn a_newer_switch_without_a_bitmap_falls_back_to_1_3() {
    let mut script = Script::begin();
    script.sent();
    script.raw(&[6, 0, 0, 8, 0, 0, 0, 7]);
    assert!(matches!(script.only_sent().1, Message::FeaturesRequest));
}

#[test]
fn a_bitmap_without_1_3_is_refused_whatever_the_header_says() {
    let mut script = Script::begin();
    script.sent();
    script.raw(&[6, 0, 0, 16, 0, 0, 0, 7, 0, 1, 0, 8, 0, 0, 0, 0b0110_0010]);
    assert!(matches!(script.only_sent().1, Message::Error(_)));
    assert_eq!(script.close_reason(), CloseReason::Version { peer: 6 });
}

#[test]
fn anything_but_hello_first_ends_the_session() {
    let mut script = Script::begin();
    script.reply(Xid(1), &Message::EchoRequest(Echo { data: Bytes::new() }));
    assert_eq!(script.close_reason(), CloseReason::NoHello);
}

#[test]
fn hello_failed_from_the_switch_ends_the_session_with_its_words() {
    let mut script = Script::begin();
    let error = ErrorMsg::new(ErrorCode::HELLO_FAILED_INCOMPATIBLE, Bytes::from_static(b"too new"));
    script.reply(Xid(1), &Message::Error(error));
    assert_eq!(script.close_reason(), CloseReason::VersionRefused("too new".to_owned()));
}

#[test]
fn silence_in_the_handshake_ends_the_session() {
    let mut script = Script::begin();
    script.pass(Duration::from_millis(9_999));
    assert!(script.events().is_empty());
    script.pass(Duration::from_millis(1));
    assert_eq!(script.close_reason(), CloseReason::HandshakeTimeout);
    assert_eq!(script.session.poll_timeout(), None);
}

#[test]
fn datapath_id_0_and_auxiliary_connections_are_refused() {
    for (datapath_id, auxiliary_id, expected) in [(0, 0, CloseReason::NoDatapathId), (7, 3, CloseReason::Auxiliary(3))]
    {
        let mut script = Script::begin();
        script.sent();
        script.reply(Xid(9), &Message::Hello(Hello::with_versions(&[OFP_VERSION])));
        let (xid, _) = script.only_sent();
        let Message::FeaturesReply(features) = features_reply() else { unreachable!() };
        let features = FeaturesReply { datapath_id: DatapathId(datapath_id), auxiliary_id, ..features };
        script.reply(xid, &Message::FeaturesReply(features));
        assert_eq!(script.close_reason(), expected);
    }
}

#[test]
fn a_features_reply_with_another_xid_is_not_taken() {
    let mut script = Script::begin();
    script.sent();
    script.reply(Xid(9), &Message::Hello(Hello::with_versions(&[OFP_VERSION])));
    let (xid, _) = script.only_sent();
    script.reply(Xid(xid.0 + 1), &features_reply());
    assert!(script.sent().is_empty());
    assert_eq!(script.session.counters().stray_replies, 1);
}
