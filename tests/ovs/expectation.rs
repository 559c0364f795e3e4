//! What a switch must hold for a request, worked out from the request alone.
//!
//! This is the test's own reading of the contract: nothing here is imported from the product. Rules are written the
//! way `ovs-ofctl dump-flows` prints them.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::installs::requests_with_every_option;
use crate::support::{Ovs, Rule};

/// One built-in traffic type: its name, DSCP, queue and priority.
pub(crate) type Class = (&'static str, u8, u32, u16);

/// The built-in traffic types of the contract.
pub(crate) const CLASSES: [Class; 12] = [
    ("network_control", 48, 7, 48000),
    ("voice", 46, 6, 46000),
    ("signaling", 40, 5, 40000),
    ("video", 34, 4, 34000),
    ("real_time_interactive", 32, 4, 32000),
    ("streaming", 26, 3, 26000),
    ("broadcast_video", 24, 3, 24000),
    ("low_latency_data", 18, 2, 18000),
    ("oam", 16, 2, 16000),
    ("bulk", 10, 1, 10000),
    ("best_effort", 0, 0, 5000),
    ("background", 1, 0, 1000),
];

/// The rules that one switch must hold for a flow, given its InstallFlow payload and the cookie in its verdict.
pub(crate) fn rules(request: &Value, cookie: u64) -> BTreeSet<Rule> {
    let mut rules = one_way(request, cookie, "source", "destination");
    if request["bidirectional"] == true {
        rules.extend(one_way(request, cookie, "destination", "source"));
    }
    rules.into_iter().collect()
}

/// The table-miss rule that a registered node gets by default; its cookie is the daemon's own affair.
pub(crate) fn is_table_miss(rule: &Rule, actions: &[&str]) -> bool {
    rule.priority == 0 && rule.table == 0 && rule.fields.is_empty() && rule.actions == actions
}

/// The rules for the packets that come `from` the one end of the request and go `to` the other.
fn one_way(request: &Value, cookie: u64, from: &str, to: &str) -> Vec<Rule> {
    let (_, dscp, queue, priority) = *CLASSES.iter().find(|class| request["traffic_type"] == class.0).unwrap();
    let number = |field: &str, default: u64| request[field].as_u64().unwrap_or(default);
    let mut actions = vec![
        format!("set_field:{}->ip_dscp", number("dscp", dscp.into())),
        format!("set_queue:{}", number("queue", queue.into())),
    ];
    match &request["forward"] {
        Value::String(drop) if drop == "drop" => actions = vec!["drop".to_owned()],
        Value::Object(target) if target.contains_key("port") => actions.push(format!("output:{}", target["port"])),
        Value::Object(target) => actions.push(format!("goto_table:{}", target["table"])),
        _ => actions.push("NORMAL".to_owned()),
    }
    let mut rules = Vec::new();
    for family in families(request) {
        for from_port in ports(&request[&format!("{from}_port")]) {
            for to_port in ports(&request[&format!("{to}_port")]) {
                rules.push(Rule {
                    priority: number("priority", priority.into()).try_into().unwrap(),
                    table: 0,
                    cookie,
                    idle_timeout: number("idle_timeout", 0).try_into().unwrap(),
                    hard_timeout: number("hard_timeout", 0).try_into().unwrap(),
                    flags: BTreeSet::from(["send_flow_rem".to_owned()]),
                    fields: [
                        Some(protocol(request, family)),
                        address(request, from, family.source),
                        address(request, to, family.destination),
                        from_port.as_ref().map(|port| format!("tp_src={port}")),
                        to_port.as_ref().map(|port| format!("tp_dst={port}")),
                    ]
                    .into_iter()
                    .flatten()
                    .collect(),
                    actions: actions.clone(),
                });
            }
        }
    }
    rules
}

/// How `ovs-ofctl` writes one of the two families.
#[derive(Debug, Clone, Copy)]
struct Family {
    name: &'static str,
    suffix: &'static str,
    source: &'static str,
    destination: &'static str,
}

const V4: Family = Family { name: "ip", suffix: "", source: "nw_src", destination: "nw_dst" };
const V6: Family = Family { name: "ipv6", suffix: "6", source: "ipv6_src", destination: "ipv6_dst" };

fn families(request: &Value) -> Vec<Family> {
    let ends = format!("{} {}", request["source"], request["destination"]);
    match (ends.contains(':'), ends.contains('.')) {
        (true, _) => vec![V6],
        (false, true) => vec![V4],
        (false, false) => vec![V4, V6],
    }
}

fn protocol(request: &Value, family: Family) -> String {
    request["protocol"].as_str().map_or(family.name.to_owned(), |protocol| format!("{protocol}{}", family.suffix))
}

fn address(request: &Value, end: &str, key: &str) -> Option<String> {
    let address = request[end].as_str().unwrap();
    (address != "any").then(|| format!("{key}={address}"))
}

/// The values of a port field: one that is absent, or the least number of masked matches, if prefixes are as few.
fn ports(port: &Value) -> Vec<Option<String>> {
    let (first, last) = match port {
        Value::Null => return vec![None],
        Value::Number(port) => (port.as_u64().unwrap(), port.as_u64().unwrap()),
        port => {
            let text = port.as_str().unwrap();
            let (first, last) = text.split_once('-').unwrap_or((text, text));
            (first.parse().unwrap(), last.parse().unwrap())
        }
    };
    let mut blocks = Vec::new();
    cover(0, 65536, first, last, &mut blocks);
    blocks.into_iter().map(Some).collect()
}

/// Halves the block of `size` ports from `start` until each half lies within the range or outside of it.
fn cover(start: u64, size: u64, first: u64, last: u64, blocks: &mut Vec<String>) {
    let end = start + size - 1;
    if end < first || start > last {
    } else if first <= start && end <= last {
        blocks.push(if size == 1 { start.to_string() } else { format!("{start:#x}/{:#x}", 65536 - size) });
    } else {
        cover(start, size / 2, first, last, blocks);
        cover(start + size / 2, size / 2, first, last, blocks);
    }
}

#[test]
fn a_range_of_ports_is_covered_by_the_least_number_of_prefixes() {
    let covered = |range: &str| ports(&Value::from(range)).into_iter().flatten().collect::<Vec<_>>();
    assert_eq!(covered("5060-5063"), ["0x13c4/0xfffc"]);
    assert_eq!(covered("5060-5070"), ["0x13c4/0xfffc", "0x13c8/0xfffc", "0x13cc/0xfffe", "5070"]);
    assert_eq!(covered("7-7"), ["7"]);
}

#[test]
fn rules_are_written_the_way_the_switch_prints_them() {
    let Some(ovs) = Ovs::start() else { return };
    ovs.add_dialled_bridge("s1", 0xa1);
    let expected: BTreeSet<_> = requests_with_every_option().iter().flat_map(|request| rules(request, 0x77)).collect();
    for Rule { priority, table, cookie, idle_timeout, hard_timeout, fields, actions, .. } in &expected {
        let fields: Vec<_> = fields.iter().map(String::as_str).collect();
        let line = format!(
            "cookie={cookie:#x},table={table},priority={priority},idle_timeout={idle_timeout},\
             hard_timeout={hard_timeout},send_flow_rem,{},actions={}",
            fields.join(","),
            actions.join(",")
        );
        ovs.add_foreign_flow("s1", &line);
    }
    assert_eq!(ovs.rules("s1").into_iter().collect::<BTreeSet<_>>(), expected);
}
