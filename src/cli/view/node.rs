//! Nodes for people.

use std::fmt::Write as _;

use super::super::output::shown;
use super::super::table::{Cell, Table, pairs};
use super::{Output, Tone, counts};
use crate::contract::{Capabilities, NodeState, NodeView, PortView};

pub(super) fn list(nodes: &[NodeView], output: &Output) -> String {
    if nodes.is_empty() {
        output.note("No nodes: a switch that connects to the daemon shows up here by itself. 'flumen node add --help' has more.");
        return String::new();
    }
    let mut table = Table::new(&["NAME", "STATE", "DATAPATH ID", "ADDRESS", "PORTS", "FLOWS"]);
    for node in nodes {
        let ports = if node.ports.is_empty() { String::new() } else { node.ports.len().to_string() };
        table.row([
            Cell::from(&node.name),
            state(node.state),
            Cell::from(node.datapath_id.as_deref().unwrap_or_default()),
            Cell::from(node.address.as_deref().unwrap_or_default()),
            Cell::from(ports),
            Cell::from(counts(&node.flows)),
        ]);
    }
    table.render(output)
}

pub(super) fn one(node: &NodeView, output: &Output) -> String {
    let optional = |value: &Option<String>| Cell::from(value.as_deref().unwrap_or_default());
    let labels: Vec<String> = node.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let mut text = pairs(
        [
            ("name", Cell::from(&node.name)),
            ("state", state(node.state)),
            ("since", node.connected_since.map(Cell::from).unwrap_or_default()),
            ("datapath id", optional(&node.datapath_id)),
            ("address", optional(&node.address)),
            ("ovsdb", optional(&node.ovsdb)),
            ("labels", Cell::from(labels.join(", "))),
            ("manufacturer", optional(&node.manufacturer)),
            ("hardware", optional(&node.hardware)),
            ("software", optional(&node.software)),
            ("tables", node.tables.map(Cell::from).unwrap_or_default()),
            ("can do", Cell::from(capabilities(&node.capabilities))),
            ("flows", Cell::from(counts(&node.flows))),
        ],
        output,
    );
    if !node.ports.is_empty() {
        let mut table = Table::new(&["PORT", "NAME", "LINK", "SPEED", "QUEUES"]);
        for port in &node.ports {
            let link = if port.up { Cell::toned(Tone::Good, "up") } else { Cell::toned(Tone::Bad, "down") };
            table.row([
                Cell::from(port.number),
                Cell::from(&port.name),
                link,
                Cell::from(speed(port.speed_kbps.into())),
                queues(port),
            ]);
        }
        let _ = write!(text, "\n{}", table.render(output));
    }
    for warning in &node.warnings {
        let _ = write!(text, "\n{} {}\n", output.paint(Tone::Doubtful, "warning:"), shown(warning));
    }
    text
}

/// The numbers of a port's queues; `flumen queues show` has the rest.
fn queues(port: &PortView) -> Cell {
    let numbers = port.queues.iter().flatten().map(|queue| queue.queue.to_string());
    Cell::from(numbers.collect::<Vec<_>>().join(", "))
}

fn state(state: NodeState) -> Cell {
    let tone = match state {
        NodeState::Connected => Tone::Good,
        NodeState::Disconnected => Tone::Bad,
        NodeState::Connecting | NodeState::Registered => Tone::Doubtful,
        NodeState::Discovered => Tone::Quiet,
    };
    Cell::toned(tone, state)
}

fn capabilities(can: &Capabilities) -> String {
    let meters = match (can.meters, can.bands.is_empty()) {
        (false, _) => None,
        (true, true) => Some("meters".to_owned()),
        (true, false) => Some(format!("meters ({})", can.bands.join(", "))),
    };
    let rest = [(can.queues, "queues"), (can.bundles, "bundles"), (can.flow_monitor, "flow monitor")];
    let rest = rest.into_iter().filter(|(can, _)| *can).map(|(_, what)| what.to_owned());
    meters.into_iter().chain(rest).collect::<Vec<_>>().join(", ")
}

/// A speed in the unit that is written on the port.
pub(super) fn speed(kbps: u64) -> String {
    match kbps {
        0 => String::new(),
        1_000_000.. if kbps.is_multiple_of(1_000_000) => format!("{} Gbit/s", kbps / 1_000_000),
        1_000.. if kbps.is_multiple_of(1_000) => format!("{} Mbit/s", kbps / 1_000),
        _ => format!("{kbps} kbit/s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_speed_is_shown_in_its_own_unit() {
        assert_eq!(
            [0, 9_600, 100_000, 10_000_000, 2_500_000].map(speed),
            ["", "9600 kbit/s", "100 Mbit/s", "10 Gbit/s", "2500 Mbit/s"]
        );
    }
}
