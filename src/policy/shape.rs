//! What traffic a flow takes, as a box: a prefix of sources, one of destinations, a protocol, and ranges of ports.
//!
//! A request is a few such boxes, whatever number of masked rules it becomes; a rule of somebody else is one, or lies
//! within one when it compares more than a box can say. Two boxes are compared side by side, without a rule being made.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;

use ipnet::{Ipv4Net, Ipv6Net};
use openflow::{EthType, IpProto, Masked, Match, OxmField};

use super::class::Template;
use super::overlap::Relation;
use crate::contract::{Endpoint, InstallFlow, PortRange, Protocol};

/// Every port.
const EVERY_PORT: RangeInclusive<u16> = 0..=u16::MAX;

/// A box of packets of one IP version.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Shape {
    /// Where the packets come from and go to.
    pub addresses: Addresses,
    /// Their protocol; `None` for every one.
    pub protocol: Option<IpProto>,
    /// Their source ports.
    pub source_ports: RangeInclusive<u16>,
    /// Their destination ports.
    pub destination_ports: RangeInclusive<u16>,
    /// Not all of the packets of the box, because more of them is compared than a box can say.
    pub is_part: bool,
}

/// The prefixes of a box.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Addresses {
    /// IPv4.
    V4 {
        /// Where from.
        source: Ipv4Net,
        /// Where to.
        destination: Ipv4Net,
    },
    /// IPv6.
    V6 {
        /// Where from.
        source: Ipv6Net,
        /// Where to.
        destination: Ipv6Net,
    },
}

impl Addresses {
    fn reversed(self) -> Self {
        match self {
            Self::V4 { source, destination } => Self::V4 { source: destination, destination: source },
            Self::V6 { source, destination } => Self::V6 { source: destination, destination: source },
        }
    }
}

/// The boxes of a request for such packets: one for each IP version and direction, none twice.
pub fn shapes(request: &InstallFlow, packets: Template) -> Vec<Shape> {
    let v4 = |end: Endpoint| match end {
        Endpoint::Any => Some(Ipv4Net::default()),
        Endpoint::V4(net) => Some(net),
        Endpoint::V6(_) => None,
    };
    let v6 = |end: Endpoint| match end {
        Endpoint::Any => Some(Ipv6Net::default()),
        Endpoint::V4(_) => None,
        Endpoint::V6(net) => Some(net),
    };
    let InstallFlow { source, destination, .. } = *request;
    let v4 = v4(source).zip(v4(destination)).map(|(source, destination)| Addresses::V4 { source, destination });
    let v6 = v6(source).zip(v6(destination)).map(|(source, destination)| Addresses::V6 { source, destination });
    let ports = |range: Option<PortRange>| range.map_or(EVERY_PORT, |range| range.first..=range.last);
    let mut shapes = Vec::with_capacity(1);
    for addresses in [v4, v6].into_iter().flatten() {
        let there = Shape {
            addresses,
            protocol: packets.protocol.map(|protocol| ip_proto(protocol, addresses)),
            source_ports: ports(packets.source_port),
            destination_ports: ports(packets.destination_port),
            // The mark is compared, too.
            is_part: packets.trust_dscp,
        };
        let back = request.bidirectional.then(|| there.reversed()).filter(|back| *back != there);
        shapes.push(there);
        shapes.extend(back);
    }
    shapes
}

fn ip_proto(protocol: Protocol, addresses: Addresses) -> IpProto {
    match (protocol, addresses) {
        (Protocol::Tcp, _) => IpProto::TCP,
        (Protocol::Udp, _) => IpProto::UDP,
        (Protocol::Sctp, _) => IpProto::SCTP,
        (Protocol::Icmp, Addresses::V4 { .. }) => IpProto::ICMP,
        (Protocol::Icmp, Addresses::V6 { .. }) => IpProto::ICMPV6,
    }
}

impl Shape {
    /// Every packet of IPv4, and every packet of IPv6.
    fn all_ip() -> [Self; 2] {
        let every = |addresses| Self {
            addresses,
            protocol: None,
            source_ports: EVERY_PORT,
            destination_ports: EVERY_PORT,
            is_part: false,
        };
        [
            every(Addresses::V4 { source: Ipv4Net::default(), destination: Ipv4Net::default() }),
            every(Addresses::V6 { source: Ipv6Net::default(), destination: Ipv6Net::default() }),
        ]
    }

    /// The boxes that a match is, or lies within: none if it takes no IP packet, two if it takes those of both versions.
    pub fn of_match(flow_match: &Match) -> Vec<Self> {
        let eth_type = flow_match.fields().iter().find_map(|field| match field {
            OxmField::EthType(eth_type) => Some(*eth_type),
            _ => None,
        });
        let [v4, v6] = Self::all_ip();
        let mut shapes = match eth_type {
            None => vec![v4, v6],
            Some(EthType::IPV4) => vec![v4],
            Some(EthType::IPV6) => vec![v6],
            Some(_) => Vec::new(),
        };
        for shape in &mut shapes {
            flow_match.fields().iter().for_each(|field| shape.narrow(field));
        }
        shapes
    }

    /// Leaves out what the field leaves out, as far as a box can say it.
    fn narrow(&mut self, field: &OxmField) {
        match (field, &mut self.addresses) {
            (OxmField::EthType(_), _) => {}
            (OxmField::IpProto(protocol), _) => self.protocol = Some(*protocol),
            (OxmField::Ipv4Src(masked), Addresses::V4 { source, .. }) => self.is_part |= prefix_v4(masked, source),
            (OxmField::Ipv4Dst(masked), Addresses::V4 { destination, .. }) => {
                self.is_part |= prefix_v4(masked, destination);
            }
            (OxmField::Ipv6Src(masked), Addresses::V6 { source, .. }) => self.is_part |= prefix_v6(masked, source),
            (OxmField::Ipv6Dst(masked), Addresses::V6 { destination, .. }) => {
                self.is_part |= prefix_v6(masked, destination);
            }
            (OxmField::TcpSrc(port) | OxmField::UdpSrc(port) | OxmField::SctpSrc(port), _) => {
                self.is_part |= range(port, &mut self.source_ports);
            }
            (OxmField::TcpDst(port) | OxmField::UdpDst(port) | OxmField::SctpDst(port), _) => {
                self.is_part |= range(port, &mut self.destination_ports);
            }
            _ => self.is_part = true,
        }
    }

    fn reversed(&self) -> Self {
        Self {
            addresses: self.addresses.reversed(),
            source_ports: self.destination_ports.clone(),
            destination_ports: self.source_ports.clone(),
            ..self.clone()
        }
    }

    /// How the packets of this box lie to those of another. What is only part of a box covers nothing for certain, and
    /// is taken to have packets in common with whatever meets its box.
    pub fn relation(&self, other: &Self) -> Relation {
        let sides = [
            addresses(self.addresses, other.addresses),
            match (self.protocol, other.protocol) {
                (None, None) => Relation::Identical,
                (None, Some(_)) => Relation::Covers,
                (Some(_), None) => Relation::CoveredBy,
                (Some(mine), Some(theirs)) if mine == theirs => Relation::Identical,
                (Some(_), Some(_)) => Relation::Disjoint,
            },
            ranges(&self.source_ports, &other.source_ports),
            ranges(&self.destination_ports, &other.destination_ports),
            match (self.is_part, other.is_part) {
                (false, false) => Relation::Identical,
                (false, true) => Relation::Covers,
                (true, false) => Relation::CoveredBy,
                (true, true) => Relation::Intersects,
            },
        ];
        sides.into_iter().fold(Relation::Identical, Relation::and)
    }
}

impl Relation {
    /// How two products lie to each other whose factors lie so.
    const fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Disjoint, _) | (_, Self::Disjoint) => Self::Disjoint,
            (Self::Identical, relation) | (relation, Self::Identical) => relation,
            (Self::Covers, Self::Covers) => Self::Covers,
            (Self::CoveredBy, Self::CoveredBy) => Self::CoveredBy,
            (Self::Covers | Self::CoveredBy | Self::Intersects, Self::Covers | Self::CoveredBy | Self::Intersects) => {
                Self::Intersects
            }
        }
    }

    const fn of(covers: bool, is_covered: bool) -> Self {
        match (covers, is_covered) {
            (true, true) => Self::Identical,
            (true, false) => Self::Covers,
            (false, true) => Self::CoveredBy,
            (false, false) => Self::Disjoint,
        }
    }
}

fn addresses(mine: Addresses, theirs: Addresses) -> Relation {
    match (mine, theirs) {
        (
            Addresses::V4 { source, destination },
            Addresses::V4 { source: their_source, destination: their_destination },
        ) => Relation::of(source.contains(&their_source), their_source.contains(&source))
            .and(Relation::of(destination.contains(&their_destination), their_destination.contains(&destination))),
        (
            Addresses::V6 { source, destination },
            Addresses::V6 { source: their_source, destination: their_destination },
        ) => Relation::of(source.contains(&their_source), their_source.contains(&source))
            .and(Relation::of(destination.contains(&their_destination), their_destination.contains(&destination))),
        (Addresses::V4 { .. }, Addresses::V6 { .. }) | (Addresses::V6 { .. }, Addresses::V4 { .. }) => {
            Relation::Disjoint
        }
    }
}

fn ranges(mine: &RangeInclusive<u16>, theirs: &RangeInclusive<u16>) -> Relation {
    if mine.end() < theirs.start() || theirs.end() < mine.start() {
        return Relation::Disjoint;
    }
    let within = |inner: &RangeInclusive<u16>, outer: &RangeInclusive<u16>| {
        outer.start() <= inner.start() && inner.end() <= outer.end()
    };
    match (within(theirs, mine), within(mine, theirs)) {
        (false, false) => Relation::Intersects,
        (covers, is_covered) => Relation::of(covers, is_covered),
    }
}

/// Narrows a prefix to the one that a masked address lies within; true if it is only part of that.
fn prefix_v4(masked: &Masked<Ipv4Addr>, net: &mut Ipv4Net) -> bool {
    let mask = masked.mask().map_or(u32::MAX, u32::from);
    let length = u8::try_from(mask.leading_ones()).ok();
    if let Some(within) = length.and_then(|length| Ipv4Net::new(masked.value(), length).ok()) {
        *net = within.trunc();
    }
    mask.leading_ones() + mask.trailing_zeros() < u32::BITS
}

/// The same for IPv6.
fn prefix_v6(masked: &Masked<Ipv6Addr>, net: &mut Ipv6Net) -> bool {
    let mask = masked.mask().map_or(u128::MAX, u128::from);
    let length = u8::try_from(mask.leading_ones()).ok();
    if let Some(within) = length.and_then(|length| Ipv6Net::new(masked.value(), length).ok()) {
        *net = within.trunc();
    }
    mask.leading_ones() + mask.trailing_zeros() < u128::BITS
}

/// Narrows a range to the one that a masked port lies within; true if it is only part of that.
fn range(port: &Masked<u16>, ports: &mut RangeInclusive<u16>) -> bool {
    let mask = port.mask().unwrap_or(u16::MAX);
    let wild = u16::MAX.checked_shr(mask.leading_ones()).unwrap_or(0);
    let first = port.value() & !wild;
    *ports = first..=first | wild;
    mask.leading_ones() + mask.trailing_zeros() < u16::BITS
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::policy::{ClassTable, compile};

    /// A packet of a world that is small enough to try all of it.
    #[derive(Debug, Clone, Copy)]
    struct Packet {
        v6: bool,
        source: u8,
        destination: u8,
        protocol: IpProto,
        source_port: u16,
        destination_port: u16,
    }

    /// Addresses are four bits at the top of the real ones, ports four at the bottom.
    const PROTOCOLS: [IpProto; 2] = [IpProto::TCP, IpProto::UDP];

    fn world() -> impl Iterator<Item = Packet> {
        let ends = (0..16_u8).flat_map(|source| (0..16_u8).map(move |destination| (source, destination)));
        // The last is in no range: all ports are more than those from the first to the last of any.
        let ports = || [0, 3, 4, 7, 8, 15, 16].into_iter();
        ends.flat_map(move |(source, destination)| {
            [false, true].into_iter().flat_map(move |v6| {
                PROTOCOLS.into_iter().flat_map(move |protocol| {
                    ports().flat_map(move |source_port| {
                        ports().map(move |destination_port| Packet {
                            v6,
                            source,
                            destination,
                            protocol,
                            source_port,
                            destination_port,
                        })
                    })
                })
            })
        })
    }

    /// What a switch does: field by field.
    fn takes(flow_match: &Match, packet: Packet) -> bool {
        let v4 = |masked: &Masked<Ipv4Addr>, bits: u8| {
            let mask = masked.mask().map_or(u32::MAX, u32::from);
            u32::from(bits) << 28 & mask == u32::from(masked.value())
        };
        let v6 = |masked: &Masked<Ipv6Addr>, bits: u8| {
            let mask = masked.mask().map_or(u128::MAX, u128::from);
            u128::from(bits) << 124 & mask == u128::from(masked.value())
        };
        let port = |masked: &Masked<u16>, port: u16| port & masked.mask().unwrap_or(u16::MAX) == masked.value();
        flow_match.fields().iter().all(|field| match field {
            OxmField::EthType(eth_type) => *eth_type == if packet.v6 { EthType::IPV6 } else { EthType::IPV4 },
            OxmField::IpProto(protocol) => *protocol == packet.protocol,
            OxmField::Ipv4Src(masked) => !packet.v6 && v4(masked, packet.source),
            OxmField::Ipv4Dst(masked) => !packet.v6 && v4(masked, packet.destination),
            OxmField::Ipv6Src(masked) => packet.v6 && v6(masked, packet.source),
            OxmField::Ipv6Dst(masked) => packet.v6 && v6(masked, packet.destination),
            OxmField::TcpSrc(masked) => packet.protocol == IpProto::TCP && port(masked, packet.source_port),
            OxmField::TcpDst(masked) => packet.protocol == IpProto::TCP && port(masked, packet.destination_port),
            OxmField::UdpSrc(masked) => packet.protocol == IpProto::UDP && port(masked, packet.source_port),
            OxmField::UdpDst(masked) => packet.protocol == IpProto::UDP && port(masked, packet.destination_port),
            other => panic!("{other:?}"),
        })
    }

    fn endpoint(v6: bool) -> impl Strategy<Value = Endpoint> {
        (0..16_u32, 0..=4_u8).prop_map(move |(bits, length)| match (length, v6) {
            (0, _) => Endpoint::Any,
            (_, false) => Endpoint::V4(Ipv4Net::new((bits << 28).into(), length).unwrap().trunc()),
            (_, true) => Endpoint::V6(Ipv6Net::new((u128::from(bits) << 124).into(), length).unwrap().trunc()),
        })
    }

    /// Ranges whose ends are ports of the world, so that trying these tells all.
    fn ports() -> impl Strategy<Value = Option<PortRange>> {
        let range = |(first, last): (u16, u16)| Some(PortRange { first: first.min(last), last: first.max(last) });
        let port = || prop::sample::select(vec![0, 3, 4, 7, 8, 15]);
        prop_oneof![Just(None), (port(), port()).prop_map(range)]
    }

    fn request() -> impl Strategy<Value = InstallFlow> {
        let ends = any::<bool>().prop_flat_map(|v6| (endpoint(v6), endpoint(v6)));
        let protocol = prop::sample::select(vec![None, Some(Protocol::Tcp), Some(Protocol::Udp)]);
        (ends, protocol, ports(), ports(), any::<bool>()).prop_map(
            |((source, destination), protocol, source_port, destination_port, bidirectional)| InstallFlow {
                protocol,
                source_port: source_port.filter(|_| protocol.is_some()),
                destination_port: destination_port.filter(|_| protocol.is_some()),
                bidirectional,
                ..InstallFlow::new(source, destination, "bulk")
            },
        )
    }

    /// What a switch with the request's rules takes of the world.
    fn taken(request: &InstallFlow) -> Vec<bool> {
        let class = ClassTable::built_in().get("bulk").unwrap().clone();
        let rules = compile(request, &class).unwrap();
        world().map(|packet| rules.iter().any(|rule| takes(&rule.flow_match, packet))).collect()
    }

    fn by_trying(a: &[bool], b: &[bool]) -> (bool, bool, bool) {
        let pairs = || a.iter().zip(b);
        (pairs().any(|(a, b)| *a && *b), pairs().all(|(a, b)| !*b || *a), pairs().all(|(a, b)| !*a || *b))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        /// Nothing is left for a flow that is called hidden: whatever its rules take, those of the other take as well.
        #[test]
        fn boxes_lie_to_each_other_as_the_packets_that_the_rules_take(a in request(), b in request()) {
            let one = InstallFlow { bidirectional: false, ..a.clone() };
            let other = InstallFlow { bidirectional: false, ..b.clone() };
            if let ([mine], [theirs]) = (boxes(&one).as_slice(), boxes(&other).as_slice()) {
                let (common, covers, covered) = by_trying(&taken(&one), &taken(&other));
                let expected = match (common, covers, covered) {
                    (false, _, _) => Relation::Disjoint,
                    (true, true, true) => Relation::Identical,
                    (true, true, false) => Relation::Covers,
                    (true, false, true) => Relation::CoveredBy,
                    (true, false, false) => Relation::Intersects,
                };
                prop_assert_eq!(mine.relation(theirs), expected);
            }
            let within = boxes(&a).iter().all(|mine| {
                boxes(&b).iter().any(|theirs| matches!(mine.relation(theirs), Relation::Identical | Relation::CoveredBy))
            });
            prop_assert!(!within || by_trying(&taken(&a), &taken(&b)).2, "what is within every packet of it is");
        }

        /// A rule of somebody else is exactly its box, or within it.
        #[test]
        fn a_match_is_its_box_or_part_of_it(
            of in request(), mask in prop::sample::select(vec![u32::MAX, 0xf000_0000, 0xa000_0000, 0x5000_0000]), bits in 0..16_u32
        ) {
            let class = ClassTable::built_in().get("bulk").unwrap().clone();
            let odd = Masked::new(Ipv4Addr::from(bits << 28 & mask), Ipv4Addr::from(mask)).unwrap();
            let mut matches: Vec<Match> = compile(&of, &class).unwrap().into_iter().map(|rule| rule.flow_match).collect();
            matches.push(Match::builder().eth_type(EthType::IPV4).field(OxmField::Ipv4Dst(odd)).build().unwrap());
            for flow_match in matches {
                for shape in Shape::of_match(&flow_match) {
                    for packet in world().filter(|packet| packet.v6 == matches!(shape.addresses, Addresses::V6 { .. })) {
                        let in_box = is_in(&shape, packet);
                        prop_assert!(in_box || !takes(&flow_match, packet));
                        prop_assert!(shape.is_part || in_box == takes(&flow_match, packet));
                    }
                }
            }
        }
    }

    fn is_in(shape: &Shape, packet: Packet) -> bool {
        let within = match shape.addresses {
            Addresses::V4 { source, destination } => {
                source.contains(&Ipv4Addr::from(u32::from(packet.source) << 28))
                    && destination.contains(&Ipv4Addr::from(u32::from(packet.destination) << 28))
            }
            Addresses::V6 { source, destination } => {
                source.contains(&Ipv6Addr::from(u128::from(packet.source) << 124))
                    && destination.contains(&Ipv6Addr::from(u128::from(packet.destination) << 124))
            }
        };
        within
            && shape.protocol.is_none_or(|protocol| protocol == packet.protocol)
            && shape.source_ports.contains(&packet.source_port)
            && shape.destination_ports.contains(&packet.destination_port)
    }

    fn boxes(request: &InstallFlow) -> Vec<Shape> {
        shapes(request, Template::of(request))
    }

    #[test]
    fn what_is_only_part_of_a_box_covers_nothing_for_certain() {
        let all = boxes(&InstallFlow::new(Endpoint::Any, Endpoint::Any, "bulk"));
        let from_port = Match::builder().in_port(openflow::PortNo(1)).eth_type(EthType::IPV4).build().unwrap();
        let [part] = Shape::of_match(&from_port).try_into().unwrap();
        assert_eq!(all[0].relation(&part), Relation::Covers);
        assert_eq!(part.relation(&all[0]), Relation::CoveredBy);
        assert_eq!(part.relation(&part), Relation::Intersects);
        assert_eq!(Shape::of_match(&Match::any()).len(), 2, "what compares nothing takes both versions");
        assert_eq!(Shape::of_match(&Match::builder().eth_type(EthType::ARP).build().unwrap()), []);
    }
}
