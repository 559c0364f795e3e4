//! Whether the peer is there: echo requests after silence, and the end after more of it.

use std::time::{Duration, Instant};

use openflow::Xid;

use super::Config;

/// What a session has to do about the peer's silence.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Due {
    Nothing,
    Ask,
    Dead,
}

/// Silence is counted in whole messages: a peer that trickles bytes is silent.
#[derive(Debug, Clone)]
pub(super) struct Keepalive {
    idle: Duration,
    dead: Duration,
    last_heard: Instant,
    asked: Option<Asked>,
    /// The owner waits for the next answer.
    is_wanted: bool,
}

#[derive(Debug, Clone)]
struct Asked {
    xid: Xid,
    at: Instant,
    deadline: Instant,
}

impl Keepalive {
    pub(super) fn new(config: &Config, now: Instant) -> Self {
        Self { idle: config.idle, dead: config.dead, last_heard: now, asked: None, is_wanted: false }
    }

    pub(super) fn heard(&mut self, now: Instant) {
        self.last_heard = now;
    }

    pub(super) fn asked(&mut self, xid: Xid, at: Instant, deadline: Instant) {
        self.asked = Some(Asked { xid, at, deadline });
    }

    /// For so long nobody listened on this side.
    pub(super) fn stalled(&mut self, lasted: Duration) {
        self.last_heard += lasted;
        if let Some(asked) = &mut self.asked {
            asked.at += lasted;
            asked.deadline += lasted;
        }
    }

    /// The owner wants to know of the next answer: of thousands of idle switches it need not hear every few seconds.
    pub(super) fn want(&mut self) {
        self.is_wanted = true;
    }

    /// Whether the owner waits for the answer that has come.
    pub(super) fn take_wanted(&mut self) -> bool {
        std::mem::take(&mut self.is_wanted)
    }

    /// Whether `xid` is the outstanding question's.
    pub(super) fn answered(&mut self, xid: Xid) -> bool {
        self.asked.take_if(|asked| asked.xid == xid).is_some()
    }

    /// Whether a question is out whose answer is due no later than `deadline`.
    pub(super) fn is_waiting_until(&self, deadline: Instant) -> bool {
        self.asked.as_ref().is_some_and(|asked| asked.deadline <= deadline)
    }

    /// Whatever comes after the question is a sign of life: the answer itself may stand behind a thousand FLOW_MODs in
    /// a slow switch.
    pub(super) fn deadline(&self) -> Instant {
        match &self.asked {
            Some(asked) if asked.at < self.last_heard => self.last_heard + self.dead,
            Some(asked) => asked.deadline.min(self.last_heard + self.dead),
            None => self.last_heard + self.idle,
        }
    }

    pub(super) fn handle_timeout(&self, now: Instant) -> Due {
        match &self.asked {
            Some(_) if self.deadline() <= now => Due::Dead,
            None if self.deadline() <= now => Due::Ask,
            Some(_) | None => Due::Nothing,
        }
    }
}
