//! What the owner of a session asks of it, and how each of it is begun.

use std::time::Instant;

use openflow::{Message, MeterId, MeterRequest, MultipartRequestBody};

use super::event::{Command, Event, Outcome, ReadError, Settlement, Token};
use super::reading::{self, Entries};
use super::{Phase, Session, control};

impl Session {
    /// Does what the owner asks. Before [`Event::Ready`] and after [`Event::Closed`] FLOW_MODs settle as not sent, reads
    /// fail, and the rest is not done.
    pub fn handle_command(&mut self, command: Command, now: Instant) {
        let is_ready = matches!(self.phase, Phase::Ready);
        match command {
            Command::Close(reason) => self.close(reason),
            Command::Program(mods) if is_ready => {
                self.window.submit(mods.into_iter().map(|(token, request)| (token, Message::FlowMod(request))));
            }
            Command::Meter(mods) if is_ready => {
                self.window.submit(mods.into_iter().map(|(token, request)| (token, Message::MeterMod(request))));
            }
            Command::Bundle(mods) if is_ready => self.bundles.submit(None, mods),
            Command::Prepare { bundle, mods } if is_ready => self.bundles.submit(Some(bundle), mods),
            Command::Program(mods) | Command::Bundle(mods) | Command::Prepare { mods, .. } => self.leave_unsent(mods),
            Command::Meter(mods) => self.leave_unsent(mods),
            Command::ReadFlows { token, request, expected } => {
                self.read(token, MultipartRequestBody::Flow(request), Entries::Flows(Vec::new()), expected, now);
            }
            Command::ReadMeters { token } => {
                let request = MeterRequest { meter_id: MeterId::ALL };
                self.read(token, MultipartRequestBody::MeterConfig(request), Entries::Meters(Vec::new()), 0, now);
            }
            Command::ReadMeterStats { token, meter_id } => {
                let request = MeterRequest { meter_id };
                self.read(token, MultipartRequestBody::Meter(request), Entries::MeterStats(Vec::new()), 0, now);
            }
            _ if !is_ready => {}
            Command::Control { packet_in } => {
                for message in control::settings(packet_in) {
                    self.send(&message);
                }
                let xid = self.send(&control::bundle_probe());
                self.control.probed_bundles(xid);
            }
            Command::Monitor => {
                let xid = self.send(&control::monitor_request());
                self.control.asked_to_monitor(xid);
            }
            Command::Commit { bundle } => self.bundles.commit(bundle),
            Command::Discard { bundle } => self.bundles.discard(bundle, &mut self.events),
            Command::ClaimRole { role, generation_id } => {
                let xid = self.send(&control::role_request(role, generation_id));
                self.control.claimed(xid, role);
            }
            Command::Probe { within } => {
                self.keepalive.want();
                self.probe_within(now, within);
            }
        }
    }

    /// Asks a question whose answer is an event; there is none before the handshake is done and after the end.
    fn read(&mut self, token: Token, question: MultipartRequestBody, answer: Entries, expected: usize, now: Instant) {
        if matches!(self.phase, Phase::Ready) {
            let xid = self.send(&reading::request(question));
            self.reads.begin(xid, token, answer, expected, now);
        } else {
            self.events.push_back(answer.event(token, Some(ReadError::ConnectionLost)));
        }
    }

    fn leave_unsent<T>(&mut self, mods: Vec<(Token, T)>) {
        let unsent = |(token, _)| Settlement { token, xid: None, outcome: Outcome::NotSent };
        self.events.push_back(Event::Settled(mods.into_iter().map(unsent).collect()));
    }
}
