"""What must be seen on Mininet's networks, from packets that arrive or do not. `run` calls each on a machine of its own.

A scenario is a function whose docstring is what it proves; it raises `Failed` when that does not
hold. Everything that is compared is a ratio: how fast the machine is changes nothing.
"""

import json
import os
import signal
import subprocess

import campus
import dumbbell
import linear
import single
import tree
from lab import LAB, Lab, flumen, install, kernel_datapath, rules, states
from machine import PROJECT
from measure import TABLE_HEAD, Stream, a_few_packets, measure, ping
from qos import quality_of_service

from expecting import Failed, expect, wait_for

EF = 46 << 2
VOICE_PORT, OTHER_PORT = 5004, 9000

# Where measurements and pictures go.
RESULTS = os.path.join(PROJECT, "target/testbed")


def reach(topology, switches, thorough):
    """Every switch is adopted, every host reaches the others, a voice flow is on every switch, and marks its packets."""
    with Lab(topology) as lab:
        hosts = lab.net.hosts
        expect(len(lab.net.switches) == switches, f"{len(lab.net.switches)} switches instead of {switches}")
        for source, destination in zip(hosts, hosts[1:] + hosts[:1]):
            ping(source, destination.IP())
        if thorough:
            expect(lab.net.pingAll() == 0, "not every host reaches every other")
        first, last = hosts[0], hosts[-1]
        flow = install(first.IP(), last.IP(), "voice", "--protocol", "udp", "--destination-port", VOICE_PORT)
        expect(len(flow["nodes"]) == switches, f"the flow is on {len(flow['nodes'])} nodes")
        for switch in lab.net.switches:
            marking = [rule for rule in rules(switch) if "set_field:46->ip_dscp" in rule]
            expect(len(marking) == 1 and f"nw_src={first.IP()}" in marking[0], f"{switch.name} has {marking}")
        expect_marked(first, last)
        expect_marks(first, last, OTHER_PORT, {0})


def reach_single(thorough):
    reach(single.TOPOLOGY, 1, thorough)


def reach_linear(thorough):
    reach(linear.TOPOLOGY, 3, thorough)


def reach_tree(thorough):
    reach(tree.TOPOLOGY, 7, thorough)


def reach_dumbbell(thorough):
    reach(dumbbell.TOPOLOGY, 2, thorough)


def reach_campus(thorough):
    reach(campus.TOPOLOGY, 20, thorough)


for name in ("single", "linear", "tree", "dumbbell", "campus"):
    globals()[f"reach_{name}"].__doc__ = reach.__doc__


def voice_through_a_bottleneck(thorough):
    """Voice loses packets and waits while bulk floods the bottleneck; after InstallFlow it does neither."""
    seconds = 12 if thorough else 4
    with Lab(dumbbell.TOPOLOGY) as lab:
        h1, h2, h3, h4, h5, h6 = lab.net.hosts
        for left, right in ((h1, h4), (h2, h5), (h3, h6)):
            ping(left, right.IP())
        bottleneck = lab.numbers["bottleneck_kbps"]
        streams = [
            Stream("voice", h1, h4, VOICE_PORT, kbps=256, size=160),  # Four calls of 64 kbit/s.
            Stream("video", h2, h5, 5006, kbps=1500, size=1200),
            Stream("bulk", h3, h6, 8000, kbps=3 * bottleneck, size=1400),
        ]
        before = measure(streams, seconds)
        show("before", before)
        install(h1.IP(), h4.IP(), "voice", "--protocol", "udp", "--destination-port", VOICE_PORT)
        install(h2.IP(), h5.IP(), "video", "--protocol", "udp", "--destination-port", 5006)
        limit = bottleneck * 6 // 10
        limited = ["--rate-kbps", limit, "--burst-kb", 100, "--node", "0000000000000001"]
        install(h3.IP(), h6.IP(), "bulk", *limited)
        after = measure(streams, seconds)
        show("after", after)
        draw(before, after, bottleneck, limit)

        # What this compares with would be nothing if bulk had not filled the link.
        expect(before["bulk"].kbps > 0.7 * bottleneck, "bulk did not fill the bottleneck")
        for name, tos in (("voice", 0xB8), ("video", 0x88), ("bulk", 0x28)):
            expect(before[name].tos == {0}, f"{name} arrived marked before it was asked for: {before[name].tos}")
            expect(after[name].tos == {tos}, f"{name} arrived with {after[name].tos} instead of {tos:#x}")
        for name in ("voice", "video"):
            lost = ratio(before[name].loss, after[name].loss)
            expect(before[name].loss > 0.02 and lost > 10, f"the loss of {name} shrank by a factor of only {lost:.1f}")
            waited = ratio(before[name].delay(50), after[name].delay(50))
            expect(waited > 5, f"the delay of {name} shrank by a factor of only {waited:.1f}")
            loss = f"{before[name].loss:.2%} of its packets lost before, {after[name].loss:.2%} after"
            print(f"{name}: {loss}; median delay {waited:.0f} times less")
        share = after["bulk"].kbps / limit
        expect(0.8 < share < 1.2, f"bulk has {share:.2f} of its limit")


def queues_of_a_bottleneck(thorough):
    """A port with queues by SetQueues sends at its rate, flows name their class's queue; in the kernel voice is clean."""
    seconds = 12 if thorough else 4
    rate = 10000
    kernel = kernel_datapath()
    with Lab(dumbbell.TOPOLOGY, ovsdb=True, datapath="kernel" if kernel else "user") as lab:
        h1, h2, h3, h4, h5, h6 = lab.net.hosts
        for left, right in ((h1, h4), (h3, h6)):
            ping(left, right.IP())
        queues = ["6:min=2000,priority=0", "1:priority=6", "0:priority=7"]
        asked = [part for queue in queues for part in ("--queue", queue)]
        flumen("queues", "set", "s1", "s1-eth1", "--max-rate-kbps", rate, *asked)
        streams = [
            Stream("voice", h1, h4, VOICE_PORT, kbps=256, size=160),
            Stream("bulk", h3, h6, 8000, kbps=3 * rate, size=1400),
        ]
        before = measure(streams, seconds)
        show("before", before)
        install(h1.IP(), h4.IP(), "voice", "--node", "s1")
        install(h3.IP(), h6.IP(), "bulk", "--node", "s1")
        for queue, tos in ((6, 46), (1, 10)):
            wanted = f"set_field:{tos}->ip_dscp,set_queue:{queue},NORMAL"
            expect(any(wanted in rule for rule in rules(lab.net.get("s1"))), f"no rule has {wanted}")
        after = measure(streams, seconds)
        show("after", after)
        for phase in (before, after):
            share = sum(seen.kbps for seen in phase.values()) / rate
            expect(0.8 < share < 1.1, f"the port sends {share:.2f} of its rate")
        if kernel:
            lost = ratio(before["voice"].loss, after["voice"].loss)
            expect(lost > 20, f"the loss of voice shrank by a factor of only {lost:.1f}")
        else:
            print(
                f"The port keeps to its rate, but voice still loses {after['voice'].loss:.0%}: the userspace datapath does "
                "not put packets into the queues that a flow names. The kernel, which would, has no openvswitch module."
            )


def limits_of_classes(thorough):
    """Flows of a class share its limit, another class has its own, a third has none; RemoveFlow lifts them."""
    seconds = 8 if thorough else 3
    limits = {"bulk": 2000, "video": 4000}
    serve = [part for name, rate in limits.items() for part in ("--class-limit", f"{name}={rate}:100")]
    with Lab(single.TOPOLOGY, *serve, hosts=8) as lab:
        sources, sinks = lab.net.hosts[:4], lab.net.hosts[4:]
        classes = ("bulk", "bulk", "video", "voice")
        streams, flows = [], []
        for number, (source, sink, traffic_type) in enumerate(zip(sources, sinks, classes)):
            ping(source, sink.IP())
            streams.append(Stream(f"{traffic_type} h{number + 1}", source, sink, 8000, kbps=6000, size=1000))
            flows.append(install(source.IP(), sink.IP(), traffic_type)["flow_id"])
        limited = measure(streams, seconds)
        show("limited", limited)
        for traffic_type, limit in limits.items():
            has = sum(seen.kbps for name, seen in limited.items() if name.startswith(traffic_type))
            expect(0.8 < has / limit < 1.2, f"{traffic_type} has {has / limit:.2f} of its limit")
            print(f"{traffic_type}: {has / limit:.2f} of its limit")
        expect(limited["voice h4"].loss < 0.02, f"voice has no limit and lost {limited['voice h4'].loss:.2%}")
        for flow in flows:
            flumen("flow", "remove", flow)
        lifted = measure(streams, seconds)
        show("lifted", lifted)
        for name in ("bulk h1", "bulk h2", "video h3"):
            # Of streams in step that share a limit, one may have all of it and another nothing.
            with_limit, without = limited[name].kbps, lifted[name].kbps
            expect(without > 1.3 * with_limit, f"{name} has {without:.0f} kbit/s without its limit, and had {with_limit:.0f}")
        expect(not any("meter" in rule for rule in rules(lab.net.switches[0])), "a rule with a meter is left")


def link_down_and_up(thorough):
    """While a link is down nothing passes and the daemon knows; when it is up, packets arrive marked as before."""
    with Lab(linear.TOPOLOGY) as lab:
        first, last = lab.host("h1"), lab.host("h3")
        ping(first, last.IP())
        flow = install(first.IP(), last.IP(), "voice")
        expect_marked(first, last)
        for _ in range(5 if thorough else 1):
            lab.net.configLinkStatus("s1", "s2", "down")
            wait_for("both ends to be down", lambda: link_is(lab, False))
            passed = a_few_packets(first, last, VOICE_PORT)
            expect(passed == [], f"{len(passed)} packets passed a link that is down")
            expect(flumen("flow", "show", flow["flow_id"])["flow"]["state"] == "applied", "the flow is not applied any more")
            lab.net.configLinkStatus("s1", "s2", "up")
            wait_for("both ends to be up", lambda: link_is(lab, True))
            lab.wait_until_connected()
            ping(first, last.IP())
            expect_marked(first, last)
            print("link s1-s2: nothing passed while it was down, packets are marked now that it is up")


def link_is(lab, up):
    """What the daemon says of both ends of the link between s1 and s2."""
    first, second = lab.net.get("s1", "s2")
    ends = [end.name for pair in first.connectionsTo(second) for end in pair]
    ports = [port for node in flumen("node", "list")["nodes"] for port in node["ports"] if port["name"] in ends]
    return len(ports) == 2 and all(port["up"] == up for port in ports)


def switch_restart(thorough):
    """After kill -9 of ovs-vswitchd and its start the flows are on the switches again, without a command."""
    with Lab(linear.TOPOLOGY) as lab:
        first, last = lab.host("h1"), lab.host("h3")
        ping(first, last.IP())
        install(first.IP(), last.IP(), "voice")
        install(first.IP6(), last.IP6(), "video", "--rate-kbps", 5000)
        expect_marked(first, last)
        before = {switch.name: rules(switch) for switch in lab.net.switches}
        for _ in range(3 if thorough else 1):
            os.kill(int(subprocess.check_output(["pidof", "ovs-vswitchd"])), signal.SIGKILL)
            wait_for("the nodes to be gone", lambda: set(states(flumen("node", "list")["nodes"])) == {"disconnected"})
            log = open(f"{LAB}/ovs-vswitchd.log", "a")
            subprocess.Popen(["ovs-vswitchd", f"unix:{LAB}/db.sock"], stdout=log, stderr=log)
            lab.wait_until_connected()
            after = {switch.name: rules(switch) for switch in lab.net.switches}
            expect(after == before, f"the rules were {before}, and are {after}")
            ping(first, last.IP())
            expect_marked(first, last)
            ping(first, last.IP6())
            expect_marks(first, last, VOICE_PORT, {34 << 2}, ipv6=True)
            print("ovs-vswitchd killed and started: the same rules on all switches, packets are marked")


def two_families(thorough):
    """IPv4 and IPv6 side by side: a flow marks its own family only, `any` to `any` both."""
    with Lab(dumbbell.TOPOLOGY) as lab:
        first, last = lab.host("h1"), lab.host("h4")
        count = 200 if thorough else 20
        for address in (last.IP(), last.IP6()):
            ping(first, address)
        install("10.0.0.0/28", last.IP(), "voice")
        expect_marks(first, last, VOICE_PORT, {EF}, count=count)
        expect_marks(first, last, VOICE_PORT, {0}, ipv6=True, count=count)
        install("fd00::/64", last.IP6(), "video")
        expect_marks(first, last, VOICE_PORT, {EF}, count=count)
        expect_marks(first, last, VOICE_PORT, {34 << 2}, ipv6=True, count=count)
        signaling = ["--protocol", "udp", "--destination-port", "5060", "--priority", 60000]
        install("any", "any", "signaling", *signaling)
        for ipv6 in (False, True):
            expect_marks(first, last, 5060, {40 << 2}, ipv6=ipv6, count=count)


def expect_marked(source, destination):
    expect_marks(source, destination, VOICE_PORT, {EF})


def expect_marks(source, destination, port, tos, ipv6=False, count=20):
    """All of `count` packets arrive, and with this type of service."""
    seen = a_few_packets(source, destination, port, ipv6=ipv6, count=count)
    family = "IPv6" if ipv6 else "IPv4"
    what = f"{len(seen)} of {count} {family} packets from {source.name} to port {port} of {destination.name}"
    expect(len(seen) == count and set(seen) == tos, f"{what} arrived, tos {marks(seen)} instead of {marks(tos)}")
    print(f"{what} arrived, tos {marks(seen)}")


def marks(seen):
    return ", ".join(f"{mark:#x}" for mark in sorted(set(seen))) or "none"


def show(title, outcomes):
    print(f"\n{title:<16}{TABLE_HEAD[16:]}")
    for name, seen in outcomes.items():
        print(f"{name:<16}{seen.describe()}")


def ratio(before, after):
    return before / after if after else float("inf")


def draw(before, after, bottleneck, limit):
    """Writes what was measured, and its picture."""
    os.makedirs(RESULTS, exist_ok=True)
    data = {"bottleneck_kbps": bottleneck, "bulk_limit_kbps": limit}
    for phase, outcomes in (("before", before), ("after", after)):
        data[phase] = {
            name: {"loss": seen.loss, "kbps": seen.kbps, "delays": seen.delays} for name, seen in outcomes.items()
        }
    path = f"{RESULTS}/dumbbell.json"
    with open(path, "w") as file:
        json.dump(data, file)
    # The picture's library is in the project's own Python environment, Mininet in the system's.
    picture = os.path.join(os.path.dirname(os.path.abspath(__file__)), "picture.py")
    drawn = subprocess.run([f"{PROJECT}/.venv/bin/python", picture, path], capture_output=True, text=True)
    if drawn.returncode:
        raise Failed(f"no picture: {drawn.stderr}")
    print(drawn.stdout, end="")


SCENARIOS = [
    reach_single,
    reach_linear,
    reach_tree,
    reach_dumbbell,
    reach_campus,
    voice_through_a_bottleneck,
    queues_of_a_bottleneck,
    limits_of_classes,
    quality_of_service,
    link_down_and_up,
    switch_restart,
    two_families,
]
