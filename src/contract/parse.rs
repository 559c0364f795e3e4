//! From the bytes of a request, in JSON or in MessagePack, to a lawful [`Command`].
//!
//! Two ways lead there. The fast one deserializes the envelope and the payload straight into their types. When it
//! fails, the slow one reads the request again, level by level, to say what is wrong and where: the same for both.

use std::borrow::Cow;
use std::fmt;

use serde::de::value::MapDeserializer;
use serde::de::{DeserializeSeed, Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::command::{Command, CommandName};
use super::error::{ErrorBody, ErrorCode};
use super::locate::{Entries, Fault, Located, Piece};
use super::name::RequestId;
use super::text::quoted;
use super::{json, msgpack};

/// How deeply arrays and objects may be nested in a request, where it is not configured.
pub const MAX_DEPTH: usize = 16;

/// No lawful request is nested as deeply as that: the types of the payloads see to it.
const LAWFUL_DEPTH: usize = 8;

/// What is wrong with a request, and its `id` where it has a usable one.
type Refusal = (Option<RequestId>, ErrorBody);

/// Reads one request in JSON.
///
/// # Errors
/// What is wrong, and the request's `id` where it has a usable one.
pub fn parse_request(text: &[u8]) -> Result<(RequestId, Command), (Option<RequestId>, ErrorBody)> {
    parse_request_within(MAX_DEPTH, text)
}

/// The same, with a bound on the depth that is configured.
///
/// # Errors
/// As [`parse_request`].
pub fn parse_request_within(depth: usize, text: &[u8]) -> Result<(RequestId, Command), (Option<RequestId>, ErrorBody)> {
    let text = std::str::from_utf8(text).map_err(|_| unreadable("the request is not UTF-8"))?;
    // What is lawful is nested less deeply than that; what is not is looked at once more.
    if depth < LAWFUL_DEPTH && json::is_deeper_than(depth, text) {
        return Err(too_deep(depth));
    }
    checked(parse_json(text).or_else(|_| diagnose_json(depth, text)))
}

/// Reads one request in MessagePack, with the same verdict as on the same request in JSON.
///
/// # Errors
/// What is wrong, and the request's `id` where it has a usable one.
pub fn parse_msgpack_request(bytes: &[u8]) -> Result<(RequestId, Command), (Option<RequestId>, ErrorBody)> {
    parse_msgpack_request_within(MAX_DEPTH, bytes)
}

/// The same, with a bound on the depth that is configured.
///
/// # Errors
/// As [`parse_msgpack_request`].
pub fn parse_msgpack_request_within(
    depth: usize,
    bytes: &[u8],
) -> Result<(RequestId, Command), (Option<RequestId>, ErrorBody)> {
    let request = msgpack::check(depth, bytes).map_err(|unsound| unreadable(unsound.to_string()))?;
    checked(parse_msgpack(&request).ok_or(()).or_else(|()| diagnose(request.value)))
}

fn too_deep(depth: usize) -> Refusal {
    unreadable(format!("the request is nested more than {depth} levels deep"))
}

/// It is not even a value.
fn unreadable(message: impl Into<Cow<'static, str>>) -> Refusal {
    (None, ErrorBody::new(ErrorCode::InvalidJson, message))
}

/// The rules between the fields.
fn checked(request: Result<(RequestId, Command), Refusal>) -> Result<(RequestId, Command), Refusal> {
    let (id, command) = request?;
    match command.check() {
        Ok(()) => Ok((id, command)),
        Err(invalid) => Err((Some(id), invalid.into())),
    }
}

/// The fast way. Its errors know no place and are not shown to anybody. The types bound how deeply it recurses.
fn parse_json(text: &str) -> Result<(RequestId, Command), serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let request = deserializer.deserialize_map(Envelope)?;
    deserializer.end()?;
    Ok(request)
}

/// Reads the payload as what the type says it is, straight where the type comes before it.
struct Envelope;

impl<'de> Visitor<'de> for Envelope {
    type Value = (RequestId, Command);

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        #[derive(Deserialize)]
        #[serde(field_identifier, rename_all = "snake_case")]
        enum Field {
            Type,
            Id,
            Payload,
        }

        let (mut name, mut id, mut command, mut later) = (None, None, None, None::<&RawValue>);
        while let Some(field) = map.next_key()? {
            let is_new = match (field, name) {
                (Field::Type, _) => name.replace(map.next_value()?).is_none(),
                (Field::Id, _) => id.replace(map.next_value()?).is_none(),
                (Field::Payload, _) if command.is_some() => false,
                (Field::Payload, Some(name)) => command.replace(map.next_value_seed(Payload(name))?).is_none(),
                (Field::Payload, None) => later.replace(map.next_value()?).is_none(),
            };
            if !is_new || command.is_some() && later.is_some() {
                return Err(A::Error::custom("a field is given twice"));
            }
        }
        let (Some(name), Some(id)) = (name, id) else { return Err(A::Error::custom("a field is missing")) };
        let command = match command {
            Some(command) => command,
            None => {
                let payload = later.map_or("{}", RawValue::get);
                let payload = &mut serde_json::Deserializer::from_str(payload);
                Command::deserialize(name, payload).map_err(A::Error::custom)?
            }
        };
        Ok((id, command))
    }
}

/// The payload of a command that is known.
struct Payload(CommandName);

impl<'de> DeserializeSeed<'de> for Payload {
    type Value = Command;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Command, D::Error> {
        Command::deserialize(self.0, deserializer)
    }
}

/// The fast way through what could be JSON as well.
fn parse_msgpack(request: &msgpack::Checked<'_>) -> Option<(RequestId, Command)> {
    let (mut name, mut id, mut payload) = (None, None, None);
    if !request.is_plain {
        return None;
    }
    for &(key, value) in &request.entries {
        let place = match key {
            "type" => &mut name,
            "id" => &mut id,
            "payload" => &mut payload,
            _ => return None,
        };
        if place.replace(value).is_some() {
            return None;
        }
    }
    let name = CommandName::deserialize(Located(name?)).ok()?;
    let id = RequestId::deserialize(Located(id?)).ok()?;
    Some((id, Command::deserialize(name, &mut payload.unwrap_or(msgpack::NO_FIELDS).plain()).ok()?))
}

/// The slow way through a text.
fn diagnose_json(depth: usize, text: &str) -> Result<(RequestId, Command), Refusal> {
    if json::is_deeper_than(depth, text) {
        return Err(too_deep(depth));
    }
    let request: &RawValue =
        serde_json::from_str(text).map_err(|error| unreadable(format!("the request is not valid JSON: {error}")))?;
    diagnose(request)
}

/// The slow way.
fn diagnose<'a>(request: impl Piece<'a>) -> Result<(RequestId, Command), Refusal> {
    let Some(entries) = Located(request).entries() else {
        let message = "a request is one object with type, id and payload";
        return Err((None, ErrorBody::new(ErrorCode::InvalidRequest, message)));
    };
    let entries = entries.map_err(|fault| (None, fault.into()))?;
    let mut ids = entries.all("id");
    let id = match (ids.next(), ids.next()) {
        (Some(id), None) => RequestId::deserialize(id),
        (Some(_), Some(_)) => Err(Fault::new("is given twice")),
        (None, _) => Err(Fault::new("is required: a string of 1 to 128 characters")),
    };
    let id = id.map_err(|fault| (None, fault.in_field("id").into()))?;
    match diagnose_command(&entries) {
        Ok(command) => Ok((id, command)),
        Err(error) => Err((Some(id), error)),
    }
}

/// Everything but the `id`.
fn diagnose_command<'a>(entries: &Entries<'a, impl Piece<'a>>) -> Result<Command, ErrorBody> {
    entries.check_unique()?;
    if let Some((key, _)) = entries.0.iter().find(|(key, _)| !matches!(key.as_ref(), "type" | "id" | "payload")) {
        let predicate = "is not a field that is known here; known are type, id, payload";
        return Err(Fault::new(predicate).in_field(key).into());
    }
    let name = match entries.all("type").next() {
        Some(name) => String::deserialize(name),
        None => Err(Fault::new("is required: the name of a command")),
    };
    let name = name.map_err(|fault| fault.in_field("type"))?;
    let name: CommandName = name.parse().map_err(|_| unknown_command(&name))?;
    let command = match entries.all("payload").next() {
        Some(payload) => Command::deserialize(name, payload),
        None => Command::deserialize(name, MapDeserializer::new(std::iter::empty::<(&str, &str)>())),
    };
    command.map_err(|fault| fault.in_field("payload").into())
}

fn unknown_command(name: &str) -> ErrorBody {
    let known: Vec<&str> = CommandName::ALL.iter().map(|name| name.as_str()).collect();
    let message = format!("there is no command {}; there are {}", quoted(name), known.join(", "));
    ErrorBody::new(ErrorCode::UnknownCommand, message).at("type")
}

/// Whether the fast way and the slow one accept the same, for the tests.
#[cfg(test)]
pub(super) fn ways_agree(text: &str) -> bool {
    parse_json(text).ok() == diagnose_json(MAX_DEPTH, text).ok()
}

/// The same for MessagePack.
#[cfg(test)]
pub(super) fn msgpack_ways_agree(bytes: &[u8]) -> bool {
    let Ok(request) = msgpack::check(MAX_DEPTH, bytes) else { return true };
    // The slow one also takes a number that is written with a sign for a union of numbers and strings.
    parse_msgpack(&request).is_none_or(|parsed| Some(parsed) == diagnose(request.value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &[u8]) -> ErrorCode {
        parse_request(text).unwrap_err().1.code
    }

    #[test]
    fn a_million_brackets_are_refused_after_seventeen() {
        assert!(json::is_deeper_than(MAX_DEPTH, &"[".repeat(17)));
        assert!(!json::is_deeper_than(MAX_DEPTH, &"[".repeat(16)));
        assert!(!json::is_deeper_than(MAX_DEPTH, &"[]".repeat(1_000_000)));
        assert_eq!(code("[".repeat(1_000_000).as_bytes()), ErrorCode::InvalidJson);
        assert_eq!(code(r#"{"a":"#.repeat(100_000).as_bytes()), ErrorCode::InvalidJson);
    }

    #[test]
    fn an_object_of_many_keys_is_answered_and_the_answer_is_short() {
        let fields: Vec<String> = (0..100_000).map(|n| format!(r#""k{n}":{n}"#)).collect();
        let text = format!(r#"{{"type":"GetInfo","id":"a","payload":{{{}}}}}"#, fields.join(","));
        let (id, error) = parse_request(text.as_bytes()).unwrap_err();
        assert_eq!((id.unwrap().as_str(), error.path.as_deref()), ("a", Some("payload.k0")));
    }

    #[test]
    fn long_input_is_not_repeated_in_full() {
        let long = "x".repeat(100_000);
        for payload in [
            format!(r#"{{"name":"{long}"}}"#),
            format!(r#"{{"{long}":1}}"#),
            format!(r#"{{"name":{}}}"#, "9".repeat(100_000)),
        ] {
            let text = format!(r#"{{"type":"GetNode","id":"a","payload":{payload}}}"#);
            let (_, error) = parse_request(text.as_bytes()).unwrap_err();
            assert!(error.message.len() + error.path.map_or(0, |path| path.len()) < 500);
        }
    }

    #[test]
    fn an_id_has_at_most_128_characters_however_many_bytes() {
        let request = |id: &str| format!(r#"{{"type":"GetInfo","id":"{id}"}}"#);
        assert!(parse_request(request(&"a".repeat(128)).as_bytes()).is_ok());
        assert!(parse_request(request(&"🔑".repeat(128)).as_bytes()).is_ok());
        assert_eq!(code(request(&"a".repeat(129)).as_bytes()), ErrorCode::InvalidRequest);
        assert_eq!(code(request(&"🔑".repeat(129)).as_bytes()), ErrorCode::InvalidRequest);
    }

    #[test]
    fn bytes_that_are_not_utf8_are_not_json() {
        assert_eq!(code(b"{\"type\":\"GetInfo\",\"id\":\"\xff\"}"), ErrorCode::InvalidJson);
    }
}
