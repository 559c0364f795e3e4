//! Cuts whole messages out of a stream of bytes; knows the header and nothing else.

use bytes::{Buf, Bytes, BytesMut};

use crate::number::Xid;

/// The eight bytes before every message (section 7.1).
#[doc(alias = "ofp_header")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The version of the protocol: 4 for OpenFlow 1.3.
    pub version: u8,
    /// The type of the message.
    pub message_type: u8,
    /// The length of the message, this header included.
    pub length: u16,
    /// The transaction.
    pub xid: Xid,
}

impl Header {
    /// The length of a header.
    pub const LEN: usize = 8;

    /// Reads the header at the front of the bytes, if all of it is there.
    pub fn peek(bytes: &[u8]) -> Option<Self> {
        let &[version, message_type, l0, l1, x0, x1, x2, x3] = bytes.first_chunk()?;
        Some(Self {
            version,
            message_type,
            length: u16::from_be_bytes([l0, l1]),
            xid: Xid(u32::from_be_bytes([x0, x1, x2, x3])),
        })
    }
}

/// Why a stream cannot be cut into messages any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A message shorter than its own header would never end.
    #[error("a message says that it is {0} bytes long; its header alone is 8")]
    Short(u16),
}

/// Cuts one whole message off the front of the buffer, or says that it is not there yet.
///
/// The version is not checked: a HELLO of any version must pass. A message is 65,535 bytes long at most, so a buffer
/// that is asked after every read never holds more than that and one read.
///
/// ```
/// # use bytes::BytesMut;
/// let mut stream = BytesMut::from(&[4, 2, 0, 8, 0, 0, 0, 1, 4, 3, 0][..]);
/// let first = openflow::split_frame(&mut stream)?.expect("an echo request");
/// assert_eq!(&first[..], [4, 2, 0, 8, 0, 0, 0, 1]);
/// assert_eq!(openflow::split_frame(&mut stream)?, None);
/// # Ok::<(), openflow::FrameError>(())
/// ```
pub fn split_frame(stream: &mut BytesMut) -> Result<Option<Bytes>, FrameError> {
    let Some(header) = Header::peek(stream) else {
        return Ok(None);
    };
    let length = usize::from(header.length);
    if length < Header::LEN {
        return Err(FrameError::Short(header.length));
    }
    if stream.remaining() < length {
        stream.reserve(length - stream.remaining());
        return Ok(None);
    }
    Ok(Some(stream.split_to(length).freeze()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_cut_the_same_at_every_split_position() {
        let bytes = [4, 2, 0, 10, 0, 0, 0, 1, 7, 7, 1, 0, 0, 8, 0, 0, 0, 2];
        for split in 0..bytes.len() {
            let mut stream = BytesMut::new();
            let mut frames = Vec::new();
            for part in [&bytes[..split], &bytes[split..]] {
                stream.extend_from_slice(part);
                while let Some(frame) = split_frame(&mut stream).unwrap() {
                    frames.push(frame);
                }
            }
            assert_eq!(frames, [&bytes[..10], &bytes[10..]], "split at {split}");
        }
    }

    #[test]
    fn a_length_below_eight_is_an_error() {
        for length in 0..8 {
            let mut stream = BytesMut::from(&[4, 0, 0, length, 0, 0, 0, 0][..]);
            assert_eq!(split_frame(&mut stream), Err(FrameError::Short(u16::from(length))));
        }
    }
}
