//! JSON and YAML: a list of flows, or an object whose `flows` is one.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::value::{RawValue, to_raw_value};
use serde_saphyr::Spanned;

use super::{Fault, Form, Item, lawful};
use crate::contract::InstallFlow;

/// The document as a whole.
const WHOLE: &str = "the file";

/// What a document must be.
const SHAPE: &str = "must be a list of flows, or an object with one field, flows, that is one";

/// Reads JSON.
pub(super) fn read_json(text: &str) -> Result<Vec<Result<Item, Fault>>, Fault> {
    let document: &RawValue =
        serde_json::from_str(text).map_err(|error| Fault::new(WHOLE, format!("is not JSON: {error}")))?;
    let (mut items, places) = items(document)?;
    // The items are parts of the text, one behind the other.
    let (mut line, mut at) = (1, 0);
    let lines = places.into_iter().map(|place| {
        let begin = place.saturating_sub(text.as_ptr().addr());
        let between = text.as_bytes().get(at..begin).unwrap_or_default();
        line += between.iter().filter(|byte| **byte == b'\n').count();
        at = begin;
        line
    });
    number(&mut items, lines);
    Ok(items)
}

/// Reads YAML, whose values are those of JSON.
pub(super) fn read_yaml(text: &str) -> Result<Vec<Result<Item, Fault>>, Fault> {
    let document: serde_json::Value =
        from_yaml(text).map_err(|error| Fault::new(WHOLE, format!("is not YAML: {}", first_line(&error))))?;
    let document = to_raw_value(&document).map_err(|error| Fault::new(WHOLE, error.to_string()))?;
    let (mut items, _) = items(&document)?;
    number(&mut items, yaml_lines(text));
    Ok(items)
}

/// Reads YAML of any length. What aliases may add to it stays bounded.
fn from_yaml<T: DeserializeOwned>(text: &str) -> Result<T, serde_saphyr::Error> {
    let mut budget = serde_saphyr::Budget::default();
    // Each begins and ends with a byte of its own.
    for limit in [&mut budget.max_events, &mut budget.max_nodes, &mut budget.max_total_scalar_bytes] {
        *limit = (2 * text.len()).max(*limit);
    }
    let options = serde_saphyr::options! { budget: Some(budget) };
    serde_saphyr::from_str_with_options(text, options)
}

/// What is wrong and where, without the lines around it.
fn first_line(error: &serde_saphyr::Error) -> String {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}

/// The lines on which the items of a YAML document begin.
fn yaml_lines(text: &str) -> impl Iterator<Item = usize> {
    #[derive(Deserialize)]
    struct Document {
        flows: Vec<Spanned<IgnoredAny>>,
    }

    let list: Result<Vec<Spanned<IgnoredAny>>, _> = from_yaml(text);
    let list = list.or_else(|_| from_yaml(text).map(|Document { flows }| flows));
    let lines = list.unwrap_or_default().into_iter();
    lines.map(|item| usize::try_from(item.referenced.line()).unwrap_or_default())
}

/// Says of every item on which line it begins.
fn number(items: &mut [Result<Item, Fault>], lines: impl Iterator<Item = usize>) {
    for (item, line) in items.iter_mut().zip(lines) {
        let place = match item {
            Ok(item) => &mut item.place,
            Err(fault) => &mut fault.place,
        };
        place.push_str(&format!(" (line {line})"));
    }
}

/// The items, and where each stands in memory.
type Items = (Vec<Result<Item, Fault>>, Vec<usize>);

fn items(document: &RawValue) -> Result<Items, Fault> {
    let shape = || Fault::new(WHOLE, SHAPE);
    let list = match document.get().trim_start().as_bytes().first() {
        Some(b'[') => document.get(),
        Some(b'{') => {
            let fields: BTreeMap<String, &RawValue> = serde_json::from_str(document.get()).map_err(|_| shape())?;
            match (fields.get("flows"), fields.len()) {
                (Some(flows), 1) => flows.get(),
                _ => return Err(shape()),
            }
        }
        _ => return Err(shape()),
    };
    let flows: Vec<&RawValue> = serde_json::from_str(list).map_err(|_| shape())?;
    let read = flows.iter().enumerate().map(|(index, flow)| lawful(&format!("flows[{index}]"), flow.get())).collect();
    Ok((read, flows.iter().map(|flow| flow.get().as_ptr().addr()).collect()))
}

/// Writes flows as JSON or YAML.
///
/// # Errors
/// None that a flow can lead to.
pub(in crate::cli) fn write(flows: &[InstallFlow], form: Form) -> Result<String, String> {
    let document = BTreeMap::from([("flows", flows)]);
    match form {
        Form::Yaml => serde_saphyr::to_string(&document).map_err(|error| error.to_string()),
        Form::Json | Form::Csv | Form::Flows => {
            serde_json::to_string_pretty(&document).map(|text| text + "\n").map_err(|error| error.to_string())
        }
    }
}
