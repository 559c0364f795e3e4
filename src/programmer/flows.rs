//! Where all flows are: by number, in order, and by id.
//!
//! There may be millions of them, so what each costs beside itself counts, and so does how fast it is found. Numbers are
//! given in order and most flows live long, so flows lie in pages of 64 numbers each, side by side and without gaps: a bit
//! says of each number whether it is there, and the number of bits before it says where. Pages lie in chunks of 512, which
//! are there as long as a flow is in them. The index by id has numbers and hashes: the ids are with the flows, and are
//! not looked at when it grows.
//!
//! ```text
//! chunk 0, page 2, numbers 128 to 191:  present 0b…01101   flows [128, 130, 131]
//! ```

use std::collections::BTreeMap;
use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use super::cookie::FlowNumber;
use super::flow::Flow;
use crate::policy::Handle;

/// Numbers of a page: the bits of its map.
const PAGE: u64 = 64;

/// Pages of a chunk.
const CHUNK: usize = 512;

/// A page's number, and a flow's place in it.
fn split(number: FlowNumber) -> (u64, u32) {
    // A remainder of 64 fits.
    (number.get() / PAGE, (number.get() % PAGE) as u32)
}

/// A chunk's number, and a page's place in it.
fn chunk(page: u64) -> (u64, usize) {
    // So does one of 512.
    (page / CHUNK as u64, (page % CHUNK as u64) as usize)
}

/// All flows.
#[derive(Debug, Default)]
pub(super) struct Flows {
    pages: Pages,
    ids: HashTable<Named>,
    hasher: DefaultHashBuilder,
    len: usize,
}

/// A flow in the index by id: its number, in 48 bits, and half of the hash of its id. There is one for every flow, so it
/// has no gaps.
#[derive(Debug, Clone, Copy)]
struct Named {
    number: [u8; 6],
    hash: [u8; 4],
}

impl Named {
    fn new(number: FlowNumber, hash: u32) -> Self {
        Self { number: number.pack(), hash: hash.to_ne_bytes() }
    }

    fn number(&self) -> FlowNumber {
        FlowNumber::unpack(self.number)
    }

    /// The hash that the index goes by. It takes the lowest bits and the highest.
    fn hash(&self) -> u64 {
        spread(u32::from_ne_bytes(self.hash))
    }
}

fn spread(hash: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(hash)
}

/// Pages by their numbers.
#[derive(Debug, Default)]
struct Pages(BTreeMap<u64, Chunk>);

/// Pages side by side.
#[derive(Debug)]
struct Chunk {
    pages: Box<[Page]>,
    /// Those that have flows.
    used: usize,
}

impl Default for Chunk {
    fn default() -> Self {
        Self { pages: (0..CHUNK).map(|_| Page::default()).collect(), used: 0 }
    }
}

impl Pages {
    fn get(&self, page: u64) -> Option<&Page> {
        let (chunk, at) = chunk(page);
        self.0.get(&chunk)?.pages.get(at)
    }

    fn get_mut(&mut self, page: u64) -> Option<&mut Page> {
        let (chunk, at) = chunk(page);
        self.0.get_mut(&chunk)?.pages.get_mut(at)
    }

    fn insert(&mut self, page: u64, place: u32, flow: Flow) {
        let (chunk, at) = chunk(page);
        let chunk = self.0.entry(chunk).or_default();
        if let Some(page) = chunk.pages.get_mut(at) {
            chunk.used += usize::from(page.present == 0);
            page.insert(place, flow);
        }
    }

    fn remove(&mut self, page: u64, place: u32) -> Option<Flow> {
        let (number, at) = chunk(page);
        let chunk = self.0.get_mut(&number)?;
        let page = chunk.pages.get_mut(at)?;
        let flow = page.remove(place)?;
        chunk.used -= usize::from(page.present == 0);
        if chunk.used == 0 {
            self.0.remove(&number);
        }
        Some(flow)
    }

    /// Those from this one on, in order.
    fn from(&self, page: u64) -> impl Iterator<Item = (u64, &Page)> {
        let first = chunk(page).0;
        let pages = self.0.range(first..).flat_map(|(chunk, pages)| {
            let first = chunk * CHUNK as u64;
            (first..).zip(&pages.pages)
        });
        pages.filter(move |(number, here)| *number >= page && here.present != 0)
    }
}

/// Flows whose numbers are close together.
#[derive(Debug, Default)]
struct Page {
    present: u64,
    /// In the order of their numbers.
    flows: Vec<Flow>,
}

impl Page {
    fn has(&self, place: u32) -> bool {
        self.present >> place & 1 == 1
    }

    /// How many are before a place.
    fn rank(&self, place: u32) -> usize {
        (self.present & ((1 << place) - 1)).count_ones() as usize
    }

    fn get(&self, place: u32) -> Option<&Flow> {
        if self.has(place) { self.flows.get(self.rank(place)) } else { None }
    }

    fn get_mut(&mut self, place: u32) -> Option<&mut Flow> {
        let rank = self.rank(place);
        if self.has(place) { self.flows.get_mut(rank) } else { None }
    }

    /// Adds a flow; there is none.
    fn insert(&mut self, place: u32, flow: Flow) {
        let rank = self.rank(place);
        self.present |= 1 << place;
        self.flows.insert(rank, flow);
    }

    fn remove(&mut self, place: u32) -> Option<Flow> {
        let rank = self.rank(place);
        let flow = self.has(place).then(|| self.flows.remove(rank))?;
        self.present &= !(1 << place);
        if self.present == 0 {
            self.flows = Vec::new();
        }
        Some(flow)
    }

    fn iter(&self) -> impl Iterator<Item = (u32, &Flow)> {
        bits(self.present).zip(&self.flows)
    }
}

/// The places of the bits that are set, in order.
fn bits(mut map: u64) -> impl Iterator<Item = u32> {
    std::iter::from_fn(move || {
        let place = map.trailing_zeros();
        map &= map.checked_sub(1)?;
        Some(place)
    })
}

impl Flows {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn get(&self, number: &FlowNumber) -> Option<&Flow> {
        let (page, place) = split(*number);
        self.pages.get(page)?.get(place)
    }

    pub(super) fn get_mut(&mut self, number: &FlowNumber) -> Option<&mut Flow> {
        let (page, place) = split(*number);
        self.pages.get_mut(page)?.get_mut(place)
    }

    pub(super) fn contains_key(&self, number: &FlowNumber) -> bool {
        self.get(number).is_some()
    }

    /// The flow with an id.
    pub(super) fn by_id(&self, id: &str) -> Option<FlowNumber> {
        let has_id = |named: &Named| self.get(&named.number()).is_some_and(|flow| flow.asked.id() == id);
        self.ids.find(spread(self.half_hash(id)), has_id).map(Named::number)
    }

    fn half_hash(&self, id: &str) -> u32 {
        // Any half of it is as good as the other.
        self.hasher.hash_one(id) as u32
    }

    /// Adds a flow, whose number and id no other has.
    pub(super) fn insert(&mut self, number: FlowNumber, flow: Flow) {
        let named = Named::new(number, self.half_hash(flow.asked.id()));
        let (page, place) = split(number);
        if self.contains_key(&number) {
            return;
        }
        self.pages.insert(page, place, flow);
        self.len += 1;
        self.ids.insert_unique(named.hash(), named, Named::hash);
    }

    pub(super) fn remove(&mut self, number: &FlowNumber) -> Option<Flow> {
        let (page, place) = split(*number);
        let flow = self.pages.remove(page, place)?;
        self.len -= 1;
        let hash = spread(self.half_hash(flow.asked.id()));
        if let Ok(entry) = self.ids.find_entry(hash, |other| other.number() == *number) {
            entry.remove();
        }
        Some(flow)
    }

    /// All of them, in the order of their numbers.
    pub(super) fn iter(&self) -> impl Iterator<Item = (FlowNumber, &Flow)> {
        self.from(0)
    }

    /// Those with a greater number.
    pub(super) fn after(&self, number: FlowNumber) -> impl Iterator<Item = (FlowNumber, &Flow)> {
        self.from(split(number).0).filter(move |(other, _)| *other > number)
    }

    /// Those from a page on.
    fn from(&self, page: u64) -> impl Iterator<Item = (FlowNumber, &Flow)> {
        let flows =
            self.pages.from(page).flat_map(|(page, flows)| flows.iter().map(move |(place, flow)| (page, place, flow)));
        flows.filter_map(|(page, place, flow)| number(page, place, flow))
    }
}

fn number(page: u64, place: u32, flow: &Flow) -> Option<(FlowNumber, &Flow)> {
    Some((FlowNumber::new(page * PAGE + u64::from(place))?, flow))
}

/// Numbers of flows, in order: a bit each, where they are close together.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct FlowSet(BTreeMap<u64, u64>);

impl FlowSet {
    pub(super) fn insert(&mut self, number: FlowNumber) {
        let (page, place) = split(number);
        *self.0.entry(page).or_default() |= 1 << place;
    }

    pub(super) fn remove(&mut self, number: FlowNumber) {
        let (page, place) = split(number);
        if let Some(map) = self.0.get_mut(&page) {
            *map &= !(1 << place);
            if *map == 0 {
                self.0.remove(&page);
            }
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = FlowNumber> {
        let pages = self.0.iter().flat_map(|(page, map)| bits(*map).map(move |place| page * PAGE + u64::from(place)));
        pages.filter_map(FlowNumber::new)
    }
}

impl FromIterator<FlowNumber> for FlowSet {
    fn from_iter<I: IntoIterator<Item = FlowNumber>>(numbers: I) -> Self {
        let mut set = Self::default();
        numbers.into_iter().for_each(|number| set.insert(number));
        set
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::contract::{Endpoint, FlowId, InstallFlow};
    use crate::programmer::asked::Asked;

    fn number(number: u64) -> FlowNumber {
        FlowNumber::new(number).unwrap()
    }

    fn flow(number: u64) -> Flow {
        let id: FlowId = format!("flow-{number}").parse().unwrap();
        let request = InstallFlow::new(Endpoint::Any, Endpoint::Any, "voice");
        Flow {
            asked: Asked::new(&id, &request),
            rules: 1,
            placements: Default::default(),
            durable: number,
            ended: None,
            freed: false,
            is_unsaved: false,
            is_end_stored: false,
        }
    }

    /// Numbers on either side of the ends of pages and chunks, and far away.
    fn numbers() -> impl Strategy<Value = u64> {
        let end = PAGE * CHUNK as u64;
        prop_oneof![0..200_u64, end - 2..end + 2, Just((1 << 48) - 1), Just(1 << 40)]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        #[test]
        fn flows_are_there_as_they_were_put_there(steps in prop::collection::vec((any::<bool>(), numbers()), 0..200)) {
            let (mut flows, mut set, mut expected) = (Flows::default(), FlowSet::default(), BTreeSet::new());
            for (is_added, step) in steps {
                if is_added {
                    flows.insert(number(step), flow(step));
                    set.insert(number(step));
                    expected.insert(number(step));
                } else {
                    prop_assert_eq!(flows.remove(&number(step)).is_some(), expected.remove(&number(step)));
                    set.remove(number(step));
                }
            }
            let all: Vec<_> = expected.iter().copied().collect();
            prop_assert_eq!(flows.len(), all.len());
            prop_assert_eq!(flows.iter().map(|(number, _)| number).collect::<Vec<_>>(), all.clone());
            prop_assert_eq!(set.iter().collect::<Vec<_>>(), all.clone());
            prop_assert!(flows.iter().all(|(number, flow)| flow.durable == number.get()));
            for wanted in (0..200).chain([32_766, 32_767, 32_768, 32_769, (1 << 48) - 1, 1 << 40]) {
                let is_there = expected.contains(&number(wanted));
                prop_assert_eq!(flows.get(&number(wanted)).map(|flow| flow.durable), is_there.then_some(wanted));
                prop_assert_eq!(flows.get_mut(&number(wanted)).map(|flow| flow.durable), is_there.then_some(wanted));
                prop_assert_eq!(flows.by_id(&format!("flow-{wanted}")), is_there.then_some(number(wanted)));
            }
            for from in [0, 63, 64, 65, 32_767, 32_768, 1 << 40] {
                let after: Vec<_> = flows.after(number(from)).map(|(number, _)| number).collect();
                prop_assert_eq!(after, all.iter().copied().filter(|other| *other > number(from)).collect::<Vec<_>>());
            }
        }
    }
}
