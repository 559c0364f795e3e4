//! The engine's indices against what they index, for tests to look at after every step.

use std::collections::BTreeMap;

use crate::programmer::cookie::FlowNumber;
use crate::programmer::engine::Engine;
use crate::programmer::flows::FlowSet;
use crate::programmer::install::rule_hash;
use crate::programmer::node::NodeId;
use crate::programmer::places::Claims;

impl Engine {
    /// Whether counters and indices say what the flows and nodes themselves say.
    pub(super) fn check_consistency(&self) -> Result<(), String> {
        for (id, node) in &self.nodes {
            let mut flows = FlowSet::default();
            let mut counts = BTreeMap::new();
            for (number, flow) in self.flows.iter() {
                for placement in flow.placements.iter().filter(|placement| placement.node == *id) {
                    if !placement.stage.is_ended() {
                        flows.insert(number);
                    }
                    if let Some(told) = placement.told.filter(|told| !told.is_ended()) {
                        *counts.entry(told).or_default() += 1;
                    }
                }
            }
            if flows != node.flows {
                return Err(format!("{:?} indexes {:?} and has {flows:?}", node.request.name, node.flows));
            }
            if counts != node.counts {
                return Err(format!("{:?} counts {:?} and has {counts:?}", node.request.name, node.counts));
            }
            if let Some(live) = node.live() {
                if self.connections.get(&live.connection) != Some(id) {
                    return Err(format!("{:?} is connected and its connection is not known", node.request.name));
                }
                if live.settled > live.sent {
                    return Err(format!("{:?} has settled {} of {}", node.request.name, live.settled, live.sent));
                }
            } else if !node.queue.is_empty() {
                return Err(format!("{:?} is away and has work", node.request.name));
            }
            if self.names.get(&node.request.name) != Some(id) {
                return Err(format!("{:?} is not known by its name", node.request.name));
            }
        }
        for (number, flow) in self.flows.iter() {
            if self.flows.by_id(flow.asked.id()) != Some(number) {
                return Err(format!("{:?} is not known by its id", flow.asked.id()));
            }
        }
        self.claims.iter().try_for_each(|(held, number)| self.check_claim(held, number))
    }

    fn check_claim(&self, held: u64, number: FlowNumber) -> Result<(), String> {
        let Some(flow) = self.flows.get(&number) else {
            return Err(format!("{number:?} is gone and claims a place"));
        };
        let places: Vec<u64> = self.rules_of(&flow.asked.request()).iter().map(rule_hash).collect();
        let is_held_on = |id: NodeId| places.iter().any(|place| Claims::is_of(held, id, *place));
        match flow.placements.iter().find(|placement| is_held_on(placement.node)) {
            None => Err(format!("{:?} claims a place that is none of its rules'", flow.asked.id())),
            Some(placement) if placement.stage.is_ended() => {
                Err(format!("{:?} has left {:?} and claims a place there", flow.asked.id(), placement.node))
            }
            Some(_) => Ok(()),
        }
    }
}
