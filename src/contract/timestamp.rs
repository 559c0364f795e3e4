//! Points in time as the contract writes them: RFC 3339, UTC, microseconds.

use std::fmt;
use std::str::FromStr;

use schemars::{Schema, json_schema};

use super::text::{Reason, Text, serde_as_text};

/// A point in time. For display only: no decision is made by the wall clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(jiff::Timestamp);

impl Timestamp {
    /// The current time, to the microsecond.
    pub fn now() -> Self {
        Self::from(jiff::Timestamp::now())
    }

    /// Microseconds since 1970-01-01T00:00:00Z, which [`Timestamp::from_micros`] takes back.
    pub fn as_micros(self) -> i64 {
        self.0.as_microsecond()
    }

    /// The time that many microseconds after 1970-01-01T00:00:00Z, if it has a year of four digits.
    pub fn from_micros(micros: i64) -> Option<Self> {
        jiff::Timestamp::from_microsecond(micros).ok().map(Self)
    }
}

impl From<jiff::Timestamp> for Timestamp {
    fn from(time: jiff::Timestamp) -> Self {
        // Dropping what is finer than a microsecond keeps "what was written is what is read" true.
        Self(jiff::Timestamp::from_microsecond(time.as_microsecond()).unwrap_or(time))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:.6}", self.0)
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
