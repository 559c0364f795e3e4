//! Any value of any structure, for property tests.
//!
//! What these make is lawful: each value encodes, and decodes to itself.

mod flows;
mod messages;
mod multiparts;

pub(crate) use flows::{actions, flow_match, flow_mod, instructions};
pub(crate) use messages::message;

use bytes::Bytes;
use openflow::{GroupId, MacAddr, MeterId, PortNo, QueueId, TableId, Xid};
use proptest::collection::vec;
use proptest::prelude::*;

pub(crate) fn port() -> impl Strategy<Value = PortNo> {
    prop_oneof![Just(PortNo::NORMAL), Just(PortNo::CONTROLLER), Just(PortNo::ANY), any::<u32>().prop_map(PortNo)]
}

pub(crate) fn table() -> impl Strategy<Value = TableId> {
    any::<u8>().prop_map(TableId)
}

pub(crate) fn group() -> impl Strategy<Value = GroupId> {
    prop_oneof![Just(GroupId::ANY), any::<u32>().prop_map(GroupId)]
}

pub(crate) fn meter() -> impl Strategy<Value = MeterId> {
    any::<u32>().prop_map(MeterId)
}

pub(crate) fn queue() -> impl Strategy<Value = QueueId> {
    any::<u32>().prop_map(QueueId)
}

pub(crate) fn mac() -> impl Strategy<Value = MacAddr> {
    any::<[u8; 6]>().prop_map(MacAddr)
}

pub(crate) fn xid() -> impl Strategy<Value = Xid> {
    any::<u32>().prop_map(Xid)
}

/// Opaque bytes.
pub(crate) fn octets(most: usize) -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..=most).prop_map(Bytes::from)
}

/// Opaque bytes that need no padding to 64 bits.
pub(crate) fn words() -> impl Strategy<Value = Bytes> {
    vec(any::<[u8; 8]>(), 0..=3).prop_map(|words| words.concat().into())
}
