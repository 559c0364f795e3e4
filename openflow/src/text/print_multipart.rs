//! Multipart messages as `ovs-ofctl` writes them.

use std::fmt::{self, Display};

use crate::message::{
    ExperimenterMultipart, MultipartReply, MultipartReplyBody, MultipartRequest, MultipartRequestBody,
};
use crate::multipart::{AggregateStats, Desc, TableFeatures, TableStats};

impl Display for MultipartRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use MultipartRequestBody as B;
        write!(f, "{} request:", ovs_name(self.body.type_name()))?;
        flags(f, self.more, self.reserved)?;
        match &self.body {
            B::Desc | B::Table | B::GroupFeatures | B::MeterFeatures => Ok(()),
            // This version always asks for all; later ones can ask for one.
            B::GroupDesc => f.write_str(" group_id=ALL"),
            B::PortDesc => f.write_str(" port=ANY"),
            B::Flow(request) | B::Aggregate(request) => match request.to_string().trim_end() {
                "" => Ok(()),
                text => write!(f, " {text}"),
            },
            B::PortStats(request) => write!(f, " port_no={}", request.port_no),
            B::Queue(request) => write!(f, " port={} queue={}", request.port_no, request.queue_id),
            B::Group(request) => write!(f, " group_id={}", request.group_id),
            B::Meter(request) | B::MeterConfig(request) => write!(f, " meter={}", request.meter_id),
            B::TableFeatures(tables) => lines(f, "", tables),
            B::FlowMonitor(requests) => lines(f, " ", requests),
            B::Experimenter(body) => write!(f, " {body}"),
        }
    }
}

impl Display for MultipartReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use MultipartReplyBody as B;
        write!(f, "{} reply:", ovs_name(self.body.type_name()))?;
        flags(f, self.more, self.reserved)?;
        match &self.body {
            B::Desc(desc) => write!(f, "\n{desc}"),
            B::Flow(entries) => lines(f, " ", entries),
            B::Aggregate(sum) => write!(f, " {sum}"),
            B::Table(tables) => lines(f, "  ", tables),
            B::PortStats(ports) => {
                write!(f, " {} ports", ports.len())?;
                lines(f, "", ports)
            }
            B::Queue(queues) => {
                write!(f, " {} queues", queues.len())?;
                lines(f, "", queues)
            }
            B::Group(groups) => lines(f, " ", groups),
            B::GroupDesc(groups) => lines(f, " ", groups),
            B::GroupFeatures(features) => write!(f, "\n{features}"),
            B::Meter(meters) => lines(f, "", meters),
            B::MeterConfig(meters) => lines(f, "", meters),
            B::MeterFeatures(features) => write!(f, "\n{features}"),
            B::TableFeatures(tables) => lines(f, "", tables),
            B::PortDesc(ports) => lines(f, " ", ports),
            B::FlowMonitor(updates) => lines(f, " ", updates),
            B::Experimenter(body) => write!(f, " {body}"),
        }
    }
}

impl MultipartRequestBody {
    /// The name of the type in the specification, such as `OFPMP_FLOW`.
    pub const fn type_name(&self) -> &'static str {
        name(self.number(), matches!(self, Self::FlowMonitor(_)))
    }
}

impl MultipartReplyBody {
    /// The name of the type in the specification, such as `OFPMP_FLOW`.
    pub const fn type_name(&self) -> &'static str {
        name(self.number(), matches!(self, Self::FlowMonitor(_)))
    }
}

const fn name(number: u16, flow_monitor: bool) -> &'static str {
    match number {
        0 => "OFPMP_DESC",
        1 => "OFPMP_FLOW",
        2 => "OFPMP_AGGREGATE",
        3 => "OFPMP_TABLE",
        4 => "OFPMP_PORT_STATS",
        5 => "OFPMP_QUEUE",
        6 => "OFPMP_GROUP",
        7 => "OFPMP_GROUP_DESC",
        8 => "OFPMP_GROUP_FEATURES",
        9 => "OFPMP_METER",
        10 => "OFPMP_METER_CONFIG",
        11 => "OFPMP_METER_FEATURES",
        12 => "OFPMP_TABLE_FEATURES",
        13 => "OFPMP_PORT_DESC",
        _ if flow_monitor => "ONFMP_FLOW_MONITOR",
        _ => "OFPMP_EXPERIMENTER",
    }
}

/// The name that Open vSwitch gives to a type of statistics: its own prefix, and `PORT` for the statistics of ports.
fn ovs_name(name: &'static str) -> impl Display {
    fmt::from_fn(move |f| match name.split_once("MP_") {
        Some((prefix, "PORT_STATS")) => write!(f, "{prefix}ST_PORT"),
        Some((prefix, bare)) => write!(f, "{prefix}ST_{bare}"),
        None => f.write_str(name),
    })
}

impl Display for ExperimenterMultipart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "experimenter={:#010x} type={} {} bytes", self.experimenter, self.exp_type, self.data.len())
    }
}

fn flags(f: &mut fmt::Formatter<'_>, more: bool, reserved: u16) -> fmt::Result {
    if more || reserved != 0 {
        f.write_str(" flags=")?;
    }
    if more {
        f.write_str("[more]")?;
    }
    if reserved != 0 { write!(f, "[***unknown flags {reserved:#06x}***]") } else { Ok(()) }
}

/// Each on a line of its own.
fn lines<T: Display>(f: &mut fmt::Formatter<'_>, indent: &str, items: &[T]) -> fmt::Result {
    items.iter().try_for_each(|item| write!(f, "\n{indent}{item}"))
}

impl Display for Desc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Manufacturer: {}\nHardware: {}\nSoftware: {}", self.mfr_desc, self.hw_desc, self.sw_desc)?;
        write!(f, "Serial Num: {}\nDP Description: {}", self.serial_num, self.dp_desc)
    }
}

impl Display for AggregateStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "packet_count={} byte_count={} flow_count={}", self.packet_count, self.byte_count, self.flow_count)
    }
}

impl Display for TableStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { table_id, active_count, lookup_count, matched_count } = self;
        write!(f, "table {table_id}:\n    active={active_count}, lookup={lookup_count}, matched={matched_count}")
    }
}

impl Display for TableFeatures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  table {} (\"{}\"):", self.table_id, self.name)?;
        writeln!(f, "    metadata: match={:#x} write={:#x}", self.metadata_match, self.metadata_write)?;
        writeln!(f, "    max_entries={}", self.max_entries)?;
        write!(f, "    properties:")?;
        self.properties.iter().try_for_each(|property| write!(f, " {}", property.number()))
    }
}
