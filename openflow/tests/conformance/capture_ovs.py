#!/usr/bin/env python3
"""What Open vSwitch sends, as lines of `name hex`: starts one of its own on the dummy datapath and asks it everything.

Needs ovsdb-server, ovs-vswitchd, ovs-vsctl and ovs-ofctl, no privileges, and nothing that is running already.
"""

import os
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time

OFP = 4


# Flows that only Open vSwitch has: a controller that asks for the table must be able to read the answer.
EXTENSIONS = """rarp,arp_op=3,actions=drop
ip,nw_frag=yes,nw_ttl=5,actions=drop
tcp,tcp_flags=0x12/0xfff,actions=drop
dl_type=0x05ff,actions=drop
vlan_tci=0x2000/0x2000,actions=drop
vlan_tci=0x1001/0x1001,actions=drop
icmp6,icmp_type=135,icmp_code=0,nd_target=fe80::/10,actions=drop
tun_src=1.2.3.4,tun_dst=1.2.3.0/24,tun_id=5/0xff,tun_flags=oam,actions=drop
pkt_mark=1,reg0=5,reg15=1/0xff,xreg4=1,xxreg3=5,actions=drop
ip,nw_src=1.2.3.4,actions=conjunction(5,1/2)
arp,actions=learn(table=1,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],output:NXM_OF_IN_PORT[])
ip,actions=set_field:10.0.0.0/255.0.0.0->ip_src,output:1
ip,actions=move:NXM_OF_IP_SRC[]->NXM_OF_IP_DST[],push:NXM_OF_ETH_SRC[],pop:NXM_OF_ETH_DST[],output:1
ip,actions=set_field:1->in_port,set_field:5->reg3,set_field:5->metadata,output:2
ip,actions=ct(commit,nat(src=1.2.3.4)),ct_clear,controller(pause),note:1.2.3
ip,actions=clone(output:1),check_pkt_larger(1500)->NXM_NX_REG0[0],output(port=1,max_len=100)
ip,actions=enqueue(1,2),dec_ttl(1,2)
mpls,mpls_label=3,mpls_bos=0,mpls_ttl=5,actions=drop
in_port=CONTROLLER,actions=NORMAL
sctp6,tp_src=0x10/0xf0,actions=drop""".splitlines()


class Switch:
    """An Open vSwitch with one bridge in a directory of its own."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="flumen-capture-")
        self.env = dict(os.environ, OVS_RUNDIR=self.dir, OVS_DBDIR=self.dir, OVS_LOGDIR=self.dir, OVS_SYSCONFDIR=self.dir)
        self.children = []
        schema = "/usr/share/openvswitch/vswitch.ovsschema"
        self.run("ovsdb-tool", "create", f"{self.dir}/conf.db", schema)
        remote = f"--remote=punix:{self.dir}/db.sock"
        self.start("ovsdb-server", f"{self.dir}/conf.db", remote, "--no-chdir")
        self.wait(f"{self.dir}/db.sock")
        self.vsctl("--no-wait", "init")
        self.start("ovs-vswitchd", f"unix:{self.dir}/db.sock", "--disable-system", "--enable-dummy=override", "--no-chdir")
        self.vsctl("add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=dummy", "fail_mode=secure",
                   "protocols=OpenFlow13", "other-config:datapath-id=0000000000000001")
        for port in (1, 2):
            self.vsctl("add-port", "br0", f"p{port}", "--", "set", "interface", f"p{port}", "type=dummy",
                       f"ofport_request={port}")
        self.wait(f"{self.dir}/br0.mgmt")

    def run(self, *command, check=True):
        return subprocess.run(command, env=self.env, check=check, capture_output=True, text=True, timeout=20).stdout

    def vsctl(self, *arguments):
        return self.run("ovs-vsctl", f"--db=unix:{self.dir}/db.sock", *arguments)

    def ofctl(self, *arguments):
        return self.run("ovs-ofctl", "-O", "OpenFlow13", *arguments, check=False)

    def start(self, *command):
        log = open(f"{self.dir}/{command[0]}.err", "w")
        self.children.append(subprocess.Popen(command, env=self.env, stdout=log, stderr=log))

    def wait(self, path):
        for _ in range(200):
            if os.path.exists(path):
                return
            time.sleep(0.05)
        raise SystemExit(f"{path} does not appear")

    def stop(self):
        for child in reversed(self.children):
            child.send_signal(signal.SIGTERM)
            child.wait(10)
        shutil.rmtree(self.dir)


class Connection:
    """One OpenFlow connection to the bridge."""

    def __init__(self, switch):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(f"{switch.dir}/br0.mgmt")
        self.socket.settimeout(1)
        self.buffer = b""
        self.xid = 0x100

    def send(self, message_type, body=b"", xid=None):
        if xid is None:
            self.xid += 1
            xid = self.xid
        self.socket.sendall(struct.pack("!BBHI", OFP, message_type, 8 + len(body), xid) + body)

    def receive(self):
        while True:
            if len(self.buffer) >= 8:
                length = struct.unpack("!H", self.buffer[2:4])[0]
                if len(self.buffer) >= length:
                    frame, self.buffer = self.buffer[:length], self.buffer[length:]
                    return frame
            try:
                data = self.socket.recv(65536)
            except socket.timeout:
                return None
            if not data:
                return None
            self.buffer += data

    def ask(self, message_type, body=b""):
        """What comes before the answer to a barrier."""
        self.send(message_type, body)
        return self.settle()

    def settle(self):
        self.xid += 1
        self.send(20, xid=self.xid)
        frames = []
        while True:
            frame = self.receive()
            if frame is None:
                return frames
            if frame[1] == 21 and struct.unpack("!I", frame[4:8])[0] == self.xid:
                return frames
            frames.append(frame)


def multipart(number, body=b""):
    return struct.pack("!HH4x", number, 0) + body


def main():
    switch = Switch()
    try:
        for name, frame in capture(switch):
            print(name, frame.hex())
    finally:
        switch.stop()


def capture(switch):
    c = Connection(switch)
    c.send(0, struct.pack("!HHI", 1, 8, 1 << 4))
    yield "hello", c.receive()
    any32 = b"\xff\xff\xff\xff"
    match_all = bytes.fromhex("0001000400000000")
    ask = lambda name, number, body=b"": [(f"{name}", frame) for frame in c.ask(number, body)]
    yield from ask("echo_reply", 2, b"hello")
    yield from ask("features_reply", 5)
    yield from ask("get_config_reply", 7)
    c.send(9, struct.pack("!HH", 0, 128))
    yield from ask("get_async_reply", 26)
    yield from ask("role_reply", 24, struct.pack("!I4xQ", 2, 7))
    yield from ask("error/role", 24, struct.pack("!I4xQ", 9, 7))
    yield from ask("queue_get_config_reply", 22, struct.pack("!I4x", 1))
    for text in (
        "cookie=0x11,priority=100,udp,in_port=1,nw_dst=10.1.0.0/16,tp_dst=5060/0xfffc,send_flow_rem,"
        "actions=meter:1,set_field:46->ip_dscp,set_queue:1,output:2",
        "table=1,priority=7,tcp6,ipv6_src=fe80::/64,tp_src=80,actions=write_actions(set_queue:2,output:1),goto_table:3",
        "table=2,idle_timeout=30,hard_timeout=60,dl_vlan=100,dl_vlan_pcp=3,actions=pop_vlan,write_metadata:5/0xff,goto_table:4",
        "table=3,mpls,mpls_label=7,actions=dec_mpls_ttl,pop_mpls:0x0800,output:1",
        "table=4,arp,arp_op=1,arp_tpa=10.0.0.1,actions=push_vlan:0x8100,set_field:4196->vlan_vid,CONTROLLER:200",
        "table=5,metadata=0x5/0xf,tun_id=9,icmp6,icmp_type=135,nd_target=fe80::1,actions=clear_actions,write_actions(group:1)",
        "table=6,reg0=1,tcp,tcp_flags=+syn,actions=resubmit(,7),ct(commit),output:IN_PORT",
        "priority=0,actions=NORMAL",
    ):
        if "meter" in text:
            switch.ofctl("add-meter", "br0", "meter=1,kbps,burst,stats,band=type=drop,rate=1000,burst_size=100")
            switch.ofctl("add-group", "br0", "group_id=1,type=select,bucket=weight:1,actions=output:1,bucket=weight:2,actions=output:2")
            switch.ofctl("add-group", "br0", "group_id=2,type=ff,bucket=watch_port:1,actions=output:1")
            switch.ofctl("add-group", "br0", "group_id=3,type=all,bucket=actions=output:1")
            switch.ofctl("add-group", "br0", "group_id=4,type=indirect,bucket=actions=output:1")
        switch.ofctl("add-flow", "br0", text)
    flow_request = struct.pack("!B3xII4xQQ", 255, 0xFFFFFFFF, 0xFFFFFFFF, 0, 0) + match_all
    for name, number, body in (
        ("desc", 0, b""), ("flow", 1, flow_request), ("aggregate", 2, flow_request), ("table", 3, b""),
        ("port_stats", 4, any32 + bytes(4)), ("queue", 5, any32 + any32), ("group", 6, b"\xff\xff\xff\xfc" + bytes(4)),
        ("group_desc", 7, b""), ("group_features", 8, b""), ("meter", 9, any32 + bytes(4)),
        ("meter_config", 10, any32 + bytes(4)), ("meter_features", 11, b""), ("port_desc", 13, b""),
    ):
        yield from ask("multipart/reply/" + name, 18, multipart(number, body))
    for table, text in enumerate(EXTENSIONS):
        switch.ofctl("add-flow", "br0", f"table={100 + table},{text}")
    yield from ask("multipart/reply/flow/extensions", 18, multipart(1, flow_request))
    # One table of 254 is enough to keep.
    yield from ask("multipart/reply/table_features", 18, multipart(12))[:1]
    monitor = bytes.fromhex("4f4e46000000074e") + struct.pack("!IHHIB3x", 1, 0x3F, 4, 0xFFFFFFFF, 255) + match_all
    yield from ask("multipart/reply/flow_monitor", 18, multipart(0xFFFF, monitor))
    switch.ofctl("--strict", "del-flows", "br0", "table=2,dl_vlan=100,dl_vlan_pcp=3")
    yield from ask("multipart/reply/flow_monitor/deleted", 2, b"")
    yield from ask("flow_monitor/cancel", 4, bytes.fromhex("4f4e46000000074e00000001"))
    switch.ofctl("--strict", "del-flows", "br0",
                 "priority=100,udp,in_port=1,nw_dst=10.1.0.0/16,tp_dst=5060/0xfffc")
    yield from ask("flow_removed", 2, b"")
    packet = bytes.fromhex("ffffffffffff0200000000010806000108000604000102000000000100000000000000000000000a") + bytes(20)
    output = struct.pack("!HHIH6x", 0, 16, 0xFFFFFFFD, 64)
    c.send(13, struct.pack("!IIH6x", 0xFFFFFFFF, 1, 16) + output + packet)
    time.sleep(0.3)
    yield from [("packet_in", frame) for frame in c.settle()]
    switch.ofctl("mod-port", "br0", "1", "down")
    yield from ask("port_status/modify", 2, b"")
    switch.vsctl("del-port", "p2")
    time.sleep(0.3)
    yield from ask("port_status/delete", 2, b"")
    bundle = lambda number, flags=1: bytes.fromhex("4f4e4600000008fc") + struct.pack("!IHH", 9, number, flags)
    yield from ask("bundle/open_reply", 4, bundle(0))
    yield from ask("error/bundle", 4, bundle(0))
    yield from ask("bundle/discard_reply", 4, bundle(6))
    yield from ask("bundle/open_reply", 4, bundle(0))
    flow_mod = struct.pack("!QQBBHHHIIIH2x", 1, 0, 0, 0, 0, 0, 5, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    inner = lambda xid, body: struct.pack("!BBHI", OFP, 14, 8 + len(body), xid) + body
    add = bytes.fromhex("4f4e4600000008fd") + struct.pack("!I2xH", 9, 1)
    c.xid += 1
    c.send(4, add + inner(c.xid, flow_mod + match_all + struct.pack("!HHI", 4, 16, 0) + struct.pack("!HHI", 22, 8, 99)), c.xid)
    c.settle()
    yield from ask("bundle/close_reply", 4, bundle(2))
    yield from ask("error/bundle/commit", 4, bundle(4))
    yield from ask("bundle/open_reply", 4, bundle(0))
    yield from ask("bundle/commit_reply", 4, bundle(4))
    for name, number, body in (
        ("type", 99, b""), ("multipart", 18, multipart(77)), ("experimenter", 4, bytes(8)),
        ("flow_mod/command", 14, flow_mod[:17] + b"\x09" + flow_mod[18:] + match_all),
        ("match/prerequisite", 14, flow_mod + bytes.fromhex("0001000a80001c0200500000000000") + b"\0"),
        ("match/duplicate", 14, flow_mod + bytes.fromhex("0001001080000a02080080000a020800")),
        ("instruction", 14, flow_mod + match_all + struct.pack("!HHI", 77, 8, 0)),
        ("action", 14, flow_mod + match_all + struct.pack("!HHIHHI", 4, 16, 0, 77, 8, 0)),
        ("group", 15, struct.pack("!HBxI", 0, 0, 1)), ("meter", 29, struct.pack("!HHI", 1, 1, 77)),
        ("port_mod", 16, struct.pack("!I4x6s2xIII4x", 77, bytes(6), 0, 0, 0)),
        ("table_mod", 17, struct.pack("!B3xI", 254, 0)), ("queue", 18, multipart(5, struct.pack("!II", 77, 1))),
        ("set_config", 9, b"\0"), ("table_features", 18, multipart(12, bytes(8))),
        ("role/stale", 24, struct.pack("!I4xQ", 2, 6)),
    ):
        yield from ask("error/" + name, number, body)
    c.send(20, xid=0x77)
    yield "barrier_reply", c.receive()
    c.send(1, b"")


if __name__ == "__main__":
    main()
