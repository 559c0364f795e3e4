//! What a switch says that it can do, asked before anything is sent to it.
//!
//! A request that a switch which is there cannot carry out is refused at once, with the reason. What a switch can that is
//! away is not known, it may come back as another version of itself: the flow is accepted, and rejected when the switch
//! is there and cannot. What a switch says nothing of it is taken to be able to.

use openflow::MeterId;
use tracing::warn;

use super::cookie::FlowNumber;
use super::engine::Engine;
use super::node::{ListedMeters, Node, NodeId};
use super::view::own_error;
use crate::contract::{InstallFlow, NodeName};
use crate::policy::{self, Limit, Rule, Scope, Substitute, Unmetered};

/// What a switch cannot do of a request.
pub(super) struct Lack {
    /// The field of the request that asks for it, if it is one.
    pub(super) field: Option<&'static str>,
    pub(super) reason: String,
}

impl Engine {
    /// What a node that is there cannot do of a request.
    pub(super) fn lack(&self, id: NodeId, request: &InstallFlow, rules: &[Rule]) -> Option<Lack> {
        let node = self.nodes.get(&id).filter(|node| node.live().is_some())?;
        let limit = self.limit_of(request);
        if let Some(limit) = &limit
            && let Err(unmetered) = self.meter_on(id, limit)
        {
            let (what, field) = match limit.scope {
                Scope::Flow => ("rate_limit".to_owned(), "rate_limit"),
                Scope::Class => (format!("the rate limit of {}", request.traffic_type), "traffic_type"),
            };
            return Some(Lack { field: Some(field), reason: format!("{what} cannot be enforced: {unmetered}") });
        }
        let tables = &node.about.as_ref()?.description.tables;
        let lacks = |rule: &Rule| {
            // Any meter stands for the one that it will be.
            let rule = if limit.is_some() { &rule.clone().metered(MeterId(1)) } else { rule };
            tables.check(rule.table_id, &rule.flow_match, &rule.instructions).err()
        };
        let lack = rules.iter().find_map(lacks)?;
        Some(Lack { field: None, reason: lack.to_string() })
    }

    /// What the meter of a limit is on a node, and what of it is not quite as asked.
    pub(super) fn meter_on(&self, id: NodeId, limit: &Limit) -> Result<(policy::Meter, Vec<Substitute>), Unmetered> {
        let node = self.nodes.get(&id);
        if node.and_then(Node::live).is_some_and(|live| live.listed_meters == ListedMeters::Refused) {
            return Err(Unmetered::Unlisted);
        }
        limit.meter(node.and_then(|node| node.about.as_ref()).and_then(|about| about.description.meters.as_ref()))
    }

    /// A switch that has come back cannot do what was asked of it while it was away: the flow is rejected without having
    /// been sent. False when it can.
    pub(super) fn refuse_incapable(&mut self, number: FlowNumber, id: NodeId, rules: &[Rule]) -> bool {
        let Some(lack) = self.flows.get(&number).and_then(|flow| self.lack(id, &flow.asked.request(), rules)) else {
            return false;
        };
        let reason = lack.reason;
        warn!(
            flow = number.get(),
            node = self.node_name(id).map(NodeName::as_str),
            reason,
            "a switch cannot do a flow"
        );
        let Some(placement) = self.flows.get_mut(&number).and_then(|flow| flow.placement_mut(id)) else { return true };
        placement.queued = false;
        placement.error = Some(Box::new(own_error("UNSUPPORTED", &reason)));
        self.refused(number, id);
        self.flow_moved(number);
        true
    }
}
