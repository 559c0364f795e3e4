//! What FLOW_MOD does to the tables.

use openflow::{BufferId, ErrorCode, FlowModFlags, FlowRemovedReason, GroupId, MeterId, OxmField, TableId};

use super::*;
use crate::emulator::{MissingPorts, WhenFull};

fn add(flow_match: Match) -> FlowMod {
    FlowMod { flow_match, ..flow(100) }
}

#[test]
fn a_flow_that_is_added_is_there_as_it_was_asked_for() {
    let mut stage = Stage::ready(config());
    let wanted = FlowMod {
        cookie: 0xfeed,
        table_id: TableId(3),
        idle_timeout: 60,
        hard_timeout: 600,
        flags: FlowModFlags::SEND_FLOW_REM,
        ..add(to([10, 0, 0, 1]))
    };
    stage.apply(wanted.clone());
    let flows = stage.flows();
    assert_eq!(flows.len(), 1);
    let there = &flows[0];
    assert_eq!((there.cookie, there.table_id, there.priority), (0xfeed, TableId(3), 100));
    assert_eq!((there.idle_timeout, there.hard_timeout, there.flags), (60, 600, FlowModFlags::SEND_FLOW_REM));
    assert_eq!((&there.flow_match, &there.instructions), (&wanted.flow_match, &wanted.instructions));
}

#[test]
fn a_second_flow_of_the_same_match_and_priority_takes_the_place_of_the_first() {
    let mut stage = Stage::ready(config());
    stage.apply(FlowMod { cookie: 1, flags: FlowModFlags::SEND_FLOW_REM, ..add(to([10, 0, 0, 1])) });
    stage.apply(FlowMod { cookie: 2, instructions: output(2), ..add(to([10, 0, 0, 1])) });
    stage.apply(FlowMod { priority: 101, ..add(to([10, 0, 0, 1])) });
    stage.apply(FlowMod { table_id: TableId(1), ..add(to([10, 0, 0, 1])) });
    let flows = stage.flows();
    assert_eq!(flows.len(), 3);
    assert_eq!((flows[1].cookie, &flows[1].instructions), (2, &output(2)));
}

#[test]
fn a_replaced_flow_leaves_its_counters_unless_they_are_to_be_reset() {
    let mut stage = Stage::ready(config());
    let flow_mod = add(to([10, 0, 0, 1]));
    stage.apply(flow_mod.clone());
    assert!(stage.switch.count_traffic(TableId(0), 100, &flow_mod.flow_match, 3, 300, stage.now));
    stage.wait(Duration::from_secs(5));
    stage.apply(flow_mod.clone());
    let kept = &stage.flows()[0];
    assert_eq!((kept.packet_count, kept.byte_count, kept.duration_sec), (3, 300, 0));
    stage.apply(FlowMod { flags: FlowModFlags::RESET_COUNTS, ..flow_mod });
    assert_eq!(stage.flows()[0].packet_count, 0);
}

#[test]
fn an_overlap_is_refused_only_if_asked_and_only_within_the_priority() {
    let mut stage = Stage::ready(config());
    stage.apply(add(to_subnet(8)));
    let careful = FlowMod { flags: FlowModFlags::CHECK_OVERLAP, ..add(to_subnet(16)) };
    assert_eq!(stage.refused(careful.clone()), ErrorCode::FLOW_MOD_FAILED_OVERLAP);
    stage.apply(FlowMod { priority: 101, ..careful.clone() });
    stage.apply(FlowMod { flags: FlowModFlags::CHECK_OVERLAP, ..add(to([11, 0, 0, 1])) });
    stage.apply(FlowMod { table_id: TableId(1), ..careful });
    assert_eq!(stage.flows().len(), 4);
}

#[test]
fn a_full_table_refuses_new_flows_and_still_replaces_old_ones() {
    let mut stage = Stage::ready(SwitchConfig { table_limit: 2, ..config() });
    stage.apply(flow(1));
    stage.apply(flow(2));
    assert_eq!(stage.refused(flow(3)), ErrorCode::FLOW_MOD_FAILED_TABLE_FULL);
    stage.apply(FlowMod { instructions: output(2), ..flow(2) });
    stage.apply(FlowMod { table_id: TableId(1), ..flow(3) });
    assert_eq!(stage.priorities(), [2, 1, 3]);
}

#[test]
fn a_switch_that_evicts_lets_the_next_to_expire_go_and_then_the_oldest() {
    let mut stage = Stage::ready(SwitchConfig { table_limit: 3, when_full: WhenFull::Evict, ..config() });
    stage.apply(flow(1));
    stage.apply(FlowMod { hard_timeout: 60, flags: FlowModFlags::SEND_FLOW_REM, ..flow(2) });
    stage.apply(flow(3));
    let said = stage.say(&Message::FlowMod(flow(4)));
    let [(_, Message::FlowRemoved(removed))] = said.as_slice() else { panic!("{said:?}") };
    assert_eq!((removed.priority, removed.reason), (2, FlowRemovedReason::Delete));
    stage.apply(flow(5));
    assert_eq!(stage.priorities(), [5, 4, 3]);
}

#[test]
fn modify_changes_the_instructions_of_what_its_match_covers_and_nothing_else() {
    let mut stage = Stage::ready(config());
    stage.apply(FlowMod { cookie: 1, idle_timeout: 9, ..add(to([10, 0, 0, 1])) });
    stage.apply(FlowMod { cookie: 2, ..add(to([11, 0, 0, 1])) });
    assert!(stage.switch.count_traffic(TableId(0), 100, &to([10, 0, 0, 1]), 3, 300, stage.now));
    let change =
        FlowMod { cookie: 77, idle_timeout: 5, flow_match: to_subnet(8), instructions: output(2), ..FlowMod::modify() };
    stage.apply(change.clone());
    let flows = stage.flows();
    assert_eq!((flows[0].cookie, flows[0].idle_timeout, flows[0].packet_count), (1, 9, 3));
    assert_eq!((&flows[0].instructions, &flows[1].instructions), (&output(2), &output(1)));
    stage.apply(FlowMod { flags: FlowModFlags::RESET_COUNTS, ..change });
    assert_eq!(stage.flows()[0].packet_count, 0);
}

#[test]
fn modify_adds_nothing() {
    let mut stage = Stage::ready(config());
    stage.apply(FlowMod { instructions: output(2), ..FlowMod::modify() });
    stage.apply(FlowMod { instructions: output(2), ..FlowMod::modify_strict() });
    assert_eq!(stage.flows(), []);
}

#[test]
fn modify_strict_needs_the_same_match_and_priority() {
    let mut stage = Stage::ready(config());
    stage.apply(add(to([10, 0, 0, 1])));
    let strict = FlowMod { flow_match: to([10, 0, 0, 1]), instructions: output(2), ..FlowMod::modify_strict() };
    stage.apply(FlowMod { priority: 99, ..strict.clone() });
    stage.apply(FlowMod { flow_match: to_subnet(8), priority: 100, ..strict.clone() });
    assert_eq!(stage.flows()[0].instructions, output(1));
    stage.apply(FlowMod { priority: 100, ..strict });
    assert_eq!(stage.flows()[0].instructions, output(2));
}

#[test]
fn the_cookie_mask_narrows_modify_and_delete() {
    let mut stage = Stage::ready(config());
    stage.apply(FlowMod { cookie: 0xa1, ..flow(3) });
    stage.apply(FlowMod { cookie: 0xa2, ..flow(2) });
    stage.apply(FlowMod { cookie: 0xb1, ..flow(1) });
    let ours = FlowMod { cookie: 0xa0, cookie_mask: 0xf0, ..FlowMod::delete() };
    stage.apply(FlowMod {
        table_id: TableId(0),
        instructions: output(2),
        command: FlowMod::modify().command,
        ..ours.clone()
    });
    let changed: Vec<bool> = stage.flows().iter().map(|flow| flow.instructions == output(2)).collect();
    assert_eq!(changed, [true, true, false]);
    stage.apply(FlowMod { cookie: 0xa2, cookie_mask: u64::MAX, priority: 3, ..FlowMod::delete_strict() });
    assert_eq!(stage.priorities(), [3, 2, 1], "the cookie holds for strict deletes too");
    stage.apply(ours);
    assert_eq!(stage.priorities(), [1]);
}

#[test]
fn delete_takes_what_its_match_covers_in_one_table_or_in_all() {
    let mut stage = Stage::ready(config());
    for table in 0..3 {
        stage.apply(FlowMod { table_id: TableId(table), ..add(to([10, 0, 0, 1])) });
        stage.apply(FlowMod { table_id: TableId(table), ..add(to([11, 0, 0, 1])) });
    }
    stage.apply(FlowMod { table_id: TableId(1), flow_match: to_subnet(8), ..FlowMod::delete() });
    assert_eq!(stage.flows().len(), 5);
    stage.apply(FlowMod { flow_match: to_subnet(8), ..FlowMod::delete() });
    assert_eq!(stage.flows().len(), 3);
    stage.apply(FlowMod::delete());
    assert_eq!(stage.flows().len(), 0);
}

#[test]
fn delete_strict_takes_one_flow_or_none() {
    let mut stage = Stage::ready(config());
    stage.apply(add(to([10, 0, 0, 1])));
    let strict = FlowMod { priority: 100, ..FlowMod::delete_strict() };
    stage.apply(FlowMod { flow_match: to_subnet(8), ..strict.clone() });
    stage.apply(FlowMod { flow_match: to([10, 0, 0, 1]), priority: 99, ..strict.clone() });
    assert_eq!(stage.flows().len(), 1);
    stage.apply(FlowMod { flow_match: to([10, 0, 0, 1]), ..strict });
    assert_eq!(stage.flows().len(), 0);
}

#[test]
fn delete_can_ask_for_a_port_in_the_actions() {
    let mut stage = Stage::ready(config());
    stage.apply(flow(1));
    stage.apply(FlowMod { instructions: output(2), ..flow(2) });
    stage.apply(FlowMod { instructions: vec![Instruction::WriteActions(vec![Action::output(PortNo(2))])], ..flow(3) });
    stage.apply(FlowMod { out_port: PortNo(2), ..FlowMod::delete() });
    assert_eq!(stage.priorities(), [1]);
}

#[test]
fn the_ports_and_groups_of_an_add_or_a_modify_mean_nothing() {
    let mut stage = Stage::ready(config());
    stage.apply(FlowMod { out_port: PortNo(9), out_group: GroupId(9), ..flow(1) });
    stage.apply(FlowMod { out_port: PortNo(9), out_group: GroupId(9), instructions: output(2), ..FlowMod::modify() });
    assert_eq!(stage.flows()[0].instructions, output(2));
}

#[test]
fn a_deleted_flow_is_reported_if_it_asked_for_that() {
    let mut stage = Stage::ready(config());
    stage.apply(FlowMod { cookie: 5, flags: FlowModFlags::SEND_FLOW_REM, ..flow(1) });
    stage.apply(flow(2));
    stage.wait(Duration::from_millis(1500));
    let said = stage.say(&Message::FlowMod(FlowMod::delete()));
    let [(_, Message::FlowRemoved(removed))] = said.as_slice() else { panic!("{said:?}") };
    assert_eq!((removed.cookie, removed.priority, removed.reason), (5, 1, FlowRemovedReason::Delete));
    assert_eq!((removed.duration_sec, removed.duration_nsec), (1, 500_000_000));
}

#[test]
fn what_the_switch_cannot_do_is_refused_and_leaves_no_trace() {
    let goto = |table| FlowMod { instructions: vec![Instruction::GotoTable(TableId(table))], ..flow(1) };
    let with = |instruction| FlowMod { instructions: vec![instruction], ..flow(1) };
    let mut stage = Stage::ready(SwitchConfig { n_tables: 10, missing_ports: MissingPorts::Refuse, ..config() });
    for (wrong, code) in [
        (FlowMod { table_id: TableId(10), ..flow(1) }, ErrorCode::FLOW_MOD_FAILED_BAD_TABLE_ID),
        (FlowMod { table_id: TableId::ALL, ..flow(1) }, ErrorCode::FLOW_MOD_FAILED_BAD_TABLE_ID),
        (FlowMod { table_id: TableId(10), ..FlowMod::delete() }, ErrorCode::FLOW_MOD_FAILED_BAD_TABLE_ID),
        (FlowMod { table_id: TableId(4), ..goto(4) }, ErrorCode::BAD_INSTRUCTION_BAD_TABLE_ID),
        (FlowMod { table_id: TableId(4), ..goto(3) }, ErrorCode::BAD_INSTRUCTION_BAD_TABLE_ID),
        (goto(10), ErrorCode::BAD_INSTRUCTION_BAD_TABLE_ID),
        (FlowMod { buffer_id: BufferId(1), ..flow(1) }, ErrorCode::BAD_REQUEST_BUFFER_UNKNOWN),
        (FlowMod { instructions: output(99), ..flow(1) }, ErrorCode::BAD_ACTION_BAD_OUT_PORT),
        (FlowMod { instructions: output(PortNo::ANY.0), ..flow(1) }, ErrorCode::BAD_ACTION_BAD_OUT_PORT),
        (with(Instruction::Meter(MeterId(1))), ErrorCode::METER_MOD_FAILED_INVALID_METER),
        (with(Instruction::WriteActions(vec![Action::Group(GroupId(1))])), ErrorCode::BAD_ACTION_BAD_OUT_GROUP),
    ] {
        assert_eq!(stage.refused(wrong), code);
    }
    assert_eq!(stage.flows(), []);
    stage.apply(FlowMod { instructions: output(PortNo::NORMAL.0), ..flow(1) });
    stage.apply(goto(9));
}

#[test]
fn a_switch_may_accept_ports_that_it_does_not_have() {
    let mut stage = Stage::ready(config());
    stage.apply(FlowMod { instructions: output(99), ..flow(1) });
    assert_eq!(stage.flows().len(), 1);
}

#[test]
fn a_match_that_makes_no_sense_is_refused_with_the_code_for_it() {
    let mut stage = Stage::ready(config());
    let mut bytes = BytesMut::new();
    Message::FlowMod(add(to([10, 0, 0, 1]))).encode(Xid(5), &mut bytes).unwrap();
    // The EtherType becomes ARP, and the address of an IPv4 packet is left alone.
    bytes[57] = 0x06;
    let said = stage.say_bytes(bytes);
    let [(Xid(5), Message::Error(error))] = said.as_slice() else { panic!("{said:?}") };
    assert_eq!(error.error_code(), ErrorCode::BAD_MATCH_BAD_PREREQ);
}

#[test]
fn a_field_is_set_only_where_the_match_says_that_packets_have_it() {
    let mut stage = Stage::ready(config());
    let mark = Action::set_field(OxmField::IpDscp(46)).unwrap();
    let doing = |actions: Vec<Action>| vec![Instruction::ApplyActions(actions)];
    for actions in [doing(vec![mark.clone()]), doing(vec![Action::DecNwTtl])] {
        let anything = FlowMod { instructions: actions.clone(), ..flow(1) };
        assert_eq!(stage.refused(anything), ErrorCode::BAD_ACTION_MATCH_INCONSISTENT);
        stage.apply(FlowMod { instructions: actions, ..add(to([10, 0, 0, 1])) });
    }
    // What is under an MPLS header that is taken off, the match cannot say.
    let popped = doing(vec![Action::PopMpls(EthType::IPV4), mark]);
    let mpls = Match::builder().eth_type(EthType::MPLS).build().unwrap();
    stage.apply(FlowMod { instructions: popped, ..add(mpls) });
}

#[test]
fn instructions_are_reported_in_the_order_in_which_they_are_executed() {
    let mut stage = Stage::ready(config());
    let [apply] = <[Instruction; 1]>::try_from(output(1)).unwrap();
    let goto = Instruction::GotoTable(TableId(1));
    stage.apply(FlowMod { instructions: vec![goto.clone(), Instruction::ClearActions, apply.clone()], ..flow(1) });
    assert_eq!(stage.flows()[0].instructions, [apply, Instruction::ClearActions, goto]);
}

#[test]
fn a_hundred_thousand_flows_are_added_and_deleted_one_by_one() {
    let mut stage = Stage::ready(config());
    let all = || (0..100_000_u32).map(|n| to(n.to_be_bytes()));
    for flow_match in all() {
        stage.apply(FlowMod { flow_match, ..flow(100) });
    }
    assert_eq!(stage.flows().len(), 100_000);
    for flow_match in all() {
        stage.apply(FlowMod { flow_match, priority: 100, ..FlowMod::delete_strict() });
    }
    assert_eq!(stage.flows().len(), 0);
}

#[test]
fn what_is_done_at_the_switch_itself_is_told_to_its_controllers() {
    let mut stage = Stage::ready(config());
    stage.apply(FlowMod { flags: FlowModFlags::SEND_FLOW_REM, ..flow(1) });
    stage.switch.apply(flow(2), stage.now).unwrap();
    stage.switch.apply(FlowMod { priority: 1, ..FlowMod::delete_strict() }, stage.now).unwrap();
    assert!(matches!(stage.hear().as_slice(), [(_, Message::FlowRemoved(_))]));
    assert_eq!(stage.priorities(), [2]);
}

#[test]
fn a_restart_ends_the_connections_and_empties_the_tables() {
    let mut stage = Stage::ready(config());
    stage.apply(flow(1));
    stage.switch.restart();
    assert!(stage.switch.is_closed(stage.channel));
    assert_eq!(stage.flows(), []);
    stage.channel = stage.switch.open(stage.now);
    stage.say(&Message::Hello(Hello::with_versions(&[OFP_VERSION])));
    stage.apply(flow(2));
    assert_eq!(stage.priorities(), [2]);
}

#[test]
fn the_journal_keeps_the_last_flow_mods_and_what_became_of_them() {
    let mut stage = Stage::ready(SwitchConfig { journal: 2, table_limit: 1, ..config() });
    stage.apply(flow(1));
    stage.apply(FlowMod::delete());
    stage.apply(flow(2));
    assert_eq!(stage.refused(flow(3)), ErrorCode::FLOW_MOD_FAILED_TABLE_FULL);
    let journal = stage.switch.journal();
    assert_eq!(journal.len(), 2);
    assert_eq!((journal[0].xid, journal[0].refusal), (Xid(stage.last_xid - 1), None));
    assert_eq!(
        (journal[1].xid, journal[1].refusal),
        (Xid(stage.last_xid), Some(ErrorCode::FLOW_MOD_FAILED_TABLE_FULL))
    );
}
