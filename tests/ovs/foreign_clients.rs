//! WebSocket clients that are not ours: PyPI's `websockets`, also with its `msgpack`, and the one inside Node.

use std::process::Command;

use crate::installs::install_every_traffic_type;
use crate::support::{Client, Lab, have, project, spawned};

fn install_everything_through(relay: &mut Command) {
    let Some((lab, _)) = Lab::with_two_nodes() else {
        return;
    };
    let mut client = Client::through(relay, lab.daemon.northbound);
    assert_eq!(client.error("Frobnicate", serde_json::json!({}))["code"], "unknown_command");
    install_every_traffic_type(&lab, &mut client);
}

#[test]
fn every_traffic_type_lands_through_python_websockets() {
    let python = project().join(".venv/bin/python");
    if !have(&[python.to_str().unwrap()]) {
        return;
    }
    install_everything_through(spawned(python).arg(project().join("testbed/clients/relay.py")));
}

#[test]
fn every_traffic_type_lands_in_msgpack_through_python() {
    let python = project().join(".venv/bin/python");
    if !have(&[python.to_str().unwrap()]) {
        return;
    }
    install_everything_through(spawned(python).arg(project().join("testbed/clients/relay.py")).arg("--msgpack"));
}

#[test]
fn every_traffic_type_lands_through_the_web_socket_of_node() {
    if !have(&["node"]) {
        return;
    }
    let relay = project().join("testbed/clients/relay.mjs");
    install_everything_through(spawned("node").arg("--experimental-websocket").arg(relay));
}
