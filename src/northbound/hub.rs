//! From the programmer's news to every subscriber: one task writes each event once, and the connections read it.
//!
//! Nothing is copied for a subscriber: each has a cursor into the topic's [ring](SharedRing), reads on when its client has
//! taken what it was given, and learns of a gap when the ring has gone on without it. So one that is slow or stuck costs
//! nobody anything.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until};

use super::ring::{Read, SharedRing};
use super::statistics::Statistics;
use super::subprotocol::WrittenEvent;
use crate::contract::{ErrorBody, ErrorCode, EventPayload, Gap, ServerMessage, Subscribe, Timestamp, Topic};
use crate::programmer::{Audience, News, Seat, interval_index};

/// Events taken at a time.
const TAKE: usize = 1_024;

/// Where events are kept and subscribers are counted.
#[derive(Debug)]
pub(super) struct Hub {
    audience: Audience,
    /// What is kept of the topics of which all are told the same.
    rings: BTreeMap<Topic, SharedRing>,
    /// Put together for those who have the same interval. Nobody who only reads waits for that.
    statistics: Mutex<Statistics>,
    /// Told whenever there is something new.
    changed: watch::Sender<()>,
    places: Arc<Semaphore>,
    limit: usize,
}

/// One connection's place in one topic.
#[derive(Debug)]
pub(super) struct Cursor {
    topic: Topic,
    ring: SharedRing,
    /// The number of the last event when it began.
    last: u64,
    next: u64,
    interval_ms: u32,
    /// A gap from before it began.
    owed: Option<Gap>,
    _seat: Seat,
    _place: OwnedSemaphorePermit,
}

impl Hub {
    /// A hub with room for so many subscriptions.
    pub(super) fn new(audience: Audience, limit: usize) -> Self {
        let limit = limit.min(Semaphore::MAX_PERMITS);
        let places = Arc::new(Semaphore::new(limit));
        let rings = Topic::ALL.iter().map(|topic| (*topic, SharedRing::default())).collect();
        Self { audience, rings, statistics: Mutex::default(), changed: watch::Sender::new(()), places, limit }
    }

    /// Writes events until the programmer has no more of them.
    pub(super) async fn run(&self, mut news: mpsc::Receiver<News>) {
        let mut batch = Vec::with_capacity(TAKE);
        loop {
            let due = self.statistics().due();
            let taken = tokio::select! {
                taken = news.recv_many(&mut batch, TAKE) => taken,
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                    self.publish_statistics();
                    // Whoever keeps up has read this one before the ring is full of the next.
                    yield_now().await;
                    continue;
                }
            };
            if taken == 0 {
                return;
            }
            self.publish(batch.drain(..));
        }
    }

    fn publish(&self, news: impl Iterator<Item = News>) {
        for News { topic, seq, at, payload } in news {
            match (topic, payload) {
                (Topic::Stats, Some(EventPayload::Stats(stats))) => self.statistics().take(seq, at, stats),
                (Topic::Stats, _) => self.statistics().skip(seq),
                (_, Some(payload)) => {
                    // Written before the lock is taken: nobody waits for it.
                    let event = self.encode(topic, seq, &payload, at);
                    self.ring(topic).lock().push(seq, event);
                }
                (_, None) => self.ring(topic).lock().skip(seq),
            }
        }
        self.changed.send_replace(());
    }

    fn publish_statistics(&self) {
        let due = self.statistics().take_due(Instant::now());
        if let Some((interval, seq, at, stats)) = due {
            let event = self.encode(Topic::Stats, seq, &EventPayload::Stats(stats), at);
            self.statistics().publish(interval, seq, event);
        }
        self.changed.send_replace(());
    }

    /// One event, written.
    fn encode(&self, topic: Topic, seq: u64, payload: &EventPayload, timestamp: Timestamp) -> Arc<WrittenEvent> {
        let epoch = Cow::Owned(self.audience.epoch().to_owned());
        let message = ServerMessage::Event { topic, seq, epoch, payload, timestamp };
        // The contract's types are strings, numbers and maps with string keys: writing them cannot fail.
        Arc::new(WrittenEvent::new(serde_json::to_string(&message).unwrap_or_default()))
    }

    /// Makes the cursors of a new subscription; `standing` is where each topic stood when it began.
    ///
    /// # Errors
    /// `overloaded` when there are too many subscriptions, `invalid_request` when it asks for what has not been.
    pub(super) fn subscribe(
        &self,
        request: &Subscribe,
        standing: &BTreeMap<Topic, u64>,
    ) -> Result<Vec<Cursor>, ErrorBody> {
        let is_of_this_start = request.epoch.as_deref().is_none_or(|epoch| epoch == self.audience.epoch());
        let mut begun = Vec::with_capacity(request.topics.len());
        for topic in request.topics.iter().copied() {
            let told = standing.get(&topic).copied().unwrap_or_default();
            let last = match topic {
                Topic::Stats => self.last_statistics(request.interval_ms, told),
                _ => told,
            };
            let asked = request.from_seq.get(&topic).copied();
            let (next, owed) = match asked {
                None => (last + 1, None),
                // Its numbers mean nothing here: all of this start is missing, and what the one before told after them.
                Some(_) if !is_of_this_start => (last + 1, Some(Gap { from: last.min(1), to: last })),
                Some(from) if from <= last + 1 => (from, None),
                Some(from) => {
                    let message = format!("{topic} must be at most {}: there is no event {from} yet", last + 1);
                    let path = format!("payload.from_seq.{topic}");
                    return Err(ErrorBody::new(ErrorCode::InvalidRequest, message).at(path));
                }
            };
            let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| {
                let message = format!("there are {} subscriptions already, and no more are allowed", self.limit);
                ErrorBody::new(ErrorCode::Overloaded, message)
            })?;
            begun.push((topic, told, last, next, owed, place));
        }
        // From here on nothing fails: who has joined is a cursor that leaves.
        let join = |(topic, told, last, next, owed, place)| {
            let interval_ms = request.interval_ms;
            let ring = match topic {
                Topic::Stats => self.statistics().join(interval_index(interval_ms), told),
                _ => self.ring(topic),
            };
            let seat = self.audience.seat(topic, interval_ms);
            Cursor { topic, ring, last, next, interval_ms, owed, _seat: seat, _place: place }
        };
        Ok(begun.into_iter().map(join).collect())
    }

    /// The number of the last statistics of an interval, which has numbers of its own; `told` is the last sample.
    pub(super) fn last_statistics(&self, interval_ms: u32, told: u64) -> u64 {
        self.statistics().last(interval_index(interval_ms), told)
    }

    /// How many intervals of statistics somebody waits for.
    #[cfg(test)]
    pub(super) fn intervals(&self) -> usize {
        self.statistics().intervals()
    }

    /// A subscriber is gone.
    pub(super) fn leave(&self, cursor: &Cursor) {
        if cursor.topic == Topic::Stats {
            self.statistics().leave(interval_index(cursor.interval_ms));
        }
    }

    /// How many subscriptions there are.
    pub(super) fn subscriptions(&self) -> usize {
        self.limit - self.places.available_permits()
    }

    /// Tells when there may be something to read.
    pub(super) fn watch(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// What there is for a subscriber, and whether that is not all.
    pub(super) fn read(&self, cursor: &mut Cursor) -> (Vec<Arc<WrittenEvent>>, bool) {
        let Read { gap, events, is_partial } = cursor.ring.lock().read(&mut cursor.next);
        let gaps = cursor.owed.take().into_iter().chain(gap).map(|gap| {
            let payload = EventPayload::Gap { gap };
            self.encode(cursor.topic, gap.to, &payload, Timestamp::now())
        });
        (gaps.chain(events).collect(), is_partial)
    }

    fn ring(&self, topic: Topic) -> SharedRing {
        self.rings.get(&topic).cloned().unwrap_or_default()
    }

    fn statistics(&self) -> MutexGuard<'_, Statistics> {
        self.statistics.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cursor {
    pub(super) fn topic(&self) -> Topic {
        self.topic
    }

    /// The number of the last event when it began.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    pub(super) fn interval_ms(&self) -> u32 {
        self.interval_ms
    }
}

#[cfg(test)]
mod tests {
    use super::super::subprotocol::Subprotocol;
    use super::*;
    use crate::contract::{FlowStats, Stats};

    #[test]
    fn a_subscription_that_is_refused_half_way_leaves_nothing_behind() {
        let hub = Hub::new(Audience::default(), 1);
        let request = Subscribe::to([Topic::Stats, Topic::Flows]);
        assert_eq!(hub.subscribe(&request, &BTreeMap::new()).unwrap_err().code, ErrorCode::Overloaded);
        assert_eq!((hub.subscriptions(), hub.intervals()), (0, 0));
        let cursors = hub.subscribe(&Subscribe::to([Topic::Stats]), &BTreeMap::new()).unwrap();
        assert_eq!((hub.subscriptions(), hub.intervals()), (1, 1));
        cursors.iter().for_each(|cursor| hub.leave(cursor));
        drop(cursors);
        assert_eq!((hub.subscriptions(), hub.intervals()), (0, 0));
    }

    #[test]
    fn w12_what_waits_for_many_subscribers_is_kept_once() {
        const SUBSCRIBERS: usize = 1_000;
        let hub = Hub::new(Audience::default(), SUBSCRIBERS);
        let subscribe = || hub.subscribe(&Subscribe::to([Topic::Ports]), &BTreeMap::new()).unwrap();
        let mut cursors: Vec<Cursor> = (0..SUBSCRIBERS).flat_map(|_| subscribe()).collect();
        let event = Arc::new(WrittenEvent::new("x".repeat(1 << 20)));
        hub.ring(Topic::Ports).lock().push(1, Arc::clone(&event));
        let read: Vec<_> = cursors.iter_mut().flat_map(|cursor| hub.read(cursor).0).collect();
        assert_eq!(read.len(), SUBSCRIBERS);
        assert!(read.iter().all(|read| Arc::ptr_eq(read, &event)), "each has the same, and not one like it");
    }

    #[tokio::test]
    async fn statistics_of_more_flows_than_a_ring_holds_reach_who_keeps_up_without_a_gap() {
        const FLOWS: usize = 150_000;
        let hub = Arc::new(Hub::new(Audience::default(), 1));
        let mut changed = hub.watch();
        let mut cursors = hub.subscribe(&Subscribe::to([Topic::Stats]), &BTreeMap::new()).unwrap();
        let (told, news) = mpsc::channel(1);
        let running = Arc::clone(&hub);
        let _running = tokio::spawn(async move { running.run(news).await });
        let flow = |number: usize| FlowStats {
            flow_id: format!("{number:0>80}").parse().unwrap(),
            node: "s1".parse().unwrap(),
            packets: 1,
            bytes: 1,
            packets_per_second: 0,
            bits_per_second: 0,
        };
        let stats = Stats { flows: (0..FLOWS).map(flow).collect(), nodes: Vec::new() };
        let payload = Some(EventPayload::Stats(stats));
        told.send(News { topic: Topic::Stats, seq: 1, at: Timestamp::now(), payload }).await.unwrap();
        let mut read = 0;
        while read < FLOWS {
            changed.changed().await.unwrap();
            for event in hub.read(&mut cursors[0]).0 {
                let text = event.message(Subprotocol::Json).to_string();
                assert!(!text.contains("gap"), "after {read} flows");
                read += text.matches("flow_id").count();
            }
        }
        assert_eq!(read, FLOWS);
    }
}
