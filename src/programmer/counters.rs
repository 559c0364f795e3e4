//! `GetFlow`: the flow as it stands, with what its rules have counted on the switches that are there.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use openflow::{FlowStats, FlowStatsRequest, MeterStats};

use super::cookie::FlowNumber;
use super::engine::{Engine, Ticket, no_such_flow};
use super::node::NodeId;
use super::sample::SAMPLE;
use crate::contract::{CountersView, FlowId, FlowView, Reply};
use crate::session::{Command, ReadError, Token};

/// How long switches have to tell their counters. A flow is shown without those that did not.
const PATIENCE: Duration = Duration::from_secs(2);

/// Questions that are out at a time: what a switch that answers any can answer while [`PATIENCE`] lasts. Beyond that,
/// flows are shown without counters, rather than that switches that do not answer fill the memory with questions.
const MAX_OPEN: usize = 1_024;

/// The questions that are out, by number.
#[derive(Debug, Default)]
pub(super) struct Queries {
    next: u64,
    open: BTreeMap<u64, Query>,
}

/// One `GetFlow` that waits for switches.
#[derive(Debug)]
struct Query {
    ticket: Ticket,
    number: FlowNumber,
    pending: usize,
    deadline: Instant,
    /// What each switch has told so far.
    counted: BTreeMap<NodeId, Counted>,
}

/// What a switch has counted of a flow.
#[derive(Debug, Default)]
struct Counted {
    /// Packets and bytes.
    rules: Option<(u64, u64)>,
    /// Packets and bytes above the rate of its meter.
    exceeding: Option<(u64, u64)>,
}

/// What was counted at a moment, for the next to be compared with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    at: Instant,
    packets: u64,
    bytes: u64,
}

impl Sample {
    /// What is shown of it, beside an earlier one. Counters that went back were begun anew.
    fn beside(self, before: Option<Self>) -> CountersView {
        let millis = |before: Self| u64::try_from(self.at.duration_since(before.at).as_millis()).ok();
        let per_second = |count: fn(Self) -> u64| {
            let before = before?;
            let grown = count(self).checked_sub(count(before))?;
            grown.saturating_mul(1_000).checked_div(millis(before)?)
        };
        CountersView {
            packets: self.packets,
            bytes: self.bytes,
            packets_per_second: per_second(|sample| sample.packets),
            bits_per_second: per_second(|sample| sample.bytes).map(|bytes| bytes.saturating_mul(8)),
        }
    }
}

impl Queries {
    /// All have the same patience, so the oldest is due first.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.open.first_key_value().map(|(_, query)| query.deadline)
    }
}

impl Engine {
    pub(super) fn get_flow(&mut self, ticket: Ticket, id: &FlowId) {
        let is_told = |number: &FlowNumber| self.flows.get(number).is_some_and(|flow| flow.told().is_some());
        let Some(number) = self.flows.by_id(id.as_str()).filter(is_told) else {
            return self.answer(ticket, Err(no_such_flow(id)));
        };
        let placements = self.flows.get(&number).map(|flow| flow.placements.as_slice()).unwrap_or_default();
        let has_rules = placements.iter().filter(|placement| placement.stage.is_desired());
        let most = if self.queries.open.len() < MAX_OPEN { usize::MAX } else { 0 };
        let questions = has_rules.filter_map(|placement| {
            let connection = self.nodes.get(&placement.node)?.live()?.connection;
            Some((connection, self.meter_of(number, placement.node).map(|meter| meter.id)))
        });
        let questions: Vec<_> = questions.take(most).collect();
        let meters = questions.iter().filter(|(_, meter)| meter.is_some()).count();
        let query = self.queries.next;
        // The largest numbers are the tokens of reads of the whole table.
        self.queries.next = (query + 1) % SAMPLE.0;
        let waiting = Query {
            ticket,
            number,
            pending: questions.len() + meters,
            deadline: self.now + PATIENCE,
            counted: BTreeMap::new(),
        };
        self.queries.open.insert(query, waiting);
        let token = Token(query);
        for (connection, meter) in &questions {
            let request =
                FlowStatsRequest { cookie: self.tag.cookie(number), cookie_mask: u64::MAX, ..Default::default() };
            self.command(*connection, Command::ReadFlows { token, request, expected: 0 });
            if let Some(meter_id) = *meter {
                self.command(*connection, Command::ReadMeterStats { token, meter_id });
            }
        }
        if questions.is_empty() {
            self.show_counted(query);
        }
    }

    /// One switch has told what it counted, or will not.
    pub(super) fn counters_read(&mut self, token: Token, id: NodeId, result: &Result<Vec<FlowStats>, ReadError>) {
        let rules = result
            .as_ref()
            .ok()
            .map(|entries| total(entries.iter().map(|entry| (entry.packet_count, entry.byte_count))));
        self.counted(token, id, |counted| counted.rules = rules);
    }

    /// The same for the meter of a flow.
    pub(super) fn meter_counters_read(
        &mut self,
        token: Token,
        id: NodeId,
        result: &Result<Vec<MeterStats>, ReadError>,
    ) {
        let exceeding = result.as_ref().ok().map(|meters| {
            let bands = meters.iter().flat_map(|meter| &meter.band_stats);
            total(bands.map(|band| (band.packet_band_count, band.byte_band_count)))
        });
        self.counted(token, id, |counted| counted.exceeding = exceeding);
    }

    fn counted(&mut self, token: Token, id: NodeId, take: impl FnOnce(&mut Counted)) {
        let Some(query) = self.queries.open.get_mut(&token.0) else { return };
        take(query.counted.entry(id).or_default());
        query.pending = query.pending.saturating_sub(1);
        if query.pending == 0 {
            self.show_counted(token.0);
        }
    }

    /// Shows flows whose switches did not tell in time.
    pub(super) fn show_overdue(&mut self) {
        while let Some((query, _)) = self.queries.open.first_key_value().filter(|(_, query)| query.deadline <= self.now)
        {
            self.show_counted(*query);
        }
    }

    fn show_counted(&mut self, query: u64) {
        let Some(Query { ticket, number, counted, .. }) = self.queries.open.remove(&query) else { return };
        let answer = match self.flow_view(number) {
            Some(mut flow) => {
                self.show_counters(number, &mut flow, &counted);
                flow.warnings.extend(self.warnings_of(number));
                Ok(Reply::Flow { flow: Box::new(flow) })
            }
            None => Err(super::engine::gone()),
        };
        self.answer(ticket, answer);
    }

    /// Puts what was counted into the view of a flow, and keeps it to tell the next time how fast it grows.
    fn show_counters(&mut self, number: FlowNumber, view: &mut FlowView, counted: &BTreeMap<NodeId, Counted>) {
        let (now, mut all) = (self.now, None);
        for (id, counted) in counted {
            let Some(name) = self.node_name(*id).cloned() else { continue };
            let Some(node) = view.nodes.iter_mut().find(|node| node.node == name) else { continue };
            if let Some((packets, bytes)) = counted.rules {
                let sample = Sample { at: now, packets, bytes };
                let placement = self.flows.get_mut(&number).and_then(|flow| flow.placement_mut(*id));
                node.counters = placement.map(|placement| sample.beside(placement.more().sample.replace(sample)));
                let before = all.unwrap_or_default();
                all = Some(total([before, (packets, bytes)].into_iter()));
            }
            if let Some(meter) = &mut node.meter {
                meter.exceeding_packets = counted.exceeding.map(|(packets, _)| packets);
                meter.exceeding_bytes = counted.exceeding.map(|(_, bytes)| bytes);
            }
        }
        view.packets = all.map(|(packets, _)| packets);
        view.bytes = all.map(|(_, bytes)| bytes);
    }
}

/// Packets and bytes of all of them together.
fn total(counts: impl Iterator<Item = (u64, u64)>) -> (u64, u64) {
    counts.fold((0, 0), |(packets, bytes), (more_packets, more_bytes)| {
        (packets.saturating_add(more_packets), bytes.saturating_add(more_bytes))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_needs_two_samples_that_grow() {
        let at = Instant::now();
        let first = Sample { at, packets: 10, bytes: 1_000 };
        let second = Sample { at: at + Duration::from_millis(500), packets: 20, bytes: 3_000 };
        assert_eq!(first.beside(None).packets_per_second, None);
        let view = second.beside(Some(first));
        assert_eq!((view.packets_per_second, view.bits_per_second), (Some(20), Some(32_000)));
        assert_eq!(first.beside(Some(Sample { at, packets: 11, bytes: 11 })).bits_per_second, None, "begun anew");
        assert_eq!(second.beside(Some(second)).bits_per_second, None, "no time has passed");
    }
}
