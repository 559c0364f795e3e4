//! The rows again: parser and schema say the same of each, but for what no schema can say.

use std::collections::BTreeMap;

use jsonschema::Validator;
use serde_json::Value;

use super::super::schema;
use super::requests;

/// What a schema cannot refuse: a piece of the verdict that the parser gives, and why.
const BEYOND_SCHEMAS: [(&str, &str); 10] = [
    (" twice", "a schema does not see a key that comes twice"),
    ("the prefix is", "bits beyond a prefix"),
    ("not 5.0", "5.0 is a whole number to a schema"),
    ("not 161.0", "the same"),
    ("not 1.0", "the same"),
    ("not 1e3", "the same"),
    ("max_rate_kbps not 1", "the same: 1e6"),
    ("write \"5060-5070\"", "which of two numbers is the higher"),
    ("queue is listed before", "that a field differs from item to item"),
    ("max_rate_kbps of", "which of two numbers is the higher, and what numbers add up to"),
];

#[test]
fn parser_and_schema_say_the_same_of_each_row_but_for_what_no_schema_can_say() {
    let validators: BTreeMap<String, Validator> = (schema::commands().into_iter())
        .map(|command| (command.name, jsonschema::validator_for(&command.schema).unwrap()))
        .collect();
    let mut unused: Vec<_> = BEYOND_SCHEMAS.iter().map(|(piece, _)| *piece).collect();
    for (text, verdict) in requests() {
        let Ok(request) = serde_json::from_str::<Value>(&text) else {
            assert_ne!(verdict, "ok", "{text}");
            continue;
        };
        let validator = request["type"].as_str().and_then(|name| validators.get(name));
        let faults: Vec<_> = validator
            .into_iter()
            .flat_map(|validator| validator.iter_errors(&request))
            .map(|fault| fault.to_string())
            .collect();
        let is_valid = validator.is_some() && faults.is_empty();
        let beyond = BEYOND_SCHEMAS.iter().find(|(piece, _)| verdict.contains(piece));
        if is_valid && let Some((piece, _)) = beyond {
            unused.retain(|other| other != piece);
        }
        assert_eq!(is_valid, verdict == "ok" || is_valid && beyond.is_some(), "{text}: {verdict}: {faults:?}");
    }
    assert!(unused.is_empty(), "a schema can say {unused:?} after all");
}
