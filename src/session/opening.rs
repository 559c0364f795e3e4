//! A session before it is ready: what comes goes to the handshake, and what that makes of it is done.

use std::time::Instant;

use bytes::{Bytes, BytesMut};
use openflow::{DecodeError, Message, Xid};

use super::event::{CloseReason, Event};
use super::handshake::{self, Handshake, Progress};
use super::{Phase, Session, window};

impl Session {
    pub(super) fn handle_opening(&mut self, xid: Xid, message: Message, frame: &Bytes, now: Instant) {
        match &mut self.phase {
            Phase::Negotiating { deadline } => {
                let deadline = *deadline;
                match handshake::negotiate(&message, frame) {
                    Ok(()) => {
                        let handshake =
                            Box::new(Handshake::new(self.send(&Message::FeaturesRequest), self.holds_tables));
                        self.phase = Phase::Describing { deadline, handshake };
                    }
                    Err((reply, reason)) => {
                        if let Some(reply) = reply {
                            self.send_error(reply, xid);
                        }
                        self.close(reason);
                    }
                }
            }
            Phase::Describing { handshake, .. } => match handshake.handle_message(xid, message) {
                Progress::Other(message) => self.handle_unasked(xid, *message, frame, now),
                progress => self.advance(progress, now),
            },
            Phase::Ready | Phase::Closed => {}
        }
    }

    /// A malformed message is the end of a switch that cannot even say what it is, except of what its tables can do.
    pub(super) fn handle_malformed_opening(&mut self, xid: Xid, error: DecodeError, now: Instant) {
        match &mut self.phase {
            Phase::Describing { handshake, .. } if handshake.asked_for_tables(xid) => {
                let progress = handshake.without_tables();
                self.advance(progress, now);
            }
            _ => self.close(CloseReason::Malformed(error)),
        }
    }

    /// Ends the session when the time of the handshake is over; begins it when nothing was missing but what the tables
    /// can do.
    pub(super) fn give_up_opening(&mut self, now: Instant) {
        match &mut self.phase {
            Phase::Negotiating { deadline } if *deadline <= now => self.close(CloseReason::HandshakeTimeout),
            Phase::Describing { deadline, handshake } if *deadline <= now => match handshake.without_tables() {
                Progress::Done(description) => self.advance(Progress::Done(description), now),
                _ => self.close(CloseReason::HandshakeTimeout),
            },
            _ => {}
        }
    }

    /// Whether nothing is missing but what the tables can do, which [`Session::ask_tables`] asks.
    #[must_use]
    pub fn wants_tables(&self) -> bool {
        matches!(&self.phase, Phase::Describing { handshake, .. } if handshake.wants_tables())
    }

    /// Whether the question what the tables can do is out.
    #[must_use]
    pub fn is_reading_tables(&self) -> bool {
        matches!(&self.phase, Phase::Describing { handshake, .. } if handshake.waits_only_for_tables())
    }

    /// Asks what the tables can do, when [`Session::wants_tables`]. Who is not allowed to within the time of a
    /// handshake begins without knowing it.
    pub fn ask_tables(&mut self, now: Instant) {
        let Phase::Describing { deadline, handshake } = &mut self.phase else { return };
        if handshake.wants_tables() {
            *deadline = now + self.config.tables;
            let (next_xid, transmit) = (&mut self.next_xid, &mut self.transmit);
            handshake.ask_tables(|message| encode(message, next_xid, transmit));
        }
    }

    fn advance(&mut self, progress: Progress, now: Instant) {
        let Phase::Describing { deadline, handshake } = &mut self.phase else { return };
        match progress {
            Progress::Waiting if handshake.wants_tables() => *deadline = now + self.config.handshake,
            Progress::Waiting if handshake.waits_only_for_tables() => {
                *deadline = (*deadline).min(now + self.config.tables);
            }
            Progress::Waiting | Progress::Other(_) => {}
            Progress::Ask => {
                let (next_xid, transmit) = (&mut self.next_xid, &mut self.transmit);
                handshake.ask(|message| encode(message, next_xid, transmit));
            }
            Progress::Done(description) => {
                self.phase = Phase::Ready;
                self.keepalive.heard(now);
                self.events.push_back(Event::Ready(description));
            }
            Progress::Failed(reason) => self.close(reason),
        }
    }
}

/// Appends a request for a description under the next xid.
fn encode(message: &Message, next_xid: &mut u32, transmit: &mut BytesMut) -> Xid {
    let xid = window::take_xid(next_xid);
    // It is its header and a type: it always fits.
    let _ = message.encode(xid, transmit);
    xid
}
