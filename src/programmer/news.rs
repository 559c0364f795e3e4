//! What subscribers are told: changes, numbered per topic, once they are true for good.
//!
//! A change of a flow is told when it is durable, one of a node when everything before it is. Every change has a number
//! whether or not anybody listens; it is put into words only while somebody does, or did so a moment ago and may come
//! back for it.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::{Hash, Hasher};
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use openflow::{PortNo, PortReason, PortStatus};

use super::Survey;
use super::cookie::FlowNumber;
use super::engine::{Engine, Output};
use super::node::{Node, NodeId};
use super::sample::Samples;
use super::view::port_view;
use crate::contract::{Alarm, AlarmKind, EventPayload, FlowId, NodeName, NodeView, Reply, Subscribe, Timestamp, Topic};

/// How often statistics can come, in milliseconds: a request gets the next that is no shorter, so that subscribers share
/// what is written for them.
pub const INTERVALS_MS: [u32; 9] = [100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000];

/// How long events are put into words after the last that somebody heard, or the first that nobody did: a client that
/// lost its connection is back by then, and asks for what it missed.
const LINGER: Duration = Duration::from_secs(60);

const TOPICS: usize = Topic::ALL.len();

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct News {
    /// What it is about.
    pub topic: Topic,
    /// Its number on the topic.
    pub seq: u64,
    /// When it happened.
    pub at: Timestamp,
    /// What happened; `None` when this one and all before it were not put into words.
    pub payload: Option<EventPayload>,
}

/// Who listens, counted by those who have subscribers and read by the engine.
#[derive(Debug, Clone)]
pub struct Audience(Arc<Counts>);

#[derive(Debug)]
struct Counts {
    epoch: String,
    topics: [AtomicUsize; TOPICS],
    /// Somebody has left since the engine looked.
    left: [AtomicBool; TOPICS],
    intervals: [AtomicUsize; INTERVALS_MS.len()],
}

/// One subscriber to one topic, until it is dropped.
#[derive(Debug)]
pub struct Seat {
    counts: Arc<Counts>,
    topic: Topic,
    interval: usize,
}

impl Default for Audience {
    fn default() -> Self {
        let epoch = format!("{:016x}", fastrand::u64(..));
        Self(Arc::new(Counts {
            epoch,
            topics: Default::default(),
            left: Default::default(),
            intervals: Default::default(),
        }))
    }
}

impl Audience {
    /// Names this start of the daemon: numbers are counted anew in each.
    #[must_use]
    pub fn epoch(&self) -> &str {
        &self.0.epoch
    }

    /// Takes a seat. Statistics are sampled as often as the most eager of those who have one wants them.
    #[must_use]
    pub fn seat(&self, topic: Topic, interval_ms: u32) -> Seat {
        let seat = Seat { counts: Arc::clone(&self.0), topic, interval: interval_index(interval_ms) };
        seat.each(|counter| _ = counter.fetch_add(1, Ordering::Relaxed));
        seat
    }

    fn is_there(&self, topic: Topic) -> bool {
        self.0.topics.get(topic as usize).is_some_and(|counter| counter.load(Ordering::Relaxed) > 0)
    }

    /// Whether somebody has left since this was asked last.
    fn has_left(&self, topic: Topic) -> bool {
        self.0.left.get(topic as usize).is_some_and(|left| left.swap(false, Ordering::Relaxed))
    }

    /// The shortest interval that somebody wants statistics at.
    fn interval(&self) -> Option<Duration> {
        let wanted = self.0.intervals.iter().zip(INTERVALS_MS).find(|(count, _)| count.load(Ordering::Relaxed) > 0);
        wanted.map(|(_, interval_ms)| Duration::from_millis(interval_ms.into()))
    }
}

/// The place in [`INTERVALS_MS`] of the shortest that is not below what is asked for.
#[must_use]
pub fn interval_index(interval_ms: u32) -> usize {
    INTERVALS_MS.partition_point(|shorter| *shorter < interval_ms).min(INTERVALS_MS.len() - 1)
}

impl Seat {
    fn each(&self, change: impl Fn(&AtomicUsize)) {
        self.counts.topics.get(self.topic as usize).into_iter().for_each(&change);
        if self.topic == Topic::Stats {
            self.counts.intervals.get(self.interval).into_iter().for_each(&change);
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.counts.left.get(self.topic as usize).into_iter().for_each(|left| left.store(true, Ordering::Relaxed));
        self.each(|counter| _ = counter.fetch_sub(1, Ordering::Relaxed));
    }
}

/// Where changes gather until they are told.
#[derive(Debug)]
pub(super) struct Desk {
    audience: Audience,
    /// The number of the last event of each topic, and until when the next are put into words.
    seqs: [u64; TOPICS],
    wanted_until: [Option<Instant>; TOPICS],
    /// Flows that have changed, and durably so.
    flows: BTreeSet<FlowNumber>,
    /// Nodes that may have changed, and what of each was told last.
    nodes: BTreeSet<NodeId>,
    told: BTreeMap<NodeId, u64>,
    /// What waits for the disk, with the commit that it waits for.
    held: VecDeque<(u64, EventPayload)>,
    pub(super) samples: Samples,
    /// How many of each kind were raised.
    alarms: BTreeMap<AlarmKind, u64>,
}

impl Desk {
    pub(super) fn new(audience: Audience) -> Self {
        Self {
            audience,
            seqs: [0; TOPICS],
            wanted_until: [None; TOPICS],
            flows: BTreeSet::new(),
            nodes: BTreeSet::new(),
            told: BTreeMap::new(),
            held: VecDeque::new(),
            samples: Samples::default(),
            alarms: Survey::default().alarms,
        }
    }

    /// How many alarms of each kind were raised, whoever heard them.
    pub(super) fn alarms(&self) -> BTreeMap<AlarmKind, u64> {
        self.alarms.clone()
    }

    /// How often statistics are wanted.
    pub(super) fn interval(&self) -> Option<Duration> {
        self.audience.interval()
    }

    fn seq(&self, topic: Topic) -> u64 {
        self.seqs.get(topic as usize).copied().unwrap_or_default()
    }

    fn next_seq(&mut self, topic: Topic) -> u64 {
        let Some(seq) = self.seqs.get_mut(topic as usize) else { return 0 };
        *seq += 1;
        *seq
    }

    fn want(&mut self, topic: Topic, until: Instant) {
        if let Some(wanted) = self.wanted_until.get_mut(topic as usize) {
            *wanted = Some(until);
        }
    }

    /// Whether events of the topic are put into words.
    pub(super) fn is_wanted(&mut self, topic: Topic, now: Instant) -> bool {
        if self.audience.is_there(topic) || self.audience.has_left(topic) {
            self.want(topic, now + LINGER);
            return true;
        }
        self.wanted_until.get(topic as usize).copied().flatten().is_some_and(|until| now < until)
    }
}

impl Engine {
    /// Who listens.
    #[cfg(test)]
    pub(super) fn audience(&self) -> &Audience {
        &self.desk.audience
    }

    /// From here on events of these topics are put into words.
    pub(super) fn subscribe(&mut self, request: &Subscribe) -> Reply {
        for topic in request.topics.iter().copied() {
            if !self.desk.is_wanted(topic, self.now) {
                // Whoever asks for what was before learns at once that it is gone.
                let seq = self.desk.seq(topic);
                self.outputs.push_back(Output::Tell(News { topic, seq, at: self.wall, payload: None }));
            }
            self.desk.want(topic, self.now + LINGER);
            if topic == Topic::Stats {
                let interval_ms = INTERVALS_MS.get(interval_index(request.interval_ms)).copied().unwrap_or_default();
                self.sample_within(Duration::from_millis(interval_ms.into()));
            }
        }
        self.standing(&request.topics)
    }

    /// Where these topics stand.
    pub(super) fn standing(&self, topics: &[Topic]) -> Reply {
        let topics = topics.iter().map(|topic| (*topic, self.desk.seq(*topic))).collect();
        Reply::Subscribed { topics, epoch: self.desk.audience.epoch().to_owned() }
    }

    /// Numbers an event, and tells it if anybody listens.
    pub(super) fn publish(&mut self, topic: Topic, payload: impl FnOnce(&Self) -> Option<EventPayload>) {
        if !self.desk.is_wanted(topic, self.now) {
            self.desk.next_seq(topic);
            return;
        }
        if let Some(payload) = payload(self) {
            let seq = self.desk.next_seq(topic);
            self.outputs.push_back(Output::Tell(News { topic, seq, at: self.wall, payload: Some(payload) }));
        }
    }

    /// The flow is in another state, and the disk knows.
    pub(super) fn note_flow(&mut self, number: FlowNumber) {
        if self.desk.is_wanted(Topic::Flows, self.now) {
            self.desk.flows.insert(number);
        } else {
            self.desk.next_seq(Topic::Flows);
        }
    }

    /// The node may have changed.
    pub(super) fn note_node(&mut self, id: NodeId) {
        self.desk.nodes.insert(id);
    }

    /// Tells what has gathered.
    pub(super) fn tell_changes(&mut self) {
        for number in mem::take(&mut self.desk.flows) {
            self.tell_flow(number);
        }
        for id in mem::take(&mut self.desk.nodes) {
            let Some(told) = self.nodes.get(&id).map(essence) else { continue };
            if self.desk.told.insert(id, told) != Some(told) {
                self.tell_node(self.node_view(id), false);
            }
        }
    }

    fn tell_flow(&mut self, number: FlowNumber) {
        self.publish(Topic::Flows, |engine| Some(EventPayload::Flow { flow: Box::new(engine.flow_view(number)?) }));
    }

    /// Tells of a node once all that was changed so far is durable.
    pub(super) fn tell_node(&mut self, view: Option<NodeView>, removed: bool) {
        let Some(node) = view.map(Box::new) else { return };
        let commit = self.last_change();
        self.desk.held.push_back((commit, EventPayload::Node { node, removed }));
        self.tell_held(self.durable);
    }

    /// Everything up to this commit is on disk, or was given up.
    pub(super) fn tell_held(&mut self, commit: u64) {
        while let Some((_, payload)) = self.desk.held.pop_front_if(|(waits_for, _)| *waits_for <= commit) {
            self.publish(Topic::Nodes, |_| Some(payload));
        }
    }

    /// A port of a switch has changed.
    pub(super) fn tell_port(&mut self, node: NodeName, status: &PortStatus) {
        if status.desc.port_no > PortNo::MAX {
            return;
        }
        let removed = status.reason == PortReason::Delete;
        self.publish(Topic::Ports, |_| Some(EventPayload::Port { node, port: port_view(&status.desc), removed }));
    }

    /// A flow is about to be forgotten: what is to be told of it is told now.
    pub(super) fn tell_last(&mut self, number: FlowNumber) {
        if self.desk.flows.remove(&number) {
            self.tell_flow(number);
        }
    }

    /// A node has gone: the last that is told of it.
    pub(super) fn tell_gone(&mut self, id: NodeId, view: Option<NodeView>) {
        self.desk.nodes.remove(&id);
        self.desk.told.remove(&id);
        self.desk.samples.forget(id);
        self.tell_node(view, true);
    }

    /// Raises an alarm.
    pub(super) fn alarm(&mut self, alarm: AlarmKind, node: Option<NodeId>, flow_id: Option<FlowId>, message: &str) {
        *self.desk.alarms.entry(alarm).or_default() += 1;
        self.publish(Topic::Alarms, |engine| {
            let node = node.and_then(|id| engine.node_name(id)).cloned();
            Some(EventPayload::Alarm(Alarm { alarm, node, flow_id, message: message.to_owned() }))
        });
    }

    /// What has been so since before the start is no news.
    pub(super) fn forget_changes(&mut self) {
        self.desk.seqs = [0; TOPICS];
        self.desk.told = self.nodes.iter().map(|(id, node)| (*id, essence(node))).collect();
        self.desk.nodes.clear();
    }
}

/// What makes two views of a node differ enough to tell of it.
fn essence(node: &Node) -> u64 {
    let mut hasher = DefaultHasher::new();
    let live = node.live();
    node.state().hash(&mut hasher);
    node.datapath_id.hash(&mut hasher);
    node.warnings.hash(&mut hasher);
    live.map(|live| (live.connection, live.has_bundles, live.has_monitor)).hash(&mut hasher);
    hasher.finish()
}
