//! Rate limits of flows that go together. A meter cannot be part of a bundle, so all of them are on the switches before
//! the first bundle leaves, and go again when the flows come to nothing.

use super::{Atom, AtomId, Phase, Refusal};
use crate::contract::SwitchError;
use crate::programmer::cookie::FlowNumber;
use crate::programmer::engine::Engine;
use crate::programmer::flow::Placement;
use crate::programmer::meter::MeterStage;
use crate::programmer::node::NodeId;

impl Engine {
    /// Whether every meter that the atom's flows are to be behind is on its switch. Those that are not are on their way
    /// then, and the atom hears of it.
    pub(super) fn are_meters_there(&mut self, id: AtomId, atom: &Atom) -> bool {
        let mut are_there = true;
        for node in atom.parts.keys().copied() {
            for number in self.members(id, &atom.flows, node) {
                if self.meter_owner(number).is_some() {
                    self.use_meter(number, node);
                    are_there &= self.meter_of(number, node).is_some_and(|meter| meter.stage == MeterStage::There);
                }
            }
        }
        are_there
    }

    /// A meter has come, or is not to come, and flows that go together may have waited for it.
    pub(in crate::programmer) fn touch_atoms_of(&mut self, flows: impl IntoIterator<Item = FlowNumber>, node: NodeId) {
        for number in flows {
            let placement = self.flows.get(&number).and_then(|flow| flow.placement(node));
            if let Some(atom) = placement.and_then(Placement::undecided) {
                self.atoms.touch(atom);
            }
        }
    }

    /// A switch will not have the meter of a flow that goes with others; false for one that stands alone.
    pub(in crate::programmer) fn refuse_atom_for_meter(
        &mut self,
        number: FlowNumber,
        node: NodeId,
        error: &SwitchError,
    ) -> bool {
        let placement = self.flows.get_mut(&number).and_then(|flow| flow.placement_mut(node));
        let Some(id) = placement.as_deref().and_then(Placement::undecided) else { return false };
        if let Some(placement) = placement {
            placement.error.get_or_insert_with(|| Box::new(error.clone()));
        }
        if let Some(atom) = self.atoms.by_id.get_mut(&id) {
            let refusal = Refusal { culprit: Some((number, node)), error: error.clone() };
            atom.phase = Phase::Undoing(Some(refusal));
            self.atoms.touch(id);
        }
        true
    }
}
