//! Reassembly of multipart replies: every part or no answer, within bounds of time and memory.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use openflow::{
    FlowStats, FlowStatsRequest, Message, MultipartReply, MultipartReplyBody, MultipartRequest, MultipartRequestBody,
    Xid,
};

use super::Config;
use super::event::{Event, ReadError, Token};

/// Asks for flow entries.
pub(super) fn flow_request(request: FlowStatsRequest) -> Message {
    let body = MultipartRequestBody::Flow(request);
    Message::MultipartRequest(MultipartRequest { more: false, body })
}

/// The reads that are waiting for parts, in the order in which they were asked for. The owner bounds their number; a
/// switch answers them in that order, so the one that a part belongs to is nearly always the first.
#[derive(Debug)]
pub(super) struct Reads {
    patience: Duration,
    total: Duration,
    max_bytes: usize,
    max_entries: usize,
    waiting: VecDeque<Read>,
}

#[derive(Debug)]
struct Read {
    xid: Xid,
    token: Token,
    entries: Vec<FlowStats>,
    bytes: usize,
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

    pub(super) fn begin(&mut self, xid: Xid, token: Token, now: Instant) {
        let (deadline, last) = (now + self.patience, now + self.total);
        self.waiting.push_back(Read { xid, token, entries: Vec::new(), bytes: 0, deadline, last });
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
        let MultipartReplyBody::Flow(entries) = part.body else {
            return self.fail(xid, ReadError::MixedTypes, events);
        };
        read.bytes += bytes;
        if read.bytes > self.max_bytes || read.entries.len() + entries.len() > self.max_entries {
            return self.fail(xid, ReadError::TooLarge, events);
        }
        read.entries.extend(entries);
        read.deadline = (now + self.patience).min(read.last);
        if !part.more
            && let Some(read) = self.take(xid)
        {
            events.push_back(Event::FlowsRead { token: read.token, result: Ok(read.entries) });
        }
        true
    }

    /// Ends the read of this xid without an answer; false when there is none.
    pub(super) fn fail(&mut self, xid: Xid, error: ReadError, events: &mut VecDeque<Event>) -> bool {
        match self.take(xid) {
            Some(read) => {
                events.push_back(Event::FlowsRead { token: read.token, result: Err(error) });
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
