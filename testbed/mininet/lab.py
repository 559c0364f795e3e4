"""Mininet on a machine of its own: a network of Open vSwitch bridges, a daemon of Flumen's, and questions to both.

The hosts have an IPv4 and an IPv6 address, 10.0.0.N and fd00::N. `Lab` is a daemon
with a network for a scenario; `prompt` is a network for a person.
"""

import json
import os
import shutil
import signal
import subprocess

from machine import FLUMEN, MININET_HANGS
from mininet.cli import CLI
from mininet.link import Intf, Link
from mininet.log import setLogLevel
from mininet.net import Mininet
from mininet.node import Host, OVSSwitch, RemoteController
from mininet.topo import Topo

from expecting import Failed, expect, wait_for

LAB = os.environ.get("LAB", "")

# Mininet is given so long to come up before its machine is thrown away.
PATIENCE = 60


class DualStackHost(Host):
    def config(self, **parameters):
        result = super().config(**parameters)
        interface, number = self.defaultIntf(), self.name[1:]
        # The userspace datapath does not fill in the checksums that a veth leaves to hardware.
        self.cmd(f"ethtool -K {interface} tx off; ip address add fd00::{number}/64 dev {interface} nodad")
        return result

    def IP6(self):
        return f"fd00::{self.name[1:]}"


class Port(Intf):
    """One end of a link; with `bottleneck_kbps` it sends no faster than that and queues no more than `packets`."""

    def config(self, bottleneck_kbps=None, packets=None, **parameters):
        result = super().config(**parameters)
        if bottleneck_kbps:
            self.narrow = (bottleneck_kbps, packets)
        return result

    def apply_bottleneck(self):
        if rate := getattr(self, "narrow", None):
            for command in (
                f"qdisc replace dev {self} root handle 5: htb default 1",
                f"class replace dev {self} parent 5: classid 5:1 htb rate {rate[0]}kbit burst 3k cburst 3k",
                f"qdisc replace dev {self} parent 5:1 handle 10: pfifo limit {rate[1]}",
            ):
                subprocess.run(["tc", *command.split()], check=True)


class PortLink(Link):
    def __init__(self, *ends, **parameters):
        super().__init__(*ends, **{**parameters, "intf": Port})


def network(topology, numbers, datapath="user"):
    """Starts a topology; ends this process with MININET_HANGS when Mininet does."""

    class Built(Topo):
        def build(self):
            topology.build(self, **numbers)

    def switch(name, **parameters):
        return OVSSwitch(name, datapath=datapath, protocols="OpenFlow13", failMode="secure", **parameters)

    # It would set limits of the whole machine, which stay.
    Mininet.inited = True
    signal.signal(signal.SIGALRM, lambda *_: os._exit(MININET_HANGS))
    signal.alarm(PATIENCE)
    net = Mininet(
        topo=Built(),
        host=DualStackHost,
        link=PortLink,
        switch=switch,
        controller=lambda name: RemoteController(name, ip="127.0.0.1", port=6653),
        autoSetMacs=True,
    )
    net.start()
    signal.alarm(0)
    # Open vSwitch removes the queues of a port that it is given: they come last.
    for switch in net.switches:
        for port in switch.intfList():
            if isinstance(port, Port):
                port.apply_bottleneck()
    return net


def prompt(topology, numbers, datapath):
    setLogLevel("info")
    net = network(topology, numbers, datapath)
    print(f"Hosts h1 to h{len(net.hosts)} have the addresses 10.0.0.N and fd00::N.")
    print("Each switch sN has the datapath id N: unless the daemon adopts by itself, add it in another terminal:")
    print("    flumen node add s1 --datapath-id 0000000000000001")
    CLI(net)
    net.stop()


class Lab:
    """A daemon with a network that is connected to it, for the length of a `with`.

    With `ovsdb` the nodes have the names of the switches, and their queues can be set.
    """

    def __init__(self, topology, *serve, datapath="user", ovsdb=False, **numbers):
        self.topology, self.serve, self.datapath, self.ovsdb = topology, serve, datapath, ovsdb
        self.numbers = {**topology.defaults(), **numbers}

    def __enter__(self):
        setLogLevel("warning")
        log = open(f"{LAB}/flumen.log", "w")
        admission = "discover" if self.ovsdb else "adopt"
        arguments = ["serve", "--admission", admission, "--data", f"{LAB}/data", *self.serve]
        self.daemon = subprocess.Popen([FLUMEN, *arguments], stdout=log, stderr=log)
        wait_for("the daemon", lambda: subprocess.run([FLUMEN, "node", "list"], capture_output=True).returncode == 0)
        self.net = network(self.topology, self.numbers, self.datapath)
        if self.ovsdb:
            for switch in self.net.switches:
                flumen("node", "add", switch.name, "--datapath-id", switch.dpid, "--ovsdb", f"unix:{LAB}/db.sock")
        self.wait_until_connected()
        return self

    def __exit__(self, kind, error, trace):
        if error:
            subprocess.run(f"tail -n 15 {LAB}/*.log >&2", shell=True)
        # The machine goes away with everything on it, so nothing is taken down here.

    def host(self, name):
        return self.net.get(name)

    def wait_until_connected(self):
        count = len(self.net.switches)
        wait_for(f"{count} connected nodes", lambda: states(flumen("node", "list")["nodes"]) == ["connected"] * count)


def flumen(*arguments):
    """What a command of the command line replies, as `--json` has it."""
    run = subprocess.run([FLUMEN, *map(str, arguments), "--json"], capture_output=True, text=True)
    if run.returncode:
        raise Failed(f"flumen {' '.join(map(str, arguments))}: exit {run.returncode}: {run.stdout}{run.stderr}")
    return json.loads(run.stdout)


def install(source, destination, traffic_type, *more):
    """Installs a flow that every node must apply."""
    arguments = ["--source", source, "--destination", destination, "--traffic-type", traffic_type, *more]
    flow = flumen("flow", "install", *arguments)["flow"]
    expect(flow["state"] == "applied" and set(states(flow["nodes"])) == {"applied"}, f"not applied everywhere: {flow}")
    print(f"{traffic_type} from {source} to {destination} is applied on {len(flow['nodes'])} nodes")
    return flow


def states(things):
    return [thing["state"] for thing in things]


def rules(switch):
    """The rules of a switch as it prints them itself, without its counters."""
    dump = subprocess.run(
        ["ovs-ofctl", "-O", "OpenFlow13", "--no-stats", "dump-flows", switch.name], capture_output=True, text=True
    )
    return sorted(line.strip() for line in dump.stdout.splitlines() if "actions=" in line)


def kernel_datapath():
    """Whether the kernel has Open vSwitch's module, or can load it."""
    return os.path.isdir("/sys/module/openvswitch") or (
        shutil.which("modprobe") is not None
        and subprocess.run(["modprobe", "openvswitch"], capture_output=True).returncode == 0
    )
