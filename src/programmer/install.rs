//! `InstallFlow` and `InstallFlows`: from a lawful request to a stored flow with work for its nodes.
//!
//! Everything that can be known beforehand is checked before anything is stored or sent; in a batch, one item that
//! could never be installed refuses the batch, while a conflict with another flow is that item's own.

use std::hash::BuildHasher;
use std::iter;
use std::sync::LazyLock;

use hashbrown::DefaultHashBuilder;

use super::answers::{Kind, Waiter};
use super::asked::Asked;
use super::atom::AtomId;
use super::cookie::{FlowNumber, Hex};
use super::engine::{Engine, Ticket, no_such_node};
use super::flow::{Flow, Placement, Placements};
use super::node::{Job, NodeId};
use super::view::own_error;
use super::warnings;
use crate::contract::{
    Atomic, ErrorBody, ErrorCode, FlowId, FlowState, FlowView, Forward, InstallFlow, InstallFlows, OnConflict, Reply,
    SwitchError, Wait,
};
use crate::policy::{self, CompileError, Rule, TrafficClass};

/// Where a request is in a message, told only when something is wrong with it.
pub(super) type Path<'a> = &'a dyn Fn() -> String;

/// A request that could be installed: its rules and nodes. It holds as long as the engine has the same revision.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) request: InstallFlow,
    pub(super) rules: Vec<Rule>,
    pub(super) nodes: Vec<NodeId>,
    /// It is one of many.
    pub(super) is_bulk: bool,
}

/// What became of one request.
enum Admitted {
    /// It is a flow now, or was before.
    Flow(FlowNumber),
    /// It was only to be shown.
    Planned(Box<FlowView>),
    /// Another flow is in its way.
    Conflict(Box<Conflict>),
}

/// What became of many.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) numbers: Vec<FlowNumber>,
    /// Views of those that did not become flows, each with its place in the request, in that order.
    pub(super) others: Vec<(usize, FlowView)>,
}

/// Two rules with the same table, priority and match, or two flows with one id.
struct Conflict {
    message: String,
    /// The field of the request that is to blame, if it is one.
    field: Option<&'static str>,
    plan: Plan,
}

impl Engine {
    pub(super) fn install_flow(&mut self, ticket: Ticket, request: InstallFlow) {
        let (wait, timeout_ms) = (request.wait, request.timeout_ms);
        match self.plan(request, &|| "payload".to_owned()).and_then(|plan| self.admit(plan)) {
            Ok(Admitted::Flow(number)) => {
                self.wait_for(Waiter::new(ticket, Kind::Install, vec![number], wait), timeout_ms);
            }
            Ok(Admitted::Planned(flow)) => self.answer(ticket, Ok(Reply::Flow { flow })),
            Ok(Admitted::Conflict(conflict)) => {
                let error = ErrorBody::new(ErrorCode::Conflict, conflict.message);
                self.answer(ticket, Err(at_field(error, "payload", conflict.field)));
            }
            Err(error) => self.answer(ticket, Err(error)),
        }
    }

    pub(super) fn install_flows(&mut self, ticket: Ticket, request: InstallFlows) {
        let (wait, timeout_ms) = (request.wait(), request.timeout_ms().unwrap_or(0));
        let InstallFlows { flows, atomic, report } = request;
        let plans = match self.plan_all(flows, 0) {
            Ok(plans) => plans,
            Err(error) => return self.answer(ticket, Err(error)),
        };
        let admitted = if atomic == Atomic::None { self.admit_each(plans) } else { self.admit_together(plans, atomic) };
        let Batch { numbers, others } = match admitted {
            Ok(batch) => batch,
            Err(error) => return self.answer(ticket, Err(error)),
        };
        self.wait_for(Waiter::new(ticket, Kind::InstallMany { report, others }, numbers, wait), timeout_ms);
    }

    /// Each for itself. After an error, what was admitted before it is stored, and answered for by its flow id.
    pub(super) fn admit_each(&mut self, plans: Vec<Plan>) -> Result<Batch, ErrorBody> {
        let mut batch = Batch::default();
        let is_bulk = plans.len() >= self.config.bulk;
        for (place, plan) in plans.into_iter().enumerate() {
            match self.admit(Plan { is_bulk, ..plan })? {
                Admitted::Flow(number) => batch.numbers.push(number),
                Admitted::Planned(view) => batch.others.push((place, *view)),
                Admitted::Conflict(conflict) => {
                    let error = own_error("CONFLICT", &conflict.message);
                    batch.others.push((place, self.not_admitted(&conflict.plan, &error)));
                }
            }
        }
        Ok(batch)
    }

    /// Checks everything about a request but its conflicts.
    pub(super) fn plan(&self, request: InstallFlow, path: Path<'_>) -> Result<Plan, ErrorBody> {
        let existing = request.flow_id.as_ref().and_then(|id| self.flows.get(&self.flows.by_id(id.as_str())?));
        if let Some(flow) = existing.filter(|flow| flow.freed) {
            let message =
                format!("flow {} is on its way out, and its id not free yet; try again in a moment", flow.asked.id());
            return Err(ErrorBody::new(ErrorCode::Unavailable, message).at(format!("{}.flow_id", path())));
        }
        let class = self.classes.get(&request.traffic_type).map_err(|error| {
            ErrorBody::new(ErrorCode::InvalidRequest, error.to_string()).at(format!("{}.traffic_type", path()))
        })?;
        let rules = self.compile(&request, class).map_err(|error| compile_error(&error, &path()))?;
        self.check_forward(&request, path)?;
        let nodes = self.resolve_nodes(&request, path)?;
        self.check_capabilities(&request, &rules, &nodes, path)?;
        Ok(Plan { request, rules, nodes, is_bulk: false })
    }

    /// Whether the nodes that are there can do what is asked, by their own word.
    fn check_capabilities(
        &self,
        request: &InstallFlow,
        rules: &[Rule],
        nodes: &[NodeId],
        path: Path<'_>,
    ) -> Result<(), ErrorBody> {
        let lacks = |id: &NodeId| Some((self.node_name(*id)?, self.lack(*id, request, rules)?));
        let Some((node, lack)) = nodes.iter().find_map(lacks) else { return Ok(()) };
        let message = format!("node {node} cannot do this: {}", lack.reason);
        Err(at_field(ErrorBody::new(ErrorCode::Unsupported, message), &path(), lack.field))
    }

    fn resolve_nodes(&self, request: &InstallFlow, path: Path<'_>) -> Result<Vec<NodeId>, ErrorBody> {
        let Some(names) = &request.nodes else {
            let nodes: Vec<_> =
                self.nodes.iter().filter(|(_, node)| node.leaving.is_none()).map(|(id, _)| *id).collect();
            if nodes.is_empty() {
                let message = "no node is registered; AddNode registers one";
                return Err(ErrorBody::new(ErrorCode::NotFound, message).at(format!("{}.nodes", path())));
            }
            return Ok(nodes);
        };
        let resolve = |(index, name)| match self.names.get(name) {
            Some(id) if self.nodes.get(id).is_some_and(|node| node.leaving.is_none()) => Ok(*id),
            _ if self.discovered.named(name).is_some() => {
                Err(self.unknown_node(name).at(format!("{}.nodes[{index}]", path())))
            }
            _ => Err(no_such_node(name, &format!("{}.nodes[{index}]", path()))),
        };
        names.iter().enumerate().map(resolve).collect()
    }

    /// Makes a flow of a plan, unless there is one, it is only to be shown, or another flow is in its way.
    fn admit(&mut self, plan: Plan) -> Result<Admitted, ErrorBody> {
        if let Some(number) = plan.request.flow_id.as_ref().and_then(|id| self.flows.by_id(id.as_str()))
            && let Some(flow) = self.flows.get(&number)
        {
            if !flow.is_same(&plan.request) {
                let message = not_the_same(flow);
                return Ok(Admitted::Conflict(Box::new(Conflict { message, field: Some("flow_id"), plan })));
            }
            if !plan.request.dry_run {
                return Ok(Admitted::Flow(number));
            }
        }
        if plan.request.dry_run {
            return Ok(Admitted::Planned(Box::new(self.shown_plan(&plan))));
        }
        if let Some(message) = self.find_conflict(&plan) {
            return Ok(Admitted::Conflict(Box::new(Conflict { message, field: None, plan })));
        }
        if let Some(message) = self.refusal(&plan) {
            return Ok(Admitted::Conflict(Box::new(Conflict { message, field: None, plan })));
        }
        if let Some(error) = self.no_room_for(1) {
            return Err(error);
        }
        let number = self.new_number().ok_or_else(no_number)?;
        self.insert_flow(number, plan, |_| None);
        Ok(Admitted::Flow(number))
    }

    /// A plan that is only to be shown, with what there is to warn of.
    pub(super) fn shown_plan(&mut self, plan: &Plan) -> FlowView {
        let mut planned = self.planned_view(&plan.request, &plan.rules, &plan.nodes);
        planned.warnings.extend(self.warnings(&plan.request, &plan.nodes));
        planned.warnings.extend(self.queue_warnings(&plan.request, &plan.nodes));
        planned
    }

    /// What a plan that must not be in anybody's way is in the way of.
    pub(super) fn refusal(&mut self, plan: &Plan) -> Option<String> {
        let must_not = plan.request.on_conflict == OnConflict::Refuse;
        must_not.then(|| self.warnings(&plan.request, &plan.nodes)).and_then(|found| warnings::refusal(&found))
    }

    /// Why so many more flows cannot be kept, if they cannot.
    pub(super) fn no_room_for(&self, more: usize) -> Option<ErrorBody> {
        if let Some(error) = self.has_no_room() {
            return Some(error);
        }
        let message = format!("there are {} flows, which is as many as are kept; remove some", self.flows.len());
        (self.flows.len() + more > self.config.max_flows).then(|| ErrorBody::new(ErrorCode::Overloaded, message))
    }

    /// Makes a flow that on each node is in the atom that `atom_on` says, or stands alone.
    pub(super) fn insert_flow(&mut self, number: FlowNumber, plan: Plan, atom_on: impl Fn(NodeId) -> Option<AtomId>) {
        let Plan { request, rules, nodes, is_bulk } = plan;
        let id = request.flow_id.clone().unwrap_or_else(|| self.new_flow_id(number));
        let places: Vec<u64> = rules.iter().map(rule_hash).collect();
        let mut placements = Placements::with_capacity(nodes.len());
        for node_id in nodes.iter().copied() {
            let mut placement = Placement::new(node_id);
            placement.touched = self.next_sequence();
            placement.set_replaces(self.claim(number, node_id, &places));
            placement.set_atom(atom_on(node_id));
            if let Some(node) = self.nodes.get_mut(&node_id) {
                node.flows.insert(number);
                placement.queued = node.live().is_some() && placement.atom().is_none();
            }
            placements.push(placement);
        }
        let is_limited = self.limit_of(&request).is_some();
        // What is limited is sent when the disk has the number of its meter.
        let expects_verdict = request.wait == Wait::Applied && !is_limited;
        self.flows.insert(
            number,
            Flow {
                asked: Asked::new(&id, &request),
                rules: u32::try_from(rules.len()).unwrap_or(u32::MAX),
                placements,
                durable: 0,
                ended: None,
                freed: false,
                is_unsaved: false,
                is_end_stored: false,
            },
        );
        nodes.iter().for_each(|id| self.index_shapes(number, *id, true));
        let mut rules = iter::repeat_n(rules, nodes.len());
        for node_id in nodes {
            match (atom_on(node_id), rules.next()) {
                (None, Some(rules)) if is_limited => self.push_install(number, node_id, rules),
                // That the switch can do it has been seen when it was planned.
                (None, Some(rules)) if is_bulk => self.push_bulk(number, node_id, rules),
                (None, Some(rules)) => self.push_job(node_id, Job::Install { number, rules }),
                _ => self.join_atom(number, node_id),
            }
        }
        if expects_verdict {
            self.save_soon(number);
        } else {
            self.save_flow(number);
        }
    }

    /// An id for a flow whose client did not choose one.
    pub(super) fn new_flow_id(&self, number: FlowNumber) -> FlowId {
        let base = format!("flow-{:04x}-{}", self.tag.0, number.get());
        let candidates = iter::once(base.clone()).chain((2u32..).map(|n| format!("{base}-{n}")));
        let mut free = candidates
            .filter_map(|text| text.parse::<FlowId>().ok())
            .filter(|id| self.flows.by_id(id.as_str()).is_none());
        // The candidates do not end, and only finitely many ids are taken.
        free.next().unwrap_or_else(|| unreachable!("a flow id is free"))
    }

    /// The first rule that another flow, ours or foreign, has with the same table, priority and match, and that is not
    /// to be replaced: a switch holds only one of them.
    pub(super) fn find_conflict(&self, plan: &Plan) -> Option<String> {
        if plan.request.replace && plan.request.on_conflict != OnConflict::Refuse {
            return None;
        }
        plan.nodes.iter().find_map(|id| self.conflicts_on(*id, &plan.request, &plan.rules).next())
    }

    /// Every such rule on one node. A flow is not in its own way.
    pub(super) fn conflicts_on(
        &self,
        id: NodeId,
        request: &InstallFlow,
        rules: &[Rule],
    ) -> impl Iterator<Item = String> {
        let node = self.nodes.get(&id);
        rules.iter().filter_map(move |rule| {
            let node = node?;
            let hash = rule_hash(rule);
            let what = || {
                let name = &node.request.name;
                format!("has the same table, priority and match on node {name}: {} {}", rule.priority, rule.flow_match)
            };
            if let Some(flow) = self.claims.get(id, hash).and_then(|number| self.flows.get(&number)) {
                let is_other = request.flow_id.as_ref().map(FlowId::as_str) != Some(flow.asked.id());
                let same =
                    is_other && self.rules_of(&flow.asked.request()).iter().any(|other| is_same_place(other, rule));
                return same.then(|| format!("flow {} {}", flow.asked.id(), what()));
            }
            let cookie = node.foreign.cookie(hash)?;
            Some(format!("a foreign rule (cookie {}) {}", Hex(cookie), what()))
        })
    }

    /// The rules of a flow that has been planned before. A class that is gone leaves it without rules.
    pub(super) fn rules_of(&self, request: &InstallFlow) -> Vec<Rule> {
        let class = self.classes.known(&request.traffic_type);
        class.and_then(|class| self.compile(request, class).ok()).unwrap_or_default()
    }

    /// The rules of a request for traffic of a class, in the table where they belong.
    pub(super) fn compile(&self, request: &InstallFlow, class: &TrafficClass) -> Result<Vec<Rule>, CompileError> {
        policy::compile_in(self.config.pipeline, request, class)
    }

    /// Packets only go on to tables with a greater number. From table 0 the switch says so itself.
    fn check_forward(&self, request: &InstallFlow, path: Path<'_>) -> Result<(), ErrorBody> {
        let from = self.config.pipeline.qos_table().0;
        match request.forward {
            Forward::Table(table) if from > 0 && table <= from => {
                let message = format!(
                    "forward must be to a table from {} to 254, for flows are in table {from}, not {table}",
                    from + 1
                );
                Err(ErrorBody::new(ErrorCode::InvalidRequest, message).at(format!("{}.forward.table", path())))
            }
            Forward::Normal | Forward::Drop | Forward::Port(_) | Forward::Table(_) => Ok(()),
        }
    }

    /// The view of an item that did not become a flow.
    pub(super) fn not_admitted(&self, plan: &Plan, error: &SwitchError) -> FlowView {
        self.refused_view(&plan.request, &plan.rules, &plan.nodes, error)
    }
}

/// The place of a rule on a switch: table, priority and match.
pub(super) fn rule_hash(rule: &Rule) -> u64 {
    place_hash(rule.table_id, rule.priority, &rule.flow_match)
}

/// The same for what a switch reports.
pub(super) fn place_hash(table_id: openflow::TableId, priority: u16, flow_match: &openflow::Match) -> u64 {
    // One for all, and another in every daemon: who chooses addresses does not choose their hashes.
    static HASHER: LazyLock<DefaultHashBuilder> = LazyLock::new(DefaultHashBuilder::default);
    HASHER.hash_one((table_id, priority, flow_match))
}

fn is_same_place(a: &Rule, b: &Rule) -> bool {
    a.table_id == b.table_id && a.priority == b.priority && a.flow_match == b.flow_match
}

/// The conflict of a request with the flow that has its id.
pub(super) fn not_the_same(flow: &Flow) -> String {
    let (id, state) = (flow.asked.id(), flow.state());
    if flow.is_ended() {
        // Removing it once more would not help, whatever is told of a flow that is there.
        format!("flow {id} was another one, and is {state}: use another flow_id")
    } else if state == FlowState::Rejected {
        format!("flow {id} was another one, and is {state}: RemoveFlow it first, or use another flow_id")
    } else {
        format!("flow {id} exists and is not the same: use another flow_id, and RemoveFlow {id} if it is to go")
    }
}

/// The error for a store that lags behind by a million flows.
pub(super) fn no_number() -> ErrorBody {
    let message = "the store has not reserved more flow numbers yet; try again in a moment";
    ErrorBody::new(ErrorCode::Unavailable, message)
}

fn compile_error(error: &CompileError, path: &str) -> ErrorBody {
    at_field(ErrorBody::new(error.code(), error.to_string()), path, error.field())
}

fn at_field(error: ErrorBody, path: &str, field: Option<&str>) -> ErrorBody {
    match field {
        Some(field) => error.at(format!("{path}.{field}")),
        None => error,
    }
}
