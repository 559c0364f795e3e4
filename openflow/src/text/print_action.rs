//! Actions and instructions as `ovs-ofctl` writes them: `set_field:46->ip_dscp,set_queue:1,NORMAL`.

use std::fmt::{self, Display};

use super::print_match::Plain;
use crate::action::Action;
use crate::hex::Hex;
use crate::instruction::Instruction;
use crate::oxm::OxmField;
use crate::port::PortNo;

impl Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Output { port: port @ PortNo::CONTROLLER, max_len } => write!(f, "{port}:{max_len}"),
            Self::Output { port, .. } if port.is_reserved() => write!(f, "{port}"),
            Self::Output { port, .. } => write!(f, "output:{port}"),
            Self::CopyTtlOut => f.write_str("copy_ttl_out"),
            Self::CopyTtlIn => f.write_str("copy_ttl_in"),
            Self::SetMplsTtl(ttl) => write!(f, "set_mpls_ttl({ttl})"),
            Self::DecMplsTtl => f.write_str("dec_mpls_ttl"),
            Self::PushVlan(eth_type) => write!(f, "push_vlan:{eth_type}"),
            Self::PopVlan => f.write_str("pop_vlan"),
            Self::PushMpls(eth_type) => write!(f, "push_mpls:{eth_type}"),
            Self::PopMpls(eth_type) => write!(f, "pop_mpls:{eth_type}"),
            Self::SetQueue(queue_id) => write!(f, "set_queue:{}", queue_id.0),
            Self::Group(group_id) => write!(f, "group:{}", group_id.0),
            Self::SetNwTtl(ttl) => write!(f, "mod_nw_ttl:{ttl}"),
            Self::DecNwTtl => f.write_str("dec_ttl"),
            Self::SetField(set_field) => {
                write!(f, "set_field:{}->{}", Plain(set_field.field()), settable_name(set_field.field()))
            }
            Self::PushPbb(eth_type) => write!(f, "push_pbb:{eth_type}"),
            Self::PopPbb => f.write_str("pop_pbb"),
            Self::Experimenter(action) => {
                write!(f, "experimenter({:#010x}", action.experimenter)?;
                hex_argument(f, &action.data)
            }
        }
    }
}

/// The name that Open vSwitch gives to a field in a set-field action.
fn settable_name(field: &OxmField) -> &'static str {
    match field {
        OxmField::Ipv4Src(_) => "ip_src",
        OxmField::Ipv4Dst(_) => "ip_dst",
        OxmField::IpEcn(_) => "nw_ecn",
        OxmField::IpProto(_) => "nw_proto",
        OxmField::Icmpv4Type(_) => "icmp_type",
        OxmField::Icmpv4Code(_) => "icmp_code",
        OxmField::Ipv6Flabel(_) => "ipv6_label",
        OxmField::Ipv6NdTarget(_) => "nd_target",
        OxmField::Ipv6NdSll(_) => "nd_sll",
        OxmField::Ipv6NdTll(_) => "nd_tll",
        OxmField::TunnelId(_) => "tun_id",
        other => other.name(),
    }
}

/// The end of a word with opaque bytes.
fn hex_argument(f: &mut fmt::Formatter<'_>, data: &[u8]) -> fmt::Result {
    if data.is_empty() { f.write_str(")") } else { write!(f, ",{})", Hex(data)) }
}

impl Display for Instruction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::GotoTable(table_id) => write!(f, "goto_table:{table_id}"),
            Self::WriteMetadata { metadata, mask: u64::MAX } => write!(f, "write_metadata:{metadata:#x}"),
            Self::WriteMetadata { metadata, mask } => write!(f, "write_metadata:{metadata:#x}/{mask:#x}"),
            Self::WriteActions(actions) => write!(f, "write_actions({})", Commas(actions)),
            Self::ApplyActions(actions) => write!(f, "{}", Commas(actions)),
            Self::ClearActions => f.write_str("clear_actions"),
            Self::Meter(meter_id) => write!(f, "meter:{}", meter_id.0),
            Self::Experimenter(instruction) => {
                write!(f, "instruction({:#010x}", instruction.experimenter)?;
                hex_argument(f, &instruction.data)
            }
        }
    }
}

/// Things with commas between; nothing at all is `drop`.
pub(super) struct Commas<'a, T>(pub(super) &'a [T]);

impl<T: Display> Display for Commas<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((first, others)) = self.0.split_first() else {
            return f.write_str("drop");
        };
        write!(f, "{first}")?;
        others.iter().try_for_each(|item| write!(f, ",{item}"))
    }
}

/// The instructions of a flow, in the order in which a switch runs them.
pub(super) struct Instructions<'a>(pub(super) &'a [Instruction]);

impl Display for Instructions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // An empty apply-actions does nothing, and has no text.
        let nothing =
            |instruction: &Instruction| matches!(instruction, Instruction::ApplyActions(list) if list.is_empty());
        let mut instructions: Vec<&Instruction> = self.0.iter().filter(|instruction| !nothing(instruction)).collect();
        instructions.sort_by_key(|instruction| instruction.execution_order());
        write!(f, "{}", Commas(&instructions))
    }
}
