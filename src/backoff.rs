//! How long to wait before the next attempt to connect: to a switch, to its database, to a daemon.

use std::time::Duration;

/// The first wait, where nothing else is asked for.
const FIRST: Duration = Duration::from_millis(250);
/// No wait is longer: a peer that comes back is found within this and its jitter.
const LONGEST: Duration = Duration::from_secs(4);

/// Doubling waits with jitter, so that peers that went away together do not come back together.
#[derive(Debug)]
pub(crate) struct Backoff {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl Backoff {
    pub(crate) fn new() -> Self {
        Self::doubling(FIRST, LONGEST)
    }

    /// Waits from `first` to `longest`.
    pub(crate) fn doubling(first: Duration, longest: Duration) -> Self {
        Self { first, longest, next: first.min(longest) }
    }

    /// The last attempt was a success: begin again.
    pub(crate) fn reset(&mut self) {
        self.next = self.first.min(self.longest);
    }

    /// The wait before the next attempt: the current step, give or take a quarter.
    pub(crate) fn wait(&mut self) -> Duration {
        let wait = self.next.mul_f64(0.75 + fastrand::f64() / 2.0);
        self.next = self.next.saturating_mul(2).min(self.longest);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_begin_again_after_a_success() {
        let mut backoff = Backoff::new();
        for step in [250, 500, 1_000, 2_000, 4_000, 4_000] {
            let wait = backoff.wait().as_secs_f64() * 1_000.0;
            let step = f64::from(step);
            assert!((step * 0.75..=step * 1.25).contains(&wait), "{wait} ms at the step of {step} ms");
        }
        backoff.reset();
        assert!(backoff.wait() <= FIRST.mul_f64(1.25));
    }

    #[test]
    fn whatever_is_asked_for_no_wait_is_longer_than_the_longest() {
        let mut backoff = Backoff::doubling(Duration::MAX, Duration::from_secs(30));
        assert!((0..3).all(|_| backoff.wait() <= Duration::from_secs(30).mul_f64(1.25)));
    }
}
