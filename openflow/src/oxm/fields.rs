//! The forty fields of OpenFlow 1.3, one row each (section 7.2.3.7).

use bytes::{BufMut, BytesMut};
use std::net::{Ipv4Addr, Ipv6Addr};

use super::payload::{Isid, Masked, Payload};
use super::{OPENFLOW_BASIC, RawOxm};
use crate::flow_match::MatchError;
use crate::number::{EthType, IpProto, MacAddr};
use crate::port::PortNo;
use crate::wire::Parsed;

/// The bit that says that a VLAN tag is there, beside the id in [`OxmField::VlanVid`].
#[doc(alias = "OFPVID_PRESENT")]
pub const VID_PRESENT: u16 = 0x1000;

/// The table of the fields: number, variant and what it carries, width in bits, name in the specification.
///
/// ```text
/// oxm_fields! { /// The IPv4 source. 11 Ipv4Src(Masked<Ipv4Addr>) 32 "ipv4_src" "OFPXMT_OFB_IPV4_SRC", }
/// // enum OxmField { Ipv4Src(Masked<Ipv4Addr>), Raw(RawOxm) } with number, name, check, decode_basic, encode
/// ```
macro_rules! oxm_fields {
    ($($(#[$doc:meta])* $number:literal $variant:ident($payload:ty) $width:literal $name:literal $alias:literal,)*) => {
        /// One field of a match: what it compares with, under a mask perhaps (section 7.2.3).
        ///
        /// A claim, not yet a proof: a [`Match`](crate::Match) or [`SetField`](crate::SetField) made of fields has been
        /// checked, and cannot hold a value too wide for its field.
        #[doc(alias = "oxm_ofb_match_fields")]
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum OxmField {
            $($(#[$doc])* #[doc(alias = $alias)] $variant($payload),)*
            /// A field that is none of the forty, byte for byte.
            Raw(RawOxm),
        }
        impl OxmField {
            /// The number of a field of the basic class.
            pub const fn number(&self) -> Option<u8> { match self { $(Self::$variant(_) => Some($number),)* Self::Raw(_) => None } }
            /// The name in the specification, in lower case and without its prefix, such as `ipv4_src`.
            pub const fn name(&self) -> &'static str { match self { $(Self::$variant(_) => $name,)* Self::Raw(_) => "oxm" } }
            /// Whether the field has a mask.
            pub fn has_mask(&self) -> bool { match self { $(Self::$variant(payload) => payload.has_mask(),)* Self::Raw(raw) => raw.has_mask() } }
            /// Value and mask as numbers, or `None` for a field that is none of the forty. Without a mask all bits of the field count.
            pub fn bits(&self) -> Option<(u128, u128)> {
                let ((bits, mask), width) = match self { $(Self::$variant(payload) => (payload.bits_and_mask(), $width),)* Self::Raw(_) => return None };
                Some((bits, mask.unwrap_or(u128::MAX >> (128 - width))))
            }
            /// Whether the value fits into the field.
            pub(crate) fn check(&self) -> Result<(), MatchError> { match self { $(Self::$variant(payload) => payload.check($name, $width),)* Self::Raw(_) => Ok(()) } }
            /// Reads the payload of a field of the basic class; `None` if there is no field of this number.
            #[inline]
            pub(super) fn decode_basic(number: u8, has_mask: bool, body: &[u8]) -> Option<Parsed<'_, Self>> {
                Some(match number { $($number => <$payload as Payload>::decode(body, has_mask).map(|(rest, payload)| (rest, Self::$variant(payload))),)* _ => return None })
            }
            /// Appends the field, header and all.
            #[inline]
            pub(crate) fn encode(&self, out: &mut BytesMut) {
                match self { $(Self::$variant(payload) => encode_basic($number, payload, out),)* Self::Raw(raw) => raw.encode(out) }
            }
        }
    };
}

oxm_fields! {
    /// The port where the packet came in.
    0 InPort(PortNo) 32 "in_port" "OFPXMT_OFB_IN_PORT",
    /// The physical port where the packet came in.
    1 InPhyPort(PortNo) 32 "in_phy_port" "OFPXMT_OFB_IN_PHY_PORT",
    /// What an earlier table left.
    2 Metadata(Masked<u64>) 64 "metadata" "OFPXMT_OFB_METADATA",
    /// The destination Ethernet address.
    3 EthDst(Masked<MacAddr>) 48 "eth_dst" "OFPXMT_OFB_ETH_DST",
    /// The source Ethernet address.
    4 EthSrc(Masked<MacAddr>) 48 "eth_src" "OFPXMT_OFB_ETH_SRC",
    /// The Ethernet type, after VLAN tags.
    5 EthType(EthType) 16 "eth_type" "OFPXMT_OFB_ETH_TYPE",
    /// The VLAN id, with [`VID_PRESENT`]; 0 is no VLAN tag.
    6 VlanVid(Masked<u16>) 13 "vlan_vid" "OFPXMT_OFB_VLAN_VID",
    /// The VLAN priority.
    7 VlanPcp(u8) 3 "vlan_pcp" "OFPXMT_OFB_VLAN_PCP",
    /// The differentiated services code point.
    8 IpDscp(u8) 6 "ip_dscp" "OFPXMT_OFB_IP_DSCP",
    /// The congestion notification bits.
    9 IpEcn(u8) 2 "ip_ecn" "OFPXMT_OFB_IP_ECN",
    /// The IP protocol.
    10 IpProto(IpProto) 8 "ip_proto" "OFPXMT_OFB_IP_PROTO",
    /// The IPv4 source.
    11 Ipv4Src(Masked<Ipv4Addr>) 32 "ipv4_src" "OFPXMT_OFB_IPV4_SRC",
    /// The IPv4 destination.
    12 Ipv4Dst(Masked<Ipv4Addr>) 32 "ipv4_dst" "OFPXMT_OFB_IPV4_DST",
    /// The TCP source port.
    13 TcpSrc(Masked<u16>) 16 "tcp_src" "OFPXMT_OFB_TCP_SRC",
    /// The TCP destination port.
    14 TcpDst(Masked<u16>) 16 "tcp_dst" "OFPXMT_OFB_TCP_DST",
    /// The UDP source port.
    15 UdpSrc(Masked<u16>) 16 "udp_src" "OFPXMT_OFB_UDP_SRC",
    /// The UDP destination port.
    16 UdpDst(Masked<u16>) 16 "udp_dst" "OFPXMT_OFB_UDP_DST",
    /// The SCTP source port.
    17 SctpSrc(Masked<u16>) 16 "sctp_src" "OFPXMT_OFB_SCTP_SRC",
    /// The SCTP destination port.
    18 SctpDst(Masked<u16>) 16 "sctp_dst" "OFPXMT_OFB_SCTP_DST",
    /// The ICMP type.
    19 Icmpv4Type(u8) 8 "icmpv4_type" "OFPXMT_OFB_ICMPV4_TYPE",
    /// The ICMP code.
    20 Icmpv4Code(u8) 8 "icmpv4_code" "OFPXMT_OFB_ICMPV4_CODE",
    /// The ARP operation.
    21 ArpOp(u16) 16 "arp_op" "OFPXMT_OFB_ARP_OP",
    /// The ARP source IPv4 address.
    22 ArpSpa(Masked<Ipv4Addr>) 32 "arp_spa" "OFPXMT_OFB_ARP_SPA",
    /// The ARP target IPv4 address.
    23 ArpTpa(Masked<Ipv4Addr>) 32 "arp_tpa" "OFPXMT_OFB_ARP_TPA",
    /// The ARP source hardware address.
    24 ArpSha(Masked<MacAddr>) 48 "arp_sha" "OFPXMT_OFB_ARP_SHA",
    /// The ARP target hardware address.
    25 ArpTha(Masked<MacAddr>) 48 "arp_tha" "OFPXMT_OFB_ARP_THA",
    /// The IPv6 source.
    26 Ipv6Src(Masked<Ipv6Addr>) 128 "ipv6_src" "OFPXMT_OFB_IPV6_SRC",
    /// The IPv6 destination.
    27 Ipv6Dst(Masked<Ipv6Addr>) 128 "ipv6_dst" "OFPXMT_OFB_IPV6_DST",
    /// The IPv6 flow label.
    28 Ipv6Flabel(Masked<u32>) 20 "ipv6_flabel" "OFPXMT_OFB_IPV6_FLABEL",
    /// The ICMPv6 type.
    29 Icmpv6Type(u8) 8 "icmpv6_type" "OFPXMT_OFB_ICMPV6_TYPE",
    /// The ICMPv6 code.
    30 Icmpv6Code(u8) 8 "icmpv6_code" "OFPXMT_OFB_ICMPV6_CODE",
    /// The target of a neighbour discovery.
    31 Ipv6NdTarget(Masked<Ipv6Addr>) 128 "ipv6_nd_target" "OFPXMT_OFB_IPV6_ND_TARGET",
    /// The source link-layer address of a neighbour solicitation.
    32 Ipv6NdSll(Masked<MacAddr>) 48 "ipv6_nd_sll" "OFPXMT_OFB_IPV6_ND_SLL",
    /// The target link-layer address of a neighbour advertisement.
    33 Ipv6NdTll(Masked<MacAddr>) 48 "ipv6_nd_tll" "OFPXMT_OFB_IPV6_ND_TLL",
    /// The label of the outermost MPLS header.
    34 MplsLabel(u32) 20 "mpls_label" "OFPXMT_OFB_MPLS_LABEL",
    /// The traffic class of the outermost MPLS header.
    35 MplsTc(u8) 3 "mpls_tc" "OFPXMT_OFB_MPLS_TC",
    /// The bottom-of-stack bit of the outermost MPLS header.
    36 MplsBos(u8) 1 "mpls_bos" "OFPXMT_OFB_MPLS_BOS",
    /// The service instance of a provider backbone header.
    37 PbbIsid(Masked<Isid>) 24 "pbb_isid" "OFPXMT_OFB_PBB_ISID",
    /// The id of a logical port, such as a tunnel key.
    38 TunnelId(Masked<u64>) 64 "tunnel_id" "OFPXMT_OFB_TUNNEL_ID",
    /// The IPv6 extension headers, one bit each.
    39 Ipv6Exthdr(Masked<u16>) 9 "ipv6_exthdr" "OFPXMT_OFB_IPV6_EXTHDR",
}

/// Appends a field of the basic class.
#[inline]
fn encode_basic<P: Payload>(number: u8, payload: &P, out: &mut BytesMut) {
    let has_mask = u32::from(payload.has_mask());
    let length = (P::SIZE as u32) << has_mask;
    out.put_u32(u32::from(OPENFLOW_BASIC) << 16 | u32::from(number) << 9 | has_mask << 8 | length);
    payload.encode(out);
}
