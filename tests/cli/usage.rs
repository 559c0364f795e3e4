//! Wrong usage ends with 2, before anything is done, and says what is allowed.

use std::fs;

use crate::binary::{flumen, run};

const INSTALL: &str = "flow install --source 10.0.1.0/24 --destination 10.0.2.0/24 --traffic-type voice";

/// A command line after `INSTALL`, and words that the complaint holds.
const INSTALLS: &[(&str, &[&str])] = &[
    ("--source 10.0.0.0/24", &["--source", "cannot be used multiple times"]),
    ("--priority 0", &["'--priority <N>'", "1..=65535"]),
    ("--priority 65536", &["'--priority <N>'", "1..=65535"]),
    ("--priority -1", &["'--priority <N>'", "1..=65535"]),
    ("--priority high", &["'--priority <N>'", "invalid digit"]),
    ("--dscp 64", &["'--dscp <N>'", "0..=63"]),
    ("--dscp EF", &["'--dscp <N>'"]),
    ("--queue 4294967295", &["'--queue <N>'", "4294967294"]),
    ("--rate-kbps 0", &["'--rate-kbps <N>'"]),
    ("--burst-kb 8", &["--rate-kbps"]),
    ("--protocol ip", &["'--protocol <PROTOCOL>'", "tcp, udp, sctp, icmp"]),
    ("--protocol udp --destination-port 70000", &["'--destination-port <PORTS>'", "0 to 65535"]),
    ("--protocol udp --destination-port 9-8", &["'--destination-port <PORTS>'", "8-9"]),
    ("--destination-port 5060", &["--destination-port needs protocol"]),
    ("--source-port 5060 --protocol icmp", &["--source-port needs protocol"]),
    ("--forward flood", &["'--forward <WHERE>'", "normal, drop, port:N"]),
    ("--forward table:255", &["'--forward <WHERE>'", "0 to 254"]),
    ("--forward port:", &["'--forward <WHERE>'"]),
    ("--forward port:2 --bidirectional", &["--bidirectional cannot be"]),
    ("--node s1 --node s1", &["--node", "listed before"]),
    ("--node a/b", &["'--node <NAME>'", "letters"]),
    ("--idle-timeout 65536", &["'--idle-timeout <SECONDS>'", "65535"]),
    ("--hard-timeout -1", &["'--hard-timeout <SECONDS>'"]),
    ("--timeout-ms 4294967296", &["'--timeout-ms <MS>'"]),
    ("--wait for-ever", &["'--wait <FOR>'", "applied, accepted"]),
    ("--on-conflict ignore", &["'--on-conflict <WHAT>'", "warn, refuse"]),
    ("--colour red", &["--colour"]),
];

/// A whole command line, and words that the complaint holds.
const OTHERS: &[(&str, &[&str])] = &[
    ("", &["Usage: flumen"]),
    ("serv", &["'serve'"]),
    ("flow", &["Usage: flumen flow"]),
    ("flow install", &["--source <PREFIX>", "--destination <PREFIX>", "--traffic-type <CLASS>"]),
    (
        "flow install --source 10.0.0.1/24 --destination any --traffic-type voice",
        &["'--source <PREFIX>'", "has host bits set beyond /24 in 10.0.0.1/24: the prefix is 10.0.0.0/24"],
    ),
    ("flow install --source 10.0.0.0/33 --destination any --traffic-type voice", &["33"]),
    ("flow install --source host --destination any --traffic-type voice", &["an IPv4 or IPv6 address or prefix"]),
    ("flow install --source 10.0.0.1 --destination ::1 --traffic-type voice", &["--destination", "same family"]),
    ("flow remove", &["FLOW_ID", "--all"]),
    ("flow remove --all --node s1", &["--all"]),
    ("flow remove f --all", &["--all"]),
    ("flow remove f --node s1", &["--node"]),
    ("flow show", &["<FLOW_ID>"]),
    ("flow show a b", &["'b'"]),
    ("flow list --state done", &["'--state <STATE>'", "applied"]),
    ("flow list --limit 0", &["'--limit <N>'", "1..=10000"]),
    ("flow list --limit 10001", &["'--limit <N>'", "1..=10000"]),
    ("node add s1", &["--datapath-id is required unless address is given"]),
    ("node add s/1 --datapath-id 1", &["letters"]),
    ("node add s1 --datapath-id 0x1ffffffffffffffff", &["'--datapath-id <ID>'", "16 hex digits"]),
    ("node add s1 --address 10.0.0.1:6653", &["'--address <ADDRESS>'", "tcp:HOST:PORT"]),
    ("node add s1 --datapath-id 1 --ovsdb db", &["'--ovsdb <ADDRESS>'", "unix:PATH"]),
    ("node add s1 --datapath-id 1 --label site", &["KEY=VALUE"]),
    ("node remove", &["<NAME>"]),
    ("node remove s1 --flows keep", &["remove, leave"]),
    ("queues set s1 1", &["--queue <N[:KEY=VALUE,...]>"]),
    ("queues set s1 1 --queue 61440", &["the number must be a whole number from 0 to 61439"]),
    ("queues set s1 1 --queue 1:min=11", &["min must be a whole number from 12 to 4294967295"]),
    ("queues set s1 1 --queue 1:priority=8", &["priority must be a whole number from 0 to 7"]),
    ("queues set s1 1 --queue 1:burst=", &["burst must be a whole number"]),
    ("queues set s1 1 --queue 1:rate=5", &["one of min=, max=, burst=, priority="]),
    ("queues set s1 1 --queue 1:", &["one of min=, max=, burst=, priority="]),
    ("queues set s1 1 --queue 1:min=20,min=30", &["min is given twice"]),
    ("queues set s1 1 --queue 1 --queue 1", &["is listed before"]),
    ("queues set s1 1 --queue 1:min=20,max=19", &["above the queue's max_rate_kbps of 19"]),
    ("queues set s1 1 --max-rate-kbps 30 --queue 1:max=31", &["above the port's max_rate_kbps of 30"]),
    ("queues set s1 1 --max-rate-kbps 11 --queue 1", &["--max-rate-kbps <N>", "11"]),
    ("queues set s1 0 --queue 1", &["a port number from 1 to 4294967294"]),
    ("queues show", &["<NODE>"]),
    ("queues remove s1", &["<PORT>"]),
    ("serve --listen 8653", &["'--listen <ADDRESS:PORT>'", "an IP address and a port"]),
    ("serve --openflow localhost:6653", &["'--openflow <ADDRESS:PORT>'", "an IP address and a port"]),
    ("serve --admission all", &["discover, adopt, registered"]),
    ("serve --table-miss flood", &["normal, drop, controller, none"]),
    ("serve --log a=b=c", &["'--log <FILTER>'"]),
    ("serve --log-format xml", &["text, json"]),
    ("--url 127.0.0.1:8653 info", &["'--url <URL>'", "ws://HOST:PORT/v1/ws"]),
    ("--url http://127.0.0.1 info", &["'--url <URL>'", "ws://"]),
    ("--token-file /nowhere/token info", &["/nowhere/token", "No such file"]),
    ("--color sometimes info", &["auto, always, never"]),
    ("completions tcsh", &["bash"]),
    ("emulate", &["--connect <HOST:PORT>"]),
    ("emulate --connect 6653", &["HOST:PORT"]),
    ("emulate --connect 127.0.0.1:1 --switches 0", &["'--switches <N>'"]),
    ("emulate --connect 127.0.0.1:1 --switches 2 --datapath-id ffffffffffffffff", &["datapath ids"]),
    ("info now", &["'now'"]),
];

#[test]
fn every_wrong_usage_ends_with_2_and_says_what_is_allowed() {
    let installs = INSTALLS.iter().map(|(rest, words)| (format!("{INSTALL} {rest}"), words));
    let others = OTHERS.iter().map(|(line, words)| ((*line).to_owned(), words));
    for (line, words) in installs.chain(others) {
        let ended = run(&mut flumen(line.split_whitespace()));
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{line}: {}", ended.stderr);
        for word in *words {
            assert!(ended.stderr.contains(word), "{line}: {word:?} is not in: {}", ended.stderr);
        }
    }
}

#[test]
fn a_token_that_cannot_be_one_is_wrong_usage_and_is_not_shown() {
    let ended = run(flumen(["info"]).env("FLUMEN_TOKEN", "two words")).with(2);
    assert!(ended.stderr.contains("FLUMEN_TOKEN") && !ended.stderr.contains("two words"), "{}", ended.stderr);
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("token");
    fs::write(&file, "\n").unwrap();
    run(&mut flumen(["--token-file", file.to_str().unwrap(), "info"])).with(2);
}

#[test]
fn without_a_place_for_the_state_the_daemon_does_not_start() {
    let mut command = flumen(["serve"]);
    command.env_remove("HOME").env_remove("XDG_STATE_HOME");
    assert!(run(&mut command).with(2).stderr.contains("--data DIR"));
}

#[test]
fn a_daemon_that_cannot_be_reached_ends_with_3_and_a_hint() {
    for (url, words) in [
        ("ws://127.0.0.1:1", ["connection refused", "flumen serve"]),
        (
            "ws://localhost",
            ["connection refused", "that is port 80; a daemon listens on 8653 by default: --url ws://localhost:8653"],
        ),
        (
            "wss://localhost",
            ["connection refused", "that is port 443; a daemon listens on 8653 by default: --url wss://localhost:8653"],
        ),
        ("wss://[::1]", ["--url", "that is port 443; a daemon listens on 8653 by default: --url wss://[::1]:8653"]),
        ("ws://host.invalid:8653", ["cannot be resolved", "--url"]),
    ] {
        for command in [&["info"][..], &["flow", "list", "--json"], &["node", "show", "s1"]] {
            let ended = run(flumen(command.iter().copied()).env("FLUMEN_URL", url)).with(3);
            assert_eq!(ended.stdout, "");
            assert_eq!(ended.stderr.lines().count(), 2, "{}", ended.stderr);
            for word in words {
                assert!(ended.stderr.contains(word), "{url}: {word:?} is not in: {}", ended.stderr);
            }
        }
    }
}

#[test]
fn the_option_wins_over_the_environment() {
    let ended = run(flumen(["--url", "ws://127.0.0.1:1", "info"]).env("FLUMEN_URL", "ws://127.0.0.1:2")).with(3);
    assert!(ended.stderr.contains("ws://127.0.0.1:1/v1/ws"), "{}", ended.stderr);
}
