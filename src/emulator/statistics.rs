//! The multipart requests: what the switch is, and what it has counted.

use std::time::Instant;

use openflow::{
    AggregateStats, Desc, ErrorCode, FlowStats, FlowStatsRequest, GroupId, Message, MeterId, MultipartReply,
    MultipartReplyBody as Reply, MultipartRequest, MultipartRequestBody as Body, Port, PortNo, QueueId, TableId, Xid,
};

use super::capabilities::{group_features, meter_features, table_features};
use super::channel::Channel;
use super::counters::{flow_stats, group_stats, idle_port, meter_stats, table_stats};
use super::datapath::Datapath;
use super::dispatch::Turn;
use super::flow_table::{FlowEntry, Rule, Selection};
use super::meter_table::Meter;
use super::pattern::Pattern;

/// Where the match of an `ofp_flow_stats_request` begins in its message.
const MATCH_AT: usize = 48;

impl Turn<'_> {
    /// Answers a multipart request.
    pub(super) fn multipart(&mut self, request: MultipartRequest) -> Result<(), ErrorCode> {
        if request.more {
            // None of the requests that this switch answers is ever longer than a message.
            return Err(ErrorCode::BAD_REQUEST_MULTIPART_BUFFER_OVERFLOW);
        }
        match request.body {
            Body::Desc => self.answer(Reply::Desc(Box::new(self.description()))),
            Body::Flow(request) => {
                let flows = self.selected(&request)?.map(|(id, rule, entry)| flow_stats(id, rule, entry, self.now));
                send_parts(self.channel, self.xid, &flows.collect::<Vec<_>>(), Reply::Flow)
            }
            Body::Aggregate(request) => {
                let none = AggregateStats { packet_count: 0, byte_count: 0, flow_count: 0 };
                let sum = self.selected(&request)?.fold(none, |sum, (_, _, entry)| AggregateStats {
                    packet_count: sum.packet_count + entry.packet_count,
                    byte_count: sum.byte_count + entry.byte_count,
                    flow_count: sum.flow_count + 1,
                });
                self.answer(Reply::Aggregate(sum))
            }
            Body::PortDesc => send_parts(self.channel, self.xid, self.datapath.ports(), Reply::PortDesc),
            Body::Table => {
                let tables = (0..self.datapath.config.n_tables).map(|id| table_stats(self.datapath, TableId(id)));
                send_parts(self.channel, self.xid, &tables.collect::<Vec<_>>(), Reply::Table)
            }
            Body::TableFeatures(wanted) if wanted.is_empty() => {
                let tables = (0..self.datapath.config.n_tables).map(|id| table_features(&self.datapath.config, id));
                send_parts(self.channel, self.xid, &tables.collect::<Vec<_>>(), Reply::TableFeatures)
            }
            // The tables of this switch are what they are.
            Body::TableFeatures(_) => Err(ErrorCode::TABLE_FEATURES_FAILED_EPERM),
            Body::PortStats(request) => {
                let wanted = |port: &&Port| request.port_no == PortNo::ANY || request.port_no == port.port_no;
                let ports: Vec<_> = self.datapath.ports().iter().filter(wanted).map(idle_port).collect();
                if ports.is_empty() && request.port_no != PortNo::ANY {
                    return Err(ErrorCode::BAD_REQUEST_BAD_PORT);
                }
                send_parts(self.channel, self.xid, &ports, Reply::PortStats)
            }
            Body::Queue(request) => {
                if request.port_no != PortNo::ANY && self.datapath.port(request.port_no).is_none() {
                    return Err(ErrorCode::QUEUE_OP_FAILED_BAD_PORT);
                }
                if request.queue_id != QueueId::ALL {
                    return Err(ErrorCode::QUEUE_OP_FAILED_BAD_QUEUE);
                }
                self.answer(Reply::Queue(Vec::new()))
            }
            Body::Group(request) => {
                let wanted = |id: GroupId| request.group_id == GroupId::ALL || request.group_id == id;
                let groups = self.datapath.groups.iter().filter(|(id, _)| wanted(**id));
                let stats: Vec<_> =
                    groups.map(|(&id, group)| group_stats(self.datapath, id, group, self.now)).collect();
                send_parts(self.channel, self.xid, &stats, Reply::Group)
            }
            Body::GroupDesc => {
                let groups: Vec<_> = self.datapath.groups.iter().map(|(&id, group)| group.describe(id)).collect();
                send_parts(self.channel, self.xid, &groups, Reply::GroupDesc)
            }
            Body::GroupFeatures => self.answer(Reply::GroupFeatures(group_features(&self.datapath.config))),
            Body::Meter(request) => {
                let meters = self.meters(request.meter_id)?;
                let stats: Vec<_> = meters.map(|(id, meter)| meter_stats(self.datapath, id, meter, self.now)).collect();
                send_parts(self.channel, self.xid, &stats, Reply::Meter)
            }
            Body::MeterConfig(request) => {
                let meters: Vec<_> = self.meters(request.meter_id)?.map(|(id, meter)| meter.describe(id)).collect();
                send_parts(self.channel, self.xid, &meters, Reply::MeterConfig)
            }
            Body::MeterFeatures => self.answer(Reply::MeterFeatures(meter_features(&self.datapath.config))),
            Body::FlowMonitor(requests) if self.datapath.config.flow_monitors => self.start_monitors(&requests),
            Body::FlowMonitor(_) | Body::Experimenter(_) => Err(ErrorCode::BAD_REQUEST_BAD_EXPERIMENTER),
        }
    }

    /// The meters that a request is about; one that does not exist is an error.
    fn meters(&self, wanted: MeterId) -> Result<impl Iterator<Item = (MeterId, &Meter)>, ErrorCode> {
        if wanted != MeterId::ALL && !self.datapath.meters.contains_key(&wanted) {
            return Err(ErrorCode::METER_MOD_FAILED_UNKNOWN_METER);
        }
        let meters = self.datapath.meters.iter().map(|(&id, meter)| (id, meter));
        Ok(meters.filter(move |&(id, _)| wanted == MeterId::ALL || wanted == id))
    }

    fn answer(&mut self, body: Reply) -> Result<(), ErrorCode> {
        self.reply(&Message::MultipartReply(body.into()))
    }

    /// The flows that a request for statistics is about.
    fn selected(
        &self,
        request: &FlowStatsRequest,
    ) -> Result<impl Iterator<Item = (TableId, &Rule, &FlowEntry)>, ErrorCode> {
        if request.table_id != TableId::ALL && request.table_id.0 >= self.datapath.config.n_tables {
            return Err(ErrorCode::BAD_REQUEST_BAD_TABLE_ID);
        }
        let pattern = Pattern::in_message(self.message, MATCH_AT);
        let selection = Selection {
            pattern,
            priority: None,
            cookie: request.cookie,
            cookie_mask: request.cookie_mask,
            out_port: request.out_port,
            out_group: request.out_group,
        };
        Ok(self.datapath.flows_in(request.table_id).filter(move |(_, rule, entry)| selection.takes(rule, entry)))
    }

    fn description(&self) -> Desc {
        let description = &self.datapath.config.description;
        Desc {
            mfr_desc: description.manufacturer.as_str().into(),
            hw_desc: description.hardware.as_str().into(),
            sw_desc: description.software.as_str().into(),
            serial_num: description.serial_number.as_str().into(),
            dp_desc: description.datapath.as_str().into(),
        }
    }
}

/// All flows: by table, then the highest priority first.
pub(super) fn all_flows(datapath: &Datapath, now: Instant) -> Vec<FlowStats> {
    let mut flows: Vec<_> = datapath.flows_in(TableId::ALL).collect();
    flows.sort_by_key(|&(id, rule, _)| (id, u16::MAX - rule.priority, &rule.pattern));
    flows.into_iter().map(|(id, rule, entry)| flow_stats(id, rule, entry, now)).collect()
}

/// How many elements of a list are tried in one message.
const ELEMENTS_IN_A_PART: usize = 256;

/// Sends a list in as many parts as it takes; an empty one in one part.
pub(super) fn send_parts<T: Clone>(
    channel: &mut Channel,
    xid: Xid,
    list: &[T],
    body: fn(Vec<T>) -> Reply,
) -> Result<(), ErrorCode> {
    let mut rest = list;
    loop {
        let mut length = rest.len().min(ELEMENTS_IN_A_PART);
        loop {
            let (part, after) = rest.split_at(length);
            let reply = MultipartReply { more: !after.is_empty(), ..body(part.to_vec()).into() };
            if channel.send(xid, &Message::MultipartReply(reply)) || length <= 1 {
                rest = after;
                break;
            }
            length /= 2;
        }
        if rest.is_empty() {
            return Ok(());
        }
    }
}
