//! Groups and meters, and the flows that use them.

use openflow::{
    Band, BandKind, Bucket, FlowModFlags, FlowRemovedReason, GroupId, GroupMod, GroupModCommand, GroupStatsRequest,
    GroupType, MeterFlags, MeterId, MeterMod, MeterModCommand, MeterRequest, MultipartReplyBody,
    MultipartRequestBody as Body,
};

use super::*;

fn group(command: GroupModCommand, group_id: u32, actions: Vec<Action>) -> Message {
    let buckets = vec![Bucket { actions, ..Bucket::default() }];
    Message::GroupMod(GroupMod { command, group_type: GroupType::All, group_id: GroupId(group_id), buckets })
}

fn meter(command: MeterModCommand, meter_id: u32, kind: BandKind) -> Message {
    let bands = vec![Band { rate: 5000, burst_size: 0, kind }];
    Message::MeterMod(MeterMod { command, flags: MeterFlags::KBPS, meter_id: MeterId(meter_id), bands })
}

fn to_group(group: u32) -> Action {
    Action::Group(GroupId(group))
}

fn refusal(said: &[(Xid, Message)]) -> ErrorCode {
    let [(_, Message::Error(error))] = said else { panic!("one error expected, not {said:?}") };
    error.error_code()
}

#[test]
fn a_flow_can_use_a_group_or_a_meter_only_once_it_exists() {
    let mut stage = Stage::ready(config());
    let through_group = FlowMod { instructions: vec![Instruction::ApplyActions(vec![to_group(1)])], ..flow(1) };
    let through_meter = FlowMod { instructions: vec![Instruction::Meter(MeterId(1))], ..flow(2) };
    assert_eq!(stage.refused(through_group.clone()), ErrorCode::BAD_ACTION_BAD_OUT_GROUP);
    assert_eq!(stage.refused(through_meter.clone()), ErrorCode::METER_MOD_FAILED_INVALID_METER);
    assert_eq!(stage.say(&group(GroupModCommand::Add, 1, vec![Action::output(PortNo(1))])), []);
    assert_eq!(stage.say(&meter(MeterModCommand::Add, 1, BandKind::Drop)), []);
    stage.apply(through_group);
    stage.apply(through_meter);
}

#[test]
fn the_flows_of_a_group_or_a_meter_go_with_it() {
    let mut stage = Stage::ready(config());
    stage.say(&group(GroupModCommand::Add, 1, vec![]));
    stage.say(&meter(MeterModCommand::Add, 1, BandKind::Drop));
    let flags = FlowModFlags::SEND_FLOW_REM;
    stage.apply(FlowMod { flags, instructions: vec![Instruction::WriteActions(vec![to_group(1)])], ..flow(1) });
    stage.apply(FlowMod { flags, instructions: vec![Instruction::Meter(MeterId(1))], ..flow(2) });
    stage.apply(flow(3));
    for (message, reason) in [
        (group(GroupModCommand::Delete, 1, vec![]), FlowRemovedReason::GroupDelete),
        (meter(MeterModCommand::Delete, 1, BandKind::Drop), FlowRemovedReason::Delete),
    ] {
        let said = stage.say(&message);
        let [(_, Message::FlowRemoved(removed))] = said.as_slice() else { panic!("{said:?}") };
        assert_eq!(removed.reason, reason);
    }
    assert_eq!(stage.priorities(), [3]);
}

#[test]
fn groups_are_added_once_and_changed_only_when_they_are_there() {
    let mut stage = Stage::ready(SwitchConfig { group_limit: 1, ..config() });
    let modify = group(GroupModCommand::Modify, 1, vec![]);
    assert_eq!(refusal(&stage.say(&modify)), ErrorCode::GROUP_MOD_FAILED_UNKNOWN_GROUP);
    let add = group(GroupModCommand::Add, 1, vec![]);
    assert_eq!(stage.say(&add), []);
    assert_eq!(refusal(&stage.say(&add)), ErrorCode::GROUP_MOD_FAILED_GROUP_EXISTS);
    assert_eq!(stage.say(&modify), []);
    let another = group(GroupModCommand::Add, 2, vec![]);
    assert_eq!(refusal(&stage.say(&another)), ErrorCode::GROUP_MOD_FAILED_OUT_OF_GROUPS);
}

#[test]
fn groups_form_no_loops_and_keep_those_that_they_forward_to() {
    let mut stage = Stage::ready(config());
    let missing = group(GroupModCommand::Add, 1, vec![to_group(2)]);
    assert_eq!(refusal(&stage.say(&missing)), ErrorCode::BAD_ACTION_BAD_OUT_GROUP);
    stage.say(&group(GroupModCommand::Add, 1, vec![]));
    stage.say(&group(GroupModCommand::Add, 2, vec![to_group(1)]));
    stage.say(&group(GroupModCommand::Add, 3, vec![to_group(2)]));
    for back in [1, 2, 3] {
        let loop_ = group(GroupModCommand::Modify, 1, vec![to_group(back)]);
        assert_eq!(refusal(&stage.say(&loop_)), ErrorCode::GROUP_MOD_FAILED_LOOP);
    }
    let used = group(GroupModCommand::Delete, 1, vec![]);
    assert_eq!(refusal(&stage.say(&used)), ErrorCode::GROUP_MOD_FAILED_CHAINED_GROUP);
    assert_eq!(stage.say(&group(GroupModCommand::Delete, GroupId::ALL.0, vec![])), []);
    assert_eq!(stage.say(&missing).len(), 1);
}

#[test]
fn groups_count_who_uses_them() {
    let mut stage = Stage::ready(config());
    stage.say(&group(GroupModCommand::Add, 1, vec![]));
    stage.say(&group(GroupModCommand::Add, 2, vec![to_group(1)]));
    stage.apply(FlowMod { instructions: vec![Instruction::ApplyActions(vec![to_group(1)])], ..flow(1) });
    let said = stage.say(&Message::MultipartRequest(Body::Group(GroupStatsRequest { group_id: GroupId(1) }).into()));
    let [(_, Message::MultipartReply(reply))] = said.as_slice() else { panic!("{said:?}") };
    let MultipartReplyBody::Group(groups) = &reply.body else { panic!("{reply:?}") };
    assert_eq!((groups[0].ref_count, groups[0].bucket_stats.len()), (2, 1));
}

#[test]
fn a_meter_marks_packets_only_on_switches_that_can() {
    let remark = || BandKind::DscpRemark { prec_level: 1 };
    let mut stage = Stage::ready(config());
    let wanted = meter(MeterModCommand::Add, 1, remark());
    assert_eq!(refusal(&stage.say(&wanted)), ErrorCode::METER_MOD_FAILED_BAD_BAND);
    let mut stage = Stage::ready(SwitchConfig { dscp_remark_bands: true, ..config() });
    assert_eq!(stage.say(&wanted), []);
    let said = stage.say(&Message::MultipartRequest(Body::MeterFeatures.into()));
    let [(_, Message::MultipartReply(reply))] = said.as_slice() else { panic!("{said:?}") };
    let MultipartReplyBody::MeterFeatures(features) = &reply.body else { panic!("{reply:?}") };
    assert_eq!(features.band_types, 0b110);
}

#[test]
fn a_meter_that_is_not_there_can_neither_change_nor_be_asked_for() {
    let mut stage = Stage::ready(SwitchConfig { meter_limit: 1, ..config() });
    let modify = meter(MeterModCommand::Modify, 1, BandKind::Drop);
    assert_eq!(refusal(&stage.say(&modify)), ErrorCode::METER_MOD_FAILED_UNKNOWN_METER);
    let ask = Message::MultipartRequest(Body::MeterConfig(MeterRequest { meter_id: MeterId(1) }).into());
    assert_eq!(refusal(&stage.say(&ask)), ErrorCode::METER_MOD_FAILED_UNKNOWN_METER);
    assert_eq!(stage.say(&meter(MeterModCommand::Add, 1, BandKind::Drop)), []);
    let another = meter(MeterModCommand::Add, 2, BandKind::Drop);
    assert_eq!(refusal(&stage.say(&another)), ErrorCode::METER_MOD_FAILED_OUT_OF_METERS);
    let nothing = meter(MeterModCommand::Add, 0, BandKind::Drop);
    assert_eq!(refusal(&stage.say(&nothing)), ErrorCode::METER_MOD_FAILED_INVALID_METER);
}
