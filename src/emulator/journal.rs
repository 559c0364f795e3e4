//! What the switch was told, and what it said to that: the last FLOW_MODs that arrived, as text.

use std::collections::VecDeque;
use std::fmt;

use bytes::Bytes;
use openflow::{ErrorCode, Message, Xid};

/// One FLOW_MOD as the switch received it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalEntry {
    /// The transaction id of the message.
    pub xid: Xid,
    /// The message in the syntax of `ovs-ofctl`.
    pub text: String,
    /// The error with which the switch refused it, if it did.
    pub refusal: Option<ErrorCode>,
}

impl fmt::Display for JournalEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        match self.refusal {
            Some(refusal) => write!(f, " -> {refusal}"),
            None => Ok(()),
        }
    }
}

/// The last messages, as bytes: text is made when somebody asks for it, not when a message arrives.
#[derive(Debug)]
pub(super) struct Journal {
    limit: usize,
    messages: VecDeque<(Box<[u8]>, Option<ErrorCode>)>,
}

impl Journal {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, messages: VecDeque::new() }
    }

    pub(super) fn record(&mut self, message: &[u8], outcome: Result<(), ErrorCode>) {
        if self.limit == 0 {
            return;
        }
        if self.messages.len() == self.limit {
            self.messages.pop_front();
        }
        self.messages.push_back((message.into(), outcome.err()));
    }

    pub(super) fn entries(&self) -> Vec<JournalEntry> {
        self.messages
            .iter()
            .filter_map(|(message, refusal)| match Message::decode(&Bytes::copy_from_slice(message)) {
                Ok((xid, Message::FlowMod(flow_mod))) => {
                    Some(JournalEntry { xid, text: flow_mod.to_string(), refusal: *refusal })
                }
                _ => None,
            })
            .collect()
    }
}
