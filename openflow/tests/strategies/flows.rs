//! Matches, actions, instructions, and the messages about flows.

use openflow::{
    Action, BufferId, EthType, ExperimenterAction, ExperimenterInstruction, FlowMod, FlowModCommand, FlowModFlags,
    Instruction, IpProto, Isid, Masked, Match, OxmField, RawOxm,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::{group, mac, meter, octets, port, queue, table, words};

/// A value, and half of the time a mask.
macro_rules! masked {
    ($value:ty, $width:expr) => {
        (any::<$value>(), option::of(any::<$value>())).prop_map(|(value, mask)| {
            let field = <$value>::MAX >> (<$value>::BITS - $width);
            match mask.map(|mask| mask & field) {
                None => Masked::exact(value & field),
                Some(mask) => Masked::new(value & mask, mask).unwrap(),
            }
        })
    };
}

fn masked_mac() -> impl Strategy<Value = Masked<openflow::MacAddr>> {
    (mac(), option::of(mac())).prop_map(|(value, mask)| match mask {
        None => Masked::exact(value),
        Some(mask) => {
            let mut octets = value.0;
            octets.iter_mut().zip(mask.0).for_each(|(octet, mask)| *octet &= mask);
            Masked::new(openflow::MacAddr(octets), mask).unwrap()
        }
    })
}

fn ipv4() -> impl Strategy<Value = Masked<std::net::Ipv4Addr>> {
    masked!(u32, 32).prop_map(|bits| match bits.mask() {
        None => Masked::exact(bits.value().into()),
        Some(mask) => Masked::new(bits.value().into(), mask.into()).unwrap(),
    })
}

fn ipv6() -> impl Strategy<Value = Masked<std::net::Ipv6Addr>> {
    (any::<u128>(), option::of(any::<u128>())).prop_map(|(value, mask)| match mask {
        None => Masked::exact(value.into()),
        Some(mask) => Masked::new((value & mask).into(), mask.into()).unwrap(),
    })
}

fn isid() -> impl Strategy<Value = Masked<Isid>> {
    masked!(u32, 24).prop_map(|bits| {
        let isid = |bits| Isid::try_from(bits).unwrap();
        bits.mask()
            .map_or(Masked::exact(isid(bits.value())), |mask| Masked::new(isid(bits.value()), isid(mask)).unwrap())
    })
}

/// A field that nobody here knows.
fn raw() -> impl Strategy<Value = OxmField> {
    let class = prop_oneof![Just(0_u16), Just(1), Just(0x8000), Just(0xffff), any::<u16>()];
    (class, 40..128_u8, any::<bool>(), octets(12))
        .prop_filter_map("needs an experimenter", |(class, field, mask, body)| {
            RawOxm::new(class, field, mask, body).map(OxmField::Raw)
        })
}

/// Some of the fields that stand at the same time in one kind of packet.
fn some(fields: Vec<BoxedStrategy<OxmField>>) -> BoxedStrategy<Vec<OxmField>> {
    let fields: Vec<_> = fields.into_iter().map(option::of).collect();
    fields.prop_map(|fields| fields.into_iter().flatten().collect()).boxed()
}

fn with(first: Vec<OxmField>, fields: Vec<BoxedStrategy<OxmField>>) -> BoxedStrategy<Vec<OxmField>> {
    some(fields).prop_map(move |others| [first.clone(), others].concat()).boxed()
}

/// The fields that say which kind of packet it is, and what can stand beside them.
fn kind() -> BoxedStrategy<Vec<OxmField>> {
    use OxmField as F;
    let ip = |eth_type, proto| vec![F::EthType(eth_type), F::IpProto(proto)];
    let (v4, v6) = (EthType::IPV4, EthType::IPV6);
    let ports = |src: fn(Masked<u16>) -> F, dst: fn(Masked<u16>) -> F| {
        vec![masked!(u16, 16).prop_map(src).boxed(), masked!(u16, 16).prop_map(dst).boxed()]
    };
    let over_v4 = |fields: Vec<BoxedStrategy<F>>| {
        let mut all = fields;
        all.extend([ipv4().prop_map(F::Ipv4Src).boxed(), ipv4().prop_map(F::Ipv4Dst).boxed()]);
        all.extend([(0..64_u8).prop_map(F::IpDscp).boxed(), (0..4_u8).prop_map(F::IpEcn).boxed()]);
        all
    };
    let over_v6 = |fields: Vec<BoxedStrategy<F>>| {
        let mut all = fields;
        all.extend([ipv6().prop_map(F::Ipv6Src).boxed(), ipv6().prop_map(F::Ipv6Dst).boxed()]);
        all.extend([masked!(u32, 20).prop_map(F::Ipv6Flabel).boxed(), masked!(u16, 9).prop_map(F::Ipv6Exthdr).boxed()]);
        all
    };
    let icmp = vec![any::<u8>().prop_map(F::Icmpv4Type).boxed(), any::<u8>().prop_map(F::Icmpv4Code).boxed()];
    let icmpv6 = |kind| {
        let mut fields = ip(v6, IpProto::ICMPV6);
        fields.push(F::Icmpv6Type(kind));
        fields
    };
    let nd = |link: fn(Masked<openflow::MacAddr>) -> F| {
        vec![
            ipv6().prop_map(F::Ipv6NdTarget).boxed(),
            masked_mac().prop_map(link).boxed(),
            any::<u8>().prop_map(F::Icmpv6Code).boxed(),
        ]
    };
    let arp = vec![
        any::<u16>().prop_map(F::ArpOp).boxed(),
        ipv4().prop_map(F::ArpSpa).boxed(),
        ipv4().prop_map(F::ArpTpa).boxed(),
        masked_mac().prop_map(F::ArpSha).boxed(),
        masked_mac().prop_map(F::ArpTha).boxed(),
    ];
    let mpls = vec![
        (0..1_u32 << 20).prop_map(F::MplsLabel).boxed(),
        (0..8_u8).prop_map(F::MplsTc).boxed(),
        (0..2_u8).prop_map(F::MplsBos).boxed(),
    ];
    prop_oneof![
        Just(Vec::new()),
        any::<u16>().prop_map(|number| vec![F::EthType(EthType(number))]),
        with(ip(v4, IpProto::TCP), over_v4(ports(F::TcpSrc, F::TcpDst))),
        with(ip(v4, IpProto::UDP), over_v4(ports(F::UdpSrc, F::UdpDst))),
        with(ip(v4, IpProto::SCTP), over_v4(ports(F::SctpSrc, F::SctpDst))),
        with(ip(v4, IpProto::ICMP), over_v4(icmp)),
        with(ip(v6, IpProto::TCP), over_v6(ports(F::TcpSrc, F::TcpDst))),
        with(ip(v6, IpProto::UDP), over_v6(ports(F::UdpSrc, F::UdpDst))),
        with(icmpv6(135), over_v6(nd(F::Ipv6NdSll))),
        with(icmpv6(136), over_v6(nd(F::Ipv6NdTll))),
        with(vec![F::EthType(EthType::ARP)], arp),
        with(vec![F::EthType(EthType::MPLS)], mpls),
        with(vec![F::EthType(EthType::PBB)], vec![isid().prop_map(F::PbbIsid).boxed()]),
    ]
    .boxed()
}

/// The fields that stand beside every kind of packet.
fn around() -> BoxedStrategy<Vec<OxmField>> {
    use OxmField as F;
    let ports = prop_oneof![
        Just(Vec::new()),
        port().prop_map(|port| vec![F::InPort(port)]),
        (port(), port()).prop_map(|(port, physical)| vec![F::InPort(port), F::InPhyPort(physical)]),
    ];
    let vlan = prop_oneof![
        Just(Vec::new()),
        Just(vec![F::VlanVid(Masked::exact(0))]),
        (0..4096_u16).prop_map(|vid| vec![F::VlanVid(Masked::exact(0x1000 | vid))]),
        (0..8_u8).prop_map(|pcp| vec![F::VlanVid(Masked::new(0x1000, 0x1000).unwrap()), F::VlanPcp(pcp)]),
    ];
    let others = some(vec![
        masked!(u64, 64).prop_map(F::Metadata).boxed(),
        masked!(u64, 64).prop_map(F::TunnelId).boxed(),
        masked_mac().prop_map(F::EthDst).boxed(),
        masked_mac().prop_map(F::EthSrc).boxed(),
    ]);
    (ports, vlan, others).prop_map(|(ports, vlan, others)| [ports, vlan, others].concat()).boxed()
}

pub(crate) fn flow_match() -> impl Strategy<Value = Match> {
    (around(), kind(), option::of(raw())).prop_map(|(around, kind, raw)| {
        let fields = around.into_iter().chain(kind).chain(raw);
        fields.fold(Match::builder(), openflow::MatchBuilder::field).build().unwrap()
    })
}

fn set_field() -> impl Strategy<Value = Action> {
    let field = prop_oneof![around(), kind(), raw().prop_map(|field| vec![field])];
    (field, any::<prop::sample::Index>()).prop_filter_map("not settable", |(fields, index)| {
        let settable: Vec<_> = fields.into_iter().filter_map(|field| Action::set_field(field).ok()).collect();
        (!settable.is_empty()).then(|| index.get(&settable).clone())
    })
}

pub(crate) fn action() -> impl Strategy<Value = Action> {
    let eth_type = || any::<u16>().prop_map(EthType);
    prop_oneof![
        (port(), any::<u16>()).prop_map(|(port, max_len)| Action::Output { port, max_len }),
        Just(Action::CopyTtlOut),
        Just(Action::CopyTtlIn),
        any::<u8>().prop_map(Action::SetMplsTtl),
        Just(Action::DecMplsTtl),
        eth_type().prop_map(Action::PushVlan),
        Just(Action::PopVlan),
        eth_type().prop_map(Action::PushMpls),
        eth_type().prop_map(Action::PopMpls),
        queue().prop_map(Action::SetQueue),
        group().prop_map(Action::Group),
        any::<u8>().prop_map(Action::SetNwTtl),
        Just(Action::DecNwTtl),
        set_field(),
        eth_type().prop_map(Action::PushPbb),
        Just(Action::PopPbb),
        (any::<u32>(), words())
            .prop_map(|(experimenter, data)| Action::Experimenter(ExperimenterAction { experimenter, data })),
    ]
}

pub(crate) fn actions() -> impl Strategy<Value = Vec<Action>> {
    vec(action(), 0..6)
}

/// At most one of each, in the order in which a switch runs them.
pub(crate) fn instructions() -> impl Strategy<Value = Vec<Instruction>> {
    let instructions = vec![
        meter().prop_map(Instruction::Meter).boxed(),
        actions().prop_map(Instruction::ApplyActions).boxed(),
        Just(Instruction::ClearActions).boxed(),
        actions().prop_map(Instruction::WriteActions).boxed(),
        (any::<u64>(), any::<u64>()).prop_map(|(metadata, mask)| Instruction::WriteMetadata { metadata, mask }).boxed(),
        table().prop_map(Instruction::GotoTable).boxed(),
        (any::<u32>(), words())
            .prop_map(|(experimenter, data)| Instruction::Experimenter(ExperimenterInstruction { experimenter, data }))
            .boxed(),
    ];
    let instructions: Vec<_> = instructions.into_iter().map(option::of).collect();
    instructions.prop_map(|instructions| instructions.into_iter().flatten().collect())
}

pub(crate) fn flow_mod() -> impl Strategy<Value = FlowMod> {
    let command = prop_oneof![
        Just(FlowModCommand::Add),
        Just(FlowModCommand::Modify),
        Just(FlowModCommand::ModifyStrict),
        Just(FlowModCommand::Delete),
        Just(FlowModCommand::DeleteStrict),
    ];
    let numbers = (any::<u64>(), any::<u64>(), any::<u16>(), any::<u16>(), any::<u16>(), any::<u32>());
    (numbers, table(), command, port(), group(), 0..32_u16, flow_match(), instructions()).prop_map(
        |(numbers, table_id, command, out_port, out_group, flags, flow_match, instructions)| {
            let (cookie, cookie_mask, idle_timeout, hard_timeout, priority, buffer_id) = numbers;
            let (buffer_id, flags) = (BufferId(buffer_id), FlowModFlags(flags));
            FlowMod {
                cookie,
                cookie_mask,
                table_id,
                command,
                idle_timeout,
                hard_timeout,
                priority,
                buffer_id,
                out_port,
                out_group,
                flags,
                flow_match,
                instructions,
            }
        },
    )
}
