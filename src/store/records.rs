//! What a table had at opening: all of its records in one piece of memory, which is given back in one piece.

use std::ops::Range;

/// Records in the order of their keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Records {
    /// The key and the value of each, one after the other.
    bytes: Vec<u8>,
    ends: Vec<End>,
}

/// Where a key and its value end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct End {
    key: usize,
    value: usize,
}

/// A record as it was found at opening.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// The key.
    pub key: &'a [u8],
    /// The value.
    pub value: &'a [u8],
}

impl Records {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Adds one.
    pub fn push(&mut self, key: &[u8], value: &[u8]) {
        self.bytes.extend_from_slice(key);
        let key = self.bytes.len();
        self.bytes.extend_from_slice(value);
        self.ends.push(End { key, value: self.bytes.len() });
    }

    /// Takes the last one away.
    pub fn pop(&mut self) {
        self.ends.pop();
        self.bytes.truncate(self.ends.last().map_or(0, |end| end.value));
    }

    /// One of them.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<Record<'_>> {
        let End { key, value } = *self.ends.get(index)?;
        let from = index.checked_sub(1).and_then(|before| self.ends.get(before)).map_or(0, |end| end.value);
        Some(Record { key: self.bytes.get(from..key)?, value: self.bytes.get(key..value)? })
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = Record<'_>> {
        self.range(0..self.len())
    }

    /// Some of them, as far as they are there.
    pub fn range(&self, range: Range<usize>) -> impl Iterator<Item = Record<'_>> {
        range.map_while(|index| self.get(index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back_as_they_were_pushed() {
        let mut records = Records::default();
        for (key, value) in [("a", "1"), ("", ""), ("b", ""), ("", "22")] {
            records.push(key.as_bytes(), value.as_bytes());
        }
        let pairs = |records: &Records| {
            let pair = |record: Record<'_>| (record.key.to_vec(), record.value.to_vec());
            records.iter().map(pair).collect::<Vec<_>>()
        };
        let owned = |key: &str, value: &str| (key.as_bytes().to_vec(), value.as_bytes().to_vec());
        assert_eq!(pairs(&records), [owned("a", "1"), owned("", ""), owned("b", ""), owned("", "22")]);
        assert_eq!(records.range(3..9).count(), 1);
        records.pop();
        records.push(b"c", b"3");
        assert_eq!(pairs(&records), [owned("a", "1"), owned("", ""), owned("b", ""), owned("c", "3")]);
        assert_eq!((records.len(), records.get(4)), (4, None));
    }
}
