//! The line between a switch and one controller, and what can be wrong with it on purpose.
//!
//! A [`Link`] stands between a driver and a [`Switch`] and offers the same calls. Without faults it adds nothing. The
//! [`Fault`]s of a link combine; each of them is something that switches or networks really do:
//!
//! ```text
//! controller --CutInput--> Silent, DropFlows, Slow, BarrierFirst --> switch
//! controller <--CutOutput-- Torn <-- NoBarrierReply, DropBarrierReplies, WrongBarrierXid, ErrorsAfterBarrier, Twice <-- switch
//! ```

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes, BytesMut};
use openflow::{Header, split_frame};

use super::channel::ChannelId;
use super::switch::Switch;

/// Message types that faults look for.
const OFPT_ERROR: u8 = 1;
const OFPT_FLOW_MOD: u8 = 14;
const OFPT_BARRIER_REQUEST: u8 = 20;
const OFPT_BARRIER_REPLY: u8 = 21;

/// One way to misbehave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// What the switch says arrives one byte at a time.
    Torn,
    /// The switch takes this long for every message.
    Slow(Duration),
    /// After so many messages the switch reads, and neither does nor says anything any more.
    Silent {
        /// The number of messages that are still handled.
        after: u64,
    },
    /// Every so many FLOW_MODs, one is lost without a word.
    DropFlows {
        /// 1 loses all of them, 2 every second one.
        every: u64,
    },
    /// Barriers are never answered.
    NoBarrierReply,
    /// Of every so many answers to barriers, one is lost.
    DropBarrierReplies {
        /// 2 loses every second one.
        every: u64,
    },
    /// Barriers are answered with an xid that nobody used.
    WrongBarrierXid,
    /// Errors come after the reply to the barrier that should have come after them.
    ErrorsAfterBarrier,
    /// Errors and the answers to barriers come twice.
    Twice,
    /// Barriers are answered at once; everything else is done this much later.
    BarrierFirst(Duration),
    /// The connection breaks after so many bytes from the controller; the answers to them are lost.
    CutInput {
        /// The number of bytes that still arrive.
        after: u64,
    },
    /// The connection breaks after so many bytes to the controller.
    CutOutput {
        /// The number of bytes that still arrive.
        after: u64,
    },
}

/// One channel of a switch, seen through its faults.
#[derive(Debug)]
pub struct Link {
    channel: ChannelId,
    faults: Vec<Fault>,
    /// How many bytes and messages came, and how many of these were FLOW_MODs.
    bytes_in: u64,
    messages_in: u64,
    flow_mods_in: u64,
    bytes_out: u64,
    barriers_out: u64,
    /// Messages that wait for their time, which may let them overtake each other.
    delayed: BTreeMap<(Instant, u64), Bytes>,
    /// What came from the switch and is not a whole message yet, or none that was looked at.
    unsorted: BytesMut,
    /// Errors that wait for a barrier.
    errors: BytesMut,
    /// What goes to the controller next.
    outbox: BytesMut,
    cut: bool,
}

impl Link {
    /// Opens a channel of the switch, as if the switch had dialled.
    pub fn open(switch: &mut Switch, faults: Vec<Fault>, now: Instant) -> Self {
        Self::new(switch.open(now), faults)
    }

    /// Puts faults before a channel that was just opened.
    pub fn new(channel: ChannelId, faults: Vec<Fault>) -> Self {
        Self {
            channel,
            faults,
            bytes_in: 0,
            messages_in: 0,
            flow_mods_in: 0,
            bytes_out: 0,
            barriers_out: 0,
            delayed: BTreeMap::new(),
            unsorted: BytesMut::new(),
            errors: BytesMut::new(),
            outbox: BytesMut::new(),
            cut: false,
        }
    }

    /// Closes the channel.
    pub fn close(&mut self, switch: &mut Switch) {
        self.cut = true;
        switch.close(self.channel);
    }

    /// See [`Switch::handle_input`].
    pub fn handle_input(&mut self, switch: &mut Switch, input: &mut BytesMut, now: Instant) {
        if self.faults.is_empty() {
            return switch.handle_input(self.channel, input, now);
        }
        let last_byte = self.first(|fault| match fault {
            Fault::CutInput { after } => Some(after),
            _ => None,
        });
        if let Some(left) = last_byte.map(|last| last - self.bytes_in)
            && (input.len() as u64) >= left
        {
            input.truncate(left as usize);
            self.cut = true;
        }
        loop {
            match split_frame(input) {
                Ok(Some(message)) => {
                    self.bytes_in += message.len() as u64;
                    self.receive(message, now);
                }
                Ok(None) => break,
                Err(_) => {
                    self.cut = true;
                    break;
                }
            }
        }
        self.handle_timeout(switch, now);
    }

    /// Hands the messages whose time has come to the switch.
    pub fn handle_timeout(&mut self, switch: &mut Switch, now: Instant) {
        while let Some(next) = self.delayed.first_entry()
            && next.key().0 <= now
        {
            switch.handle_message(self.channel, &next.remove(), now);
        }
    }

    /// When [`Link::handle_timeout`] or [`Switch::handle_timeout`] has something to do.
    pub fn poll_timeout(&self, switch: &Switch) -> Option<Instant> {
        let next = self.delayed.first_key_value().map(|(&(at, _), _)| at);
        next.into_iter().chain(switch.poll_timeout()).min()
    }

    /// See [`Switch::poll_transmit`].
    pub fn poll_transmit(&mut self, switch: &mut Switch, output: &mut BytesMut) {
        if self.faults.is_empty() {
            return switch.poll_transmit(self.channel, output);
        }
        if self.cut {
            return;
        }
        switch.poll_transmit(self.channel, &mut self.unsorted);
        while let Ok(Some(message)) = split_frame(&mut self.unsorted) {
            self.sort(message);
        }
        let mut length = if self.has(Fault::Torn) { self.outbox.len().min(1) } else { self.outbox.len() };
        let last_byte = self.first(|fault| match fault {
            Fault::CutOutput { after } => Some(after),
            _ => None,
        });
        if let Some(left) = last_byte.map(|last| last - self.bytes_out)
            && (length as u64) >= left
        {
            length = left as usize;
            self.outbox.truncate(length);
            self.cut = true;
        }
        self.bytes_out += length as u64;
        output.unsplit(self.outbox.split_to(length));
    }

    /// See [`Switch::wants_input`].
    pub fn wants_input(&self, switch: &Switch) -> bool {
        !self.cut && switch.wants_input(self.channel)
    }

    /// See [`Switch::is_closed`].
    pub fn is_closed(&self, switch: &Switch) -> bool {
        self.cut || (switch.is_closed(self.channel) && !self.outbox.has_remaining())
    }

    /// Decides what becomes of a message from the controller.
    fn receive(&mut self, message: Bytes, now: Instant) {
        let message_type = Header::peek(&message).map_or(0, |header| header.message_type);
        self.messages_in += 1;
        self.flow_mods_in += u64::from(message_type == OFPT_FLOW_MOD);
        let mut at = now;
        for fault in &self.faults {
            match *fault {
                Fault::Silent { after } if self.messages_in > after => return,
                Fault::DropFlows { every }
                    if message_type == OFPT_FLOW_MOD && self.flow_mods_in.is_multiple_of(every) =>
                {
                    return;
                }
                Fault::Slow(each) => {
                    let previous = self.delayed.last_key_value().map_or(now, |(&(at, _), _)| at);
                    at = at.max(previous + each);
                }
                Fault::BarrierFirst(lag) if message_type != OFPT_BARRIER_REQUEST => at += lag,
                _ => {}
            }
        }
        self.delayed.insert((at, self.messages_in), message);
    }

    /// Decides what becomes of a message from the switch.
    fn sort(&mut self, message: Bytes) {
        let message_type = Header::peek(&message).map_or(0, |header| header.message_type);
        self.barriers_out += u64::from(message_type == OFPT_BARRIER_REPLY);
        let every = self.first(|fault| match fault {
            Fault::NoBarrierReply => Some(1),
            Fault::DropBarrierReplies { every } => Some(every),
            _ => None,
        });
        match message_type {
            OFPT_BARRIER_REPLY if every.is_some_and(|every| self.barriers_out.is_multiple_of(every)) => {}
            OFPT_BARRIER_REPLY => {
                let mut reply = BytesMut::from(message);
                if self.has(Fault::WrongBarrierXid)
                    && let Some(xid) = reply.get_mut(4..)
                {
                    xid.iter_mut().for_each(|byte| *byte = !*byte);
                }
                self.outbox.extend_from_slice(&reply);
                self.outbox.unsplit(self.errors.split());
                if self.has(Fault::Twice) {
                    self.outbox.unsplit(reply);
                }
            }
            OFPT_ERROR => {
                let times = if self.has(Fault::Twice) { 2 } else { 1 };
                let late = self.has(Fault::ErrorsAfterBarrier);
                let queue = if late { &mut self.errors } else { &mut self.outbox };
                (0..times).for_each(|_| queue.extend_from_slice(&message));
            }
            _ => self.outbox.extend_from_slice(&message),
        }
    }

    fn has(&self, fault: Fault) -> bool {
        self.faults.contains(&fault)
    }

    fn first<T>(&self, pick: impl Fn(Fault) -> Option<T>) -> Option<T> {
        self.faults.iter().copied().find_map(pick)
    }
}
