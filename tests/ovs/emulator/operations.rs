//! Random FLOW_MODs, made so that they often meet the same flows.

use std::net::{Ipv4Addr, Ipv6Addr};

use fastrand::Rng;
use openflow::{
    Action, EthType, FlowMod, FlowModCommand, FlowModFlags, Instruction, IpProto, MacAddr, Match, OxmField, PortNo,
    QueueId, TableId,
};

/// The tables that the operations use; requests to delete may also name all of them.
pub(crate) const TABLES: u8 = 4;

/// Any FLOW_MOD that both switches should understand in the same way.
pub(crate) fn flow_mod(rng: &mut Rng) -> FlowMod {
    let command = match rng.u8(..100) {
        0..65 => FlowModCommand::Add,
        65..75 => FlowModCommand::Modify,
        75..83 => FlowModCommand::ModifyStrict,
        83..88 => FlowModCommand::Delete,
        _ => FlowModCommand::DeleteStrict,
    };
    let adds = command == FlowModCommand::Add;
    let deletes = matches!(command, FlowModCommand::Delete | FlowModCommand::DeleteStrict);
    let table_id = if deletes && rng.u8(..10) == 0 { TableId::ALL } else { TableId(rng.u8(..TABLES)) };
    let flow_match = flow_match(rng);
    FlowMod {
        cookie: rng.u64(..16),
        cookie_mask: if !adds && rng.bool() { rng.u64(..16) } else { 0 },
        table_id,
        command,
        idle_timeout: if rng.u8(..4) == 0 { 3600 } else { 0 },
        hard_timeout: if rng.u8(..4) == 0 { 7200 } else { 0 },
        priority: rng.u16(..4) * 100,
        out_port: if deletes && rng.u8(..3) == 0 { PortNo(rng.u32(1..5)) } else { PortNo::ANY },
        flags: flags(rng, command),
        instructions: if deletes { Vec::new() } else { instructions(rng, &flow_match, table_id) },
        flow_match,
        ..FlowMod::add()
    }
}

fn flags(rng: &mut Rng, command: FlowModCommand) -> FlowModFlags {
    let mut flags = FlowModFlags::NONE;
    for (flag, one_in) in [
        (FlowModFlags::SEND_FLOW_REM, 3),
        (FlowModFlags::RESET_COUNTS, 8),
        (FlowModFlags::NO_PKT_COUNTS, 8),
        (FlowModFlags::NO_BYT_COUNTS, 8),
    ] {
        if rng.u8(..one_in) == 0 {
            flags = flags | flag;
        }
    }
    if command == FlowModCommand::Add && rng.u8(..6) == 0 {
        flags = flags | FlowModFlags::CHECK_OVERLAP;
    }
    flags
}

/// A match out of a few thousand, from all packets down to one kind of packet.
fn flow_match(rng: &mut Rng) -> Match {
    let mut fields = Match::builder();
    if rng.u8(..4) == 0 {
        fields = fields.in_port(PortNo(rng.u32(1..4)));
    }
    if rng.u8(..8) == 0 {
        fields = match rng.u8(..3) {
            0 => fields.metadata(rng.u64(..2)),
            1 => fields.metadata_masked(2, 0xff02),
            _ => fields.metadata_masked(1, u64::MAX),
        };
    }
    if rng.u8(..6) == 0 {
        fields = match rng.u8(..4) {
            0 => fields.eth_dst(MacAddr([2, 0, 0, 0, 0, rng.u8(..2)])),
            1 => fields.eth_dst_masked(MacAddr([1, 0, 0, 0, 0, 0]), MacAddr([1, 0, 0, 0, 0, 0])),
            2 => fields.eth_dst_masked(MacAddr([2, 0, 0, 0, 0, 1]), MacAddr([0xff; 6])),
            _ => fields.eth_src_masked(MacAddr([0; 6]), MacAddr([0; 6])),
        };
    }
    if rng.u8(..6) == 0 {
        fields = match rng.u8(..4) {
            0 => fields.vlan_none(),
            1 => fields.vlan_any(),
            2 => fields.vlan_vid(rng.u16(1..3)),
            _ => fields.vlan_vid(1).vlan_pcp(rng.u8(..2)),
        };
    }
    let fields = match rng.u8(..10) {
        0 => fields,
        1 => fields.eth_type(EthType(0x88b5)),
        2 => fields.eth_type(EthType::ARP).arp_op(rng.u16(1..3)),
        3 | 4 => ipv6(rng, fields.eth_type(EthType::IPV6)),
        _ => ipv4(rng, fields.eth_type(EthType::IPV4)),
    };
    fields.build().expect("a lawful match")
}

fn ipv4(rng: &mut Rng, mut fields: openflow::MatchBuilder) -> openflow::MatchBuilder {
    if rng.bool() {
        let mask = u32::MAX.checked_shl(8 * rng.u32(..5)).unwrap_or(0);
        let address = u32::from_be_bytes([10, 0, 0, rng.u8(1..3)]) & mask;
        fields = fields.ipv4_dst_masked(Ipv4Addr::from(address), Ipv4Addr::from(mask));
    }
    if rng.u8(..4) == 0 {
        fields = fields.ipv4_src(Ipv4Addr::new(10, 0, 1, rng.u8(1..3)));
    }
    transport(rng, fields, IpProto::ICMP)
}

fn ipv6(rng: &mut Rng, mut fields: openflow::MatchBuilder) -> openflow::MatchBuilder {
    if rng.bool() {
        let mask = u128::MAX.checked_shl(32 * rng.u32(..5)).unwrap_or(0);
        let address = 0x2001_0db8_0000_0000_0000_0000_0000_0001_u128 & mask;
        fields = fields.ipv6_dst_masked(Ipv6Addr::from(address), Ipv6Addr::from(mask));
    }
    if rng.u8(..8) == 0 {
        fields = if rng.bool() { fields.ipv6_flabel(1) } else { fields.ipv6_flabel_masked(1, 0xfffff) };
    }
    transport(rng, fields, IpProto::ICMPV6)
}

fn transport(rng: &mut Rng, mut fields: openflow::MatchBuilder, icmp: IpProto) -> openflow::MatchBuilder {
    if rng.u8(..4) == 0 {
        fields = fields.ip_dscp([0, 46][rng.usize(..2)]);
    }
    match rng.u8(..8) {
        0 => fields.ip_proto(IpProto::TCP).tcp_dst(rng.u16(80..82)),
        1 => fields.ip_proto(IpProto::TCP).tcp_dst_masked(80, 0xfffe),
        2 => fields.ip_proto(IpProto::UDP).udp_src_masked(0x4000, 0xc000),
        3 => fields.ip_proto(IpProto::UDP).udp_dst(5060),
        4 => fields.ip_proto(icmp),
        _ => fields,
    }
}

/// Instructions, some in an order in which they are not executed, and a few that a switch has to refuse.
fn instructions(rng: &mut Rng, flow_match: &Match, table_id: TableId) -> Vec<Instruction> {
    let mut instructions = Vec::new();
    if rng.u8(..6) == 0 {
        // Also backwards, and to the table itself.
        instructions.push(Instruction::GotoTable(TableId((table_id.0 + rng.u8(..4)).saturating_sub(1))));
    }
    if rng.u8(..10) == 0 {
        instructions.push(Instruction::WriteMetadata { metadata: rng.u64(..4), mask: 0xff });
    }
    if rng.u8(..8) == 0 {
        instructions.push(Instruction::WriteActions(vec![Action::output(PortNo(rng.u32(1..5)))]));
    }
    if rng.u8(..10) == 0 {
        instructions.push(Instruction::ClearActions);
    }
    if rng.u8(..8) != 0 {
        instructions.push(Instruction::ApplyActions(actions(rng, flow_match)));
    }
    instructions
}

fn actions(rng: &mut Rng, flow_match: &Match) -> Vec<Action> {
    let mut actions = Vec::new();
    // Mostly fields that the packets of the flow have, but not always.
    let ip = |field: &OxmField| matches!(field, OxmField::EthType(EthType::IPV4 | EthType::IPV6));
    if rng.bool() && (flow_match.fields().iter().any(ip) || rng.u8(..8) == 0) {
        let field = match rng.u8(..8) {
            0 => OxmField::UdpDst(5060.into()),
            1 => OxmField::Ipv4Dst(Ipv4Addr::new(10, 0, 0, 9).into()),
            _ => OxmField::IpDscp(46),
        };
        actions.push(Action::set_field(field).expect("a field that can be set"));
    }
    if rng.u8(..12) == 0 {
        actions.push(Action::DecNwTtl);
    }
    if rng.u8(..4) == 0 {
        actions.push(Action::SetQueue(QueueId(rng.u32(..8))));
    }
    actions.push(match rng.u8(..12) {
        0 => Action::output(PortNo::NORMAL),
        1 => Action::Output { port: PortNo::CONTROLLER, max_len: 128 },
        2 => Action::output(PortNo(99)),
        3 => Action::Group(openflow::GroupId(7)),
        _ => Action::output(PortNo(rng.u32(1..5))),
    });
    actions
}
