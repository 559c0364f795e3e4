//! Signals: the orderly end, a token that everybody watches, and the request to read files again.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::info;

/// What a shell adds to the number of the signal that ended a process.
const BY_SIGNAL: i32 = 128;

/// Cancels `token` at the first SIGINT or SIGTERM. A second one ends the process as if nobody had asked for order, with
/// the code of its signal.
///
/// # Errors
/// When the system refuses to tell about signals.
pub fn on_signals(token: CancellationToken) -> std::io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    // This task holds nothing; it ends with the process.
    tokio::spawn(async move {
        let mut next = async || {
            tokio::select! {
                _ = interrupt.recv() => ("SIGINT", SignalKind::interrupt()),
                _ = terminate.recv() => ("SIGTERM", SignalKind::terminate()),
            }
        };
        let (name, _) = next().await;
        info!(signal = name, "shutting down");
        token.cancel();
        let (_, again) = next().await;
        std::process::exit(BY_SIGNAL + again.as_raw_value());
    });
    Ok(())
}

/// Does `work` at every SIGHUP, in a task of `tracker` that ends when `stop` is cancelled.
///
/// # Errors
/// When the system refuses to tell about signals.
pub fn on_hangup(
    tracker: &TaskTracker,
    stop: CancellationToken,
    work: impl Fn() + Send + 'static,
) -> std::io::Result<()> {
    let mut hangup = signal(SignalKind::hangup())?;
    tracker.spawn(async move {
        while let Some(Some(())) = stop.run_until_cancelled(hangup.recv()).await {
            work();
        }
    });
    Ok(())
}
