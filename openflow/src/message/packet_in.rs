//! PACKET_IN: a packet for the controller (section 7.4.1).

use bytes::{BufMut, Bytes, BytesMut};

use crate::error::Structure;
use crate::flow_match::Match;
use crate::macros::wire_enum;
use crate::number::{BufferId, TableId};
use crate::wire::{Parsed, Wire, skip, within};

/// A packet for the controller, or the front of one.
#[doc(alias = "ofp_packet_in")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PacketIn {
    /// Where the packet waits in the switch.
    pub buffer_id: BufferId,
    /// The length of the whole packet, of which [`data`](Self::data) may be the front.
    pub total_len: u16,
    /// Why it comes.
    pub reason: PacketInReason,
    /// The table that sent it.
    pub table_id: TableId,
    /// The cookie of the flow that sent it; all ones if there is none.
    pub cookie: u64,
    /// Where it came from: `in_port`, and what else the switch knows that is not in the packet.
    pub flow_match: Match,
    /// The packet.
    pub data: Bytes,
}

wire_enum! {
    /// Why a packet comes to the controller.
    #[doc(alias = "ofp_packet_in_reason")]
    pub enum PacketInReason: u8, open {
        /// No flow matched, but the table-miss flow.
        #[doc(alias = "OFPR_NO_MATCH")]
        NoMatch = 0,
        /// A flow has an output action to the controller.
        #[doc(alias = "OFPR_ACTION")]
        Action = 1,
        /// Its TTL is used up.
        #[doc(alias = "OFPR_INVALID_TTL")]
        InvalidTtl = 2,
    }
}

impl PacketIn {
    pub(crate) fn decode<'a>(input: &'a [u8], frame: &Bytes) -> Parsed<'a, Self> {
        within(Structure::request("ofp_packet_in"), input, |input| {
            let (input, buffer_id) = BufferId::decode(input)?;
            let (input, total_len) = u16::decode(input)?;
            let (input, reason) = PacketInReason::decode(input)?;
            let (input, table_id) = TableId::decode(input)?;
            let (input, cookie) = u64::decode(input)?;
            let (input, flow_match) = Match::decode(input)?;
            let (data, ()) = skip(input, 2)?;
            let data = frame.slice_ref(data);
            Ok((&[][..], Self { buffer_id, total_len, reason, table_id, cookie, flow_match, data }))
        })
    }

    pub(crate) fn encode(&self, out: &mut BytesMut) {
        self.buffer_id.encode(out);
        self.total_len.encode(out);
        self.reason.encode(out);
        self.table_id.encode(out);
        self.cookie.encode(out);
        self.flow_match.encode(out);
        out.put_bytes(0, 2);
        out.put_slice(&self.data);
    }
}
