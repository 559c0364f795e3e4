//! Real packets through the userspace datapath of Open vSwitch: hosts in network namespaces, and Mininet.

use std::process::Command;

use crate::support::{binary, have, have_root, project, spawned};

/// Runs a script of the testbed, which works on a machine of its own, and returns what it printed.
fn run_script(script: &str, needed: &[&str]) -> Option<String> {
    run_script_with(script, &[], needed)
}

fn run_script_with(script: &str, arguments: &[&str], needed: &[&str]) -> Option<String> {
    if !have_root() || !have(&["ovs-vswitchd", "unshare", "ip", "tcpdump"]) || !have(needed) {
        return None;
    }
    let mut command: Command = spawned(project().join("testbed").join(script));
    let run = command.args(arguments).env("FLUMEN_BIN", binary()).output().unwrap();
    let said = String::from_utf8_lossy(&run.stdout).into_owned() + &String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{script}: {}\n{said}", run.status);
    Some(said)
}

#[test]
fn the_packets_of_a_voice_flow_leave_the_switch_marked_and_others_do_not() {
    let Some(said) = run_script("demo-ovs", &["ethtool", "ping"]) else { return };
    assert!(said.contains("(tos 0xb8,") && said.contains("(tos 0x0,"), "{said}");
}

#[test]
fn queues_are_the_same_in_the_database_the_kernel_and_openflow_and_gone_when_removed() {
    let Some(said) = run_script("queues", &["ethtool", "tc", "python3"]) else { return };
    assert!(said.contains("Database, kernel and switch agreed, and nothing is left."), "{said}");
}

#[test]
fn three_switches_of_mininet_are_adopted_forward_packets_and_take_a_flow() {
    let arguments = ["--short", "reach_linear"];
    let Some(said) = run_script_with("mininet/run", &arguments, &["mn", "mnexec", "ethtool", "ping"]) else { return };
    let arrived = "20 of 20 IPv4 packets from h1 to port 5004 of h3 arrived, tos 0xb8";
    assert!(said.contains("is applied on 3 nodes") && said.contains(arrived), "{said}");
}

#[test]
fn a_rate_limit_holds_streams_and_is_lifted_and_every_class_arrives_with_its_mark() {
    let Some(said) = run_script("qos", &["ethtool", "ping", "iperf3", "python3"]) else { return };
    for line in ["TCP, limited: ", "UDP, limited: ", "UDP of both together: ", "voice 46 6002 0xb8", "no meter is left"]
    {
        assert!(said.contains(line), "{line:?} is not in\n{said}");
    }
}

#[test]
fn the_check_that_nothing_is_left_behind_sees_each_kind_of_thing_that_is() {
    let leave = r#"
        group=/sys/fs/cgroup/flumen-left-$$
        mkdir "$group"
        "$0" --patience 0.1 sh -c '
            ip link add left type bridge && ip address add 10.9.9.9/32 dev lo && ip netns add left
            iptables -A FORWARD --source 10.9.9.9 -j DROP && iptables -N left && mount -t tmpfs left /mnt && tc qdisc add dev lo root handle 7: pfifo && touch "$TMPDIR/left"
            mkdir "$1/more" && setsid sleep 1000 &' sh "$group"
        echo "exit $?"
        rmdir "$group/more" "$group""#;
    let check = project().join("testbed/leaves-nothing");
    let arguments = ["sh", "-c", leave, check.to_str().unwrap()];
    let Some(said) = run_script_with("private-ovs", &arguments, &["tc", "iptables", "python3"]) else { return };
    for thing in [
        "process ",
        "file ",
        "link left",
        "address lo",
        "qdisc pfifo 7:",
        "network namespace ",
        "firewall rule -A FORWARD",
        "firewall rule :left",
        "mount ",
        "control group ",
    ] {
        assert!(said.contains(&format!("left behind: {thing}")), "{thing:?} is not in\n{said}");
    }
    assert!(said.contains("exit 1"), "{said}");
}

#[test]
fn a_machine_of_its_own_is_gone_with_its_script_even_when_that_is_killed() {
    let end_it = r#"
        for signal in TERM KILL; do
            "$0" sh -c 'echo up && exec sleep 1000' >"$TMPDIR/said" &
            script=$!
            timeout 30 sh -c 'until grep -q up "$TMPDIR/said"; do sleep 0.05; done'
            kill -$signal $script
        done
        wait
        rm -rf "$TMPDIR/said" "$TMPDIR"/flumen-lab-*"#;
    let machine = project().join("testbed/private-ovs");
    let arguments = ["--patience", "20", "sh", "-c", end_it, machine.to_str().unwrap()];
    let Some(said) = run_script_with("leaves-nothing", &arguments, &["tc", "python3", "setpriv"]) else { return };
    assert!(said.contains("nothing is left behind"), "{said}");
}
