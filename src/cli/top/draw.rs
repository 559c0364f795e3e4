//! The picture of `flumen top`: from what is known to what is on the screen.

use std::time::Duration;

use ratatui::Frame;
use ratatui::layout::{Alignment, Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::symbols::Marker;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Axis, Block, Cell, Chart, Dataset, GraphType, Paragraph, Row, Table, TableState, Wrap};

use super::super::live::{Board, FLOWS_MAX, FlowLine, HISTORY, Look, bits, packets};
use super::super::output::{Tone, shown};
use super::super::view::{counts, tone};
use super::Choice;
use crate::client::ConnectionState;
use crate::contract::FlowId;

/// On less there is nothing to be seen.
const LEAST: (u16, u16) = (60, 16);
/// What the frame of a table and its headline take.
const FRAME: u16 = 3;
/// Flows that are seen even where there are many nodes.
const LEAST_FLOWS: u16 = 2;
/// From this width on names are shown at length.
const WIDE: u16 = 100;

/// What is drawn.
pub(super) struct View<'a> {
    pub(super) board: &'a Board,
    pub(super) choice: &'a Choice,
    pub(super) url: &'a str,
    pub(super) state: ConnectionState,
    /// What is shown is what the daemon has now.
    pub(super) is_there: bool,
    pub(super) round_trip: Option<Duration>,
    pub(super) interval_ms: u32,
    pub(super) look: Look,
}

/// How far a page goes when so many flows are seen.
pub(super) fn page(seen: usize) -> usize {
    seen.saturating_sub(1).max(1)
}

/// Draws everything; tells how many flows are seen at a time.
pub(super) fn view(frame: &mut Frame<'_>, view: &View<'_>) -> usize {
    let area = frame.area();
    if area.width < LEAST.0 || area.height < LEAST.1 {
        let (width, height) = LEAST;
        let text = format!("{} x {} is too small for this: {width} x {height} is the least", area.width, area.height);
        frame.render_widget(Paragraph::new(text).wrap(Wrap { trim: true }), area);
        return 0;
    }
    let plot = (area.height / 3).max(6);
    // Whatever there is to see, some flows are seen.
    let room = area.height.saturating_sub(plot + 2 * FRAME + LEAST_FLOWS + 2).min(area.height / 4).max(1);
    let nodes = u16::try_from(view.board.nodes.len()).unwrap_or(u16::MAX).clamp(1, room);
    let parts = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(nodes + FRAME),
        Constraint::Min(FRAME + LEAST_FLOWS),
        Constraint::Length(plot),
        Constraint::Length(1),
    ]);
    let [head, node_part, flow_part, plot_part, keys] = parts.areas(area);
    headline(frame, view, head);
    node_table(frame, view, node_part);
    let ranking = view.board.ranking(view.choice.order);
    let chosen = view.choice.flow.as_ref().and_then(|flow| ranking.iter().position(|(id, _)| *id == flow)).unwrap_or(0);
    flow_table(frame, view, &ranking, chosen, flow_part);
    plot_of(frame, view, ranking.get(chosen).copied(), plot_part);
    key_line(frame, view, keys);
    flow_part.height.saturating_sub(FRAME).into()
}

fn headline(frame: &mut Frame<'_>, view: &View<'_>, area: Rect) {
    let connection = if view.is_there { Tone::Good } else { Tone::Bad };
    let total: u64 = view.board.nodes.values().map(|node| node.rate.bits).max().unwrap_or_default();
    let round_trip = view.round_trip.map(|time| format!("  {:.1} ms away", time.as_secs_f64() * 1_000.0));
    let line = Line::from(vec![
        Span::styled("flumen top", Style::new().add_modifier(Modifier::BOLD)),
        Span::raw(format!("  {}  ", shown(view.url))),
        Span::styled(view.state.as_str(), view.look.tone(connection)),
        Span::raw(format!("  busiest node {}{}", bits(total), round_trip.unwrap_or_default())),
    ]);
    frame.render_widget(Paragraph::new(line), area);
}

fn header<const N: usize>(names: [&'static str; N]) -> Row<'static> {
    Row::new(names).style(Style::new().add_modifier(Modifier::BOLD))
}

fn right(text: String) -> Cell<'static> {
    Cell::from(Line::from(text).alignment(Alignment::Right))
}

fn node_table(frame: &mut Frame<'_>, view: &View<'_>, area: Rect) {
    let states = view.board.states_by_node();
    let rows = view.board.nodes.iter().map(|(name, node)| {
        let flows = states.get(name).map(counts).unwrap_or_default();
        Row::new([
            Cell::from(shown(name.as_str())),
            Cell::from(Span::styled(node.state.to_string(), view.look.node(node.state))),
            Cell::from(flows),
            right(packets(node.rate.packets)),
            right(bits(node.rate.bits)),
        ])
    });
    let widths = [
        Constraint::Max(18),
        Constraint::Length(12),
        Constraint::Fill(1),
        Constraint::Length(10),
        Constraint::Length(12),
    ];
    let count = view.board.nodes.len();
    let room = usize::from(area.height.saturating_sub(FRAME));
    let hidden = if count > room { format!(", the first {room} of them") } else { String::new() };
    let title = format!(" {count} node{}{hidden} ", if count == 1 { "" } else { "s" });
    let table = Table::new(rows, widths)
        .header(header(["NODE", "STATE", "FLOWS", "  PACKETS", "        RATE"]))
        .block(Block::bordered().title(title));
    frame.render_widget(table, area);
}

fn flow_table(frame: &mut Frame<'_>, view: &View<'_>, ranking: &[(&FlowId, &FlowLine)], chosen: usize, area: Rect) {
    let room = usize::from(area.height.saturating_sub(FRAME)).max(1);
    // Only those that are seen become rows, however many there are; the chosen one is among them.
    let first = (chosen + 1).saturating_sub(room);
    let rows = ranking.iter().skip(first).take(room).map(|(id, flow)| {
        let rate = flow.rate();
        let nodes = match flow.nodes.as_slice() {
            [(node, _)] => shown(node.as_str()),
            nodes => format!("{} nodes", nodes.len()),
        };
        Row::new([
            Cell::from(shown(id.as_str())),
            Cell::from(Span::styled(flow.state.to_string(), view.look.tone(tone(flow.state)))),
            Cell::from(flow.ends.clone()),
            Cell::from(shown(&flow.traffic_type)),
            Cell::from(nodes),
            right(bits(rate.bits)),
        ])
    });
    let id_width = ranking.iter().skip(first).take(room).map(|(id, _)| id.as_str().chars().count()).max();
    let (longest_id, class, node) = if area.width < WIDE { (20, 8, 8) } else { (36, 22, 18) };
    let id_width = u16::try_from(id_width.unwrap_or_default()).unwrap_or(longest_id).clamp(4, longest_id);
    let widths = [
        Constraint::Length(id_width),
        Constraint::Length(8),
        Constraint::Fill(1),
        Constraint::Length(class),
        Constraint::Length(node),
        Constraint::Length(12),
    ];
    let partial = if view.board.is_partial { format!(" of more than {FLOWS_MAX}") } else { String::new() };
    let states = counts(&view.board.states());
    let states = if states.is_empty() { String::new() } else { format!(": {states}") };
    let title = format!(" {} flows{partial} by {}{states} ", ranking.len(), view.choice.order.as_str());
    let table = Table::new(rows, widths)
        .header(header(["FLOW", "STATE", "FROM AND TO", "CLASS", "NODE", "        RATE"]))
        .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED))
        .block(Block::bordered().title(title));
    let mut state = TableState::default();
    state.select((!ranking.is_empty()).then_some(chosen - first.min(chosen)));
    frame.render_stateful_widget(table, area, &mut state);
}

#[expect(clippy::cast_precision_loss, reason = "it is a picture")]
fn plot_of(frame: &mut Frame<'_>, view: &View<'_>, flow: Option<(&FlowId, &FlowLine)>, area: Rect) {
    let Some((id, line)) = flow else {
        let text = if view.is_there { "There are no flows." } else { "Nothing is known yet." };
        return frame.render_widget(Paragraph::new(text).block(Block::bordered()), area);
    };
    let highest = line.history.iter().copied().max().unwrap_or_default().max(1);
    let from = HISTORY - line.history.len();
    let points: Vec<(f64, f64)> =
        line.history.iter().enumerate().map(|(at, bits)| ((from + at) as f64, *bits as f64)).collect();
    let rate = line.rate();
    let title = format!(" {}: {}, {} ", shown(id.as_str()), bits(rate.bits), packets(rate.packets));
    let seconds = u64::from(view.interval_ms) * HISTORY as u64 / 1_000;
    let ago = if seconds >= 120 { format!("{} min ago", seconds / 60) } else { format!("{seconds} s ago") };
    let dataset = Dataset::default()
        .marker(Marker::Braille)
        .graph_type(GraphType::Line)
        .style(view.look.colour(Color::Cyan))
        .data(&points);
    let chart = Chart::new(vec![dataset])
        .block(Block::bordered().title(title))
        .x_axis(Axis::default().bounds([0.0, (HISTORY - 1) as f64]).labels([ago, "now".to_owned()]))
        .y_axis(Axis::default().bounds([0.0, highest as f64]).labels(["0".to_owned(), bits(highest)]));
    frame.render_widget(chart, area);
}

fn key_line(frame: &mut Frame<'_>, view: &View<'_>, area: Rect) {
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let pause = if view.choice.is_paused { " go on   PAUSED" } else { " pause" };
    let sort = format!(" sort by {}   ", view.choice.order.next().as_str());
    let parts = [
        ("q", " leave   ".to_owned()),
        ("up down home end", " choose   ".to_owned()),
        ("s", sort),
        ("p", pause.to_owned()),
    ];
    let spans = parts.into_iter().flat_map(|(key, meaning)| [Span::styled(key, bold), Span::raw(meaning)]);
    frame.render_widget(Paragraph::new(Line::from_iter(spans)), area);
}
