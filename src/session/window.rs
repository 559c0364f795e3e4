//! FLOW_MODs in flight, the barriers that confirm them, and the errors that do not. METER_MODs go the same way.
//!
//! FLOW_MODs leave in order, at most [`Config::window`] of them without an answer; a barrier follows the last one of
//! every burst and at least every [`Config::barrier_every`]. OpenFlow 1.3.5, 7.3.7: the barrier reply comes after
//! everything before the barrier has been processed, errors included. So when it comes, each FLOW_MOD of its group is
//! refused if an error with its xid came, and confirmed if none did.
//!
//! A reply is taken only for the oldest open barrier: switches answer barriers in order, and a reply that jumps the
//! queue confirms nothing. It shows that the switch has skipped the barriers before it, though, and when those are overdue
//! they are not waited for any longer: what they were to confirm is unknown, and is found out in another way. To see
//! that of the last barrier, too, another one is sent behind it when it is overdue.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use openflow::{ErrorMsg, Message, Xid};

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
#[derive(Debug, Clone)]
pub(super) struct Window {
    size: usize,
    barrier_every: usize,
    max_backlog: usize,
    patience: Duration,
    hope: Duration,
    /// When a barrier was last answered.
    moved: Option<Instant>,
    backlog: VecDeque<(Token, Message)>,
    in_flight: VecDeque<InFlight>,
    groups: VecDeque<Group>,
    /// FLOW_MODs at the end of `in_flight` that no barrier follows yet.
    uncovered: usize,
    confirmed: VecDeque<(Xid, Token)>,
}

#[derive(Debug, Clone)]
struct InFlight {
    xid: Xid,
    token: Token,
    answer: Heard,
}

/// What the switch has said of a FLOW_MOD before its barrier is answered. Silence is consent.
#[derive(Debug, Clone)]
pub(super) enum Heard {
    Nothing,
    Refusal(Box<ErrorMsg>),
    /// Something that cannot be understood.
    Noise,
}

/// A barrier and the FLOW_MODs between it and the barrier before.
#[derive(Debug, Clone)]
struct Group {
    barrier: Xid,
    size: usize,
    sent: Instant,
    overdue: bool,
    /// Its reply came before that to the barrier before it.
    early: bool,
}

impl Window {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            size: config.window,
            barrier_every: config.barrier_every,
            max_backlog: config.backlog,
            patience: config.barrier,
            hope: config.barrier_dead,
            moved: None,
            backlog: VecDeque::new(),
            in_flight: VecDeque::new(),
            groups: VecDeque::new(),
            uncovered: 0,
            confirmed: VecDeque::new(),
        }
    }

    pub(super) fn submit(&mut self, mods: impl Iterator<Item = (Token, Message)>) {
        self.backlog.extend(mods);
    }

    pub(super) fn capacity(&self) -> usize {
        self.max_backlog.saturating_sub(self.backlog.len())
    }

    /// Moves FLOW_MODs from the backlog into flight while there is room, with the barriers that belong to them.
    pub(super) fn fill(&mut self, out: &mut BytesMut, next_xid: &mut u32, events: &mut VecDeque<Event>, now: Instant) {
        while self.in_flight.len() < self.size
            && let Some((token, request)) = self.backlog.pop_front()
        {
            let xid = take_xid(next_xid);
            if request.encode(xid, out).is_err() {
                events.push_back(settled(vec![Settlement { token, xid: None, outcome: Outcome::Unencodable }]));
                continue;
            }
            self.in_flight.push_back(InFlight { xid, token, answer: Heard::Nothing });
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
            self.groups.push_back(Group { barrier, size, sent: now, overdue: false, early: false });
        }
    }

    /// Settles the oldest group if this is the reply to its barrier; false otherwise.
    pub(super) fn handle_barrier_reply(&mut self, xid: Xid, events: &mut VecDeque<Event>, now: Instant) -> bool {
        let Some(group) = self.groups.pop_front_if(|group| group.barrier == xid) else {
            self.skip(xid, events, now);
            return false;
        };
        self.moved = Some(now);
        let mut settlements = Vec::with_capacity(group.size);
        for flight in self.in_flight.drain(..group.size.min(self.in_flight.len())) {
            let outcome = flight.answer.or(Outcome::Confirmed);
            if matches!(outcome, Outcome::Confirmed) {
                self.confirmed.push_back((flight.xid, flight.token));
            }
            settlements.push(Settlement { token: flight.token, xid: Some(flight.xid), outcome });
        }
        let surplus = self.confirmed.len().saturating_sub(REMEMBERED);
        self.confirmed.drain(..surplus);
        if !settlements.is_empty() {
            events.push_back(settled(settlements));
        }
        true
    }

    /// A reply came out of turn.
    fn skip(&mut self, xid: Xid, events: &mut VecDeque<Event>, now: Instant) {
        if let Some(group) = self.groups.iter_mut().find(|group| group.barrier == xid) {
            group.early = true;
            self.give_up_skipped(events, now);
        }
    }

    /// The switch will not answer barriers any more that are overdue and that it has skipped.
    fn give_up_skipped(&mut self, events: &mut VecDeque<Event>, now: Instant) {
        if self.groups.front().is_some_and(|group| group.overdue)
            && let Some(last) = self.groups.iter().rposition(|group| group.early)
        {
            self.moved = Some(now);
            (0..=last).for_each(|_| self.abandon_oldest(UnknownReason::BarrierSkipped, events));
        }
    }

    /// Sends a barrier behind the last one when that is overdue, once: whether it is skipped shows by this one's reply.
    pub(super) fn probe(&mut self, out: &mut BytesMut, next_xid: &mut u32, now: Instant) {
        if self.groups.back().is_some_and(|group| group.overdue && group.size > 0) {
            self.cover(out, next_xid, now);
        }
    }

    /// Finds what an error answers: a FLOW_MOD in flight, a barrier, or a FLOW_MOD confirmed not long ago.
    pub(super) fn handle_error(
        &mut self,
        xid: Xid,
        error: &ErrorMsg,
        events: &mut VecDeque<Event>,
        now: Instant,
    ) -> bool {
        if let Some(flight) = find(&self.in_flight, xid, |flight| flight.xid).and_then(|at| self.in_flight.get_mut(at))
        {
            flight.answer.refuse(error);
            return true;
        }
        if self.groups.front().is_some_and(|group| group.barrier == xid) {
            self.moved = Some(now);
            self.abandon_oldest(UnknownReason::BarrierRefused, events);
            return true;
        }
        if let Some(at) = find(&self.confirmed, xid, |(confirmed, _)| *confirmed)
            && let Some((_, token)) = self.confirmed.remove(at)
        {
            events.push_back(Event::LateRefusal { token, error: Box::new(error.clone()) });
            return true;
        }
        false
    }

    /// A message with this xid came that cannot be understood. What it answers is not confirmed by what follows.
    pub(super) fn doubt(&mut self, xid: Xid, events: &mut VecDeque<Event>) {
        if let Some(flight) = find(&self.in_flight, xid, |flight| flight.xid).and_then(|at| self.in_flight.get_mut(at))
        {
            flight.answer.doubt();
        } else if self.groups.front().is_some_and(|group| group.barrier == xid) {
            self.abandon_oldest(UnknownReason::AnswerMalformed, events);
        }
    }

    /// The switch will not answer the oldest barrier: refusals stand, the rest of its group stays unknown.
    fn abandon_oldest(&mut self, reason: UnknownReason, events: &mut VecDeque<Event>) {
        let Some(group) = self.groups.pop_front() else { return };
        let flights = self.in_flight.drain(..group.size.min(self.in_flight.len()));
        let settlements: Vec<_> = flights.map(|flight| flight.unanswered(reason)).collect();
        if !settlements.is_empty() {
            events.push_back(settled(settlements));
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let overdue = self.groups.iter().find(|group| !group.overdue).map(|group| group.sent + self.patience);
        overdue.into_iter().chain(self.stuck_from()).min()
    }

    /// For so long nobody listened on this side.
    pub(super) fn stalled(&mut self, lasted: Duration) {
        for group in &mut self.groups {
            group.sent += lasted;
        }
        self.moved = self.moved.map(|moved| moved + lasted);
    }

    /// Whether the oldest barrier will never be answered. A slow switch that moves on is only slow.
    pub(super) fn is_stuck(&self, now: Instant) -> bool {
        self.stuck_from().is_some_and(|from| from <= now)
    }

    fn stuck_from(&self) -> Option<Instant> {
        let oldest = self.groups.front()?;
        Some(self.moved.map_or(oldest.sent, |moved| moved.max(oldest.sent)) + self.hope)
    }

    /// Calls what an overdue barrier covers unknown, once, and goes on waiting for it; true when there was one.
    pub(super) fn handle_timeout(&mut self, now: Instant, events: &mut VecDeque<Event>) -> bool {
        let mut start = 0;
        let mut overdue = Vec::new();
        for group in &mut self.groups {
            if !group.overdue && group.sent + self.patience <= now {
                group.overdue = true;
                overdue.extend(self.in_flight.iter().skip(start).take(group.size).map(|flight| Settlement {
                    token: flight.token,
                    xid: Some(flight.xid),
                    outcome: Outcome::Unknown(UnknownReason::BarrierOverdue),
                }));
            }
            start += group.size;
        }
        let found = !overdue.is_empty();
        if found {
            events.push_back(settled(overdue));
        }
        self.give_up_skipped(events, now);
        found
    }

    /// The connection is over: what was sent is unknown, unless the switch refused it; what was not is not sent.
    pub(super) fn close(&mut self, events: &mut VecDeque<Event>) {
        self.groups.clear();
        let sent = self.in_flight.drain(..).map(|flight| flight.unanswered(UnknownReason::ConnectionLost));
        let unsent =
            self.backlog.drain(..).map(|(token, _)| Settlement { token, xid: None, outcome: Outcome::NotSent });
        let settlements: Vec<_> = sent.chain(unsent).collect();
        if !settlements.is_empty() {
            events.push_back(settled(settlements));
        }
    }
}

impl InFlight {
    fn unanswered(self, reason: UnknownReason) -> Settlement {
        let outcome = self.answer.or(Outcome::Unknown(reason));
        Settlement { token: self.token, xid: Some(self.xid), outcome }
    }
}

impl Heard {
    /// The first error is the cause; a second one for the same message adds nothing.
    pub(super) fn refuse(&mut self, error: &ErrorMsg) {
        if !matches!(self, Self::Refusal(_)) {
            *self = Self::Refusal(Box::new(error.clone()));
        }
    }

    /// Something came that cannot be understood, and may have been a refusal.
    pub(super) fn doubt(&mut self) {
        if matches!(self, Self::Nothing) {
            *self = Self::Noise;
        }
    }

    /// The outcome when everything else says `otherwise`. A refusal stands; silence is consent, noise is not.
    pub(super) fn or(self, otherwise: Outcome) -> Outcome {
        match (self, otherwise) {
            (Self::Refusal(error), _) => Outcome::Refused(error),
            (Self::Noise, Outcome::Confirmed) => Outcome::Unknown(UnknownReason::AnswerMalformed),
            (Self::Nothing | Self::Noise, otherwise) => otherwise,
        }
    }
}

/// The place of an xid in a queue. Xids ascend in the order of sending, modulo 2^32.
fn find<T>(queue: &VecDeque<T>, xid: Xid, xid_of: impl Fn(&T) -> Xid) -> Option<usize> {
    let first = xid_of(queue.front()?).0;
    let offset = |xid: Xid| xid.0.wrapping_sub(first);
    queue.binary_search_by_key(&offset(xid), |entry| offset(xid_of(entry))).ok()
}

fn settled(settlements: Vec<Settlement>) -> Event {
    Event::Settled(settlements)
}
