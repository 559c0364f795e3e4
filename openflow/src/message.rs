//! [`Message`]: a whole message, decoded and encoded.

mod async_config;
mod bundle;
mod echo;
mod error_msg;
mod experimenter;
mod features;
mod flow_mod;
mod flow_monitor;
mod flow_removed;
mod group_mod;
mod hello;
mod meter_mod;
mod multipart;
mod packet_in;
mod packet_out;
mod port_mod;
mod port_status;
mod queue_config;
mod role;
mod switch_config;
mod table_mod;

use bytes::{BufMut, Bytes, BytesMut};

pub use self::async_config::{AsyncConfig, AsyncMask};
pub use self::bundle::{BundleAdd, BundleControl, BundleControlType, BundleFlags, BundleId, BundleProperty};
pub use self::echo::Echo;
pub use self::error_msg::ErrorMsg;
pub use self::experimenter::{Experimenter, RawExperimenter};
pub use self::features::{Capabilities, FeaturesReply};
pub use self::flow_mod::{FlowMod, FlowModCommand, FlowModFlags};
pub use self::flow_monitor::{
    FlowMonitorCancel, FlowMonitorFlags, FlowMonitorRequest, FlowUpdate, FlowUpdateEvent, FlowUpdateFull, MatchForm,
};
pub use self::flow_removed::{FlowRemoved, FlowRemovedReason};
pub use self::group_mod::{GroupMod, GroupModCommand, GroupType};
pub use self::hello::{Hello, HelloElement};
pub use self::meter_mod::{MeterFlags, MeterMod, MeterModCommand};
pub use self::multipart::{
    ExperimenterMultipart, MultipartReply, MultipartReplyBody, MultipartRequest, MultipartRequestBody,
};
pub use self::packet_in::{PacketIn, PacketInReason};
pub use self::packet_out::PacketOut;
pub use self::port_mod::PortMod;
pub use self::port_status::{PortReason, PortStatus};
pub use self::queue_config::{PacketQueue, QueueGetConfigReply, QueueGetConfigRequest};
pub use self::role::{ControllerRole, RoleMsg};
pub use self::switch_config::SwitchConfig;
pub use self::table_mod::TableMod;
use crate::error::{DecodeError, EncodeError, Fault, Structure};
use crate::error_code::ErrorCode;
use crate::frame::Header;
use crate::number::{OFP_VERSION, Xid};
use crate::wire::{Parsed, Wire, measured, part, refuse, whole};

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
    /// What an experimenter defines, such as bundles.
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
    /// A packet for the controller.
    #[doc(alias = "OFPT_PACKET_IN")]
    PacketIn(PacketIn),
    /// A flow entry has gone.
    #[doc(alias = "OFPT_FLOW_REMOVED")]
    FlowRemoved(FlowRemoved),
    /// A port came, went or changed.
    #[doc(alias = "OFPT_PORT_STATUS")]
    PortStatus(PortStatus),
    /// Send a packet.
    #[doc(alias = "OFPT_PACKET_OUT")]
    PacketOut(PacketOut),
    /// Add, change or delete flow entries.
    #[doc(alias = "OFPT_FLOW_MOD")]
    FlowMod(FlowMod),
    /// Add, change or delete a group.
    #[doc(alias = "OFPT_GROUP_MOD")]
    GroupMod(GroupMod),
    /// Configure a port.
    #[doc(alias = "OFPT_PORT_MOD")]
    PortMod(PortMod),
    /// Configure a table.
    #[doc(alias = "OFPT_TABLE_MOD")]
    TableMod(TableMod),
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
    /// Which queues does a port have?
    #[doc(alias = "OFPT_QUEUE_GET_CONFIG_REQUEST")]
    QueueGetConfigRequest(QueueGetConfigRequest),
    /// Which queues a port has.
    #[doc(alias = "OFPT_QUEUE_GET_CONFIG_REPLY")]
    QueueGetConfigReply(QueueGetConfigReply),
    /// Give this controller a role.
    #[doc(alias = "OFPT_ROLE_REQUEST")]
    RoleRequest(RoleMsg),
    /// The role of this controller.
    #[doc(alias = "OFPT_ROLE_REPLY")]
    RoleReply(RoleMsg),
    /// Which asynchronous messages does this controller get?
    #[doc(alias = "OFPT_GET_ASYNC_REQUEST")]
    GetAsyncRequest,
    /// Which asynchronous messages this controller gets.
    #[doc(alias = "OFPT_GET_ASYNC_REPLY")]
    GetAsyncReply(AsyncConfig),
    /// Send these asynchronous messages.
    #[doc(alias = "OFPT_SET_ASYNC")]
    SetAsync(AsyncConfig),
    /// Add, change or delete a meter.
    #[doc(alias = "OFPT_METER_MOD")]
    MeterMod(MeterMod),
}

impl Message {
    /// Decodes one whole message, header included.
    ///
    /// What runs to the end of the message (packets, echo and error data, experimenters' bodies) shares the frame;
    /// what stands inside a list is copied. The bytes of padding are not looked at.
    pub fn decode(frame: &Bytes) -> Result<(Xid, Self), DecodeError> {
        Self::decode_frame(frame, false)
    }

    /// Decodes one whole message, which may stand inside a bundle.
    fn decode_frame(frame: &Bytes, bundled: bool) -> Result<(Xid, Self), DecodeError> {
        let Some(header) = Header::peek(frame) else {
            return Err(DecodeError::new(Fault::Truncated, Structure::MESSAGE, frame.len()));
        };
        let Some(body) = frame.get(Header::LEN..).filter(|_| usize::from(header.length) == frame.len()) else {
            return Err(DecodeError::new(Fault::Length, Structure::MESSAGE, frame.len()));
        };
        match whole(body, Structure::MESSAGE, 0, |body| Self::decode_body(header, body, frame, bundled)) {
            Ok(message) => Ok((header.xid, message)),
            Err(nom::Err::Error(error) | nom::Err::Failure(error)) => Err(error),
            // The parsers are complete ones, which never ask for more.
            Err(nom::Err::Incomplete(_)) => Err(DecodeError::new(Fault::Truncated, Structure::MESSAGE, 0)),
        }
    }

    fn decode_body<'a>(header: Header, body: &'a [u8], frame: &Bytes, bundled: bool) -> Parsed<'a, Self> {
        // A HELLO of any version must be understood: negotiation is what it is for (section 6.3.1).
        if header.version != OFP_VERSION && (header.message_type != 0 || bundled) {
            return refuse(body, ErrorCode::BAD_REQUEST_BAD_VERSION);
        }
        let opaque = || Echo { data: frame.slice_ref(body) };
        match header.message_type {
            // Versions before this one give the body no meaning, and ask to ignore it.
            0 if header.version < OFP_VERSION => {
                Ok((&[], Self::Hello(Hello { version: header.version, ..Hello::default() })))
            }
            0 => part(body, |hello| Self::Hello(Hello { version: header.version, ..hello })),
            1 => {
                let (rest, error_type) = u16::decode(body)?;
                let (data, code) = u16::decode(rest)?;
                Ok((&[], Self::Error(ErrorMsg { error_type, code, data: frame.slice_ref(data) })))
            }
            2 => Ok((&[], Self::EchoRequest(opaque()))),
            3 => Ok((&[], Self::EchoReply(opaque()))),
            4 => Experimenter::decode(body, frame, bundled).map(|(rest, message)| (rest, Self::Experimenter(message))),
            5 => Ok((body, Self::FeaturesRequest)),
            6 => part(body, Self::FeaturesReply),
            7 => Ok((body, Self::GetConfigRequest)),
            8 => part(body, Self::GetConfigReply),
            9 => part(body, Self::SetConfig),
            10 => PacketIn::decode(body, frame).map(|(rest, packet)| (rest, Self::PacketIn(packet))),
            11 => part(body, Self::FlowRemoved),
            12 => part(body, Self::PortStatus),
            13 => PacketOut::decode(body, frame).map(|(rest, packet)| (rest, Self::PacketOut(packet))),
            14 => part(body, Self::FlowMod),
            15 => part(body, Self::GroupMod),
            16 => part(body, Self::PortMod),
            17 => part(body, Self::TableMod),
            18 => MultipartRequest::decode(body, frame).map(|(rest, request)| (rest, Self::MultipartRequest(request))),
            19 => MultipartReply::decode(body, frame).map(|(rest, reply)| (rest, Self::MultipartReply(reply))),
            20 => Ok((body, Self::BarrierRequest)),
            21 => Ok((body, Self::BarrierReply)),
            22 => part(body, Self::QueueGetConfigRequest),
            23 => part(body, Self::QueueGetConfigReply),
            24 => part(body, Self::RoleRequest),
            25 => part(body, Self::RoleReply),
            26 => Ok((body, Self::GetAsyncRequest)),
            27 => part(body, Self::GetAsyncReply),
            28 => part(body, Self::SetAsync),
            29 => part(body, Self::MeterMod),
            _ => refuse(body, ErrorCode::BAD_REQUEST_BAD_TYPE),
        }
    }

    /// Appends the message, header included; appends nothing if it is too long for a message.
    pub fn encode(&self, xid: Xid, out: &mut BytesMut) -> Result<(), EncodeError> {
        let start = out.len();
        let length = self.encode_unchecked(xid, out);
        if length > usize::from(u16::MAX) {
            out.truncate(start);
            return Err(EncodeError::TooLong(length));
        }
        Ok(())
    }

    /// Appends the message and returns its length, which may be more than its header can say.
    fn encode_unchecked(&self, xid: Xid, out: &mut BytesMut) -> usize {
        measured(out, 2, |out| {
            let version = if let Self::Hello(hello) = self { hello.version } else { OFP_VERSION };
            out.put_u32(u32::from_be_bytes([version, self.message_type(), 0, 0]));
            xid.encode(out);
            self.encode_body(out);
        })
    }

    fn encode_body(&self, out: &mut BytesMut) {
        match self {
            Self::FeaturesRequest | Self::GetConfigRequest | Self::GetAsyncRequest => {}
            Self::BarrierRequest | Self::BarrierReply => {}
            Self::Hello(hello) => hello.encode(out),
            Self::Error(error) => {
                error.error_type.encode(out);
                error.code.encode(out);
                out.put_slice(&error.data);
            }
            Self::EchoRequest(echo) | Self::EchoReply(echo) => out.put_slice(&echo.data),
            Self::Experimenter(message) => message.encode(out),
            Self::FeaturesReply(features) => features.encode(out),
            Self::GetConfigReply(config) | Self::SetConfig(config) => config.encode(out),
            Self::PacketIn(packet) => packet.encode(out),
            Self::FlowRemoved(removed) => removed.encode(out),
            Self::PortStatus(status) => status.encode(out),
            Self::PacketOut(packet) => packet.encode(out),
            Self::FlowMod(flow_mod) => flow_mod.encode(out),
            Self::GroupMod(group_mod) => group_mod.encode(out),
            Self::PortMod(port_mod) => port_mod.encode(out),
            Self::TableMod(table_mod) => table_mod.encode(out),
            Self::MultipartRequest(request) => request.encode(out),
            Self::MultipartReply(reply) => reply.encode(out),
            Self::QueueGetConfigRequest(request) => request.encode(out),
            Self::QueueGetConfigReply(reply) => reply.encode(out),
            Self::RoleRequest(role) | Self::RoleReply(role) => role.encode(out),
            Self::GetAsyncReply(config) | Self::SetAsync(config) => config.encode(out),
            Self::MeterMod(meter_mod) => meter_mod.encode(out),
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
            Self::PacketIn(_) => 10,
            Self::FlowRemoved(_) => 11,
            Self::PortStatus(_) => 12,
            Self::PacketOut(_) => 13,
            Self::FlowMod(_) => 14,
            Self::GroupMod(_) => 15,
            Self::PortMod(_) => 16,
            Self::TableMod(_) => 17,
            Self::MultipartRequest(_) => 18,
            Self::MultipartReply(_) => 19,
            Self::BarrierRequest => 20,
            Self::BarrierReply => 21,
            Self::QueueGetConfigRequest(_) => 22,
            Self::QueueGetConfigReply(_) => 23,
            Self::RoleRequest(_) => 24,
            Self::RoleReply(_) => 25,
            Self::GetAsyncRequest => 26,
            Self::GetAsyncReply(_) => 27,
            Self::SetAsync(_) => 28,
            Self::MeterMod(_) => 29,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Action, Band, BandStats, Bucket, BucketCounter, FlowStats, GroupDesc, Instruction, MeterConfig, OxmField,
        OxmId, QueueProperty, TableFeatureProperty, TypeId,
    };

    #[test]
    fn a_hello_of_an_older_version_is_read_whatever_its_body() {
        let frame = Bytes::from_static(&[1, 0, 0, 11, 0, 0, 0, 9, 1, 2, 3]);
        assert_eq!(Message::decode(&frame), Ok((Xid(9), Message::Hello(Hello { version: 1, ..Hello::default() }))));
        let newer = Bytes::from_static(&[6, 0, 0, 16, 0, 0, 0, 9, 0, 1, 0, 8, 0, 0, 0, 0x50]);
        assert!(matches!(Message::decode(&newer), Ok((_, Message::Hello(hello))) if hello.versions() == Some(0x50)));
    }

    #[test]
    fn a_hello_of_another_version_is_encoded_to_the_bytes_that_it_came_in() {
        let bitmap = [0, 1, 0, 8, 0, 0, 0, 0x50];
        for (version, body) in [(1, &[][..]), (3, &[]), (5, &bitmap), (6, &bitmap), (0xff, &[])] {
            let length = 8 + u8::try_from(body.len()).unwrap();
            let frame: Bytes = [&[version, 0, 0, length, 0, 0, 0, 9], body].concat().into();
            let (xid, message) = Message::decode(&frame).unwrap();
            let mut encoded = BytesMut::new();
            message.encode(xid, &mut encoded).unwrap();
            assert_eq!(encoded, frame);
        }
    }

    #[test]
    fn no_element_of_a_list_takes_more_than_ten_times_its_bytes_in_memory() {
        for (size, smallest) in [
            (size_of::<OxmField>(), 4),
            (size_of::<TypeId>(), 4),
            (size_of::<OxmId>(), 4),
            (size_of::<Action>(), 8),
            (size_of::<Instruction>(), 8),
            (size_of::<HelloElement>(), 4),
            (size_of::<BundleProperty>(), 8),
            (size_of::<FlowStats>(), 56),
            (size_of::<Bucket>(), 16),
            (size_of::<BucketCounter>(), 16),
            (size_of::<BandStats>(), 16),
            (size_of::<PacketQueue>(), 16),
            (size_of::<FlowUpdate>(), 8),
            (size_of::<TableFeatureProperty>(), 8),
            (size_of::<QueueProperty>(), 8),
            (size_of::<MeterConfig>(), 8),
            (size_of::<GroupDesc>(), 8),
            (size_of::<Band>(), 16),
        ] {
            assert!(size <= 10 * smallest, "{size} bytes for {smallest}");
        }
    }
}
