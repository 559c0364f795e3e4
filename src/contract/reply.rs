//! What a Reply carries: views of nodes and flows as the daemon knows them at that moment.
//!
//! The types are read by the client as well; fields that a later daemon adds are ignored there.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::access::Role;
use super::command::NodeKind;
use super::endpoint::{Endpoint, PortRange};
use super::event::Topic;
use super::install::{Forward, Protocol, RateLimit, is_default};
use super::name::{FlowId, NodeName};
use super::queues::{QueueView, QueuesState, QueuesView};
use super::text::words;
use super::timestamp::Timestamp;

/// The payload of a Reply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Reply {
    /// To `AddNode`, `RemoveNode` and `GetNode`.
    #[schemars(title = "Node")]
    Node {
        /// The node.
        node: Box<NodeView>,
    },
    /// To `ListNodes`.
    #[schemars(title = "Nodes")]
    Nodes {
        /// Every node, by name.
        nodes: Vec<NodeView>,
    },
    /// To `InstallFlow`, `RemoveFlow` and `GetFlow`.
    #[schemars(title = "Flow")]
    Flow {
        /// The flow.
        flow: Box<FlowView>,
    },
    /// To `InstallFlows`.
    #[schemars(title = "FlowsInstalled")]
    FlowsInstalled {
        /// The flows that were asked to be reported.
        flows: Vec<FlowView>,
        /// How many flows are in each state.
        summary: BTreeMap<FlowState, u64>,
        /// How many flows are not among `flows` although they were to be reported, because the answer would have been
        /// too long: those that are `applied`, or else all. `GetFlow` and `ListFlows` show them.
        #[serde(default, skip_serializing_if = "is_default")]
        left_out: u64,
    },
    /// To `RemoveFlows`.
    #[schemars(title = "FlowsRemoved")]
    FlowsRemoved {
        /// How many flows are in each state.
        summary: BTreeMap<FlowState, u64>,
    },
    /// To `ListFlows`.
    #[schemars(title = "Flows")]
    Flows {
        /// One page.
        flows: Vec<FlowView>,
        /// Where the next page begins; `null` after the last.
        next_cursor: Option<String>,
    },
    /// To `SetQueues`.
    #[schemars(title = "Queues")]
    Queues(Box<QueuesView>),
    /// To `Authenticate`.
    #[schemars(title = "Authenticated")]
    Authenticated {
        /// What the holder of the token may do.
        role: Role,
    },
    /// To `Subscribe` and `Unsubscribe`.
    #[schemars(title = "Subscribed")]
    Subscribed {
        /// The topics that were named, each with the number of its last event.
        topics: BTreeMap<Topic, u64>,
        /// The start of the daemon since when the numbers count.
        epoch: String,
    },
    /// To `GetInfo`.
    #[schemars(title = "Info")]
    Info(Box<Info>),
}

words! {
    /// Where a node stands.
    pub enum NodeState {
        /// It dialled in and was never added: nothing is written to it.
        Discovered = "discovered",
        /// Added, and never seen so far.
        Registered = "registered",
        /// Its connection is being set up.
        Connecting = "connecting",
        /// The handshake and the first reconciliation are done.
        Connected = "connected",
        /// It was connected, and is away.
        Disconnected = "disconnected",
    }
}

/// A node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NodeView {
    /// Its name.
    pub name: NodeName,
    /// What kind of node it is.
    pub kind: NodeKind,
    /// 16 lowercase hex digits, once known.
    #[schemars(regex(pattern = r"^[0-9a-f]{16}$"))]
    pub datapath_id: Option<String>,
    /// Where we connect to it, if we do.
    pub address: Option<String>,
    /// Where its database listens.
    pub ovsdb: Option<String>,
    /// What the operator wants to remember of it.
    pub labels: BTreeMap<String, String>,
    /// Where it stands.
    pub state: NodeState,
    /// Who made it, as it says itself.
    pub manufacturer: Option<String>,
    /// Its hardware, as it says itself.
    pub hardware: Option<String>,
    /// Its software, as it says itself.
    pub software: Option<String>,
    /// How many tables it has.
    pub tables: Option<u8>,
    /// Its ports, by number.
    pub ports: Vec<PortView>,
    /// What it can do.
    pub capabilities: Capabilities,
    /// Since when it has been connected.
    pub connected_since: Option<Timestamp>,
    /// How many of its flows are in each state.
    pub flows: BTreeMap<FlowState, u64>,
    /// What an operator should know about it.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// A port of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PortView {
    /// Its OpenFlow number.
    pub number: u32,
    /// Its name.
    pub name: String,
    /// Whether it is up.
    pub up: bool,
    /// Its speed in kilobits a second, 0 when not known.
    pub speed_kbps: u32,
    /// What its queues let out at most together, where that is limited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_rate_kbps: Option<u64>,
    /// Its queues, as the switch's database has them; left out where that cannot be seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queues: Option<Vec<QueueView>>,
    /// How they stand to what was asked for, where there are some or should be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queues_state: Option<QueuesState>,
}

/// What a node can do.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Capabilities {
    /// Whether it has meters.
    pub meters: bool,
    /// The kinds of meter bands it has.
    pub bands: Vec<String>,
    /// Whether it has queues.
    pub queues: bool,
    /// Whether it takes ONF bundles.
    pub bundles: bool,
    /// Whether it has the ONF flow monitor.
    pub flow_monitor: bool,
}

words! {
    /// Where a flow stands, on one node or in all. The worst comes first, so that `min` is the worst.
    pub enum FlowState {
        /// The switch refused.
        Rejected = "rejected",
        /// Sent, and the outcome is not known yet.
        Unknown = "unknown",
        /// The switch no longer has it as asked.
        Drifted = "drifted",
        /// Stored durably; the switch is away or has not confirmed yet.
        Accepted = "accepted",
        /// On its way out.
        Removing = "removing",
        /// Confirmed by the switch.
        Applied = "applied",
        /// Ended by its own timeout.
        Expired = "expired",
        /// Another flow took its place.
        Superseded = "superseded",
        /// Gone.
        Removed = "removed",
        /// Only shown: a dry run.
        Planned = "planned",
    }
}

impl FlowState {
    /// The worst of the states, in the contract's order.
    pub fn worst(states: impl IntoIterator<Item = Self>) -> Option<Self> {
        states.into_iter().min()
    }

    /// Whether it has left for good.
    pub const fn is_ended(self) -> bool {
        matches!(self, Self::Removed | Self::Expired | Self::Superseded)
    }
}

/// A flow: the request as it was understood, and what each node says to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FlowView {
    /// Its lasting key.
    pub flow_id: FlowId,
    /// The worst of its nodes' states.
    pub state: FlowState,
    /// Where the traffic comes from.
    pub source: Endpoint,
    /// Where it goes.
    pub destination: Endpoint,
    /// The class of traffic.
    pub traffic_type: String,
    /// The OpenFlow priority.
    pub priority: u16,
    /// The transport protocol.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
    /// The transport port it comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_port: Option<PortRange>,
    /// The transport port it goes to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination_port: Option<PortRange>,
    /// The DSCP it is marked with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 63))]
    pub dscp: Option<u8>,
    /// The queue it goes through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<u32>,
    /// Its rate limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<RateLimit>,
    /// What becomes of its packets.
    pub forward: Forward,
    /// Whether the reverse direction belongs to it.
    pub bidirectional: bool,
    /// Seconds without a packet after which it ends; 0: never.
    pub idle_timeout: u16,
    /// Seconds after which it ends; 0: never.
    pub hard_timeout: u16,
    /// What each node says.
    pub nodes: Vec<FlowNodeView>,
    /// Conflicts with other rules, and substitutes.
    #[serde(default)]
    pub warnings: Vec<Warning>,
    /// Packets counted by its rules on all nodes; only in the reply to `GetFlow`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packets: Option<u64>,
    /// Bytes, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

/// A flow on one node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FlowNodeView {
    /// The node.
    pub node: NodeName,
    /// Its datapath id, once known.
    #[schemars(regex(pattern = r"^[0-9a-f]{16}$"))]
    pub datapath_id: Option<String>,
    /// Where the flow stands there.
    pub state: FlowState,
    /// `0x` and 16 hex digits.
    #[schemars(regex(pattern = r"^0x[0-9a-f]{16}$"))]
    pub cookie: Option<String>,
    /// The table of its rules.
    pub table: u8,
    /// How many rules it is there.
    pub rules: u32,
    /// Why the switch refused.
    pub error: Option<SwitchError>,
    /// Why it is `drifted` or `unknown`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When the switch confirmed it.
    pub applied_at: Option<Timestamp>,
    /// When it was last read back equal.
    pub verified_at: Option<Timestamp>,
    /// The meter that enforces its rate limit there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meter: Option<MeterView>,
    /// What its rules there have counted; only in the reply to `GetFlow`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counters: Option<CountersView>,
    /// Exactly what would be sent, meters before rules; only in a dry run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flow_mods: Option<Vec<FlowModView>>,
}

/// A meter on a node, as a flow that is behind it sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MeterView {
    /// Its number there.
    pub meter_id: u32,
    /// Whether the flows of the class share it.
    pub shared: bool,
    /// The rate above which it acts.
    pub rate_kbps: u32,
    /// What may come at once, where it was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burst_kb: Option<u32>,
    /// Packets above the rate, of all flows that share it; only in the reply to `GetFlow`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exceeding_packets: Option<u64>,
    /// Bytes above the rate, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exceeding_bytes: Option<u64>,
}

/// What the rules of a flow have counted on a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CountersView {
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
    /// Packets a second since they were read before, where they were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packets_per_second: Option<u64>,
    /// Bits a second, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bits_per_second: Option<u64>,
}

/// An OFPT_ERROR.
#[doc(alias = "ofp_error_msg")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SwitchError {
    /// Its type without `OFPET_`.
    #[serde(rename = "type")]
    pub error_type: String,
    /// Its code without `OFP*C_`.
    pub code: String,
    /// What it means.
    pub message: String,
}

/// One FLOW_MOD or METER_MOD of a dry run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FlowModView {
    /// In the syntax of ovs-ofctl.
    pub text: String,
    /// The bytes of the message.
    #[schemars(regex(pattern = r"^([0-9a-f]{2})+$"))]
    pub hex: String,
}

words! {
    /// How two rules are in each other's way, or what else is not quite as asked.
    pub enum WarningKind {
        /// A rule of higher priority takes all of this one's traffic.
        Hidden = "hidden",
        /// This one takes all of another's.
        Hides = "hides",
        /// Equal priority, and part of the traffic in common.
        Overlap = "overlap",
        /// A switch does the nearest thing to what was asked.
        Substitute = "substitute",
        /// No rule is in the way, but a port that its packets leave by lacks the queue.
        MissingQueue = "missing_queue",
    }
}

/// A conflict with another rule, or what else is not quite as asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Warning {
    /// How they are in each other's way.
    pub kind: WarningKind,
    /// The other flow, if it is ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flow_id: Option<FlowId>,
    /// The other rule's cookie, if it is foreign.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^0x[0-9a-f]{16}$"))]
    pub cookie: Option<String>,
    /// The node where it is so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeName>,
    /// The same as a sentence.
    pub message: String,
}

/// What the daemon is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Info {
    /// Its version.
    pub version: String,
    /// Seconds since it was started.
    pub uptime: u64,
    /// What it bounds.
    pub limits: Limits,
    /// The classes of traffic, and what each stands for.
    pub traffic_types: Vec<TrafficTypeView>,
}

/// What the daemon bounds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Limits {
    /// Bytes of one message to the daemon in JSON.
    pub message_bytes: u64,
    /// The same in MessagePack.
    #[serde(default)]
    pub msgpack_message_bytes: u64,
    /// Bytes that may wait for one client.
    pub outbound_bytes: u64,
    /// Nesting of a message.
    pub json_depth: u32,
    /// Requests in flight on one connection; beyond it the daemon stops reading.
    pub requests_in_flight: u32,
    /// Connections of clients.
    pub connections: u32,
    /// Nodes that dialled in without having been added.
    pub discovered_nodes: u32,
}

/// A class of traffic.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct TrafficTypeView {
    /// Its name.
    pub name: String,
    /// The DSCP it marks with.
    #[schemars(range(max = 63))]
    pub dscp: u8,
    /// The DSCP's name (`EF`), if it has one.
    pub dscp_name: Option<String>,
    /// The queue it goes through.
    pub queue: u32,
    /// Its priority, where the request does not say.
    pub priority: u16,
    /// What it is for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The rate limit that its flows share on each node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<RateLimit>,
    /// The protocol of its packets, where the request names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
    /// The port that they come from, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_port: Option<PortRange>,
    /// The port that they go to, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination_port: Option<PortRange>,
    /// Whether it takes only packets that carry its mark already.
    #[serde(default, skip_serializing_if = "is_default")]
    pub trust_dscp: bool,
}
