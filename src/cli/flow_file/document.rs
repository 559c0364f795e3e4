//! JSON and YAML: a list of flows, or an object whose `flows` is one.

use std::collections::BTreeMap;

use serde_json::value::{RawValue, to_raw_value};

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
    items(document)
}

/// Reads YAML, whose values are those of JSON.
pub(super) fn read_yaml(text: &str) -> Result<Vec<Result<Item, Fault>>, Fault> {
    let document: serde_json::Value =
        serde_saphyr::from_str(text).map_err(|error| Fault::new(WHOLE, format!("is not YAML: {error}")))?;
    let document = to_raw_value(&document).map_err(|error| Fault::new(WHOLE, error.to_string()))?;
    items(&document)
}

fn items(document: &RawValue) -> Result<Vec<Result<Item, Fault>>, Fault> {
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
    Ok(flows.iter().enumerate().map(|(index, flow)| lawful(&format!("flows[{index}]"), flow.get())).collect())
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
