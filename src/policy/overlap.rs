//! How two matches lie to each other, and so how two rules are in each other's way.
//!
//! A match is a set of packets: those that agree with it in the bits of its masks. Fields are independent of each
//! other, so two sets are compared field by field, and a field that a match does not have has no bits that count. Of a
//! field that is none of the forty only equality is known; two that differ are taken to have packets in common.

use std::cmp::Ordering;

use openflow::{Match, OxmField};

use super::compile::RuleId;

/// How the packets of one match lie to those of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Relation {
    /// They are the same.
    Identical,
    /// The first has all of the second's, and more.
    Covers,
    /// The second has all of the first's, and more.
    CoveredBy,
    /// They have some in common, and each has others.
    Intersects,
    /// They have none in common.
    Disjoint,
}

/// How a new rule is in the way of one that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Conflict {
    /// It is the same rule: a switch can hold only one of them.
    Same,
    /// The other has a higher priority and takes all of the new one's packets.
    Hidden,
    /// The new one has a higher priority and takes all of the other's packets.
    Hides,
    /// They have the same priority and packets in common: which takes those is left to the switch.
    Overlap,
}

/// How the packets of `a` lie to those of `b`.
pub fn relation(a: &Match, b: &Match) -> Relation {
    let mut a_within_b = b.fields().iter().all(|field| !counts(field) || counterpart(a, field).is_some());
    let mut b_within_a = true;
    for field in a.fields() {
        match (field.bits(), counterpart(b, field).map(|other| (other, other.bits()))) {
            (Some((value, mask)), Some((_, Some((other_value, other_mask))))) => {
                if (value ^ other_value) & mask & other_mask != 0 {
                    return Relation::Disjoint;
                }
                a_within_b &= other_mask & !mask == 0;
                b_within_a &= mask & !other_mask == 0;
            }
            (_, Some((other, _))) => {
                a_within_b &= field == other;
                b_within_a &= field == other;
            }
            (_, None) => b_within_a &= !counts(field),
        }
    }
    match (a_within_b, b_within_a) {
        (true, true) => Relation::Identical,
        (false, true) => Relation::Covers,
        (true, false) => Relation::CoveredBy,
        (false, false) => Relation::Intersects,
    }
}

/// How the rule `new` is in the way of `other`, if it is.
pub fn conflict(new: &RuleId, other: &RuleId) -> Option<Conflict> {
    if new.table_id != other.table_id {
        return None;
    }
    let relation = relation(&new.flow_match, &other.flow_match);
    match (new.priority.cmp(&other.priority), relation) {
        (_, Relation::Disjoint) => None,
        (Ordering::Equal, Relation::Identical) => Some(Conflict::Same),
        (Ordering::Equal, _) => Some(Conflict::Overlap),
        (Ordering::Less, Relation::Identical | Relation::CoveredBy) => Some(Conflict::Hidden),
        (Ordering::Greater, Relation::Identical | Relation::Covers) => Some(Conflict::Hides),
        (_, Relation::Covers | Relation::CoveredBy | Relation::Intersects) => None,
    }
}

/// Whether a field leaves any packet out.
fn counts(field: &OxmField) -> bool {
    field.bits().is_none_or(|(_, mask)| mask != 0)
}

/// The same field in another match.
fn counterpart<'a>(flow_match: &'a Match, field: &OxmField) -> Option<&'a OxmField> {
    flow_match.fields().iter().find(|other| match (field, other) {
        (OxmField::Raw(field), OxmField::Raw(other)) => {
            (field.class(), field.field(), field.experimenter()) == (other.class(), other.field(), other.experimenter())
        }
        _ => field.number().is_some() && field.number() == other.number(),
    })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use openflow::{EthType, IpProto, Masked, MatchBuilder, RawOxm, TableId};
    use proptest::prelude::*;

    use super::*;

    /// A packet of a world that is small enough to try all of it.
    #[derive(Debug, Clone, Copy)]
    struct Packet {
        eth_type: EthType,
        ip_proto: IpProto,
        ipv4_src: u32,
        tcp_dst: u16,
    }

    /// The addresses and ports in masks' reach, and one beyond.
    const ADDRESSES: [u32; 5] = [0x0a00_0000, 0x0a00_0001, 0x0a00_0002, 0x0a00_0003, 0x0b00_0000];
    const PORTS: [u16; 5] = [80, 81, 82, 83, 1080];

    fn world() -> impl Iterator<Item = Packet> {
        let types = [(EthType::IPV4, IpProto::TCP), (EthType::IPV4, IpProto::UDP), (EthType::IPV6, IpProto::TCP)];
        types.into_iter().flat_map(|(eth_type, ip_proto)| {
            ADDRESSES.into_iter().flat_map(move |ipv4_src| {
                PORTS.into_iter().map(move |tcp_dst| Packet { eth_type, ip_proto, ipv4_src, tcp_dst })
            })
        })
    }

    fn takes(flow_match: &Match, packet: Packet) -> bool {
        flow_match.fields().iter().all(|field| match field {
            OxmField::EthType(eth_type) => packet.eth_type == *eth_type,
            OxmField::IpProto(ip_proto) => packet.ip_proto == *ip_proto,
            OxmField::Ipv4Src(masked) => {
                let mask = masked.mask().map_or(u32::MAX, u32::from);
                packet.eth_type == EthType::IPV4 && packet.ipv4_src & mask == u32::from(masked.value())
            }
            OxmField::TcpDst(masked) => {
                packet.ip_proto == IpProto::TCP && packet.tcp_dst & masked.mask().unwrap_or(u16::MAX) == masked.value()
            }
            other => panic!("{other:?}"),
        })
    }

    fn by_trying(a: &Match, b: &Match) -> Relation {
        let [mut only_a, mut only_b, mut both] = [false; 3];
        for packet in world() {
            match (takes(a, packet), takes(b, packet)) {
                (true, true) => both = true,
                (true, false) => only_a = true,
                (false, true) => only_b = true,
                (false, false) => {}
            }
        }
        match (both, only_a, only_b) {
            (false, _, _) => Relation::Disjoint,
            (true, false, false) => Relation::Identical,
            (true, true, false) => Relation::Covers,
            (true, false, true) => Relation::CoveredBy,
            (true, true, true) => Relation::Intersects,
        }
    }

    prop_compose! {
        /// A value and a mask that leaves out some of the last two bits.
        fn masked()(value in 0..4_u16, wild in 0..4_u16) -> (u16, u16) {
            (value & !wild, !wild)
        }
    }

    prop_compose! {
        fn matches()(depth in 0..4, src in masked(), narrow in any::<bool>(), dst in masked(), tcp in any::<bool>()) -> Match {
            let mut builder = Match::builder();
            if depth > 0 {
                builder = builder.eth_type(EthType::IPV4);
                if narrow {
                    let mask = 0xffff_0000 | u32::from(src.1);
                    builder = builder.ipv4_src_masked((0x0a00_0000 | u32::from(src.0)).into(), mask.into());
                }
            }
            if depth > 1 {
                builder = builder.ip_proto(if tcp { IpProto::TCP } else { IpProto::UDP });
                if depth > 2 && tcp {
                    builder = builder.tcp_dst_masked(80 | dst.0, dst.1);
                }
            }
            builder.build().unwrap()
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        #[test]
        fn matches_lie_to_each_other_as_their_packets_do(a in matches(), b in matches()) {
            prop_assert_eq!(relation(&a, &b), by_trying(&a, &b));
        }

        #[test]
        fn a_match_is_identical_to_itself(a in matches()) {
            prop_assert_eq!(relation(&a, &a), Relation::Identical);
        }
    }

    fn raw(body: &'static [u8]) -> Match {
        let field = RawOxm::new(0x0001, 0, false, Bytes::from_static(body)).unwrap();
        Match::builder().raw(field).build().unwrap()
    }

    #[test]
    fn unknown_fields_are_compared_as_a_whole() {
        assert_eq!(relation(&raw(b"a"), &raw(b"a")), Relation::Identical);
        assert_eq!(relation(&raw(b"a"), &raw(b"b")), Relation::Intersects);
        assert_eq!(relation(&Match::any(), &raw(b"b")), Relation::Covers);
        assert_eq!(relation(&raw(b"b"), &Match::any()), Relation::CoveredBy);
    }

    #[test]
    fn only_the_bits_of_a_mask_count() {
        let vlan = |mask| {
            let field = OxmField::VlanVid(Masked::new(0x1005 & mask, mask).unwrap());
            Match::builder().field(field).build().unwrap()
        };
        let exact = Match::builder().vlan_vid(5).build().unwrap();
        assert_eq!(relation(&exact, &vlan(0x1fff)), Relation::Identical);
        assert_eq!(relation(&vlan(0x1000), &exact), Relation::Covers);
        assert_eq!(relation(&vlan(0), &Match::any()), Relation::Identical);
        assert_eq!(relation(&Match::any(), &vlan(0)), Relation::Identical);
    }

    fn rule(table: u8, priority: u16, builder: MatchBuilder) -> RuleId {
        RuleId { table_id: TableId(table), priority, flow_match: builder.build().unwrap() }
    }

    #[test]
    fn rules_are_in_each_others_way_by_priority_and_packets() {
        let wide = || Match::builder().eth_type(EthType::IPV4);
        let narrow = || wide().ip_proto(IpProto::UDP);
        let aslant = || wide().ipv4_src([10, 0, 0, 1].into());
        let other = || Match::builder().eth_type(EthType::IPV6);
        for (new, there, expected) in [
            (rule(0, 5, wide()), rule(0, 5, wide()), Some(Conflict::Same)),
            (rule(0, 5, wide()), rule(0, 5, narrow()), Some(Conflict::Overlap)),
            (rule(0, 5, narrow()), rule(0, 5, aslant()), Some(Conflict::Overlap)),
            (rule(0, 5, wide()), rule(0, 6, wide()), Some(Conflict::Hidden)),
            (rule(0, 5, narrow()), rule(0, 6, wide()), Some(Conflict::Hidden)),
            (rule(0, 5, wide()), rule(0, 6, narrow()), None),
            (rule(0, 5, narrow()), rule(0, 6, aslant()), None),
            (rule(0, 6, wide()), rule(0, 5, wide()), Some(Conflict::Hides)),
            (rule(0, 6, wide()), rule(0, 5, narrow()), Some(Conflict::Hides)),
            (rule(0, 6, narrow()), rule(0, 5, wide()), None),
            (rule(0, 6, narrow()), rule(0, 5, aslant()), None),
            (rule(0, 5, wide()), rule(0, 5, other()), None),
            (rule(0, 5, wide()), rule(1, 5, wide()), None),
        ] {
            assert_eq!(conflict(&new, &there), expected, "{new:?} against {there:?}");
        }
    }
}
