//! `flumen serve`: the log, the signals, the daemon.

use std::io::{self, IsTerminal};

use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use super::args::LogFormat;
use super::check::Service;
use super::exit::{Exit, Failure};
use crate::{crash, daemon, shutdown};

/// Runs the daemon until SIGINT or SIGTERM.
pub(super) async fn run(service: Service) -> Result<Exit, Failure> {
    let Service { config, crash_at, filter, format } = service;
    log_to_stderr(filter, format);
    crash_at.into_iter().for_each(crash::arm);
    // A panic is a line of the log like any other; what it ends is up to its task.
    std::panic::set_hook(Box::new(|panic| tracing::error!("{panic}")));
    let stop = CancellationToken::new();
    shutdown::on_signals(stop.clone())
        .map_err(|error| Failure::new(Exit::No, format!("cannot listen for signals: {error}")))?;
    let ended = daemon::run(config, stop, |_listening| {}).await;
    ended.map(|()| Exit::Done).map_err(|error| Failure::new(Exit::No, error.to_string()))
}

fn log_to_stderr(filter: EnvFilter, format: LogFormat) {
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    match format {
        LogFormat::Text => log.with_ansi(io::stderr().is_terminal()).init(),
        LogFormat::Json => log.json().init(),
    }
}
