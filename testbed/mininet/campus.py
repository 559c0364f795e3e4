#!/usr/bin/python3
"""A campus of 20 switches: two cores, three buildings at each, two floors in each, and a host on every floor.

              s1 ═══════ s2                 core
           ┌──┼──┐    ┌──┼──┐
          s3  s4 s5  s6  s7 s8              buildings
          ││  ││ ││  ││  ││ ││
       s9 s10   ...         s19 s20         floors, with h1 to h12

There is one way only between any two of them: the switches forward like ordinary ones, without a spanning tree.

Start a daemon, then this in a second terminal:

    flumen serve --admission adopt
    sudo testbed/mininet/campus.py
"""

from machine import Topology, main

CORES = 2
BUILDINGS = 6
FLOORS = 12


def campus(topo, hosts):
    switches = [topo.addSwitch(f"s{number}") for number in range(1, CORES + BUILDINGS + FLOORS + 1)]
    cores, buildings, floors = switches[:CORES], switches[CORES : CORES + BUILDINGS], switches[CORES + BUILDINGS :]
    topo.addLink(*cores)
    for lower, upper in ((buildings, cores), (floors, buildings)):
        for number, switch in enumerate(lower):
            topo.addLink(switch, upper[number * len(upper) // len(lower)])
    for number in range(hosts * FLOORS):
        topo.addLink(topo.addHost(f"h{number + 1}"), floors[number // hosts])


TOPOLOGY = Topology(campus, hosts=(1, "hosts on each floor"))

if __name__ == "__main__":
    main(TOPOLOGY, __doc__)
