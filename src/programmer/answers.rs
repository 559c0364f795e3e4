//! Who waits for what: commands whose answer depends on a switch or on the disk.
//!
//! An answer is given when every flow it is about is durable and has come to rest on every node that is there, or when
//! its time is up, in the state of that moment.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::time::{Duration, Instant};

use hashbrown::HashMap;
use hashbrown::hash_map::Entry;
use smallvec::SmallVec;

use super::Answer;
use super::cookie::FlowNumber;
use super::engine::{Engine, Output, Ticket, Undurable};
use super::flow::{Flow, Placement, Stage};
use super::node::Lane;
use crate::contract::{AlarmKind, ErrorBody, ErrorCode, FlowState, FlowView, Reply, Report, Wait};
use crate::store::StoreError;

/// How soon what found no room on the disk is tried again.
const SAVE_AGAIN: Duration = Duration::from_secs(1);

/// How long a command whose time is up goes on waiting for the disk, in milliseconds. A healthy one takes a few of them,
/// and before it has confirmed the change there is no state that could be told.
const DISK_PATIENCE_MS: u32 = 5_000;

/// A command that waits.
#[derive(Debug)]
pub(super) struct Waiter {
    ticket: Ticket,
    kind: Kind,
    flows: Vec<FlowNumber>,
    wait: Wait,
    /// Flows that have not come to rest.
    pending: usize,
    deadline: Option<Instant>,
    /// Its time is up, and only the disk is waited for.
    is_late: bool,
    /// What is sent for it is kept.
    is_followed: bool,
}

/// What the answer looks like.
#[derive(Debug)]
pub(super) enum Kind {
    Install,
    /// `others` are views of items that did not become flows, by their place in the request.
    InstallMany {
        report: Report,
        others: Vec<(usize, FlowView)>,
    },
    Remove,
    RemoveMany,
}

/// A flow that some answer tells of.
#[derive(Debug, Default)]
struct Watched {
    /// Who waits until it has come to rest.
    tickets: SmallVec<[Ticket; 2]>,
    /// How many wait, whether or not it has.
    holds: u32,
}

/// All who wait.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    waiting: HashMap<Ticket, Waiter>,
    by_flow: HashMap<FlowNumber, Watched>,
    deadlines: BTreeSet<(Instant, Ticket)>,
    /// Answers that are ready and wait for the disk alone, by the commit they wait for.
    by_commit: BTreeMap<u64, Vec<(Ticket, Answer)>>,
}

impl Waiter {
    pub(super) fn new(ticket: Ticket, kind: Kind, flows: Vec<FlowNumber>, wait: Wait) -> Self {
        Self { ticket, kind, flows, wait, pending: 0, deadline: None, is_late: false, is_followed: false }
    }
}

impl Waiters {
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// Who waits until the flow has come to rest; from here on nobody.
    fn take_tickets(&mut self, number: FlowNumber) -> SmallVec<[Ticket; 2]> {
        self.by_flow.get_mut(&number).map(|watched| mem::take(&mut watched.tickets)).unwrap_or_default()
    }
}

impl Engine {
    /// Answers now if all is at rest, else when it is, or after `timeout_ms`.
    pub(super) fn wait_for(&mut self, waiter: Waiter, timeout_ms: u32) {
        let deadline = self.now + Duration::from_millis(timeout_ms.into());
        self.wait_until(waiter, deadline);
    }

    pub(super) fn wait_until(&mut self, mut waiter: Waiter, deadline: Instant) {
        let ticket = waiter.ticket;
        waiter.is_followed |= self.trails.begin(ticket, &waiter.flows);
        let is_pending =
            |number: &FlowNumber| self.flows.get(number).is_some_and(|flow| !self.is_at_rest(flow, &waiter));
        let pending: Vec<FlowNumber> = waiter.flows.iter().copied().filter(is_pending).collect();
        if pending.is_empty() {
            return self.give_answer(waiter);
        }
        waiter.pending = pending.len();
        // In the order of all of them.
        let mut pending = pending.into_iter().peekable();
        for number in &waiter.flows {
            let watched = self.waiters.by_flow.entry(*number).or_default();
            watched.holds += 1;
            if pending.next_if_eq(number).is_some() {
                watched.tickets.push(ticket);
            }
        }
        waiter.deadline = Some(deadline);
        self.waiters.deadlines.insert((deadline, ticket));
        self.waiters.waiting.insert(ticket, waiter);
    }

    /// A flow has changed: answers whoever was waiting for just that.
    pub(super) fn flow_moved(&mut self, number: FlowNumber) {
        self.retell(number);
        let placements = self.flows.get(&number).map(|flow| flow.placements.as_slice()).unwrap_or_default();
        placements.iter().filter_map(Placement::atom).for_each(|atom| self.atoms.touch(atom));
        let tickets = self.waiters.take_tickets(number);
        let Some(flow) = self.flows.get(&number) else { return };
        if tickets.is_empty() {
            return self.forget_freed(number);
        }
        let (rested, waiting): (SmallVec<[_; 2]>, SmallVec<[_; 2]>) = tickets
            .into_iter()
            .partition(|ticket| self.waiters.waiting.get(ticket).is_none_or(|waiter| self.is_at_rest(flow, waiter)));
        if let Some(watched) = self.waiters.by_flow.get_mut(&number) {
            watched.tickets = waiting;
        }
        for ticket in rested {
            let Some(waiter) = self.waiters.waiting.get_mut(&ticket) else { continue };
            waiter.pending -= 1;
            if waiter.pending == 0 {
                self.rested(ticket);
            }
        }
        self.forget_freed(number);
    }

    /// The last flow that a command waited for has come to rest. One that had before may have moved again since: then
    /// that is waited for.
    fn rested(&mut self, ticket: Ticket) {
        if let Some(waiter) = self.take_waiter(ticket) {
            let deadline = waiter.deadline.unwrap_or(self.now);
            self.wait_until(waiter, deadline);
        }
    }

    /// Answers whose time is up.
    pub(super) fn answer_overdue(&mut self) {
        while let Some((at, ticket)) = self.waiters.deadlines.first().copied()
            && at <= self.now
        {
            match self.waiters.waiting.get(&ticket) {
                Some(waiter) if !waiter.is_late && !self.are_on_disk(waiter) => self.wait_for_disk(ticket),
                _ => self.finish(ticket),
            }
        }
    }

    /// Turns a command whose time is up into one that waits for nothing but the disk.
    fn wait_for_disk(&mut self, ticket: Ticket) {
        let Some(waiter) = self.take_waiter(ticket) else { return };
        for number in &waiter.flows {
            self.save_unsaved(*number);
            if let Some(watched) = self.waiters.by_flow.get_mut(number) {
                watched.tickets.retain(|waiting| *waiting != ticket);
            }
        }
        self.wait_for(Waiter { wait: Wait::Accepted, is_late: true, ..waiter }, DISK_PATIENCE_MS);
    }

    /// Whether the disk has what the answer will say: how the flow stands, or, where that is enough and nobody has asked
    /// for its end meanwhile, that it was asked for.
    fn is_on_disk(&self, flow: &Flow, waiter: &Waiter) -> bool {
        let is_wanted =
            || flow.told().is_some() && flow.placements.iter().all(|placement| placement.stage.is_desired());
        flow.durable <= self.durable || (waiter.wait == Wait::Accepted && is_wanted())
    }

    fn are_on_disk(&self, waiter: &Waiter) -> bool {
        waiter.flows.iter().all(|number| self.flows.get(number).is_none_or(|flow| self.is_on_disk(flow, waiter)))
    }

    /// Gives an answer once everything that has been changed so far is durable.
    pub(super) fn answer_when_durable(&mut self, ticket: Ticket, answer: Answer) {
        let last_change = self.last_change();
        if last_change <= self.durable {
            self.answer(ticket, answer);
        } else {
            self.waiters.by_commit.entry(last_change).or_default().push((ticket, answer));
        }
    }

    /// The commit with which everything that has been changed so far is durable.
    pub(super) fn last_change(&self) -> u64 {
        let is_changed = !self.batch.operations().is_empty();
        if is_changed { self.next_commit } else { self.next_commit - 1 }
    }

    /// Batches are on disk.
    pub(super) fn committed(&mut self, tickets: &[u64]) {
        let Some(durable) = tickets.last().copied() else { return };
        self.durable = self.durable.max(durable);
        while let Some(Undurable { number, ends, .. }) = self.undurable.pop_front_if(|change| change.commit <= durable)
        {
            if number == FlowNumber::TABLE_MISS {
                self.reserved_more();
            } else {
                self.flow_stored(number, ends);
            }
        }
        self.arrivals_recorded(durable);
        self.nodes_forgotten(durable);
        self.meters_recorded(durable);
        self.tell_held(durable);
        let later = self.waiters.by_commit.split_off(&(durable + 1));
        for (ticket, answer) in mem::replace(&mut self.waiters.by_commit, later).into_values().flatten() {
            self.answer(ticket, answer);
        }
    }

    /// Batches found no room on the disk. What they were to say is not acknowledged: whoever waits for it is told so,
    /// and it is said again with the next change.
    pub(super) fn not_stored(&mut self, tickets: &[u64], error: &StoreError) {
        tracing::error!(%error, "the store has no room");
        if self.unsaved.retry_at.is_none() {
            self.alarm(AlarmKind::StoreFull, None, None, &error.to_string());
        }
        let body = ErrorBody::new(ErrorCode::Unavailable, format!("nothing was acknowledged: {error}"));
        let Some(last) = tickets.last().copied() else { return };
        self.unsaved.retry_at = Some(self.now + SAVE_AGAIN);
        self.meters_not_recorded(last);
        while let Some(Undurable { number, .. }) = self.undurable.pop_front_if(|change| change.commit <= last) {
            if number == FlowNumber::TABLE_MISS {
                self.reservation_failed();
                continue;
            }
            self.unsaved.flows.insert(number);
            for ticket in self.waiters.take_tickets(number) {
                self.drop_waiter(ticket, &body);
            }
            self.withdraw(number, last);
        }
        self.arrivals_not_recorded(last);
        self.nodes_not_forgotten(last, &body);
        self.tell_held(last);
        let later = self.waiters.by_commit.split_off(&(last + 1));
        for (ticket, _) in mem::replace(&mut self.waiters.by_commit, later).into_values().flatten() {
            self.answer(ticket, Err(body.clone()));
        }
    }

    fn flow_stored(&mut self, number: FlowNumber, ends: bool) {
        if let Some(flow) = self.flows.get_mut(&number) {
            // When nothing more is to be stored of it, what is told says so.
            flow.is_end_stored = ends && flow.durable > self.durable;
        }
        let is_new = |flow: &Flow| flow.told().is_none() && !flow.freed && flow.durable > self.durable;
        if self.flows.get(&number).is_some_and(is_new) {
            // What is stored first of a flow is that it was asked for.
            self.tell(number, |_| FlowState::Accepted);
        }
        self.flow_moved(number);
    }

    /// A change of a flow is not on disk, and whoever asked for it has been told. A flow that was never stored is taken
    /// off the switches again, and one whose end is not stored is put back, unless a later batch says it once more: what
    /// becomes of that decides.
    fn withdraw(&mut self, number: FlowNumber, last: u64) {
        let Some(flow) = self.flows.get_mut(&number) else { return };
        let is_said_again = flow.durable > last && flow.durable < u64::MAX;
        if flow.told().is_none() {
            flow.durable = u64::MAX;
            flow.freed = true;
            self.take_off(number, Lane::Queue);
        } else if !is_said_again {
            flow.durable = u64::MAX;
            if !flow.is_end_stored {
                self.take_back_end(number);
            }
        }
    }

    /// Why nothing is changed now, while the disk has no room: the change could not be acknowledged.
    pub(super) fn has_no_room(&self) -> Option<ErrorBody> {
        self.unsaved.retry_at?;
        let message = "the store has no room; it is tried every second whether it has";
        Some(ErrorBody::new(ErrorCode::Unavailable, message))
    }

    /// Tries to store what found no room.
    pub(super) fn save_again(&mut self) {
        if self.unsaved.retry_at.is_none_or(|at| at > self.now) {
            return;
        }
        let super::engine::Unsaved { flows, .. } = mem::take(&mut self.unsaved);
        flows.into_iter().for_each(|number| self.save_flow(number));
        let nodes: Vec<_> = self.nodes.keys().copied().collect();
        nodes.into_iter().for_each(|id| self.save_node(id));
        self.record_arrivals_again();
        self.record_meters_again();
    }

    fn drop_waiter(&mut self, ticket: Ticket, body: &ErrorBody) {
        if let Some(waiter) = self.take_waiter(ticket) {
            self.end_trail(&waiter);
            self.answer(ticket, Err(body.clone()));
        }
    }

    fn finish(&mut self, ticket: Ticket) {
        if let Some(waiter) = self.take_waiter(ticket) {
            self.give_answer(waiter);
        }
    }

    fn take_waiter(&mut self, ticket: Ticket) -> Option<Waiter> {
        let waiter = self.waiters.waiting.remove(&ticket)?;
        if let Some(deadline) = waiter.deadline {
            self.waiters.deadlines.remove(&(deadline, ticket));
        }
        for number in &waiter.flows {
            if let Entry::Occupied(mut watched) = self.waiters.by_flow.entry(*number) {
                watched.get_mut().holds -= 1;
                if watched.get().holds == 0 {
                    watched.remove();
                }
            }
        }
        Some(waiter)
    }

    /// Tells what was sent, if that is wanted.
    fn end_trail(&mut self, waiter: &Waiter) {
        if waiter.is_followed {
            let steps = self.trail(&waiter.flows, &waiter.kind);
            self.outputs.push_back(Output::Trail { ticket: waiter.ticket, steps });
            self.trails.end(&waiter.flows);
        }
    }

    fn give_answer(&mut self, waiter: Waiter) {
        self.end_trail(&waiter);
        let is_on_disk = self.are_on_disk(&waiter);
        let Waiter { ticket, kind, flows, .. } = waiter;
        if !is_on_disk {
            // Only a disk that takes too long leads here: the request cannot be called accepted.
            let message = "the store has not confirmed the request in time; ask again with the same flow_id";
            return self.answer(ticket, Err(ErrorBody::new(ErrorCode::Timeout, message)));
        }
        let reply = match kind {
            Kind::Install | Kind::Remove => {
                let Some(mut flow) = flows.first().and_then(|number| self.flow_view(*number)) else {
                    return self.answer(ticket, Err(super::engine::gone()));
                };
                if matches!(kind, Kind::Install) {
                    flow.warnings.extend(flows.first().map(|number| self.warnings_of(*number)).unwrap_or_default());
                }
                Reply::Flow { flow: Box::new(flow) }
            }
            Kind::InstallMany { report, others } => self.report(&flows, report, others),
            Kind::RemoveMany => {
                let states = flows.iter().filter_map(|number| self.flows.get(number)).map(Flow::state);
                Reply::FlowsRemoved { summary: summary(states) }
            }
        };
        self.answer(ticket, Ok(reply));
        flows.into_iter().for_each(|number| self.forget_freed(number));
    }

    /// How a batch went: the flows that are to be told of, in the order of the request, and how many are in each state.
    fn report(&mut self, numbers: &[FlowNumber], report: Report, others: Vec<(usize, FlowView)>) -> Reply {
        let told = |number: &FlowNumber| self.flows.get(number).and_then(Flow::told);
        let summary = summary(numbers.iter().filter_map(told).chain(others.iter().map(|(_, flow)| flow.state)));
        let mut others = others.into_iter().peekable();
        let mut flows = Vec::new();
        let mut place = 0;
        for number in numbers {
            while let Some((_, other)) = others.next_if(|(at, _)| *at == place) {
                flows.push(other);
                place += 1;
            }
            place += 1;
            let told = self.flows.get(number).and_then(Flow::told);
            if report == Report::Problems && told == Some(FlowState::Applied) {
                continue;
            }
            if let Some(mut flow) = self.flow_view(*number) {
                flow.warnings.extend(self.warnings_of(*number));
                flows.push(flow);
            }
        }
        flows.extend(others.map(|(_, other)| other));
        Reply::FlowsInstalled { flows, summary, left_out: 0 }
    }

    /// Whether nothing is to be expected of the flow soon: it is durable, and no node that is there is still at it.
    fn is_at_rest(&self, flow: &Flow, waiter: &Waiter) -> bool {
        let has_settled = |placement: &Placement| match placement.stage {
            Stage::Waiting | Stage::Sent | Stage::Undoing | Stage::Removing => {
                self.nodes.get(&placement.node).is_none_or(|node| node.live().is_none())
                    || placement.undecided().is_some_and(|atom| self.is_held_up(atom))
            }
            // Its meter has yet to leave the switch.
            Stage::Rejected => !placement.queued,
            Stage::Applied | Stage::Unknown | Stage::Drifted | Stage::Removed | Stage::Expired | Stage::Superseded => {
                true
            }
        };
        self.is_on_disk(flow, waiter) && (waiter.wait == Wait::Accepted || flow.placements.iter().all(has_settled))
    }

    /// A flow whose id was freed goes for good once it has ended, is durable so, and nobody waits for it.
    pub(super) fn forget_freed(&mut self, number: FlowNumber) {
        let is_over = |flow: &Flow| flow.freed && flow.is_ended() && flow.durable <= self.durable;
        if self.flows.get(&number).is_some_and(is_over)
            && !self.waiters.by_flow.contains_key(&number)
            && !self.has_meter(number)
        {
            self.forget_flow(number);
        }
    }
}

fn summary(states: impl Iterator<Item = FlowState>) -> BTreeMap<FlowState, u64> {
    let mut counts = BTreeMap::new();
    states.for_each(|state| *counts.entry(state).or_default() += 1);
    counts
}
