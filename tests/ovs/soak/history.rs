//! Everything that was asked, answered, seen and broken, in the order in which it happened: a file of JSON lines to
//! which is only ever appended. It is all that the checker knows.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A name of a node, a flow's id.
pub(super) type Name = String;

/// Something that happened.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Event {
    /// A client sends a command.
    Asked { number: u64, command: String, payload: Value },
    /// The whole message that answers it.
    Answered { number: u64, answer: Value },
    /// The connection ended before the answer came.
    Lost { number: u64 },
    /// Both ends of a connection between a switch and the daemon have spoken.
    Linked { node: Name },
    /// That connection ends, or lets nothing through any more. When it is forsaken the daemon's end stays open, and the
    /// daemon gives it a second to show that it is alive before it believes another connection to be the switch.
    Unlinked { node: Name, is_forsaken: bool },
    /// The switch has confirmed rules with these cookies, by a barrier reply, by a bundle's commit or when it was read,
    /// and the daemon is about to hear of it.
    Confirmed { node: Name, cookies: Vec<u64> },
    /// Something is broken on purpose.
    Broken { what: String },
    /// The flows whose outcome the daemon calls unknown on these nodes, at this moment.
    Unknown { flows: Vec<(Name, Name)> },
    /// What has not come to rest, long after the last blow.
    Restless { what: Vec<String> },
    /// Everything is connected again and nothing is asked: the flows as the daemon lists them, and what
    /// `ovs-ofctl dump-flows` prints of every switch.
    Quiet { flows: Vec<Listed>, tables: BTreeMap<Name, Vec<String>> },
}

/// A flow as the daemon lists it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Listed {
    pub(super) flow_id: Name,
    /// Its state and cookie on each node.
    pub(super) nodes: BTreeMap<Name, (String, u64)>,
}

/// An event and when it happened, in microseconds since the beginning.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) at: u64,
    pub(super) event: Event,
}

/// Where everybody writes; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Log {
    file: Arc<Mutex<File>>,
    began: Instant,
}

impl Log {
    /// Begins a history in a new file.
    pub(super) fn create(path: &Path) -> Self {
        let file = OpenOptions::new().create_new(true).append(true).open(path).unwrap();
        Self { file: Arc::new(Mutex::new(file)), began: Instant::now() }
    }

    /// Appends an event. What is written before another event begins stands before it.
    pub(super) fn write(&self, event: Event) {
        let mut file = self.file.lock().unwrap();
        let at = u64::try_from(self.began.elapsed().as_micros()).unwrap();
        let mut line = serde_json::to_vec(&Entry { at, event }).unwrap();
        line.push(b'\n');
        file.write_all(&line).unwrap();
    }
}

/// Reads a history, at first what there is of it, then what has come since.
#[derive(Debug)]
pub(super) struct Reader(BufReader<File>);

impl Reader {
    pub(super) fn open(path: &Path) -> Self {
        Self(BufReader::new(File::open(path).unwrap()))
    }
}

impl Iterator for Reader {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        (!line.is_empty()).then(|| serde_json::from_str(&line).unwrap())
    }
}
