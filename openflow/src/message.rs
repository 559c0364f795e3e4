//! [`Message`]: a whole message, decoded and encoded.

mod echo;
mod error_msg;
mod experimenter;
mod features;
mod flow_mod;
mod flow_removed;
mod hello;
mod multipart;
mod port_status;
mod switch_config;

use bytes::{BufMut, Bytes, BytesMut};

pub use self::echo::Echo;
pub use self::error_msg::ErrorMsg;
pub use self::experimenter::Experimenter;
pub use self::features::{Capabilities, FeaturesReply};
pub use self::flow_mod::{FlowMod, FlowModCommand, FlowModFlags};
pub use self::flow_removed::{FlowRemoved, FlowRemovedReason};
pub use self::hello::{Hello, HelloElement};
pub use self::multipart::{
    ExperimenterMultipart, MultipartReply, MultipartReplyBody, MultipartRequest, MultipartRequestBody,
};
pub use self::port_status::{PortReason, PortStatus};
pub use self::switch_config::SwitchConfig;
use crate::error::{DecodeError, EncodeError, Fault, Structure};
use crate::error_code::ErrorCode;
use crate::frame::Header;
use crate::number::{OFP_VERSION, Xid};
use crate::wire::{Parsed, Wire, measured, refuse, whole};

/// A message of OpenFlow 1.3.
#[doc(alias = "ofp_type")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Which versions the sender speaks.
    #[doc(alias = "OFPT_HELLO")]
    Hello(Hello),
    /// What the sender could not do.
    #[doc(alias = "OFPT_ERROR")]
    Error(ErrorMsg),
    /// Is the peer alive?
    #[doc(alias = "OFPT_ECHO_REQUEST")]
    EchoRequest(Echo),
    /// The peer is alive.
    #[doc(alias = "OFPT_ECHO_REPLY")]
    EchoReply(Echo),
    /// What an experimenter defines.
    #[doc(alias = "OFPT_EXPERIMENTER")]
    Experimenter(Experimenter),
    /// Who is the switch?
    #[doc(alias = "OFPT_FEATURES_REQUEST")]
    FeaturesRequest,
    /// Who the switch is.
    #[doc(alias = "OFPT_FEATURES_REPLY")]
    FeaturesReply(FeaturesReply),
    /// How is the switch configured?
    #[doc(alias = "OFPT_GET_CONFIG_REQUEST")]
    GetConfigRequest,
    /// How the switch is configured.
    #[doc(alias = "OFPT_GET_CONFIG_REPLY")]
    GetConfigReply(SwitchConfig),
    /// Configure the switch.
    #[doc(alias = "OFPT_SET_CONFIG")]
    SetConfig(SwitchConfig),
    /// A flow entry has gone.
    #[doc(alias = "OFPT_FLOW_REMOVED")]
    FlowRemoved(FlowRemoved),
    /// A port came, went or changed.
    #[doc(alias = "OFPT_PORT_STATUS")]
    PortStatus(PortStatus),
    /// Add, change or delete flow entries.
    #[doc(alias = "OFPT_FLOW_MOD")]
    FlowMod(FlowMod),
    /// Describe or count something.
    #[doc(alias = "OFPT_MULTIPART_REQUEST")]
    MultipartRequest(MultipartRequest),
    /// A description, or counters.
    #[doc(alias = "OFPT_MULTIPART_REPLY")]
    MultipartReply(MultipartReply),
    /// Finish everything before this.
    #[doc(alias = "OFPT_BARRIER_REQUEST")]
    BarrierRequest,
    /// Everything before the request is finished.
    #[doc(alias = "OFPT_BARRIER_REPLY")]
    BarrierReply,
}

impl Message {
    /// Decodes one whole message, header included.
    ///
    /// What runs to the end of the message (packets, echo and error data, experimenters' bodies) shares the frame;
    /// what stands inside a list is copied. The bytes of padding are not looked at.
    pub fn decode(frame: &Bytes) -> Result<(Xid, Self), DecodeError> {
        let Some(header) = Header::peek(frame) else {
            return Err(DecodeError::new(Fault::Truncated, Structure::MESSAGE, frame.len()));
        };
        let Some(body) = frame.get(Header::LEN..).filter(|_| usize::from(header.length) == frame.len()) else {
            return Err(DecodeError::new(Fault::Length, Structure::MESSAGE, frame.len()));
        };
        match whole(body, Structure::MESSAGE, 0, |body| Self::decode_body(header, body, frame)) {
            Ok(message) => Ok((header.xid, message)),
            Err(nom::Err::Error(error) | nom::Err::Failure(error)) => Err(error),
            // The parsers are complete ones, which never ask for more.
            Err(nom::Err::Incomplete(_)) => Err(DecodeError::new(Fault::Truncated, Structure::MESSAGE, 0)),
        }
    }

    fn decode_body<'a>(header: Header, body: &'a [u8], frame: &Bytes) -> Parsed<'a, Self> {
        // "A HELLO of any version must be understood": negotiation is what it is for.
        if header.version != OFP_VERSION && header.message_type != 0 {
            return refuse(body, ErrorCode::BAD_REQUEST_BAD_VERSION);
        }
        let opaque = || Echo { data: frame.slice_ref(body) };
        match header.message_type {
            0 => part(body, Self::Hello),
            1 => {
                let (rest, error_type) = u16::decode(body)?;
                let (data, code) = u16::decode(rest)?;
                Ok((&[], Self::Error(ErrorMsg { error_type, code, data: frame.slice_ref(data) })))
            }
            2 => Ok((&[], Self::EchoRequest(opaque()))),
            3 => Ok((&[], Self::EchoReply(opaque()))),
            4 => {
                let (rest, experimenter) = u32::decode(body)?;
                let (data, exp_type) = u32::decode(rest)?;
                Ok((&[], Self::Experimenter(Experimenter { experimenter, exp_type, data: frame.slice_ref(data) })))
            }
            5 => Ok((body, Self::FeaturesRequest)),
            6 => part(body, Self::FeaturesReply),
            7 => Ok((body, Self::GetConfigRequest)),
            8 => part(body, Self::GetConfigReply),
            9 => part(body, Self::SetConfig),
            11 => part(body, Self::FlowRemoved),
            12 => part(body, Self::PortStatus),
            14 => part(body, Self::FlowMod),
            18 => MultipartRequest::decode(body, frame).map(|(rest, request)| (rest, Self::MultipartRequest(request))),
            19 => MultipartReply::decode(body, frame).map(|(rest, reply)| (rest, Self::MultipartReply(reply))),
            20 => Ok((body, Self::BarrierRequest)),
            21 => Ok((body, Self::BarrierReply)),
            _ => refuse(body, ErrorCode::BAD_REQUEST_BAD_TYPE),
        }
    }

    /// Appends the message, header included; appends nothing if it is too long for a message.
    pub fn encode(&self, xid: Xid, out: &mut BytesMut) -> Result<(), EncodeError> {
        let start = out.len();
        let length = measured(out, 2, |out| {
            out.put_u32(u32::from_be_bytes([OFP_VERSION, self.message_type(), 0, 0]));
            xid.encode(out);
            self.encode_body(out);
        });
        if length > usize::from(u16::MAX) {
            out.truncate(start);
            return Err(EncodeError::TooLong(length));
        }
        Ok(())
    }

    fn encode_body(&self, out: &mut BytesMut) {
        match self {
            Self::Hello(hello) => hello.encode(out),
            Self::Error(error) => {
                error.error_type.encode(out);
                error.code.encode(out);
                out.put_slice(&error.data);
            }
            Self::EchoRequest(echo) | Self::EchoReply(echo) => out.put_slice(&echo.data),
            Self::Experimenter(message) => {
                message.experimenter.encode(out);
                message.exp_type.encode(out);
                out.put_slice(&message.data);
            }
            Self::FeaturesRequest | Self::GetConfigRequest | Self::BarrierRequest | Self::BarrierReply => {}
            Self::FeaturesReply(features) => features.encode(out),
            Self::GetConfigReply(config) | Self::SetConfig(config) => config.encode(out),
            Self::FlowRemoved(removed) => removed.encode(out),
            Self::PortStatus(status) => status.encode(out),
            Self::FlowMod(flow_mod) => flow_mod.encode(out),
            Self::MultipartRequest(request) => request.encode(out),
            Self::MultipartReply(reply) => reply.encode(out),
        }
    }

    /// The number of the type in the header.
    pub const fn message_type(&self) -> u8 {
        match self {
            Self::Hello(_) => 0,
            Self::Error(_) => 1,
            Self::EchoRequest(_) => 2,
            Self::EchoReply(_) => 3,
            Self::Experimenter(_) => 4,
            Self::FeaturesRequest => 5,
            Self::FeaturesReply(_) => 6,
            Self::GetConfigRequest => 7,
            Self::GetConfigReply(_) => 8,
            Self::SetConfig(_) => 9,
            Self::FlowRemoved(_) => 11,
            Self::PortStatus(_) => 12,
            Self::FlowMod(_) => 14,
            Self::MultipartRequest(_) => 18,
            Self::MultipartReply(_) => 19,
            Self::BarrierRequest => 20,
            Self::BarrierReply => 21,
        }
    }
}

fn part<T: Wire>(body: &[u8], message: impl FnOnce(T) -> Message) -> Parsed<'_, Message> {
    T::decode(body).map(|(rest, part)| (rest, message(part)))
}
