//! Bundles: FLOW_MODs that the switch applies in order, all or none (ONF extension 230).
//!
//! One bundle at a time is opened and filled, as fast as the transport takes it. Then it is committed at once, or it is
//! closed, and waits for its owner's word beside those that come after it:
//!
//! ```text
//!          filled            no error           owner              reply, and that to the barrier behind it
//! Filling ────────▶ Closing ──────────▶ Closed ───────▶ Approved ─▶ Committing ──▶ confirmed
//!    │                 │ an error          │ owner                   ▲    │ an error
//!    │                 └───▶ discarded ◀───┘                         │    └──▶ rolled back
//!    └───────────────────────────────────────────────────────────────┘
//! ```
//!
//! A barrier goes out behind every commit. The commit's reply confirms every FLOW_MOD of the bundle once the barrier is
//! answered too: no FLOW_MOD is called confirmed without one. An error for one of them refuses that one, and the rest is
//! rolled back for its sake. While commits of few FLOW_MODs are under way the next bundle is filled already. Errors carry the xid of the message that caused them: an added FLOW_MOD has the xid of its
//! BUNDLE_ADD. A switch that refuses a BUNDLE_ADD goes on without it; therefore a bundle that is committed at once is
//! all or none only as far as the switch finds fault at the commit, and one that is closed first is in any case.

mod under_way;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use openflow::{
    BundleAdd, BundleControl, BundleControlType, BundleFlags, BundleId, ErrorMsg, Experimenter, FlowMod, Message, Xid,
};

use self::under_way::{Added, Barrier, Bundle, Request, Stage, Verdict, commit, request};
use super::Config;
use super::event::{Event, Outcome, Settlement, Token, UnknownReason};
use super::window::{Heard, take_xid};

/// Bytes of BUNDLE_ADDs that are encoded at a time: what a socket's buffer holds, and little enough that a FLOW_MOD
/// which comes meanwhile does not wait behind the whole bundle.
const CHUNK: usize = 64 << 10;

/// The longest pause in filling a bundle. Open vSwitch forgets a bundle that idles for 10 s, and a BUNDLE_ADD after that
/// opens another one under the same id: what would be committed then is only the end of it.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// FLOW_MODs in bundles whose commits are under way, beside which the next bundle is filled.
const OVERLAP: usize = 1_000;

/// The bundles of a session.
#[derive(Debug, Clone)]
pub(super) struct Bundles {
    patience: Duration,
    hope: Duration,
    next_id: u32,
    waiting: VecDeque<Order>,
    /// The one that is being filled, or is to be closed.
    current: Option<Bundle>,
    /// Those that are closed or are being committed, until they are settled.
    closed: Vec<Bundle>,
    /// Those that came to nothing, until the switch is told.
    discarded: Vec<BundleId>,
}

/// A bundle to be made. One with a name waits for its owner before it is committed.
#[derive(Debug, Clone)]
struct Order {
    name: Option<Token>,
    mods: Vec<(Token, FlowMod)>,
}

impl Bundles {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            patience: config.barrier,
            hope: config.barrier_dead,
            next_id: 1,
            waiting: VecDeque::new(),
            current: None,
            closed: Vec::new(),
            discarded: Vec::new(),
        }
    }

    /// Takes FLOW_MODs for a bundle. One with a name is closed, and then waits for [`Bundles::commit`].
    pub(super) fn submit(&mut self, name: Option<Token>, mods: Vec<(Token, FlowMod)>) {
        if !mods.is_empty() {
            self.waiting.push_back(Order { name, mods });
        }
    }

    /// Has a closed bundle committed.
    pub(super) fn commit(&mut self, name: Token) {
        let is_it = |bundle: &&mut Bundle| bundle.name == Some(name) && matches!(bundle.stage, Stage::Closed);
        if let Some(bundle) = self.closed.iter_mut().find(is_it) {
            bundle.stage = Stage::Approved;
        }
    }

    /// Gives a bundle up whose commit has not left.
    pub(super) fn discard(&mut self, name: Token, events: &mut VecDeque<Event>) {
        let waiting = self.waiting.iter().position(|order| order.name == Some(name));
        if let Some(order) = waiting.and_then(|at| self.waiting.remove(at)) {
            tell(events, order.mods.into_iter().map(|(token, _)| not_sent((token, None))));
        }
        let is_it = |bundle: &mut Bundle| bundle.name == Some(name) && !bundle.is_committed();
        let found = self.current.take_if(is_it).or_else(|| self.closed.extract_if(.., is_it).next());
        if let Some(bundle) = found {
            self.abandon(bundle, events);
        }
    }

    /// Encodes what the switch is to be told, and the next part of the bundle that is being filled, and of those after it.
    pub(super) fn fill(&mut self, out: &mut BytesMut, next_xid: &mut u32, events: &mut VecDeque<Event>, now: Instant) {
        if let Some(late) = self.current.take_if(|bundle| bundle.is_filling() && bundle.filled + LONGEST_PAUSE <= now) {
            self.abandon(late, events);
        }
        for id in std::mem::take(&mut self.discarded) {
            request(id, BundleControlType::DiscardRequest, out, next_xid, now);
        }
        for bundle in self.closed.iter_mut().filter(|bundle| matches!(bundle.stage, Stage::Approved)) {
            bundle.stage = commit(bundle.id, out, next_xid, now);
        }
        let full = out.len() + CHUNK;
        while out.len() < full {
            if self.current.is_none()
                && self.may_open()
                && let Some(order) = self.waiting.pop_front()
            {
                self.open(order, out, next_xid, now);
            }
            if !self.current.as_ref().is_some_and(Bundle::is_filling) {
                break;
            }
            self.fill_current(full, out, next_xid, events, now);
        }
    }

    /// Encodes as much of the bundle that is being filled as there is room for, and what is to follow the end of it.
    fn fill_current(
        &mut self,
        full: usize,
        out: &mut BytesMut,
        next_xid: &mut u32,
        events: &mut VecDeque<Event>,
        now: Instant,
    ) {
        let Some(bundle) = &mut self.current else { return };
        bundle.filled = now;
        while out.len() < full
            && let Some((token, flow_mod)) = bundle.unsent.pop_front()
        {
            let xid = take_xid(next_xid);
            let add = BundleAdd {
                bundle_id: bundle.id,
                flags: BundleFlags::ATOMIC | BundleFlags::ORDERED,
                xid,
                message: Box::new(Message::FlowMod(flow_mod)),
                properties: Vec::new(),
            };
            if Message::Experimenter(Experimenter::BundleAdd(add)).encode(xid, out).is_err() {
                return self.give_up_for(token, events);
            }
            bundle.sent.push(Added { xid, token, answer: Heard::Nothing });
        }
        if !bundle.unsent.is_empty() {
            return;
        }
        match bundle.name {
            Some(_) => {
                bundle.stage = Stage::Closing(request(bundle.id, BundleControlType::CloseRequest, out, next_xid, now));
            }
            None => {
                bundle.stage = commit(bundle.id, out, next_xid, now);
                self.closed.extend(self.current.take());
            }
        }
    }

    /// Whether the switch has so little to commit that another bundle may be begun.
    fn may_open(&self) -> bool {
        let committing = self.closed.iter().filter(|bundle| bundle.is_committed());
        committing.map(|bundle| bundle.sent.len()).sum::<usize>() < OVERLAP
    }

    fn open(&mut self, Order { name, mods }: Order, out: &mut BytesMut, next_xid: &mut u32, now: Instant) {
        let id = BundleId(self.next_id);
        // u32::MAX is the bundle that was only a question.
        self.next_id = if self.next_id == u32::MAX - 1 { 1 } else { self.next_id + 1 };
        request(id, BundleControlType::OpenRequest, out, next_xid, now);
        let bundle = Bundle { id, name, unsent: mods.into(), sent: Vec::new(), stage: Stage::Filling, filled: now };
        self.current = Some(bundle);
    }

    /// Whether there is more to encode.
    pub(super) fn has_more(&self) -> bool {
        !self.discarded.is_empty()
            || self.closed.iter().any(|bundle| matches!(bundle.stage, Stage::Approved))
            || self.current.as_ref().map_or_else(|| !self.waiting.is_empty() && self.may_open(), Bundle::is_filling)
    }

    /// One FLOW_MOD cannot be encoded: nothing of the bundle is to be applied.
    fn give_up_for(&mut self, token: Token, events: &mut VecDeque<Event>) {
        let Some(bundle) = self.current.take() else { return };
        self.discarded.push(bundle.id);
        let culprit = Settlement { token, xid: None, outcome: Outcome::Unencodable };
        let others =
            bundle.into_mods().map(|(token, xid)| Settlement { token, xid, outcome: Outcome::RolledBack(None) });
        tell(events, std::iter::once(culprit).chain(others));
    }

    /// Gives a bundle up for no fault of its own.
    fn abandon(&mut self, bundle: Bundle, events: &mut VecDeque<Event>) {
        self.discarded.push(bundle.id);
        tell(events, bundle.into_mods().map(not_sent));
    }

    /// Takes the reply to a request about a bundle; false for one that nobody waits for.
    pub(super) fn handle_reply(&mut self, xid: Xid, reply: &BundleControl, events: &mut VecDeque<Event>) -> bool {
        let is_current = self.current.as_ref().is_some_and(|bundle| bundle.id == reply.bundle_id);
        let answers = |bundle: &Bundle, is_commit: bool| {
            bundle.id == reply.bundle_id && bundle.is_committed() == is_commit && bundle.waits_for(xid)
        };
        match reply.control_type {
            // It says nothing that a later reply will not say.
            BundleControlType::OpenReply => is_current,
            BundleControlType::CloseReply => match self.take(|bundle| answers(bundle, false)) {
                Some(bundle) => {
                    self.handle_closed(bundle, events);
                    true
                }
                None => false,
            },
            BundleControlType::CommitReply => {
                let Some(bundle) = self.closed.iter_mut().find(|bundle| answers(bundle, true)) else { return false };
                bundle.judge(Verdict::Applied);
                self.settle_judged(events);
                true
            }
            // A bundle is forgotten when it is discarded.
            BundleControlType::DiscardReply => true,
            _ => false,
        }
    }

    /// Takes the reply to a barrier; false for one that is not behind a commit.
    pub(super) fn handle_barrier_reply(&mut self, xid: Xid, events: &mut VecDeque<Event>) -> bool {
        self.end_barrier(xid, Barrier::Answered, events)
    }

    fn end_barrier(&mut self, xid: Xid, end: Barrier, events: &mut VecDeque<Event>) -> bool {
        let barriers = self.closed.iter_mut().filter_map(|bundle| bundle.barrier_mut());
        let Some(barrier) = barriers.into_iter().find(|barrier| **barrier == Barrier::Asked(xid)) else { return false };
        *barrier = end;
        self.settle_judged(events);
        true
    }

    /// Settles the bundle whose commit and barrier are both answered now, if there is one.
    fn settle_judged(&mut self, events: &mut VecDeque<Event>) {
        if let Some(bundle) = self.take(Bundle::is_over) {
            bundle.settle_by_verdict(events);
        }
    }

    /// The switch has said all it has to say of the messages of a bundle.
    fn handle_closed(&mut self, bundle: Bundle, events: &mut VecDeque<Event>) {
        let is_whole = bundle.sent.iter().all(|added| matches!(added.answer, Heard::Nothing));
        match bundle.name {
            Some(name) if is_whole => {
                self.closed.push(Bundle { stage: Stage::Closed, ..bundle });
                events.push_back(Event::Prepared { bundle: name });
            }
            Some(_) | None => {
                self.discarded.push(bundle.id);
                bundle.settle(events, |answer| answer.or(Outcome::RolledBack(None)));
            }
        }
    }

    /// Finds what an error answers: a FLOW_MOD in a bundle, a request about it, or the barrier behind it.
    pub(super) fn handle_error(&mut self, xid: Xid, error: &ErrorMsg, events: &mut VecDeque<Event>) -> bool {
        if let Some(bundle) = self.closed.iter_mut().find(|bundle| bundle.is_committed() && bundle.waits_for(xid)) {
            let cause = bundle.cause(error);
            bundle.judge(Verdict::RolledBack(cause));
            self.settle_judged(events);
            return true;
        }
        if let Some(bundle) = self.take(|bundle| bundle.waits_for(xid)) {
            self.discarded.push(bundle.id);
            let cause = bundle.cause(error);
            bundle.settle(events, |answer| answer.or(Outcome::RolledBack(cause.clone())));
            return true;
        }
        if self.end_barrier(xid, Barrier::Refused, events) {
            return true;
        }
        let Some(added) = self.find(xid) else { return false };
        added.answer.refuse(error);
        true
    }

    /// A message with this xid came that cannot be understood: what it answers is not confirmed by what follows.
    pub(super) fn doubt(&mut self, xid: Xid, events: &mut VecDeque<Event>) {
        let is_it = |bundle: &&mut Bundle| bundle.is_committed() && (bundle.waits_for(xid) || bundle.is_before(xid));
        if let Some(bundle) = self.closed.iter_mut().find(is_it) {
            bundle.doubt();
            self.settle_judged(events);
        } else if let Some(bundle) = self.take(|bundle| bundle.waits_for(xid)) {
            self.discarded.push(bundle.id);
            bundle.settle(events, |answer| answer.or(Outcome::RolledBack(None)));
        } else if let Some(added) = self.find(xid) {
            added.answer.doubt();
        }
    }

    fn find(&mut self, xid: Xid) -> Option<&mut Added> {
        self.current.iter_mut().chain(&mut self.closed).find_map(|bundle| bundle.find(xid))
    }

    /// Takes out the bundle of which this is true.
    fn take(&mut self, is_it: impl Fn(&Bundle) -> bool) -> Option<Bundle> {
        let taken = self.current.take_if(|bundle| is_it(bundle));
        taken.or_else(|| self.closed.extract_if(.., |bundle| is_it(bundle)).next())
    }

    /// The requests that are out.
    fn requests(&self) -> impl Iterator<Item = &Request> {
        self.current.iter().chain(&self.closed).filter_map(Bundle::request)
    }

    /// For so long nobody listened on this side.
    pub(super) fn stalled(&mut self, lasted: Duration) {
        for request in self.current.iter_mut().chain(&mut self.closed).filter_map(Bundle::request_mut) {
            request.sent += lasted;
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.requests().map(|request| request.sent + if request.overdue { self.hope } else { self.patience }).min()
    }

    /// Whether a request will never be answered.
    pub(super) fn is_stuck(&self, now: Instant) -> bool {
        self.requests().any(|request| request.sent + self.hope <= now)
    }

    /// Calls a bundle unknown, once, whose commit is not answered in time, and goes on waiting; true when an answer of
    /// any kind is overdue.
    pub(super) fn handle_timeout(&mut self, now: Instant, events: &mut VecDeque<Event>) -> bool {
        let mut is_late = false;
        for bundle in self.current.iter_mut().chain(&mut self.closed) {
            let is_committed = bundle.is_committed();
            let Some(request) = bundle.request_mut() else { continue };
            if request.overdue || request.sent + self.patience > now {
                continue;
            }
            request.overdue = true;
            is_late = true;
            if is_committed {
                let outcome = Outcome::Unknown(UnknownReason::BarrierOverdue);
                let unknown =
                    |added: &Added| Settlement { token: added.token, xid: Some(added.xid), outcome: outcome.clone() };
                tell(events, bundle.sent.iter().map(unknown));
            }
        }
        is_late
    }

    /// The connection is over. A bundle whose commit left is unknown; one whose commit did not is discarded by the
    /// switch.
    pub(super) fn close(&mut self, events: &mut VecDeque<Event>) {
        for bundle in self.current.take().into_iter().chain(std::mem::take(&mut self.closed)) {
            if bundle.is_committed() {
                bundle.settle(events, |_| Outcome::Unknown(UnknownReason::ConnectionLost));
            } else {
                tell(events, bundle.into_mods().map(not_sent));
            }
        }
        let waiting = std::mem::take(&mut self.waiting).into_iter().flat_map(|order| order.mods);
        tell(events, waiting.map(|(token, _)| not_sent((token, None))));
    }
}

fn not_sent((token, xid): (Token, Option<Xid>)) -> Settlement {
    Settlement { token, xid, outcome: Outcome::NotSent }
}

fn tell(events: &mut VecDeque<Event>, settlements: impl Iterator<Item = Settlement>) {
    let settlements: Vec<_> = settlements.collect();
    if !settlements.is_empty() {
        events.push_back(Event::Settled(settlements));
    }
}
