//! Properties of queues (section 7.2.2).

use bytes::{BufMut, Bytes, BytesMut};

use crate::error::{DecodeError, Structure};
use crate::wire::{Element, Parsed, Wire, list, measured, skip};

/// What a switch says about a queue.
#[doc(alias = "ofp_queue_prop_header")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueueProperty {
    /// The rate that is guaranteed, in tenths of a percent of the port; above 1000 it is disabled.
    #[doc(alias = "ofp_queue_prop_min_rate")]
    MinRate(u16),
    /// The rate that is not exceeded, in tenths of a percent of the port; above 1000 it is disabled.
    #[doc(alias = "ofp_queue_prop_max_rate")]
    MaxRate(u16),
    /// What an experimenter defines, byte for byte.
    #[doc(alias = "ofp_queue_prop_experimenter")]
    Experimenter {
        /// The experimenter.
        experimenter: u32,
        /// What follows.
        data: Bytes,
    },
    /// A property that this version does not define, byte for byte.
    Unknown {
        /// The type.
        property: u16,
        /// What follows the header of eight bytes.
        data: Bytes,
    },
}

impl QueueProperty {
    /// Reads a list of properties that fills the whole of `input`.
    pub(crate) fn list(input: &[u8]) -> Result<Vec<Self>, nom::Err<DecodeError>> {
        list(input, Element::tlv(Structure::request("ofp_queue_prop_header"), 8), Self::decode)
    }
}

impl Wire for QueueProperty {
    /// Reads one property that fills the whole of `input`.
    fn decode(input: &[u8]) -> Parsed<'_, Self> {
        let (input, property) = u16::decode(input)?;
        let (input, _length) = u16::decode(input)?;
        let (input, ()) = skip(input, 4)?;
        match property {
            1 => rate(input).map(|(rest, rate)| (rest, Self::MinRate(rate))),
            2 => rate(input).map(|(rest, rate)| (rest, Self::MaxRate(rate))),
            0xffff => {
                let (input, experimenter) = u32::decode(input)?;
                let (data, ()) = skip(input, 4)?;
                Ok((&[], Self::Experimenter { experimenter, data: Bytes::copy_from_slice(data) }))
            }
            _ => Ok((&[], Self::Unknown { property, data: Bytes::copy_from_slice(input) })),
        }
    }

    fn encode(&self, out: &mut BytesMut) {
        let property = match self {
            Self::MinRate(_) => 1,
            Self::MaxRate(_) => 2,
            Self::Experimenter { .. } => 0xffff,
            Self::Unknown { property, .. } => *property,
        };
        measured(out, 2, |out| {
            out.put_u64(u64::from(property) << 48);
            match self {
                Self::MinRate(rate) | Self::MaxRate(rate) => out.put_u64(u64::from(*rate) << 48),
                Self::Experimenter { experimenter, data } => {
                    out.put_u64(u64::from(*experimenter) << 32);
                    out.put_slice(data);
                }
                Self::Unknown { data, .. } => out.put_slice(data),
            }
        });
    }
}

/// A rate and its padding.
fn rate(input: &[u8]) -> Parsed<'_, u16> {
    let (input, rate) = u16::decode(input)?;
    let (input, ()) = skip(input, 6)?;
    Ok((input, rate))
}
