"""The containers of compose.yaml, seen by the tests: what they are told, what they say, and packets between the hosts."""

import json
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(os.path.dirname(HERE))

from expecting import Failed, expect, wait_for

PROJECT = "flumen-testbed"
SWITCHES = {"s1": "00000000000000a1", "s2": "00000000000000a2", "s3": "00000000000000a3"}
CONTROL_ADDRESS = {"s1": "10.77.0.11", "s2": "10.77.0.12", "s3": "10.77.0.13"}
SERVICES = ["flumen", "client", *SWITCHES, "h1", "h2"]
FAR_HOST = "198.18.0.2"
EF = 46 << 2
VOICE_PORT, OTHER_PORT = 5004, 9000


class Cluster:
    """All containers up for the length of a `with`, and nothing of them left afterwards."""

    def __init__(self, suites):
        self.suites = {name: suites[number % len(suites)] for number, name in enumerate(SWITCHES)}

    def __enter__(self):
        modern = subprocess.run(["docker", "compose", "version"], capture_output=True).returncode == 0
        self.compose_command = ["docker", "compose"] if modern else ["docker-compose"]
        try:
            self.compose("up", "--detach")
            self.containers = {name: self.compose("ps", "--quiet", name).strip() for name in SERVICES}
            wait_for("every container to be healthy", self.all_healthy)
            self.wait_for_states({"connected"})
        except BaseException:
            self.take_down()
            raise
        return self

    def __exit__(self, kind, error, trace):
        if error:
            print(self.compose("logs", "--no-color", "--tail", "15"))
        self.take_down()

    def take_down(self):
        self.compose("down", "--volumes", "--timeout", "2")

    def compose(self, *arguments):
        images = {f"OVS_{name.upper()}": suite for name, suite in self.suites.items()}
        command = [*self.compose_command, "--project-name", PROJECT, *arguments]
        return checked(command, cwd=HERE, env={**os.environ, **images})

    def docker(self, verb, name, *arguments):
        return checked(["docker", verb, *arguments, self.containers[name]])

    def inspect(self, name):
        return json.loads(self.docker("inspect", name))[0]

    def all_healthy(self):
        states = [self.inspect(name)["State"] for name in SERVICES]
        return all(state.get("Health", {"Status": "healthy"})["Status"] == "healthy" for state in states)

    def inside(self, name, *command):
        return checked(["docker", "exec", self.containers[name], *command])

    def flumen(self, *arguments):
        """What a command of the command line replies, typed in the client's container. That a switch is away is a reply."""
        command = ["docker", "exec", self.containers["client"], "flumen", *arguments, "--json"]
        run = subprocess.run(command, capture_output=True, text=True)
        if run.returncode not in (0, 1) or not run.stdout:
            raise Failed(f"flumen {' '.join(arguments)}: exit {run.returncode}: {run.stderr}")
        return json.loads(run.stdout)

    def install(self, *more):
        arguments = ["--source", "198.18.0.1", "--destination", FAR_HOST, *more]
        return self.flumen("flow", "install", *arguments)["flow"]

    def flow(self, flow_id):
        return self.flumen("flow", "show", flow_id)["flow"]

    def state_of(self, name):
        try:
            return self.flumen("node", "show", SWITCHES[name])["node"]["state"]
        except Failed:  # The daemon itself is away.
            return None

    def wait_for_states(self, states, names=SWITCHES):
        for name in names:
            wait_for(f"{name} to be {' or '.join(states)}", lambda: self.state_of(name) in states)

    def cut_off(self, name):
        checked(["docker", "network", "disconnect", "--force", f"{PROJECT}_control", self.containers[name]])

    def connect_again(self, name):
        address = ["--ip", CONTROL_ADDRESS[name]]
        checked(["docker", "network", "connect", *address, f"{PROJECT}_control", self.containers[name]])

    def rules(self, name):
        """The rules of a switch as it prints them itself, without counters and without the rule for all the rest."""
        dump = self.inside(name, "ovs-ofctl", "-O", "OpenFlow13", "--no-stats", "dump-flows", "br0")
        return sorted(line.strip() for line in dump.splitlines() if "set_field" in line)

    def send(self, port, count, every_ms=5):
        """Packets from h1 to h2 in the background; `arrived` of the result waits for their types of service."""
        return Packets(self, port, count, every_ms)

    def expect_marks(self, port, tos, count=20):
        """All of `count` packets arrive, and with this type of service."""
        wait_for("h1 to reach h2", lambda: succeeds(lambda: self.inside("h1", "ping", "-c1", "-W1", FAR_HOST)))
        seen = self.send(port, count).arrived()
        expect(
            len(seen) == count and set(seen) == {tos},
            f"{len(seen)} of {count} packets to port {port} arrived, with {set(seen)} instead of {tos}",
        )
        print(f"{count} of {count} packets from h1 to port {port} of h2 arrived, tos {tos:#x}")


class Packets:
    def __init__(self, cluster, port, count, every_ms):
        def stream(name, *arguments):
            command = ["docker", "exec", "--interactive", cluster.containers[name], "stream.py", *map(str, arguments)]
            return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

        self.port = str(port)
        self.receiver = stream("h2", "receive", port)
        if self.receiver.stdout.readline() != "ready\n":
            raise Failed("stream.py does not receive")
        rate = ["--size", 100, "--kbps", 800 // every_ms, "--seconds", count * every_ms / 1000]
        self.sender = stream("h1", "send", FAR_HOST, port, *rate)

    def arrived(self):
        self.sender.communicate()
        time.sleep(0.3)  # The last of them arrives.
        return [tos for *_, tos in json.loads(self.receiver.communicate()[0])[self.port]]


def checked(command, **options):
    run = subprocess.run(command, capture_output=True, text=True, **options)
    if run.returncode:
        raise Failed(f"{' '.join(command)}: exit {run.returncode}: {run.stdout}{run.stderr}")
    return run.stdout


def succeeds(action):
    try:
        action()
        return True
    except Failed:
        return False
