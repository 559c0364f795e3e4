//! How an atom ends: applied on every node, rejected on every node, or undone and tried again.

use tracing::{info, warn};

use super::{Atom, AtomId, Atoms, Fate, Part, Phase, Refusal};
use crate::contract::SwitchError;
use crate::programmer::cookie::FlowNumber;
use crate::programmer::engine::Engine;
use crate::programmer::flow::Stage;
use crate::programmer::node::{Job, Node, NodeId};
use crate::session::Command;

impl Atoms {
    /// What waited in the node's queue was dropped with it.
    pub(in crate::programmer) fn drop_queued(&mut self, node: NodeId) {
        for (id, atom) in &mut self.by_id {
            if let Some(part) = atom.parts.get_mut(&node).filter(|part| **part == Part::Queued) {
                *part = Part::Idle;
                atom.suffer(Fate::NotSent);
                self.touched.insert(*id);
            }
        }
    }
}

impl Engine {
    /// Takes back what is under way or done; false when that is over and the atom rejected.
    pub(super) fn undo(&mut self, id: AtomId, atom: &mut Atom) -> bool {
        atom.deadline = None;
        for (node, part) in &mut atom.parts {
            *part = match *part {
                Part::Sent | Part::Closed => {
                    self.about_bundle(id, *node, |bundle| Command::Discard { bundle });
                    Part::Leaving
                }
                Part::Queued => self.let_go(id, &atom.flows, *node),
                // One switch has all or none, and is asked which.
                Part::Doubtful if id.node.is_some() => self.let_go(id, &atom.flows, *node),
                Part::Committed | Part::Doubtful => self.undo_part(id, &atom.flows, *node),
                Part::Idle | Part::Committing | Part::Leaving => *part,
            };
        }
        if atom.parts.values().any(|part| *part != Part::Idle) {
            return true;
        }
        if let Phase::Undoing(Some(refusal)) = std::mem::replace(&mut atom.phase, Phase::Resting) {
            self.refuse(id, atom, &refusal);
            return false;
        }
        info!(first = id.first.get(), flows = atom.flows.len(), "flows that go together wait for another try");
        atom.parts.keys().for_each(|node| self.read_now(*node));
        true
    }

    /// Nothing is under way on a node any more.
    fn let_go(&mut self, id: AtomId, flows: &[FlowNumber], node: NodeId) -> Part {
        self.for_members(id, flows, node, |_, placement| placement.queued = false);
        Part::Idle
    }

    /// Deletes on a node what its switch has or may have of the atom. One that is away is seen to when it is back.
    fn undo_part(&mut self, id: AtomId, flows: &[FlowNumber], node: NodeId) -> Part {
        let is_live = self.nodes.get(&node).and_then(Node::live).is_some();
        self.for_members(id, flows, node, |_, placement| {
            placement.queued = is_live;
            placement.stage = if is_live { Stage::Undoing } else { Stage::Unknown };
        });
        if !is_live {
            return Part::Idle;
        }
        for number in self.members(id, flows, node) {
            self.push_job(node, Job::Undo { number });
        }
        Part::Leaving
    }

    /// Every switch has it: that is its decision.
    pub(super) fn succeed(&mut self, id: AtomId, atom: &Atom) {
        for node in atom.parts.keys() {
            for number in self.members(id, &atom.flows, *node) {
                let Some(placement) = self.flows.get_mut(&number).and_then(|flow| flow.placement_mut(*node)) else {
                    continue;
                };
                placement.set_atom(None);
                placement.queued = false;
                let is_in_doubt = std::mem::take(&mut placement.tally).lost;
                self.confirmed(number, *node);
                self.flow_moved(number);
                if is_in_doubt {
                    self.read_now(*node);
                }
            }
        }
    }

    /// No switch has it, nor will have: that is its decision.
    fn refuse(&mut self, id: AtomId, atom: &Atom, refusal: &Refusal) {
        let error = self.shared_error(refusal);
        warn!(
            first = id.first.get(),
            flows = atom.flows.len(),
            error = error.message,
            "rejected flows that go together"
        );
        for node in atom.parts.keys() {
            let mut may_be_there = false;
            for number in self.members(id, &atom.flows, *node) {
                let Some(placement) = self.flows.get_mut(&number).and_then(|flow| flow.placement_mut(*node)) else {
                    continue;
                };
                placement.in_doubt = placement.stage == Stage::Unknown;
                may_be_there |= placement.in_doubt;
                placement.set_atom(None);
                placement.queued = false;
                placement.error.get_or_insert_with(|| Box::new(error.clone()));
                self.reject_and_wait(number, *node);
                self.flow_moved(number);
            }
            if may_be_there {
                self.read_now(*node);
            }
        }
    }

    /// The error of the flows that are not to blame.
    fn shared_error(&self, refusal: &Refusal) -> SwitchError {
        let culprit = refusal
            .culprit
            .and_then(|(number, node)| Some((self.flows.get(&number)?.asked.id(), self.node_name(node)?.as_str())));
        let SwitchError { error_type, code, message } = &refusal.error;
        match culprit {
            Some((flow_id, node)) => rolled_back(format!(
                "rolled back together with flow {flow_id}, which node {node} refused with {error_type}/{code}: {message}"
            )),
            None => refusal.error.clone(),
        }
    }
}

fn rolled_back(message: String) -> SwitchError {
    SwitchError { error_type: "BUNDLE_FAILED".to_owned(), code: "MSG_FAILED".to_owned(), message }
}

/// The error of a bundle about which the switch says no more than that.
pub(super) fn not_applied() -> SwitchError {
    rolled_back("the switch did not take the bundle".to_owned())
}
