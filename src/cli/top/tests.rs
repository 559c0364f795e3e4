//! The picture on screens of several sizes, and what keys do to it.

use super::super::live::{Listing, compare_with_golden, drawn, flow_view, node_view};
use super::*;
use crate::contract::{EventPayload, FlowState, FlowStats, NodeState, NodeStats, Stats};

/// A network of three nodes and some flows, of which a few carry something.
fn board() -> Board {
    let mut board = Board::default();
    let nodes = vec![
        node_view("edge-1", NodeState::Connected),
        node_view("edge-2", NodeState::Disconnected),
        node_view("00000000000000a1", NodeState::Discovered),
    ];
    let mut flows: Vec<_> =
        (1..=12).map(|n| flow_view(&format!("voice-{n}"), FlowState::Applied, &["edge-1"])).collect();
    flows.push(flow_view("backup", FlowState::Accepted, &["edge-1", "edge-2"]));
    flows.push(flow_view("full", FlowState::Rejected, &["edge-2"]));
    flows.push(flow_view("c0123456789abcdef-123456789", FlowState::Drifted, &["edge-1"]));
    board.list(Listing { nodes, flows, is_partial: false });
    for sample in 0..150_u64 {
        let carries = |flow: &str, bits| FlowStats {
            flow_id: flow.parse().unwrap(),
            node: "edge-1".parse().unwrap(),
            packets: 1,
            bytes: 1,
            packets_per_second: bits / 1_600,
            bits_per_second: bits,
        };
        let saw = (sample % 50) * 100_000;
        let flows = vec![carries("voice-7", saw + 1_000_000), carries("voice-3", 64_000), carries("backup", 900)];
        let on =
            NodeStats { node: "edge-1".parse().unwrap(), flows: 15, packets_per_second: 700, bits_per_second: saw };
        board.take(&EventPayload::Stats(Stats { flows, nodes: vec![on] }));
        board.tick();
    }
    board
}

fn picture(width: u16, height: u16, board: &Board, choice: &Choice, state: ConnectionState) -> String {
    let view_of = View {
        board,
        choice,
        url: "ws://127.0.0.1:8653/v1/ws",
        state,
        is_there: state == ConnectionState::Connected,
        round_trip: Some(Duration::from_micros(310)),
        interval_ms: 1_000,
        look: Look { colour: false },
    };
    drawn(width, height, |frame| {
        view(frame, &view_of);
    })
}

#[test]
fn the_picture_is_as_it_was_agreed() {
    let board = board();
    let connected = ConnectionState::Connected;
    let choice = Choice::default();
    compare_with_golden("top/golden/80x24.txt", &picture(80, 24, &board, &choice, connected));
    compare_with_golden("top/golden/120x40.txt", &picture(120, 40, &board, &choice, connected));
    let paused = Choice { flow: Some("full".parse().unwrap()), order: Order::State, is_paused: true };
    compare_with_golden("top/golden/paused.txt", &picture(80, 24, &board, &paused, ConnectionState::Reconnecting));
    compare_with_golden("top/golden/empty.txt", &picture(80, 24, &Board::default(), &choice, connected));
}

#[test]
fn every_line_fits_whatever_the_size_and_too_small_a_screen_says_so() {
    let board = board();
    for (width, height) in [(60, 16), (61, 17), (80, 24), (300, 100), (80, 16), (60, 60)] {
        let text = picture(width, height, &board, &Choice::default(), ConnectionState::Connected);
        assert_eq!(text.lines().count(), usize::from(height));
        assert!(
            text.contains("voice-7") && text.contains("q leave") && text.contains("3 nodes"),
            "{width}x{height}\n{text}"
        );
    }
    for (width, height) in [(59, 16), (60, 15), (1, 1), (40, 10)] {
        let text = picture(width, height, &board, &Choice::default(), ConnectionState::Connected);
        assert!(width < 40 || text.contains("is too small") && text.contains("least"), "{text}");
    }
}

#[test]
fn keys_choose_a_flow_which_is_always_seen() {
    let (board, mut choice) = (board(), Choice::default());
    let chosen = |choice: &Choice| choice.flow.as_ref().map(|flow| flow.as_str().to_owned()).unwrap_or_default();
    for (key, flow) in [
        (Key::Down, "voice-3"),
        (Key::Down, "backup"),
        (Key::Up, "voice-3"),
        (Key::First, "voice-7"),
        (Key::Up, "voice-7"),
        (Key::Last, "voice-9"),
        (Key::Down, "voice-9"),
        (Key::PageUp, "voice-2"),
    ] {
        assert!(choice.press(key, &board, 5));
        assert_eq!(chosen(&choice), flow, "{key:?}");
        let text = picture(80, 24, &board, &choice, ConnectionState::Connected);
        assert!(text.contains(&format!("│{flow} ")), "{flow} is not seen:\n{text}");
    }
    // The flow stays chosen when the order changes, and when it is gone the first one is.
    assert!(choice.press(Key::Sort, &board, 5) && choice.press(Key::Pause, &board, 5));
    assert_eq!((chosen(&choice).as_str(), choice.order, choice.is_paused), ("voice-2", Order::State, true));
    choice.flow = Some("gone".parse().unwrap());
    choice.press(Key::Down, &board, 5);
    assert!(board.flows.contains_key(choice.flow.as_ref().unwrap()));
    assert!(!choice.press(Key::Leave, &board, 5));
}

#[test]
fn keys_on_an_empty_screen_do_no_harm() {
    let (board, mut choice) = (Board::default(), Choice::default());
    for key in [Key::Up, Key::Down, Key::PageUp, Key::PageDown, Key::First, Key::Last, Key::Redraw] {
        assert!(choice.press(key, &board, 0) && choice.flow.is_none());
    }
}
