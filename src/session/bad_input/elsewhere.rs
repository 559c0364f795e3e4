//! What has a meaning in one state only, in the states where it has none; and the count of all rows.

use super::*;

#[test]
fn m16_a_hello_full_of_empty_elements_is_a_second_hello_like_any_other() {
    let elements = [0, 9, 0, 4].repeat(16_000);
    for state in [BeforeFeatures, InFlight] {
        let mut trial = Trial::begin(state);
        trial.give(&raw(0, NOBODY, &elements));
        trial.goes_on();
        assert_eq!(trial.counted(), IGNORED, "{state:?}");
    }
}

#[test]
fn m17_what_is_no_beginning_is_lawful_later() {
    unasked(&packet_in(0, 0), Counters { packet_ins: 1, ..NOTHING });
    unasked(&bytes_of(NOBODY, &error(ErrorCode::BAD_REQUEST_BAD_LEN)), STRAY_ERROR);
}

#[test]
fn m22_m23_m26_m27_m28_a_features_reply_that_answers_nothing_is_not_looked_into() {
    for features in [
        FeaturesReply { datapath_id: DatapathId(0), ..features() },
        FeaturesReply { datapath_id: DatapathId(0xb2), ..features() },
        FeaturesReply { auxiliary_id: 3, ..features() },
        FeaturesReply { n_tables: 0, ..features() },
    ] {
        unasked(&bytes_of(NOBODY, &Message::FeaturesReply(features)), STRAY_REPLY);
    }
}

#[test]
fn m29_a_switch_that_falls_silent_is_given_up_in_each_state() {
    for state in STATES {
        let mut trial = Trial::begin(state);
        for _ in 0..3 {
            trial.pass(Duration::from_secs(5));
        }
        let reason = trial.closed();
        let expected = if state == InFlight { CloseReason::Unresponsive } else { CloseReason::HandshakeTimeout };
        assert_eq!(reason, expected);
    }
}

#[test]
fn m44_m45_m46_m48_m49_m50_parts_of_an_answer_to_nothing_are_counted_and_kept_nowhere() {
    for more in [true, false] {
        unasked(&multipart(NOBODY, 1, more, &[]), STRAY_REPLY);
        unasked(&multipart(NOBODY, 13, more, &[]), STRAY_REPLY);
    }
}

#[test]
fn m56_m57_m59_m60_m61_m62_m66_an_error_for_nothing_refuses_nothing() {
    for (code, data) in [([0, 5, 0, 1], 0), ([0, 5, 0, 1], 7), ([0, 5, 0, 1], 64), ([0x7f, 0xff, 0x7f, 0xff], 8)] {
        unasked(&raw(1, NOBODY, &[&code[..], &vec![0; data]].concat()), STRAY_ERROR);
    }
}

#[test]
fn m64_m65_a_barrier_reply_to_nothing_is_counted() {
    unasked(&raw(21, NOBODY, &[]), STRAY_REPLY);
}

#[test]
fn m69_m70_m71_what_a_switch_tells_and_asks_by_itself_is_no_beginning_and_disturbs_nothing_later() {
    for state in STATES {
        for bytes in [
            raw(11, NOBODY, &[&[0; 40][..], &[0, 1, 0, 4, 0, 0, 0, 0]].concat()),
            raw(12, NOBODY, &[0; 72]),
            echo_request(65_527),
        ] {
            let mut trial = Trial::begin(state);
            trial.give(&bytes);
            match state {
                BeforeHello => assert!(matches!(trial.closed(), CloseReason::NoHello | CloseReason::Malformed(_))),
                BeforeFeatures | InFlight => trial.goes_on(),
            }
        }
    }
}

/// Where the tests are that are named after rows.
const FILES: [&str; 9] = [
    include_str!("acknowledgement.rs"),
    include_str!("asynchronous.rs"),
    include_str!("elsewhere.rs"),
    include_str!("extensions.rs"),
    include_str!("framing.rs"),
    include_str!("handshake.rs"),
    include_str!("multipart.rs"),
    include_str!("../../southbound/tests/secure.rs"),
    include_str!("../../programmer/tests/nodes.rs"),
];

/// Whoever is not admitted, and TLS, are met in one state only: after the handshake, and before the first byte of it.
const IN_ONE_STATE: [std::ops::RangeInclusive<u32>; 2] = [24..=25, 74..=80];

/// The states that a test's text speaks of, as bits.
fn states_of(test: &str) -> u8 {
    let all = ["STATES", "malformed(", "malformed_reply(", "unasked("];
    if all.iter().any(|word| test.contains(word)) {
        return 0b111;
    }
    let named = ["BeforeHello", "BeforeFeatures", "InFlight"].iter().enumerate();
    named.filter(|(_, state)| test.contains(*state)).fold(0, |bits, (at, _)| bits | 1 << at)
}

#[test]
fn each_row_has_a_test_in_each_state_in_which_it_can_be_met() {
    let mut met = std::collections::BTreeMap::<u32, u8>::new();
    for test in FILES.iter().flat_map(|file| file.split("\n#[t").skip(1)) {
        let name = test.split("fn ").nth(1).and_then(|rest| rest.split('(').next()).unwrap_or_default();
        let rows = name.split('_').map_while(|word| word.strip_prefix('m')?.parse::<u32>().ok());
        for row in rows {
            *met.entry(row).or_default() |= states_of(test);
        }
    }
    for row in 1..=80 {
        let is_in_one = IN_ONE_STATE.iter().any(|rows| rows.contains(&row));
        match met.get(&row) {
            None => panic!("M{row:02} has no test"),
            Some(states) => assert!(is_in_one || *states == 0b111, "M{row:02} is met in the states {states:#05b}"),
        }
    }
}
