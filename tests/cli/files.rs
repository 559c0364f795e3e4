//! Files of flows: applied, compared and written by the binary, against a real daemon with emulated switches.

use std::fs;

use flumen::config::ClientLimits;
use tempfile::TempDir;

use crate::stage::Stage;

const CAMPUS: &str = "\
flows:
  - {source: 10.0.1.0/24, destination: 10.0.2.0/24, traffic_type: voice}
  - {source: any, destination: 10.0.9.7, traffic_type: bulk, protocol: tcp, destination_port: 8000-8999}
  - {flow_id: backup, source: 10.0.9.7, destination: any, traffic_type: background}
";

struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.0.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

#[test]
fn a_file_is_applied_once_however_often_and_then_there_is_no_difference() {
    let (stage, files) = (Stage::set(), Files::new());
    let (switch, _token) = stage.connected("s1", 1, 100);
    let file = files.write("campus.yaml", CAMPUS);
    assert_eq!(stage.flumen(&format!("flow diff -f {file}")).with(1).stdout.lines().count(), 3);
    assert_eq!(stage.flumen(&format!("flow apply -f {file}")).with(0).stdout, "3 applied\n");
    let sent = switch.journal().len();
    assert_eq!(stage.flumen(&format!("flow apply -f {file}")).with(0).stdout, "3 applied\n");
    assert_eq!(switch.journal().len(), sent);
    assert_eq!(stage.flumen(&format!("flow diff -f {file}")).with(0).stdout, "");
}

#[test]
fn what_is_exported_in_any_form_is_no_different() {
    let (stage, files) = (Stage::set(), Files::new());
    let _switch = stage.connected("s1", 1, 100);
    stage.flumen(&format!("flow apply -f {}", files.write("campus.yaml", CAMPUS))).with(0);
    for form in ["json", "yaml", "csv"] {
        let exported = stage.flumen(&format!("flow export --format {form}")).with(0).stdout;
        let file = files.write(&format!("exported.{form}"), &exported);
        assert_eq!(stage.flumen(&format!("flow diff -f {file}")).with(0).stdout, "", "{exported}");
        assert_eq!(stage.flumen(&format!("flow apply -f {file}")).with(0).stdout, "3 applied\n");
    }
    let voice = stage.flumen("flow export --format csv --traffic-type voice").with(0).stdout;
    assert_eq!(voice.lines().count(), 2, "{voice}");
}

#[test]
fn a_difference_is_shown_by_its_kind() {
    let (stage, files) = (Stage::set(), Files::new());
    let _switch = stage.connected("s1", 1, 100);
    stage.flumen(&format!("flow apply -f {}", files.write("campus.yaml", CAMPUS))).with(0);
    let changed = CAMPUS.replace("voice}", "video}").replace("background}", "background, priority: 9}");
    let file = files.write("changed.yaml", &changed);
    let shown = stage.flumen(&format!("flow diff -f {file}")).with(1).stdout;
    let kinds: String = shown.lines().filter_map(|line| line.chars().next()).collect();
    assert_eq!(kinds, "+-~  ", "{shown}");
    assert!(shown.contains(r#"    - {"flow_id":"backup""#) && shown.contains(r#""priority":9"#), "{shown}");
    let json = stage.flumen(&format!("flow diff -f {file} --json")).with(1).stdout;
    let difference: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(difference["missing"][0]["traffic_type"], "video");
    assert_eq!(difference["changed"][0]["flow_id"], "backup");
}

#[test]
fn what_the_file_no_longer_has_is_pruned_and_can_come_back_the_same_day() {
    let (stage, files) = (Stage::set(), Files::new());
    let (switch, _token) = stage.connected("s1", 1, 100);
    let all = files.write("all.yaml", CAMPUS);
    let fewer =
        files.write("fewer.yaml", &CAMPUS.lines().filter(|line| !line.contains("bulk")).collect::<Vec<_>>().join("\n"));
    stage.flumen(&format!("flow apply -f {all}")).with(0);
    let dry = stage.flumen(&format!("flow apply -f {fewer} --prune --dry-run")).with(0);
    assert!(dry.stderr.contains("would remove apply-"), "{}", dry.stderr);
    assert!(switch.flows_as_text().contains("10.0.9.7"));
    stage.flumen(&format!("flow apply -f {fewer} --prune")).with(0);
    assert!(!switch.flows_as_text().contains("nw_dst=10.0.9.7"), "{}", switch.flows_as_text());
    assert!(switch.flows_as_text().contains("nw_src=10.0.9.7"), "a flow with an id of its own is not of the set");
    assert_eq!(stage.flumen(&format!("flow apply -f {all}")).with(0).stdout, "3 applied\n");
    assert!(switch.flows_as_text().contains("nw_dst=10.0.9.7"));
}

#[test]
fn a_dry_run_of_a_file_tells_what_would_be_in_the_way_of_which_flow() {
    let (stage, files) = (Stage::set(), Files::new());
    let _switch = stage.connected("s1", 1, 100);
    stage
        .flumen("flow install --flow-id live --source 10.0.1.0/24 --destination 10.0.2.0/24 --traffic-type voice")
        .with(0);
    let file = files.write(
        "dry.yaml",
        "flows:\n  - {flow_id: x1, source: 10.0.1.0/24, destination: 10.0.2.0/24, traffic_type: voice}\n  \
         - {flow_id: x2, source: 10.0.3.0/24, destination: 10.0.2.0/24, traffic_type: voice}\n",
    );
    let dry = stage.flumen(&format!("flow apply -f {file} --dry-run")).with(0);
    assert!(dry.stdout.ends_with("2 planned\n"), "{}", dry.stdout);
    assert!(dry.stderr.contains("x1: flow live has the same table, priority and match"), "{}", dry.stderr);
    assert_eq!(dry.stderr.lines().count(), 1, "{}", dry.stderr);
}

#[test]
fn a_dry_run_of_a_file_tells_which_ids_stay_those_of_flows_that_were() {
    let (stage, files) = (Stage::set(), Files::new());
    let _switch = stage.connected("s1", 1, 100);
    let file = files.write("campus.yaml", CAMPUS);
    stage.flumen(&format!("flow apply -f {file}")).with(0);
    stage.flumen("flow remove --all").with(0);
    let told = "backup: the id stays that of a flow that is removed, for a day: use another flow_id";
    let dry = stage.flumen(&format!("flow apply -f {file} --dry-run")).with(0);
    assert_eq!(dry.stderr.trim_end(), format!("warning: {told}"), "ids that are made are followed by others");
    let applied = stage.flumen(&format!("flow apply -f {file}")).with(1);
    assert_eq!(applied.stderr.trim_end(), format!("error: {told}"));
    assert_eq!(applied.stdout, "2 applied, 1 removed\n");
}

#[test]
fn a_file_that_has_no_flows_any_more_says_what_it_removed_and_no_more() {
    let (stage, files) = (Stage::set(), Files::new());
    let (switch, _token) = stage.connected("s1", 1, 100);
    stage.flumen(&format!("flow apply -f {}", files.write("campus.yaml", CAMPUS))).with(0);
    let pruned = stage.flumen(&format!("flow apply -f {} --prune", files.write("none.yaml", "flows: []\n"))).with(0);
    assert!(!switch.flows_as_text().contains("nw_dst=10.0.9.7"), "{}", switch.flows_as_text());
    assert!(pruned.stderr.contains("removing 2 that the file no longer has"), "{}", pruned.stderr);
    assert!(
        pruned.stderr.contains("The file has no flows.") && !pruned.stderr.contains("matched"),
        "{}",
        pruned.stderr
    );
}

#[test]
fn what_is_wrong_with_a_file_is_told_at_once_and_nothing_is_sent() {
    let (stage, files) = (Stage::set(), Files::new());
    let (switch, _token) = stage.connected("s1", 1, 100);
    let before = switch.journal().len();
    let file = files.write(
        "wrong.yaml",
        &format!("{CAMPUS}  - {{source: 10.0.0.1/8, destination: any, traffic_type: voice}}\n  - 7\n"),
    );
    let told = stage.flumen(&format!("flow apply -f {file}")).with(2).stderr;
    assert!(told.contains("flows[3]") && told.contains("10.0.0.0/8") && told.contains("flows[4]"), "{told}");
    assert_eq!(switch.journal().len(), before);
    let nameless = files.write("flows", CAMPUS);
    assert!(stage.flumen(&format!("flow apply -f {nameless}")).with(2).stderr.contains("--format"));
    assert!(stage.flumen("flow apply -f /nowhere.yaml").with(2).stderr.contains("cannot read /nowhere.yaml"));
    let twice = files.write("twice.csv", "source,destination,traffic_type\nany,any,voice\nany,any,voice\n");
    assert!(
        stage.flumen(&format!("flow apply -f {twice}")).with(2).stderr.contains("line 3 is the same flow as line 2")
    );
}

#[test]
fn what_only_the_daemon_finds_wrong_with_a_file_is_told_with_its_place() {
    let (stage, files) = (Stage::set(), Files::new());
    let _switch = stage.connected("s1", 1, 100);
    for (wrong, what, hint) in [
        ("{source: any, destination: any, traffic_type: voise}", "not \"voise\"", "flumen classes"),
        ("{source: any, destination: any, traffic_type: voice, nodes: [nix]}", "no node nix", "flumen node list"),
    ] {
        let file = files.write("wrong.yaml", &format!("{CAMPUS}  - {wrong}\n"));
        let told = stage.flumen(&format!("flow apply -f {file}")).with(1).stderr;
        assert!(told.starts_with("error: flows[3] (line 5): ") && told.contains(what) && told.contains(hint), "{told}");
    }
}

#[test]
fn a_flow_that_is_refused_is_told_and_the_others_are_applied() {
    let (stage, files) = (Stage::set(), Files::new());
    let _switch = stage.connected("s1", 1, 100);
    stage
        .flumen("flow install --source 10.0.1.0/24 --destination 10.0.2.0/24 --traffic-type voice --flow-id mine")
        .with(0);
    let file = files.write("campus.yaml", CAMPUS);
    let told = stage.flumen(&format!("flow apply -f {file}")).with(1);
    assert!(told.stderr.contains("s1: rejected: ") && told.stderr.contains("mine"), "{}", told.stderr);
    assert_eq!(told.stdout, "1 rejected, 2 applied\n");
    assert_eq!(stage.flumen(&format!("flow apply -f {file} --replace")).with(0).stdout, "3 applied\n");
}

#[test]
fn lines_of_ovs_ofctl_become_flows() {
    let (stage, files) = (Stage::set(), Files::new());
    let (switch, _token) = stage.connected("s1", 1, 100);
    let line = "priority=46000,udp,nw_dst=10.0.2.9,tp_dst=5004 actions=set_field:46->ip_dscp,set_queue:6,NORMAL";
    let file = files.write("voice.flows", line);
    assert_eq!(stage.flumen(&format!("flow apply -f {file} --node s1")).with(0).stdout, "1 applied\n");
    assert!(switch.flows_as_text().contains("nw_dst=10.0.2.9,tp_dst=5004"), "{}", switch.flows_as_text());
    assert_eq!(stage.flumen("flow list --traffic-type voice").with(0).stdout.lines().count(), 2);
}

#[test]
fn thousands_of_flows_go_out_in_several_messages() {
    let (stage, files) = (Stage::set(), Files::new());
    let (switch, _token) = stage.connected("s1", 1, 10_000);
    let rows: String = (0..2_500).map(|n| format!("10.{}.{}.1,any,bulk\n", n / 250, n % 250)).collect();
    let file = files.write("many.csv", &format!("source,destination,traffic_type\n{rows}"));
    let payload = stage.flumen(&format!("flow apply -f {file} --json")).with(0).stdout;
    let payload: serde_json::Value = serde_json::from_str(&payload).unwrap();
    assert_eq!(payload["summary"]["applied"], 2_500);
    assert_eq!(payload["flows"].as_array().unwrap().len(), 2_500);
    assert_eq!(switch.flows_as_text().matches("set_queue:1").count(), 2_500);
}

#[test]
fn a_daemon_that_may_send_little_at_a_time_is_asked_for_little_at_a_time() {
    let limits = ClientLimits { outbound_bytes: 65_536, ..ClientLimits::default() };
    let (stage, files) = (Stage::allowing(limits), Files::new());
    let _switch = stage.connected("s1", 1, 1_000);
    let rows: String = (0..400).map(|n| format!("10.0.{}.{},any,bulk\n", n / 250, n % 250)).collect();
    let file = files.write("many.csv", &format!("source,destination,traffic_type\n{rows}"));
    assert_eq!(stage.flumen(&format!("flow apply -f {file}")).with(0).stdout, "400 applied\n");
    assert_eq!(stage.flumen(&format!("flow diff -f {file}")).with(0).stdout, "");
}

#[test]
fn flows_that_an_answer_had_no_room_for_are_asked_after_one_by_one() {
    let limits = ClientLimits { outbound_bytes: 65_536, ..ClientLimits::default() };
    let (stage, files) = (Stage::allowing(limits), Files::new());
    let nodes = 40;
    (1..=nodes).for_each(|n| drop(stage.flumen(&format!("node add s{n} --datapath-id {n}")).with(0)));
    let flows: String = (0..20)
        .map(|n| format!("- {{source: 10.0.0.{n}, destination: any, traffic_type: bulk, wait: accepted}}\n"))
        .collect();
    let file = files.write("everywhere.yaml", &flows);
    let payload = stage.flumen(&format!("flow apply -f {file} --json")).with(0).stdout;
    assert!(payload.len() > 65_536, "one answer could not have held it");
    let payload: serde_json::Value = serde_json::from_str(&payload).unwrap();
    assert_eq!(payload["summary"], serde_json::json!({"accepted": 20}));
    let told = payload["flows"].as_array().unwrap();
    assert!(told.len() == 20 && told.iter().all(|flow| flow["nodes"].as_array().unwrap().len() == nodes));
}

#[test]
fn flows_that_are_applied_together_may_take_what_one_message_in_msgpack_may() {
    let limits = |message_bytes| ClientLimits {
        message_bytes: 65_536,
        msgpack_message_bytes: message_bytes,
        outbound_bytes: 262_144,
        ..ClientLimits::default()
    };
    let files = Files::new();
    let rows: String = (0..1_000).map(|n| format!("10.{}.{}.1,any,bulk\n", n / 250, n % 250)).collect();
    let file = files.write("many.csv", &format!("source,destination,traffic_type\n{rows}"));
    let stage = Stage::allowing(limits(1 << 20));
    let (switch, _token) = stage.connected("s1", 1, 10_000);
    let payload = stage.flumen(&format!("flow apply -f {file} --atomic all --json")).with(0).stdout;
    let payload: serde_json::Value = serde_json::from_str(&payload).unwrap();
    assert_eq!(payload["summary"], serde_json::json!({"applied": 1_000}));
    assert_eq!(payload["flows"].as_array().unwrap().len(), 1_000, "those too that the answer had no room for");
    assert_eq!(switch.flows_as_text().matches("set_queue:1").count(), 1_000);
    let stage = Stage::allowing(limits(65_536));
    let (switch, _token) = stage.connected("s1", 1, 10_000);
    let told = stage.flumen(&format!("flow apply -f {file} --atomic all")).with(1).stderr;
    assert!(told.contains("of these 1000 would take") && told.contains("--msgpack-message-bytes"), "{told}");
    assert_eq!(switch.flows_as_text().matches("set_queue:1").count(), 0);
}
