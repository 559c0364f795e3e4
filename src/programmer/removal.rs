//! `RemoveFlow` and `RemoveFlows`: taking rules off the switches with the same care as putting them there.
//!
//! Rules leave while the disk is written. When it has no room, the flow has not been removed: it is put back.

use std::collections::BTreeSet;

use super::answers::{Kind, Waiter};
use super::cookie::FlowNumber;
use super::engine::{Engine, Ticket, no_such_flow};
use super::flow::{Flow, Stage};
use super::install::rule_hash;
use super::node::{Job, Lane, NodeId};
use crate::contract::{DEFAULT_TIMEOUT_MS, ErrorBody, FlowId, FlowState, RemoveFlows, Wait};

impl Engine {
    pub(super) fn remove_flow(&mut self, ticket: Ticket, id: &FlowId) {
        let Some(number) = self.flows.by_id(id.as_str()) else { return self.answer(ticket, Err(no_such_flow(id))) };
        let is_over = self.flows.get(&number).is_some_and(|flow| flow.is_ended() && flow.durable <= self.durable);
        if let Some(error) = self.has_no_room().filter(|_| !is_over) {
            return self.answer(ticket, Err(error));
        }
        self.begin_removal(number, Lane::Queue);
        self.wait_for(Waiter::new(ticket, Kind::Remove, vec![number], Wait::Applied), DEFAULT_TIMEOUT_MS);
    }

    pub(super) fn remove_flows(&mut self, ticket: Ticket, request: &RemoveFlows) {
        let numbers = match self.select(request) {
            Ok(numbers) => numbers,
            Err(error) => return self.answer(ticket, Err(error)),
        };
        if let Some(error) = self.has_no_room() {
            return self.answer(ticket, Err(error));
        }
        let lane = if numbers.len() < self.config.many { Lane::Queue } else { Lane::Behind };
        for number in &numbers {
            self.begin_removal(*number, lane);
        }
        self.wait_for(Waiter::new(ticket, Kind::RemoveMany, numbers, Wait::Applied), DEFAULT_TIMEOUT_MS);
    }

    /// The flows that a `RemoveFlows` means: by a list, each of which must be there, or by a filter.
    fn select(&self, request: &RemoveFlows) -> Result<Vec<FlowNumber>, ErrorBody> {
        if let Some(ids) = &request.flow_ids {
            let find = |(index, id): (usize, &FlowId)| {
                self.flows.by_id(id.as_str()).ok_or_else(|| no_such_flow(id).at(format!("payload.flow_ids[{index}]")))
            };
            // An id that is listed twice is one flow.
            let named: Result<BTreeSet<_>, _> = ids.iter().enumerate().map(find).collect();
            return named.map(|numbers| numbers.into_iter().collect());
        }
        let node = match &request.node {
            Some(name) => match self.names.get(name) {
                Some(id) => Some(*id),
                None => return Err(self.unknown_node(name).at("payload.node")),
            },
            None => None,
        };
        if let Some(name) = &request.traffic_type
            && let Err(error) = self.classes.get(name)
        {
            let body = ErrorBody::new(crate::contract::ErrorCode::InvalidRequest, error.to_string());
            return Err(body.at("payload.traffic_type"));
        }
        let is_meant = |flow: &Flow| {
            // What has ended and is not on disk as such is not over yet: a restart would bring it back.
            (!flow.is_ended() || flow.durable > self.durable)
                && node.is_none_or(|id| flow.placement(id).is_some_and(|placement| !placement.stage.is_ended()))
                && request.traffic_type.as_ref().is_none_or(|name| name == flow.asked.traffic_type())
        };
        Ok(self.flows.iter().filter(|(_, flow)| is_meant(flow)).map(|(number, _)| number).collect())
    }

    /// From now on no switch is to have the flow. What has ended stays as it ended.
    fn begin_removal(&mut self, number: FlowNumber, lane: Lane) {
        let Some(flow) = self.flows.get_mut(&number) else { return };
        // The one answer of a rejected flow was given; removing it is what frees its id.
        flow.freed |= flow.state() == FlowState::Rejected;
        self.take_off(number, lane);
        match lane {
            Lane::Queue => self.save_soon(number),
            Lane::Behind => self.save_at_leisure(number),
        }
    }

    /// Takes a flow off every node that has it.
    pub(super) fn take_off(&mut self, number: FlowNumber, lane: Lane) {
        let Some(flow) = self.flows.get(&number) else { return };
        let nodes: Vec<NodeId> = flow.placements.iter().map(|placement| placement.node).collect();
        for id in nodes {
            self.remove_from_node(number, id, lane);
        }
    }

    fn remove_from_node(&mut self, number: FlowNumber, id: NodeId, lane: Lane) {
        let sequence = self.next_sequence();
        let Some(placement) = self.flows.get_mut(&number).and_then(|flow| flow.placement_mut(id)) else { return };
        match placement.stage {
            Stage::Removing | Stage::Removed | Stage::Expired | Stage::Superseded => return,
            // Nothing of it is on the switch, and nothing under way: it has left.
            Stage::Rejected if !placement.in_doubt => {
                placement.stage = Stage::Removed;
                return self.flow_left(number, id);
            }
            Stage::Waiting
            | Stage::Sent
            | Stage::Undoing
            | Stage::Applied
            | Stage::Rejected
            | Stage::Unknown
            | Stage::Drifted => {}
        }
        // A flow that never left this side is gone at once; a queued job finds it so and does nothing.
        let never_sent = placement.stage == Stage::Waiting && placement.connection().is_none() && !placement.restored;
        placement.touched = sequence;
        placement.reason = None;
        placement.stage = Stage::Removing;
        placement.queued = false;
        if never_sent {
            return self.rules_left(number, id);
        }
        self.queue_removal(number, id, lane);
    }

    /// Queues the deletion of a flow's rules on a node that is there; one that is away is seen to when it is back.
    pub(super) fn queue_removal(&mut self, number: FlowNumber, id: NodeId, lane: Lane) {
        if self.nodes.get(&id).is_none_or(|node| node.live().is_none()) {
            return;
        }
        if let Some(placement) = self.flows.get_mut(&number).and_then(|flow| flow.placement_mut(id)) {
            placement.queued = true;
        }
        self.push_job_in(id, Job::Remove { number }, lane);
    }

    /// The disk has not taken in that the flow has ended, or is about to: it has not, and whoever asked for it knows so.
    /// Where its switch is there, that is read, and tells what is to be put back. One that went while it was not decided
    /// on some switch whether it comes at all, together with others, is gone: they have gone on without it.
    pub(super) fn take_back_end(&mut self, number: FlowNumber) {
        let Some(flow) = self.flows.get(&number) else { return };
        if flow.placements.iter().any(|placement| placement.atom().is_some()) {
            return;
        }
        let nodes: Vec<NodeId> = flow.placements.iter().map(|placement| placement.node).collect();
        for id in nodes {
            self.take_back_end_on(number, id);
        }
        if let Some(flow) = self.flows.get_mut(&number)
            && !flow.is_ended()
        {
            flow.freed = false;
            flow.ended = None;
        }
        self.flow_moved(number);
    }

    fn take_back_end_on(&mut self, number: FlowNumber, id: NodeId) {
        let sequence = self.next_sequence();
        // With a node that goes, its flows go, and when it stays after all they do.
        if self.nodes.get(&id).is_none_or(|node| node.leaving.is_some()) || self.has_been_followed(number, id) {
            return;
        }
        let Some(placement) = self.flows.get_mut(&number).and_then(|flow| flow.placement_mut(id)) else { return };
        let was_there = match placement.told {
            Some(FlowState::Accepted | FlowState::Applied | FlowState::Unknown | FlowState::Drifted) => true,
            Some(FlowState::Rejected) => false,
            _ => return,
        };
        if !placement.stage.is_end_asked_for() {
            return;
        }
        let was_sent = placement.connection().is_some() || placement.restored;
        placement.stage = match (was_there, was_sent) {
            (false, _) => Stage::Rejected,
            (true, false) => Stage::Waiting,
            (true, true) => Stage::Unknown,
        };
        placement.touched = sequence;
        placement.queued = false;
        placement.reason = None;
        if was_there {
            // It may have been refused since, which nobody was told.
            placement.error = None;
        }
        // What confirms the removal does not confirm the flow.
        placement.tally.lost |= placement.tally.outstanding > 0;
        if was_there {
            self.reclaim(number, id);
        }
        self.index_placement(number, id);
        self.read_now(id);
    }

    /// Whether another flow that the disk knows has taken the place of this one, and is there.
    fn has_been_followed(&self, number: FlowNumber, id: NodeId) -> bool {
        let Some(flow) = self.flows.get(&number) else { return false };
        if flow.placement(id).is_none_or(|placement| placement.stage != Stage::Superseded) {
            return false;
        }
        let is_there = |holder: &FlowNumber| {
            let known = self.flows.get(holder).filter(|flow| *holder != number && flow.told().is_some());
            known.and_then(|flow| flow.placement(id)).is_some_and(|placement| placement.stage == Stage::Applied)
        };
        let rules = self.rules_of(&flow.asked.request());
        rules.iter().filter_map(|rule| self.claims.get(id, rule_hash(rule))).any(|holder| is_there(&holder))
    }
}
