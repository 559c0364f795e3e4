//! The envelopes: what a client sends, and what the daemon sends.

use std::borrow::Cow;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::command::Command;
use super::error::ErrorBody;
use super::event::Topic;
use super::name::RequestId;
use super::reply::Reply;
use super::text::words;
use super::timestamp::Timestamp;

words! {
    /// How the messages of a connection are written.
    #[derive(Default)]
    pub enum Subprotocol {
        /// Text frames of JSON.
        #[default]
        Json = "flumen.v1.json",
        /// Binary frames of MessagePack: the same objects, shorter, and in bigger messages.
        MessagePack = "flumen.v1.msgpack",
    }
}

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
        command: Cow<'static, str>,
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
    /// Something happened, on a topic that was subscribed to.
    Event {
        /// The topic.
        topic: Topic,
        /// Counts the events of the topic, from 1 at each start of the daemon.
        seq: u64,
        /// Names the start of the daemon.
        epoch: Cow<'static, str>,
        /// What happened.
        payload: P,
        /// When it happened.
        timestamp: Timestamp,
    },
}

impl<P> ServerMessage<P> {
    /// The same with its payload held in another way.
    pub fn map<Q>(self, hold: impl FnOnce(P) -> Q) -> ServerMessage<Q> {
        match self {
            Self::Reply { id, command, payload, timestamp } => {
                ServerMessage::Reply { id, command, payload: hold(payload), timestamp }
            }
            Self::Error { id, error, timestamp } => ServerMessage::Error { id, error, timestamp },
            Self::Event { topic, seq, epoch, payload, timestamp } => {
                ServerMessage::Event { topic, seq, epoch, payload: hold(payload), timestamp }
            }
        }
    }
}

/// By hand, because a tagged enum buffers its content and cannot hold a `RawValue`.
impl<'de, P: Deserialize<'de>> Deserialize<'de> for ServerMessage<P> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(bound = "P: Deserialize<'de>")]
        struct Fields<P> {
            r#type: String,
            id: Option<RequestId>,
            command: Option<Cow<'static, str>>,
            payload: Option<P>,
            error: Option<ErrorBody>,
            topic: Option<Topic>,
            seq: Option<u64>,
            epoch: Option<Cow<'static, str>>,
            timestamp: Timestamp,
        }

        let Fields { r#type, id, command, payload, error, topic, seq, epoch, timestamp } =
            Fields::deserialize(deserializer)?;
        match (r#type.as_str(), payload, error, (id, command), (topic, seq, epoch)) {
            ("Reply", Some(payload), None, (Some(id), Some(command)), _) => {
                Ok(Self::Reply { id, command, payload, timestamp })
            }
            ("Error", None, Some(error), (id, None), _) => Ok(Self::Error { id, error, timestamp }),
            ("Event", Some(payload), None, _, (Some(topic), Some(seq), Some(epoch))) => {
                Ok(Self::Event { topic, seq, epoch, payload, timestamp })
            }
            (other, ..) => Err(D::Error::custom(format_args!("not a Reply, an Error or an Event, but {other:?}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::value::RawValue;

    use super::super::{Endpoint, ErrorCode, FlowNodeView, FlowState, FlowView, Forward, Info, NodeView};
    use super::*;

    fn flow() -> FlowView {
        let time = "2026-11-21T02:30:00.123456Z".parse().unwrap();
        let node = FlowNodeView {
            node: "s1".parse().unwrap(),
            datapath_id: Some("00000000000000a1".to_owned()),
            state: FlowState::Applied,
            cookie: Some("0x0001000000000001".to_owned()),
            table: 0,
            rules: 1,
            error: None,
            reason: None,
            applied_at: Some(time),
            verified_at: None,
            meter: None,
            counters: None,
            flow_mods: None,
        };
        FlowView {
            flow_id: "f".parse().unwrap(),
            state: FlowState::Applied,
            source: "10.0.0.0/24".parse().unwrap(),
            destination: Endpoint::Any,
            traffic_type: "voice".to_owned(),
            priority: 46000,
            protocol: None,
            source_port: None,
            destination_port: None,
            dscp: None,
            queue: None,
            rate_limit: None,
            forward: Forward::Port(2),
            bidirectional: false,
            idle_timeout: 0,
            hard_timeout: 0,
            nodes: vec![node],
            warnings: Vec::new(),
            packets: None,
            bytes: None,
        }
    }

    #[test]
    fn a_reply_is_written_as_the_contract_says() {
        let message = ServerMessage::Reply {
            id: "msg-123".parse().unwrap(),
            command: "InstallFlow".into(),
            payload: Reply::Flow { flow: Box::new(flow()) },
            timestamp: "2026-11-21T02:30:00Z".parse().unwrap(),
        };
        let written = serde_json::to_string(&message).unwrap();
        let expected = concat!(
            r#"{"type":"Reply","id":"msg-123","command":"InstallFlow","payload":{"flow":{"flow_id":"f","#,
            r#""state":"applied","source":"10.0.0.0/24","destination":"any","traffic_type":"voice","priority":46000,"#,
            r#""forward":{"port":2},"bidirectional":false,"idle_timeout":0,"hard_timeout":0,"nodes":[{"node":"s1","#,
            r#""datapath_id":"00000000000000a1","state":"applied","cookie":"0x0001000000000001","table":0,"rules":1,"#,
            r#""error":null,"applied_at":"2026-11-21T02:30:00.123456Z","verified_at":null}],"warnings":[]}},"#,
            r#""timestamp":"2026-11-21T02:30:00.000000Z"}"#,
        );
        assert_eq!(written, expected);
        assert_eq!(serde_json::from_str::<ServerMessage>(&written).unwrap(), message);
        let ServerMessage::Reply { payload, .. } =
            serde_json::from_str::<ServerMessage<Box<RawValue>>>(&written).unwrap()
        else {
            panic!("not a Reply");
        };
        assert!(expected.contains(payload.get()));
    }

    #[test]
    fn an_error_without_a_usable_id_says_null_and_leaves_out_what_it_has_not() {
        let message: ServerMessage = ServerMessage::Error {
            id: None,
            error: ErrorBody::new(ErrorCode::InvalidJson, "the request is not valid JSON"),
            timestamp: "2026-11-21T02:30:00.5Z".parse().unwrap(),
        };
        let written = serde_json::to_string(&message).unwrap();
        let expected = concat!(
            r#"{"type":"Error","id":null,"error":{"code":"invalid_json","message":"the request is not valid JSON"},"#,
            r#""timestamp":"2026-11-21T02:30:00.500000Z"}"#,
        );
        assert_eq!(written, expected);
        assert_eq!(serde_json::from_str::<ServerMessage>(&written).unwrap(), message);
    }

    #[test]
    fn each_reply_is_read_as_what_was_written() {
        let node: NodeView = serde_json::from_str(concat!(
            r#"{"name":"s1","kind":"openflow","datapath_id":null,"address":"tcp:[::1]:6653","ovsdb":null,"labels":{},"#,
            r#""state":"registered","manufacturer":null,"hardware":null,"software":null,"tables":null,"ports":[],"#,
            r#""capabilities":{"meters":false,"bands":[],"queues":false,"bundles":false,"flow_monitor":false},"#,
            r#""connected_since":null,"flows":{"applied":2},"warnings":[]}"#,
        ))
        .unwrap();
        let info: Info = serde_json::from_str(concat!(
            r#"{"version":"0.1.0","uptime":3,"limits":{"message_bytes":1,"msgpack_message_bytes":1,"outbound_bytes":2,"json_depth":16,"#,
            r#""requests_in_flight":4,"connections":5,"discovered_nodes":6},"traffic_types":[]}"#,
        ))
        .unwrap();
        let summary = BTreeMap::from([(FlowState::Applied, 2), (FlowState::Rejected, 1)]);
        for reply in [
            Reply::Node { node: Box::new(node.clone()) },
            Reply::Nodes { nodes: vec![node] },
            Reply::Nodes { nodes: Vec::new() },
            Reply::Flow { flow: Box::new(flow()) },
            Reply::FlowsInstalled { flows: vec![flow()], summary: summary.clone(), left_out: 0 },
            Reply::FlowsInstalled { flows: Vec::new(), summary: summary.clone(), left_out: 3 },
            Reply::FlowsRemoved { summary },
            Reply::FlowsRemoved { summary: BTreeMap::new() },
            Reply::Flows { flows: vec![flow()], next_cursor: None },
            Reply::Flows { flows: Vec::new(), next_cursor: Some("f".to_owned()) },
            Reply::Info(Box::new(info)),
        ] {
            let written = serde_json::to_string(&reply).unwrap();
            assert_eq!(serde_json::from_str::<Reply>(&written).unwrap(), reply, "{written}");
        }
    }

    #[test]
    fn the_state_of_a_flow_is_the_worst_of_its_nodes() {
        let order = "rejected unknown drifted accepted removing applied expired superseded removed";
        let states: Vec<FlowState> = order.split(' ').map(|word| word.parse().unwrap()).collect();
        for (index, &worst) in states.iter().enumerate() {
            assert_eq!(FlowState::worst(states[index..].iter().rev().copied()), Some(worst));
        }
    }
}
