"""A topology or a scenario on a machine of its own (see testbed/private-ovs), seen from outside.

Knows nothing of Mininet, so that `--help` and the first run on a clean machine need none of its packages. What runs
inside reaches a daemon outside through a relay: the listening sockets are made inside and handed out, so nothing has to
be set up on any network.
"""

import argparse
import os
import signal
import socket
import subprocess
import sys
import threading

TESTBED = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PROJECT = os.path.dirname(TESTBED)
sys.path.append(TESTBED)
FLUMEN = os.environ.get("FLUMEN_BIN") or os.path.join(PROJECT, "target/release/flumen")

# What a script ends with inside its machine when Mininet hangs: now and then it waits for ever for a shell's prompt.
MININET_HANGS = 75

# Where the inside finds the socket that the relay's listening sockets are handed out through.
RELAY = "FLUMEN_TESTBED_RELAY"


class Topology:
    """A network by name: what builds it on a mininet.topo.Topo, and the numbers that it takes with their meaning."""

    def __init__(self, build, **numbers):
        self.name = build.__name__
        self.build = build
        self.numbers = numbers

    def defaults(self):
        return {name: default for name, (default, _) in self.numbers.items()}


def inside():
    """True on the machine of its own."""
    return "LAB" in os.environ


def need_root():
    if os.geteuid() != 0:
        sys.exit(f"{os.path.basename(sys.argv[0])}: needs root, for network namespaces")


def install_packages():
    subprocess.run([f"{TESTBED}/prerequisites", "packages"], check=True)


def install_everything():
    subprocess.run([f"{TESTBED}/prerequisites"], check=True)


def run(arguments, relay_to=None, terminal=False, **options):
    """Runs a Python script inside; on another machine when Mininet did not come up on the first ones. Its exit code."""
    for _ in range(3):
        code = run_once(arguments, relay_to, terminal, options)
        if code != MININET_HANGS:
            break
        print("Mininet hung before its network was up: once more", flush=True)
    return code


def run_once(arguments, relay_to, terminal, options):
    ours, theirs = socket.socketpair()
    environment = {**os.environ, **options.pop("environment", {})}
    if relay_to:
        environment[RELAY] = str(theirs.fileno())
    # Mininet is a package of the system's Python, whatever python3 the path has first.
    command = [f"{TESTBED}/private-ovs", *(["--terminal"] if terminal else []), "/usr/bin/python3", "-B", *arguments]
    with ours, subprocess.Popen(command, env=environment, pass_fds=[theirs.fileno()], **options) as machine:
        theirs.close()
        try:
            if relay_to:
                threading.Thread(target=relay, args=(ours, relay_to), daemon=True).start()
            return machine.wait()
        finally:
            machine.terminate()


def relay(handed_out, addresses):
    """Carries each connection that is made inside to the address outside; one listening socket for each, in order."""
    _, listeners, _, _ = socket.recv_fds(handed_out, 1, len(addresses))
    for listener, address in zip(listeners, addresses):
        threading.Thread(target=accept, args=(socket.socket(fileno=listener), address), daemon=True).start()


def accept(listener, address):
    while True:
        near, _ = listener.accept()
        try:
            far = socket.create_connection(address)
        except OSError:
            near.close()
            continue
        for source, sink in ((near, far), (far, near)):
            threading.Thread(target=carry, args=(source, sink), daemon=True).start()


def carry(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def hand_out_relay(ports):
    """Inside: listens on loopback for the relay outside to carry on."""
    handed_out = socket.socket(fileno=int(os.environ.pop(RELAY)))
    listeners = [socket.create_server(("127.0.0.1", port), backlog=128) for port in ports]
    socket.send_fds(handed_out, [b"x"], [listener.fileno() for listener in listeners])
    for open_socket in [*listeners, handed_out]:
        open_socket.close()


def address(text):
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT")
    return host.strip("[]"), int(port)


def main(topology, about):
    """The command line of a topology's file: its network, connected to a daemon that runs, and Mininet's prompt."""
    parser = argparse.ArgumentParser(
        description=about,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="Needs root. Installs the packages that are missing. Everything runs on a machine of its own, and is "
        "gone with the prompt.",
    )
    parser.add_argument(
        "--controller",
        type=address,
        default="127.0.0.1:6653",
        metavar="HOST:PORT",
        help="where Flumen listens for switches (default: %(default)s)",
    )
    parser.add_argument(
        "--datapath",
        choices=("user", "kernel"),
        default="user",
        help="Open vSwitch's datapath; kernel needs the kernel's openvswitch module (default: %(default)s)",
    )
    for name, (default, meaning) in topology.numbers.items():
        option = f"--{name.replace('_', '-')}"
        parser.add_argument(option, type=int, default=default, metavar="N", help=f"{meaning} (default: {default})")
    chosen = parser.parse_args()
    if inside():
        import lab

        signal.signal(signal.SIGINT, signal.default_int_handler)
        hand_out_relay([6653])
        lab.prompt(topology, {name: getattr(chosen, name) for name in topology.numbers}, chosen.datapath)
        return
    need_root()
    install_packages()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(130))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(run([os.path.abspath(sys.argv[0]), *sys.argv[1:]], relay_to=[chosen.controller], terminal=True))
