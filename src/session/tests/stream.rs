//! Bytes as they come: keepalive, split frames, and messages that are none.

use super::*;

#[test]
fn a_silent_switch_is_asked_after_5_seconds_and_given_up_after_10() {
    let mut script = Script::ready();
    script.pass(Duration::from_secs(5));
    let (xid, Message::EchoRequest(_)) = script.only_sent() else { panic!("expected an echo request") };
    script.reply(xid, &Message::EchoReply(Echo { data: Bytes::new() }));
    assert!(script.events().is_empty(), "nobody asked whether it is there");
    script.pass(Duration::from_secs(5));
    assert!(matches!(script.only_sent().1, Message::EchoRequest(_)));
    script.pass(Duration::from_secs(5));
    assert_eq!(script.close_reason(), CloseReason::Unresponsive);
}

#[test]
fn an_owner_who_asks_is_told_of_the_answer_once_even_when_the_question_was_out_already() {
    for is_out_already in [false, true] {
        let mut script = Script::ready();
        if is_out_already {
            script.pass(Duration::from_secs(5));
        }
        let now = script.now;
        script.session.handle_command(Command::Probe { within: Duration::from_secs(5) }, now);
        let (xid, _) = script.sent().pop().expect("an echo request");
        let reply = Message::EchoReply(Echo { data: Bytes::new() });
        script.reply(xid, &reply);
        assert!(matches!(script.events().as_slice(), [Event::Alive]));
        script.pass(Duration::from_secs(5));
        let (xid, _) = script.only_sent();
        script.reply(xid, &reply);
        assert!(script.events().is_empty());
    }
}

#[test]
fn a_stall_of_this_side_is_not_taken_for_the_death_of_the_peer_or_for_a_late_barrier() {
    let mut script = Script::ready();
    script.pass(Duration::from_secs(5));
    script.program([1]);
    script.sent();
    let read = script.read(5);
    script.now += Duration::from_secs(130);
    script.session.handle_stall(Duration::from_secs(130));
    script.pass(Duration::from_millis(4_999));
    assert!(script.events().is_empty(), "everything has the time that it had before");
    script.reply(read, &part(1, false));
    assert!(matches!(script.events().as_slice(), [Event::FlowsRead { result: Ok(_), .. }]));
    script.pass(Duration::from_millis(1));
    assert_eq!(script.outcomes(), [(1, "unknown")]);
    script.pass(Duration::from_secs(60));
    assert_eq!(script.close_reason(), CloseReason::BarrierUnanswered);
}

#[test]
fn bytes_that_make_no_message_do_not_count_as_life() {
    let mut script = Script::ready();
    let mut input = BytesMut::new();
    script.pass(Duration::from_secs(5));
    for byte in [4u8, 3, 0] {
        input.extend_from_slice(&[byte]);
        script.session.handle_input(&mut input, script.now);
        script.pass(Duration::from_secs(2));
    }
    assert_eq!(script.close_reason(), CloseReason::Unresponsive);
}

#[test]
fn echo_requests_are_answered_with_their_data_and_xid() {
    let mut script = Script::ready();
    script.reply(Xid(77), &Message::EchoRequest(Echo { data: Bytes::from_static(b"ping") }));
    assert_eq!(script.only_sent(), (Xid(77), Message::EchoReply(Echo { data: Bytes::from_static(b"ping") })));
}

#[test]
fn a_switch_that_asks_without_reading_is_given_up() {
    let mut script = Script::ready();
    for _ in 0..32 {
        script.reply(Xid(1), &Message::EchoRequest(Echo { data: Bytes::from(vec![0; 65_000]) }));
    }
    assert_eq!(script.close_reason(), CloseReason::Flooded);
}

#[test]
fn every_split_of_the_stream_gives_the_same_events() {
    let mut stream = BytesMut::new();
    Message::EchoRequest(Echo { data: Bytes::from_static(b"abc") }).encode(Xid(1), &mut stream).unwrap();
    table_full().encode(Xid(2), &mut stream).unwrap();
    for at in 0..=stream.len() {
        let mut script = Script::ready();
        let mut input = BytesMut::from(&stream[..at]);
        script.session.handle_input(&mut input, script.now);
        input.extend_from_slice(&stream[at..]);
        script.session.handle_input(&mut input, script.now);
        assert!(matches!(script.events().as_slice(), [Event::StrayError(_)]), "split at {at}");
        assert_eq!(script.sent().len(), 1, "split at {at}");
    }
}

#[test]
fn a_length_below_8_ends_the_session() {
    for length in 0..8 {
        let mut script = Script::ready();
        script.program([1]);
        script.sent();
        script.raw(&[4, 3, 0, length, 0, 0, 0, 1]);
        let events = script.events();
        assert!(matches!(events.last(), Some(Event::Closed(CloseReason::Framing(_)))), "{events:?}");
        assert!(matches!(events.first(), Some(Event::Settled(_))), "what was in flight is settled first");
    }
}

#[test]
fn another_version_after_the_handshake_is_answered_and_ends_the_session() {
    for version in [0, 1, 5, 0xff] {
        let mut script = Script::ready();
        script.raw(&[version, 3, 0, 8, 0, 0, 0, 1]);
        let (_, Message::Error(error)) = script.only_sent() else { panic!("expected an error") };
        assert_eq!(error.error_code(), ErrorCode::BAD_REQUEST_BAD_VERSION);
        assert_eq!(script.close_reason(), CloseReason::Version { peer: version });
    }
}

#[test]
fn a_message_of_the_controllers_own_kind_or_of_no_kind_is_answered_with_bad_type() {
    let mut script = Script::ready();
    script.reply(Xid(5), &Message::FlowMod(FlowMod::add()));
    script.raw(&[4, 99, 0, 8, 0, 0, 0, 6]);
    let sent = script.sent();
    let codes: Vec<_> = sent
        .iter()
        .map(|(xid, message)| match message {
            Message::Error(error) => (*xid, error.error_code()),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(codes, [(Xid(5), ErrorCode::BAD_REQUEST_BAD_TYPE), (Xid(6), ErrorCode::BAD_REQUEST_BAD_TYPE)]);
    assert!(script.events().is_empty(), "the session goes on");
}
