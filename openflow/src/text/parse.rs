//! What all parsers of flow text share: the cursor, the values, the error.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use bytes::Bytes;

use crate::flow_match::MatchError;
use crate::hex::parse_hex;
use crate::oxm::{Masked, Value};
use crate::port::PortNo;

/// Why text is not a flow, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("at byte {at}: {fault}")]
pub struct ParseFlowError {
    /// The byte of the text.
    pub at: usize,
    /// What is wrong there.
    pub fault: FlowTextFault,
}

/// What can be wrong with the text of a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FlowTextFault {
    /// A word that is neither a field nor a setting of a flow.
    #[error("neither a field nor a setting of a flow")]
    UnknownWord,
    /// A word that is not an action.
    #[error("not an action")]
    UnknownAction,
    /// The value is not one of this word.
    #[error("not a value of this word")]
    BadValue,
    /// A mask has no meaning here.
    #[error("no mask is possible here")]
    NoMask,
    /// The value has a bit that the mask does not have.
    #[error("the value has bits outside its mask")]
    BitsOutsideMask,
    /// The VLAN tag cannot be both what this word and what an earlier one says.
    #[error("an earlier word says something else of the VLAN tag")]
    OtherVlan,
    /// A field whose meaning depends on a protocol that has not been named.
    #[error("the protocol must be named first")]
    NeedsProtocol,
    /// A parenthesis is not closed, or closes nothing.
    #[error("the parentheses do not match")]
    Parentheses,
    /// `actions=` is missing.
    #[error("`actions=` is missing")]
    NoActions,
    /// `drop` stands beside other actions.
    #[error("`drop` stands alone or not at all")]
    DropAndMore,
    /// An instruction stands twice, or inside another.
    #[error("this instruction cannot stand here")]
    Instruction,
    /// The fields are not lawful together.
    #[error("{0}")]
    Match(MatchError),
}

/// A result of parsing text.
pub(super) type Parsed<T> = Result<T, ParseFlowError>;

/// A part of the text, and where it stands in the whole.
#[derive(Clone, Copy)]
pub(super) struct Span<'a> {
    pub(super) text: &'a str,
    at: usize,
}

impl<'a> Span<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// Fails here.
    pub(super) const fn fail<T>(self, fault: FlowTextFault) -> Parsed<T> {
        Err(ParseFlowError { at: self.at, fault })
    }

    /// Cuts at a byte of the text, which begins a character.
    fn split_at(self, middle: usize) -> (Self, Self) {
        let (front, back) = self.text.split_at_checked(middle).unwrap_or((self.text, ""));
        (Self { text: front, at: self.at }, Self { text: back, at: self.at + front.len() })
    }

    /// What stands before and after the first of these characters.
    pub(super) fn split_once(self, delimiter: impl Fn(char) -> bool) -> Option<(Self, Self)> {
        let (index, found) = self.text.char_indices().find(|(_, character)| delimiter(*character))?;
        let (front, back) = self.split_at(index);
        Some((front, back.split_at(found.len_utf8()).1))
    }

    /// The text without the blanks around it.
    pub(super) fn trim(self) -> Self {
        let blanks = self.text.len() - self.text.trim_start().len();
        Self { text: self.text.trim(), at: self.at + blanks }
    }

    /// What follows a prefix.
    pub(super) fn strip_prefix(self, prefix: &str) -> Option<Self> {
        self.text.starts_with(prefix).then(|| self.split_at(prefix.len()).1)
    }

    /// What stands before a suffix.
    pub(super) fn strip_suffix(self, suffix: &str) -> Option<Self> {
        self.text.ends_with(suffix).then(|| self.split_at(self.text.len() - suffix.len()).0)
    }

    /// What stands before and after a word that begins the text or follows a separator.
    pub(super) fn split_before_word(self, word: &str) -> Option<(Self, Self)> {
        let begins = |index: usize| {
            let before = self.text.get(..index).and_then(|front| front.chars().next_back());
            before.is_none_or(|character| character == ',' || character.is_whitespace())
        };
        let (index, _) = self.text.match_indices(word).find(|(index, _)| begins(*index))?;
        let (front, back) = self.split_at(index);
        Some((front, back.split_at(word.len()).1))
    }

    /// The pieces between separators, but not between those in parentheses; empty pieces are left out.
    pub(super) fn pieces(self, separator: impl Fn(char) -> bool) -> Parsed<Vec<Self>> {
        let mut pieces = Vec::new();
        let (mut depth, mut rest, mut index) = (0_usize, self, 0);
        for character in self.text.chars() {
            match character {
                '(' => depth += 1,
                ')' if depth == 0 => return rest.split_at(index).1.fail(FlowTextFault::Parentheses),
                ')' => depth -= 1,
                _ => {}
            }
            if depth == 0 && separator(character) {
                let (piece, back) = rest.split_at(index);
                pieces.push(piece);
                rest = back.split_at(character.len_utf8()).1;
                index = 0;
            } else {
                index += character.len_utf8();
            }
        }
        if depth != 0 {
            return self.fail(FlowTextFault::Parentheses);
        }
        pieces.push(rest);
        pieces.retain(|piece| !piece.text.trim().is_empty());
        Ok(pieces.into_iter().map(Self::trim).collect())
    }

    /// A word and its argument, which stands behind `=` or `:`, or in parentheses.
    pub(super) fn word_and_argument(self) -> Parsed<(Self, Option<Self>)> {
        let Some(index) = self.text.find([':', '=', '(']) else { return Ok((self, None)) };
        let (word, rest) = self.split_at(index);
        match rest.strip_prefix("(") {
            None => Ok((word, Some(rest.split_at(1).1))),
            Some(inner) if inner.text.ends_with(')') => Ok((word, Some(inner.split_at(inner.text.len() - 1).0))),
            Some(inner) => inner.fail(FlowTextFault::Parentheses),
        }
    }

    /// A number in decimal, or in hexadecimal behind `0x`.
    pub(super) fn number<T: TryFrom<u64>>(self) -> Parsed<T> {
        let digits = self.text.strip_prefix("0x").or_else(|| self.text.strip_prefix("0X"));
        // `from_str_radix` would accept a sign.
        let lawful = !self.text.starts_with('+') && !digits.is_some_and(|digits| digits.starts_with('+'));
        let number = match digits {
            Some(digits) => u64::from_str_radix(digits, 16),
            None => self.text.parse(),
        };
        match number.ok().filter(|_| lawful).and_then(|number| T::try_from(number).ok()) {
            Some(number) => Ok(number),
            None => self.fail(FlowTextFault::BadValue),
        }
    }

    /// Anything that reads itself.
    pub(super) fn value<T: FromStr>(self) -> Parsed<T> {
        self.text.parse().or_else(|_| self.fail(FlowTextFault::BadValue))
    }

    /// A port: its number, or its reserved name in any case.
    pub(super) fn port(self) -> Parsed<PortNo> {
        let reserved = [
            PortNo::IN_PORT,
            PortNo::TABLE,
            PortNo::NORMAL,
            PortNo::FLOOD,
            PortNo::ALL,
            PortNo::CONTROLLER,
            PortNo::LOCAL,
            PortNo::ANY,
        ];
        match reserved.into_iter().find(|port| port.to_string().eq_ignore_ascii_case(self.text)) {
            Some(port) => Ok(port),
            None => self.number().map(PortNo),
        }
    }

    /// A value and perhaps a mask behind a slash.
    pub(super) fn masked<T: Value>(self, read: impl Fn(Self) -> Parsed<T>) -> Parsed<Masked<T>> {
        let Some((value, mask)) = self.split_once(|character| character == '/') else {
            return read(self).map(Masked::exact);
        };
        under_mask(self, read(value)?, read(mask)?)
    }

    /// An IPv4 address and perhaps a prefix length or a mask.
    pub(super) fn ipv4(self) -> Parsed<Masked<Ipv4Addr>> {
        self.address(|bits| u32::MAX.checked_shl(32 - bits).unwrap_or(0).into(), 32)
    }

    /// An IPv6 address and perhaps a prefix length or a mask.
    pub(super) fn ipv6(self) -> Parsed<Masked<Ipv6Addr>> {
        self.address(|bits| u128::MAX.checked_shl(128 - bits).unwrap_or(0).into(), 128)
    }

    fn address<T: Value + FromStr>(self, prefix: impl Fn(u32) -> T, width: u32) -> Parsed<Masked<T>> {
        let Some((address, mask)) = self.split_once(|character| character == '/') else {
            return self.value().map(Masked::exact);
        };
        let mask = match mask.text.parse::<u32>() {
            Ok(bits) if bits <= width => prefix(bits),
            Ok(_) => return mask.fail(FlowTextFault::BadValue),
            Err(_) => mask.value()?,
        };
        under_mask(self, address.value()?, mask)
    }

    /// Bytes as hexadecimal digits.
    pub(super) fn bytes(self) -> Parsed<Bytes> {
        parse_hex(self.text).or_else(|_| self.fail(FlowTextFault::BadValue))
    }
}

/// The value under the mask.
fn under_mask<T: Value>(span: Span<'_>, value: T, mask: T) -> Parsed<Masked<T>> {
    match Masked::new(value, mask) {
        Some(masked) => Ok(masked),
        None => span.fail(FlowTextFault::BitsOutsideMask),
    }
}
