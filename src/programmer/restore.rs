//! The first repairs on a connection, in bundles where the switch has them: what was there is there again at once, with
//! no moment in between at which forwarding has gaps.
//!
//! A bundle is all or none. When one rule in it is refused, that one has its verdict, and the rest goes out again one by
//! one. What is asked for meanwhile does not wait, unless it concerns a rule of the bundle.

use std::collections::VecDeque;

use super::cookie::{FlowNumber, Purpose, from_token, token};
use super::engine::Engine;
use super::flow::Stage;
use super::node::{Job, Node, NodeId, Sync};
use crate::session::{Outcome, Token};

/// FLOW_MODs of one bundle, at most: what a switch holds in memory until the commit.
const BUNDLE: usize = 50_000;

impl Engine {
    /// Sends the first repairs in bundles.
    pub(super) fn restore(&mut self, id: NodeId, jobs: VecDeque<Job>) {
        self.send_in_bundles(id, jobs, BUNDLE);
        if let Some(live) = self.nodes.get_mut(&id).and_then(Node::live_mut) {
            live.sync = Sync::Restoring;
        }
        self.check_restored(id);
    }

    /// Sends work in bundles of so many FLOW_MODs at most; removals, which have a life of their own, go the ordinary way.
    pub(super) fn send_in_bundles(&mut self, id: NodeId, jobs: VecDeque<Job>, most: usize) {
        let mut mods = Vec::new();
        for job in jobs {
            match job {
                Job::Remove { .. }
                | Job::Undo { .. }
                | Job::Prepare { .. }
                | Job::Meter(_)
                | Job::DropMeters
                | Job::Wipe
                | Job::Synced => {
                    self.push_job(id, job);
                }
                Job::Install { .. } | Job::Sweep { .. } | Job::WriteTableMiss | Job::DeleteTableMiss => {
                    self.carry_out(id, job, &mut mods);
                }
            }
        }
        let mut mods = mods.into_iter();
        while mods.len() > 0 {
            let bundle = mods.by_ref().take(most).collect();
            self.hand_over_bundle(id, bundle, Purpose::Bundled);
        }
    }

    /// Marks what a FLOW_MOD is about as part of a bundle.
    pub(super) fn begin_bundled(&mut self, id: NodeId, plain: Token, purpose: Purpose) -> Token {
        match from_token(plain) {
            Some((Purpose::Install, number)) => {
                if let Some(placement) = self.flows.get_mut(&number).and_then(|flow| flow.placement_mut(id)) {
                    placement.tally.bundled = true;
                }
                token(purpose, number)
            }
            Some((_, number)) => token(Purpose::BundledOther, number),
            None => plain,
        }
    }

    /// A rule of a flow was rolled back for another's sake: it is sent by itself.
    pub(super) fn restore_singly(&mut self, number: FlowNumber, id: NodeId) {
        let rules = self.rules_on(number, id);
        let Some(placement) = self.flows.get_mut(&number).and_then(|flow| flow.placement_mut(id)) else { return };
        placement.stage = if placement.stage == Stage::Sent { Stage::Waiting } else { placement.stage };
        placement.queued = true;
        self.push_install(number, id, rules);
    }

    /// A deletion or the table-miss rule was in a bundle; a bundle that was rolled back leaves it to the next read.
    pub(super) fn other_restored(&mut self, id: NodeId, outcome: &Outcome) {
        match outcome {
            Outcome::RolledBack(_) => self.read_soon(id),
            Outcome::Refused(_) => self.table_miss_settled(id, outcome),
            Outcome::Confirmed | Outcome::Unknown(_) | Outcome::NotSent | Outcome::Unencodable => {}
        }
    }

    /// When all bundles are settled, so is the first reconciliation but for what follows them.
    pub(super) fn check_restored(&mut self, id: NodeId) {
        let Some(live) = self.nodes.get_mut(&id).and_then(Node::live_mut) else { return };
        if live.sync == Sync::Restoring && live.bundled == 0 {
            live.sync = Sync::Queued;
            self.push_job(id, Job::Synced);
        }
    }

    /// Whether a job is about rules that are part of a bundle now, or is to replace what has yet to be sent: a bundle takes
    /// effect at its commit, and so would undo what was done before that.
    pub(super) fn must_wait(&self, id: NodeId, job: &Job) -> bool {
        let is_bundled = |number: &FlowNumber| {
            let placement = self.flows.get(number).and_then(|flow| flow.placement(id));
            placement.is_some_and(|placement| placement.tally.bundled && placement.tally.outstanding > 0)
        };
        let comes_later = |number: &FlowNumber| {
            let placement = self.flows.get(number).and_then(|flow| flow.placement(id));
            is_bundled(number) || placement.is_some_and(|placement| placement.aside && placement.stage.is_desired())
        };
        let overtakes = |number: &FlowNumber| {
            let placement = self.flows.get(number).and_then(|flow| flow.placement(id));
            placement.is_some_and(|placement| placement.replaces().iter().any(comes_later))
        };
        let node = self.nodes.get(&id);
        let has_bundle = || node.and_then(Node::live).is_some_and(|live| live.bundled > 0);
        match job {
            Job::Install { number, .. } => is_bundled(number) || overtakes(number),
            Job::Remove { number } | Job::Undo { number } => is_bundled(number),
            Job::Prepare { atom } => self.atoms.flows(*atom).iter().any(overtakes),
            Job::Wipe => has_bundle(),
            Job::Synced => node.is_some_and(|node| node.leaving.is_some()) && has_bundle(),
            Job::Meter(_) | Job::DropMeters | Job::Sweep { .. } | Job::WriteTableMiss | Job::DeleteTableMiss => false,
        }
    }

    pub(super) fn defer(&mut self, id: NodeId, job: Job) {
        self.set_aside(id, &job, true);
        if let Some(live) = self.nodes.get_mut(&id).and_then(Node::live_mut) {
            live.deferred.push(job);
        }
    }

    /// Notes whether what a job installs waits elsewhere than in the queue.
    pub(super) fn set_aside(&mut self, id: NodeId, job: &Job, aside: bool) {
        if let Job::Install { number, .. } = job
            && let Some(placement) = self.flows.get_mut(number).and_then(|flow| flow.placement_mut(id))
        {
            placement.aside = aside;
        }
    }

    /// Something has settled: what had to wait is looked at again.
    pub(super) fn resume_deferred(&mut self, id: NodeId) {
        let Some(live) = self.nodes.get_mut(&id).and_then(Node::live_mut) else { return };
        let deferred = std::mem::take(&mut live.deferred);
        for job in deferred {
            self.set_aside(id, &job, false);
            self.push_job(id, job);
        }
    }
}
