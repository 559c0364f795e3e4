//! The board and the keys; and what the tests of the views use.

use std::path::Path;

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use ratatui::backend::TestBackend;
use ratatui::{Frame, Terminal};

use super::*;
use crate::contract::{
    Capabilities, Endpoint, EventPayload, FlowNodeView, FlowState, FlowStats, FlowView, Forward, Gap, NodeKind,
    NodeState, NodeStats, NodeView, Stats,
};

/// What is on a screen of this size, without colours.
pub(in crate::cli) fn drawn(width: u16, height: u16, draw: impl FnOnce(&mut Frame<'_>)) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(draw).unwrap();
    let buffer = terminal.backend().buffer();
    let row = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>().trim_end().to_owned() + "\n";
    (0..height).map(row).collect()
}

/// Compares with a file below `src/cli`; `FLUMEN_REWRITE_GOLDEN=1` writes it anew.
#[track_caller]
pub(in crate::cli) fn compare_with_golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli").join(name);
    if std::env::var_os("FLUMEN_REWRITE_GOLDEN").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, golden, "{name} differs; FLUMEN_REWRITE_GOLDEN=1 writes it anew");
}

pub(in crate::cli) fn node_view(name: &str, state: NodeState) -> NodeView {
    NodeView {
        name: name.parse().unwrap(),
        kind: NodeKind::default(),
        datapath_id: Some("00000000000000a1".to_owned()),
        address: None,
        ovsdb: None,
        labels: Default::default(),
        state,
        manufacturer: None,
        hardware: None,
        software: None,
        tables: None,
        ports: Vec::new(),
        capabilities: Capabilities::default(),
        connected_since: None,
        flows: Default::default(),
        warnings: Vec::new(),
    }
}

pub(in crate::cli) fn flow_view(id: &str, state: FlowState, nodes: &[&str]) -> FlowView {
    let node = |name: &&str| FlowNodeView {
        node: name.parse().unwrap(),
        datapath_id: None,
        state,
        cookie: None,
        table: 0,
        rules: 1,
        error: None,
        reason: None,
        applied_at: None,
        verified_at: None,
        meter: None,
        counters: None,
        flow_mods: None,
    };
    FlowView {
        flow_id: id.parse().unwrap(),
        state,
        source: "10.0.1.0/24".parse().unwrap(),
        destination: Endpoint::Any,
        traffic_type: "voice".to_owned(),
        priority: 46_000,
        protocol: None,
        source_port: None,
        destination_port: None,
        dscp: None,
        queue: None,
        rate_limit: None,
        forward: Forward::Normal,
        bidirectional: false,
        idle_timeout: 0,
        hard_timeout: 0,
        nodes: nodes.iter().map(node).collect(),
        warnings: Vec::new(),
        packets: None,
        bytes: None,
    }
}

fn flow_event(id: &str, state: FlowState) -> EventPayload {
    EventPayload::Flow { flow: Box::new(flow_view(id, state, &["s1"])) }
}

fn node_event(name: &str, state: NodeState, removed: bool) -> EventPayload {
    EventPayload::Node { node: Box::new(node_view(name, state)), removed }
}

fn carries(id: &str, node: &str, bits: u64) -> EventPayload {
    let flow = FlowStats {
        flow_id: id.parse().unwrap(),
        node: node.parse().unwrap(),
        packets: 1,
        bytes: 1,
        packets_per_second: bits / 1_000,
        bits_per_second: bits,
    };
    let on = NodeStats { node: flow.node.clone(), flows: 1, packets_per_second: 1, bits_per_second: bits };
    EventPayload::Stats(Stats { flows: vec![flow], nodes: vec![on] })
}

fn ids(board: &Board, order: Order) -> Vec<&str> {
    board.ranking(order).into_iter().map(|(id, _)| id.as_str()).collect()
}

#[test]
fn events_add_change_and_take_away() {
    let mut board = Board::default();
    for (id, state) in [("a", FlowState::Applied), ("b", FlowState::Accepted), ("c", FlowState::Rejected)] {
        assert!(board.take(&flow_event(id, state)));
    }
    assert!(board.take(&node_event("s1", NodeState::Connected, false)));
    assert_eq!(board.states_by_node().values().flat_map(|states| states.values()).sum::<u64>(), 3);
    board.take(&flow_event("b", FlowState::Applied));
    board.take(&flow_event("c", FlowState::Removed));
    assert_eq!(board.states(), [(FlowState::Applied, 2)].into());
    board.take(&node_event("s1", NodeState::Disconnected, false));
    assert_eq!(board.nodes["s1"].state, NodeState::Disconnected);
    board.take(&node_event("s1", NodeState::Disconnected, true));
    assert!(board.nodes.is_empty());
    assert!(!board.take(&EventPayload::Gap { gap: Gap { from: 1, to: 2 } }), "a gap wants a new listing");
}

#[test]
fn a_flow_has_the_rate_of_its_busiest_node_and_keeps_its_history_over_events_and_listings() {
    let mut board = Board::default();
    board.take(&flow_event("a", FlowState::Applied));
    board.take(&flow_event("b", FlowState::Applied));
    board.take(&carries("b", "s1", 5_000));
    board.take(&carries("b", "s2", 9_000));
    board.take(&carries("a", "s1", 7_000));
    board.tick();
    board.take(&carries("b", "s2", 0));
    board.tick();
    board.take(&flow_event("b", FlowState::Drifted));
    board.expect_listing();
    let flows = vec![flow_view("b", FlowState::Applied, &["s1"]), flow_view("a", FlowState::Applied, &["s1"])];
    board.list(Listing { nodes: Vec::new(), flows, is_partial: false });
    let line = &board.flows["b"];
    assert_eq!((line.rate().bits, line.state), (5_000, FlowState::Applied));
    assert_eq!(line.history, [9_000, 5_000]);
    assert_eq!(ids(&board, Order::Rate), ["a", "b"]);
    (0..2 * HISTORY).for_each(|_| board.tick());
    assert_eq!(board.flows["b"].history.len(), HISTORY);
}

#[test]
fn what_events_told_while_a_list_was_on_its_way_is_newer_than_the_list() {
    let mut board = Board::default();
    board.take(&flow_event("stale", FlowState::Applied));
    board.expect_listing();
    board.take(&flow_event("new", FlowState::Applied));
    board.take(&flow_event("gone", FlowState::Removed));
    board.take(&node_event("s1", NodeState::Connected, false));
    let flows = vec![flow_view("gone", FlowState::Applied, &[]), flow_view("there", FlowState::Applied, &[])];
    let nodes = vec![node_view("s1", NodeState::Disconnected), node_view("s2", NodeState::Registered)];
    board.list(Listing { nodes, flows, is_partial: false });
    assert_eq!(ids(&board, Order::Id), ["new", "there"]);
    assert_eq!(board.nodes["s1"].state, NodeState::Connected);
    assert_eq!(board.nodes.len(), 2);
}

#[test]
fn flows_are_in_the_order_that_was_asked_for() {
    let mut board = Board::default();
    for (id, state) in [("c", FlowState::Applied), ("a", FlowState::Applied), ("b", FlowState::Rejected)] {
        board.take(&flow_event(id, state));
    }
    board.take(&carries("c", "s1", 1));
    assert_eq!(ids(&board, Order::Rate), ["c", "a", "b"]);
    assert_eq!(ids(&board, Order::State), ["b", "a", "c"]);
    assert_eq!(ids(&board, Order::Id), ["a", "b", "c"]);
    assert_eq!(Order::Rate.next().next().next(), Order::Rate);
}

#[test]
fn figures_have_three_digits_and_the_right_prefix() {
    let shown = [0, 999, 1_000, 9_994, 9_996, 99_960, 999_499, 999_500, 12_345_678_901].map(bits);
    assert_eq!(
        shown,
        [
            "0 bit/s",
            "999 bit/s",
            "1.00 kbit/s",
            "9.99 kbit/s",
            "10.0 kbit/s",
            "100 kbit/s",
            "999 kbit/s",
            "1.00 Mbit/s",
            "12.3 Gbit/s"
        ]
    );
    assert_eq!(packets(1_200), "1.20 k/s");
}

#[test]
fn keys_mean_what_the_last_line_says() {
    let key = |code, modifiers| Key::of(&Event::Key(KeyEvent::new(code, modifiers)));
    for (code, meaning) in [
        (KeyCode::Char('q'), Key::Leave),
        (KeyCode::Esc, Key::Leave),
        (KeyCode::Up, Key::Up),
        (KeyCode::Char('j'), Key::Down),
        (KeyCode::Home, Key::First),
        (KeyCode::Char('G'), Key::Last),
        (KeyCode::Char('s'), Key::Sort),
        (KeyCode::Char('p'), Key::Pause),
    ] {
        assert_eq!(key(code, KeyModifiers::NONE), Some(meaning));
    }
    assert_eq!(key(KeyCode::Char('c'), KeyModifiers::CONTROL), Some(Key::Leave));
    assert_eq!(key(KeyCode::Char('c'), KeyModifiers::NONE), None);
    assert_eq!(Key::of(&Event::Resize(1, 1)), Some(Key::Redraw));
}

#[test]
fn the_terminal_is_given_back_before_a_panic_is_told() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    let given_back = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&given_back);
    super::screen::before_panics(move || {
        count.fetch_add(1, Ordering::SeqCst);
    });
    assert!(std::panic::catch_unwind(|| panic!("as a test")).is_err());
    assert!(given_back.load(Ordering::SeqCst) >= 1);
}
