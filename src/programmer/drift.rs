//! Others at work on the same switch: rules of ours that end, are deleted or are changed.
//!
//! A switch with a flow monitor tells of every change that somebody else makes; one without tells of deletions with
//! FLOW_REMOVED, and the rest is found by reading its tables now and then (see [`super::reconcile`]). What is ours is
//! put back, unless that has been done too often.

use openflow::{FlowRemoved, FlowRemovedReason, FlowUpdateEvent, FlowUpdateFull};
use tracing::{debug, info, warn};

use super::TableMiss;
use super::cookie::FlowNumber;
use super::engine::Engine;
use super::flow::{Placement, Reason, Stage};
use super::install::{place_hash, rule_hash};
use super::node::{Job, Node, NodeId, Sync};
use super::table_miss::is_table_miss;
use crate::contract::{AlarmKind, NodeName};
use crate::policy::Rule;

/// OFPRR_EVICTION of OpenFlow 1.4, which a flow monitor uses on 1.3 too.
const EVICTION: u16 = 5;

/// Work that may wait for a switch before what else it tells of strays is left to the next read: a switch that makes
/// them up without end is not followed without end.
pub(super) const MAX_WAITING: usize = 65_536;

/// How a rule came to its end.
enum End {
    TimedOut,
    TakenAway(Reason),
}

impl Engine {
    /// FLOW_REMOVED. Where there is a flow monitor it says the same, and more, so it is heard instead.
    pub(super) fn flow_removed(&mut self, id: NodeId, removed: &FlowRemoved) {
        if self.nodes.get(&id).and_then(|node| node.live()).is_some_and(|live| live.has_monitor) {
            return;
        }
        let end = match removed.reason {
            FlowRemovedReason::IdleTimeout | FlowRemovedReason::HardTimeout => End::TimedOut,
            _ => End::TakenAway(Reason::Deleted),
        };
        let place = place_hash(removed.table_id, removed.priority, &removed.flow_match);
        self.rule_gone(id, removed.cookie, place, end);
    }

    /// What a flow monitor tells of others.
    pub(super) fn flow_updates(&mut self, id: NodeId, updates: &[FlowUpdateFull]) {
        for update in updates {
            let place = place_hash(update.table_id, update.priority, &update.flow_match);
            match update.event {
                FlowUpdateEvent::Deleted => {
                    self.foreign_rule_gone(id, update, place);
                    let end = match update.reason {
                        0 | 1 => End::TimedOut,
                        EVICTION => End::TakenAway(Reason::Evicted),
                        _ => End::TakenAway(Reason::Deleted),
                    };
                    self.rule_gone(id, update.cookie, place, end);
                }
                _ => self.rule_changed(id, update, place),
            }
        }
    }

    /// A rule of somebody else is gone, and if it was a table-miss rule, ours has its place.
    fn foreign_rule_gone(&mut self, id: NodeId, update: &FlowUpdateFull, place: u64) {
        let Some(node) = self.nodes.get_mut(&id) else { return };
        if node.foreign.cookie(place) != Some(update.cookie) {
            return;
        }
        node.foreign.remove(place);
        if is_table_miss(self.config.pipeline, update.table_id, update.priority, &update.flow_match)
            && self.config.table_miss != TableMiss::None
            && node.leaving.is_none()
        {
            node.warnings.remove("table-miss");
            self.push_job(id, Job::WriteTableMiss);
        }
    }

    /// A rule of ours is gone.
    fn rule_gone(&mut self, id: NodeId, cookie: u64, place: u64, end: End) {
        let Some(number) = self.tag.number(cookie) else { return };
        if number == FlowNumber::TABLE_MISS {
            return self.table_miss_gone(id);
        }
        let Some(flow) = self.flows.get(&number) else { return };
        let rules = flow.rules;
        let gone = self.rules_on(number, id).into_iter().find(|rule| rule_hash(rule) == place);
        let is_yielding = gone.as_ref().is_some_and(|rule| self.is_yielding(number, id, std::slice::from_ref(rule)));
        if matches!(end, End::TakenAway(_)) {
            // The rules that use a meter go with it.
            self.doubt_meter_of(number, id);
        }
        let Some(placement) = self.flows.get_mut(&number).and_then(|flow| flow.placement_mut(id)) else { return };
        let (Some(rule), true) = (gone, placement.stage.is_desired()) else { return };
        match end {
            End::TimedOut => {
                placement.set_expired_rules(placement.expired_rules() + 1);
                if placement.expired_rules() >= rules {
                    placement.stage = Stage::Expired;
                    self.flow_left(number, id);
                } else {
                    self.save_flow(number);
                }
                self.flow_moved(number);
            }
            // Another flow is about to have the place.
            End::TakenAway(_) if is_yielding => {}
            // While FLOW_MODs are under way it cannot be told which of them it concerns: the table is read instead.
            End::TakenAway(_) if placement.is_under_way() => placement.tally.lost = true,
            End::TakenAway(_) if placement.is_held() => {}
            End::TakenAway(reason) => self.drifted(number, id, vec![rule], reason),
        }
    }

    /// Somebody else has written a rule: one of their own, perhaps in the place of ours, ours with other actions, or one
    /// under our tag that belongs to no flow.
    fn rule_changed(&mut self, id: NodeId, update: &FlowUpdateFull, place: u64) {
        if self.tag.number(update.cookie).is_none()
            && let Some(node) = self.nodes.get_mut(&id)
        {
            let is_beside = update.table_id == self.config.pipeline.qos_table();
            node.foreign.insert(is_beside, update.table_id, update.priority, &update.flow_match, update.cookie);
        }
        if self.is_table_miss(update.table_id, update.priority, &update.flow_match) {
            return self.table_miss_changed(id, update);
        }
        let claimed = self.claims.get(id, place);
        if let Some(number) = self.tag.number(update.cookie)
            && claimed != Some(number)
        {
            // While FLOW_MODs of the flow are under way it may be one of them that is on its way out.
            if self.is_under_way(number, id) {
                return self.read_soon(id);
            }
            let rule = Rule {
                table_id: update.table_id,
                priority: update.priority,
                flow_match: update.flow_match.clone(),
                instructions: Vec::new(),
            };
            if self.nodes.get(&id).is_some_and(|node| node.queue.len() >= MAX_WAITING) {
                return self.read_soon(id);
            }
            return self.push_job(id, Job::Sweep { cookie: update.cookie, rule });
        }
        let Some(number) = claimed else { return };
        let Some(rule) = self.rules_on(number, id).into_iter().find(|rule| rule_hash(rule) == place) else { return };
        let is_as_asked = update.cookie == self.tag.cookie(number) && update.instructions == rule.instructions;
        let Some(placement) = self.flows.get_mut(&number).and_then(|flow| flow.placement_mut(id)) else { return };
        if is_as_asked || !placement.stage.is_desired() || placement.is_held() {
            return;
        }
        if placement.is_under_way() {
            placement.tally.lost = true;
        } else {
            self.drifted(number, id, vec![rule], Reason::Changed);
        }
    }

    fn is_under_way(&self, number: FlowNumber, id: NodeId) -> bool {
        let placement = self.flows.get(&number).and_then(|flow| flow.placement(id));
        placement.is_some_and(Placement::is_under_way)
    }

    /// The switch has these rules of a flow no longer, or not as asked: puts them back, unless that has been done too
    /// often. What it had not when it connected, nobody took away: a switch that restarts gets it however often it does.
    pub(super) fn drifted(&mut self, number: FlowNumber, id: NodeId, rules: Vec<Rule>, reason: Reason) {
        let now = self.now;
        let live = self.nodes.get(&id).and_then(Node::live);
        let has_just_connected = live.is_some_and(|live| matches!(live.sync, Sync::Reading { first: true, .. }));
        let Some(flow) = self.flows.get_mut(&number) else { return };
        let flow_id = flow.asked.flow_id();
        let Some(placement) = flow.placement_mut(id) else { return };
        // It is not alone in being there or not.
        if placement.undecided().is_some() {
            return self.read_soon(id);
        }
        // None of its rules is known to be there yet, so all of them are sent.
        if !matches!(placement.stage, Stage::Applied | Stage::Drifted) {
            placement.queued = true;
            let rules = self.rules_on(number, id);
            return self.push_install(number, id, rules);
        }
        placement.stage = Stage::Drifted;
        placement.reason = Some(reason);
        // What a replacement of ours took that came to nothing, nobody else took either.
        let is_ours = placement.take_was_yielding() || has_just_connected;
        let repair = is_ours || placement.more().repairs.may_repair(now);
        placement.queued = repair;
        let node = self.node_name(id).map(NodeName::as_str);
        if is_ours {
            debug!(flow = flow_id.as_str(), node, %reason, "not there as it was; restoring");
            self.push_install(number, id, rules);
        } else if repair {
            info!(flow = flow_id.as_str(), node, %reason, "drifted; repairing");
            let message = format!("another program took a rule of the flow away ({reason}); it is put back");
            self.alarm(AlarmKind::Drift, Some(id), Some(flow_id), &message);
            self.push_install(number, id, rules);
        } else {
            warn!(flow = flow_id.as_str(), node, %reason, "drifted too often; held instead of repaired again");
            let message =
                format!("another program took a rule of the flow away again ({reason}); it is held, not repaired");
            self.alarm(AlarmKind::FlowHeld, Some(id), Some(flow_id), &message);
            self.read_when_held(id);
        }
        self.flow_moved(number);
    }
}
