//! Messages that do not begin, end or belong where they should.

use openflow::{FrameError, SwitchConfig};

use super::*;

fn header(length: u16) -> Vec<u8> {
    [&[OFP_VERSION, 2][..], &length.to_be_bytes(), &NOBODY.0.to_be_bytes()].concat()
}

#[test]
fn m01_a_message_of_length_0_ends_the_session() {
    for state in STATES {
        let mut trial = Trial::begin(state);
        trial.give(&header(0));
        assert_eq!(trial.closed(), CloseReason::Framing(FrameError::Short(0)));
    }
}

#[test]
fn m02_a_message_shorter_than_its_header_ends_the_session() {
    for state in STATES {
        for length in 1..8 {
            let mut trial = Trial::begin(state);
            trial.give(&header(length));
            assert_eq!(trial.closed(), CloseReason::Framing(FrameError::Short(length)));
        }
    }
}

#[test]
fn m03_a_message_that_trickles_in_is_silence() {
    for state in STATES {
        let mut trial = Trial::begin(state);
        trial.give(&header(u16::MAX));
        for _ in 0..10 {
            trial.goes_on();
            trial.pass(Duration::from_secs(1));
            trial.give(&[0]);
        }
        let expected = if state == InFlight { CloseReason::Unresponsive } else { CloseReason::HandshakeTimeout };
        assert_eq!(trial.closed(), expected);
    }
}

#[test]
fn m04_a_message_cut_short_by_the_end_of_the_connection_is_no_message() {
    let message = echo_request(8);
    for state in STATES {
        for at in 1..message.len() {
            for end in [CloseReason::PeerClosed, CloseReason::Transport(std::io::ErrorKind::ConnectionReset)] {
                let mut trial = Trial::begin(state);
                trial.give(&message[..at]);
                trial.session.handle_disconnect(end.clone());
                trial.look();
                assert_eq!(trial.closed(), end);
                assert_eq!(trial.counted(), NOTHING);
                assert!(trial.outcomes().iter().all(|(_, outcome)| *outcome == "unknown"));
            }
        }
    }
}

#[test]
fn m05_a_stream_means_the_same_wherever_it_is_split() {
    for state in STATES {
        let stream = |trial: &Trial| match state {
            BeforeHello => bytes_of(Xid(9), &Message::Hello(Hello::with_versions(&[1, OFP_VERSION]))),
            BeforeFeatures => [echo_request(5), bytes_of(trial.features, &features_reply())].concat(),
            InFlight => [
                echo_request(5),
                bytes_of(trial.flow_mods[1], &table_full()),
                bytes_of(trial.barrier, &Message::BarrierReply),
            ]
            .concat(),
        };
        let play = |at: Option<usize>| {
            let mut trial = Trial::begin(state);
            let stream = stream(&trial);
            let (first, second) = stream.split_at(at.unwrap_or(stream.len()));
            trial.give(first);
            trial.give(second);
            (format!("{:?} {:?}", trial.events, trial.sent), stream.len())
        };
        let (whole, length) = play(None);
        for at in 0..length {
            assert_eq!(play(Some(at)).0, whole, "{state:?} split at {at}");
        }
    }
}

#[test]
fn m06_a_thousand_messages_in_one_segment_are_a_thousand_messages() {
    let segment = echo_request(0).repeat(1_000);
    for state in [BeforeFeatures, InFlight] {
        let mut trial = Trial::begin(state);
        trial.give(&segment);
        trial.goes_on();
        assert_eq!(trial.sent.len(), 1_000);
        assert!(trial.sent.iter().all(|(xid, message)| *xid == NOBODY && matches!(message, Message::EchoReply(_))));
    }
    let mut trial = Trial::begin(BeforeHello);
    trial.give(&segment);
    assert_eq!(trial.closed(), CloseReason::NoHello, "the first decides");
    assert_eq!(trial.session.counters().messages, 1);
}

#[test]
fn m07_another_version_after_negotiation_is_answered_and_ends_the_session() {
    for version in [0, 1, 5, 0xff] {
        let echo = with(echo_request(0), 0, &[version]);
        for state in [BeforeFeatures, InFlight] {
            let mut trial = Trial::begin(state);
            trial.give(&echo);
            assert_eq!(trial.errors(), [ErrorCode::BAD_REQUEST_BAD_VERSION]);
            assert_eq!(trial.closed(), CloseReason::Version { peer: version });
        }
        let mut trial = Trial::begin(BeforeHello);
        trial.give(&echo);
        assert!(matches!(trial.closed(), CloseReason::Malformed(_)));
    }
}

#[test]
fn m08_an_unknown_type_is_answered_with_bad_type() {
    for message_type in 30..=255 {
        malformed(&raw(message_type, NOBODY, &[]), ErrorCode::BAD_REQUEST_BAD_TYPE);
        malformed(&raw(message_type, NOBODY, &[0xa5; 64]), ErrorCode::BAD_REQUEST_BAD_TYPE);
    }
}

#[test]
fn m09_what_only_a_controller_sends_is_answered_with_bad_type() {
    let config = SwitchConfig { flags: 0, miss_send_len: 0 };
    for message in [
        Message::FlowMod(FlowMod::add()),
        Message::FeaturesRequest,
        Message::GetConfigRequest,
        Message::SetConfig(config),
        Message::BarrierRequest,
        Message::GetAsyncRequest,
    ] {
        let bytes = bytes_of(NOBODY, &message);
        let mut trial = Trial::begin(BeforeHello);
        trial.give(&bytes);
        assert_eq!(trial.closed(), CloseReason::NoHello);
        for state in [BeforeFeatures, InFlight] {
            let mut trial = Trial::begin(state);
            trial.give(&bytes);
            trial.goes_on();
            assert_eq!(trial.errors(), [ErrorCode::BAD_REQUEST_BAD_TYPE]);
            assert_eq!(trial.counted().malformed, 1);
        }
    }
}

#[test]
fn m09_a_flow_mod_from_a_switch_with_an_instruction_of_length_0_is_refused() {
    let mut flow_mod = bytes_of(NOBODY, &Message::FlowMod(FlowMod::add()));
    flow_mod.extend_from_slice(&[0, 4, 0, 0, 0, 0, 0, 0]);
    let length = u16::try_from(flow_mod.len()).unwrap();
    malformed(&with(flow_mod, 2, &length.to_be_bytes()), ErrorCode::BAD_INSTRUCTION_BAD_LEN);
}

#[test]
fn m10_a_body_longer_than_its_type_is_refused() {
    for (message_type, body) in
        [(6, 24 + 1), (8, 4 + 1), (12, 72 + 1), (21, 1), (21, 65_527), (25, 16 + 1), (27, 24 + 1)]
    {
        malformed(&raw(message_type, NOBODY, &vec![0; body]), ErrorCode::BAD_REQUEST_BAD_LEN);
    }
}

#[test]
fn m10_padding_that_is_not_zero_is_accepted() {
    let port_status = with(raw(12, NOBODY, &[0; 72]), 9, &[0xff; 7]);
    for state in [BeforeFeatures, InFlight] {
        let mut trial = Trial::begin(state);
        trial.give(&port_status);
        trial.goes_on();
        assert!(matches!(trial.events.as_slice(), [Event::PortStatus(_)]));
    }
}

#[test]
fn a_peer_that_sends_little_but_malformed_messages_is_given_up() {
    let mut trial = Trial::begin(InFlight);
    let bytes = raw(99, NOBODY, &[]);
    for _ in 0..100 {
        trial.give(&bytes);
    }
    trial.goes_on();
    trial.give(&bytes);
    assert_eq!(trial.closed(), CloseReason::TooManyMalformed(ErrorCode::BAD_REQUEST_BAD_TYPE));
}

#[test]
fn a_peer_with_one_odd_message_now_and_then_is_kept() {
    let mut trial = Trial::begin(InFlight);
    for _ in 0..1_000 {
        trial.pass(Duration::from_secs(1));
        trial.give(&[raw(99, NOBODY, &[]), bytes_of(trial.barrier, &Message::BarrierReply)].concat());
    }
    assert!(!trial.session.is_closed());
    assert_eq!(trial.counted().malformed, 1_000);
}
