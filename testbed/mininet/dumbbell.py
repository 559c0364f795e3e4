#!/usr/bin/python3
"""The classic dumbbell: hosts on both sides, and one narrow link that all of them share.

    h1 ─┐                        ┌─ h4
    h2 ─┤ s1 ═══ bottleneck ═══ s2 ├─ h5
    h3 ─┘                        └─ h6

Both ends of the link send what --bottleneck-kbps says and queue --packets packets; what comes on top is lost, whatever
it is. (linux-htb with a pfifo on the switches' ports, so it works with every datapath.)

Start a daemon, then this in a second terminal:

    flumen serve --admission adopt
    sudo testbed/mininet/dumbbell.py
"""

from machine import Topology, main


def dumbbell(topo, pairs, bottleneck_kbps, packets):
    topo.addSwitch("s1")
    topo.addSwitch("s2")
    topo.addLink("s1", "s2", bottleneck_kbps=bottleneck_kbps, packets=packets)
    for number in range(1, pairs + 1):
        topo.addLink(topo.addHost(f"h{number}"), "s1")
    for number in range(pairs + 1, 2 * pairs + 1):
        topo.addLink(topo.addHost(f"h{number}"), "s2")


TOPOLOGY = Topology(
    dumbbell,
    pairs=(3, "hosts on each side"),
    bottleneck_kbps=(10000, "rate of the link between the switches, in kbit/s"),
    packets=(60, "packets that each end of that link queues"),
)

if __name__ == "__main__":
    main(TOPOLOGY, __doc__)
