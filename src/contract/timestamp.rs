//! Points in time as the contract writes them: RFC 3339, UTC, microseconds.

use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;

use schemars::{Schema, json_schema};

use super::text::{Reason, Text, serde_as_text};

/// What is added to microseconds since 1970, so that no time that can be written is 0.
const OFFSET: u64 = 1 << 63;

/// A point in time. For display only: no decision is made by the wall clock.
///
/// It is kept as a number that is never 0, because millions of flows have two of them, or none.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(NonZeroU64);

impl Timestamp {
    /// The current time, to the microsecond.
    pub fn now() -> Self {
        Self::from(jiff::Timestamp::now())
    }

    /// Microseconds since 1970-01-01T00:00:00Z, which [`Timestamp::from_micros`] takes back.
    pub fn as_micros(self) -> i64 {
        self.0.get().wrapping_sub(OFFSET).cast_signed()
    }

    /// The time that many microseconds after 1970-01-01T00:00:00Z, if it has a year of four digits.
    pub fn from_micros(micros: i64) -> Option<Self> {
        jiff::Timestamp::from_microsecond(micros).ok().map(Self::from)
    }

    fn as_jiff(self) -> jiff::Timestamp {
        jiff::Timestamp::from_microsecond(self.as_micros()).unwrap_or_default()
    }
}

impl From<jiff::Timestamp> for Timestamp {
    fn from(time: jiff::Timestamp) -> Self {
        // Dropping what is finer than a microsecond keeps "what was written is what is read" true.
        let micros = time.as_microsecond().cast_unsigned().wrapping_add(OFFSET);
        Self(NonZeroU64::new(micros).unwrap_or(NonZeroU64::MIN))
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:.6}", self.as_jiff())
    }
}

impl FromStr for Timestamp {
    type Err = Reason;

    fn from_str(text: &str) -> Result<Self, Reason> {
        text.parse::<jiff::Timestamp>().map(Self::from).map_err(|_| Reason::expected(Self::ALLOWED, text))
    }
}

impl Text for Timestamp {
    const ALLOWED: &'static str = "a time such as \"2026-11-21T02:30:00.123456Z\"";

    /// As it is written, which is narrower than what is read.
    fn schema() -> Schema {
        let pattern = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z$";
        json_schema!({
            "type": "string", "format": "date-time", "pattern": pattern,
            "description": "A point in time: RFC 3339, UTC, microseconds.",
        })
    }
}

serde_as_text!(Timestamp);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_keep_their_order_and_their_microseconds() {
        let times = [-377_705_023_201_000_000, -1, 0, 1, 1_764_459_000_123_456];
        let kept: Vec<_> = times.iter().map(|micros| Timestamp::from_micros(*micros).unwrap()).collect();
        assert!(kept.is_sorted());
        assert_eq!(kept.iter().map(|time| time.as_micros()).collect::<Vec<_>>(), times);
        assert_eq!(kept[4].to_string(), "2025-11-29T23:30:00.123456Z");
    }

    #[test]
    fn a_time_and_the_lack_of_one_take_eight_bytes() {
        assert_eq!(size_of::<Option<Timestamp>>(), 8);
    }
}
