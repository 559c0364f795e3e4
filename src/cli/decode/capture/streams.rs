//! The directions of connections that are remembered, so that a capture without an end needs no memory without an end.
//!
//! At most [`MOST`] at a time; those that were silent longest go first. One that goes on afterwards is taken up like one
//! that was joined in the middle. What waits behind gaps is bounded in each of them, and here in all of them together.

use std::collections::HashMap;
use std::net::SocketAddr;

use super::segment::Segment;
use super::tcp::{Origin, Stream};

/// Directions at a time: two for each connection of more switches than one controller has.
pub(super) const MOST: usize = 32_768;

/// Bytes that may wait behind gaps, in all directions together.
const HELD: usize = 128 << 20;

/// The two ends of a direction of a connection.
pub(super) type Direction = (SocketAddr, SocketAddr);

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Streams {
    streams: HashMap<Direction, Seen>,
    held: usize,
    /// How many there were that are forgotten.
    forgotten: u64,
}

#[derive(Debug, Default)]
struct Seen {
    stream: Stream,
    /// The packet that it was last seen in.
    packet: u64,
}

impl Streams {
    /// Hands a segment to its stream.
    pub(super) fn put(&mut self, direction: Direction, segment: &Segment<'_>, origin: Origin) -> &mut Stream {
        let Seen { stream, packet } = self.streams.entry(direction).or_default();
        *packet = origin.packet;
        let before = stream.held();
        stream.put(segment, origin);
        if self.held - before + stream.held() > HELD {
            stream.give_up_gaps();
        }
        self.held = self.held - before + stream.held();
        stream
    }

    /// Whether something must be forgotten before this one is taken in.
    pub(super) fn is_full_for(&self, direction: Direction) -> bool {
        self.streams.len() >= MOST && !self.streams.contains_key(&direction)
    }

    /// Whether that was necessary before.
    pub(super) fn has_forgotten(&self) -> bool {
        self.forgotten > 0
    }

    /// How many there were.
    pub(super) fn seen(&self) -> u64 {
        self.forgotten + self.streams.len() as u64
    }

    /// Forgets the half that was silent longest.
    pub(super) fn forget_the_silent(&mut self) -> Vec<(Direction, Stream)> {
        let mut packets: Vec<u64> = self.streams.values().map(|seen| seen.packet).collect();
        let middle = packets.len() / 2;
        let (_, &mut median, _) = packets.select_nth_unstable(middle);
        self.forget(|seen| seen.packet < median)
    }

    /// Forgets all of them.
    pub(super) fn forget_all(&mut self) -> Vec<(Direction, Stream)> {
        self.forget(|_| true)
    }

    /// Forgets some, in the order of their ends.
    fn forget(&mut self, mut which: impl FnMut(&Seen) -> bool) -> Vec<(Direction, Stream)> {
        let gone = self.streams.extract_if(|_, seen| which(seen));
        let mut gone: Vec<_> = gone.map(|(direction, seen)| (direction, seen.stream)).collect();
        gone.sort_by_key(|(direction, _)| *direction);
        self.held -= gone.iter().map(|(_, stream)| stream.held()).sum::<usize>();
        self.forgotten += gone.len() as u64;
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn direction(number: u32) -> Direction {
        let [_, b, c, d] = number.to_be_bytes();
        (([10, b, c, d], 6653).into(), ([127, 0, 0, 1], 6653).into())
    }

    fn put(streams: &mut Streams, number: u32, packet: u64, sequence: u32, payload: &[u8]) -> usize {
        let (source, destination) = direction(number);
        let segment = Segment { source, destination, sequence, syn: false, last: false, payload };
        let stream = streams.put(direction(number), &segment, Origin { packet, time: None });
        std::iter::from_fn(|| stream.next()).count()
    }

    const BARRIER: &[u8] = b"\x04\x14\x00\x08\0\0\0\x03";

    #[test]
    fn of_too_many_directions_the_half_that_is_silent_longest_is_forgotten() {
        let mut streams = Streams::default();
        let most = u32::try_from(MOST).unwrap();
        for number in 0..most {
            assert!(!streams.is_full_for(direction(number)));
            assert_eq!(put(&mut streams, number, number.into(), 0, BARRIER), 1);
        }
        assert!(streams.is_full_for(direction(most)) && !streams.is_full_for(direction(0)));
        put(&mut streams, 0, u64::from(most), 8, &BARRIER[..4]);
        let forgotten = streams.forget_the_silent();
        let kept = streams.streams.len();
        assert_eq!((forgotten.len() + kept, streams.seen()), (MOST, MOST as u64));
        assert!(kept > MOST / 2 - 2 && kept < MOST / 2 + 2, "{kept}");
        assert!(forgotten.iter().all(|(direction, _)| *direction != self::direction(0)), "it has just spoken");
        assert_eq!(put(&mut streams, 0, u64::from(most) + 1, 12, &BARRIER[4..]), 1, "what was kept goes on");
    }

    #[test]
    fn what_waits_behind_gaps_is_bounded_in_all_directions_together() {
        let mut streams = Streams::default();
        let waiting = vec![0; 1 << 16];
        // Each waits for one byte, and for less than one direction may wait for.
        let mut told = 0;
        for number in 0..40 {
            assert_eq!(put(&mut streams, number, 1, 0, BARRIER), 1);
            for part in 0..100 {
                told += put(&mut streams, number, 1, 9 + (part << 16), &waiting);
                assert!(streams.held <= HELD);
            }
        }
        assert!(told > 0, "somebody's gaps were given up");
        streams.forget_all();
        assert_eq!(streams.held, 0);
    }
}
