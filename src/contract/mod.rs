//! The northbound contract as types: commands, replies and errors, read and written by the same definitions.
//!
//! The daemon parses with [`parse_request`] or [`parse_msgpack_request`] what the client wrote as a [`Request`], and
//! the client reads what the daemon wrote as a [`ServerMessage`]. Parsing is strict: unknown fields, duplicate keys,
//! wrong types and numbers out of range are errors that name the place and say what is allowed; nothing is ignored,
//! wrapped or rounded. A [`Command`] that was parsed is lawful in itself; what is left to check needs the daemon's state.
//!
//! This layer knows no other: no socket, no clock beyond [`Timestamp::now`], no switch.

mod access;
mod asyncapi;
mod command;
mod endpoint;
mod error;
mod event;
mod install;
mod json;
mod locate;
mod message;
mod msgpack;
mod name;
mod parse;
mod pattern;
mod queues;
mod reply;
pub mod schema;
mod strict;
#[cfg(test)]
mod tests;
mod text;
mod timestamp;

pub use access::{Authenticate, Role, Secret};
pub use command::{
    AddNode, Atomic, Command, CommandName, DEFAULT_LIST_LIMIT, FlowsOnRemoval, GetFlow, GetNode, InstallFlows,
    ListFlows, MAX_FLOW_IDS, MAX_LIST_LIMIT, NodeKind, RemoveFlow, RemoveFlows, RemoveNode, Report,
};
pub use endpoint::{Endpoint, PortRange};
pub use error::{ErrorBody, ErrorCode, Invalid};
pub use event::{
    Alarm, AlarmKind, DEFAULT_INTERVAL_MS, EventPayload, FlowStats, Gap, NodeStats, Stats, Subscribe, Subscription,
    Topic, Unsubscribe,
};
pub use install::{DEFAULT_TIMEOUT_MS, Forward, InstallFlow, MAX_NODES_NAMED, OnConflict, Protocol, RateLimit, Wait};
pub use message::{Request, ServerMessage, Subprotocol};
pub use msgpack::{AsJson, from_msgpack, to_msgpack};
pub use name::{
    DatapathId, FlowId, HostPort, MAX_ID_CHARACTERS, MAX_NODE_NAME_CHARACTERS, NodeName, OvsdbAddress, RequestId,
    SwitchAddress,
};
pub use parse::{MAX_DEPTH, parse_msgpack_request, parse_msgpack_request_within, parse_request, parse_request_within};
pub use queues::{
    MAX_PRIORITY, MAX_QUEUE, MAX_QUEUES, MIN_RATE_KBPS, PortRef, QueueSetting, QueueView, QueuesState, QueuesView,
    SetQueues,
};
pub use reply::{
    Capabilities, CountersView, FlowModView, FlowNodeView, FlowState, FlowView, Info, Limits, MeterView, NodeState,
    NodeView, PortView, Reply, SwitchError, TrafficTypeView, Warning, WarningKind,
};
pub use text::Reason;
pub use timestamp::Timestamp;
