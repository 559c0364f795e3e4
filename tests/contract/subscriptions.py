"""Subscribe and Unsubscribe: topics, sequence numbers, epochs, resuming, and gaps."""

from checks import check
from flows import FLOW, with_node
from lab import holds, same

TOPICS = ["nodes", "flows", "stats", "ports", "alarms"]


@check
def replies(lab):
    """The Reply has the current seq of each topic and the epoch; both begin anew with the daemon."""
    daemon = lab.daemon()
    with daemon.connect() as connection:
        reply = connection.reply("Subscribe", topics=TOPICS)
        same(reply["topics"], dict.fromkeys(TOPICS, 0), "topics")
        same(sorted(reply), ["epoch", "topics"], "fields")
        connection.reply("AddNode", name="s1", datapath_id=1)
        connection.event("nodes")
        same(connection.reply("Subscribe", topics=["nodes"]), {"topics": {"nodes": 1}, "epoch": reply["epoch"]}, "later")
        same(connection.reply("Unsubscribe", topics=["nodes"]), {"topics": {"nodes": 1}, "epoch": reply["epoch"]}, "Unsubscribe")
        connection.reply("AddNode", name="s2", datapath_id=2)
        connection.reply("GetInfo")
        same([message for message in connection.waiting if message["topic"] == "nodes"], [], "events after Unsubscribe")
    daemon.terminate()
    daemon.process.wait()
    daemon.start()
    with daemon.connect() as connection:
        again = connection.reply("Subscribe", topics=["alarms"])
        same(again["topics"], {"alarms": 0}, "seq of a new start")
        holds(again["epoch"] != reply["epoch"], "the epoch is the same after a restart")


@check
def strictness(lab):
    """An unknown topic, one twice, none, from_seq without epoch or of another topic, and an interval out of range are refused."""
    with lab.daemon().connect() as connection:
        for path, payload in (
            ("topics[0]", {"topics": ["flow"]}),
            ("topics[1]", {"topics": ["flows", "flows"]}),
            ("topics", {"topics": []}),
            ("topics", {}),
            ("epoch", {"topics": ["flows"], "from_seq": {"flows": 1}}),
            ("from_seq.nodes", {"topics": ["flows"], "from_seq": {"nodes": 1}, "epoch": "e"}),
            ("from_seq.flows", {"topics": ["flows"], "from_seq": {"flows": 0}, "epoch": "e"}),
            ("interval_ms", {"topics": ["stats"], "interval_ms": 0}),
        ):
            connection.refused("invalid_request", f"payload.{path}", "Subscribe", **payload)
        connection.refused("invalid_request", "payload.topics", "Unsubscribe", topics=[])


@check
def events_of_flows(lab):
    """Events of a topic are numbered without a hole, carry the epoch, and show each state of a flow."""
    _, connection, node = with_node(lab)
    subscribed = connection.reply("Subscribe", topics=["flows"])
    first = subscribed["topics"]["flows"] + 1
    for k in range(20):
        connection.install(**{**FLOW, "source": f"10.6.0.{k + 1}"}, flow_id=f"e{k}", nodes=[node])
    connection.reply("RemoveFlow", flow_id="e0")
    events = [connection.event("flows", lambda event: event["flow"]["flow_id"] == "e0" and event["flow"]["state"] == "removed")]
    events += [message for message in connection.waiting if message["type"] == "Event"]
    events.sort(key=lambda event: event["seq"])
    same([event["seq"] for event in events], list(range(first, first + len(events))), "numbers")
    same({event["epoch"] for event in events}, {subscribed["epoch"]}, "epochs")
    same(sorted(events[0]), ["epoch", "payload", "seq", "timestamp", "topic", "type"], "fields")
    states = [event["payload"]["flow"]["state"] for event in events if event["payload"]["flow"]["flow_id"] == "e0"]
    holds(states[-1] == "removed" and "applied" in states, f"states of one flow: {states}")


@check
def resuming(lab):
    """from_seq with the epoch gives what came since; of another epoch, or what is gone, one gap."""
    daemon, connection, node = with_node(lab)
    subscribed = connection.reply("Subscribe", topics=["flows"])
    for k in range(10):
        connection.install(**{**FLOW, "source": f"10.7.0.{k + 1}"}, flow_id=f"r{k}", nodes=[node])
    last = connection.event("flows", lambda event: event["flow"]["flow_id"] == "r9" and event["flow"]["state"] == "applied")["seq"]
    epoch = subscribed["epoch"]
    with daemon.connect() as later:
        reply = later.reply("Subscribe", topics=["flows"], from_seq={"flows": 3}, epoch=epoch)
        same(reply["topics"]["flows"], last, "the current number")
        numbers = [later.event("flows")["seq"] for _ in range(3, last + 1)]
        same(numbers, list(range(3, last + 1)), "what came since")
    with daemon.connect() as later:
        later.reply("Subscribe", topics=["flows"], from_seq={"flows": 3}, epoch="another")
        gap = later.event("flows")["payload"]
        same(list(gap), ["gap"], "the first event of another epoch")
        holds(gap["gap"]["from"] >= 1 and gap["gap"]["to"] >= gap["gap"]["from"], f"{gap}")
    with daemon.connect() as later:
        later.reply("Subscribe", topics=["flows"], from_seq={"flows": last + 1}, epoch=epoch)
        connection.reply("RemoveFlow", flow_id="r0")
        same(later.event("flows")["seq"], last + 1, "the next one")


@check
def falling_behind(lab):
    """Who asks for what the daemon no longer keeps gets one gap, then what is kept."""
    daemon, connection, node = with_node(lab)
    subscribed = connection.reply("Subscribe", topics=["flows"])
    begin = subscribed["topics"]["flows"] + 1
    # The daemon keeps 16,384 events of a topic, and each flow is one at least.
    for turn in range(20):
        items = [{**FLOW, "source": f"10.8.{k // 250}.{k % 250 + 1}", "flow_id": f"g{turn}-{k}", "priority": turn + 1, "nodes": [node]} for k in range(1000)]
        connection.reply("InstallFlows", flows=items)
    with daemon.connect() as later:
        current = later.reply("Subscribe", topics=["flows"], from_seq={"flows": begin}, epoch=subscribed["epoch"])["topics"]["flows"]
        event = later.event("flows")
        gap = event["payload"].get("gap")
        holds(gap, f"not a gap: {event!r:.300}")
        same(gap["from"], begin, "the first that is gone")
        same(later.event("flows")["seq"], gap["to"] + 1, "the event after the gap")
        holds(gap["to"] < current, f"{gap} of {current}")


@check
def events_of_nodes_and_ports(lab):
    """nodes tells of what is added, comes, goes and is removed; ports of what changes."""
    daemon = lab.daemon()
    with daemon.connect() as connection:
        connection.reply("Subscribe", topics=["nodes", "ports"])
        name = lab.connected(daemon, connection)
        states = []
        connection.event("nodes", lambda event: event["node"]["name"] == name and (states.append(event["node"]["state"]) or event["node"]["state"] == "connected"))
        holds(states[0] in ("registered", "connecting", "connected"), f"{states}")
        lab.switch.vsctl("add-port", name, f"{name}p9", "--", "set", "interface", f"{name}p9", "type=dummy", "ofport_request=9")
        event = connection.event("ports", lambda event: event["port"]["number"] == 9)["payload"]
        same((event["node"], event["port"]["name"]), (name, f"{name}p9"), "a new port")
        lab.switch.vsctl("del-port", name, f"{name}p9")
        connection.event("ports", lambda event: event["port"]["number"] == 9 and event.get("removed"), "of the port that went")
        lab.switch.vsctl("del-controller", name)
        connection.event("nodes", lambda event: event["node"]["state"] == "disconnected")
        connection.reply("RemoveNode", name=name, flows="leave")
        connection.event("nodes", lambda event: event["node"]["name"] == name and event.get("removed"), "of the removed node")


@check
def statistics(lab):
    """stats tells of counters at the interval that was asked for."""
    _, connection, node = with_node(lab)
    connection.reply("Subscribe", topics=["stats"], interval_ms=100)
    connection.install(**FLOW, flow_id="counted", nodes=[node])
    packet = "in_port(1),eth(src=02:00:00:00:00:01,dst=02:00:00:00:00:02),eth_type(0x0800),ipv4(src=10.0.0.1,dst=10.0.0.2,proto=17,tos=0,ttl=64,frag=no),udp(src=1,dst=2)"
    lab.switch.appctl("netdev-dummy/receive", f"{node}p1", packet)
    counted = lambda event: any(flow["flow_id"] == "counted" and flow["packets"] == 1 for flow in event["flows"])
    event = connection.event("stats", counted, "with one packet")
    [flow] = [flow for flow in event["payload"]["flows"] if flow["flow_id"] == "counted"]
    same(sorted(flow), ["bits_per_second", "bytes", "flow_id", "node", "packets", "packets_per_second"], "fields")


@check
def alarms(lab):
    """alarms tells what an operator should look at: a second switch with the datapath id of one that is connected."""
    daemon = lab.daemon()
    with daemon.connect() as connection:
        connection.reply("Subscribe", topics=["alarms"])
        name = lab.connected(daemon, connection)
        datapath_id = connection.node(name)["datapath_id"]
        twin, _ = lab.switch.bridge(daemon.controller)
        lab.switch.vsctl("set", "bridge", twin, f"other-config:datapath-id={datapath_id}")
        alarm = connection.event("alarms")["payload"]
        same((alarm["alarm"], alarm["node"]), ("duplicate_datapath_id", name), "the alarm")
        holds(alarm["message"], "a sentence")
        lab.switch.vsctl("del-controller", twin)
