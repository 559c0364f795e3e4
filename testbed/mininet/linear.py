#!/usr/bin/python3
"""Switches in a row, a host at each.

    h1    h2    h3
    │     │     │
    s1 ── s2 ── s3

Start a daemon, then this in a second terminal:

    flumen serve --admission adopt
    sudo testbed/mininet/linear.py
"""

from machine import Topology, main


def linear(topo, switches):
    for number in range(1, switches + 1):
        switch = topo.addSwitch(f"s{number}")
        topo.addLink(topo.addHost(f"h{number}"), switch)
        if number > 1:
            topo.addLink(f"s{number - 1}", switch)


TOPOLOGY = Topology(linear, switches=(3, "switches"))

if __name__ == "__main__":
    main(TOPOLOGY, __doc__)
