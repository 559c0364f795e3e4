//! A match as `ovs-ofctl` writes it: `tcp,in_port=1,nw_src=10.0.0.0/24,tp_dst=80`.

use std::fmt::{self, Display, LowerHex};
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::flow_match::Match;
use crate::hex::Hex;
use crate::number::{EthType, IpProto};
use crate::oxm::{Masked, OxmField, VID_PRESENT};

impl Display for Match {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut items = Items { f, first: true };
        let packet = Packet::of(self);
        if let Some(keyword) = packet.keyword() {
            items.put(keyword)?;
        }
        let mut fields: Vec<&OxmField> = self.fields().iter().collect();
        fields.sort_by_key(|field| rank(field));
        fields.into_iter().try_for_each(|field| print(field, &packet, &mut items))
    }
}

/// Things with commas between.
struct Items<'a, 'b> {
    f: &'a mut fmt::Formatter<'b>,
    first: bool,
}

impl Items<'_, '_> {
    fn put(&mut self, item: impl Display) -> fmt::Result {
        if !self.first {
            self.f.write_str(",")?;
        }
        self.first = false;
        write!(self.f, "{item}")
    }
}

/// What the match says about the packet, as far as words depend on it.
#[derive(Default)]
struct Packet {
    eth_type: Option<EthType>,
    ip_proto: Option<IpProto>,
    vlan_pcp: Option<u8>,
}

impl Packet {
    fn of(flow_match: &Match) -> Self {
        let mut packet = Self::default();
        for field in flow_match.fields() {
            match field {
                OxmField::EthType(eth_type) => packet.eth_type = Some(*eth_type),
                OxmField::IpProto(ip_proto) => packet.ip_proto = Some(*ip_proto),
                OxmField::VlanPcp(pcp) => packet.vlan_pcp = Some(*pcp),
                _ => {}
            }
        }
        packet
    }

    /// The word for Ethernet type and protocol together, if there is one.
    fn keyword(&self) -> Option<&'static str> {
        Some(match (self.eth_type?, self.ip_proto) {
            (EthType::IPV4, Some(IpProto::ICMP)) => "icmp",
            (EthType::IPV4, Some(IpProto::TCP)) => "tcp",
            (EthType::IPV4, Some(IpProto::UDP)) => "udp",
            (EthType::IPV4, Some(IpProto::SCTP)) => "sctp",
            (EthType::IPV4, _) => "ip",
            (EthType::IPV6, Some(IpProto::ICMPV6)) => "icmp6",
            (EthType::IPV6, Some(IpProto::TCP)) => "tcp6",
            (EthType::IPV6, Some(IpProto::UDP)) => "udp6",
            (EthType::IPV6, Some(IpProto::SCTP)) => "sctp6",
            (EthType::IPV6, _) => "ipv6",
            (EthType::ARP, _) => "arp",
            (EthType::RARP, _) => "rarp",
            (EthType::MPLS, _) => "mpls",
            (EthType::MPLS_MULTICAST, _) => "mplsm",
            _ => return None,
        })
    }

    /// Whether the keyword says the protocol too.
    fn keyword_has_protocol(&self) -> bool {
        !matches!(self.keyword(), None | Some("ip" | "ipv6"))
    }
}

/// The place of a field in the text.
fn rank(field: &OxmField) -> u8 {
    use OxmField as F;
    match field {
        F::Raw(_) => 0,
        F::TunnelId(_) => 1,
        F::Metadata(_) => 2,
        F::InPort(_) => 3,
        F::InPhyPort(_) => 4,
        F::VlanVid(_) => 5,
        F::VlanPcp(_) => 6,
        F::EthSrc(_) => 7,
        F::EthDst(_) => 8,
        F::EthType(_) => 9,
        F::Ipv4Src(_) | F::Ipv6Src(_) | F::ArpSpa(_) => 10,
        F::Ipv4Dst(_) | F::Ipv6Dst(_) | F::ArpTpa(_) => 11,
        F::Ipv6Flabel(_) => 12,
        F::Ipv6Exthdr(_) => 13,
        F::IpProto(_) | F::ArpOp(_) => 14,
        F::ArpSha(_) => 15,
        F::ArpTha(_) => 16,
        F::IpDscp(_) => 17,
        F::IpEcn(_) => 18,
        F::MplsLabel(_) => 19,
        F::MplsTc(_) => 20,
        F::MplsBos(_) => 21,
        F::PbbIsid(_) => 22,
        F::TcpSrc(_) | F::UdpSrc(_) | F::SctpSrc(_) | F::Icmpv4Type(_) | F::Icmpv6Type(_) => 23,
        F::TcpDst(_) | F::UdpDst(_) | F::SctpDst(_) | F::Icmpv4Code(_) | F::Icmpv6Code(_) => 24,
        F::Ipv6NdTarget(_) => 25,
        F::Ipv6NdSll(_) => 26,
        F::Ipv6NdTll(_) => 27,
    }
}

fn print(field: &OxmField, packet: &Packet, items: &mut Items<'_, '_>) -> fmt::Result {
    use OxmField as F;
    let named = |name| Named { name, text: Plain(field) };
    match field {
        F::EthType(_) if packet.keyword().is_some() => Ok(()),
        F::IpProto(_) if packet.keyword_has_protocol() => Ok(()),
        F::VlanVid(vid) => vlan(*vid, packet.vlan_pcp, items),
        F::VlanPcp(_) => Ok(()),
        F::TunnelId(_) => items.put(named("tun_id")),
        F::EthSrc(_) => items.put(named("dl_src")),
        F::EthDst(_) => items.put(named("dl_dst")),
        F::EthType(_) => items.put(named("dl_type")),
        F::Ipv4Src(_) => items.put(named("nw_src")),
        F::Ipv4Dst(_) => items.put(named("nw_dst")),
        F::IpProto(_) => items.put(named("nw_proto")),
        F::Ipv6Flabel(_) => items.put(named("ipv6_label")),
        // The byte of the header, in which the code point is shifted to the left.
        F::IpDscp(dscp) => items.put(format_args!("nw_tos={}", u16::from(*dscp) << 2)),
        F::IpEcn(_) => items.put(named("nw_ecn")),
        F::TcpSrc(_) | F::UdpSrc(_) | F::SctpSrc(_) => items.put(named("tp_src")),
        F::TcpDst(_) | F::UdpDst(_) | F::SctpDst(_) => items.put(named("tp_dst")),
        F::Icmpv4Type(_) | F::Icmpv6Type(_) => items.put(named("icmp_type")),
        F::Icmpv4Code(_) | F::Icmpv6Code(_) => items.put(named("icmp_code")),
        F::Ipv6NdTarget(_) => items.put(named("nd_target")),
        F::Ipv6NdSll(_) => items.put(named("nd_sll")),
        F::Ipv6NdTll(_) => items.put(named("nd_tll")),
        F::Raw(_) => items.put(Plain(field)),
        F::InPort(_)
        | F::InPhyPort(_)
        | F::Metadata(_)
        | F::ArpOp(_)
        | F::ArpSpa(_)
        | F::ArpTpa(_)
        | F::ArpSha(_)
        | F::ArpTha(_)
        | F::Ipv6Src(_)
        | F::Ipv6Dst(_)
        | F::MplsLabel(_)
        | F::MplsTc(_)
        | F::MplsBos(_)
        | F::PbbIsid(_)
        | F::Ipv6Exthdr(_) => items.put(named(field.name())),
    }
}

/// VLAN id and priority: two words where both are plain, else the sixteen bits of the tag.
fn vlan(vid: Masked<u16>, pcp: Option<u8>, items: &mut Items<'_, '_>) -> fmt::Result {
    const ID: u16 = 0x0fff;
    let mask = vid.mask().unwrap_or(VID_PRESENT | ID);
    let id_mask = mask & ID;
    if vid.value() & VID_PRESENT != 0 && (id_mask == ID || id_mask == 0 && pcp.is_some()) {
        if id_mask != 0 {
            items.put(format_args!("dl_vlan={}", vid.value() & ID))?;
        }
        return pcp.map_or(Ok(()), |pcp| items.put(format_args!("dl_vlan_pcp={pcp}")));
    }
    let pcp_mask = if pcp.is_some() { 0xe000 } else { 0 };
    let tci = vid.value() | u16::from(pcp.unwrap_or(0)) << 13;
    match mask | pcp_mask {
        0xffff => items.put(format_args!("vlan_tci={tci:#06x}")),
        mask => items.put(format_args!("vlan_tci={tci:#06x}/{mask:#06x}")),
    }
}

/// A name and a value with `=` between.
struct Named<T> {
    name: &'static str,
    text: T,
}

impl<T: Display> Display for Named<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.name, self.text)
    }
}

impl OxmField {
    /// The value as text, and the mask behind a slash if there is one.
    ///
    /// ```
    /// # use openflow::{Masked, OxmField, PortNo};
    /// assert_eq!(OxmField::Ipv4Src(Masked::exact([10, 0, 0, 1].into())).value().to_string(), "10.0.0.1");
    /// assert_eq!(OxmField::InPort(PortNo::LOCAL).value().to_string(), "LOCAL");
    /// ```
    pub fn value(&self) -> impl Display + '_ {
        Plain(self)
    }
}

/// The value of a field, and its mask behind a slash.
pub(super) struct Plain<'a>(pub(super) &'a OxmField);

impl Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use OxmField as F;
        match self.0 {
            F::InPort(port) | F::InPhyPort(port) => write!(f, "{port}"),
            F::EthType(eth_type) => write!(f, "{eth_type}"),
            F::IpProto(proto) => write!(f, "{proto}"),
            F::Metadata(value) | F::TunnelId(value) => hex(f, *value),
            F::EthDst(address) | F::EthSrc(address) | F::ArpSha(address) | F::ArpTha(address) => masked(f, *address),
            F::Ipv6NdSll(address) | F::Ipv6NdTll(address) => masked(f, *address),
            F::Ipv4Src(address) | F::Ipv4Dst(address) | F::ArpSpa(address) | F::ArpTpa(address) => ipv4(f, *address),
            F::Ipv6Src(address) | F::Ipv6Dst(address) | F::Ipv6NdTarget(address) => ipv6(f, *address),
            F::TcpSrc(port) | F::TcpDst(port) | F::UdpSrc(port) | F::UdpDst(port) => decimal(f, *port),
            F::SctpSrc(port) | F::SctpDst(port) | F::VlanVid(port) => decimal(f, *port),
            F::VlanPcp(number) | F::IpDscp(number) | F::IpEcn(number) => write!(f, "{number}"),
            F::Icmpv4Type(number) | F::Icmpv4Code(number) => write!(f, "{number}"),
            F::Icmpv6Type(number) | F::Icmpv6Code(number) => write!(f, "{number}"),
            F::MplsTc(number) | F::MplsBos(number) => write!(f, "{number}"),
            F::ArpOp(number) => write!(f, "{number}"),
            F::MplsLabel(label) => write!(f, "{label}"),
            F::Ipv6Flabel(label) => match label.mask() {
                None => write!(f, "{:#07x}", label.value()),
                Some(mask) => write!(f, "{:#07x}/{mask:#07x}", label.value()),
            },
            F::PbbIsid(isid) => match isid.mask() {
                None => write!(f, "{:#x}", u32::from(isid.value())),
                Some(mask) => write!(f, "{:#x}/{:#x}", u32::from(isid.value()), u32::from(mask)),
            },
            F::Ipv6Exthdr(bits) => hex(f, *bits),
            F::Raw(raw) => {
                write!(f, "oxm({:#06x},{},", raw.class(), raw.field())?;
                if raw.has_mask() {
                    f.write_str("masked,")?;
                }
                write!(f, "{})", Hex(raw.body()))
            }
        }
    }
}

fn masked<T: Display + Copy>(f: &mut fmt::Formatter<'_>, payload: Masked<T>) -> fmt::Result {
    write!(f, "{}", payload.value())?;
    payload.mask().map_or(Ok(()), |mask| write!(f, "/{mask}"))
}

fn hex<T: LowerHex + Copy>(f: &mut fmt::Formatter<'_>, payload: Masked<T>) -> fmt::Result {
    write!(f, "{:#x}", payload.value())?;
    payload.mask().map_or(Ok(()), |mask| write!(f, "/{mask:#x}"))
}

/// Decimal, but under a mask hexadecimal.
fn decimal(f: &mut fmt::Formatter<'_>, payload: Masked<u16>) -> fmt::Result {
    match payload.mask() {
        None => write!(f, "{}", payload.value()),
        Some(_) => hex(f, payload),
    }
}

/// A prefix length where the mask is one, else the mask.
fn ipv4(f: &mut fmt::Formatter<'_>, payload: Masked<Ipv4Addr>) -> fmt::Result {
    match payload.mask().map(Ipv4Addr::to_bits) {
        Some(mask) if mask.leading_ones() == 32 => write!(f, "{}", payload.value()),
        Some(mask) if mask.leading_ones() == mask.count_ones() => {
            write!(f, "{}/{}", payload.value(), mask.leading_ones())
        }
        _ => masked(f, payload),
    }
}

/// A prefix length where the mask is one, else the mask.
fn ipv6(f: &mut fmt::Formatter<'_>, payload: Masked<Ipv6Addr>) -> fmt::Result {
    match payload.mask().map(Ipv6Addr::to_bits) {
        Some(mask) if mask.leading_ones() == 128 => write!(f, "{}", payload.value()),
        Some(mask) if mask.leading_ones() == mask.count_ones() => {
            write!(f, "{}/{}", payload.value(), mask.leading_ones())
        }
        _ => masked(f, payload),
    }
}
