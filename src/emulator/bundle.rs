//! Bundles: messages that take effect together or not at all (the ONF extension for OpenFlow 1.3).
//!
//! Every bundle is atomic and in order, whatever its flags ask for, as in Open vSwitch. The messages are looked at when
//! they are added and carried out at the commit; the first one that fails is answered with its own error, everything
//! before it is taken back, and the commit fails.

use std::time::{Duration, Instant};

use bytes::Bytes;
use openflow::{BundleAdd, BundleControl, BundleControlType, BundleFlags, ErrorCode, Experimenter, Message, Xid};

use super::channel::Channel;
use super::dispatch::Turn;

/// A bundle that nobody adds to for so long is forgotten, as in Open vSwitch.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);

/// How many messages a bundle can have: more than the flows of any switch.
const MESSAGE_LIMIT: usize = 1 << 20;

/// Where the inner message of an `onf_bundle_add_msg` begins.
const MESSAGE_AT: usize = 24;

/// The errors of the extension, as experimenter errors: type 0xffff, and as code the experimenter's own type.
mod code {
    use openflow::ErrorCode;

    pub(super) const BAD_ID: ErrorCode = ErrorCode::new(ErrorCode::EXPERIMENTER, 2302);
    pub(super) const BUNDLE_CLOSED: ErrorCode = ErrorCode::new(ErrorCode::EXPERIMENTER, 2304);
    pub(super) const BAD_TYPE: ErrorCode = ErrorCode::new(ErrorCode::EXPERIMENTER, 2306);
    pub(super) const BAD_FLAGS: ErrorCode = ErrorCode::new(ErrorCode::EXPERIMENTER, 2307);
    pub(super) const MSG_BAD_XID: ErrorCode = ErrorCode::new(ErrorCode::EXPERIMENTER, 2309);
    pub(super) const MSG_UNSUP: ErrorCode = ErrorCode::new(ErrorCode::EXPERIMENTER, 2310);
    pub(super) const MSG_TOO_MANY: ErrorCode = ErrorCode::new(ErrorCode::EXPERIMENTER, 2312);
    pub(super) const MSG_FAILED: ErrorCode = ErrorCode::new(ErrorCode::EXPERIMENTER, 2313);
}

/// A bundle that was opened and not yet committed.
#[derive(Debug)]
pub(super) struct Bundle {
    flags: BundleFlags,
    closed: bool,
    messages: Vec<(Xid, Bytes, Message)>,
    last_used: Instant,
}

impl Bundle {
    fn open(flags: BundleFlags, now: Instant) -> Self {
        Self { flags, closed: false, messages: Vec::new(), last_used: now }
    }
}

impl Turn<'_> {
    /// Opens, closes, commits or discards a bundle.
    pub(super) fn bundle_control(&mut self, control: &BundleControl) -> Result<(), ErrorCode> {
        let BundleControl { bundle_id, control_type, flags, .. } = *control;
        let done = match control_type {
            BundleControlType::OpenRequest => {
                if self.channel.bundles.remove(&bundle_id).is_some() {
                    return Err(code::BAD_ID);
                }
                self.channel.bundles.insert(bundle_id, Bundle::open(flags, self.now));
                BundleControlType::OpenReply
            }
            BundleControlType::CloseRequest => {
                let bundle = self.channel.bundles.get_mut(&bundle_id).ok_or(code::BAD_ID)?;
                if bundle.closed || bundle.flags != flags {
                    let wrong = if bundle.closed { code::BUNDLE_CLOSED } else { code::BAD_FLAGS };
                    self.channel.bundles.remove(&bundle_id);
                    return Err(wrong);
                }
                bundle.closed = true;
                bundle.last_used = self.now;
                BundleControlType::CloseReply
            }
            BundleControlType::CommitRequest => {
                let bundle = self.channel.bundles.remove(&bundle_id).ok_or(code::BAD_ID)?;
                if bundle.flags != flags {
                    return Err(code::BAD_FLAGS);
                }
                self.commit(bundle)?;
                BundleControlType::CommitReply
            }
            BundleControlType::DiscardRequest => {
                self.channel.bundles.remove(&bundle_id).ok_or(code::BAD_ID)?;
                BundleControlType::DiscardReply
            }
            BundleControlType::OpenReply
            | BundleControlType::CloseReply
            | BundleControlType::CommitReply
            | BundleControlType::DiscardReply
            | BundleControlType::Unknown(_) => return Err(code::BAD_TYPE),
        };
        // Open vSwitch does not repeat the flags in its answers, so nobody should rely on them.
        let reply = BundleControl { bundle_id, control_type: done, flags: BundleFlags(0), properties: Vec::new() };
        self.reply(&Message::Experimenter(Experimenter::BundleControl(reply)))
    }

    /// Adds a message to a bundle, which is opened if there is none.
    pub(super) fn bundle_add(&mut self, add: BundleAdd) -> Result<(), ErrorCode> {
        let opened = || Bundle::open(add.flags, self.now);
        let bundle = self.channel.bundles.entry(add.bundle_id).or_insert_with(opened);
        if bundle.closed || bundle.flags != add.flags {
            let wrong = if bundle.closed { code::BUNDLE_CLOSED } else { code::BAD_FLAGS };
            self.channel.bundles.remove(&add.bundle_id);
            return Err(wrong);
        }
        let wrong = if add.xid != self.xid {
            Some(code::MSG_BAD_XID)
        } else if !matches!(
            *add.message,
            Message::FlowMod(_) | Message::GroupMod(_) | Message::PortMod(_) | Message::PacketOut(_)
        ) {
            Some(code::MSG_UNSUP)
        } else if bundle.messages.len() >= MESSAGE_LIMIT {
            Some(code::MSG_TOO_MANY)
        } else {
            None
        };
        if let Some(wrong) = wrong {
            return Err(wrong);
        }
        bundle.last_used = self.now;
        bundle.messages.push((add.xid, self.message.slice(MESSAGE_AT..), *add.message));
        Ok(())
    }

    /// Carries out all messages, or none.
    fn commit(&mut self, bundle: Bundle) -> Result<(), ErrorCode> {
        self.changes.start(true);
        for (xid, bytes, message) in bundle.messages {
            if let Err(code) = self.write(message, &bytes) {
                self.channel.refuse(xid, &bytes, code);
                self.datapath.revert(self.changes);
                return Err(code::MSG_FAILED);
            }
        }
        Ok(())
    }
}

impl Channel {
    /// When the next bundle is forgotten.
    pub(super) fn next_bundle_timeout(&self) -> Option<Instant> {
        self.bundles.values().map(|bundle| bundle.last_used + IDLE_TIMEOUT).min()
    }

    /// Forgets the bundles that nobody added to for long.
    pub(super) fn expire_bundles(&mut self, now: Instant) {
        self.bundles.retain(|_, bundle| bundle.last_used + IDLE_TIMEOUT > now);
    }
}
