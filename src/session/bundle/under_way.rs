//! One bundle under way.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use bytes::BytesMut;
use openflow::{BundleControlType, BundleId, ErrorMsg, FlowMod, Message, Xid};

use super::super::control::bundle_control;
use super::super::event::{Event, Outcome, Settlement, Token, UnknownReason};
use super::super::window::{Heard, take_xid};
use super::tell;

/// A bundle under way.
#[derive(Debug, Clone)]
pub(super) struct Bundle {
    pub(super) id: BundleId,
    pub(super) name: Option<Token>,
    pub(super) unsent: VecDeque<(Token, FlowMod)>,
    pub(super) sent: Vec<Added>,
    pub(super) stage: Stage,
    /// When something was last added to it.
    pub(super) filled: Instant,
}

/// How far a bundle is; the diagram is in the [module above](super).
#[derive(Debug, Clone)]
pub(super) enum Stage {
    Filling,
    Closing(Request),
    Closed,
    Approved,
    Committing { commit: Request, verdict: Option<Verdict>, barrier: Barrier },
}

/// What the commit came to.
#[derive(Debug, Clone)]
pub(super) enum Verdict {
    Applied,
    RolledBack(Option<Arc<ErrorMsg>>),
    Unknown(UnknownReason),
}

/// The barrier behind a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Barrier {
    Asked(Xid),
    Answered,
    Refused,
}

#[derive(Debug, Clone)]
pub(super) struct Added {
    pub(super) xid: Xid,
    pub(super) token: Token,
    pub(super) answer: Heard,
}

/// A request that is out.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) xid: Xid,
    pub(super) sent: Instant,
    pub(super) overdue: bool,
}

impl Bundle {
    pub(super) fn is_filling(&self) -> bool {
        matches!(self.stage, Stage::Filling)
    }

    /// Whether its commit has left.
    pub(super) fn is_committed(&self) -> bool {
        matches!(self.stage, Stage::Committing { .. })
    }

    pub(super) fn request(&self) -> Option<&Request> {
        match &self.stage {
            Stage::Closing(request) | Stage::Committing { commit: request, .. } => Some(request),
            Stage::Filling | Stage::Closed | Stage::Approved => None,
        }
    }

    pub(super) fn request_mut(&mut self) -> Option<&mut Request> {
        match &mut self.stage {
            Stage::Closing(request) | Stage::Committing { commit: request, .. } => Some(request),
            Stage::Filling | Stage::Closed | Stage::Approved => None,
        }
    }

    pub(super) fn barrier_mut(&mut self) -> Option<&mut Barrier> {
        match &mut self.stage {
            Stage::Committing { barrier, .. } => Some(barrier),
            Stage::Filling | Stage::Closing(_) | Stage::Closed | Stage::Approved => None,
        }
    }

    /// Whether this is the request that is not answered.
    pub(super) fn waits_for(&self, xid: Xid) -> bool {
        let is_judged = matches!(self.stage, Stage::Committing { verdict: Some(_), .. });
        !is_judged && self.request().is_some_and(|request| request.xid == xid)
    }

    /// Whether this is the barrier behind it.
    pub(super) fn is_before(&self, xid: Xid) -> bool {
        matches!(self.stage, Stage::Committing { barrier, .. } if barrier == Barrier::Asked(xid))
    }

    /// Takes what its commit came to, unless something else was said of it before.
    pub(super) fn judge(&mut self, said: Verdict) {
        if let Stage::Committing { verdict, .. } = &mut self.stage {
            verdict.get_or_insert(said);
        }
    }

    /// The answer to its commit, or to the barrier behind it, cannot be understood: there may be no other.
    pub(super) fn doubt(&mut self) {
        if let Stage::Committing { verdict, barrier, .. } = &mut self.stage {
            if !matches!(verdict, Some(Verdict::RolledBack(_))) {
                *verdict = Some(Verdict::Unknown(UnknownReason::AnswerMalformed));
            }
            *barrier = Barrier::Answered;
        }
    }

    /// Whether its commit and the barrier behind that are answered.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Committing { verdict: Some(_), barrier: Barrier::Answered | Barrier::Refused, .. })
    }

    /// What to blame for the refusal of a request, where no message of the bundle is.
    pub(super) fn cause(&self, error: &ErrorMsg) -> Option<Arc<ErrorMsg>> {
        let is_blamed = self.sent.iter().any(|added| matches!(added.answer, Heard::Refusal(_)));
        (!is_blamed).then(|| Arc::new(error.clone()))
    }

    pub(super) fn settle_by_verdict(self, events: &mut VecDeque<Event>) {
        let Stage::Committing { verdict: Some(verdict), barrier, .. } = &self.stage else { return };
        let outcome = match (verdict, barrier) {
            (Verdict::Applied, Barrier::Refused) => Outcome::Unknown(UnknownReason::BarrierRefused),
            (Verdict::Applied, Barrier::Answered | Barrier::Asked(_)) => Outcome::Confirmed,
            (Verdict::RolledBack(cause), _) => Outcome::RolledBack(cause.clone()),
            (Verdict::Unknown(reason), _) => Outcome::Unknown(*reason),
        };
        self.settle(events, |answer| answer.or(outcome.clone()));
    }

    pub(super) fn find(&mut self, xid: Xid) -> Option<&mut Added> {
        let first = self.sent.first()?.xid.0;
        let offset = |xid: Xid| xid.0.wrapping_sub(first);
        let at = self.sent.binary_search_by_key(&offset(xid), |added| offset(added.xid)).ok()?;
        self.sent.get_mut(at)
    }

    pub(super) fn settle(self, events: &mut VecDeque<Event>, outcome: impl Fn(Heard) -> Outcome) {
        let settle =
            |added: Added| Settlement { token: added.token, xid: Some(added.xid), outcome: outcome(added.answer) };
        tell(events, self.sent.into_iter().map(settle));
    }

    /// What it is about, in order, and what of it was written.
    pub(super) fn into_mods(self) -> impl Iterator<Item = (Token, Option<Xid>)> {
        let sent = self.sent.into_iter().map(|added| (added.token, Some(added.xid)));
        sent.chain(self.unsent.into_iter().map(|(token, _)| (token, None)))
    }
}

/// Encodes a request about a bundle.
pub(super) fn request(
    id: BundleId,
    control_type: BundleControlType,
    out: &mut BytesMut,
    next_xid: &mut u32,
    now: Instant,
) -> Request {
    let xid = take_xid(next_xid);
    // A control message has a fixed size: it always fits.
    let _ = bundle_control(id, control_type).encode(xid, out);
    Request { xid, sent: now, overdue: false }
}

/// Encodes the commit of a bundle, and a barrier behind it.
pub(super) fn commit(id: BundleId, out: &mut BytesMut, next_xid: &mut u32, now: Instant) -> Stage {
    let commit = request(id, BundleControlType::CommitRequest, out, next_xid, now);
    let barrier = take_xid(next_xid);
    // So does a message without a body.
    let _ = Message::BarrierRequest.encode(barrier, out);
    Stage::Committing { commit, verdict: None, barrier: Barrier::Asked(barrier) }
}
