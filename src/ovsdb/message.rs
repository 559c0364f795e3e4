//! The messages of JSON-RPC 1.0, as RFC 7047, section 4, has them: requests, responses and notifications.

use std::fmt;

use serde::Serialize;
use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde_json::value::{RawValue, to_raw_value};
use thiserror::Error;

use super::datum::Unique;

/// The `id` of a request of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RequestId(pub(super) u64);

/// A message of the database.
#[derive(Debug)]
pub(super) enum Incoming {
    /// It asks for something; `id` and `params` go back as they came.
    Request { method: String, params: Box<RawValue>, id: Box<RawValue> },
    /// It tells something.
    Notification { method: String, params: Box<RawValue> },
    /// It answers a request of ours: with a result, or with an error in its own words.
    Response { id: RequestId, outcome: Result<Box<RawValue>, String> },
}

/// It is none of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("it sent something that is no message of JSON-RPC")]
pub(super) struct NotAMessage;

impl Incoming {
    pub(super) fn parse(text: &[u8]) -> Result<Self, NotAMessage> {
        let Unique(mut members) =
            serde_json::from_slice::<Unique<Member, Box<RawValue>>>(text).map_err(|_| NotAMessage)?;
        let mut take = |member| members.remove(&member);
        let (id, method, params) = (take(Member::Id), take(Member::Method), take(Member::Params));
        let (result, error) = (take(Member::Result), take(Member::Error));
        match (method, params, id.filter(|id| !is_null(id)), result, error) {
            (Some(method), Some(params), id, None, None) => {
                let method = serde_json::from_str(method.get()).map_err(|_| NotAMessage)?;
                Ok(match id {
                    Some(id) => Self::Request { method, params, id },
                    None => Self::Notification { method, params },
                })
            }
            (None, None, Some(id), result, error) => {
                let id = serde_json::from_str(id.get()).map(RequestId).map_err(|_| NotAMessage)?;
                match (result, error.filter(|error| !is_null(error))) {
                    (_, Some(error)) => Ok(Self::Response { id, outcome: Err(words(&error)) }),
                    (Some(result), None) => Ok(Self::Response { id, outcome: Ok(result) }),
                    (None, None) => Err(NotAMessage),
                }
            }
            _ => Err(NotAMessage),
        }
    }
}

/// The members that a message has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Member {
    Id,
    Method,
    Params,
    Result,
    Error,
}

impl<'de> Deserialize<'de> for Member {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MemberVisitor;

        impl Visitor<'_> for MemberVisitor {
            type Value = Member;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("id, method, params, result or error")
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<Member, E> {
                match name {
                    "id" => Ok(Member::Id),
                    "method" => Ok(Member::Method),
                    "params" => Ok(Member::Params),
                    "result" => Ok(Member::Result),
                    "error" => Ok(Member::Error),
                    _ => Err(E::custom("a member that JSON-RPC does not know")),
                }
            }
        }

        deserializer.deserialize_str(MemberVisitor)
    }
}

fn is_null(value: &RawValue) -> bool {
    value.get() == "null"
}

/// An error as a sentence: a string as it is, RFC 7047's object by its members, anything else as JSON.
fn words(error: &RawValue) -> String {
    #[derive(serde::Deserialize)]
    struct Told {
        error: String,
        details: Option<String>,
    }

    if let Ok(text) = serde_json::from_str(error.get()) {
        return text;
    }
    match serde_json::from_str(error.get()) {
        Ok(Told { error, details: Some(details) }) => format!("{error}: {details}"),
        Ok(Told { error, details: None }) => error,
        Err(_) => error.get().to_owned(),
    }
}

/// A request of ours.
pub(super) fn request(id: RequestId, method: &str, params: &impl Serialize) -> Vec<u8> {
    #[derive(Serialize)]
    struct Request<'a, P> {
        id: u64,
        method: &'a str,
        params: &'a P,
    }

    to_bytes(&Request { id: id.0, method, params })
}

/// The response to a request of the database's.
pub(super) fn response(id: &RawValue, outcome: Result<&RawValue, &str>) -> Vec<u8> {
    #[derive(Serialize)]
    struct Response<'a> {
        id: &'a RawValue,
        result: Option<&'a RawValue>,
        error: Option<&'a str>,
    }

    to_bytes(&Response { id, result: outcome.ok(), error: outcome.err() })
}

/// What is written here has no map with other than string keys and no number that JSON lacks, so it always serializes.
fn to_bytes(message: &impl Serialize) -> Vec<u8> {
    to_raw_value(message).map(|json| json.get().as_bytes().to_vec()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> String {
        match Incoming::parse(text.as_bytes()) {
            Ok(Incoming::Request { method, params, id }) => format!("request {id} {method} {params}"),
            Ok(Incoming::Notification { method, params }) => format!("notification {method} {params}"),
            Ok(Incoming::Response { id, outcome: Ok(result) }) => format!("{} is {result}", id.0),
            Ok(Incoming::Response { id, outcome: Err(error) }) => format!("{} failed: {error}", id.0),
            Err(NotAMessage) => "nothing".to_owned(),
        }
    }

    #[test]
    fn each_message_is_known_by_its_members() {
        for (text, message) in [
            (r#"{"id":"echo","method":"echo","params":[1]}"#, r#"request "echo" echo [1]"#),
            (r#"{"params":[],"id":null,"method":"update"}"#, "notification update []"),
            (r#"{"method":"update","params":[]}"#, "notification update []"),
            (r#"{"id":3,"result":{},"error":null}"#, "3 is {}"),
            (r#"{"id":3,"result":null,"error":null}"#, "3 is null"),
            (r#"{"id":3,"result":null,"error":"no"}"#, "3 failed: no"),
            (r#"{"id":3,"result":null,"error":{"error":"no","details":"why","syntax":"x"}}"#, "3 failed: no: why"),
            (r#"{"id":3,"result":null,"error":{"error":"unknown database"}}"#, "3 failed: unknown database"),
            (r#"{"id":3,"error":[1]}"#, "3 failed: [1]"),
        ] {
            assert_eq!(parsed(text), message, "{text}");
        }
    }

    #[test]
    fn what_is_no_message_is_refused() {
        for text in [
            "{}",
            "[]",
            "{",
            "\u{0}",
            r#"{"id":3}"#,
            r#"{"id":3,"id":3,"result":1,"error":null}"#,
            r#"{"id":3,"result":1,"result":2,"error":null}"#,
            r#"{"id":"3","result":1,"error":null}"#,
            r#"{"id":-1,"result":1,"error":null}"#,
            r#"{"id":1.0,"result":1,"error":null}"#,
            r#"{"id":null,"result":1,"error":null}"#,
            r#"{"id":3,"result":null,"error":null,"colour":1}"#,
            r#"{"id":3,"method":"echo"}"#,
            r#"{"id":3,"method":5,"params":[]}"#,
            r#"{"id":3,"method":"echo","params":[],"result":1}"#,
        ] {
            assert_eq!(parsed(text), "nothing", "{text}");
        }
        assert!(Incoming::parse(b"{\"method\":\"\xff\",\"params\":[]}").is_err());
    }

    #[test]
    fn what_is_written_is_json_rpc_1_0() {
        assert_eq!(request(RequestId(7), "echo", &[0; 0]), br#"{"id":7,"method":"echo","params":[]}"#);
        let raw = |json: &str| RawValue::from_string(json.to_owned()).unwrap();
        assert_eq!(response(&raw("\"e\""), Ok(&raw("[1]"))), br#"{"id":"e","result":[1],"error":null}"#);
        assert_eq!(response(&raw("1"), Err("no")), br#"{"id":1,"result":null,"error":"no"}"#);
    }
}
