//! What a client is to connect to, and how it is to go about it.

use std::path::PathBuf;
use std::time::Duration;

use super::{Token, Url};
use crate::contract::Subprotocol;

/// Where the daemon is, and how the connection to it is kept.
#[derive(Debug, Clone)]
pub struct Config {
    /// The daemon's address.
    pub url: Url,
    /// The token that is shown with every connection.
    pub token: Option<Token>,
    /// The authorities, in PEM, that a `wss://` daemon's certificate must come from instead of the system's. Read anew
    /// for every connection.
    pub authorities: Option<PathBuf>,
    /// How messages are written, where the daemon agrees; otherwise as JSON.
    pub subprotocol: Subprotocol,
    /// What happens when the connection is lost.
    pub reconnect: Reconnect,
    /// How often the daemon is pinged.
    pub ping_interval: Duration,
    /// How long it may then send nothing at all. A daemon that may be held up by requests of this client, written before
    /// the ping, is given the time that they may take.
    pub pong_timeout: Duration,
}

impl Config {
    /// The usual: no token, the system's authorities, JSON, reconnects without end, a ping every 30 s and 5 s to answer it.
    pub fn new(url: Url) -> Self {
        Self {
            url,
            token: None,
            authorities: None,
            subprotocol: Subprotocol::default(),
            reconnect: Reconnect::default(),
            ping_interval: Duration::from_secs(30),
            pong_timeout: Duration::from_secs(5),
        }
    }
}

/// How a connection that was lost is made again: after a wait that doubles, give or take a quarter of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reconnect {
    /// The first wait.
    pub first: Duration,
    /// The longest.
    pub longest: Duration,
    /// Attempts after which the client gives up, counted from the last sign of life of the daemon; `None`: never.
    pub attempts: Option<u32>,
}

impl Default for Reconnect {
    fn default() -> Self {
        Self { first: Duration::from_secs(1), longest: Duration::from_secs(30), attempts: None }
    }
}

impl Reconnect {
    /// At most so many attempts, otherwise as usual.
    pub fn at_most(attempts: u32) -> Self {
        Self { attempts: Some(attempts), ..Self::default() }
    }
}
