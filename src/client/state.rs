//! Where the connection stands, told to whoever watches.

use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::stream::{Stream, unfold};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

/// States that wait for somebody who watches slowly; who falls behind further goes on with the newest.
pub const STATES_MAX: usize = 64;

/// Where the connection to the daemon stands.
///
/// ```text
/// Connecting --> Connected --> Authenticating --> Authenticated
///     |           ^     |            |                  |
///     |           |     '------------|----------.-------'
///     |           |                  |          v
///     |           |                  |     Disconnected --> (the end)
///     |           |                  v          |
///     '------> Reconnecting <-------------------'
/// ```
///
/// Without a token `Connected` is as far as it goes. When the client ends, `Disconnected` follows from wherever it was, and
/// nothing after that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConnectionState {
    /// There is none: it was lost, or it has ended for good.
    Disconnected,
    /// The first one is being made.
    Connecting,
    /// There is one.
    Connected,
    /// The token is being shown.
    Authenticating,
    /// The daemon has taken the token.
    Authenticated,
    /// It was lost: the next attempt is waited for, or under way.
    Reconnecting,
}

impl ConnectionState {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Disconnected => "disconnected",
            Self::Connecting => "connecting",
            Self::Connected => "connected",
            Self::Authenticating => "authenticating",
            Self::Authenticated => "authenticated",
            Self::Reconnecting => "reconnecting",
        }
    }
}

impl std::fmt::Display for ConnectionState {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// Knows the state, and tells of every change.
#[derive(Debug)]
pub(super) struct States(Mutex<(ConnectionState, Option<broadcast::Sender<ConnectionState>>)>);

impl States {
    pub(super) fn new() -> Self {
        Self(Mutex::new((ConnectionState::Disconnected, Some(broadcast::Sender::new(STATES_MAX)))))
    }

    pub(super) fn now(&self) -> ConnectionState {
        self.lock().0
    }

    pub(super) fn enter(&self, state: ConnectionState) {
        let mut held = self.lock();
        if held.0 != state {
            held.0 = state;
            // Nobody need watch.
            held.1.as_ref().map(|sender| sender.send(state));
        }
    }

    /// Nothing follows.
    pub(super) fn end(&self) {
        self.enter(ConnectionState::Disconnected);
        self.lock().1 = None;
    }

    /// The state, and from there on every change.
    pub(super) fn watch(&self) -> Watch {
        let held = self.lock();
        Watch { first: Some(held.0), rest: held.1.as_ref().map(broadcast::Sender::subscribe) }
    }

    fn lock(&self) -> MutexGuard<'_, (ConnectionState, Option<broadcast::Sender<ConnectionState>>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The state of the moment when it was asked for, and then every change.
#[derive(Debug)]
pub struct Watch {
    first: Option<ConnectionState>,
    rest: Option<broadcast::Receiver<ConnectionState>>,
}

impl Watch {
    /// The next state; `None` when nothing follows any more.
    pub async fn next(&mut self) -> Option<ConnectionState> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        loop {
            match self.rest.as_mut()?.recv().await {
                Ok(state) => return Some(state),
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    }

    /// The same as a [`Stream`].
    pub fn into_stream(self) -> impl Stream<Item = ConnectionState> {
        unfold(self, async |mut watch| watch.next().await.map(|state| (state, watch)))
    }
}
