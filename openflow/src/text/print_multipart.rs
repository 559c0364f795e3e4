//! Multipart messages as `ovs-ofctl` writes them.

use std::fmt::{self, Display};

use crate::message::{MultipartReply, MultipartReplyBody, MultipartRequest, MultipartRequestBody};
use crate::multipart::{AggregateStats, Desc, TableFeatures, TableStats};

impl Display for MultipartRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use MultipartRequestBody as B;
        write!(f, "{} request:", name(self.body.number(), matches!(self.body, B::FlowMonitor(_))))?;
        more(f, self.more)?;
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
            B::Experimenter(body) => {
                write!(f, " experimenter={:#010x} type={}", body.experimenter, body.exp_type)?;
                write!(f, " {} bytes", body.data.len())
            }
        }
    }
}

impl Display for MultipartReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use MultipartReplyBody as B;
        write!(f, "{} reply:", name(self.body.number(), matches!(self.body, B::FlowMonitor(_))))?;
        more(f, self.more)?;
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
            B::Experimenter(body) => {
                write!(f, " experimenter={:#010x} type={}", body.experimenter, body.exp_type)?;
                write!(f, " {} bytes", body.data.len())
            }
        }
    }
}

/// The name that Open vSwitch gives to a type of statistics.
fn name(number: u16, flow_monitor: bool) -> &'static str {
    match number {
        0 => "OFPST_DESC",
        1 => "OFPST_FLOW",
        2 => "OFPST_AGGREGATE",
        3 => "OFPST_TABLE",
        4 => "OFPST_PORT",
        5 => "OFPST_QUEUE",
        6 => "OFPST_GROUP",
        7 => "OFPST_GROUP_DESC",
        8 => "OFPST_GROUP_FEATURES",
        9 => "OFPST_METER",
        10 => "OFPST_METER_CONFIG",
        11 => "OFPST_METER_FEATURES",
        12 => "OFPST_TABLE_FEATURES",
        13 => "OFPST_PORT_DESC",
        _ if flow_monitor => "ONFST_FLOW_MONITOR",
        _ => "OFPST_EXPERIMENTER",
    }
}

fn more(f: &mut fmt::Formatter<'_>, more: bool) -> fmt::Result {
    if more { f.write_str(" flags=[more]") } else { Ok(()) }
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
