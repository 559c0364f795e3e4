"""What scripts of the testbed expect and wait for, each told in a sentence when it does not come."""

import time

# Seconds: what comes at all comes long before, also on a machine that has much else to do.
PATIENCE = 180


class Failed(Exception):
    """What was expected, and what was there instead."""


def expect(holds, otherwise):
    if not holds:
        raise Failed(otherwise)


def wait_for(what, probe, seconds=PATIENCE, pause=0.1):
    """Asks until there is an answer, and returns it."""
    deadline = time.monotonic() + seconds
    while True:
        if answer := probe():
            return answer
        if time.monotonic() > deadline:
            raise Failed(f"waited {seconds} s in vain for {what}")
        time.sleep(pause)
