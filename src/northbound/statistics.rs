//! Statistics for subscribers with different intervals: what changed since the last event of an interval is put together
//! into one, which all with that interval share.
//!
//! The events of each interval are numbered for themselves, so that nobody misses a number: what was put together is not
//! lost. What is lost (samples that found no room, or were taken while nobody with the interval listened) takes one number.

use std::collections::{BTreeMap, btree_map};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::ring::SharedRing;
use super::subprotocol::WrittenEvent;
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
    /// How far those had come that nobody wants now.
    left: BTreeMap<usize, Mark>,
}

/// How far an interval has come.
#[derive(Debug, Clone, Copy, Default)]
struct Mark {
    /// The number of its last event.
    last: u64,
    /// The last sample that is in an event, or will be in the next.
    sample: u64,
}

/// The subscribers with one interval.
#[derive(Debug)]
struct Class {
    ring: SharedRing,
    subscribers: usize,
    mark: Mark,
    flows: BTreeMap<(NodeName, FlowId), FlowStats>,
    nodes: BTreeMap<NodeName, NodeStats>,
    /// When the newest of what is in them was taken.
    at: Option<Timestamp>,
    published: Option<Instant>,
    due: Option<Instant>,
    /// What is being told.
    telling: Option<Telling>,
}

/// What was put together, as far as it is not in an event yet.
#[derive(Debug)]
struct Telling {
    at: Timestamp,
    flows: btree_map::IntoValues<(NodeName, FlowId), FlowStats>,
    nodes: Vec<NodeStats>,
}

impl Class {
    fn new(mark: Mark) -> Self {
        let ring = SharedRing::default();
        ring.lock().skip(mark.last);
        let (flows, nodes) = Default::default();
        Self { ring, subscribers: 0, mark, flows, nodes, at: None, published: None, due: None, telling: None }
    }

    /// When its next event is to be written.
    fn due(&self) -> Option<Instant> {
        if self.telling.is_some() { self.published } else { self.due }
    }

    /// That event, a thousand flows at most.
    fn take(&mut self, now: Instant) -> Option<(u64, Timestamp, Stats)> {
        let mut telling = self.telling.take().or_else(|| self.begin(now))?;
        let flows = telling.flows.by_ref().take(FLOWS_PER_EVENT).collect();
        let stats = Stats { flows, nodes: std::mem::take(&mut telling.nodes) };
        let at = telling.at;
        self.telling = Some(telling).filter(|telling| telling.flows.len() > 0);
        self.mark.last += 1;
        Some((self.mark.last, at, stats))
    }

    /// Begins to tell what was put together.
    fn begin(&mut self, now: Instant) -> Option<Telling> {
        let at = self.at.take()?;
        (self.due, self.published) = (None, Some(now));
        let flows = std::mem::take(&mut self.flows).into_values();
        let nodes = std::mem::take(&mut self.nodes).into_values().collect();
        Some(Telling { at, flows, nodes })
    }
}

impl Statistics {
    /// The number of the last event of an interval, for somebody who comes now; `sample` is the last that was taken.
    pub(super) fn last(&self, interval: usize, sample: u64) -> u64 {
        self.intervals.get(&interval).map_or_else(|| self.mark(interval, sample), |class| class.mark).last
    }

    /// Where an interval goes on that nobody has wanted for a while.
    fn mark(&self, interval: usize, sample: u64) -> Mark {
        let Some(left) = self.left.get(&interval) else { return Mark { last: 0, sample } };
        // Whoever was there before has missed what was sampled meanwhile.
        let is_missing = sample > left.sample;
        Mark { last: left.last + u64::from(is_missing), sample }
    }

    /// One more subscriber, who reads this ring. What was before the first is gone.
    pub(super) fn join(&mut self, interval: usize, sample: u64) -> SharedRing {
        let mark = self.mark(interval, sample);
        self.left.remove(&interval);
        let class = self.intervals.entry(interval).or_insert_with(|| Class::new(mark));
        class.subscribers += 1;
        class.ring.clone()
    }

    pub(super) fn leave(&mut self, interval: usize) {
        if let Some(class) = self.intervals.get_mut(&interval) {
            class.subscribers -= 1;
            if class.subscribers == 0 {
                // What waits to be told is missed, too.
                let sample = if class.due().is_some() { 0 } else { class.mark.sample };
                self.left.insert(interval, Mark { sample, ..class.mark });
                self.intervals.remove(&interval);
            }
        }
    }

    /// How many intervals somebody waits for.
    #[cfg(test)]
    pub(super) fn intervals(&self) -> usize {
        self.intervals.len()
    }

    /// Adds a sample: the latest word on each flow counts.
    pub(super) fn take(&mut self, sample: u64, at: Timestamp, stats: Stats) {
        let now = Instant::now();
        for (interval, class) in self.intervals.iter_mut().filter(|(_, class)| class.mark.sample < sample) {
            let Stats { flows, nodes } = stats.clone();
            class.flows.extend(flows.into_iter().map(|flow| ((flow.node.clone(), flow.flow_id.clone()), flow)));
            class.nodes.extend(nodes.into_iter().map(|node| (node.node.clone(), node)));
            class.mark.sample = sample;
            class.at = Some(at);
            let every = Duration::from_millis(INTERVALS_MS.get(*interval).copied().unwrap_or_default().into());
            let earliest = class.published.map_or(now, |published| published + every);
            class.due.get_or_insert(earliest.max(now + GATHER));
        }
    }

    /// Samples up to this one are lost, with what was put together of them: a number stands for them.
    pub(super) fn skip(&mut self, sample: u64) {
        for class in self.intervals.values_mut().filter(|class| class.mark.sample < sample) {
            class.mark = Mark { last: class.mark.last + 1, sample };
            class.ring.lock().skip(class.mark.last);
            (class.at, class.due, class.telling) = (None, None, None);
            class.flows.clear();
            class.nodes.clear();
        }
    }

    /// When the next event is to be written.
    pub(super) fn due(&self) -> Option<Instant> {
        self.intervals.values().filter_map(Class::due).min()
    }

    /// The next event that is to be written by now: for which interval, under which number and time. What is more than one
    /// event comes one at a time, so that it does not push itself out of the ring.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<(usize, u64, Timestamp, Stats)> {
        let due = self.intervals.iter_mut().filter(|(_, class)| class.due().is_some_and(|due| due <= now));
        let (interval, class) = due.min_by_key(|(_, class)| class.due())?;
        let (seq, at, stats) = class.take(now)?;
        Some((*interval, seq, at, stats))
    }

    pub(super) fn publish(&mut self, interval: usize, seq: u64, event: Arc<WrittenEvent>) {
        if let Some(class) = self.intervals.get_mut(&interval) {
            class.ring.lock().push(seq, event);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::iter;

    use super::*;

    fn flow(name: &str) -> FlowStats {
        FlowStats {
            flow_id: name.parse().unwrap(),
            node: "s1".parse().unwrap(),
            packets: 1,
            bytes: 1,
            packets_per_second: 0,
            bits_per_second: 0,
        }
    }

    fn sample() -> Stats {
        Stats { flows: vec![flow("f")], nodes: Vec::new() }
    }

    /// One subscriber of the first interval, who came after this sample.
    fn joined(after: u64) -> Statistics {
        let mut statistics = Statistics::default();
        statistics.join(0, after);
        statistics
    }

    fn later() -> Instant {
        Instant::now() + Duration::from_secs(3_600)
    }

    /// The numbers of what is told of an interval as soon as something is due.
    fn seqs_of(statistics: &mut Statistics, interval: usize) -> Vec<u64> {
        let Some(due) = statistics.due() else { return Vec::new() };
        let told = iter::from_fn(|| statistics.take_due(due));
        told.filter(|(of, ..)| *of == interval).map(|(_, seq, ..)| seq).collect()
    }

    /// What somebody who waits for this number is told of as missing.
    fn gap(statistics: &Statistics, mut next: u64) -> Option<(u64, u64)> {
        let read = statistics.intervals[&0].ring.lock().read(&mut next);
        read.gap.map(|gap| (gap.from, gap.to))
    }

    #[test]
    fn samples_that_are_put_together_take_one_number_at_each_interval() {
        let mut statistics = joined(0);
        statistics.join(3, 0);
        for number in 1..=3 {
            statistics.take(number, Timestamp::now(), sample());
        }
        assert_eq!(seqs_of(&mut statistics, 0), [1]);
        statistics.take(4, Timestamp::now(), sample());
        assert_eq!(seqs_of(&mut statistics, 0), [2]);
        assert_eq!((statistics.last(0, 4), statistics.last(3, 4), statistics.last(5, 4)), (2, 1, 0));
    }

    #[test]
    fn many_flows_are_several_events_with_numbers_that_follow() {
        let mut statistics = joined(0);
        let flows = (0..=2 * FLOWS_PER_EVENT).map(|number| flow(&number.to_string())).collect();
        statistics.take(1, Timestamp::now(), Stats { flows, nodes: Vec::new() });
        assert_eq!(seqs_of(&mut statistics, 0), [1, 2, 3]);
        statistics.take(2, Timestamp::now(), sample());
        assert_eq!(seqs_of(&mut statistics, 0), [4]);
    }

    #[test]
    fn a_sample_that_was_put_together_before_some_were_lost_is_lost_with_them_and_all_are_one_gap() {
        let mut statistics = joined(0);
        statistics.take(1, Timestamp::now(), sample());
        statistics.skip(20);
        assert_eq!((statistics.due(), statistics.take_due(later())), (None, None));
        assert_eq!(gap(&statistics, 1), Some((1, 1)));
        statistics.take(21, Timestamp::now(), sample());
        assert_eq!(seqs_of(&mut statistics, 0), [2]);
    }

    #[test]
    fn a_sample_from_before_a_subscription_is_not_for_it() {
        let mut statistics = joined(5);
        statistics.take(5, Timestamp::now(), sample());
        assert_eq!(statistics.due(), None);
    }

    #[test]
    fn who_comes_back_is_told_of_a_gap_only_when_something_was_sampled_meanwhile() {
        let mut statistics = joined(0);
        statistics.take(1, Timestamp::now(), sample());
        assert_eq!(seqs_of(&mut statistics, 0), [1]);
        statistics.leave(0);
        assert_eq!(statistics.last(0, 1), 1);
        statistics.join(0, 1);
        assert_eq!(gap(&statistics, 2), None);
        statistics.leave(0);
        assert_eq!(statistics.last(0, 9), 2);
        statistics.join(0, 9);
        assert_eq!(gap(&statistics, 2), Some((2, 2)));
    }

    #[test]
    fn who_leaves_before_a_sample_is_told_misses_it() {
        let mut statistics = joined(0);
        statistics.take(1, Timestamp::now(), sample());
        statistics.leave(0);
        statistics.join(0, 1);
        assert_eq!((statistics.last(0, 1), gap(&statistics, 1)), (1, Some((1, 1))));
    }
}
