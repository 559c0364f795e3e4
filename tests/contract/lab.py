"""What the checks run against: one private Open vSwitch, a daemon for each check, and connections of a foreign client.

The switch is on the dummy datapath with directories of its own, so that nothing here needs privileges. Every port is
chosen by the kernel. Nothing sleeps a fixed time: what happens in another process is asked for until a deadline.
"""

import base64
import functools
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from jsonschema import Draft202012Validator
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

PROJECT = Path(__file__).resolve().parents[2]
FLUMEN = os.environ.get("FLUMEN_BIN") or str(PROJECT / "target/release/flumen")
# An answer that takes longer never comes.
PATIENCE = 20
# How many messages of a connection are compared with their schemas: some checks ask thousands of times.
JUDGED = 200


class Fault(Exception):
    """Something is not as the contract says."""


def holds(condition, what):
    if not condition:
        raise Fault(what)


def same(actual, expected, what):
    holds(actual == expected, f"{what}: {actual!r}, not {expected!r}")


def within(what, attempt, seconds=PATIENCE):
    """What `attempt` returns as soon as that is something."""
    deadline = time.monotonic() + seconds
    while not (found := attempt()):
        holds(time.monotonic() < deadline, f"not within {seconds} s: {what}")
        time.sleep(0.02)
    return found


def closed(schema):
    """The schema without room for fields that are not in it."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {name: closed(value) for name, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object":
        schema.setdefault("additionalProperties", False)
    return schema


@functools.cache
def validator(file):
    return Draft202012Validator(closed(json.loads((PROJECT / "schemas" / file).read_text())))


def judge(message):
    """A fault where a message of the daemon is not what its schema says."""
    files = {"Reply": "replies/{command}.json", "Event": "events/{topic}.json"}
    file = files.get(message["type"], "error.json").format(**message)
    faults = [f"{error.json_path}: {error.message:.200}" for error in validator(file).iter_errors(message)]
    holds(not faults, f"schemas/{file} says otherwise of {message!r:.300}: {faults}")


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, **options)
    holds(done.returncode == 0, f"{' '.join(command)}: {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class OpenVSwitch:
    """ovsdb-server and ovs-vswitchd in a directory of their own."""

    def __init__(self):
        self.directory = Path(tempfile.mkdtemp(prefix="flumen-contract-"))
        names = ("OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR", "OVS_SYSCONFDIR")
        self.environment = dict(os.environ, **dict.fromkeys(names, str(self.directory)))
        self.environment["PATH"] += ":/usr/sbin:/sbin"
        self.bridges = 0
        self.database = f"unix:{self.directory}/db.sock"
        schema = "/usr/share/openvswitch/vswitch.ovsschema"
        run("ovsdb-tool", "create", f"{self.directory}/conf.db", schema, env=self.environment)
        self.start("ovsdb-server", f"{self.directory}/conf.db", f"--remote=p{self.database}")
        self.vsctl("--no-wait", "init")
        self.start_switchd()

    def start_switchd(self):
        self.start("ovs-vswitchd", self.database, "--disable-system", "--enable-dummy=override")

    def pid(self, name):
        return int((self.directory / f"{name}.pid").read_text())

    def start(self, name, *arguments):
        files = (f"--pidfile={self.directory}/{name}.pid", f"--log-file={self.directory}/{name}.log")
        run(name, *arguments, *files, "--detach", env=self.environment)

    def vsctl(self, *arguments):
        return run("ovs-vsctl", "--timeout=20", f"--db={self.database}", *arguments, env=self.environment).strip()

    def ofctl(self, *arguments):
        return run("ovs-ofctl", "-O", "OpenFlow13", *arguments, env=self.environment)

    def appctl(self, *arguments):
        return run("ovs-appctl", "--timeout=20", *arguments, env=self.environment)

    def bridge(self, controller, ports=2):
        """A new bridge with this controller: its name and its datapath id."""
        self.bridges += 1
        name, datapath_id = f"c{self.bridges}", f"{0xC0000 + self.bridges:016x}"
        settings = ["datapath_type=dummy", "protocols=OpenFlow13", "fail-mode=secure"]
        command = ["add-br", name, "--", "set", "bridge", name, *settings, f"other-config:datapath-id={datapath_id}"]
        # Rules for in-band control are hidden, and take room in a table all the same.
        command.append("other-config:disable-in-band=true")
        for number in range(1, ports + 1):
            port = f"{name}p{number}"
            command += ["--", "add-port", name, port, "--", "set", "interface", port, "type=dummy"]
            command += [f"ofport_request={number}"]
        self.vsctl(*command, "--", "set-controller", name, controller)
        return name, datapath_id

    def rules(self, bridge):
        """The rules of a bridge but the table-miss one, as ovs-ofctl writes them."""
        dump = self.ofctl("--no-stats", "--no-names", "dump-flows", f"unix:{self.directory}/{bridge}.mgmt")
        lines = (line.strip() for line in dump.splitlines())
        return [line for line in lines if "actions=" in line and "priority=0 " not in line]

    def close(self):
        for name in ("ovs-vswitchd", "ovsdb-server"):
            pid = self.pid(name)
            os.kill(pid, signal.SIGTERM)
            within(f"{name} to end", lambda: not Path(f"/proc/{pid}").exists())
        shutil.rmtree(self.directory)


class Daemon:
    """`flumen serve` on ports and in a directory of its own."""

    def __init__(self, *options, directory=None):
        self.is_mine = directory is None
        self.directory = directory or tempfile.mkdtemp(prefix="flumen-contract-")
        self.options = options
        self.http, self.switches = free_port(), free_port()
        self.log = open(f"{self.directory}/log", "ab")
        self.start()

    def start(self):
        """Starts it, also once more: on the same ports, with the same data."""
        ends = ["--listen", self.address, "--openflow", f"127.0.0.1:{self.switches}"]
        command = [FLUMEN, "serve", "--data", f"{self.directory}/data", *ends, *self.options]
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log)
        within("flumen serve to be ready", self.is_ready)

    def is_ready(self):
        holds(self.process.poll() is None, f"flumen serve ended: {self.said()}")
        try:
            return self.get("/readyz")[0] == 200
        except OSError:
            return False

    def said(self):
        return Path(self.directory, "log").read_text()

    @property
    def address(self):
        return f"127.0.0.1:{self.http}"

    @property
    def controller(self):
        return f"tcp:127.0.0.1:{self.switches}"

    def get(self, path, method="GET", **headers):
        """Status, headers and text of an HTTP response."""
        request = urllib.request.Request(f"http://{self.address}{path}", method=method, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as response:
                return response.status, response.headers, response.read().decode()
        except urllib.error.HTTPError as response:
            return response.code, response.headers, response.read().decode()

    def connect(self, **options):
        return Connection(self.address, **options)

    def upgrade(self, **options):
        """Status of an upgrade that may be refused; 101 where it is not."""
        try:
            self.connect(**options).socket.close()
            return 101
        except InvalidStatus as refused:
            return refused.response.status_code

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def cli(self, *arguments, token=None, **options):
        """The finished command line."""
        environment = dict(os.environ, FLUMEN_URL=f"ws://{self.address}/v1/ws")
        if token:
            environment["FLUMEN_TOKEN"] = token
        command = [FLUMEN, *arguments]
        return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, **options)

    def close(self):
        if self.process.poll() is None:
            self.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.kill()
        self.log.close()
        if self.is_mine:
            shutil.rmtree(self.directory)


class Connection:
    """A connection through PyPI's websockets."""

    def __init__(self, address, *, token=None, subprotocols=("flumen.v1.json",), headers=(), path="/v1/ws", origin=None):
        headers = dict(headers)
        if token:
            headers["Authorization"] = f"Bearer {token}"
        self.socket = connect(
            f"ws://{address}{path}",
            subprotocols=list(subprotocols) or None,
            additional_headers=headers,
            origin=origin,
            compression=None,
            max_size=None,
            open_timeout=PATIENCE,
            close_timeout=5,
        )
        self.number = self.received = 0
        self.waiting = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, kind, payload=None, id=None):
        self.number += 1
        id = id or f"check-{self.number}"
        self.socket.send(json.dumps({"type": kind, "id": id, "payload": payload or {}}))
        return id

    def take(self, wanted, what, seconds=PATIENCE):
        """The first message that is wanted, of those that came and those that come; the others wait."""
        for index, message in enumerate(self.waiting):
            if wanted(message):
                return self.waiting.pop(index)
        deadline = time.monotonic() + seconds
        while True:
            try:
                message = json.loads(self.socket.recv(timeout=max(0, deadline - time.monotonic())))
            except TimeoutError:
                raise Fault(f"not within {seconds} s: {what}; came {self.waiting!r:.600}") from None
            except ConnectionClosed as closed:
                raise Fault(f"the connection ended, waiting for {what}: {closed}") from None
            self.received += 1
            if self.received <= JUDGED:
                judge(message)
            if wanted(message):
                return message
            self.waiting.append(message)

    def answer(self, id):
        return self.take(lambda message: message["type"] != "Event" and message["id"] == id, f"the answer to {id}")

    def ask(self, kind, /, **payload):
        return self.answer(self.send(kind, payload))

    def reply(self, kind, /, **payload):
        answer = self.ask(kind, **payload)
        holds(answer["type"] == "Reply", f"{kind} {payload!r:.300}: {answer!r:.600}")
        same(answer["command"], kind, "the command of the Reply")
        return answer["payload"]

    def error(self, kind, /, **payload):
        answer = self.ask(kind, **payload)
        holds(answer["type"] == "Error", f"{kind} {payload!r:.300} is not refused: {answer!r:.600}")
        return answer["error"]

    def refused(self, code, path, kind, /, **payload):
        """The error, which must have this code and path."""
        error = self.error(kind, **payload)
        same((error["code"], error.get("path")), (code, path), f"{kind} {payload!r:.300}: {error['message']!r}; code and path")
        return error

    def raw(self, text):
        """Sends a text as it is: the next message."""
        self.socket.send(text)
        return self.take(lambda message: message["type"] != "Event", f"an answer to {text:.80}")

    def event(self, topic, wanted=lambda payload: True, what="", seconds=PATIENCE):
        is_wanted = lambda message: message["type"] == "Event" and message["topic"] == topic and wanted(message["payload"])
        return self.take(is_wanted, f"an event on {topic} {what}", seconds)

    def install(self, **flow):
        return self.reply("InstallFlow", **flow)["flow"]

    def node(self, name):
        return self.reply("GetNode", name=name)["node"]

    def until(self, name, state):
        """The node, once it is in this state."""

        def attempt():
            answer = self.ask("GetNode", name=name)
            return answer["type"] == "Reply" and answer["payload"]["node"]["state"] == state and answer["payload"]["node"]

        return within(f"node {name} to be {state}", attempt)

    def until_flow(self, flow_id, state, seconds=PATIENCE):
        def attempt():
            flow = self.reply("GetFlow", flow_id=flow_id)["flow"]
            return flow["state"] == state and flow

        return within(f"flow {flow_id} to be {state}", attempt, seconds)

    def closed(self, seconds=PATIENCE):
        """Code of the Close that the daemon sends."""
        try:
            while True:
                self.socket.recv(timeout=seconds)
        except ConnectionClosed:
            return self.socket.close_code
        except TimeoutError:
            raise Fault(f"the daemon does not close within {seconds} s") from None


class Raw:
    """A connection whose bytes are written by hand, for what no library sends."""

    def __init__(self, daemon, **headers):
        self.socket = socket.create_connection(("127.0.0.1", daemon.http), PATIENCE)
        fixed = {
            "Host": daemon.address,
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
        }
        lines = "".join(f"{name}: {value}\r\n" for name, value in {**fixed, **headers}.items())
        self.socket.sendall(f"GET /v1/ws HTTP/1.1\r\n{lines}\r\n".encode())
        self.stream = self.socket.makefile("rb")
        self.status = int(self.stream.readline().split()[1])
        self.headers = {}
        while (line := self.stream.readline().decode().strip()):
            name, value = line.split(":", 1)
            self.headers[name.lower()] = value.strip()

    def frame(self, opcode, payload=b"", first=0x80, masked=True):
        length = len(payload)
        size = bytes([length]) if length < 126 else b"\x7e" + length.to_bytes(2, "big")
        if length > 0xFFFF:
            size = b"\x7f" + length.to_bytes(8, "big")
        mask = b"\x00\x00\x00\x00" if masked else b""
        size = bytes([size[0] | (0x80 if masked else 0)]) + size[1:]
        self.socket.sendall(bytes([first | opcode]) + size + mask + payload)

    def read(self):
        """Opcode and payload of the next frame."""
        head = self.stream.read(2)
        holds(len(head) == 2, "the daemon closed without a frame")
        length = head[1] & 0x7F
        if length == 126:
            length = int.from_bytes(self.stream.read(2), "big")
        elif length == 127:
            length = int.from_bytes(self.stream.read(8), "big")
        return head[0] & 0x0F, self.stream.read(length)

    def close_code(self):
        """Code of the Close that comes, whatever comes before."""
        while True:
            opcode, payload = self.read()
            if opcode == 8:
                return int.from_bytes(payload[:2], "big")

    def close(self):
        self.stream.close()
        self.socket.close()


class Lab:
    """What one check has: the switch that all share, and daemons of its own, which end with it."""

    def __init__(self, switch):
        self.switch = switch
        self.open = []

    def daemon(self, *options, **more):
        daemon = Daemon(*options, **more)
        self.open.append(daemon)
        return daemon

    def private_switch(self):
        """An Open vSwitch that nobody else is on, to be stopped or killed."""
        switch = OpenVSwitch()
        self.open.append(switch)
        return switch

    def bridge(self, daemon, switch=None, **options):
        return (switch or self.switch).bridge(daemon.controller, **options)

    def connected(self, daemon, connection, **options):
        """A new bridge, added and connected under its own name."""
        name, datapath_id = self.bridge(daemon, **options)
        connection.reply("AddNode", name=name, datapath_id=datapath_id)
        connection.until(name, "connected")
        return name

    def directory(self):
        path = Path(tempfile.mkdtemp(prefix="flumen-contract-"))
        self.open.append(path)
        return path

    def close(self):
        for thing in reversed(self.open):
            if isinstance(thing, Path):
                shutil.rmtree(thing)
            else:
                thing.close()


def match_of(rule):
    """The match of a rule of ovs-ofctl, as a dictionary, with priority, cookie and the rest of its fields."""
    fields = re.split(r",\s*|\s+", rule.split(" actions=")[0])
    return dict(field.split("=", 1) if "=" in field else (field, True) for field in fields)


def actions_of(rule):
    return rule.split(" actions=")[1]
