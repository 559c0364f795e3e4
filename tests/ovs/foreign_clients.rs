//! Clients that are not ours: PyPI's `websockets`, also with its `msgpack`, the WebSocket inside Node, a page in Chromium, curl and promtool.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::installs::install_every_traffic_type;
use crate::support::{Client, Lab, free_port, have, output, project, spawned};

/// The main job: nodes in both directions, every traffic type, what is refused, many at once, and events.
fn do_the_main_job(lab: &Lab, client: &mut Client) {
    assert_eq!(client.error("Frobnicate", json!({}))["code"], "unknown_command");
    lab.add_dialling_node(client, "s1", 0xa1);
    lab.add_dialled_node(client, "s2", 0xb2);
    install_every_traffic_type(lab, client);

    let flow =
        |source: &str| json!({"source": source, "destination": "10.9.0.1", "traffic_type": "bulk", "nodes": ["s1"]});
    let error = client.error("InstallFlow", flow("10.8.0.1/24"));
    assert_eq!((&error["code"], &error["path"]), (&json!("invalid_request"), &json!("payload.source")));
    let mut to_no_port = flow("10.8.0.1");
    to_no_port["forward"] = json!({"port": 0xffff_ff00_u32});
    let refused = client.install(&to_no_port);
    assert_eq!(
        (&refused["state"], &refused["nodes"][0]["error"]["code"]),
        (&json!("rejected"), &json!("BAD_OUT_PORT"))
    );

    let before = lab.ovs.flow_count("s1");
    let many: Vec<Value> = (0..200).map(|host| flow(&format!("10.7.0.{host}"))).collect();
    let answers = client.pipeline("InstallFlow", &many);
    assert!(answers.iter().all(|answer| answer["payload"]["flow"]["state"] == "applied"), "{answers:?}");
    assert_eq!(lab.ovs.flow_count("s1"), before + 200);

    client.reply("Subscribe", json!({"topics": ["flows"]}));
    let mut named = flow("10.6.0.1");
    named["flow_id"] = "watched".into();
    let request = json!({"type": "InstallFlow", "id": "last", "payload": named});
    let mut came = vec![client.exchange(&request.to_string())];
    let is_reply = |message: &Value| message["type"] == "Reply" && message["id"] == "last";
    let is_applied = |message: &Value| {
        let flow = &message["payload"]["flow"];
        message["type"] == "Event" && flow["flow_id"] == "watched" && flow["state"] == "applied"
    };
    while !(came.iter().any(is_reply) && came.iter().any(is_applied)) {
        came.push(client.receive());
    }
}

fn do_the_main_job_in_python(options: &[&str]) {
    let python = project().join(".venv/bin/python");
    if !have(&[python.to_str().unwrap()]) {
        return;
    }
    let Some(lab) = Lab::start(&[]) else { return };
    let relay = project().join("testbed/clients/relay.py");
    do_the_main_job(&lab, &mut Client::through(spawned(python).arg(relay).args(options), lab.daemon.northbound));
}

#[test]
fn the_main_job_is_done_through_python_websockets() {
    do_the_main_job_in_python(&[]);
}

#[test]
fn the_main_job_is_done_in_msgpack_through_python() {
    do_the_main_job_in_python(&["--msgpack"]);
}

#[test]
fn the_main_job_is_done_through_the_web_socket_of_node() {
    if !have(&["node"]) {
        return;
    }
    let Some(lab) = Lab::start(&[]) else { return };
    let relay = project().join("testbed/clients/relay.mjs");
    let mut node = spawned("node");
    node.arg("--experimental-websocket").arg(relay);
    do_the_main_job(&lab, &mut Client::through(&mut node, lab.daemon.northbound));
}

fn have_chromium() -> bool {
    let playwright = project().join(".node/node_modules/playwright-core/package.json");
    have(&["node", "/usr/bin/chromium", playwright.to_str().unwrap()])
}

#[test]
fn the_main_job_is_done_by_the_script_of_a_page_in_chromium() {
    if !have_chromium() {
        return;
    }
    let origin = format!("http://127.0.0.1:{}", free_port());
    let Some(lab) = Lab::start(&["--origin", &origin]) else { return };
    let relay = project().join("testbed/clients/relay-page.mjs");
    do_the_main_job(&lab, &mut Client::through(spawned("node").arg(relay).arg(&origin), lab.daemon.northbound));
}

#[test]
fn a_page_of_another_origin_is_not_let_in() {
    if !have_chromium() {
        return;
    }
    let Some(lab) = Lab::start(&["--origin", "http://127.0.0.1:1"]) else { return };
    let relay = project().join("testbed/clients/relay-page.mjs");
    let refused = spawned("node")
        .arg(relay)
        .arg(format!("http://127.0.0.1:{}", free_port()))
        .arg(format!("ws://127.0.0.1:{}/v1/ws", lab.daemon.northbound))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("does not let the page in"), "{said}");
}

#[test]
fn curl_reads_the_paths_of_plain_http_and_promtool_finds_no_fault_with_the_metrics() {
    if !have(&["curl", "promtool"]) {
        return;
    }
    let Some((lab, _client)) = Lab::with_two_nodes() else { return };
    let curl = |path: &str| {
        let address = format!("http://127.0.0.1:{}{path}", lab.daemon.northbound);
        output(Command::new("curl").args(["--silent", "--show-error", "--write-out", "\n%{http_code}", &address]))
    };
    for (path, answer) in [("/healthz", "alive\n\n200"), ("/readyz", "ready\n\n200")] {
        assert_eq!(curl(path), answer);
    }
    assert!(curl("/nothing").ends_with("\n404") && curl("/v1/ws").ends_with("\n426"));
    let metrics = curl("/metrics");
    let metrics = metrics.strip_suffix("\n200").unwrap();
    let mut promtool = spawned("promtool");
    promtool.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut promtool = promtool.spawn().unwrap();
    promtool.stdin.take().unwrap().write_all(metrics.as_bytes()).unwrap();
    let judged = promtool.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&judged.stdout) + String::from_utf8_lossy(&judged.stderr);
    assert!(judged.status.success() && said.trim().is_empty(), "{said}");
}

#[test]
fn promtool_takes_the_alerting_rules_and_they_are_about_series_that_the_daemon_has() {
    if !have(&["promtool"]) {
        return;
    }
    let Some((lab, _client)) = Lab::with_two_nodes() else { return };
    let rules = project().join("dist/alerts.yml");
    output(Command::new("promtool").args(["check", "rules"]).arg(&rules));

    let metrics = lab.daemon.get("/metrics");
    let rules = fs::read_to_string(rules).unwrap();
    let selectors =
        rules.lines().filter_map(|line| line.trim().strip_prefix("expr:")).filter(|rule| rule.contains("flumen_"));
    let mut count = 0;
    for selector in selectors {
        let name = &selector[selector.find("flumen_").unwrap()..];
        let name = &name[..name.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap()];
        let values = selector.split('"').nth(1).unwrap_or_default();
        for value in values.split('|') {
            let has = |line: &str| line.starts_with(name) && line.contains(value);
            assert!(metrics.lines().any(has), "{name} with {value:?} is not in\n{metrics}");
            count += 1;
        }
    }
    assert!(count >= 15, "{count} series");
}
