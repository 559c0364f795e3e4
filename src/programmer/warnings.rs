//! Flows that are in each other's way without wanting the same place: one that hides another, or two of the same
//! priority with traffic in common.
//!
//! What traffic a flow takes is compared as boxes of addresses, protocol and ports ([`crate::policy::Shape`]), all of
//! one flow with all of the other: a flow is hidden when another takes everything of it. That several others hide it
//! together is not found. The index of a node is made when it is first asked and kept up from then on.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::ops::ControlFlow;

use super::cookie::{FlowNumber, Hex};
use super::engine::Engine;
use super::flow::Placement;
use super::node::{Node, NodeId};
use crate::contract::{InstallFlow, Warning, WarningKind};
use crate::policy::{ConflictIndex, Handle, Relation, Shape};

/// Warnings that an answer has at most: who has that many does not read more, and a flow for `any` meets every other.
const MAX_WARNINGS: usize = 16;
/// Flows that are compared on one node for one answer, so that the engine is not held up by a search without end.
const MAX_COMPARED: usize = 2_048;

impl Handle for FlowNumber {
    type Packed = [u8; 6];
    const FIRST: Self = Self::TABLE_MISS;
    const LAST: Self = Self::GREATEST;

    fn pack(self) -> [u8; 6] {
        let [_, _, number @ ..] = self.get().to_be_bytes();
        number
    }

    fn unpack([a, b, c, d, e, f]: [u8; 6]) -> Self {
        Self::new(u64::from_be_bytes([0, 0, a, b, c, d, e, f])).unwrap_or(Self::GREATEST)
    }
}

/// How a flow lies to one that is there.
#[derive(Debug, Clone, Copy)]
pub(super) enum InTheWay {
    Hidden,
    Hides,
    Overlap,
}

impl From<InTheWay> for WarningKind {
    fn from(way: InTheWay) -> Self {
        match way {
            InTheWay::Hidden => Self::Hidden,
            InTheWay::Hides => Self::Hides,
            InTheWay::Overlap => Self::Overlap,
        }
    }
}

/// A request as it is compared with others.
pub(super) struct Subject {
    pub(super) priority: u16,
    pub(super) shapes: Vec<Shape>,
}

impl Engine {
    /// What of ours and of others is in the way of a request on these nodes, or it in theirs. A flow is not in its own
    /// way, nor are those in it whose places it has or is given.
    pub(super) fn warnings(&mut self, request: &InstallFlow, nodes: &[NodeId]) -> Vec<Warning> {
        nodes.iter().for_each(|id| self.make_index(*id));
        let subject = self.subject(request);
        let own = request.flow_id.as_ref().and_then(|id| self.flows.by_id(id.as_str()));
        let mut warnings = Vec::new();
        for id in nodes {
            let Some(node) = self.nodes.get(id) else { continue };
            warnings.extend(self.warnings_of_ours(&subject, own, *id, node));
            warnings.extend(warnings_of_others(&subject, node));
            if warnings.len() >= MAX_WARNINGS {
                warnings.truncate(MAX_WARNINGS);
                break;
            }
        }
        warnings
    }

    /// The same for a flow there is, on the nodes that it is to be on.
    pub(super) fn warnings_of(&mut self, number: FlowNumber) -> Vec<Warning> {
        let Some(flow) = self.flows.get(&number) else { return Vec::new() };
        let mut request = flow.asked.request();
        request.flow_id = Some(flow.asked.flow_id());
        let is_there = |placement: &&Placement| placement.stage.is_desired();
        let nodes: Vec<NodeId> = flow.placements.iter().filter(is_there).map(|placement| placement.node).collect();
        let mut warnings = self.warnings(&request, &nodes);
        warnings.extend(self.queue_warnings(&request, &nodes));
        warnings
    }

    fn warnings_of_ours(&self, subject: &Subject, own: Option<FlowNumber>, id: NodeId, node: &Node) -> Vec<Warning> {
        let Some(index) = &node.index else { return Vec::new() };
        let replaced = own.and_then(|own| self.flows.get(&own)?.placement(id)).map(Placement::replaces);
        let is_other =
            |number: &FlowNumber| own != Some(*number) && !replaced.is_some_and(|replaced| replaced.contains(number));
        let candidates = candidates(subject, |priority, shape, found| index.visit(priority, shape, found));
        let warning = |number: FlowNumber| {
            let flow = self.flows.get(&number)?;
            flow.placement(id).filter(|placement| placement.stage.is_desired())?;
            let there = self.subject(&flow.asked.request());
            let kind = subject.kind(there.priority, &there.shapes)?;
            Some(Warning {
                kind: kind.into(),
                flow_id: Some(flow.asked.flow_id()),
                cookie: None,
                node: Some(node.request.name.clone()),
                message: sentence(kind, &format!("flow {}", flow.asked.id()), node.request.name.as_str()),
            })
        };
        candidates.into_iter().filter(is_other).filter_map(warning).take(MAX_WARNINGS).collect()
    }

    fn make_index(&mut self, id: NodeId) {
        let Some(node) = self.nodes.get_mut(&id) else { return };
        node.foreign.index();
        if node.index.is_some() {
            return;
        }
        let mut index = ConflictIndex::default();
        for (number, flow) in node.flows.iter().filter_map(|number| Some((number, self.flows.get(&number)?))) {
            let (priority, shapes) = self.classes.layout(&flow.asked.request());
            shapes.iter().for_each(|shape| index.insert(priority, shape, number));
        }
        node.index = Some(index);
    }

    /// Keeps the index of the node up with whether the flow is there.
    pub(super) fn index_shapes(&mut self, number: FlowNumber, id: NodeId, is_there: bool) {
        let (Some(flow), Some(node)) = (self.flows.get(&number), self.nodes.get_mut(&id)) else { return };
        let Some(index) = &mut node.index else { return };
        let (priority, shapes) = self.classes.layout(&flow.asked.request());
        for shape in shapes {
            if is_there {
                index.insert(priority, &shape, number);
            } else {
                index.remove(priority, &shape, number);
            }
        }
    }

    pub(super) fn subject(&self, request: &InstallFlow) -> Subject {
        let (priority, shapes) = self.classes.layout(request);
        Subject { priority, shapes }
    }
}

fn warnings_of_others(subject: &Subject, node: &Node) -> Vec<Warning> {
    let candidates = candidates(subject, |priority, shape, found| node.foreign.visit(priority, shape, found));
    let warning = |place: u64| {
        let rule = node.foreign.rule(place)?;
        let kind = subject.kind(rule.priority, &rule.shapes)?;
        let cookie = Hex(rule.cookie).to_string();
        Some(Warning {
            kind: kind.into(),
            flow_id: None,
            message: sentence(
                kind,
                &format!("a foreign rule (cookie {cookie}, priority {})", rule.priority),
                node.request.name.as_str(),
            ),
            cookie: Some(cookie),
            node: Some(node.request.name.clone()),
        })
    };
    candidates.into_iter().filter_map(warning).take(MAX_WARNINGS).collect()
}

/// What an index finds for each box, none twice.
pub(super) fn candidates<H: Handle>(
    subject: &Subject,
    visit: impl Fn(u16, &Shape, &mut dyn FnMut(H) -> ControlFlow<()>),
) -> BTreeSet<H> {
    let mut candidates = BTreeSet::new();
    for shape in &subject.shapes {
        visit(subject.priority, shape, &mut |candidate| {
            candidates.insert(candidate);
            if candidates.len() < MAX_COMPARED { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
    }
    candidates
}

impl Subject {
    /// How the flow is in the way of another, if it is. Two that are the same in everything want the same places, which
    /// is not for a warning.
    pub(super) fn kind(&self, priority: u16, others: &[Shape]) -> Option<InTheWay> {
        let meets = |relations: &[Relation]| {
            self.shapes.iter().any(|mine| others.iter().any(|other| relations.contains(&mine.relation(other))))
        };
        match self.priority.cmp(&priority) {
            Ordering::Equal if is_the_same(&self.shapes, others) => None,
            Ordering::Equal => {
                let common = [Relation::Identical, Relation::Covers, Relation::CoveredBy, Relation::Intersects];
                meets(&common).then_some(InTheWay::Overlap)
            }
            Ordering::Less => is_within(&self.shapes, others).then_some(InTheWay::Hidden),
            Ordering::Greater => is_within(others, &self.shapes).then_some(InTheWay::Hides),
        }
    }
}

/// Whether each box of `inner` lies within one of `outer`.
fn is_within(inner: &[Shape], outer: &[Shape]) -> bool {
    let holds =
        |inner: &Shape, outer: &Shape| matches!(inner.relation(outer), Relation::Identical | Relation::CoveredBy);
    !inner.is_empty() && inner.iter().all(|inner| outer.iter().any(|outer| holds(inner, outer)))
}

fn is_the_same(a: &[Shape], b: &[Shape]) -> bool {
    a.len() == b.len() && a.iter().all(|shape| b.contains(shape)) && !a.iter().any(|shape| shape.is_part)
}

pub(super) fn sentence(kind: InTheWay, other: &str, name: &str) -> String {
    match kind {
        InTheWay::Hidden => {
            format!("{other} has a higher priority on node {name} and takes all traffic of this flow")
        }
        InTheWay::Hides => {
            format!("this flow has a higher priority on node {name} and takes all traffic of {other}")
        }
        InTheWay::Overlap => {
            format!(
                "{other} has the same priority on node {name} and traffic in common: which takes that is the switch's choice"
            )
        }
    }
}

/// What is said when a request must not be in anybody's way.
pub(super) fn refusal(warnings: &[Warning]) -> Option<String> {
    let first = warnings.first()?;
    let more = warnings.len() - 1;
    let and_more = if more == 0 { String::new() } else { format!("; and {more} more") };
    Some(format!("{}{and_more}; on_conflict \"warn\" installs it all the same", first.message))
}
