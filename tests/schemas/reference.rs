//! The reference pages of the documentation, made from the schemas, their examples and the help of the program.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::process::Command;

use flumen::contract::schema::{self, Message};
use flumen::contract::{CommandName, ErrorCode, Role, Topic};
use serde_json::Value;

use super::{assert_files, project};

const MADE: &str = "<!-- Made by tests/schemas from the types, the examples and the help. -->";

#[test]
fn the_reference_pages_are_those_of_the_schemas_and_the_help() {
    let pages = BTreeMap::from([
        ("commands.md".to_owned(), commands()),
        ("replies.md".to_owned(), replies()),
        ("events.md".to_owned(), events()),
        ("errors.md".to_owned(), errors()),
        ("command-line.md".to_owned(), command_line()),
    ]);
    assert_files("docs/reference", &pages, |_| true);
}

fn page(title: &str, introduction: &str) -> String {
    format!("{MADE}\n\n# {title}\n\n{introduction}\n")
}

fn commands() -> String {
    let mut page = page(
        "Commands",
        "A client sends one object a message: the command, an `id` of its choice, and the payload. What is not listed \
         here is refused. The schemas are in `schemas/commands/`.",
    );
    for command in schema::commands() {
        let role = roles()[command.name.as_str()].map_or("none".to_owned(), |role| format!("`{role}`"));
        let (name, summary) = (&command.name, &command.summary);
        write!(page, "\n## {name}\n\n{summary} Needs the role {role}.\n\n").unwrap();
        page += &fields(&command.schema, resolved(&command.schema, &command.schema["properties"]["payload"]));
        page += &parts(&command.schema, &["RateLimit", "QueueSetting"]);
        page += &example(&command, 0);
    }
    page
}

/// The least role of each command, asked of the contract with an example.
fn roles() -> BTreeMap<&'static str, Option<Role>> {
    let role = |name: &CommandName| {
        let message = &examples(&format!("commands/{name}.json"))["good"][0];
        let (_, command) = flumen::contract::parse_request(message.to_string().as_bytes()).unwrap();
        (name.as_str(), command.role())
    };
    CommandName::ALL.iter().map(role).collect()
}

fn replies() -> String {
    let mut page = page(
        "Replies",
        "Each command that was done is answered by one Reply with its `id`. A later daemon may add fields. The schemas \
         are in `schemas/replies/`.",
    );
    let mut payloads: BTreeMap<String, Vec<Message>> = BTreeMap::new();
    for reply in schema::answers().into_iter().filter(|answer| answer.file.starts_with("replies")) {
        payloads.entry(reply.schema["properties"]["payload"].to_string()).or_default().push(reply);
    }
    let mut groups: Vec<_> = payloads.into_values().collect();
    groups.sort_by_key(|group| group[0].name.clone());
    for group in groups {
        let names: Vec<_> = group.iter().map(|reply| reply.name.trim_end_matches("Reply")).collect();
        let reply = &group[0];
        writeln!(page, "\n## To {}\n", names.join(", ")).unwrap();
        page += &fields(&reply.schema, resolved(&reply.schema, &reply.schema["properties"]["payload"]));
        page += &example(reply, 0);
    }
    page += &definitions(&["replies"]);
    page
}

fn events() -> String {
    let mut page = page(
        "Events",
        "What happens is told to whoever has subscribed to the topic. `seq` counts the events of a topic from 1 at each \
         start of the daemon, which `epoch` names. On any topic an event can be a gap: `{\"gap\":{\"from\":…,\"to\":…}}` \
         are events that will not come. The schemas are in `schemas/events/`.",
    );
    for event in schema::answers().into_iter().filter(|answer| answer.file.starts_with("events")) {
        let topic = event.schema["properties"]["topic"]["const"].as_str().unwrap();
        let about = schema::words_of::<Topic>().into_iter().find(|(word, _)| word == topic).unwrap().1;
        write!(page, "\n## {topic}\n\n{about}\n\n").unwrap();
        let payload = &event.schema["properties"]["payload"];
        let own = payload["anyOf"].as_array().unwrap().iter().find(|variant| !variant["properties"]["gap"].is_object());
        page += &fields(&event.schema, resolved(&event.schema, own.unwrap()));
        page += &example(&event, 0);
    }
    page += "\nNodes, ports and flows look as in [replies](replies.md).\n";
    page += &parts(
        &schema::answers().into_iter().find(|answer| answer.file == "events/stats.json").unwrap().schema,
        &["FlowStats", "NodeStats"],
    );
    page
}

fn errors() -> String {
    let mut page = page(
        "Errors",
        "A command that was not done is answered by one Error: a code for programs, a sentence for people, and the place \
         in the request that is to blame, where there is one. The connection goes on. The schema is \
         `schemas/error.json`.",
    );
    page += "\n| code | means |\n| --- | --- |\n";
    for (word, meaning) in schema::words_of::<ErrorCode>() {
        writeln!(page, "| `{word}` | {meaning} |").unwrap();
    }
    let error = schema::answers().into_iter().find(|answer| answer.name == "Error").unwrap();
    for place in 0..3 {
        page += &example(&error, place);
    }
    page
}

/// The help of every subcommand, as the program prints it.
fn command_line() -> String {
    let introduction = "What `flumen --help` and the help of each subcommand print.";
    let mut page = page("Command line", introduction);
    let mut waiting = vec![Vec::<String>::new()];
    while let Some(words) = waiting.pop() {
        let run = Command::new(env!("CARGO_BIN_EXE_flumen"))
            .args(&words)
            .arg("--help")
            .env_clear()
            .env("COLUMNS", "100")
            .output()
            .unwrap();
        assert!(run.status.success(), "{words:?}");
        let help = String::from_utf8(run.stdout).unwrap();
        let name = words.iter().fold("flumen".to_owned(), |name, word| format!("{name} {word}"));
        write!(page, "\n## {name}\n\n```text\n{}\n```\n", help.trim_end()).unwrap();
        let below = help.split("\nCommands:\n").nth(1).unwrap_or_default();
        let below = below.lines().take_while(|line| line.starts_with("  ")).filter(|line| !line.starts_with("   "));
        let names: Vec<_> =
            below.filter_map(|line| line.split_whitespace().next()).filter(|word| *word != "help").collect();
        waiting.extend(names.into_iter().rev().map(|word| words.iter().cloned().chain([word.to_owned()]).collect()));
    }
    page
}

/// What a `$ref` leads to.
fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(to) => document.pointer(to.trim_start_matches('#')).unwrap(),
        None => schema,
    }
}

/// The fields of an object, as a table.
fn fields(document: &Value, object: &Value) -> String {
    let Some(properties) = object["properties"].as_object().filter(|properties| !properties.is_empty()) else {
        return "The payload is empty, and may be left out.\n".to_owned();
    };
    let required = object["required"].as_array().cloned().unwrap_or_default();
    let is_read = object["additionalProperties"] == false;
    let mut table = "| field | is | meaning |\n| --- | --- | --- |\n".to_owned();
    for (name, schema) in properties {
        let mut form = form(document, schema);
        if required.contains(&name.as_str().into()) {
            if is_read {
                form += "; required";
            }
        } else if let Some(default) = schema.get("default") {
            write!(form, "; default `{default}`").unwrap();
        } else if !is_read {
            form += "; where there is one";
        }
        let about = schema["description"].as_str().or(resolved(document, schema)["description"].as_str());
        let about = about.unwrap_or_default().split("\n\n").next().unwrap_or_default().replace(['\n', '|'], " ");
        writeln!(table, "| `{name}` | {form} | {about} |").unwrap();
    }
    table
}

/// What values a schema allows, in a few words.
fn form(document: &Value, schema: &Value) -> String {
    if let Some(to) = schema["$ref"].as_str() {
        let (name, target) = (to.rsplit('/').next().unwrap(), resolved(document, schema));
        return match target["description"].as_str() {
            _ if target["type"] == "object" => name.to_owned(),
            Some(about) if target["pattern"].is_string() => about.trim_end_matches('.').to_owned(),
            _ => form(document, target),
        };
    }
    if let Some(words) = schema["enum"].as_array() {
        return words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    }
    if let Some(word) = schema.get("const") {
        return format!("`{word}`");
    }
    if let Some(choices) = schema["anyOf"].as_array().or(schema["allOf"].as_array()) {
        return choices.iter().map(|choice| form(document, choice)).collect::<Vec<_>>().join(" or ");
    }
    let kinds = schema["type"].as_array().cloned().unwrap_or_else(|| vec![schema["type"].clone()]);
    let words: Vec<_> =
        kinds.iter().filter_map(Value::as_str).map(|kind| kind_in_words(document, schema, kind)).collect();
    words.join(" or ")
}

fn kind_in_words(document: &Value, schema: &Value, kind: &str) -> String {
    match kind {
        "integer" => match (schema["minimum"].as_u64(), schema["maximum"].as_u64()) {
            (Some(least), Some(most)) => format!("{least} to {most}"),
            (Some(1..), None) => format!("number from {}", schema["minimum"]),
            _ => "number".to_owned(),
        },
        "string" => match (schema["minLength"].as_u64(), schema["maxLength"].as_u64()) {
            (Some(least), Some(most)) => format!("{least} to {most} characters"),
            _ => "string".to_owned(),
        },
        "boolean" => "true or false".to_owned(),
        "array" => format!("list of {}", form(document, &schema["items"])),
        "object" if schema["properties"].is_object() => {
            let fields = schema["properties"].as_object().into_iter().flatten();
            let fields: Vec<_> = fields.map(|(name, field)| format!("\"{name}\": {}", form(document, field))).collect();
            format!("`{{{}}}`", fields.join(", "))
        }
        "object" => "map".to_owned(),
        other => format!("`{other}`"),
    }
}

/// Tables of the objects that a message has inside.
fn parts(document: &Value, names: &[&str]) -> String {
    let mut text = String::new();
    for (name, definition) in names.iter().filter_map(|name| Some((name, document["$defs"].get(*name)?))) {
        write!(text, "\n### {name}\n\n{}\n\n", definition["description"].as_str().unwrap_or_default()).unwrap();
        text += &fields(document, definition);
    }
    text
}

/// Tables of all objects that the messages of some directories have inside.
fn definitions(directories: &[&str]) -> String {
    let mut all = BTreeMap::new();
    let answers = schema::answers();
    for answer in answers.iter().filter(|answer| directories.iter().any(|directory| answer.file.starts_with(directory)))
    {
        for (name, definition) in answer.schema["$defs"].as_object().into_iter().flatten() {
            all.insert(name.as_str(), (&answer.schema, definition));
        }
    }
    let mut text = String::new();
    for (name, (document, definition)) in &all {
        let about = definition["description"].as_str().unwrap_or_default();
        if definition["properties"].is_object() {
            write!(text, "\n## {name}\n\n{about}\n\n").unwrap();
            text += &fields(document, definition);
        } else if definition["enum"].is_array() {
            write!(text, "\n## {name}\n\n{about}\n").unwrap();
        }
    }
    text
}

fn examples(file: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(project().join("schemas/examples").join(file)).unwrap()).unwrap()
}

/// An example of the message, as JSON.
fn example(message: &Message, place: usize) -> String {
    let good = &examples(&message.file)["good"][place];
    format!("\n```json\n{good:#}\n```\n")
}
