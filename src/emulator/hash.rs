//! A hash for flow tables: the same in every run, and quick with keys of a few dozen bytes.
//!
//! The standard library's hash resists keys that are chosen to collide, at a price of a tenth of the emulator's speed.
//! Nobody attacks an emulator, and a fixed order of the flows makes its tests repeatable.

use std::hash::{BuildHasherDefault, Hasher};

/// For `HashMap`s that iterate in the same order after the same operations.
pub(super) type FixedState = BuildHasherDefault<WordHasher>;

/// Mixes words of 64 bits by multiplication and folds the product, so that every bit of the key reaches every bit of
/// the hash.
#[derive(Default)]
pub(super) struct WordHasher(u64);

/// An odd number without a pattern: the fractional part of the golden ratio.
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

impl WordHasher {
    fn mix(&mut self, word: u64) {
        let product = u128::from(self.0 ^ word ^ FACTOR) * u128::from(FACTOR.rotate_left(32) ^ self.0.rotate_left(17));
        self.0 = (product as u64) ^ (product >> 64) as u64;
    }
}

impl Hasher for WordHasher {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.mix(u64::from_le_bytes(*word));
        }
        let mut last = [0; 8];
        for (to, from) in last.iter_mut().zip(rest) {
            *to = *from;
        }
        self.mix(u64::from_le_bytes(last));
    }

    fn write_u16(&mut self, number: u16) {
        self.mix(u64::from(number));
    }

    fn write_usize(&mut self, number: usize) {
        self.mix(number as u64);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::hash::BuildHasher;

    use super::*;

    #[test]
    fn keys_that_differ_in_one_place_are_spread_over_the_whole_range() {
        let state = FixedState::default();
        let hashes: Vec<u64> =
            (0..100_000_u32).map(|n| state.hash_one([&n.to_be_bytes()[..], &[7; 30]].concat())).collect();
        assert_eq!(hashes.iter().collect::<HashSet<_>>().len(), 100_000);
        for shift in [0, 24, 48, 57] {
            let buckets: HashSet<u64> = hashes.iter().map(|hash| hash >> shift & 0x7f).collect();
            assert_eq!(buckets.len(), 128, "the seven bits from bit {shift} on");
        }
    }
}
