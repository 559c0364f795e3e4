//! The rules of others on a switch, as far as they have been read or told of: who has which place, and what they take.

use std::collections::HashMap;
use std::ops::ControlFlow;

use openflow::{Match, TableId};

use super::install::place_hash;
use crate::policy::{ConflictIndex, Handle, Shape};

/// How many are remembered of one switch: as many as its tables hold, and a switch that makes them up is not believed.
const MAX_FOREIGN: usize = 1_000_000;

/// A rule of somebody else.
#[derive(Debug)]
pub(super) struct ForeignRule {
    pub(super) cookie: u64,
    pub(super) priority: u16,
    /// What it takes of IP; empty for a rule of a table where no rule of ours is.
    pub(super) shapes: Vec<Shape>,
}

/// The rules of others on one switch, by [`place_hash`].
#[derive(Debug, Default)]
pub(super) struct Foreign {
    rules: HashMap<u64, ForeignRule>,
    /// Made when it is first needed, and kept from then on.
    index: Option<ConflictIndex<u64>>,
}

impl Handle for u64 {
    type Packed = [u8; 8];
    const FIRST: Self = Self::MIN;
    const LAST: Self = Self::MAX;

    fn pack(self) -> [u8; 8] {
        self.to_be_bytes()
    }

    fn unpack(packed: [u8; 8]) -> Self {
        Self::from_be_bytes(packed)
    }
}

impl Foreign {
    /// The cookie of the rule in this place.
    pub(super) fn cookie(&self, place: u64) -> Option<u64> {
        self.rules.get(&place).map(|rule| rule.cookie)
    }

    pub(super) fn rule(&self, place: u64) -> Option<&ForeignRule> {
        self.rules.get(&place)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Takes in a rule; `is_beside` ours, in the same table.
    pub(super) fn insert(
        &mut self,
        is_beside: bool,
        table_id: TableId,
        priority: u16,
        flow_match: &Match,
        cookie: u64,
    ) {
        let place = place_hash(table_id, priority, flow_match);
        if self.rules.len() >= MAX_FOREIGN && !self.rules.contains_key(&place) {
            return;
        }
        let shapes = if is_beside { Shape::of_match(flow_match) } else { Vec::new() };
        if let Some(index) = &mut self.index {
            shapes.iter().for_each(|shape| index.insert(priority, shape, place));
        }
        self.rules.insert(place, ForeignRule { cookie, priority, shapes });
    }

    pub(super) fn remove(&mut self, place: u64) {
        let Some(rule) = self.rules.remove(&place) else { return };
        if let Some(index) = &mut self.index {
            rule.shapes.iter().for_each(|shape| index.remove(rule.priority, shape, place));
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Makes what [`Foreign::visit`] looks into, unless it is there.
    pub(super) fn index(&mut self) {
        let rules = &self.rules;
        self.index.get_or_insert_with(|| {
            let mut index = ConflictIndex::default();
            for (place, rule) in rules {
                rule.shapes.iter().for_each(|shape| index.insert(rule.priority, shape, *place));
            }
            index
        });
    }

    /// Finds the places of the rules that can be in the way of a flow.
    pub(super) fn visit(&self, priority: u16, shape: &Shape, found: impl FnMut(u64) -> ControlFlow<()>) {
        if let Some(index) = &self.index {
            index.visit(priority, shape, found);
        }
    }
}
