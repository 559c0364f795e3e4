//! PACKET_OUT: send a packet (section 7.3.7).

use bytes::{BufMut, Bytes, BytesMut};

use crate::action::Action;
use crate::error::Structure;
use crate::number::BufferId;
use crate::port::PortNo;
use crate::wire::{Parsed, Wire, encode_all, measured_at, skip, take, whole, within};

/// Sends a packet through the switch.
#[doc(alias = "ofp_packet_out")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PacketOut {
    /// The packet that waits in the switch, or [`BufferId::NO_BUFFER`] and then [`data`](Self::data).
    pub buffer_id: BufferId,
    /// Where it shall seem to have come from.
    pub in_port: PortNo,
    /// What happens to it.
    pub actions: Vec<Action>,
    /// The packet.
    pub data: Bytes,
}

impl PacketOut {
    pub(crate) fn decode<'a>(input: &'a [u8], frame: &Bytes) -> Parsed<'a, Self> {
        within(Structure::request("ofp_packet_out"), input, |input| {
            let (input, buffer_id) = BufferId::decode(input)?;
            let (input, in_port) = PortNo::decode(input)?;
            let (input, actions_len) = u16::decode(input)?;
            let (input, ()) = skip(input, 6)?;
            let (data, actions) = take(input, usize::from(actions_len))?;
            let actions = whole(actions, Structure::ACTION, data.len(), |input| Ok((&[], Action::list(input)?)))?;
            Ok((&[][..], Self { buffer_id, in_port, actions, data: frame.slice_ref(data) }))
        })
    }

    pub(crate) fn encode(&self, out: &mut BytesMut) {
        self.buffer_id.encode(out);
        self.in_port.encode(out);
        let length_at = out.len();
        out.put_bytes(0, 8);
        measured_at(out, length_at, |out| encode_all(&self.actions, out));
        out.put_slice(&self.data);
    }
}
