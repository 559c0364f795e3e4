//! Which flows of a table can be in a new one's way, without looking at all of them.
//!
//! Whatever meets a box of packets has, for its source and for its destination, a prefix that contains the box's or is
//! contained in it. Prefixes that contain another are few and are looked up; those that are contained in one lie side by
//! side in an ordered set. What is found has still to be compared: ports and protocols are not in the index.
//!
//! ```text
//!                        source contains           source within
//! destination contains   one lookup for each       a range for each
//! destination within     a range for each          the shorter of two ranges
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::ops::{ControlFlow, RangeInclusive};

use super::shape::{Addresses, Shape};

/// An address as a number.
trait Bits: Copy + Ord + Debug {
    /// A prefix without a gap: the address, the most significant byte first, and the length. It has the order of
    /// [`Prefix`].
    type Packed: Copy + Ord + Debug;
    const WIDTH: u8;
    const ZERO: Self;
    const MAX: Self;
    fn pack(prefix: Prefix<Self>) -> Self::Packed;
    fn unpack(packed: Self::Packed) -> Prefix<Self>;
    /// Without the bits beyond the prefix.
    fn first(self, length: u8) -> Self;
    /// With all bits beyond the prefix.
    fn last(self, length: u8) -> Self;
}

macro_rules! bits {
    ($number:ty, $packed:literal) => {
        impl Bits for $number {
            type Packed = [u8; $packed];
            const WIDTH: u8 = <$number>::BITS as u8;
            const ZERO: Self = 0;
            const MAX: Self = <$number>::MAX;

            fn pack(prefix: Prefix<Self>) -> Self::Packed {
                let mut packed = [prefix.length; $packed];
                let (address, _) = packed.split_at_mut($packed - 1);
                address.copy_from_slice(&prefix.address.to_be_bytes());
                packed
            }

            fn unpack(packed: Self::Packed) -> Prefix<Self> {
                let [address @ .., length] = packed;
                Prefix { address: Self::from_be_bytes(address), length }
            }

            fn first(self, length: u8) -> Self {
                self & !<$number>::MAX.checked_shr(length.into()).unwrap_or(0)
            }

            fn last(self, length: u8) -> Self {
                self | <$number>::MAX.checked_shr(length.into()).unwrap_or(0)
            }
        }
    };
}

bits!(u32, 5);
bits!(u128, 17);

/// A prefix, ordered so that it stands before all that it contains, and those stand together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Prefix<A> {
    address: A,
    length: u8,
}

impl<A: Bits> Prefix<A> {
    /// The longest and shortest that stand where what it contains stands: itself first.
    fn range(self) -> (Self, Self) {
        (self, Self { address: self.address.last(self.length), length: A::WIDTH })
    }

    fn contains(self, other: Self) -> bool {
        self.length <= other.length && other.address.first(self.length) == self.address
    }
}

/// A flow in an ordered set: by the prefix at one end, then by that at the other. There are two of them for every box of
/// every flow, so they have no gaps: 16 bytes for IPv4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry<A: Bits, H: Handle> {
    near: A::Packed,
    far: A::Packed,
    handle: H::Packed,
}

impl<A: Bits, H: Handle> Entry<A, H> {
    fn new(near: Prefix<A>, far: Prefix<A>, handle: H) -> Self {
        Self { near: A::pack(near), far: A::pack(far), handle: handle.pack() }
    }

    fn near(&self) -> Prefix<A> {
        A::unpack(self.near)
    }

    fn far(&self) -> Prefix<A> {
        A::unpack(self.far)
    }

    fn handle(&self) -> H {
        H::unpack(self.handle)
    }
}

/// The flows of one priority and IP version, by both ends.
#[derive(Debug)]
struct Plane<A: Bits, H: Handle> {
    by_source: BTreeSet<Entry<A, H>>,
    by_destination: BTreeSet<Entry<A, H>>,
    /// How many flows have a prefix of this length at either end.
    source_lengths: BTreeMap<u8, usize>,
    destination_lengths: BTreeMap<u8, usize>,
}

impl<A: Bits, H: Handle> Default for Plane<A, H> {
    fn default() -> Self {
        Self {
            by_source: BTreeSet::new(),
            by_destination: BTreeSet::new(),
            source_lengths: BTreeMap::new(),
            destination_lengths: BTreeMap::new(),
        }
    }
}

/// What a flow goes by.
pub trait Handle: Copy + Ord + Debug {
    /// The same in as few bytes as it takes, in the same order.
    type Packed: Copy + Ord + Debug;
    /// Before every other.
    const FIRST: Self;
    /// After every other.
    const LAST: Self;
    /// In few bytes.
    fn pack(self) -> Self::Packed;
    /// What [`Handle::pack`] made.
    fn unpack(packed: Self::Packed) -> Self;
}

/// What is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// What contains the box at both ends.
    Around,
    /// What is contained in it at both ends.
    Within,
    /// Either, at each end.
    Meeting,
}

impl<A: Bits, H: Handle> Plane<A, H> {
    fn insert(&mut self, source: Prefix<A>, destination: Prefix<A>, handle: H) {
        if self.by_source.insert(Entry::new(source, destination, handle)) {
            self.by_destination.insert(Entry::new(destination, source, handle));
            *self.source_lengths.entry(source.length).or_default() += 1;
            *self.destination_lengths.entry(destination.length).or_default() += 1;
        }
    }

    fn remove(&mut self, source: Prefix<A>, destination: Prefix<A>, handle: H) {
        if self.by_source.remove(&Entry::new(source, destination, handle)) {
            self.by_destination.remove(&Entry::new(destination, source, handle));
            forget(&mut self.source_lengths, source.length);
            forget(&mut self.destination_lengths, destination.length);
        }
    }

    fn visit(
        &self,
        source: Prefix<A>,
        destination: Prefix<A>,
        wanted: Wanted,
        found: &mut impl FnMut(H) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        if wanted != Wanted::Within {
            for from in around(source, &self.source_lengths) {
                for to in around(destination, &self.destination_lengths) {
                    let range = Entry::new(from, to, H::FIRST)..=Entry::new(from, to, H::LAST);
                    self.by_source.range(range).try_for_each(|entry| found(entry.handle()))?;
                }
            }
        }
        if wanted == Wanted::Meeting {
            for from in around(source, &self.source_lengths) {
                strictly_within(&self.by_source, from, destination, found)?;
            }
            for to in around(destination, &self.destination_lengths) {
                strictly_within(&self.by_destination, to, source, found)?;
            }
        }
        if wanted == Wanted::Around {
            return ControlFlow::Continue(());
        }
        // The same prefix contains the other: it has been found above, unless nothing above was asked for.
        let is_new = |of: Prefix<A>, found: Prefix<A>| wanted == Wanted::Within || found != of;
        self.within(source, destination, |s, d| is_new(source, s) && is_new(destination, d), found)
    }

    /// What lies within both prefixes, by whichever end has fewer flows.
    fn within(
        &self,
        source: Prefix<A>,
        destination: Prefix<A>,
        is_new: impl Fn(Prefix<A>, Prefix<A>) -> bool,
        found: &mut impl FnMut(H) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let by_source = || self.by_source.range(span(source));
        let by_destination = || self.by_destination.range(span(destination));
        let (mut one, mut other) = (by_source(), by_destination());
        let source_is_shorter = loop {
            match (one.next(), other.next()) {
                (None, _) => break true,
                (_, None) => break false,
                (Some(_), Some(_)) => {}
            }
        };
        if source_is_shorter {
            by_source()
                .filter(|entry| destination.contains(entry.far()) && is_new(entry.near(), entry.far()))
                .try_for_each(|entry| found(entry.handle()))
        } else {
            by_destination()
                .filter(|entry| source.contains(entry.far()) && is_new(entry.far(), entry.near()))
                .try_for_each(|entry| found(entry.handle()))
        }
    }
}

/// Everything from a prefix to the last that it contains.
fn span<A: Bits, H: Handle>(prefix: Prefix<A>) -> RangeInclusive<Entry<A, H>> {
    let (first, last) = prefix.range();
    let lowest = Prefix { address: A::ZERO, length: 0 };
    let highest = Prefix { address: A::MAX, length: A::WIDTH };
    Entry::new(first, lowest, H::FIRST)..=Entry::new(last, highest, H::LAST)
}

/// What has exactly `here` at one end, and at the other a prefix that is contained in `other` and is not `other` itself.
fn strictly_within<A: Bits, H: Handle>(
    set: &BTreeSet<Entry<A, H>>,
    here: Prefix<A>,
    other: Prefix<A>,
    found: &mut impl FnMut(H) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let (first, last) = other.range();
    let range = Entry::new(here, first, H::FIRST)..=Entry::new(here, last, H::LAST);
    set.range(range).filter(|entry| entry.far() != other).try_for_each(|entry| found(entry.handle()))
}

/// The prefixes of the lengths there are that contain this one, itself included.
fn around<A: Bits>(prefix: Prefix<A>, lengths: &BTreeMap<u8, usize>) -> impl Iterator<Item = Prefix<A>> {
    let shorter = lengths.range(..=prefix.length);
    shorter.map(move |(length, _)| Prefix { address: prefix.address.first(*length), length: *length })
}

fn forget(lengths: &mut BTreeMap<u8, usize>, length: u8) {
    if let Some(count) = lengths.get_mut(&length) {
        *count -= 1;
        if *count == 0 {
            lengths.remove(&length);
        }
    }
}

/// The flows of one table, by priority and addresses.
#[derive(Debug)]
pub struct ConflictIndex<H: Handle> {
    v4: BTreeMap<u16, Plane<u32, H>>,
    v6: BTreeMap<u16, Plane<u128, H>>,
}

impl<H: Handle> Default for ConflictIndex<H> {
    fn default() -> Self {
        Self { v4: BTreeMap::new(), v6: BTreeMap::new() }
    }
}

/// The prefixes of a box as numbers.
enum Ends {
    V4(Prefix<u32>, Prefix<u32>),
    V6(Prefix<u128>, Prefix<u128>),
}

fn ends(shape: &Shape) -> Ends {
    match shape.addresses {
        Addresses::V4 { source, destination } => {
            let prefix = |net: ipnet::Ipv4Net| Prefix { address: net.network().to_bits(), length: net.prefix_len() };
            Ends::V4(prefix(source), prefix(destination))
        }
        Addresses::V6 { source, destination } => {
            let prefix = |net: ipnet::Ipv6Net| Prefix { address: net.network().to_bits(), length: net.prefix_len() };
            Ends::V6(prefix(source), prefix(destination))
        }
    }
}

impl<H: Handle> ConflictIndex<H> {
    /// Adds a box of the flow `handle`.
    pub fn insert(&mut self, priority: u16, shape: &Shape, handle: H) {
        match ends(shape) {
            Ends::V4(source, destination) => self.v4.entry(priority).or_default().insert(source, destination, handle),
            Ends::V6(source, destination) => self.v6.entry(priority).or_default().insert(source, destination, handle),
        }
    }

    /// Takes it away again.
    pub fn remove(&mut self, priority: u16, shape: &Shape, handle: H) {
        match ends(shape) {
            Ends::V4(source, destination) => remove(&mut self.v4, priority, source, destination, handle),
            Ends::V6(source, destination) => remove(&mut self.v6, priority, source, destination, handle),
        }
    }

    /// Finds every flow that can hide a flow of this priority and box, be hidden by it, or overlap with it: of a higher
    /// priority those whose addresses contain the box's, of a lower one those that are contained, of the same one all that
    /// meet. Stops when `found` says so. A flow with several boxes can be found several times.
    pub fn visit(&self, priority: u16, shape: &Shape, mut found: impl FnMut(H) -> ControlFlow<()>) {
        // Stopped early or not: what was found is with the caller.
        let _ = match ends(shape) {
            Ends::V4(source, destination) => visit(&self.v4, priority, source, destination, &mut found),
            Ends::V6(source, destination) => visit(&self.v6, priority, source, destination, &mut found),
        };
    }
}

fn remove<A: Bits, H: Handle>(
    planes: &mut BTreeMap<u16, Plane<A, H>>,
    priority: u16,
    source: Prefix<A>,
    destination: Prefix<A>,
    handle: H,
) {
    if let Some(plane) = planes.get_mut(&priority) {
        plane.remove(source, destination, handle);
        if plane.by_source.is_empty() {
            planes.remove(&priority);
        }
    }
}

fn visit<A: Bits, H: Handle>(
    planes: &BTreeMap<u16, Plane<A, H>>,
    priority: u16,
    source: Prefix<A>,
    destination: Prefix<A>,
    found: &mut impl FnMut(H) -> ControlFlow<()>,
) -> ControlFlow<()> {
    for (other, plane) in planes.iter().rev() {
        let wanted = match other.cmp(&priority) {
            std::cmp::Ordering::Greater => Wanted::Around,
            std::cmp::Ordering::Equal => Wanted::Meeting,
            std::cmp::Ordering::Less => Wanted::Within,
        };
        plane.visit(source, destination, wanted, found)?;
    }
    ControlFlow::Continue(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet as Set;

    use proptest::prelude::*;

    use super::super::class::Template;
    use super::super::overlap::Relation;
    use super::super::shape::shapes;
    use super::*;
    use crate::contract::{Endpoint, InstallFlow};

    impl Handle for usize {
        type Packed = [u8; 8];
        const FIRST: Self = Self::MIN;
        const LAST: Self = Self::MAX;

        fn pack(self) -> [u8; 8] {
            self.to_be_bytes()
        }

        fn unpack(packed: [u8; 8]) -> Self {
            Self::from_be_bytes(packed)
        }
    }

    fn boxes(request: &InstallFlow) -> Vec<Shape> {
        shapes(request, Template::of(request))
    }

    /// Prefixes of a world in which they often contain each other, of both IP versions.
    fn endpoint(v6: bool) -> impl Strategy<Value = Endpoint> {
        (0..16_u32, 0..=4_u8).prop_map(move |(bits, length)| {
            let text = if v6 {
                let bits = u128::from(bits) << 124;
                format!("{}/{length}", ipnet::Ipv6Net::new(bits.into(), length).unwrap().trunc().network())
            } else {
                format!("{}/{length}", ipnet::Ipv4Net::new((bits << 28).into(), length).unwrap().trunc().network())
            };
            if length == 0 { Endpoint::Any } else { text.parse().unwrap() }
        })
    }

    fn flow() -> impl Strategy<Value = (u16, InstallFlow)> {
        any::<bool>().prop_flat_map(|v6| (1..5_u16, endpoint(v6), endpoint(v6), any::<bool>())).prop_map(
            |(priority, source, destination, bidirectional)| {
                (priority, InstallFlow { bidirectional, ..InstallFlow::new(source, destination, "bulk") })
            },
        )
    }

    /// Whether one can be in the other's way, by looking.
    fn can_conflict(new: (u16, &Shape), other: (u16, &Shape)) -> bool {
        let relation = new.1.relation(other.1);
        match new.0.cmp(&other.0) {
            std::cmp::Ordering::Equal => relation != Relation::Disjoint,
            std::cmp::Ordering::Less => matches!(relation, Relation::Identical | Relation::CoveredBy),
            std::cmp::Ordering::Greater => matches!(relation, Relation::Identical | Relation::Covers),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        #[test]
        fn just_those_flows_are_found_that_can_be_in_the_way(
            flows in prop::collection::vec(flow(), 0..60), gone in any::<u64>(), (priority, new) in flow()
        ) {
            let mut index = ConflictIndex::default();
            for (number, (priority, flow)) in flows.iter().enumerate() {
                boxes(flow).iter().for_each(|shape| index.insert(*priority, shape, number));
            }
            let is_gone = |number: usize| number < 64 && gone >> number & 1 == 1;
            for (number, (priority, flow)) in flows.iter().enumerate().filter(|(number, _)| is_gone(*number)) {
                boxes(flow).iter().for_each(|shape| index.remove(*priority, shape, number));
            }
            for shape in boxes(&new) {
                let mut found = Vec::new();
                index.visit(priority, &shape, |number| { found.push(number); ControlFlow::Continue(()) });
                let expected: Set<usize> = flows.iter().enumerate()
                    .filter(|(number, (other, flow))| {
                        !is_gone(*number) && boxes(flow).iter().any(|there| can_conflict((priority, &shape), (*other, there)))
                    })
                    .map(|(number, _)| number)
                    .collect();
                prop_assert_eq!(&found.iter().copied().collect::<Set<_>>(), &expected);
                let boxes: usize = expected.iter().map(|number| boxes(&flows[*number].1).len()).sum();
                prop_assert!(found.len() <= boxes, "a box is found once");
            }
        }
    }

    #[test]
    fn a_search_stops_when_it_is_told_to() {
        let mut index = ConflictIndex::default();
        let [shape, _] = boxes(&InstallFlow::new(Endpoint::Any, Endpoint::Any, "bulk")).try_into().unwrap();
        (0..10_usize).for_each(|number| index.insert(5, &shape, number));
        let mut found = 0;
        index.visit(9, &shape, |_| {
            found += 1;
            if found == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert_eq!(found, 3);
    }
}
