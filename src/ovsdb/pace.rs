//! How often repairs are made: somebody who changes our rows all the time is not fought for ever.

use std::time::{Duration, Instant};

/// Repairs within [`PERIOD`] before they are held.
const REPAIRS: u8 = 3;
/// The time after which they are counted anew.
const PERIOD: Duration = Duration::from_secs(60);

/// Counts repairs.
#[derive(Debug, Default)]
pub(super) struct Pace {
    count: u8,
    since: Option<Instant>,
    /// A repair that was held is due then.
    retry_at: Option<Instant>,
}

impl Pace {
    /// Counts a repair; false when there were too many, and it is to wait.
    pub(super) fn may_repair(&mut self, now: Instant) -> bool {
        let until = self.since.map(|since| since + PERIOD);
        if until.is_none_or(|until| until <= now) {
            (self.count, self.since) = (0, Some(now));
        }
        if self.count < REPAIRS {
            self.count += 1;
            self.retry_at = None;
            return true;
        }
        self.retry_at = until;
        false
    }

    /// Nothing is to be repaired.
    pub(super) fn rest(&mut self) {
        self.retry_at = None;
    }

    /// When a repair that was held is due.
    pub(super) fn retry_at(&self) -> Option<Instant> {
        self.retry_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fourth_repair_in_a_minute_waits_for_the_next() {
        let start = Instant::now();
        let mut pace = Pace::default();
        for second in 0..3 {
            assert!(pace.may_repair(start + Duration::from_secs(second)));
        }
        assert_eq!(pace.retry_at(), None);
        assert!(!pace.may_repair(start + Duration::from_secs(59)));
        assert_eq!(pace.retry_at(), Some(start + PERIOD));
        assert!(pace.may_repair(start + PERIOD));
        assert_eq!(pace.retry_at(), None);
    }
}
