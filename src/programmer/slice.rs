//! Batches a part at a time: what a large one costs is paid in parts, between which others have their turn.
//!
//! First every part is checked, and then every part is installed: one flow that could never be installed refuses the
//! whole, before any of it is stored. What changes between the two (a node that is removed) refuses what is left, and
//! what was admitted before is answered for by its flow id. Where nothing has changed, what was planned at the check holds.

use std::time::Instant;

use tokio::sync::oneshot;

use super::answers::{Kind, Waiter};
use super::engine::{Engine, Ticket};
use super::install::{Batch, Plan};
use super::{Answer, Closed, Programmer, TrailSender};
use crate::contract::{ErrorBody, InstallFlow, Report, Wait};

/// Some flows of a batch, in their order.
#[derive(Debug)]
pub struct Part {
    /// The flows.
    pub flows: Vec<InstallFlow>,
    /// The place of the first of them in the batch.
    pub first: usize,
}

/// A part that could be installed, when it was looked at.
#[derive(Debug)]
pub struct Checked {
    plans: Vec<Plan>,
    first: usize,
    revision: u64,
}

/// What was asked of the whole batch.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// Which flows the reply lists.
    pub report: Report,
    /// What the reply waits for.
    pub wait: Wait,
    /// How long it waits at most.
    pub due: Instant,
}

/// A part on its way in, and where its answer goes.
#[derive(Debug)]
pub(crate) enum Slice {
    /// Could it be installed?
    Check(Part, oneshot::Sender<Result<Checked, ErrorBody>>),
    /// Install it.
    Install(Checked, Terms, oneshot::Sender<Answer>, Option<TrailSender>),
}

impl Programmer {
    /// Asks whether the flows could be installed, their conflicts with others aside.
    ///
    /// # Errors
    /// [`Closed`] when the programmer has stopped.
    pub async fn check(&self, part: Part) -> Result<oneshot::Receiver<Result<Checked, ErrorBody>>, Closed> {
        let (answer, receiver) = oneshot::channel();
        self.slices.send(Slice::Check(part, answer)).await.map_err(|_| Closed)?;
        Ok(receiver)
    }

    /// Installs flows, each for itself, with the answer of an `InstallFlows`, and tells what was sent where that is wanted.
    ///
    /// # Errors
    /// [`Closed`] when the programmer has stopped.
    pub async fn install(
        &self,
        part: Checked,
        terms: Terms,
        trail: Option<TrailSender>,
    ) -> Result<oneshot::Receiver<Answer>, Closed> {
        let (answer, receiver) = oneshot::channel();
        self.slices.send(Slice::Install(part, terms, answer, trail)).await.map_err(|_| Closed)?;
        Ok(receiver)
    }
}

impl Engine {
    /// Whether all of them could be installed, their conflicts with others aside.
    pub(super) fn check_part(&self, Part { flows, first }: Part) -> Result<Checked, ErrorBody> {
        Ok(Checked { plans: self.plan_all(flows, first)?, first, revision: self.revision })
    }

    pub(super) fn install_part(&mut self, ticket: Ticket, part: Checked, terms: Terms) {
        let Terms { report, wait, due } = terms;
        let Checked { plans, first, revision } = part;
        let plans = if revision == self.revision {
            Ok(plans)
        } else {
            self.plan_all(plans.into_iter().map(|plan| plan.request).collect(), first)
        };
        let admitted = plans.and_then(|plans| self.admit_each(plans));
        match admitted {
            Ok(Batch { numbers, others }) => {
                self.wait_until(Waiter::new(ticket, Kind::InstallMany { report, others }, numbers, wait), due);
            }
            Err(error) => self.answer(ticket, Err(error)),
        }
    }

    /// Plans flows whose places in a batch begin with this one.
    pub(super) fn plan_all(&self, flows: Vec<InstallFlow>, first: usize) -> Result<Vec<Plan>, ErrorBody> {
        let indexed = flows.into_iter().zip(first..);
        indexed.map(|(flow, index)| self.plan(flow, &|| format!("payload.flows[{index}]"))).collect()
    }
}

#[cfg(test)]
impl Checked {
    /// As if it had been checked, long ago.
    pub(crate) fn untested(Part { flows, first }: Part) -> Self {
        let plan = |request| Plan { request, rules: Vec::new(), nodes: Vec::new(), is_bulk: false };
        Self { plans: flows.into_iter().map(plan).collect(), first, revision: u64::MAX }
    }

    pub(crate) fn first(&self) -> usize {
        self.first
    }

    pub(crate) fn len(&self) -> usize {
        self.plans.len()
    }
}
