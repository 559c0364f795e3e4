#!/usr/bin/env python3
"""Three foreign judges of what the codec writes and prints: Open vSwitch, tshark and os-ken.

Reads lines of `name hex` from the files named; EXAMPLES is the directory of the built examples. Prints a line for
each disagreement that README.md does not explain, then a summary; exits 1 if there is one.
"""

import collections
import os
import re
import signal
import struct
import subprocess
import sys
import tempfile

EXAMPLES = os.environ.get("EXAMPLES", "target/debug/examples")
STATIC = {"ovs-ofctl": collections.Counter(), "tshark": collections.Counter(), "os-ken": collections.Counter()}


def run(command, text):
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout


class Message:
    def __init__(self, file, name, data):
        self.name, self.data = f"{os.path.basename(file)}: {name}", data
        self.type = data[1]
        self.multipart = int.from_bytes(data[8:10], "big") if self.type in (18, 19) else None


def read(files):
    messages = []
    for file in files:
        for line in open(file):
            if not line.startswith("#"):
                name, data = line.split()
                messages.append(Message(file, name, bytes.fromhex(data)))
    return messages


def identity(messages):
    """What others make is decoded and encoded to the same bytes."""
    out = run([f"{EXAMPLES}/roundtrip"], "".join(m.data.hex() + "\n" for m in messages)).splitlines()
    for message, line in zip(messages, out, strict=True):
        if line != message.data.hex():
            yield message, line


# Open vSwitch ------------------------------------------------------------------------------------------------------

# Field names of the specification that Open vSwitch does not know; see README.md.
UNKNOWN_TO_OVS = ("in_phy_port", "pbb_isid", "ipv6_exthdr", "copy_ttl", "push_pbb", "pop_pbb", "experimenter")


def explained_by_ovs(message, theirs, ours):
    """Why Open vSwitch may say something else; the reasons are those of README.md."""
    name, refused = message.name, "decode error" in theirs or "***" in theirs
    if any(word in name for word in UNKNOWN_TO_OVS) or "/property" in name:
        return "unknown to Open vSwitch"
    if message.type == 0:
        return "a HELLO without a bitmap"
    if message.type == 1:
        return "errors that Open vSwitch names as later versions do"
    if message.type == 23:
        return "properties of experimenters are not printed"
    if message.type in (2, 3, 10, 13):
        return "payloads are summed up"
    if message.type in (27, 28):
        return "reasons of later versions"
    if message.type == 29:
        return "bands of experimenters and of deletes"
    if message.multipart == 12:
        return "table features are summed up"
    if "ditto" in theirs:
        return "like tables are printed once"
    if message.multipart == 8:
        return "actions in the order of their numbers"
    if message.multipart in (1, 2) and message.type == 18:
        return "groups and cookies of requests"
    if "flow_monitor" in name:
        return "the two forms of a match" if refused else "abbreviations of flow monitors"
    if "reg0" in theirs or "tcp_flags" in theirs:
        return "fields and actions of Nicira"
    if refused and message.type in (14, 15):
        return "refused for its meaning"
    return None


def ovs(messages):
    ours = run([f"{EXAMPLES}/print"], "".join(m.data.hex() + "\n" for m in messages))
    ours = re.split(r"\n\n(?=xid=|error:|$)", ours)
    squeeze = lambda text: re.sub(r"\n+", "\n", text.strip())
    for message, text in zip(messages, ours):
        theirs = subprocess.run(["ovs-ofctl", "-O", "OpenFlow13", "--no-names", "ofp-print", message.data.hex()],
                                capture_output=True, text=True).stdout
        head = re.match(r"(\S+(?: request| reply)?) \(OF1.3\) \((xid=\S+)\):", theirs)
        # The message in a bundle has no version and no transaction here, and Open vSwitch sorts some lists.
        theirs_body = re.sub(r" \(OF1.3\) \(xid=\S+\)", "", theirs[head.end():]) if head else ""
        lines = lambda text: sorted(squeeze(text).splitlines())
        same = head and lines(f"{head[2]} {head[1]}:{theirs_body}") == lines(text)
        if message.type == 1:
            code = re.search(r"/(\w+):", text)
            same = code and f"_{code[1]}\n" in theirs
        reason = None if same else explained_by_ovs(message, theirs, text)
        STATIC["ovs-ofctl"]["same" if same else reason or "DIFFERENT"] += 1
        if not same and reason is None:
            yield message, f"ovs-ofctl: {squeeze(theirs)}\n     here: {squeeze(text)}"


# tshark ------------------------------------------------------------------------------------------------------------

def pcap(messages):
    """Each message as one segment of a connection of its own."""
    out = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 0x40000, 1)
    for number, message in enumerate(messages):
        payload = message.data
        tcp = struct.pack("!HHIIHHHH", 10000 + number % 50000, 6653, 1, 1, 0x5018, 65535, 0, 0)
        body = b""
        size = 20 + 20 + len(payload)
        if size > 65535:
            continue
        ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, size, 0, 0, 64, 6, 0, bytes([10, 0, number >> 8, number & 255]), b"\x0a\x01\x00\x01")
        frame = bytes(12) + b"\x08\x00" + ip + tcp + body + payload
        out += struct.pack("<IIII", number, 0, len(frame), len(frame)) + frame
    return out


def explained_by_tshark(message, text):
    if message.type == 1 and len(message.data) < 20:
        return "an ERROR without data is lawful"
    if message.type == 0 and len(message.data) > 16:
        return "bitmaps of several words are lawful"
    if "experimenter" in message.name or message.type == 29 or "meter" in message.name:
        return "bands of experimenters are lawful"
    if message.type == 4 or "flow_monitor" in message.name:
        return "tshark does not dissect the ONF extensions"
    return None


def tshark(messages):
    with tempfile.NamedTemporaryFile(suffix=".pcap") as file:
        file.write(pcap(messages))
        file.flush()
        fields = ["frame.time_epoch", "openflow_v4.version", "openflow_v4.type", "openflow_v4.xid", "_ws.malformed", "_ws.expert.severity"]
        command = ["tshark", "-r", file.name, "-d", "tcp.port==6653,openflow", "-o", "tcp.desegment_tcp_streams:false",
                   "-T", "fields", "-E", "separator=|"]
        for field in fields:
            command += ["-e", field]
        rows = subprocess.run(command, capture_output=True, text=True).stdout.splitlines()
    for row in rows:
        time, version, kind, xid, malformed, severity = row.split("|")
        message = messages[int(float(time))]
        kinds = [int(value, 0) for value in kind.split(",") if value]
        wrong = not kinds or kinds[0] != message.type or malformed or not version
        # 8388608 is the severity "error", 6291456 is "warning".
        wrong = wrong or any(int(value) >= 8388608 for value in severity.split(",") if value)
        wrong = wrong or int(xid.split(",")[0] or 0, 0) != int.from_bytes(message.data[4:8], "big")
        reason = explained_by_tshark(message, row) if wrong else None
        STATIC["tshark"]["same" if not wrong else reason or "DIFFERENT"] += 1
        if wrong and reason is None:
            yield message, f"tshark: {row}"


# os-ken ------------------------------------------------------------------------------------------------------------

class TooLong(Exception):
    """os-ken loops for ever on some lawful messages."""


def too_long(*_):
    raise TooLong("does not end")


def osken(messages):
    import logging

    from os_ken.ofproto import ofproto_v1_3 as ofp
    from os_ken.ofproto import ofproto_v1_3_parser as parser

    logging.disable(logging.CRITICAL)

    class Datapath:
        ofproto = ofp
        ofproto_parser = parser
        id = 1

    for message in messages:
        data = message.data
        version, kind, length, xid = struct.unpack("!BBHI", data[:8])
        if kind not in parser._MSG_PARSERS:
            STATIC["os-ken"]["no parser for the type"] += 1
            continue
        try:
            signal.signal(signal.SIGALRM, too_long)
            signal.alarm(2)
            parsed = parser._MSG_PARSERS[kind](Datapath, version, kind, length, xid, bytearray(data))
        except Exception as error:
            signal.alarm(0)
            reason = explained_by_osken(message, repr(error))
            STATIC["os-ken"][reason or "DIFFERENT"] += 1
            if reason is None:
                yield message, f"os-ken: {error!r}"
            continue
        signal.alarm(0)
        try:
            parsed.buf = None
            parsed.serialize()
            again = bytes(parsed.buf)
        except Exception:
            STATIC["os-ken"]["accepted; cannot serialize a reply"] += 1
            continue
        if again == data:
            STATIC["os-ken"]["same"] += 1
            continue
        reason = explained_by_osken(message, "")
        # A reply whose serializer os-ken leaves empty is a bare header.
        if len(again) <= 16:
            reason = "accepted; cannot serialize a reply"
        STATIC["os-ken"][reason or "DIFFERENT"] += 1
        if reason is None:
            yield message, f"os-ken: {again.hex()}\n     here: {data.hex()}"


def explained_by_osken(message, error):
    if message.type == 0:
        return "drops HELLO elements"
    if "flow_monitor" in message.name:
        return "the extension's form of a match"
    if message.type == 1:
        return "experimenter errors"
    if message.type == 23:
        return "properties of queues of experimenters"
    if "TooLong" in error:
        return "loops for ever"
    if "bundle" in message.name:
        return "bundle messages are not parsed"
    return None


def main():
    messages = read(sys.argv[1:])
    wrong = 0
    for judge in (identity, ovs, tshark, osken):
        for message, what in judge(messages):
            wrong += 1
            print(f"{judge.__name__}: {message.name}\n     {what}")
    print(f"{len(messages)} messages, {wrong} unexplained disagreements")
    for judge, counts in STATIC.items():
        print(f"  {judge}: " + ", ".join(f"{count} {what}" for what, count in counts.most_common()))
    return wrong != 0


if __name__ == "__main__":
    sys.exit(main())
