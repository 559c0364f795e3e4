//! Flows for people.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::super::table::{Cell, Table, pairs};
use super::{Output, counts, tone};
use crate::contract::{FlowNodeView, FlowState, FlowView, Forward, NodeName, Timestamp};

pub(super) fn list(flows: &[FlowView], output: &Output) -> String {
    if flows.is_empty() {
        output.note("No flows. 'flumen flow install --help' shows how to ask for one.");
        return String::new();
    }
    let mut table =
        Table::new(&["FLOW", "STATE", "SOURCE", "DESTINATION", "PROTOCOL", "TYPE", "PRIO", "LIMIT", "NODES"]);
    for flow in flows {
        let nodes: Vec<&str> = flow.nodes.iter().map(|node| node.node.as_str()).collect();
        table.row([
            Cell::from(&flow.flow_id),
            Cell::toned(tone(flow.state), flow.state),
            Cell::from(flow.source),
            Cell::from(flow.destination),
            Cell::from(protocol(flow)),
            Cell::from(&flow.traffic_type),
            Cell::from(flow.priority),
            Cell::from(flow.rate_limit.map(|limit| format!("{} kbit/s", limit.rate_kbps)).unwrap_or_default()),
            Cell::from(nodes.join(", ")),
        ]);
    }
    table.render(output)
}

/// `explained` if what went wrong is told elsewhere: then it is only named here.
pub(super) fn one(flow: &FlowView, explained: bool, output: &Output) -> String {
    let seconds = |seconds: u16| if seconds == 0 { Cell::default() } else { Cell::from(format!("{seconds} s")) };
    let direction = if flow.bidirectional { " and back" } else { "" };
    let mut text = pairs(
        [
            ("flow", Cell::from(&flow.flow_id)),
            ("state", Cell::toned(tone(flow.state), flow.state)),
            ("source", Cell::from(flow.source)),
            ("destination", Cell::from(format!("{}{direction}", flow.destination))),
            ("protocol", Cell::from(protocol(flow))),
            ("traffic type", Cell::from(treatment(flow))),
            ("rate limit", Cell::from(rate_limit(flow))),
            ("forward", Cell::from(forward(flow.forward))),
            ("idle timeout", seconds(flow.idle_timeout)),
            ("hard timeout", seconds(flow.hard_timeout)),
            ("packets", flow.packets.map(Cell::from).unwrap_or_default()),
            ("bytes", flow.bytes.map(Cell::from).unwrap_or_default()),
        ],
        output,
    );
    if !flow.nodes.is_empty() {
        let _ = write!(text, "\n{}", nodes(&flow.nodes, explained, output));
    }
    for (node, line) in flow.nodes.iter().filter_map(|node| Some((node, traffic(node)?))) {
        let _ = write!(text, "\n{}: {line}\n", node.node);
    }
    let mut gap = "
";
    for (node, flow_mod) in flow_mods(&flow.nodes) {
        let _ = writeln!(text, "{gap}{node}  {flow_mod}");
        gap = "";
    }
    text
}

pub(super) fn summary(summary: &BTreeMap<FlowState, u64>, output: &Output) -> String {
    match counts(summary) {
        none if none.is_empty() => {
            output.note("No flow matched.");
            none
        }
        some => format!("{some}\n"),
    }
}

fn nodes(nodes: &[FlowNodeView], explained: bool, output: &Output) -> String {
    let mut table = Table::new(&["NODE", "STATE", "TABLE", "RULES", "COOKIE", "APPLIED AT", "DETAIL"]);
    for node in nodes {
        let detail = match (&node.error, &node.reason) {
            (Some(error), _) if explained => format!("{} {}", error.error_type, error.code),
            (Some(error), _) => format!("{} {}: {}", error.error_type, error.code, error.message),
            (None, Some(reason)) => reason.clone(),
            (None, None) => String::new(),
        };
        table.row([
            Cell::from(&node.node),
            Cell::toned(tone(node.state), node.state),
            Cell::from(node.table),
            Cell::from(node.rules),
            Cell::from(node.cookie.as_deref().unwrap_or_default()),
            node.applied_at.map(|at| Cell::from(to_the_second(at))).unwrap_or_default(),
            Cell::from(detail),
        ]);
    }
    table.render(output)
}

/// The same of many flows, one a line.
pub(super) fn all_flow_mods(flows: &[FlowView]) -> String {
    let mut text = String::new();
    for (node, flow_mod) in flows.iter().flat_map(|flow| flow_mods(&flow.nodes)) {
        let _ = writeln!(text, "{node}  {flow_mod}");
    }
    text
}

/// What a node has counted of the flow, and what its meter did to it.
fn traffic(node: &FlowNodeView) -> Option<String> {
    let counters = node.counters.map(|counters| {
        let rate = counters.bits_per_second.map(|bits| format!(", {} kbit/s", bits / 1_000)).unwrap_or_default();
        format!("{} packets, {} bytes{rate}", counters.packets, counters.bytes)
    });
    let meter = node.meter.as_ref().map(|meter| {
        let shared = if meter.shared { ", shared by the class" } else { "" };
        let exceeding = meter.exceeding_packets.map(|packets| format!(", {packets} packets above it"));
        let exceeding = exceeding.unwrap_or_default();
        format!("meter {} at {} kbit/s{shared}{exceeding}", meter.meter_id, meter.rate_kbps)
    });
    let parts: Vec<String> = counters.into_iter().chain(meter).collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// What a dry run would send, in the syntax of ovs-ofctl.
fn flow_mods(nodes: &[FlowNodeView]) -> impl Iterator<Item = (&NodeName, &str)> {
    nodes
        .iter()
        .flat_map(|node| node.flow_mods.iter().flatten().map(move |flow_mod| (&node.node, flow_mod.text.as_str())))
}

/// `udp`, `udp 5060-5063`, `tcp 1024 > 80`: ports as they stand between source and destination.
fn protocol(flow: &FlowView) -> String {
    let Some(protocol) = flow.protocol else { return String::new() };
    match (flow.source_port, flow.destination_port) {
        (None, None) => protocol.to_string(),
        (None, Some(destination)) => format!("{protocol} {destination}"),
        (Some(source), None) => format!("{protocol} {source} > any"),
        (Some(source), Some(destination)) => format!("{protocol} {source} > {destination}"),
    }
}

fn treatment(flow: &FlowView) -> String {
    let mut text = format!("{}: priority {}", flow.traffic_type, flow.priority);
    if let Some(dscp) = flow.dscp {
        let _ = write!(text, ", DSCP {dscp}");
    }
    if let Some(queue) = flow.queue {
        let _ = write!(text, ", queue {queue}");
    }
    text
}

fn rate_limit(flow: &FlowView) -> String {
    match flow.rate_limit {
        None => String::new(),
        Some(limit) => match limit.burst_kb {
            None => format!("{} kbit/s", limit.rate_kbps),
            Some(burst) => format!("{} kbit/s, burst {burst} kbit", limit.rate_kbps),
        },
    }
}

fn forward(forward: Forward) -> String {
    match forward {
        Forward::Normal => String::new(),
        Forward::Drop => "drop".to_owned(),
        Forward::Port(port) => format!("port {port}"),
        Forward::Table(table) => format!("table {table}"),
    }
}

/// The fraction of a second matters to programs; they have --json.
fn to_the_second(time: Timestamp) -> String {
    let text = time.to_string();
    match text.split_once('.') {
        Some((seconds, _)) => format!("{seconds}Z"),
        None => text,
    }
}
