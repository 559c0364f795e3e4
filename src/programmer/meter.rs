//! The meters of one node that are ours: which number each has, who uses it, and whether the switch has it.
//!
//! OpenFlow meters carry no cookie, so nothing on a switch says whose they are. A number is therefore written to the
//! disk before it is sent to the switch, and forgotten after the switch has confirmed that the meter is gone: whatever
//! happens in between, the next start knows its own. Numbers that the switch has and that are not on the disk belong to
//! others, and are neither used nor touched.
//!
//! ```text
//!            on disk             confirmed            nobody uses it
//! Recording ─────────▶ Changing ───────────▶ There ──────────────────▶ Removing ── confirmed ──▶ (gone)
//!     ▲                  ▲  │                  │ connection lost, in doubt
//!     │ number is taken  │  └────────────────▶ ▼
//!     └──────────────────┼───────────────── Unread ── the switch's list ──▶ There, Changing or Removing
//!                        └───────────────── Held (somebody else wants it otherwise; tried again later)
//! ```

use std::collections::{BTreeMap, BTreeSet};

use openflow::MeterId;

use super::cookie::FlowNumber;
use super::flow::Repairs;

/// Who shares a meter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Owner {
    /// The rules of one flow.
    Flow(FlowNumber),
    /// Those of every flow of a class that has no limit of its own.
    Class(String),
}

/// A meter of ours.
#[derive(Debug)]
pub(super) struct Meter {
    pub(super) id: MeterId,
    pub(super) stage: MeterStage,
    /// The flows that are to be behind it.
    pub(super) users: BTreeSet<FlowNumber>,
    /// Those of them whose rules are sent when it is there.
    pub(super) parked: BTreeSet<FlowNumber>,
    /// Flows that have left for good when it has.
    pub(super) leaving: BTreeSet<FlowNumber>,
    /// It was sent on an earlier connection, or may have been: a switch may carry that out late.
    pub(super) was_sent: bool,
    /// The engine's sequence number at its last change: a list of meters that was asked for before proves nothing.
    pub(super) touched: u64,
    pub(super) repairs: Repairs,
}

/// Where a meter stands; the diagram is in the [module](self).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MeterStage {
    Recording,
    Changing,
    There,
    Unread,
    Held,
    Removing,
}

/// The meters of a node.
#[derive(Debug, Default)]
pub(super) struct Meters {
    by_owner: BTreeMap<Owner, Meter>,
    owners: BTreeMap<MeterId, Owner>,
    foreign: BTreeSet<MeterId>,
    /// Every number below is taken.
    free_from: u32,
}

impl Meter {
    fn new(id: MeterId, stage: MeterStage) -> Self {
        Self {
            id,
            stage,
            users: BTreeSet::new(),
            parked: BTreeSet::new(),
            leaving: BTreeSet::new(),
            was_sent: stage == MeterStage::Unread,
            touched: 0,
            repairs: Repairs::default(),
        }
    }
}

impl Meter {
    /// The switch has it, and nobody is to be behind it.
    pub(super) fn is_useless(&self) -> bool {
        self.stage == MeterStage::There && self.users.is_empty()
    }
}

impl Meters {
    pub(super) fn is_empty(&self) -> bool {
        self.by_owner.is_empty()
    }

    pub(super) fn get(&self, owner: &Owner) -> Option<&Meter> {
        self.by_owner.get(owner)
    }

    pub(super) fn get_mut(&mut self, owner: &Owner) -> Option<&mut Meter> {
        self.by_owner.get_mut(owner)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Owner, &Meter)> {
        self.by_owner.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Meter> {
        self.by_owner.values_mut()
    }

    /// Whose meter has the number.
    pub(super) fn owner(&self, id: MeterId) -> Option<&Owner> {
        self.owners.get(&id)
    }

    /// Takes in a meter that the disk remembers.
    pub(super) fn recall(&mut self, owner: Owner, id: MeterId) {
        self.owners.insert(id, owner.clone());
        self.by_owner.insert(owner, Meter::new(id, MeterStage::Unread));
    }

    /// The number that the next meter gets: the lowest that nobody has.
    pub(super) fn next_id(&self) -> MeterId {
        let is_free = |id: &MeterId| !self.owners.contains_key(id) && !self.foreign.contains(id);
        // Of 2^32 numbers one is free: each that is taken is in memory.
        (self.free_from.max(1)..).map(MeterId).find(is_free).unwrap_or(MeterId::MAX)
    }

    /// Makes a meter under a free number, which is to be recorded before it is used.
    pub(super) fn make(&mut self, owner: Owner) -> &mut Meter {
        let id = self.take_id(owner.clone());
        self.by_owner.entry(owner).or_insert_with(|| Meter::new(id, MeterStage::Recording))
    }

    /// The number of this meter is somebody else's after all: gives it another.
    pub(super) fn renumber(&mut self, owner: &Owner) {
        let Some(before) = self.by_owner.get(owner).map(|meter| meter.id) else { return };
        self.owners.remove(&before);
        self.foreign.insert(before);
        let id = self.take_id(owner.clone());
        if let Some(meter) = self.by_owner.get_mut(owner) {
            (meter.id, meter.stage, meter.was_sent) = (id, MeterStage::Recording, false);
        }
    }

    fn take_id(&mut self, owner: Owner) -> MeterId {
        let id = self.next_id();
        self.free_from = id.0;
        self.owners.insert(id, owner);
        id
    }

    /// The meter is not on the switch, and its number free.
    pub(super) fn forget(&mut self, owner: &Owner) -> Option<Meter> {
        let meter = self.by_owner.remove(owner)?;
        self.owners.remove(&meter.id);
        self.free_from = self.free_from.min(meter.id.0);
        Some(meter)
    }

    /// What the switch has that is not ours.
    pub(super) fn set_foreign(&mut self, there: impl Iterator<Item = MeterId>) {
        self.foreign = there.filter(|id| !self.owners.contains_key(id)).collect();
        self.free_from = 1;
    }

    /// The connection is gone: what the switch has is not known, and nothing waits for it.
    pub(super) fn disconnected(&mut self) {
        for meter in self.by_owner.values_mut() {
            meter.parked.clear();
            meter.leaving.clear();
            if meter.stage != MeterStage::Recording {
                (meter.stage, meter.was_sent) = (MeterStage::Unread, true);
            }
        }
    }

    /// Whether a METER_MOD is out, or about to be, that rules wait for.
    pub(super) fn is_changing(&self) -> bool {
        self.by_owner.values().any(|meter| meter.stage == MeterStage::Changing)
    }

    /// Whether a number is on its way to the disk.
    pub(super) fn is_recording(&self) -> bool {
        self.by_owner.values().any(|meter| meter.stage == MeterStage::Recording)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(number: u64) -> Owner {
        Owner::Flow(FlowNumber::new(number).unwrap())
    }

    #[test]
    fn the_lowest_free_number_is_taken_and_never_one_of_others() {
        let mut meters = Meters::default();
        meters.set_foreign([MeterId(1), MeterId(3)].into_iter());
        assert_eq!(meters.make(flow(1)).id, MeterId(2));
        assert_eq!(meters.make(flow(2)).id, MeterId(4));
        assert_eq!(meters.make(Owner::Class("voice".to_owned())).id, MeterId(5));
        meters.forget(&flow(1));
        assert_eq!(meters.make(flow(3)).id, MeterId(2), "a number that is free again is used again");
        meters.set_foreign([MeterId(1), MeterId(2), MeterId(4)].into_iter());
        assert_eq!(meters.next_id(), MeterId(3), "ours are not foreign, and 3 is gone");
    }

    #[test]
    fn a_number_that_turns_out_to_be_taken_is_not_tried_again() {
        let mut meters = Meters::default();
        meters.make(flow(1));
        meters.renumber(&flow(1));
        assert_eq!(meters.get(&flow(1)).map(|meter| meter.id), Some(MeterId(2)));
        assert_eq!(meters.owner(MeterId(1)), None);
        assert_eq!(meters.owner(MeterId(2)), Some(&flow(1)));
        assert_eq!(meters.make(flow(2)).id, MeterId(3));
    }
}
