//! Files of flows that are wanted: JSON, YAML, CSV, and flows in the syntax of ovs-ofctl.
//!
//! Whatever the form, an item becomes the payload of an `InstallFlow` and is read by the contract, as strictly as the
//! daemon would: what is wrong is told with its place in the file, all of it at once, before anything is sent.

mod document;
mod flow_text;
mod id;
mod table;

use std::fmt;
use std::path::Path;

use clap::ValueEnum;

pub(super) use self::document::write as write_document;
pub(super) use self::id::{SetName, derived_id, without_id};
pub(super) use self::table::write as write_table;
use crate::contract::{self, Command, InstallFlow, TrafficTypeView};

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Form {
    /// A list of InstallFlow payloads, or an object whose `flows` is one
    Json,
    /// The same as YAML
    Yaml,
    /// A header with field names, then one flow a line
    Csv,
    /// One flow a line, as for ovs-ofctl add-flows
    Flows,
}

impl Form {
    /// The form that a file's name stands for.
    pub(super) fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "json" => Some(Self::Json),
            "yaml" | "yml" => Some(Self::Yaml),
            "csv" => Some(Self::Csv),
            "flows" | "txt" => Some(Self::Flows),
            _ => None,
        }
    }
}

/// A flow that a file asks for.
#[derive(Debug, Clone)]
pub(super) struct Item {
    /// Where it stands: `flows[3] (line 12)`, `line 7`.
    pub(super) place: String,
    /// What is asked.
    pub(super) flow: InstallFlow,
    /// Whether the class is the one that marks as the flow does: a line of ovs-ofctl has no name for it.
    pub(super) class_by_mark: bool,
}

/// What is wrong with an item, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    place: String,
    what: String,
}

impl Fault {
    fn new(place: impl Into<String>, what: impl Into<String>) -> Self {
        Self { place: place.into(), what: what.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.place, self.what)
    }
}

/// Reads the items of a file.
///
/// # Errors
/// Everything that is wrong with it, in the order of the file.
pub(super) fn read(text: &str, form: Form) -> Result<Vec<Item>, Vec<Fault>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let items = match form {
        Form::Json => document::read_json(text),
        Form::Yaml => document::read_yaml(text),
        Form::Csv => table::read(text),
        Form::Flows => flow_text::read(text),
    }
    .map_err(|fault| vec![fault])?;
    let (mut read, mut faults) = (Vec::with_capacity(items.len()), Vec::new());
    for item in items {
        match item {
            Ok(item) => read.push(item),
            Err(fault) => faults.push(fault),
        }
    }
    if faults.is_empty() { Ok(read) } else { Err(faults) }
}

/// Gives the items that have none their class, by what they mark with.
///
/// # Errors
/// Every item whose mark is no class's.
pub(super) fn classify(items: &mut [Item], classes: &[TrafficTypeView]) -> Result<(), Vec<Fault>> {
    let faults: Vec<Fault> = items
        .iter_mut()
        .filter(|item| item.class_by_mark)
        .filter_map(|item| flow_text::classify(item, classes).err())
        .collect();
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

/// Reads one item: the payload of an `InstallFlow` as JSON.
fn lawful(place: &str, payload: &str) -> Result<Item, Fault> {
    let request = format!(r#"{{"type":"InstallFlow","id":"item","payload":{payload}}}"#);
    match contract::parse_request(request.as_bytes()) {
        Ok((_, Command::InstallFlow(flow))) => Ok(Item { place: place.to_owned(), flow: *flow, class_by_mark: false }),
        Ok(_) => Err(Fault::new(place, "must be one flow")),
        Err((_, error)) => {
            let path = error.path.unwrap_or_default();
            let what = error.message.replace("payload.", "");
            match path.strip_prefix("payload.") {
                Some(field) if !what.contains(field) => Err(Fault::new(format!("{place}.{field}"), what)),
                _ => Err(Fault::new(place, what)),
            }
        }
    }
}

#[cfg(test)]
mod tests;
