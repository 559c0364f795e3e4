//! The two subprotocols: the same objects as JSON in text frames or as MessagePack in binary ones.

use std::borrow::Cow;
use std::sync::OnceLock;

use bytes::Bytes;
use hyper::header::{self, HeaderMap};
use serde::Serialize;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use super::NorthboundConfig;
use super::websocket::Ending;
pub(super) use crate::contract::Subprotocol;
use crate::contract::{
    Command, CommandName, ErrorBody, Reply, RequestId, ServerMessage, Timestamp, parse_msgpack_request_within,
    parse_request_within, to_msgpack,
};

/// Messages longer than this are read where nobody else waits for the thread: some 100 microseconds of work.
const LONG: usize = 64 << 10;

/// A request as it came.
#[derive(Debug)]
pub(super) enum Frame {
    Text(Utf8Bytes),
    Binary(Bytes),
}

impl Subprotocol {
    /// The first one of the client's list that is known here: RFC 6455, 4.1, has it in the order of preference.
    pub(super) fn choose(headers: &HeaderMap) -> Option<Self> {
        let lists = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|list| list.to_str().ok());
        lists.flat_map(|list| list.split(',')).find_map(|name| name.trim_ascii().parse().ok())
    }

    /// The biggest message of a client.
    pub(super) fn message_bytes(self, config: &NorthboundConfig) -> usize {
        match self {
            Self::Json => config.message_bytes,
            Self::MessagePack => config.msgpack_message_bytes,
        }
    }

    /// A message of a client, if it is of the right type.
    pub(super) fn accept(self, message: Message) -> Result<Frame, Ending> {
        match (self, message) {
            (Self::Json, Message::Text(text)) => Ok(Frame::Text(text)),
            (Self::MessagePack, Message::Binary(bytes)) => Ok(Frame::Binary(bytes)),
            (Self::Json, Message::Binary(_)) => {
                Err(Ending::Close(CloseCode::Unsupported, "flumen.v1.json is text frames"))
            }
            (Self::MessagePack, Message::Text(_)) => {
                Err(Ending::Close(CloseCode::Unsupported, "flumen.v1.msgpack is binary frames"))
            }
            (_, Message::Ping(_) | Message::Pong(_) | Message::Frame(_) | Message::Close(_)) => {
                Err(Ending::ClosedByPeer)
            }
        }
    }

    /// A Reply of this moment.
    pub(super) fn reply(self, id: RequestId, command: CommandName, payload: &Reply) -> Message {
        let command = Cow::Borrowed(command.as_str());
        self.encode(&ServerMessage::Reply { id, command, payload, timestamp: Timestamp::now() })
    }

    /// An Error of this moment.
    pub(super) fn error(self, id: Option<RequestId>, error: ErrorBody) -> Message {
        self.encode(&ServerMessage::<Reply>::Error { id, error, timestamp: Timestamp::now() })
    }

    /// The frame of a message.
    fn encode<P: Serialize>(self, message: &ServerMessage<P>) -> Message {
        match self {
            // The contract's types are strings, numbers and maps with string keys: writing them cannot fail.
            Self::Json => Message::text(serde_json::to_string(message).unwrap_or_default()),
            Self::MessagePack => Message::binary(to_msgpack(message)),
        }
    }
}

impl Frame {
    /// Whether reading it takes so long that others would notice.
    pub(super) fn is_long(&self) -> bool {
        let bytes = match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        };
        bytes > LONG
    }

    /// What it says, if it is nested no deeper than that.
    pub(super) fn parse(&self, depth: usize) -> Result<(RequestId, Command), (Option<RequestId>, ErrorBody)> {
        match self {
            Self::Text(text) => parse_request_within(depth, text.as_bytes()),
            Self::Binary(bytes) => parse_msgpack_request_within(depth, bytes),
        }
    }
}

/// An event that was written once for all who read it: as MessagePack when the first one asks for that.
#[derive(Debug)]
pub(super) struct WrittenEvent {
    json: Utf8Bytes,
    msgpack: OnceLock<Bytes>,
}

impl WrittenEvent {
    pub(super) fn new(json: impl Into<Utf8Bytes>) -> Self {
        Self { json: json.into(), msgpack: OnceLock::new() }
    }

    /// How long its JSON is; as MessagePack it is shorter.
    pub(super) fn len(&self) -> usize {
        self.json.len()
    }

    pub(super) fn message(&self, subprotocol: Subprotocol) -> Message {
        match subprotocol {
            Subprotocol::Json => Message::Text(self.json.clone()),
            Subprotocol::MessagePack => {
                let transcode = || {
                    // It was written by us as JSON.
                    let event: serde_json::Value = serde_json::from_str(&self.json).unwrap_or_default();
                    to_msgpack(&event).into()
                };
                Message::Binary(self.msgpack.get_or_init(transcode).clone())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_says_the_same_in_both_subprotocols() {
        let text = r#"{"type":"Event","topic":"flows","seq":9007199254740993,"payload":{"gap":{"from":1,"to":2}}}"#;
        let event = WrittenEvent::new(text);
        let Message::Binary(bytes) = event.message(Subprotocol::MessagePack) else { panic!("not binary") };
        let read: serde_json::Value = crate::contract::from_msgpack(&bytes).unwrap();
        assert_eq!(read, serde_json::from_str::<serde_json::Value>(text).unwrap());
        assert!(bytes.len() < event.len());
        assert_eq!(event.message(Subprotocol::Json), Message::text(text));
    }
}
