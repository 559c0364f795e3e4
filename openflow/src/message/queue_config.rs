//! QUEUE_GET_CONFIG: the queues of a port (section 7.3.6).

use bytes::{BufMut, BytesMut};

use crate::error::Structure;
use crate::macros::wire_struct;
use crate::number::QueueId;
use crate::port::PortNo;
use crate::queue_property::QueueProperty;
use crate::wire::{Element, Parsed, Wire, encode_all, length_at, list, measured, skip, within};

wire_struct! {
    /// Asks for the queues of a port.
    #[doc(alias = "ofp_queue_get_config_request")]
    pub struct QueueGetConfigRequest in Structure::request("ofp_queue_get_config_request") => {
        /// The port, or [`PortNo::ANY`].
        pub port: PortNo, pad 4;
    }
}

/// The queues of a port.
#[doc(alias = "ofp_queue_get_config_reply")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueGetConfigReply {
    /// The port that was asked for.
    pub port: PortNo,
    /// Its queues.
    pub queues: Vec<PacketQueue>,
}

/// A queue of a port.
#[doc(alias = "ofp_packet_queue")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PacketQueue {
    /// The queue.
    pub queue_id: QueueId,
    /// The port that it belongs to.
    pub port: PortNo,
    /// What the switch says about it.
    pub properties: Vec<QueueProperty>,
}

impl Wire for QueueGetConfigReply {
    fn decode(input: &[u8]) -> Parsed<'_, Self> {
        within(Structure::request("ofp_queue_get_config_reply"), input, |input| {
            let (input, port) = PortNo::decode(input)?;
            let (input, ()) = skip(input, 4)?;
            let queues = list(input, PacketQueue::ELEMENT, PacketQueue::decode)?;
            Ok((&[], Self { port, queues }))
        })
    }

    fn encode(&self, out: &mut BytesMut) {
        self.port.encode(out);
        out.put_bytes(0, 4);
        encode_all(&self.queues, out);
    }
}

impl PacketQueue {
    /// The length stands behind queue and port.
    const ELEMENT: Element =
        Element { length: length_at::<8>, ..Element::tlv(Structure::request("ofp_packet_queue"), 16) };
}

impl Wire for PacketQueue {
    /// Reads one queue that fills the whole of `input`.
    fn decode(input: &[u8]) -> Parsed<'_, Self> {
        let (input, queue_id) = QueueId::decode(input)?;
        let (input, port) = PortNo::decode(input)?;
        let (input, _length) = u16::decode(input)?;
        let (input, ()) = skip(input, 6)?;
        let properties = QueueProperty::list(input)?;
        Ok((&[], Self { queue_id, port, properties }))
    }

    fn encode(&self, out: &mut BytesMut) {
        measured(out, 8, |out| {
            self.queue_id.encode(out);
            self.port.encode(out);
            out.put_bytes(0, 8);
            encode_all(&self.properties, out);
        });
    }
}
