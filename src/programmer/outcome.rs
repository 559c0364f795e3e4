//! What switches say: FLOW_MODs confirmed, refused or lost, rules gone, connections ended.

use bytes::Bytes;
use openflow::{ErrorCode, ErrorMsg, Xid};
use tracing::{error, warn};

use super::cookie::{FlowNumber, Purpose, from_token};
use super::engine::Engine;
use super::flow::{Placement, Reason, Replan, Stage};
use super::meter_answers::is_meter_missing;
use super::node::{Job, Lane, Node, NodeId, Sync};
use crate::contract::{AlarmKind, NodeName, SwitchError};
use crate::policy::Rule;
use crate::session::{Outcome, Settlement, Token, UnknownReason, describe};

impl Engine {
    /// FLOW_MODs of a node have settled.
    pub(super) fn settled(&mut self, id: NodeId, settlements: Vec<Settlement>) {
        for Settlement { token, xid, outcome } in settlements {
            let is_final = !matches!(outcome, Outcome::Unknown(UnknownReason::BarrierOverdue));
            let purpose = from_token(token);
            if is_final && let Some(live) = self.nodes.get_mut(&id).and_then(Node::live_mut) {
                match purpose {
                    Some((purpose, _)) if purpose.is_bundled() => {
                        live.bundled -= 1;
                        live.bulk -= u64::from(purpose == Purpose::Bulk);
                    }
                    _ => live.settled += 1,
                }
            }
            match purpose {
                Some((
                    purpose @ (Purpose::Install | Purpose::Bundled | Purpose::Bulk | Purpose::Remove | Purpose::Undo),
                    number,
                )) => self.flow_settled(purpose, number, id, xid, outcome),
                Some((Purpose::TableMiss, _)) => self.table_miss_settled(id, &outcome),
                Some((Purpose::Sweep, _)) => self.sweep_settled(id, &outcome),
                Some((Purpose::Wipe, _)) => self.wiped(id, &outcome),
                Some((Purpose::BundledOther, _)) => self.other_restored(id, &outcome),
                Some((purpose @ (Purpose::AddMeter | Purpose::ChangeMeter | Purpose::DeleteMeter), number)) => {
                    self.meter_settled(purpose, number.meter_id(), id, outcome);
                }
                Some((Purpose::Atom, _)) | None => {}
            }
        }
        self.advance_atoms();
        self.ready.insert(id);
        self.resume_deferred(id);
        self.check_restored(id);
        self.check_sync(id);
        self.drop_meters_when_settled(id);
    }

    fn flow_settled(&mut self, purpose: Purpose, number: FlowNumber, id: NodeId, xid: Option<Xid>, outcome: Outcome) {
        let is_limited = self.meter_of(number, id).is_some();
        let connection = self.nodes.get(&id).and_then(|node| node.live()).map(|live| live.connection);
        let Some(placement) = self.flows.get_mut(&number).and_then(|flow| flow.placement_mut(id)) else { return };
        // The key of an answer is connection and transaction: another connection's answers are not this placement's.
        if placement.connection() != connection || placement.tally.outstanding == 0 {
            return;
        }
        self.trails.note(number, id, xid);
        if let Outcome::Unknown(reason @ UnknownReason::BarrierOverdue) = outcome {
            if placement.stage == Stage::Sent {
                placement.stage = Stage::Unknown;
                placement.reason = Some(reason_of(reason));
                self.flow_moved(number);
            }
            return;
        }
        placement.tally.outstanding -= 1;
        match outcome {
            Outcome::Confirmed => {}
            Outcome::Refused(error) if matches!(purpose, Purpose::Remove | Purpose::Undo) => {
                placement.tally.kept = true;
                let error = describe(&error);
                let node = self.nodes.get(&id).map(|node| node.request.name.as_str());
                warn!(flow = number.get(), node, error, "the switch refused to delete a rule");
            }
            Outcome::Refused(error) if is_limited && is_meter_missing(&error) => placement.tally.unmetered = true,
            // What was still under way when it ended is nothing to it.
            Outcome::Refused(_) if placement.stage.is_ended() => {}
            Outcome::Refused(error) => {
                placement.error.get_or_insert_with(|| Box::new(switch_error(&error)));
            }
            Outcome::Unencodable => {
                placement.error.get_or_insert_with(|| Box::new(too_long()));
            }
            Outcome::Unknown(reason) => {
                placement.tally.lost = true;
                placement.reason = Some(reason_of(reason));
            }
            Outcome::RolledBack(cause) => {
                placement.tally.rolled_back = true;
                placement.set_cause(cause);
            }
            Outcome::NotSent => placement.tally.unsent = true,
        }
        if placement.tally.outstanding == 0 {
            self.conclude(number, id);
        }
    }

    /// Everything that was under way for a flow on a node is settled: says what that makes of it.
    fn conclude(&mut self, number: FlowNumber, id: NodeId) {
        let Some(placement) = self.flows.get_mut(&number).and_then(|flow| flow.placement_mut(id)) else { return };
        if placement.undecided().is_some() {
            return self.conclude_undecided(number, id);
        }
        let tally = std::mem::take(&mut placement.tally);
        let is_unsure = tally.lost || tally.unsent || tally.kept;
        match placement.stage {
            Stage::Sent | Stage::Unknown | Stage::Drifted => {
                if placement.error.is_some() {
                    self.refused(number, id);
                } else if tally.unmetered {
                    self.install_again(number, id);
                } else if tally.rolled_back {
                    self.restore_singly(number, id);
                } else if tally.lost {
                    // What has drifted is stored as applied, and stays so.
                    let is_stored = placement.stage == Stage::Drifted;
                    placement.stage = Stage::Unknown;
                    if !is_stored {
                        self.save_flow(number);
                    }
                    self.read_now(id);
                } else if tally.unsent {
                    placement.stage = if placement.stage == Stage::Sent { Stage::Waiting } else { placement.stage };
                } else {
                    self.confirmed(number, id);
                }
            }
            Stage::Undoing if is_unsure => self.read_soon(id),
            Stage::Undoing => self.undone(number, id),
            Stage::Removing if placement.queued => {}
            Stage::Removing if is_unsure => self.read_soon(id),
            Stage::Removing => self.rules_left(number, id),
            Stage::Waiting | Stage::Applied | Stage::Rejected | Stage::Removed | Stage::Expired | Stage::Superseded => {
            }
        }
        self.flow_moved(number);
    }

    /// The switch has not got the meter that a rule is to be behind: the meter is put there again, and then the rules,
    /// unless that has been done too often.
    fn install_again(&mut self, number: FlowNumber, id: NodeId) {
        let now = self.now;
        let Some(placement) = self.flows.get_mut(&number).and_then(|flow| flow.placement_mut(id)) else { return };
        if !placement.more().repairs.may_repair(now) {
            placement.error = Some(Box::new(meter_missing()));
            return self.refused(number, id);
        }
        placement.stage = if placement.stage == Stage::Sent { Stage::Waiting } else { placement.stage };
        self.doubt_meter_of(number, id);
        let rules = self.rules_on(number, id);
        self.push_install(number, id, rules);
    }

    /// The same for a flow that does not stand alone: what that makes of it is known when all are settled.
    fn conclude_undecided(&mut self, number: FlowNumber, id: NodeId) {
        let Some(placement) = self.flows.get_mut(&number).and_then(|flow| flow.placement_mut(id)) else { return };
        if placement.stage == Stage::Undoing {
            let tally = std::mem::take(&mut placement.tally);
            let is_unsure = tally.lost || tally.unsent || tally.kept;
            placement.stage = if is_unsure { Stage::Unknown } else { Stage::Waiting };
            if is_unsure {
                self.read_soon(id);
            }
        }
        self.flow_moved(number);
    }

    /// The switch refused the flow. Where it may have taken some of the rules, they are taken back first.
    pub(super) fn refused(&mut self, number: FlowNumber, id: NodeId) {
        let is_there = self.nodes.get(&id).and_then(Node::live).is_some();
        let is_limited = self.meter_of(number, id).is_some();
        let Some(flow) = self.flows.get_mut(&number) else { return };
        let rules = flow.rules;
        let Some(placement) = flow.placement_mut(id) else { return };
        // A limited one goes with its meter.
        let may_leave_rules = rules > 1
            || is_limited
            || placement.replan != Replan::No
            || matches!(placement.stage, Stage::Drifted | Stage::Applied);
        if may_leave_rules && is_there {
            placement.stage = Stage::Undoing;
            self.queue_undoing(number, id);
        } else {
            self.reject(number, id);
        }
    }

    /// Queues the deletion of what the switch may have of a flow of which it refused a rule.
    pub(super) fn queue_undoing(&mut self, number: FlowNumber, id: NodeId) {
        if let Some(placement) = self.flows.get_mut(&number).and_then(|flow| flow.placement_mut(id)) {
            placement.queued = true;
        }
        self.push_job(id, Job::Undo { number });
    }

    /// Nothing is on the switch of a flow that it refused: that is its verdict, once its meter is gone too.
    pub(super) fn undone(&mut self, number: FlowNumber, id: NodeId) {
        if self.release_meter(number, id) {
            self.change_placement(number, id, |placement| placement.queued = true);
        } else {
            self.reject(number, id);
        }
    }

    /// Final, and told only once it is durable: a restart must not try again what was answered.
    pub(super) fn reject(&mut self, number: FlowNumber, id: NodeId) {
        let Some(flow) = self.flows.get_mut(&number) else { return };
        let Some(placement) = flow.placement_mut(id) else { return };
        placement.stage = Stage::Rejected;
        placement.reason = None;
        self.leave_places(number, id);
        self.release_meter(number, id);
        self.save_flow(number);
    }

    /// The same, told when its meter has left the switch, too.
    pub(super) fn reject_and_wait(&mut self, number: FlowNumber, id: NodeId) {
        self.reject(number, id);
        let meter = self.meter_of(number, id).filter(|meter| meter.leaving.contains(&number));
        let is_leaving = meter.is_some();
        if let Some(placement) = self.flows.get_mut(&number).and_then(|flow| flow.placement_mut(id)) {
            placement.queued = is_leaving;
        }
    }

    /// The flow is on the node no more, for good.
    pub(super) fn flow_left(&mut self, number: FlowNumber, id: NodeId) {
        self.leave_places(number, id);
        self.release_meter(number, id);
        self.index_placement(number, id);
        let wall = self.wall;
        if let Some(flow) = self.flows.get_mut(&number)
            && flow.is_ended()
        {
            flow.ended.get_or_insert(wall);
        }
        self.save_flow(number);
    }

    /// An error came for a FLOW_MOD that had been confirmed: the switch's word was wrong, and the answer with it.
    pub(super) fn late_refusal(&mut self, id: NodeId, token: Token, refusal: &ErrorMsg) {
        let number = match from_token(token) {
            Some((Purpose::Install, number)) => number,
            Some((purpose @ (Purpose::AddMeter | Purpose::ChangeMeter | Purpose::DeleteMeter), number)) => {
                return self.late_meter_refusal(purpose, number.meter_id(), id, refusal);
            }
            _ => return,
        };
        let Some(placement) = self.flows.get_mut(&number).and_then(|flow| flow.placement_mut(id)) else { return };
        if !placement.stage.is_desired() {
            return;
        }
        placement.error = Some(Box::new(switch_error(refusal)));
        let is_under_way = placement.is_under_way();
        error!(
            flow = self.flows.get(&number).map(|flow| flow.asked.id()),
            error = describe(refusal),
            "the switch refused a flow after it had confirmed it"
        );
        let flow_id = self.flows.get(&number).map(|flow| flow.asked.flow_id());
        let message = format!("the switch refused a flow after it had confirmed it: {}", describe(refusal));
        self.alarm(AlarmKind::LateRefusal, Some(id), flow_id, &message);
        // What is under way concludes with the error.
        if !is_under_way {
            self.refused(number, id);
            self.flow_moved(number);
        }
    }

    /// The connection to the node is gone, and with it every answer that had not come.
    pub(super) fn connection_lost(&mut self, number: FlowNumber, id: NodeId) {
        let Some(placement) = self.flows.get_mut(&number).and_then(|flow| flow.placement_mut(id)) else { return };
        (placement.queued, placement.aside) = (false, false);
        if placement.tally.outstanding > 0 {
            placement.tally.outstanding = 0;
            placement.tally.lost = true;
            placement.reason = Some(reason_of(UnknownReason::ConnectionLost));
            self.conclude(number, id);
            return self.save_unsaved(number);
        }
        placement.tally = Default::default();
        if placement.stage == Stage::Undoing && placement.atom().is_some() {
            placement.stage = Stage::Unknown;
            placement.reason = Some(reason_of(UnknownReason::ConnectionLost));
        }
        // The switch says nothing of it any more.
        self.save_unsaved(number);
        self.flow_moved(number);
    }

    pub(super) fn sweep_settled(&mut self, id: NodeId, outcome: &Outcome) {
        if let Outcome::Refused(error) = outcome {
            warn!(
                node = self.node_name(id).map(NodeName::as_str),
                error = describe(error),
                "the switch refused to delete rules"
            );
        } else if let Outcome::Unknown(UnknownReason::BarrierSkipped) = outcome {
            self.read_soon(id);
        }
    }

    /// Whether the first reconciliation of this connection is settled.
    pub(super) fn check_sync(&mut self, id: NodeId) {
        let live = self.nodes.get(&id).and_then(Node::live);
        if live.is_some_and(|live| matches!(live.sync, Sync::Repairing { until } if live.settled >= until)) {
            self.synced(id);
        }
    }

    /// Changes a flow's placement from outside its life cycle.
    pub(super) fn change_placement(&mut self, number: FlowNumber, id: NodeId, change: impl FnOnce(&mut Placement)) {
        if let Some(placement) = self.flows.get_mut(&number).and_then(|flow| flow.placement_mut(id)) {
            change(placement);
            let ended = placement.stage.is_ended();
            if ended {
                self.flow_left(number, id);
            } else {
                self.save_flow(number);
            }
            self.flow_moved(number);
        }
    }

    /// Queues a new flow of a large batch, behind what anybody else asks. One that has another's place comes in its turn.
    pub(super) fn push_bulk(&mut self, number: FlowNumber, id: NodeId, rules: Vec<Rule>) {
        let placement = self.flows.get(&number).and_then(|flow| flow.placement(id));
        let is_plain = placement.is_some_and(|placement| placement.replaces().is_empty());
        let is_there = |node: &&mut Node| node.live().is_some() && node.leaving.is_none();
        let job = Job::Install { number, rules };
        if is_plain && self.nodes.get_mut(&id).filter(is_there).is_some() {
            self.set_aside(id, &job, true);
            if let Some(node) = self.nodes.get_mut(&id) {
                node.bulk.push_back(job);
            }
            self.ready.insert(id);
        } else {
            self.push_job(id, job);
        }
    }

    /// Queues work for a node that is there. One that is being removed takes none but what removes it.
    pub(super) fn push_job(&mut self, id: NodeId, job: Job) {
        self.push_job_in(id, job, Lane::Queue);
    }

    pub(super) fn push_job_in(&mut self, id: NodeId, job: Job, lane: Lane) {
        let is_wanted =
            |node: &Node| node.live().is_some() && (node.leaving.is_none() || matches!(job, Job::Wipe | Job::Synced));
        if let Some(node) = self.nodes.get_mut(&id).filter(|node| is_wanted(node)) {
            match lane {
                Lane::Queue => node.queue.push_back(job),
                Lane::Behind => node.behind.push_back(job),
            }
            self.ready.insert(id);
        }
    }
}

fn reason_of(reason: UnknownReason) -> Reason {
    match reason {
        UnknownReason::ConnectionLost => Reason::ConnectionLost,
        UnknownReason::BarrierOverdue => Reason::BarrierOverdue,
        UnknownReason::BarrierSkipped => Reason::BarrierSkipped,
        UnknownReason::BarrierRefused => Reason::BarrierRefused,
        UnknownReason::AnswerMalformed => Reason::AnswerMalformed,
    }
}

/// The verdict on a flow whose meter is gone whenever its rules come.
pub(super) fn meter_missing() -> SwitchError {
    switch_error(&ErrorMsg::new(ErrorCode::METER_MOD_FAILED_INVALID_METER, Bytes::new()))
}

pub(super) fn switch_error(error: &ErrorMsg) -> SwitchError {
    SwitchError {
        error_type: error.type_name().into_owned(),
        code: error.code_name().into_owned(),
        message: error.sentence().into(),
    }
}

pub(super) fn too_long() -> SwitchError {
    SwitchError {
        error_type: "BAD_REQUEST".to_owned(),
        code: "BAD_LEN".to_owned(),
        message: "the rule does not fit into an OpenFlow message".to_owned(),
    }
}
