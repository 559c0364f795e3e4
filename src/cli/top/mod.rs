//! `flumen top`: nodes, flows by rate and a plot of one flow's rate, full-screen.

mod draw;
#[cfg(test)]
mod tests;

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use self::draw::{View, page, view};
use super::check::Connection;
use super::exit::{Exit, Failure};
use super::live::{Board, Happening, Key, Keys, Live, Look, Order, Screen, is_possible};
use super::output::Output;
use crate::client::ConnectionState;
use crate::contract::{FlowId, Topic};
use crate::shutdown;

/// The picture is drawn no more often than this: nobody reads faster, and a busy daemon tells of much.
const FRAME: Duration = Duration::from_millis(100);

/// What is looked at.
#[derive(Debug)]
pub(super) struct Top {
    pub(super) connection: Connection,
    pub(super) interval_ms: u32,
}

/// What somebody at the keyboard has chosen.
#[derive(Debug, Default)]
struct Choice {
    flow: Option<FlowId>,
    order: Order,
    is_paused: bool,
}

impl Choice {
    /// Does what a key says; false to leave. `page` is how many flows are seen at a time.
    fn press(&mut self, key: Key, board: &Board, page: usize) -> bool {
        let ranking = board.ranking(self.order);
        let last = ranking.len().saturating_sub(1);
        let at = self.flow.as_ref().and_then(|flow| ranking.iter().position(|(id, _)| *id == flow)).unwrap_or(0);
        let to = match key {
            Key::Leave => return false,
            Key::Up => at.saturating_sub(1),
            Key::Down => at.saturating_add(1),
            Key::PageUp => at.saturating_sub(page),
            Key::PageDown => at.saturating_add(page),
            Key::First => 0,
            Key::Last => last,
            Key::Sort => {
                self.order = self.order.next();
                return true;
            }
            Key::Pause => {
                self.is_paused = !self.is_paused;
                return true;
            }
            Key::Redraw => return true,
        };
        self.flow = ranking.get(to.min(last)).map(|(id, _)| (*id).clone());
        true
    }
}

/// Shows the picture until somebody leaves or a signal comes.
pub(super) async fn run(top: Top, output: &mut Output) -> Result<Exit, Failure> {
    if !is_possible() {
        let failure = Failure::new(Exit::Usage, "'flumen top' draws on a terminal, and standard output is none");
        return Err(failure.hint("'flumen watch --topic stats' writes lines"));
    }
    let stop = CancellationToken::new();
    shutdown::on_signals(stop.clone())
        .map_err(|error| Failure::new(Exit::No, format!("cannot listen for signals: {error}")))?;
    let topics = vec![Topic::Nodes, Topic::Flows, Topic::Stats];
    let mut live = Live::begin(&top.connection, topics, top.interval_ms).await?;
    live.list();
    let look = Look { colour: output.has_colour() };
    let mut screen = Screen::open()?;
    let shown = stop.run_until_cancelled(show(&top, &mut live, look, &mut screen)).await;
    drop(screen);
    live.close().await;
    shown.unwrap_or(Ok(())).map(|()| Exit::Done)
}

async fn show(top: &Top, live: &mut Live, look: Look, screen: &mut Screen) -> Result<(), Failure> {
    let (mut keys, mut choice) = (Keys::new(), Choice::default());
    let url = top.connection.url.to_string();
    let mut samples = interval(Duration::from_millis(top.interval_ms.into()));
    let mut frames = interval(FRAME);
    frames.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut is_listed, mut is_dirty, mut flows_seen) = (false, true, 0);
    loop {
        tokio::select! {
            happening = live.next() => {
                is_listed |= matches!(happening?, Happening::Listed);
                is_dirty |= !choice.is_paused;
            }
            key = keys.next() => {
                if !choice.press(key, &live.board, page(flows_seen)) {
                    return Ok(());
                }
                is_dirty = true;
            }
            _ = samples.tick() => {
                live.board.tick();
                is_dirty |= !choice.is_paused;
            }
            _ = frames.tick(), if is_dirty => {
                is_dirty = false;
                let (board, round_trip) = (&live.board, live.client.counters().round_trip);
                let (state, interval_ms) = (live.state, top.interval_ms);
                let is_there = is_listed && !matches!(state, ConnectionState::Disconnected | ConnectionState::Reconnecting);
                let chosen = View { board, choice: &choice, url: &url, state, is_there, round_trip, interval_ms, look };
                screen.draw(|frame| flows_seen = view(frame, &chosen))?;
            }
        }
    }
}
