#!/usr/bin/python3
"""Three Mininet switches in a row, adopted by a Flumen daemon: every host reaches every other, and a flow lands on all.

    sudo testbed/mininet/linear.py

Runs on a machine of its own (see testbed/private-ovs) with a daemon of its own; ends with 0 only if all of it holds.
"""

import json
import os
import signal
import subprocess
import sys
import time

TESTBED = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FLUMEN = os.environ.get("FLUMEN_BIN") or os.path.join(os.path.dirname(TESTBED), "target/release/flumen")

# What the script ends with inside its machine when Mininet hangs: now and then it waits for ever for a shell's prompt.
MININET_HANGS = 75


def run_on_a_machine_of_its_own():
    """Runs this script inside private-ovs; on another machine when Mininet did not come up on the first ones."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(130))
    for _ in range(3):
        with subprocess.Popen([f"{TESTBED}/private-ovs", sys.executable, os.path.abspath(__file__)]) as machine:
            try:
                code = machine.wait()
            finally:
                machine.terminate()
        if code != MININET_HANGS:
            break
        print("Mininet hung before its network was up: once more")
    sys.exit(code)


if "LAB" not in os.environ:
    run_on_a_machine_of_its_own()

from mininet.log import setLogLevel
from mininet.net import Mininet
from mininet.node import OVSSwitch, RemoteController
from mininet.topo import LinearTopo


def flumen(*arguments):
    """What a command of the command line replies, as `--json` has it; ends the script when the command fails."""
    run = subprocess.run([FLUMEN, *arguments, "--json"], capture_output=True, text=True)
    if run.returncode:
        sys.exit(f"flumen {' '.join(arguments)}: exit {run.returncode}: {run.stdout}{run.stderr}")
    return json.loads(run.stdout)


def wait_for(what, probe):
    for _ in range(150):
        if probe():
            return
        time.sleep(0.1)
    sys.exit(f"waited 15 s in vain for {what}")


def daemon_answers():
    return subprocess.run([FLUMEN, "node", "list"], capture_output=True).returncode == 0


def nodes_connected(count):
    nodes = flumen("node", "list")["nodes"]
    return len(nodes) == count and all(node["state"] == "connected" for node in nodes)


def voice_rules(switch):
    """The rules that mark voice, as the switch itself prints them."""
    dump = switch.cmd("ovs-ofctl -O OpenFlow13 --no-stats dump-flows", switch.name)
    return [line.strip() for line in dump.splitlines() if "set_field:46->ip_dscp" in line]


def first_voice_packet(sender, receiver):
    """What tcpdump sees of a packet to a voice port at the receiving host."""
    seen, said = (f"{os.environ['LAB']}/tcpdump.{stream}" for stream in ("out", "err"))
    for path in (seen, said):
        open(path, "w").close()
    receiver.cmd(f"tcpdump -i {receiver.name}-eth0 -nn -v -l -c 1 udp port 5004 >{seen} 2>{said} &")
    wait_for("tcpdump", lambda: "listening" in open(said).read())
    sender.cmd(f"bash -c 'echo packet >/dev/udp/{receiver.IP()}/5004'")
    wait_for("the packet", lambda: ": UDP" in open(seen).read())
    return open(seen).read()


def main():
    log = open(f"{os.environ['LAB']}/flumen.log", "w")
    daemon = subprocess.Popen(
        [FLUMEN, "serve", "--admission", "adopt", "--data", f"{os.environ['LAB']}/data"], stdout=log, stderr=log
    )
    wait_for("the daemon", daemon_answers)
    setLogLevel("output")
    signal.signal(signal.SIGALRM, lambda *_: os._exit(MININET_HANGS))
    signal.alarm(20)
    net = Mininet(
        topo=LinearTopo(3),
        switch=lambda name, **options: OVSSwitch(
            name, datapath="user", protocols="OpenFlow13", failMode="secure", **options
        ),
        controller=lambda name: RemoteController(name, ip="127.0.0.1", port=6653),
        autoSetMacs=True,
    )
    net.start()
    signal.alarm(0)
    try:
        wait_for("three connected nodes", lambda: nodes_connected(3))
        if net.pingAll() > 0:
            sys.exit("hosts cannot reach each other through the table-miss rules")
        h1, h3 = net.get("h1"), net.get("h3")
        flow = flumen("flow", "install", "--source", h1.IP(), "--destination", h3.IP(), "--traffic-type", "voice")["flow"]
        for node in flow["nodes"]:
            print(f"{node['node']}: {node['state']}")
        if flow["state"] != "applied" or len(flow["nodes"]) != 3:
            sys.exit(f"not applied on three nodes: {flow}")
        for switch in net.switches:
            rules = voice_rules(switch)
            print(f"{switch.name}: {rules}")
            if len(rules) != 1 or f"nw_src={h1.IP()},nw_dst={h3.IP()}" not in rules[0]:
                sys.exit(f"{switch.name} does not have the flow")
        arrived = first_voice_packet(h1, h3)
        print(arrived)
        if "tos 0xb8" not in arrived:
            sys.exit("the packet arrived without its mark")
    finally:
        net.stop()
        daemon.terminate()
        daemon.wait(10)


main()
