//! `flumen watch` on a terminal: a table of nodes and flow states that is kept up to date, above the log.
//!
//! When it is left, the log is written where the screen was, so that it can be scrolled back to.

use std::collections::VecDeque;
use std::time::Duration;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Cell, Paragraph, Row, Table};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::super::exit::{Exit, Failure};
use super::super::live::{Board, Happening, Key, Keys, Live, Look, Screen, bits};
use super::super::output::{Output, Tone, shown};
use super::super::view::counts;
use super::{EventLine, Watch, line};
use crate::client::{ConnectionState, Event};
use crate::contract::Topic;

/// The screen is drawn no more often than this.
const FRAME: Duration = Duration::from_millis(100);
/// Lines of the log that are kept to be written at the end.
const LOG_MAX: usize = 1_000;

/// A line of the log.
pub(super) struct Entry {
    pub(super) when: String,
    pub(super) line: EventLine,
}

impl Entry {
    fn of(event: &Event) -> Self {
        let when = format!("{}  {:<7}", event.timestamp, event.topic.as_str());
        Self { when, line: line(&event.payload) }
    }
}

/// What is drawn.
pub(super) struct View<'a> {
    pub(super) board: &'a Board,
    pub(super) log: &'a VecDeque<Entry>,
    pub(super) url: &'a str,
    pub(super) state: ConnectionState,
    pub(super) look: Look,
}

/// Shows both until somebody leaves or a signal comes.
pub(super) async fn run(watch: &Watch, stop: &CancellationToken, output: &mut Output) -> Result<Exit, Failure> {
    let mut topics = watch.topics.clone();
    // The table wants these, whatever the log is to show.
    topics.extend([Topic::Nodes, Topic::Flows]);
    topics.sort_unstable();
    topics.dedup();
    let mut live = Live::begin(&watch.connection, topics, watch.interval_ms).await?;
    live.list();
    let look = Look { colour: output.has_colour() };
    let mut log = VecDeque::new();
    let mut screen = Screen::open()?;
    let ended = stop.run_until_cancelled(show(watch, &mut live, &mut log, look, &mut screen)).await;
    drop(screen);
    live.close().await;
    for Entry { when, line } in &log {
        output.line(format_args!("{when}{}", output.paint(line.tone, &line.what)))?;
    }
    ended.unwrap_or(Ok(())).map(|()| Exit::Done)
}

async fn show(
    watch: &Watch,
    live: &mut Live,
    log: &mut VecDeque<Entry>,
    look: Look,
    screen: &mut Screen,
) -> Result<(), Failure> {
    let url = watch.connection.url.to_string();
    let (mut keys, mut frames, mut is_dirty) = (Keys::new(), interval(FRAME), true);
    frames.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            happening = live.next() => {
                is_dirty = true;
                if let Happening::Event(event) = happening? && watch.topics.contains(&event.topic) {
                    if log.len() == LOG_MAX {
                        log.pop_front();
                    }
                    log.push_back(Entry::of(&event));
                }
            }
            key = keys.next() => match key {
                Key::Leave => return Ok(()),
                _ => is_dirty = true,
            },
            _ = frames.tick(), if is_dirty => {
                is_dirty = false;
                let state = live.state;
                let shown = View { board: &live.board, log, url: &url, state, look };
                screen.draw(|frame| view(frame, &shown))?;
            }
        }
    }
}

/// Draws everything.
pub(super) fn view(frame: &mut Frame<'_>, view: &View<'_>) {
    let View { board, log, url, state, look } = view;
    let area = frame.area();
    let rows = u16::try_from(board.nodes.len()).unwrap_or(u16::MAX).clamp(1, (area.height / 3).max(1));
    let parts = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(rows + 3),
        Constraint::Min(1),
        Constraint::Length(1),
    ]);
    let [head, table, lines, keys] = parts.areas(area);
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let is_there = matches!(state, ConnectionState::Connected | ConnectionState::Authenticated);
    let headline = Line::from(vec![
        Span::styled("flumen watch", bold),
        Span::raw(format!("  {}  ", shown(url))),
        Span::styled(state.as_str(), look.tone(if is_there { Tone::Good } else { Tone::Bad })),
    ]);
    frame.render_widget(Paragraph::new(headline), head);
    frame.render_widget(node_table(board, *look), table);
    let room = usize::from(lines.height);
    let newest = log.iter().skip(log.len().saturating_sub(room)).map(|Entry { when, line }| {
        Line::from(vec![Span::raw(when.as_str()), Span::styled(line.what.as_str(), look.tone(line.tone))])
    });
    frame.render_widget(Paragraph::new(newest.collect::<Vec<_>>()), lines);
    frame.render_widget(Paragraph::new(Line::from(vec![Span::styled("q", bold), Span::raw(" leave")])), keys);
}

fn node_table(board: &Board, look: Look) -> Table<'static> {
    let states = board.states_by_node();
    let rows = board.nodes.iter().map(|(name, node)| {
        Row::new([
            Cell::from(shown(name.as_str())),
            Cell::from(Span::styled(node.state.to_string(), look.node(node.state))),
            Cell::from(node.datapath_id.clone()),
            Cell::from(states.get(name).map(counts).unwrap_or_default()),
            Cell::from(if node.rate.bits > 0 { bits(node.rate.bits) } else { String::new() }),
        ])
    });
    let widths = [
        Constraint::Max(18),
        Constraint::Length(12),
        Constraint::Length(16),
        Constraint::Fill(1),
        Constraint::Length(12),
    ];
    let all = counts(&board.states());
    let all = if all.is_empty() { "no flows".to_owned() } else { format!("flows: {all}") };
    let count = board.nodes.len();
    let title = format!(" {count} node{}, {all} ", if count == 1 { "" } else { "s" });
    let header = Row::new(["NODE", "STATE", "DATAPATH ID", "FLOWS", ""]);
    Table::new(rows, widths)
        .header(header.style(Style::new().add_modifier(Modifier::BOLD)))
        .block(Block::bordered().title(title))
}
