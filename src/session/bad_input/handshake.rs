//! HELLO and FEATURES_REPLY that are wrong, late, repeated or missing.

use openflow::{MultipartReply, MultipartReplyBody};

use super::*;

fn hello(version: u8, elements: &[u8]) -> Vec<u8> {
    with(raw(0, NOBODY, elements), 0, &[version])
}

/// An element of this type and claimed length, in 8 bytes.
fn element(element_type: u16, length: u16) -> Vec<u8> {
    [&element_type.to_be_bytes()[..], &length.to_be_bytes(), &[0, 0, 0, 0x10]].concat()
}

#[test]
fn m11_a_hello_element_of_length_0_is_refused() {
    for element_type in [1, 2] {
        malformed(&hello(OFP_VERSION, &element(element_type, 0)), ErrorCode::BAD_REQUEST_BAD_LEN);
    }
}

#[test]
fn m12_a_hello_element_shorter_than_its_header_is_refused() {
    for length in 1..4 {
        malformed(&hello(OFP_VERSION, &element(1, length)), ErrorCode::BAD_REQUEST_BAD_LEN);
    }
}

#[test]
fn m13_a_hello_element_longer_than_its_hello_is_refused() {
    for length in [9, 16, 0xffff] {
        malformed(&hello(OFP_VERSION, &element(1, length)), ErrorCode::BAD_REQUEST_BAD_LEN);
    }
}

#[test]
fn m14_a_version_bitmap_that_is_no_row_of_words_is_refused() {
    for length in [5, 6, 7] {
        malformed(&hello(OFP_VERSION, &element(1, length)), ErrorCode::BAD_REQUEST_BAD_LEN);
    }
}

#[test]
fn m15_a_bitmap_without_1_3_is_answered_with_hello_failed() {
    let bytes = bytes_of(NOBODY, &Message::Hello(Hello::with_versions(&[1, 5, 6])));
    let mut trial = Trial::begin(BeforeHello);
    trial.give(&bytes);
    assert_eq!(trial.errors(), [ErrorCode::HELLO_FAILED_INCOMPATIBLE]);
    assert_eq!(trial.closed(), CloseReason::Version { peer: 4 });
    for state in [BeforeFeatures, InFlight] {
        let mut trial = Trial::begin(state);
        trial.give(&bytes);
        trial.goes_on();
        assert_eq!(trial.counted(), IGNORED, "the version is agreed");
    }
}

#[test]
fn m16_a_hello_full_of_empty_elements_is_read_once_and_kept_nowhere() {
    let bytes = hello(OFP_VERSION, &[0, 9, 0, 4].repeat(16_000));
    let mut trial = Trial::begin(BeforeHello);
    trial.give(&bytes);
    trial.goes_on();
    assert!(matches!(trial.sent.as_slice(), [(_, Message::FeaturesRequest)]), "without a bitmap the header decides");
}

#[test]
fn m17_anything_but_hello_first_ends_the_session() {
    let (features, error) = (bytes_of(NOBODY, &features_reply()), bytes_of(NOBODY, &table_full()));
    for bytes in [echo_request(0), features, error, packet_in(64, 64)] {
        let mut trial = Trial::begin(BeforeHello);
        trial.give(&bytes);
        assert_eq!(trial.closed(), CloseReason::NoHello);
    }
}

#[test]
fn m18_silence_and_one_byte_every_four_seconds_are_given_up() {
    for state in STATES {
        for byte in [None, Some(0x04)] {
            let mut trial = Trial::begin(state);
            for _ in 0..3 {
                trial.goes_on();
                trial.pass(Duration::from_secs(4));
                trial.give(byte.as_slice());
            }
            let expected = if state == InFlight { CloseReason::Unresponsive } else { CloseReason::HandshakeTimeout };
            assert_eq!(trial.closed(), expected);
        }
    }
}

#[test]
fn m19_a_second_hello_is_ignored() {
    let bytes = bytes_of(NOBODY, &Message::Hello(Hello::with_versions(&[OFP_VERSION])));
    for state in [BeforeFeatures, InFlight] {
        let mut trial = Trial::begin(state);
        trial.give(&bytes);
        trial.goes_on();
        assert_eq!(trial.counted(), IGNORED);
        assert!(trial.sent.is_empty());
    }
    let mut trial = Trial::begin(BeforeHello);
    trial.give(&bytes.repeat(2));
    trial.goes_on();
    assert_eq!(trial.sent.len(), 1, "one FEATURES_REQUEST");
}

#[test]
fn m20_hello_failed_from_the_peer_ends_the_handshake_with_its_words_made_harmless() {
    let words = Bytes::from([b"\x1b[31mno\r\nsuch version ".as_slice(), &[b'x'; 60_000]].concat());
    let bytes = bytes_of(NOBODY, &Message::Error(ErrorMsg::new(ErrorCode::HELLO_FAILED_INCOMPATIBLE, words)));
    for state in [BeforeHello, BeforeFeatures] {
        let mut trial = Trial::begin(state);
        trial.give(&bytes);
        let CloseReason::VersionRefused(words) = trial.closed() else { panic!("{:?}", trial.events) };
        assert!(words.starts_with(r"\u{1b}[31mno\r\nsuch version xx"), "{words}");
        assert!(words.len() < 200, "{words}");
    }
    let mut trial = Trial::begin(InFlight);
    trial.give(&bytes);
    assert_eq!(trial.counted(), STRAY_ERROR);
    assert_eq!(trial.settle(), ["confirmed"; 3]);
}

#[test]
fn m21_a_features_reply_that_is_short_is_refused() {
    let whole = bytes_of(NOBODY, &features_reply());
    for missing in 1..=24 {
        let body = &whole[8..whole.len() - missing];
        malformed(&raw(6, NOBODY, body), ErrorCode::BAD_REQUEST_BAD_LEN);
        let mut trial = Trial::begin(BeforeFeatures);
        trial.give(&raw(6, trial.features, body));
        assert!(matches!(trial.closed(), CloseReason::Malformed(_)));
    }
}

#[test]
fn m22_a_features_reply_with_another_xid_is_no_answer() {
    unasked(&bytes_of(NOBODY, &features_reply()), STRAY_REPLY);
}

#[test]
fn m23_datapath_id_0_is_refused() {
    features_that(FeaturesReply { datapath_id: DatapathId(0), ..features() }, CloseReason::NoDatapathId);
}

#[test]
fn m26_a_second_features_reply_with_another_datapath_id_changes_nothing() {
    let other = Message::FeaturesReply(FeaturesReply { datapath_id: DatapathId(0xb2), ..features() });
    let mut trial = Trial::begin(BeforeFeatures);
    trial.tell(trial.features, &features_reply());
    trial.tell(trial.features, &other);
    trial.describe();
    assert_eq!(trial.counted(), STRAY_REPLY);
    let Some(Event::Ready(description)) = trial.events.first() else { panic!("{:?}", trial.events) };
    assert_eq!(description.features.datapath_id, DatapathId(0xa1));
    trial.tell(trial.features, &other);
    assert!(!trial.session.is_closed());
    assert_eq!(trial.counted().stray_replies, 2);
}

#[test]
fn m27_an_auxiliary_connection_is_refused() {
    features_that(FeaturesReply { auxiliary_id: 1, ..features() }, CloseReason::Auxiliary(1));
}

#[test]
fn m28_a_switch_without_tables_is_refused() {
    features_that(FeaturesReply { n_tables: 0, ..features() }, CloseReason::NoTables);
}

#[test]
fn m29_a_switch_that_never_answers_is_given_up() {
    for state in [BeforeHello, BeforeFeatures] {
        let mut trial = Trial::begin(state);
        trial.pass(Duration::from_millis(9_999));
        trial.goes_on();
        trial.pass(Duration::from_millis(1));
        assert_eq!(trial.closed(), CloseReason::HandshakeTimeout);
    }
    let mut trial = Trial::begin(BeforeFeatures);
    for _ in 0..10 {
        trial.goes_on();
        trial.give(&echo_request(0));
        trial.pass(Duration::from_secs(1));
    }
    assert_eq!(trial.closed(), CloseReason::HandshakeTimeout, "however lively it is otherwise");
}

#[test]
fn a_description_of_another_type_than_asked_for_ends_the_handshake() {
    let mut trial = Trial::begin(BeforeFeatures);
    trial.tell(trial.features, &features_reply());
    let (question, _) = trial.sent[0];
    let body = MultipartReplyBody::Flow(Vec::new());
    trial.tell(question, &Message::MultipartReply(MultipartReply::from(body)));
    assert_eq!(trial.closed(), CloseReason::HandshakeMixedTypes);
}

#[test]
fn a_list_of_ports_without_end_ends_the_handshake() {
    let mut trial = Trial::begin(BeforeFeatures);
    trial.tell(trial.features, &features_reply());
    let is_ports = |message: &Message| matches!(message, Message::MultipartRequest(request) if request.body == openflow::MultipartRequestBody::PortDesc);
    let (question, _) = *trial.sent.iter().find(|(_, message)| is_ports(message)).unwrap();
    let part = multipart(question, 13, true, &[0; 64 * 1_000]);
    for _ in 0..65 {
        trial.goes_on();
        trial.give(&part);
    }
    trial.give(&part);
    assert_eq!(trial.closed(), CloseReason::HandshakeTooLarge);
}

/// These features end the handshake, and mean nothing when they come unasked.
fn features_that(features: FeaturesReply, expected: CloseReason) {
    let message = Message::FeaturesReply(features);
    unasked(&bytes_of(NOBODY, &message), STRAY_REPLY);
    let mut trial = Trial::begin(BeforeFeatures);
    trial.tell(trial.features, &message);
    assert_eq!(trial.closed(), expected);
}
