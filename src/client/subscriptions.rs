//! What is subscribed to, how far each topic has come, and the way of its events to their reader.
//!
//! A new connection goes on behind the last event that came. What the daemon can tell no more it tells as a gap, and
//! what finds no room here because the reader is slow becomes a gap, too.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::value::RawValue;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::Lost;
use super::encoded::Encoded;
use crate::contract::{
    Command, EventPayload, Gap, Reply, Request, RequestId, ServerMessage, Subprotocol, Subscribe, Subscription,
    Timestamp, Topic,
};

/// Events that wait for their reader; more become a gap.
pub const EVENTS_MAX: usize = 1024;

/// What the ids of the requests that go on with a subscription begin with. Those of other requests are numbers.
const RESUME: &str = "resume-";

/// An event of a topic that was subscribed to.
#[derive(Debug, Clone)]
pub struct Event {
    /// The topic.
    pub topic: Topic,
    /// Its number in the topic, since the start of the daemon.
    pub seq: u64,
    /// Names that start.
    pub epoch: String,
    /// What happened.
    pub payload: EventPayload,
    /// When it happened.
    pub timestamp: Timestamp,
    /// The message, byte for byte as the daemon wrote it in JSON; what came as MessagePack, and a gap that arose here, is
    /// written as the daemon would.
    pub text: String,
}

/// A topic that is subscribed to.
#[derive(Debug)]
struct Standing {
    interval_ms: u32,
    epoch: String,
    last: u64,
}

#[derive(Debug, Default)]
struct Inner {
    standing: BTreeMap<Topic, Standing>,
    /// Topics that the daemon has not yet said to go on with.
    resuming: BTreeSet<Topic>,
    reader: Option<mpsc::Sender<Event>>,
    /// Gaps that the reader is to be told of as soon as there is room.
    missed: BTreeMap<Topic, (Gap, String)>,
}

/// The subscriptions of a client.
#[derive(Debug, Default)]
pub(super) struct Subscriptions(Mutex<Inner>);

impl Subscriptions {
    /// Where events go from now on.
    pub(super) fn read_by(&self, reader: Option<mpsc::Sender<Event>>) {
        let mut inner = self.lock();
        inner.reader = reader;
        inner.missed.clear();
    }

    /// The requests with which a new connection begins.
    pub(super) fn resume(&self, subprotocol: Subprotocol) -> Result<Vec<Encoded>, serde_json::Error> {
        let mut inner = self.lock();
        inner.resuming = inner.standing.keys().copied().collect();
        let write = |(topic, standing): (&Topic, &Standing)| {
            let Standing { interval_ms, epoch, last } = standing;
            let from_seq = BTreeMap::from([(*topic, last + 1)]);
            let subscribe = Subscribe {
                from_seq,
                epoch: Some(epoch.clone()),
                interval_ms: *interval_ms,
                ..Subscribe::to([*topic])
            };
            // The name of a topic is short and plain.
            let id: RequestId = format!("{RESUME}{topic}").parse().ok()?;
            Some(Encoded::of(subprotocol, &Request { id: &id, command: &Command::Subscribe(subscribe) }))
        };
        inner.standing.iter().filter_map(write).collect()
    }

    /// The topic that an answer is to go on with, if it is one of those.
    pub(super) fn resumed_by(&self, id: &RequestId) -> Option<Topic> {
        let topic = id.as_str().strip_prefix(RESUME)?.parse().ok()?;
        self.lock().resuming.remove(&topic).then_some(topic)
    }

    /// The daemon goes on with a topic.
    pub(super) fn resumed(&self, topic: Topic, payload: &RawValue) -> Result<(), Lost> {
        let (topics, epoch) = subscribed(payload)?;
        if let Some(standing) = self.lock().standing.get_mut(&topic)
            && standing.epoch != epoch
        {
            // It was started again: the numbers are new, and a gap says so.
            standing.last = topics.get(&topic).copied().unwrap_or_default();
            standing.epoch = epoch;
        }
        Ok(())
    }

    /// The daemon has done what was asked.
    pub(super) fn done(&self, asked: Subscription, payload: &RawValue) -> Result<(), Lost> {
        let request = match asked {
            Subscription::Begin(request) => request,
            Subscription::End(request) => {
                let mut inner = self.lock();
                request.topics.iter().for_each(|topic| drop(inner.standing.remove(topic)));
                return Ok(());
            }
        };
        let (topics, epoch) = subscribed(payload)?;
        let is_of_this_start = request.epoch.as_ref() == Some(&epoch);
        let mut inner = self.lock();
        for topic in request.topics {
            let from = request.from_seq.get(&topic).filter(|_| is_of_this_start).map(|from| from.saturating_sub(1));
            let last = from.or(topics.get(&topic).copied()).unwrap_or_default();
            let standing = Standing { interval_ms: request.interval_ms, epoch: epoch.clone(), last };
            inner.standing.insert(topic, standing);
        }
        Ok(())
    }

    /// An event has come: hands it to its reader, or remembers that it was missed.
    pub(super) fn arrived(&self, event: Event) {
        let mut inner = self.lock();
        if let Some(standing) = inner.standing.get_mut(&event.topic)
            && standing.epoch == event.epoch
        {
            standing.last = event.seq;
        }
        let Some(reader) = inner.reader.clone() else { return };
        if !inner.missed.is_empty() && !inner.tell_missed(&reader) {
            return inner.miss(&event);
        }
        match reader.try_send(event) {
            Ok(()) => {}
            Err(TrySendError::Full(event)) => inner.miss(&event),
            // Whoever does not want them any more has dropped the receiver.
            Err(TrySendError::Closed(_)) => inner.reader = None,
        }
    }

    /// Whether there is a gap that waits for room.
    pub(super) fn owes(&self) -> bool {
        !self.lock().missed.is_empty()
    }

    /// Waits for room and tells of the gaps. May be dropped at any time.
    pub(super) async fn make_good(&self) {
        let Some(reader) = self.lock().reader.clone() else { return std::future::pending().await };
        let has_room = reader.reserve().await.is_ok();
        let mut inner = self.lock();
        // Another reader may have taken its place meanwhile.
        if !inner.reader.as_ref().is_some_and(|current| current.same_channel(&reader)) {
            return;
        }
        if !has_room {
            inner.reader = None;
            inner.missed.clear();
        } else if !inner.missed.is_empty() {
            inner.tell_missed(&reader);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Tells of every gap, if there is room.
    fn tell_missed(&mut self, reader: &mpsc::Sender<Event>) -> bool {
        while let Some((topic, (gap, epoch))) = self.missed.pop_first() {
            if let Err(TrySendError::Full(_)) = reader.try_send(gap_event(topic, gap, &epoch)) {
                self.missed.insert(topic, (gap, epoch));
                return false;
            }
        }
        true
    }

    fn miss(&mut self, event: &Event) {
        let from = match &event.payload {
            EventPayload::Gap { gap } => gap.from,
            _ => event.seq,
        };
        match self.missed.get_mut(&event.topic) {
            Some((gap, epoch)) if *epoch == event.epoch => gap.to = event.seq,
            // The numbers of the start before mean nothing in this one, whose first gap says that all of it is missing.
            _ => drop(self.missed.insert(event.topic, (Gap { from, to: event.seq }, event.epoch.clone()))),
        }
    }
}

/// A gap as the daemon writes it.
fn gap_event(topic: Topic, gap: Gap, epoch: &str) -> Event {
    let (seq, timestamp, payload) = (gap.to, Timestamp::now(), EventPayload::Gap { gap });
    let message =
        ServerMessage::Event { topic, seq, epoch: epoch.to_owned().into(), payload: payload.clone(), timestamp };
    // The contract's types are strings, numbers and maps with string keys: writing them cannot fail.
    let text = serde_json::to_string(&message).unwrap_or_default();
    Event { topic, seq, epoch: epoch.to_owned(), payload, timestamp, text }
}

/// What the Reply to `Subscribe` says.
fn subscribed(payload: &RawValue) -> Result<(BTreeMap<Topic, u64>, String), Lost> {
    match serde_json::from_str(payload.get()) {
        Ok(Reply::Subscribed { topics, epoch }) => Ok((topics, epoch)),
        Ok(_) => Err(Lost::Protocol("the Reply to Subscribe has no topics".to_owned())),
        Err(error) => Err(Lost::Protocol(error.to_string())),
    }
}
