//! How much a peer may do wrong: some at once, and one more with every second.

use std::time::{Duration, Instant};

/// A leaky bucket. A switch with one odd habit lives with it for years; one that does nothing else is found out.
#[derive(Debug, Clone)]
pub(super) struct Allowance {
    most: u32,
    left: u32,
    refilled: Instant,
}

impl Allowance {
    pub(super) fn new(most: u32, now: Instant) -> Self {
        Self { most, left: most, refilled: now }
    }

    /// Takes one; false when there is none.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let seconds = now.saturating_duration_since(self.refilled).as_secs();
        self.refilled += Duration::from_secs(seconds);
        self.left = u32::try_from(seconds).unwrap_or(u32::MAX).saturating_add(self.left).min(self.most);
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_allowance_is_used_up_and_grows_back_by_one_a_second_up_to_where_it_began() {
        let mut now = Instant::now();
        let mut allowance = Allowance::new(3, now);
        assert_eq!([(); 5].map(|()| allowance.take(now)), [true, true, true, false, false]);
        now += Duration::from_millis(1_999);
        assert_eq!([(); 2].map(|()| allowance.take(now)), [true, false]);
        now += Duration::from_millis(1);
        assert_eq!([(); 2].map(|()| allowance.take(now)), [true, false], "what is left of a second is not lost");
        now += Duration::from_secs(3_600);
        assert_eq!([(); 4].map(|()| allowance.take(now)), [true, true, true, false]);
    }
}
