//! One direction of a TCP connection, put together from its segments.
//!
//! Segments may come late, twice and overlapping; what comes first counts. What the capture lacks is given up when
//! more than [`HELD`] bytes wait behind it, or when the direction ends.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use super::segment::Segment;
use crate::cli::decode::cutter::{Cutter, begins};
use crate::cli::decode::place::Trouble;
use crate::contract::Timestamp;

/// So many bytes may wait for one that is missing: more than a window of TCP as systems come, so that nothing is given
/// up that may still be sent again.
const HELD: usize = 8 << 20;

/// The packet that a segment came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Origin {
    pub(super) packet: u64,
    pub(super) time: Option<Timestamp>,
}

/// What the stream carries, as far as its beginning tells.
#[derive(Debug, Default)]
enum Content {
    /// Nothing has been seen yet that tells.
    #[default]
    Unknown,
    /// Messages; the stream was seen from its beginning, or joined at a segment that begins with one.
    OpenFlow(Cutter),
    /// Something else, from its first byte on.
    Other,
}

/// One direction of a connection.
#[derive(Debug, Default)]
pub(super) struct Stream {
    content: Content,
    /// Whether the connection was seen from its beginning.
    opened: bool,
    /// The number of the SYN, to tell one sent again from a new connection between the same ends.
    syn: Option<u32>,
    /// The number that the next byte has, once a segment has been seen.
    expected: Option<u32>,
    /// How many bytes of the stream there were up to now.
    position: u64,
    /// What waits behind a gap, by its place in the stream.
    waiting: BTreeMap<u64, (Bytes, Origin)>,
    held: usize,
    /// The first bytes of a stream that are too few to tell what it carries.
    unsure: Vec<u8>,
    ready: VecDeque<(Origin, Result<Bytes, Trouble>)>,
    last: Origin,
}

impl Stream {
    /// Takes a segment of this direction.
    pub(super) fn put(&mut self, segment: &Segment<'_>, origin: Origin) {
        let first = match segment.syn {
            true => segment.sequence.wrapping_add(1),
            false => segment.sequence,
        };
        if segment.syn && self.syn != Some(segment.sequence) {
            self.finish();
            let ready = std::mem::take(&mut self.ready);
            *self = Self { opened: true, syn: Some(segment.sequence), ready, ..Self::default() };
        }
        let expected = *self.expected.get_or_insert(first);
        // The numbers wrap: what lies behind is half of them at most.
        let ahead = first.wrapping_sub(expected).cast_signed();
        match u64::try_from(ahead) {
            Ok(0) => self.take(segment.payload, origin),
            Ok(ahead) if !segment.payload.is_empty() => {
                self.hold(self.position + ahead, Bytes::copy_from_slice(segment.payload), origin);
            }
            Ok(_) => {}
            Err(_) => self.take(segment.payload.get(ahead.unsigned_abs() as usize..).unwrap_or_default(), origin),
        }
        self.release();
        while self.held > HELD {
            self.give_up();
        }
        if segment.last && ahead <= 0 {
            self.finish();
        }
    }

    /// The next message, or what is none.
    pub(super) fn next(&mut self) -> Option<(Origin, Result<Bytes, Trouble>)> {
        self.ready.pop_front()
    }

    /// How many bytes wait for one that is missing.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// Gives up everything that is missing up to now.
    pub(super) fn give_up_gaps(&mut self) {
        while !self.waiting.is_empty() {
            self.give_up();
        }
    }

    /// Nothing more will come.
    pub(super) fn finish(&mut self) {
        self.give_up_gaps();
        if let Content::OpenFlow(cutter) = &mut self.content
            && let Some((_, cut)) = cutter.finish()
        {
            self.ready.push_back((self.last, cut));
        }
    }

    /// Keeps what cannot be read yet; of two segments that begin at one place, the longer.
    fn hold(&mut self, position: u64, payload: Bytes, origin: Origin) {
        if self.waiting.get(&position).is_some_and(|(held, _)| held.len() >= payload.len()) {
            return;
        }
        self.held += payload.len();
        if let Some((replaced, _)) = self.waiting.insert(position, (payload, origin)) {
            self.held -= replaced.len();
        }
    }

    /// Reads on in what waited, as far as nothing is missing.
    fn release(&mut self) {
        while let Some(entry) = self.waiting.first_entry().filter(|entry| *entry.key() <= self.position) {
            let (position, (payload, origin)) = entry.remove_entry();
            self.held -= payload.len();
            let known = usize::try_from(self.position - position).unwrap_or(usize::MAX);
            self.take(payload.get(known..).unwrap_or_default(), origin);
        }
    }

    /// Goes on behind a gap.
    fn give_up(&mut self) {
        let Some((position, (_, origin))) = self.waiting.first_key_value() else { return };
        let (missing, origin) = (position.saturating_sub(self.position), *origin);
        self.position += missing;
        self.expected = self.expected.map(|expected| expected.wrapping_add(missing as u32));
        if let Content::OpenFlow(cutter) = &mut self.content {
            let torn = cutter.gap(missing);
            self.ready.extend(torn.map(|(_, cut)| (self.last, cut)));
            self.ready.push_back((origin, Err(Trouble::Gap { missing })));
        }
        self.release();
    }

    /// Takes the next bytes of the stream.
    fn take(&mut self, payload: &[u8], origin: Origin) {
        if payload.is_empty() {
            return;
        }
        self.position += payload.len() as u64;
        self.expected = self.expected.map(|expected| expected.wrapping_add(payload.len() as u32));
        self.last = origin;
        match &mut self.content {
            Content::Other => {}
            Content::OpenFlow(cutter) => {
                cutter.push(payload);
                self.ready.extend(std::iter::from_fn(|| cutter.next()).map(|(_, cut)| (origin, cut)));
            }
            Content::Unknown => self.judge(payload, origin),
        }
    }

    /// Tells from its first bytes what the stream carries.
    fn judge(&mut self, payload: &[u8], origin: Origin) {
        self.unsure.extend_from_slice(payload);
        if self.opened && self.unsure.len() < openflow::Header::LEN {
            return;
        }
        let front = std::mem::take(&mut self.unsure);
        if begins(&front) {
            self.content = Content::OpenFlow(Cutter::default());
            self.position -= front.len() as u64;
            self.expected = self.expected.map(|expected| expected.wrapping_sub(front.len() as u32));
            self.take(&front, origin);
        } else if self.opened {
            self.content = Content::Other;
        }
    }
}

#[cfg(test)]
mod tests {
    use openflow::Message;

    use super::*;

    /// Three messages, of 8, 12 and 8 bytes.
    const STREAM: &[u8] = b"\x04\x00\x00\x08\0\0\0\x01\x04\x02\x00\x0c\0\0\0\x02ping\x04\x14\x00\x08\0\0\0\x03";

    fn segment(sequence: u32, payload: &[u8]) -> Segment<'_> {
        let ends = ([127, 0, 0, 1], 6653).into();
        Segment { source: ends, destination: ends, sequence, syn: false, last: false, payload }
    }

    fn syn(sequence: u32) -> Segment<'static> {
        Segment { syn: true, ..segment(sequence, b"") }
    }

    /// The transactions of the messages that come out, with the packet of each; of what is none, its trouble.
    fn messages(segments: &[Segment<'_>]) -> Vec<(u64, Result<u32, Trouble>)> {
        let mut stream = Stream::default();
        for (packet, segment) in (1..).zip(segments) {
            stream.put(segment, Origin { packet, time: None });
        }
        stream.finish();
        let cuts = std::iter::from_fn(|| stream.next());
        cuts.map(|(origin, cut)| (origin.packet, cut.map(|frame| Message::decode(&frame).unwrap().0.0))).collect()
    }

    /// The numbers begin before they wrap.
    const FIRST: u32 = u32::MAX - 9;

    fn part(from: u32, to: usize) -> Segment<'static> {
        segment(FIRST.wrapping_add(1 + from), &STREAM[from as usize..to])
    }

    #[test]
    fn messages_come_out_of_segments_wherever_these_are_cut() {
        for cut in 1..STREAM.len() {
            let found = messages(&[syn(FIRST), part(0, cut), part(cut as u32, STREAM.len())]);
            let transactions: Vec<_> = found.iter().map(|(_, message)| *message).collect();
            assert_eq!(transactions, [Ok(1), Ok(2), Ok(3)], "cut at {cut}");
            let packets = [8, 20, 28].map(|end| if end <= cut { 2 } else { 3 });
            assert_eq!(found.iter().map(|(packet, _)| *packet).collect::<Vec<_>>(), packets, "cut at {cut}");
        }
    }

    #[test]
    fn segments_out_of_order_twice_and_overlapping_give_each_message_once() {
        let all = [Ok(1), Ok(2), Ok(3)];
        for segments in [
            vec![syn(FIRST), part(20, 28), part(8, 20), part(0, 8)],
            vec![syn(FIRST), part(0, 8), part(0, 8), part(8, 28), part(8, 28), part(0, 28)],
            vec![syn(FIRST), part(0, 10), part(4, 22), part(18, 28)],
            vec![syn(FIRST), part(10, 14), part(10, 28), part(12, 14), part(0, 10)],
            vec![syn(FIRST), syn(FIRST), part(0, 28), syn(FIRST)],
        ] {
            let found: Vec<_> = messages(&segments).into_iter().map(|(_, message)| message).collect();
            assert_eq!(found, all, "{segments:?}");
        }
    }

    #[test]
    fn a_message_is_of_the_packet_that_made_it_whole() {
        let found = messages(&[syn(FIRST), part(12, 28), part(0, 12)]);
        assert_eq!(found, [(3, Ok(1)), (2, Ok(2)), (2, Ok(3))]);
    }

    #[test]
    fn what_the_capture_lacks_is_told_and_the_rest_goes_on() {
        let found = messages(&[syn(FIRST), part(0, 12), part(20, 28)]);
        let torn = Trouble::Torn { there: 4, length: 8 };
        assert_eq!(found, [(2, Ok(1)), (2, Err(torn)), (3, Err(Trouble::Gap { missing: 8 })), (3, Ok(3))]);
    }

    #[test]
    fn a_gap_is_given_up_when_too_much_waits_behind_it() {
        let mut stream = Stream::default();
        stream.put(&syn(0), Origin::default());
        stream.put(&segment(1, &STREAM[..8]), Origin::default());
        let waiting = vec![0; 1 << 16];
        for number in 0..=(HELD >> 16) as u32 {
            assert!(stream.held <= HELD);
            stream.put(&segment(100 + (number << 16), &waiting), Origin::default());
        }
        assert_eq!(stream.held, 0);
        let _hello = stream.next();
        assert_eq!(stream.next().map(|(_, cut)| cut), Some(Err(Trouble::Gap { missing: 91 })));
    }

    #[test]
    fn a_connection_joined_in_the_middle_begins_at_the_first_segment_that_begins_with_a_message() {
        assert_eq!(messages(&[part(12, 20), part(20, 28)]), [(2, Ok(3))]);
        assert_eq!(messages(&[part(3, 8), part(8, 28)]), [(2, Ok(2)), (2, Ok(3))]);
    }

    #[test]
    fn what_is_not_openflow_is_passed_over() {
        assert_eq!(messages(&[syn(0), segment(1, b"GET / HTTP/1.1\r\n"), segment(17, STREAM)]), []);
        assert_eq!(messages(&[segment(1, b"GET / HTTP/1.1\r\n")]), []);
    }

    #[test]
    fn a_new_connection_between_the_same_ends_is_a_new_stream() {
        let found = messages(&[syn(5), segment(6, &STREAM[..12]), syn(900), segment(901, &STREAM[..8])]);
        assert_eq!(found, [(2, Ok(1)), (2, Err(Trouble::Torn { there: 4, length: 8 })), (4, Ok(1))]);
    }

    #[test]
    fn a_stream_that_is_closed_inside_a_message_says_so() {
        let end = Segment { last: true, ..part(8, 15) };
        assert_eq!(
            messages(&[syn(FIRST), part(0, 8), end]),
            [(2, Ok(1)), (3, Err(Trouble::Torn { there: 7, length: 8 }))]
        );
    }
}
