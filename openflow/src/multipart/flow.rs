//! FLOW: the flow entries of a switch (section 7.3.5.2).

use bytes::{BufMut, BytesMut};

use crate::error::Structure;
use crate::flow_match::Match;
use crate::instruction::Instruction;
use crate::macros::wire_struct;
use crate::message::FlowModFlags;
use crate::number::{GroupId, TableId};
use crate::port::PortNo;
use crate::wire::{Element, Parsed, Wire, encode_all, measured, skip};

wire_struct! {
    /// Which flow entries to report, or to sum up.
    #[doc(alias = "ofp_flow_stats_request")]
    #[doc(alias = "ofp_aggregate_stats_request")]
    pub struct FlowStatsRequest in Structure::request("ofp_flow_stats_request") => {
        /// The table, or [`TableId::ALL`].
        pub table_id: TableId, pad 3;
        /// Only entries that send to this port, unless [`PortNo::ANY`].
        pub out_port: PortNo;
        /// Only entries that send to this group, unless [`GroupId::ANY`].
        pub out_group: GroupId, pad 4;
        /// Only entries with this cookie, as far as the mask says.
        pub cookie: u64;
        /// Which bits of the cookie must be the same; 0 is no restriction.
        pub cookie_mask: u64;
        /// Only entries that this match covers.
        pub flow_match: Match;
    }
}

impl Default for FlowStatsRequest {
    /// All flow entries.
    fn default() -> Self {
        Self {
            table_id: TableId::ALL,
            out_port: PortNo::ANY,
            out_group: GroupId::ANY,
            cookie: 0,
            cookie_mask: 0,
            flow_match: Match::any(),
        }
    }
}

/// A flow entry with its counters.
#[doc(alias = "ofp_flow_stats")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowStats {
    /// The table.
    pub table_id: TableId,
    /// How long it lives: the seconds.
    pub duration_sec: u32,
    /// And the nanoseconds beyond them.
    pub duration_nsec: u32,
    /// The priority.
    pub priority: u16,
    /// The idle timeout, in seconds.
    pub idle_timeout: u16,
    /// The hard timeout, in seconds.
    pub hard_timeout: u16,
    /// The flags with which it was added.
    pub flags: FlowModFlags,
    /// The controller's own mark on it.
    pub cookie: u64,
    /// The packets that it saw.
    pub packet_count: u64,
    /// The bytes that it saw.
    pub byte_count: u64,
    /// Which packets.
    pub flow_match: Match,
    /// What happens to them.
    pub instructions: Vec<Instruction>,
}

impl FlowStats {
    /// The shape of an entry in a reply.
    pub(crate) const ELEMENT: Element = Element::led_by_length(Structure::request("ofp_flow_stats"), 56);
}

impl Wire for FlowStats {
    /// Reads one entry that fills the whole of `input`.
    fn decode(input: &[u8]) -> Parsed<'_, Self> {
        let (input, _length) = u16::decode(input)?;
        let (input, table_id) = TableId::decode(input)?;
        let (input, ()) = skip(input, 1)?;
        let (input, duration_sec) = u32::decode(input)?;
        let (input, duration_nsec) = u32::decode(input)?;
        let (input, priority) = u16::decode(input)?;
        let (input, idle_timeout) = u16::decode(input)?;
        let (input, hard_timeout) = u16::decode(input)?;
        let (input, flags) = FlowModFlags::decode(input)?;
        let (input, ()) = skip(input, 4)?;
        let (input, cookie) = u64::decode(input)?;
        let (input, packet_count) = u64::decode(input)?;
        let (input, byte_count) = u64::decode(input)?;
        let (input, flow_match) = Match::decode(input)?;
        let instructions = Instruction::list(input)?;
        let stats = Self {
            table_id,
            duration_sec,
            duration_nsec,
            priority,
            idle_timeout,
            hard_timeout,
            flags,
            cookie,
            packet_count,
            byte_count,
            flow_match,
            instructions,
        };
        Ok((&[], stats))
    }

    fn encode(&self, out: &mut BytesMut) {
        measured(out, 0, |out| {
            out.put_bytes(0, 2);
            self.table_id.encode(out);
            out.put_bytes(0, 1);
            self.duration_sec.encode(out);
            self.duration_nsec.encode(out);
            self.priority.encode(out);
            self.idle_timeout.encode(out);
            self.hard_timeout.encode(out);
            self.flags.encode(out);
            out.put_bytes(0, 4);
            self.cookie.encode(out);
            self.packet_count.encode(out);
            self.byte_count.encode(out);
            self.flow_match.encode(out);
            encode_all(&self.instructions, out);
        });
    }
}
