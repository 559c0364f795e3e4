"""Envelope: ids, errors and what they name, and that the connection goes on after each."""

import json
import re

from checks import check
from lab import holds, same

TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")
FLOW = {"source": "10.0.0.1", "destination": "10.0.0.2", "traffic_type": "voice"}


@check
def fields_of_answers(lab):
    """A Reply has type, id, command, payload and timestamp; an Error has type, id, error and timestamp; nothing else."""
    with lab.daemon().connect() as connection:
        reply, error = connection.ask("GetInfo"), connection.ask("GetNode", name="none")
        same(sorted(reply), ["command", "id", "payload", "timestamp", "type"], "fields of a Reply")
        same(sorted(error), ["error", "id", "timestamp", "type"], "fields of an Error")
        holds(set(error["error"]) <= {"code", "message", "path"}, f"{error}")
        for answer in (reply, error):
            holds(TIME.match(answer["timestamp"]), answer["timestamp"])


@check
def ids(lab):
    """An id is a string of 1 to 128 characters, comes back as it was, and may be used again after its answer."""
    with lab.daemon().connect() as connection:
        for id in ("a", "a", "x" * 128, "ключ \u00e9 🔑", "\u0000\"\\"):
            same(connection.answer(connection.send("GetInfo", id=id))["type"], "Reply", f"id {id!r}")
        for wrong in ("", "x" * 129, None, 5, ["a"], {"a": 1}, True):
            answer = connection.raw(json.dumps({"type": "GetInfo", "id": wrong, "payload": {}}))
            same((answer["type"], answer["id"]), ("Error", None), f"id {wrong!r:.20}")
            same((answer["error"]["code"], answer["error"]["path"]), ("invalid_request", "id"), f"id {wrong!r:.20}")
        answer = connection.raw('{"type":"GetInfo"}')
        same((answer["id"], answer["error"]["code"]), (None, "invalid_request"), "no id")


@check
def ids_in_flight(lab):
    """An id that is in flight on this connection is a conflict with the id echoed; on another connection it means nothing."""
    daemon = lab.daemon()
    with daemon.connect() as connection, daemon.connect() as other:
        name = lab.connected(daemon, connection)
        # So many that the second request comes before they are done.
        many = [{**FLOW, "nodes": [name], "source": f"10.1.{k // 250}.{k % 250}"} for k in range(2000)]
        batch = json.dumps({"type": "InstallFlows", "id": "one", "payload": {"flows": many}})
        connection.socket.send(batch)
        connection.socket.send(json.dumps({"type": "GetInfo", "id": "one"}))
        answers = [connection.take(lambda message: message["id"] == "one", "an answer") for _ in range(2)]
        same(sorted(answer["type"] for answer in answers), ["Error", "Reply"], "one of each")
        error = next(answer for answer in answers if answer["type"] == "Error")["error"]
        same((error["code"], error["path"]), ("conflict", "id"), "the error")
        same(other.answer(other.send("GetInfo", id="one"))["type"], "Reply", "on another connection")
        same(connection.answer(connection.send("GetInfo", id="one"))["type"], "Reply", "after its answer")


@check
def bad_json(lab):
    """What is not valid JSON is invalid_json with id null, and the connection goes on."""
    with lab.daemon().connect() as connection:
        for text in ("", "{", "hello", '{"type":"GetInfo","id":"a",}', '{"type":"GetInfo","id":"a","payload":{"x":NaN}}', "{} {}"):
            answer = connection.raw(text)
            same((answer["type"], answer["id"], answer["error"]["code"]), ("Error", None, "invalid_json"), text)
        connection.reply("GetInfo")


@check
def strictness(lab):
    """Unknown fields, duplicate keys, wrong types and out-of-range numbers are invalid_request, and the path names the place."""
    with lab.daemon().connect() as connection:
        refused = lambda text, path: same(
            [connection.raw(text)["error"].get(key) for key in ("code", "path")], ["invalid_request", path], text
        )
        refused('{"type":"GetInfo","id":"a","colour":1}', "colour")
        refused('{"type":"GetInfo","id":"a","id":"b"}', "id")
        refused('{"type":"GetInfo","id":"a","payload":{},"payload":{}}', "payload")
        refused('{"type":"GetInfo","id":"a","payload":[]}', "payload")
        refused('{"type":"GetInfo","id":"a","payload":null}', "payload")
        refused('{"type":"GetInfo","id":"a","payload":{"x":1}}', "payload.x")
        refused('{"type":7,"id":"a"}', "type")
        refused('{"id":"a"}', "type")
        flow = lambda fields: '{"type":"InstallFlow","id":"a","payload":{"source":"10.0.0.1","destination":"10.0.0.2","traffic_type":"voice",%s}}' % fields
        for fields, path in (
            ('"priority":65536', "priority"),
            ('"priority":0', "priority"),
            ('"priority":-1', "priority"),
            ('"priority":1.0', "priority"),
            ('"priority":1e3', "priority"),
            ('"priority":"7"', "priority"),
            ('"priority":18446744073709551616', "priority"),
            ('"priority":1,"priority":1', "priority"),
            ('"dscp":64', "dscp"),
            ('"queue":4294967296', "queue"),
            ('"idle_timeout":65536', "idle_timeout"),
            ('"bidirectional":"true"', "bidirectional"),
            ('"nodes":"s1"', "nodes"),
            ('"nodes":["a b"]', "nodes[0]"),
            ('"rate_limit":{"rate_kbps":1,"rate":2}', "rate_limit.rate"),
            ('"rate_limit":{"rate_kbps":0}', "rate_limit.rate_kbps"),
            ('"forward":{"table":256}', "forward.table"),
            ('"flow_id":""', "flow_id"),
        ):
            refused(flow(fields), f"payload.{path}")
        flows = [dict(FLOW) for _ in range(18)]
        flows[17]["source"] = "10.0.0.1/24"
        answer = connection.ask("InstallFlows", flows=flows)
        same((answer["error"]["code"], answer["error"]["path"]), ("invalid_request", "payload.flows[17].source"), "in a list")
        holds("10.0.0.0/24" in answer["error"]["message"], answer["error"]["message"])
        same(connection.error("InstallFlow", **{**FLOW, "priority": 65536})["message"].count("65535"), 1, "what is allowed")
        connection.reply("GetInfo")


@check
def unknown_command(lab):
    """There is no command Frobnicate: unknown_command, the id echoed."""
    with lab.daemon().connect() as connection:
        for name in ("Frobnicate", "installflow", ""):
            answer = connection.answer(connection.send(name, id="mine"))
            same(answer["error"]["code"], "unknown_command", name)


@check
def one_answer_each(lab):
    """Each command is answered exactly once, in any order."""
    with lab.daemon().connect() as connection:
        sent = [connection.send("GetInfo" if k % 3 else "ListNodes") for k in range(3000)]
        seen = {connection.take(lambda message: True, "an answer")["id"] for _ in sent}
        same(seen, set(sent), "ids")
        connection.reply("GetInfo")
        same(connection.waiting, [], "messages beyond the answers")
