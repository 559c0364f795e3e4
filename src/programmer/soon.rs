//! What is stored together with the switch's word on it.
//!
//! A flow changes twice within moments: it is asked for, or is to go, and its switch says what came of that. The answer
//! waits until the disk has the second change, so the first need not be written by itself where the second comes soon, nor
//! the word of each of a thousand switches. Until then nothing of it is told, as of any change that is not on disk: a daemon
//! that dies has acknowledged nothing.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

use super::cookie::FlowNumber;
use super::engine::Engine;
use super::flow::{Flow, Placement};
use super::node::Node;

/// How long each FLOW_MOD that has to go before makes the switch's word later: slow switches take so long.
const PACE: Duration = Duration::from_micros(100);

/// The longest that anything waits: until it is written, what was told last is told, also of another switch.
const LONGEST: Duration = Duration::from_millis(250);

/// The same for what many flows of one removal come to: half of the time that whoever asked waits at least, so that most
/// are written once, and not all of them at a time.
const LEISURE: Duration = Duration::from_millis(2_500);

/// Flows that wait, and until when. One that has been stored since is found out when it is due.
#[derive(Debug, Default)]
pub(super) struct Soon(BinaryHeap<Reverse<(Instant, FlowNumber)>>);

impl Soon {
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.0.peek().map(|Reverse((until, _))| *until)
    }
}

impl Engine {
    /// Stores the flow as it stands, with the switch's word on it if that is to be expected.
    pub(super) fn save_soon(&mut self, number: FlowNumber) {
        let before = |node: &Node| {
            let in_flight = node.live().map_or(0, |live| live.in_window() + live.bulk);
            (node.queue.len() + node.bulk.len()) as u64 + in_flight
        };
        let placements = self.flows.get(&number).map(|flow| flow.placements.as_slice()).unwrap_or_default();
        let nodes = placements.iter().filter_map(|placement| self.nodes.get(&placement.node));
        let before = u32::try_from(nodes.map(before).max().unwrap_or(0)).unwrap_or(u32::MAX);
        self.save_within(number, PACE.saturating_mul(before).min(LONGEST));
    }

    /// The same for one of many that are to go.
    pub(super) fn save_at_leisure(&mut self, number: FlowNumber) {
        self.save_within(number, LEISURE);
    }

    /// Stores the flow with the word of one of its switches, and those of others that come within moments of it.
    pub(super) fn save_with_others(&mut self, number: FlowNumber) {
        self.save_within(number, Duration::ZERO);
    }

    fn save_within(&mut self, number: FlowNumber, beyond_patience: Duration) {
        let patience = self.config.patience;
        let next = self.next_commit;
        // What is written in this turn anyway is written as it stands at the end of it: half of a decision is none.
        let is_expected =
            |flow: &&mut Flow| flow.durable != next && flow.placements.iter().any(Placement::is_under_way);
        let Some(flow) = self.flows.get_mut(&number).filter(|flow| !patience.is_zero() && is_expected(flow)) else {
            return self.save_flow(number);
        };
        // A switch's word is not held back by what another switch has yet to do: it comes sooner than what waits for that.
        if flow.is_unsaved && !beyond_patience.is_zero() {
            return;
        }
        flow.is_unsaved = true;
        flow.durable = u64::MAX;
        let until = self.now + patience + beyond_patience;
        self.soon.0.push(Reverse((until, number)));
    }

    /// Stores the flow, if that waits.
    pub(super) fn save_unsaved(&mut self, number: FlowNumber) {
        if self.is_unsaved(number) {
            self.save_flow(number);
        }
    }

    /// Stores what has waited long enough.
    pub(super) fn save_due(&mut self) {
        while let Some(Reverse((until, number))) = self.soon.0.peek().copied()
            && (until <= self.now || !self.is_unsaved(number))
        {
            self.soon.0.pop();
            self.save_unsaved(number);
        }
    }

    /// Stores all that waits: the switches' words are not waited for any more.
    pub(super) fn save_rest(&mut self) {
        for Reverse((_, number)) in std::mem::take(&mut self.soon.0) {
            self.save_unsaved(number);
        }
    }

    fn is_unsaved(&self, number: FlowNumber) -> bool {
        self.flows.get(&number).is_some_and(|flow| flow.is_unsaved)
    }
}
