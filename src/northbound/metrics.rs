//! Counters and gauges, and their Prometheus text.
//!
//! Hand-written: a counter is one atomic addition, and every series exists from the start, so that rates begin at 0.

use std::collections::BTreeMap;
use std::fmt::{Display, Write};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::contract::{CommandName, ErrorCode};
use crate::programmer::{Counters, Refusal, Survey, Totals};

/// The media type of the exposition format.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Each command, and what could not be read as one.
const COMMANDS: usize = CommandName::ALL.len() + 1;
/// Each error code, and success.
const OUTCOMES: usize = ErrorCode::ALL.len() + 1;

/// What the front end counts.
#[derive(Debug, Default)]
pub(super) struct Metrics {
    opened: AtomicU64,
    closed: AtomicU64,
    refused: AtomicU64,
    websockets: AtomicU64,
    answers: [[AtomicU64; OUTCOMES]; COMMANDS],
}

/// One open connection.
#[derive(Debug)]
pub(super) struct OpenConnection<'a>(&'a Metrics);

impl Drop for OpenConnection<'_> {
    fn drop(&mut self) {
        self.0.closed.fetch_add(1, Ordering::Relaxed);
    }
}

impl Metrics {
    /// Counts a connection, which is open until the guard is dropped.
    pub(super) fn connection(&self) -> OpenConnection<'_> {
        self.opened.fetch_add(1, Ordering::Relaxed);
        OpenConnection(self)
    }

    /// Counts a connection beyond the limit.
    pub(super) fn refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts an upgrade.
    pub(super) fn websocket(&self) {
        self.websockets.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts an answer: to which command, if it could be read, and with which error, if any.
    pub(super) fn answered(&self, command: Option<CommandName>, error: Option<ErrorCode>) {
        let command = command.map_or(COMMANDS - 1, |command| command as usize);
        let outcome = error.map_or(OUTCOMES - 1, |code| code as usize);
        if let Some(counter) = self.answers.get(command).and_then(|outcomes| outcomes.get(outcome)) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The exposition.
    pub(super) fn render(&self, survey: &Survey, subscriptions: usize, switches: Option<&Totals>) -> String {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        // Read in this order, a connection that ends meanwhile cannot make the gauge negative.
        let closed = read(&self.closed);
        let opened = read(&self.opened);
        let mut text = String::new();
        let mut family = |name: &str, kind: &str, help: &str, samples: &[(String, u64)]| {
            // Writing into a String cannot fail.
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
            for (labels, value) in samples {
                let _ = writeln!(text, "{name}{labels} {value}");
            }
        };
        let plain = |value| [(String::new(), value)];
        let version = format!(r#"{{version="{}"}}"#, env!("CARGO_PKG_VERSION"));
        family("flumen_build_info", "gauge", "The daemon's version; always 1.", &[(version, 1)]);
        family("flumen_connections", "gauge", "Open connections of clients.", &plain(opened.saturating_sub(closed)));
        family("flumen_connections_total", "counter", "Connections accepted.", &plain(opened));
        let refused = plain(read(&self.refused));
        family("flumen_connections_refused_total", "counter", "Connections beyond the limit.", &refused);
        family("flumen_websockets_total", "counter", "Upgrades to WebSocket.", &plain(read(&self.websockets)));
        let subscriptions = plain(subscriptions as u64);
        family("flumen_subscriptions", "gauge", "Subscriptions to topics.", &subscriptions);
        let requests = self.requests();
        family("flumen_requests_total", "counter", "Requests answered, by command and outcome.", &requests);
        family("flumen_nodes", "gauge", "Nodes by state.", &labelled("state", &survey.nodes));
        family("flumen_node_flows", "gauge", "Flows on nodes by state.", &labelled("state", &survey.flows));
        family("flumen_alarms_total", "counter", "Alarms raised, by kind.", &labelled("alarm", &survey.alarms));
        let Some(switches) = switches else { return text };
        let connections = plain(switches.connections);
        family("flumen_switch_connections_total", "counter", "Connections of switches.", &connections);
        let by_reason = |(reason, count): &(Refusal, u64)| (format!(r#"{{reason="{}"}}"#, reason.as_str()), *count);
        let refused: Vec<_> = switches.refused.iter().map(by_reason).collect();
        family("flumen_switches_refused_total", "counter", "Switches turned away, by reason.", &refused);
        let Counters { messages, malformed, stray_replies, stray_errors, packet_ins, ignored } = switches.sessions;
        family("flumen_switch_messages_total", "counter", "Messages of switches.", &plain(messages));
        let odd = [
            ("malformed", malformed),
            ("stray_reply", stray_replies),
            ("stray_error", stray_errors),
            ("packet_in", packet_ins),
            ("ignored", ignored),
        ];
        let odd = odd.map(|(kind, count)| (format!(r#"{{kind="{kind}"}}"#), count));
        family("flumen_switch_odd_messages_total", "counter", "Messages that nobody asked for, by kind.", &odd);
        text
    }

    fn requests(&self) -> Vec<(String, u64)> {
        let commands = CommandName::ALL.iter().map(|command| command.as_str()).chain(["none"]);
        let rows = commands.zip(&self.answers).flat_map(|(command, outcomes)| {
            let names = ErrorCode::ALL.iter().map(|code| code.as_str()).chain(["ok"]);
            names.zip(outcomes).map(move |(outcome, counter)| (command, outcome, counter.load(Ordering::Relaxed)))
        });
        rows.map(|(command, outcome, count)| (format!(r#"{{command="{command}",outcome="{outcome}"}}"#), count))
            .collect()
    }
}

fn labelled<K: Display>(label: &str, counts: &BTreeMap<K, u64>) -> Vec<(String, u64)> {
    counts.iter().map(|(value, count)| (format!(r#"{{{label}="{value}"}}"#), *count)).collect()
}
