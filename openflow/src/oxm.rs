//! OXM fields: what a match compares with and a set-field writes (section 7.2.3).
//!
//! The forty fields of the basic class are typed, one row each in [`fields`]; all others are kept byte for byte.

mod fields;
mod payload;

use bytes::{BufMut, Bytes, BytesMut};

pub use self::fields::{OxmField, VID_PRESENT};
pub(crate) use self::payload::Value;
pub use self::payload::{Isid, Masked};
use crate::error::{Fault, Structure};
use crate::wire::{Element, Parsed, Wire, element, fail};

/// The class of the forty fields.
#[doc(alias = "OFPXMC_OPENFLOW_BASIC")]
pub(crate) const OPENFLOW_BASIC: u16 = 0x8000;

/// The class of the fields of experimenters.
#[doc(alias = "OFPXMC_EXPERIMENTER")]
pub(crate) const EXPERIMENTER: u16 = 0xffff;

/// A field that is none of the forty: of an experimenter, of Nicira's older classes, or of a later version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RawOxm {
    class: u16,
    field: u8,
    has_mask: bool,
    body: Bytes,
}

impl RawOxm {
    /// A field of any class but the forty; `None` if the body is longer than its length can say (255 bytes), or lacks
    /// the id that the class of experimenters asks for.
    pub fn new(class: u16, field: u8, has_mask: bool, body: Bytes) -> Option<Self> {
        let lawful = field < 128
            && body.len() <= 255
            && !(class == OPENFLOW_BASIC && field < 40)
            && !(class == EXPERIMENTER && body.len() < 4);
        lawful.then_some(Self { class, field, has_mask, body })
    }

    /// The class.
    pub const fn class(&self) -> u16 {
        self.class
    }

    /// The number in the class.
    pub const fn field(&self) -> u8 {
        self.field
    }

    /// Whether the second half of the body is a mask.
    pub const fn has_mask(&self) -> bool {
        self.has_mask
    }

    /// What follows the header, the id of an experimenter included.
    pub const fn body(&self) -> &Bytes {
        &self.body
    }

    /// The experimenter, if the class says that there is one.
    pub fn experimenter(&self) -> Option<u32> {
        let id = self.body.first_chunk().filter(|_| self.class == EXPERIMENTER)?;
        Some(u32::from_be_bytes(*id))
    }

    /// What makes two fields the same field.
    pub(crate) fn key(&self) -> (u16, u8, Option<u32>) {
        (self.class, self.field, self.experimenter())
    }

    pub(crate) fn encode(&self, out: &mut BytesMut) {
        out.put_u16(self.class);
        out.put_u8(self.field << 1 | u8::from(self.has_mask));
        out.put_u8(u8::try_from(self.body.len()).unwrap_or(u8::MAX));
        out.put_slice(&self.body);
    }
}

/// Class, number and mask bit, and a length of one byte that counts the payload.
const OXM: Element = Element {
    structure: Structure::OXM,
    length: |element| element.get(3).map(|length| 4 + usize::from(*length)),
    header: 4,
    multiple: 1,
    align: 1,
};

impl Wire for OxmField {
    #[inline]
    fn decode(input: &[u8]) -> Parsed<'_, Self> {
        let (rest, tlv) = element(input, OXM)?;
        let [class_high, class_low, number, _, body @ ..] = tlv else {
            return fail(input, Fault::Truncated);
        };
        let class = u16::from_be_bytes([*class_high, *class_low]);
        let (number, has_mask) = (number >> 1, number & 1 == 1);
        if class == OPENFLOW_BASIC
            && let Some(parsed) = Self::decode_basic(number, has_mask, body)
        {
            return match parsed {
                Ok((_, field)) => Ok((rest, field)),
                Err(error) => Err(error.map(|error| error.within(Structure::OXM).followed_by(rest.len()))),
            };
        }
        match RawOxm::new(class, number, has_mask, Bytes::copy_from_slice(body)) {
            Some(raw) => Ok((rest, Self::Raw(raw))),
            None => Err(nom::Err::Error(crate::DecodeError::new(Fault::Length, Structure::OXM, input.len()))),
        }
    }

    #[inline]
    fn encode(&self, out: &mut BytesMut) {
        Self::encode(self, out);
    }
}

/// Which field: the header of an OXM field without its payload, as tables list what they can match and set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OxmId {
    class: u16,
    field: u8,
    has_mask: bool,
    length: u8,
    /// There if the class is the one of experimenters, and only then.
    experimenter: Option<u32>,
}

impl OxmId {
    /// A field of the basic class; the length is that of its payload, and counts the mask if there is one.
    pub const fn basic(field: u8, has_mask: bool, length: u8) -> Self {
        Self { class: OPENFLOW_BASIC, field: field & 0x7f, has_mask, length, experimenter: None }
    }

    /// A field of an experimenter; the length counts the experimenter's id.
    pub const fn of_experimenter(experimenter: u32, field: u8, has_mask: bool, length: u8) -> Self {
        Self { class: EXPERIMENTER, field: field & 0x7f, has_mask, length, experimenter: Some(experimenter) }
    }

    /// The class.
    pub const fn class(&self) -> u16 {
        self.class
    }

    /// The number in the class.
    pub const fn field(&self) -> u8 {
        self.field
    }

    /// Whether masks are supported.
    pub const fn has_mask(&self) -> bool {
        self.has_mask
    }

    /// The length that the payload would have.
    pub const fn length(&self) -> u8 {
        self.length
    }

    /// The experimenter, if the class says that there is one.
    pub const fn experimenter(&self) -> Option<u32> {
        self.experimenter
    }
}

impl Wire for OxmId {
    fn decode(input: &[u8]) -> Parsed<'_, Self> {
        let (input, class) = u16::decode(input)?;
        let (input, number) = u8::decode(input)?;
        let (input, length) = u8::decode(input)?;
        let (input, experimenter) = match class {
            EXPERIMENTER => u32::decode(input).map(|(rest, experimenter)| (rest, Some(experimenter)))?,
            _ => (input, None),
        };
        Ok((input, Self { class, field: number >> 1, has_mask: number & 1 == 1, length, experimenter }))
    }

    fn encode(&self, out: &mut BytesMut) {
        out.put_u16(self.class);
        out.put_u8(self.field << 1 | u8::from(self.has_mask));
        out.put_u8(self.length);
        if let Some(experimenter) = self.experimenter {
            out.put_u32(experimenter);
        }
    }
}
