//! The rows of the table of bad input for this front end, and the tests that see to each: none may go missing.

const SOURCES: [&str; 20] = [
    include_str!("access.rs"),
    include_str!("autobahn.rs"),
    include_str!("endings.rs"),
    include_str!("events.rs"),
    include_str!("floods.rs"),
    include_str!("frames.rs"),
    include_str!("handshake.rs"),
    include_str!("requests.rs"),
    include_str!("rfc6455.rs"),
    include_str!("slow.rs"),
    include_str!("../batch.rs"),
    include_str!("../gate.rs"),
    include_str!("../hub.rs"),
    include_str!("../origin.rs"),
    include_str!("../turns.rs"),
    include_str!("../../contract/parse.rs"),
    include_str!("../../contract/tests/mod.rs"),
    include_str!("../../contract/tests/msgpack.rs"),
    include_str!("../../programmer/tests/install.rs"),
    include_str!("../../cli/output.rs"),
];

const ROWS: [(&str, &[&str]); 20] = [
    (
        "W01 another site's page",
        &["any_other_origin_is_refused", "an_origin_that_comes_twice_is_refused_and_none_at_all_is_admitted"],
    ),
    (
        "W02 a token in the query",
        &[
            "w02_a_wrong_token_or_one_in_a_query_that_is_not_allowed_is_refused",
            "w02_a_client_that_shows_no_token_in_time_is_let_go",
            "w02_of_a_stranger_no_more_is_read_than_a_token_needs_however_it_is_cut",
        ],
    ),
    (
        "W03 a slow handshake",
        &[
            "a_slow_handshake_is_cut_off",
            "w03_five_thousand_slow_handshakes_hold_up_nobody_and_are_over_after_their_time",
            "w03_a_request_has_a_hundred_headers_and_8_kib_and_no_more",
            "w03_tls_and_the_request_behind_it_have_the_time_of_one_handshake",
            "w03_a_first_message_in_single_bytes_is_ended_when_its_time_is_over",
        ],
    ),
    ("W04 a huge message", &["a_message_of_exactly_the_limit_is_answered_and_one_byte_more_is_too_big"]),
    (
        "W05 fragments without end",
        &[
            "w05_empty_fragments_without_end_are_ended_with_1008",
            "w05_the_fragments_of_a_message_that_is_too_big_in_sum_are_ended_with_1009",
            "w05_a_fragment_that_only_control_frames_follow_is_ended_when_its_time_is_over",
        ],
    ),
    ("W06 compression", &["the_handshake_computes_the_rfcs_own_key_and_never_compresses"]),
    (
        "W07 floods of control frames",
        &[
            "w07_a_flood_of_pings_or_pongs_is_ended_with_1008_and_others_are_served",
            "w07_a_hundred_control_frames_are_allowed_in_every_second",
            "w07_the_hundred_and_first_of_a_second_is_ended_with_1008_whatever_they_are",
            "w07_a_second_close_changes_nothing",
        ],
    ),
    (
        "W08 frames against RFC 6455",
        &[
            "each_violation_is_closed_with_its_code",
            "w08_every_section_of_rfc_6455_is_kept",
            "w08_autobahn_finds_no_fault_in_any_case_outside_compression",
        ],
    ),
    ("W09 JSON that is too deep", &["a_million_brackets_are_refused_after_seventeen"]),
    (
        "W10 JSON bombs",
        &[
            "an_object_of_many_keys_is_answered_and_the_answer_is_short",
            "w10_there_are_at_least_300_rows",
            "bytes_that_are_no_request_get_their_verdict",
            "an_object_of_millions_of_keys_is_answered_and_the_answer_is_short",
        ],
    ),
    (
        "W11 numbers out of range",
        &[
            "each_field_of_install_flow_gets_its_verdict_alone_and_in_a_batch",
            "w11_every_number_beyond_its_bounds_is_refused_at_its_place",
        ],
    ),
    (
        "W12 a slow subscriber",
        &[
            "w12_a_subscriber_that_reads_nothing_is_let_go_and_delays_nobody",
            "w12_a_subscriber_that_takes_nothing_is_closed_with_1013_and_the_others_have_every_event",
            "w12_what_waits_for_many_subscribers_is_kept_once",
            "w12_a_subscriber_that_falls_behind_gets_one_gap_and_then_what_is_there",
        ],
    ),
    ("W13 too many subscriptions", &["w13_more_subscriptions_than_allowed_are_refused_until_others_leave"]),
    (
        "W14 too many connections",
        &[
            "w14_when_it_is_crowded_an_admin_still_gets_in",
            "w14_a_place_that_is_kept_for_admins_is_held_by_no_stranger_for_long",
            "w14_one_address_has_only_so_many_connections_and_loopback_is_not_one",
        ],
    ),
    (
        "W15 one client ahead of the others",
        &[
            "no_more_is_read_than_may_be_in_flight",
            "turns_go_round_among_batches",
            "w15_of_however_many_batches_only_so_many_parts_are_ahead_of_anybody_else",
            "w15_beside_somebody_else_there_are_fewer_parts_under_way_and_afterwards_as_many_as_before",
            "a_part_whose_switch_does_not_answer_holds_up_nobody_else",
            "w15_batches_whose_clients_have_gone_take_no_more_room_than_there_is_and_hold_up_nothing_else",
        ],
    ),
    ("W16 a flow_id again", &["the_same_request_again_is_the_same_flow_and_another_body_is_a_conflict"]),
    ("W17 roles", &["w17_each_role_may_do_what_the_contract_says_and_nothing_else"]),
    ("W18 smuggled requests", &["w18_oddities_of_http_are_refused", "each_request_that_cannot_be_served_is_told_why"]),
    ("W19 guessed tokens", &["w19_who_guesses_is_told_so_and_keeps_out_nobody_from_the_same_address"]),
    ("W20 control characters in names", &["w20_what_a_client_sends_cannot_break_a_line_of_the_log"]),
];

#[test]
fn every_row_of_bad_input_has_its_tests() {
    for (row, tests) in ROWS {
        for test in tests {
            let count = SOURCES.iter().filter(|source| source.contains(&format!("fn {test}("))).count();
            assert_eq!(count, 1, "{row}: {test}");
        }
    }
}
