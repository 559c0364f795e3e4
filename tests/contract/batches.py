"""InstallFlows and RemoveFlows."""

from checks import check
from flows import FLOW, with_node
from lab import holds, same


def flows(count, node, **more):
    return [{**FLOW, "source": f"10.4.{k // 250}.{k % 250 + 1}", "flow_id": f"b{k}", "nodes": [node], **more} for k in range(count)]


@check
def reports(lab):
    """The Reply has every flow and a count of each state; with "problems" only those that are not applied."""
    _, connection, node = with_node(lab)
    reply = connection.reply("InstallFlows", flows=flows(300, node))
    same(([flow["flow_id"] for flow in reply["flows"]], reply["summary"]), ([f"b{k}" for k in range(300)], {"applied": 300}), "all")
    same(len(lab.switch.rules(node)), 300, "rules")
    connection.reply("AddNode", name="away", datapath_id="0xbbbb")
    mixed = flows(300, node) + [{**FLOW, "flow_id": "waits", "nodes": ["away"]}]
    reply = connection.reply("InstallFlows", flows=mixed, report="problems")
    same(([flow["flow_id"] for flow in reply["flows"]], reply["summary"]), (["waits"], {"accepted": 1, "applied": 300}), "problems")
    same(connection.reply("InstallFlows", flows=[]), {"flows": [], "summary": {}}, "none")
    connection.refused("invalid_request", "payload.report", "InstallFlows", flows=[], report="none")
    connection.refused("invalid_request", "payload.atomic", "InstallFlows", flows=[], atomic=True)


@check
def malformed_items(lab):
    """One malformed item refuses the whole message; nothing is installed."""
    _, connection, node = with_node(lab)
    items = flows(5, node)
    items[3]["priority"] = 0
    connection.refused("invalid_request", "payload.flows[3].priority", "InstallFlows", flows=items)
    items[3] = {**FLOW, "traffic_type": "gold", "nodes": [node]}
    connection.refused("invalid_request", "payload.flows[3].traffic_type", "InstallFlows", flows=items)
    items[3] = {**FLOW, "nodes": ["none"]}
    connection.refused("not_found", "payload.flows[3].nodes[0]", "InstallFlows", flows=items)
    same((connection.reply("ListFlows")["flows"], lab.switch.rules(node)), ([], []), "nothing")


@check
def conflicts_per_item(lab):
    """A conflict is told per item, and the others are installed."""
    _, connection, node = with_node(lab)
    connection.install(**{**FLOW, "source": "10.4.0.2"}, flow_id="before", nodes=[node])
    reply = connection.reply("InstallFlows", flows=flows(3, node))
    states = [flow["state"] for flow in reply["flows"]]
    same((states[0], states[2]), ("applied", "applied"), f"the others: {reply['flows']}")
    same(states[1], "rejected", f"the item in conflict: {reply['flows'][1]}")
    error = reply["flows"][1]["nodes"][0]["error"]
    holds("before" in error["message"], f"{error}")
    same(reply["summary"], {"applied": 2, "rejected": 1}, "summary")


@check
def atomic_node(lab):
    """atomic node: each switch applies all of the flows or none."""
    daemon, connection, first = with_node(lab)
    second = lab.connected(daemon, connection)
    items = flows(5, first)
    for item in items:
        item["nodes"] = [first, second]
    lab.switch.vsctl("--", "--id=@t", "create", "Flow_Table", "flow_limit=3", "overflow_policy=refuse", "--", "set", "bridge", second, "flow_tables:0=@t")
    reply = connection.reply("InstallFlows", flows=items, atomic="node")
    same((len(lab.switch.rules(first)), len(lab.switch.rules(second))), (5, 0), "rules")
    same(reply["summary"], {"rejected": 5}, "summary")
    said = {node["node"]: node["state"] for node in reply["flows"][0]["nodes"]}
    same(said, {first: "applied", second: "rejected"}, "each node")


@check
def atomic_all(lab):
    """atomic all: all switches or none."""
    daemon, connection, first = with_node(lab)
    second = lab.connected(daemon, connection)
    items = flows(5, first)
    for item in items:
        item["nodes"] = [first, second]
    same(connection.reply("InstallFlows", flows=items, atomic="all")["summary"], {"applied": 5}, "summary")
    same((len(lab.switch.rules(first)), len(lab.switch.rules(second))), (5, 5), "rules")
    connection.reply("RemoveFlows", all=True)
    lab.switch.vsctl("--", "--id=@t", "create", "Flow_Table", "flow_limit=3", "overflow_policy=refuse", "--", "set", "bridge", second, "flow_tables:0=@t")
    reply = connection.reply("InstallFlows", flows=[{**item, "flow_id": item["flow_id"] + "x"} for item in items], atomic="all")
    same(reply["summary"], {"rejected": 5}, "summary")
    same((lab.switch.rules(first), lab.switch.rules(second)), ([], []), "rules")


@check
def atomic_conflicts(lab):
    """In an atomic batch a conflict of one item leaves all out."""
    _, connection, node = with_node(lab)
    connection.install(**{**FLOW, "source": "10.4.0.2"}, flow_id="before", nodes=[node])
    for atomic in ("node", "all"):
        items = [{**item, "flow_id": f"{atomic}-{item['flow_id']}"} for item in flows(3, node)]
        reply = connection.reply("InstallFlows", flows=items, atomic=atomic)
        holds("applied" not in reply["summary"], f"{reply['summary']}")
        same(len(lab.switch.rules(node)), 1, "rules")


@check
def remove_flows(lab):
    """RemoveFlows takes a list of ids or a filter: node, traffic_type, all."""
    daemon, connection, first = with_node(lab)
    second = lab.connected(daemon, connection)
    for node in (first, second):
        for kind in ("voice", "bulk"):
            connection.install(**{**FLOW, "traffic_type": kind}, flow_id=f"{node}-{kind}", nodes=[node])
    connection.install(**FLOW, flow_id="more", nodes=[first], priority=3)
    left = lambda: sorted(flow["flow_id"] for flow in connection.reply("ListFlows")["flows"])
    same(connection.reply("RemoveFlows", flow_ids=["more"]), {"summary": {"removed": 1}}, "by id")
    same(connection.reply("RemoveFlows", node=first, traffic_type="bulk"), {"summary": {"removed": 1}}, "by node and type")
    same(left(), sorted([f"{first}-voice", f"{second}-voice", f"{second}-bulk"]), "left")
    same(connection.reply("RemoveFlows", traffic_type="voice"), {"summary": {"removed": 2}}, "by type")
    same(connection.reply("RemoveFlows", node=second), {"summary": {"removed": 1}}, "by node")
    same(connection.reply("RemoveFlows", all=True), {"summary": {}}, "all of none")
    same((left(), lab.switch.rules(first), lab.switch.rules(second)), ([], [], []), "nothing left")
    connection.refused("not_found", "payload.flow_ids[0]", "RemoveFlows", flow_ids=["none"])
    connection.refused("not_found", "payload.node", "RemoveFlows", node="none")
    connection.refused("invalid_request", "payload.traffic_type", "RemoveFlows", traffic_type="gold")
    for wrong in ({}, {"all": False}, {"all": True, "node": first}, {"flow_ids": ["a"], "all": True}):
        holds(connection.error("RemoveFlows", **wrong)["code"] == "invalid_request", f"{wrong}")
