//! How nodes and flows come back at a start.
//!
//! Reading a flow, and compiling it to know the places of its rules, is most of the work, and needs nothing of the engine:
//! it is done ahead on every core, a part of the flows after the other, while the engine takes in what was read. What a
//! flow took to be read is given back with its part, so that a start takes little more memory than what it leaves.

use std::sync::mpsc::sync_channel;
use std::thread;

use openflow::{DatapathId, MeterId};
use smallvec::SmallVec;

use super::StartError;
use super::asked::Asked;
use super::cookie::FlowNumber;
use super::engine::Engine;
use super::flow::{Flow, Placement, Placements, Reason, Stage};
use super::install::rule_hash;
use super::meter::Owner;
use super::node::{Node, NodeId};
use super::record::{NodeRecord, PlacementRecord, parse_flow};
use super::stored::StoredFlow;
use crate::contract::{NodeName, Timestamp};
use crate::policy::{self, ClassTable, Pipeline};
use crate::store::{Record, Records};

/// Flows that are read at a time.
const PART: usize = 2_048;

/// Parts that each core reads ahead.
const AHEAD: usize = 2;

/// A flow as it was read.
struct Read {
    number: FlowNumber,
    asked: Asked,
    /// The places of its rules.
    places: SmallVec<[u64; 2]>,
    nodes: Vec<PlacementRecord>,
    ended: Option<Timestamp>,
}

/// Reads a flow. One that has not ended and whose class is gone has no rules that are known, and what was written to a
/// switch for it cannot be told from what is nobody's.
fn read(record: Record<'_>, classes: &ClassTable, pipeline: Pipeline) -> Result<Read, StartError> {
    let (number, StoredFlow { asked, request, nodes, ended }) = parse_flow(record)?;
    let class = classes.known(&request.traffic_type);
    if class.is_none() && ended.is_none() {
        return Err(StartError::UnknownClass { flow: asked.flow_id(), class: request.traffic_type });
    }
    let rules = class.and_then(|class| policy::compile_in(pipeline, &request, class).ok()).unwrap_or_default();
    Ok(Read { number, asked, places: rules.iter().map(rule_hash).collect(), nodes, ended })
}

/// Reads all flows with `read`, and hands them over in their order.
fn read_all(
    records: &Records,
    read: impl Fn(Record<'_>) -> Result<Read, StartError> + Sync,
    mut take: impl FnMut(Read),
) -> Result<(), StartError> {
    let read = &read;
    let read_part = |first| records.range(first..first + PART).map(read).collect();
    let workers = thread::available_parallelism().map_or(1, usize::from);
    if workers == 1 || records.len() <= PART {
        return records.iter().try_for_each(|record| read(record).map(&mut take));
    }
    thread::scope(|scope| {
        let start = |worker| {
            let (sender, receiver) = sync_channel::<Result<Vec<Read>, StartError>>(AHEAD);
            scope.spawn(move || {
                // Whoever takes in no more has found a flow that cannot be read.
                (worker * PART..records.len()).step_by(PART * workers).try_for_each(|at| sender.send(read_part(at)))
            });
            receiver
        };
        let parts: Vec<_> = (0..workers).map(start).collect();
        for at in 0..records.len().div_ceil(PART) {
            // A worker that has panicked says nothing more; the scope passes that on.
            let Some(part) = parts.get(at % workers).and_then(|worker| worker.recv().ok()) else { break };
            part?.into_iter().for_each(&mut take);
        }
        Ok(())
    })
}

impl Engine {
    /// Takes in what the store remembers.
    pub(super) fn recall(&mut self, nodes: Vec<NodeRecord>, flows: &Records) -> Result<(), StartError> {
        for NodeRecord { request, datapath_id, was_seen, class_meters, queues } in nodes {
            let mut node = Node::new(request, datapath_id.map(|id| DatapathId(id.0)));
            node.was_seen = was_seen;
            for (class, meter) in class_meters {
                node.meters.recall(Owner::Class(class), MeterId(meter));
            }
            node.queues.wanted = queues;
            self.insert_node(node);
        }
        let classes = self.classes.clone();
        let pipeline = self.config.pipeline;
        read_all(flows, |record| read(record, &classes, pipeline), |flow| self.restore_flow(flow))
    }

    fn restore_flow(&mut self, read: Read) {
        let Read { number, asked, places, nodes, ended } = read;
        self.forget_namesake(asked.id());
        let mut placements = Placements::with_capacity(nodes.len());
        let mut orphaned = Vec::new();
        for stored in nodes {
            let known = self.names.get(&stored.node).copied();
            let id = known.unwrap_or_else(|| self.retire(stored.node));
            let mut placement = Placement::new(id);
            placement.restored = true;
            placement.stage = stored.stage.stage();
            placement.set_expired_rules(stored.expired_rules);
            // The daemon died between forgetting the node and what was to be on it.
            if known.is_none() && !placement.stage.is_ended() {
                placement.stage = Stage::Removed;
                orphaned.push(id);
            }
            if placement.stage == Stage::Unknown {
                placement.reason = Some(Reason::Restarted);
            }
            if let Some(meter) = stored.meter
                && let Some(node) = self.nodes.get_mut(&id)
            {
                node.meters.recall(Owner::Flow(number), MeterId(meter));
            }
            placement.error = stored.error;
            placement.applied_at = stored.applied_at;
            placement.set_atom(stored.atom.and_then(|atom| atom.of(id)));
            if !placement.stage.is_ended() && placement.stage != Stage::Rejected {
                // Flows come in the order in which they were asked for: whoever has a place already was to be replaced.
                placement.set_replaces(self.claim(number, id, &places));
            }
            placements.push(placement);
        }
        let nodes: SmallVec<[NodeId; 1]> = placements.iter().map(|placement| placement.node).collect();
        let rules = u32::try_from(places.len()).unwrap_or(u32::MAX);
        self.flows.insert(
            number,
            Flow { asked, rules, freed: false, is_unsaved: false, is_end_stored: false, placements, durable: 0, ended },
        );
        for id in nodes {
            self.index_placement(number, id);
            self.join_atom(number, id);
        }
        self.retell(number);
        // Another node of the same name may come: the flow is not on that one.
        orphaned.into_iter().for_each(|id| self.flow_left(number, id));
    }

    /// An id is given again when the flow that had it has gone. The daemon died before the disk knew that.
    fn forget_namesake(&mut self, id: &str) {
        let Some(gone) = self.flows.by_id(id) else { return };
        let placements = self.flows.get(&gone).map(|flow| flow.placements.as_slice()).unwrap_or_default();
        let nodes: SmallVec<[NodeId; 1]> = placements.iter().map(|placement| placement.node).collect();
        for id in nodes {
            self.change_placement(gone, id, |placement| placement.stage = Stage::Removed);
        }
        self.forget_flow(gone);
    }

    fn retire(&mut self, name: NodeName) -> NodeId {
        let id = self.new_node_id();
        self.retired.insert(id, name);
        id
    }
}
