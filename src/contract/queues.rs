//! `SetQueues`: the queues of one port, as they are asked for and as they are shown.
//!
//! The bounds are those of linux-htb in Open vSwitch, which would otherwise raise or cap a number without a word.

use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, json_schema};
use serde::de::{Deserializer, Error, Unexpected, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use super::error::Invalid;
use super::name::NodeName;
use super::strict::{objects, some_whole, whole};
use super::text::{Reason, Text, schema_of_text, words};

/// How many queues one port may be given.
pub const MAX_QUEUES: usize = 1_024;

/// The highest number that linux-htb has for a queue.
pub const MAX_QUEUE: u32 = 61_439;
/// The lowest rate: linux-htb in Open vSwitch gives every queue as much.
pub const MIN_RATE_KBPS: u32 = 12;
/// The last priority: the kernel takes every higher one for this.
pub const MAX_PRIORITY: u32 = 7;

/// The longest name of a port, in bytes.
const MAX_PORT_NAME: usize = 255;

/// OpenFlow's OFPP_LOCAL, the highest number of a port that packets can be sent to.
const MAX_PORT_NUMBER: u32 = 0xffff_fffe;

/// The payload of `SetQueues`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("not" = {"required": ["max_rate_kbps"], "properties": {"queues": {"maxItems": 0}}}))]
pub struct SetQueues {
    /// The node.
    pub node: NodeName,
    /// Its port.
    pub port: PortRef,
    /// What the port sends at most; left out: what its link can.
    #[serde(
        default,
        deserialize_with = "some_whole::<_, _, 12, 0xffff_ffff>",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(range(min = MIN_RATE_KBPS))]
    pub max_rate_kbps: Option<u32>,
    /// Its queues; an empty list removes ours.
    #[serde(deserialize_with = "objects")]
    #[schemars(length(max = MAX_QUEUES))]
    pub queues: Vec<QueueSetting>,
}

/// One queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct QueueSetting {
    /// Its number, which rules name.
    #[serde(deserialize_with = "whole::<_, _, 0, 61_439>")]
    #[schemars(range(max = MAX_QUEUE))]
    pub queue: u32,
    /// What it gets at least.
    #[serde(
        default,
        deserialize_with = "some_whole::<_, _, 12, 0xffff_ffff>",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(range(min = MIN_RATE_KBPS))]
    pub min_rate_kbps: Option<u32>,
    /// What it gets at most; left out: what the port has.
    #[serde(
        default,
        deserialize_with = "some_whole::<_, _, 12, 0xffff_ffff>",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(range(min = MIN_RATE_KBPS))]
    pub max_rate_kbps: Option<u32>,
    /// A queue with a smaller number is offered what is left over first.
    #[serde(default, deserialize_with = "some_whole::<_, _, 0, 7>", skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = MAX_PRIORITY))]
    pub priority: Option<u32>,
    /// Kilobits that may leave at once.
    #[serde(default, deserialize_with = "some_whole::<_, _, 1, 0xffff_ffff>", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub burst_kb: Option<u32>,
}

impl SetQueues {
    pub(super) fn check(&self) -> Result<(), Invalid> {
        if self.queues.is_empty() && self.max_rate_kbps.is_some() {
            return Err(Invalid::new("max_rate_kbps", "cannot go with an empty list of queues, which removes them"));
        }
        if self.queues.len() > MAX_QUEUES {
            return Err(Invalid::new("queues", "must have at most 1024 entries"));
        }
        let mut numbers = HashSet::new();
        for (index, queue) in self.queues.iter().enumerate() {
            let below = |invalid: Invalid| invalid.below(&format!("queues[{index}]"));
            if !numbers.insert(queue.queue) {
                return Err(below(Invalid::new("queue", "is listed before")));
            }
            queue.check(self.max_rate_kbps).map_err(below)?;
        }
        let guaranteed: u64 = self.queues.iter().filter_map(|queue| queue.min_rate_kbps).map(u64::from).sum();
        match self.max_rate_kbps {
            Some(limit) if guaranteed > limit.into() => {
                let predicate = format!(
                    "must not guarantee more than the port's max_rate_kbps of {limit}: their min_rate_kbps add up to \
                     {guaranteed}"
                );
                Err(Invalid::new("queues", &predicate))
            }
            Some(_) | None => Ok(()),
        }
    }
}

impl QueueSetting {
    fn check(&self, port: Option<u32>) -> Result<(), Invalid> {
        let over = |rate: Option<u32>, limit: Option<u32>| rate.zip(limit).filter(|(rate, limit)| rate > limit);
        if let Some((_, limit)) = over(self.min_rate_kbps, self.max_rate_kbps) {
            let predicate = format!("must not be above the queue's max_rate_kbps of {limit}");
            return Err(Invalid::new("min_rate_kbps", &predicate));
        }
        for (field, rate) in [("min_rate_kbps", self.min_rate_kbps), ("max_rate_kbps", self.max_rate_kbps)] {
            if let Some((_, limit)) = over(rate, port) {
                let predicate = format!("must not be above the port's max_rate_kbps of {limit}");
                return Err(Invalid::new(field, &predicate));
            }
        }
        Ok(())
    }
}

/// A port by its OpenFlow number, or by its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PortRef {
    /// 1 to 4294967294 (OFPP_LOCAL).
    Number(u32),
    /// As the switch calls it.
    Name(String),
}

impl Text for PortRef {
    const ALLOWED: &'static str = "a port number from 1 to 4294967294, or a port name of 1 to 255 characters";

    fn schema() -> Schema {
        json_schema!({"description": "A port by its OpenFlow number, or by its name.", "anyOf": [
            {"type": "integer", "minimum": 1, "maximum": MAX_PORT_NUMBER},
            {"type": "string", "pattern": "^[^\\u0000-\\u001f\\u007f-\\u009f]{1,255}$"},
        ]})
    }
}

schema_of_text!(PortRef);

impl PortRef {
    fn number(number: u64) -> Option<Self> {
        u32::try_from(number).ok().filter(|number| (1..=MAX_PORT_NUMBER).contains(number)).map(Self::Number)
    }

    fn name(name: &str) -> Option<Self> {
        let is_lawful = (1..=MAX_PORT_NAME).contains(&name.len()) && !name.chars().any(char::is_control);
        is_lawful.then(|| Self::Name(name.to_owned()))
    }
}

/// As on a command line: what is all digits is a number.
impl FromStr for PortRef {
    type Err = Reason;

    fn from_str(text: &str) -> Result<Self, Reason> {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let port = if is_number { text.parse().ok().and_then(Self::number) } else { Self::name(text) };
        port.ok_or_else(|| Reason::expected(Self::ALLOWED, text))
    }
}

impl fmt::Display for PortRef {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(formatter),
            Self::Name(name) => name.fmt(formatter),
        }
    }
}

impl Serialize for PortRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Number(number) => number.serialize(serializer),
            Self::Name(name) => name.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for PortRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PortVisitor;

        impl Visitor<'_> for PortVisitor {
            type Value = PortRef;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(PortRef::ALLOWED)
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<PortRef, E> {
                PortRef::number(number).ok_or_else(|| E::invalid_value(Unexpected::Unsigned(number), &self))
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<PortRef, E> {
                PortRef::name(name).ok_or_else(|| E::invalid_value(Unexpected::Str(name), &self))
            }
        }

        deserializer.deserialize_any(PortVisitor)
    }
}

words! {
    /// How the queues of a port stand to what was asked for.
    pub enum QueuesState {
        /// As asked for, and the switch has said that it has taken them.
        Applied = "applied",
        /// In its database as asked for, and the switch has not said so yet.
        Accepted = "accepted",
        /// Not as asked for: somebody changed them, and they are to be repaired.
        Drifted = "drifted",
        /// Somebody else's.
        Foreign = "foreign",
    }
}

/// One queue as the switch's database has it. Unlike a [`QueueSetting`] it may be somebody else's, and so beyond the
/// bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct QueueView {
    /// Its number.
    pub queue: u32,
    /// What it gets at least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_rate_kbps: Option<u64>,
    /// What it gets at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_rate_kbps: Option<u64>,
    /// Its priority.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<u64>,
    /// Kilobits that may leave at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burst_kb: Option<u64>,
}

/// The queues of a port, as the switch's database has them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct QueuesView {
    /// The node.
    pub node: NodeName,
    /// The port's name.
    pub port: String,
    /// Its OpenFlow number, if it has one.
    pub number: Option<u32>,
    /// How they stand to what was asked for.
    pub state: QueuesState,
    /// What the port sends at most, where that is limited.
    pub max_rate_kbps: Option<u64>,
    /// Its queues, by number.
    pub queues: Vec<QueueView>,
    /// What an operator should know about it.
    #[serde(default)]
    pub warnings: Vec<String>,
}
