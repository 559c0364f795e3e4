//! Queues for people.

use std::fmt::Write as _;

use super::super::output::shown;
use super::super::table::{Cell, Table};
use super::node::speed;
use super::{Output, Tone};
use crate::contract::{NodeView, QueueView, QueuesState, QueuesView};

/// The queues of one port.
pub(super) fn one(view: &QueuesView, output: &Output) -> String {
    let mut table = new_table();
    fill(&mut table, &view.port, view.number, view.max_rate_kbps, Some(view.state), &view.queues);
    let mut text = match view.queues.is_empty() {
        true => format!("no queues on {}\n", shown(&view.port)),
        false => table.render(output),
    };
    for warning in &view.warnings {
        let _ = write!(text, "\n{} {}\n", output.paint(Tone::Doubtful, "warning:"), shown(warning));
    }
    text
}

/// Those of every port of a node.
pub(super) fn of_node(node: &NodeView, output: &Output) -> String {
    let mut table = new_table();
    let mut is_empty = true;
    for port in &node.ports {
        let queues = port.queues.as_deref().unwrap_or_default();
        is_empty &= queues.is_empty();
        fill(&mut table, &port.name, Some(port.number), port.max_rate_kbps, port.queues_state, queues);
    }
    for warning in &node.warnings {
        output.warning(shown(warning));
    }
    if is_empty {
        output.note(match &node.ovsdb {
            None => "The node was added without --ovsdb: its queues cannot be seen.",
            Some(_) if node.ports.iter().all(|port| port.queues.is_none()) => "The node's queues cannot be seen now.",
            Some(_) => "No queues. 'flumen queues set --help' shows how to make some.",
        });
        return String::new();
    }
    table.render(output)
}

fn new_table() -> Table {
    Table::new(&["PORT", "NAME", "STATE", "LIMIT", "QUEUE", "MIN", "MAX", "PRIORITY", "BURST"])
}

/// One row a queue, each with its port, so that a row can be cut out.
fn fill(
    table: &mut Table,
    name: &str,
    number: Option<u32>,
    limit: Option<u64>,
    state: Option<QueuesState>,
    queues: &[QueueView],
) {
    let rate = |rate: Option<u64>| rate.map(|kbps| Cell::from(speed(kbps))).unwrap_or_default();
    for queue in queues {
        table.row([
            number.map(Cell::from).unwrap_or_default(),
            Cell::from(name),
            state.map(|state| Cell::toned(tone(state), state)).unwrap_or_default(),
            rate(limit),
            Cell::from(queue.queue),
            rate(queue.min_rate_kbps),
            rate(queue.max_rate_kbps),
            queue.priority.map(Cell::from).unwrap_or_default(),
            queue.burst_kb.map(|burst| Cell::from(format!("{burst} kbit"))).unwrap_or_default(),
        ]);
    }
}

fn tone(state: QueuesState) -> Tone {
    match state {
        QueuesState::Applied => Tone::Good,
        QueuesState::Accepted | QueuesState::Drifted => Tone::Doubtful,
        QueuesState::Foreign => Tone::Quiet,
    }
}
