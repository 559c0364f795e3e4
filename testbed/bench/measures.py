"""What is measured. Each measure takes turns with the others, so that all of them meet the same machine."""

import http.client
import json
import os
import subprocess
import sys
import tempfile
import time

import msgpack

from lab import PROJECT, Daemon, OpenVSwitch, Process, free_port, listens
from openflow import DESTINATION, MARK, PORT, PRIORITY, QUEUE, Raw, flow_mod, flow_text, source
from websocket import BINARY, TEXT, WebSocket, frame

from expecting import Failed, wait_for

# Flows in a message: what fits into 1 MiB of JSON, and into 16 MiB of MessagePack.
BATCH = {"json": 5_000, "msgpack": 50_000}
# Seconds until a switch with very many flows has been read, at most.
READING = 240


def timed(work):
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def percentile(times, percent):
    return sorted(times)[min(len(times) * percent // 100, len(times) - 1)]


def summary(times):
    """What is kept of the times of requests that followed one another."""
    return {"p50": percentile(times, 50), "p99": percentile(times, 99), "per_second": len(times) / sum(times)}


def effort(flows, job, switch, daemon=None):
    """What a job for so many flows takes of each, in seconds: in all, and of processors, by who had them."""

    def spent():
        store = daemon.worked("flumen-store") if daemon else 0
        serving = daemon.worked() - store if daemon else 0
        ours = os.times()
        return {"switch": switch.worked(), "serving": serving, "store": store, "client": ours.user + ours.system}

    before = spent()
    seconds = timed(job)
    given = {name: (after - before[name]) / flows for name, after in spent().items()}
    return {"all": seconds / flows, **given, "busy": sum(given.values()) * flows / seconds}


def request(number):
    """The InstallFlow of a flow."""
    return {
        "flow_id": f"call-{number}", "source": source(number), "destination": DESTINATION, "traffic_type": "voice",
        "protocol": "udp", "destination_port": PORT, "timeout_ms": 60_000,
    }


def pack(form, message):
    if form == "msgpack":
        return frame(BINARY, msgpack.packb(message))
    return frame(TEXT, json.dumps(message, separators=(",", ":")).encode())


def unpack(form, payload):
    return msgpack.unpackb(payload) if form == "msgpack" else json.loads(payload)


def single_frame(form, number):
    return pack(form, {"type": "InstallFlow", "id": str(number), "payload": request(number)})


def batch_frames(form, flows, atomic="none"):
    """Frames of InstallFlows, and how many."""
    frames = []
    for first in range(0, flows, BATCH[form]):
        payload = {
            "flows": [request(number) for number in range(first, min(first + BATCH[form], flows))],
            "atomic": atomic, "report": "problems",
        }
        frames.append(pack(form, {"type": "InstallFlows", "id": str(first), "payload": payload}))
    return frames


def check_applied(form, replies):
    for payload in replies:
        reply = unpack(form, payload)
        body = reply.get("payload", {})
        if "summary" in body:
            good = {state for state, count in body["summary"].items() if count} == {"applied"}
        else:
            good = body.get("flow", {}).get("state") == "applied"
        if not good:
            raise RuntimeError(f"not applied: {str(reply)[:400]}")


def check_count(ovs, flows):
    count = wait_for("the flows", lambda: (count := ovs.flow_count()) >= flows and count)
    if count - flows > 1:  # The daemon's table-miss rule is one more.
        raise RuntimeError(f"{count} flows on the switch instead of {flows}")


class Flumen:
    """The daemon over WebSocket, with Open vSwitch behind it."""

    def __init__(self, form="json", in_memory=False):
        self.form, self.in_memory = form, in_memory

    def session(self):
        return Daemon(in_memory=self.in_memory)

    def batch(self, flows, atomic="none"):
        """Flows a second, in as many messages as they need, all sent at once."""
        frames = batch_frames(self.form, flows, atomic)
        return self.rate(flows, frames, len(frames))

    def work(self, flows):
        """Seconds a flow of a batch: in all, and of processors, by who had them."""
        frames = batch_frames(self.form, flows)
        measure = lambda job, ovs, daemon: effort(flows, job, ovs.switch, daemon.process)
        return self.confirmed(flows, frames, len(frames), measure)

    def pipelined(self, flows):
        """Flows a second, a request each, all sent at once."""
        return self.rate(flows, [b"".join(single_frame(self.form, number) for number in range(flows))], flows)

    def rate(self, flows, frames, count):
        return flows / self.confirmed(flows, frames, count, lambda job, *_: timed(job))

    def confirmed(self, flows, frames, count, measure):
        """What `measure(job, ovs, daemon)` gives for sending the frames until the last answer is there."""
        with OpenVSwitch() as ovs, self.session() as daemon:
            daemon.add_bridge(ovs)
            client = WebSocket(daemon.port, f"flumen.v1.{self.form}")
            replies = []
            given = measure(lambda: replies.extend(client.pipeline(frames, count)), ovs, daemon)
            check_applied(self.form, replies)
            check_count(ovs, flows)
        return given

    def singles(self, flows):
        """Seconds from each request to its answer, one after the other."""
        with OpenVSwitch() as ovs, self.session() as daemon:
            daemon.add_bridge(ovs)
            client = WebSocket(daemon.port, f"flumen.v1.{self.form}")
            times = []
            for number in range(flows):
                message = single_frame(self.form, number)
                begun = time.perf_counter()
                reply = client.exchange(message)
                times.append(time.perf_counter() - begun)
                check_applied(self.form, [reply])
            check_count(ovs, flows)
        return times


def raw_confirmed(flows, measure):
    """What `measure(job, ovs)` gives for writing all flows from a socket that does nothing else, until they are confirmed."""
    with OpenVSwitch() as ovs:
        raw = Raw(ovs.listen())
        encoded = b"".join(flow_mod(number, number + 2) for number in range(flows))
        given = measure(lambda: raw.confirm(encoded), ovs)
        check_count(ovs, flows)
    return given


def raw_batch(flows):
    """Flows a second that Open vSwitch takes from that socket."""
    return flows / raw_confirmed(flows, lambda job, _: timed(job))


def raw_work(flows):
    """Seconds a flow from it: in all, and of processors, by who had them."""
    return raw_confirmed(flows, lambda job, ovs: effort(flows, job, ovs.switch))


def raw_singles(flows):
    with OpenVSwitch() as ovs:
        raw = Raw(ovs.listen())
        encoded = [flow_mod(number, number + 2) for number in range(flows)]
        times = [timed(lambda one=one: raw.confirm(one)) for one in encoded]
        check_count(ovs, flows)
    return times


def ofctl(flows, *options):
    """Flows a second that `ovs-ofctl add-flows` installs from a file."""
    with OpenVSwitch() as ovs, tempfile.NamedTemporaryFile("w", suffix=".flows") as file:
        file.writelines(f"{flow_text(number)}\n" for number in range(flows))
        file.flush()
        seconds = timed(lambda: ovs.ofctl(*options, "add-flows", "br0", file.name))
        check_count(ovs, flows)
    return flows / seconds


class OsKen:
    """os-ken's ofctl_rest, a REST interface for flow entries; its reply says that the message was sent."""

    def singles(self, flows):
        with OpenVSwitch() as ovs:
            switches, web = free_port(), free_port()
            command = [
                sys.executable, f"{PROJECT}/testbed/bench/osken.py", "--ofp-tcp-listen-port", str(switches),
                "--wsapi-host", "127.0.0.1", "--wsapi-port", str(web), "os_ken.app.ofctl_rest",
            ]
            with Process(command, f"{ovs.home}/osken.log") as osken:
                wait_for("os-ken", lambda: osken.lives() and listens(switches) and listens(web))
                ovs.set_controller(f"tcp:127.0.0.1:{switches}")
                client = http.client.HTTPConnection("127.0.0.1", web)
                wait_for("os-ken to know the switch", lambda: 0xA1 in self.post(client, "GET", "/stats/switches"))
                bodies = [json.dumps(self.entry(number)) for number in range(flows)]
                times = [timed(lambda body=body: self.post(client, "POST", "/stats/flowentry/add", body)) for body in bodies]
                check_count(ovs, flows)
        return times

    @staticmethod
    def post(client, method, path, body=None):
        client.request(method, path, body)
        response = client.getresponse()
        text = response.read()
        if response.status != 200:
            raise RuntimeError(f"os-ken: {response.status} {text!r}")
        return json.loads(text) if text else None

    @staticmethod
    def entry(number):
        return {
            "dpid": 0xA1, "priority": PRIORITY,
            "match": {"eth_type": 2048, "ip_proto": 17, "ipv4_src": source(number), "ipv4_dst": DESTINATION, "udp_dst": PORT},
            "actions": [
                {"type": "SET_FIELD", "field": "ip_dscp", "value": MARK},
                {"type": "SET_QUEUE", "queue_id": QUEUE},
                {"type": "OUTPUT", "port": "NORMAL"},
            ],
        }


def switches(count, rules):
    """Rules a second that so many emulated switches confirm, every flow on all of them; and the memory of a node."""
    flows = max(rules // count, 1)
    with Daemon("--admission", "adopt") as daemon:
        empty = daemon.process.resident
        with daemon.emulate(count):
            wait_for("the switches", lambda: daemon.connected() == count)
            idle = daemon.process.resident
            client = WebSocket(daemon.port)
            frames = batch_frames("json", flows)
            replies = []
            seconds = timed(lambda: replies.extend(client.pipeline(frames, len(frames))))
            check_applied("json", replies)
    return {
        "rules_per_second": flows * count / seconds, "resident": float(idle), "bytes_per_switch": (idle - empty) / count,
    }


def stored(flows):
    """So many flows on one emulated switch: how fast they come, what they weigh, and how soon a new daemon serves them."""
    with Daemon("--admission", "adopt") as daemon:
        with daemon.emulate(1):
            wait_for("the switch", lambda: daemon.connected() == 1)
            empty = daemon.process.resident
            client = WebSocket(daemon.port, "flumen.v1.msgpack")
            frames = batch_frames("msgpack", flows)
            replies = []
            seconds = timed(lambda: replies.extend(client.pipeline(frames, len(frames))))
            check_applied("msgpack", replies)
            given = {"flows_per_second": flows / seconds, "bytes_per_flow": (daemon.process.resident - empty) / flows}
            daemon.kill()
            begun = time.perf_counter()
            daemon.start()
            given["restart_seconds"] = time.perf_counter() - begun
            try:
                wait_for("the switch to be compared", lambda: daemon.connected() == 1, READING, pause=0.02)
                given["reconciled_seconds"] = time.perf_counter() - begun
            except Failed as error:
                given["reconciled_seconds"] = {"failed": str(error)}
            given["bytes_per_flow_after_restart"] = (daemon.process.resident - empty) / flows
            return given


def storm(count):
    """All of so many switches lose their daemon at once; seconds until a new one has all of them connected."""
    with Daemon("--admission", "adopt") as daemon:
        with daemon.emulate(count):
            wait_for("the switches", lambda: daemon.connected() == count)
            daemon.kill()
            begun = time.perf_counter()
            daemon.start()
            wait_for("all switches to be back", lambda: daemon.connected() == count, pause=0.02)
            return {"seconds": time.perf_counter() - begun}


def drift(verb, times):
    """Seconds from the end of a command of ovs-ofctl, which deletes or changes a rule, until the table is as it was."""
    with OpenVSwitch() as ovs, Daemon() as daemon:
        daemon.add_bridge(ovs)
        client = WebSocket(daemon.port)
        check_applied("json", [client.exchange(single_frame("json", number)) for number in range(times)])
        table = lambda: sorted(ovs.ofctl("--no-stats", "dump-flows", "br0").splitlines())
        wanted = table()
        seconds = []
        for number in range(times):
            change = f"udp,nw_src={source(number)}" + (",actions=drop" if verb == "mod-flows" else "")
            ovs.ofctl(verb, "br0", change)
            seconds.append(timed(lambda: wait_for("the repair", lambda: table() == wanted, pause=0)))
    return {"median": percentile(seconds, 50), "longest": max(seconds)}


def codec():
    """What the codec's own benchmark prints."""
    command = ["cargo", "bench", "--quiet", "-p", "openflow"]
    environment = dict(os.environ, OSKEN_PYTHON=sys.executable)
    run = subprocess.run(command, cwd=PROJECT, check=True, capture_output=True, text=True, env=environment)
    return run.stdout.splitlines()
