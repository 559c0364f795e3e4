# For the scripts that put hosts around a switch inside private-ovs: source it.

# add_host NAME ADDRESS: a network namespace with one link to the switch.
add_host() {
    ip netns add "$1"
    ip link add "$1-port" type veth peer name eth0 netns "$1"
    ip link set "$1-port" up
    ip -n "$1" link set lo up
    ip -n "$1" link set eth0 up
    ip -n "$1" address add "$2/24" dev eth0
    # The userspace datapath does not fill in the checksums that a veth leaves to hardware.
    ip netns exec "$1" ethtool -K eth0 tx off >/dev/null
    ovs-vsctl --timeout=20 add-port br0 "$1-port"
}

# node_is NAME STATE
node_is() { [[ $(flumen node show "$1" --json) =~ \"state\":\ *\"$2\" ]]; }

flumen() { "$FLUMEN_BIN" "$@"; }

title() { printf '\n# %s\n' "$1"; }

show() {
    printf '$ %s\n' "$*"
    "$@"
}

# wait_for WHAT COMMAND...: asks for 15 s.
wait_for() {
    local attempt
    for attempt in $(seq 150); do
        if "${@:2}" >/dev/null 2>&1; then return; fi
        sleep 0.1
    done
    fail "waited for $1 in vain"
}

fail() {
    printf '\n%s: %s\n' "$(basename "$0")" "$1" >&2
    tail -n 20 "$LAB"/*.log >&2
    exit 1
}
