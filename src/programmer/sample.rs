//! Statistics: what the rules of our flows have counted, read from the switches once for all who want to know.

use std::collections::{BTreeMap, HashMap};
use std::mem;
use std::time::{Duration, Instant};

use openflow::{FlowStats as Entry, FlowStatsRequest};

use super::cookie::{FlowNumber, Tag};
use super::engine::Engine;
use super::news::Desk;
use super::node::{Node, NodeId};
use crate::contract::{EventPayload, FlowStats, NodeStats, Stats, Topic};
use crate::session::{Command, ReadError, Token};

/// The token of a sample.
pub(super) const SAMPLE: Token = Token(u64::MAX - 1);

/// Flows in one event: some 150 KiB of text.
const FLOWS_PER_EVENT: usize = 1_000;

/// The samples so far.
#[derive(Debug, Default)]
pub(super) struct Samples {
    next: Option<Instant>,
    /// Nodes that have been asked and have not answered, and since when.
    asked: BTreeMap<NodeId, Instant>,
    before: HashMap<NodeId, Sample>,
}

/// What a node said last.
#[derive(Debug)]
struct Sample {
    taken: Instant,
    flows: HashMap<FlowNumber, Counted>,
    rates: Rates,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Counted {
    packets: u64,
    bytes: u64,
    rates: Rates,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Rates {
    packets_per_second: u64,
    bits_per_second: u64,
}

impl Samples {
    /// The node is gone, or the connection to it.
    pub(super) fn forget(&mut self, id: NodeId) {
        self.asked.remove(&id);
        self.before.remove(&id);
    }
}

impl Desk {
    /// When the next sample is due.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.samples.next
    }
}

impl Engine {
    /// The next sample is due within this time.
    pub(super) fn sample_within(&mut self, interval: Duration) {
        let at = self.now + interval;
        let next = self.desk.samples.next.map_or(at, |next| next.min(at));
        self.desk.samples.next = Some(next);
    }

    /// Asks every node that is there what its rules have counted. One that has not answered yet is not asked again.
    pub(super) fn sample_when_due(&mut self) {
        if self.desk.samples.next.is_none_or(|next| next > self.now) {
            return;
        }
        let Some(interval) = self.desk.interval() else {
            // Nobody wants to know, or is about to: what was counted before would make no rate any more.
            self.desk.samples = Samples::default();
            return;
        };
        self.desk.samples.next = Some(self.now + interval);
        let is_ready = |node: &Node| node.live().is_some_and(super::node::Live::has_synced);
        let ready: Vec<NodeId> = self.nodes.iter().filter(|(_, node)| is_ready(node)).map(|(id, _)| *id).collect();
        for id in ready {
            let Some(connection) = self.nodes.get(&id).and_then(Node::live).map(|live| live.connection) else {
                continue;
            };
            if self.desk.samples.asked.contains_key(&id) {
                continue;
            }
            self.desk.samples.asked.insert(id, self.now);
            let cookie = self.tag.cookie(FlowNumber::TABLE_MISS);
            let request = FlowStatsRequest { cookie, cookie_mask: Tag::MASK, ..Default::default() };
            let expected = self.rules_put_on(id);
            self.command(connection, Command::ReadFlows { token: SAMPLE, request, expected });
        }
    }

    /// A node has told what its rules have counted, or will not.
    pub(super) fn sampled(&mut self, id: NodeId, result: &Result<Vec<Entry>, ReadError>) {
        // What was asked before the connection was lost is not answered on the next.
        let (Some(_), Ok(entries)) = (self.desk.samples.asked.remove(&id), result) else { return };
        let before = self.desk.samples.before.remove(&id);
        let seconds = before.as_ref().map(|before| self.now.duration_since(before.taken).as_secs_f64());
        let mut flows: HashMap<FlowNumber, Counted> = HashMap::new();
        for entry in entries {
            if let Some(number) = self.tag.number(entry.cookie).filter(|number| self.flows.contains_key(number)) {
                let counted = flows.entry(number).or_default();
                counted.packets = counted.packets.saturating_add(entry.packet_count);
                counted.bytes = counted.bytes.saturating_add(entry.byte_count);
            }
        }
        let mut changed = Vec::new();
        let mut rates = Rates::default();
        for (number, counted) in &mut flows {
            let last = before.as_ref().and_then(|before| before.flows.get(number)).copied();
            if let (Some(last), Some(seconds)) = (last, seconds) {
                counted.rates = counted.since(last, seconds);
                rates.packets_per_second += counted.rates.packets_per_second;
                rates.bits_per_second += counted.rates.bits_per_second;
            }
            if last != Some(*counted) {
                changed.push((*number, *counted));
            }
        }
        changed.sort_unstable_by_key(|(number, _)| *number);
        let is_still = before.is_some_and(|before| before.rates == rates && before.flows.len() == flows.len());
        let count = flows.len() as u64;
        self.desk.samples.before.insert(id, Sample { taken: self.now, flows, rates });
        if changed.is_empty() && is_still {
            return;
        }
        self.tell_sample(id, &changed, count, rates);
    }

    fn tell_sample(&mut self, id: NodeId, changed: &[(FlowNumber, Counted)], count: u64, rates: Rates) {
        let Some(node) = self.node_name(id).cloned() else { return };
        let of_flow = |(number, counted): &(FlowNumber, Counted)| {
            Some(FlowStats {
                flow_id: self.flows.get(number)?.asked.flow_id(),
                node: node.clone(),
                packets: counted.packets,
                bytes: counted.bytes,
                packets_per_second: counted.rates.packets_per_second,
                bits_per_second: counted.rates.bits_per_second,
            })
        };
        let of_node = NodeStats {
            node: node.clone(),
            flows: count,
            packets_per_second: rates.packets_per_second,
            bits_per_second: rates.bits_per_second,
        };
        let mut nodes = vec![of_node];
        let mut events: Vec<Stats> = changed
            .chunks(FLOWS_PER_EVENT)
            .map(|chunk| Stats { flows: chunk.iter().filter_map(of_flow).collect(), nodes: mem::take(&mut nodes) })
            .collect();
        if events.is_empty() {
            events.push(Stats { flows: Vec::new(), nodes });
        }
        for stats in events {
            self.publish(Topic::Stats, |_| Some(EventPayload::Stats(stats)));
        }
    }
}

impl Counted {
    /// A switch that lost its rules counts from 0 again.
    fn since(self, last: Self, seconds: f64) -> Rates {
        let rate = |now: u64, before: u64, factor: f64| {
            let delta = now.checked_sub(before).unwrap_or(now);
            #[expect(clippy::cast_precision_loss, reason = "a rate is an estimate")]
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "it is positive, and saturates"
            )]
            let rate = (delta as f64 * factor / seconds).round() as u64;
            rate
        };
        Rates {
            packets_per_second: rate(self.packets, last.packets, 1.0),
            bits_per_second: rate(self.bytes, last.bytes, 8.0),
        }
    }
}
