//! From a message to what the switch does about it.

use std::time::Instant;

use bytes::Bytes;
use openflow::{
    BufferId, DecodeError, ErrorCode, Experimenter, Header, Message, OFP_VERSION, PortNo, QueueGetConfigReply,
    QueueGetConfigRequest, SwitchConfig, TableId, Xid,
};

use super::capabilities::features;
use super::change::Changes;
use super::channel::{Channel, Phase};
use super::datapath::Datapath;
use super::journal::Journal;
use super::pattern::Pattern;

/// Where the match of an `ofp_flow_mod` begins in its message.
const MATCH_AT: usize = 48;

/// One message, and all that it can have an effect on.
///
/// Its methods are spread over the files of their families: [`super::statistics`], [`super::role`], [`super::bundle`]
/// and [`super::monitor`].
pub(super) struct Turn<'a> {
    pub(super) datapath: &'a mut Datapath,
    pub(super) channel: &'a mut Channel,
    pub(super) changes: &'a mut Changes,
    pub(super) journal: &'a mut Journal,
    pub(super) message: &'a Bytes,
    pub(super) xid: Xid,
    pub(super) now: Instant,
    /// Set when the controller became master.
    pub(super) promoted: bool,
}

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
            Message::BarrierRequest => self.reply(&Message::BarrierReply),
            Message::EchoRequest(echo) => self.reply(&Message::EchoReply(echo)),
            Message::FeaturesRequest => self.reply(&Message::FeaturesReply(features(&self.datapath.config))),
            Message::GetConfigRequest => self.reply(&Message::GetConfigReply(SwitchConfig {
                flags: self.datapath.fragments,
                miss_send_len: self.channel.miss_send_len,
            })),
            Message::SetConfig(config) => {
                self.channel.miss_send_len = config.miss_send_len;
                if self.may_write().is_ok() {
                    self.datapath.fragments = config.flags;
                }
                Ok(())
            }
            Message::MultipartRequest(request) => self.multipart(request),
            Message::QueueGetConfigRequest(request) => self.queues(&request),
            Message::RoleRequest(request) => self.role_request(&request),
            Message::GetAsyncRequest => self.reply(&Message::GetAsyncReply(self.channel.async_config.clone())),
            Message::SetAsync(config) => {
                self.channel.async_config = config;
                Ok(())
            }
            Message::Experimenter(request) => self.experimenter(request),
            // A second HELLO, and what answers something that the switch may have said.
            Message::Hello(_) | Message::EchoReply(_) | Message::Error(_) => Ok(()),
            Message::FlowMod(_)
            | Message::GroupMod(_)
            | Message::MeterMod(_)
            | Message::PortMod(_)
            | Message::TableMod(_)
            | Message::PacketOut(_) => {
                self.may_write()?;
                let message = self.message.clone();
                self.write(request, &message)
            }
            Message::FeaturesReply(_)
            | Message::GetConfigReply(_)
            | Message::PacketIn(_)
            | Message::FlowRemoved(_)
            | Message::PortStatus(_)
            | Message::MultipartReply(_)
            | Message::BarrierReply
            | Message::QueueGetConfigReply(_)
            | Message::RoleReply(_)
            | Message::GetAsyncReply(_) => Err(ErrorCode::BAD_REQUEST_BAD_TYPE),
        }
    }

    /// Does what changes the switch, alone or as part of a bundle; `bytes` is the message itself.
    pub(super) fn write(&mut self, request: Message, bytes: &Bytes) -> Result<(), ErrorCode> {
        match request {
            Message::FlowMod(request) => {
                let pattern = Pattern::in_message(bytes, MATCH_AT);
                let outcome = self.datapath.modify_flows(request, pattern, self.now, self.changes);
                self.journal.record(bytes, outcome);
                outcome
            }
            Message::GroupMod(request) => self.datapath.modify_groups(request, self.now, self.changes),
            Message::MeterMod(request) => self.datapath.modify_meters(request, self.now, self.changes),
            Message::PortMod(request) => self.datapath.modify_port(&request, self.changes),
            Message::TableMod(request) => {
                let known = request.table_id == TableId::ALL || request.table_id.0 < self.datapath.config.n_tables;
                known.then_some(()).ok_or(ErrorCode::TABLE_MOD_FAILED_BAD_TABLE)
            }
            Message::PacketOut(request) => {
                if request.buffer_id != BufferId::NO_BUFFER {
                    return Err(ErrorCode::BAD_REQUEST_BUFFER_UNKNOWN);
                }
                self.datapath.check_actions(&request.actions)
            }
            _ => Err(ErrorCode::BAD_REQUEST_BAD_TYPE),
        }
    }

    fn experimenter(&mut self, request: Experimenter) -> Result<(), ErrorCode> {
        let config = &self.datapath.config;
        match request {
            Experimenter::BundleControl(control) if config.bundles => {
                self.may_write()?;
                self.bundle_control(&control)
            }
            Experimenter::BundleAdd(add) if config.bundles => {
                self.may_write()?;
                self.bundle_add(add)
            }
            Experimenter::FlowMonitorCancel(cancel) if config.flow_monitors => self.cancel_monitor(&cancel),
            _ => Err(ErrorCode::BAD_REQUEST_BAD_EXPERIMENTER),
        }
    }

    /// No port of this switch has queues.
    fn queues(&mut self, request: &QueueGetConfigRequest) -> Result<(), ErrorCode> {
        if request.port != PortNo::ANY && self.datapath.port(request.port).is_none() {
            return Err(ErrorCode::QUEUE_OP_FAILED_BAD_PORT);
        }
        self.reply(&Message::QueueGetConfigReply(QueueGetConfigReply { port: request.port, queues: Vec::new() }))
    }

    /// Sends what answers this message.
    pub(super) fn reply(&mut self, message: &Message) -> Result<(), ErrorCode> {
        self.channel.send(self.xid, message);
        Ok(())
    }
}
