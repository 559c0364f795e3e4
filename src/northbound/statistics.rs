//! Statistics for subscribers with different intervals: what changed since the last event of an interval is put together
//! into one, which all with that interval share.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::ring::Ring;
use super::subprotocol::Written;
use crate::contract::{FlowId, FlowStats, NodeName, NodeStats, Stats, Timestamp};
use crate::programmer::INTERVALS_MS;

/// How long the samples of several switches that were taken together are waited for.
const GATHER: Duration = Duration::from_millis(20);
/// Flows in one event: some 150 KiB of text.
const FLOWS_PER_EVENT: usize = 1_000;

/// What is kept for each interval that somebody wants.
#[derive(Debug, Default)]
pub(super) struct Statistics {
    intervals: BTreeMap<usize, Class>,
}

/// The subscribers with one interval.
#[derive(Debug)]
struct Class {
    ring: Ring,
    subscribers: usize,
    flows: BTreeMap<(NodeName, FlowId), FlowStats>,
    nodes: BTreeMap<NodeName, NodeStats>,
    /// The last sample that went into them.
    last: Option<(u64, Timestamp)>,
    published: Option<Instant>,
    due: Option<Instant>,
}

impl Statistics {
    /// One more subscriber. What was before the first is gone.
    pub(super) fn join(&mut self, interval: usize, last: u64) {
        let class = self.intervals.entry(interval).or_insert_with(|| {
            let mut ring = Ring::default();
            ring.skip(last);
            let (flows, nodes) = Default::default();
            Class { ring, subscribers: 0, flows, nodes, last: None, published: None, due: None }
        });
        class.subscribers += 1;
    }

    pub(super) fn leave(&mut self, interval: usize) {
        if let Some(class) = self.intervals.get_mut(&interval) {
            class.subscribers -= 1;
            if class.subscribers == 0 {
                self.intervals.remove(&interval);
            }
        }
    }

    /// How many intervals somebody waits for.
    #[cfg(test)]
    pub(super) fn intervals(&self) -> usize {
        self.intervals.len()
    }

    pub(super) fn ring(&self, interval: usize) -> Option<&Ring> {
        self.intervals.get(&interval).map(|class| &class.ring)
    }

    /// Adds a sample: the latest word on each flow counts.
    pub(super) fn take(&mut self, seq: u64, at: Timestamp, stats: Stats) {
        let now = Instant::now();
        for (interval, class) in self.intervals.iter_mut().filter(|(_, class)| !class.ring.is_past(seq)) {
            let Stats { flows, nodes } = stats.clone();
            class.flows.extend(flows.into_iter().map(|flow| ((flow.node.clone(), flow.flow_id.clone()), flow)));
            class.nodes.extend(nodes.into_iter().map(|node| (node.node.clone(), node)));
            class.last = Some((seq, at));
            let every = Duration::from_millis(INTERVALS_MS.get(*interval).copied().unwrap_or_default().into());
            let earliest = class.published.map_or(now, |published| published + every);
            class.due.get_or_insert(earliest.max(now + GATHER));
        }
    }

    /// Samples up to this one are lost, with what was put together of them.
    pub(super) fn skip(&mut self, seq: u64) {
        for class in self.intervals.values_mut() {
            class.ring.skip(seq);
            (class.last, class.due) = (None, None);
            class.flows.clear();
            class.nodes.clear();
        }
    }

    /// When the next event is to be written.
    pub(super) fn due(&self) -> Option<Instant> {
        self.intervals.values().filter_map(|class| class.due).min()
    }

    /// What is to be written now: for which interval, under which number and time.
    pub(super) fn take_due(&mut self, now: Instant) -> Vec<(usize, u64, Timestamp, Stats)> {
        let mut events = Vec::new();
        for (interval, class) in &mut self.intervals {
            let Some((last, at)) = class.last.filter(|_| class.due.is_some_and(|due| due <= now)) else { continue };
            (class.due, class.published, class.last) = (None, Some(now), None);
            let flows: Vec<FlowStats> = std::mem::take(&mut class.flows).into_values().collect();
            let mut nodes: Vec<NodeStats> = std::mem::take(&mut class.nodes).into_values().collect();
            // No more events than samples went into them, so there are numbers for all.
            let mut seq = last - (flows.len().saturating_sub(1) / FLOWS_PER_EVENT) as u64;
            let mut flows = flows.into_iter().peekable();
            loop {
                let part = flows.by_ref().take(FLOWS_PER_EVENT).collect();
                events.push((*interval, seq, at, Stats { flows: part, nodes: std::mem::take(&mut nodes) }));
                if flows.peek().is_none() {
                    break;
                }
                seq += 1;
            }
        }
        events
    }

    pub(super) fn publish(&mut self, interval: usize, seq: u64, event: Arc<Written>) {
        if let Some(class) = self.intervals.get_mut(&interval) {
            class.ring.append(seq, event);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Stats {
        let flow = FlowStats {
            flow_id: "f".parse().unwrap(),
            node: "s1".parse().unwrap(),
            packets: 1,
            bytes: 1,
            packets_per_second: 0,
            bits_per_second: 0,
        };
        Stats { flows: vec![flow], nodes: Vec::new() }
    }

    /// One subscriber of the first interval, who has all events up to this one.
    fn joined(last: u64) -> Statistics {
        let mut statistics = Statistics::default();
        statistics.join(0, last);
        statistics
    }

    fn later() -> Instant {
        Instant::now() + Duration::from_secs(3_600)
    }

    #[test]
    fn a_sample_that_was_put_together_before_some_were_lost_is_lost_with_them() {
        let mut statistics = joined(0);
        statistics.take(1, Timestamp::now(), sample());
        statistics.skip(2);
        assert_eq!((statistics.due(), statistics.take_due(later()).len()), (None, 0));
        statistics.take(3, Timestamp::now(), sample());
        let seqs: Vec<u64> = statistics.take_due(later()).into_iter().map(|(_, seq, _, _)| seq).collect();
        assert_eq!(seqs, [3]);
    }

    #[test]
    fn a_sample_from_before_a_subscription_is_not_for_it() {
        let mut statistics = joined(5);
        statistics.take(5, Timestamp::now(), sample());
        assert_eq!(statistics.due(), None);
    }
}
