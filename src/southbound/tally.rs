//! What the southbound side counts: connections, refusals, and what switches send that they should not.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::session::Counters;

/// Why a switch was turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// There are as many connections as there may be.
    TooMany,
    /// What came first is not TLS.
    NotTls,
    /// The TLS handshake was not done in time.
    Timeout,
    /// It showed no certificate.
    NoCertificate,
    /// Its certificate is not valid any more, or not yet.
    Expired,
    /// Nobody that is trusted signed its certificate.
    UnknownIssuer,
    /// Its certificate is for another purpose.
    WrongPurpose,
    /// Its certificate is wrong in another way.
    BadCertificate,
    /// Its certificate names no datapath id.
    NoDatapathId,
    /// Its certificate is another switch's.
    WrongDatapathId,
    /// Another switch with its datapath id is connected.
    Duplicate,
    /// The owner does not want it.
    NotAdmitted,
    /// There is no version or cipher in common.
    Incompatible,
    /// The connection broke in the handshake, or the peer refused.
    Broken,
}

impl Refusal {
    /// Every reason.
    pub const ALL: [Self; 14] = [
        Self::TooMany,
        Self::NotTls,
        Self::Timeout,
        Self::NoCertificate,
        Self::Expired,
        Self::UnknownIssuer,
        Self::WrongPurpose,
        Self::BadCertificate,
        Self::NoDatapathId,
        Self::WrongDatapathId,
        Self::Duplicate,
        Self::NotAdmitted,
        Self::Incompatible,
        Self::Broken,
    ];

    /// The reason in one word, as metrics label it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TooMany => "too_many",
            Self::NotTls => "not_tls",
            Self::Timeout => "timeout",
            Self::NoCertificate => "no_certificate",
            Self::Expired => "expired",
            Self::UnknownIssuer => "unknown_issuer",
            Self::WrongPurpose => "wrong_purpose",
            Self::BadCertificate => "bad_certificate",
            Self::NoDatapathId => "no_datapath_id",
            Self::WrongDatapathId => "wrong_datapath_id",
            Self::Duplicate => "duplicate_datapath_id",
            Self::NotAdmitted => "not_admitted",
            Self::Incompatible => "incompatible",
            Self::Broken => "broken",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooMany => "there are too many connections",
            Self::NotTls => "it does not speak TLS",
            Self::Timeout => "the TLS handshake was not done in time",
            Self::NoCertificate => "it shows no certificate",
            Self::Expired => "its certificate is expired, or not valid yet",
            Self::UnknownIssuer => "its certificate is signed by nobody that is trusted",
            Self::WrongPurpose => "its certificate is for another purpose",
            Self::BadCertificate => "its certificate is not valid",
            Self::NoDatapathId => "its certificate names no datapath id (a DNS name like dpid-00000000000000a1)",
            Self::WrongDatapathId => "its certificate is another switch's",
            Self::Duplicate => "another switch with its datapath id is connected",
            Self::NotAdmitted => "it is not admitted",
            Self::Incompatible => "it has no TLS version or cipher in common with this side",
            Self::Broken => "the TLS handshake broke off",
        })
    }
}

/// The running sums.
#[derive(Debug, Default)]
pub(super) struct Tally {
    connections: AtomicU64,
    refused: [AtomicU64; Refusal::ALL.len()],
    messages: AtomicU64,
    malformed: AtomicU64,
    stray_replies: AtomicU64,
    stray_errors: AtomicU64,
    packet_ins: AtomicU64,
    ignored: AtomicU64,
}

/// What was counted since the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Totals {
    /// Connections that came as far as OpenFlow.
    pub connections: u64,
    /// Switches turned away, by reason.
    pub refused: Vec<(Refusal, u64)>,
    /// What switches sent.
    pub sessions: Counters,
}

impl Totals {
    /// How many switches were turned away for this reason.
    #[must_use]
    pub fn refused_for(&self, reason: Refusal) -> u64 {
        self.refused.iter().filter(|(refusal, _)| *refusal == reason).map(|(_, count)| count).sum()
    }
}

impl Tally {
    pub(super) fn connected(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn refused(&self, reason: Refusal) {
        if let Some(counter) = self.refused.get(reason as usize) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Adds what a session has counted since it had counted `before`.
    pub(super) fn add(&self, before: Counters, now: Counters) {
        let add = |counter: &AtomicU64, before: u64, now: u64| {
            if now > before {
                counter.fetch_add(now - before, Ordering::Relaxed);
            }
        };
        add(&self.messages, before.messages, now.messages);
        add(&self.malformed, before.malformed, now.malformed);
        add(&self.stray_replies, before.stray_replies, now.stray_replies);
        add(&self.stray_errors, before.stray_errors, now.stray_errors);
        add(&self.packet_ins, before.packet_ins, now.packet_ins);
        add(&self.ignored, before.ignored, now.ignored);
    }

    pub(super) fn totals(&self) -> Totals {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Totals {
            connections: read(&self.connections),
            refused: Refusal::ALL.into_iter().zip(&self.refused).map(|(reason, count)| (reason, read(count))).collect(),
            sessions: Counters {
                messages: read(&self.messages),
                malformed: read(&self.malformed),
                stray_replies: read(&self.stray_replies),
                stray_errors: read(&self.stray_errors),
                packet_ins: read(&self.packet_ins),
                ignored: read(&self.ignored),
            },
        }
    }
}
