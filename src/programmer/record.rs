//! What is stored of nodes and flows, and how it comes back at the next start.
//!
//! Nodes are JSON, in the contract's own words where it has them, and so is everything in an export, which can be read
//! by anybody. Flows, of which there are many, are stored in a form of their own ([`super::stored`]).

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::atom::AtomId;
use super::cookie::{FlowNumber, Tag};
use super::engine::{Engine, NUMBER_BLOCK, Undurable};
use super::flow::{Flow, Placement, Stage};
use super::meter::Owner;
use super::node::{Leaving, Node, NodeId};
use super::queues::Wanted;
use super::stored::{self, StoredFlow};
use crate::contract::{AddNode, FlowId, InstallFlow, NodeName, SwitchError, Timestamp};
use crate::store::{Batch, Record, Records, Snapshot, Table};

const TAG: &[u8] = b"tag";
const NEXT_NUMBER: &[u8] = b"next-number";

/// How long the last word on a flow that has ended is kept, and its id taken.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// A node as it is stored.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct NodeRecord {
    pub(super) request: AddNode,
    /// The one asked for, or the one that the dialled switch turned out to have.
    pub(super) datapath_id: Option<crate::contract::DatapathId>,
    /// Its switch has been connected once.
    pub(super) was_seen: bool,
    /// The meters that the flows of a class share, by class.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) class_meters: BTreeMap<String, u32>,
    /// The queues of its ports, by the ports' names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) queues: BTreeMap<String, Wanted>,
}

/// A flow as it is exported.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct FlowRecord {
    pub(super) flow_id: FlowId,
    pub(super) request: Box<InstallFlow>,
    pub(super) nodes: Vec<PlacementRecord>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ended: Option<Timestamp>,
}

/// A flow on one node as it is stored and exported.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct PlacementRecord {
    pub(super) node: NodeName,
    pub(super) stage: StoredStage,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<Box<SwitchError>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) applied_at: Option<Timestamp>,
    /// Rules that ended by their own timeout.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) expired_rules: u32,
    /// The flow's own meter there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) meter: Option<u32>,
    /// What it stands or falls with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) atom: Option<AtomRecord>,
}

/// An atom that is not decided, as it is stored: every flow of it names the first, and says whether each node decides
/// for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct AtomRecord {
    pub(super) first: u64,
    pub(super) per_node: bool,
}

/// The stages that outlive the daemon. What was under way when it stopped is not known, and that is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum StoredStage {
    /// Never sent.
    Waiting,
    /// Sent, or about to be.
    Accepted,
    Applied,
    Rejected,
    Removing,
    Removed,
    Expired,
    Superseded,
}

impl StoredStage {
    /// In the order of the numbers that stand for them.
    pub(super) const ALL: [Self; 8] = [
        Self::Waiting,
        Self::Accepted,
        Self::Applied,
        Self::Rejected,
        Self::Removing,
        Self::Removed,
        Self::Expired,
        Self::Superseded,
    ];
}

/// What the store had. Its flows are read one by one: there may be millions of them.
#[derive(Debug)]
pub(super) struct Loaded<'a> {
    pub(super) tag: Tag,
    pub(super) next_number: u64,
    pub(super) nodes: Vec<NodeRecord>,
    pub(super) flows: &'a Records,
}

/// A record that this program cannot read.
#[derive(Debug, Error)]
#[error("the store's {table:?} record {key:02x?} cannot be read: {reason}")]
pub struct RecordError {
    table: Table,
    key: Vec<u8>,
    reason: String,
}

impl<'a> Loaded<'a> {
    /// Reads a snapshot. The batch makes what is new in it durable: the tag at the first start, and the next block of
    /// flow numbers at every start.
    pub(super) fn new(snapshot: &'a Snapshot) -> Result<(Self, Batch), RecordError> {
        let mut batch = Batch::new();
        let meta = |key: &[u8]| snapshot.meta.iter().find(|record| record.key == key).map(|record| record.value);
        let tag = match meta(TAG) {
            Some(bytes) => u16::from_be_bytes(fixed(Table::Meta, TAG, bytes)?),
            None => {
                let tag = fastrand::u16(1..);
                put_tag(&mut batch, tag);
                tag
            }
        };
        let next_number = match meta(NEXT_NUMBER) {
            Some(bytes) => u64::from_be_bytes(fixed(Table::Meta, NEXT_NUMBER, bytes)?),
            None => 1,
        };
        put_reservation(&mut batch, next_number + NUMBER_BLOCK);
        let nodes = snapshot
            .nodes
            .iter()
            .map(|record| parse(Table::Node, record.key, record.value))
            .collect::<Result<_, _>>()?;
        Ok((Self { tag: Tag(tag), next_number, nodes, flows: &snapshot.flows }, batch))
    }
}

/// Reads what is stored of a flow.
pub(super) fn parse_flow(record: Record<'_>) -> Result<(FlowNumber, StoredFlow), RecordError> {
    let number = u64::from_be_bytes(fixed(Table::Flow, record.key, record.key)?);
    let number = FlowNumber::new(number).ok_or_else(|| unreadable(Table::Flow, record.key, "number beyond 48 bits"))?;
    let flow = stored::decode(record.value).map_err(|reason| unreadable(Table::Flow, record.key, &reason))?;
    Ok((number, flow))
}

/// Flow numbers below `upto` are taken.
pub(super) fn put_reservation(batch: &mut Batch, upto: u64) {
    batch.put(Table::Meta, NEXT_NUMBER, upto.to_be_bytes());
}

/// The tag of the installation.
pub(super) fn put_tag(batch: &mut Batch, tag: u16) {
    batch.put(Table::Meta, TAG, tag.to_be_bytes());
}

pub(super) fn put_node(batch: &mut Batch, record: &NodeRecord) {
    batch.put(Table::Node, record.name(), to_json(record));
}

pub(super) fn put_flow(batch: &mut Batch, number: FlowNumber, record: FlowRecord) {
    let StoredFlow { asked, nodes, ended, .. } = record.into();
    batch.put(Table::Flow, number.get().to_be_bytes(), stored::encode(&asked, nodes.into_iter(), ended));
}

impl NodeRecord {
    pub(super) fn name(&self) -> &str {
        self.request.name.as_str()
    }

    pub(super) fn datapath_id(&self) -> Option<crate::contract::DatapathId> {
        self.datapath_id
    }
}

impl FlowRecord {
    pub(super) fn flow_id(&self) -> &str {
        self.flow_id.as_str()
    }
}

pub(super) fn delete_node(batch: &mut Batch, name: &NodeName) {
    batch.delete(Table::Node, name.as_str());
}

impl Engine {
    pub(super) fn save_node(&mut self, id: NodeId) {
        let is_going = |node: &&Node| matches!(node.leaving, Some(Leaving::Going(_)));
        let Some(node) = self.nodes.get(&id).filter(|node| !is_going(node)) else { return };
        let datapath_id = node.datapath_id.map(|id| crate::contract::DatapathId(id.0));
        let class_meters = node.meters.iter().filter_map(|(owner, meter)| match owner {
            Owner::Class(class) => Some((class.clone(), meter.id.0)),
            Owner::Flow(_) => None,
        });
        let record = NodeRecord {
            request: node.request.clone(),
            datapath_id,
            was_seen: node.was_seen,
            class_meters: class_meters.collect(),
            queues: node.queues.wanted.clone(),
        };
        put_node(&mut self.batch, &record);
    }

    /// Stores the flow as it stands; until that is on disk no answer is given about it, and others are told how it
    /// stood before.
    pub(super) fn save_flow(&mut self, number: FlowNumber) {
        if self.unsaved.retry_at.is_some() {
            self.save_nodes_of(number);
        }
        let Some(flow) = self.flows.get_mut(&number) else { return self.delete_flow(number) };
        flow.durable = self.next_commit;
        flow.is_unsaved = false;
        let Some(flow) = self.flows.get(&number) else { return };
        let nodes = flow.placements.iter().filter_map(|placement| {
            Some(PlacementRecord {
                node: self.node_name(placement.node)?.clone(),
                stage: StoredStage::of(placement),
                error: placement.error.clone(),
                applied_at: placement.applied_at,
                expired_rules: placement.expired_rules(),
                meter: self.own_meter(number, placement.node),
                atom: placement.undecided().map(AtomRecord::new),
            })
        });
        let value = stored::encode(&flow.asked, nodes, flow.ended);
        let ends = flow.placements.iter().any(|placement| placement.stage.is_end_asked_for());
        self.batch.put(Table::Flow, number.get().to_be_bytes(), value);
        self.undurable.push_back(Undurable { commit: self.next_commit, number, ends });
    }

    fn own_meter(&self, number: FlowNumber, id: NodeId) -> Option<u32> {
        Some(self.nodes.get(&id)?.meters.get(&Owner::Flow(number))?.id.0)
    }

    /// While something waits for room on the disk it may be a node: a flow is not stored without the nodes that it is on.
    fn save_nodes_of(&mut self, number: FlowNumber) {
        let placements = self.flows.get(&number).map(|flow| flow.placements.as_slice()).unwrap_or_default();
        let nodes: Vec<NodeId> = placements.iter().map(|placement| placement.node).collect();
        nodes.into_iter().for_each(|id| self.save_node(id));
    }

    /// Removes every trace of a flow.
    pub(super) fn forget_flow(&mut self, number: FlowNumber) {
        // Its nodes count it as it was told of last.
        self.retell(number);
        self.tell_last(number);
        if self.flows.remove(&number).is_none() {
            return;
        }
        self.delete_flow(number);
    }

    fn delete_flow(&mut self, number: FlowNumber) {
        self.batch.delete(Table::Flow, number.get().to_be_bytes());
        self.undurable.push_back(Undurable { commit: self.next_commit, number, ends: true });
    }

    /// Removes the flows whose last word has been kept long enough, and the names of nodes that only they had.
    pub(super) fn forget_old_flows(&mut self) {
        let horizon = self.wall.as_micros().saturating_sub(i64::try_from(KEPT.as_micros()).unwrap_or(i64::MAX));
        let is_old = |flow: &Flow| flow.ended.is_some_and(|ended| ended.as_micros() < horizon) && flow.is_ended();
        let old: Vec<_> = self.flows.iter().filter(|(_, flow)| is_old(flow)).map(|(number, _)| number).collect();
        let old: Vec<_> = old.into_iter().filter(|number| !self.has_meter(*number)).collect();
        old.into_iter().for_each(|number| self.forget_flow(number));
        let shown: HashSet<NodeId> =
            self.flows.iter().flat_map(|(_, flow)| &flow.placements).map(|placement| placement.node).collect();
        self.retired.retain(|id, _| shown.contains(id));
    }
}

impl AtomRecord {
    fn new(atom: AtomId) -> Self {
        Self { first: atom.first.get(), per_node: atom.node.is_some() }
    }

    pub(super) fn of(self, node: NodeId) -> Option<AtomId> {
        Some(AtomId { first: FlowNumber::new(self.first)?, node: self.per_node.then_some(node) })
    }
}

impl StoredStage {
    fn of(placement: &Placement) -> Self {
        match placement.stage {
            Stage::Waiting if !placement.queued && placement.connection().is_none() && !placement.restored => {
                Self::Waiting
            }
            Stage::Undoing | Stage::Unknown if placement.is_adrift() => Self::Applied,
            Stage::Waiting | Stage::Sent | Stage::Undoing | Stage::Unknown => Self::Accepted,
            // It was applied, and is to be so again: the next read of the switch tells.
            Stage::Applied | Stage::Drifted => Self::Applied,
            Stage::Rejected => Self::Rejected,
            Stage::Removing => Self::Removing,
            Stage::Removed => Self::Removed,
            Stage::Expired => Self::Expired,
            Stage::Superseded => Self::Superseded,
        }
    }

    pub(super) fn stage(self) -> Stage {
        match self {
            Self::Waiting => Stage::Waiting,
            Self::Accepted => Stage::Unknown,
            Self::Applied => Stage::Applied,
            Self::Rejected => Stage::Rejected,
            Self::Removing => Stage::Removing,
            Self::Removed => Stage::Removed,
            Self::Expired => Stage::Expired,
            Self::Superseded => Stage::Superseded,
        }
    }
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// The types stored here have no map with other than string keys and no number that JSON lacks, so they always
/// serialize.
fn to_json(record: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(record).unwrap_or_default()
}

fn parse<'de, T: Deserialize<'de>>(table: Table, key: &[u8], value: &'de [u8]) -> Result<T, RecordError> {
    serde_json::from_slice(value).map_err(|error| unreadable(table, key, &error.to_string()))
}

fn fixed<const N: usize>(table: Table, key: &[u8], bytes: &[u8]) -> Result<[u8; N], RecordError> {
    bytes.try_into().map_err(|_| unreadable(table, key, "wrong length"))
}

fn unreadable(table: Table, key: &[u8], reason: &str) -> RecordError {
    RecordError { table, key: key.to_vec(), reason: reason.to_owned() }
}
