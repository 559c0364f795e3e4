//! What the live views have in common: a connection whose events keep a [`Board`], and the screen.

mod board;
mod look;
mod screen;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

pub(super) use self::board::{Board, FLOWS_MAX, FlowLine, HISTORY, Listing, Order};
pub(super) use self::look::{Look, bits, packets};
pub(super) use self::screen::{Key, Keys, Screen, is_possible};
#[cfg(test)]
pub(super) use self::tests::{compare_with_golden, drawn, flow_view, node_view};
use super::ask::{failed, strange};
use super::check::Connection;
use super::exit::{Exit, Failure};
use super::output::shown;
use super::unreachable::unreachable;
use crate::client::{Client, ConnectionState, Event, Lost, RequestError, Watch};
use crate::contract::{Command, ListFlows, MAX_LIST_LIMIT, Reply, Subscribe, Topic};

/// A connection that tells what happens.
pub(super) struct Live {
    pub(super) client: Arc<Client>,
    pub(super) board: Board,
    pub(super) state: ConnectionState,
    events: mpsc::Receiver<Event>,
    states: Watch,
    listing: Option<JoinHandle<Result<Listing, RequestError>>>,
    /// The board has been filled once.
    is_listed: bool,
    /// Something was missed after the listing was begun.
    is_stale: bool,
}

/// What has happened.
#[derive(Debug)]
pub(super) enum Happening {
    Event(Event),
    State,
    Listed,
}

impl Live {
    /// Connects and subscribes; the first connection must come about.
    pub(super) async fn begin(connection: &Connection, topics: Vec<Topic>, interval_ms: u32) -> Result<Self, Failure> {
        let client = connection.stay().await.map_err(|error| unreachable(&connection.url, &error))?;
        let Some(events) = client.events() else { return Err(strange()) };
        let command = Command::Subscribe(Subscribe { interval_ms, ..Subscribe::to(topics) });
        client.request(&command).await.map_err(|error| failed(&command, &error))?;
        let (states, state) = (client.watch(), client.state());
        let (board, client) = (Board::default(), Arc::new(client));
        Ok(Self { client, board, state, events, states, listing: None, is_listed: false, is_stale: false })
    }

    /// Has the board filled with what there is; events alone tell only what changes.
    pub(super) fn list(&mut self) {
        match &self.listing {
            Some(_) => self.is_stale = true,
            None => {
                self.board.expect_listing();
                self.listing = Some(tokio::spawn(everything(Arc::clone(&self.client))));
            }
        }
    }

    /// What happens next; the board has it already. May be dropped at any time.
    pub(super) async fn next(&mut self) -> Result<Happening, Failure> {
        let listed = async {
            match &mut self.listing {
                Some(listing) => listing.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            event = self.events.recv() => {
                let event = event.ok_or_else(|| gone(&self.client))?;
                if !self.board.take(&event.payload) && (self.listing.is_some() || self.is_listed) {
                    self.list();
                }
                Ok(Happening::Event(event))
            }
            Some(state) = self.states.next() => {
                self.state = state;
                Ok(Happening::State)
            }
            listing = listed => {
                self.listing = None;
                // A task that panicked has said why.
                let Ok(listing) = listing else { return Err(strange()) };
                self.is_listed = true;
                self.board.list(listing.map_err(|error| failed(&Command::ListNodes, &error))?);
                if std::mem::take(&mut self.is_stale) {
                    self.list();
                }
                Ok(Happening::Listed)
            }
        }
    }

    /// Says goodbye.
    pub(super) async fn close(self) {
        if let Some(listing) = self.listing {
            listing.abort();
            let _ = listing.await;
        }
        if let Some(client) = Arc::into_inner(self.client) {
            client.close().await;
        }
    }
}

/// Why there is nothing more to see.
fn gone(client: &Client) -> Failure {
    let lost = client.loss().unwrap_or(Lost::Closed);
    let exit = if matches!(lost, Lost::Unreachable(_)) { Exit::Unreachable } else { Exit::No };
    Failure::new(exit, shown(&lost.to_string()))
}

/// All nodes, and as many flows as are kept.
async fn everything(client: Arc<Client>) -> Result<Listing, RequestError> {
    let strange = || RequestError::Strange(serde::de::Error::custom("another Reply than that was asked for"));
    let Reply::Nodes { nodes } = client.call(&Command::ListNodes).await? else { return Err(strange()) };
    let mut flows = Vec::new();
    let mut list = ListFlows { limit: MAX_LIST_LIMIT, ..ListFlows::default() };
    loop {
        let Reply::Flows { flows: page, next_cursor } = client.call(&Command::ListFlows(list.clone())).await? else {
            return Err(strange());
        };
        flows.extend(page);
        match next_cursor {
            Some(_) if flows.len() >= FLOWS_MAX => return Ok(Listing { nodes, flows, is_partial: true }),
            Some(cursor) => list.cursor = Some(cursor),
            None => return Ok(Listing { nodes, flows, is_partial: false }),
        }
    }
}
