//! What the input is, seen from its first bytes.

use std::io::{self, Read};

use crate::cli::args::Form;

/// What the input is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Hexadecimal digits, one message a line.
    Hex,
    /// The bytes of messages.
    Messages,
    /// A packet capture.
    Capture,
}

/// As many bytes as recognition needs.
const FRONT: usize = 4;

/// Reads the first bytes: four, or fewer if the input ends, or what is there of a first line, so that a person who
/// types is answered at once.
pub(super) fn front(input: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut front = vec![0; 1 << 16];
    let mut length = 0;
    while length < FRONT {
        match input.read(front.get_mut(length..).unwrap_or_default()) {
            Ok(0) => break,
            Ok(more) => length += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    front.truncate(length);
    Ok(front)
}

/// What the input is, or what it begins with instead.
pub(super) fn recognise(asked: Form, front: &[u8]) -> Result<Kind, String> {
    match asked {
        Form::Hex => return Ok(Kind::Hex),
        Form::Messages => return Ok(Kind::Messages),
        Form::Capture => return Ok(Kind::Capture),
        Form::Auto => {}
    }
    // The magic number of pcapng is made of line ends: it must be asked for before hex is.
    match front {
        [0x0a, 0x0d, 0x0d, 0x0a, ..] => Ok(Kind::Capture),
        [0xa1, 0xb2, 0xc3, 0xd4, ..] | [0xd4, 0xc3, 0xb2, 0xa1, ..] => Ok(Kind::Capture),
        [0xa1, 0xb2, 0x3c, 0x4d, ..] | [0x4d, 0x3c, 0xb2, 0xa1, ..] => Ok(Kind::Capture),
        // The version of OpenFlow, which no text begins with.
        [1..=6, ..] => Ok(Kind::Messages),
        [first, ..] if !(first.is_ascii_hexdigit() || first.is_ascii_whitespace() || *first == b'#') => {
            let begin = front.get(..12).unwrap_or(front).escape_ascii();
            Err(format!("is neither hex, nor OpenFlow messages, nor a packet capture: it begins with \"{begin}\""))
        }
        _ => Ok(Kind::Hex),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_is_seen_from_the_first_bytes() {
        for (front, kind) in [
            (&b"04"[..], Kind::Hex),
            (b"\n 04 00", Kind::Hex),
            (b"# two messages\n", Kind::Hex),
            (b"", Kind::Hex),
            (b"\x04\x00\x00\x08", Kind::Messages),
            (b"\x01", Kind::Messages),
            (b"\x0a\x0d\x0d\x0a", Kind::Capture),
            (b"\xd4\xc3\xb2\xa1", Kind::Capture),
            (b"\xa1\xb2\x3c\x4d", Kind::Capture),
        ] {
            assert_eq!(recognise(Form::Auto, front), Ok(kind), "{front:02x?}");
        }
        for front in [&b"\x7fELF"[..], b"hello", b"\x1f\x8b", b"\xd4\xc3"] {
            assert!(recognise(Form::Auto, front).is_err(), "{front:02x?}");
        }
    }

    #[test]
    fn an_option_forces_the_form() {
        assert_eq!(recognise(Form::Hex, b"\x04\x00\x00\x08"), Ok(Kind::Hex));
        assert_eq!(recognise(Form::Messages, b"0400"), Ok(Kind::Messages));
        assert_eq!(recognise(Form::Capture, b"0400"), Ok(Kind::Capture));
    }
}
