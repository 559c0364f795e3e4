//! InstallFlow: what `dump-flows` prints equals what was asked, field by field, on a bridge that dials in and on one
//! that is dialled.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::expectation::{CLASSES, is_table_miss, rules};
use crate::support::{Client, Lab, Ovs, Rule, bytes_of};

/// Installs a flow that every one of its nodes must answer `applied`, and returns the rules that each must hold.
pub(crate) fn install_applied(client: &mut Client, request: &Value, nodes: &[&str]) -> BTreeSet<Rule> {
    let flow = client.install(request);
    assert_eq!(flow["state"], "applied", "{flow}");
    let verdicts = flow["nodes"].as_array().unwrap();
    let names: BTreeSet<_> = verdicts.iter().map(|verdict| verdict["node"].as_str().unwrap()).collect();
    assert_eq!(names, nodes.iter().copied().collect(), "{flow}");
    let mut expected = BTreeSet::new();
    for verdict in verdicts {
        let rules = rules(request, cookie(verdict));
        assert_eq!((&verdict["state"], &verdict["rules"]), (&json!("applied"), &json!(rules.len())), "{flow}");
        assert_eq!((&verdict["error"], &verdict["table"]), (&Value::Null, &json!(0)), "{flow}");
        expected.extend(rules);
    }
    expected
}

/// The cookie of a verdict, which is written as `0x` and 16 hex digits.
pub(crate) fn cookie(verdict: &Value) -> u64 {
    let text = verdict["cookie"].as_str().unwrap();
    assert_eq!(text.len(), 18, "{text}");
    u64::from_str_radix(text.strip_prefix("0x").unwrap(), 16).unwrap()
}

/// The rules of a bridge, without the table-miss rule that must be among them.
pub(crate) fn flow_rules(ovs: &Ovs, bridge: &str) -> BTreeSet<Rule> {
    let (miss, rules): (Vec<_>, _) = ovs.rules(bridge).into_iter().partition(|rule| is_table_miss(rule, &["NORMAL"]));
    assert_eq!(miss.len(), 1, "one table-miss rule on {bridge}: {miss:?}");
    BTreeSet::from_iter(rules)
}

/// Asks for every built-in traffic type between two families of addresses on `s1` and `s2`, and compares the tables.
pub(crate) fn install_every_traffic_type(lab: &Lab, client: &mut Client) {
    let mut expected = BTreeSet::new();
    for (number, (traffic_type, ..)) in (1..).zip(&CLASSES) {
        for (source, destination) in [
            (format!("10.1.{number}.0/24"), format!("10.2.{number}.7")),
            (format!("2001:db8:{number:x}::/48"), format!("2001:db8:ffff::{number:x}")),
        ] {
            let request = json!({"source": source, "destination": destination, "traffic_type": traffic_type});
            expected.extend(install_applied(client, &request, &["s1", "s2"]));
        }
    }
    assert_eq!(expected.len(), 2 * CLASSES.len());
    for bridge in ["s1", "s2"] {
        assert_eq!(flow_rules(&lab.ovs, bridge), expected, "{bridge}");
    }
}

/// Requests that differ in what is in their rules, each option in one of them at least.
pub(crate) fn requests_with_every_option() -> Vec<Value> {
    vec![
        json!({"source": "10.0.0.1", "destination": "any", "traffic_type": "voice"}),
        json!({"source": "any", "destination": "2001:db8::/32", "traffic_type": "voice"}),
        json!({"source": "any", "destination": "any", "traffic_type": "oam", "priority": 1}),
        json!({"source": "any", "destination": "any", "traffic_type": "oam", "priority": 2, "protocol": "icmp"}),
        json!({"source": "10.0.0.1", "destination": "10.0.0.2", "traffic_type": "bulk", "priority": 65535}),
        json!({"source": "10.0.0.1", "destination": "10.0.0.3", "traffic_type": "bulk", "dscp": 63, "queue": 9}),
        json!({"source": "10.0.0.1", "destination": "10.0.0.4", "traffic_type": "bulk",
               "idle_timeout": 600, "hard_timeout": 65535}),
        json!({"source": "10.0.0.1", "destination": "10.0.0.5", "traffic_type": "video", "protocol": "tcp",
               "source_port": 80, "destination_port": "8080"}),
        json!({"source": "10.0.0.1", "destination": "10.0.0.6", "traffic_type": "video", "protocol": "sctp",
               "source_port": "1000-1003", "destination_port": "5060-5070"}),
        json!({"source": "2001:db8::1", "destination": "2001:db8::2", "traffic_type": "signaling",
               "protocol": "udp", "destination_port": "5060-5061"}),
    ]
}

#[test]
fn every_traffic_type_lands_for_both_families_on_a_bridge_that_dials_in_and_one_that_is_dialled() {
    let Some((lab, mut client)) = Lab::with_two_nodes() else {
        return;
    };
    install_every_traffic_type(&lab, &mut client);
}

#[test]
fn every_option_of_a_request_is_in_the_rule() {
    let Some((lab, mut client)) = Lab::with_two_nodes() else {
        return;
    };
    let expected: BTreeSet<_> = requests_with_every_option()
        .iter()
        .flat_map(|request| install_applied(&mut client, request, &["s1", "s2"]))
        .collect();
    for bridge in ["s1", "s2"] {
        assert_eq!(flow_rules(&lab.ovs, bridge), expected, "{bridge}");
    }
}

#[test]
fn every_way_of_forwarding_is_in_the_rule() {
    let Some((lab, mut client)) = Lab::with_one_node() else {
        return;
    };
    let forwards = [json!("normal"), json!("drop"), json!({"port": 2}), json!({"port": 77}), json!({"table": 1})];
    let mut expected = BTreeSet::new();
    for (number, forward) in forwards.iter().enumerate() {
        let request = json!({"source": format!("10.0.0.{number}"), "destination": "10.0.1.1",
                             "traffic_type": "streaming", "forward": forward});
        expected.extend(install_applied(&mut client, &request, &["s1"]));
    }
    assert_eq!(flow_rules(&lab.ovs, "s1"), expected);
}

#[test]
fn a_range_of_ports_lands_under_masks_that_are_no_prefixes_where_those_are_fewer() {
    let Some((lab, mut client)) = Lab::with_one_node() else {
        return;
    };
    let flow = client.install(&json!({"source": "10.0.0.1", "destination": "any", "traffic_type": "voice",
                                      "protocol": "udp", "destination_port": "1-65534"}));
    assert_eq!((&flow["state"], &flow["nodes"][0]["rules"]), (&json!("applied"), &json!(16)), "{flow}");
    // A bit that is set above one that is not, going round: only 0 and 65535 have none.
    let bits = (0..16).map(|bit| 1_u16 << bit);
    let expected: BTreeSet<_> = bits.map(|bit| format!("tp_dst={bit:#x}/{:#x}", bit | bit.rotate_right(1))).collect();
    let fields = flow_rules(&lab.ovs, "s1").into_iter().flat_map(|rule| rule.fields);
    assert_eq!(fields.filter(|field| field.starts_with("tp_dst=")).collect::<BTreeSet<_>>(), expected);
}

#[test]
fn a_bidirectional_flow_has_the_reverse_direction_with_addresses_and_ports_swapped() {
    let Some((lab, mut client)) = Lab::with_one_node() else {
        return;
    };
    let request = json!({"source": "10.0.0.0/8", "destination": "10.9.0.2", "traffic_type": "voice",
                         "protocol": "udp", "source_port": 4000, "destination_port": "5004-5005",
                         "bidirectional": true});
    let expected = install_applied(&mut client, &request, &["s1"]);
    assert_eq!(expected.len(), 2);
    assert_eq!(flow_rules(&lab.ovs, "s1"), expected);
}

#[test]
fn a_flow_lands_only_on_the_nodes_that_it_names() {
    let Some((lab, mut client)) = Lab::with_two_nodes() else {
        return;
    };
    let request = json!({"source": "10.0.0.1", "destination": "10.0.0.2", "traffic_type": "voice", "nodes": ["s2"]});
    let expected = install_applied(&mut client, &request, &["s2"]);
    assert_eq!(flow_rules(&lab.ovs, "s1"), BTreeSet::new());
    assert_eq!(flow_rules(&lab.ovs, "s2"), expected);
}

#[test]
fn what_a_dry_run_tells_is_what_an_install_does_as_text_and_as_bytes() {
    let Some((lab, mut client)) = Lab::with_one_node() else { return };
    lab.ovs.add_dialled_bridge("s9", 0xff);
    for mut request in requests_with_every_option() {
        request["dry_run"] = json!(true);
        let flow = client.install(&request);
        assert_eq!(flow["state"], "planned", "{flow}");
        for flow_mod in flow["nodes"][0]["flow_mods"].as_array().unwrap() {
            let printed = lab.ovs.print_message(&bytes_of(flow_mod["hex"].as_str().unwrap()));
            assert!(printed.starts_with("OFPT_FLOW_MOD (OF1.3)"), "{printed}");
            lab.ovs.add_foreign_flow("s9", flow_mod["text"].as_str().unwrap());
        }
    }
    assert_eq!(flow_rules(&lab.ovs, "s1"), BTreeSet::new());
    // Nothing was installed, so each shows the cookie that the next flow gets.
    let planned = lab.ovs.rules("s9");
    let cookie = planned[0].cookie;
    let expected = requests_with_every_option().iter().flat_map(|request| rules(request, cookie)).collect();
    assert_eq!(BTreeSet::from_iter(planned), expected);
}
