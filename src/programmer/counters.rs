//! `GetFlow`: the flow as it stands, with what its rules have counted on the switches that are there.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use openflow::{FlowStats, FlowStatsRequest};

use super::cookie::FlowNumber;
use super::engine::{Engine, Ticket, no_such_flow};
use super::reads::TABLE_READ;
use crate::contract::{FlowId, Reply};
use crate::session::{Command, ReadError, Token};

/// How long switches have to tell their counters. A flow is shown without those that did not.
const PATIENCE: Duration = Duration::from_secs(2);

/// Questions that are out at a time: what a switch that answers any can answer while [`PATIENCE`] lasts. Beyond that,
/// flows are shown without counters, rather than that switches that do not answer fill the memory with questions.
const MAX_OPEN: usize = 1_024;

/// The questions that are out, by number.
#[derive(Debug, Default)]
pub(super) struct Queries {
    next: u64,
    open: BTreeMap<u64, Query>,
}

/// One `GetFlow` that waits for switches.
#[derive(Debug)]
struct Query {
    ticket: Ticket,
    number: FlowNumber,
    pending: usize,
    deadline: Instant,
    /// Packets and bytes, once a switch has told them.
    counted: Option<(u64, u64)>,
}

impl Queries {
    /// All have the same patience, so the oldest is due first.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.open.first_key_value().map(|(_, query)| query.deadline)
    }
}

impl Engine {
    pub(super) fn get_flow(&mut self, ticket: Ticket, id: &FlowId) {
        let is_told = |number: &FlowNumber| self.flows.get(number).is_some_and(|flow| flow.told().is_some());
        let Some(number) = self.ids.get(id).copied().filter(is_told) else {
            return self.answer(ticket, Err(no_such_flow(id)));
        };
        let placements = self.flows.get(&number).map(|flow| flow.placements.as_slice()).unwrap_or_default();
        let has_rules = placements.iter().filter(|placement| placement.stage.is_desired());
        let connections = has_rules.filter_map(|placement| Some(self.nodes.get(&placement.node)?.live()?.connection));
        let most = if self.queries.open.len() < MAX_OPEN { usize::MAX } else { 0 };
        let connections: Vec<_> = connections.take(most).collect();
        let query = self.queries.next;
        // The largest number is the token of a read of the whole table.
        self.queries.next = (query + 1) % TABLE_READ.0;
        let waiting =
            Query { ticket, number, pending: connections.len(), deadline: self.now + PATIENCE, counted: None };
        self.queries.open.insert(query, waiting);
        for connection in &connections {
            let request =
                FlowStatsRequest { cookie: self.tag.cookie(number), cookie_mask: u64::MAX, ..Default::default() };
            self.command(*connection, Command::ReadFlows { token: Token(query), request });
        }
        if connections.is_empty() {
            self.show_counted(query);
        }
    }

    /// One switch has told what it counted, or will not.
    pub(super) fn counters_read(&mut self, token: Token, result: &Result<Vec<FlowStats>, ReadError>) {
        let Some(query) = self.queries.open.get_mut(&token.0) else { return };
        if let Ok(entries) = result {
            let counted = query.counted.get_or_insert_default();
            for entry in entries {
                counted.0 = counted.0.saturating_add(entry.packet_count);
                counted.1 = counted.1.saturating_add(entry.byte_count);
            }
        }
        query.pending = query.pending.saturating_sub(1);
        if query.pending == 0 {
            self.show_counted(token.0);
        }
    }

    /// Shows flows whose switches did not tell in time.
    pub(super) fn show_overdue(&mut self) {
        while let Some((query, _)) = self.queries.open.first_key_value().filter(|(_, query)| query.deadline <= self.now)
        {
            self.show_counted(*query);
        }
    }

    fn show_counted(&mut self, query: u64) {
        let Some(Query { ticket, number, counted, .. }) = self.queries.open.remove(&query) else { return };
        let answer = match self.flow_view(number) {
            Some(mut flow) => {
                flow.packets = counted.map(|(packets, _)| packets);
                flow.bytes = counted.map(|(_, bytes)| bytes);
                Ok(Reply::Flow { flow: Box::new(flow) })
            }
            None => Err(super::engine::gone()),
        };
        self.answer(ticket, answer);
    }
}
