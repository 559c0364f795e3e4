//! Buckets: the action lists of a group (section 7.3.4.2).

use bytes::{BufMut, BytesMut};

use crate::action::Action;
use crate::error::{DecodeError, Structure};
use crate::number::GroupId;
use crate::port::PortNo;
use crate::wire::{Element, Parsed, Wire, encode_all, list, measured, skip};

/// One of the action lists of a group.
#[doc(alias = "ofp_bucket")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// The share of the load, in select groups.
    pub weight: u16,
    /// The port whose liveness counts, in fast failover groups.
    pub watch_port: PortNo,
    /// The group whose liveness counts, in fast failover groups.
    pub watch_group: GroupId,
    /// What happens to the packet.
    pub actions: Vec<Action>,
}

impl Default for Bucket {
    /// No actions; nothing is watched.
    fn default() -> Self {
        Self { weight: 0, watch_port: PortNo::ANY, watch_group: GroupId::ANY, actions: Vec::new() }
    }
}

impl Bucket {
    /// Reads a list of buckets that fills the whole of `input`.
    pub(crate) fn list(input: &[u8]) -> Result<Vec<Self>, nom::Err<DecodeError>> {
        list(input, Element::led_by_length(Structure::request("ofp_bucket"), 16), Self::decode)
    }
}

impl Wire for Bucket {
    /// Reads one bucket that fills the whole of `input`.
    fn decode(input: &[u8]) -> Parsed<'_, Self> {
        let (input, _length) = u16::decode(input)?;
        let (input, weight) = u16::decode(input)?;
        let (input, watch_port) = PortNo::decode(input)?;
        let (input, watch_group) = GroupId::decode(input)?;
        let (input, ()) = skip(input, 4)?;
        let actions = Action::list(input)?;
        Ok((&[], Self { weight, watch_port, watch_group, actions }))
    }

    fn encode(&self, out: &mut BytesMut) {
        measured(out, 0, |out| {
            out.put_bytes(0, 2);
            self.weight.encode(out);
            self.watch_port.encode(out);
            self.watch_group.encode(out);
            out.put_bytes(0, 4);
            encode_all(&self.actions, out);
        });
    }
}
