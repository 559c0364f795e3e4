//! What no switch should send, and what a session makes of it: one test for each way, in each of three states.
//!
//! Every test is named after what is wrong; the number in front groups the ways by the part of the protocol. The
//! streams are in memory and time is virtual. [`Trial`] watches over what holds for every input: no panic, bounded
//! memory, and no FLOW_MOD confirmed by anything but the reply to its barrier.

mod acknowledgement;
mod asynchronous;
mod elsewhere;
mod extensions;
mod framing;
mod handshake;
mod multipart;

use std::time::{Duration, Instant};

use bytes::{BufMut, Bytes, BytesMut};
use openflow::{
    Capabilities, DatapathId, Echo, ErrorCode, ErrorMsg, FeaturesReply, FlowMod, FlowStatsRequest, Hello, Message,
    OFP_VERSION, Xid, split_frame,
};

use super::*;

/// How far a connection has come when the input arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// This side's HELLO is out.
    BeforeHello,
    /// HELLO is exchanged, FEATURES_REQUEST is out.
    BeforeFeatures,
    /// FLOW_MODs 0, 1 and 2, their barrier and a read of all flows are out.
    InFlight,
}

use State::{BeforeFeatures, BeforeHello, InFlight};

pub(crate) const STATES: [State; 3] = [BeforeHello, BeforeFeatures, InFlight];

/// A transaction that this side never began.
pub(crate) const NOBODY: Xid = Xid(0xdead_beef);

/// The token of the read that is out in [`State::InFlight`].
const READ: Token = Token(77);

/// What a session may keep of a peer's: its own replies, one message that is not whole yet, and the events of a read.
const MEMORY: usize = 256 << 10;

/// One connection that meets bad input.
struct Trial {
    session: Session,
    now: Instant,
    input: BytesMut,
    /// What it has written since it reached its state.
    sent: Vec<(Xid, Message)>,
    /// What it has told since it reached its state.
    events: Vec<Event>,
    /// The FEATURES_REQUEST's.
    features: Xid,
    flow_mods: Vec<Xid>,
    barrier: Xid,
    read: Xid,
    /// What it had counted when it reached its state.
    before: Counters,
}

impl Trial {
    fn begin(state: State) -> Self {
        Self::configured(state, Config::default())
    }

    fn configured(state: State, config: Config) -> Self {
        let now = Instant::now();
        let mut trial = Self {
            session: Session::new(config, now),
            now,
            input: BytesMut::new(),
            sent: Vec::new(),
            events: Vec::new(),
            features: Xid(0),
            flow_mods: Vec::new(),
            barrier: Xid(0),
            read: Xid(0),
            before: Counters::default(),
        };
        trial.look();
        if state != BeforeHello {
            trial.tell(Xid(9), &Message::Hello(Hello::with_versions(&[OFP_VERSION])));
            trial.features = trial.sent.last().map(|(xid, _)| *xid).unwrap();
        }
        if state == InFlight {
            trial.sent.clear();
            trial.tell(trial.features, &features_reply());
            trial.describe();
            let mods = (0..3).map(|token| (Token(token), FlowMod::add())).collect();
            trial.session.handle_command(Command::Program(mods), trial.now);
            let request = FlowStatsRequest::default();
            trial.session.handle_command(Command::ReadFlows { token: READ, request, expected: 0 }, trial.now);
            trial.look();
            for (xid, message) in trial.sent.drain(..) {
                match message {
                    Message::FlowMod(_) => trial.flow_mods.push(xid),
                    Message::BarrierRequest => trial.barrier = xid,
                    Message::MultipartRequest(_) => trial.read = xid,
                    other => panic!("{other:?} in flight"),
                }
            }
            assert_eq!(trial.flow_mods.len(), 3);
        }
        trial.sent.clear();
        trial.events.clear();
        trial.before = trial.session.counters();
        trial
    }

    /// Refuses every question of the handshake but the one for the features.
    fn describe(&mut self) {
        while !self.events.iter().any(|event| matches!(event, Event::Ready(_))) {
            let questions: Vec<_> = self.sent.drain(..).collect();
            assert!(!questions.is_empty(), "the handshake goes on");
            for (xid, _) in questions {
                self.tell(xid, &error(ErrorCode::BAD_REQUEST_BAD_MULTIPART));
            }
        }
        self.sent.clear();
    }

    fn tell(&mut self, xid: Xid, message: &Message) {
        let mut bytes = BytesMut::new();
        message.encode(xid, &mut bytes).unwrap();
        self.give(&bytes);
    }

    /// Hands bytes over, and looks at what they led to.
    fn give(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
        self.session.handle_input(&mut self.input, self.now);
        self.look();
    }

    /// Hands the bytes over once in each read, as a driver does that finds no time to write.
    fn flood(&mut self, bytes: &[u8], times: usize) {
        for _ in 0..times {
            self.input.extend_from_slice(bytes);
            self.session.handle_input(&mut self.input, self.now);
            assert!(self.session.transmit.len() <= MEMORY, "{} bytes to write", self.session.transmit.len());
            assert!(self.session.events.len() <= 2_048, "{} events of one read", self.session.events.len());
            self.events.extend(std::iter::from_fn(|| self.session.poll_event()));
            if self.session.is_closed() {
                break;
            }
        }
        self.look();
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.session.handle_timeout(self.now);
        self.look();
    }

    /// Takes what the session has to say and to write.
    fn look(&mut self) {
        assert!(self.input.capacity() <= MEMORY && self.session.transmit.len() <= MEMORY);
        self.events.extend(std::iter::from_fn(|| self.session.poll_event()));
        let mut wire = BytesMut::new();
        self.session.poll_transmit(&mut wire, self.now);
        while let Some(frame) = split_frame(&mut wire).unwrap() {
            self.sent.push(Message::decode(&frame).unwrap());
        }
    }

    /// Why the session is over.
    fn closed(&self) -> CloseReason {
        match self.events.last() {
            Some(Event::Closed(reason)) => {
                self.assert_nothing_confirmed();
                let settled: std::collections::BTreeSet<_> =
                    self.outcomes().into_iter().map(|(token, _)| token).collect();
                assert_eq!(settled.len(), self.flow_mods.len(), "each FLOW_MOD has an outcome");
                reason.clone()
            }
            other => panic!("expected the end of the session, not {other:?}"),
        }
    }

    /// The session goes on, and nothing is confirmed yet.
    fn goes_on(&self) {
        assert!(!self.session.is_closed(), "{:?}", self.events);
        self.assert_nothing_confirmed();
    }

    fn assert_nothing_confirmed(&self) {
        assert!(self.outcomes().iter().all(|(_, outcome)| *outcome != "confirmed"), "{:?}", self.events);
    }

    /// The switch answers the barrier: what became of each FLOW_MOD in the end.
    fn settle(&mut self) -> Vec<&'static str> {
        self.goes_on();
        self.tell(self.barrier, &Message::BarrierReply);
        let mut last = vec!["nothing"; self.flow_mods.len()];
        for (token, outcome) in self.outcomes() {
            last[usize::try_from(token).unwrap()] = outcome;
        }
        last
    }

    /// Everything that was told of FLOW_MODs, by token.
    fn outcomes(&self) -> Vec<(u64, &'static str)> {
        let settlements = self.events.iter().filter_map(|event| match event {
            Event::Settled(settlements) => Some(settlements),
            _ => None,
        });
        settlements.flatten().map(|settlement| (settlement.token.0, name(&settlement.outcome))).collect()
    }

    /// The codes of the errors that it answered with.
    fn errors(&self) -> Vec<ErrorCode> {
        let errors = self.sent.iter().filter_map(|(_, message)| match message {
            Message::Error(error) => Some(error.error_code()),
            _ => None,
        });
        errors.collect()
    }

    /// How the read ended, if it did.
    fn read_result(&self) -> Option<&Result<Vec<openflow::FlowStats>, ReadError>> {
        self.events.iter().find_map(|event| match event {
            Event::FlowsRead { token: READ, result } => Some(result),
            _ => None,
        })
    }

    /// What it has counted since it reached its state, messages aside.
    fn counted(&self) -> Counters {
        let (now, before) = (self.session.counters(), self.before);
        Counters {
            messages: 0,
            malformed: now.malformed - before.malformed,
            stray_replies: now.stray_replies - before.stray_replies,
            stray_errors: now.stray_errors - before.stray_errors,
            packet_ins: now.packet_ins - before.packet_ins,
            ignored: now.ignored - before.ignored,
        }
    }
}

/// A message that cannot be understood: it ends a handshake, and is answered with `code` afterwards. It is counted, and
/// disturbs nothing.
fn malformed(bytes: &[u8], code: ErrorCode) {
    let expected = Counters { malformed: 1, ..Counters::default() };
    for state in STATES {
        let mut trial = Trial::begin(state);
        trial.give(bytes);
        assert_eq!(trial.counted(), expected, "{state:?}");
        if state == InFlight {
            assert_eq!(trial.errors(), [code]);
            assert_eq!(trial.settle(), ["confirmed"; 3]);
        } else {
            let reason = trial.closed();
            assert!(matches!(reason, CloseReason::Malformed(error) if error.code() == code), "{state:?}: {reason:?}");
        }
    }
}

/// The same for the parts of a multipart reply, which also fails the read that it answers.
fn malformed_reply(multipart_type: u16, body: &[u8], code: ErrorCode) {
    malformed(&multipart(NOBODY, multipart_type, false, body), code);
    let mut trial = Trial::begin(InFlight);
    trial.give(&multipart(trial.read, multipart_type, false, body));
    assert!(matches!(trial.read_result(), Some(Err(ReadError::Malformed(error))) if error.code() == code));
    assert_eq!(trial.settle(), ["confirmed"; 3]);
}

/// A lawful message that answers nothing, or that nobody has use for: no HELLO, and else only counted.
fn unasked(bytes: &[u8], expected: Counters) {
    let mut trial = Trial::begin(BeforeHello);
    trial.give(bytes);
    assert_eq!(trial.closed(), CloseReason::NoHello);
    for state in [BeforeFeatures, InFlight] {
        let mut trial = Trial::begin(state);
        trial.give(bytes);
        trial.goes_on();
        assert_eq!(trial.counted(), expected, "{state:?}");
        assert!(trial.sent.is_empty(), "{state:?}: {:?}", trial.sent);
        if state == InFlight {
            assert_eq!(trial.settle(), ["confirmed"; 3]);
        }
    }
}

const STRAY_REPLY: Counters =
    Counters { stray_replies: 1, messages: 0, malformed: 0, stray_errors: 0, packet_ins: 0, ignored: 0 };
const STRAY_ERROR: Counters = Counters { stray_replies: 0, stray_errors: 1, ..STRAY_REPLY };
const IGNORED: Counters = Counters { stray_replies: 0, ignored: 1, ..STRAY_REPLY };
const NOTHING: Counters = Counters { stray_replies: 0, ..STRAY_REPLY };

fn name(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Confirmed => "confirmed",
        Outcome::Refused(_) => "refused",
        Outcome::Unknown(_) => "unknown",
        _ => "neither",
    }
}

/// A message of this type whatever its body.
pub(crate) fn raw(message_type: u8, xid: Xid, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![OFP_VERSION, message_type];
    bytes.put_u16(u16::try_from(body.len() + 8).unwrap());
    bytes.put_u32(xid.0);
    bytes.extend_from_slice(body);
    bytes
}

/// A part of a multipart reply whatever its body.
pub(crate) fn multipart(xid: Xid, multipart_type: u16, more: bool, body: &[u8]) -> Vec<u8> {
    let mut preamble = multipart_type.to_be_bytes().to_vec();
    preamble.extend_from_slice(&[0, u8::from(more), 0, 0, 0, 0]);
    raw(19, xid, &[&preamble, body].concat())
}

/// The bytes with these at this place.
pub(crate) fn with(mut bytes: Vec<u8>, at: usize, patch: &[u8]) -> Vec<u8> {
    bytes[at..at + patch.len()].copy_from_slice(patch);
    bytes
}

pub(crate) fn bytes_of(xid: Xid, message: &Message) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    message.encode(xid, &mut bytes).unwrap();
    bytes.to_vec()
}

/// A packet that says it is this long, and how much of it there is.
pub(crate) fn packet_in(total_len: u16, data: usize) -> Vec<u8> {
    let mut body = vec![0; 16];
    body[..4].copy_from_slice(&u32::MAX.to_be_bytes());
    body[4..6].copy_from_slice(&total_len.to_be_bytes());
    body.extend_from_slice(&[0, 1, 0, 4, 0, 0, 0, 0]);
    body.resize(body.len() + 2 + data, 0);
    raw(10, Xid(0), &body)
}

pub(crate) fn echo_request(data: usize) -> Vec<u8> {
    bytes_of(NOBODY, &Message::EchoRequest(Echo { data: Bytes::from(vec![0; data]) }))
}

fn error(code: ErrorCode) -> Message {
    Message::Error(ErrorMsg::new(code, Bytes::new()))
}

fn table_full() -> Message {
    error(ErrorCode::FLOW_MOD_FAILED_TABLE_FULL)
}

pub(crate) fn features() -> FeaturesReply {
    FeaturesReply {
        datapath_id: DatapathId(0xa1),
        n_buffers: 0,
        n_tables: 254,
        auxiliary_id: 0,
        capabilities: Capabilities::FLOW_STATS,
        reserved: 0,
    }
}

pub(crate) fn features_reply() -> Message {
    Message::FeaturesReply(features())
}
