//! Queues as they are wanted or found, in bits a second, and the rows of linux-htb that stand for them.

use std::collections::BTreeMap;
use std::fmt;

use super::datum::{Datum, Row};

/// The kind of QoS that is written.
pub(super) const LINUX_HTB: &str = "linux-htb";

/// The queue that takes what no rule gives to another. Open vSwitch leaves such packets unshaped when it is missing, so
/// it is always there.
pub const DEFAULT_QUEUE: u32 = 0;

/// The queues of one port.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PortQueues {
    /// What the port sends at most, in bits a second.
    pub max_rate: Option<u64>,
    /// The queues by number.
    pub queues: BTreeMap<u32, Queue>,
}

/// One queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Queue {
    /// What it gets at least, in bits a second.
    pub min_rate: Option<u64>,
    /// What it gets at most.
    pub max_rate: Option<u64>,
    /// Bits that may leave at once.
    pub burst: Option<u64>,
    /// A queue with a smaller one is served first.
    pub priority: Option<u64>,
}

const MIN_RATE: &str = "min-rate";
const MAX_RATE: &str = "max-rate";
const BURST: &str = "burst";
const PRIORITY: &str = "priority";

impl Queue {
    pub(super) fn other_config(&self) -> BTreeMap<String, String> {
        config([(MIN_RATE, self.min_rate), (MAX_RATE, self.max_rate), (BURST, self.burst), (PRIORITY, self.priority)])
    }

    pub(super) fn read(row: &Row) -> Self {
        let config = row.texts("other_config");
        let number = |name: &str| config.get(name)?.parse().ok();
        Self {
            min_rate: number(MIN_RATE),
            max_rate: number(MAX_RATE),
            burst: number(BURST),
            priority: number(PRIORITY),
        }
    }
}

impl PortQueues {
    pub(super) fn other_config(&self) -> BTreeMap<String, String> {
        config([(MAX_RATE, self.max_rate)])
    }

    pub(super) fn max_rate_of(row: &Row) -> Option<u64> {
        row.texts("other_config").get(MAX_RATE)?.parse().ok()
    }
}

fn config<const N: usize>(values: [(&str, Option<u64>); N]) -> BTreeMap<String, String> {
    values.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.to_string()))).collect()
}

/// What tells rows that this installation made for one switch from all others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark {
    installation: String,
    datapath_id: String,
}

const INSTALLATION: &str = "flumen-installation";
const DATAPATH_ID: &str = "flumen-datapath-id";

impl Mark {
    pub(super) fn new(installation: u16, datapath_id: u64) -> Self {
        Self { installation: format!("{installation:04x}"), datapath_id: format!("{datapath_id:016x}") }
    }

    /// The datapath id as the database writes it.
    pub(super) fn datapath_id(&self) -> &str {
        &self.datapath_id
    }

    pub(super) fn is_on(&self, row: &Row) -> bool {
        let ids = row.texts("external_ids");
        ids.get(INSTALLATION) == Some(&self.installation) && ids.get(DATAPATH_ID) == Some(&self.datapath_id)
    }

    pub(super) fn external_ids(&self) -> Datum {
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        Datum::texts(&[pair(INSTALLATION, &self.installation), pair(DATAPATH_ID, &self.datapath_id)].into())
    }
}

/// A port by the name that its database has for it, or by its OpenFlow number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PortRef {
    /// `Port.name`.
    Name(String),
    /// `Interface.ofport`.
    Number(u32),
}

impl fmt::Display for PortRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Number(number) => number.fmt(f),
        }
    }
}

/// Whose queues a port has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Ours, as they are wanted, and the switch has taken them.
    Applied,
    /// Ours, as they are wanted, but the switch has not said that it has taken them.
    Written,
    /// They are to be ours, and are not as they are wanted.
    Drifted,
    /// Somebody else's.
    Foreign,
}

/// A port that has queues, or is to have some.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortState {
    /// `Port.name`.
    pub name: String,
    /// Its OpenFlow number, if it has one.
    pub number: Option<u32>,
    /// What the database has.
    pub found: PortQueues,
    /// How that stands to what is wanted.
    pub standing: Standing,
    /// What the switch says is wrong with the port.
    pub error: Option<String>,
}
