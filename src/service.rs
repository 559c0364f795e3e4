//! Tells the service manager how the daemon is: systemd's protocol of `READY=1` and `WATCHDOG=1` (sd_notify(3)).
//!
//! Promises: `READY=1` means that both listeners are open and the store is read; `WATCHDOG=1` is sent only after
//! whatever the daemon is for has answered. Without a service manager nothing is done.
//!
//! Task: `accompany`, one on the daemon's tracker; the daemon's last token stops it, and it holds nothing.

use std::time::Duration;

use sd_notify::{NotifyState, notify};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// Signs of life in the time after which the service manager gives up: one that is late does no harm.
const BEATS: u32 = 3;

/// The service manager, if there is one.
#[derive(Debug, Clone, Copy, Default)]
pub struct Manager {
    is_there: bool,
    /// How long it waits for a sign of life.
    watchdog: Option<Duration>,
}

impl Manager {
    /// The one that the environment names: `NOTIFY_SOCKET`, `WATCHDOG_USEC`.
    pub fn from_environment() -> Self {
        let is_there = std::env::var_os("NOTIFY_SOCKET").is_some_and(|socket| !socket.is_empty());
        Self { is_there, watchdog: sd_notify::watchdog_enabled().filter(|_| is_there) }
    }

    /// The daemon serves.
    pub(crate) fn ready(self, status: &str) {
        self.tell(&[NotifyState::Ready, NotifyState::Status(status)]);
    }

    /// Does `work`, during which the daemon reads its files again.
    pub(crate) fn reload(self, work: impl FnOnce()) {
        if let (true, Ok(now)) = (self.is_there, NotifyState::monotonic_usec_now()) {
            self.tell(&[NotifyState::Reloading, now]);
        }
        work();
        self.tell(&[NotifyState::Ready]);
    }

    /// Sends a sign of life as often as is needed, as long as `answers` says so in time, until `last` is cancelled; tells
    /// when `shutdown` is.
    pub(crate) async fn accompany<F: Future<Output = bool>>(
        self,
        answers: impl Fn() -> F,
        shutdown: CancellationToken,
        last: CancellationToken,
    ) {
        let told = async {
            shutdown.cancelled().await;
            self.tell(&[NotifyState::Stopping]);
        };
        let watched = async {
            if let Some(limit) = self.watchdog {
                beat(limit, answers, || self.tell(&[NotifyState::Watchdog])).await;
            }
        };
        last.run_until_cancelled(async { tokio::join!(told, watched) }).await;
    }

    fn tell(self, state: &[NotifyState<'_>]) {
        if self.is_there
            && let Err(error) = notify(state)
        {
            warn!(%error, "cannot tell the service manager");
        }
    }
}

/// Calls `sign` at every beat at which `answers` is true before the next.
async fn beat<F: Future<Output = bool>>(limit: Duration, answers: impl Fn() -> F, sign: impl Fn()) {
    let beat = (limit / BEATS).max(Duration::from_millis(1));
    let mut beats = interval(beat);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        beats.tick().await;
        match timeout(beat, answers()).await {
            Ok(true) => sign(),
            Ok(false) | Err(_) => warn!("no sign of life for the service manager: the engine does not answer"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn signs_of_life_come_only_while_the_engine_answers() {
        let (signs, is_stuck, is_gone) = (Cell::new(0), Cell::new(false), Cell::new(false));
        let answers = async || {
            if is_stuck.get() {
                std::future::pending::<()>().await;
            }
            !is_gone.get()
        };
        let limit = Duration::from_secs(30);
        let mut beating = std::pin::pin!(beat(limit, answers, || signs.set(signs.get() + 1)));
        let mut signs_within = async |time| {
            signs.set(0);
            assert!(timeout(time, &mut beating).await.is_err());
            signs.get()
        };
        assert!((3..=4).contains(&signs_within(limit).await));
        is_stuck.set(true);
        signs_within(limit / BEATS).await;
        assert_eq!(signs_within(limit * 2).await, 0);
        is_stuck.set(false);
        signs_within(limit / BEATS).await;
        assert!((2..=4).contains(&signs_within(limit).await), "it is well again");
        is_gone.set(true);
        signs_within(limit / BEATS).await;
        assert_eq!(signs_within(limit * 2).await, 0);
    }
}
