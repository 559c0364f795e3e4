"""Authentication: the four ways to show a token, and what each role may."""

import base64
import http.client
import json
import signal
import ssl
import subprocess
import urllib.request

from websockets.sync.client import connect

from checks import check
from lab import FLUMEN, Fault, free_port, holds, run, same, within

COMMANDS = {
    "viewer": [
        ("ListNodes", {}),
        ("GetNode", {"name": "s1"}),
        ("ListFlows", {}),
        ("GetFlow", {"flow_id": "f"}),
        ("GetInfo", {}),
        ("Subscribe", {"topics": ["nodes", "flows", "stats", "ports", "alarms"]}),
        ("Unsubscribe", {"topics": ["nodes", "flows", "stats", "ports", "alarms"]}),
    ],
    "operator": [
        ("InstallFlow", {"source": "any", "destination": "any", "traffic_type": "bulk", "nodes": ["s1"]}),
        ("InstallFlows", {"flows": []}),
        ("RemoveFlow", {"flow_id": "f"}),
        ("RemoveFlows", {"flow_ids": []}),
    ],
    "admin": [
        ("AddNode", {"name": "s1", "datapath_id": "1"}),
        ("SetQueues", {"node": "s1", "port": 1, "queues": []}),
        ("RemoveNode", {"name": "s1"}),
    ],
}


def guarded(lab, *options):
    """A daemon with a token of each role."""
    directory = lab.directory()
    file = str(directory / "tokens")
    tokens = {}
    for role in COMMANDS:
        done = subprocess.run([FLUMEN, "token", "add", role, "--role", role, "--tokens", file], capture_output=True, text=True)
        holds(done.returncode == 0, done.stderr)
        tokens[role] = done.stdout.strip()
        holds(tokens[role] not in (directory / "tokens").read_text(), "the token itself is in the file")
    return lab.daemon("--tokens", file, *options), tokens, file


@check
def four_ways(lab):
    """A token comes in the Authorization header, in a first message, as a subprotocol, or in the address where that is allowed."""
    daemon, tokens, _ = guarded(lab)
    token = tokens["viewer"]
    with daemon.connect(token=token) as connection:
        connection.reply("GetInfo")
    with daemon.connect() as connection:
        same(connection.reply("Authenticate", token=token), {"role": "viewer"}, "the Reply to Authenticate")
        connection.reply("GetInfo")
    encoded = base64.urlsafe_b64encode(token.encode()).decode().rstrip("=")
    with daemon.connect(subprotocols=["flumen.v1.json", f"flumen.bearer.{encoded}"]) as connection:
        same(connection.socket.subprotocol, "flumen.v1.json", "subprotocol")
        connection.reply("GetInfo")
    holds(daemon.upgrade(path=f"/v1/ws?token={token}") in (401, 403), "a token in the address, not turned on")
    open_to_query, tokens, _ = guarded(lab, "--query-tokens")
    with open_to_query.connect(path=f"/v1/ws?token={tokens['viewer']}") as connection:
        connection.reply("GetInfo")
    for said in (daemon.said(), open_to_query.said()):
        holds(all(token not in said for token in tokens.values()), "a token is in the log")


@check
def wrong_tokens(lab):
    """A wrong token is refused with 401 at the upgrade and with unauthenticated in Authenticate."""
    daemon, tokens, _ = guarded(lab)
    same(daemon.upgrade(token="flumen_wrong"), 401, "a wrong token in the header")
    with daemon.connect() as connection:
        connection.refused("unauthenticated", "payload.token", "Authenticate", token="flumen_wrong")
        connection.refused("unauthenticated", "type", "GetInfo")
        connection.reply("Authenticate", token=tokens["viewer"])
        connection.reply("GetInfo")


@check
def in_time(lab):
    """Who has shown no token within 5 s is closed with 1008."""
    daemon, _, _ = guarded(lab)
    with daemon.connect() as connection:
        same(connection.closed(), 1008, "close code")


@check
def roles(lab):
    """viewer reads and subscribes, operator also changes flows, admin also nodes and queues; anything else is forbidden."""
    daemon, tokens, _ = guarded(lab)
    ranks = list(COMMANDS)
    for rank, role in enumerate(ranks):
        with daemon.connect(token=tokens[role]) as connection:
            for needed, commands in enumerate(COMMANDS.values()):
                for command, payload in commands:
                    answer = connection.ask(command, **payload)
                    code = answer["error"]["code"] if answer["type"] == "Error" else None
                    same(code == "forbidden", needed > rank, f"{role} asks for {command}, answered {answer}; forbidden")


@check
def revocation(lab):
    """A revoked token opens nothing, and the connection that it opened is closed with 1008."""
    daemon, tokens, file = guarded(lab)
    with daemon.connect(token=tokens["operator"]) as connection:
        connection.reply("GetInfo")
        done = subprocess.run([FLUMEN, "token", "revoke", "operator", "--tokens", file], capture_output=True, text=True)
        same(done.returncode, 0, done.stderr)
        same(connection.closed(), 1008, "close code")
    same(daemon.upgrade(token=tokens["operator"]), 401, "the revoked token")
    same(daemon.upgrade(token=tokens["admin"]), 101, "another token")


def certificate(directory, name):
    """A self-signed certificate for loopback, and its key."""
    cert, key = directory / "cert.pem", directory / "key.pem"
    run(
        "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1",
        "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(cert),
    )
    return cert, key


@check
def tls(lab):
    """With a certificate clients speak TLS and nothing else, and SIGHUP reads a renewed one."""
    directory = lab.directory()
    cert, key = certificate(directory, "first")
    port, switches = free_port(), free_port()
    ends = ("--listen", f"127.0.0.1:{port}", "--openflow", f"127.0.0.1:{switches}", "--data", str(directory / "data"))
    log = open(directory / "log", "w")
    daemon = subprocess.Popen([FLUMEN, "serve", *ends, "--tls-cert", str(cert), "--tls-key", str(key)], stderr=log)

    def served():
        """The certificate that the daemon shows, once it listens."""
        try:
            return ssl.get_server_certificate(("127.0.0.1", port), timeout=5)
        except OSError:
            return None

    try:
        same(within("the daemon to listen", served).strip(), cert.read_text().strip(), "the certificate")
        trusting = ssl.create_default_context(cafile=str(cert))
        with connect(f"wss://127.0.0.1:{port}/v1/ws", ssl=trusting, subprotocols=["flumen.v1.json"]) as socket:
            socket.send(json.dumps({"type": "GetInfo", "id": "a"}))
            same(json.loads(socket.recv(timeout=20))["type"], "Reply", "over TLS")
            with urllib.request.urlopen(f"https://127.0.0.1:{port}/healthz", context=trusting, timeout=20) as response:
                same(response.status, 200, "/healthz over TLS")
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=20)
                raise Fault("plain HTTP is answered")
            except (OSError, http.client.HTTPException):
                pass
            renewed, _ = certificate(directory, "second")
            daemon.send_signal(signal.SIGHUP)
            within("the renewed certificate to be used", lambda: (served() or "").strip() == renewed.read_text().strip())
            socket.send(json.dumps({"type": "GetInfo", "id": "b"}))
            same(json.loads(socket.recv(timeout=20))["id"], "b", "a connection from before")
    finally:
        daemon.terminate()
        daemon.wait()
        log.close()


@check
def guessing(lab):
    """Wrong tokens are slowed down."""
    daemon, _, _ = guarded(lab)
    seen = [daemon.upgrade(token=f"flumen_{number}") for number in range(12)]
    holds(set(seen) <= {401, 429} and 429 in seen, f"{seen}")


@check
def http_needs_no_token(lab):
    """/healthz, /readyz and /metrics need no token, and name no node."""
    daemon, tokens, _ = guarded(lab)
    with daemon.connect(token=tokens["admin"]) as connection:
        connection.reply("AddNode", name="a-secret-name", datapath_id="00000000000000a1")
    for path in ("/healthz", "/readyz", "/metrics"):
        code, _, text = daemon.get(path)
        same(code, 200, path)
        holds("a-secret-name" not in text, f"{path} names a node")


@check
def audit(lab):
    """The audit log has every change with who, what, when and what came of it, what the switch knows it by, and no token."""
    directory = lab.directory()
    log = directory / "audit"
    daemon, tokens, _ = guarded(lab, "--audit-log", str(log))
    with daemon.connect(token=tokens["admin"]) as connection:
        name = lab.connected(daemon, connection)
        connection.refused("already_exists", "payload.name", "AddNode", name=name, datapath_id="00000000000000a2")
        request = connection.send("InstallFlow", {"source": "any", "destination": "10.0.0.1", "traffic_type": "voice", "flow_id": "f"})
        flow = connection.answer(request)["payload"]["flow"]
        connection.reply("RemoveFlows", all=True)
    daemon.terminate()
    daemon.process.wait()
    text = log.read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    told = [(line["command"], line.get("subject"), line.get("outcome"), line.get("flow_id"), line.get("state")) for line in lines]
    same(
        told,
        [
            ("AddNode", name, "ok", None, None),
            ("AddNode", name, "already_exists", None, None),
            ("InstallFlow", "f", "ok", None, None),
            ("InstallFlow", None, None, "f", "applied"),
            ("RemoveFlows", '{"all":true}', "ok", None, None),
            ("RemoveFlows", None, None, "f", "removed"),
        ],
        "the lines",
    )
    holds(all(line["who"] == "admin" and line["timestamp"] for line in lines), text)
    installed, removed = lines[3], lines[5]
    same((installed["request_id"], installed["cookie"]), (request, flow["nodes"][0]["cookie"]), "request and cookie")
    same((removed["cookie"], removed["node"]), (installed["cookie"], name), "cookie and node of the removal")
    holds(all(line["xid"].startswith("0x") for line in (installed, removed)), f"xids: {text}")
    holds(installed["xid"] != removed["xid"], f"one xid for two FLOW_MODs: {text}")
    holds(all(token not in text for token in tokens.values()), text)
