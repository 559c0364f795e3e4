//! Who has which place on a switch. A table holds one rule of a priority and match, so one flow of ours has it.
//!
//! A flow that replaces others has their places from the moment it is asked for, and they are superseded when the switch
//! has confirmed it. Until then nothing of theirs is judged or put back where it is in the way. When it comes to nothing
//! they have their places again, and the switch is read, because it may have lost rules of theirs meanwhile.

use hashbrown::hash_map::Entry;
use hashbrown::{DefaultHashBuilder, HashMap};

use super::cookie::FlowNumber;
use super::engine::Engine;
use super::flow::{Placement, Replan, Stage};
use super::install::rule_hash;
use super::node::{Job, NodeId};
use crate::policy::Rule;

/// Who holds which place: a table, priority and match on a node, by their hash.
#[derive(Debug, Default)]
pub(super) struct Claims(HashMap<u64, FlowNumber>);

/// The place on this node and no other. Fibonacci hashing sets nodes apart.
fn on_node(id: NodeId, place: u64) -> u64 {
    place ^ (u64::from(id.0) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl Claims {
    pub(super) fn get(&self, id: NodeId, place: u64) -> Option<FlowNumber> {
        self.0.get(&on_node(id, place)).copied()
    }

    fn insert(&mut self, id: NodeId, place: u64, number: FlowNumber) -> Option<FlowNumber> {
        self.0.insert(on_node(id, place), number)
    }

    /// The place is free, if it was this flow's.
    pub(super) fn give_up(&mut self, id: NodeId, place: u64, number: FlowNumber) {
        if let Entry::Occupied(claim) = self.0.entry(on_node(id, place))
            && *claim.get() == number
        {
            claim.remove();
        }
    }

    fn entry(&mut self, id: NodeId, place: u64) -> Entry<'_, u64, FlowNumber, DefaultHashBuilder> {
        self.0.entry(on_node(id, place))
    }

    /// Every place that is held, as a hash that [`Claims::is_of`] knows, and by whom.
    #[cfg(test)]
    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, FlowNumber)> {
        self.0.iter().map(|(held, number)| (*held, *number))
    }

    /// Whether what is held is this place.
    #[cfg(test)]
    pub(super) fn is_of(held: u64, id: NodeId, place: u64) -> bool {
        held == on_node(id, place)
    }
}

impl Engine {
    /// Gives a flow these places; the flows that had them until now.
    pub(super) fn claim(&mut self, number: FlowNumber, id: NodeId, places: &[u64]) -> Vec<FlowNumber> {
        let mut before = Vec::new();
        for place in places.iter().copied() {
            if let Some(other) = self.claims.insert(id, place, number)
                && other != number
                && !before.contains(&other)
            {
                before.push(other);
            }
        }
        before
    }

    /// Whether another flow has been given one of these places.
    pub(super) fn is_yielding(&self, number: FlowNumber, id: NodeId, rules: &[Rule]) -> bool {
        let yields_to = |holder: FlowNumber| holder != number && !self.is_biding(holder, id);
        rules.iter().any(|rule| self.claims.get(id, rule_hash(rule)).is_some_and(yields_to))
    }

    /// Whether a flow waits for other nodes than this one, and so leaves its places to whoever had them until then.
    fn is_biding(&self, number: FlowNumber, id: NodeId) -> bool {
        let placement = self.flows.get(&number).and_then(|flow| flow.placement(id));
        let atom = placement.and_then(Placement::undecided);
        atom.is_some_and(|atom| atom.node.is_none() && self.atoms.is_idle(atom, id))
    }

    /// The switch has the flow as it was asked for, and with it what was in its places is gone.
    pub(super) fn confirmed(&mut self, number: FlowNumber, id: NodeId) {
        let wall = self.wall;
        let Some(placement) = self.flows.get_mut(&number).and_then(|flow| flow.placement_mut(id)) else { return };
        match placement.replan {
            Replan::No => {}
            Replan::Sent => self.read_soon(id),
            // What was confirmed is what the class was before.
            Replan::Due => {
                placement.stage = Stage::Waiting;
                return self.read_now(id);
            }
        }
        let Some(placement) = self.flows.get_mut(&number).and_then(|flow| flow.placement_mut(id)) else { return };
        let was_applied = placement.stage == Stage::Drifted;
        placement.confirm(wall);
        let (replaces, covers_foreign) = (placement.take_replaces(), placement.take_covers_foreign());
        if covers_foreign {
            self.foreign_written_over(number, id);
        }
        // What has drifted is stored as applied: to put it back changes nothing there. The words of other switches that
        // are about to come go with this one, but not before what it replaces: the disk has both of them or neither.
        if !replaces.is_empty() {
            self.save_flow(number);
        } else if !was_applied {
            self.save_with_others(number);
        }
        replaces.into_iter().for_each(|other| self.supersede(other, id));
    }

    /// Whether a rule under this cookie belongs to the flow that has its place, and is to be there.
    pub(super) fn is_wanted(&self, id: NodeId, cookie: u64, rule: &Rule) -> bool {
        let Some(number) = self.tag.number(cookie) else { return false };
        let placement = self.flows.get(&number).and_then(|flow| flow.placement(id));
        let is_decided = |placement: &Placement| placement.undecided().is_none() && placement.replan == Replan::No;
        placement.is_some_and(|placement| placement.stage.is_desired() && is_decided(placement))
            && self.claims.get(id, rule_hash(rule)) == Some(number)
    }

    /// Whether somebody else's rule is in the place of one of these, as far as is known.
    pub(super) fn covers_foreign(&self, id: NodeId, rules: &[Rule]) -> bool {
        let foreign = self.nodes.get(&id).map(|node| &node.foreign).filter(|foreign| !foreign.is_empty());
        foreign.is_some_and(|foreign| rules.iter().any(|rule| foreign.rule(rule_hash(rule)).is_some()))
    }

    /// The rules of others in the places of this flow are gone, and no flow monitor tells of what we do ourselves.
    fn foreign_written_over(&mut self, number: FlowNumber, id: NodeId) {
        let rules = self.flows.get(&number).map(|flow| self.rules_of(&flow.asked.request())).unwrap_or_default();
        if let Some(node) = self.nodes.get_mut(&id) {
            rules.iter().for_each(|rule| node.foreign.remove(rule_hash(rule)));
        }
    }

    /// Another flow has taken the place of this one: its other rules go too.
    fn supersede(&mut self, number: FlowNumber, id: NodeId) {
        let Some(placement) = self.flows.get_mut(&number).and_then(|flow| flow.placement_mut(id)) else { return };
        // What was refused stays so, and what is being taken away is.
        if !placement.stage.is_desired() {
            return;
        }
        placement.stage = Stage::Superseded;
        placement.queued = false;
        if placement.replan != Replan::No {
            self.read_now(id);
        }
        let cookie = self.tag.cookie(number);
        let rules = self.flows.get(&number).map(|flow| self.rules_of(&flow.asked.request())).unwrap_or_default();
        if rules.len() > 1 {
            rules.into_iter().for_each(|rule| self.push_job(id, Job::Sweep { cookie, rule }));
        }
        self.flow_left(number, id);
        self.flow_moved(number);
    }

    /// The flow is not to be on the node any more: its places are free, or those whose they were have them again.
    pub(super) fn leave_places(&mut self, number: FlowNumber, id: NodeId) {
        let Some(flow) = self.flows.get_mut(&number) else { return };
        let Some(placement) = flow.placement_mut(id) else { return };
        let (replaced, covers_foreign) = (placement.take_replaces(), placement.take_covers_foreign());
        if covers_foreign {
            // It was sent and not confirmed: which rules of others it took is not known.
            self.read_soon(id);
        }
        let Some(flow) = self.flows.get(&number) else { return };
        for rule in self.rules_of(&flow.asked.request()) {
            self.claims.give_up(id, rule_hash(&rule), number);
        }
        if replaced.is_empty() {
            return;
        }
        for other in replaced {
            self.reclaim(other, id);
            let placement = self.flows.get_mut(&other).and_then(|flow| flow.placement_mut(id));
            if let Some(placement) = placement.filter(|other| matches!(other.stage, Stage::Applied | Stage::Drifted)) {
                placement.more().was_yielding = true;
            }
        }
        self.read_now(id);
    }

    /// The flow has its places again, but for those that yet another flow was given meanwhile: that one replaces it now.
    pub(super) fn reclaim(&mut self, number: FlowNumber, id: NodeId) {
        let Some(flow) = self.flows.get(&number) else { return };
        if !flow.placement(id).is_some_and(|placement| placement.stage.is_desired()) {
            return;
        }
        let mut is_superseded = false;
        for rule in self.rules_of(&flow.asked.request()) {
            let holder = *self.claims.entry(id, rule_hash(&rule)).or_insert(number);
            if holder == number {
                continue;
            }
            let Some(flow) = self.flows.get_mut(&holder) else { continue };
            let is_known = flow.told().is_some();
            let Some(other) = flow.placement_mut(id) else { continue };
            // One that the disk never knew goes again.
            if other.stage == Stage::Applied && is_known {
                is_superseded = true;
            } else if !other.replaces().contains(&number) {
                other.more().replaces.push(number);
            }
        }
        if is_superseded {
            self.supersede(number, id);
        }
    }
}
