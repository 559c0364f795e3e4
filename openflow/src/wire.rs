//! Reading and writing: the trait that every structure has, the one cursor that every list goes through, and the
//! one helper that writes a length.
//!
//! Parsers are nom's `complete` ones over a whole message: what is missing is an error, never "come back later".

use bytes::{BufMut, BytesMut};
use nom::number::complete::{be_u8, be_u16, be_u32, be_u64};
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::error::{DecodeError, Fault, Structure};
use crate::error_code::ErrorCode;

/// What a parser gives: the rest of the input and the value, or a [`DecodeError`].
pub(crate) type Parsed<'a, T> = nom::IResult<&'a [u8], T, DecodeError>;

/// A value with one representation on the wire.
pub(crate) trait Wire: Sized {
    /// Reads one value from the front of `input`.
    fn decode(input: &[u8]) -> Parsed<'_, Self>;

    /// Appends the value; never fails, the total is checked once per message.
    fn encode(&self, out: &mut BytesMut);
}

/// The shape of the elements of a list: where their length stands, and what it counts.
#[derive(Clone, Copy)]
pub(crate) struct Element {
    /// The structure named in errors.
    pub(crate) structure: Structure,
    /// Reads the length of the element; `None` if the element ends before its length.
    pub(crate) length: fn(&[u8]) -> Option<usize>,
    /// The smallest lawful length.
    pub(crate) header: usize,
    /// The length is a multiple of this, which is 1 where the specification does not say so.
    pub(crate) multiple: usize,
    /// Elements start at multiples of this; the padding between them is not counted by the length.
    pub(crate) align: usize,
}

impl Element {
    /// Type, length, body: the shape of most elements.
    pub(crate) const fn tlv(structure: Structure, header: usize) -> Self {
        Self { structure, length: length_at::<2>, header, multiple: 1, align: 1 }
    }

    /// The same with padding to 64 bits that the length does not count.
    pub(crate) const fn padded(structure: Structure, header: usize) -> Self {
        Self { structure, length: length_at::<2>, header, multiple: 1, align: 8 }
    }

    /// Type, length, body and padding to 64 bits that the length does count.
    pub(crate) const fn aligned(structure: Structure, header: usize) -> Self {
        Self { structure, length: length_at::<2>, header, multiple: 8, align: 1 }
    }

    /// An element that opens with its length.
    pub(crate) const fn led_by_length(structure: Structure, header: usize) -> Self {
        Self { structure, length: length_at::<0>, header, multiple: 1, align: 1 }
    }
}

/// The 16-bit length at an offset of an element.
#[inline]
pub(crate) fn length_at<const OFFSET: usize>(element: &[u8]) -> Option<usize> {
    let &[high, low] = element.get(OFFSET..)?.first_chunk()?;
    Some(usize::from(u16::from_be_bytes([high, low])))
}

/// Cuts the first element off a list.
///
/// The only place that believes a length: the element is at least its header, fits its parent and so advances the
/// cursor. Zero-length elements, which sent other controllers into endless loops, end here.
#[inline]
pub(crate) fn element(input: &[u8], shape: Element) -> Parsed<'_, &[u8]> {
    let fault = match (shape.length)(input) {
        None => Fault::Truncated,
        Some(length) => match (input.get(..length), input.get(length.next_multiple_of(shape.align)..)) {
            (Some(body), Some(rest)) if length >= shape.header && length % shape.multiple == 0 => {
                return Ok((rest, body));
            }
            _ => Fault::Length,
        },
    };
    Err(nom::Err::Error(DecodeError::new(fault, shape.structure, input.len())))
}

/// Reads a list that fills the whole of `input`: every element is parsed to its end, leftover bytes are an error.
#[inline]
pub(crate) fn list<'a, T>(
    mut input: &'a [u8],
    shape: Element,
    mut parse: impl FnMut(&'a [u8]) -> Parsed<'a, T>,
) -> Result<Vec<T>, nom::Err<DecodeError>> {
    let mut items = Vec::new();
    while !input.is_empty() {
        let (rest, body) = element(input, shape)?;
        if items.is_empty() {
            // Elements of a list are mostly alike. What a peer can ask for is bounded: its bytes by their header.
            items.reserve_exact(input.len() / body.len().max(shape.header));
        }
        items.push(whole(body, shape.structure, input.len() - body.len(), &mut parse)?);
        input = rest;
    }
    Ok(items)
}

/// Reads a list of elements of one fixed size that fills the whole of `input`.
pub(crate) fn fixed_list<T: Wire>(mut input: &[u8]) -> Result<Vec<T>, nom::Err<DecodeError>> {
    let mut items = Vec::new();
    while !input.is_empty() {
        let (rest, item) = T::decode(input)?;
        items.push(item);
        input = rest;
    }
    Ok(items)
}

/// Runs a parser over the whole of `body`, after which `after` more bytes follow in the message.
#[inline]
pub(crate) fn whole<'a, T>(
    body: &'a [u8],
    structure: Structure,
    after: usize,
    parse: impl FnOnce(&'a [u8]) -> Parsed<'a, T>,
) -> Result<T, nom::Err<DecodeError>> {
    match parse(body) {
        Ok(([], value)) => Ok(value),
        Ok((left, _)) => Err(nom::Err::Error(DecodeError::new(Fault::Trailing, structure, left.len() + after))),
        Err(error) => Err(error.map(|error| error.within(structure).followed_by(after))),
    }
}

/// Names the structure in errors that have no name yet.
#[inline]
pub(crate) fn within<'a, T>(
    structure: Structure,
    input: &'a [u8],
    parse: impl FnOnce(&'a [u8]) -> Parsed<'a, T>,
) -> Parsed<'a, T> {
    parse(input).map_err(|error| error.map(|error| error.within(structure)))
}

/// Reads a structure and makes it a part of another.
#[inline]
pub(crate) fn part<T: Wire, U>(input: &[u8], wrap: impl FnOnce(T) -> U) -> Parsed<'_, U> {
    T::decode(input).map(|(rest, part)| (rest, wrap(part)))
}

/// Reads padding; what stands in it is ignored, because real switches send what they had in memory.
#[inline]
pub(crate) fn skip(input: &[u8], length: usize) -> Parsed<'_, ()> {
    match input.get(length..) {
        Some(rest) => Ok((rest, ())),
        None => fail(input, Fault::Truncated),
    }
}

/// Takes as many bytes as a length field outside of them says.
#[inline]
pub(crate) fn take(input: &[u8], length: usize) -> Parsed<'_, &[u8]> {
    match input.split_at_checked(length) {
        Some((taken, rest)) => Ok((rest, taken)),
        None => fail(input, Fault::Length),
    }
}

/// Fails at this place of the input.
#[cold]
pub(crate) fn fail<T>(input: &[u8], fault: Fault) -> Parsed<'_, T> {
    Err(nom::Err::Error(DecodeError::new(fault, Structure::MESSAGE, input.len())))
}

/// Fails because a value has a meaning that the specification answers with an error code of its own.
#[cold]
pub(crate) fn refuse<T>(input: &[u8], code: ErrorCode) -> Parsed<'_, T> {
    fail(input, Fault::Refused(code))
}

/// Runs `write` and stores the number of bytes that it wrote as 16 bits at `length_at` of them; returns the number.
#[inline]
pub(crate) fn measured(out: &mut BytesMut, length_at: usize, write: impl FnOnce(&mut BytesMut)) -> usize {
    let slot = out.len() + length_at;
    measured_at(out, slot, write)
}

/// Runs `write` and stores the number of bytes that it wrote as 16 bits at `slot` of the buffer; returns the number.
///
/// The one place that writes a length. What does not fit 16 bits makes the message longer than 65,535 bytes, which
/// `Message::encode` refuses as a whole.
#[inline]
pub(crate) fn measured_at(out: &mut BytesMut, slot: usize, write: impl FnOnce(&mut BytesMut)) -> usize {
    let start = out.len();
    write(out);
    let length = out.len() - start;
    if let Some(slot) = out.get_mut(slot..).and_then(<[u8]>::first_chunk_mut) {
        *slot = u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes();
    }
    length
}

/// Like [`measured`], and pads with zeros to 64 bits; the padding is not counted.
#[inline]
pub(crate) fn measured_padded(out: &mut BytesMut, length_at: usize, write: impl FnOnce(&mut BytesMut)) {
    let length = measured(out, length_at, write);
    out.put_bytes(0, length.next_multiple_of(8) - length);
}

/// Writes type, length and body, and zeros to 64 bits that the length does count.
#[inline]
pub(crate) fn multiple_of_8(out: &mut BytesMut, element_type: u16, write: impl FnOnce(&mut BytesMut)) {
    measured(out, 2, |out| {
        let start = out.len();
        out.put_u32(u32::from(element_type) << 16);
        write(out);
        let length = out.len() - start;
        out.put_bytes(0, length.next_multiple_of(8) - length);
    });
}

/// Appends every element of a list.
pub(crate) fn encode_all<T: Wire>(items: &[T], out: &mut BytesMut) {
    for item in items {
        item.encode(out);
    }
}

impl Wire for u8 {
    #[inline]
    fn decode(input: &[u8]) -> Parsed<'_, Self> {
        be_u8(input)
    }

    #[inline]
    fn encode(&self, out: &mut BytesMut) {
        out.put_u8(*self);
    }
}

impl Wire for u16 {
    #[inline]
    fn decode(input: &[u8]) -> Parsed<'_, Self> {
        be_u16(input)
    }

    #[inline]
    fn encode(&self, out: &mut BytesMut) {
        out.put_u16(*self);
    }
}

impl Wire for u32 {
    #[inline]
    fn decode(input: &[u8]) -> Parsed<'_, Self> {
        be_u32(input)
    }

    #[inline]
    fn encode(&self, out: &mut BytesMut) {
        out.put_u32(*self);
    }
}

impl Wire for u64 {
    #[inline]
    fn decode(input: &[u8]) -> Parsed<'_, Self> {
        be_u64(input)
    }

    #[inline]
    fn encode(&self, out: &mut BytesMut) {
        out.put_u64(*self);
    }
}

impl<const N: usize> Wire for [u8; N] {
    #[inline]
    fn decode(input: &[u8]) -> Parsed<'_, Self> {
        match input.split_first_chunk() {
            Some((octets, rest)) => Ok((rest, *octets)),
            None => fail(input, Fault::Truncated),
        }
    }

    #[inline]
    fn encode(&self, out: &mut BytesMut) {
        out.put_slice(self);
    }
}

impl Wire for Ipv4Addr {
    #[inline]
    fn decode(input: &[u8]) -> Parsed<'_, Self> {
        <[u8; 4]>::decode(input).map(|(rest, octets)| (rest, octets.into()))
    }

    #[inline]
    fn encode(&self, out: &mut BytesMut) {
        out.put_slice(&self.octets());
    }
}

impl Wire for Ipv6Addr {
    #[inline]
    fn decode(input: &[u8]) -> Parsed<'_, Self> {
        <[u8; 16]>::decode(input).map(|(rest, octets)| (rest, octets.into()))
    }

    #[inline]
    fn encode(&self, out: &mut BytesMut) {
        out.put_slice(&self.octets());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TLV: Element = Element::tlv(Structure::ACTION, 4);
    const PADDED: Element = Element::padded(Structure::ACTION, 4);

    /// Reads a list of opaque elements.
    fn bodies(input: &[u8], shape: Element) -> Result<Vec<&[u8]>, DecodeError> {
        list(input, shape, |body| Ok((&[], body))).map_err(|error| match error {
            nom::Err::Error(error) | nom::Err::Failure(error) => error,
            nom::Err::Incomplete(_) => panic!("a complete parser asked for more"),
        })
    }

    #[test]
    fn a_list_is_cut_into_its_elements() {
        assert_eq!(bodies(&[0, 1, 0, 4, 0, 2, 0, 5, 9], TLV), Ok(vec![&[0, 1, 0, 4][..], &[0, 2, 0, 5, 9]]));
        assert_eq!(bodies(&[], TLV), Ok(vec![]));
    }

    #[test]
    fn padding_between_elements_is_not_counted_and_not_looked_at() {
        let input = [0, 1, 0, 5, 9, 7, 7, 7, 0, 2, 0, 8, 1, 2, 3, 4];
        assert_eq!(bodies(&input, PADDED), Ok(vec![&input[..5], &input[8..]]));
    }

    #[test]
    fn an_element_shorter_than_its_header_ends_the_list() {
        for length in 0..4 {
            let error = DecodeError::new(Fault::Length, Structure::ACTION, 8);
            assert_eq!(bodies(&[0, 1, 0, length, 0, 0, 0, 0], TLV), Err(error), "length {length}");
        }
    }

    #[test]
    fn an_element_longer_than_its_parent_is_an_error() {
        let error = DecodeError::new(Fault::Length, Structure::ACTION, 4);
        assert_eq!(bodies(&[0, 1, 0, 5], TLV), Err(error));
        assert_eq!(bodies(&[0, 1, 0xff, 0xff], TLV), Err(error));
        let unpadded = DecodeError::new(Fault::Length, Structure::ACTION, 5);
        assert_eq!(bodies(&[0, 1, 0, 5, 9], PADDED), Err(unpadded));
    }

    #[test]
    fn bytes_that_are_no_element_are_an_error() {
        let error = DecodeError::new(Fault::Truncated, Structure::ACTION, 3);
        assert_eq!(bodies(&[0, 1, 0, 4, 0, 0, 0], TLV), Err(error));
    }

    #[test]
    fn an_error_says_how_far_from_the_end_of_the_message_it_is() {
        let input = [0, 1, 0, 6, 1, 2, 0, 2, 0, 4];
        let parsed = list(&input, TLV, |body| u32::decode(body));
        let error = DecodeError::new(Fault::Trailing, Structure::ACTION, 6);
        assert_eq!(parsed, Err(nom::Err::Error(error)));
        let parsed = list(&input, TLV, |body| skip(body, 2).and_then(|(rest, ())| u64::decode(rest)));
        let error = DecodeError::new(Fault::Truncated, Structure::ACTION, 8);
        assert_eq!(parsed, Err(nom::Err::Error(error)), "four bytes of the element and four of the next one");
    }

    #[test]
    fn a_length_is_written_where_it_belongs() {
        let mut out = BytesMut::from(&[9][..]);
        assert_eq!(measured(&mut out, 2, |out| out.put_slice(&[0, 1, 0, 0, 5])), 5);
        assert_eq!(&out[..], [9, 0, 1, 0, 5, 5]);
        measured_padded(&mut out, 0, |out| out.put_slice(&[0, 0, 7]));
        assert_eq!(&out[6..], [0, 3, 7, 0, 0, 0, 0, 0]);
    }
}
