//! Flows behind meters: which meter a flow has on a node, and the order of things. A meter is on the switch before the
//! rules that use it, and leaves it after them.
//!
//! METER_MODs are not allowed in bundles, and a number may turn out to be somebody else's, so nothing is sent behind a
//! meter that the switch has not confirmed. Until then the flow's rules are parked. What the switch says of meters is in
//! [`super::meter_answers`].

use openflow::{MeterMod, MeterModCommand};

use super::cookie::FlowNumber;
use super::engine::Engine;
use super::flow::{Flow, Placement, Stage};
use super::meter::{Meter, MeterStage, Meters, Owner};
use super::node::{Job, ListedMeters, Node, NodeId};
use crate::contract::InstallFlow;
use crate::policy::{self, Limit, Rule, Scope};

/// A number that was sent to the disk with this commit, and whose it is.
#[derive(Debug)]
pub(super) struct Recorded {
    pub(super) commit: u64,
    pub(super) node: NodeId,
    pub(super) owner: Owner,
}

impl Engine {
    /// The limit of a request by its own word or its class's.
    pub(super) fn limit_of(&self, request: &InstallFlow) -> Option<Limit> {
        Limit::of(request, self.classes.known(&request.traffic_type)?)
    }

    /// The same for a flow; most have none, and that is soon found out.
    pub(super) fn limit_of_flow(&self, flow: &Flow) -> Option<Limit> {
        let class = self.classes.known(flow.asked.traffic_type())?;
        let may_have_one = flow.asked.has_rate_limit() || class.limit.is_some();
        may_have_one.then(|| Limit::of(&flow.asked.request(), class)).flatten()
    }

    /// Whose meter a flow is behind, if it is limited.
    pub(super) fn meter_owner(&self, number: FlowNumber) -> Option<Owner> {
        let flow = self.flows.get(&number)?;
        Some(match self.limit_of_flow(flow)?.scope {
            Scope::Flow => Owner::Flow(number),
            Scope::Class => Owner::Class(flow.asked.traffic_type().to_owned()),
        })
    }

    /// The meter that a flow is behind on a node, once it has a number.
    pub(super) fn meter_of(&self, number: FlowNumber, id: NodeId) -> Option<&Meter> {
        let meters = &self.nodes.get(&id)?.meters;
        // Where there is none, whose it would be need not be known.
        if meters.is_empty() { None } else { meters.get(&self.meter_owner(number)?) }
    }

    /// The rules of a flow as they are to be on a node.
    pub(super) fn rules_on(&self, number: FlowNumber, id: NodeId) -> Vec<Rule> {
        let Some(flow) = self.flows.get(&number) else { return Vec::new() };
        self.behind_meter(number, id, self.rules_of(&flow.asked.request()))
    }

    fn behind_meter(&self, number: FlowNumber, id: NodeId, rules: Vec<Rule>) -> Vec<Rule> {
        match self.meter_of(number, id).map(|meter| meter.id) {
            Some(meter) => rules.into_iter().map(|rule| rule.metered(meter)).collect(),
            None => rules,
        }
    }

    /// Queues a flow's rules, behind its meter if it has one.
    pub(super) fn push_install(&mut self, number: FlowNumber, id: NodeId, rules: Vec<Rule>) {
        if self.refuse_incapable(number, id, &rules) || self.parks(number, id) {
            return;
        }
        let rules = self.behind_meter(number, id, rules);
        self.push_job(id, Job::Install { number, rules });
    }

    /// Whether the rules of the flow have to wait: for its meter, or for what the switch will say of its meters.
    fn parks(&mut self, number: FlowNumber, id: NodeId) -> bool {
        let Some(owner) = self.meter_owner(number) else { return false };
        if self.nodes.get(&id).is_none_or(|node| node.live().is_none()) {
            return false;
        }
        if !self.knows_meters(id) {
            // The first reading of the switch's tables finds it wanting.
            self.with_placement(number, id, |placement| placement.queued = false);
            return true;
        }
        self.use_meter(number, id);
        let meter = self.nodes.get_mut(&id).and_then(|node| node.meters.get_mut(&owner));
        match meter.filter(|meter| meter.stage != MeterStage::There) {
            Some(meter) => {
                meter.parked.insert(number);
                self.with_placement(number, id, |placement| placement.queued = true);
                true
            }
            None => false,
        }
    }

    pub(super) fn knows_meters(&self, id: NodeId) -> bool {
        let live = self.nodes.get(&id).and_then(Node::live);
        live.is_some_and(|live| live.listed_meters == ListedMeters::Known)
    }

    fn with_placement(&mut self, number: FlowNumber, id: NodeId, change: impl FnOnce(&mut Placement)) {
        if let Some(placement) = self.flows.get_mut(&number).and_then(|flow| flow.placement_mut(id)) {
            change(placement);
        }
    }

    /// Counts the flow among the users of its meter. Where there is none yet it gets a number, which is on its way to
    /// the disk then.
    pub(super) fn use_meter(&mut self, number: FlowNumber, id: NodeId) {
        let Some(owner) = self.meter_owner(number) else { return };
        let Some(node) = self.nodes.get_mut(&id) else { return };
        if let Some(meter) = node.meters.get_mut(&owner) {
            meter.users.insert(number);
            return;
        }
        node.meters.make(owner.clone()).users.insert(number);
        self.read_now_and_then(id);
        self.record_meter(id, owner);
    }

    /// Writes down that the number of a meter is ours, or is no more.
    pub(super) fn save_meter(&mut self, id: NodeId, owner: &Owner) {
        match owner {
            Owner::Flow(number) if self.flows.contains_key(number) => self.save_flow(*number),
            Owner::Flow(_) => {}
            Owner::Class(_) => self.save_node(id),
        }
    }

    pub(super) fn record_meter(&mut self, id: NodeId, owner: Owner) {
        self.save_meter(id, &owner);
        self.recording.push_back(Recorded { commit: self.next_commit, node: id, owner });
    }

    /// Numbers are on the disk: their meters may be sent.
    pub(super) fn meters_recorded(&mut self, durable: u64) {
        while let Some(Recorded { node, owner, .. }) =
            self.recording.pop_front_if(|recorded| recorded.commit <= durable)
        {
            self.change_meter(node, &owner, MeterModCommand::Add, &[MeterStage::Recording]);
        }
    }

    /// Numbers found no room on the disk: they are written again with the rest, and wait until then.
    pub(super) fn meters_not_recorded(&mut self, last: u64) {
        for recorded in self.recording.iter_mut().filter(|recorded| recorded.commit <= last) {
            recorded.commit = u64::MAX;
        }
        let nodes: Vec<NodeId> = self.nodes.keys().copied().collect();
        nodes.into_iter().for_each(|id| self.check_metered(id));
    }

    /// What found no room is being written again with the next commit.
    pub(super) fn record_meters_again(&mut self) {
        let commit = self.next_commit;
        for recorded in self.recording.iter_mut().filter(|recorded| recorded.commit == u64::MAX) {
            recorded.commit = commit;
        }
        self.recording.make_contiguous().sort_by_key(|recorded| recorded.commit);
    }

    /// Queues the METER_MOD that makes the meter what it is to be, if it stands at one of these stages.
    pub(super) fn change_meter(&mut self, id: NodeId, owner: &Owner, command: MeterModCommand, stages: &[MeterStage]) {
        let limit = self.limit_of_owner(owner);
        let is_live = self.nodes.get(&id).is_some_and(|node| node.live().is_some());
        let Some((shape, _)) = limit.filter(|_| is_live).and_then(|limit| self.meter_on(id, &limit).ok()) else {
            return;
        };
        if let Some(meter) = self.meter_at(id, owner, stages) {
            meter.stage = MeterStage::Changing;
            let request = shape.request(command, meter.id);
            self.push_meter(id, owner, request);
        }
    }

    fn meter_at(&mut self, id: NodeId, owner: &Owner, stages: &[MeterStage]) -> Option<&mut Meter> {
        let meter = self.nodes.get_mut(&id)?.meters.get_mut(owner)?;
        stages.contains(&meter.stage).then_some(meter)
    }

    fn push_meter(&mut self, id: NodeId, owner: &Owner, request: MeterMod) {
        let touched = self.next_sequence();
        if let Some(meter) = self.nodes.get_mut(&id).and_then(|node| node.meters.get_mut(owner)) {
            meter.touched = touched;
        }
        self.push_job(id, Job::Meter(request));
    }

    /// Takes the meter off the switch.
    pub(super) fn delete_meter(&mut self, id: NodeId, owner: &Owner) {
        let stages = [MeterStage::There, MeterStage::Unread, MeterStage::Held];
        if let Some(meter) = self.meter_at(id, owner, &stages) {
            meter.stage = MeterStage::Removing;
            let request = policy::delete_meter(meter.id);
            self.push_meter(id, owner, request);
        }
    }

    /// The flow is behind its meter no more, because its rules are gone or are not to be. True when that was the last
    /// one and the meter has yet to leave the switch: the flow hears of it in [`Engine::left_meter`].
    pub(super) fn release_meter(&mut self, number: FlowNumber, id: NodeId) -> bool {
        let Some(owner) = self.meter_owner(number) else { return false };
        let Some(node) = self.nodes.get_mut(&id) else { return false };
        let is_live = node.live().is_some();
        let Some(meter) = node.meters.get_mut(&owner) else { return false };
        meter.users.remove(&number);
        meter.parked.remove(&number);
        if !meter.users.is_empty() {
            return false;
        }
        match meter.stage {
            // It was never sent.
            MeterStage::Recording => {
                self.forget_meter(id, &owner);
                return false;
            }
            // The first reading on the next connection takes it away.
            _ if !is_live => return false,
            MeterStage::There | MeterStage::Held => self.delete_meter(id, &owner),
            MeterStage::Unread => self.read_now(id),
            MeterStage::Changing | MeterStage::Removing => {}
        }
        if let Some(meter) = self.nodes.get_mut(&id).and_then(|node| node.meters.get_mut(&owner)) {
            meter.leaving.insert(number);
        }
        true
    }

    /// The meter is not on the switch, and nobody wants it: its number is free.
    pub(super) fn forget_meter(&mut self, id: NodeId, owner: &Owner) {
        let Some(meter) = self.nodes.get_mut(&id).and_then(|node| node.meters.forget(owner)) else { return };
        self.save_meter(id, owner);
        meter.leaving.into_iter().for_each(|number| self.left_meter(number, id));
        if let Owner::Flow(number) = owner {
            self.forget_freed(*number);
        }
    }

    /// No rule of the flow is on the switch any more: it has left, once its meter has.
    pub(super) fn rules_left(&mut self, number: FlowNumber, id: NodeId) {
        let waits = self.release_meter(number, id);
        self.change_placement(number, id, |placement| match waits {
            true => placement.queued = true,
            false => placement.stage = Stage::Removed,
        });
    }

    /// Neither rules nor meter of the flow are on the switch any more.
    pub(super) fn left_meter(&mut self, number: FlowNumber, id: NodeId) {
        let Some(placement) = self.flows.get_mut(&number).and_then(|flow| flow.placement_mut(id)) else { return };
        if placement.tally.outstanding > 0 {
            return;
        }
        placement.queued = false;
        match placement.stage {
            Stage::Removing => self.change_placement(number, id, |placement| placement.stage = Stage::Removed),
            Stage::Undoing => self.reject(number, id),
            Stage::Waiting
            | Stage::Sent
            | Stage::Applied
            | Stage::Rejected
            | Stage::Unknown
            | Stage::Drifted
            | Stage::Removed
            | Stage::Expired
            | Stage::Superseded => {}
        }
        self.flow_moved(number);
    }

    /// Whether the disk has to remember the flow for the sake of a meter that is to be taken off a switch.
    pub(super) fn has_meter(&self, number: FlowNumber) -> bool {
        let owner = Owner::Flow(number);
        let placements = self.flows.get(&number).map(|flow| flow.placements.as_slice()).unwrap_or_default();
        let has = |meters: &Meters| meters.get(&owner).is_some();
        placements.iter().any(|placement| self.nodes.get(&placement.node).is_some_and(|node| has(&node.meters)))
    }
}
