//! `InstallFlow`: what a client may ask of a flow, and the rules that its fields must keep among each other.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};

use super::endpoint::{Endpoint, PortRange};
use super::error::Invalid;
use super::name::{FlowId, NodeName};
use super::strict::{present, some_object, some_whole, whole};
use super::text::words;

/// How long an answer is waited for when the request does not say.
pub const DEFAULT_TIMEOUT_MS: u32 = 5000;

/// How many nodes a request names at most: more than a daemon has switches.
pub const MAX_NODES_NAMED: usize = 1 << 14;

/// The payload of `InstallFlow`, and one item of `InstallFlows`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = schema_of_check)]
pub struct InstallFlow {
    /// The idempotency key; made by the daemon when left out.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub flow_id: Option<FlowId>,
    /// The nodes to program; left out: those registered now.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = MAX_NODES_NAMED), extend("uniqueItems" = true))]
    pub nodes: Option<Vec<NodeName>>,
    /// Where the traffic comes from.
    pub source: Endpoint,
    /// Where it goes.
    pub destination: Endpoint,
    /// The class of traffic: a built-in or configured name.
    pub traffic_type: String,
    /// The OpenFlow priority, 1 to 65535; left out: the class's own.
    #[serde(default, deserialize_with = "some_whole::<_, _, 1, 0xffff>", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub priority: Option<u16>,
    /// The transport protocol; left out: every one.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
    /// The transport port it comes from.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub source_port: Option<PortRange>,
    /// The transport port it goes to.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub destination_port: Option<PortRange>,
    /// The DSCP to mark with, 0 to 63, instead of the class's.
    #[serde(default, deserialize_with = "some_whole::<_, _, 0, 63>", skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 63))]
    pub dscp: Option<u8>,
    /// The queue, instead of the class's. 4294967295 is OpenFlow's "all queues" and no queue.
    #[serde(default, deserialize_with = "some_whole::<_, _, 0, 0xffff_fffe>", skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 0xffff_fffe_u32))]
    pub queue: Option<u32>,
    /// The rate limit, instead of the class's.
    #[serde(default, deserialize_with = "some_object", skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<RateLimit>,
    /// What becomes of the packets after marking and queueing.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schemars(extend("default" = "normal"))]
    pub forward: Forward,
    /// Also the reverse direction, addresses and ports swapped.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schemars(extend("default" = false))]
    pub bidirectional: bool,
    /// Seconds without a packet after which the switch drops the flow; 0: never.
    #[serde(default, deserialize_with = "whole::<_, _, 0, 0xffff>", skip_serializing_if = "is_default")]
    #[schemars(extend("default" = 0))]
    pub idle_timeout: u16,
    /// Seconds after which the switch drops the flow; 0: never.
    #[serde(default, deserialize_with = "whole::<_, _, 0, 0xffff>", skip_serializing_if = "is_default")]
    #[schemars(extend("default" = 0))]
    pub hard_timeout: u16,
    /// Only shows what would be done.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schemars(extend("default" = false))]
    pub dry_run: bool,
    /// What to do about a conflict with another rule.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schemars(extend("default" = "warn"))]
    pub on_conflict: OnConflict,
    /// Whether it may take the place of a rule with the same table, priority and match.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schemars(extend("default" = false))]
    pub replace: bool,
    /// What the answer waits for.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schemars(extend("default" = "applied"))]
    pub wait: Wait,
    /// How long it waits at most, in milliseconds.
    #[serde(
        default = "default_timeout_ms",
        deserialize_with = "whole::<_, _, 0, 0xffff_ffff>",
        skip_serializing_if = "is_default_timeout_ms"
    )]
    #[schemars(extend("default" = DEFAULT_TIMEOUT_MS))]
    pub timeout_ms: u32,
}

fn default_timeout_ms() -> u32 {
    DEFAULT_TIMEOUT_MS
}

fn is_default_timeout_ms(timeout_ms: &u32) -> bool {
    *timeout_ms == DEFAULT_TIMEOUT_MS
}

/// What is as it would be anyway is not written: a request is as short as a person would type it.
pub(super) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl InstallFlow {
    /// A request with everything optional left out.
    pub fn new(source: Endpoint, destination: Endpoint, traffic_type: impl Into<String>) -> Self {
        Self {
            flow_id: None,
            nodes: None,
            source,
            destination,
            traffic_type: traffic_type.into(),
            priority: None,
            protocol: None,
            source_port: None,
            destination_port: None,
            dscp: None,
            queue: None,
            rate_limit: None,
            forward: Forward::default(),
            bidirectional: false,
            idle_timeout: 0,
            hard_timeout: 0,
            dry_run: false,
            on_conflict: OnConflict::default(),
            replace: false,
            wait: Wait::default(),
            timeout_ms: DEFAULT_TIMEOUT_MS,
        }
    }

    /// Checks the rules between the fields. A parsed request has passed it.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn check(&self) -> Result<(), Invalid> {
        if let Some(nodes) = &self.nodes {
            check_nodes(nodes)?;
        }
        if matches!(
            (self.source, self.destination),
            (Endpoint::V4(_), Endpoint::V6(_)) | (Endpoint::V6(_), Endpoint::V4(_))
        ) {
            return Err(Invalid::new("destination", "must be of the same family as source: both IPv4, or both IPv6"));
        }
        let has_ports = self.protocol.is_some_and(Protocol::has_ports);
        for (path, port) in [("source_port", self.source_port), ("destination_port", self.destination_port)] {
            if port.is_some() && !has_ports {
                return Err(Invalid::new(
                    path,
                    "needs protocol to be \"tcp\", \"udp\" or \"sctp\": others have no ports",
                ));
            }
        }
        if self.bidirectional && matches!(self.forward, Forward::Port(_)) {
            return Err(Invalid::new(
                "bidirectional",
                "cannot be true with forward {\"port\": …}: the reverse direction does not leave by the same port",
            ));
        }
        Ok(())
    }
}

/// What [`InstallFlow::check`] says of more than one field, as far as a schema can say it.
fn schema_of_check(schema: &mut Schema) {
    let needs_ports = serde_json::json!({
        "required": ["protocol"],
        "properties": {"protocol": {"enum": ["tcp", "udp", "sctp"]}},
    });
    let (ipv4, ipv6) = (r"^[0-9.]+(/|$)", ":");
    let families = |source: &str, destination: &str| serde_json::json!({"not": {"properties": {"source": {"pattern": source}, "destination": {"pattern": destination}}}});
    schema.insert("allOf".to_owned(), serde_json::json!([families(ipv4, ipv6), families(ipv6, ipv4)]));
    schema.insert(
        "dependentSchemas".to_owned(),
        serde_json::json!({"source_port": needs_ports.clone(), "destination_port": needs_ports}),
    );
    let reversed = serde_json::json!({
        "required": ["bidirectional", "forward"],
        "properties": {"bidirectional": {"const": true}, "forward": {"type": "object", "required": ["port"]}},
    });
    schema.insert("not".to_owned(), reversed);
}

/// At least one node, and none twice.
fn check_nodes(nodes: &[NodeName]) -> Result<(), Invalid> {
    if nodes.is_empty() {
        return Err(Invalid::new("nodes", "must name at least one node, or be left out for all that are registered"));
    }
    if nodes.len() > MAX_NODES_NAMED {
        let predicate =
            format!("must name at most {MAX_NODES_NAMED} nodes, or be left out for all that are registered");
        return Err(Invalid::new("nodes", &predicate));
    }
    let mut seen = HashSet::new();
    match nodes.iter().position(|node| !seen.insert(node)) {
        Some(index) => Err(Invalid::new(&format!("nodes[{index}]"), "is a node that is listed before")),
        None => Ok(()),
    }
}

words! {
    /// A transport protocol that a flow can be narrowed to.
    pub enum Protocol {
        /// TCP
        Tcp = "tcp",
        /// UDP
        Udp = "udp",
        /// SCTP
        Sctp = "sctp",
        /// ICMP, and ICMPv6 on IPv6
        Icmp = "icmp",
    }
}

impl Protocol {
    /// Whether it has source and destination ports.
    pub const fn has_ports(self) -> bool {
        match self {
            Self::Tcp | Self::Udp | Self::Sctp => true,
            Self::Icmp => false,
        }
    }
}

words! {
    /// What to do about a conflict with another rule.
    #[derive(Default)]
    pub enum OnConflict {
        /// Install, and say so in the flow's `warnings`.
        #[default]
        Warn = "warn",
        /// Answer with the error `conflict`.
        Refuse = "refuse",
    }
}

words! {
    /// What the answer to `InstallFlow` waits for.
    #[derive(Default)]
    pub enum Wait {
        /// The switches' verdict, up to `timeout_ms`.
        #[default]
        Applied = "applied",
        /// That the request is stored durably.
        Accepted = "accepted",
    }
}

/// A bound on the rate of a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    /// Kilobits a second.
    #[serde(deserialize_with = "whole::<_, _, 1, 0xffff_ffff>")]
    #[schemars(range(min = 1))]
    pub rate_kbps: u32,
    /// How much may come at once, in kilobits; left out: as the class or the switch has it.
    #[serde(default, deserialize_with = "some_whole::<_, _, 1, 0xffff_ffff>", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub burst_kb: Option<u32>,
}

/// OpenFlow 1.3.5, 7.2.4: a table number is at most OFPTT_MAX.
const MAX_TABLE: u32 = 254;

/// What becomes of a flow's packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Forward {
    /// As an ordinary switch would forward them.
    #[default]
    Normal,
    /// Nowhere.
    Drop,
    /// To this port, whether or not the switch has it.
    Port(u32),
    /// On to this table.
    Table(u8),
}

impl Serialize for Forward {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (key, number) = match *self {
            Self::Normal => return serializer.serialize_str("normal"),
            Self::Drop => return serializer.serialize_str("drop"),
            Self::Port(port) => ("port", port),
            Self::Table(table) => ("table", u32::from(table)),
        };
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry(key, &number)?;
        map.end()
    }
}

impl JsonSchema for Forward {
    fn schema_name() -> Cow<'static, str> {
        "Forward".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let target = |name: &str, max: u32, description: &str| {
            json_schema!({
                "type": "object", "description": description, "required": [name], "additionalProperties": false,
                "properties": {name: {"type": "integer", "minimum": 0, "maximum": max}},
            })
        };
        json_schema!({"description": "What becomes of a flow's packets.", "anyOf": [
            {"const": "normal", "description": "As an ordinary switch would forward them."},
            {"const": "drop", "description": "Nowhere."},
            target("port", u32::MAX, "To this port, whether or not the switch has it."),
            target("table", MAX_TABLE, "On to this table."),
        ]})
    }
}

impl<'de> Deserialize<'de> for Forward {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// The form of `Forward` that is an object.
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Target {
            #[serde(default, deserialize_with = "some_whole::<_, _, 0, 0xffff_ffff>")]
            port: Option<u32>,
            #[serde(default, deserialize_with = "some_whole::<_, _, 0, { MAX_TABLE as u64 }>")]
            table: Option<u8>,
        }

        struct ForwardVisitor;

        impl<'de> Visitor<'de> for ForwardVisitor {
            type Value = Forward;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("\"normal\", \"drop\", {\"port\": NUMBER} or {\"table\": NUMBER}")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Forward, E> {
                match text {
                    "normal" => Ok(Forward::Normal),
                    "drop" => Ok(Forward::Drop),
                    other => Err(E::invalid_value(serde::de::Unexpected::Str(other), &self)),
                }
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Forward, A::Error> {
                match Target::deserialize(MapAccessDeserializer::new(map))? {
                    Target { port: Some(port), table: None } => Ok(Forward::Port(port)),
                    Target { port: None, table: Some(table) } => Ok(Forward::Table(table)),
                    Target { .. } => Err(A::Error::custom("must have exactly one of port and table")),
                }
            }
        }

        deserializer.deserialize_any(ForwardVisitor)
    }
}
