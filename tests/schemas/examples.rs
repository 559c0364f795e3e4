//! The examples, judged by the parser and by the schemas.

use std::collections::BTreeMap;
use std::fs;

use flumen::contract::{ErrorBody, EventPayload, Reply, ServerMessage, parse_request, schema};
use jsonschema::Validator;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::closed::closed;
use super::{files_below, project};

/// One file of examples.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Examples {
    good: Vec<Value>,
    bad: Vec<Value>,
}

/// A command that is refused, and how.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Refused {
    message: Option<Value>,
    /// The message as a text, where it is not lawful JSON or has a key twice.
    text: Option<String>,
    code: String,
    path: Option<String>,
    /// Why no schema can refuse it.
    beyond_schemas: Option<String>,
}

/// The files of examples below a directory, by the schema that they are for.
fn examples(directory: &str) -> BTreeMap<String, Examples> {
    let root = project().join("schemas/examples");
    let files = files_below(&root).into_iter().filter(|path| path.starts_with(root.join(directory)));
    files
        .map(|path| {
            let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
            let text = fs::read_to_string(&path).unwrap();
            (name.clone(), serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}")))
        })
        .collect()
}

/// The schema of a file, with formats as assertions.
fn validator(schema: &Value) -> Validator {
    jsonschema::options().should_validate_formats(true).build(schema).unwrap()
}

#[test]
fn every_command_has_examples_that_parser_and_schema_judge_alike() {
    let examples = examples("commands");
    for command in schema::commands() {
        let validator = validator(&command.schema);
        let Examples { good, bad } = &examples[&command.file];
        assert!(!good.is_empty() && !bad.is_empty(), "{}", command.file);
        for message in good {
            let parsed = parse_request(message.to_string().as_bytes());
            assert!(parsed.is_ok(), "{message}: {parsed:?}");
            assert!(
                validator.is_valid(message),
                "{message}: {:?}",
                validator.iter_errors(message).map(|error| error.to_string()).collect::<Vec<_>>()
            );
        }
        for refused in bad {
            let refused = Refused::deserialize(refused).unwrap();
            let text = refused.text.unwrap_or_else(|| refused.message.as_ref().unwrap().to_string());
            let (_, error) = parse_request(text.as_bytes()).expect_err(&text);
            assert_eq!((error.code.as_str(), error.path), (refused.code.as_str(), refused.path), "{text}");
            let is_valid = serde_json::from_str(&text).is_ok_and(|message: Value| validator.is_valid(&message));
            assert_eq!(is_valid, refused.beyond_schemas.is_some(), "{text}");
        }
    }
}

#[test]
fn every_answer_and_event_has_examples_that_reader_and_schema_judge_alike() {
    let examples: BTreeMap<_, _> = ["replies", "events", "error.json"].into_iter().flat_map(self::examples).collect();
    for answer in schema::answers() {
        let (open, closed) = (validator(&answer.schema), validator(&closed(&answer.schema)));
        let Examples { good, bad } = &examples[&answer.file];
        assert!(!good.is_empty() && !bad.is_empty(), "{}", answer.file);
        for message in good {
            let faults = |validator: &Validator| {
                validator
                    .iter_errors(message)
                    .map(|error| format!("{}: {error}", error.instance_path()))
                    .collect::<Vec<_>>()
            };
            assert_eq!((faults(&open), faults(&closed)), (vec![], vec![]), "{}: {message}", answer.file);
            assert_eq!(read(message).map(|read| read == *message), Ok(true), "what is read of {message} is all of it");
            // A later daemon may say more.
            let mut later = message.clone();
            later["weather"] = "fine".into();
            assert!(open.is_valid(&later) && read(&later).is_ok() && !closed.is_valid(&later), "{later}");
        }
        for message in bad {
            assert!(!open.is_valid(message), "the schema accepts {message}");
            let other = message["topic"] != good[0]["topic"] || message["seq"].as_u64() == Some(0);
            assert!(read(message).is_err() || other, "the reader accepts {message}");
        }
    }
}

/// What a client of this library reads of a message, written again.
fn read(message: &Value) -> Result<Value, String> {
    let text = message.to_string();
    let is = |kind: &str| message["type"] == kind;
    let written = if is("Event") {
        serde_json::from_str::<ServerMessage<EventPayload>>(&text).map(|message| serde_json::to_value(message).unwrap())
    } else if is("Error") {
        serde_json::from_str::<ServerMessage<Box<RawValue>>>(&text).and_then(|message| {
            let ServerMessage::Error { error, .. } = &message else { panic!("not an Error") };
            let _: &ErrorBody = error;
            serde_json::to_value(message)
        })
    } else {
        serde_json::from_str::<ServerMessage<Reply>>(&text).map(|message| serde_json::to_value(message).unwrap())
    };
    written.map_err(|error| error.to_string())
}
