"""A WebSocket client by hand (RFC 6455): frames are built before the clock starts, and replies are read after it stops.

What is measured is then the daemon, not a client library. Shares nothing with the product.
"""

import base64
import collections
import os
import socket
import struct
import threading

TEXT, BINARY = 1, 2


def frame(opcode, payload):
    """A client's frame. The mask is zero, as section 5.3 allows: what is masked with it is as it was."""
    length = len(payload)
    if length < 126:
        size = struct.pack("!B", 0x80 | length)
    elif length < 65536:
        size = struct.pack("!BH", 0x80 | 126, length)
    else:
        size = struct.pack("!BQ", 0x80 | 127, length)
    return bytes([0x80 | opcode]) + size + bytes(4) + payload


class WebSocket:
    """A connection that speaks one of the daemon's subprotocols."""

    def __init__(self, port, subprotocol="flumen.v1.json"):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall(
            f"GET /v1/ws HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Protocol: {subprotocol}\r\n\r\n".encode()
        )
        self.input = bytearray()
        while b"\r\n\r\n" not in self.input:
            received = self.socket.recv(4096)
            if not received:
                break
            self.input += received
        head, _, rest = bytes(self.input).partition(b"\r\n\r\n")
        if b" 101 " not in head.split(b"\r\n")[0]:
            raise ConnectionError(head.decode(errors="replace"))
        self.input = bytearray(rest)
        self.place = 0
        self.pongs = collections.deque()
        self.is_sending = False
        self.lock = threading.Lock()

    def replies(self, count):
        """Reads this many messages; pings are answered. Returns their payloads."""
        found = []
        while len(found) < count:
            frame_ = self.next_frame()
            if frame_ is None:
                received = self.socket.recv(1 << 20)
                if not received:
                    raise ConnectionError(f"the daemon hung up after {len(found)} of {count} replies")
                self.input += received
                continue
            opcode, payload = frame_
            if opcode == 9:
                with self.lock:
                    self.pongs.append(frame(10, payload))
                    is_sending = self.is_sending
                if not is_sending:
                    self.send([])
            elif opcode == 8:
                raise ConnectionError(f"the daemon closed: {payload!r}")
            else:
                found.append(payload)
        return found

    def next_frame(self):
        data, place = self.input, self.place
        if len(data) < place + 2:
            return None
        opcode, length = data[place] & 15, data[place + 1] & 127
        place += 2
        if length >= 126:
            size = 2 if length == 126 else 8
            if len(data) < place + size:
                return None
            length = int.from_bytes(data[place : place + size], "big")
            place += size
        if len(data) < place + length:
            return None
        payload = bytes(data[place : place + length])
        self.place = place + length
        if self.place > 1 << 22:
            del data[: self.place]
            self.place = 0
        return opcode, payload

    def exchange(self, one):
        """Sends a frame and waits for one message."""
        self.socket.sendall(one)
        return self.replies(1)[0]

    def pipeline(self, frames, count):
        """Sends all of a list, whole frames in each piece, while replies are read; they come in any order."""
        self.is_sending = True
        sender = threading.Thread(target=self.send, args=(frames,), daemon=True)
        sender.start()
        found = self.replies(count)
        sender.join()
        return found

    def send(self, frames):
        """Sends the pieces, and between two of them the answers to pings that came meanwhile."""
        for piece in [*frames, None]:
            with self.lock:
                self.is_sending = piece is not None
                while self.pongs:
                    self.socket.sendall(self.pongs.popleft())
            if piece:
                self.socket.sendall(piece)
