//! Bundles: FLOW_MODs that the switch applies in order, all or none (ONF extension 230).
//!
//! One bundle at a time: opened, filled as fast as the transport takes it, committed. The commit's reply confirms every
//! FLOW_MOD in it. An error for one of them refuses that one, and the commit's own error rolls back the rest. Errors
//! carry the xid of the message that caused them: an added FLOW_MOD has the xid of its BUNDLE_ADD.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use openflow::{
    BundleAdd, BundleControl, BundleControlType, BundleFlags, BundleId, ErrorMsg, Experimenter, FlowMod, Message, Xid,
};

use super::Config;
use super::control::bundle_control;
use super::event::{Event, Outcome, Settlement, Token, UnknownReason};
use super::window::{Heard, take_xid};

/// Bytes of BUNDLE_ADDs that are encoded at a time: what a socket's buffer holds, and little enough that a FLOW_MOD
/// which comes meanwhile does not wait behind the whole bundle.
const CHUNK: usize = 64 << 10;

/// The bundles of a session.
#[derive(Debug)]
pub(super) struct Bundles {
    patience: Duration,
    hope: Duration,
    next_id: u32,
    waiting: VecDeque<Vec<(Token, FlowMod)>>,
    current: Option<Bundle>,
}

/// The bundle under way.
#[derive(Debug)]
struct Bundle {
    id: BundleId,
    unsent: VecDeque<(Token, FlowMod)>,
    sent: Vec<Added>,
    commit: Option<Commit>,
}

#[derive(Debug)]
struct Added {
    xid: Xid,
    token: Token,
    answer: Heard,
}

/// The commit request is out.
#[derive(Debug)]
struct Commit {
    xid: Xid,
    sent: Instant,
    overdue: bool,
}

impl Bundles {
    pub(super) fn new(config: &Config) -> Self {
        let (patience, hope) = (config.barrier, config.barrier_dead);
        Self { patience, hope, next_id: 1, waiting: VecDeque::new(), current: None }
    }

    pub(super) fn submit(&mut self, mods: Vec<(Token, FlowMod)>) {
        if !mods.is_empty() {
            self.waiting.push_back(mods);
        }
    }

    /// Encodes the next part of the bundle under way, or of the next one.
    pub(super) fn fill(&mut self, out: &mut BytesMut, next_xid: &mut u32, events: &mut VecDeque<Event>, now: Instant) {
        if self.current.is_none() {
            let Some(mods) = self.waiting.pop_front() else { return };
            self.open(mods, out, next_xid);
        }
        let Some(bundle) = &mut self.current else { return };
        let full = out.len() + CHUNK;
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
                return self.abandon(token, out, next_xid, events);
            }
            bundle.sent.push(Added { xid, token, answer: Heard::Nothing });
        }
        if bundle.unsent.is_empty() && bundle.commit.is_none() {
            let xid = take_xid(next_xid);
            // A control message has a fixed size: it always fits.
            if bundle_control(bundle.id, BundleControlType::CommitRequest).encode(xid, out).is_ok() {
                bundle.commit = Some(Commit { xid, sent: now, overdue: false });
            }
        }
    }

    fn open(&mut self, mods: Vec<(Token, FlowMod)>, out: &mut BytesMut, next_xid: &mut u32) {
        let id = BundleId(self.next_id);
        // u32::MAX is the bundle that was only a question.
        self.next_id = if self.next_id == u32::MAX - 1 { 1 } else { self.next_id + 1 };
        let xid = take_xid(next_xid);
        if bundle_control(id, BundleControlType::OpenRequest).encode(xid, out).is_ok() {
            self.current = Some(Bundle { id, unsent: mods.into(), sent: Vec::new(), commit: None });
        }
    }

    /// Whether there is more to encode.
    pub(super) fn has_more(&self) -> bool {
        match &self.current {
            Some(bundle) => bundle.commit.is_none(),
            None => !self.waiting.is_empty(),
        }
    }

    /// One FLOW_MOD cannot be encoded: nothing of the bundle is to be applied.
    fn abandon(&mut self, token: Token, out: &mut BytesMut, next_xid: &mut u32, events: &mut VecDeque<Event>) {
        let Some(bundle) = self.current.take() else { return };
        let xid = take_xid(next_xid);
        // Should it not fit, the switch discards the idle bundle by itself.
        let _ = bundle_control(bundle.id, BundleControlType::DiscardRequest).encode(xid, out);
        let culprit = Settlement { token, outcome: Outcome::Unencodable };
        let others =
            bundle.sent.into_iter().map(|added| added.token).chain(bundle.unsent.into_iter().map(|(token, _)| token));
        let others = others.map(|token| Settlement { token, outcome: Outcome::RolledBack });
        events.push_back(Event::Settled(std::iter::once(culprit).chain(others).collect()));
    }

    /// Takes the reply to a commit; false for one that nobody waits for.
    pub(super) fn handle_reply(&mut self, xid: Xid, reply: &BundleControl, events: &mut VecDeque<Event>) -> bool {
        let is_current = self.current.as_ref().is_some_and(|bundle| bundle.id == reply.bundle_id);
        match reply.control_type {
            BundleControlType::CommitReply if is_current && self.is_commit(xid) => {
                self.settle(events, |answer| answer.or(Outcome::Confirmed));
                true
            }
            // It says nothing that the commit's reply will not say.
            BundleControlType::OpenReply => is_current,
            // A bundle is forgotten when it is discarded.
            BundleControlType::DiscardReply => true,
            _ => false,
        }
    }

    /// Finds what an error answers: a FLOW_MOD in the bundle, or the commit.
    pub(super) fn handle_error(&mut self, xid: Xid, error: &ErrorMsg, events: &mut VecDeque<Event>) -> bool {
        if self.is_commit(xid) {
            self.settle(events, |answer| answer.or(Outcome::RolledBack));
            return true;
        }
        let Some(added) = self.find(xid) else { return false };
        added.answer.refuse(error);
        true
    }

    /// A message with this xid came that cannot be understood: what it answers is not confirmed by what follows.
    pub(super) fn doubt(&mut self, xid: Xid, events: &mut VecDeque<Event>) {
        if self.is_commit(xid) {
            self.settle(events, |answer| answer.or(Outcome::Unknown(UnknownReason::AnswerMalformed)));
        } else if let Some(added) = self.find(xid) {
            added.answer.doubt();
        }
    }

    fn find(&mut self, xid: Xid) -> Option<&mut Added> {
        let bundle = self.current.as_mut()?;
        let first = bundle.sent.first()?.xid.0;
        let offset = |xid: Xid| xid.0.wrapping_sub(first);
        let at = bundle.sent.binary_search_by_key(&offset(xid), |added| offset(added.xid)).ok()?;
        bundle.sent.get_mut(at)
    }

    fn is_commit(&self, xid: Xid) -> bool {
        let commit = self.current.as_ref().and_then(|bundle| bundle.commit.as_ref());
        commit.is_some_and(|commit| commit.xid == xid)
    }

    fn settle(&mut self, events: &mut VecDeque<Event>, outcome: impl Fn(Heard) -> Outcome) {
        let Some(bundle) = self.current.take() else { return };
        let settle = |added: Added| Settlement { token: added.token, outcome: outcome(added.answer) };
        events.push_back(Event::Settled(bundle.sent.into_iter().map(settle).collect()));
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let commit = self.current.as_ref()?.commit.as_ref()?;
        Some(commit.sent + if commit.overdue { self.hope } else { self.patience })
    }

    /// Whether a commit will never be answered.
    pub(super) fn is_stuck(&self, now: Instant) -> bool {
        let commit = self.current.as_ref().and_then(|bundle| bundle.commit.as_ref());
        commit.is_some_and(|commit| commit.sent + self.hope <= now)
    }

    /// Calls a bundle unknown, once, whose commit is not answered in time, and goes on waiting; true when it did.
    pub(super) fn handle_timeout(&mut self, now: Instant, events: &mut VecDeque<Event>) -> bool {
        let Some(bundle) = &mut self.current else { return false };
        let Some(commit) =
            bundle.commit.as_mut().filter(|commit| !commit.overdue && commit.sent + self.patience <= now)
        else {
            return false;
        };
        commit.overdue = true;
        let unknown =
            |added: &Added| Settlement { token: added.token, outcome: Outcome::Unknown(UnknownReason::BarrierOverdue) };
        events.push_back(Event::Settled(bundle.sent.iter().map(unknown).collect()));
        true
    }

    /// The connection is over. A bundle whose commit left is unknown; one whose commit did not is discarded by the
    /// switch.
    pub(super) fn close(&mut self, events: &mut VecDeque<Event>) {
        let mut settlements = Vec::new();
        if let Some(bundle) = self.current.take() {
            let is_committed = bundle.commit.is_some();
            settlements.extend(bundle.sent.into_iter().map(|added| Settlement {
                token: added.token,
                outcome: if is_committed { Outcome::Unknown(UnknownReason::ConnectionLost) } else { Outcome::NotSent },
            }));
            settlements
                .extend(bundle.unsent.into_iter().map(|(token, _)| Settlement { token, outcome: Outcome::NotSent }));
        }
        let waiting = std::mem::take(&mut self.waiting).into_iter().flatten();
        settlements.extend(waiting.map(|(token, _)| Settlement { token, outcome: Outcome::NotSent }));
        if !settlements.is_empty() {
            events.push_back(Event::Settled(settlements));
        }
    }
}
