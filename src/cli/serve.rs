//! `flumen serve`: the log, the signals, the daemon.

use std::io::{self, IsTerminal};

use tokio_util::sync::CancellationToken;
use tracing::Metadata;
use tracing_subscriber::filter::{FilterExt, filter_fn};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt};

use super::args::LogFormat;
use super::audit_log::AuditLog;
use super::check::Service;
use super::exit::{Exit, Failure};
use crate::config::AUDIT_TARGET;
use crate::{crash, daemon, shutdown};

/// Runs the daemon until SIGINT or SIGTERM.
pub(super) async fn run(service: Service) -> Result<Exit, Failure> {
    let Service { config, threads: _, crash_at, filter, format, audit, named_tokens } = service;
    // Without its tokens the daemon would be open to everybody on this machine.
    if let Some(tokens) = named_tokens.filter(|tokens| !tokens.exists()) {
        let failure = Failure::new(Exit::Usage, format!("there is no token file {}", tokens.display()));
        return Err(failure.hint("'flumen token add' makes one"));
    }
    let audit = audit.map(|path| {
        let cannot = |error| Failure::new(Exit::No, format!("cannot write the audit log {}: {error}", path.display()));
        AuditLog::open(&path).map_err(cannot)
    });
    let audit = audit.transpose()?;
    log(filter, format, audit.clone());
    crash_at.into_iter().for_each(crash::arm);
    // A panic is a line of the log like any other; what it ends is up to its task.
    std::panic::set_hook(Box::new(|panic| tracing::error!("{panic}")));
    let stop = CancellationToken::new();
    shutdown::on_signals(stop.clone())
        .map_err(|error| Failure::new(Exit::No, format!("cannot listen for signals: {error}")))?;
    let ended = daemon::run(config, stop, |_listening| {}).await;
    audit.iter().for_each(AuditLog::finish);
    ended.map(|()| Exit::Done).map_err(|error| {
        let failure = Failure::new(Exit::No, error.to_string());
        match error.remedy() {
            Some(remedy) => failure.hint(remedy),
            None => failure,
        }
    })
}

/// Everything but changes goes to standard error, and they to the audit log where there is one.
fn log(filter: EnvFilter, format: LogFormat, audit: Option<AuditLog>) {
    let is_audit = |about: &Metadata<'_>| about.target() == AUDIT_TARGET;
    let log = fmt::layer().with_writer(io::stderr);
    let log = match format {
        LogFormat::Text => log.with_ansi(io::stderr().is_terminal()).boxed(),
        LogFormat::Json => log.json().boxed(),
    };
    let log = log.with_filter(filter.and(filter_fn(move |about| !is_audit(about))));
    let audit = audit.map(|file| {
        let lines = fmt::layer().json().flatten_event(true).with_target(false).with_level(false);
        lines.with_writer(file).with_filter(filter_fn(is_audit))
    });
    tracing_subscriber::registry().with(log).with(audit).init();
}
