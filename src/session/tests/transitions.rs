//! Every transition of a session, and the test that covers it. The table is checked: a test that it names exists.

use super::*;

/// From, to, why, and the test.
const TRANSITIONS: [(&str, &str, &str, &str); 24] = [
    ("Negotiating", "Describing", "HELLO", "a_newer_switch_without_a_bitmap_falls_back_to_1_3"),
    ("Negotiating", "Closed", "no common version", "a_switch_of_openflow_1_0_is_told_hello_failed_with_both_versions"),
    ("Negotiating", "Closed", "HELLO_FAILED", "hello_failed_from_the_switch_ends_the_session_with_its_words"),
    ("Negotiating", "Closed", "another message", "anything_but_hello_first_ends_the_session"),
    ("Negotiating", "Closed", "a message that is none", "m11_a_hello_element_of_length_0_is_refused"),
    ("Negotiating", "Closed", "deadline", "silence_in_the_handshake_ends_the_session"),
    (
        "Negotiating",
        "Closed",
        "the peer's end",
        "a_connection_that_ends_before_the_switch_is_described_ends_its_session",
    ),
    ("Describing", "Ready", "every answer", "a_switch_is_taken_at_its_word_about_what_its_tables_can_do"),
    (
        "Describing",
        "Ready",
        "no answer about tables",
        "a_switch_that_never_says_what_its_tables_can_do_is_ready_after_3_seconds",
    ),
    ("Describing", "Closed", "features refused", "a_switch_that_refuses_to_say_what_it_is_ends_its_session"),
    ("Describing", "Closed", "features of no switch", "datapath_id_0_and_auxiliary_connections_are_refused"),
    ("Describing", "Closed", "another answer", "a_description_of_another_type_than_asked_for_ends_the_handshake"),
    ("Describing", "Closed", "deadline", "a_silent_switch_is_not_saved_by_what_it_says_of_its_tables"),
    (
        "Describing",
        "Closed",
        "the peer's end",
        "a_connection_that_ends_before_the_switch_is_described_ends_its_session",
    ),
    (
        "Ready",
        "Closed",
        "the peer's end",
        "a_lost_connection_leaves_sent_ones_unknown_refused_ones_refused_and_the_rest_not_sent",
    ),
    ("Ready", "Closed", "its owner", "a_session_that_its_owner_closes_settles_what_is_in_flight_and_is_over_once"),
    ("Ready", "Closed", "no message", "a_length_below_8_ends_the_session"),
    ("Ready", "Closed", "another version", "another_version_after_the_handshake_is_answered_and_ends_the_session"),
    ("Ready", "Closed", "too much nonsense", "a_peer_that_sends_little_but_malformed_messages_is_given_up"),
    ("Ready", "Closed", "questions without end", "a_switch_that_asks_without_reading_is_given_up"),
    ("Ready", "Closed", "silence", "a_silent_switch_is_asked_after_5_seconds_and_given_up_after_10"),
    (
        "Ready",
        "Closed",
        "no answer to a barrier",
        "m65_a_barrier_that_is_never_answered_makes_unknown_and_then_ends_the_session",
    ),
    (
        "Ready",
        "Ready",
        "a stall of this side",
        "a_stall_of_this_side_is_not_taken_for_the_death_of_the_peer_or_for_a_late_barrier",
    ),
    ("Closed", "Closed", "anything", "a_session_that_its_owner_closes_settles_what_is_in_flight_and_is_over_once"),
];

/// Where those tests are.
const FILES: [&str; 8] = [
    include_str!("confirmation.rs"),
    include_str!("handshake.rs"),
    include_str!("stream.rs"),
    include_str!("tables.rs"),
    include_str!("transitions.rs"),
    include_str!("../bad_input/acknowledgement.rs"),
    include_str!("../bad_input/framing.rs"),
    include_str!("../bad_input/handshake.rs"),
];

#[test]
fn each_transition_names_a_test_that_exists() {
    for (from, to, why, test) in TRANSITIONS {
        let is_there = FILES.iter().any(|file| file.contains(&format!("\nfn {test}()")));
        assert!(is_there, "{from} to {to} by {why}: there is no test {test}");
    }
}

/// HELLO is exchanged and the features are asked for: the question's xid.
fn describing() -> (Script, Xid) {
    let mut script = Script::begin();
    script.sent();
    script.reply(Xid(9), &Message::Hello(Hello::with_versions(&[OFP_VERSION])));
    let (xid, _) = script.only_sent();
    (script, xid)
}

#[test]
fn a_connection_that_ends_before_the_switch_is_described_ends_its_session() {
    for mut script in [Script::begin(), describing().0] {
        script.session.handle_disconnect(CloseReason::PeerClosed);
        assert_eq!(script.close_reason(), CloseReason::PeerClosed);
    }
}

#[test]
fn a_switch_that_refuses_to_say_what_it_is_ends_its_session() {
    let (mut script, xid) = describing();
    script.reply(xid, &Message::Error(ErrorMsg::new(ErrorCode::BAD_REQUEST_EPERM, Bytes::new())));
    assert!(matches!(script.close_reason(), CloseReason::HandshakeRefused(words) if words.contains("EPERM")));
}

#[test]
fn a_session_that_its_owner_closes_settles_what_is_in_flight_and_is_over_once() {
    let mut script = Script::ready();
    script.program([1]);
    script.sent();
    script.session.handle_command(Command::Close(CloseReason::Replaced), script.now);
    assert!(matches!(script.events().as_slice(), [Event::Settled(_), Event::Closed(CloseReason::Replaced)]));
    script.session.handle_disconnect(CloseReason::PeerClosed);
    script.reply(Xid(1), &Message::BarrierReply);
    script.pass(Duration::from_secs(60));
    assert!(script.events().is_empty() && script.session.is_closed());
}
