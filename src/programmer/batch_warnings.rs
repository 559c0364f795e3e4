//! Flows of one request that are in each other's way, before any of them is there.

use super::engine::Engine;
use super::install::Plan;
use super::node::NodeId;
use super::warnings::{InTheWay, Subject, candidates, sentence};
use crate::contract::{NodeName, OnConflict, Warning};
use crate::policy::{ConflictIndex, Handle};

/// Warnings that one item has at most of the others: who has that many does not read more.
const MAX_WARNINGS: usize = 16;

/// The place of a plan among those that are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place(usize);

impl Handle for Place {
    type Packed = Self;
    const FIRST: Self = Self(usize::MIN);
    const LAST: Self = Self(usize::MAX);

    fn pack(self) -> Self {
        self
    }

    fn unpack(packed: Self) -> Self {
        packed
    }
}

impl Engine {
    /// What of the others is in the way of each plan, or it in theirs. `items` says where in the request each plan is;
    /// those that do not want to know are left out.
    pub(super) fn warnings_among(
        &self,
        items: &[usize],
        plans: &[Plan],
        wants: impl Fn(&Plan) -> bool,
    ) -> Vec<Vec<Warning>> {
        if !plans.iter().any(&wants) {
            return plans.iter().map(|_| Vec::new()).collect();
        }
        let subjects: Vec<Subject> = plans.iter().map(|plan| self.subject(&plan.request)).collect();
        let mut index = ConflictIndex::default();
        for (place, subject) in subjects.iter().enumerate() {
            subject.shapes.iter().for_each(|shape| index.insert(subject.priority, shape, Place(place)));
        }
        let warnings_of = |(place, plan): (usize, &Plan)| {
            let Some(subject) = subjects.get(place).filter(|_| wants(plan)) else { return Vec::new() };
            let others = candidates(subject, |priority, shape, found| index.visit(priority, shape, found));
            let warning = |Place(other): Place| {
                let (there, rival) = (subjects.get(other)?, plans.get(other)?);
                let node = common_node(plan, rival).filter(|_| other != place)?;
                let kind = subject.kind(there.priority, &there.shapes)?;
                Some(self.warning_of_item(kind, *items.get(other)?, rival, node))
            };
            others.into_iter().filter_map(warning).take(MAX_WARNINGS).collect()
        };
        plans.iter().enumerate().map(warnings_of).collect()
    }

    /// The same for plans that must not be in anybody's way.
    pub(super) fn refusals_among(&self, items: &[usize], plans: &[Plan]) -> Vec<Vec<Warning>> {
        self.warnings_among(items, plans, |plan| plan.request.on_conflict == OnConflict::Refuse)
    }

    fn warning_of_item(&self, kind: InTheWay, item: usize, rival: &Plan, id: NodeId) -> Warning {
        let name = self.node_name(id).cloned();
        let node = name.as_ref().map(NodeName::as_str).unwrap_or_default();
        Warning {
            kind: kind.into(),
            flow_id: rival.request.flow_id.clone(),
            cookie: None,
            message: sentence(kind, &format!("flows[{item}] of the same batch"), node),
            node: name,
        }
    }
}

/// A node that both are to be on.
fn common_node(one: &Plan, other: &Plan) -> Option<NodeId> {
    one.nodes.iter().copied().find(|node| other.nodes.contains(node))
}
