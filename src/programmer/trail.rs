//! What was sent to switches for a request, for whoever keeps a log of changes.
//!
//! It is kept only for requests that ask for it, from the moment when they begin to wait until they are answered, and
//! told right before the answer. Flows themselves know nothing of it.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use openflow::Xid;

use super::answers::Kind;
use super::cookie::{FlowNumber, Hex};
use super::engine::{Engine, Ticket};
use super::node::NodeId;
use crate::contract::{FlowId, FlowState, FlowView, NodeName};

/// What became of one flow on one node while a request was under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The flow.
    pub flow_id: FlowId,
    /// The node.
    pub node: NodeName,
    /// Where the flow stands there.
    pub state: FlowState,
    /// The cookie of its rules, where it has some.
    pub cookie: Option<String>,
    /// The transaction ids of the FLOW_MODs of which the connection has said what became of them.
    pub xids: Vec<Xid>,
}

/// What is followed.
#[derive(Debug, Default)]
pub(super) struct Trails {
    tickets: HashSet<Ticket>,
    flows: HashMap<FlowNumber, Followed>,
}

/// A flow that is followed.
#[derive(Debug, Default)]
struct Followed {
    /// For so many requests.
    requests: usize,
    sent: Vec<(NodeId, Xid)>,
}

impl Trails {
    /// The trail of a request is wanted.
    pub(super) fn follow(&mut self, ticket: Ticket) {
        self.tickets.insert(ticket);
    }

    /// A request waits for these flows; whether they are followed for it.
    pub(super) fn begin(&mut self, ticket: Ticket, flows: &[FlowNumber]) -> bool {
        let is_followed = self.tickets.remove(&ticket);
        if is_followed {
            flows.iter().for_each(|number| self.flows.entry(*number).or_default().requests += 1);
        }
        is_followed
    }

    /// A FLOW_MOD of a flow has settled.
    pub(super) fn note(&mut self, number: FlowNumber, node: NodeId, xid: Option<Xid>) {
        if let Some(xid) = xid
            && let Some(followed) = self.flows.get_mut(&number)
        {
            followed.sent.push((node, xid));
        }
    }

    /// The request has its answer.
    pub(super) fn end(&mut self, flows: &[FlowNumber]) {
        for number in flows {
            if let Entry::Occupied(mut followed) = self.flows.entry(*number) {
                followed.get_mut().requests -= 1;
                if followed.get().requests == 0 {
                    followed.remove();
                }
            }
        }
    }

    /// The request has its answer without having waited.
    pub(super) fn forget(&mut self, ticket: Ticket) {
        if !self.tickets.is_empty() {
            self.tickets.remove(&ticket);
        }
    }

    /// What was sent, each once: a FLOW_MOD that is overdue settles twice.
    fn xids(&self, number: FlowNumber, node: NodeId) -> Vec<Xid> {
        let sent = self.flows.get(&number).map(|followed| followed.sent.as_slice()).unwrap_or_default();
        let mut seen = HashSet::new();
        sent.iter().filter(|(on, xid)| *on == node && seen.insert(*xid)).map(|(_, xid)| *xid).collect()
    }

    #[cfg(test)]
    pub(super) fn is_idle(&self) -> bool {
        self.tickets.is_empty() && self.flows.is_empty()
    }
}

impl Engine {
    /// The trail of these flows, and of items that did not become flows.
    pub(super) fn trail(&self, numbers: &[FlowNumber], kind: &Kind) -> Vec<Step> {
        let others = if let Kind::InstallMany { others, .. } = kind { others.as_slice() } else { &[] };
        let steps = numbers.iter().flat_map(|number| self.steps(*number));
        steps.chain(others.iter().flat_map(|(_, flow)| steps_of(flow))).collect()
    }

    fn steps(&self, number: FlowNumber) -> impl Iterator<Item = Step> {
        let flow = self.flows.get(&number);
        let placements = flow.map(|flow| flow.placements.as_slice()).unwrap_or_default();
        placements.iter().filter_map(move |placement| {
            Some(Step {
                flow_id: flow?.asked.flow_id(),
                node: self.node_name(placement.node)?.clone(),
                state: placement.told?,
                cookie: Some(Hex(self.tag.cookie(number)).to_string()),
                xids: self.trails.xids(number, placement.node),
            })
        })
    }
}

/// A flow to which nothing was sent.
fn steps_of(flow: &FlowView) -> impl Iterator<Item = Step> {
    flow.nodes.iter().map(|node| Step {
        flow_id: flow.flow_id.clone(),
        node: node.node.clone(),
        state: node.state,
        cookie: node.cookie.clone(),
        xids: Vec::new(),
    })
}
