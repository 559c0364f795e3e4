//! Brings a switch and the desired state together: what the switch said it has against what it is to have.
//!
//! The comparison is with the desired state of the moment when the question left. What changed since, or is under way,
//! is not judged: its own answer will tell. A read that failed says nothing at all; it is not an empty table.

use std::collections::{HashMap, HashSet, VecDeque};

use openflow::FlowStats;
use tracing::{debug, info};

use super::asked::Asked;
use super::atom::Judged;
use super::cookie::FlowNumber;
use super::engine::Engine;
use super::flow::{Placement, Reason, Replan, Stage};
use super::install::{place_hash, rule_hash};
use super::meter::MeterStage;
use super::node::{Job, Lane, NodeId, Sync};
use super::table_miss::is_table_miss;
use crate::contract::{NodeName, Timestamp};
use crate::policy::Rule;

/// The rules that a switch has, by whom they belong to.
#[derive(Default)]
struct Seen<'a> {
    /// Ours: by flow, then by place.
    ours: HashMap<FlowNumber, Vec<&'a FlowStats>>,
    /// Our table-miss rule, and somebody else's.
    our_miss: Option<&'a FlowStats>,
    foreign_miss: Option<&'a FlowStats>,
}

impl Engine {
    /// Compares everything that a switch has with what it is to have, and queues what is to be done.
    pub(super) fn reconcile(&mut self, id: NodeId, entries: &[FlowStats]) {
        let Some(node) = self.nodes.get_mut(&id) else { return };
        let Some(Sync::Reading { began, first }) = node.live().map(|live| live.sync) else { return };
        let mut seen = Seen::default();
        let has_bundles = node.live().is_some_and(|live| live.has_bundles);
        let is_replanned = node.live_mut().is_some_and(|live| std::mem::take(&mut live.is_replanned));
        let before = node.queue.len();
        node.foreign.clear();
        for entry in entries {
            let is_miss = is_table_miss(self.config.pipeline, entry.table_id, entry.priority, &entry.flow_match);
            match self.tag.number(entry.cookie) {
                Some(FlowNumber::TABLE_MISS) if is_miss => seen.our_miss = Some(entry),
                Some(number) => seen.ours.entry(number).or_default().push(entry),
                None => {
                    let is_beside = entry.table_id == self.config.pipeline.qos_table();
                    node.foreign.insert(is_beside, entry.table_id, entry.priority, &entry.flow_match, entry.cookie);
                    if is_miss {
                        seen.foreign_miss = Some(entry);
                    }
                }
            }
        }
        debug!(node = %node.request.name, entries = entries.len(), first, "read the switch's tables");
        if node.leaving.is_none() {
            self.reconcile_table_miss(id, seen.our_miss, seen.foreign_miss);
            let desired: Vec<_> = self.nodes.get(&id).map(|node| node.flows.iter().collect()).unwrap_or_default();
            let mut judged = Judged::default();
            for number in desired {
                let rules = seen.ours.remove(&number).unwrap_or_default();
                let strays = self.reconcile_flow(id, number, rules, began, &mut judged);
                if !strays.is_empty() {
                    seen.ours.insert(number, strays);
                }
            }
            self.decide_found(id, judged);
            self.sweep(id, &seen);
        }
        let Some(node) = self.nodes.get_mut(&id) else { return };
        let lacking = node.queue.iter().skip(before).filter(|job| matches!(job, Job::Install { .. })).count();
        if first && lacking > 0 {
            info!(node = %node.request.name, flows = lacking, "putting flows on a switch that has just connected");
        }
        let is_bundled = (first || is_replanned) && has_bundles && node.leaving.is_none();
        let repairs = if is_bundled { node.queue.split_off(before) } else { VecDeque::new() };
        let Some(live) = node.live_mut() else { return };
        live.sync = Sync::Queued;
        match (first, repairs.is_empty()) {
            (true, false) => self.restore(id, repairs),
            (true, true) => self.push_job(id, Job::Synced),
            (false, _) => {
                // All of it together, however much it is: a switch has the classes of before or those of now.
                self.send_in_bundles(id, repairs, usize::MAX);
                self.synced(id);
            }
        }
    }

    /// Judges one flow by the rules that were found under its cookie; those that have no business there come back.
    fn reconcile_flow<'a>(
        &mut self,
        id: NodeId,
        number: FlowNumber,
        mut found: Vec<&'a FlowStats>,
        began: u64,
        judged: &mut Judged,
    ) -> Vec<&'a FlowStats> {
        let wall = self.wall;
        let Some(flow) = self.flows.get(&number) else { return found };
        let Some(placement) = flow.placement(id) else { return found };
        if let Some(atom) = placement.undecided() {
            return self.reconcile_undecided(atom, id, number, found, judged);
        }
        let stage = placement.stage;
        let is_moving = placement.touched > began || placement.is_under_way();
        let is_leaving = matches!(stage, Stage::Removing | Stage::Undoing);
        if !is_leaving && !stage.is_desired() {
            if found.is_empty() && !is_moving && placement.in_doubt {
                self.flows
                    .get_mut(&number)
                    .and_then(|flow| flow.placement_mut(id))
                    .into_iter()
                    .for_each(|placement| placement.in_doubt = false);
            }
            return found;
        }
        let meter = self.meter_of(number, id);
        if stage.is_desired() && meter.is_some_and(|meter| meter.stage != MeterStage::There) {
            return Vec::new();
        }
        let is_unmetered = meter.is_none() && self.limit_of_flow(flow).is_some();
        let rules = self.rules_on(number, id);
        let places: HashSet<u64> =
            if found.is_empty() { HashSet::new() } else { rules.iter().map(rule_hash).collect() };
        let strays: Vec<_> = found.extract_if(.., |entry| !places.contains(&place_of(entry))).collect();
        if is_moving {
            return strays;
        }
        if is_leaving {
            self.reconcile_removal(id, number, stage, !found.is_empty());
            return strays;
        }
        // What is to be behind a meter and has none is not as asked, whatever its rules are.
        let is_there = |rule: &Rule| !is_unmetered && found.iter().any(|entry| is_as_asked(entry, rule, &flow.asked));
        if self.is_yielding(number, id, &rules) {
            return strays;
        }
        let missing: Vec<Rule> = rules.into_iter().filter(|rule| !is_there(rule)).collect();
        let may_have_expired = may_have_expired(placement, flow.asked.idle_timeout(), flow.asked.hard_timeout(), wall);
        let is_changed = missing.iter().any(|rule| found.iter().any(|entry| rule_hash(rule) == place_of(entry)));
        let Some(placement) = self.flows.get_mut(&number).and_then(|flow| flow.placement_mut(id)) else {
            return strays;
        };
        if missing.is_empty() && (placement.replan == Replan::No || strays.is_empty()) {
            placement.replan = Replan::No;
            placement.take_was_yielding();
            placement.verified_at = Some(wall);
            if stage != Stage::Applied || !placement.replaces().is_empty() {
                self.confirmed(number, id);
                self.flow_moved(number);
            }
        } else if found.is_empty() && may_have_expired {
            placement.stage = Stage::Expired;
            self.flow_left(number, id);
            self.flow_moved(number);
        } else if placement.replan != Replan::No {
            self.send_replanned(number, id, missing);
        } else if placement.expired_rules() > 0 && stage == Stage::Applied {
            // Part of it has run out, the rest is still there.
            placement.take_was_yielding();
        } else if matches!(stage, Stage::Applied | Stage::Drifted) {
            self.drifted(number, id, missing, if is_changed { Reason::Changed } else { Reason::Deleted });
        } else {
            placement.take_was_yielding();
            placement.stage = if placement.is_adrift() { Stage::Drifted } else { Stage::Waiting };
            placement.queued = true;
            self.push_install(number, id, missing);
            self.flow_moved(number);
        }
        strays
    }

    /// Sends what the switch lacks of a flow whose class has changed, as it would a new one, and looks again whether
    /// nothing is left of what the class was before.
    fn send_replanned(&mut self, number: FlowNumber, id: NodeId, missing: Vec<Rule>) {
        self.read_soon(id);
        let placement = self.flows.get_mut(&number).and_then(|flow| flow.placement_mut(id));
        let Some(placement) = placement.filter(|_| !missing.is_empty()) else { return };
        placement.stage = Stage::Waiting;
        placement.queued = true;
        placement.applied_at = None;
        placement.set_expired_rules(0);
        self.push_install(number, id, missing);
        self.flow_moved(number);
    }

    /// A flow that is to be off the switch is so, or has to be taken off once more.
    fn reconcile_removal(&mut self, id: NodeId, number: FlowNumber, stage: Stage, is_there: bool) {
        match (stage, is_there) {
            (Stage::Undoing, true) => self.queue_undoing(number, id),
            (Stage::Undoing, false) => {
                self.undone(number, id);
                self.flow_moved(number);
            }
            (_, true) => self.queue_removal(number, id, Lane::Queue),
            (_, false) => self.rules_left(number, id),
        }
    }

    /// Deletes what carries our tag and belongs to no flow here. No flow will: its number is never used again, and one
    /// that is not wanted any more never is again, but for one whose end the disk has not taken in: that is seen when the
    /// rule is to be deleted. So it does not matter what is under way.
    fn sweep(&mut self, id: NodeId, seen: &Seen<'_>) {
        let mut swept = 0;
        for entry in seen.ours.values().flatten() {
            let rule = Rule {
                table_id: entry.table_id,
                priority: entry.priority,
                flow_match: entry.flow_match.clone(),
                instructions: Vec::new(),
            };
            self.push_job(id, Job::Sweep { cookie: entry.cookie, rule });
            swept += 1;
        }
        if swept > 0 {
            info!(
                node = self.node_name(id).map(NodeName::as_str),
                rules = swept,
                "deleting rules of ours that belong to no flow"
            );
        }
    }
}

pub(super) fn place_of(entry: &FlowStats) -> u64 {
    place_hash(entry.table_id, entry.priority, &entry.flow_match)
}

/// Whether an entry is the rule of a flow as it was asked for.
pub(super) fn is_as_asked(entry: &FlowStats, rule: &Rule, asked: &Asked) -> bool {
    entry.table_id == rule.table_id
        && entry.priority == rule.priority
        && entry.flow_match == rule.flow_match
        && entry.instructions == rule.instructions
        && entry.idle_timeout == asked.idle_timeout()
        && entry.hard_timeout == asked.hard_timeout()
}

/// Whether a confirmed flow has been on the switch long enough for a timeout of its own to have ended it unseen.
fn may_have_expired(placement: &Placement, idle: u16, hard: u16, wall: Timestamp) -> bool {
    let Some(applied_at) = placement.applied_at else { return false };
    let age_micros = wall.as_micros().saturating_sub(applied_at.as_micros());
    let has_passed = |seconds: u16| seconds > 0 && age_micros >= i64::from(seconds) * 1_000_000;
    has_passed(idle) || has_passed(hard)
}
