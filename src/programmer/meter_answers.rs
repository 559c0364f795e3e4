//! What switches say of meters: what became of METER_MODs, and which meters there are.
//!
//! A list of the switch's meters comes before every reading of its tables, at least on each new connection: what is
//! missing is added and what was changed is changed back before rules are judged, and what is ours and wanted no more
//! is deleted. Numbers that are not ours are left alone.

use std::collections::HashMap;

use openflow::{ErrorCode, ErrorMsg, MeterConfig, MeterId, MeterModCommand};
use tracing::{debug, info, warn};

use super::cookie::{FlowNumber, Purpose};
use super::engine::Engine;
use super::flow::{Reason, Stage};
use super::meter::{MeterStage, Owner};
use super::node::{ListedMeters, Node, NodeId, Sync};
use super::outcome::{switch_error, too_long};
use crate::contract::{NodeName, SwitchError};
use crate::policy::Limit;
use crate::session::{Outcome, ReadError, UnknownReason, describe};

/// How a meter of ours is not as it is to be.
struct Deviation {
    owner: Owner,
    command: MeterModCommand,
    reason: Reason,
}

impl Engine {
    /// The switch has told which meters it has, or will not.
    pub(super) fn meters_read(&mut self, id: NodeId, result: &Result<Vec<MeterConfig>, ReadError>) {
        let Some(live) = self.nodes.get(&id).and_then(Node::live) else { return };
        let Sync::ReadingMeters { began, first } = live.sync else { return };
        // What is to be another one than before, nobody has changed.
        let is_expected = first || live.is_replanned;
        let (listed, meters) = match result {
            Ok(meters) => (ListedMeters::Known, meters.as_slice()),
            Err(ReadError::Refused(error)) => {
                warn!(node = self.node_name(id).map(NodeName::as_str), error = describe(error), "no list of meters");
                (ListedMeters::Refused, &[][..])
            }
            Err(error) => return self.read_failed(id, error),
        };
        if let Some(live) = self.nodes.get_mut(&id).and_then(Node::live_mut) {
            live.sync = Sync::Metering { first };
            live.listed_meters = listed;
        }
        if listed == ListedMeters::Known && self.nodes.get(&id).is_some_and(|node| node.leaving.is_none()) {
            self.reconcile_meters(id, meters, began, is_expected);
        }
        self.check_metered(id);
    }

    /// Brings the switch's meters and ours together.
    fn reconcile_meters(&mut self, id: NodeId, there: &[MeterConfig], began: u64, is_expected: bool) {
        let there: HashMap<MeterId, &MeterConfig> = there.iter().map(|meter| (meter.meter_id, meter)).collect();
        let Some(node) = self.nodes.get_mut(&id) else { return };
        node.meters.set_foreign(there.keys().copied());
        let flows: Vec<FlowNumber> = node.flows.iter().collect();
        for number in flows {
            let placement = self.flows.get(&number).and_then(|flow| flow.placement(id));
            let Some(placement) = placement.filter(|placement| placement.stage.is_desired()) else { continue };
            // Flows that go together have their meters made when all of their switches are there.
            if placement.undecided().is_some() && self.meter_of(number, id).is_none() {
                continue;
            }
            let Some(limit) = self.flows.get(&number).and_then(|flow| self.limit_of_flow(flow)) else { continue };
            // What the switch cannot meter is told when the flow's rules are looked at.
            if self.meter_on(id, &limit).is_ok() {
                self.use_meter(number, id);
            }
        }
        let Some(node) = self.nodes.get(&id) else { return };
        let known = |stage| matches!(stage, MeterStage::There | MeterStage::Unread | MeterStage::Held);
        let judged: Vec<(Owner, MeterId, bool)> = node
            .meters
            .iter()
            .filter(|(_, meter)| known(meter.stage) && meter.touched <= began)
            .map(|(owner, meter)| (owner.clone(), meter.id, !meter.users.is_empty()))
            .collect();
        for (owner, meter_id, is_wanted) in judged {
            match (is_wanted, there.get(&meter_id)) {
                (false, None) => self.forget_meter(id, &owner),
                // The rules behind it, which would go with it, go first.
                (false, Some(_)) => self.meter_waits(id, &owner),
                (true, Some(found)) if self.is_as_wanted(id, &owner, found) => self.meter_is_there(id, &owner),
                (true, found) => {
                    let (command, reason) = if found.is_some() {
                        (MeterModCommand::Modify, Reason::Changed)
                    } else {
                        (MeterModCommand::Add, Reason::Deleted)
                    };
                    self.meter_deviates(id, Deviation { owner, command, reason }, is_expected);
                }
            }
        }
    }

    fn meter_waits(&mut self, id: NodeId, owner: &Owner) {
        if let Some(meter) = self.nodes.get_mut(&id).and_then(|node| node.meters.get_mut(owner)) {
            meter.stage = MeterStage::There;
        }
    }

    /// Deletes the meters that nobody is to be behind, when what has gone out before is settled. What large batches have
    /// in bundles need not be: a new flow leaves its meter when it is settled itself.
    pub(super) fn drop_meters_when_settled(&mut self, id: NodeId) {
        let Some(node) = self.nodes.get_mut(&id) else { return };
        let Some(live) = node.live_mut() else { return };
        let is_settled = |until: &mut u64| live.settled >= *until && live.bundled == live.bulk;
        if live.meters_leave.take_if(is_settled).is_none() {
            return;
        }
        let useless: Vec<Owner> =
            node.meters.iter().filter(|(_, meter)| meter.is_useless()).map(|(owner, _)| owner.clone()).collect();
        useless.iter().for_each(|owner| self.delete_meter(id, owner));
    }

    fn is_as_wanted(&self, id: NodeId, owner: &Owner, found: &MeterConfig) -> bool {
        let limit = self.limit_of_owner(owner);
        let shape = limit.and_then(|limit| self.meter_on(id, &limit).ok());
        shape.is_some_and(|(shape, _)| shape.is(found.flags, &found.bands))
    }

    /// The limit that a meter enforces.
    pub(super) fn limit_of_owner(&self, owner: &Owner) -> Option<Limit> {
        match owner {
            Owner::Flow(number) => self.limit_of_flow(self.flows.get(number)?),
            Owner::Class(name) => Limit::of_class(self.classes.known(name)?),
        }
    }

    /// A meter is gone or changed: puts it right, unless that has been done too often. What a switch has not when it
    /// connects, nobody took away.
    fn meter_deviates(&mut self, id: NodeId, deviation: Deviation, is_expected: bool) {
        let Deviation { owner, command, reason } = deviation;
        let now = self.now;
        let node_name = self.node_name(id).cloned();
        let Some(meter) = self.nodes.get_mut(&id).and_then(|node| node.meters.get_mut(&owner)) else { return };
        let (meter_id, node) = (meter.id.0, node_name.as_ref().map(NodeName::as_str));
        if is_expected {
            debug!(meter_id, node, %reason, "a meter is not there as it was; restoring");
        } else if meter.repairs.may_repair(now) {
            info!(meter_id, node, %reason, "a meter has drifted; repairing");
        } else {
            warn!(meter_id, node, %reason, "a meter has drifted too often; held instead of repaired again");
            meter.stage = MeterStage::Held;
            let users: Vec<_> = meter.users.iter().copied().collect();
            users.into_iter().for_each(|number| self.hold_drifted(number, id, reason));
            return self.read_when_held(id);
        }
        let known = [MeterStage::There, MeterStage::Unread, MeterStage::Held];
        self.change_meter(id, &owner, command, &known);
    }

    /// The limit of the flow is not enforced, and not put right for now.
    fn hold_drifted(&mut self, number: FlowNumber, id: NodeId, reason: Reason) {
        let Some(placement) = self.flows.get_mut(&number).and_then(|flow| flow.placement_mut(id)) else { return };
        if placement.stage == Stage::Applied && !placement.is_under_way() {
            placement.stage = Stage::Drifted;
            placement.reason = Some(reason);
            self.flow_moved(number);
        }
    }

    /// What a METER_MOD came to.
    pub(super) fn meter_settled(&mut self, purpose: Purpose, meter_id: MeterId, id: NodeId, outcome: Outcome) {
        let Some(owner) = self.nodes.get(&id).and_then(|node| node.meters.owner(meter_id)).cloned() else { return };
        let touched = self.next_sequence();
        let Some(meter) = self.nodes.get_mut(&id).and_then(|node| node.meters.get_mut(&owner)) else { return };
        let awaited = if purpose == Purpose::DeleteMeter { MeterStage::Removing } else { MeterStage::Changing };
        if meter.stage != awaited || matches!(outcome, Outcome::Unknown(UnknownReason::BarrierOverdue)) {
            return;
        }
        meter.touched = touched;
        let was_sent = meter.was_sent;
        match (purpose, outcome) {
            (Purpose::DeleteMeter, Outcome::Refused(error)) => {
                let node = self.node_name(id).map(NodeName::as_str);
                warn!(meter = meter_id.0, node, error = describe(&error), "the switch refused to delete a meter");
                self.meter_deleted(id, &owner);
            }
            (Purpose::DeleteMeter, Outcome::Confirmed) => self.meter_deleted(id, &owner),
            (_, Outcome::Confirmed) => self.meter_is_there(id, &owner),
            (Purpose::AddMeter, Outcome::Refused(error))
                if error.error_code() == ErrorCode::METER_MOD_FAILED_METER_EXISTS =>
            {
                if was_sent {
                    self.meter_in_doubt(id, &owner);
                } else {
                    self.renumber_meter(id, owner);
                }
            }
            (Purpose::ChangeMeter, Outcome::Refused(error)) if is_meter_missing(&error) => {
                self.meter_in_doubt(id, &owner);
            }
            (_, Outcome::Refused(error)) => self.refuse_meter(purpose, id, &owner, &switch_error(&error)),
            (_, Outcome::Unencodable) => self.refuse_meter(purpose, id, &owner, &too_long()),
            (_, Outcome::Unknown(_) | Outcome::NotSent | Outcome::RolledBack(_)) => self.meter_in_doubt(id, &owner),
        }
        self.check_metered(id);
    }

    /// An error came for a METER_MOD that had been confirmed.
    pub(super) fn late_meter_refusal(&mut self, purpose: Purpose, meter_id: MeterId, id: NodeId, error: &ErrorMsg) {
        let Some(owner) = self.nodes.get(&id).and_then(|node| node.meters.owner(meter_id)).cloned() else { return };
        warn!(meter = meter_id.0, error = describe(error), "the switch refused a meter after it had confirmed it");
        if purpose != Purpose::DeleteMeter {
            self.refuse_meter(purpose, id, &owner, &switch_error(error));
        }
    }

    /// Whether the switch has the meter as it is to be can only be told by the switch.
    pub(super) fn meter_in_doubt(&mut self, id: NodeId, owner: &Owner) {
        if let Some(meter) = self.nodes.get_mut(&id).and_then(|node| node.meters.get_mut(owner)) {
            meter.stage = MeterStage::Unread;
        }
        self.read_now(id);
    }

    /// The meter of a flow may be gone, and its rules with it.
    pub(super) fn doubt_meter_of(&mut self, number: FlowNumber, id: NodeId) {
        if let Some(owner) = self.meter_owner(number)
            && let Some(meter) = self.nodes.get(&id).and_then(|node| node.meters.get(&owner))
            && meter.stage == MeterStage::There
        {
            self.meter_in_doubt(id, &owner);
        }
    }

    /// The switch has the meter as it is to be: what waited for it goes on.
    fn meter_is_there(&mut self, id: NodeId, owner: &Owner) {
        let Some(meter) = self.nodes.get_mut(&id).and_then(|node| node.meters.get_mut(owner)) else { return };
        meter.stage = MeterStage::There;
        let parked = std::mem::take(&mut meter.parked);
        if meter.users.is_empty() {
            return self.delete_meter(id, owner);
        }
        let users: Vec<FlowNumber> = meter.users.iter().copied().collect();
        self.touch_atoms_of(users, id);
        for number in parked {
            let Some(placement) = self.flows.get_mut(&number).and_then(|flow| flow.placement_mut(id)) else { continue };
            if placement.stage.is_desired() {
                let rules = self.rules_on(number, id);
                self.push_install(number, id, rules);
            }
        }
    }

    /// The meter has left the switch; a flow may have asked for it again meanwhile.
    fn meter_deleted(&mut self, id: NodeId, owner: &Owner) {
        let Some(meter) = self.nodes.get_mut(&id).and_then(|node| node.meters.get_mut(owner)) else { return };
        if meter.users.is_empty() {
            return self.forget_meter(id, owner);
        }
        let leaving = std::mem::take(&mut meter.leaving);
        leaving.into_iter().for_each(|number| self.left_meter(number, id));
        self.change_meter(id, owner, MeterModCommand::Add, &[MeterStage::Removing]);
    }

    /// Somebody else has a meter of this number.
    fn renumber_meter(&mut self, id: NodeId, owner: Owner) {
        let Some(node) = self.nodes.get_mut(&id) else { return };
        if node.meters.get(&owner).is_some_and(|meter| meter.users.is_empty()) {
            return self.forget_meter(id, &owner);
        }
        node.meters.renumber(&owner);
        self.record_meter(id, owner);
    }

    /// The switch will not have the meter: none of its flows can be as asked.
    fn refuse_meter(&mut self, purpose: Purpose, id: NodeId, owner: &Owner, error: &SwitchError) {
        let Some(meter) = self.nodes.get_mut(&id).and_then(|node| node.meters.get_mut(owner)) else { return };
        meter.stage = MeterStage::There;
        meter.parked.clear();
        let users: Vec<FlowNumber> = meter.users.iter().copied().collect();
        if purpose == Purpose::AddMeter {
            self.forget_meter(id, owner);
        }
        for number in users {
            if self.refuse_atom_for_meter(number, id, error) {
                continue;
            }
            let Some(placement) = self.flows.get_mut(&number).and_then(|flow| flow.placement_mut(id)) else { continue };
            if placement.stage.is_desired() {
                placement.error.get_or_insert_with(|| Box::new(error.clone()));
                placement.queued = false;
                // What is under way concludes with the error.
                if placement.tally.outstanding == 0 {
                    self.refused(number, id);
                }
                self.flow_moved(number);
            }
        }
        if self.nodes.get(&id).and_then(|node| node.meters.get(owner)).is_some_and(|meter| meter.users.is_empty()) {
            self.delete_meter(id, owner);
        }
    }

    /// When the meters are as they are to be, the rules are looked at. A disk without room is not waited for.
    pub(super) fn check_metered(&mut self, id: NodeId) {
        let has_room = self.unsaved.retry_at.is_none();
        let Some(node) = self.nodes.get(&id) else { return };
        let Some(Sync::Metering { first }) = node.live().map(|live| live.sync) else { return };
        if node.meters.is_changing() || has_room && node.meters.is_recording() {
            return;
        }
        self.read_flows(id, first);
    }
}

/// Whether a switch refuses for want of a meter.
pub(super) fn is_meter_missing(error: &ErrorMsg) -> bool {
    let code = error.error_code();
    code == ErrorCode::METER_MOD_FAILED_INVALID_METER || code == ErrorCode::METER_MOD_FAILED_UNKNOWN_METER
}
