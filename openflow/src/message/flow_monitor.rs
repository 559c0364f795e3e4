//! Flow monitors: the switch tells of every flow that is added, changed or deleted (ONF extension 187, type 1870).
//!
//! The extension puts the bare fields of a match where Open vSwitch 3 puts a whole `ofp_match`. Both are read, told
//! apart by the header of the match, and written back as they came; [`MatchForm::Whole`] is what Open vSwitch reads.

use bytes::{BufMut, BytesMut};
use std::ops::BitOr;

use crate::error::Structure;
use crate::flow_match::Match;
use crate::instruction::Instruction;
use crate::macros::{wire_enum, wire_struct};
use crate::number::{TableId, Xid};
use crate::port::PortNo;
use crate::wire::{
    Element, Parsed, Wire, encode_all, length_at, measured, measured_at, part, skip, take, whole, within,
};

/// Starts a flow monitor.
#[doc(alias = "onf_flow_monitor_request")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowMonitorRequest {
    /// The number of the monitor, chosen by the controller.
    pub id: u32,
    /// What to tell.
    pub flags: FlowMonitorFlags,
    /// Only flows that send to this port, unless [`PortNo::ANY`].
    pub out_port: PortNo,
    /// The table, or [`TableId::ALL`].
    pub table_id: TableId,
    /// Only flows that this match covers.
    pub flow_match: Match,
    /// How the match is written.
    pub form: MatchForm,
}

/// How a match is written in the messages of flow monitors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MatchForm {
    /// With the header of a match, as Open vSwitch writes and reads it.
    #[default]
    Whole,
    /// The fields alone, as the extension says.
    Bare,
}

wire_struct! {
    /// What a flow monitor tells, a bit each.
    #[doc(alias = "onf_flow_monitor_flags")]
    pub struct FlowMonitorFlags(u16);
}

impl FlowMonitorFlags {
    /// The flows that are there already.
    #[doc(alias = "ONFFMF_INITIAL")]
    pub const INITIAL: Self = Self(1 << 0);
    /// Flows that are added.
    #[doc(alias = "ONFFMF_ADD")]
    pub const ADD: Self = Self(1 << 1);
    /// Flows that are deleted.
    #[doc(alias = "ONFFMF_DELETE")]
    pub const DELETE: Self = Self(1 << 2);
    /// Flows that are changed.
    #[doc(alias = "ONFFMF_MODIFY")]
    pub const MODIFY: Self = Self(1 << 3);
    /// Their instructions too.
    #[doc(alias = "ONFFMF_ACTIONS")]
    pub const ACTIONS: Self = Self(1 << 4);
    /// What this controller itself does, in full.
    #[doc(alias = "ONFFMF_OWN")]
    pub const OWN: Self = Self(1 << 5);

    /// Whether all of these bits are set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl BitOr for FlowMonitorFlags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

wire_struct! {
    /// Stops a flow monitor.
    #[doc(alias = "onf_flow_monitor_cancel")]
    pub struct FlowMonitorCancel in Structure::request("onf_flow_monitor_cancel") => {
        /// The number of the monitor.
        pub id: u32;
    }
}

impl FlowMonitorCancel {
    /// The type of the experimenter message.
    #[doc(alias = "ONFT_FLOW_MONITOR_CANCEL")]
    pub(crate) const EXP_TYPE: u32 = 1870;
}

/// What a flow monitor tells.
#[doc(alias = "onf_flow_update_header")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FlowUpdate {
    /// A flow was added, deleted or changed.
    #[doc(alias = "onf_flow_update_full")]
    Full(FlowUpdateFull),
    /// This controller's own message with this number has been carried out.
    #[doc(alias = "onf_flow_update_abbrev")]
    Abbreviated(Xid),
}

/// A flow that was added, deleted or changed.
#[doc(alias = "onf_flow_update_full")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowUpdateFull {
    /// What happened to it.
    pub event: FlowUpdateEvent,
    /// For a deletion: why.
    pub reason: u16,
    /// Its priority.
    pub priority: u16,
    /// Its idle timeout.
    pub idle_timeout: u16,
    /// Its hard timeout.
    pub hard_timeout: u16,
    /// Its table.
    pub table_id: TableId,
    /// The controller's own mark on it.
    pub cookie: u64,
    /// Its match.
    pub flow_match: Match,
    /// How the match is written.
    pub form: MatchForm,
    /// What it does, if that was asked for.
    pub instructions: Vec<Instruction>,
}

wire_enum! {
    /// What happened to a flow.
    #[doc(alias = "onf_flow_update_event")]
    pub enum FlowUpdateEvent: u16, open {
        /// It was added, or it was there when the monitor started.
        #[doc(alias = "ONFFME_ADDED")]
        Added = 0,
        /// It was deleted.
        #[doc(alias = "ONFFME_DELETED")]
        Deleted = 1,
        /// Its instructions changed.
        #[doc(alias = "ONFFME_MODIFIED")]
        Modified = 2,
    }
}

/// The event of an update that only carries a transaction.
#[doc(alias = "ONFFME_ABBREV")]
const ABBREVIATED: u16 = 3;

impl FlowMonitorRequest {
    /// Reads a list of requests that fills the whole of `input`.
    ///
    /// A request has no length of its own: it ends where its match ends.
    pub(crate) fn list(mut input: &[u8]) -> Result<Vec<Self>, nom::Err<crate::DecodeError>> {
        let mut requests = Vec::new();
        while !input.is_empty() {
            let (rest, request) = Self::decode(input)?;
            requests.push(request);
            input = rest;
        }
        Ok(requests)
    }
}

impl Wire for FlowMonitorRequest {
    fn decode(input: &[u8]) -> Parsed<'_, Self> {
        within(Structure::request("onf_flow_monitor_request"), input, |input| {
            let (input, id) = u32::decode(input)?;
            let (input, flags) = FlowMonitorFlags::decode(input)?;
            let (input, match_len) = u16::decode(input)?;
            let (input, out_port) = PortNo::decode(input)?;
            let (input, table_id) = TableId::decode(input)?;
            let (input, ()) = skip(input, 3)?;
            let (input, (flow_match, form)) = decode_match(input, match_len)?;
            Ok((input, Self { id, flags, out_port, table_id, flow_match, form }))
        })
    }

    fn encode(&self, out: &mut BytesMut) {
        self.id.encode(out);
        self.flags.encode(out);
        let match_len_at = out.len();
        out.put_bytes(0, 2);
        self.out_port.encode(out);
        self.table_id.encode(out);
        out.put_bytes(0, 3);
        encode_match(&self.flow_match, self.form, match_len_at, out);
    }
}

impl FlowUpdate {
    /// The shape of an update in a reply.
    pub(crate) const ELEMENT: Element =
        Element { multiple: 8, ..Element::led_by_length(Structure::request("onf_flow_update_header"), 8) };
}

impl Wire for FlowUpdate {
    /// Reads one update that fills the whole of `input`.
    fn decode(input: &[u8]) -> Parsed<'_, Self> {
        let (input, _length) = u16::decode(input)?;
        let (rest, event) = u16::decode(input)?;
        if event == ABBREVIATED {
            return Xid::decode(rest).map(|(rest, xid)| (rest, Self::Abbreviated(xid)));
        }
        let (input, event) = FlowUpdateEvent::decode(input)?;
        let (input, reason) = u16::decode(input)?;
        let (input, priority) = u16::decode(input)?;
        let (input, idle_timeout) = u16::decode(input)?;
        let (input, hard_timeout) = u16::decode(input)?;
        let (input, match_len) = u16::decode(input)?;
        let (input, table_id) = TableId::decode(input)?;
        let (input, ()) = skip(input, 1)?;
        let (input, cookie) = u64::decode(input)?;
        let (input, (flow_match, form)) = decode_match(input, match_len)?;
        let instructions = Instruction::list(input)?;
        let full = FlowUpdateFull {
            event,
            reason,
            priority,
            idle_timeout,
            hard_timeout,
            table_id,
            cookie,
            flow_match,
            form,
            instructions,
        };
        Ok((&[], Self::Full(full)))
    }

    fn encode(&self, out: &mut BytesMut) {
        measured(out, 0, |out| match self {
            Self::Abbreviated(xid) => {
                out.put_u32(u32::from(ABBREVIATED));
                xid.encode(out);
            }
            Self::Full(full) => {
                out.put_bytes(0, 2);
                full.event.encode(out);
                full.reason.encode(out);
                full.priority.encode(out);
                full.idle_timeout.encode(out);
                full.hard_timeout.encode(out);
                let match_len_at = out.len();
                out.put_bytes(0, 2);
                full.table_id.encode(out);
                out.put_bytes(0, 1);
                full.cookie.encode(out);
                encode_match(&full.flow_match, full.form, match_len_at, out);
                encode_all(&full.instructions, out);
            }
        });
    }
}

/// Reads a match in either form, and its padding to 64 bits.
///
/// A whole match says its own length, which Open vSwitch believes rather than `match_len`. Bare fields cannot be
/// mistaken for one of the same length: the header of a match would be a field longer than all of them.
fn decode_match(input: &[u8], match_len: u16) -> Parsed<'_, (Match, MatchForm)> {
    let length = usize::from(match_len);
    let agrees = length >= 4 && length_at::<2>(input) == Some(length);
    let whole_match = input.starts_with(&[0, 1]) && (agrees || length > input.len());
    if whole_match {
        return part(input, |flow_match| (flow_match, MatchForm::Whole));
    }
    let (rest, padded) = take(input, length.next_multiple_of(8))?;
    let (padding, fields) = take(padded, length)?;
    let flow_match = whole(fields, Structure::MATCH, padding.len() + rest.len(), Match::decode_bare)?;
    Ok((rest, (flow_match, MatchForm::Bare)))
}

/// Writes a match in either form, its length where that belongs, and its padding.
fn encode_match(flow_match: &Match, form: MatchForm, match_len_at: usize, out: &mut BytesMut) {
    let start = out.len();
    measured_at(out, match_len_at, |out| match form {
        MatchForm::Whole => flow_match.encode_unpadded(out),
        MatchForm::Bare => flow_match.append_oxm(out),
    });
    let length = out.len() - start;
    out.put_bytes(0, length.next_multiple_of(8) - length);
}
