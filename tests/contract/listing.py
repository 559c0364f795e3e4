"""ListFlows, GetFlow and GetInfo."""

from checks import check
from flows import FLOW, with_node
from lab import holds, same, within


@check
def cursors(lab):
    """ListFlows returns every flow exactly once, a page at a time; the last page has next_cursor null."""
    _, connection, node = with_node(lab)
    items = [{**FLOW, "source": f"10.5.0.{k + 1}", "flow_id": f"f{k:03}", "nodes": [node]} for k in range(25)]
    connection.reply("InstallFlows", flows=items)
    seen, cursor, pages = [], None, 0
    while True:
        page = connection.reply("ListFlows", limit=10, **({"cursor": cursor} if cursor else {}))
        seen += [flow["flow_id"] for flow in page["flows"]]
        pages += 1
        cursor = page["next_cursor"]
        if cursor is None:
            break
    same((pages, seen), (3, sorted(item["flow_id"] for item in items)), "pages and flows")
    same(connection.reply("ListFlows")["next_cursor"], None, "all in one page")
    for wrong in (0, -1, "10", 1.5, None):
        connection.refused("invalid_request", "payload.limit", "ListFlows", limit=wrong)
    connection.refused("invalid_request", "payload.cursor", "ListFlows", cursor=7)


@check
def filters(lab):
    """ListFlows filters by node, traffic_type and state."""
    daemon, connection, first = with_node(lab)
    second = lab.connected(daemon, connection)
    connection.reply("AddNode", name="away", datapath_id="0xcccc")
    for node in (first, second, "away"):
        connection.install(**FLOW, flow_id=f"{node}-v", nodes=[node])
        connection.install(**{**FLOW, "traffic_type": "bulk"}, flow_id=f"{node}-b", nodes=[node])
    ids = lambda **wanted: {flow["flow_id"] for flow in connection.reply("ListFlows", **wanted)["flows"]}
    same(ids(node=first), {f"{first}-v", f"{first}-b"}, "by node")
    same(ids(traffic_type="bulk"), {f"{node}-b" for node in (first, second, "away")}, "by type")
    same(ids(node=second, traffic_type="voice"), {f"{second}-v"}, "by both")
    same(ids(state="accepted"), {"away-v", "away-b"}, "by state")
    same(len(ids(all=True)), 6, "all")
    connection.refused("invalid_request", "payload.all", "ListFlows", all=True, node=first)
    connection.refused("invalid_request", "payload.state", "ListFlows", state="fine")
    connection.refused("not_found", "payload.node", "ListFlows", node="none")
    connection.refused("invalid_request", "payload.traffic_type", "ListFlows", traffic_type="gold")


@check
def counters(lab):
    """GetFlow has the counters of the flow's rules."""
    _, connection, node = with_node(lab)
    connection.install(**FLOW, flow_id="counted", nodes=[node])
    packet = "in_port(1),eth(src=02:00:00:00:00:01,dst=02:00:00:00:00:02),eth_type(0x0800),ipv4(src=10.0.0.1,dst=10.0.0.2,proto=17,tos=0,ttl=64,frag=no),udp(src=1,dst=2)"
    for _ in range(3):
        lab.switch.appctl("netdev-dummy/receive", f"{node}p1", packet)

    def counted():
        flow = connection.reply("GetFlow", flow_id="counted")["flow"]
        holds("packets" in flow and "bytes" in flow and "counters" in flow["nodes"][0], f"{flow}")
        return flow["packets"] == 3 and flow["nodes"][0]["counters"]["packets"] == 3 and flow["bytes"] > 0

    within("three packets to be counted", counted)
    holds("packets" not in connection.reply("ListFlows")["flows"][0], "ListFlows has counters")


@check
def info(lab):
    """GetInfo has version, uptime, limits and traffic types."""
    with lab.daemon().connect() as connection:
        info = connection.reply("GetInfo")
        holds({"version", "uptime", "limits", "traffic_types"} <= set(info), f"{set(info)}")
        same(len(info["traffic_types"]), 12, "traffic types")
        limits = {"message_bytes": 1 << 20, "outbound_bytes": 32 << 20, "json_depth": 16, "discovered_nodes": 1024}
        same({key: info["limits"][key] for key in limits}, limits, "limits")


@check
def configured_classes(lab):
    """The operator's configuration changes and adds classes."""
    file = lab.directory() / "flumen.toml"
    file.write_text('[classes.softphone]\ndscp = "EF"\nqueue = 6\npriority = 46500\n[classes.bulk]\nqueue = 2\n')
    _, connection, node = with_node(lab, "--config", str(file))
    kinds = {kind["name"]: kind for kind in connection.reply("GetInfo")["traffic_types"]}
    same((kinds["softphone"]["dscp"], kinds["softphone"]["priority"], kinds["bulk"]["queue"], len(kinds)), (46, 46500, 2, 13), "classes")
    flow = connection.install(**{**FLOW, "traffic_type": "softphone"}, nodes=[node])
    same((flow["state"], flow["priority"]), ("applied", 46500), "a flow of it")
