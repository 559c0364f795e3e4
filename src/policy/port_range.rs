//! A range of ports as what a switch can compare with: numbers under masks.
//!
//! The masks are prefixes: each pair stands for an aligned block of ports, the size of a power of two. Two blocks of a
//! range have no port in common, so no packet has two equal rules to choose from, which OpenFlow leaves undefined; and
//! prefixes are what classifiers are quick at. Of all ways to cut a range into such blocks this one has the fewest.

use crate::contract::PortRange;

/// An aligned block of ports: those that agree with `value` in the bits of `mask`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortBlock {
    /// The lowest port of the block.
    pub value: u16,
    /// The bits that count: all ones for a single port, none for every port.
    pub mask: u16,
}

/// The least number of blocks that have exactly the ports of the range, in ascending order.
///
/// Each is the largest block that starts at the first port not yet covered and ends within the range. A smaller one
/// there would need a neighbour, and with it be the larger one.
pub fn blocks(range: PortRange) -> impl Iterator<Item = PortBlock> {
    let end = u32::from(range.last) + 1;
    let mut next = u32::from(range.first);
    std::iter::from_fn(move || {
        let remaining = end.checked_sub(next)?.checked_ilog2()?;
        let aligned = next.trailing_zeros();
        let size = 1 << remaining.min(aligned);
        let block = PortBlock { value: next as u16, mask: ((1 << 16) - size) as u16 };
        next += size;
        Some(block)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pairs(first: u16, last: u16) -> Vec<(u16, u16)> {
        blocks(PortRange { first, last }).map(|block| (block.value, block.mask)).collect()
    }

    fn has(block: PortBlock, port: u16) -> bool {
        port & block.mask == block.value
    }

    #[test]
    fn well_known_ranges_have_their_well_known_counts() {
        assert_eq!(pairs(5060, 5060), [(5060, 0xffff)]);
        assert_eq!(pairs(5060, 5063), [(5060, 0xfffc)]);
        assert_eq!(pairs(5060, 5070), [(5060, 0xfffc), (5064, 0xfffc), (5068, 0xfffe), (5070, 0xffff)]);
        assert_eq!(pairs(0, 0xffff), [(0, 0)]);
        assert_eq!(pairs(0x8000, 0xffff), [(0x8000, 0x8000)]);
        assert_eq!(pairs(1024, 65535).len(), 6);
        assert_eq!(pairs(1, 65535).len(), 16);
        assert_eq!(pairs(0, 65534).len(), 16);
        assert_eq!(pairs(1, 65534).len(), 30, "the most that a range can need");
    }

    /// The least number of aligned blocks for each range within `0..width`, by trying every cut.
    fn by_brute_force(width: u16) -> Vec<Vec<usize>> {
        let is_block = |first: u16, last: u16| {
            let size = last - first + 1;
            size.is_power_of_two() && first.is_multiple_of(size)
        };
        let mut least = vec![vec![usize::MAX; width.into()]; width.into()];
        for size in 1..=width {
            for first in 0..=width - size {
                let last = first + size - 1;
                let cuts = (first..last).map(|cut| {
                    least[usize::from(first)][usize::from(cut)] + least[usize::from(cut + 1)][usize::from(last)]
                });
                least[usize::from(first)][usize::from(last)] =
                    if is_block(first, last) { 1 } else { cuts.min().unwrap() };
            }
        }
        least
    }

    #[test]
    fn no_cut_into_blocks_is_smaller() {
        const WIDTH: u16 = 64;
        let least = by_brute_force(WIDTH);
        for first in 0..WIDTH {
            for last in first..WIDTH {
                let blocks: Vec<_> = blocks(PortRange { first, last }).collect();
                assert_eq!(blocks.len(), least[usize::from(first)][usize::from(last)], "{first}-{last}");
            }
        }
    }

    proptest! {
        #[test]
        fn a_port_is_in_one_block_if_it_is_in_the_range_and_in_none_otherwise(a: u16, b: u16, port: u16) {
            let range = PortRange { first: a.min(b), last: a.max(b) };
            for port in [port, range.first, range.last, range.first.wrapping_sub(1), range.last.wrapping_add(1)] {
                let count = blocks(range).filter(|block| has(*block, port)).count();
                prop_assert_eq!(count, usize::from((range.first..=range.last).contains(&port)));
            }
        }

        #[test]
        fn a_block_has_no_value_outside_its_mask(a: u16, b: u16) {
            for block in blocks(PortRange { first: a.min(b), last: a.max(b) }) {
                prop_assert_eq!(block.value & !block.mask, 0);
            }
        }
    }
}
