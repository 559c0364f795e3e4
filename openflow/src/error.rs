//! What can be wrong with bytes: [`DecodeError`], small and `Copy`, and [`EncodeError`].

use nom::error::{ErrorKind, ParseError};
use std::fmt;

use crate::error_code::ErrorCode;

/// Why bytes are not a message: what, in which structure, how far from the end of the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{fault} in {structure}, {remaining} bytes before the end")]
pub struct DecodeError {
    /// What is wrong.
    pub fault: Fault,
    /// The innermost structure around the fault.
    pub structure: Structure,
    /// The number of bytes between the fault and the end of the message.
    pub remaining: usize,
}

/// What can be wrong with bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The structure ends before its last field.
    #[error("bytes are missing")]
    Truncated,
    /// A length field is smaller than its own header, larger than what is around it, or not the length it must be.
    #[error("a length is wrong")]
    Length,
    /// Bytes are left after the last field.
    #[error("bytes are left over")]
    Trailing,
    /// The bytes are well formed, but the specification has an error code for what they mean.
    #[error("{0}")]
    Refused(ErrorCode),
}

/// The structure in which decoding stopped: its name in the specification, and the error that the specification
/// answers its wrong lengths with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Structure {
    name: &'static str,
    bad_length: ErrorCode,
}

impl Structure {
    /// A message as a whole; errors that do not know their structure yet say this.
    pub(crate) const MESSAGE: Self = Self::request("message");
    pub(crate) const MATCH: Self = Self { name: "ofp_match", bad_length: ErrorCode::BAD_MATCH_BAD_LEN };
    pub(crate) const OXM: Self = Self { name: "oxm_tlv", bad_length: ErrorCode::BAD_MATCH_BAD_LEN };
    pub(crate) const INSTRUCTION: Self =
        Self { name: "ofp_instruction", bad_length: ErrorCode::BAD_INSTRUCTION_BAD_LEN };
    pub(crate) const ACTION: Self = Self { name: "ofp_action", bad_length: ErrorCode::BAD_ACTION_BAD_LEN };

    pub(crate) const TABLE_FEATURES: Self = Self::table_features("ofp_table_features");
    pub(crate) const TABLE_FEATURE_PROPERTY: Self = Self::table_features("ofp_table_feature_prop_header");

    const fn table_features(name: &'static str) -> Self {
        Self { name, bad_length: ErrorCode::TABLE_FEATURES_FAILED_BAD_LEN }
    }

    /// A structure whose wrong lengths are answered with `OFPBRC_BAD_LEN`.
    pub(crate) const fn request(name: &'static str) -> Self {
        Self { name, bad_length: ErrorCode::BAD_REQUEST_BAD_LEN }
    }

    /// The name of the structure in the specification.
    pub const fn name(self) -> &'static str {
        self.name
    }
}

impl fmt::Display for Structure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl DecodeError {
    pub(crate) const fn new(fault: Fault, structure: Structure, remaining: usize) -> Self {
        Self { fault, structure, remaining }
    }

    /// Names the structure, unless a structure inside has done so.
    pub(crate) fn within(self, structure: Structure) -> Self {
        if self.structure == Structure::MESSAGE { Self { structure, ..self } } else { self }
    }

    /// Moves the fault further from the end: `after` bytes follow the part in which it was found.
    pub(crate) const fn followed_by(self, after: usize) -> Self {
        Self { remaining: self.remaining + after, ..self }
    }

    /// The `OFPT_ERROR` with which a switch answers.
    pub const fn code(self) -> ErrorCode {
        match self.fault {
            Fault::Truncated | Fault::Length | Fault::Trailing => self.structure.bad_length,
            Fault::Refused(code) => code,
        }
    }
}

impl ParseError<&[u8]> for DecodeError {
    fn from_error_kind(input: &[u8], _: ErrorKind) -> Self {
        Self::new(Fault::Truncated, Structure::MESSAGE, input.len())
    }

    fn append(_: &[u8], _: ErrorKind, other: Self) -> Self {
        other
    }
}

/// Why a message has no representation on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// The length field of the header has 16 bits.
    #[error("the message is {0} bytes long; OpenFlow messages end at 65535")]
    TooLong(usize),
}

#[cfg(test)]
mod tests {
    use crate::{ErrorCode, Message};

    #[test]
    fn an_error_of_decoding_tells_what_where_and_how_far_from_the_end() {
        let error = |frame: &'static [u8]| Message::decode(&frame.into()).expect_err("no message").to_string();
        assert_eq!(
            error(b"\x04\x09\x00\x0d\0\0\0\x01\0\0\0\x80\x09"),
            "bytes are left over in message, 1 bytes before the end"
        );
        assert_eq!(
            error(b"\x04\x18\x00\x18\0\0\0\x01\0\0\0\x09\0\0\0\0\0\0\0\0\0\0\0\0"),
            "ROLE_REQUEST_FAILED/BAD_ROLE: the role is invalid in ofp_role_request, 16 bytes before the end"
        );
        assert_eq!(ErrorCode::new(77, 1).to_string(), "77/1");
    }
}
