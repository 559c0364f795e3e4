//! Classes of traffic that change while the daemon runs: the flows of a changed class are planned anew.
//!
//! Everything is looked at first, for all flows and nodes; if one flow could not be as the new classes say, the old ones
//! stay in force for all. Then each switch is read, and what it lacks and what it has too much goes out in one bundle
//! where it has bundles, so that packets meet the old rules or the new ones and nothing in between. Until the switch has
//! confirmed that, the flows are `accepted`.
//!
//! Nothing but requests is stored, so a daemon that dies in the middle comes back with the classes of its file and does
//! the same with every switch that it reads.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use thiserror::Error;
use tracing::info;

use super::cookie::{FlowNumber, Hex};
use super::engine::Engine;
use super::flow::{Flow, Placement, Replan, Stage};
use super::install::rule_hash;
use super::meter::Owner;
use super::node::{Job, Node, NodeId};
use crate::contract::{FlowId, NodeName};
use crate::policy::{ClassTable, CompileError, Limit, Rule, Scope};

/// Flows that a refusal names.
const NAMED: usize = 3;

/// What new classes change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reclassed {
    /// Flows that are planned anew.
    pub flows: usize,
    /// Nodes that they are on.
    pub nodes: usize,
}

/// Why the old classes stay in force.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ReclassError {
    /// Classes are gone that flows have.
    #[error("{0}; remove these flows first, or keep the class")]
    InUse(String),
    /// A flow would have no rules.
    #[error("flow {flow} could not be of its class any more: {error}")]
    Compile {
        /// The flow.
        flow: FlowId,
        /// Why.
        error: CompileError,
    },
    /// A flow would want the place of another rule.
    #[error("flow {flow} would have the same table, priority and match as {other} on node {node}: {place}")]
    Conflict {
        /// The flow.
        flow: FlowId,
        /// The flow or foreign rule in its way.
        other: String,
        /// Where.
        node: NodeName,
        /// Priority and match.
        place: String,
    },
    /// A switch could not do it.
    #[error("node {node} could not do flow {flow} as its class would be: {reason}")]
    Incapable {
        /// The flow.
        flow: FlowId,
        /// The node.
        node: NodeName,
        /// What it lacks.
        reason: String,
    },
    /// The daemon is shutting down.
    #[error("the daemon is shutting down")]
    Stopped,
}

/// A flow as its class was and as it is to be.
struct Change {
    number: FlowNumber,
    before: Vec<Rule>,
    after: Vec<Rule>,
    /// It was behind the meter of its class, and is to be no more.
    leaves_meter: bool,
}

impl Engine {
    /// Puts new classes in force, or says why not.
    pub(super) fn reclass(&mut self, classes: ClassTable) -> Result<Reclassed, ReclassError> {
        self.check_orphans(&classes)?;
        let changes = self.changes(&classes)?;
        self.check_places(&changes)?;
        self.revision += 1;
        let before = std::mem::replace(&mut self.classes, classes);
        if let Err(error) = self.check_abilities(&changes) {
            self.classes = before;
            return Err(error);
        }
        let nodes = self.replan(&changes);
        info!(flows = changes.len(), nodes = nodes.len(), "the classes of traffic have changed");
        let reclassed = Reclassed { flows: changes.len(), nodes: nodes.len() };
        for id in nodes {
            self.replan_node(id);
        }
        Ok(reclassed)
    }

    /// A flow without its class has no rules that anybody could name.
    fn check_orphans(&self, classes: &ClassTable) -> Result<(), ReclassError> {
        let mut orphans: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (_, flow) in self.flows.iter().filter(|(_, flow)| flow.ended.is_none()) {
            let class = flow.asked.traffic_type();
            if classes.known(class).is_none() {
                orphans.entry(class).or_default().push(flow.asked.id());
            }
        }
        if orphans.is_empty() {
            return Ok(());
        }
        let words = orphans.iter().map(|(class, flows)| {
            let named: Vec<&str> = flows.iter().take(NAMED).copied().collect();
            let more = flows.len().saturating_sub(NAMED);
            let and_more = if more == 0 { String::new() } else { format!(" and {more} more") };
            format!("the class {class} is gone, and flows have it: {}{and_more}", named.join(", "))
        });
        Err(ReclassError::InUse(words.collect::<Vec<_>>().join("; ")))
    }

    /// The flows whose rules or limit are others by the new classes.
    fn changes(&self, classes: &ClassTable) -> Result<Vec<Change>, ReclassError> {
        let is_changed = |name: &str| self.classes.known(name) != classes.known(name);
        let names: BTreeSet<String> = self.classes.iter().map(|class| class.name.to_string()).collect();
        let changed: BTreeSet<String> = names.into_iter().filter(|name| is_changed(name)).collect();
        let mut changes = Vec::new();
        if changed.is_empty() {
            return Ok(changes);
        }
        for (number, flow) in self.flows.iter() {
            if !changed.contains(flow.asked.traffic_type()) || !flow.placements.iter().any(is_concerned) {
                continue;
            }
            let request = flow.asked.request();
            let Some(class) = classes.known(&request.traffic_type) else { continue };
            let before = self.rules_of(&request);
            let after = self
                .compile(&request, class)
                .map_err(|error| ReclassError::Compile { flow: flow.asked.flow_id(), error })?;
            let (limit_before, limit) = (self.limit_of(&request), Limit::of(&request, class));
            if before != after || limit_before != limit {
                let of_class = |limit: Option<Limit>| limit.is_some_and(|limit| limit.scope == Scope::Class);
                let leaves_meter = of_class(limit_before) && !of_class(limit);
                changes.push(Change { number, before, after, leaves_meter });
            }
        }
        Ok(changes)
    }

    /// No two rules may have the same place: a switch holds only one of them.
    fn check_places(&self, changes: &[Change]) -> Result<(), ReclassError> {
        let changed: BTreeSet<FlowNumber> = changes.iter().map(|change| change.number).collect();
        let mut taken: HashMap<(NodeId, u64), FlowNumber> = HashMap::new();
        for change in changes {
            let Some(flow) = self.flows.get(&change.number) else { continue };
            for placement in flow.placements.iter().filter(|placement| placement.stage.is_desired()) {
                let Some(node) = self.nodes.get(&placement.node) else { continue };
                for rule in &change.after {
                    let place = (placement.node, rule_hash(rule));
                    let stays = self.claims.get(place.0, place.1).filter(|holder| !changed.contains(holder));
                    let holder = taken.insert(place, change.number).or(stays);
                    let other = holder.filter(|holder| !self.is_given_up(*holder, change.number, placement));
                    let other = match other.and_then(|holder| self.flows.get(&holder)) {
                        Some(other) => format!("flow {}", other.asked.id()),
                        // What is there and keeps its place has been judged when it was asked for.
                        None if change.before.iter().any(|before| rule_hash(before) == place.1) => continue,
                        None => match node.foreign.cookie(place.1) {
                            Some(cookie) => format!("a foreign rule (cookie {})", Hex(cookie)),
                            None => continue,
                        },
                    };
                    return Err(ReclassError::Conflict {
                        flow: flow.asked.flow_id(),
                        other,
                        node: node.request.name.clone(),
                        place: format!("{} {}", rule.priority, rule.flow_match),
                    });
                }
            }
        }
        Ok(())
    }

    /// Whether the flow that has a place is about to lose it to the other, or is the same.
    fn is_given_up(&self, holder: FlowNumber, number: FlowNumber, placement: &Placement) -> bool {
        let replaces = |winner: FlowNumber, loser: FlowNumber| {
            let winner = self.flows.get(&winner).and_then(|flow| flow.placement(placement.node));
            winner.is_some_and(|winner| winner.replaces().contains(&loser))
        };
        holder == number || replaces(holder, number) || replaces(number, holder)
    }

    /// The switches that are there must be able to do it. With the new classes in force.
    fn check_abilities(&self, changes: &[Change]) -> Result<(), ReclassError> {
        for change in changes {
            let Some(flow) = self.flows.get(&change.number) else { continue };
            for placement in flow.placements.iter().filter(|placement| placement.stage.is_desired()) {
                if let Some(lack) = self.lack(placement.node, &flow.asked.request(), &change.after)
                    && let Some(node) = self.node_name(placement.node).cloned()
                {
                    return Err(ReclassError::Incapable { flow: flow.asked.flow_id(), node, reason: lack.reason });
                }
            }
        }
        Ok(())
    }

    /// Makes what is known of the flows what the new classes say; the nodes that they are on.
    fn replan(&mut self, changes: &[Change]) -> BTreeSet<NodeId> {
        let mut nodes = BTreeSet::new();
        let concerned = |flow: &Flow| -> Vec<NodeId> {
            flow.placements.iter().filter(|placement| is_concerned(placement)).map(|placement| placement.node).collect()
        };
        for change in changes {
            let on: Vec<NodeId> = self.flows.get(&change.number).map(concerned).unwrap_or_default();
            for id in &on {
                for rule in &change.before {
                    self.claims.give_up(*id, rule_hash(rule), change.number);
                }
            }
            nodes.extend(on);
        }
        // In the order in which they were asked for: whoever replaces another comes after it.
        for change in changes {
            let number = change.number;
            let Some(flow) = self.flows.get_mut(&number) else { continue };
            flow.rules = u32::try_from(change.after.len()).unwrap_or(u32::MAX);
            for id in concerned(flow) {
                self.replan_on(change, id);
            }
            self.save_flow(number);
            self.flow_moved(number);
        }
        let numbers: BTreeSet<FlowNumber> = changes.iter().map(|change| change.number).collect();
        for id in &nodes {
            let Some(node) = self.nodes.get_mut(id) else { continue };
            // Made again when it is asked next.
            node.index = None;
            // What waits was made of the old rules; the reading finds what is missing of the new ones.
            let mut dropped = Vec::new();
            let mut is_kept = |job: &Job| match job {
                Job::Install { number, .. } if numbers.contains(number) => {
                    dropped.push(*number);
                    false
                }
                _ => true,
            };
            node.queue.retain(&mut is_kept);
            node.bulk.retain(&mut is_kept);
            if let Some(live) = node.live_mut() {
                live.deferred.retain(&mut is_kept);
            }
            for number in dropped {
                if let Some(placement) = self.flows.get_mut(&number).and_then(|flow| flow.placement_mut(*id)) {
                    (placement.queued, placement.aside) = (false, false);
                }
            }
        }
        nodes
    }

    fn replan_on(&mut self, change: &Change, id: NodeId) {
        let number = change.number;
        let placement = self.flows.get_mut(&number).and_then(|flow| flow.placement_mut(id));
        let Some(placement) = placement else { return };
        placement.replan = Replan::Due;
        let is_desired = placement.stage.is_desired();
        if matches!(placement.stage, Stage::Applied | Stage::Drifted) {
            placement.stage = Stage::Waiting;
            placement.reason = None;
        }
        if change.leaves_meter {
            self.leave_class_meter(number, id);
        }
        if is_desired {
            // Whose places these were it replaces already, or it could not have them.
            let places: Vec<u64> = change.after.iter().map(rule_hash).collect();
            self.claim(number, id, &places);
        }
    }

    /// The flow is behind the meter of its class no more, once its rules are changed: then the meter goes if it was the
    /// last one.
    fn leave_class_meter(&mut self, number: FlowNumber, id: NodeId) {
        let Some(flow) = self.flows.get(&number) else { return };
        let owner = Owner::Class(flow.asked.traffic_type().to_owned());
        let Some(meter) = self.nodes.get_mut(&id).and_then(|node| node.meters.get_mut(&owner)) else { return };
        meter.users.remove(&number);
        if meter.parked.remove(&number)
            && let Some(placement) = self.flows.get_mut(&number).and_then(|flow| flow.placement_mut(id))
        {
            placement.queued = false;
        }
    }

    /// Has the switch read, and what is found missing or too much sent in one bundle.
    fn replan_node(&mut self, id: NodeId) {
        if let Some(live) = self.nodes.get_mut(&id).and_then(Node::live_mut) {
            live.is_replanned = true;
            self.read_now(id);
        }
    }
}

/// Whether the switch may have rules of the flow, or is to have them.
fn is_concerned(placement: &Placement) -> bool {
    !placement.stage.is_ended() && placement.stage != Stage::Rejected
}
