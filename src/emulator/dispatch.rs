//! From a message to what the switch does about it.

use std::time::Instant;

use bytes::Bytes;
use openflow::{
    Capabilities, DecodeError, ErrorCode, FeaturesReply, FlowMod, Header, Message, OFP_VERSION, SwitchConfig, Xid,
};

use super::change::FlowChange;
use super::channel::{Channel, Phase};
use super::datapath::Datapath;
use super::journal::Journal;
use super::pattern::Pattern;

/// Where the match of an `ofp_flow_mod` begins in its message.
const MATCH_AT: usize = 48;

/// One message, and all that it can have an effect on.
///
/// Its methods are spread over the files of their families: [`super::statistics`] has the multipart requests.
pub(super) struct Turn<'a> {
    pub(super) datapath: &'a mut Datapath,
    pub(super) channel: &'a mut Channel,
    pub(super) changes: &'a mut Vec<FlowChange>,
    pub(super) journal: &'a mut Journal,
    pub(super) message: &'a Bytes,
    pub(super) xid: Xid,
    pub(super) now: Instant,
}

/// What the switch says that it can do.
const CAPABILITIES: Capabilities = Capabilities(
    Capabilities::FLOW_STATS.0
        | Capabilities::TABLE_STATS.0
        | Capabilities::PORT_STATS.0
        | Capabilities::GROUP_STATS.0
        | Capabilities::QUEUE_STATS.0,
);

impl Turn<'_> {
    /// Does what the message asks for, or answers with an error and does nothing.
    pub(super) fn handle(&mut self) {
        self.channel.last_input = self.now;
        self.channel.probed = None;
        let done = match self.channel.phase {
            Phase::Greeting => return self.greet(),
            Phase::Closed => return,
            Phase::Ready => self.request(),
        };
        if let Err(code) = done {
            self.channel.refuse(self.xid, self.message, code);
        }
    }

    /// A conversation that does not start with HELLO does not start.
    fn greet(&mut self) {
        let version = Header::peek(self.message).map_or(0, |header| header.version);
        match Message::decode(self.message) {
            Ok((xid, Message::Hello(hello))) => self.channel.greet(&self.datapath.config, version, xid, &hello),
            _ => self.channel.phase = Phase::Closed,
        }
    }

    fn request(&mut self) -> Result<(), ErrorCode> {
        if Header::peek(self.message).is_some_and(|header| header.version != OFP_VERSION) {
            return Err(ErrorCode::BAD_REQUEST_BAD_VERSION);
        }
        let (_, request) = Message::decode(self.message).map_err(DecodeError::code)?;
        match request {
            Message::FlowMod(request) => self.modify_flows(request),
            Message::BarrierRequest => self.reply(&Message::BarrierReply),
            Message::EchoRequest(echo) => self.reply(&Message::EchoReply(echo)),
            Message::FeaturesRequest => self.reply(&Message::FeaturesReply(self.features())),
            Message::GetConfigRequest => self.reply(&Message::GetConfigReply(SwitchConfig {
                flags: self.datapath.fragments,
                miss_send_len: self.channel.miss_send_len,
            })),
            Message::SetConfig(config) => {
                self.datapath.fragments = config.flags;
                self.channel.miss_send_len = config.miss_send_len;
                Ok(())
            }
            Message::MultipartRequest(request) => self.multipart(request),
            // A second HELLO, and what answers something that the switch may have said.
            Message::Hello(_) | Message::EchoReply(_) | Message::Error(_) => Ok(()),
            _ => Err(ErrorCode::BAD_REQUEST_BAD_TYPE),
        }
    }

    /// Sends what answers this message.
    pub(super) fn reply(&mut self, message: &Message) -> Result<(), ErrorCode> {
        self.channel.send(self.xid, message);
        Ok(())
    }

    fn modify_flows(&mut self, request: FlowMod) -> Result<(), ErrorCode> {
        let pattern = Pattern::in_message(self.message, MATCH_AT);
        let outcome = self.datapath.modify_flows(request, pattern, self.now, self.changes);
        self.journal.record(self.message, outcome);
        outcome
    }

    fn features(&self) -> FeaturesReply {
        FeaturesReply {
            datapath_id: self.datapath.config.datapath_id,
            n_buffers: 0,
            n_tables: self.datapath.config.n_tables,
            auxiliary_id: 0,
            capabilities: CAPABILITIES,
            reserved: 0,
        }
    }
}
