//! What one connection has subscribed to, and how far it has read.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;

use super::hub::{Cursor, Hub};
use super::subprotocol::WrittenEvent;
use crate::contract::{DEFAULT_INTERVAL_MS, ErrorBody, Subscribe, Topic, Unsubscribe};

/// The subscriptions of one connection: a topic each, and so never more than there are topics.
#[derive(Debug)]
pub(super) struct Subscriptions<'a> {
    hub: &'a Hub,
    cursors: BTreeMap<Topic, Cursor>,
    changed: watch::Receiver<()>,
    /// There may be something to read.
    is_behind: bool,
}

impl<'a> Subscriptions<'a> {
    pub(super) fn new(hub: &'a Hub) -> Self {
        Self { hub, cursors: BTreeMap::new(), changed: hub.watch(), is_behind: false }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.cursors.is_empty()
    }

    /// Begins; a topic that was subscribed to before is so anew. `standing` is where each topic stands, and becomes that as
    /// this client counts.
    pub(super) fn add(&mut self, request: &Subscribe, standing: &mut BTreeMap<Topic, u64>) -> Result<(), ErrorBody> {
        for cursor in self.hub.subscribe(request, standing)? {
            self.remove(cursor.topic());
            standing.insert(cursor.topic(), cursor.last());
            self.cursors.insert(cursor.topic(), cursor);
        }
        self.is_behind = true;
        Ok(())
    }

    /// Ends some; `standing` as in [`Subscriptions::add`].
    pub(super) fn end(&mut self, request: &Unsubscribe, standing: &mut BTreeMap<Topic, u64>) {
        if let Some(last) = standing.get_mut(&Topic::Stats) {
            let interval_ms = self.cursors.get(&Topic::Stats).map_or(DEFAULT_INTERVAL_MS, Cursor::interval_ms);
            *last = self.hub.last_statistics(interval_ms, *last);
        }
        request.topics.iter().for_each(|topic| self.remove(*topic));
    }

    fn remove(&mut self, topic: Topic) {
        if let Some(cursor) = self.cursors.remove(&topic) {
            self.hub.leave(&cursor);
        }
    }

    /// Waits until there may be something to read. May be dropped at any time.
    pub(super) async fn changed(&mut self) {
        if !self.is_behind {
            // The hub lives as long as the connection.
            let _ = self.changed.changed().await;
            self.is_behind = true;
        }
    }

    /// The next events, a little of each topic.
    pub(super) fn read(&mut self) -> Vec<Arc<WrittenEvent>> {
        self.changed.mark_unchanged();
        self.is_behind = false;
        let mut all = Vec::new();
        for cursor in self.cursors.values_mut() {
            let (events, is_partial) = self.hub.read(cursor);
            self.is_behind |= is_partial;
            all.extend(events);
        }
        all
    }
}

impl Drop for Subscriptions<'_> {
    fn drop(&mut self) {
        self.cursors.values().for_each(|cursor| self.hub.leave(cursor));
    }
}
