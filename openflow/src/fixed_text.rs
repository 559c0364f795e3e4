//! [`FixedText`]: names and descriptions in fields of fixed size.

use bytes::{BufMut, BytesMut};
use std::fmt;

use crate::wire::{Parsed, Wire};

/// Text in `N` bytes, ended by a NUL; kept as it came, so that what is not UTF-8 survives.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct FixedText<const N: usize>(pub [u8; N]);

impl<const N: usize> From<&str> for FixedText<N> {
    /// As many bytes of the text as leave room for a NUL.
    fn from(text: &str) -> Self {
        let mut octets = [0; N];
        for (to, from) in octets.iter_mut().zip(text.bytes().take(N.saturating_sub(1))) {
            *to = from;
        }
        Self(octets)
    }
}

impl<const N: usize> fmt::Display for FixedText<N> {
    /// The text before its NUL; what is not UTF-8 is replaced.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.split(|byte| *byte == 0).next().unwrap_or_default();
        f.write_str(&String::from_utf8_lossy(text))
    }
}

impl<const N: usize> fmt::Debug for FixedText<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.to_string(), f)
    }
}

impl<const N: usize> Wire for FixedText<N> {
    fn decode(input: &[u8]) -> Parsed<'_, Self> {
        <[u8; N]>::decode(input).map(|(rest, octets)| (rest, Self(octets)))
    }

    fn encode(&self, out: &mut BytesMut) {
        out.put_slice(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_ends_at_its_nul_or_at_the_end_of_the_field() {
        assert_eq!(FixedText::<16>::from("eth0").to_string(), "eth0");
        assert_eq!(FixedText(*b"abcd").to_string(), "abcd");
        assert_eq!(FixedText::<4>::from("abcdef").0, *b"abc\0");
    }

    #[test]
    fn what_is_not_utf_8_prints_and_survives() {
        let text = FixedText([0xff, b'a', 0, 0]);
        assert_eq!(text.to_string(), "\u{fffd}a");
        assert_eq!(text.0, [0xff, b'a', 0, 0]);
    }
}
