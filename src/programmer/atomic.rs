//! `InstallFlows` with `atomic`: what can be known beforehand is, for all items, before anything is stored or sent.
//!
//! From then on the flows are an [`Atom`](super::atom) on each switch, or one over all switches.

use std::collections::{HashMap, HashSet};

use super::atom::AtomId;
use super::cookie::FlowNumber;
use super::engine::Engine;
use super::install::{Batch, Plan, no_number, not_the_same, rule_hash};
use super::node::{Node, NodeId};
use super::view::own_error;
use super::warnings;
use crate::contract::{Atomic, ErrorBody, ErrorCode, FlowId, Warning};

impl Engine {
    /// Makes flows of all plans, or of none when anything is in the way of one of them. What is only to be shown is.
    pub(super) fn admit_together(&mut self, plans: Vec<Plan>, atomic: Atomic) -> Result<Batch, ErrorBody> {
        let is_meant = |(item, plan): (usize, &Plan)| (!plan.request.dry_run).then_some(item);
        let items: Vec<usize> = plans.iter().enumerate().filter_map(is_meant).collect();
        let of_each = self.shown_among(&plans);
        let (shown, plans): (Vec<_>, Vec<_>) =
            plans.into_iter().zip(of_each).enumerate().partition(|(_, (plan, _))| plan.request.dry_run);
        let plans: Vec<Plan> = plans.into_iter().map(|(_, (plan, _))| plan).collect();
        let shown = shown.into_iter().map(|(place, (plan, warnings))| {
            let mut view = self.shown_plan(&plan);
            view.warnings.extend(warnings);
            (place, view)
        });
        let mut batch = Batch { numbers: Vec::new(), others: shown.collect() };
        if let Some(numbers) = self.known(&plans) {
            batch.numbers = numbers;
            return Ok(batch);
        }
        self.check_bundles(&plans)?;
        let conflicts = self.conflicts_among(&items, &plans);
        if let Some(first) = conflicts.iter().flatten().next() {
            let because = own_error("NOT_INSTALLED", &format!("not installed, for another flow of its batch: {first}"));
            let view = |(plan, conflict): (&Plan, &Option<String>)| match conflict {
                Some(message) => self.not_admitted(plan, &own_error("CONFLICT", message)),
                None => self.not_admitted(plan, &because),
            };
            batch.others.extend(items.iter().copied().zip(plans.iter().zip(&conflicts).map(view)));
            batch.others.sort_by_key(|(place, _)| *place);
            return Ok(batch);
        }
        if let Some(error) = self.no_room_for(plans.len()) {
            return Err(error);
        }
        let numbers: Option<Vec<_>> = plans.iter().map(|_| self.new_number()).collect();
        batch.numbers = numbers.ok_or_else(no_number)?;
        if let Some(first) = batch.numbers.first().copied() {
            let atom_on = |node| Some(AtomId { first, node: (atomic == Atomic::Node).then_some(node) });
            for (number, plan) in batch.numbers.iter().zip(plans) {
                self.insert_flow(*number, plan, atom_on);
            }
        }
        Ok(batch)
    }

    /// The flows that the plans mean, if every one of them is there: the same request came before.
    fn known(&self, plans: &[Plan]) -> Option<Vec<FlowNumber>> {
        let find = |plan: &Plan| {
            let number = self.flows.by_id(plan.request.flow_id.as_ref()?.as_str())?;
            self.flows.get(&number)?.is_same(&plan.request).then_some(number)
        };
        plans.iter().map(find).collect()
    }

    /// A switch that is there must have bundles. One that is away is asked when it comes.
    fn check_bundles(&self, plans: &[Plan]) -> Result<(), ErrorBody> {
        let lacks_bundles = |node: &&Node| node.live().is_some_and(|live| live.has_synced() && !live.has_bundles);
        let nodes: HashSet<NodeId> = plans.iter().flat_map(|plan| &plan.nodes).copied().collect();
        match nodes.iter().filter_map(|id| self.nodes.get(id)).find(lacks_bundles) {
            None => Ok(()),
            Some(node) => {
                let message =
                    format!("atomic must be \"none\" for node {}: its switch has no bundles", node.request.name);
                Err(ErrorBody::new(ErrorCode::Unsupported, message).at("payload.atomic"))
            }
        }
    }

    /// What items of the same request are in the way of each that is only to be shown.
    fn shown_among(&self, plans: &[Plan]) -> Vec<Vec<Warning>> {
        let items: Vec<usize> = (0..plans.len()).collect();
        self.warnings_among(&items, plans, |plan| plan.request.dry_run)
    }

    /// What is in the way of each: another flow, a foreign rule, or another item. `items` says where in the request
    /// each plan was.
    fn conflicts_among(&mut self, items: &[usize], plans: &[Plan]) -> Vec<Option<String>> {
        let mut ids: HashSet<&FlowId> = HashSet::new();
        let mut places: HashMap<(NodeId, u64), usize> = HashMap::new();
        let mut conflicts = Vec::with_capacity(plans.len());
        let among = self.refusals_among(items, plans);
        for ((item, plan), others) in items.iter().copied().zip(plans).zip(among) {
            let conflict = self.id_conflict(plan).or_else(|| self.find_conflict(plan));
            let conflict = conflict.or_else(|| self.refusal(plan));
            let mut conflict = conflict.or_else(|| warnings::refusal(&others));
            if let Some(id) = &plan.request.flow_id
                && !ids.insert(id)
            {
                conflict.get_or_insert_with(|| format!("flow {id} is in the batch twice"));
            }
            for node in &plan.nodes {
                for rule in &plan.rules {
                    let other = *places.entry((*node, rule_hash(rule))).or_insert(item);
                    if other != item {
                        conflict.get_or_insert_with(|| {
                            format!(
                                "flows[{other}] of the same batch has the same table, priority and match: {} {}",
                                rule.priority, rule.flow_match
                            )
                        });
                    }
                }
            }
            conflicts.push(conflict);
        }
        conflicts
    }

    /// A flow that exists was decided without the others.
    fn id_conflict(&self, plan: &Plan) -> Option<String> {
        let flow = self.flows.get(&self.flows.by_id(plan.request.flow_id.as_ref()?.as_str())?)?;
        Some(if flow.is_same(&plan.request) {
            format!(
                "flow {} exists and is {}; it cannot go together with flows that do not: use another flow_id",
                flow.asked.id(),
                flow.state()
            )
        } else {
            not_the_same(flow)
        })
    }
}
