//! Reads of the flow table, in one part or many.

use super::*;

#[test]
fn a_read_is_answered_once_and_whole() {
    let mut script = Script::ready();
    let xid = script.read(5);
    script.reply(xid, &part(2, true));
    assert!(script.events().is_empty());
    script.reply(xid, &part(1, false));
    let events = script.events();
    let [Event::FlowsRead { token: Token(5), result: Ok(entries) }] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!(entries.len(), 3);
    script.reply(xid, &part(1, false));
    assert!(script.events().is_empty());
    assert_eq!(script.session.counters().stray_replies, 1);
}

#[test]
fn a_read_that_breaks_off_has_no_answer_at_all() {
    let mut script = Script::ready();
    let xid = script.read(5);
    script.reply(xid, &part(2, true));
    script.session.handle_disconnect(CloseReason::PeerClosed);
    let events = script.events();
    assert!(
        matches!(events.first(), Some(Event::FlowsRead { result: Err(ReadError::ConnectionLost), .. })),
        "{events:?}"
    );
}

#[test]
fn the_bounds_of_a_read_are_on_what_the_owner_has_not_put_there() {
    for (expected, is_whole) in [(1, true), (0, false)] {
        let mut script = Script::ready();
        script.session.reads = Reads::new(&Config { read_entries: 3, ..Config::default() });
        let xid = script.read_expecting(2, expected);
        script.reply(xid, &part(2, true));
        script.reply(xid, &part(2, false));
        let events = script.events();
        let [Event::FlowsRead { result, .. }] = events.as_slice() else { panic!("{events:?}") };
        assert_eq!(result.as_ref().map(Vec::len).ok(), is_whole.then_some(4));
    }
}

#[test]
fn parts_that_never_end_or_never_come_or_are_of_another_kind_fail_the_read() {
    let mut script = Script::ready();
    let xid = script.read(1);
    script.reply(xid, &part(1, true));
    script.reply(xid, &Message::MultipartReply(MultipartReplyBody::PortDesc(Vec::new()).into()));
    assert!(matches!(script.events().as_slice(), [Event::FlowsRead { result: Err(ReadError::MixedTypes), .. }]));

    let mut script = Script::ready();
    script.session.reads = Reads::new(&Config { read_entries: 3, ..Config::default() });
    let xid = script.read(2);
    script.reply(xid, &part(2, true));
    script.reply(xid, &part(2, true));
    assert!(matches!(script.events().as_slice(), [Event::FlowsRead { result: Err(ReadError::TooLarge), .. }]));

    let mut script = Script::ready();
    let xid = script.read(3);
    script.reply(xid, &part(2, true));
    let deadline = script.session.poll_timeout().unwrap();
    assert!(deadline <= script.now + Duration::from_secs(10));
    script.now += Duration::from_secs(4);
    script.reply(Xid(1), &Message::EchoRequest(Echo { data: Bytes::new() }));
    script.pass(Duration::from_secs(6));
    assert!(matches!(script.events().as_slice(), [Event::FlowsRead { result: Err(ReadError::Timeout), .. }]));
}
