//! The binary against a real daemon with emulated switches behind it.

use std::process::Stdio;

use crate::binary::flumen;
use crate::stage::Stage;

const VOICE: &str = "flow install --source 10.0.1.0/24 --destination 10.0.2.0/24 --traffic-type voice --flow-id voice";

/// The table-miss rule of Flumen takes one place.
const ROOM_FOR_TWO: usize = 3;

#[test]
fn a_flow_lives_from_install_to_removal() {
    let stage = Stage::set();
    let (switch, _token) = stage.connected("s1", 0xa1, 100);
    let shown = stage.flumen(VOICE).with(0).stdout;
    assert!(shown.lines().any(|line| line == "state         applied"), "{shown}");
    assert!(switch.flows_as_text().contains("nw_src=10.0.1.0/24,nw_dst=10.0.2.0/24"), "{}", switch.flows_as_text());
    let list = stage.flumen("flow list").with(0).stdout;
    let row = list.lines().nth(1).unwrap();
    let cells: Vec<&str> = row.split_whitespace().collect();
    assert_eq!(cells, ["voice", "applied", "10.0.1.0/24", "10.0.2.0/24", "voice", "46000", "s1"]);
    // The same again is harmless, something else by the same name is not.
    stage.flumen(VOICE).with(0);
    stage.flumen(&format!("{VOICE} --priority 7")).with(1);
    stage.flumen("flow remove voice").with(0);
    assert!(!switch.flows_as_text().contains("10.0.1.0"));
    assert_eq!(stage.flumen("flow list --json").with(0).stdout, "{\"flows\":[],\"next_cursor\":null}\n");
}

#[test]
fn a_rule_whose_place_is_taken_is_refused_with_what_to_do() {
    let stage = Stage::set();
    let _switch = stage.connected("s1", 1, 100);
    stage.flumen(VOICE).with(0);
    let taken = stage.flumen(&format!("{VOICE}2")).with(1).stderr;
    assert!(taken.contains("hint: --replace takes that rule's place"), "{taken}");
    let other = stage.flumen(&format!("{VOICE} --priority 7")).with(1).stderr;
    assert!(other.contains("another flow_id") && !other.contains("--replace"), "{other}");
    stage.flumen(&format!("{VOICE}2 --priority 7")).with(0);
    stage.flumen(&format!("{VOICE}3 --replace")).with(0);
}

#[test]
fn what_the_switch_refuses_ends_with_1_and_the_switchs_own_error() {
    let stage = Stage::set();
    let _switch = stage.connected("s1", 1, ROOM_FOR_TWO);
    for host in 1..=2 {
        stage.flumen(&format!("{VOICE}{host} --source-port {host} --protocol udp")).with(0);
    }
    let refused = stage.flumen(&format!("{VOICE} --protocol tcp")).with(1);
    assert!(refused.stdout.contains("rejected"), "{}", refused.stdout);
    assert!(refused.stderr.contains("s1: rejected: FLOW_MOD_FAILED TABLE_FULL: "), "{}", refused.stderr);
    assert!(refused.stderr.contains("flumen flow remove voice"), "{}", refused.stderr);
    let json = stage.flumen("--json flow show voice").with(0).stdout;
    assert!(json.contains(r#""error":{"type":"FLOW_MOD_FAILED","code":"TABLE_FULL","#), "{json}");
}

#[test]
fn a_switch_that_is_away_ends_with_1_unless_accepted_was_asked_for() {
    let stage = Stage::set();
    let added = stage.flumen("node add s1 --datapath-id 1").with(0);
    assert!(added.stderr.contains("has not connected yet"), "{}", added.stderr);
    let waiting = stage.flumen(VOICE).with(1);
    assert!(waiting.stderr.contains("s1: accepted: the switch is away"), "{}", waiting.stderr);
    stage.flumen(&format!("{VOICE}2 --priority 9 --wait accepted")).with(0);
    let _switch = stage.switch(1, 100);
    stage.wait_for("s1", "connected");
    assert!(stage.flumen("flow show voice").with(0).stdout.contains("state         applied"));
}

#[test]
fn a_dry_run_sends_nothing_and_shows_what_it_would() {
    let stage = Stage::set();
    let (switch, _token) = stage.connected("s1", 1, 100);
    let before = switch.journal().len();
    let shown = stage.flumen(&format!("{VOICE} --dry-run")).with(0).stdout;
    assert!(shown.contains("planned") && shown.contains("priority=46000,ip,nw_src=10.0.1.0/24"), "{shown}");
    assert_eq!(switch.journal().len(), before);
    assert_eq!(stage.flumen("flow list").with(0).stdout, "");
}

#[test]
fn a_node_that_goes_away_is_shown_so() {
    let stage = Stage::set();
    let (_switch, token) = stage.connected("s1", 1, 100);
    token.cancel();
    stage.wait_for("s1", "disconnected");
    assert!(stage.flumen("node remove s1 --flows leave").with(0).stdout.contains("s1 removed"));
    let list = stage.flumen("node list").with(0);
    assert_eq!(list.stdout, "");
    assert!(list.stderr.contains("No nodes"), "{}", list.stderr);
}

#[test]
fn a_discovered_switch_is_adopted_by_its_datapath_id() {
    let stage = Stage::set();
    let (switch, _token) = stage.switch(0xa1, 100);
    stage.wait_for("00000000000000a1", "discovered");
    assert!(switch.journal().is_empty(), "nothing is written to a discovered node");
    stage.flumen("node add s1 --datapath-id 00:00:00:00:00:00:00:a1 --label site=lab").with(0);
    stage.wait_for("s1", "connected");
    let shown = stage.flumen("node show s1").with(0).stdout;
    assert!(shown.contains("site=lab") && shown.contains("port4"), "{shown}");
}

#[test]
fn many_flows_are_listed_over_all_pages_and_removed_together() {
    let stage = Stage::set();
    stage.flumen("node add s1 --datapath-id 1").with(0);
    for host in 1..=5 {
        let flow = format!("--source 10.0.0.{host} --destination any --flow-id f{host} --wait accepted");
        stage.flumen(&format!("flow install --traffic-type bulk {flow}")).with(0);
    }
    assert_eq!(stage.flumen("flow list").with(0).stdout.lines().count(), 6);
    let page: serde_json::Value =
        serde_json::from_str(&stage.flumen("--json flow list --limit 2").with(0).stdout).unwrap();
    assert_eq!(page["flows"].as_array().unwrap().len(), 2);
    let cursor = page["next_cursor"].as_str().unwrap();
    assert_eq!(stage.flumen(&format!("flow list --limit 9 --cursor {cursor}")).with(0).stdout.lines().count(), 4);
    assert!(stage.flumen("flow remove f1 f2").with(0).stdout.contains("2 removed"));
    assert!(stage.flumen("flow remove --traffic-type bulk").with(0).stdout.contains("3 removed"));
    assert_eq!(stage.flumen("flow remove --all").with(0).stderr, "No flow matched.\n");
}

#[test]
fn what_the_daemon_does_not_know_ends_with_1_and_a_hint() {
    let stage = Stage::set();
    for (line, hint) in [
        ("node show nope", "flumen node list"),
        ("node remove nope", "flumen node list"),
        ("flow show nope", "flumen flow list"),
        ("flow remove nope", "flumen flow list"),
        ("flow install --source any --destination any --traffic-type gold", "flumen classes"),
        ("flow install --source any --destination any --traffic-type voice --node nope", "flumen node list"),
    ] {
        let ended = stage.flumen(line).with(1);
        assert_eq!(ended.stdout, "", "{line}");
        assert!(ended.stderr.contains(hint), "{line}: {}", ended.stderr);
    }
}

#[test]
fn the_classes_of_traffic_are_a_table() {
    let stage = Stage::set();
    let classes = stage.flumen("classes").with(0).stdout;
    crate::binary::compare_with_golden("classes.out", &classes);
    assert!(stage.flumen("info").with(0).stdout.contains("version"));
    assert_eq!(stage.flumen("--json classes").with(0).stdout.lines().count(), 1);
}

#[test]
fn the_port_for_switches_is_no_port_for_clients() {
    let stage = Stage::set();
    let ended = stage.flumen(&format!("--url ws://{} info", stage.listening.openflow)).with(3);
    assert!(
        ended.stderr.contains("not a Flumen daemon") && ended.stderr.contains("6653 is for switches"),
        "{}",
        ended.stderr
    );
}

#[test]
fn what_happens_is_watched_line_by_line_and_as_the_daemon_wrote_it() {
    let stage = Stage::set();
    let _switch = stage.connected("s1", 1, 100);
    let watching = stage.start("watch --topic flows --count 2 --json");
    let people = stage.start("watch --topic flows --count 2");
    stage.wait_for_subscriptions(2);
    stage.flumen(VOICE).with(0);
    stage.flumen("flow remove voice").with(0);
    let json = watching.join().unwrap().with(0).stdout;
    let events: Vec<serde_json::Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(events.iter().all(|event| event["type"] == "Event" && event["topic"] == "flows"), "{json}");
    assert_eq!(events.iter().map(|event| event["seq"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 2]);
    let lines = people.join().unwrap().with(0).stdout;
    assert!(lines.lines().any(|line| line.contains("voice is applied  10.0.1.0/24 > 10.0.2.0/24 voice")), "{lines}");
}

#[test]
fn watching_ends_quietly_when_its_reader_has_gone() {
    let stage = Stage::set();
    let _switch = stage.connected("s1", 1, 100);
    let mut watching = flumen(["watch", "--topic", "flows"]);
    watching.env("FLUMEN_URL", format!("ws://{}", stage.listening.northbound));
    let mut watching = watching.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    stage.wait_for_subscriptions(1);
    drop(watching.stdout.take());
    // What happens next finds nobody who reads it.
    stage.flumen(VOICE).with(0);
    stage.flumen("flow remove voice").with(0);
    let ended = watching.wait_with_output().unwrap();
    assert_eq!((ended.status.code(), String::from_utf8(ended.stderr).unwrap().as_str()), (Some(0), ""));
}
