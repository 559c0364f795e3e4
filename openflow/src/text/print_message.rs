//! Whole messages as `ovs-ofctl ofp-print` writes them, but for version and transaction.

use std::fmt::{self, Display};

use super::Bits;
use super::print_action::Commas;
use crate::message::{
    AsyncConfig, BundleAdd, BundleControl, BundleFlags, Capabilities, ControllerRole, ErrorMsg, Experimenter,
    FeaturesReply, Hello, Message, PacketIn, PacketInReason, PacketOut, RoleMsg, SwitchConfig,
};
use crate::number::BufferId;
use crate::oxm::OxmField;

impl Message {
    /// The name of the type in the specification, such as `OFPT_FLOW_MOD`.
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::Hello(_) => "OFPT_HELLO",
            Self::Error(_) => "OFPT_ERROR",
            Self::EchoRequest(_) => "OFPT_ECHO_REQUEST",
            Self::EchoReply(_) => "OFPT_ECHO_REPLY",
            Self::Experimenter(_) => "OFPT_EXPERIMENTER",
            Self::FeaturesRequest => "OFPT_FEATURES_REQUEST",
            Self::FeaturesReply(_) => "OFPT_FEATURES_REPLY",
            Self::GetConfigRequest => "OFPT_GET_CONFIG_REQUEST",
            Self::GetConfigReply(_) => "OFPT_GET_CONFIG_REPLY",
            Self::SetConfig(_) => "OFPT_SET_CONFIG",
            Self::PacketIn(_) => "OFPT_PACKET_IN",
            Self::FlowRemoved(_) => "OFPT_FLOW_REMOVED",
            Self::PortStatus(_) => "OFPT_PORT_STATUS",
            Self::PacketOut(_) => "OFPT_PACKET_OUT",
            Self::FlowMod(_) => "OFPT_FLOW_MOD",
            Self::GroupMod(_) => "OFPT_GROUP_MOD",
            Self::PortMod(_) => "OFPT_PORT_MOD",
            Self::TableMod(_) => "OFPT_TABLE_MOD",
            Self::MultipartRequest(_) => "OFPT_MULTIPART_REQUEST",
            Self::MultipartReply(_) => "OFPT_MULTIPART_REPLY",
            Self::BarrierRequest => "OFPT_BARRIER_REQUEST",
            Self::BarrierReply => "OFPT_BARRIER_REPLY",
            Self::QueueGetConfigRequest(_) => "OFPT_QUEUE_GET_CONFIG_REQUEST",
            Self::QueueGetConfigReply(_) => "OFPT_QUEUE_GET_CONFIG_REPLY",
            Self::RoleRequest(_) => "OFPT_ROLE_REQUEST",
            Self::RoleReply(_) => "OFPT_ROLE_REPLY",
            Self::GetAsyncRequest => "OFPT_GET_ASYNC_REQUEST",
            Self::GetAsyncReply(_) => "OFPT_GET_ASYNC_REPLY",
            Self::SetAsync(_) => "OFPT_SET_ASYNC",
            Self::MeterMod(_) => "OFPT_METER_MOD",
        }
    }
}

impl Display for Message {
    /// Name and body; lists have a line for each element.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Multipart and experimenter messages have names of their own.
        match self {
            Self::MultipartRequest(request) => return request.fmt(f),
            Self::MultipartReply(reply) => return reply.fmt(f),
            Self::Experimenter(message) => return message.fmt(f),
            _ => write!(f, "{}:", self.type_name())?,
        }
        match self {
            Self::Hello(hello) => write!(f, "\n{hello}"),
            Self::Error(error) => write!(f, " {error}"),
            Self::EchoRequest(echo) | Self::EchoReply(echo) => write!(f, " {} bytes of payload", echo.data.len()),
            Self::FeaturesReply(features) => write!(f, " {features}"),
            Self::GetConfigReply(config) | Self::SetConfig(config) => write!(f, " {config}"),
            Self::PacketIn(packet) => write!(f, " {packet}"),
            Self::FlowRemoved(removed) => write!(f, " {removed}"),
            Self::PortStatus(status) => write!(f, " {status}"),
            Self::PacketOut(packet) => write!(f, " {packet}"),
            Self::FlowMod(flow_mod) => write!(f, " {flow_mod}"),
            Self::GroupMod(group_mod) => write!(f, "\n {group_mod}"),
            Self::PortMod(port_mod) => write!(f, " {port_mod}"),
            Self::TableMod(table_mod) => write!(f, " table_id={}", table_mod.table_id),
            Self::QueueGetConfigRequest(request) => write!(f, " port={}", request.port),
            Self::QueueGetConfigReply(reply) => {
                write!(f, " port={}", reply.port)?;
                reply.queues.iter().try_for_each(|queue| write!(f, "\n{queue}"))
            }
            Self::RoleRequest(role) | Self::RoleReply(role) => write!(f, " {role}"),
            Self::GetAsyncReply(config) | Self::SetAsync(config) => write!(f, "\n{config}"),
            Self::MeterMod(meter_mod) => write!(f, " {meter_mod}"),
            Self::FeaturesRequest | Self::GetConfigRequest | Self::GetAsyncRequest => Ok(()),
            Self::BarrierRequest | Self::BarrierReply => Ok(()),
            Self::MultipartRequest(_) | Self::MultipartReply(_) | Self::Experimenter(_) => Ok(()),
        }
    }
}

impl Display for Hello {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(versions) = self.versions() else { return f.write_str(" no version bitmap") };
        let versions = (0..32).filter(|version| versions & 1 << version != 0);
        let versions: Vec<String> = versions.map(|version| format!("{version:#04x}")).collect();
        write!(f, " version bitmap: {}", versions.join(", "))
    }
}

impl Display for ErrorMsg {
    /// Type, code and sentence, and the message that failed if it is quoted.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}: {}", self.type_name(), self.code_name(), self.sentence())?;
        match self.failed() {
            Some(header) => write!(f, " (message of type {}, xid={})", header.message_type, header.xid),
            None => Ok(()),
        }
    }
}

impl Display for Experimenter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BundleControl(control) => write!(f, "ONFT_BUNDLE_CONTROL:\n {control}"),
            Self::BundleAdd(add) => write!(f, "ONFT_BUNDLE_ADD_MESSAGE:\n {add}"),
            Self::FlowMonitorCancel(cancel) => write!(f, "ONFT_FLOW_MONITOR_CANCEL: id={}", cancel.id),
            Self::FlowMonitorPaused => f.write_str("ONFT_FLOW_MONITOR_PAUSED:"),
            Self::FlowMonitorResumed => f.write_str("ONFT_FLOW_MONITOR_RESUMED:"),
            Self::Other(other) => {
                write!(f, "OFPT_EXPERIMENTER: experimenter={:#010x} ", other.experimenter)?;
                write!(f, "type={} {} bytes", other.exp_type, other.data.len())
            }
        }
    }
}

impl Display for BundleControl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let types = ["OPEN", "CLOSE", "COMMIT", "DISCARD"];
        let number = u16::from(self.control_type);
        let suffix = if number & 1 == 0 { "REQUEST" } else { "REPLY" };
        write!(f, "bundle_id={:#x} ", self.bundle_id.0)?;
        match types.get(usize::from(number / 2)) {
            Some(name) => write!(f, "type={name}_{suffix} flags={}", self.flags),
            None => write!(f, "type={number} flags={}", self.flags),
        }
    }
}

impl Display for BundleAdd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "bundle_id={:#x} flags={}", self.bundle_id.0, self.flags)?;
        write!(f, "{}", self.message)
    }
}

impl Display for BundleFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Bits { bits: self.0.into(), names: &["atomic", "ordered"] }.fmt(f)
    }
}

impl Display for FeaturesReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "dpid:{}\nn_tables:{}, n_buffers:{}", self.datapath_id, self.n_tables, self.n_buffers)?;
        if self.auxiliary_id != 0 {
            write!(f, ", auxiliary_id:{}", self.auxiliary_id)?;
        }
        write!(f, "\ncapabilities: {}", self.capabilities)
    }
}

impl Display for Capabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        #[rustfmt::skip]
        let names = [
            "FLOW_STATS", "TABLE_STATS", "PORT_STATS", "GROUP_STATS", "", "IP_REASM", "QUEUE_STATS", "",
            "PORT_BLOCKED",
        ];
        Bits { bits: self.0, names: &names }.fmt(f)
    }
}

impl Display for SwitchConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let frags = match self.flags {
            0 => "normal",
            1 => "drop",
            2 => "reassemble",
            _ => return write!(f, "flags={:#x} miss_send_len={}", self.flags, self.miss_send_len),
        };
        write!(f, "frags={frags} miss_send_len={}", self.miss_send_len)
    }
}

impl Display for PacketIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.table_id.0 != 0 {
            write!(f, "table_id={} ", self.table_id)?;
        }
        if self.cookie != u64::MAX {
            write!(f, "cookie={:#x} ", self.cookie)?;
        }
        let bare = |field: &OxmField| matches!(field, OxmField::InPort(_));
        let place = if self.flow_match.fields().iter().all(bare) { " " } else { " metadata: " };
        write!(f, "total_len={}{place}{} (via {}) ", self.total_len, self.flow_match, self.reason)?;
        write!(f, "data_len={} ", self.data.len())?;
        match self.buffer_id {
            BufferId::NO_BUFFER => f.write_str("(unbuffered)"),
            buffer_id => write!(f, "buffer={buffer_id}"),
        }
    }
}

impl Display for PacketInReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoMatch => "no_match",
            Self::Action => "action",
            Self::InvalidTtl => "invalid_ttl",
            Self::Unknown(reason) => return reason.fmt(f),
        })
    }
}

impl Display for PacketOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "in_port={} actions={} ", self.in_port, Commas(&self.actions))?;
        match self.buffer_id {
            BufferId::NO_BUFFER => write!(f, "data_len={}", self.data.len()),
            buffer_id => write!(f, "buffer={buffer_id}"),
        }
    }
}

impl Display for RoleMsg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "role={}", self.role)?;
        if self.role == ControllerRole::NoChange { Ok(()) } else { write!(f, " generation_id={}", self.generation_id) }
    }
}

impl Display for ControllerRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoChange => "nochange",
            Self::Equal => "equal",
            Self::Master => "primary",
            Self::Slave => "secondary",
        })
    }
}

impl Display for AsyncConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { packet_in_mask, port_status_mask, flow_removed_mask } = self;
        reasons(f, "primary", packet_in_mask.master, port_status_mask.master, flow_removed_mask.master)?;
        f.write_str("\n")?;
        reasons(f, "secondary", packet_in_mask.slave, port_status_mask.slave, flow_removed_mask.slave)
    }
}

/// The reasons for which a controller of one role gets messages.
fn reasons(f: &mut fmt::Formatter<'_>, role: &str, packet_in: u32, port_status: u32, flow_removed: u32) -> fmt::Result {
    let packet_in = Bits { bits: packet_in, names: &["no_match", "action", "invalid_ttl"] };
    let port_status = Bits { bits: port_status, names: &["add", "delete", "modify"] };
    let flow_removed = Bits { bits: flow_removed, names: &["idle", "hard", "delete", "group_delete"] };
    writeln!(f, " {role}:\n       PACKET_IN: {packet_in}")?;
    write!(f, "     PORT_STATUS: {port_status}\n    FLOW_REMOVED: {flow_removed}")
}
