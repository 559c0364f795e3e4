"""The command line: one binary, exit codes, and --json."""

import json
import os
import select
import subprocess

from checks import check
from lab import FLUMEN, free_port, holds, same, within

ENDS = ("--source", "10.0.0.1", "--destination", "10.0.0.2", "--traffic-type", "voice")


def flumen(*arguments, **options):
    return subprocess.run([FLUMEN, *arguments], capture_output=True, text=True, timeout=60, **options)


@check
def commands(lab):
    """There are serve, node, flow, watch, demo and decode, each with its help."""
    for words in (
        ["serve"], ["node"], ["node", "add"], ["node", "remove"], ["node", "list"], ["node", "show"], ["flow"],
        ["flow", "install"], ["flow", "remove"], ["flow", "list"], ["flow", "show"], ["flow", "apply"], ["flow", "diff"],
        ["watch"], ["demo"], ["decode"],
    ):
        done = flumen(*words, "--help")
        same((done.returncode, "Usage:" in done.stdout), (0, True), " ".join(words))
    help = flumen("serve", "--help").stdout
    for option in ("--listen", "--openflow", "--data", "--config", "--admission", "--table-miss", "--insecure"):
        holds(option in help, f"serve has no {option}")
    help = flumen("flow", "install", "--help").stdout
    for option in (
        "--flow-id", "--node", "--source", "--destination", "--traffic-type", "--priority", "--protocol", "--source-port",
        "--destination-port", "--dscp", "--queue", "--forward", "--bidirectional", "--idle-timeout", "--hard-timeout",
        "--dry-run", "--on-conflict", "--replace", "--wait", "--timeout-ms", "--json", "--url", "--token-file",
    ):
        holds(option in help, f"flow install has no {option}")


@check
def exit_codes(lab):
    """0 done and applied, 1 the daemon or a switch said no or the outcome is not known, 2 wrong usage, 3 no daemon."""
    daemon = lab.daemon()
    with daemon.connect() as connection:
        name = lab.connected(daemon, connection)
        code = lambda *arguments: daemon.cli(*arguments).returncode
        same(code("flow", "install", *ENDS, "--flow-id", "a", "--node", name), 0, "applied")
        same(code("flow", "install", *ENDS, "--flow-id", "a", "--node", name, "--priority", "4"), 1, "conflict")
        same(code("flow", "install", *ENDS, "--forward", "port:4294967040", "--node", name, "--priority", "5"), 1, "rejected")
        same(code("flow", "install", "--source", "10.0.0.1"), 2, "an option is missing")
        same(code("flow", "install", *ENDS, "--priority", "70000"), 2, "a priority out of range")
        same(code("frobnicate"), 2, "no such command")
        same(code("node", "show", "none"), 1, "not found")
        connection.reply("AddNode", name="away", datapath_id="0xeeee")
        same(code("flow", "install", *ENDS, "--node", "away"), 1, "not applied yet")
        same(code("flow", "install", *ENDS, "--node", "away", "--wait", "accepted", "--priority", "6"), 0, "accepted, as asked")
        same(code("flow", "remove", "a"), 0, "removed")
        nobody = flumen("node", "list", "--url", f"ws://127.0.0.1:{free_port()}/v1/ws")
        same((nobody.returncode, nobody.stdout), (3, ""), "no daemon")
        holds(nobody.stderr, "no sentence")


@check
def json_output(lab):
    """--json is exactly the Reply's payload."""
    daemon = lab.daemon()
    with daemon.connect() as connection:
        name, datapath_id = lab.bridge(daemon)
        said = lambda *arguments: json.loads(daemon.cli(*arguments, "--json").stdout)
        same(sorted(said("node", "add", name, "--datapath-id", datapath_id)), ["node"], "node add")
        connection.until(name, "connected")
        same(said("node", "list"), connection.reply("ListNodes"), "node list")
        same(said("node", "show", name), connection.reply("GetNode", name=name), "node show")
        flow = said("flow", "install", *ENDS, "--flow-id", "a", "--node", name)
        same((sorted(flow), flow["flow"]["state"]), (["flow"], "applied"), "flow install")
        same(said("flow", "list"), connection.reply("ListFlows"), "flow list")
        same(sorted(said("flow", "show", "a")), ["flow"], "flow show")
        same(said("flow", "remove", "a")["flow"]["state"], "removed", "flow remove")
        same(said("node", "remove", name)["node"]["name"], name, "node remove")


@check
def names_of_the_contract(lab):
    """Options carry the names of the contract, also where a name or an id may stand by itself."""
    daemon = lab.daemon()
    code = lambda *arguments: daemon.cli(*arguments).returncode
    same(code("node", "add", "--name", "s1", "--datapath-id", "1"), 0, "node add")
    same(code("node", "show", "--name", "s1"), 0, "node show")
    same(code("flow", "install", *ENDS, "--flow-id", "a", "--node", "s1", "--wait", "accepted"), 0, "flow install")
    same(code("flow", "show", "--flow-id", "a"), 0, "flow show")
    same(code("flow", "remove", "--flow-id", "a"), 0, "flow remove")
    same(code("node", "remove", "--name", "s1", "--flows", "leave"), 0, "node remove")
    same(code("node", "add", "s2", "--name", "s2", "--datapath-id", "2"), 2, "both")
    same((code("node", "show"), code("flow", "show"), code("flow", "remove")), (2, 2, 2), "neither")


@check
def tables(lab):
    """Without --json there are tables for people."""
    daemon = lab.daemon()
    with daemon.connect() as connection:
        name = lab.connected(daemon, connection)
        connection.install(source="10.0.0.1", destination="10.0.0.2", traffic_type="voice", flow_id="people", nodes=[name])
        for words, expected in ((("node", "list"), name), (("flow", "list"), "people"), (("flow", "show", "people"), "applied")):
            done = daemon.cli(*words)
            holds(done.returncode == 0 and expected in done.stdout, f"{words}: {done.stdout!r} {done.stderr!r}")


@check
def files(lab):
    """flow diff tells by its exit code, flow apply makes it so."""
    daemon = lab.daemon()
    with daemon.connect() as connection:
        name = lab.connected(daemon, connection)
        file = lab.directory() / "flows.yaml"
        file.write_text(f"flows:\n  - {{source: 10.1.0.0/24, destination: any, traffic_type: voice, nodes: [{name}]}}\n")
        code = lambda *arguments: daemon.cli(*arguments).returncode
        same(code("flow", "diff", "-f", str(file)), 1, "before")
        same(code("flow", "apply", "-f", str(file)), 0, "apply")
        same((code("flow", "diff", "-f", str(file)), len(lab.switch.rules(name))), (0, 1), "after")


@check
def tokens(lab):
    """A token comes from --token-file or FLUMEN_TOKEN; without it the daemon says no."""
    directory = lab.directory()
    made = flumen("token", "add", "ops", "--role", "viewer", "--tokens", str(directory / "tokens"))
    token = made.stdout.strip()
    (directory / "token").write_text(token + "\n")
    daemon = lab.daemon("--tokens", str(directory / "tokens"))
    same(daemon.cli("node", "list").returncode, 1, "without a token")
    same(daemon.cli("node", "list", token=token).returncode, 0, "FLUMEN_TOKEN")
    same(daemon.cli("node", "list", "--token-file", str(directory / "token")).returncode, 0, "--token-file")
    refused = daemon.cli("node", "add", "s1", "--datapath-id", "1", token=token)
    same((refused.returncode, token in refused.stderr), (1, False), "a viewer adds a node")


@check
def watch(lab):
    """flumen watch --json writes the events, an object a line."""
    daemon = lab.daemon()
    environment = dict(os.environ, FLUMEN_URL=f"ws://{daemon.address}/v1/ws")
    watching = subprocess.Popen([FLUMEN, "watch", "--json"], env=environment, stdout=subprocess.PIPE, text=True)
    try:
        with daemon.connect() as connection:
            # It may not have subscribed yet: nodes are added until it sees one.
            numbers = iter(range(1, 1000))

            def seen():
                number = next(numbers)
                connection.reply("AddNode", name=f"w{number}", datapath_id=number)
                return select.select([watching.stdout], [], [], 0.1)[0]

            within("a line of flumen watch", seen)
            event = json.loads(watching.stdout.readline())
            same((event["type"], event["topic"], event["payload"]["node"]["state"]), ("Event", "nodes", "registered"), "the event")
    finally:
        watching.terminate()
        watching.wait()


@check
def decode(lab):
    """flumen decode shows a message from hex."""
    done = flumen("decode", input="0402000c0000002a70696e67")
    holds(done.returncode == 0 and "ECHO_REQUEST" in done.stdout.upper().replace(" ", "_"), f"{done.stdout!r} {done.stderr!r}")
