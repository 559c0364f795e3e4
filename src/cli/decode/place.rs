//! Where a message stood, and what is wrong with what is none.

use std::fmt::{self, Display};
use std::net::SocketAddr;

use openflow::{DecodeError, HexError};
use serde::Serialize;

use super::hex::LONGEST;
use crate::contract::Timestamp;

/// Where a message stood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(super) enum Place {
    /// A line of hex.
    Line {
        /// The first is 1.
        line: u64,
    },
    /// The bytes of a file.
    Offset {
        /// How many bytes stand before.
        offset: u64,
    },
    /// A packet of a capture.
    Packet {
        /// The first is 1, as in Wireshark.
        packet: u64,
        /// When it was captured, if the capture says so.
        #[serde(skip_serializing_if = "Option::is_none")]
        time: Option<Timestamp>,
        /// Who sent it.
        source: SocketAddr,
        /// To whom.
        destination: SocketAddr,
    },
}

impl Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line { line } => write!(f, "line {line}"),
            Self::Offset { offset } => write!(f, "byte {offset}"),
            Self::Packet { packet, source, destination, .. } => write!(f, "packet {packet}, {source} > {destination}"),
        }
    }
}

/// What is wrong with what is no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Trouble {
    /// The line is not hexadecimal.
    #[error("not hex: {0}")]
    Hex(HexError),
    /// The line is longer than what is read of one.
    #[error("the line is longer than {LONGEST} bytes")]
    LongLine,
    /// The bytes were cut out, and are no message.
    #[error("not a message: {0}")]
    Message(DecodeError),
    /// No header can stand here: where the next message begins is a guess.
    #[error("no header of a message: {skipped} bytes skipped to the next that can be one")]
    NoHeader {
        /// The bytes up to what looks like a message again.
        skipped: u64,
    },
    /// The input ends inside a message.
    #[error("it ends inside a message: {there} of {length} bytes are there")]
    Torn {
        /// The bytes that are there.
        there: usize,
        /// What the header says, or the length of a header.
        length: usize,
    },
    /// The file is no capture any more.
    #[error("the capture breaks off: {0}")]
    Capture(&'static str),
    /// The capture lacks bytes of the connection.
    #[error("{missing} bytes of the connection are not in the capture")]
    Gap {
        /// How many.
        missing: u64,
    },
}
