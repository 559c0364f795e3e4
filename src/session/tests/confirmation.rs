//! FLOW_MODs, the barriers that confirm them, and the errors that do not.

use super::*;

#[test]
fn a_flow_mod_is_confirmed_only_by_the_reply_to_the_barrier_after_it() {
    let mut script = Script::ready();
    script.program([1, 2]);
    let sent = script.sent();
    let barrier = barriers(&sent);
    assert_eq!((flow_mods(&sent).len(), barrier.len()), (2, 1));
    assert!(script.outcomes().is_empty());
    script.reply(barrier[0], &Message::BarrierReply);
    assert_eq!(script.outcomes(), [(1, "confirmed"), (2, "confirmed")]);
}

#[test]
fn an_error_refuses_the_flow_mod_with_its_xid_and_no_other() {
    let mut script = Script::ready();
    script.program([1, 2, 3]);
    let sent = script.sent();
    script.reply(flow_mods(&sent)[1], &table_full());
    script.reply(flow_mods(&sent)[1], &table_full());
    assert!(script.outcomes().is_empty(), "nothing is said before the barrier");
    script.reply(barriers(&sent)[0], &Message::BarrierReply);
    assert_eq!(script.outcomes(), [(1, "confirmed"), (2, "refused"), (3, "confirmed")]);
}

#[test]
fn an_unknown_a_repeated_and_an_early_barrier_reply_confirm_nothing() {
    let mut script = Script::ready();
    script.program(0..300);
    let sent = script.sent();
    let barriers = barriers(&sent);
    assert_eq!(barriers.len(), 2);
    script.reply(Xid(0xdead), &Message::BarrierReply);
    script.reply(barriers[1], &Message::BarrierReply);
    assert!(script.outcomes().is_empty());
    script.reply(barriers[0], &Message::BarrierReply);
    assert_eq!(script.outcomes().len(), 250);
    script.reply(barriers[0], &Message::BarrierReply);
    assert!(script.outcomes().is_empty());
    assert_eq!(script.session.counters().stray_replies, 3);
}

#[test]
fn a_barrier_that_is_not_answered_makes_unknown_and_a_late_answer_resolves_it() {
    let mut script = Script::ready();
    script.program([1]);
    let sent = script.sent();
    script.pass(Duration::from_secs(5));
    assert_eq!(script.outcomes(), [(1, "unknown")]);
    let asked = script.sent();
    assert!(asked.iter().any(|(_, message)| matches!(message, Message::EchoRequest(_))), "whether the peer is there");
    assert_eq!((barriers(&asked).len(), asked.len()), (1, 2), "and whether it answers another barrier");
    script.reply(barriers(&sent)[0], &Message::BarrierReply);
    assert_eq!(script.outcomes(), [(1, "confirmed")]);
    script.reply(barriers(&asked)[0], &Message::BarrierReply);
    assert!(script.outcomes().is_empty());
    assert_eq!(script.session.counters().stray_replies, 0);
    script.program([2]);
    let barrier = barriers(&script.sent())[0];
    script.reply(barrier, &Message::BarrierReply);
    assert_eq!(script.outcomes(), [(2, "confirmed")]);
}

#[test]
fn a_barrier_that_is_skipped_is_not_waited_for_when_it_is_overdue() {
    for later in [None, Some(2)] {
        let mut script = Script::ready();
        script.program([1]);
        script.sent();
        if let Some(later) = later {
            script.pass(Duration::from_secs(1));
            script.program([later]);
            let barrier = barriers(&script.sent())[0];
            script.reply(barrier, &Message::BarrierReply);
            assert!(script.outcomes().is_empty(), "a reply out of turn confirms nothing");
        }
        script.pass(Duration::from_secs(5));
        let mut outcomes = script.outcomes();
        if later.is_none() {
            assert_eq!(outcomes, [(1, "unknown")]);
            let barrier = barriers(&script.sent())[0];
            script.reply(barrier, &Message::BarrierReply);
            outcomes.extend(script.outcomes());
        }
        let skipped = outcomes.iter().filter(|(_, outcome)| *outcome == "skipped").map(|(token, _)| *token);
        assert_eq!(skipped.collect::<Vec<_>>(), [Some(1), later].into_iter().flatten().collect::<Vec<_>>());
        script.program([3]);
        let sent = script.sent();
        let barrier = *barriers(&sent).last().unwrap();
        script.reply(barrier, &Message::BarrierReply);
        assert_eq!(script.outcomes(), [(3, "confirmed")], "what comes later is confirmed as ever");
    }
}

#[test]
fn a_refused_barrier_leaves_its_flow_mods_unknown() {
    let mut script = Script::ready();
    script.program([1]);
    let sent = script.sent();
    script.reply(barriers(&sent)[0], &table_full());
    assert_eq!(script.outcomes(), [(1, "unknown")]);
}

#[test]
fn an_error_after_the_barrier_reply_is_told_as_a_late_refusal() {
    let mut script = Script::ready();
    script.program([1]);
    let sent = script.sent();
    script.reply(barriers(&sent)[0], &Message::BarrierReply);
    assert_eq!(script.outcomes(), [(1, "confirmed")]);
    script.reply(flow_mods(&sent)[0], &table_full());
    assert!(matches!(script.events().as_slice(), [Event::LateRefusal { token: Token(1), .. }]));
}

#[test]
fn a_lost_connection_leaves_sent_ones_unknown_refused_ones_refused_and_the_rest_not_sent() {
    let mut script = Script::ready();
    script.program(0..1_002);
    let sent = script.sent();
    assert_eq!(flow_mods(&sent).len(), 1_000, "the window");
    script.reply(flow_mods(&sent)[7], &table_full());
    script.session.handle_disconnect(CloseReason::PeerClosed);
    let outcomes = script.outcomes();
    assert_eq!(outcomes.len(), 1_002);
    assert_eq!(outcomes[6..9], [(6, "unknown"), (7, "refused"), (8, "unknown")]);
    assert_eq!(outcomes[1_000..], [(1_000, "not sent"), (1_001, "not sent")]);
}

#[test]
fn the_window_moves_on_with_each_barrier_reply() {
    let mut script = Script::ready();
    script.program(0..1_500);
    let first = script.sent();
    assert_eq!((flow_mods(&first).len(), barriers(&first).len()), (1_000, 4));
    assert!(script.sent().is_empty());
    script.reply(barriers(&first)[0], &Message::BarrierReply);
    let next = script.sent();
    assert_eq!((flow_mods(&next).len(), barriers(&next).len()), (250, 1));
}

#[test]
fn flow_mods_given_before_the_handshake_or_after_the_end_are_not_sent() {
    let mut script = Script::begin();
    script.program([1]);
    assert_eq!(script.outcomes(), [(1, "not sent")]);
    script.session.handle_disconnect(CloseReason::PeerClosed);
    script.program([2]);
    assert_eq!(script.outcomes(), [(2, "not sent")]);
}

#[test]
fn xids_go_round_and_leave_out_0() {
    let mut next = u32::MAX;
    assert_eq!([window::take_xid(&mut next), window::take_xid(&mut next)], [Xid(u32::MAX), Xid(1)]);
    let mut script = Script::ready();
    script.session.next_xid = u32::MAX - 1;
    script.program(0..4);
    let sent = script.sent();
    assert_eq!(flow_mods(&sent), [Xid(u32::MAX - 1), Xid(u32::MAX), Xid(1), Xid(2)]);
    script.reply(Xid(1), &table_full());
    script.reply(barriers(&sent)[0], &Message::BarrierReply);
    assert_eq!(script.outcomes(), [(0, "confirmed"), (1, "confirmed"), (2, "refused"), (3, "confirmed")]);
}
