"""Nodes: added in both directions, discovered, adopted, removed, and what each is shown with."""

import re
import subprocess

from checks import check
from lab import FLUMEN, free_port, holds, run, same, within

FIELDS = {
    "name", "kind", "datapath_id", "address", "state", "manufacturer", "hardware", "software", "tables", "ports",
    "capabilities", "connected_since", "flows",
}
FLOW = {"source": "10.0.0.1", "destination": "10.0.0.2", "traffic_type": "voice"}


@check
def forms_of_datapath_ids(lab):
    """A datapath id is 16 hex digits, with colons between pairs, 0x…, or decimal; it comes back as 16 lowercase hex digits."""
    with lab.daemon().connect() as connection:
        forms = ["00000000000000AB", "00:00:00:00:00:00:00:ab", "0xab", "0xAB", "171", 171]
        for form in forms:
            same(connection.reply("AddNode", name="s1", datapath_id=form)["node"]["datapath_id"], "00000000000000ab", f"{form}")
        for wrong in ("ab", "", "0x", "0x10000000000000000", "00:ab", -1, 1.5, None, "xyz", "00000000000000abc"):
            connection.refused("invalid_request", "payload.datapath_id", "AddNode", name="s2", datapath_id=wrong)


@check
def names(lab):
    """A name is 1 to 64 of [A-Za-z0-9._-]."""
    with lab.daemon().connect() as connection:
        for number, name in enumerate(("a", "A.b_c-9", "x" * 64)):
            same(connection.reply("AddNode", name=name, datapath_id=number + 1)["node"]["name"], name, "name")
        for wrong in ("", "x" * 65, "a b", "a/b", "é", "a\n", 5, None):
            connection.refused("invalid_request", "payload.name", "AddNode", name=wrong, datapath_id=99)


@check
def same_again(lab):
    """The same AddNode again returns the node; another with the same name or datapath id is already_exists."""
    with lab.daemon().connect() as connection:
        first = connection.reply("AddNode", name="s1", datapath_id=1, labels={"rack": "7"})["node"]
        same(connection.reply("AddNode", name="s1", datapath_id="0x1", labels={"rack": "7"})["node"], first, "the same again")
        connection.refused("already_exists", "payload.name", "AddNode", name="s1", datapath_id=2)
        connection.refused("already_exists", "payload.name", "AddNode", name="s1", datapath_id=1, labels={"rack": "8"})
        connection.refused("already_exists", "payload.datapath_id", "AddNode", name="s2", datapath_id=1)
        same([node["name"] for node in connection.reply("ListNodes")["nodes"]], ["s1"], "nodes")


@check
def one_of_the_two(lab):
    """One of datapath_id and address is needed; an unknown kind, address or database address is refused."""
    with lab.daemon().connect() as connection:
        connection.refused("invalid_request", "payload.datapath_id", "AddNode", name="s1")
        connection.refused("invalid_request", "payload.kind", "AddNode", name="s1", datapath_id=1, kind="p4")
        for wrong in ("127.0.0.1:6653", "udp:127.0.0.1:6653", "tcp:127.0.0.1", "tcp:127.0.0.1:0", "tcp:::1:6653", 5):
            connection.refused("invalid_request", "payload.address", "AddNode", name="s1", address=wrong)
        for wrong in ("127.0.0.1:6640", "tls:127.0.0.1:6640", "unix:", 5):
            connection.refused("invalid_request", "payload.ovsdb", "AddNode", name="s1", datapath_id=1, ovsdb=wrong)
        connection.refused("invalid_request", "payload.labels", "AddNode", name="s1", datapath_id=1, labels=[])


@check
def unknown_names(lab):
    """A node or a flow that is not there is not_found."""
    with lab.daemon().connect() as connection:
        connection.refused("not_found", "payload.name", "GetNode", name="none")
        connection.refused("not_found", "payload.name", "RemoveNode", name="none")
        connection.refused("not_found", "payload.flow_id", "GetFlow", flow_id="none")
        connection.refused("not_found", "payload.flow_id", "RemoveFlow", flow_id="none")
        connection.refused("not_found", "payload.nodes", "InstallFlow", **FLOW)
        connection.refused("not_found", "payload.nodes[0]", "InstallFlow", **FLOW, nodes=["none"])
        connection.refused("not_found", "payload.node", "SetQueues", node="none", port=1, queues=[])


@check
def a_connected_node(lab):
    """A switch that connects becomes connected, and is shown with what it is and has."""
    daemon = lab.daemon()
    with daemon.connect() as connection:
        name, datapath_id = lab.bridge(daemon)
        added = connection.reply("AddNode", name=name, datapath_id=datapath_id, labels={"row": "3"})["node"]
        holds(FIELDS <= set(added), f"missing {FIELDS - set(added)}")
        holds(added["state"] in ("registered", "connecting", "connected"), added["state"])
        node = connection.until(name, "connected")
        same((node["kind"], node["datapath_id"], node["address"]), ("openflow", datapath_id, None), "the node")
        same((node["manufacturer"], node["hardware"]), ("Nicira, Inc.", "Open vSwitch"), "who made it")
        holds(node["software"] and node["tables"] == 254, f"{node['software']} {node['tables']}")
        ports = {port["number"]: port for port in node["ports"]}
        same([ports[number]["name"] for number in (1, 2)], [f"{name}p1", f"{name}p2"], "ports")
        holds(all({"number", "name", "up", "speed_kbps"} <= set(port) for port in node["ports"]), f"{node['ports']}")
        capabilities = node["capabilities"]
        same({key: capabilities[key] for key in ("bundles", "flow_monitor")}, {"bundles": True, "flow_monitor": True}, "capabilities")
        holds({"meters", "bands", "queues"} <= set(capabilities), f"{capabilities}")
        holds(re.match(r"^\d{4}-.*Z$", node["connected_since"]), f"{node['connected_since']}")
        connection.install(**FLOW, nodes=[name])
        same(connection.node(name)["flows"], {"applied": 1}, "flows")
        lab.switch.vsctl("del-controller", name)
        away = connection.until(name, "disconnected")
        same((away["connected_since"], away["flows"]), (None, {"applied": 1}), "away: connected since, and flows")


@check
def dialled(lab):
    """With an address the daemon connects to the switch; where the datapath id is given too, it must agree."""
    daemon = lab.daemon()
    port, other = free_port(), free_port()
    address = f"tcp:127.0.0.1:{port}"
    name, datapath_id = lab.switch.bridge(f"ptcp:{port}:127.0.0.1")
    lab.switch.bridge(f"ptcp:{other}:127.0.0.1")
    with daemon.connect() as connection:
        added = connection.reply("AddNode", name=name, address=address)["node"]
        same(added["address"], address, "address")
        same(connection.until(name, "connected")["datapath_id"], datapath_id, "datapath id")
        connection.reply("AddNode", name="other", address=f"tcp:127.0.0.1:{other}", datapath_id="0xdead")
        within("a warning about the wrong datapath id", lambda: connection.node("other").get("warnings"))
        holds(connection.node("other")["state"] != "connected", "a switch with another datapath id is connected")
        connection.reply("AddNode", name="nobody", address=f"tcp:127.0.0.1:{free_port()}")
        holds(connection.node("nobody")["state"] in ("registered", "connecting"), "nobody is there")


@check
def discovered(lab):
    """A switch that was not added is discovered, named by its datapath id, untouched, and gone with its connection; AddNode adopts it."""
    daemon = lab.daemon()
    with daemon.connect() as connection:
        connection.reply("Subscribe", topics=["nodes"])
        bridge, datapath_id = lab.bridge(daemon)
        node = connection.until(datapath_id, "discovered")
        same(node["name"], datapath_id, "name")
        same(lab.switch.ofctl("dump-flows", f"unix:{lab.switch.directory}/{bridge}.mgmt").count("actions="), 0, "rules")
        connection.refused("not_found", "payload.nodes", "InstallFlow", **FLOW)
        connection.event("nodes", lambda event: event["node"]["name"] == datapath_id, "of the discovered node")
        connection.reply("AddNode", name="mine", datapath_id=datapath_id)
        connection.until("mine", "connected")
        connection.refused("not_found", "payload.name", "GetNode", name=datapath_id)
        gone, datapath_id = lab.bridge(daemon)
        connection.until(datapath_id, "discovered")
        lab.switch.vsctl("del-controller", gone)
        within("it to be gone", lambda: connection.ask("GetNode", name=datapath_id)["type"] == "Error")


@check
def removed(lab):
    """RemoveNode takes our flows off the switch first; with "leave" they stay, and are nobody's any more."""
    daemon = lab.daemon()
    with daemon.connect() as connection:
        for flows, left in (("remove", 0), ("leave", 1), (None, 0)):
            name = lab.connected(daemon, connection)
            connection.install(**FLOW, nodes=[name], flow_id=name)
            options = {"flows": flows} if flows else {}
            node = connection.reply("RemoveNode", name=name, **options)["node"]
            same(node["name"], name, "the Reply's node")
            same(len(lab.switch.rules(name)), left, f"rules after {flows}")
            connection.refused("not_found", "payload.name", "GetNode", name=name)
        connection.refused("invalid_request", "payload.flows", "RemoveNode", name="s1", flows="keep")


@check
def admission(lab):
    """--admission adopt registers a switch at once; registered refuses it."""
    for admission in ("adopt", "registered"):
        daemon = lab.daemon("--admission", admission)
        with daemon.connect() as connection:
            _, datapath_id = lab.bridge(daemon)
            if admission == "adopt":
                connection.until(datapath_id, "connected")
            else:
                _, added = lab.bridge(daemon)
                connection.reply("AddNode", name="mine", datapath_id=added)
                connection.until("mine", "connected")
                same([node["name"] for node in connection.reply("ListNodes")["nodes"]], ["mine"], "nodes")


@check
def table_miss(lab):
    """--table-miss decides about the rule of priority 0 of each node."""
    for choice, action in (("normal", "NORMAL"), ("drop", "drop"), ("controller", "CONTROLLER"), ("none", None)):
        daemon = lab.daemon("--table-miss", choice)
        with daemon.connect() as connection:
            name = lab.connected(daemon, connection)
            dump = lab.switch.ofctl("--no-stats", "dump-flows", f"unix:{lab.switch.directory}/{name}.mgmt")
            miss = [line for line in dump.splitlines() if "priority=0 " in line]
            same(len(miss), int(action is not None), f"{choice}: {dump}")
            holds(not miss or action in miss[0], f"{choice}: {miss}")


@check
def at_most_1024_discovered(lab):
    """At most 1,024 discovered nodes are there at a time, and one that is added is still let in."""
    daemon = lab.daemon()
    emulated = subprocess.Popen(
        [FLUMEN, "emulate", "--connect", f"127.0.0.1:{daemon.switches}", "--switches", "1030", "--datapath-id", "0x10000"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        with daemon.connect() as connection:
            nodes = lambda: connection.reply("ListNodes")["nodes"]
            within("1,024 discovered nodes", lambda: len(nodes()) == 1024, seconds=60)
            same({node["state"] for node in nodes()}, {"discovered"}, "states")
            name = lab.connected(daemon, connection)
            same(connection.node(name)["state"], "connected", "a switch that was added")
            holds(len(nodes()) <= 1025, f"{len(nodes())} nodes")
    finally:
        emulated.terminate()
        emulated.wait()


def issue(directory, name, dns):
    """A certificate for this name, signed by the authority of the directory, and its key."""
    key, request, cert = (directory / f"{name}.{kind}" for kind in ("key", "csr", "pem"))
    (directory / "names").write_text(f"subjectAltName=DNS:{dns}\n")
    elliptic = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={name}")
    if name == "authority":
        run("openssl", "req", "-x509", *elliptic, "-days", "1", "-keyout", str(key), "-out", str(cert))
    else:
        run("openssl", "req", *elliptic, "-keyout", str(key), "-out", str(request))
        authority = ("-CA", str(directory / "authority.pem"), "-CAkey", str(directory / "authority.key"), "-CAcreateserial")
        names = ("-extfile", str(directory / "names"))
        run("openssl", "x509", "-req", "-in", str(request), *authority, "-days", "1", *names, "-out", str(cert))
    return str(key), str(cert)


@check
def mutual_tls(lab):
    """With certificates every switch shows one that names its datapath id; plaintext and a borrowed name are refused."""
    directory = lab.directory()
    _, authority = issue(directory, "authority", "authority")
    key, cert = issue(directory, "controller", "flumen")
    switch = lab.private_switch()
    daemon = lab.daemon("--openflow-cert", cert, "--openflow-key", key, "--openflow-ca", authority)
    with daemon.connect() as connection:
        plain, plain_id = switch.bridge(daemon.controller)
        name, datapath_id = switch.bridge(daemon.controller.replace("tcp:", "ssl:"))
        switch_key, switch_cert = issue(directory, "switch", f"dpid-{datapath_id}")
        switch.vsctl("set-ssl", switch_key, switch_cert, authority)
        connection.reply("AddNode", name=name, datapath_id=datapath_id)
        connection.reply("AddNode", name=plain, datapath_id=plain_id)
        connection.until(name, "connected")
        same(connection.install(**FLOW, nodes=[name])["state"], "applied", "a flow over TLS")
        borrower, borrower_id = switch.bridge(daemon.controller.replace("tcp:", "ssl:"))
        connection.reply("AddNode", name=borrower, datapath_id=borrower_id)

        def refusals():
            lines = (line.split() for line in daemon.get("/metrics")[2].splitlines())
            return {words[0] for words in lines if words[0].startswith("flumen_switches_refused_total") and words[1] != "0"}

        wanted = {f'flumen_switches_refused_total{{reason="{reason}"}}' for reason in ("not_tls", "wrong_datapath_id")}
        within(f"{wanted} to be counted", lambda: wanted <= refusals())
        holds(all(connection.node(node)["state"] != "connected" for node in (plain, borrower)), "a stranger is connected")
