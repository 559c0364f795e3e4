//! Whether what the daemon says is what its schemas say.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::Value;

#[path = "../../schemas/closed.rs"]
mod closed;

/// By the file of the schema, below `schemas/`.
static VALIDATORS: LazyLock<HashMap<String, Validator>> = LazyLock::new(|| {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas");
    let read = |file: String| {
        let schema = serde_json::from_str(&fs::read_to_string(root.join(&file)).unwrap()).unwrap();
        (file, jsonschema::validator_for(&closed::closed(&schema)).unwrap())
    };
    let names = |directory: &str| {
        let entries = fs::read_dir(root.join(directory)).unwrap();
        let name = |entry: fs::DirEntry| format!("{directory}/{}", entry.file_name().to_str().unwrap());
        entries.map(|entry| name(entry.unwrap())).collect::<Vec<_>>()
    };
    ["replies", "events"].into_iter().flat_map(names).chain(["error.json".to_owned()]).map(read).collect()
});

/// Panics when a message of the daemon has not exactly the shape that its schema gives it.
pub(crate) fn assert_lawful(message: &Value) {
    let file = match message["type"].as_str() {
        Some("Reply") => format!("replies/{}.json", message["command"].as_str().unwrap_or_default()),
        Some("Event") => format!("events/{}.json", message["topic"].as_str().unwrap_or_default()),
        _ => "error.json".to_owned(),
    };
    let validator = VALIDATORS.get(&file).unwrap_or_else(|| panic!("there is no schemas/{file} for {message}"));
    let faults: Vec<_> =
        validator.iter_errors(message).map(|fault| format!("{}: {fault}", fault.instance_path())).collect();
    assert!(faults.is_empty(), "schemas/{file} says otherwise of {message}:\n{}", faults.join("\n"));
}
