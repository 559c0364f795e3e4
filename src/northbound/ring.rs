//! The latest events of one topic, written once for all who read them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::subprotocol::WrittenEvent;
use crate::contract::Gap;

/// Events that are kept for those who come late or fall behind: minutes of an ordinary day.
const EVENTS: usize = 16_384;
/// Bytes of them in JSON; where they are asked for in MessagePack too, that comes on top.
const BYTES: usize = 16 << 20;

/// What a reader is given at a time: enough for one write, little enough to wait for thousands of clients that read nothing,
/// and to be left of a burst in as many buffers.
const READ_EVENTS: usize = 256;
const READ_BYTES: usize = 8 << 10;

/// Events in the order of their numbers.
#[derive(Debug)]
pub(super) struct Ring {
    events: VecDeque<(u64, Arc<WrittenEvent>)>,
    bytes: usize,
    /// Everything before it is gone.
    first: u64,
    /// The number that comes next.
    next: u64,
}

/// A ring as its one writer and all its readers have it. It is locked for as long as it takes to add an event, or to read
/// some.
#[derive(Debug, Clone, Default)]
pub(super) struct SharedRing(Arc<Mutex<Ring>>);

impl SharedRing {
    pub(super) fn lock(&self) -> MutexGuard<'_, Ring> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a reader was given.
#[derive(Debug, Default)]
pub(super) struct Read {
    /// What it missed before that.
    pub(super) gap: Option<Gap>,
    pub(super) events: Vec<Arc<WrittenEvent>>,
    /// There is more.
    pub(super) is_partial: bool,
}

impl Default for Ring {
    fn default() -> Self {
        Self { events: VecDeque::new(), bytes: 0, first: 1, next: 1 }
    }
}

impl Ring {
    /// Takes an event. A number that is not the next tells that those before it were lost; what is past is not taken.
    pub(super) fn push(&mut self, seq: u64, event: Arc<WrittenEvent>) {
        if seq < self.next {
            return;
        }
        if seq > self.next {
            self.skip(seq - 1);
        }
        self.bytes += event.len();
        self.events.push_back((seq, event));
        self.next = seq + 1;
        while self.events.len() > EVENTS || self.bytes > BYTES {
            let Some((seq, event)) = self.events.pop_front() else { return };
            self.bytes -= event.len();
            self.first = seq + 1;
        }
    }

    /// Everything up to this number is gone.
    pub(super) fn skip(&mut self, seq: u64) {
        if seq >= self.next {
            self.events.clear();
            (self.bytes, self.first, self.next) = (0, seq + 1, seq + 1);
        }
    }

    /// What comes next for a reader who waits for `cursor`, which moves on.
    pub(super) fn read(&self, cursor: &mut u64) -> Read {
        let mut read = Read::default();
        if *cursor < self.first {
            read.gap = Some(Gap { from: *cursor, to: self.first - 1 });
            *cursor = self.first;
        }
        let begin = self.events.partition_point(|(seq, _)| seq < cursor);
        let mut bytes = 0;
        for (seq, event) in self.events.range(begin..) {
            if read.events.len() == READ_EVENTS || bytes > READ_BYTES {
                read.is_partial = true;
                break;
            }
            bytes += event.len();
            read.events.push(Arc::clone(event));
            *cursor = seq + 1;
        }
        read
    }
}

#[cfg(test)]
mod tests {
    use super::super::subprotocol::Subprotocol;
    use super::*;

    fn ring(seqs: impl IntoIterator<Item = u64>) -> Ring {
        let mut ring = Ring::default();
        seqs.into_iter().for_each(|seq| ring.push(seq, event(&seq.to_string())));
        ring
    }

    fn event(text: &str) -> Arc<WrittenEvent> {
        Arc::new(WrittenEvent::new(text))
    }

    fn texts(read: &Read) -> Vec<String> {
        let text = |event: &Arc<WrittenEvent>| event.message(Subprotocol::Json).to_string();
        read.events.iter().map(text).collect()
    }

    #[test]
    fn a_reader_gets_each_event_once_and_in_order() {
        let mut ring = ring(1..=3);
        let mut cursor = 2;
        assert_eq!(texts(&ring.read(&mut cursor)), ["2", "3"]);
        assert!(ring.read(&mut cursor).events.is_empty());
        ring.push(4, event("4"));
        let read = ring.read(&mut cursor);
        assert_eq!((texts(&read), read.gap), (vec!["4".to_owned()], None));
    }

    #[test]
    fn an_event_that_is_past_is_not_taken() {
        let mut ring = ring(1..=3);
        ring.push(2, event("again"));
        ring.push(4, event("4"));
        assert_eq!(texts(&ring.read(&mut 1)), ["1", "2", "3", "4"]);
    }

    #[test]
    fn a_reader_who_comes_too_late_is_told_once_what_it_missed() {
        let ring = ring(1..=EVENTS as u64 + 10);
        let mut cursor = 3;
        let read = ring.read(&mut cursor);
        assert_eq!((read.gap, texts(&read)[0].as_str()), (Some(Gap { from: 3, to: 10 }), "11"));
        assert_eq!(ring.read(&mut cursor).gap, None);
    }

    #[test]
    fn events_that_were_lost_on_the_way_are_a_gap() {
        let ring = ring([1, 2, 5]);
        let mut cursor = 2;
        let read = ring.read(&mut cursor);
        assert_eq!((read.gap, texts(&read)), (Some(Gap { from: 2, to: 4 }), vec!["5".to_owned()]));
    }

    #[test]
    fn what_is_kept_is_bounded_in_bytes() {
        let mut ring = Ring::default();
        let text = "x".repeat(BYTES / 4);
        (1..=9).for_each(|seq| ring.push(seq, event(&text)));
        assert!(ring.bytes <= BYTES && ring.events.len() == 4);
    }

    #[test]
    fn a_reader_is_given_a_little_at_a_time_and_told_that_there_is_more() {
        let ring = ring(1..=READ_EVENTS as u64 + 1);
        let mut cursor = 1;
        let read = ring.read(&mut cursor);
        assert!(read.is_partial && read.events.len() == READ_EVENTS);
        assert!(!ring.read(&mut cursor).is_partial);
    }
}
