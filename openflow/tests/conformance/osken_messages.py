#!/usr/bin/env python3
"""Every message that os-ken can make, as lines of `name hex`. Needs the package os-ken."""

from os_ken.ofproto import ofproto_v1_3 as ofp
from os_ken.ofproto import ofproto_v1_3_parser as p


# A packet that dissectors take for what it is.
ARP_REQUEST = bytes.fromhex("ffffffffffff020000000001080600010800060400010200000000010a0000010000000000000a000002") + bytes(18)


class Datapath:
    ofproto = ofp
    ofproto_parser = p
    id = 1


dp = Datapath()

# One value for each field, with what must stand beside it.
IPV4, IPV6, ARP, MPLS, PBB = 0x0800, 0x86DD, 0x0806, 0x8847, 0x88E7
FIELDS = [
    ("in_port", dict(in_port=1)),
    ("in_phy_port", dict(in_port=1, in_phy_port=2)),
    ("metadata", dict(metadata=(0x10, 0xFF))),
    ("eth_dst", dict(eth_dst=("01:00:00:00:00:00", "01:00:00:00:00:00"))),
    ("eth_src", dict(eth_src="02:00:00:00:00:01")),
    ("eth_type", dict(eth_type=0x88CC)),
    ("vlan_vid", dict(vlan_vid=0x1000 | 100)),
    ("vlan_vid_masked", dict(vlan_vid=(0x1000, 0x1000))),
    ("vlan_pcp", dict(vlan_vid=0x1064, vlan_pcp=5)),
    ("ip_dscp", dict(eth_type=IPV4, ip_dscp=46)),
    ("ip_ecn", dict(eth_type=IPV4, ip_ecn=2)),
    ("ip_proto", dict(eth_type=IPV4, ip_proto=47)),
    ("ipv4_src", dict(eth_type=IPV4, ipv4_src=("10.0.0.0", "255.255.255.0"))),
    ("ipv4_dst", dict(eth_type=IPV4, ipv4_dst="10.0.0.1")),
    ("tcp_src", dict(eth_type=IPV4, ip_proto=6, tcp_src=80)),
    ("tcp_dst", dict(eth_type=IPV4, ip_proto=6, tcp_dst=443)),
    ("udp_src", dict(eth_type=IPV4, ip_proto=17, udp_src=5060)),
    ("udp_dst", dict(eth_type=IPV4, ip_proto=17, udp_dst=5061)),
    ("sctp_src", dict(eth_type=IPV4, ip_proto=132, sctp_src=1)),
    ("sctp_dst", dict(eth_type=IPV4, ip_proto=132, sctp_dst=2)),
    ("icmpv4_type", dict(eth_type=IPV4, ip_proto=1, icmpv4_type=8)),
    ("icmpv4_code", dict(eth_type=IPV4, ip_proto=1, icmpv4_code=1)),
    ("arp_op", dict(eth_type=ARP, arp_op=1)),
    ("arp_spa", dict(eth_type=ARP, arp_spa=("10.0.0.0", "255.0.0.0"))),
    ("arp_tpa", dict(eth_type=ARP, arp_tpa="10.0.0.2")),
    ("arp_sha", dict(eth_type=ARP, arp_sha="02:00:00:00:00:02")),
    ("arp_tha", dict(eth_type=ARP, arp_tha="02:00:00:00:00:03")),
    ("ipv6_src", dict(eth_type=IPV6, ipv6_src=("fe80::", "ffff:ffff:ffff:ffff::"))),
    ("ipv6_dst", dict(eth_type=IPV6, ipv6_dst="2001:db8::1")),
    ("ipv6_flabel", dict(eth_type=IPV6, ipv6_flabel=(0x12300, 0xFFF00))),
    ("icmpv6_type", dict(eth_type=IPV6, ip_proto=58, icmpv6_type=128)),
    ("icmpv6_code", dict(eth_type=IPV6, ip_proto=58, icmpv6_code=1)),
    ("ipv6_nd_target", dict(eth_type=IPV6, ip_proto=58, icmpv6_type=135, ipv6_nd_target="fe80::2")),
    ("ipv6_nd_sll", dict(eth_type=IPV6, ip_proto=58, icmpv6_type=135, ipv6_nd_sll="02:00:00:00:00:04")),
    ("ipv6_nd_tll", dict(eth_type=IPV6, ip_proto=58, icmpv6_type=136, ipv6_nd_tll="02:00:00:00:00:05")),
    ("mpls_label", dict(eth_type=MPLS, mpls_label=100)),
    ("mpls_tc", dict(eth_type=MPLS, mpls_tc=3)),
    ("mpls_bos", dict(eth_type=MPLS, mpls_bos=1)),
    ("pbb_isid", dict(eth_type=PBB, pbb_isid=(0x123400, 0xFFFF00))),
    ("tunnel_id", dict(tunnel_id=(0x7000, 0xF000))),
    ("ipv6_exthdr", dict(eth_type=IPV6, ipv6_exthdr=(0x10, 0x1F0))),
]

ACTIONS = [
    ("output", lambda: p.OFPActionOutput(ofp.OFPP_CONTROLLER, 128)),
    ("copy_ttl_out", p.OFPActionCopyTtlOut),
    ("copy_ttl_in", p.OFPActionCopyTtlIn),
    ("set_mpls_ttl", lambda: p.OFPActionSetMplsTtl(5)),
    ("dec_mpls_ttl", p.OFPActionDecMplsTtl),
    ("push_vlan", lambda: p.OFPActionPushVlan(0x8100)),
    ("pop_vlan", p.OFPActionPopVlan),
    ("push_mpls", lambda: p.OFPActionPushMpls(0x8847)),
    ("pop_mpls", lambda: p.OFPActionPopMpls(0x0800)),
    ("set_queue", lambda: p.OFPActionSetQueue(3)),
    ("group", lambda: p.OFPActionGroup(7)),
    ("set_nw_ttl", lambda: p.OFPActionSetNwTtl(64)),
    ("dec_nw_ttl", p.OFPActionDecNwTtl),
    ("set_field", lambda: p.OFPActionSetField(ip_dscp=46)),
    ("push_pbb", lambda: p.OFPActionPushPbb(0x88E7)),
    ("pop_pbb", p.OFPActionPopPbb),
    ("experimenter", lambda: p.OFPActionExperimenterUnknown(0x00ABCDEF, b"\x01\x02\x03\x04\x05\x06\x07\x08")),
]

OUTPUT = [p.OFPActionOutput(2, 0)]

INSTRUCTIONS = [
    ("goto_table", lambda: p.OFPInstructionGotoTable(5)),
    ("write_metadata", lambda: p.OFPInstructionWriteMetadata(0x10, 0xFF)),
    ("write_actions", lambda: p.OFPInstructionActions(ofp.OFPIT_WRITE_ACTIONS, OUTPUT)),
    ("apply_actions", lambda: p.OFPInstructionActions(ofp.OFPIT_APPLY_ACTIONS, OUTPUT)),
    ("clear_actions", lambda: p.OFPInstructionActions(ofp.OFPIT_CLEAR_ACTIONS, [])),
    ("meter", lambda: p.OFPInstructionMeter(9)),
]


def flow_mod(match=None, instructions=(), command=ofp.OFPFC_ADD):
    return p.OFPFlowMod(
        dp, cookie=0x1234, cookie_mask=0, table_id=1, command=command, idle_timeout=10, hard_timeout=20,
        priority=100, buffer_id=ofp.OFP_NO_BUFFER, out_port=ofp.OFPP_ANY, out_group=ofp.OFPG_ANY,
        flags=ofp.OFPFF_SEND_FLOW_REM, match=match or p.OFPMatch(), instructions=list(instructions))


def buckets():
    return [p.OFPBucket(weight=1, watch_port=2, watch_group=3, actions=OUTPUT)]


def messages():
    match = p.OFPMatch(in_port=1, eth_type=IPV4, ip_proto=17, ipv4_dst=("10.1.0.0", "255.255.0.0"), udp_dst=5060)
    yield "hello", p.OFPHello(dp, [p.OFPHelloElemVersionBitmap([1, 4])])
    yield "error", p.OFPErrorMsg(dp, ofp.OFPET_FLOW_MOD_FAILED, ofp.OFPFMFC_TABLE_FULL, b"\x04\x0e\x00\x08\x00\x00\x00\x09")
    codes = [2, 14, 16, 9, 12, 8, 15, 5, 3, 3, 3, 3, 12, 6]
    for error_type, count in enumerate(codes):
        for code in range(count):
            yield f"error/{error_type}/{code}", p.OFPErrorMsg(dp, error_type, code, b"")
    yield "error/experimenter", p.OFPErrorExperimenterMsg(dp, exp_type=7, experimenter=0x00ABCDEF, data=b"data")
    yield "echo_request", p.OFPEchoRequest(dp, b"ping")
    reply = p.OFPEchoReply(dp, b"ping")
    yield "echo_reply", reply
    yield "experimenter", p.OFPExperimenter(dp, 0x00ABCDEF, 7, b"data")
    yield "features_request", p.OFPFeaturesRequest(dp)
    yield "get_config_request", p.OFPGetConfigRequest(dp)
    yield "set_config", p.OFPSetConfig(dp, ofp.OFPC_FRAG_DROP, 128)
    yield "packet_out", p.OFPPacketOut(dp, ofp.OFP_NO_BUFFER, ofp.OFPP_CONTROLLER, OUTPUT, ARP_REQUEST)
    for name, fields in FIELDS:
        yield "flow_mod/match/" + name, flow_mod(p.OFPMatch(**fields))
    for name, make in ACTIONS:
        yield "flow_mod/action/" + name, flow_mod(None, [p.OFPInstructionActions(ofp.OFPIT_APPLY_ACTIONS, [make()])])
    for name, make in INSTRUCTIONS:
        yield "flow_mod/instruction/" + name, flow_mod(None, [make()])
    for command in range(5):
        yield f"flow_mod/command/{command}", flow_mod(match, [], command)
    for group_type, name in enumerate(["all", "select", "indirect", "ff"]):
        yield "group_mod/" + name, p.OFPGroupMod(dp, ofp.OFPGC_ADD, group_type, 7, buckets())
    yield "group_mod/modify", p.OFPGroupMod(dp, ofp.OFPGC_MODIFY, 0, 7, [])
    yield "group_mod/delete", p.OFPGroupMod(dp, ofp.OFPGC_DELETE, 0, ofp.OFPG_ALL, [])
    yield "port_mod", p.OFPPortMod(dp, 3, "02:00:00:00:00:01", 1, 0x65, 0x820)
    yield "table_mod", p.OFPTableMod(dp, 1, 0)
    bands = [
        p.OFPMeterBandDrop(1000, 100),
        p.OFPMeterBandDscpRemark(2000, 200, 1),
        p.OFPMeterBandExperimenter(3000, 300, 0x00ABCDEF),
    ]
    for command in range(3):
        yield f"meter_mod/{command}", p.OFPMeterMod(dp, command, 0xD, 5, bands)
    yield "multipart/request/desc", p.OFPDescStatsRequest(dp, 0)
    yield "multipart/request/flow", p.OFPFlowStatsRequest(dp, 0, 1, ofp.OFPP_ANY, ofp.OFPG_ANY, 1, 1, match)
    yield "multipart/request/aggregate", p.OFPAggregateStatsRequest(dp, 0, 1, 2, 3, 1, 1, match)
    yield "multipart/request/table", p.OFPTableStatsRequest(dp, 0)
    yield "multipart/request/port_stats", p.OFPPortStatsRequest(dp, 0, ofp.OFPP_ANY)
    yield "multipart/request/queue", p.OFPQueueStatsRequest(dp, 0, ofp.OFPP_ANY, ofp.OFPQ_ALL)
    yield "multipart/request/group", p.OFPGroupStatsRequest(dp, 0, ofp.OFPG_ALL)
    yield "multipart/request/group_desc", p.OFPGroupDescStatsRequest(dp, 0)
    yield "multipart/request/group_features", p.OFPGroupFeaturesStatsRequest(dp, 0)
    yield "multipart/request/meter", p.OFPMeterStatsRequest(dp, 0, ofp.OFPM_ALL)
    yield "multipart/request/meter_config", p.OFPMeterConfigStatsRequest(dp, 0, 5)
    yield "multipart/request/meter_features", p.OFPMeterFeaturesStatsRequest(dp, 0)
    yield "multipart/request/table_features", p.OFPTableFeaturesStatsRequest(dp, 0, [table_features()])
    yield "multipart/request/port_desc", p.OFPPortDescStatsRequest(dp, 0)
    yield "multipart/request/experimenter", p.OFPExperimenterStatsRequest(dp, 0, 0x00ABCDEF, 7, b"data")
    yield "multipart/request/flow_monitor", p.ONFFlowMonitorStatsRequest(
        dp, 0, [p.ONFFlowMonitorRequest(1, 0x1F, p.OFPMatch(in_port=1)), p.ONFFlowMonitorRequest(2, 1)])
    yield "barrier_request", p.OFPBarrierRequest(dp)
    yield "queue_get_config_request", p.OFPQueueGetConfigRequest(dp, 1)
    for role in range(4):
        yield f"role_request/{role}", p.OFPRoleRequest(dp, role, 0x1122334455667788)
    yield "get_async_request", p.OFPGetAsyncRequest(dp)
    yield "set_async", p.OFPSetAsync(dp, [7, 1], [7, 1], [15, 1])
    for number in range(8):
        yield f"bundle/control/{number}", p.ONFBundleCtrlMsg(dp, 7, number, ofp.ONF_BF_ATOMIC, [])
    yield "bundle/add", p.ONFBundleAddMsg(dp, 7, ofp.ONF_BF_ATOMIC, flow_mod(match), [])


def table_features():
    oxm = lambda name: p.OFPOxmId(name)
    instructions = [p.OFPInstructionId(number, 4) for number in (1, 2, 3, 4, 5, 6)]
    actions = [p.OFPActionId(number, 4) for number in (0, 21, 22, 25)]
    properties = []
    for kind in (ofp.OFPTFPT_INSTRUCTIONS, ofp.OFPTFPT_INSTRUCTIONS_MISS):
        properties.append(p.OFPTableFeaturePropInstructions(kind, instruction_ids=instructions))
    for kind in (ofp.OFPTFPT_NEXT_TABLES, ofp.OFPTFPT_NEXT_TABLES_MISS):
        properties.append(p.OFPTableFeaturePropNextTables(kind, table_ids=[2, 3, 4]))
    for kind in (ofp.OFPTFPT_WRITE_ACTIONS, ofp.OFPTFPT_WRITE_ACTIONS_MISS, ofp.OFPTFPT_APPLY_ACTIONS,
                 ofp.OFPTFPT_APPLY_ACTIONS_MISS):
        properties.append(p.OFPTableFeaturePropActions(kind, action_ids=actions))
    for kind in (ofp.OFPTFPT_MATCH, ofp.OFPTFPT_WILDCARDS, ofp.OFPTFPT_WRITE_SETFIELD, ofp.OFPTFPT_WRITE_SETFIELD_MISS,
                 ofp.OFPTFPT_APPLY_SETFIELD, ofp.OFPTFPT_APPLY_SETFIELD_MISS):
        properties.append(p.OFPTableFeaturePropOxm(kind, oxm_ids=[oxm("in_port"), oxm("eth_type"), oxm("ipv4_src")]))
    for kind in (ofp.OFPTFPT_EXPERIMENTER, ofp.OFPTFPT_EXPERIMENTER_MISS):
        properties.append(p.OFPTableFeaturePropExperimenter(kind, experimenter=0x00ABCDEF, exp_type=7, data=[1, 2]))
    return p.OFPTableFeaturesStats(
        table_id=1, name=b"acl", metadata_match=0xFF, metadata_write=0xF, config=0, max_entries=1000,
        properties=properties)


def main():
    for name, message in messages():
        message.set_xid(0x1001)
        message.serialize()
        print(name, bytes(message.buf).hex())


if __name__ == "__main__":
    main()
