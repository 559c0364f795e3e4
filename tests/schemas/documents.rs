//! The files themselves.

use flumen::contract::{CommandName, Topic, schema};
use serde_json::Value;

use super::assert_files;

#[test]
fn the_schemas_of_the_repository_are_those_of_the_types() {
    assert_files("schemas", &schema::files(), |path| !path.starts_with("examples") && !path.ends_with("README.md"));
}

#[test]
fn there_is_a_schema_for_each_command_reply_and_topic_and_for_the_error() {
    let files = schema::files();
    let commands =
        CommandName::ALL.iter().flat_map(|name| [format!("commands/{name}.json"), format!("replies/{name}.json")]);
    let others = Topic::ALL.iter().map(|topic| format!("events/{topic}.json"));
    for file in commands.chain(others).chain(["error.json".to_owned(), "asyncapi.json".to_owned()]) {
        assert!(files.contains_key(&file), "{file}");
    }
}

#[test]
fn every_reference_within_a_document_leads_somewhere_and_every_object_says_what_it_is() {
    for (file, text) in schema::files() {
        let document: Value = serde_json::from_str(&text).unwrap();
        let mut waiting = vec![&document];
        while let Some(value) = waiting.pop() {
            match value {
                Value::Object(object) => waiting.extend(object.values()),
                Value::Array(items) => waiting.extend(items),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
            }
            let Some(to) = value["$ref"].as_str() else { continue };
            let place = to.strip_prefix('#').unwrap();
            assert!(document.pointer(place).is_some(), "{file}: {to}");
        }
        let fields = document["$defs"].as_object().into_iter().flatten();
        for (name, definition) in fields {
            for (field, schema) in definition["properties"].as_object().into_iter().flatten() {
                let says =
                    schema["description"].is_string() || schema["$ref"].is_string() || schema["anyOf"].is_array();
                assert!(says, "{file}: {name}.{field} has no description");
            }
        }
    }
}
