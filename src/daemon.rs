//! Wires the layers together: store, switches, programmer and front end, from start to orderly end.

use std::net::SocketAddr;

use thiserror::Error;
use tokio_util::sync::CancellationToken;

use crate::config::ServeConfig;

/// Why the daemon did not start, or ended early.
#[derive(Debug, Error)]
pub enum DaemonError {
    /// A listener could not be opened.
    #[error("cannot listen on {address} for {purpose}: {source}")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// Who would have connected there.
        purpose: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
}

/// The addresses that a running daemon listens on, with the ports that the system chose where 0 was asked for.
#[derive(Debug, Clone, Copy)]
pub struct Listening {
    /// WebSocket and HTTP.
    pub northbound: SocketAddr,
    /// OpenFlow.
    pub openflow: SocketAddr,
}

/// Runs a daemon until `shutdown` is cancelled; `ready` is told the addresses once both listeners are open.
///
/// # Errors
/// A [`DaemonError`] when it cannot start, or when its store can no longer be trusted.
pub async fn run(
    _config: ServeConfig,
    _shutdown: CancellationToken,
    _ready: impl FnOnce(Listening),
) -> Result<(), DaemonError> {
    Ok(())
}
