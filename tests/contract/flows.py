"""InstallFlow: every field, every way a request may end, and the life of a flow after it."""

import json
import os
import re
import signal

from checks import check
from lab import actions_of, holds, match_of, same, within

CLASSES = {
    "network_control": (48, 7, 48000),
    "voice": (46, 6, 46000),
    "signaling": (40, 5, 40000),
    "video": (34, 4, 34000),
    "real_time_interactive": (32, 4, 32000),
    "streaming": (26, 3, 26000),
    "broadcast_video": (24, 3, 24000),
    "low_latency_data": (18, 2, 18000),
    "oam": (16, 2, 16000),
    "bulk": (10, 1, 10000),
    "best_effort": (0, 0, 5000),
    "background": (1, 0, 1000),
}
FLOW = {"source": "10.0.0.1", "destination": "10.0.0.2", "traffic_type": "voice"}


def with_node(lab, *options):
    """A daemon, a connection, and a connected node."""
    daemon = lab.daemon(*options)
    connection = daemon.connect()
    lab.open.append(connection.socket)
    return daemon, connection, lab.connected(daemon, connection)


def rules_at(lab, node, priority):
    return [rule for rule in lab.switch.rules(node) if match_of(rule)["priority"] == str(priority)]


@check
def traffic_types(lab):
    """Every built-in class marks its DSCP, takes its queue and has its priority; GetInfo says what each stands for."""
    _, connection, node = with_node(lab)
    shown = {kind["name"]: (kind["dscp"], kind["queue"], kind["priority"]) for kind in connection.reply("GetInfo")["traffic_types"]}
    same(shown, CLASSES, "traffic types of GetInfo")
    for name, (dscp, queue, priority) in CLASSES.items():
        flow = connection.install(**{**FLOW, "traffic_type": name}, nodes=[node])
        same((flow["state"], flow["priority"]), ("applied", priority), name)
        [rule] = rules_at(lab, node, priority)
        marks = (f"set_field:{dscp}->ip_dscp", f"mod_nw_tos:{dscp * 4}")
        holds(any(mark in actions_of(rule) for mark in marks), f"{name}: {rule}")
        holds(f"set_queue:{queue}" in actions_of(rule) and "NORMAL" in actions_of(rule), f"{name}: {rule}")
    connection.refused("invalid_request", "payload.traffic_type", "InstallFlow", **{**FLOW, "traffic_type": "gold"})


@check
def the_flow_of_a_reply(lab):
    """A flow shows the request's fields as understood, its id, its state, and what each node says."""
    _, connection, node = with_node(lab)
    request = {
        "flow_id": "calls", "nodes": [node], "source": "10.1.0.0/16", "destination": "10.2.0.7/32", "traffic_type": "voice",
        "priority": 777, "protocol": "udp", "source_port": "5060", "destination_port": "5060-5070", "dscp": 44, "queue": 3,
        "forward": {"port": 2}, "idle_timeout": 100, "hard_timeout": 200,
    }
    flow = connection.install(**request)
    understood = {**request, "destination": "10.2.0.7", "source_port": 5060, "bidirectional": False}
    del understood["nodes"]
    same({key: flow.get(key) for key in understood}, understood, "fields")
    same(flow["state"], "applied", "state")
    [said] = flow["nodes"]
    keys = {"node", "datapath_id", "state", "cookie", "table", "rules", "error", "applied_at", "verified_at"}
    holds(keys <= set(said), f"missing {keys - set(said)}")
    holds(re.match(r"^0x[0-9a-f]{16}$", said["cookie"]), said["cookie"])
    same((said["node"], said["state"], said["table"], said["error"]), (node, "applied", 0, None), "what the node says")
    rules = rules_at(lab, node, 777)
    # 5060-5070 is 5060/fffc, 5064/fffc, 5068/fffe and 5070.
    same((len(rules), said["rules"]), (4, 4), "rules")
    for rule in rules:
        match = match_of(rule)
        same((match["nw_src"], match["nw_dst"], match["tp_src"], match["udp"]), ("10.1.0.0/16", "10.2.0.7", "5060", True), rule)
        same((match["idle_timeout"], match["hard_timeout"]), ("100", "200"), rule)
        same(int(match["cookie"], 16), int(said["cookie"], 16), rule)
        holds("set_field:44->ip_dscp" in rule and "set_queue:3" in rule and "output:2" in rule, rule)
    covered = {port for rule in rules for port in ports_of(match_of(rule)["tp_dst"])}
    same(covered, set(range(5060, 5071)), "ports")


def ports_of(text):
    value, _, mask = text.partition("/")
    value, mask = int(value, 0), int(mask, 0) if mask else 0xFFFF
    return [port for port in range(0x10000) if port & mask == value]


@check
def families(lab):
    """IPv4, IPv6, and any with any means both; both ends of one family, host bits an error that names the right prefix."""
    _, connection, node = with_node(lab)
    connection.install(source="2001:db8::/32", destination="any", traffic_type="voice", nodes=[node], priority=10)
    [rule] = rules_at(lab, node, 10)
    holds("ipv6" in match_of(rule) and match_of(rule)["ipv6_src"] == "2001:db8::/32", rule)
    same(connection.install(source="any", destination="any", traffic_type="voice", nodes=[node], priority=11)["nodes"][0]["rules"], 2, "rules of any")
    same(sorted("ipv6" if "ipv6" in match_of(rule) else "ip" for rule in rules_at(lab, node, 11)), ["ip", "ipv6"], "families")
    connection.install(source="any", destination="10.0.0.0/8", traffic_type="voice", nodes=[node], priority=12)
    [rule] = rules_at(lab, node, 12)
    holds("ip" in match_of(rule) and "nw_src" not in match_of(rule), rule)
    refused = lambda path, **ends: connection.refused("invalid_request", path, "InstallFlow", traffic_type="voice", **ends)["message"]
    refused("payload.destination", source="10.0.0.1", destination="::1")
    holds("10.0.0.0/24" in refused("payload.source", source="10.0.0.1/24", destination="any"), "the right prefix")
    holds("2001:db8::/32" in refused("payload.destination", source="any", destination="2001:db8::1/32"), "the right prefix")
    connection.refused("invalid_request", "payload.source", "InstallFlow", destination="any", traffic_type="voice")
    connection.refused("invalid_request", "payload.destination", "InstallFlow", source="any", traffic_type="voice")


@check
def protocols(lab):
    """tcp, udp, sctp and icmp (ICMPv6 on IPv6); ports need one of the first three."""
    _, connection, node = with_node(lab)
    for index, (protocol, word) in enumerate((("tcp", "tcp"), ("udp", "udp"), ("sctp", "sctp"), ("icmp", "icmp"))):
        ports = {} if protocol == "icmp" else {"source_port": 0, "destination_port": 65535}
        connection.install(**FLOW, protocol=protocol, **ports, nodes=[node], priority=100 + index)
        [rule] = rules_at(lab, node, 100 + index)
        holds(word in match_of(rule), rule)
        connection.install(source="::1", destination="any", traffic_type="voice", protocol=protocol, nodes=[node], priority=200 + index)
        [rule] = rules_at(lab, node, 200 + index)
        holds(f"{word}6" in match_of(rule), rule)
    for field in ("source_port", "destination_port"):
        connection.refused("invalid_request", f"payload.{field}", "InstallFlow", **FLOW, **{field: 80})
        connection.refused("invalid_request", f"payload.{field}", "InstallFlow", **FLOW, protocol="icmp", **{field: 80})
        for wrong in (65536, -1, "70-60", "http", "1-65536", "", [80], 80.5, None):
            connection.refused("invalid_request", f"payload.{field}", "InstallFlow", **FLOW, protocol="tcp", **{field: wrong})
    connection.refused("invalid_request", "payload.protocol", "InstallFlow", **FLOW, protocol="TCP")


@check
def least_number_of_matches(lab):
    """A range of ports is compiled into the least number of masked matches."""
    _, connection, node = with_node(lab)
    for priority, (ports, least) in enumerate((("1-65534", 16), ("0-65535", 1), ("1024-65535", 6), ("5060-5063", 1), ("1-1", 1)), 300):
        flow = connection.install(**FLOW, protocol="udp", destination_port=ports, nodes=[node], priority=priority)
        rules = rules_at(lab, node, priority)
        same((flow["nodes"][0]["rules"], len(rules)), (least, least), ports)
        first, last = map(int, ports.split("-"))
        covered = {port for rule in rules for port in ports_of(match_of(rule).get("tp_dst", "0/0"))}
        same(covered == set(range(first, last + 1)), True, f"{ports} are covered")


@check
def forward(lab):
    """normal, drop, a port as it is, or a table; a port is not checked against the port list."""
    _, connection, node = with_node(lab)
    for priority, (forward, action) in enumerate((("normal", "NORMAL"), ("drop", "drop"), ({"port": 1}, "output:1"), ({"table": 7}, "table=7|resubmit\\(,7\\)|goto_table:7"), ({"port": 77}, "output:77")), 400):
        flow = connection.install(**FLOW, forward=forward, nodes=[node], priority=priority)
        same((flow["state"], flow["forward"]), ("applied", forward), f"{forward}")
        [rule] = rules_at(lab, node, priority)
        holds(re.search(action, actions_of(rule)), rule)
    refused = connection.install(**FLOW, forward={"port": 4294967040}, nodes=[node], priority=410)
    same((refused["state"], rules_at(lab, node, 410)), ("rejected", []), "a port that no switch has")
    error = refused["nodes"][0]["error"]
    same((error["type"], error["code"]), ("BAD_ACTION", "BAD_OUT_PORT"), "the switch's own error")
    holds(error["message"], "a sentence")
    same(connection.reply("RemoveFlow", flow_id=refused["flow_id"])["flow"]["state"], "removed", "RemoveFlow of a rejected one")
    for wrong in ("flood", 2, {}, {"port": 1, "table": 1}, {"group": 1}, None):
        answer = connection.error("InstallFlow", **FLOW, forward=wrong)
        holds(answer["code"] == "invalid_request" and answer["path"].startswith("payload.forward"), f"{answer}")


@check
def bidirectional(lab):
    """The reverse direction has addresses and ports swapped; it does not go with a port."""
    _, connection, node = with_node(lab)
    flow = connection.install(
        source="10.1.0.0/16", destination="10.2.0.7", traffic_type="voice", protocol="udp", source_port=1, destination_port=2,
        bidirectional=True, nodes=[node], priority=500,
    )
    same((flow["bidirectional"], flow["nodes"][0]["rules"]), (True, 2), "rules")
    ends = lambda match: (match["nw_src"], match["tp_src"], match["nw_dst"], match["tp_dst"])
    one, other = sorted(ends(match_of(rule)) for rule in rules_at(lab, node, 500))
    same((one, other), (("10.1.0.0/16", "1", "10.2.0.7", "2"), ("10.2.0.7", "2", "10.1.0.0/16", "1")), "both directions")
    connection.refused("invalid_request", "payload.bidirectional", "InstallFlow", **FLOW, bidirectional=True, forward={"port": 1})
    both = connection.install(source="any", destination="any", traffic_type="voice", bidirectional=True, nodes=[node], priority=501)
    same(both["state"], "applied", "any with any in both directions")


@check
def idempotency(lab):
    """The same flow_id with the same body is the same flow and does nothing twice; with another body it is conflict."""
    daemon, connection, node = with_node(lab)
    first = connection.install(**FLOW, flow_id="key", nodes=[node])
    again = connection.install(**FLOW, flow_id="key", nodes=[node])
    same((again["flow_id"], again["nodes"][0]["cookie"]), ("key", first["nodes"][0]["cookie"]), "the same again")
    same(len(lab.switch.rules(node)), 1, "rules")
    connection.refused("conflict", "payload.flow_id", "InstallFlow", **FLOW, flow_id="key", nodes=[node], priority=9)
    made = connection.install(**FLOW, nodes=[node], priority=10)["flow_id"]
    holds(1 <= len(made) <= 128, made)
    connection.reply("RemoveFlow", flow_id="key")
    daemon.kill()
    daemon.start()
    with daemon.connect() as later:
        later.until(node, "connected")
        later.refused("conflict", "payload.flow_id", "InstallFlow", **FLOW, flow_id=made, nodes=[node], priority=11)
        same(later.install(**FLOW, flow_id=made, nodes=[node], priority=10)["flow_id"], made, "after a restart")
    connection.socket.close()


@check
def nodes_left_out(lab):
    """Without nodes the flow goes to those registered now, not to later ones."""
    daemon, connection, node = with_node(lab)
    second = lab.connected(daemon, connection)
    flow = connection.install(**FLOW, flow_id="everywhere")
    same(sorted(said["node"] for said in flow["nodes"]), sorted([node, second]), "nodes")
    third = lab.connected(daemon, connection)
    same(lab.switch.rules(third), [], "rules of a later node")
    connection.refused("invalid_request", "payload.nodes", "InstallFlow", **FLOW, nodes=[])
    connection.refused("invalid_request", "payload.nodes[1]", "InstallFlow", **FLOW, nodes=[node, node])
    connection.refused("not_found", "payload.nodes[1]", "InstallFlow", **FLOW, nodes=[node, "none"])


@check
def dry_run(lab):
    """A dry run stores and sends nothing; each node shows what would be sent, as text and as bytes, and every conflict."""
    _, connection, node = with_node(lab)
    flow = connection.install(**FLOW, nodes=[node], dry_run=True, priority=600)
    same((flow["state"], flow["nodes"][0]["state"], lab.switch.rules(node)), ("planned", "planned", []), "the plan")
    same(connection.reply("ListFlows")["flows"], [], "flows")
    [mod] = flow["nodes"][0]["flow_mods"]
    holds({"text", "hex"} <= set(mod) and mod["hex"].startswith("040e"), f"{mod}")
    printed = lab.switch.ofctl("ofp-print", mod["hex"])
    holds("FLOW_MOD" in printed and "nw_src=10.0.0.1" in printed and "priority=600" in printed.replace("pri=", "priority="), printed)
    holds("nw_src=10.0.0.1" in mod["text"] and "priority=600" in mod["text"], mod["text"])
    lab.switch.ofctl("add-flow", f"unix:{lab.switch.directory}/{node}.mgmt", mod["text"].removeprefix("add "))
    installed = connection.install(**FLOW, flow_id="there", nodes=[node], priority=601)
    same(installed["state"], "applied", "state")
    answer = connection.ask("InstallFlow", **FLOW, nodes=[node], priority=601, dry_run=True)
    same(answer["type"], "Reply", f"a dry run over another flow's rule: {answer}")
    same(answer["payload"]["flow"]["state"], "planned", "state")
    holds("there" in json.dumps(answer["payload"]["flow"]["nodes"]), f"every conflict: {answer}")


@check
def warnings(lab):
    """hidden, hides and overlap are told as warnings with the other's flow_id or cookie; with "refuse" they are conflict."""
    _, connection, node = with_node(lab)
    kinds = lambda flow: {(warning["kind"], warning.get("flow_id") or warning.get("cookie")) for warning in flow["warnings"]}
    connection.install(source="10.1.0.0/16", destination="any", traffic_type="voice", flow_id="wide", priority=700, nodes=[node])
    hidden = {"source": "10.1.1.0/24", "destination": "any", "traffic_type": "bulk", "priority": 600, "nodes": [node]}
    same(kinds(connection.install(**hidden, flow_id="narrow")), {("hidden", "wide")}, "a flow below a wider one")
    hiding = {"source": "10.1.0.0/16", "destination": "any", "traffic_type": "bulk", "priority": 800, "nodes": [node]}
    same(kinds(connection.install(**hiding, flow_id="above")), {("hides", "wide"), ("hides", "narrow")}, "a flow above")
    overlap = {"source": "any", "destination": "10.2.0.0/16", "traffic_type": "bulk", "priority": 700, "nodes": [node]}
    holds(("overlap", "wide") in kinds(connection.install(**overlap, flow_id="across")), "a flow across")
    for request in (hidden, hiding, overlap):
        other = {**request, "source": "10.1.1.1" if request is not overlap else "10.1.0.0/24"}
        error = connection.error("InstallFlow", **other, on_conflict="refuse")
        same(error["code"], "conflict", f"{other}")
    lab.switch.ofctl("add-flow", f"unix:{lab.switch.directory}/{node}.mgmt", "cookie=0x77,priority=65000,ip,nw_src=10.9.0.0/16,actions=drop")
    foreign = {"source": "10.9.9.9", "destination": "any", "traffic_type": "voice", "nodes": [node]}

    def warned():
        flow = connection.install(**foreign)
        connection.reply("RemoveFlow", flow_id=flow["flow_id"])
        return ("hidden", "0x0000000000000077") in kinds(flow)

    within("a foreign rule to be warned of by its cookie", warned)


@check
def replace(lab):
    """The same table, priority and match as another's is conflict, naming it; with replace the other becomes superseded."""
    _, connection, node = with_node(lab)
    connection.install(**FLOW, flow_id="old", nodes=[node], priority=900)
    error = connection.error("InstallFlow", **{**FLOW, "traffic_type": "bulk"}, flow_id="new", nodes=[node], priority=900)
    same(error["code"], "conflict", "code")
    holds("old" in error["message"], error["message"])
    same(connection.error("GetFlow", flow_id="new")["code"], "not_found", "the refused one")
    flow = connection.install(**{**FLOW, "traffic_type": "bulk"}, flow_id="new", nodes=[node], priority=900, replace=True)
    same(flow["state"], "applied", "state")
    same(connection.reply("GetFlow", flow_id="old")["flow"]["state"], "superseded", "the other")
    [rule] = rules_at(lab, node, 900)
    holds("set_field:10->ip_dscp" in rule, rule)
    lab.switch.ofctl("add-flow", f"unix:{lab.switch.directory}/{node}.mgmt", "cookie=0x78,priority=901,ip,nw_src=10.0.0.1,nw_dst=10.0.0.2,actions=drop")

    def refused():
        answer = connection.ask("InstallFlow", **FLOW, nodes=[node], priority=901, dry_run=True)
        return "0x0000000000000078" in json.dumps(answer)

    within("the foreign rule to be seen", refused)
    error = connection.error("InstallFlow", **FLOW, nodes=[node], priority=901)
    holds(error["code"] == "conflict" and "0x0000000000000078" in error["message"], f"{error}")
    same(connection.install(**FLOW, nodes=[node], priority=901, replace=True)["state"], "applied", "over a foreign rule")
    same(len(rules_at(lab, node, 901)), 1, "rules")


@check
def wait(lab):
    """It ends with a Reply in the state of that moment: for a switch that is away at once accepted, with wait accepted too."""
    daemon, connection, node = with_node(lab)
    connection.reply("AddNode", name="away", datapath_id="0xaaaa")
    flow = connection.install(**FLOW, flow_id="later", nodes=["away"])
    same((flow["state"], flow["nodes"][0]["state"], flow["nodes"][0]["datapath_id"]), ("accepted", "accepted", "000000000000aaaa"), "a node that is away")
    flow = connection.install(**FLOW, flow_id="both", nodes=["away", node], priority=5)
    same((flow["state"], sorted(said["state"] for said in flow["nodes"])), ("accepted", ["accepted", "applied"]), "the worst of its nodes")
    flow = connection.install(**FLOW, flow_id="quick", nodes=[node], priority=6, wait="accepted")
    holds(flow["state"] in ("accepted", "applied"), flow["state"])
    connection.until_flow("quick", "applied")
    flow = connection.install(**FLOW, flow_id="zero", nodes=[node], priority=7, timeout_ms=0)
    holds(flow["state"] in ("accepted", "unknown", "applied"), flow["state"])
    connection.until_flow("zero", "applied")
    name = lab.switch.bridge(daemon.controller)
    connection.reply("AddNode", name="late", datapath_id=name[1])
    same(connection.install(**FLOW, flow_id="sent", nodes=["late"])["flow_id"], "sent", "flow")
    connection.until_flow("sent", "applied")
    same(len(lab.switch.rules(name[0])), 1, "rules of the node that came")


@check
def timeouts(lab):
    """A flow ends by its own timeout: expired, and its rules are gone."""
    _, connection, node = with_node(lab)
    connection.reply("Subscribe", topics=["flows"])
    connection.install(**FLOW, flow_id="brief", nodes=[node], hard_timeout=1)
    connection.install(**FLOW, flow_id="idle", nodes=[node], idle_timeout=1, priority=8)
    for flow_id in ("brief", "idle"):
        connection.event("flows", lambda event: event["flow"]["flow_id"] == flow_id and event["flow"]["state"] == "expired", "expired")
        same(connection.reply("GetFlow", flow_id=flow_id)["flow"]["state"], "expired", flow_id)
    same(lab.switch.rules(node), [], "rules")


@check
def rate_limits(lab):
    """A rate limit puts the rules behind a meter in kbit/s with a burst in kilobits, which goes with the flow."""
    _, connection, node = with_node(lab)
    management = f"unix:{lab.switch.directory}/{node}.mgmt"
    flow = connection.install(**FLOW, flow_id="slow", nodes=[node], rate_limit={"rate_kbps": 5000, "burst_kb": 500})
    same((flow["state"], flow["rate_limit"]), ("applied", {"rate_kbps": 5000, "burst_kb": 500}), "the flow")
    meters = lab.switch.ofctl("dump-meters", management)
    holds("rate=5000" in meters and "burst_size=500" in meters and "kbps" in meters, meters)
    holds("meter:" in lab.switch.rules(node)[0], f"{lab.switch.rules(node)}")
    connection.reply("RemoveFlow", flow_id="slow")
    holds("rate=5000" not in lab.switch.ofctl("dump-meters", management), "the meter is left")


@check
def drift(lab):
    """What somebody deletes is drifted with a reason and put back; after three repairs in a minute it is held."""
    _, connection, node = with_node(lab)
    management = f"unix:{lab.switch.directory}/{node}.mgmt"
    connection.reply("Subscribe", topics=["flows", "alarms"])
    connection.install(**FLOW, flow_id="kept", nodes=[node])
    drifted = lambda event: event["flow"]["flow_id"] == "kept" and event["flow"]["state"] == "drifted"
    for repair in range(3):
        lab.switch.ofctl("del-flows", management, "ip")
        event = connection.event("flows", drifted, f"drifted, {repair}")
        same(event["payload"]["flow"]["nodes"][0]["reason"], "deleted", "reason")
        connection.until_flow("kept", "applied")
        same(len(lab.switch.rules(node)), 1, f"rules after repair {repair}")
    lab.switch.ofctl("del-flows", management, "ip")
    connection.event("alarms", lambda event: event["alarm"] == "flow_held", "of a held flow")
    held = connection.reply("GetFlow", flow_id="kept")["flow"]
    same((held["state"], lab.switch.rules(node)), ("drifted", []), "held")


@check
def full_table(lab):
    """A switch whose table is full rejects with FLOW_MOD_FAILED and TABLE_FULL; the reply is a Reply, and nothing is sent again."""
    _, connection, node = with_node(lab)
    lab.switch.vsctl("--", "--id=@t", "create", "Flow_Table", "flow_limit=2", "overflow_policy=refuse", "--", "set", "bridge", node, "flow_tables:0=@t")
    states = [connection.install(**{**FLOW, "source": f"10.3.0.{k}"}, flow_id=f"full-{k}", nodes=[node]) for k in range(3)]
    same([flow["state"] for flow in states], ["applied", "rejected", "rejected"], "states")
    error = states[1]["nodes"][0]["error"]
    same((error["type"], error["code"]), ("FLOW_MOD_FAILED", "TABLE_FULL"), "error")
    holds(error["message"], "a sentence")
    lab.switch.vsctl("clear", "bridge", node, "flow_tables")
    same(connection.reply("GetFlow", flow_id="full-1")["flow"]["state"], "rejected", "later")
    connection.reply("RemoveFlow", flow_id="full-1")
    same(connection.install(**{**FLOW, "source": "10.3.0.1"}, flow_id="full-1", nodes=[node])["state"], "applied", "the id is free again")


@check
def while_away(lab):
    """applied stays applied while the switch is away, and a removal waits for it."""
    daemon, connection, node = with_node(lab)
    connection.install(**FLOW, flow_id="there", nodes=[node])
    connection.install(**FLOW, flow_id="going", nodes=[node], priority=9)
    lab.switch.vsctl("del-controller", node)
    connection.until(node, "disconnected")
    same(connection.reply("GetFlow", flow_id="there")["flow"]["state"], "applied", "state")
    same(connection.reply("RemoveFlow", flow_id="going")["flow"]["state"], "removing", "a removal")
    lab.switch.vsctl("set-controller", node, daemon.controller)
    connection.until(node, "connected")
    connection.until_flow("going", "removed")
    same(len(lab.switch.rules(node)), 1, "rules")


@check
def no_answer_in_time(lab):
    """When the switch does not answer within timeout_ms the Reply says so, and it turns into applied by itself."""
    switch, daemon = lab.private_switch(), lab.daemon()
    with daemon.connect() as connection:
        name = lab.connected(daemon, connection, switch=switch)
        os.kill(switch.pid("ovs-vswitchd"), signal.SIGSTOP)
        try:
            flow = connection.install(**FLOW, flow_id="late", nodes=[name], timeout_ms=300)
            holds(flow["state"] in ("accepted", "unknown"), f"state after 300 ms: {flow['state']}")
            same(connection.reply("GetFlow", flow_id="late")["flow"]["state"], flow["state"], "GetFlow meanwhile")
        finally:
            os.kill(switch.pid("ovs-vswitchd"), signal.SIGCONT)
        connection.until_flow("late", "applied")
        same(len(switch.rules(name)), 1, "rules")


@check
def killed_switch(lab):
    """A switch that was killed and started again has its flows back by the time that it is connected."""
    switch, daemon = lab.private_switch(), lab.daemon()
    with daemon.connect() as connection:
        name = lab.connected(daemon, connection, switch=switch)
        connection.reply("InstallFlows", flows=[{**FLOW, "source": f"10.0.9.{k + 1}", "nodes": [name]} for k in range(50)])
        os.kill(switch.pid("ovs-vswitchd"), signal.SIGKILL)
        connection.until(name, "disconnected")
        same(connection.reply("ListFlows", state="applied", limit=1)["flows"][0]["state"], "applied", "while it is away")
        switch.start_switchd()
        connection.until(name, "connected")
        same(len(switch.rules(name)), 50, "rules")


@check
def killed_daemon(lab):
    """What was applied before the daemon was killed is applied after it, and nothing else is on the switch."""
    daemon, connection, node = with_node(lab)
    connection.reply("InstallFlows", flows=[{**FLOW, "source": f"10.0.9.{k + 1}", "flow_id": f"k{k}", "nodes": [node]} for k in range(50)])
    connection.reply("RemoveFlow", flow_id="k0")
    daemon.kill()
    connection.socket.close()
    daemon.start()
    with daemon.connect() as later:
        later.until(node, "connected")
        flows = later.reply("ListFlows")["flows"]
        same(({flow["flow_id"] for flow in flows}, {flow["state"] for flow in flows}), ({f"k{k}" for k in range(1, 50)}, {"applied"}), "flows")
        same(len(lab.switch.rules(node)), 49, "rules")
