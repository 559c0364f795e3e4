//! Messages for programs: one JSON object a line.
//!
//! Names are those of the specification without prefix, words those of `ovs-ofctl`. Numbers are numbers, reserved
//! ports, tables, groups and meters have their name instead; cookies and bytes are hexadecimal digits.

mod flow;
mod group;
mod message;
mod multipart;
mod port;

use std::fmt::Display;

use openflow::Hex;
use serde::Serialize;
use serde_json::{Value, json};

use super::listing::Decoded;
use super::place::{Place, Trouble};
use super::tally::{Tally, bare, multipart as multipart_name};

/// A message.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    place: &'a Place,
    version: u8,
    xid: u32,
    #[serde(rename = "type")]
    message_type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    multipart: Option<&'a str>,
    message: Value,
}

/// What is no message.
#[derive(Serialize)]
struct Undecoded<'a> {
    #[serde(flatten)]
    place: &'a Place,
    error: Value,
}

/// Appends a message.
pub(super) fn message(out: &mut String, place: &Place, decoded: &Decoded) {
    let Decoded { version, xid, message } = decoded;
    let line = Line {
        place,
        version: *version,
        xid: xid.0,
        message_type: bare(message.type_name()),
        multipart: multipart_name(message),
        message: message::body(message),
    };
    append(out, &line);
}

/// Appends what is no message.
pub(super) fn trouble(out: &mut String, place: &Place, trouble: &Trouble) {
    let mut error = json!({ "message": trouble.to_string() });
    if let Trouble::Message(cause) = trouble {
        error["structure"] = cause.structure.name().into();
        error["bytes_before_end"] = cause.remaining.into();
        error["type"] = cause.code().type_name().into();
        error["code"] = cause.code().code_name().into();
    }
    append(out, &Undecoded { place, error });
}

/// Appends the counts.
pub(super) fn tally(out: &mut String, tally: &Tally) {
    let types: Value = tally.types().map(|(name, count)| (name, Value::from(count))).collect();
    append(out, &json!({ "decoded": tally.decoded(), "undecodable": tally.undecodable, "types": types }));
}

fn append(out: &mut String, line: &impl Serialize) {
    // Nothing here is a map with keys that are no strings, which is all that could fail.
    out.push_str(&serde_json::to_string(line).unwrap_or_default());
    out.push('\n');
}

/// A number as a number, any other word as text.
fn word(word: impl Display) -> Value {
    let text = word.to_string();
    text.parse::<u64>().map_or(Value::String(text), Value::from)
}

/// The names of the bits that are set.
fn flags(flags: impl Display) -> Value {
    flags.to_string().split_whitespace().filter(|flag| *flag != "0").collect()
}

/// A number of 64 bits whose bits count: more than a JSON number can be trusted with.
fn bits64(number: u64) -> Value {
    format!("{number:#018x}").into()
}

fn hex(bytes: &[u8]) -> Value {
    Hex(bytes).to_string().into()
}

fn experimenter(id: u32) -> Value {
    format!("{id:#010x}").into()
}

/// A list of what `one` makes of each.
fn list<T>(items: &[T], one: impl Fn(&T) -> Value) -> Value {
    items.iter().map(one).collect()
}
