"""Transport: paths, subprotocols, origins, limits, close codes."""

import json
import socket
import subprocess
import time

from msgpack import packb, unpackb

from checks import check
from lab import FLUMEN, PATIENCE, Fault, Raw, holds, same, within

KIB = 1024
MIB = 1024 * KIB
GET_INFO = {"type": "GetInfo", "id": "a", "payload": {}}


def text_of(length):
    """A lawful request of exactly so many bytes: an `id` is short, so the space is between the tokens."""
    text = json.dumps(GET_INFO)
    return text[:-1] + " " * (length - len(text)) + "}"


@check
def subprotocols(lab):
    """flumen.v1.json is chosen where it is offered and meant where none is; an unknown one alone is refused with 400."""
    daemon = lab.daemon()
    with daemon.connect() as connection:
        same(connection.socket.subprotocol, "flumen.v1.json", "subprotocol")
        connection.reply("GetInfo")
    with daemon.connect(subprotocols=[]) as connection:
        same(connection.socket.subprotocol, None, "subprotocol")
        connection.reply("GetInfo")
    with daemon.connect(subprotocols=["x.v9", "flumen.v1.json"]) as connection:
        same(connection.socket.subprotocol, "flumen.v1.json", "subprotocol")
    same(daemon.upgrade(subprotocols=["x.v9"]), 400, "an unknown subprotocol alone")


@check
def compression(lab):
    """permessage-deflate is never negotiated."""
    offered = Raw(lab.daemon(), **{"Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits"})
    same(offered.status, 101, "status")
    holds("sec-websocket-extensions" not in offered.headers, f"an extension: {offered.headers}")
    offered.frame(1, b"", first=0xC0)
    same(offered.close_code(), 1002, "close code after a compressed frame")
    offered.close()


@check
def http_paths(lab):
    """/healthz, /readyz and /metrics are plain HTTP on the same port."""
    daemon = lab.daemon()
    for path in ("/healthz", "/readyz"):
        same(daemon.get(path)[0], 200, path)
    status, headers, text = daemon.get("/metrics")
    same(status, 200, "/metrics")
    holds(headers["Content-Type"].startswith(("text/plain", "application/openmetrics-text")), headers["Content-Type"])
    holds("# TYPE flumen_" in text and "# HELP flumen_" in text, text[:200])
    for path in ("/", "/v1", "/v2/ws", "/metrics/"):
        same(daemon.get(path)[0], 404, path)
    same(daemon.get("/v1/ws")[0], 426, "/v1/ws without an upgrade")
    same(daemon.get("/healthz", method="POST")[0], 405, "POST /healthz")


@check
def loopback(lab):
    """Beyond loopback the daemon refuses to start without tokens and mutual TLS, and says why; --insecure waives both."""
    directory = lab.directory()

    def ended(*options):
        command = [FLUMEN, "serve", "--data", str(directory / "data"), *options]
        return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)

    for options, needed in (
        (("--listen", "0.0.0.0:0", "--openflow", "127.0.0.1:0"), "token"),
        (("--listen", "127.0.0.1:0", "--openflow", "0.0.0.0:0"), "TLS"),
    ):
        done = ended(*options)
        holds(done.returncode not in (0, None), f"{options}: {done.returncode}")
        holds(needed in done.stderr and "--insecure" in done.stderr, f"{options} says {done.stderr!r}")
    probe = subprocess.Popen(
        [FLUMEN, "serve", "--data", str(directory / "open"), "--listen", "0.0.0.0:0", "--openflow", "0.0.0.0:0", "--insecure"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        for line in probe.stdout:
            if "0.0.0.0:" in line:
                break
        else:
            raise Fault("with --insecure it does not start")
    finally:
        probe.terminate()
        probe.wait(PATIENCE)


@check
def origins(lab):
    """An Origin is accepted from the daemon's own address and the configured list, any other gets 403; none is accepted."""
    daemon = lab.daemon("--origin", "https://noc.example")
    own = f"http://{daemon.address}"
    for origin in (None, own, own.upper().replace("HTTP", "http"), "https://noc.example"):
        same(daemon.upgrade(origin=origin), 101, f"origin {origin}")
    for origin in ("null", "https://evil.example", f"{own}.evil.example", "http://noc.example", "https://noc.example:8443", own + "/"):
        same(daemon.upgrade(origin=origin), 403, f"origin {origin}")


@check
def message_size(lab):
    """An inbound message is 1 MiB at most; a bigger one is 1009, in one frame and in fragments."""
    daemon = lab.daemon()
    with daemon.connect() as connection:
        same(connection.raw(text_of(MIB))["type"], "Reply", "1 MiB")
        connection.socket.send(text_of(MIB + 1))
        same(connection.closed(), 1009, "1 MiB and a byte")
    with daemon.connect() as connection:
        connection.socket.send(text_of(MIB + 1)[index : index + 64 * KIB] for index in range(0, MIB + 1, 64 * KIB))
        same(connection.closed(), 1009, "the same in fragments")


@check
def depth(lab):
    """JSON is at most 16 deep: what is deeper is invalid_json, and the connection goes on."""
    with lab.daemon().connect() as connection:
        nested = lambda levels: json.dumps(GET_INFO)[:-3] + '{"x":' + "[" * (levels - 2) + "]" * (levels - 2) + "}}"
        same(connection.raw(nested(16))["error"]["code"], "invalid_request", "16 deep")
        answer = connection.raw(nested(17))
        same((answer["error"]["code"], answer["id"]), ("invalid_json", None), "17 deep")
        connection.reply("GetInfo")


@check
def handshake(lab):
    """A handshake that is not done within 5 s is over."""
    daemon = lab.daemon()
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", daemon.http), PATIENCE) as slow:
        slow.sendall(b"GET /v1/ws HTTP/1.1\r\n")
        slow.settimeout(PATIENCE)
        while slow.recv(1024):
            pass
    holds(time.monotonic() - began > 4, f"it was over after {time.monotonic() - began:.1f} s")


@check
def keepalive(lab):
    """A ping comes every 30 s, and whoever sends no pong within 5 s is gone; both are configurable."""
    daemon = lab.daemon("--ping-interval", "1", "--pong-timeout", "1")
    silent = Raw(daemon)
    same(silent.read()[0], 9, "the first frame of the daemon")
    # Nobody says pong; what is waited for without end is an error of its own.
    while silent.stream.read(1):
        pass
    silent.close()


@check
def limits_are_configurable(lab):
    """Each limit is configurable, and GetInfo shows those that hold."""
    daemon = lab.daemon("--message-bytes", "2048", "--outbound-bytes", "1048576", "--json-depth", "5", "--handshake-timeout", "1")
    with daemon.connect() as connection:
        limits = connection.reply("GetInfo")["limits"]
        same((limits["message_bytes"], limits["outbound_bytes"], limits["json_depth"]), (2048, 1048576, 5), "limits")
        same(connection.raw('{"type":"GetInfo","id":"a","payload":{"x":[[[[]]]]}}')["error"]["code"], "invalid_json", "6 deep")
        connection.socket.send(text_of(2049))
        same(connection.closed(), 1009, "a message of 2049 bytes")


@check
def close_codes(lab):
    """1000 done, 1002 protocol error, 1003 wrong frame type, 1007 not UTF-8; after its Close the daemon goes on reading."""
    daemon = lab.daemon()
    with daemon.connect() as connection:
        connection.socket.close(1000)
        same(connection.socket.close_code, 1000, "the daemon's answer to 1000")
    for what, code, frame in (
        ("an unmasked frame", 1002, dict(opcode=1, payload=b"{}", masked=False)),
        ("a reserved bit", 1002, dict(opcode=1, payload=b"{}", first=0xA0)),
        ("a reserved opcode", 1002, dict(opcode=3)),
        ("a fragmented ping", 1002, dict(opcode=9, first=0)),
        ("a binary frame", 1003, dict(opcode=2, payload=b"{}")),
        ("bad UTF-8", 1007, dict(opcode=1, payload=b"\xff\xfe")),
    ):
        raw = Raw(daemon)
        raw.frame(**frame)
        same(raw.close_code(), code, what)
        # Written after the Close, and taken without a reset.
        for _ in range(100):
            raw.frame(1, b"{}")
        raw.close()


@check
def shutdown(lab):
    """A daemon that is told to end closes with 1001, answers what is in flight, and exits 0."""
    daemon = lab.daemon()
    with daemon.connect() as connection:
        connection.reply("GetInfo")
        daemon.terminate()
        same(connection.closed(), 1001, "close code")
    same(daemon.process.wait(PATIENCE), 0, "exit status")


@check
def metrics_count(lab):
    """/metrics counts what happens."""
    daemon = lab.daemon()
    with daemon.connect() as connection:
        connection.reply("GetInfo")
        connection.error("GetNode", name="none")
        connection.reply("AddNode", name="s1", datapath_id=1)
        counted = {
            'flumen_requests_total{command="GetInfo",outcome="ok"} 1',
            'flumen_requests_total{command="GetNode",outcome="not_found"} 1',
            'flumen_nodes{state="registered"} 1',
        }
        within(f"{counted} to be counted", lambda: counted <= set(daemon.get("/metrics")[2].splitlines()))


@check
def msgpack(lab):
    """flumen.v1.msgpack carries the same objects as MessagePack in binary frames, up to 16 MiB; a text frame is 1003."""
    daemon = lab.daemon()
    with daemon.connect(subprotocols=["flumen.v1.msgpack"]) as connection:
        same(connection.socket.subprotocol, "flumen.v1.msgpack", "subprotocol")

        def ask(request):
            connection.socket.send(packb(request))
            frame = connection.socket.recv(timeout=PATIENCE)
            holds(isinstance(frame, bytes), f"not a binary frame: {frame!r:.100}")
            return unpackb(frame)

        reply = ask(GET_INFO)
        same((reply["type"], reply["id"], reply["command"]), ("Reply", "a", "GetInfo"), "the Reply")
        with daemon.connect() as other:
            told = other.reply("GetInfo")
            same({**reply["payload"], "uptime": told["uptime"]}, told, "the same object as in JSON")
        same(ask({**GET_INFO, "colour": 1})["error"]["path"], "colour", "an unknown field")
        connection.socket.send(b"\xc1")
        answer = unpackb(connection.socket.recv(timeout=PATIENCE))
        same((answer["id"], answer["error"]["code"]), (None, "invalid_json"), "bytes that are no MessagePack")
        big = {"type": "GetInfo", "id": "a", "payload": {"x": "y" * (2 * MIB)}}
        same(ask(big)["error"]["code"], "invalid_request", "2 MiB")
        connection.socket.send(json.dumps(GET_INFO))
        same(connection.closed(), 1003, "a text frame")
    with daemon.connect(subprotocols=["flumen.v1.msgpack"]) as connection:
        connection.socket.send(packb({"x": "y" * (16 * MIB)}))
        same(connection.closed(), 1009, "more than 16 MiB")
