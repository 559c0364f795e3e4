//! Bytes as hexadecimal digits: what people paste and programs log.

use std::fmt::{self, Display};

use bytes::Bytes;

/// Bytes that print as hexadecimal digits, two lowercase ones a byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hex<'a>(pub &'a [u8]);

impl Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Why a text is not hexadecimal; `at` counts the bytes of the text before the fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HexError {
    /// A character that is neither a digit nor a blank.
    #[error("at byte {at}: not a hexadecimal digit")]
    NotADigit {
        /// The place.
        at: usize,
    },
    /// A digit that is followed by no second one.
    #[error("at byte {at}: a byte has two hexadecimal digits")]
    HalfAByte {
        /// The place.
        at: usize,
    },
}

/// Reads hexadecimal digits, two a byte, with blanks anywhere between bytes.
///
/// ```
/// use openflow::{Hex, parse_hex};
///
/// let frame = parse_hex("04 02 00 08  0000002A")?;
/// assert_eq!(Hex(&frame).to_string(), "040200080000002a");
/// assert_eq!(parse_hex("04 0g").unwrap_err().to_string(), "at byte 4: not a hexadecimal digit");
/// # Ok::<(), openflow::HexError>(())
/// ```
pub fn parse_hex(text: &str) -> Result<Bytes, HexError> {
    let mut bytes = Vec::with_capacity(text.len() / 2);
    let mut first: Option<(usize, u8)> = None;
    for (at, character) in text.bytes().enumerate() {
        let digit = match char::from(character).to_digit(16) {
            Some(digit) => digit as u8,
            None if !character.is_ascii_whitespace() => return Err(HexError::NotADigit { at }),
            None => match first {
                Some((at, _)) => return Err(HexError::HalfAByte { at }),
                None => continue,
            },
        };
        match first.take() {
            Some((_, high)) => bytes.push(high << 4 | digit),
            None => first = Some((at, digit)),
        }
    }
    match first {
        Some((at, _)) => Err(HexError::HalfAByte { at }),
        None => Ok(bytes.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_prints_and_reads_back() {
        let bytes: Vec<u8> = (0..=255).collect();
        assert_eq!(parse_hex(&Hex(&bytes).to_string()).unwrap(), bytes);
        assert_eq!(parse_hex(&Hex(&bytes).to_string().to_uppercase()).unwrap(), bytes);
    }

    #[test]
    fn blanks_stand_between_bytes_and_not_inside() {
        assert_eq!(parse_hex(" \t01 02\n03\r\n").unwrap(), [1, 2, 3][..]);
        assert_eq!(parse_hex("").unwrap(), [][..]);
        assert_eq!(parse_hex("01 0 2"), Err(HexError::HalfAByte { at: 3 }));
    }

    #[test]
    fn what_is_not_hexadecimal_is_refused_at_its_place() {
        assert_eq!(parse_hex("010"), Err(HexError::HalfAByte { at: 2 }));
        assert_eq!(parse_hex("01x"), Err(HexError::NotADigit { at: 2 }));
        assert_eq!(parse_hex("0x01"), Err(HexError::NotADigit { at: 1 }));
        assert_eq!(parse_hex("é1"), Err(HexError::NotADigit { at: 0 }));
    }
}
