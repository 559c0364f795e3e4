//! Bundles, flow monitors and roles, against a scripted switch.

use bytes::Bytes;
use openflow::{
    BundleControl, BundleControlType, BundleFlags, BundleId, ControllerRole, ErrorCode, ErrorMsg, Experimenter,
    FlowMod, FlowUpdate, FlowUpdateEvent, FlowUpdateFull, Match, MatchForm, Message, MultipartReply,
    MultipartReplyBody, RoleMsg, TableId, Xid,
};

use super::control::is_generation_current;
use super::tests::{Script, flow_mods};
use super::*;

fn bundle_reply(bundle_id: BundleId, control_type: BundleControlType) -> Message {
    let flags = BundleFlags::ATOMIC | BundleFlags::ORDERED;
    Message::Experimenter(Experimenter::BundleControl(BundleControl {
        bundle_id,
        control_type,
        flags,
        properties: Vec::new(),
    }))
}

fn refusal(code: ErrorCode) -> Message {
    Message::Error(ErrorMsg::new(code, Bytes::new()))
}

fn bundle(script: &mut Script, tokens: std::ops::Range<u64>) -> Vec<(Xid, Experimenter)> {
    let mods = tokens.map(|token| (Token(token), FlowMod::add())).collect();
    script.session.handle_command(Command::Bundle(mods), script.now);
    bundle_messages(script)
}

/// What was sent about bundles, less the barriers behind commits: see [`barrier_after`].
fn bundle_messages(script: &mut Script) -> Vec<(Xid, Experimenter)> {
    let mut messages = Vec::new();
    let mut after_commit = None;
    for (xid, message) in script.sent() {
        match message {
            Message::Experimenter(message) => {
                after_commit = (control_type(&message) == Some(BundleControlType::CommitRequest)).then_some(xid);
                messages.push((xid, message));
            }
            Message::BarrierRequest => assert_eq!(after_commit.map(barrier_after), Some(xid), "behind a commit"),
            other => panic!("not about a bundle: {other:?}"),
        }
    }
    messages
}

/// The xid of the barrier behind a commit.
fn barrier_after(commit: Xid) -> Xid {
    Xid(commit.0.wrapping_add(1))
}

/// The switch answers a commit, and the barrier behind it.
fn answer_commit(script: &mut Script, commit: Xid, bundle_id: u32) {
    script.reply(commit, &bundle_reply(BundleId(bundle_id), BundleControlType::CommitReply));
    script.reply(barrier_after(commit), &Message::BarrierReply);
}

fn control_type(message: &Experimenter) -> Option<BundleControlType> {
    match message {
        Experimenter::BundleControl(control) => Some(control.control_type),
        _ => None,
    }
}

fn role_reply(role: ControllerRole) -> Message {
    Message::RoleReply(RoleMsg { role, generation_id: 7 })
}

#[test]
fn control_turns_packet_ins_off_and_finds_out_about_bundles() {
    for (answer, has_bundles) in [
        (bundle_reply(BundleId(u32::MAX), BundleControlType::OpenReply), true),
        (refusal(ErrorCode::BAD_REQUEST_BAD_EXPERIMENTER), false),
    ] {
        let mut script = Script::ready();
        script.session.handle_command(Command::Control { packet_in: false }, script.now);
        let sent = script.sent();
        let [(_, Message::SetConfig(config)), (_, Message::SetAsync(wanted)), (probe, Message::Experimenter(open))] =
            sent.as_slice()
        else {
            panic!("{sent:?}");
        };
        assert!(config.miss_send_len > 0, "or a dialled Open vSwitch tells nothing");
        assert_eq!((wanted.packet_in_mask.master, wanted.packet_in_mask.slave), (0, 0));
        assert_eq!((wanted.flow_removed_mask.master, wanted.port_status_mask.master), (0b1111, 0b111));
        assert_eq!(control_type(open), Some(BundleControlType::OpenRequest));
        script.reply(*probe, &answer);
        assert!(matches!(script.events().as_slice(), [Event::Bundles(has)] if *has == has_bundles));
        let discards = bundle_messages(&mut script).iter().filter_map(|(_, m)| control_type(m)).collect::<Vec<_>>();
        assert_eq!(discards, if has_bundles { vec![BundleControlType::DiscardRequest] } else { vec![] });
    }
}

#[test]
fn a_bundle_is_opened_filled_committed_and_confirmed_by_the_commits_reply_and_the_barrier_behind_it() {
    let mut script = Script::ready();
    let sent = bundle(&mut script, 0..3);
    let types: Vec<_> = sent.iter().map(|(_, message)| control_type(message)).collect();
    assert_eq!(types, [Some(BundleControlType::OpenRequest), None, None, None, Some(BundleControlType::CommitRequest)]);
    script.reply(sent[0].0, &bundle_reply(BundleId(1), BundleControlType::OpenReply));
    assert!(script.outcomes().is_empty());
    script.reply(sent[0].0, &bundle_reply(BundleId(1), BundleControlType::CommitReply));
    assert!(script.outcomes().is_empty(), "it has the xid of another request");
    script.reply(sent[4].0, &bundle_reply(BundleId(1), BundleControlType::CommitReply));
    assert!(script.outcomes().is_empty(), "the barrier is not answered");
    script.reply(barrier_after(sent[4].0), &Message::BarrierReply);
    assert_eq!(script.outcomes(), [(0, "confirmed"), (1, "confirmed"), (2, "confirmed")]);
}

#[test]
fn a_barrier_that_is_answered_before_its_commit_confirms_nothing() {
    let mut script = Script::ready();
    let sent = bundle(&mut script, 0..1);
    script.reply(barrier_after(sent[2].0), &Message::BarrierReply);
    assert!(script.outcomes().is_empty());
    script.reply(sent[2].0, &bundle_reply(BundleId(1), BundleControlType::CommitReply));
    assert_eq!(script.outcomes(), [(0, "confirmed")]);
}

#[test]
fn a_bundle_whose_barrier_is_refused_is_unknown_unless_it_was_rolled_back() {
    for (answer, expected) in [
        (bundle_reply(BundleId(1), BundleControlType::CommitReply), "unknown"),
        (refusal(ErrorCode::new(17, 10)), "rolled back"),
    ] {
        let mut script = Script::ready();
        let sent = bundle(&mut script, 0..1);
        script.reply(sent[2].0, &answer);
        script.reply(barrier_after(sent[2].0), &refusal(ErrorCode::BAD_REQUEST_EPERM));
        assert_eq!(script.outcomes(), [(0, expected)]);
    }
}

#[test]
fn a_refused_flow_mod_rolls_its_bundle_back_and_is_the_one_that_is_refused() {
    let mut script = Script::ready();
    let sent = bundle(&mut script, 0..3);
    script.reply(sent[2].0, &refusal(ErrorCode::FLOW_MOD_FAILED_TABLE_FULL));
    assert!(script.outcomes().is_empty());
    script.reply(sent[4].0, &refusal(ErrorCode::new(17, 10)));
    script.reply(barrier_after(sent[4].0), &Message::BarrierReply);
    assert_eq!(script.outcomes(), [(0, "rolled back"), (1, "refused"), (2, "rolled back")]);
}

#[test]
fn a_bundle_whose_commit_was_on_its_way_is_unknown_when_the_connection_goes() {
    let mut script = Script::ready();
    bundle(&mut script, 0..2);
    script.session.handle_disconnect(CloseReason::PeerClosed);
    assert_eq!(script.outcomes(), [(0, "unknown"), (1, "unknown")]);
}

#[test]
fn a_bundle_that_was_not_committed_is_not_sent_when_the_connection_goes() {
    let mut script = Script::ready();
    let sent = bundle(&mut script, 0..5_000);
    assert!(sent.len() < 5_000, "it goes out in parts: {}", sent.len());
    script.session.handle_disconnect(CloseReason::PeerClosed);
    let outcomes = script.outcomes();
    assert_eq!(outcomes.len(), 5_000);
    assert!(outcomes.iter().all(|(_, outcome)| *outcome == "not sent"));
}

#[test]
fn a_commit_that_is_not_answered_makes_unknown_and_a_late_answer_resolves_it() {
    let mut script = Script::ready();
    let sent = bundle(&mut script, 0..1);
    script.pass(Duration::from_secs(5));
    assert_eq!(script.outcomes(), [(0, "unknown")]);
    answer_commit(&mut script, sent[2].0, 1);
    assert_eq!(script.outcomes(), [(0, "confirmed")]);
}

#[test]
fn a_bundle_waits_for_a_large_one_and_single_flow_mods_do_not() {
    let mut script = Script::ready();
    script.session.handle_command(Command::Bundle(vec![(Token(9), FlowMod::add()); 1_000]), script.now);
    let mut first = bundle_messages(&mut script);
    while first.last().and_then(|(_, message)| control_type(message)) != Some(BundleControlType::CommitRequest) {
        first.extend(bundle_messages(&mut script));
    }
    assert!(bundle(&mut script, 1..2).is_empty(), "the first one is not answered yet");
    script.program([9]);
    assert_eq!(flow_mods(&script.sent()).len(), 1);
    answer_commit(&mut script, first.last().unwrap().0, 1);
    let second = bundle_messages(&mut script);
    assert!(matches!(&second[0].1, Experimenter::BundleControl(control) if control.bundle_id == BundleId(2)));
}

#[test]
fn small_bundles_are_sent_before_those_ahead_of_them_are_answered_and_each_has_its_own_verdict() {
    let mut script = Script::ready();
    let commits: Vec<Xid> = (0..3).map(|number| bundle(&mut script, number..number + 1)[2].0).collect();
    script.reply(commits[0], &refusal(ErrorCode::new(17, 10)));
    script.reply(barrier_after(commits[0]), &Message::BarrierReply);
    assert_eq!(script.outcomes(), [(0, "rolled back")]);
    answer_commit(&mut script, commits[2], 3);
    assert_eq!(script.outcomes(), [(2, "confirmed")]);
    answer_commit(&mut script, commits[1], 2);
    assert_eq!(script.outcomes(), [(1, "confirmed")]);
    assert_eq!(script.session.counters().stray_replies, 0);
}

/// A bundle of the name 7 with these FLOW_MODs, closed: the xids of its BUNDLE_ADDs, and that of its CLOSE_REQUEST.
fn closing(script: &mut Script, tokens: std::ops::Range<u64>) -> (Vec<Xid>, Xid) {
    let mods = tokens.map(|token| (Token(token), FlowMod::add())).collect();
    script.session.handle_command(Command::Prepare { bundle: Token(7), mods }, script.now);
    let sent = bundle_messages(script);
    let (close, message) = sent.last().unwrap();
    assert_eq!(control_type(message), Some(BundleControlType::CloseRequest), "{sent:?}");
    (sent[1..sent.len() - 1].iter().map(|(xid, _)| *xid).collect(), *close)
}

fn control_types(script: &mut Script) -> Vec<BundleControlType> {
    bundle_messages(script).iter().filter_map(|(_, message)| control_type(message)).collect()
}

fn is_prepared(script: &mut Script) -> bool {
    matches!(script.events().as_slice(), [Event::Prepared { bundle: Token(7) }])
}

#[test]
fn a_prepared_bundle_is_committed_when_its_owner_says_so_and_not_before() {
    let mut script = Script::ready();
    let (_, close) = closing(&mut script, 0..2);
    script.session.handle_command(Command::Commit { bundle: Token(7) }, script.now);
    assert!(control_types(&mut script).is_empty(), "the switch has not closed it yet");
    script.reply(close, &bundle_reply(BundleId(1), BundleControlType::CloseReply));
    assert!(is_prepared(&mut script));
    assert!(control_types(&mut script).is_empty());
    script.session.handle_command(Command::Commit { bundle: Token(7) }, script.now);
    let commits = bundle_messages(&mut script);
    assert_eq!(control_type(&commits[0].1), Some(BundleControlType::CommitRequest));
    answer_commit(&mut script, commits[0].0, 1);
    assert_eq!(script.outcomes(), [(0, "confirmed"), (1, "confirmed")]);
}

#[test]
fn a_bundle_of_which_the_switch_refuses_a_message_is_never_committed() {
    let mut script = Script::ready();
    let (added, close) = closing(&mut script, 0..3);
    script.reply(added[1], &refusal(ErrorCode::BAD_ACTION_BAD_OUT_GROUP));
    script.reply(close, &bundle_reply(BundleId(1), BundleControlType::CloseReply));
    assert_eq!(script.outcomes(), [(0, "rolled back"), (1, "refused"), (2, "rolled back")]);
    assert_eq!(control_types(&mut script), [BundleControlType::DiscardRequest]);
}

#[test]
fn a_bundle_that_the_switch_does_not_close_is_rolled_back_with_the_switchs_word() {
    let mut script = Script::ready();
    let (_, close) = closing(&mut script, 0..2);
    script.reply(close, &refusal(ErrorCode::new(ErrorCode::EXPERIMENTER, 2305)));
    let events = script.events();
    let [Event::Settled(settlements)] = events.as_slice() else { panic!("{events:?}") };
    let has_cause = |settlement: &Settlement| matches!(settlement.outcome, Outcome::RolledBack(Some(_)));
    assert!(settlements.len() == 2 && settlements.iter().all(has_cause), "{settlements:?}");
    assert_eq!(control_types(&mut script), [BundleControlType::DiscardRequest]);
}

#[test]
fn a_bundle_that_its_owner_discards_is_not_sent_however_far_it_is() {
    for answered in [false, true] {
        let mut script = Script::ready();
        let (_, close) = closing(&mut script, 0..2);
        if answered {
            script.reply(close, &bundle_reply(BundleId(1), BundleControlType::CloseReply));
            assert!(is_prepared(&mut script));
        }
        script.session.handle_command(Command::Discard { bundle: Token(7) }, script.now);
        assert_eq!(script.outcomes(), [(0, "not sent"), (1, "not sent")]);
        assert_eq!(control_types(&mut script), [BundleControlType::DiscardRequest]);
    }
    let mut script = Script::ready();
    bundle(&mut script, 0..5_000);
    let mods = vec![(Token(9), FlowMod::add())];
    script.session.handle_command(Command::Prepare { bundle: Token(7), mods }, script.now);
    script.session.handle_command(Command::Discard { bundle: Token(7) }, script.now);
    assert_eq!(script.outcomes(), [(9, "not sent")]);
    assert!(control_types(&mut script).is_empty(), "the switch never heard of it");
}

#[test]
fn a_prepared_bundle_keeps_no_other_bundle_waiting() {
    let mut script = Script::ready();
    let (_, close) = closing(&mut script, 0..2);
    script.reply(close, &bundle_reply(BundleId(1), BundleControlType::CloseReply));
    let second = bundle(&mut script, 2..3);
    answer_commit(&mut script, second[2].0, 2);
    assert_eq!(script.outcomes(), [(2, "confirmed")]);
}

#[test]
fn a_prepared_bundle_is_not_sent_when_the_connection_goes_and_unknown_once_its_commit_has_left() {
    for (committed, expected) in [(false, "not sent"), (true, "unknown")] {
        let mut script = Script::ready();
        let (_, close) = closing(&mut script, 0..1);
        script.reply(close, &bundle_reply(BundleId(1), BundleControlType::CloseReply));
        if committed {
            script.session.handle_command(Command::Commit { bundle: Token(7) }, script.now);
            script.sent();
        }
        script.session.handle_disconnect(CloseReason::PeerClosed);
        assert_eq!(script.outcomes(), [(0, expected)]);
    }
}

#[test]
fn a_bundle_that_could_not_be_filled_for_long_is_given_up_before_the_switch_forgets_its_beginning() {
    let mut script = Script::ready();
    let sent = bundle(&mut script, 0..5_000);
    assert!(sent.len() < 5_000, "it goes out in parts: {}", sent.len());
    script.pass(Duration::from_secs(5));
    let is_discard = |message: &Message| match message {
        Message::Experimenter(message) => control_type(message) == Some(BundleControlType::DiscardRequest),
        _ => false,
    };
    assert!(script.sent().iter().any(|(_, message)| is_discard(message)));
    let outcomes = script.outcomes();
    assert_eq!(outcomes.len(), 5_000);
    assert!(outcomes.iter().all(|(_, outcome)| *outcome == "not sent"));
}

#[test]
fn a_monitor_tells_what_others_do_and_not_what_we_do() {
    let mut script = Script::ready();
    script.session.handle_command(Command::Monitor, script.now);
    let (xid, _) = script.only_sent();
    let updates = |updates| {
        let body = MultipartReplyBody::FlowMonitor(updates);
        Message::MultipartReply(MultipartReply::from(body))
    };
    script.reply(xid, &updates(Vec::new()));
    assert!(matches!(script.events().as_slice(), [Event::Monitoring(true)]));
    let foreign = FlowUpdateFull {
        event: FlowUpdateEvent::Deleted,
        reason: 2,
        priority: 5,
        idle_timeout: 0,
        hard_timeout: 0,
        table_id: TableId(0),
        cookie: 1,
        flow_match: Match::any(),
        form: MatchForm::Whole,
        instructions: Vec::new(),
    };
    script.reply(Xid(0), &updates(vec![FlowUpdate::Abbreviated(Xid(4)), FlowUpdate::Full(foreign.clone())]));
    let events = script.events();
    assert!(matches!(events.as_slice(), [Event::FlowUpdates(told)] if *told == [foreign.clone()]), "{events:?}");
}

#[test]
fn a_switch_without_a_monitor_says_so_and_updates_that_nobody_asked_for_are_stray() {
    let mut script = Script::ready();
    let update = Message::MultipartReply(MultipartReplyBody::FlowMonitor(Vec::new()).into());
    script.reply(Xid(0), &update);
    assert_eq!(script.session.counters().stray_replies, 1);
    script.session.handle_command(Command::Monitor, script.now);
    let (xid, _) = script.only_sent();
    script.reply(xid, &refusal(ErrorCode::BAD_REQUEST_BAD_MULTIPART));
    assert!(matches!(script.events().as_slice(), [Event::Monitoring(false)]));
}

#[test]
fn nothing_is_written_between_a_claim_and_the_role_reply() {
    let mut script = Script::ready();
    let claim = Command::ClaimRole { role: ControllerRole::Master, generation_id: 7 };
    script.session.handle_command(claim, script.now);
    let (xid, _) = script.only_sent();
    script.program([1]);
    assert!(script.sent().is_empty());
    script.reply(Xid(xid.0 + 1), &role_reply(ControllerRole::Master));
    script.reply(xid, &role_reply(ControllerRole::Slave));
    assert!(script.sent().is_empty(), "neither another xid nor another role counts");
    script.reply(xid, &role_reply(ControllerRole::Master));
    assert!(matches!(script.events().as_slice(), [Event::RoleGranted(ControllerRole::Master)]));
    assert_eq!(flow_mods(&script.sent()).len(), 1);
}

#[test]
fn a_slave_and_a_controller_with_a_stale_generation_write_nothing() {
    for (role, answer) in [
        (ControllerRole::Slave, role_reply(ControllerRole::Slave)),
        (ControllerRole::Master, refusal(ErrorCode::ROLE_REQUEST_FAILED_STALE)),
    ] {
        let mut script = Script::ready();
        script.session.handle_command(Command::ClaimRole { role, generation_id: 7 }, script.now);
        let (xid, _) = script.only_sent();
        script.reply(xid, &answer);
        let events = script.events();
        let told = matches!(
            events.as_slice(),
            [Event::RoleGranted(ControllerRole::Slave) | Event::RoleRefused { is_stale: true, .. }]
        );
        assert!(told, "{events:?}");
        script.program([1]);
        assert!(script.sent().is_empty());
    }
}

#[test]
fn generation_ids_compare_as_a_signed_distance() {
    let half = 1u64 << 63;
    for (seen, offered, is_current) in [
        (0, 0, true),
        (0, half - 1, true),
        (0, half, false),
        (0, u64::MAX, false),
        (u64::MAX, 0, true),
        (half, half - 1, false),
        (half - 1, half, true),
        (u64::MAX, half - 2, true),
    ] {
        assert_eq!(is_generation_current(seen, offered), is_current, "seen {seen}, offered {offered}");
    }
}
