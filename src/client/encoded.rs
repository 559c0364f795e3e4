//! Messages as they go over the wire, in either subprotocol.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use serde_json::value::RawValue;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use super::Lost;
use crate::contract::{AsJson, Request, ServerMessage, Subprotocol, from_msgpack, to_msgpack};

/// A request, written once, and again only for a daemon that has agreed to another subprotocol.
#[derive(Clone)]
pub(super) enum Encoded {
    Json(Utf8Bytes),
    MessagePack(Bytes),
}

impl Encoded {
    pub(super) fn of(subprotocol: Subprotocol, request: &Request<'_>) -> Result<Self, serde_json::Error> {
        Ok(match subprotocol {
            Subprotocol::Json => Self::Json(serde_json::to_string(request)?.into()),
            Subprotocol::MessagePack => Self::MessagePack(to_msgpack(request).into()),
        })
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Json(text) => text.len(),
            Self::MessagePack(bytes) => bytes.len(),
        }
    }

    /// The frame of it on a connection that speaks this.
    pub(super) fn frame(self, subprotocol: Subprotocol) -> Message {
        match (self, subprotocol) {
            (Self::Json(text), Subprotocol::Json) => Message::Text(text),
            (Self::MessagePack(bytes), Subprotocol::MessagePack) => Message::Binary(bytes),
            (Self::Json(text), Subprotocol::MessagePack) => {
                // It was written here, so it can be read.
                let request: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
                Message::binary(to_msgpack(&request))
            }
            (other @ Self::MessagePack(_), Subprotocol::Json) => Message::text(&*other.json()),
        }
    }

    /// It as JSON.
    pub(super) fn json(&self) -> Cow<'_, str> {
        match self {
            Self::Json(text) => Cow::Borrowed(text.as_str()),
            // It was written here, so it can be read.
            Self::MessagePack(bytes) => {
                Cow::Owned(from_msgpack::<AsJson>(bytes).map(|AsJson(json)| json.get().to_owned()).unwrap_or_default())
            }
        }
    }
}

/// Without the text, which may hold a token.
impl fmt::Debug for Encoded {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Encoded({} bytes)", self.len())
    }
}

/// A message of the daemon, and its text.
pub(super) struct Received {
    pub(super) message: ServerMessage<Box<RawValue>>,
    text: Option<Utf8Bytes>,
}

impl Received {
    pub(super) fn json(text: Utf8Bytes) -> Result<Self, Lost> {
        let message = serde_json::from_str(&text).map_err(strange)?;
        Ok(Self { message, text: Some(text) })
    }

    pub(super) fn msgpack(bytes: &Bytes) -> Result<Self, Lost> {
        let message: ServerMessage<AsJson> = from_msgpack(bytes).map_err(strange)?;
        Ok(Self { message: message.map(|AsJson(json)| json), text: None })
    }

    /// As the daemon wrote it in JSON, or would have.
    pub(super) fn text(&self) -> String {
        match &self.text {
            Some(text) => text.to_string(),
            // The contract's types are strings, numbers and maps with string keys: writing them cannot fail.
            None => serde_json::to_string(&self.message).unwrap_or_default(),
        }
    }
}

/// It is not the protocol.
pub(super) fn strange(error: impl fmt::Display) -> Lost {
    Lost::Protocol(error.to_string())
}
