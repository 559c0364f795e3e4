//! One OpenFlow connection, seen from the controller, as a pure state machine.
//!
//! A [`Session`] does no input or output and reads no clock: bytes and the time go in, bytes, events and the next
//! deadline come out. It negotiates the version, learns what the switch is, answers echo requests and asks its own,
//! tells for every FLOW_MOD what became of it, and reassembles multipart replies.
//!
//! What it promises: a FLOW_MOD is [`Outcome::Confirmed`] only when the reply to a barrier sent after it arrived on
//! this connection and no error did before; nothing that a peer sends can make it panic, loop, or keep more memory
//! than the constants in [`Config`] allow.
//!
//! What it does not do: it never decides what to write. Until its owner submits something, a switch is only asked
//! who it is.
//!
//! ```text
//!                 HELLO         FEATURES, DESC, PORT_DESC, ...
//! Negotiating ───────────▶ Describing ───────────▶ Ready
//!      │                        │                    │   version, deadline, silence, the peer's end
//!      └────────────────────────┴────────────────────┴──────────────────────────────────▶ Closed
//! ```
//!
//! The driver's order: after every `handle_*` call or command, take events with [`Session::poll_event`] until there
//! are none, write what [`Session::poll_transmit`] gives, and call [`Session::handle_timeout`] when
//! [`Session::poll_timeout`] is due. See [`crate::southbound`] for the one over TCP.

mod allowance;
mod bundle;
mod commands;
mod config;
mod control;
mod event;
mod handshake;
mod keepalive;
mod opening;
mod reading;
mod tables;
mod window;

#[cfg(test)]
pub(crate) mod bad_input;
#[cfg(test)]
mod extension_tests;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use openflow::{
    BundleControl, DecodeError, Echo, ErrorMsg, Experimenter, Header, Message, MultipartReply, MultipartReplyBody,
    OFP_VERSION, Xid, split_frame,
};

use allowance::Allowance;
use bundle::Bundles;
pub use config::Config;
use control::Control;
pub use control::is_generation_current;
pub use event::{
    CloseReason, Command, Counters, Description, Event, Outcome, ReadError, Settlement, Token, UnknownReason, describe,
};
use handshake::Handshake;
pub use handshake::MAX_PORTS;
use keepalive::Keepalive;
use reading::Reads;
pub use tables::{Lack, Table, Tables};
use window::Window;

/// Bytes that are kept of what an error quotes: the header and the fixed part of every message, and of the message
/// inside a bundle's.
const ERROR_DATA: usize = 128;

/// The controller's end of one OpenFlow connection. See the [module](self) for its states and the driver's order.
#[derive(Debug, Clone)]
pub struct Session {
    config: Config,
    phase: Phase,
    next_xid: u32,
    transmit: BytesMut,
    events: VecDeque<Event>,
    keepalive: Keepalive,
    window: Window,
    bundles: Bundles,
    reads: Reads,
    control: Control,
    counters: Counters,
    malformed: Allowance,
    stray_errors: Allowance,
    holds_tables: bool,
}

#[derive(Debug, Clone)]
enum Phase {
    /// HELLO is out.
    Negotiating { deadline: Instant },
    /// The version is agreed; the switch is asked what it is.
    Describing { deadline: Instant, handshake: Box<Handshake> },
    /// Commands are taken.
    Ready,
    /// Over. Nothing is taken or given any more.
    Closed,
}

impl Session {
    /// Begins a session on a connection that has just been made: HELLO is the first thing to transmit.
    #[must_use]
    pub fn new(config: Config, now: Instant) -> Self {
        let mut session = Self {
            phase: Phase::Negotiating { deadline: now + config.handshake },
            next_xid: 1,
            transmit: BytesMut::new(),
            events: VecDeque::new(),
            keepalive: Keepalive::new(&config, now),
            window: Window::new(&config),
            bundles: Bundles::new(&config),
            reads: Reads::new(&config),
            control: Control::default(),
            counters: Counters::default(),
            malformed: Allowance::new(config.malformed, now),
            stray_errors: Allowance::new(config.stray_errors, now),
            holds_tables: false,
            config,
        };
        session.send(&handshake::hello());
        session
    }

    /// Counts transaction ids from `first`: with one that nobody foresees, a late answer to an earlier connection
    /// answers nothing on this one.
    #[must_use]
    pub fn with_first_xid(mut self, first: u32) -> Self {
        self.next_xid = first.max(1);
        self
    }

    /// Asks what the tables can do only when [`Session::ask_tables`] is called: the answer of one Open vSwitch is over a
    /// megabyte, and whoever has thousands of sessions should not be told by all of them at once.
    #[must_use]
    pub fn holding_tables(mut self) -> Self {
        self.holds_tables = true;
        self
    }

    /// Takes what has been read from the connection; whole messages are consumed, the rest stays in `input`.
    pub fn handle_input(&mut self, input: &mut BytesMut, now: Instant) {
        while !matches!(self.phase, Phase::Closed) {
            match split_frame(input) {
                Ok(Some(frame)) => self.handle_frame(&frame, now),
                Ok(None) => return,
                Err(error) => return self.close(CloseReason::Framing(error)),
            }
        }
        input.clear();
    }

    /// The connection has ended: by the peer, by a failed read or write, or because its owner gives it up.
    pub fn handle_disconnect(&mut self, reason: CloseReason) {
        self.close(reason);
    }

    /// For so long this side has neither read nor written: the peer's silence meanwhile is no sign of its death, and a
    /// barrier that it did not answer is not overdue.
    pub fn handle_stall(&mut self, lasted: Duration) {
        self.keepalive.stalled(lasted);
        self.window.stalled(lasted);
        self.bundles.stalled(lasted);
        self.reads.stalled(lasted);
    }

    /// Does what is due at `now`; early calls do nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        match &self.phase {
            Phase::Closed => return,
            Phase::Negotiating { .. } | Phase::Describing { .. } => return self.give_up_opening(now),
            Phase::Ready => {}
        }
        let is_late = self.window.handle_timeout(now, &mut self.events);
        if is_late {
            self.window.probe(&mut self.transmit, &mut self.next_xid, now);
        }
        if self.bundles.handle_timeout(now, &mut self.events) || is_late {
            self.probe_within(now, self.config.dead);
        }
        if self.window.is_stuck(now) || self.bundles.is_stuck(now) {
            return self.close(CloseReason::BarrierUnanswered);
        }
        self.reads.handle_timeout(now, &mut self.events);
        match self.keepalive.handle_timeout(now) {
            keepalive::Due::Nothing => {}
            keepalive::Due::Ask => self.probe_within(now, self.config.dead),
            keepalive::Due::Dead => self.close(CloseReason::Unresponsive),
        }
    }

    /// The moment at which [`Session::handle_timeout`] has something to do; `None` once the session is over.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Closed => None,
            Phase::Negotiating { deadline } | Phase::Describing { deadline, .. } => Some(*deadline),
            Phase::Ready => [
                Some(self.keepalive.deadline()),
                self.window.deadline(),
                self.bundles.deadline(),
                self.reads.deadline(),
            ]
            .into_iter()
            .flatten()
            .min(),
        }
    }

    /// The next thing that happened.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Moves the bytes to write next into `out`, which is empty when the driver has written what it got before. What
    /// the session itself has to say goes first, then the FLOW_MODs that found a place in the window, then the barrier
    /// that covers them: submit what there is before asking.
    pub fn poll_transmit(&mut self, out: &mut BytesMut, now: Instant) {
        if out.is_empty() {
            std::mem::swap(out, &mut self.transmit);
        } else {
            out.extend_from_slice(&self.transmit);
        }
        self.transmit.clear();
        if matches!(self.phase, Phase::Ready) && self.control.may_write() {
            self.window.fill(out, &mut self.next_xid, &mut self.events, now);
            if self.bundles.has_more() {
                self.bundles.fill(out, &mut self.next_xid, &mut self.events, now);
            }
        }
    }

    /// How many more FLOW_MODs [`Session::handle_command`] takes; a driver stops taking commands at 0.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.window.capacity()
    }

    /// What this session has seen that it did not ask for.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Whether the session is over.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        matches!(self.phase, Phase::Closed)
    }

    fn handle_frame(&mut self, frame: &Bytes, now: Instant) {
        self.counters.messages += 1;
        let Some(header) = Header::peek(frame) else { return };
        if !matches!(self.phase, Phase::Negotiating { .. }) && header.version != OFP_VERSION {
            self.send_error(handshake::bad_version(frame), header.xid);
            return self.close(CloseReason::Version { peer: header.version });
        }
        match Message::decode(frame) {
            Ok((xid, message)) => {
                self.keepalive.heard(now);
                self.handle_message(xid, message, frame, now);
            }
            Err(error) => self.handle_malformed(header, error, frame, now),
        }
        if self.transmit.len() > self.config.transmit {
            self.close(CloseReason::Flooded);
        }
    }

    /// A message that cannot be understood fails what carries its xid: it may have been the news of a refusal.
    fn handle_malformed(&mut self, header: Header, error: DecodeError, frame: &Bytes, now: Instant) {
        self.counters.malformed += 1;
        match &self.phase {
            Phase::Negotiating { .. } | Phase::Describing { .. } => {
                self.handle_malformed_opening(header.xid, error, now);
            }
            Phase::Ready if self.reads.fail(header.xid, ReadError::Malformed(error), &mut self.events) => {}
            Phase::Ready => {
                self.window.doubt(header.xid, &mut self.events);
                self.bundles.doubt(header.xid, &mut self.events);
                self.complain(handshake::malformed(error, frame), header.xid, now);
            }
            Phase::Closed => {}
        }
    }

    /// Answers a message with an error, and gives up a peer that sends little else.
    fn complain(&mut self, error: ErrorMsg, xid: Xid, now: Instant) {
        if self.malformed.take(now) {
            self.send_error(error, xid);
        } else {
            self.close(CloseReason::TooManyMalformed(error.error_code()));
        }
    }

    fn handle_message(&mut self, xid: Xid, message: Message, frame: &Bytes, now: Instant) {
        match &self.phase {
            Phase::Negotiating { .. } | Phase::Describing { .. } => self.handle_opening(xid, message, frame, now),
            Phase::Ready => self.handle_ready(xid, message, frame, now),
            Phase::Closed => {}
        }
    }

    fn handle_ready(&mut self, xid: Xid, message: Message, frame: &Bytes, now: Instant) {
        match message {
            Message::BarrierReply => {
                if !self.window.handle_barrier_reply(xid, &mut self.events, now)
                    && !self.bundles.handle_barrier_reply(xid, &mut self.events)
                {
                    self.counters.stray_replies += 1;
                }
            }
            Message::Error(error) => self.handle_error(xid, error, now),
            Message::MultipartReply(reply) => self.handle_multipart(xid, reply, frame.len(), now),
            Message::Experimenter(Experimenter::BundleControl(reply)) => self.handle_bundle_reply(xid, &reply),
            Message::RoleReply(granted) => {
                let is_awaited = self.control.handle_role_reply(xid, &granted, &mut self.events);
                self.counters.stray_replies += u64::from(!is_awaited);
            }
            other => self.handle_unasked(xid, other, frame, now),
        }
    }

    /// An error is the answer to what carried its xid, in this order of likelihood: a FLOW_MOD under way or
    /// confirmed a moment ago, a bundle, a question about the switch, a read, something that nobody waits for.
    fn handle_error(&mut self, xid: Xid, error: ErrorMsg, now: Instant) {
        let error = kept(error);
        if self.window.handle_error(xid, &error, &mut self.events, now)
            || self.bundles.handle_error(xid, &error, &mut self.events)
            || self.control.handle_error(xid, &error, &mut self.events)
        {
            return;
        }
        if self.reads.fail(xid, ReadError::Refused(Box::new(error.clone())), &mut self.events) {
            return;
        }
        self.counters.stray_errors += 1;
        if self.stray_errors.take(now) {
            self.events.push_back(Event::StrayError(Box::new(error)));
        }
    }

    fn handle_bundle_reply(&mut self, xid: Xid, reply: &BundleControl) {
        if let Some(discard) = self.control.handle_bundle_reply(xid, &mut self.events) {
            self.send(&discard);
        } else if !self.bundles.handle_reply(xid, reply, &mut self.events) {
            self.counters.stray_replies += 1;
        }
    }

    fn handle_multipart(&mut self, xid: Xid, reply: MultipartReply, bytes: usize, now: Instant) {
        let is_awaited = match reply.body {
            MultipartReplyBody::FlowMonitor(updates) => self.control.handle_updates(xid, updates, &mut self.events),
            body => self.reads.handle_part(xid, MultipartReply { body, ..reply }, bytes, now, &mut self.events),
        };
        self.counters.stray_replies += u64::from(!is_awaited);
    }

    /// What a switch may send at any time after HELLO, and what it may not.
    fn handle_unasked(&mut self, xid: Xid, message: Message, frame: &Bytes, now: Instant) {
        match message {
            Message::EchoRequest(Echo { data }) => self.send_with(&Message::EchoReply(Echo { data }), xid),
            Message::EchoReply(_) => {
                if !self.keepalive.answered(xid) {
                    self.counters.stray_replies += 1;
                } else if self.keepalive.take_wanted() {
                    self.events.push_back(Event::Alive);
                }
            }
            Message::FlowRemoved(removed) => self.events.push_back(Event::FlowRemoved(removed.into())),
            Message::PortStatus(status) => self.events.push_back(Event::PortStatus(status.into())),
            Message::Error(error) => self.handle_error(xid, error, now),
            Message::PacketIn(_) => self.counters.packet_ins += 1,
            Message::Hello(_) | Message::Experimenter(_) => self.counters.ignored += 1,
            Message::FeaturesReply(_)
            | Message::GetConfigReply(_)
            | Message::MultipartReply(_)
            | Message::BarrierReply
            | Message::QueueGetConfigReply(_)
            | Message::RoleReply(_)
            | Message::GetAsyncReply(_) => self.counters.stray_replies += 1,
            Message::FeaturesRequest
            | Message::GetConfigRequest
            | Message::SetConfig(_)
            | Message::PacketOut(_)
            | Message::FlowMod(_)
            | Message::GroupMod(_)
            | Message::PortMod(_)
            | Message::TableMod(_)
            | Message::MeterMod(_)
            | Message::MultipartRequest(_)
            | Message::BarrierRequest
            | Message::QueueGetConfigRequest(_)
            | Message::RoleRequest(_)
            | Message::GetAsyncRequest
            | Message::SetAsync(_) => {
                self.counters.malformed += 1;
                self.complain(handshake::bad_type(frame), xid, now);
            }
        }
    }

    fn probe_within(&mut self, now: Instant, within: Duration) {
        if self.keepalive.is_waiting_until(now + within) {
            return;
        }
        let xid = self.send(&Message::EchoRequest(Echo { data: Bytes::new() }));
        self.keepalive.asked(xid, now, now + within);
    }

    fn close(&mut self, reason: CloseReason) {
        if matches!(std::mem::replace(&mut self.phase, Phase::Closed), Phase::Closed) {
            return;
        }
        self.window.close(&mut self.events);
        self.bundles.close(&mut self.events);
        self.reads.close(&mut self.events);
        self.events.push_back(Event::Closed(reason));
    }

    fn send(&mut self, message: &Message) -> Xid {
        let xid = window::take_xid(&mut self.next_xid);
        self.send_with(message, xid);
        xid
    }

    fn send_error(&mut self, error: ErrorMsg, xid: Xid) {
        self.send_with(&Message::Error(error), xid);
    }

    /// Everything that the session itself sends is far below the limit of 65,535 bytes, an echo's data included: it
    /// arrived in a message of that size. A message that does not fit is therefore dropped, and counted.
    fn send_with(&mut self, message: &Message, xid: Xid) {
        if message.encode(xid, &mut self.transmit).is_err() {
            self.counters.ignored += 1;
        }
    }
}

/// The error with a copy of the beginning of what it quotes: a slice would keep the whole buffer alive that it was read
/// into, and a switch can make us keep one error for every FLOW_MOD in flight.
fn kept(error: ErrorMsg) -> ErrorMsg {
    let data = Bytes::copy_from_slice(error.data.get(..ERROR_DATA).unwrap_or(&error.data));
    ErrorMsg { data, ..error }
}
