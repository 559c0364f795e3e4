"""SetQueues: the queues of a port in the switch's database."""

from checks import check
from lab import holds, same


@check
def set_queues(lab):
    """SetQueues writes the port's queues and answers with them as the switch's database has them; an empty list removes ours."""
    daemon = lab.daemon()
    with daemon.connect() as connection:
        name, datapath_id = lab.bridge(daemon)
        connection.reply("AddNode", name=name, datapath_id=datapath_id, ovsdb=lab.switch.database)
        node = connection.until(name, "connected")
        holds(node["capabilities"]["queues"], f"{node['capabilities']}")
        queues = [{"queue": 0, "max_rate_kbps": 9000}, {"queue": 6, "min_rate_kbps": 2000, "max_rate_kbps": 8000, "priority": 0, "burst_kb": 64}]
        reply = connection.reply("SetQueues", node=name, port=f"{name}p1", max_rate_kbps=10000, queues=queues)
        by_number = {queue["queue"]: queue for queue in reply["queues"]}
        same({key: by_number[6][key] for key in queues[1]}, queues[1], "queue 6")
        same(by_number[0]["max_rate_kbps"], 9000, "queue 0")
        qos = lab.switch.vsctl("get", "port", f"{name}p1", "qos")
        same(lab.switch.vsctl("get", "qos", qos, "type"), "linux-htb", "type")
        same(lab.switch.vsctl("get", "qos", qos, "other_config:max-rate").strip('"'), "10000000", "max-rate")
        queue = lab.switch.vsctl("get", "qos", qos, "queues:6")
        same(lab.switch.vsctl("get", "queue", queue, "other_config:min-rate").strip('"'), "2000000", "min-rate")
        reply = connection.reply("SetQueues", node=name, port=1, queues=[])
        same((reply["queues"], lab.switch.vsctl("get", "port", f"{name}p1", "qos")), ([], "[]"), "removed")
        connection.refused("not_found", "payload.port", "SetQueues", node=name, port=99, queues=[])
        connection.refused("not_found", "payload.port", "SetQueues", node=name, port="none", queues=[])
        lab.switch.vsctl("set", "port", f"{name}p2", "qos=@q", "--", "--id=@q", "create", "qos", "type=linux-htb")
        connection.refused("conflict", "payload.port", "SetQueues", node=name, port=2, queues=[{"queue": 1}])
        for path, wrong in (
            ("queues[0].queue", {"queues": [{"queue": -1}]}),
            ("queues[1].queue", {"queues": [{"queue": 1}, {"queue": 1}]}),
            ("queues[0].min_rate_kbps", {"queues": [{"queue": 1, "min_rate_kbps": 20, "max_rate_kbps": 15}]}),
            ("port", {"port": 0, "queues": []}),
            ("queues", {}),
        ):
            connection.refused("invalid_request", f"payload.{path}", "SetQueues", **{"node": name, "port": 1, **wrong})


@check
def without_a_database(lab):
    """A node without ovsdb cannot have its queues set: unsupported; one whose database is away: unavailable."""
    daemon = lab.daemon()
    with daemon.connect() as connection:
        name = lab.connected(daemon, connection)
        error = connection.error("SetQueues", node=name, port=1, queues=[{"queue": 1}])
        same(error["code"], "unsupported", f"{error}")
        connection.reply("AddNode", name="away", datapath_id="0xdddd", ovsdb="unix:/nonexistent/db.sock")
        error = connection.error("SetQueues", node="away", port=1, queues=[{"queue": 1}])
        same(error["code"], "unavailable", f"{error}")
