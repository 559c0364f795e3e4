//! The live table above the log, as it was agreed.

use std::collections::VecDeque;

use super::super::live::{Board, Listing, Look, compare_with_golden, drawn, flow_view, node_view};
use super::live::{Entry, View, view};
use super::*;
use crate::contract::FlowState;

fn entry(payload: &EventPayload) -> Entry {
    Entry { when: "2026-11-21T02:30:00.123456Z  flows  ".to_owned(), line: line(payload) }
}

#[test]
fn a_table_of_nodes_and_flow_states_stands_above_the_log() {
    let mut board = Board::default();
    let nodes = vec![node_view("edge-1", NodeState::Connected), node_view("edge-2", NodeState::Disconnected)];
    let flows = vec![
        flow_view("a", FlowState::Applied, &["edge-1"]),
        flow_view("b", FlowState::Applied, &["edge-1", "edge-2"]),
        flow_view("c", FlowState::Rejected, &["edge-2"]),
    ];
    board.list(Listing { nodes, flows, is_partial: false });
    let mut log: VecDeque<Entry> = (0..40)
        .map(|n| {
            entry(&EventPayload::Flow { flow: Box::new(flow_view(&format!("flow-{n}"), FlowState::Applied, &[])) })
        })
        .collect();
    log.push_back(entry(&EventPayload::Gap { gap: crate::contract::Gap { from: 3, to: 9 } }));
    let draw = |width, height, board: &Board, log: &VecDeque<Entry>, state| {
        let look = Look { colour: false };
        drawn(width, height, |frame| view(frame, &View { board, log, url: "ws://127.0.0.1:8653/v1/ws", state, look }))
    };
    compare_with_golden("watch/golden/80x24.txt", &draw(80, 24, &board, &log, ConnectionState::Connected));
    compare_with_golden(
        "watch/golden/empty.txt",
        &draw(80, 24, &Board::default(), &VecDeque::new(), ConnectionState::Reconnecting),
    );
    // On any screen the newest line is seen, if there is a place for one.
    for (width, height) in [(200, 60), (80, 10), (20, 8), (5, 3), (1, 1)] {
        let text = draw(width, height, &board, &log, ConnectionState::Connected);
        assert!(width < 80 || text.contains("events 3 to 9"), "{width}x{height}\n{text}");
    }
}
