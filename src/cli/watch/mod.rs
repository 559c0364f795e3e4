//! `flumen watch`: what happens, until a signal comes: a line each, and on a terminal below a table that is kept up to date.
//!
//! A daemon that goes away is waited for; what happened meanwhile is asked for by number, and what cannot be told any
//! more is shown as a gap.

mod live;
#[cfg(test)]
mod tests;

use tokio_util::sync::CancellationToken;

use super::ask::{failed, strange};
use super::check::Connection;
use super::exit::{Exit, Failure};
use super::live::is_possible;
use super::output::{Output, Tone, shown};
use super::unreachable::unreachable;
use super::verdict;
use super::view::tone;
use crate::client::{Client, ConnectionState, Event, Lost};
use crate::contract::{Command, EventPayload, FlowView, NodeState, Subscribe, Topic};
use crate::shutdown;

/// What is watched, and how it is shown.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) connection: Connection,
    pub(super) topics: Vec<Topic>,
    pub(super) interval_ms: u32,
    /// Events after which it ends.
    pub(super) count: Option<u64>,
    pub(super) json: bool,
}

/// Shows events until a signal comes, or as many as were asked for.
pub(super) async fn run(watch: Watch, output: &mut Output) -> Result<Exit, Failure> {
    let stop = CancellationToken::new();
    shutdown::on_signals(stop.clone())
        .map_err(|error| Failure::new(Exit::No, format!("cannot listen for signals: {error}")))?;
    // What is counted is wanted as lines.
    if !watch.json && watch.count.is_none() && is_possible() {
        return live::run(&watch, &stop, output).await;
    }
    match stop.run_until_cancelled(follow(&watch, output)).await {
        Some(result) => result,
        None => Ok(Exit::Done),
    }
}

/// Connects and shows what comes; the client sees to everything when the daemon goes away.
async fn follow(watch: &Watch, output: &mut Output) -> Result<Exit, Failure> {
    let client = watch.connection.stay().await.map_err(|error| unreachable(&watch.connection.url, &error))?;
    let Some(mut events) = client.events() else { return Err(strange()) };
    let subscribe = Subscribe { interval_ms: watch.interval_ms, ..Subscribe::to(watch.topics.clone()) };
    let command = Command::Subscribe(subscribe);
    client.request(&command).await.map_err(|error| failed(&command, &error))?;
    let mut states = client.watch();
    let mut shown = 0;
    while watch.count != Some(shown) && !output.reader_gone() {
        tokio::select! {
            event = events.recv() => match event {
                Some(event) => {
                    show(watch, &event, output)?;
                    shown += 1;
                }
                None => return Err(gone(&client)),
            },
            Some(state) = states.next() => match state {
                ConnectionState::Disconnected => output.warning("the daemon is away; waiting for it"),
                ConnectionState::Connecting
                | ConnectionState::Connected
                | ConnectionState::Authenticating
                | ConnectionState::Authenticated
                | ConnectionState::Reconnecting => {}
            },
        }
    }
    client.close().await;
    Ok(Exit::Done)
}

/// Why there is nothing more to see.
fn gone(client: &Client) -> Failure {
    let lost = client.loss().unwrap_or(Lost::Closed);
    let exit = if matches!(lost, Lost::Unreachable(_)) { Exit::Unreachable } else { Exit::No };
    Failure::new(exit, shown(&lost.to_string()))
}

fn show(watch: &Watch, event: &Event, output: &mut Output) -> Result<(), Failure> {
    if watch.json {
        return output.line(&event.text);
    }
    let EventLine { tone, what } = line(&event.payload);
    let (time, topic) = (event.timestamp, event.topic.as_str());
    output.line(format_args!("{time}  {topic:<7}{}", output.paint(tone, what)))
}

/// An event for people.
struct EventLine {
    tone: Tone,
    what: String,
}

fn line(payload: &EventPayload) -> EventLine {
    let (tone, what) = match payload {
        EventPayload::Gap { gap } if gap.to == 0 => {
            (Tone::Doubtful, "what happened before the daemon was started cannot be told any more".to_owned())
        }
        EventPayload::Gap { gap } => {
            (Tone::Doubtful, format!("events {} to {} cannot be told any more", gap.from, gap.to))
        }
        EventPayload::Port { node, port, removed } => {
            let state = match (removed, port.up) {
                (true, _) => "gone",
                (false, true) => "up",
                (false, false) => "down",
            };
            (Tone::Plain, format!("{node} port {} ({}) is {state}", port.number, port.name))
        }
        EventPayload::Node { node, removed: true } => (Tone::Quiet, format!("{} is removed", node.name)),
        EventPayload::Node { node, removed: false } => {
            let tone = if node.state == NodeState::Connected { Tone::Good } else { Tone::Doubtful };
            (tone, format!("{} is {}", node.name, node.state))
        }
        EventPayload::Flow { flow } => (tone(flow.state), flow_line(flow)),
        EventPayload::Alarm(alarm) => (Tone::Bad, format!("{}: {}", alarm.alarm, alarm.message)),
        EventPayload::Stats(stats) => {
            let busy = stats.flows.iter().map(|flow| {
                let (id, node) = (flow.flow_id.as_str(), &flow.node);
                format!("{id} on {node} {} packets/s {} bit/s", flow.packets_per_second, flow.bits_per_second)
            });
            (Tone::Plain, busy.collect::<Vec<_>>().join(", "))
        }
    };
    EventLine { tone, what: shown(&what) }
}

/// Where the flow stands, and why, on the nodes that make it so.
fn flow_line(flow: &FlowView) -> String {
    let FlowView { flow_id, state, source, destination, traffic_type, .. } = flow;
    let told = flow.nodes.iter().filter(|node| node.state == *state && (node.error.is_some() || node.reason.is_some()));
    let why: Vec<String> = told.map(verdict::trouble).collect();
    let why = if why.is_empty() { String::new() } else { format!("  {}", why.join("; ")) };
    format!("{flow_id} is {state}  {source} > {destination} {traffic_type}{why}")
}
