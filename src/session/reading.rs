//! Reassembly of multipart replies: every part or no answer, within bounds of time and memory.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use openflow::{
    FlowStats, Message, MeterConfig, MeterStats, MultipartReply, MultipartReplyBody, MultipartRequestBody, Xid,
};

use super::Config;
use super::event::{Event, ReadError, Token};

/// A question in one part.
pub(super) fn request(body: MultipartRequestBody) -> Message {
    Message::MultipartRequest(body.into())
}

/// What has been read so far, by what was asked for.
#[derive(Debug, Clone)]
pub(super) enum Entries {
    Flows(Vec<FlowStats>),
    Meters(Vec<MeterConfig>),
    MeterStats(Vec<MeterStats>),
}

impl Entries {
    /// Takes a part; how many entries there are now, or `None` when it is of another type.
    fn extend(&mut self, part: MultipartReplyBody) -> Option<usize> {
        match (&mut *self, part) {
            (Self::Flows(entries), MultipartReplyBody::Flow(part)) => entries.extend(part),
            (Self::Meters(entries), MultipartReplyBody::MeterConfig(part)) => entries.extend(part),
            (Self::MeterStats(entries), MultipartReplyBody::Meter(part)) => entries.extend(part),
            (_, _) => return None,
        }
        Some(match self {
            Self::Flows(entries) => entries.len(),
            Self::Meters(entries) => entries.len(),
            Self::MeterStats(entries) => entries.len(),
        })
    }

    /// The end of the read: with the entries, or with the error instead.
    pub(super) fn event(self, token: Token, error: Option<ReadError>) -> Event {
        fn result<T>(entries: Vec<T>, error: Option<ReadError>) -> Result<Vec<T>, ReadError> {
            error.map_or(Ok(entries), Err)
        }
        match self {
            Self::Flows(entries) => Event::FlowsRead { token, result: result(entries, error) },
            Self::Meters(entries) => Event::MetersRead { token, result: result(entries, error) },
            Self::MeterStats(entries) => Event::MeterStatsRead { token, result: result(entries, error) },
        }
    }
}

/// Bytes of an entry that the owner has put there, at most: every field that policy matches, and every action it takes,
/// come to less than 300.
const EXPECTED_BYTES: usize = 512;

/// The reads that are waiting for parts, in the order in which they were asked for. The owner bounds their number; a
/// switch answers them in that order, so the one that a part belongs to is nearly always the first.
#[derive(Debug, Clone)]
pub(super) struct Reads {
    patience: Duration,
    total: Duration,
    max_bytes: usize,
    max_entries: usize,
    waiting: VecDeque<Read>,
}

#[derive(Debug, Clone)]
struct Read {
    xid: Xid,
    token: Token,
    entries: Entries,
    bytes: usize,
    /// What there may be of it, and a byte more is too much.
    max_bytes: usize,
    max_entries: usize,
    deadline: Instant,
    /// Later parts do not move the deadline beyond this: a peer cannot keep a read open for ever.
    last: Instant,
}

impl Reads {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            patience: config.read,
            total: config.read_total,
            max_bytes: config.read_bytes,
            max_entries: config.read_entries,
            waiting: VecDeque::new(),
        }
    }

    pub(super) fn begin(&mut self, xid: Xid, token: Token, entries: Entries, expected: usize, now: Instant) {
        let (deadline, last) = (now + self.patience, now + self.total);
        let max_bytes = self.max_bytes.saturating_add(expected.saturating_mul(EXPECTED_BYTES));
        let max_entries = self.max_entries.saturating_add(expected);
        self.waiting.push_back(Read { xid, token, entries, bytes: 0, max_bytes, max_entries, deadline, last });
    }

    /// Takes one part; false when nobody waits for it.
    pub(super) fn handle_part(
        &mut self,
        xid: Xid,
        part: MultipartReply,
        bytes: usize,
        now: Instant,
        events: &mut VecDeque<Event>,
    ) -> bool {
        let Some(read) = self.waiting.iter_mut().find(|read| read.xid == xid) else { return false };
        let Some(entries) = read.entries.extend(part.body) else {
            return self.fail(xid, ReadError::MixedTypes, events);
        };
        read.bytes += bytes;
        if read.bytes > read.max_bytes || entries > read.max_entries {
            return self.fail(xid, ReadError::TooLarge, events);
        }
        read.deadline = (now + self.patience).min(read.last);
        if !part.more
            && let Some(read) = self.take(xid)
        {
            events.push_back(read.entries.event(read.token, None));
        }
        true
    }

    /// Ends the read of this xid without an answer; false when there is none.
    pub(super) fn fail(&mut self, xid: Xid, error: ReadError, events: &mut VecDeque<Event>) -> bool {
        match self.take(xid) {
            Some(read) => {
                events.push_back(read.entries.event(read.token, Some(error)));
                true
            }
            None => false,
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.waiting.iter().map(|read| read.deadline).min()
    }

    /// For so long nobody listened on this side.
    pub(super) fn stalled(&mut self, lasted: Duration) {
        for read in &mut self.waiting {
            read.deadline += lasted;
            read.last += lasted;
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant, events: &mut VecDeque<Event>) {
        while let Some(xid) = self.waiting.iter().find(|read| read.deadline <= now).map(|read| read.xid) {
            self.fail(xid, ReadError::Timeout, events);
        }
    }

    pub(super) fn close(&mut self, events: &mut VecDeque<Event>) {
        while let Some(xid) = self.waiting.front().map(|read| read.xid) {
            self.fail(xid, ReadError::ConnectionLost, events);
        }
    }

    fn take(&mut self, xid: Xid) -> Option<Read> {
        let at = self.waiting.iter().position(|read| read.xid == xid)?;
        self.waiting.remove(at)
    }
}
