//! What can go wrong between a request and a switch, and the tests that show what becomes of it then.
//!
//! | | what goes wrong | what is promised |
//! | --- | --- | --- |
//! | F01 | the connection breaks before the barrier reply | unknown until the switch is read, then the truth |
//! | F02 | one of many is refused | a verdict for each; together, all or none |
//! | F03 | a table is full | rejected, and not sent again by itself |
//! | F04 | a rule makes room for another | drifted, put back three times, then held |
//! | F05 | an error comes after the barrier reply | applied becomes rejected |
//! | F06 | a switch confirms what it does not have | found by reading it |
//! | F07 | a barrier is never answered | unknown after 5 s; the connection is given up when the switch is dead |
//! | F08 | a switch restarts without its flows | all of them come back |
//! | F09 | a switch forgets its flows because no controller is there | all of them come back |
//! | F10 | the operator clears and sets the controller | all of them come back |
//! | F11 | the daemon dies in the middle | what was acknowledged is there, what was under way is found out |
//! | F12 | reading a switch breaks off | nothing is concluded from a part |
//! | F13 | something is asked for while the switch is read | neither lost nor doubled |
//! | F14 | an old connection answers late | its answer is nothing to the new one |
//! | F15 | more is asked for than a switch takes | whoever asks waits; nothing under way is forgotten |
//! | F16 | a connection is half open | asked after 5 s, given up after 10 s |
//! | F21 | two switches have one datapath id | the living one stays, the other is refused and reported |
//! | F22 | transaction ids go round | 0 is left out, and answers find their questions |
//! | F23 | a cookie is used twice | never, whatever restarts |
//! | F24 | others have rules on the switch | untouched; what is ours and nobody wants goes |
//! | F25 | a flow ends by its own timeout | expired, and not put back |
//! | F26 | two flows want one place | a conflict that names the other, or a replacement |
//! | F27 | the wall clock jumps | nothing is late, early or expired for that |
//! | F28 | a switch is slow | at most 1,000 FLOW_MODs under way, and no other switch waits |
//! | F29 | a bundle is interrupted | all or none, and unknown until the switch is read |
//! | F30 | a flow is refused again and again | its verdict is final, and the rest of the table goes on |
//! | F31 | the disk is full, or fails | nothing is acknowledged; after a failed fsync the daemon ends |
//! | F32 | the store is torn or damaged | refused, or read right |
//! | F35 | all switches come at once | 64 are brought up to date at a time, and requests do not wait |
//!
//! Here is which tests show it; a test that is renamed or gone is missed.
#![cfg(test)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const SHOWN_BY: [(&str, &[&str]); 29] = [
    (
        "F01",
        &[
            "a_cut_before_the_barrier_reply_makes_unknown_and_the_reconnect_resolves_it",
            "a_cut_at_every_byte_towards_the_switch_ends_truthfully",
            "a_switch_killed_among_many_installs_ends_with_every_flow_applied",
        ],
    ),
    (
        "F02",
        &[
            "the_switchs_error_is_the_verdict_of_its_flow_alone",
            "a_batch_of_eight_on_a_table_of_five_installs_none_and_names_who_is_to_blame",
            "a_batch_of_eight_on_a_table_with_room_for_five_installs_none",
        ],
    ),
    ("F03", &["a_rejected_flow_is_not_sent_again_and_its_id_is_free_after_remove_flow"]),
    (
        "F04",
        &[
            "a_flow_that_makes_room_for_another_is_drifted_put_back_three_times_and_then_held",
            "a_flow_that_open_vswitch_evicts_is_put_back_three_times_and_then_held",
        ],
    ),
    (
        "F05",
        &[
            "an_error_after_the_barrier_reply_is_told_as_a_late_refusal",
            "an_error_after_the_barrier_reply_turns_applied_into_rejected",
        ],
    ),
    ("F06", &["a_flow_that_the_switch_confirmed_and_does_not_have_is_found_by_the_next_read_and_put_there"]),
    (
        "F07",
        &[
            "a_silent_barrier_is_unknown_after_5_seconds_and_never_applied_before_its_reply",
            "a_barrier_that_is_not_answered_makes_unknown_and_a_late_answer_resolves_it",
        ],
    ),
    (
        "F08",
        &[
            "applied_stays_applied_while_the_switch_is_away_and_its_flows_come_back_with_it",
            "the_flows_of_a_switch_that_lost_them_are_back_when_it_is_connected_again",
        ],
    ),
    (
        "F09",
        &[
            "flows_that_a_switch_flushed_while_nobody_was_connected_come_back",
            "a_standalone_switch_that_flushed_its_flows_has_them_again_with_its_controller",
        ],
    ),
    ("F10", &["flows_are_back_after_the_controller_was_cleared_and_set_again"]),
    (
        "F11",
        &[
            "a_flow_under_way_when_the_daemon_died_is_unknown_until_the_switch_is_read",
            "a_daemon_killed_among_many_installs_keeps_every_answer_that_it_gave",
            "a_daemon_that_dies_at_any_step_leaves_all_or_none",
        ],
    ),
    (
        "F12",
        &[
            "a_read_that_breaks_off_changes_nothing_on_the_switch",
            "m45_a_reply_that_falls_silent_in_the_middle_is_given_up",
        ],
    ),
    (
        "F13",
        &[
            "requests_made_while_the_first_read_is_under_way_are_neither_lost_nor_doubled",
            "a_rule_under_the_cookie_of_a_flow_that_moves_while_the_switch_is_read_is_swept_too",
        ],
    ),
    ("F14", &["what_an_old_connection_says_late_confirms_nothing_on_the_new_one"]),
    ("F15", &["ten_thousand_pipelined_requests_are_all_answered_applied_and_counted_by_the_switch"]),
    (
        "F16",
        &[
            "a_silent_switch_is_asked_after_5_seconds_and_given_up_after_10",
            "a_switch_that_falls_silent_is_given_up_and_has_what_was_asked_meanwhile_when_it_speaks_again",
        ],
    ),
    (
        "F21",
        &[
            "m25_a_second_switch_with_the_datapath_id_of_a_living_one_is_refused_and_reported",
            "m25_a_switch_whose_old_connection_is_dead_takes_its_place",
            "a_second_switch_with_a_live_datapath_id_does_not_take_the_place_of_the_first",
        ],
    ),
    ("F22", &["xids_go_round_and_leave_out_0"]),
    ("F23", &["cookies_are_not_used_again_after_a_restart"]),
    ("F24", &["foreign_rules_are_never_touched", "only_what_carries_our_tag_and_belongs_to_no_flow_is_swept"]),
    (
        "F25",
        &[
            "a_timeout_of_its_own_ends_a_flow_and_it_is_not_put_back",
            "a_flow_whose_hard_timeout_is_over_becomes_expired_and_is_not_installed_again",
        ],
    ),
    (
        "F26",
        &[
            "the_place_of_a_rule_is_taken_only_with_replace",
            "a_foreign_rule_in_the_same_place_is_a_conflict_that_names_its_cookie",
        ],
    ),
    ("F27", &["a_wall_clock_that_jumps_makes_nothing_late_early_or_expired"]),
    ("F28", &["a_switch_that_takes_nothing_has_a_thousand_flow_mods_under_way_and_delays_no_other"]),
    (
        "F29",
        &[
            "a_cut_at_every_byte_of_a_bundle_towards_the_switch_leaves_all_or_none",
            "a_cut_at_every_byte_of_the_answers_to_a_bundle_leaves_all_or_none",
            "a_bundle_that_could_not_be_filled_for_long_is_given_up_before_the_switch_forgets_its_beginning",
            "a_bundle_that_a_switch_forgot_before_its_commit_is_sent_again",
            "a_switch_that_dies_with_its_bundle_closed_and_not_committed_leaves_the_other_without_the_batch",
        ],
    ),
    (
        "F30",
        &[
            "a_rejected_flow_keeps_its_answer_until_removal_frees_the_id",
            "flows_come_back_in_a_bundle_and_one_that_is_refused_then_does_not_keep_the_others_away",
        ],
    ),
    (
        "F31",
        &[
            "a_full_disk_refuses_new_flows_and_takes_them_off_the_switch_again",
            "a_disk_without_room_refuses_what_is_new_and_loses_nothing_that_was_acknowledged",
            "a_failed_fsync_is_final",
        ],
    ),
    ("F32", &["a_damaged_store_is_refused_or_read_right"]),
    (
        "F35",
        &[
            "of_a_hundred_switches_that_come_at_once_sixty_four_are_brought_up_to_date_at_a_time",
            "a_switch_that_goes_while_it_is_brought_up_to_date_gives_its_turn_to_the_next",
        ],
    ),
];

/// The names of all test functions below a directory.
fn tests_below(directory: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(directory).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            tests_below(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let functions = text.split("test]\n").skip(1).map(|rest| rest.trim_start().trim_start_matches("async "));
            let names = functions.filter_map(|rest| Some(rest.strip_prefix("fn ")?.split_once('(')?.0.to_owned()));
            found.extend(names);
        }
    }
}

#[test]
fn every_failure_has_a_test_that_exists() {
    let mut tests = BTreeSet::new();
    for directory in ["src", "tests"] {
        tests_below(&Path::new(env!("CARGO_MANIFEST_DIR")).join(directory), &mut tests);
    }
    let missing: Vec<_> = SHOWN_BY
        .into_iter()
        .flat_map(|(failure, names)| names.iter().map(move |name| (failure, *name)))
        .filter(|(_, name)| !tests.contains(*name))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn every_failure_of_the_list_is_shown_by_something() {
    let listed: Vec<_> = include_str!("failures.rs").lines().filter_map(|line| line.strip_prefix("//! | F")).collect();
    let shown: Vec<_> = SHOWN_BY.iter().map(|(failure, _)| *failure).collect();
    let listed: Vec<_> = listed.into_iter().map(|line| format!("F{}", &line[..2])).collect();
    assert_eq!(shown, listed);
    assert!(SHOWN_BY.iter().all(|(_, names)| !names.is_empty()));
}
