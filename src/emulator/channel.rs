//! One controller's connection to the switch, as the switch sees it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use openflow::{AsyncConfig, BundleId, ControllerRole, Echo, ErrorCode, ErrorMsg, Hello, Message, OFP_VERSION, Xid};

use super::bundle::Bundle;
use super::config::SwitchConfig;
use super::monitor::Monitor;
use super::role::default_async_config;

/// Names a connection within its switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelId(pub(super) u32);

/// How far the conversation has come.
///
/// ```text
/// Greeting --HELLO with a common version--> Ready --the peer or a fault--> Closed
///     `----anything else----------------------------------------------------^
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Our HELLO is out, the controller's is not here yet.
    Greeting,
    /// Both sides speak 1.3.
    Ready,
    /// What is left to say is in the output; nothing is listened to any more.
    Closed,
}

/// What the switch keeps for one controller.
#[derive(Debug)]
pub(super) struct Channel {
    pub(super) phase: Phase,
    /// What waits to be written.
    pub(super) output: BytesMut,
    pub(super) last_input: Instant,
    /// When the switch asked whether the controller is still there.
    pub(super) probed: Option<Instant>,
    /// The xid of the next message that the switch sends unasked.
    next_xid: u32,
    /// How much of a packet the controller wants, as it said in SET_CONFIG.
    pub(super) miss_send_len: u16,
    /// Whether the controller came to the switch, not the switch to the controller.
    pub(super) dialled: bool,
    pub(super) role: ControllerRole,
    pub(super) async_config: AsyncConfig,
    pub(super) bundles: BTreeMap<BundleId, Bundle>,
    pub(super) monitors: BTreeMap<u32, Monitor>,
    /// The number of the last change before the monitors paused, if they did.
    pub(super) paused_at: Option<u64>,
}

/// How much of a message an error quotes.
///
/// The specification asks for at least 64 bytes of the request, or all of a shorter one (section 7.4.4).
const QUOTED: usize = 64;

/// How much of a packet a controller gets if it does not say, as with Open vSwitch.
const DEFAULT_MISS_SEND_LEN: u16 = 128;

/// A switch stops listening to a controller while this many bytes of answers wait for it.
const OUTPUT_LIMIT: usize = 256 * 1024;

impl Channel {
    /// Opens the conversation with HELLO.
    pub(super) fn open(config: &SwitchConfig, dialled: bool, now: Instant) -> Self {
        let mut channel = Self {
            phase: Phase::Greeting,
            output: BytesMut::new(),
            last_input: now,
            probed: None,
            next_xid: 1,
            miss_send_len: if dialled { 0 } else { DEFAULT_MISS_SEND_LEN },
            dialled,
            role: ControllerRole::Equal,
            async_config: default_async_config(),
            bundles: BTreeMap::new(),
            monitors: BTreeMap::new(),
            paused_at: None,
        };
        let hello = if config.version_bitmap { Hello::with_versions(&config.versions) } else { Hello::default() };
        let xid = channel.unasked_xid();
        channel.send(xid, &Message::Hello(hello));
        // > "with the version field set to the highest OpenFlow switch protocol version supported by the sender"
        // > (section 6.3.1).
        if let (Some(version), Some(&highest)) = (channel.output.first_mut(), config.versions.iter().max()) {
            *version = highest;
        }
        channel
    }

    /// Whether there is room for the answers to one more message.
    pub(super) fn wants_input(&self) -> bool {
        self.phase != Phase::Closed && self.output.len() < OUTPUT_LIMIT
    }

    /// Whether the controller has got past HELLO.
    pub(super) fn is_ready(&self) -> bool {
        self.phase == Phase::Ready
    }

    /// Appends a message to the output, or nothing and false if it is too long for a message.
    pub(super) fn send(&mut self, xid: Xid, message: &Message) -> bool {
        message.encode(xid, &mut self.output).is_ok()
    }

    /// Sends a message that answers nothing.
    pub(super) fn notify(&mut self, message: &Message) {
        let xid = self.unasked_xid();
        self.send(xid, message);
    }

    /// Answers a message with an error that quotes it.
    pub(super) fn refuse(&mut self, xid: Xid, message: &Bytes, code: ErrorCode) {
        let quote = message.slice(..message.len().min(QUOTED));
        let error = match code.error_type {
            // The only experimenter whose messages this switch knows, and so whose errors, is the ONF.
            ErrorCode::EXPERIMENTER => ErrorMsg::bundle(code.code, &quote),
            _ => ErrorMsg::new(code, quote),
        };
        self.send(xid, &Message::Error(error));
    }

    /// Finds the version that both sides speak, or says that there is none and closes.
    ///
    /// > "If both the Hello message sent and the Hello message received contained a OFPHET_VERSIONBITMAP hello element,
    /// > and if those bitmaps have some common bits set, the negotiated version must be the highest version set in both
    /// > bitmaps. Otherwise, the negotiated version must be the smaller of the version number that was sent and the one
    /// > that was received in the version fields" (section 6.3.1).
    pub(super) fn greet(&mut self, config: &SwitchConfig, version: u8, xid: Xid, hello: &Hello) {
        let ours = config.versions.iter().filter(|&&version| version < 32).fold(0_u32, |bits, &v| bits | 1 << v);
        let highest = |bits: u32| bits.checked_ilog2().and_then(|bit| u8::try_from(bit).ok()).unwrap_or(0);
        let negotiated = match hello.versions() {
            Some(theirs) if config.version_bitmap && theirs & ours != 0 => highest(theirs & ours),
            _ => version.min(highest(ours)),
        };
        if negotiated == OFP_VERSION {
            self.phase = Phase::Ready;
            return;
        }
        let reason = format!("this switch speaks versions {:?}, and the controller offers {version}", config.versions);
        self.send(xid, &Message::Error(ErrorMsg::new(ErrorCode::HELLO_FAILED_INCOMPATIBLE, Bytes::from(reason))));
        self.phase = Phase::Closed;
    }

    /// When [`Channel::probe`] has something to do.
    pub(super) fn next_probe(&self, idle: Duration) -> Option<Instant> {
        (self.phase != Phase::Closed).then(|| self.probed.unwrap_or(self.last_input) + idle)
    }

    /// Asks a silent controller whether it is there, and gives up one that did not answer.
    pub(super) fn probe(&mut self, idle: Duration, now: Instant) {
        if self.next_probe(idle).is_none_or(|at| at > now) {
            return;
        }
        if self.probed.is_some() || self.phase == Phase::Greeting {
            self.phase = Phase::Closed;
            return;
        }
        self.probed = Some(now);
        self.notify(&Message::EchoRequest(Echo::default()));
    }

    fn unasked_xid(&mut self) -> Xid {
        let xid = Xid(self.next_xid);
        self.next_xid = self.next_xid.wrapping_add(1);
        xid
    }
}
