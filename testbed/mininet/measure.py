"""Streams of packets between the hosts of a lab, and what became of them."""

import json
import os
import statistics
import subprocess
import time
from dataclasses import dataclass

from machine import TESTBED

from expecting import Failed, wait_for

STREAM = os.path.join(TESTBED, "stream.py")

# The first part of every measurement is left out: bursts pass and queues fill.
SETTLING_NS = 1_000_000_000

# Ethernet, IPv4 and UDP around what a stream counts as its size.
HEADERS = 14 + 20 + 8


@dataclass
class Stream:
    """Packets of `size` bytes from one host to another at a steady rate."""

    name: str
    source: object
    destination: object
    port: int
    kbps: int
    size: int
    ipv6: bool = False

    def address(self):
        return self.destination.IP6() if self.ipv6 else self.destination.IP()


@dataclass
class Outcome:
    """What was measured of a stream: packets sent and received, delays (ms) with the time of sending, rate, marks."""

    sent: int
    received: int
    delays: list
    kbps: float
    tos: set

    @property
    def loss(self):
        return 1 - self.received / self.sent

    def delay(self, percent):
        return statistics.quantiles([delay for _, delay in self.delays], n=100, method="inclusive")[percent - 1]

    def describe(self):
        marks = ", ".join(sorted(f"{tos:#x}" for tos in self.tos)) or "none"
        delays = f"{self.delay(50):8.2f} {self.delay(95):8.2f}" if len(self.delays) > 1 else "       -        -"
        return f"{self.sent:6} {self.received:6} {self.loss:7.2%} {delays} {self.kbps:8.0f}  {marks}"


TABLE_HEAD = f"{'':16}{'sent':>6} {'recv.':>6} {'loss':>7} {'p50 ms':>8} {'p95 ms':>8} {'kbit/s':>8}  tos"


def measure(streams, seconds, settling_ns=SETTLING_NS):
    """Runs streams side by side. An Outcome for each, by name."""
    receivers = start_receivers(streams)
    senders = []
    for stream in streams:
        numbers = ["--kbps", stream.kbps, "--size", stream.size, "--seconds", seconds + settling_ns / 1e9]
        senders.append(popen(stream.source, "send", stream.address(), stream.port, *numbers))
    sent = [json.loads(sender.communicate()[0])["sent"] for sender in senders]
    time.sleep(0.5)  # What is queued on its way arrives.
    arrived = {}
    for host, receiver in receivers.items():
        arrived[host] = json.loads(receiver.communicate()[0])
    outcomes = {}
    for stream, times in zip(streams, sent):
        outcomes[stream.name] = outcome(stream, times, arrived[stream.destination][str(stream.port)], settling_ns)
    return outcomes


def start_receivers(streams):
    ports = {}
    for stream in streams:
        ports.setdefault(stream.destination, []).append(stream.port)
    receivers = {host: popen(host, "receive", *numbers, stdin=subprocess.PIPE) for host, numbers in ports.items()}
    for receiver in receivers.values():
        if receiver.stdout.readline() != "ready\n":
            raise Failed(f"stream.py receive: {receiver.stderr.read()}")
    return receivers


def outcome(stream, times, packets, settling_ns):
    first, last = times[0] + settling_ns, times[-1]
    counted = [packet for packet in packets if first <= packet[1] <= last]
    frames = [arrived for _, _, arrived, _ in packets if first <= arrived <= last]
    return Outcome(
        sent=sum(first <= at <= last for at in times),
        received=len({number for number, *_ in counted}),
        delays=[((sent - times[0]) / 1e9, (arrived - sent) / 1e6) for _, sent, arrived, _ in counted],
        kbps=len(frames) * (stream.size + HEADERS + (20 if stream.ipv6 else 0)) * 8e6 / (last - first),
        tos={tos for *_, tos in counted},
    )


def popen(host, *arguments, **options):
    return host.popen([STREAM, *map(str, arguments)], text=True, **options)


def a_few_packets(source, destination, port, ipv6=False, count=20):
    """The types of service that `count` packets arrive with, one for each that arrives."""
    stream = Stream("few", source, destination, port, kbps=160, size=100, ipv6=ipv6)
    receivers = start_receivers([stream])
    popen(source, "send", stream.address(), port, "--kbps", 160, "--size", 100, "--seconds", count / 200).communicate()
    time.sleep(0.3)  # The last of them arrives.
    packets = json.loads(receivers[destination].communicate()[0])[str(port)]
    return [tos for *_, tos in packets]


def ping(source, address):
    """True when an answer comes; asks for 30 s, in which neighbours and ports are learnt."""
    command = ["ping", "-6" if ":" in address else "-4", "-c", "1", "-W", "1", address]
    wait_for(f"{source.name} to reach {address}", lambda: source.popen(command).wait() == 0)
