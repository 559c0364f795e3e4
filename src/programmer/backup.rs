//! The store as lines of JSON, for people and for another store: what it means, not how its database keeps it.
//!
//! ```text
//! {"flumen_store":1}                    the version of this form
//! {"tag":4660}                          the mark of the installation in every cookie
//! {"next_number":1048577}               no flow has a number from here on
//! {"node":{…}}                          any number of them
//! {"flow":{"number":17,"record":{…}}}   the same, in the order of installation
//! {"end":{"nodes":1,"flows":1}}         without it the rest is missing
//! ```

use std::collections::HashSet;
use std::io::{self, BufRead, Write};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::cookie::FlowNumber;
use super::record::{
    FlowRecord, Loaded, NodeRecord, RecordError, parse_flow, put_flow, put_node, put_reservation, put_tag,
};
use crate::contract::DatapathId;
use crate::store::{Batch, Snapshot};

/// The version of this form.
const VERSION: u32 = 1;

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Line {
    FlumenStore(u32),
    Tag(u16),
    NextNumber(u64),
    Node(NodeRecord),
    Flow { number: u64, record: FlowRecord },
    End(Counts),
}

/// How many there were.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// Nodes.
    pub nodes: u64,
    /// Flows, those that have ended and are remembered included.
    pub flows: u64,
}

/// Why a store was not exported.
#[derive(Debug, Error)]
pub enum ExportError {
    /// It has a record that makes no sense.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The lines could not be written.
    #[error("cannot write: {0}")]
    Write(#[from] io::Error),
}

/// Why lines were not imported; nothing of them was.
#[derive(Debug, Error)]
pub enum ImportError {
    /// They could not be read.
    #[error("cannot read: {0}")]
    Read(#[from] io::Error),
    /// One of them is wrong.
    #[error("line {line}: {what}")]
    Line {
        /// Its number, from 1.
        line: usize,
        /// What is wrong with it.
        what: String,
    },
    /// They stop before their end.
    #[error("the last line, with \"end\", is missing: the export is not whole")]
    Cut,
}

/// Writes everything that a store has.
///
/// # Errors
/// An [`ExportError`] when a record makes no sense, or a line cannot be written.
pub fn export(snapshot: &Snapshot, output: &mut impl Write) -> Result<Counts, ExportError> {
    let (loaded, _) = Loaded::new(snapshot)?;
    let mut counts = Counts::default();
    let nodes = loaded.nodes.into_iter().map(Line::Node).inspect(|_| counts.nodes += 1).collect::<Vec<_>>();
    let head = [Line::FlumenStore(VERSION), Line::Tag(loaded.tag.0), Line::NextNumber(loaded.next_number)];
    counts.flows = loaded.flows.len() as u64;
    let flow =
        |record| parse_flow(record).map(|(number, record)| Line::Flow { number: number.get(), record: record.into() });
    let flows = loaded.flows.iter().map(flow);
    for line in head.into_iter().chain(nodes).map(Ok).chain(flows).chain([Ok(Line::End(counts))]) {
        serde_json::to_writer(&mut *output, &line?).map_err(io::Error::from)?;
        output.write_all(b"\n")?;
    }
    Ok(counts)
}

/// Reads what [`export`] wrote: the batch makes the same of an empty store.
///
/// # Errors
/// An [`ImportError`] that names the line.
pub fn import(input: impl BufRead) -> Result<(Batch, Counts), ImportError> {
    let mut reading = Reading::default();
    for (index, text) in input.lines().enumerate() {
        let parsed = serde_json::from_str(&text?).map_err(|error| error.to_string());
        parsed
            .and_then(|line| reading.take(index, line))
            .map_err(|what| ImportError::Line { line: index + 1, what })?;
    }
    if reading.is_whole { Ok((reading.batch, reading.counts)) } else { Err(ImportError::Cut) }
}

#[derive(Default)]
struct Reading {
    batch: Batch,
    counts: Counts,
    next_number: u64,
    numbers: HashSet<u64>,
    names: HashSet<String>,
    datapaths: HashSet<DatapathId>,
    is_whole: bool,
}

impl Reading {
    fn take(&mut self, index: usize, line: Line) -> Result<(), String> {
        match line {
            _ if self.is_whole => return Err("nothing may come after \"end\"".to_owned()),
            Line::FlumenStore(VERSION) if index == 0 => {}
            Line::FlumenStore(version) => return Err(format!("this program reads version {VERSION}, not {version}")),
            _ if index == 0 => return Err("the first line must be {\"flumen_store\":1}".to_owned()),
            Line::Tag(tag) if index == 1 => put_tag(&mut self.batch, tag),
            Line::NextNumber(next) if index == 2 => {
                let greatest = FlowNumber::GREATEST.get();
                if !(1..=greatest).contains(&next) {
                    return Err(format!("next_number must be from 1 to {greatest}"));
                }
                self.next_number = next;
                put_reservation(&mut self.batch, next);
            }
            Line::Tag(_) | Line::NextNumber(_) => return Err("tag is line 2, and next_number line 3".to_owned()),
            _ if index < 3 => return Err("tag is line 2, and next_number line 3".to_owned()),
            Line::Node(record) => {
                if !self.names.insert(format!("node {}", record.name())) {
                    return Err(format!("there are two nodes {}", record.name()));
                }
                if let Some(id) = record.datapath_id().filter(|id| !self.datapaths.insert(*id)) {
                    return Err(format!("there are two nodes with the datapath id {id}"));
                }
                put_node(&mut self.batch, &record);
                self.counts.nodes += 1;
            }
            Line::Flow { number, record } => {
                let lawful = FlowNumber::new(number).filter(|_| (1..self.next_number).contains(&number));
                let beyond = || format!("number must be from 1 to {}", self.next_number.saturating_sub(1));
                let number = lawful.ok_or_else(beyond)?;
                if !self.numbers.insert(number.get()) || !self.names.insert(format!("flow {}", record.flow_id())) {
                    return Err(format!("there are two flows {} or numbered {}", record.flow_id(), number.get()));
                }
                put_flow(&mut self.batch, number, record);
                self.counts.flows += 1;
            }
            Line::End(counts) if counts == self.counts => self.is_whole = true,
            Line::End(counts) => return Err(format!("end counts {counts:?}, and there were {:?}", self.counts)),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(lines: &[&str]) -> String {
        import(lines.join("\n").as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn a_next_number_that_no_store_can_have_is_refused() {
        for next in ["0", "281474976710656", "18446744073709551615"] {
            let next = format!("{{\"next_number\":{next}}}");
            let error = refusal(&[r#"{"flumen_store":1}"#, r#"{"tag":1}"#, &next]);
            assert_eq!(error, "line 3: next_number must be from 1 to 281474976710655", "{next}");
        }
    }

    #[test]
    fn two_nodes_with_one_datapath_id_are_refused() {
        let node = |name: &str| {
            format!(r#"{{"node":{{"request":{{"name":"{name}"}},"datapath_id":"00000000000000a1","was_seen":true}}}}"#)
        };
        let head = [r#"{"flumen_store":1}"#, r#"{"tag":1}"#, r#"{"next_number":2}"#];
        let error = refusal(&[head[0], head[1], head[2], &node("s1"), &node("s2")]);
        assert_eq!(error, "line 5: there are two nodes with the datapath id 00000000000000a1");
    }
}
