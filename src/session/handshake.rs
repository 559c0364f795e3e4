//! From HELLO to a described switch: version negotiation, features, description, ports.

use bytes::Bytes;
use openflow::{
    DecodeError, ErrorCode, ErrorMsg, FeaturesReply, Header, Hello, Message, MultipartReplyBody, MultipartRequest,
    MultipartRequestBody, OFP_VERSION, Port, Xid,
};

use super::event::{CloseReason, Description, describe};

/// Bytes of the offending message that an error quotes (OpenFlow 1.3.5, 7.4.4: "at least 64 bytes").
const QUOTED: usize = 64;

/// Ports that a switch may list: as many as OpenFlow 1.0 could number, and 4 MiB of them.
const MAX_PORTS: usize = 1 << 16;

/// Bytes of a peer's own words that are kept and shown.
const WORDS: usize = 128;

/// The first message of a connection.
pub(super) fn hello() -> Message {
    Message::Hello(Hello::with_versions(&[OFP_VERSION]))
}

pub(super) fn desc_request() -> Message {
    Message::MultipartRequest(MultipartRequest { more: false, body: MultipartRequestBody::Desc })
}

pub(super) fn port_desc_request() -> Message {
    Message::MultipartRequest(MultipartRequest { more: false, body: MultipartRequestBody::PortDesc })
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
        Message::Error(error) if error.error_type == ErrorCode::HELLO_FAILED_INCOMPATIBLE.error_type => {
            Err((None, CloseReason::VersionRefused(words(&error.data))))
        }
        _ => Err((None, CloseReason::NoHello)),
    }
}

/// What a peer says in its own words, so that it can stand in a log line: short, and without control characters.
fn words(data: &[u8]) -> String {
    String::from_utf8_lossy(data.get(..WORDS).unwrap_or(data)).escape_debug().to_string()
}

/// Who made a switch.
#[derive(Debug, Default)]
struct Maker {
    manufacturer: String,
    hardware: String,
    software: String,
}

/// What has been learned of the switch so far.
#[derive(Debug)]
pub(super) struct Handshake {
    /// The xid of FEATURES_REQUEST.
    features_xid: Xid,
    features: Option<FeaturesReply>,
    desc: Asked<Maker>,
    ports: Asked<Vec<Port>>,
}

/// A description that is asked for once the features are known.
#[derive(Debug)]
struct Asked<T> {
    xid: Option<Xid>,
    value: T,
    done: bool,
}

impl<T: Default> Default for Asked<T> {
    fn default() -> Self {
        Self { xid: None, value: T::default(), done: false }
    }
}

/// What a message of the handshake leads to.
#[derive(Debug)]
pub(super) enum Progress {
    Waiting,
    AskDescription,
    Done(Box<Description>),
    Failed(CloseReason),
    /// Not a message of the handshake.
    Other(Box<Message>),
}

impl Handshake {
    /// The features have been asked for with this xid.
    pub(super) fn new(features_xid: Xid) -> Self {
        Self { features_xid, features: None, desc: Asked::default(), ports: Asked::default() }
    }

    /// The description and the ports have been asked for with these xids.
    pub(super) fn expect(&mut self, desc: Xid, ports: Xid) {
        self.desc.xid = Some(desc);
        self.ports.xid = Some(ports);
    }

    pub(super) fn handle_message(&mut self, xid: Xid, message: Message) -> Progress {
        match message {
            Message::FeaturesReply(features) if xid == self.features_xid && self.features.is_none() => {
                if features.auxiliary_id != 0 {
                    return Progress::Failed(CloseReason::Auxiliary(features.auxiliary_id));
                }
                if features.datapath_id.0 == 0 {
                    return Progress::Failed(CloseReason::NoDatapathId);
                }
                if features.n_tables == 0 {
                    return Progress::Failed(CloseReason::NoTables);
                }
                self.features = Some(features);
                Progress::AskDescription
            }
            Message::MultipartReply(reply) if self.desc.xid == Some(xid) && !self.desc.done => {
                let MultipartReplyBody::Desc(desc) = reply.body else {
                    return Progress::Failed(CloseReason::HandshakeMixedTypes);
                };
                self.desc.value = Maker {
                    manufacturer: desc.mfr_desc.to_string(),
                    hardware: desc.hw_desc.to_string(),
                    software: desc.sw_desc.to_string(),
                };
                self.desc.done = true;
                self.finish()
            }
            Message::MultipartReply(reply) if self.ports.xid == Some(xid) && !self.ports.done => {
                let MultipartReplyBody::PortDesc(ports) = reply.body else {
                    return Progress::Failed(CloseReason::HandshakeMixedTypes);
                };
                self.ports.value.extend(ports);
                if self.ports.value.len() > MAX_PORTS {
                    return Progress::Failed(CloseReason::HandshakeTooLarge);
                }
                self.ports.done = !reply.more;
                self.finish()
            }
            Message::Error(error) if xid == self.features_xid => {
                Progress::Failed(CloseReason::HandshakeRefused(describe(&error)))
            }
            // A switch may do without a description or a port list; it is no worse for that.
            Message::Error(_) if self.desc.xid == Some(xid) => {
                self.desc.done = true;
                self.finish()
            }
            Message::Error(_) if self.ports.xid == Some(xid) => {
                self.ports.done = true;
                self.finish()
            }
            other => Progress::Other(Box::new(other)),
        }
    }

    fn finish(&mut self) -> Progress {
        if !(self.desc.done && self.ports.done) {
            return Progress::Waiting;
        }
        let Some(features) = self.features.take() else { return Progress::Waiting };
        let Maker { manufacturer, hardware, software } = std::mem::take(&mut self.desc.value);
        let ports = std::mem::take(&mut self.ports.value);
        Progress::Done(Box::new(Description { features, manufacturer, hardware, software, ports }))
    }
}
