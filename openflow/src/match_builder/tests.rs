//! What the builder makes, and what it refuses.

use super::*;

/// The only field that a method adds.
fn only(builder: MatchBuilder) -> OxmField {
    let [field] = builder.fields.try_into().unwrap();
    field
}

#[test]
fn each_method_adds_its_field() {
    use OxmField as F;
    let b = MatchBuilder::default;
    let (v4, v6, mac) = (Ipv4Addr::new(10, 0, 0, 1), Ipv6Addr::LOCALHOST, MacAddr([2, 0, 0, 0, 0, 1]));
    let isid = Isid::try_from(0x12_3456).unwrap();
    let e = Masked::exact;
    for (builder, field) in [
        (b().in_port(PortNo(1)), F::InPort(PortNo(1))),
        (b().in_phy_port(PortNo(1)), F::InPhyPort(PortNo(1))),
        (b().metadata(1), F::Metadata(Masked::exact(1))),
        (b().eth_dst(mac), F::EthDst(Masked::exact(mac))),
        (b().eth_src(mac), F::EthSrc(Masked::exact(mac))),
        (b().eth_type(EthType::ARP), F::EthType(EthType::ARP)),
        (b().vlan_vid(5), F::VlanVid(e(0x1005))),
        (b().vlan_none(), F::VlanVid(e(0))),
        (b().vlan_any(), F::VlanVid(Masked::new(0x1000, 0x1000).unwrap())),
        (b().vlan_pcp(1), F::VlanPcp(1)),
        (b().ip_dscp(1), F::IpDscp(1)),
        (b().ip_ecn(1), F::IpEcn(1)),
        (b().ip_proto(IpProto::TCP), F::IpProto(IpProto::TCP)),
        (b().ipv4_src(v4), F::Ipv4Src(Masked::exact(v4))),
        (b().ipv4_dst(v4), F::Ipv4Dst(Masked::exact(v4))),
        (b().tcp_src(1), F::TcpSrc(e(1))),
        (b().tcp_dst(1), F::TcpDst(e(1))),
        (b().udp_src(1), F::UdpSrc(e(1))),
        (b().udp_dst(1), F::UdpDst(e(1))),
        (b().sctp_src(1), F::SctpSrc(e(1))),
        (b().sctp_dst(1), F::SctpDst(e(1))),
        (b().icmpv4_type(1), F::Icmpv4Type(1)),
        (b().icmpv4_code(1), F::Icmpv4Code(1)),
        (b().arp_op(1), F::ArpOp(1)),
        (b().arp_spa(v4), F::ArpSpa(Masked::exact(v4))),
        (b().arp_tpa(v4), F::ArpTpa(Masked::exact(v4))),
        (b().arp_sha(mac), F::ArpSha(Masked::exact(mac))),
        (b().arp_tha(mac), F::ArpTha(Masked::exact(mac))),
        (b().ipv6_src(v6), F::Ipv6Src(Masked::exact(v6))),
        (b().ipv6_dst(v6), F::Ipv6Dst(Masked::exact(v6))),
        (b().ipv6_flabel(1), F::Ipv6Flabel(Masked::exact(1))),
        (b().icmpv6_type(1), F::Icmpv6Type(1)),
        (b().icmpv6_code(1), F::Icmpv6Code(1)),
        (b().ipv6_nd_target(v6), F::Ipv6NdTarget(Masked::exact(v6))),
        (b().ipv6_nd_sll(mac), F::Ipv6NdSll(Masked::exact(mac))),
        (b().ipv6_nd_tll(mac), F::Ipv6NdTll(Masked::exact(mac))),
        (b().mpls_label(1), F::MplsLabel(1)),
        (b().mpls_tc(1), F::MplsTc(1)),
        (b().mpls_bos(1), F::MplsBos(1)),
        (b().pbb_isid(isid), F::PbbIsid(Masked::exact(isid))),
        (b().tunnel_id(1), F::TunnelId(Masked::exact(1))),
        (b().ipv6_exthdr(1), F::Ipv6Exthdr(e(1))),
    ] {
        assert_eq!(only(builder), field);
    }
}

#[test]
fn each_method_with_a_mask_adds_its_field_under_the_mask() {
    use OxmField as F;
    let b = MatchBuilder::default;
    let m = |value, mask| Masked::new(value, mask).unwrap();
    let (v4, v6, mac) = (Ipv4Addr::new(0, 0, 0, 1), Ipv6Addr::LOCALHOST, MacAddr([2, 0, 0, 0, 0, 0]));
    let isid = Isid::try_from(0x12_0000).unwrap();
    for (builder, field) in [
        (b().metadata_masked(1, 3), F::Metadata(Masked::new(1, 3).unwrap())),
        (b().eth_dst_masked(mac, mac), F::EthDst(Masked::new(mac, mac).unwrap())),
        (b().eth_src_masked(mac, mac), F::EthSrc(Masked::new(mac, mac).unwrap())),
        (b().vlan_vid_masked(1, 3), F::VlanVid(m(1, 3))),
        (b().ipv4_src_masked(v4, v4), F::Ipv4Src(Masked::new(v4, v4).unwrap())),
        (b().ipv4_dst_masked(v4, v4), F::Ipv4Dst(Masked::new(v4, v4).unwrap())),
        (b().tcp_src_masked(1, 3), F::TcpSrc(m(1, 3))),
        (b().tcp_dst_masked(1, 3), F::TcpDst(m(1, 3))),
        (b().udp_src_masked(1, 3), F::UdpSrc(m(1, 3))),
        (b().udp_dst_masked(1, 3), F::UdpDst(m(1, 3))),
        (b().sctp_src_masked(1, 3), F::SctpSrc(m(1, 3))),
        (b().sctp_dst_masked(1, 3), F::SctpDst(m(1, 3))),
        (b().arp_spa_masked(v4, v4), F::ArpSpa(Masked::new(v4, v4).unwrap())),
        (b().arp_tpa_masked(v4, v4), F::ArpTpa(Masked::new(v4, v4).unwrap())),
        (b().arp_sha_masked(mac, mac), F::ArpSha(Masked::new(mac, mac).unwrap())),
        (b().arp_tha_masked(mac, mac), F::ArpTha(Masked::new(mac, mac).unwrap())),
        (b().ipv6_src_masked(v6, v6), F::Ipv6Src(Masked::new(v6, v6).unwrap())),
        (b().ipv6_dst_masked(v6, v6), F::Ipv6Dst(Masked::new(v6, v6).unwrap())),
        (b().ipv6_flabel_masked(1, 3), F::Ipv6Flabel(Masked::new(1, 3).unwrap())),
        (b().ipv6_nd_target_masked(v6, v6), F::Ipv6NdTarget(Masked::new(v6, v6).unwrap())),
        (b().ipv6_nd_sll_masked(mac, mac), F::Ipv6NdSll(Masked::new(mac, mac).unwrap())),
        (b().ipv6_nd_tll_masked(mac, mac), F::Ipv6NdTll(Masked::new(mac, mac).unwrap())),
        (b().pbb_isid_masked(isid, isid), F::PbbIsid(Masked::new(isid, isid).unwrap())),
        (b().tunnel_id_masked(1, 3), F::TunnelId(Masked::new(1, 3).unwrap())),
        (b().ipv6_exthdr_masked(1, 3), F::Ipv6Exthdr(m(1, 3))),
    ] {
        assert_eq!(only(builder), field);
    }
}
