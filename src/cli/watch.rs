//! `flumen watch`: what happens, a line each, until a signal comes.
//!
//! A daemon that goes away is waited for; what happened meanwhile is asked for by number, and what cannot be told any
//! more is shown as a gap.

use std::collections::BTreeMap;

use tokio::sync::mpsc::Receiver;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::ask::{failed, strange, understood, unreachable};
use super::check::Connection;
use super::exit::{Exit, Failure};
use super::output::{Output, Tone, shown};
use super::verdict;
use super::view::tone;
use crate::backoff::Backoff;
use crate::client::{Client, Event};
use crate::contract::{Command, EventPayload, FlowView, NodeState, Reply, Subscribe, Topic};
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

/// How far the watching has come.
#[derive(Debug, Default)]
struct Position {
    /// The start of the daemon, and the last event of each topic.
    epoch: Option<String>,
    last: BTreeMap<Topic, u64>,
    shown: u64,
}

/// Shows events until a signal comes, or as many as were asked for.
pub(super) async fn run(watch: Watch, output: &mut Output) -> Result<Exit, Failure> {
    let stop = CancellationToken::new();
    shutdown::on_signals(stop.clone())
        .map_err(|error| Failure::new(Exit::No, format!("cannot listen for signals: {error}")))?;
    match stop.run_until_cancelled(follow(&watch, output)).await {
        Some(result) => result,
        None => Ok(Exit::Done),
    }
}

/// One connection after the other; the first must come about.
async fn follow(watch: &Watch, output: &mut Output) -> Result<Exit, Failure> {
    let (mut position, mut backoff) = (Position::default(), Backoff::new());
    let mut was_there = false;
    loop {
        match watch.connection.open().await {
            Ok(client) => {
                was_there = true;
                backoff.reset();
                if listen(watch, &client, &mut position, output).await? {
                    client.close().await;
                    return Ok(Exit::Done);
                }
                output.warning("the daemon is away; waiting for it");
            }
            Err(error) if !was_there => return Err(unreachable(&watch.connection.url, &error)),
            Err(_) => {}
        }
        sleep(backoff.wait()).await;
    }
}

/// Shows what comes on one connection; true when that is all that was asked for.
async fn listen(watch: &Watch, client: &Client, position: &mut Position, output: &mut Output) -> Result<bool, Failure> {
    let Some(mut events) = client.events() else { return Err(strange()) };
    let command = Command::Subscribe(position.subscription(watch));
    let payload = client.request(&command).await.map_err(|error| failed(&command, &error))?;
    let Reply::Subscribed { topics, epoch } = understood(&payload)? else { return Err(strange()) };
    if position.epoch.as_ref() != Some(&epoch) {
        position.last = topics;
        position.epoch = Some(epoch);
    }
    show(watch, &mut events, position, output).await
}

async fn show(
    watch: &Watch,
    events: &mut Receiver<Event>,
    position: &mut Position,
    output: &mut Output,
) -> Result<bool, Failure> {
    while let Some(event) = events.recv().await {
        if watch.json {
            output.line(&event.text)?;
        } else {
            let EventLine { tone, what } = line(&event.payload);
            let (time, topic) = (event.timestamp, event.topic.as_str());
            output.line(format_args!("{time}  {topic:<7}{}", output.paint(tone, what)))?;
        }
        position.last.insert(event.topic, event.seq);
        position.shown += 1;
        if watch.count == Some(position.shown) {
            return Ok(true);
        }
    }
    Ok(false)
}

impl Position {
    /// From what has been shown on; from now on, the first time.
    fn subscription(&self, watch: &Watch) -> Subscribe {
        let from_seq = self.last.iter().map(|(topic, seq)| (*topic, seq + 1)).collect();
        let from = Subscribe { interval_ms: watch.interval_ms, ..Subscribe::to(watch.topics.clone()) };
        match &self.epoch {
            Some(epoch) => Subscribe { from_seq, epoch: Some(epoch.clone()), ..from },
            None => from,
        }
    }
}

/// An event for people.
struct EventLine {
    tone: Tone,
    what: String,
}

fn line(payload: &EventPayload) -> EventLine {
    let (tone, what) = match payload {
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
