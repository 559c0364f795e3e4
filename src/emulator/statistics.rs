//! The multipart requests: what the switch is, and what it has counted.

use std::time::Instant;

use openflow::{
    AggregateStats, Desc, ErrorCode, FlowStats, FlowStatsRequest, Message, MultipartReply, MultipartReplyBody,
    MultipartRequest, MultipartRequestBody, TableId, Xid,
};

use super::channel::Channel;
use super::datapath::Datapath;
use super::dispatch::Turn;
use super::flow_table::{FlowEntry, Rule, Selection};
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
            MultipartRequestBody::Desc => self.answer(MultipartReplyBody::Desc(Box::new(self.description()))),
            MultipartRequestBody::Flow(request) => {
                let flows = self.selected(&request)?.map(|(id, rule, entry)| flow_stats(id, rule, entry, self.now));
                send_parts(self.channel, self.xid, &flows.collect::<Vec<_>>(), MultipartReplyBody::Flow)
            }
            MultipartRequestBody::Aggregate(request) => {
                let none = AggregateStats { packet_count: 0, byte_count: 0, flow_count: 0 };
                let sum = self.selected(&request)?.fold(none, |sum, (_, _, entry)| AggregateStats {
                    packet_count: sum.packet_count + entry.packet_count,
                    byte_count: sum.byte_count + entry.byte_count,
                    flow_count: sum.flow_count + 1,
                });
                self.answer(MultipartReplyBody::Aggregate(sum))
            }
            MultipartRequestBody::PortDesc => {
                send_parts(self.channel, self.xid, self.datapath.ports(), MultipartReplyBody::PortDesc)
            }
            MultipartRequestBody::Experimenter(_) | MultipartRequestBody::FlowMonitor(_) => {
                Err(ErrorCode::BAD_REQUEST_BAD_EXPERIMENTER)
            }
            MultipartRequestBody::Table
            | MultipartRequestBody::PortStats(_)
            | MultipartRequestBody::Queue(_)
            | MultipartRequestBody::Group(_)
            | MultipartRequestBody::GroupDesc
            | MultipartRequestBody::GroupFeatures
            | MultipartRequestBody::Meter(_)
            | MultipartRequestBody::MeterConfig(_)
            | MultipartRequestBody::MeterFeatures
            | MultipartRequestBody::TableFeatures(_) => Err(ErrorCode::BAD_REQUEST_BAD_MULTIPART),
        }
    }

    fn answer(&mut self, body: MultipartReplyBody) -> Result<(), ErrorCode> {
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

fn flow_stats(table_id: TableId, rule: &Rule, entry: &FlowEntry, now: Instant) -> FlowStats {
    let age = now.saturating_duration_since(entry.created);
    FlowStats {
        table_id,
        duration_sec: u32::try_from(age.as_secs()).unwrap_or(u32::MAX),
        duration_nsec: age.subsec_nanos(),
        priority: rule.priority,
        idle_timeout: entry.idle_timeout,
        hard_timeout: entry.hard_timeout,
        flags: entry.flags,
        cookie: entry.cookie,
        packet_count: entry.packet_count,
        byte_count: entry.byte_count,
        flow_match: rule.pattern.to_match(),
        instructions: entry.instructions.to_vec(),
    }
}

/// How many elements of a list are tried in one message.
const ELEMENTS_IN_A_PART: usize = 256;

/// Sends a list in as many parts as it takes; an empty one in one part.
fn send_parts<T: Clone>(
    channel: &mut Channel,
    xid: Xid,
    list: &[T],
    body: fn(Vec<T>) -> MultipartReplyBody,
) -> Result<(), ErrorCode> {
    let mut rest = list;
    loop {
        let mut length = rest.len().min(ELEMENTS_IN_A_PART);
        loop {
            let (part, after) = rest.split_at(length);
            let reply = MultipartReply { more: !after.is_empty(), body: body(part.to_vec()) };
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
