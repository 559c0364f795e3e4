"""A private Open vSwitch and a daemon for each measurement, so that all contenders begin with nothing."""

import contextlib
import glob
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.request

TESTBED = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PROJECT = os.path.dirname(TESTBED)
sys.path.append(TESTBED)

from expecting import wait_for

FLUMEN = os.environ.get("FLUMEN_BIN") or os.path.join(PROJECT, "target/release/flumen")
SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"
MEMORY = "/dev/shm"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def listens(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    except OSError:
        return False


class Process:
    """A program that ends with the `with` block."""

    def __init__(self, arguments, log, environment=None):
        self.log = open(log, "ab")
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "--", *arguments], stdout=self.log, stderr=self.log, env=environment
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.log.close()

    def lives(self):
        """True; an error with its last words when it has ended."""
        if (code := self.process.poll()) is None:
            return True
        with open(self.log.name, errors="replace") as log:
            words = log.read().strip().splitlines()[-1:]
        raise RuntimeError(f"{os.path.basename(self.process.args[4])} ended with {code}: {' '.join(words)}")

    @property
    def resident(self):
        """Bytes of memory that it has."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS:"))

    def worked(self, thread=None):
        """Seconds of a processor that it has had, threads that have ended included; or that its threads of a name have."""
        home = f"/proc/{self.process.pid}"
        seconds = 0
        for path in glob.glob(f"{home}/task/*/stat") if thread else [f"{home}/stat"]:
            # A thread that has just ended is none of a name that is asked for.
            with contextlib.suppress(FileNotFoundError, ProcessLookupError), open(path, errors="replace") as stat:
                name, fields = stat.read().split("(", 1)[1].rsplit(")", 1)
                # utime and stime, proc(5).
                if thread in (None, name):
                    seconds += sum(map(int, fields.split()[11:13])) / os.sysconf("SC_CLK_TCK")
        return seconds


class Contender:
    """What is there for the length of a `with` block, and not at all when it cannot be begun."""

    def __enter__(self):
        try:
            self.begin()
        except BaseException:
            self.__exit__()
            raise
        return self


class OpenVSwitch(Contender):
    """One bridge on the dummy datapath, which needs no privileges; flows go through all of Open vSwitch but packets."""

    def begin(self):
        self.home = tempfile.mkdtemp(prefix="flumen-bench-ovs-")
        self.processes = []
        variables = ("OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR", "OVS_SYSCONFDIR")
        self.environment = dict(os.environ, **dict.fromkeys(variables, self.home))
        self.run("ovsdb-tool", "create", f"{self.home}/conf.db", SCHEMA)
        database = f"unix:{self.home}/db.sock"
        log = f"{self.home}/log"
        server = ["ovsdb-server", f"{self.home}/conf.db", f"--remote=p{database}"]
        self.processes.append(Process(server, log, self.environment))
        wait_for("the database", lambda: os.path.exists(f"{self.home}/db.sock"))
        self.run("ovs-vsctl", "--no-wait", "init")
        switch = ["ovs-vswitchd", database, "--disable-system", "--enable-dummy=override"]
        self.switch = Process(switch, log, self.environment)
        self.processes.append(self.switch)
        self.run(
            "ovs-vsctl", "--timeout=20", "add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=dummy",
            "protocols=OpenFlow13", "fail-mode=secure", "other-config:datapath-id=00000000000000a1",
        )

    def __exit__(self, *_):
        for process in reversed(self.processes):
            process.__exit__()
        shutil.rmtree(self.home, ignore_errors=True)

    def run(self, *command, **options):
        options = {"check": True, "capture_output": True, "text": True, "env": self.environment} | options
        return subprocess.run(command, **options).stdout

    def ofctl(self, *arguments, **options):
        return self.run("ovs-ofctl", "-O", "OpenFlow13", *arguments, **options)

    def set_controller(self, target):
        self.run(
            "ovs-vsctl", "--timeout=20", "set-controller", "br0", target, "--", "set", "controller", "br0",
            "connection-mode=out-of-band",
        )

    def listen(self):
        """Lets the bridge wait for controllers; returns the port."""
        port = free_port()
        self.set_controller(f"ptcp:{port}:127.0.0.1")
        wait_for("the bridge to listen", lambda: listens(port))
        return port

    def flow_count(self):
        words = self.ofctl("dump-aggregate", "br0").split()
        return int(next(word for word in words if word.startswith("flow_count=")).split("=")[1])


class Daemon(Contender):
    """`flumen serve` on free ports, with a data directory on the disk, or in memory."""

    def __init__(self, *options, in_memory=False):
        self.options = options
        self.directory = MEMORY if in_memory else None
        self.process = None

    def begin(self):
        self.data = tempfile.mkdtemp(prefix="flumen-bench-data-", dir=self.directory)
        self.port, self.openflow = free_port(), free_port()
        self.start()

    def start(self):
        self.process = Process(
            [
                FLUMEN, "serve", "--data", f"{self.data}/store", "--listen", f"127.0.0.1:{self.port}",
                "--openflow", f"127.0.0.1:{self.openflow}", "--log", "warn", *self.options,
            ],
            f"{self.data}/log",
        )
        wait_for("the daemon", lambda: self.process.lives() and self.is_ready(), pause=0.005)

    def __exit__(self, *_):
        if self.process:
            self.process.__exit__()
        shutil.rmtree(self.data, ignore_errors=True)

    def kill(self):
        """kill -9."""
        self.process.process.send_signal(signal.SIGKILL)
        self.process.process.wait()

    def get(self, path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as response:
                return response.read().decode()
        except OSError:
            return None

    def is_ready(self):
        return self.get("/readyz")

    def connected(self):
        """How many nodes are connected: the handshake and the first reconciliation are done."""
        text = self.get("/metrics") or ""
        lines = [line for line in text.splitlines() if line.startswith('flumen_nodes{state="connected"}')]
        return int(lines[0].split()[1]) if lines else 0

    def flumen(self, *arguments):
        """What the command line replies."""
        command = [FLUMEN, "--url", f"ws://127.0.0.1:{self.port}/v1/ws", "--json", *arguments]
        return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    def add_bridge(self, ovs):
        """Makes the bridge a node, and waits until it is connected."""
        self.flumen("node", "add", "br0", "--address", f"tcp:127.0.0.1:{ovs.listen()}")
        wait_for("the bridge to be connected", lambda: self.connected() == 1)

    def emulate(self, switches):
        """Emulated switches that dial this daemon, in a process of their own."""
        return Process(
            [FLUMEN, "emulate", "--switches", str(switches), "--connect", f"127.0.0.1:{self.openflow}", "--table-limit", "2000000"],
            f"{self.data}/emulate.log",
        )
