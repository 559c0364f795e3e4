//! Errors and barrier replies that could be taken for an answer, and must not.

use super::*;

#[test]
fn m56_an_error_that_quotes_less_than_a_header_still_refuses_what_carries_its_xid() {
    for length in 0..8 {
        let mut trial = Trial::begin(InFlight);
        let quoted = Bytes::from(vec![0xff; length]);
        let error = ErrorMsg::new(ErrorCode::FLOW_MOD_FAILED_TABLE_FULL, quoted);
        trial.tell(trial.flow_mods[1], &Message::Error(error));
        assert_eq!(trial.settle(), ["confirmed", "refused", "confirmed"]);
    }
}

#[test]
fn m56_an_error_without_type_and_code_leaves_what_carries_its_xid_unknown() {
    for length in 0..4 {
        let mut trial = Trial::begin(InFlight);
        trial.give(&raw(1, trial.flow_mods[1], &vec![0; length]));
        assert_eq!(trial.counted().malformed, 1);
        assert_eq!(trial.settle(), ["confirmed", "unknown", "confirmed"]);
    }
}

#[test]
fn a_message_that_cannot_be_understood_leaves_what_carries_its_xid_unknown() {
    for bytes in [raw(99, NOBODY, &[]), raw(21, NOBODY, &[0]), raw(19, NOBODY, &[0; 3])] {
        let mut trial = Trial::begin(InFlight);
        trial.give(&with(bytes, 4, &trial.flow_mods[2].0.to_be_bytes()));
        assert_eq!(trial.settle(), ["confirmed", "confirmed", "unknown"]);
    }
}

#[test]
fn a_refusal_stands_whatever_comes_before_or_after_it() {
    let mut trial = Trial::begin(InFlight);
    for xid in [trial.flow_mods[0], trial.flow_mods[1]] {
        let (noise, refusal) = (raw(1, xid, &[0]), bytes_of(xid, &table_full()));
        let both = if xid == trial.flow_mods[0] { [noise, refusal] } else { [refusal, noise] };
        trial.give(&both.concat());
    }
    assert_eq!(trial.settle(), ["refused", "refused", "confirmed"]);
}

#[test]
fn m57_an_error_of_unknown_type_and_code_refuses_and_is_told_by_its_numbers() {
    let mut trial = Trial::begin(InFlight);
    let error = ErrorMsg { error_type: 0x7777, code: 0x8888, data: Bytes::new() };
    trial.tell(trial.flow_mods[0], &Message::Error(error));
    assert_eq!(trial.settle(), ["refused", "confirmed", "confirmed"]);
    let Some(Event::Settled(settlements)) = trial.events.last() else { panic!("{:?}", trial.events) };
    let Outcome::Refused(error) = &settlements[0].outcome else { panic!("{settlements:?}") };
    assert!(describe(error).starts_with("30583/34952"), "{}", describe(error));
}

#[test]
fn m58_an_error_for_an_xid_never_sent_refuses_nothing() {
    unasked(&bytes_of(NOBODY, &table_full()), STRAY_ERROR);
}

#[test]
fn m59_an_error_for_the_next_batch_refuses_only_there() {
    let mut trial = Trial::begin(InFlight);
    trial.session.handle_command(Command::Program(vec![(Token(3), FlowMod::add())]), trial.now);
    trial.look();
    let Some((next, Message::FlowMod(_))) = trial.sent.first().cloned() else { panic!("{:?}", trial.sent) };
    let (barrier, _) = trial.sent[1];
    trial.tell(next, &table_full());
    trial.tell(trial.barrier, &Message::BarrierReply);
    assert_eq!(trial.outcomes(), [(0, "confirmed"), (1, "confirmed"), (2, "confirmed")]);
    trial.tell(barrier, &Message::BarrierReply);
    assert_eq!(trial.outcomes()[3..], [(3, "refused")]);
}

#[test]
fn m60_an_error_for_the_barrier_leaves_its_batch_unknown() {
    let mut trial = Trial::begin(InFlight);
    trial.tell(trial.flow_mods[1], &table_full());
    trial.tell(trial.barrier, &error(ErrorCode::BAD_REQUEST_BAD_TYPE));
    assert_eq!(trial.outcomes(), [(0, "unknown"), (1, "refused"), (2, "unknown")]);
    trial.tell(trial.barrier, &Message::BarrierReply);
    assert_eq!(trial.outcomes().len(), 3, "nothing is settled twice");
}

#[test]
fn m61_an_error_after_the_barrier_reply_is_told_as_a_late_refusal() {
    let mut trial = Trial::begin(InFlight);
    assert_eq!(trial.settle(), ["confirmed"; 3]);
    trial.tell(trial.flow_mods[1], &table_full());
    assert!(matches!(trial.events.last(), Some(Event::LateRefusal { token: Token(1), .. })));
    trial.tell(trial.flow_mods[1], &table_full());
    assert_eq!(trial.counted(), STRAY_ERROR, "it is told once");
}

#[test]
fn m62_a_second_error_for_the_same_flow_mod_adds_nothing() {
    let mut trial = Trial::begin(InFlight);
    trial.tell(trial.flow_mods[0], &table_full());
    trial.tell(trial.flow_mods[0], &error(ErrorCode::BAD_ACTION_BAD_TYPE));
    assert_eq!(trial.settle(), ["refused", "confirmed", "confirmed"]);
    let Some(Event::Settled(settlements)) = trial.events.last() else { panic!("{:?}", trial.events) };
    assert!(matches!(&settlements[0].outcome,
        Outcome::Refused(error) if error.error_code() == ErrorCode::FLOW_MOD_FAILED_TABLE_FULL));
}

#[test]
fn m63_a_barrier_reply_that_is_unknown_early_or_repeated_confirms_nothing() {
    unasked(&bytes_of(NOBODY, &Message::BarrierReply), STRAY_REPLY);
    let mut trial = Trial::begin(InFlight);
    trial.tell(trial.flow_mods[2], &Message::BarrierReply);
    trial.tell(Xid(trial.barrier.0 + 1), &Message::BarrierReply);
    assert_eq!(trial.settle(), ["confirmed"; 3]);
    trial.tell(trial.barrier, &Message::BarrierReply);
    assert_eq!(trial.outcomes().len(), 3);
    assert_eq!(trial.counted().stray_replies, 3);
}

#[test]
fn m63_a_barrier_reply_with_a_body_confirms_nothing() {
    let mut trial = Trial::begin(InFlight);
    trial.give(&raw(21, trial.barrier, &[0; 8]));
    trial.goes_on();
    assert_eq!(trial.outcomes(), [(0, "unknown"), (1, "unknown"), (2, "unknown")]);
    assert_eq!(trial.counted().malformed, 1);
}

#[test]
fn m63_a_barrier_reply_out_of_order_confirms_nothing() {
    let mut trial = Trial::begin(InFlight);
    trial.session.handle_command(Command::Program(vec![(Token(3), FlowMod::add())]), trial.now);
    trial.look();
    let (second, _) = trial.sent[1];
    trial.tell(second, &Message::BarrierReply);
    trial.goes_on();
    trial.tell(trial.barrier, &Message::BarrierReply);
    assert_eq!(trial.outcomes().len(), 3, "the first batch only");
    for _ in 0..5 {
        trial.give(&echo_request(0));
        trial.pass(Duration::from_secs(1));
    }
    assert_eq!(trial.outcomes()[3..], [(3, "unknown"); 2], "it is not waited for any longer");
    assert!(!trial.session.is_closed());
}

#[test]
fn m64_a_barrier_reply_of_the_previous_connection_confirms_nothing() {
    let previous = Trial::begin(InFlight);
    let mut trial = Trial::begin(InFlight);
    let now = trial.now;
    let mut session = Session::new(Config::default(), now).with_first_xid(0x5eed_0000);
    std::mem::swap(&mut trial.session, &mut session);
    trial.input.clear();
    trial.tell(Xid(9), &Message::Hello(Hello::with_versions(&[OFP_VERSION])));
    let (question, _) = trial.sent[1];
    trial.sent.clear();
    trial.tell(question, &features_reply());
    trial.describe();
    trial.session.handle_command(Command::Program(vec![(Token(0), FlowMod::add())]), now);
    trial.look();
    trial.tell(previous.barrier, &Message::BarrierReply);
    assert!(trial.outcomes().is_empty());
    assert!(trial.session.counters().stray_replies > 0);
}

#[test]
fn m65_a_barrier_that_is_never_answered_makes_unknown_and_then_ends_the_session() {
    let mut trial = Trial::begin(InFlight);
    for second in 0..60 {
        assert!(!trial.session.is_closed(), "after {second} s");
        assert_eq!(trial.outcomes().len(), if second < 5 { 0 } else { 3 });
        trial.give(&echo_request(0));
        trial.pass(Duration::from_secs(1));
        let questions: Vec<_> = trial.sent.drain(..).collect();
        for (xid, message) in questions {
            if let Message::EchoRequest(echo) = message {
                trial.tell(xid, &Message::EchoReply(echo));
            }
        }
    }
    assert!(matches!(trial.events.last(), Some(Event::Closed(CloseReason::BarrierUnanswered))));
    assert!(trial.outcomes().iter().all(|(_, outcome)| *outcome == "unknown"));
}

#[test]
fn a_slow_switch_that_moves_on_is_not_given_up() {
    let mut trial = Trial::begin(InFlight);
    for token in 3..13 {
        trial.session.handle_command(Command::Program(vec![(Token(token), FlowMod::add())]), trial.now);
        trial.look();
    }
    let is_barrier = |(xid, message): &(Xid, Message)| matches!(message, Message::BarrierRequest).then_some(*xid);
    let barriers: Vec<_> = [trial.barrier].into_iter().chain(trial.sent.iter().filter_map(is_barrier)).collect();
    for barrier in barriers {
        for _ in 0..5 {
            trial.pass(Duration::from_secs(9));
            trial.give(&echo_request(0));
        }
        trial.tell(barrier, &Message::BarrierReply);
    }
    assert!(!trial.session.is_closed());
    assert_eq!(trial.outcomes().last(), Some(&(12, "confirmed")));
}

#[test]
fn m66_a_flood_of_errors_for_nothing_is_counted_and_told_only_in_part() {
    let mut trial = Trial::begin(InFlight);
    trial
        .session
        .handle_command(Command::Program((3..1_003).map(|token| (Token(token), FlowMod::add())).collect()), trial.now);
    let errors = bytes_of(NOBODY, &table_full()).repeat(5_000);
    trial.flood(&errors, 20);
    assert_eq!(trial.counted(), Counters { stray_errors: 100_000, ..NOTHING });
    assert_eq!(trial.events.len(), 10);
    trial.goes_on();
    assert_eq!(trial.settle()[..3], ["confirmed"; 3]);
}

#[test]
fn an_error_is_kept_without_the_buffer_that_it_came_in() {
    let mut trial = Trial::begin(InFlight);
    let error = ErrorMsg::new(ErrorCode::FLOW_MOD_FAILED_TABLE_FULL, Bytes::from(vec![1; 60_000]));
    trial.tell(trial.flow_mods[0], &Message::Error(error));
    trial.tell(trial.barrier, &Message::BarrierReply);
    let Some(Event::Settled(settlements)) = trial.events.last() else { panic!("{:?}", trial.events) };
    let Outcome::Refused(error) = &settlements[0].outcome else { panic!("{settlements:?}") };
    assert_eq!(error.data.len(), 128);
}
