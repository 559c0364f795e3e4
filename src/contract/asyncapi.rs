//! The whole interface as one AsyncAPI 3 document: the channel, an operation for each command and each topic, and
//! every message with its schema.
//!
//! AsyncAPI's own schemas are JSON Schema draft 7, so the few words of 2020-12 that draft 7 has otherwise are put into
//! its own, and the definitions stand in `components/schemas`, each once.

use serde_json::{Map, Value, json};

use super::schema::{self, Message};

/// The document.
pub(super) fn document() -> Value {
    let (commands, answers) = (schema::commands(), schema::answers());
    let Definitions { schemas, renamed } = Definitions::of(&commands, &answers);
    let read = commands.iter().map(|message| (message, component(message, &Map::new())));
    let written = answers.iter().map(|message| (message, component(message, &renamed)));
    let messages: Map<String, Value> =
        read.chain(written).map(|(message, component)| (message.name.clone(), component)).collect();
    let names = commands.iter().chain(&answers).map(|message| &message.name);
    let channel: Map<String, Value> =
        names.map(|name| (name.clone(), reference(&format!("components/messages/{name}")))).collect();
    json!({
        "asyncapi": "3.0.0",
        "id": "urn:flumen:v1",
        "info": {
            "title": "Flumen",
            "version": "1",
            "description": "Programs quality-of-service flows into OpenFlow 1.3 switches. Every message is one frame with \
                            one object. Each command is answered by exactly one Reply or Error that carries \
                            its id, in any order; events come on their own.",
            "license": {"name": "MIT OR Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {"daemon": {
            "host": "127.0.0.1:8653",
            "protocol": "ws",
            "description": "The default address; wss with a certificate.",
            "security": [{"$ref": "#/components/securitySchemes/bearer"}],
        }},
        "channels": {"v1": {
            "address": "/v1/ws",
            "title": "The WebSocket",
            "description": "The subprotocol is flumen.v1.json, the default, or flumen.v1.msgpack: the same objects as \
                            MessagePack in binary frames.",
            "messages": channel,
            "bindings": {"ws": {"method": "GET", "bindingVersion": "0.1.0"}},
        }},
        "operations": operations(&commands, &answers),
        "components": {
            "messages": messages,
            "schemas": schemas,
            "correlationIds": {"id": {
                "description": "The answer carries the id of its command.",
                "location": "$message.payload#/id",
            }},
            "securitySchemes": {"bearer": {
                "type": "http",
                "scheme": "bearer",
                "description": "Where tokens are configured: with the upgrade, as the subprotocol \
                                flumen.bearer.<base64url token> beside flumen.v1.json, or in a first message Authenticate.",
            }},
        },
    })
}

fn reference(place: &str) -> Value {
    json!({"$ref": format!("#/{place}")})
}

/// What the daemon receives and answers, then what it sends on its own.
fn operations(commands: &[Message], answers: &[Message]) -> Map<String, Value> {
    let channel = || reference("channels/v1");
    let message = |name: &str| reference(&format!("channels/v1/messages/{name}"));
    let asked = commands.iter().map(|command| {
        let reply = json!({
            "channel": channel(),
            "messages": [message(&format!("{}Reply", command.name)), message("Error")],
        });
        let operation = json!({
            "action": "receive", "channel": channel(), "summary": command.summary,
            "messages": [message(&command.name)], "reply": reply,
        });
        (command.name.clone(), operation)
    });
    let told = answers.iter().filter(|answer| answer.name.ends_with("Event")).map(|event| {
        let operation = json!({
            "action": "send", "channel": channel(), "summary": event.summary, "messages": [message(&event.name)],
        });
        (event.name.clone(), operation)
    });
    asked.chain(told).collect()
}

/// The definitions of all messages, moved to one place: what is read and what is written can differ under one name, a
/// closed object and an open one, and then has two.
struct Definitions {
    schemas: Map<String, Value>,
    /// New names, for the messages of the daemon.
    renamed: Map<String, Value>,
}

impl Definitions {
    fn of(commands: &[Message], answers: &[Message]) -> Self {
        let all = |messages: &[Message]| -> Map<String, Value> {
            messages.iter().filter_map(|message| message.schema["$defs"].as_object().cloned()).flatten().collect()
        };
        let (read, written) = (all(commands), all(answers));
        let differs = |name: &str, schema: &Value| read.get(name).is_some_and(|other| other != schema);
        let renamed: Map<String, Value> = (written.iter())
            .filter(|(name, schema)| differs(name, schema))
            .map(|(name, _)| (name.clone(), format!("{name}Written").into()))
            .collect();
        let mut definitions = Self { schemas: Map::new(), renamed };
        for (name, mut schema) in read {
            draft_7(&mut schema, &Map::new());
            definitions.schemas.insert(name, schema);
        }
        for (name, mut schema) in written {
            draft_7(&mut schema, &definitions.renamed);
            let place = definitions.renamed.get(&name).and_then(Value::as_str).unwrap_or(&name).to_owned();
            definitions.schemas.insert(place, schema);
        }
        definitions
    }
}

/// A message whose definitions have moved.
fn component(message: &Message, renamed: &Map<String, Value>) -> Value {
    let mut payload = message.schema.clone();
    if let Some(payload) = payload.as_object_mut() {
        payload.remove("$schema");
        payload.remove("$defs");
    }
    draft_7(&mut payload, renamed);
    let mut component = json!({
        "name": message.name, "title": message.name, "summary": message.summary,
        "contentType": "application/json", "payload": payload,
    });
    if !message.name.ends_with("Event") {
        component["correlationId"] = reference("components/correlationIds/id");
    }
    component
}

/// Says the same in draft 7, with references to `components/schemas`.
fn draft_7(schema: &mut Value, moved: &Map<String, Value>) {
    match schema {
        Value::Array(items) => items.iter_mut().for_each(|item| draft_7(item, moved)),
        Value::Object(object) => {
            if let Some(dependent) = object.remove("dependentSchemas") {
                object.insert("dependencies".to_owned(), dependent);
            }
            object.values_mut().for_each(|value| draft_7(value, moved));
            if let Some(name) = object.get("$ref").and_then(Value::as_str).and_then(|to| to.strip_prefix("#/$defs/")) {
                let name = moved.get(name).and_then(Value::as_str).unwrap_or(name);
                let to = reference(&format!("components/schemas/{name}"));
                object.remove("$ref");
                // Draft 7 does not look at what stands beside a reference.
                if object.is_empty() {
                    *schema = to;
                } else {
                    object.insert("allOf".to_owned(), json!([to]));
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
