//! `flumen serve`: the log, the signals, the daemon.

use std::io::{self, IsTerminal};

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use super::{
    args::LogFormat,
    check::Service,
    exit::{Exit, Failure},
};
use crate::daemon;

/// Runs the daemon until SIGINT or SIGTERM.
pub(super) async fn run(service: Service) -> Result<Exit, Failure> {
    let Service { config, filter, format } = service;
    log_to_stderr(filter, format);
    let shutdown = CancellationToken::new();
    let signals = cancel_on_signal(shutdown.clone())
        .map_err(|error| Failure::new(Exit::No, format!("cannot listen for signals: {error}")))?;
    let ended = daemon::run(config, shutdown, |_listening| {}).await;
    signals.abort();
    ended.map(|()| Exit::Done).map_err(|error| Failure::new(Exit::No, error.to_string()))
}

fn log_to_stderr(filter: EnvFilter, format: LogFormat) {
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    match format {
        LogFormat::Text => log.with_ansi(io::stderr().is_terminal()).init(),
        LogFormat::Json => log.json().init(),
    }
}

/// Task `signals`: waits for SIGINT or SIGTERM and cancels `shutdown`; holds nothing, so it can be dropped any time.
fn cancel_on_signal(shutdown: CancellationToken) -> io::Result<tokio::task::JoinHandle<()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        shutdown.cancel();
    }))
}
