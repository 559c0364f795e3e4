//! What the daemon sends, byte for byte, is what Open vSwitch's own printer calls lawful.

use serde_json::json;

use crate::support::{Lab, Tap, within};

#[test]
fn every_message_of_a_session_is_printed_by_ofp_print_without_an_error() {
    let Some(lab) = Lab::start(&[]) else { return };
    let mut client = lab.daemon.client();
    let tap = Tap::before(lab.ovs.add_dialled_bridge("s1", 0xa1));
    client.reply("AddNode", json!({"name": "s1", "address": format!("tcp:127.0.0.1:{}", tap.port)}));
    client.wait_for_node("s1", "connected", 15);
    for (number, source) in ["10.0.0.0/8", "2001:db8::/32", "any"].into_iter().enumerate() {
        let flow_id = format!("f-{number}");
        client.install(&json!({"flow_id": flow_id, "source": source, "destination": "any", "traffic_type": "voice",
                               "protocol": "udp", "destination_port": "5060-5070", "priority": 100 + number}));
        client.reply("GetFlow", json!({"flow_id": flow_id}));
        client.reply("RemoveFlow", json!({"flow_id": flow_id}));
    }
    let names = within(5, "the messages of a whole session", || {
        let messages = tap.messages();
        let names: Vec<_> = messages.iter().map(|message| printed_name(&lab, message)).collect();
        let expected =
            ["OFPT_HELLO", "OFPT_FEATURES_REQUEST", "OFPT_SET_CONFIG", "OFPT_FLOW_MOD", "OFPT_BARRIER_REQUEST"];
        expected.iter().all(|&name| names.iter().any(|printed| printed == name)).then_some(names)
    });
    let flow_mods = names.iter().filter(|name| *name == "OFPT_FLOW_MOD").count();
    // The table-miss rule, and for each flow at least as many deletes as there are flows.
    assert!(flow_mods > 1 + 4 + 4 + 8, "{names:?}");
}

/// The first word that `ofp-print` says about a message, which must be the name of its type.
fn printed_name(lab: &Lab, message: &[u8]) -> String {
    let printed = lab.ovs.print_message(message);
    // `OFPT_`, `OFPST_`, and the extensions of the Open Networking Foundation: `ONFT_`, `ONFST_`.
    let is_named = printed.starts_with("OFP") || printed.starts_with("ONF");
    let is_lawful = !printed.contains("decode error") && !printed.contains("WARN");
    assert!(is_named && is_lawful, "{message:02x?}\n{printed}");
    printed.split_whitespace().next().unwrap().to_owned()
}
