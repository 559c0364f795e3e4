#!/usr/bin/python3
"""Sends and receives numbered UDP packets, and writes down when: what the scenarios measure comes from here.

    stream.py send ADDRESS PORT --kbps N --size BYTES --seconds S    prints {"sent": [time, ...]}
    stream.py receive PORT...                                        prints "ready", reads until its standard input
                                                                     ends, prints {PORT: [[number, sent, arrived, tos], ...]}

Times are nanoseconds of the machine's one clock, taken by the sender before the packet goes and by the receiver's kernel
when it has come. A packet is its number and its time of sending, filled up with zeros.
"""

import argparse
import json
import select
import socket
import struct
import sys
import time

HEAD = struct.Struct("!QQ")

# From Linux's headers; Python's socket module does not name them.
SO_RCVBUFFORCE = 33
SO_TIMESTAMPNS = 35
IPV6_RECVTCLASS = 66
IPV6_TCLASS = 67


def send(address, port, kbps, size, seconds):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    out = socket.socket(family, socket.SOCK_DGRAM)
    out.connect((address, port))
    gap = size * 8 * 1_000_000 // kbps
    filling = bytes(size - HEAD.size)
    sent = []
    start = time.time_ns()
    for number in range(round(seconds * 1e9 / gap)):
        if (early := start + number * gap - time.time_ns()) > 0:
            time.sleep(early / 1e9)
        now = time.time_ns()
        try:
            out.send(HEAD.pack(number, now) + filling)
        except OSError:
            pass  # No buffer or no route: a packet that was sent and lost.
        sent.append(now)
    print(json.dumps({"sent": sent}))


def receive(ports):
    arrived = {port: [] for port in ports}
    sockets = {}
    for port in ports:
        into = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        into.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        into.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)
        into.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVTCLASS, 1)
        into.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
        into.bind(("::", port))
        into.setblocking(False)
        sockets[into] = port
    print("ready", flush=True)
    ended = False
    while not ended:
        readable, _, _ = select.select([*sockets, sys.stdin], [], [])
        ended = sys.stdin in readable
        for into, port in sockets.items():
            for packet in waiting(into):
                arrived[port].append(packet)
    print(json.dumps(arrived))


def waiting(into):
    """The packets that have come by now: number, time of sending, time of arrival, type of service."""
    while True:
        try:
            data, notes, _, _ = into.recvmsg(HEAD.size, 256)
        except BlockingIOError:
            return
        if len(data) < HEAD.size:
            continue
        number, sent = HEAD.unpack(data)
        at = tos = None
        for level, kind, value in notes:
            if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS):
                seconds, nanoseconds = struct.unpack("@qq", value)
                at = seconds * 1_000_000_000 + nanoseconds
            elif (level, kind) in ((socket.IPPROTO_IP, socket.IP_TOS), (socket.IPPROTO_IPV6, IPV6_TCLASS)):
                tos = value[0]
        yield number, sent, at, tos


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    sender = commands.add_parser("send")
    sender.add_argument("address")
    sender.add_argument("port", type=int)
    for option in ("--kbps", "--size"):
        sender.add_argument(option, type=int, required=True)
    sender.add_argument("--seconds", type=float, required=True)
    receiver = commands.add_parser("receive")
    receiver.add_argument("ports", type=int, nargs="+")
    chosen = parser.parse_args()
    if chosen.command == "send":
        send(chosen.address, chosen.port, chosen.kbps, chosen.size, chosen.seconds)
    else:
        receive(chosen.ports)


if __name__ == "__main__":
    main()
