//! What reading a switch says of the flows that go together and are not decided.

use std::collections::{BTreeSet, HashSet};

use openflow::FlowStats;

use super::AtomId;
use crate::programmer::cookie::FlowNumber;
use crate::programmer::engine::Engine;
use crate::programmer::install::rule_hash;
use crate::programmer::node::NodeId;
use crate::programmer::reconcile::{is_as_asked, place_of};

/// The atoms of which the switch has everything, and those of which it lacks something.
#[derive(Debug, Default)]
pub(in crate::programmer) struct Judged {
    whole: BTreeSet<AtomId>,
    broken: BTreeSet<AtomId>,
}

impl Engine {
    /// Judges a flow of an atom by the rules that were found under its cookie; those that have no business there come
    /// back. What several switches decide together is not meant to be on any of them before it is decided.
    pub(in crate::programmer) fn reconcile_undecided<'a>(
        &self,
        atom: AtomId,
        id: NodeId,
        number: FlowNumber,
        mut found: Vec<&'a FlowStats>,
        judged: &mut Judged,
    ) -> Vec<&'a FlowStats> {
        if !self.atoms.is_idle(atom, id) {
            return Vec::new();
        }
        let Some(flow) = self.flows.get(&number).filter(|_| atom.node.is_some()) else { return found };
        let rules = self.rules_on(number, id);
        let places: HashSet<u64> = rules.iter().map(rule_hash).collect();
        let strays = found.extract_if(.., |entry| !places.contains(&place_of(entry))).collect();
        let is_whole = rules.iter().all(|rule| found.iter().any(|entry| is_as_asked(entry, rule, &flow.asked)));
        if is_whole { &mut judged.whole } else { &mut judged.broken }.insert(atom);
        strays
    }

    /// Decides the atoms that were found whole.
    pub(in crate::programmer) fn decide_found(&mut self, id: NodeId, judged: Judged) {
        let Judged { whole, broken } = judged;
        let wall = self.wall;
        for atom in whole.into_iter().filter(|atom| !broken.contains(atom)) {
            let Some(found) = self.atoms.by_id.remove(&atom) else { continue };
            self.for_members(atom, &found.flows, id, |_, placement| placement.verified_at = Some(wall));
            self.succeed(atom, &found);
        }
    }
}
