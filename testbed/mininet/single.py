#!/usr/bin/python3
"""One switch and its hosts.

    h1 ─┬─ s1 ─┬─ h3
    h2 ─┘      └─ h4

Start a daemon, then this in a second terminal:

    flumen serve --admission adopt
    sudo testbed/mininet/single.py
"""

from machine import Topology, main


def single(topo, hosts):
    topo.addSwitch("s1")
    for number in range(1, hosts + 1):
        topo.addLink(topo.addHost(f"h{number}"), "s1")


TOPOLOGY = Topology(single, hosts=(4, "hosts"))

if __name__ == "__main__":
    main(TOPOLOGY, __doc__)
