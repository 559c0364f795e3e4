//! The envelopes: what a client sends, and what the daemon sends.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::command::Command;
use super::error::ErrorBody;
use super::name::RequestId;
use super::reply::Reply;
use super::timestamp::Timestamp;

/// A request as a client writes it; [`parse_request`](super::parse_request) is its counterpart.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// What the answer will carry.
    pub id: &'a RequestId,
    /// What is asked.
    pub command: &'a Command,
}

impl Serialize for Request<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Envelope<'a> {
            r#type: &'static str,
            id: &'a RequestId,
            payload: &'a Command,
        }

        Envelope { r#type: self.command.name(), id: self.id, payload: self.command }.serialize(serializer)
    }
}

/// A message from the daemon. `P` is how the payload is held: as types where it is written, and for instance as
/// `Box<RawValue>` where it is read and may only be passed on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type")]
pub enum ServerMessage<P = Reply> {
    /// The command was done, or its outcome is in the payload.
    Reply {
        /// The request's.
        id: RequestId,
        /// The request's type.
        command: String,
        /// What was asked for.
        payload: P,
        /// When it was answered.
        timestamp: Timestamp,
    },
    /// The command was not done.
    Error {
        /// The request's; `null` where none could be read.
        id: Option<RequestId>,
        /// What is wrong.
        error: ErrorBody,
        /// When it was answered.
        timestamp: Timestamp,
    },
}

/// By hand, because a tagged enum buffers its content and cannot hold a `RawValue`.
impl<'de, P: Deserialize<'de>> Deserialize<'de> for ServerMessage<P> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(bound = "P: Deserialize<'de>")]
        struct Fields<P> {
            r#type: String,
            id: Option<RequestId>,
            command: Option<String>,
            payload: Option<P>,
            error: Option<ErrorBody>,
            timestamp: Timestamp,
        }

        let Fields { r#type, id, command, payload, error, timestamp } = Fields::deserialize(deserializer)?;
        match (r#type.as_str(), id, command, payload, error) {
            ("Reply", Some(id), Some(command), Some(payload), None) => Ok(Self::Reply { id, command, payload, timestamp }),
            ("Error", id, None, None, Some(error)) => Ok(Self::Error { id, error, timestamp }),
            (other, ..) => Err(D::Error::custom(format_args!("not a Reply or an Error, but {other:?}"))),
        }
    }
}
