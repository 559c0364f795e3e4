"""The raw limit: FLOW_MODs that are encoded before the clock starts, a blocking socket, and one barrier.

Written from the OpenFlow 1.3.5 specification with `struct`; shares nothing with the product.
"""

import ipaddress
import socket
import struct

HELLO, ECHO_REQUEST, ECHO_REPLY, FLOW_MOD, BARRIER_REQUEST, BARRIER_REPLY = 0, 2, 3, 14, 20, 21
PRIORITY, MARK, QUEUE, PORT = 46000, 46, 6, 5060
DESTINATION = "10.200.0.1"
NORMAL = 0xFFFFFFFA


def source(number):
    """The source address of a flow."""
    return str(ipaddress.IPv4Address(0x0A000000 + number))


def flow_text(number):
    """The rule of a flow, as ovs-ofctl reads it."""
    return (
        f"priority={PRIORITY},udp,nw_src={source(number)},nw_dst={DESTINATION},tp_dst={PORT},"
        f"actions=set_field:{MARK}->ip_dscp,set_queue:{QUEUE},NORMAL"
    )


def header(kind, length, xid):
    return struct.pack("!BBHI", 4, kind, length, xid)


def oxm(field, value):
    return struct.pack("!HBB", 0x8000, field << 1, len(value)) + value


def pad(data, to=8):
    return data + bytes(-len(data) % to)


def flow_mod(number, xid):
    """The FLOW_MOD of the same flow, of 136 bytes: section 7.3.4.1."""
    fields = (
        oxm(5, struct.pack("!H", 0x0800))
        + oxm(10, b"\x11")
        + oxm(11, ipaddress.IPv4Address(source(number)).packed)
        + oxm(12, ipaddress.IPv4Address(DESTINATION).packed)
        + oxm(16, struct.pack("!H", PORT))
    )
    match = pad(struct.pack("!HH", 1, 4 + len(fields)) + fields)
    set_field = oxm(8, bytes([MARK]))
    actions = (
        pad(struct.pack("!HH", 25, 16) + set_field)
        + struct.pack("!HHI", 21, 8, QUEUE)
        + struct.pack("!HHIH6x", 0, 16, NORMAL, 0)
    )
    instruction = struct.pack("!HH4x", 4, 8 + len(actions)) + actions
    body = struct.pack("!QQBBHHHIIIH2x", number, 0, 0, 0, 0, 0, PRIORITY, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    length = 8 + len(body) + len(match) + len(instruction)
    return header(FLOW_MOD, length, xid) + body + match + instruction


class Raw:
    """A connection to a bridge that waits for controllers."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.input = bytearray()
        self.socket.sendall(header(HELLO, 8, 1))
        self.confirm(b"")

    def confirm(self, encoded):
        """Writes these and a barrier, and waits for its reply."""
        barrier = 0xFFFFFFF0
        self.socket.sendall(encoded + header(BARRIER_REQUEST, 8, barrier))
        while True:
            self.input += self.socket.recv(65536)
            while len(self.input) >= 8:
                _, kind, length, xid = struct.unpack_from("!BBHI", self.input)
                if len(self.input) < length:
                    break
                del self.input[:length]
                if kind == ECHO_REQUEST:
                    self.socket.sendall(header(ECHO_REPLY, 8, xid))
                if (kind, xid) == (BARRIER_REPLY, barrier):
                    return
