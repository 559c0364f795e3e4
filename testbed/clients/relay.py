#!/usr/bin/env python3
"""Relays lines to a Flumen daemon and back, over PyPI's websockets: each line becomes a frame, each frame a line.

    relay.py [--msgpack] ws://127.0.0.1:8653/v1/ws

With --msgpack the frames are MessagePack, written and read by PyPI's msgpack; lines are JSON either way, and one that is
no JSON is sent as the bytes that it has. Closes the connection when its input ends.
"""

import asyncio
import json
import sys

import websockets


def to_msgpack(line):
    import msgpack

    try:
        return msgpack.packb(json.loads(line))
    except json.JSONDecodeError:
        return line.encode()


def from_msgpack(frame):
    import msgpack

    if not isinstance(frame, bytes):
        sys.exit(f"not a binary frame: {frame}")
    return json.dumps(msgpack.unpackb(frame, strict_map_key=True))


async def relay(url, subprotocol, encode, decode):
    async with websockets.connect(url, subprotocols=[subprotocol], max_size=None) as socket:
        if socket.subprotocol != subprotocol:
            sys.exit(f"the daemon chose the subprotocol {socket.subprotocol}")
        answers = asyncio.create_task(print_answers(socket, decode))
        while line := await asyncio.to_thread(sys.stdin.readline):
            await socket.send(encode(line.rstrip("\n")))
    await answers


async def print_answers(socket, decode):
    async for message in socket:
        print(decode(message), flush=True)


if sys.argv[1] == "--msgpack":
    asyncio.run(relay(sys.argv[2], "flumen.v1.msgpack", to_msgpack, from_msgpack))
else:
    asyncio.run(relay(sys.argv[1], "flumen.v1.json", str, str))
