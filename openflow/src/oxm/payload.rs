//! What stands in an OXM field: a value, and for some fields a mask of the same size.

use bytes::BytesMut;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::error::Fault;
use crate::flow_match::MatchError;
use crate::macros::wire_struct;
use crate::number::{EthType, IpProto, MacAddr};
use crate::port::PortNo;
use crate::wire::{Parsed, Wire, fail, refuse};

/// A value that fields carry.
pub(crate) trait Value: Wire + Copy + Eq {
    /// The size on the wire, in bytes.
    const SIZE: usize;

    /// The value as a number, for arithmetic on its bits.
    fn bits(self) -> u128;
}

/// What a field carries: a [`Value`], alone or [`Masked`].
pub(crate) trait Payload: Sized {
    /// The size of the value on the wire, in bytes.
    const SIZE: usize;

    /// Reads the payload, which is the whole of `input`.
    fn decode(input: &[u8], has_mask: bool) -> Parsed<'_, Self>;

    /// Appends the payload.
    fn encode(&self, out: &mut BytesMut);

    /// Whether a mask follows the value.
    fn has_mask(&self) -> bool;

    /// The value, and the mask if there is one, as numbers.
    fn bits_and_mask(&self) -> (u128, Option<u128>);

    /// Whether the value fits into the bits of the field, and its ones into those of the mask.
    fn check(&self, field: &'static str, width: u32) -> Result<(), MatchError>;
}

/// A value of which only the bits of the mask count, if there is a mask.
///
/// The value has no bit outside its mask: the specification answers such a one with `OFPBMC_BAD_WILDCARDS`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Masked<T> {
    value: T,
    mask: Option<T>,
}

impl<T: Copy> Masked<T> {
    /// The value without a mask: all of its bits count.
    pub const fn exact(value: T) -> Self {
        Self { value, mask: None }
    }

    /// The value; bits outside the mask are zero.
    pub const fn value(&self) -> T {
        self.value
    }

    /// The mask, unless all bits count.
    pub const fn mask(&self) -> Option<T> {
        self.mask
    }
}

#[expect(private_bounds, reason = "the values of fields are a closed set")]
impl<T: Value> Masked<T> {
    /// The value under a mask, or `None` if the value has a bit outside the mask.
    pub fn new(value: T, mask: T) -> Option<Self> {
        (value.bits() & !mask.bits() == 0).then_some(Self { value, mask: Some(mask) })
    }
}

impl<T: Copy> From<T> for Masked<T> {
    fn from(value: T) -> Self {
        Self::exact(value)
    }
}

impl<T: fmt::Debug> fmt::Debug for Masked<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.mask {
            None => self.value.fmt(f),
            Some(mask) => write!(f, "{:?}/{mask:?}", self.value),
        }
    }
}

impl<T: Value> Payload for T {
    const SIZE: usize = T::SIZE;

    #[inline]
    fn decode(input: &[u8], has_mask: bool) -> Parsed<'_, Self> {
        if has_mask {
            return refuse(input, crate::ErrorCode::BAD_MATCH_BAD_MASK);
        }
        if input.len() != T::SIZE {
            return fail(input, Fault::Length);
        }
        T::decode(input)
    }

    #[inline]
    fn encode(&self, out: &mut BytesMut) {
        Wire::encode(self, out);
    }

    #[inline]
    fn has_mask(&self) -> bool {
        false
    }

    #[inline]
    fn bits_and_mask(&self) -> (u128, Option<u128>) {
        (self.bits(), None)
    }

    #[inline]
    fn check(&self, field: &'static str, width: u32) -> Result<(), MatchError> {
        fits(*self, field, width)
    }
}

impl<T: Value> Payload for Masked<T> {
    const SIZE: usize = T::SIZE;

    #[inline]
    fn decode(input: &[u8], has_mask: bool) -> Parsed<'_, Self> {
        if input.len() != T::SIZE << u32::from(has_mask) {
            return fail(input, Fault::Length);
        }
        let (rest, value) = T::decode(input)?;
        if !has_mask {
            return Ok((rest, Self::exact(value)));
        }
        let (rest, mask) = T::decode(rest)?;
        match Self::new(value, mask) {
            Some(masked) => Ok((rest, masked)),
            None => refuse(input, crate::ErrorCode::BAD_MATCH_BAD_WILDCARDS),
        }
    }

    #[inline]
    fn encode(&self, out: &mut BytesMut) {
        self.value.encode(out);
        if let Some(mask) = self.mask {
            mask.encode(out);
        }
    }

    #[inline]
    fn has_mask(&self) -> bool {
        self.mask.is_some()
    }

    #[inline]
    fn bits_and_mask(&self) -> (u128, Option<u128>) {
        (self.value.bits(), self.mask.map(Value::bits))
    }

    #[inline]
    fn check(&self, field: &'static str, width: u32) -> Result<(), MatchError> {
        fits(self.mask.unwrap_or(self.value), field, width)
    }
}

/// Whether only the lower `width` bits are used.
#[inline]
fn fits<T: Value>(value: T, field: &'static str, width: u32) -> Result<(), MatchError> {
    match value.bits().checked_shr(width) {
        None | Some(0) => Ok(()),
        Some(_) => Err(MatchError::TooWide { field, width }),
    }
}

wire_struct! {
    /// The id of a service instance of a provider backbone bridge: 24 bits, three bytes on the wire.
    pub struct Isid([u8; 3]);
}

impl From<Isid> for u32 {
    fn from(Isid([high, middle, low]): Isid) -> Self {
        Self::from_be_bytes([0, high, middle, low])
    }
}

impl TryFrom<u32> for Isid {
    type Error = u32;

    /// The id, or the number given if it has more than 24 bits.
    fn try_from(number: u32) -> Result<Self, u32> {
        match number.to_be_bytes() {
            [0, high, middle, low] => Ok(Self([high, middle, low])),
            _ => Err(number),
        }
    }
}

impl Value for u8 {
    const SIZE: usize = 1;

    fn bits(self) -> u128 {
        self.into()
    }
}

impl Value for u16 {
    const SIZE: usize = 2;

    fn bits(self) -> u128 {
        self.into()
    }
}

impl Value for u32 {
    const SIZE: usize = 4;

    fn bits(self) -> u128 {
        self.into()
    }
}

impl Value for u64 {
    const SIZE: usize = 8;

    fn bits(self) -> u128 {
        self.into()
    }
}

impl Value for Isid {
    const SIZE: usize = 3;

    fn bits(self) -> u128 {
        u32::from(self).into()
    }
}

impl Value for PortNo {
    const SIZE: usize = 4;

    fn bits(self) -> u128 {
        self.0.into()
    }
}

impl Value for EthType {
    const SIZE: usize = 2;

    fn bits(self) -> u128 {
        self.0.into()
    }
}

impl Value for IpProto {
    const SIZE: usize = 1;

    fn bits(self) -> u128 {
        self.0.into()
    }
}

impl Value for MacAddr {
    const SIZE: usize = 6;

    fn bits(self) -> u128 {
        let [a, b, c, d, e, f] = self.0;
        u64::from_be_bytes([0, 0, a, b, c, d, e, f]).into()
    }
}

impl Value for Ipv4Addr {
    const SIZE: usize = 4;

    fn bits(self) -> u128 {
        self.to_bits().into()
    }
}

impl Value for Ipv6Addr {
    const SIZE: usize = 16;

    fn bits(self) -> u128 {
        self.to_bits()
    }
}
