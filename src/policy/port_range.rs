//! A range of ports as what a switch can compare with: numbers under masks, and as few of them as can be.
//!
//! A mask may leave out any bits. Prefixes, which leave out the lowest, are the familiar kind, but a range can take
//! nearly twice as many of them: 1-65534 is 30 prefixes, or 16 masked ports, the i-th of which wants bit i set and the
//! bit below, going round, clear.
//!
//! # Overlaps
//! The masked ports of a range may have ports in common. All the rules of one request have the same priority and the
//! same instructions, so it makes no difference which of them takes a packet that fits two.
//!
//! # The least number
//! In other words: the shortest disjunctive normal form of the function that is true for the numbers of an interval.
//! B. Schieber, D. Geist and A. Zaks show how to find it in time linear in the number of bits ("Computing the minimum
//! DNF representation of Boolean functions defined by intervals", Discrete Applied Mathematics 149, 2005). What is here
//! goes from the highest bit in which the ends differ, the *leading* bit, downwards. Ports with it clear are those from
//! the first on, `0…`; ports with it set are those to the last, `1…`. With the next bit it comes to one of these:
//!
//! | first | last | a masked port for | what remains, without the second bit |
//! |---|---|---|---|
//! | `00a` | `10b` | all of `01` | `0a` to `1b`, in ports whose second bit is clear |
//! | `01a` | `11b` | all of `10` | `0a` to `1b`, in ports whose second bit is set |
//! | `00a` | `11b` | all of `10` | `0a` to `1b`, whose `0` is `0*` now, whose `1` is `*1` and whose `*` is `**` |
//!
//! The third line is where the overlaps are, and what they are for: `0*` and `*1` have all of `01` between them, unless
//! there are ports between `b` and `a`. Then, for `01a` to `10b`, and where `a` or `b` leaves nothing out, nothing can
//! be shared by the halves, and each is cut into prefixes.
//!
//! That no fewer will do can be seen from some ports of the range, as many as there are masked ports, no two of which
//! fit the same one. Two ports fit a masked port within the range just if neither the bits that both have are a number
//! below the first port, nor the bits that either has a number above the last. The tests find such ports.

use crate::contract::PortRange;

/// Some ports: those that agree with `value` in the bits of `mask`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MaskedPort {
    /// The bits to agree with; none outside the mask.
    pub value: u16,
    /// The bits that count: all ones for a single port, none for every port.
    pub mask: u16,
}

impl MaskedPort {
    /// Those of its ports whose bits in `mask` are those of `value`.
    const fn with(self, value: u16, mask: u16) -> Self {
        Self { value: self.value | value & mask, mask: self.mask | mask }
    }
}

/// The least number of masked ports that have exactly the ports of the range, in ascending order.
///
/// They are prefixes, and have no port in common, where as few prefixes will do.
pub fn masked_ports(range: PortRange) -> Vec<MaskedPort> {
    let prefixes: Vec<_> = prefixes(range.first, range.last).collect();
    // Nothing that is one masked port or two can do with fewer.
    if prefixes.len() <= 2 {
        return prefixes;
    }
    let mut overlapping = overlapping(range);
    if overlapping.len() < prefixes.len() {
        overlapping.sort_unstable();
        overlapping
    } else {
        prefixes
    }
}

/// The least number of prefixes that have exactly the ports from `first` to `last`, in ascending order.
///
/// Each is the largest that begins at the first port not yet covered and ends in time. A smaller one there would need a
/// neighbour, and with it be the larger one.
fn prefixes(first: u16, last: u16) -> impl Iterator<Item = MaskedPort> {
    let end = u32::from(last) + 1;
    let mut next = u32::from(first);
    std::iter::from_fn(move || {
        let remaining = end.checked_sub(next)?.checked_ilog2()?;
        let aligned = next.trailing_zeros();
        let size = 1 << remaining.min(aligned);
        let prefix = MaskedPort { value: next as u16, mask: ((1 << 16) - size) as u16 };
        next += size;
        Some(prefix)
    })
}

/// The least number of masked ports for a range that is more than one of them.
fn overlapping(PortRange { first, last }: PortRange) -> Vec<MaskedPort> {
    let Some(leading) = (first ^ last).checked_ilog2() else {
        return prefixes(first, last).collect();
    };
    let mut ports = Vec::new();
    // Where the leading bit counts if it is clear, and where if it is set.
    let zero = 1 << leading;
    let mut one = zero;
    // What all ports of what remains have in common, and the bit below which its ends are.
    let mut common = MaskedPort { value: 0, mask: 0 }.with(first, !(zero | (zero - 1)));
    let mut bit: u16 = zero;
    let (mut a, mut b) = (first & (bit - 1), last & (bit - 1));
    while 0 < a && a <= b && b < bit - 1 {
        bit >>= 1;
        let (second_of_a, second_of_b) = (a & bit, b & bit);
        let (rest_of_a, rest_of_b) = (a & (bit - 1), b & (bit - 1));
        if second_of_b == 0 {
            ports.push(common.with(0, zero).with(bit, bit));
            common = common.with(0, bit);
        } else if second_of_a != 0 {
            ports.push(common.with(one, one).with(0, bit));
            common = common.with(bit, bit);
        } else if rest_of_a <= rest_of_b + 1 {
            ports.push(common.with(one, one).with(0, bit));
            one = bit;
        } else {
            bit <<= 1;
            break;
        }
        (a, b) = (rest_of_a, rest_of_b);
    }
    let below = |half: MaskedPort| move |prefix: MaskedPort| half.with(prefix.value, prefix.mask & (bit - 1));
    ports.extend(prefixes(a, bit - 1).map(below(common.with(0, zero))));
    ports.extend(prefixes(0, b).map(below(common.with(one, one))));
    ports
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pairs(first: u16, last: u16) -> Vec<(u16, u16)> {
        masked_ports(PortRange { first, last }).iter().map(|ports| (ports.value, ports.mask)).collect()
    }

    fn has(ports: MaskedPort, port: u16) -> bool {
        port & ports.mask == ports.value
    }

    #[test]
    fn a_range_that_is_a_prefix_or_as_few_prefixes_as_masked_ports_becomes_prefixes() {
        assert_eq!(pairs(5060, 5060), [(5060, 0xffff)]);
        assert_eq!(pairs(5060, 5063), [(0x13c4, 0xfffc)]);
        assert_eq!(pairs(5060, 5070), [(5060, 0xfffc), (5064, 0xfffc), (5068, 0xfffe), (5070, 0xffff)]);
        assert_eq!(pairs(0, 0xffff), [(0, 0)]);
        assert_eq!(pairs(0x8000, 0xffff), [(0x8000, 0x8000)]);
        assert_eq!(pairs(1024, 65535), (10..16).map(|bit| (1 << bit, u16::MAX << bit)).collect::<Vec<_>>());
    }

    #[test]
    fn masks_that_overlap_are_used_where_they_are_fewer() {
        // 1 to 6 in three bits: 0*1, 10* and *10.
        assert_eq!(pairs(9, 14), [(9, 0xfffd), (10, 0xfffb), (12, 0xfffe)]);
        let round = (0..16).map(|bit| (1_u16 << bit, (1_u16 << bit) | (1_u16 << bit).rotate_right(1)));
        assert_eq!(pairs(1, 65534), round.collect::<Vec<_>>());
    }

    #[test]
    fn well_known_ranges_have_their_well_known_counts() {
        for (first, last, count) in [
            (1, 65535, 16),
            (0, 65534, 16),
            (1, 65534, 16),
            (1, 65533, 16),
            (0, 1023, 1),
            (1024, 65535, 6),
            (1025, 64000, 17),
            (10000, 20000, 11),
            (16384, 32767, 1),
            (32768, 60999, 7),
            (49152, 65535, 1),
            (0x4001, 0xbffe, 28),
        ] {
            assert_eq!(pairs(first, last).len(), count, "{first}-{last}");
        }
    }

    /// Numbers of `width` bits as a set.
    type Set = u32;

    /// The set of each masked number within `first..=last`, but those that are in another.
    fn largest_sets(width: u32, first: u16, last: u16) -> Vec<Set> {
        let numbers = 0..1_u16 << width;
        let range = numbers.clone().filter(|number| (first..=last).contains(number));
        let range: Set = range.map(|number| 1 << number).sum();
        let mut sets = Vec::new();
        for mask in numbers.clone() {
            for value in numbers.clone().filter(|value| value & !mask == 0) {
                let set = numbers.clone().filter(|number| has(MaskedPort { value, mask }, *number));
                let set: Set = set.map(|number| 1 << number).sum();
                if set & !range == 0 {
                    sets.push(set);
                }
            }
        }
        let within = |set: &Set, other: &Set| set != other && set & !other == 0;
        sets.iter().copied().filter(|set| !sets.iter().any(|other| within(set, other))).collect()
    }

    /// Whether `count` of the sets have all of `rest` between them: one of them has the lowest of it.
    fn can_cover(rest: Set, sets: &[Set], count: usize) -> bool {
        let lowest = rest & rest.wrapping_neg();
        rest == 0 || count > 0 && sets.iter().any(|set| set & lowest != 0 && can_cover(rest & !set, sets, count - 1))
    }

    #[test]
    fn no_choice_of_masks_is_smaller_for_any_range_of_five_bits() {
        for width in 1..=5 {
            for first in 0..1_u16 << width {
                for last in first..1_u16 << width {
                    let sets = largest_sets(width, first, last);
                    let range = sets.iter().fold(0, |range, set| range | set);
                    let count = pairs(first, last).len();
                    assert!(can_cover(range, &sets, count), "{first}-{last} cannot be {count}");
                    assert!(!can_cover(range, &sets, count - 1), "{first}-{last} need not be {count}");
                }
            }
        }
    }

    /// One port of each masked port, no two of which fit any one masked port within the range; so no fewer will do.
    ///
    /// In the bits that do not count, each is like a neighbour of the range.
    fn witnesses(range: PortRange, ports: &[MaskedPort], found: &mut Vec<u16>) -> bool {
        let Some(next) = ports.get(found.len()) else { return true };
        [range.first.wrapping_sub(1), range.last.wrapping_add(1)].into_iter().any(|like| {
            let witness = next.value | like & !next.mask;
            let strange = found.iter().all(|other| witness & other < range.first || witness | other > range.last);
            if strange {
                found.push(witness);
            }
            let found_all = strange && witnesses(range, ports, found);
            if strange && !found_all {
                found.pop();
            }
            found_all
        })
    }

    fn assert_least(range: PortRange) {
        let masked = masked_ports(range);
        // Where prefixes are as few, witnesses are easier to find for the others.
        let ways = [&masked, &overlapping(range)];
        let mut as_few = ways.into_iter().filter(|ports| ports.len() == masked.len());
        assert!(as_few.any(|ports| witnesses(range, ports, &mut Vec::new())), "{range:?}");
    }

    #[test]
    fn every_range_of_eight_bits_has_witnesses_that_no_choice_of_masks_is_smaller() {
        for first in 0..=255 {
            for last in first..=255 {
                assert_least(PortRange { first, last });
                assert_exact(PortRange { first, last }, 0..=256);
            }
        }
    }

    fn ranges() -> impl Strategy<Value = PortRange> {
        (any::<u16>(), any::<u16>()).prop_map(|(a, b)| PortRange { first: a.min(b), last: a.max(b) })
    }

    fn assert_exact(range: PortRange, ports: impl Iterator<Item = u16>) {
        let masked = masked_ports(range);
        for port in ports {
            let fits = masked.iter().any(|ports| has(*ports, port));
            assert_eq!(fits, (range.first..=range.last).contains(&port), "{port} of {range:?}");
        }
    }

    proptest! {
        #[test]
        fn every_range_has_witnesses_that_no_choice_of_masks_is_smaller(range in ranges()) {
            assert_least(range);
        }

        #[test]
        fn a_port_fits_if_it_is_in_the_range(range in ranges(), ports: [u16; 32]) {
            let ends = [range.first, range.last, range.first.wrapping_sub(1), range.last.wrapping_add(1)];
            assert_exact(range, ports.into_iter().chain(ends));
        }

        #[test]
        fn masked_ports_are_lawful_and_ascending(range in ranges()) {
            let masked = masked_ports(range);
            prop_assert!(masked.iter().all(|ports| ports.value & !ports.mask == 0));
            prop_assert!(masked.is_sorted_by(|a, b| a < b));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn all_ports_of_the_range_fit_and_no_others(range in ranges()) {
            assert_exact(range, 0..=u16::MAX);
        }
    }
}
