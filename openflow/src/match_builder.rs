//! [`MatchBuilder`]: one method for each field.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::flow_match::{Match, MatchError};
use crate::number::{EthType, IpProto, MacAddr};
use crate::oxm::{Isid, Masked, OxmField, RawOxm, VID_PRESENT, Value};
use crate::port::PortNo;

/// Collects fields in any order; [`build`](Self::build) checks them and puts them into the order of their numbers.
///
/// A mask of all ones is the same as none, and a field whose mask is zero is left out: it matches everything.
#[derive(Debug, Clone, Default)]
pub struct MatchBuilder {
    fields: Vec<OxmField>,
    flaw: Option<MatchError>,
}

impl MatchBuilder {
    /// The match, if its fields are lawful together.
    pub fn build(self) -> Result<Match, MatchError> {
        match self.flaw {
            Some(flaw) => Err(flaw),
            None => Match::canonical(self.fields),
        }
    }

    /// Any field, such as one of an experimenter.
    #[must_use]
    pub fn field(mut self, field: OxmField) -> Self {
        self.fields.push(field);
        self
    }

    /// A field that is none of the forty.
    #[must_use]
    pub fn raw(self, raw: RawOxm) -> Self {
        self.field(OxmField::Raw(raw))
    }

    /// A field under a mask.
    fn masked<T: Value>(
        mut self,
        name: &'static str,
        value: T,
        mask: T,
        field: impl FnOnce(Masked<T>) -> OxmField,
    ) -> Self {
        let ones = u128::MAX >> (128 - 8 * T::SIZE);
        match Masked::new(value, mask) {
            None => {
                self.flaw = self.flaw.or(Some(MatchError::BitsOutsideMask { field: name }));
            }
            Some(_) if mask.bits() == 0 => {}
            Some(_) if mask.bits() == ones => self.fields.push(field(Masked::exact(value))),
            Some(masked) => self.fields.push(field(masked)),
        }
        self
    }

    /// A VLAN tag with this id, 0 to 4095.
    #[must_use]
    pub fn vlan_vid(self, vid: u16) -> Self {
        self.field(OxmField::VlanVid(Masked::exact(vid.saturating_add(VID_PRESENT))))
    }

    /// No VLAN tag.
    #[doc(alias = "OFPVID_NONE")]
    #[must_use]
    pub fn vlan_none(self) -> Self {
        self.field(OxmField::VlanVid(Masked::exact(0)))
    }

    /// A VLAN tag with any id.
    #[must_use]
    pub fn vlan_any(self) -> Self {
        self.vlan_vid_masked(VID_PRESENT, VID_PRESENT)
    }

    /// The port where the packet came in.
    #[must_use]
    pub fn in_port(self, value: PortNo) -> Self {
        self.field(OxmField::InPort(value))
    }

    /// The physical port where the packet came in.
    #[must_use]
    pub fn in_phy_port(self, value: PortNo) -> Self {
        self.field(OxmField::InPhyPort(value))
    }

    /// What an earlier table left.
    #[must_use]
    pub fn metadata(self, value: u64) -> Self {
        self.field(OxmField::Metadata(Masked::exact(value)))
    }

    /// What an earlier table left, under a mask.
    #[must_use]
    pub fn metadata_masked(self, value: u64, mask: u64) -> Self {
        self.masked("metadata", value, mask, OxmField::Metadata)
    }

    /// The destination Ethernet address.
    #[must_use]
    pub fn eth_dst(self, value: MacAddr) -> Self {
        self.field(OxmField::EthDst(Masked::exact(value)))
    }

    /// The destination Ethernet address, under a mask.
    #[must_use]
    pub fn eth_dst_masked(self, value: MacAddr, mask: MacAddr) -> Self {
        self.masked("eth_dst", value, mask, OxmField::EthDst)
    }

    /// The source Ethernet address.
    #[must_use]
    pub fn eth_src(self, value: MacAddr) -> Self {
        self.field(OxmField::EthSrc(Masked::exact(value)))
    }

    /// The source Ethernet address, under a mask.
    #[must_use]
    pub fn eth_src_masked(self, value: MacAddr, mask: MacAddr) -> Self {
        self.masked("eth_src", value, mask, OxmField::EthSrc)
    }

    /// The Ethernet type, after VLAN tags.
    #[must_use]
    pub fn eth_type(self, value: EthType) -> Self {
        self.field(OxmField::EthType(value))
    }

    /// The VLAN id, with [`VID_PRESENT`]; 0 is no VLAN tag, under a mask.
    #[must_use]
    pub fn vlan_vid_masked(self, value: u16, mask: u16) -> Self {
        self.masked("vlan_vid", value, mask, OxmField::VlanVid)
    }

    /// The VLAN priority.
    #[must_use]
    pub fn vlan_pcp(self, value: u8) -> Self {
        self.field(OxmField::VlanPcp(value))
    }

    /// The differentiated services code point.
    #[must_use]
    pub fn ip_dscp(self, value: u8) -> Self {
        self.field(OxmField::IpDscp(value))
    }

    /// The congestion notification bits.
    #[must_use]
    pub fn ip_ecn(self, value: u8) -> Self {
        self.field(OxmField::IpEcn(value))
    }

    /// The IP protocol.
    #[must_use]
    pub fn ip_proto(self, value: IpProto) -> Self {
        self.field(OxmField::IpProto(value))
    }

    /// The IPv4 source.
    #[must_use]
    pub fn ipv4_src(self, value: Ipv4Addr) -> Self {
        self.field(OxmField::Ipv4Src(Masked::exact(value)))
    }

    /// The IPv4 source, under a mask.
    #[must_use]
    pub fn ipv4_src_masked(self, value: Ipv4Addr, mask: Ipv4Addr) -> Self {
        self.masked("ipv4_src", value, mask, OxmField::Ipv4Src)
    }

    /// The IPv4 destination.
    #[must_use]
    pub fn ipv4_dst(self, value: Ipv4Addr) -> Self {
        self.field(OxmField::Ipv4Dst(Masked::exact(value)))
    }

    /// The IPv4 destination, under a mask.
    #[must_use]
    pub fn ipv4_dst_masked(self, value: Ipv4Addr, mask: Ipv4Addr) -> Self {
        self.masked("ipv4_dst", value, mask, OxmField::Ipv4Dst)
    }

    /// The TCP source port.
    #[must_use]
    pub fn tcp_src(self, value: u16) -> Self {
        self.field(OxmField::TcpSrc(Masked::exact(value)))
    }

    /// The TCP source port, under a mask.
    #[must_use]
    pub fn tcp_src_masked(self, value: u16, mask: u16) -> Self {
        self.masked("tcp_src", value, mask, OxmField::TcpSrc)
    }

    /// The TCP destination port.
    #[must_use]
    pub fn tcp_dst(self, value: u16) -> Self {
        self.field(OxmField::TcpDst(Masked::exact(value)))
    }

    /// The TCP destination port, under a mask.
    #[must_use]
    pub fn tcp_dst_masked(self, value: u16, mask: u16) -> Self {
        self.masked("tcp_dst", value, mask, OxmField::TcpDst)
    }

    /// The UDP source port.
    #[must_use]
    pub fn udp_src(self, value: u16) -> Self {
        self.field(OxmField::UdpSrc(Masked::exact(value)))
    }

    /// The UDP source port, under a mask.
    #[must_use]
    pub fn udp_src_masked(self, value: u16, mask: u16) -> Self {
        self.masked("udp_src", value, mask, OxmField::UdpSrc)
    }

    /// The UDP destination port.
    #[must_use]
    pub fn udp_dst(self, value: u16) -> Self {
        self.field(OxmField::UdpDst(Masked::exact(value)))
    }

    /// The UDP destination port, under a mask.
    #[must_use]
    pub fn udp_dst_masked(self, value: u16, mask: u16) -> Self {
        self.masked("udp_dst", value, mask, OxmField::UdpDst)
    }

    /// The SCTP source port.
    #[must_use]
    pub fn sctp_src(self, value: u16) -> Self {
        self.field(OxmField::SctpSrc(Masked::exact(value)))
    }

    /// The SCTP source port, under a mask.
    #[must_use]
    pub fn sctp_src_masked(self, value: u16, mask: u16) -> Self {
        self.masked("sctp_src", value, mask, OxmField::SctpSrc)
    }

    /// The SCTP destination port.
    #[must_use]
    pub fn sctp_dst(self, value: u16) -> Self {
        self.field(OxmField::SctpDst(Masked::exact(value)))
    }

    /// The SCTP destination port, under a mask.
    #[must_use]
    pub fn sctp_dst_masked(self, value: u16, mask: u16) -> Self {
        self.masked("sctp_dst", value, mask, OxmField::SctpDst)
    }

    /// The ICMP type.
    #[must_use]
    pub fn icmpv4_type(self, value: u8) -> Self {
        self.field(OxmField::Icmpv4Type(value))
    }

    /// The ICMP code.
    #[must_use]
    pub fn icmpv4_code(self, value: u8) -> Self {
        self.field(OxmField::Icmpv4Code(value))
    }

    /// The ARP operation.
    #[must_use]
    pub fn arp_op(self, value: u16) -> Self {
        self.field(OxmField::ArpOp(value))
    }

    /// The ARP source IPv4 address.
    #[must_use]
    pub fn arp_spa(self, value: Ipv4Addr) -> Self {
        self.field(OxmField::ArpSpa(Masked::exact(value)))
    }

    /// The ARP source IPv4 address, under a mask.
    #[must_use]
    pub fn arp_spa_masked(self, value: Ipv4Addr, mask: Ipv4Addr) -> Self {
        self.masked("arp_spa", value, mask, OxmField::ArpSpa)
    }

    /// The ARP target IPv4 address.
    #[must_use]
    pub fn arp_tpa(self, value: Ipv4Addr) -> Self {
        self.field(OxmField::ArpTpa(Masked::exact(value)))
    }

    /// The ARP target IPv4 address, under a mask.
    #[must_use]
    pub fn arp_tpa_masked(self, value: Ipv4Addr, mask: Ipv4Addr) -> Self {
        self.masked("arp_tpa", value, mask, OxmField::ArpTpa)
    }

    /// The ARP source hardware address.
    #[must_use]
    pub fn arp_sha(self, value: MacAddr) -> Self {
        self.field(OxmField::ArpSha(Masked::exact(value)))
    }

    /// The ARP source hardware address, under a mask.
    #[must_use]
    pub fn arp_sha_masked(self, value: MacAddr, mask: MacAddr) -> Self {
        self.masked("arp_sha", value, mask, OxmField::ArpSha)
    }

    /// The ARP target hardware address.
    #[must_use]
    pub fn arp_tha(self, value: MacAddr) -> Self {
        self.field(OxmField::ArpTha(Masked::exact(value)))
    }

    /// The ARP target hardware address, under a mask.
    #[must_use]
    pub fn arp_tha_masked(self, value: MacAddr, mask: MacAddr) -> Self {
        self.masked("arp_tha", value, mask, OxmField::ArpTha)
    }

    /// The IPv6 source.
    #[must_use]
    pub fn ipv6_src(self, value: Ipv6Addr) -> Self {
        self.field(OxmField::Ipv6Src(Masked::exact(value)))
    }

    /// The IPv6 source, under a mask.
    #[must_use]
    pub fn ipv6_src_masked(self, value: Ipv6Addr, mask: Ipv6Addr) -> Self {
        self.masked("ipv6_src", value, mask, OxmField::Ipv6Src)
    }

    /// The IPv6 destination.
    #[must_use]
    pub fn ipv6_dst(self, value: Ipv6Addr) -> Self {
        self.field(OxmField::Ipv6Dst(Masked::exact(value)))
    }

    /// The IPv6 destination, under a mask.
    #[must_use]
    pub fn ipv6_dst_masked(self, value: Ipv6Addr, mask: Ipv6Addr) -> Self {
        self.masked("ipv6_dst", value, mask, OxmField::Ipv6Dst)
    }

    /// The IPv6 flow label.
    #[must_use]
    pub fn ipv6_flabel(self, value: u32) -> Self {
        self.field(OxmField::Ipv6Flabel(Masked::exact(value)))
    }

    /// The IPv6 flow label, under a mask.
    #[must_use]
    pub fn ipv6_flabel_masked(self, value: u32, mask: u32) -> Self {
        self.masked("ipv6_flabel", value, mask, OxmField::Ipv6Flabel)
    }

    /// The ICMPv6 type.
    #[must_use]
    pub fn icmpv6_type(self, value: u8) -> Self {
        self.field(OxmField::Icmpv6Type(value))
    }

    /// The ICMPv6 code.
    #[must_use]
    pub fn icmpv6_code(self, value: u8) -> Self {
        self.field(OxmField::Icmpv6Code(value))
    }

    /// The target of a neighbour discovery.
    #[must_use]
    pub fn ipv6_nd_target(self, value: Ipv6Addr) -> Self {
        self.field(OxmField::Ipv6NdTarget(Masked::exact(value)))
    }

    /// The target of a neighbour discovery, under a mask.
    #[must_use]
    pub fn ipv6_nd_target_masked(self, value: Ipv6Addr, mask: Ipv6Addr) -> Self {
        self.masked("ipv6_nd_target", value, mask, OxmField::Ipv6NdTarget)
    }

    /// The source link-layer address of a neighbour solicitation.
    #[must_use]
    pub fn ipv6_nd_sll(self, value: MacAddr) -> Self {
        self.field(OxmField::Ipv6NdSll(Masked::exact(value)))
    }

    /// The source link-layer address of a neighbour solicitation, under a mask.
    #[must_use]
    pub fn ipv6_nd_sll_masked(self, value: MacAddr, mask: MacAddr) -> Self {
        self.masked("ipv6_nd_sll", value, mask, OxmField::Ipv6NdSll)
    }

    /// The target link-layer address of a neighbour advertisement.
    #[must_use]
    pub fn ipv6_nd_tll(self, value: MacAddr) -> Self {
        self.field(OxmField::Ipv6NdTll(Masked::exact(value)))
    }

    /// The target link-layer address of a neighbour advertisement, under a mask.
    #[must_use]
    pub fn ipv6_nd_tll_masked(self, value: MacAddr, mask: MacAddr) -> Self {
        self.masked("ipv6_nd_tll", value, mask, OxmField::Ipv6NdTll)
    }

    /// The label of the outermost MPLS header.
    #[must_use]
    pub fn mpls_label(self, value: u32) -> Self {
        self.field(OxmField::MplsLabel(value))
    }

    /// The traffic class of the outermost MPLS header.
    #[must_use]
    pub fn mpls_tc(self, value: u8) -> Self {
        self.field(OxmField::MplsTc(value))
    }

    /// The bottom-of-stack bit of the outermost MPLS header.
    #[must_use]
    pub fn mpls_bos(self, value: u8) -> Self {
        self.field(OxmField::MplsBos(value))
    }

    /// The service instance of a provider backbone header.
    #[must_use]
    pub fn pbb_isid(self, value: Isid) -> Self {
        self.field(OxmField::PbbIsid(Masked::exact(value)))
    }

    /// The service instance of a provider backbone header, under a mask.
    #[must_use]
    pub fn pbb_isid_masked(self, value: Isid, mask: Isid) -> Self {
        self.masked("pbb_isid", value, mask, OxmField::PbbIsid)
    }

    /// The id of a logical port, such as a tunnel key.
    #[must_use]
    pub fn tunnel_id(self, value: u64) -> Self {
        self.field(OxmField::TunnelId(Masked::exact(value)))
    }

    /// The id of a logical port, such as a tunnel key, under a mask.
    #[must_use]
    pub fn tunnel_id_masked(self, value: u64, mask: u64) -> Self {
        self.masked("tunnel_id", value, mask, OxmField::TunnelId)
    }

    /// The IPv6 extension headers, one bit each.
    #[must_use]
    pub fn ipv6_exthdr(self, value: u16) -> Self {
        self.field(OxmField::Ipv6Exthdr(Masked::exact(value)))
    }

    /// The IPv6 extension headers, one bit each, under a mask.
    #[must_use]
    pub fn ipv6_exthdr_masked(self, value: u16, mask: u16) -> Self {
        self.masked("ipv6_exthdr", value, mask, OxmField::Ipv6Exthdr)
    }
}

#[cfg(test)]
mod tests;
