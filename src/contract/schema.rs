//! JSON Schema (2020-12) of every command, reply, error and event, made from the types that read and write them.
//!
//! Commands are closed, as the parser is: what is not named is refused. What the daemon writes is open, because a later
//! daemon may add fields. What a schema cannot say is left to the parser: a key that comes twice, bits beyond a prefix,
//! a number written `5.0` where a whole one is meant, a comparison of two fields.

use std::collections::BTreeMap;

use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::command::Nothing;
use super::{
    AddNode, Authenticate, CommandName, ErrorBody, EventPayload, GetFlow, GetNode, InstallFlow, InstallFlows,
    ListFlows, RemoveFlow, RemoveFlows, RemoveNode, Reply, RequestId, SetQueues, Subscribe, Timestamp, Topic,
    Unsubscribe, parse_request,
};

/// The dialect that every schema names.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// One message of the contract.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// `InstallFlow`, `InstallFlowReply`, `Error`, `FlowsEvent`.
    pub name: String,
    /// Where its schema is below `schemas/`.
    pub file: String,
    /// What it is, in a sentence.
    pub summary: String,
    /// Its schema, whole.
    pub schema: Value,
}

/// The messages of clients, in the order of the commands.
pub fn commands() -> Vec<Message> {
    CommandName::ALL.iter().map(|&name| command(name)).collect()
}

/// The messages of the daemon: a Reply to each command, the Error, and an Event of each topic.
pub fn answers() -> Vec<Message> {
    let replies = CommandName::ALL.iter().map(|&name| reply(name));
    replies.chain([error()]).chain(Topic::ALL.iter().map(|&topic| event(topic))).collect()
}

/// What each word of an enumeration means, as its description in a schema lists them.
pub fn words_of<T: JsonSchema>() -> Vec<(String, String)> {
    let schema = generator_of_answers().root_schema_for::<T>();
    let lines = schema.get("description").and_then(Value::as_str).unwrap_or_default().lines();
    lines
        .filter_map(|line| line.strip_prefix("- `")?.split_once("`: "))
        .map(|(word, meaning)| (word.to_owned(), meaning.to_owned()))
        .collect()
}

fn command(name: CommandName) -> Message {
    let mut generator = SchemaSettings::draft2020_12().for_deserialize().into_generator();
    let payload = payload(name, &mut generator);
    let id = generator.subschema_for::<RequestId>();
    let summary = summary_of(name);
    let mut required = vec!["type", "id"];
    let without = format!(r#"{{"type":"{name}","id":"1"}}"#);
    if parse_request(without.as_bytes()).is_err() {
        required.push("payload");
    }
    let properties = json!({"type": {"const": name.as_str()}, "id": id, "payload": payload});
    let mut schema = object(name.as_str(), &summary, properties, &required);
    schema.insert("additionalProperties".to_owned(), false.into());
    Message {
        name: name.to_string(),
        file: format!("commands/{name}.json"),
        summary,
        schema: finish(schema, generator),
    }
}

/// The schema of the payload of a command.
fn payload(name: CommandName, generator: &mut SchemaGenerator) -> Schema {
    match name {
        CommandName::AddNode => generator.subschema_for::<AddNode>(),
        CommandName::RemoveNode => generator.subschema_for::<RemoveNode>(),
        CommandName::GetNode => generator.subschema_for::<GetNode>(),
        CommandName::InstallFlow => generator.subschema_for::<InstallFlow>(),
        CommandName::InstallFlows => generator.subschema_for::<InstallFlows>(),
        CommandName::RemoveFlow => generator.subschema_for::<RemoveFlow>(),
        CommandName::RemoveFlows => generator.subschema_for::<RemoveFlows>(),
        CommandName::ListFlows => generator.subschema_for::<ListFlows>(),
        CommandName::GetFlow => generator.subschema_for::<GetFlow>(),
        CommandName::Subscribe => generator.subschema_for::<Subscribe>(),
        CommandName::Unsubscribe => generator.subschema_for::<Unsubscribe>(),
        CommandName::Authenticate => generator.subschema_for::<Authenticate>(),
        CommandName::SetQueues => generator.subschema_for::<SetQueues>(),
        CommandName::ListNodes | CommandName::GetInfo => generator.subschema_for::<Nothing>(),
    }
}

fn reply(name: CommandName) -> Message {
    let mut generator = generator_of_answers();
    let variant = match name {
        CommandName::AddNode | CommandName::RemoveNode | CommandName::GetNode => "Node",
        CommandName::ListNodes => "Nodes",
        CommandName::InstallFlow | CommandName::RemoveFlow | CommandName::GetFlow => "Flow",
        CommandName::InstallFlows => "FlowsInstalled",
        CommandName::RemoveFlows => "FlowsRemoved",
        CommandName::ListFlows => "Flows",
        CommandName::Subscribe | CommandName::Unsubscribe => "Subscribed",
        CommandName::Authenticate => "Authenticated",
        CommandName::SetQueues => "Queues",
        CommandName::GetInfo => "Info",
    };
    let properties = json!({
        "type": {"const": "Reply"},
        "id": generator.subschema_for::<RequestId>(),
        "command": {"const": name.as_str()},
        "payload": variants::<Reply>(&mut generator, &[variant]),
        "timestamp": generator.subschema_for::<Timestamp>(),
    });
    let title = format!("{name}Reply");
    let summary = format!("The answer to {name}.");
    let schema = object(&title, &summary, properties, &["type", "id", "command", "payload", "timestamp"]);
    Message { name: title, file: format!("replies/{name}.json"), summary, schema: finish(schema, generator) }
}

fn error() -> Message {
    let mut generator = generator_of_answers();
    let properties = json!({
        "type": {"const": "Error"},
        "id": generator.subschema_for::<Option<RequestId>>(),
        "error": generator.subschema_for::<ErrorBody>(),
        "timestamp": generator.subschema_for::<Timestamp>(),
    });
    let summary = "The answer to a command that was not done; its id is null where none could be read.".to_owned();
    let schema = object("Error", &summary, properties, &["type", "id", "error", "timestamp"]);
    Message { name: "Error".to_owned(), file: "error.json".to_owned(), summary, schema: finish(schema, generator) }
}

fn event(topic: Topic) -> Message {
    let mut generator = generator_of_answers();
    let variant = match topic {
        Topic::Nodes => "Node",
        Topic::Flows => "Flow",
        Topic::Stats => "Stats",
        Topic::Ports => "Port",
        Topic::Alarms => "Alarm",
    };
    let properties = json!({
        "type": {"const": "Event"},
        "topic": {"const": topic.as_str()},
        "seq": {"type": "integer", "minimum": 1, "description": "Counts the events of the topic, from 1 at each start."},
        "epoch": {"type": "string", "minLength": 1, "description": "Names the start of the daemon."},
        "payload": variants::<EventPayload>(&mut generator, &[variant, "Gap"]),
        "timestamp": generator.subschema_for::<Timestamp>(),
    });
    let title = format!("{variant}Event");
    let about = words_of::<Topic>().into_iter().find(|(word, _)| word == topic.as_str());
    let summary = format!("An event on {topic}: {}", about.unwrap_or_default().1);
    let schema = object(&title, &summary, properties, &["type", "topic", "seq", "epoch", "payload", "timestamp"]);
    Message { name: title, file: format!("events/{topic}.json"), summary, schema: finish(schema, generator) }
}

fn generator_of_answers() -> SchemaGenerator {
    SchemaSettings::draft2020_12().for_serialize().into_generator()
}

/// The variants of an untagged enum that have these titles.
fn variants<T: JsonSchema>(generator: &mut SchemaGenerator, titles: &[&str]) -> Value {
    let schema = T::json_schema(generator);
    let all = schema.get("anyOf").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut wanted =
        all.into_iter().filter(|variant| titles.iter().any(|title| variant["title"] == *title)).map(|mut variant| {
            if let Some(variant) = variant.as_object_mut() {
                variant.remove("title");
            }
            variant
        });
    match (wanted.next(), wanted.next()) {
        (Some(only), None) => only,
        (first, second) => json!({"anyOf": first.into_iter().chain(second).chain(wanted).collect::<Vec<_>>()}),
    }
}

fn summary_of(name: CommandName) -> String {
    let words = words_of::<CommandName>();
    words.into_iter().find(|(word, _)| word == name.as_str()).unwrap_or_default().1
}

fn object(title: &str, description: &str, properties: Value, required: &[&str]) -> Map<String, Value> {
    let mut object = Map::new();
    object.insert("$schema".to_owned(), DIALECT.into());
    object.insert("title".to_owned(), title.into());
    object.insert("description".to_owned(), description.into());
    object.insert("type".to_owned(), "object".into());
    object.insert("properties".to_owned(), properties);
    object.insert("required".to_owned(), json!(required));
    object
}

/// Puts the definitions in, and makes the schema say what the parser does.
fn finish(mut schema: Map<String, Value>, mut generator: SchemaGenerator) -> Value {
    let definitions = needed(&schema, &generator.take_definitions(true));
    if !definitions.is_empty() {
        schema.insert("$defs".to_owned(), definitions.into());
    }
    let mut schema = Schema::from(schema);
    AsWritten.transform(&mut schema);
    schema.to_value()
}

/// The definitions that a schema leads to: a generator also has those of its other variants.
fn needed(schema: &Map<String, Value>, definitions: &Map<String, Value>) -> Map<String, Value> {
    let mut needed = Map::new();
    let mut waiting: Vec<&Value> = schema.values().collect();
    while let Some(value) = waiting.pop() {
        match value {
            Value::Object(object) => waiting.extend(object.values()),
            Value::Array(items) => waiting.extend(items),
            Value::String(text) => {
                let named = text.strip_prefix("#/$defs/").and_then(|name| definitions.get_key_value(name));
                if let Some((name, definition)) = named.filter(|(name, _)| !needed.contains_key(*name)) {
                    needed.insert(name.clone(), definition.clone());
                    waiting.push(definition);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    needed
}

/// A field that may be left out is left out, never `null`; and a number has the bounds of its width, not its name.
#[derive(Debug)]
struct AsWritten;

impl Transform for AsWritten {
    fn transform(&mut self, schema: &mut Schema) {
        transform_subschemas(self, schema);
        let Some(object) = schema.as_object_mut() else { return };
        let width = match object.get("format").and_then(Value::as_str) {
            Some("uint8") => Some(u64::from(u8::MAX)),
            Some("uint16") => Some(u64::from(u16::MAX)),
            Some("uint32") => Some(u64::from(u32::MAX)),
            Some("uint64" | "uint") => Some(u64::MAX),
            _ => None,
        };
        if let Some(width) = width {
            object.remove("format");
            if width < u64::MAX {
                object.entry("maximum").or_insert(width.into());
            }
        }
        let required = object.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
        let Some(properties) = object.get_mut("properties").and_then(Value::as_object_mut) else { return };
        for (_, property) in properties.iter_mut().filter(|(name, _)| !required.contains(&json!(name))) {
            without_null(property);
        }
    }
}

/// Takes `null` out of what a value may be.
fn without_null(schema: &mut Value) {
    let Some(object) = schema.as_object_mut() else { return };
    if let Some(types) = object.get_mut("type").and_then(Value::as_array_mut) {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            object.insert("type".to_owned(), only);
        }
    }
    let Some(choices) = object.get_mut("anyOf").and_then(Value::as_array_mut) else { return };
    choices.retain(|choice| choice["type"] != "null");
    if let [Value::Object(only)] = choices.as_slice() {
        let only = only.clone();
        object.remove("anyOf");
        object.extend(only);
    }
}

/// Every file of `schemas/` but the examples, by its path there.
pub fn files() -> BTreeMap<String, String> {
    let mut files: BTreeMap<String, String> =
        commands().into_iter().chain(answers()).map(|message| (message.file, text(&message.schema))).collect();
    files.insert("asyncapi.json".to_owned(), text(&super::asyncapi::document()));
    files
}

fn text(schema: &Value) -> String {
    format!("{schema:#}\n")
}
