"""What clients that are hostile, careless or only busy cost the others: in time, as ratios, and in the daemon's memory.

Each scene measures single installs, one after the other, on a daemon that is otherwise idle, and then the same beside the
others. The last scenes compare how long a message takes that is refused with a lawful one of the same length.
"""

import json
import socket
import threading
import time

from lab import Daemon, OpenVSwitch
from measures import BATCH, batch_frames, check_applied, pack, single_frame, summary
from websocket import TEXT, WebSocket, frame

SINGLES = 1_000
# The numbers of flows that singles use begin here, above those of batches.
FIRST_SINGLE = 1 << 20


class Scene:
    """A daemon with Open vSwitch behind it, and a client that behaves."""

    def __enter__(self):
        self.ovs = OpenVSwitch().__enter__()
        try:
            self.daemon = Daemon().__enter__()
        except BaseException:
            self.ovs.__exit__()
            raise
        self.number = FIRST_SINGLE
        self.open = []
        return self

    def __exit__(self, *_):
        for connection in self.open:
            connection.close()
        self.daemon.__exit__()
        self.ovs.__exit__()

    def begin(self):
        self.daemon.add_bridge(self.ovs)
        self.client = WebSocket(self.daemon.port)
        self.singles(20)
        self.resident = self.daemon.process.resident

    def single(self):
        message = single_frame("json", self.number)
        self.number += 1
        begun = time.perf_counter()
        reply = self.client.exchange(message)
        taken = time.perf_counter() - begun
        check_applied("json", [reply])
        return taken

    def singles(self, count):
        return [self.single() for _ in range(count)]

    def grown(self):
        return float(self.daemon.process.resident - self.resident)


def beside(share, others):
    """A scene's figures: singles alone, then while `others(scene)`, a generator, has its others at work."""
    with Scene() as scene:
        scene.begin()
        count = max(round(SINGLES * share), 20)
        alone = summary(scene.singles(count))
        generator = others(scene)
        number, more = next(generator), True
        times, grown = [], 0.0
        while more:
            times.append(scene.single())
            if len(times) % 20 == 0:
                grown = max(grown, scene.grown())
            # Without an end of their own the others are there for as many singles as there were alone.
            more = next(generator, False) if number["ends"] else len(times) < count
        grown = max(grown, scene.grown())
        generator.close()
    return {"others": float(number["others"]), "alone": alone, "beside": summary(times), "grown": grown}


def slow_handshakes(share):
    """Clients that begin to connect and never finish; a new one takes the place of each that is let go."""

    def others(scene):
        count = max(round(2_000 * share), 10)
        begin = lambda: socket.create_connection(("127.0.0.1", scene.daemon.port))
        for _ in range(count):
            scene.open.append(begin())
            scene.open[-1].sendall(b"GET /v1/ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgr")
        yield {"others": count, "ends": False}

    return beside(share, others)


def pings(share):
    """Clients that send pings without a pause, and connect again when they are let go."""

    def others(scene):
        is_over = threading.Event()

        def flood():
            ping = frame(9, b"x") * 50
            while not is_over.is_set():
                client = WebSocket(scene.daemon.port)
                client.socket.settimeout(0.2)
                try:
                    while not is_over.is_set():
                        client.socket.sendall(ping)
                        client.socket.recv(4096)
                except OSError:
                    pass
                client.socket.close()
                # A flood that is not slowed down at all would measure this machine's loopback.
                is_over.wait(0.01)

        floods = [threading.Thread(target=flood, daemon=True) for _ in range(4)]
        for one in floods:
            one.start()
        try:
            yield {"others": len(floods), "ends": False}
        finally:
            is_over.set()

    return beside(share, others)


def stalled(share):
    """Subscribers that do not read, while 20,000 flows are installed at once, and behind that."""

    def others(scene):
        count = max(round(1_000 * share), 10)
        subscribe = {"type": "Subscribe", "id": "s", "payload": {"topics": ["flows"]}}
        for _ in range(count):
            client = WebSocket(scene.daemon.port)
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            reply = json.loads(client.exchange(pack("json", subscribe)))
            if reply["type"] != "Reply":
                raise RuntimeError(f"not subscribed: {reply}")
            scene.open.append(client.socket)
        frames = batch_frames("json", max(round(20_000 * share), 100))
        check_applied("json", WebSocket(scene.daemon.port).pipeline(frames, len(frames)))
        yield {"others": count, "ends": False}

    return beside(share, others)


def a_batch(flows):
    """Another client's batch to the same switch, for as long as it takes."""

    def scene_of(share):
        def others(scene):
            count = max(round(flows * share), 300)
            frames = batch_frames("json", count)
            client = WebSocket(scene.daemon.port)
            replies = []
            batch = threading.Thread(
                target=lambda: replies.extend(client.pipeline(frames, len(frames))), daemon=True
            )
            batch.start()
            yield {"others": count, "ends": True}
            while batch.is_alive():
                yield True
            check_applied("json", replies)

        return beside(share, others)

    return scene_of


def refused(make):
    """A message that is refused, and a lawful batch of the same length, asked again: seconds until the answer."""

    def scene_of(share):
        lawful = batch_frames("json", max(round(BATCH["json"] * share), 100))[0]
        bad = frame(TEXT, make(len(lawful)))
        with Scene() as scene:
            scene.begin()
            times = {}
            for name, message in (("lawful", lawful), ("refused", bad)):
                taken = []
                for _ in range(5):
                    client = WebSocket(scene.daemon.port)
                    begun = time.perf_counter()
                    reply = json.loads(client.exchange(message))
                    taken.append(time.perf_counter() - begun)
                    if (reply["type"] == "Error") != (name == "refused"):
                        raise RuntimeError(f"{name}: {str(reply)[:200]}")
                    client.socket.close()
                times[name] = sorted(taken)[len(taken) // 2]
            return {"bytes": float(len(bad)), **times}

    return scene_of


def install(payload):
    return b'{"type":"InstallFlow","id":"1","payload":' + payload + b"}"


def filled(head, piece, tail):
    """A message of a length: as many pieces as fit between head and tail."""

    def make(length):
        room = length - len(install(head + tail)) - 64
        return install(head + piece * (room // len(piece)) + tail)

    return make


def many_keys(length):
    keys = b",".join(b'"k%06d":0' % number for number in range((length - 200) // 12))
    return install(b"{" + keys + b"}")


SCENES = {
    "clients that never finish their handshake": slow_handshakes,
    "clients that flood it with pings": pings,
    "subscribers that do not read": stalled,
    "a batch of 10,000 flows": a_batch(10_000),
    "a batch of 100,000 flows": a_batch(100_000),
    "nothing but [": refused(lambda length: b"[" * (length - 64)),
    "one list of numbers": refused(filled(b'{"node_ids":[', b"1,", b"1]}")),
    "one number of nothing but digits": refused(filled(b'{"priority":', b"9", b"}")),
    "keys that nobody knows": refused(many_keys),
    "one name of nothing but line feeds": refused(filled(b'{"flow_id":"', b"\\n", b'"}')),
}
