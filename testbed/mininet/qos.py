"""What limits and marks do to real packets: a scenario of iperf3 streams and of a packet capture."""

import json
import re
import subprocess

import single
from lab import LAB, Lab, flumen, install
from measure import Stream, measure

from expecting import Failed, expect, wait_for

RATE = 5000
SWITCH = "s1"


def quality_of_service(thorough):
    """A limit of 5,000 kbit/s holds TCP and UDP and is lifted, two flows share one, every class's mark arrives."""
    seconds = 5 if thorough else 3
    with Lab(single.TOPOLOGY, "--class-limit", f"bulk={RATE}:500", hosts=3) as lab:
        h1, h2, h3 = (lab.host(name) for name in ("h1", "h2", "h3"))
        h2.cmd(f"iperf3 --server --daemon --logfile {LAB}/iperf3.log")
        wait_for("iperf3", lambda: h1.popen(["bash", "-c", f"</dev/tcp/{h2.IP()}/5201"]).wait() == 0)
        a_limit_of_its_own(h1, h2, seconds)
        a_shared_limit(h1, h3, h2, seconds)
        marks(h1, h2)


def a_limit_of_its_own(source, sink, seconds):
    before = {"TCP": tcp(source, sink, seconds), "UDP": udp(source, sink, seconds)}
    flow = install(source.IP(), sink.IP(), "video", "--rate-limit", RATE)["flow_id"]
    expect(len(meters()) == 1 and f"rate={RATE}" in meters()[0], f"expected one meter of {RATE}, got {meters()}")
    within("TCP, limited", tcp(source, sink, seconds))
    within("UDP, limited", udp(source, sink, seconds))
    counted(flow)
    flumen("flow", "remove", flow)
    for name, stream in (("TCP", tcp), ("UDP", udp)):
        after = stream(source, sink, seconds)
        print(f"{name}: {before[name]} kbit/s before, {after} after, {after // RATE} times the limit")
        expect(after >= 4 * RATE, f"{name} is still limited: {after} kbit/s")
    no_meters()


def counted(flow):
    """What GetFlow counts of the flow is what the switch prints itself, and its meter dropped something."""
    seen = {}

    def agree():
        seen["flow"] = view = flumen("flow", "show", flow)["flow"]
        dump = ofctl("dump-flows", f"cookie={view['nodes'][0]['cookie']}/-1")
        seen["switch"] = [int(re.search(rf"n_{what}=(\d+)", dump)[1]) for what in ("packets", "bytes")]
        return [view["packets"], view["bytes"]] == seen["switch"]

    wait_for("GetFlow to count what the switch counts", agree)
    packets, octets = seen["switch"]
    exceeding = seen["flow"]["nodes"][0]["meter"]["exceeding_packets"]
    print(f"counted: {packets} packets, {octets} bytes, {exceeding} dropped by the meter")
    expect(0 < exceeding < packets, f"the meter dropped {exceeding} of {packets} packets")


def a_shared_limit(one, other, sink, seconds):
    flows = [install(source.IP(), sink.IP(), "bulk")["flow_id"] for source in (one, other)]
    expect(len(meters()) == 1, f"expected one meter, got {meters()}")
    sources = ((7001, one), (7002, other))
    streams = [Stream(source.name, source, sink, port, kbps=10000, size=1000) for port, source in sources]
    outcomes = measure(streams, seconds)
    within("UDP of both together", round(sum(outcome.kbps for outcome in outcomes.values())))
    flumen("flow", "remove", flows[0])
    expect(len(meters()) == 1, "the second flow lost its meter")
    flumen("flow", "remove", flows[1])
    no_meters()


def marks(source, sink):
    """One flow a class, each on a port of its own; every packet that arrives tells its port and its tos."""
    classes = flumen("classes")["traffic_types"]
    expect(len(classes) == 12, f"expected 12 classes, got {len(classes)}")
    capture, said = f"{LAB}/capture", f"{LAB}/tcpdump.log"
    for path in (capture, said):
        open(path, "w").close()
    sink.cmd(f"tcpdump -i {sink.defaultIntf()} -nn -v -l udp and dst host {sink.IP()} >{capture} 2>{said} &")
    wait_for("tcpdump", lambda: "listening on" in read(said))
    expected = {}
    for port, traffic_type in enumerate(classes, 6001):
        matching = ["--protocol", "udp", "--destination-port", port]
        install(source.IP(), sink.IP(), traffic_type["name"], *matching)
        expected[str(port)] = hex(traffic_type["dscp"] << 2)
        source.cmd(f"bash -c 'echo packet >/dev/udp/{sink.IP()}/{port}'")

    def arrived():
        packets = re.findall(r"\(tos (0x[0-9a-f]+),[^\n]*\n[^\n]* > [0-9.]+\.(\d+):", read(capture))
        return {port: tos for tos, port in packets}

    wait_for("a packet of each class with its code point", lambda: arrived() == expected)
    for traffic_type, (port, tos) in zip(classes, expected.items()):
        print(traffic_type["name"], traffic_type["dscp"], port, tos)
    flumen("flow", "remove", "--all")
    no_meters()


def tcp(source, sink, seconds):
    return received(source, sink, seconds)


def udp(source, sink, seconds):
    return received(source, sink, seconds, "--udp", "--bitrate", "50M", "--length", 1400)


def received(source, sink, seconds, *options):
    """The kbit/s that arrived, without the first seconds, in which the burst passes.

    Not what was sent less its losses: packets behind the last one that arrives are no losses to iperf3.
    """
    options = ["--omit", 2, "--time", seconds, *options]
    run = source.popen(["iperf3", "--client", sink.IP(), "--json", *map(str, options)], text=True)
    said, complaint = run.communicate()
    if run.returncode:
        raise Failed(f"iperf3: {said}{complaint}")
    return round(json.loads(said)["end"]["sum_received"]["bits_per_second"] / 1000)


def within(what, kbps):
    print(f"{what}: {kbps} kbit/s of {RATE}")
    expect(0.8 * RATE <= kbps <= 1.2 * RATE, f"{what}: {kbps} kbit/s is not within 20 % of {RATE}")


def meters():
    return re.findall(r"meter=[^\n]*(?:\n(?!meter)[^\n]*rate=[^\n]*)?", ofctl("dump-meters"))


def no_meters():
    expect(meters() == [], f"a meter is left: {meters()}")
    print("no meter is left")


def ofctl(command, *more):
    command = ["ovs-ofctl", "-O", "OpenFlow13", command, SWITCH, *more]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def read(path):
    with open(path) as file:
        return file.read()
