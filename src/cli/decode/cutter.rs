//! Cuts a stream of bytes into messages, and finds its way back after bytes that are none.

use bytes::{Buf, Bytes, BytesMut};
use openflow::{Header, OFP_VERSION, split_frame};

use super::place::Trouble;

/// The types of OpenFlow 1.5, the last version there is, end here.
const LAST_TYPE: u8 = 35;

/// One stream of messages.
#[derive(Debug, Default)]
pub(super) struct Cutter {
    buffer: BytesMut,
    /// How many bytes of the stream stand before the buffer.
    offset: u64,
    /// Since when nothing looks like a message.
    lost: Option<u64>,
}

/// A message or what is none, and how many bytes of the stream stand before it.
pub(super) type Cut = (u64, Result<Bytes, Trouble>);

impl Cutter {
    /// Takes the next bytes of the stream; [`next`](Self::next) must have been asked until it had nothing.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Takes what stands in front of a gap, if a message breaks off there; goes on `missing` bytes later.
    pub(super) fn gap(&mut self, missing: u64) -> Option<Cut> {
        let torn = self.finish();
        self.offset += missing;
        self.lost = Some(self.offset);
        torn
    }

    /// The next message that is there as a whole.
    pub(super) fn next(&mut self) -> Option<Cut> {
        if self.lost.is_none() && Header::peek(&self.buffer).is_some_and(|header| !can_be(header)) {
            self.lost = Some(self.offset);
        }
        if let Some(since) = self.lost {
            let found = self.find()?;
            self.lost = None;
            if found > since {
                return Some((since, Err(Trouble::NoHeader { skipped: found - since })));
            }
        }
        let at = self.offset;
        let frame = split_frame(&mut self.buffer).ok().flatten()?;
        self.offset += frame.len() as u64;
        Some((at, Ok(frame)))
    }

    /// Skips to what looks like a message; `None` if nothing in the buffer does.
    fn find(&mut self) -> Option<u64> {
        // Other versions have a HELLO here and nothing else, and too many bytes look like theirs.
        let found = (0..self.buffer.len())
            .find(|at| self.buffer.get(*at..).is_some_and(|rest| rest.first() == Some(&OFP_VERSION) && begins(rest)));
        // The end of the buffer may hold the front of a header.
        let skipped = found.unwrap_or_else(|| self.buffer.len().saturating_sub(Header::LEN - 1));
        self.buffer.advance(skipped);
        self.offset += skipped as u64;
        found.map(|_| self.offset)
    }

    /// What is left when the stream has ended.
    pub(super) fn finish(&mut self) -> Option<Cut> {
        let there = self.buffer.len();
        let at = self.offset;
        let length = Header::peek(&self.buffer).map_or(Header::LEN, |header| header.length.into());
        self.buffer.clear();
        self.offset += there as u64;
        match self.lost.take() {
            Some(since) if self.offset > since => {
                Some((since, Err(Trouble::NoHeader { skipped: self.offset - since })))
            }
            None if there > 0 => Some((at, Err(Trouble::Torn { there, length }))),
            _ => None,
        }
    }
}

/// Whether this can be a header at all; whether its type exists is for the decoder to say.
fn can_be(header: Header) -> bool {
    (1..=6).contains(&header.version) && usize::from(header.length) >= Header::LEN
}

/// Whether the bytes look like a message, and like another after it as far as they are there.
pub(super) fn begins(bytes: &[u8]) -> bool {
    let likely = |header: Header| can_be(header) && header.message_type <= LAST_TYPE;
    Header::peek(bytes).is_some_and(|header| {
        let next = bytes.get(usize::from(header.length)..).and_then(Header::peek);
        likely(header) && next.is_none_or(likely)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ECHO: [u8; 12] = [4, 2, 0, 12, 0, 0, 0, 1, b'p', b'i', b'n', b'g'];
    const BARRIER: [u8; 8] = [4, 20, 0, 8, 0, 0, 0, 2];

    /// What is cut out of a stream that arrives in pieces: offsets, with the first bytes or the trouble.
    fn cut(pieces: &[&[u8]]) -> Vec<(u64, Result<u8, Trouble>)> {
        let mut cutter = Cutter::default();
        let mut cuts = Vec::new();
        for piece in pieces {
            cutter.push(piece);
            cuts.extend(std::iter::from_fn(|| cutter.next()));
        }
        cuts.extend(cutter.finish());
        cuts.into_iter().map(|(at, result)| (at, result.map(|frame| frame[1]))).collect()
    }

    #[test]
    fn messages_are_cut_wherever_the_stream_is_split() {
        let stream = [&ECHO[..], &BARRIER].concat();
        for split in 0..=stream.len() {
            let (front, back) = stream.split_at(split);
            assert_eq!(cut(&[front, back]), [(0, Ok(2)), (12, Ok(20))], "split at {split}");
        }
    }

    #[test]
    fn after_a_header_that_cannot_be_one_the_next_message_is_found() {
        let stream = [&ECHO[..], &[4, 2, 0, 7, 9, 9, 9, 9, 9], &ECHO, &BARRIER].concat();
        for split in 0..=stream.len() {
            let (front, back) = stream.split_at(split);
            let found = cut(&[front, back]);
            assert_eq!(
                found,
                [(0, Ok(2)), (12, Err(Trouble::NoHeader { skipped: 9 })), (21, Ok(2)), (33, Ok(20))],
                "split at {split}"
            );
        }
    }

    #[test]
    fn a_message_of_a_type_that_does_not_exist_is_cut_like_any_other() {
        assert_eq!(cut(&[&[4, 99, 0, 8, 0, 0, 0, 1], &BARRIER]), [(0, Ok(99)), (8, Ok(20))]);
    }

    #[test]
    fn a_stream_that_ends_inside_a_message_says_so() {
        let torn = |there, length| [(0, Err(Trouble::Torn { there, length }))];
        assert_eq!(cut(&[&ECHO[..11]]), torn(11, 12));
        assert_eq!(cut(&[&ECHO[..3]]), torn(3, 8));
        assert_eq!(cut(&[]), []);
    }

    #[test]
    fn a_gap_ends_the_message_before_it() {
        let mut cutter = Cutter::default();
        cutter.push(&ECHO[..9]);
        assert_eq!(cutter.next(), None);
        assert_eq!(cutter.gap(100), Some((0, Err(Trouble::Torn { there: 9, length: 12 }))));
        cutter.push(&BARRIER);
        assert_eq!(cutter.next().map(|(at, _)| at), Some(109));
    }
}
