#!/usr/bin/python3
"""A tree of switches, with hosts as its leaves.

              s1
         ┌────┴────┐
         s2        s5
       ┌─┴─┐     ┌─┴─┐
       s3  s4    s6  s7
      h1h2 h3h4 h5h6 h7h8

Start a daemon, then this in a second terminal:

    flumen serve --admission adopt
    sudo testbed/mininet/tree.py
"""

from machine import Topology, main


def tree(topo, depth, fanout):
    grow(topo, depth, fanout, {"s": 0, "h": 0})


def grow(topo, depth, fanout, last):
    """A subtree; `last` counts the switches and hosts that there are. Returns its root."""
    kind = "s" if depth > 0 else "h"
    last[kind] += 1
    root = f"{kind}{last[kind]}"
    if depth == 0:
        return topo.addHost(root)
    topo.addSwitch(root)
    for _ in range(fanout):
        topo.addLink(root, grow(topo, depth - 1, fanout, last))
    return root


TOPOLOGY = Topology(tree, depth=(3, "levels of switches"), fanout=(2, "branches of each switch"))

if __name__ == "__main__":
    main(TOPOLOGY, __doc__)
