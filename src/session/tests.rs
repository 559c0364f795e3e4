//! A session against a scripted switch: bytes in memory, time that only the test moves.

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use openflow::{
    Capabilities, DatapathId, Echo, ErrorCode, ErrorMsg, FeaturesReply, FlowMod, FlowStats, FlowStatsRequest, Hello,
    Match, Message, MultipartReply, MultipartReplyBody, TableId, Xid, split_frame,
};

use super::*;

mod confirmation;
mod cuts;
mod handshake;
mod meters;
mod reading;
mod stream;
mod tables;
mod transitions;

/// The switch's end of a session.
pub(super) struct Script {
    pub(super) session: Session,
    pub(super) now: Instant,
    wire: BytesMut,
}

impl Script {
    pub(super) fn begin() -> Self {
        let now = Instant::now();
        Self { session: Session::new(Config::default(), now), now, wire: BytesMut::new() }
    }

    /// A session whose handshake is done.
    pub(super) fn ready() -> Self {
        let mut script = Self::begin();
        script.sent();
        script.reply(Xid(9), &Message::Hello(Hello::with_versions(&[OFP_VERSION])));
        let features = script.only_sent();
        script.reply(features.0, &features_reply());
        for (xid, message) in script.sent() {
            let Message::MultipartRequest(request) = message else { panic!("expected a request for a description") };
            if matches!(request.body, openflow::MultipartRequestBody::PortDesc) {
                let body = MultipartReplyBody::PortDesc(Vec::new());
                script.reply(xid, &Message::MultipartReply(MultipartReply::from(body)));
            } else {
                let refusal = ErrorMsg::new(ErrorCode::BAD_REQUEST_BAD_MULTIPART, Bytes::new());
                script.reply(xid, &Message::Error(refusal));
            }
        }
        assert!(matches!(script.events().as_slice(), [Event::Ready(_)]), "the handshake is done");
        script
    }

    /// What the session has written since the last time.
    pub(super) fn sent(&mut self) -> Vec<(Xid, Message)> {
        self.session.poll_transmit(&mut self.wire, self.now);
        let mut messages = Vec::new();
        while let Some(frame) = split_frame(&mut self.wire).unwrap() {
            messages.push(Message::decode(&frame).unwrap());
        }
        messages
    }

    pub(super) fn only_sent(&mut self) -> (Xid, Message) {
        let mut sent = self.sent();
        assert_eq!(sent.len(), 1, "{sent:?}");
        sent.remove(0)
    }

    pub(super) fn reply(&mut self, xid: Xid, message: &Message) {
        let mut bytes = BytesMut::new();
        message.encode(xid, &mut bytes).unwrap();
        self.session.handle_input(&mut bytes, self.now);
    }

    fn raw(&mut self, bytes: &[u8]) {
        self.session.handle_input(&mut BytesMut::from(bytes), self.now);
    }

    pub(super) fn pass(&mut self, time: Duration) {
        self.now += time;
        self.session.handle_timeout(self.now);
    }

    pub(super) fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.session.poll_event()).collect()
    }

    /// The outcomes settled since the last look, by token.
    pub(super) fn outcomes(&mut self) -> Vec<(u64, &'static str)> {
        let settled = self.events().into_iter().filter_map(|event| match event {
            Event::Settled(settlements) => Some(settlements),
            _ => None,
        });
        settled.flatten().map(|settlement| (settlement.token.0, name(&settlement.outcome))).collect()
    }

    pub(super) fn program(&mut self, tokens: impl IntoIterator<Item = u64>) {
        let mods = tokens.into_iter().map(|token| (Token(token), FlowMod::add())).collect();
        self.session.handle_command(Command::Program(mods), self.now);
    }

    fn read(&mut self, token: u64) -> Xid {
        self.read_expecting(token, 0)
    }

    fn read_expecting(&mut self, token: u64, expected: usize) -> Xid {
        let request = FlowStatsRequest::default();
        self.session.handle_command(Command::ReadFlows { token: Token(token), request, expected }, self.now);
        self.only_sent().0
    }

    fn close_reason(&mut self) -> CloseReason {
        match self.events().pop() {
            Some(Event::Closed(reason)) => reason,
            other => panic!("expected the end of the session, not {other:?}"),
        }
    }
}

fn name(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Confirmed => "confirmed",
        Outcome::Refused(_) => "refused",
        Outcome::Unknown(UnknownReason::BarrierSkipped) => "skipped",
        Outcome::Unknown(_) => "unknown",
        Outcome::RolledBack(_) => "rolled back",
        Outcome::NotSent => "not sent",
        Outcome::Unencodable => "unencodable",
    }
}

fn features_reply() -> Message {
    Message::FeaturesReply(FeaturesReply {
        datapath_id: DatapathId(0xa1),
        n_buffers: 0,
        n_tables: 254,
        auxiliary_id: 0,
        capabilities: Capabilities::FLOW_STATS,
        reserved: 0,
    })
}

fn table_full() -> Message {
    Message::Error(ErrorMsg::new(ErrorCode::FLOW_MOD_FAILED_TABLE_FULL, Bytes::new()))
}

fn xids(sent: &[(Xid, Message)], is_wanted: fn(&Message) -> bool) -> Vec<Xid> {
    sent.iter().filter(|(_, message)| is_wanted(message)).map(|(xid, _)| *xid).collect()
}

pub(super) fn flow_mods(sent: &[(Xid, Message)]) -> Vec<Xid> {
    xids(sent, |message| matches!(message, Message::FlowMod(_)))
}

fn barriers(sent: &[(Xid, Message)]) -> Vec<Xid> {
    xids(sent, |message| matches!(message, Message::BarrierRequest))
}

fn part(entries: usize, more: bool) -> Message {
    let entry = FlowStats {
        table_id: TableId(0),
        duration_sec: 0,
        duration_nsec: 0,
        priority: 1,
        idle_timeout: 0,
        hard_timeout: 0,
        flags: openflow::FlowModFlags::SEND_FLOW_REM,
        cookie: 0,
        packet_count: 0,
        byte_count: 0,
        flow_match: Match::any(),
        instructions: Vec::new(),
    };
    Message::MultipartReply(MultipartReply { more, ..MultipartReplyBody::Flow(vec![entry; entries]).into() })
}
