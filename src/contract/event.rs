//! Subscriptions and what comes of them: the topics, and what an event on each carries.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize};

use super::error::Invalid;
use super::install::is_default;
use super::name::{FlowId, NodeName};
use super::reply::{FlowView, NodeView, PortView};
use super::strict::{present, unique_map, whole};
use super::text::words;

/// How often statistics come when the request does not say, in milliseconds.
pub const DEFAULT_INTERVAL_MS: u32 = 5_000;

/// RFC 8259, section 6: beyond it, programs that hold numbers as doubles have rounded already.
const MAX_SEQ: u64 = (1 << 53) - 1;

words! {
    /// What can be subscribed to.
    pub enum Topic {
        /// Nodes added, removed, coming and going.
        Nodes = "nodes",
        /// Changes of the state of flows.
        Flows = "flows",
        /// What flows and nodes carry.
        Stats = "stats",
        /// Ports of switches.
        Ports = "ports",
        /// What an operator should look at.
        Alarms = "alarms",
    }
}

/// The payload of `Subscribe`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = rules_of_subscribe)]
pub struct Subscribe {
    /// The topics; one that was subscribed to already is subscribed to anew.
    #[schemars(length(min = 1), extend("uniqueItems" = true))]
    pub topics: Vec<Topic>,
    /// The first event that is wanted of a topic; left out, those from now on.
    #[serde(default, deserialize_with = "seqs", skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema_of_seqs")]
    pub from_seq: BTreeMap<Topic, u64>,
    /// The start of the daemon in which the sequence numbers were given.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub epoch: Option<String>,
    /// How often statistics come, in milliseconds.
    #[serde(
        default = "default_interval",
        deserialize_with = "whole::<_, _, 100, 60_000>",
        skip_serializing_if = "is_default_interval"
    )]
    #[schemars(range(min = 100, max = 60_000))]
    #[schemars(extend("default" = DEFAULT_INTERVAL_MS))]
    pub interval_ms: u32,
}

impl Subscribe {
    /// A subscription to what comes from now on.
    pub fn to(topics: impl Into<Vec<Topic>>) -> Self {
        Self { topics: topics.into(), from_seq: BTreeMap::new(), epoch: None, interval_ms: DEFAULT_INTERVAL_MS }
    }

    pub(super) fn check(&self) -> Result<(), Invalid> {
        check_topics(&self.topics)?;
        if let Some(topic) = self.from_seq.keys().find(|topic| !self.topics.contains(topic)) {
            return Err(Invalid::new(&format!("from_seq.{topic}"), "must be one of the topics"));
        }
        if !self.from_seq.is_empty() && self.epoch.is_none() {
            return Err(Invalid::new("epoch", "is required with from_seq: numbers begin anew at each start"));
        }
        Ok(())
    }
}

/// The payload of `Unsubscribe`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Unsubscribe {
    /// The topics.
    #[schemars(length(min = 1), extend("uniqueItems" = true))]
    pub topics: Vec<Topic>,
}

impl Unsubscribe {
    pub(super) fn check(&self) -> Result<(), Invalid> {
        check_topics(&self.topics)
    }
}

/// A command that changes what a connection is subscribed to: [`Command::subscription`](super::Command::subscription).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subscription {
    /// More, or anew.
    Begin(Subscribe),
    /// Less.
    End(Unsubscribe),
}

fn check_topics(topics: &[Topic]) -> Result<(), Invalid> {
    if topics.is_empty() {
        return Err(Invalid::new("topics", "must name at least one topic"));
    }
    match topics.iter().enumerate().find(|(index, topic)| topics.iter().take(*index).any(|before| before == *topic)) {
        Some((index, _)) => Err(Invalid::new(&format!("topics[{index}]"), "is given twice")),
        None => Ok(()),
    }
}

/// What [`Subscribe::check`] says of more than one field.
fn rules_of_subscribe(schema: &mut Schema) {
    let with_numbers = serde_json::json!({"required": ["from_seq"], "properties": {"from_seq": {"minProperties": 1}}});
    let mut rules = vec![serde_json::json!({"if": with_numbers, "then": {"required": ["epoch"]}})];
    for topic in Topic::ALL.iter().map(|topic| topic.as_str()) {
        rules.push(serde_json::json!({
            "if": {"required": ["from_seq"], "properties": {"from_seq": {"required": [topic]}}},
            "then": {"properties": {"topics": {"contains": {"const": topic}}}},
        }));
    }
    schema.insert("allOf".to_owned(), rules.into());
}

/// What `seqs` accepts.
fn schema_of_seqs(generator: &mut SchemaGenerator) -> Schema {
    let seq = json_schema!({"type": "integer", "minimum": 1, "maximum": MAX_SEQ});
    json_schema!({"type": "object", "propertyNames": generator.subschema_for::<Topic>(), "additionalProperties": seq})
}

fn default_interval() -> u32 {
    DEFAULT_INTERVAL_MS
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
fn is_default_interval(interval_ms: &u32) -> bool {
    *interval_ms == DEFAULT_INTERVAL_MS
}

fn seqs<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<Topic, u64>, D::Error> {
    #[derive(Deserialize)]
    #[serde(transparent)]
    struct Seq(#[serde(deserialize_with = "whole::<_, _, 1, MAX_SEQ>")] u64);

    let map: BTreeMap<Topic, Seq> = unique_map(deserializer)?;
    Ok(map.into_iter().map(|(topic, Seq(seq))| (topic, seq)).collect())
}

/// The payload of an Event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum EventPayload {
    /// On any topic: events that will not come.
    #[schemars(title = "Gap")]
    Gap {
        /// Which.
        gap: Gap,
    },
    /// On `ports`: a port as it is now.
    #[schemars(title = "Port")]
    Port {
        /// The node.
        node: NodeName,
        /// The port.
        port: PortView,
        /// It is gone, and this is what it was.
        #[serde(default, skip_serializing_if = "is_default")]
        removed: bool,
    },
    /// On `nodes`: a node as `GetNode` shows it.
    #[schemars(title = "Node")]
    Node {
        /// The node.
        node: Box<NodeView>,
        /// It is gone, and this is what it was.
        #[serde(default, skip_serializing_if = "is_default")]
        removed: bool,
    },
    /// On `flows`: a flow as `GetFlow` shows it, without counters.
    #[schemars(title = "Flow")]
    Flow {
        /// The flow.
        flow: Box<FlowView>,
    },
    /// On `alarms`.
    #[schemars(title = "Alarm")]
    Alarm(Alarm),
    /// On `stats`.
    #[schemars(title = "Stats")]
    Stats(Stats),
}

/// Events that are gone, by their first and last number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Gap {
    /// The first that is missing, in the numbers of the epoch of the event; 0 where only events before that epoch are.
    pub from: u64,
    /// The last that is missing, likewise.
    pub to: u64,
}

words! {
    /// What an alarm is about.
    pub enum AlarmKind {
        /// A second switch claims the datapath id of one that is connected.
        DuplicateDatapathId = "duplicate_datapath_id",
        /// The disk takes no more.
        StoreFull = "store_full",
        /// Somebody else deleted or changed a rule of ours; it is being repaired.
        Drift = "drift",
        /// A flow was repaired three times in a minute and is held.
        FlowHeld = "flow_held",
        /// A switch refused a flow that it had confirmed.
        LateRefusal = "late_refusal",
    }
}

/// Something that an operator should look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Alarm {
    /// What it is about.
    pub alarm: AlarmKind,
    /// The node that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeName>,
    /// The flow that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flow_id: Option<FlowId>,
    /// What happened, as a sentence.
    pub message: String,
}

/// What has changed since the event before.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Stats {
    /// The flows whose counters or rates changed.
    pub flows: Vec<FlowStats>,
    /// The nodes that they are on.
    pub nodes: Vec<NodeStats>,
}

/// What the rules of a flow have counted on a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FlowStats {
    /// The flow.
    pub flow_id: FlowId,
    /// The node.
    pub node: NodeName,
    /// Packets since the flow was installed.
    pub packets: u64,
    /// Bytes since the flow was installed.
    pub bytes: u64,
    /// Packets a second since the sample before.
    pub packets_per_second: u64,
    /// Bits a second since the sample before.
    pub bits_per_second: u64,
}

/// What all flows on a node carry together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NodeStats {
    /// The node.
    pub node: NodeName,
    /// How many flows of ours it counts.
    pub flows: u64,
    /// Packets a second.
    pub packets_per_second: u64,
    /// Bits a second.
    pub bits_per_second: u64,
}
