#!/usr/bin/env python3
"""Relays lines to a Flumen daemon and back, over PyPI's websockets: each line becomes a text frame, each text frame a line.

    relay.py ws://127.0.0.1:8653/v1/ws

Closes the connection when its input ends.
"""

import asyncio
import sys

import websockets


async def relay(url):
    async with websockets.connect(url, subprotocols=["flumen.v1.json"], max_size=None) as socket:
        if socket.subprotocol != "flumen.v1.json":
            sys.exit(f"the daemon chose the subprotocol {socket.subprotocol}")
        answers = asyncio.create_task(print_answers(socket))
        while line := await asyncio.to_thread(sys.stdin.readline):
            await socket.send(line.rstrip("\n"))
    await answers


async def print_answers(socket):
    async for message in socket:
        print(message, flush=True)


asyncio.run(relay(sys.argv[1]))
