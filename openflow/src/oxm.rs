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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_of_an_experimenter_says_whose_it_is() {
        let body = Bytes::from_static(&[0x4f, 0x4e, 0x46, 0, 1]);
        let raw = RawOxm::new(EXPERIMENTER, 42, true, body.clone()).unwrap();
        assert_eq!((raw.class(), raw.field(), raw.has_mask()), (EXPERIMENTER, 42, true));
        assert_eq!((raw.experimenter(), raw.body()), (Some(0x4f4e_4600), &body));
        let other = RawOxm::new(1, 42, false, body).unwrap();
        assert_eq!((other.experimenter(), other.has_mask()), (None, false));
    }

    #[test]
    fn what_would_be_another_field_or_too_long_is_refused() {
        let new = |class, field, length| RawOxm::new(class, field, false, vec![0; length].into());
        assert_eq!(new(OPENFLOW_BASIC, 39, 4), None, "one of the forty");
        assert!(new(OPENFLOW_BASIC, 40, 4).is_some());
        assert_eq!(new(1, 128, 4), None, "a number of eight bits");
        assert_eq!(new(EXPERIMENTER, 1, 3), None, "no room for the experimenter");
        assert!(new(EXPERIMENTER, 1, 4).is_some());
        assert!(new(1, 127, 255).is_some());
        assert_eq!(new(1, 1, 256), None, "a length of nine bits");
    }

    #[test]
    fn the_id_of_a_field_tells_its_parts() {
        let id = OxmId::basic(11, true, 8);
        assert_eq!((id.class(), id.field(), id.has_mask(), id.length()), (OPENFLOW_BASIC, 11, true, 8));
        assert_eq!((id.experimenter(), OxmId::basic(11, false, 4).has_mask()), (None, false));
        let id = OxmId::of_experimenter(7, 42, false, 6);
        assert_eq!((id.class(), id.field(), id.has_mask(), id.length()), (EXPERIMENTER, 42, false, 6));
        assert_eq!(id.experimenter(), Some(7));
    }

    #[test]
    fn a_field_tells_its_bits_and_which_of_them_count() {
        assert_eq!(OxmField::IpDscp(46).bits(), Some((46, 63)));
        assert_eq!(OxmField::EthType(crate::EthType::IPV4).bits(), Some((0x0800, 0xffff)));
        assert_eq!(OxmField::InPort(crate::PortNo(7)).bits(), Some((7, 0xffff_ffff)));
        assert_eq!(OxmField::IpProto(crate::IpProto::TCP).bits(), Some((6, 0xff)));
        assert_eq!(OxmField::Metadata(Masked::exact(0x102)).bits(), Some((0x102, u128::from(u64::MAX))));
        assert_eq!(
            OxmField::EthDst(Masked::exact(crate::MacAddr([0, 0, 0, 0, 1, 2]))).bits(),
            Some((0x102, (1 << 48) - 1))
        );
        assert_eq!(OxmField::Ipv4Src(Masked::exact([0, 0, 1, 2].into())).bits(), Some((0x102, 0xffff_ffff)));
        assert_eq!(OxmField::Ipv6Src(Masked::exact(9_u128.into())).bits(), Some((9, u128::MAX)));
        assert_eq!(OxmField::PbbIsid(Masked::exact(Isid([0, 1, 2]))).bits(), Some((0x102, 0xff_ffff)));
        let masked = Masked::new(0x50, 0xfff0).unwrap();
        assert_eq!(OxmField::TcpDst(masked).bits(), Some((0x50, 0xfff0)));
        assert_eq!(OxmField::TcpDst(Masked::exact(0x50)).bits(), Some((0x50, 0xffff)));
        assert_eq!(OxmField::Raw(RawOxm::new(1, 1, false, Bytes::new()).unwrap()).bits(), None);
    }
}
