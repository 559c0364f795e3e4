//! From HELLO to a described switch: version negotiation, features, description, ports, meters, groups and tables.

use bytes::Bytes;
use openflow::{
    DecodeError, ErrorCode, ErrorMsg, FeaturesReply, Header, Hello, Message, MultipartReply, MultipartReplyBody,
    MultipartRequestBody, OFP_VERSION, Xid,
};

use super::event::{CloseReason, Description, describe};
use super::tables::Tables;

/// Bytes of the offending message that an error quotes (OpenFlow 1.3.5, 7.4.4: "at least 64 bytes").
const QUOTED: usize = 64;

/// Ports of one switch that are kept: as many as OpenFlow 1.0 could number, and 4 MiB of them.
pub const MAX_PORTS: usize = 1 << 16;

/// Bytes of a peer's own words that are kept and shown.
const WORDS: usize = 128;

/// The first message of a connection.
pub(super) fn hello() -> Message {
    Message::Hello(Hello::with_versions(&[OFP_VERSION]))
}

/// The error for a message of a version that was not agreed.
pub(super) fn bad_version(frame: &Bytes) -> ErrorMsg {
    ErrorMsg::new(ErrorCode::BAD_REQUEST_BAD_VERSION, quote(frame))
}

/// The error for a message that only a controller may send.
pub(super) fn bad_type(frame: &Bytes) -> ErrorMsg {
    ErrorMsg::new(ErrorCode::BAD_REQUEST_BAD_TYPE, quote(frame))
}

/// The error for a message that cannot be understood.
pub(super) fn malformed(error: DecodeError, frame: &Bytes) -> ErrorMsg {
    ErrorMsg::new(error.code(), quote(frame))
}

fn quote(frame: &Bytes) -> Bytes {
    frame.slice(..frame.len().min(QUOTED))
}

/// Judges the peer's first message.
///
/// 6.3.1: with a bitmap on both sides the negotiated version is the highest in common, else the smaller of the two
/// version fields; a side that cannot speak it answers OFPET_HELLO_FAILED and closes.
///
/// # Errors
/// The error to send, if any, and the reason to close with.
pub(super) fn negotiate(message: &Message, frame: &Bytes) -> Result<(), (Option<ErrorMsg>, CloseReason)> {
    let peer = Header::peek(frame).map_or(0, |header| header.version);
    match message {
        Message::Hello(hello) => {
            let agreed = match hello.versions() {
                Some(bitmap) => bitmap & (1 << OFP_VERSION) != 0,
                None => peer >= OFP_VERSION,
            };
            if agreed {
                return Ok(());
            }
            let reason = CloseReason::Version { peer };
            let error = ErrorMsg::new(ErrorCode::HELLO_FAILED_INCOMPATIBLE, Bytes::from(reason.to_string()));
            Err((Some(error), reason))
        }
        Message::Error(error) if is_hello_failed(error) => Err((None, CloseReason::VersionRefused(words(&error.data)))),
        _ => Err((None, CloseReason::NoHello)),
    }
}

fn is_hello_failed(error: &ErrorMsg) -> bool {
    error.error_type == ErrorCode::HELLO_FAILED_INCOMPATIBLE.error_type
}

/// What a peer says in its own words, so that it can stand in a log line: short, and without control characters.
fn words(data: &[u8]) -> String {
    String::from_utf8_lossy(data.get(..WORDS).unwrap_or(data)).escape_debug().to_string()
}

/// What is asked once the features are known. A switch may refuse each; it is no worse for that.
const QUESTIONS: [(Question, MultipartRequestBody); 5] = [
    (Question::Desc, MultipartRequestBody::Desc),
    (Question::PortDesc, MultipartRequestBody::PortDesc),
    (Question::MeterFeatures, MultipartRequestBody::MeterFeatures),
    (Question::GroupFeatures, MultipartRequestBody::GroupFeatures),
    // Without tables in the request it changes none.
    (Question::TableFeatures, MultipartRequestBody::TableFeatures(Vec::new())),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Question {
    Desc,
    PortDesc,
    MeterFeatures,
    GroupFeatures,
    TableFeatures,
}

/// What has been learned of the switch so far.
#[derive(Debug, Clone)]
pub(super) struct Handshake {
    features_xid: Xid,
    description: Option<Box<Description>>,
    /// Questions without a full answer.
    open: Vec<(Xid, Question)>,
    /// The question what the tables can do waits for [`Handshake::ask_tables`].
    holds_tables: bool,
    /// The part of the last answer that is there.
    tables: Tables,
}

/// What a message of the handshake leads to.
#[derive(Debug, Clone)]
pub(super) enum Progress {
    Waiting,
    /// The features are known: ask what [`Handshake::ask`] sends.
    Ask,
    Done(Box<Description>),
    Failed(CloseReason),
    /// Not a message of the handshake.
    Other(Box<Message>),
}

impl Handshake {
    /// The features have been asked for with this xid.
    pub(super) fn new(features_xid: Xid, holds_tables: bool) -> Self {
        Self { features_xid, description: None, open: Vec::new(), holds_tables, tables: Tables::default() }
    }

    /// Asks the rest; `send` gives the xid that a message went out with.
    pub(super) fn ask(&mut self, mut send: impl FnMut(&Message) -> Xid) {
        let asked = QUESTIONS.into_iter().filter(|(question, _)| {
            // What the tables can do takes many large messages to say.
            !self.holds_tables || *question != Question::TableFeatures
        });
        self.open = asked.map(|(question, body)| (send(&Message::MultipartRequest(body.into())), question)).collect();
    }

    /// Whether everything is known but what the tables can do, which has not been asked yet.
    pub(super) fn wants_tables(&self) -> bool {
        self.holds_tables && self.description.is_some() && self.open.is_empty()
    }

    /// Asks what the tables can do.
    pub(super) fn ask_tables(&mut self, send: impl FnOnce(&Message) -> Xid) {
        self.holds_tables = false;
        let request = Message::MultipartRequest(MultipartRequestBody::TableFeatures(Vec::new()).into());
        self.open.push((send(&request), Question::TableFeatures));
    }

    pub(super) fn handle_message(&mut self, xid: Xid, message: Message) -> Progress {
        let question = self.open.iter().find(|(asked, _)| *asked == xid).map(|(_, question)| *question);
        match (message, question) {
            (Message::FeaturesReply(features), _) if xid == self.features_xid && self.description.is_none() => {
                self.handle_features(features)
            }
            // Both sides judge the versions: the peer's verdict may come after ours.
            (Message::Error(error), _) if is_hello_failed(&error) => {
                Progress::Failed(CloseReason::VersionRefused(words(&error.data)))
            }
            (Message::Error(error), _) if xid == self.features_xid => {
                Progress::Failed(CloseReason::HandshakeRefused(describe(&error)))
            }
            (Message::Error(_), Some(question)) => self.close(question),
            (Message::MultipartReply(reply), Some(Question::TableFeatures)) => self.learn_tables(reply),
            (Message::MultipartReply(reply), Some(question)) => {
                let is_last = !reply.more;
                match self.learn(question, reply.body) {
                    Ok(()) if is_last => self.close(question),
                    Ok(()) => Progress::Waiting,
                    Err(reason) => Progress::Failed(reason),
                }
            }
            (other, _) => Progress::Other(Box::new(other)),
        }
    }

    fn handle_features(&mut self, features: FeaturesReply) -> Progress {
        if features.auxiliary_id != 0 {
            return Progress::Failed(CloseReason::Auxiliary(features.auxiliary_id));
        }
        if features.datapath_id.0 == 0 {
            return Progress::Failed(CloseReason::NoDatapathId);
        }
        if features.n_tables == 0 {
            return Progress::Failed(CloseReason::NoTables);
        }
        self.description = Some(Box::new(Description::new(features)));
        Progress::Ask
    }

    /// Takes a part of an answer.
    ///
    /// # Errors
    /// The reason to close with when it answers something else than was asked, or more than a switch can have.
    fn learn(&mut self, question: Question, answer: MultipartReplyBody) -> Result<(), CloseReason> {
        let Some(description) = &mut self.description else { return Ok(()) };
        match (question, answer) {
            (Question::Desc, MultipartReplyBody::Desc(desc)) => {
                description.manufacturer = desc.mfr_desc.to_string();
                description.hardware = desc.hw_desc.to_string();
                description.software = desc.sw_desc.to_string();
            }
            (Question::PortDesc, MultipartReplyBody::PortDesc(ports)) => {
                description.ports.extend(ports);
                if description.ports.len() > MAX_PORTS {
                    return Err(CloseReason::HandshakeTooLarge);
                }
            }
            (Question::MeterFeatures, MultipartReplyBody::MeterFeatures(meters)) => description.meters = Some(meters),
            (Question::GroupFeatures, MultipartReplyBody::GroupFeatures(groups)) => description.groups = Some(groups),
            (_, _) => return Err(CloseReason::HandshakeMixedTypes),
        }
        Ok(())
    }

    /// Takes a part of what the switch says of its tables. What makes no sense is as good as nothing: no flow needs it.
    fn learn_tables(&mut self, reply: MultipartReply) -> Progress {
        let MultipartReplyBody::TableFeatures(part) = reply.body else { return self.without_tables() };
        if !self.tables.learn(&part) {
            return self.without_tables();
        }
        if reply.more {
            return Progress::Waiting;
        }
        if let Some(description) = &mut self.description {
            description.tables = std::mem::take(&mut self.tables);
        }
        self.close(Question::TableFeatures)
    }

    /// The switch does not say what its tables can do, or not so that it can be understood.
    pub(super) fn without_tables(&mut self) -> Progress {
        self.holds_tables = false;
        self.close(Question::TableFeatures)
    }

    /// Whether nothing else is missing than what the tables can do.
    pub(super) fn waits_only_for_tables(&self) -> bool {
        matches!(self.open.as_slice(), [(_, Question::TableFeatures)])
    }

    /// Whether `xid` is that of the question what the tables can do.
    pub(super) fn asked_for_tables(&self, xid: Xid) -> bool {
        self.open.contains(&(xid, Question::TableFeatures))
    }

    /// The question is answered, or never will be.
    fn close(&mut self, question: Question) -> Progress {
        self.open.retain(|(_, open)| *open != question);
        match self.description.take_if(|_| self.open.is_empty() && !self.holds_tables) {
            Some(description) => Progress::Done(description),
            None => Progress::Waiting,
        }
    }
}
