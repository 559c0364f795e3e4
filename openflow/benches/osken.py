"""How long os-ken takes to encode a FLOW_MOD, and to decode the flow entry whose hex is the argument; in ns."""

import sys
import time

from os_ken.ofproto import ofproto_v1_3 as ofp
from os_ken.ofproto import ofproto_v1_3_parser as p


class Datapath:
    ofproto = ofp
    ofproto_parser = p
    id = 1


def encode():
    match = p.OFPMatch(in_port=1, eth_type=0x0800, ip_proto=17, ipv4_dst=("10.1.0.0", "255.255.0.0"), udp_dst=5060)
    actions = [p.OFPActionSetField(ip_dscp=46), p.OFPActionSetQueue(1), p.OFPActionOutput(2, 0)]
    instructions = [p.OFPInstructionMeter(7), p.OFPInstructionActions(ofp.OFPIT_APPLY_ACTIONS, actions)]
    message = p.OFPFlowMod(Datapath, cookie=0x1234000000000001, priority=1000, flags=1, match=match, instructions=instructions)
    message.set_xid(1)
    message.serialize()
    return message.buf


def best(work):
    times = []
    for _ in range(20):
        start = time.perf_counter()
        for _ in range(200):
            work()
        times.append((time.perf_counter() - start) / 200)
    return min(times) * 1e9


# os-ken has no parser for FLOW_MOD; match and instructions of a flow entry are the same work.
def decode_entry(entry):
    return p.OFPFlowStats.parser(entry, 0)


entry = bytes.fromhex(sys.argv[1])
print(best(encode), best(lambda: decode_entry(entry)))
