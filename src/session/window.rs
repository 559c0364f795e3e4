//! FLOW_MODs in flight, the barriers that confirm them, and the errors that do not.
//!
//! FLOW_MODs leave in order, at most [`Config::window`] of them without an answer; a barrier follows the last one of
//! every burst and at least every [`Config::barrier_every`]. OpenFlow 1.3.5, 7.3.7: the barrier reply comes after
//! everything before the barrier has been processed, errors included. So when it comes, each FLOW_MOD of its group is
//! refused if an error with its xid came, and confirmed if none did.
//!
//! A reply is taken only for the oldest open barrier: switches answer barriers in order, and a reply that jumps the
//! queue proves nothing.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use openflow::{ErrorMsg, FlowMod, Message, Xid};

use super::Config;
use super::event::{Event, Outcome, Settlement, Token, UnknownReason};

/// FLOW_MODs that are remembered after their confirmation, so that an error that comes too late finds its cause.
const REMEMBERED: usize = 1_000;

/// Takes the next transaction id. Ids go round at 2^32; 0 is left out, it is what unsolicited messages carry.
pub(super) fn take_xid(next: &mut u32) -> Xid {
    let xid = Xid(*next);
    *next = next.checked_add(1).unwrap_or(1);
    xid
}

/// The way of a FLOW_MOD: backlog, in flight, settled.
#[derive(Debug)]
pub(super) struct Window {
    size: usize,
    barrier_every: usize,
    max_backlog: usize,
    patience: Duration,
    backlog: VecDeque<(Token, FlowMod)>,
    in_flight: VecDeque<InFlight>,
    groups: VecDeque<Group>,
    /// FLOW_MODs at the end of `in_flight` that no barrier follows yet.
    uncovered: usize,
    confirmed: VecDeque<(Xid, Token)>,
}

#[derive(Debug)]
struct InFlight {
    xid: Xid,
    token: Token,
    refusal: Option<Box<ErrorMsg>>,
}

/// A barrier and the FLOW_MODs between it and the barrier before.
#[derive(Debug)]
struct Group {
    barrier: Xid,
    size: usize,
    deadline: Instant,
    overdue: bool,
}

impl Window {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            size: config.window,
            barrier_every: config.barrier_every,
            max_backlog: config.backlog,
            patience: config.barrier,
            backlog: VecDeque::new(),
            in_flight: VecDeque::new(),
            groups: VecDeque::new(),
            uncovered: 0,
            confirmed: VecDeque::new(),
        }
    }

    pub(super) fn submit(&mut self, mods: Vec<(Token, FlowMod)>) {
        self.backlog.extend(mods);
    }

    pub(super) fn capacity(&self) -> usize {
        self.max_backlog.saturating_sub(self.backlog.len())
    }

    /// Moves FLOW_MODs from the backlog into flight while there is room, with the barriers that belong to them.
    pub(super) fn fill(&mut self, out: &mut BytesMut, next_xid: &mut u32, events: &mut VecDeque<Event>, now: Instant) {
        while self.in_flight.len() < self.size
            && let Some((token, flow_mod)) = self.backlog.pop_front()
        {
            let xid = take_xid(next_xid);
            if Message::FlowMod(flow_mod).encode(xid, out).is_err() {
                events.push_back(settled(vec![Settlement { token, outcome: Outcome::Unencodable }]));
                continue;
            }
            self.in_flight.push_back(InFlight { xid, token, refusal: None });
            self.uncovered += 1;
            if self.uncovered >= self.barrier_every {
                self.cover(out, next_xid, now);
            }
        }
        if self.uncovered > 0 {
            self.cover(out, next_xid, now);
        }
    }

    fn cover(&mut self, out: &mut BytesMut, next_xid: &mut u32, now: Instant) {
        let barrier = take_xid(next_xid);
        // A barrier request is its header: it always fits.
        if Message::BarrierRequest.encode(barrier, out).is_ok() {
            let size = std::mem::take(&mut self.uncovered);
            self.groups.push_back(Group { barrier, size, deadline: now + self.patience, overdue: false });
        }
    }

    /// Settles the oldest group if this is the reply to its barrier; false otherwise.
    pub(super) fn handle_barrier_reply(&mut self, xid: Xid, events: &mut VecDeque<Event>) -> bool {
        let Some(group) = self.groups.pop_front_if(|group| group.barrier == xid) else { return false };
        let mut settlements = Vec::with_capacity(group.size);
        for flight in self.in_flight.drain(..group.size.min(self.in_flight.len())) {
            let outcome = match flight.refusal {
                Some(error) => Outcome::Refused(error),
                None => {
                    self.confirmed.push_back((flight.xid, flight.token));
                    Outcome::Confirmed
                }
            };
            settlements.push(Settlement { token: flight.token, outcome });
        }
        let surplus = self.confirmed.len().saturating_sub(REMEMBERED);
        self.confirmed.drain(..surplus);
        events.push_back(settled(settlements));
        true
    }

    /// Finds what an error answers: a FLOW_MOD in flight, a barrier, or a FLOW_MOD confirmed not long ago.
    pub(super) fn handle_error(&mut self, xid: Xid, error: &ErrorMsg, events: &mut VecDeque<Event>) -> bool {
        if let Some(flight) = self.find(xid) {
            // The first error is the cause; a second one for the same message adds nothing.
            flight.refusal.get_or_insert_with(|| Box::new(error.clone()));
            return true;
        }
        if self.groups.front().is_some_and(|group| group.barrier == xid) {
            self.abandon_oldest(events);
            return true;
        }
        if let Some(at) = self.confirmed.iter().position(|(confirmed, _)| *confirmed == xid)
            && let Some((_, token)) = self.confirmed.remove(at)
        {
            events.push_back(Event::LateRefusal { token, error: Box::new(error.clone()) });
            return true;
        }
        false
    }

    /// The FLOW_MOD in flight with this xid. Xids ascend in the order of sending, modulo 2^32.
    fn find(&mut self, xid: Xid) -> Option<&mut InFlight> {
        let first = self.in_flight.front()?.xid.0;
        let offset = |xid: Xid| xid.0.wrapping_sub(first);
        let at = self.in_flight.binary_search_by_key(&offset(xid), |flight| offset(flight.xid)).ok()?;
        self.in_flight.get_mut(at)
    }

    /// The switch will not answer the oldest barrier: refusals stand, the rest of its group stays unknown.
    fn abandon_oldest(&mut self, events: &mut VecDeque<Event>) {
        let Some(group) = self.groups.pop_front() else { return };
        let flights = self.in_flight.drain(..group.size.min(self.in_flight.len()));
        let settlements = flights.map(|flight| flight.unanswered(UnknownReason::BarrierRefused)).collect();
        events.push_back(settled(settlements));
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.groups.iter().find(|group| !group.overdue).map(|group| group.deadline)
    }

    /// Calls what an overdue barrier covers unknown, once, and goes on waiting for it; true when there was one.
    pub(super) fn handle_timeout(&mut self, now: Instant, events: &mut VecDeque<Event>) -> bool {
        let mut start = 0;
        let mut overdue = Vec::new();
        for group in &mut self.groups {
            if !group.overdue && group.deadline <= now {
                group.overdue = true;
                overdue.extend(self.in_flight.iter().skip(start).take(group.size).map(|flight| Settlement {
                    token: flight.token,
                    outcome: Outcome::Unknown(UnknownReason::BarrierOverdue),
                }));
            }
            start += group.size;
        }
        let found = !overdue.is_empty();
        if found {
            events.push_back(settled(overdue));
        }
        found
    }

    /// The connection is over: what was sent is unknown, unless the switch refused it; what was not is not sent.
    pub(super) fn close(&mut self, events: &mut VecDeque<Event>) {
        self.groups.clear();
        let sent = self.in_flight.drain(..).map(|flight| flight.unanswered(UnknownReason::ConnectionLost));
        let unsent = self.backlog.drain(..).map(|(token, _)| Settlement { token, outcome: Outcome::NotSent });
        let settlements: Vec<_> = sent.chain(unsent).collect();
        if !settlements.is_empty() {
            events.push_back(settled(settlements));
        }
    }
}

impl InFlight {
    fn unanswered(self, reason: UnknownReason) -> Settlement {
        let outcome = match self.refusal {
            Some(error) => Outcome::Refused(error),
            None => Outcome::Unknown(reason),
        };
        Settlement { token: self.token, outcome }
    }
}

fn settled(settlements: Vec<Settlement>) -> Event {
    Event::Settled(settlements)
}
