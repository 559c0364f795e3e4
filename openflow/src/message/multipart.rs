//! MULTIPART: requests and replies that may take several messages (section 7.3.5).

use bytes::{BufMut, Bytes, BytesMut};

use crate::error::{DecodeError, Structure};
use crate::error_code::ErrorCode;
use crate::message::experimenter::ONF;
use crate::message::{FlowMonitorRequest, FlowUpdate};
use crate::multipart::{
    AggregateStats, Desc, FlowStats, FlowStatsRequest, GroupDesc, GroupFeatures, GroupStats, GroupStatsRequest,
    MeterConfig, MeterFeatures, MeterRequest, MeterStats, PortStats, PortStatsRequest, QueueStats, QueueStatsRequest,
    TableFeatures, TableStats,
};
use crate::port::Port;
use crate::wire::{Parsed, Wire, encode_all, fixed_list, list, part, refuse, skip, within};

/// The bit that says that more parts follow, in requests and in replies.
#[doc(alias = "OFPMPF_REQ_MORE")]
#[doc(alias = "OFPMPF_REPLY_MORE")]
const MORE: u16 = 1;

/// The type of what an experimenter defines.
const EXPERIMENTER: u16 = 0xffff;

/// The experimenter type of a flow monitor.
#[doc(alias = "ONFMP_FLOW_MONITOR")]
const FLOW_MONITOR: u32 = 1870;

/// A request for a description or for statistics, or a part of one.
#[doc(alias = "ofp_multipart_request")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MultipartRequest {
    /// Whether more parts of the same request follow.
    pub more: bool,
    /// The other flags, which the specification gives no meaning, as they came.
    pub reserved: u16,
    /// What is asked for.
    pub body: MultipartRequestBody,
}

/// A part of the answer to a [`MultipartRequest`].
#[doc(alias = "ofp_multipart_reply")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MultipartReply {
    /// Whether more parts of the same reply follow.
    pub more: bool,
    /// The other flags, which the specification gives no meaning, as they came.
    pub reserved: u16,
    /// The answer.
    pub body: MultipartReplyBody,
}

/// What a [`MultipartRequest`] asks for.
#[doc(alias = "ofp_multipart_type")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MultipartRequestBody {
    /// Who made the switch.
    #[doc(alias = "OFPMP_DESC")]
    Desc,
    /// Flow entries.
    #[doc(alias = "OFPMP_FLOW")]
    Flow(FlowStatsRequest),
    /// The sum over flow entries.
    #[doc(alias = "OFPMP_AGGREGATE")]
    Aggregate(FlowStatsRequest),
    /// The counters of tables.
    #[doc(alias = "OFPMP_TABLE")]
    Table,
    /// The counters of ports.
    #[doc(alias = "OFPMP_PORT_STATS")]
    PortStats(PortStatsRequest),
    /// The counters of queues.
    #[doc(alias = "OFPMP_QUEUE")]
    Queue(QueueStatsRequest),
    /// The counters of groups.
    #[doc(alias = "OFPMP_GROUP")]
    Group(GroupStatsRequest),
    /// What the groups are.
    #[doc(alias = "OFPMP_GROUP_DESC")]
    GroupDesc,
    /// What groups the switch can have.
    #[doc(alias = "OFPMP_GROUP_FEATURES")]
    GroupFeatures,
    /// The counters of meters.
    #[doc(alias = "OFPMP_METER")]
    Meter(MeterRequest),
    /// What the meters are.
    #[doc(alias = "OFPMP_METER_CONFIG")]
    MeterConfig(MeterRequest),
    /// What meters the switch can have.
    #[doc(alias = "OFPMP_METER_FEATURES")]
    MeterFeatures,
    /// What the tables can do; with a list: what they shall do.
    #[doc(alias = "OFPMP_TABLE_FEATURES")]
    TableFeatures(Vec<TableFeatures>),
    /// The ports.
    #[doc(alias = "OFPMP_PORT_DESC")]
    PortDesc,
    /// Start flow monitors.
    FlowMonitor(Vec<FlowMonitorRequest>),
    /// What an experimenter defines, byte for byte.
    #[doc(alias = "OFPMP_EXPERIMENTER")]
    Experimenter(ExperimenterMultipart),
}

/// What a [`MultipartReply`] answers.
#[doc(alias = "ofp_multipart_type")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MultipartReplyBody {
    /// Who made the switch.
    #[doc(alias = "OFPMP_DESC")]
    Desc(Box<Desc>),
    /// Flow entries.
    #[doc(alias = "OFPMP_FLOW")]
    Flow(Vec<FlowStats>),
    /// The sum over flow entries.
    #[doc(alias = "OFPMP_AGGREGATE")]
    Aggregate(AggregateStats),
    /// The counters of tables.
    #[doc(alias = "OFPMP_TABLE")]
    Table(Vec<TableStats>),
    /// The counters of ports.
    #[doc(alias = "OFPMP_PORT_STATS")]
    PortStats(Vec<PortStats>),
    /// The counters of queues.
    #[doc(alias = "OFPMP_QUEUE")]
    Queue(Vec<QueueStats>),
    /// The counters of groups.
    #[doc(alias = "OFPMP_GROUP")]
    Group(Vec<GroupStats>),
    /// What the groups are.
    #[doc(alias = "OFPMP_GROUP_DESC")]
    GroupDesc(Vec<GroupDesc>),
    /// What groups the switch can have.
    #[doc(alias = "OFPMP_GROUP_FEATURES")]
    GroupFeatures(GroupFeatures),
    /// The counters of meters.
    #[doc(alias = "OFPMP_METER")]
    Meter(Vec<MeterStats>),
    /// What the meters are.
    #[doc(alias = "OFPMP_METER_CONFIG")]
    MeterConfig(Vec<MeterConfig>),
    /// What meters the switch can have.
    #[doc(alias = "OFPMP_METER_FEATURES")]
    MeterFeatures(MeterFeatures),
    /// What the tables can do.
    #[doc(alias = "OFPMP_TABLE_FEATURES")]
    TableFeatures(Vec<TableFeatures>),
    /// The ports.
    #[doc(alias = "OFPMP_PORT_DESC")]
    PortDesc(Vec<Port>),
    /// What flow monitors tell.
    FlowMonitor(Vec<FlowUpdate>),
    /// What an experimenter defines, byte for byte.
    #[doc(alias = "OFPMP_EXPERIMENTER")]
    Experimenter(ExperimenterMultipart),
}

/// The body of a multipart message that an experimenter defines.
#[doc(alias = "ofp_experimenter_multipart_header")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExperimenterMultipart {
    /// The experimenter.
    pub experimenter: u32,
    /// The type, in the space of the experimenter.
    pub exp_type: u32,
    /// What follows.
    pub data: Bytes,
}

impl From<MultipartRequestBody> for MultipartRequest {
    /// The whole of a request in one message.
    fn from(body: MultipartRequestBody) -> Self {
        Self { more: false, reserved: 0, body }
    }
}

impl From<MultipartReplyBody> for MultipartReply {
    /// The whole, or the last part, of a reply.
    fn from(body: MultipartReplyBody) -> Self {
        Self { more: false, reserved: 0, body }
    }
}

/// Type, flags (more parts follow, and the others), padding.
fn preamble(input: &[u8]) -> Parsed<'_, (u16, bool, u16)> {
    let (input, multipart_type) = u16::decode(input)?;
    let (input, flags) = u16::decode(input)?;
    let (input, ()) = skip(input, 4)?;
    Ok((input, (multipart_type, flags & MORE != 0, flags & !MORE)))
}

/// Type, flags, padding.
fn encode_preamble(out: &mut BytesMut, multipart_type: u16, more: bool, reserved: u16) {
    out.put_u16(multipart_type);
    out.put_u16(if more { MORE } else { 0 } | reserved & !MORE);
    out.put_bytes(0, 4);
}

impl MultipartRequest {
    pub(crate) fn decode<'a>(input: &'a [u8], frame: &Bytes) -> Parsed<'a, Self> {
        use MultipartRequestBody as B;
        let (input, (multipart_type, more, reserved)) = preamble(input)?;
        let (input, body) = match multipart_type {
            0 => (input, B::Desc),
            1 => part(input, B::Flow)?,
            2 => part(input, B::Aggregate)?,
            3 => (input, B::Table),
            4 => part(input, B::PortStats)?,
            5 => part(input, B::Queue)?,
            6 => part(input, B::Group)?,
            7 => (input, B::GroupDesc),
            8 => (input, B::GroupFeatures),
            9 => part(input, B::Meter)?,
            10 => part(input, B::MeterConfig)?,
            11 => (input, B::MeterFeatures),
            12 => (&[][..], B::TableFeatures(TableFeatures::list(input)?)),
            13 => (input, B::PortDesc),
            EXPERIMENTER => match experimenter(input)? {
                (body, ONF, FLOW_MONITOR) => (&[][..], B::FlowMonitor(FlowMonitorRequest::list(body)?)),
                (body, experimenter, exp_type) => (
                    &[][..],
                    B::Experimenter(ExperimenterMultipart { experimenter, exp_type, data: frame.slice_ref(body) }),
                ),
            },
            _ => return refuse(input, ErrorCode::BAD_REQUEST_BAD_MULTIPART),
        };
        Ok((input, Self { more, reserved, body }))
    }

    pub(crate) fn encode(&self, out: &mut BytesMut) {
        use MultipartRequestBody as B;
        encode_preamble(out, self.body.number(), self.more, self.reserved);
        match &self.body {
            B::Desc | B::Table | B::GroupDesc | B::GroupFeatures | B::MeterFeatures | B::PortDesc => {}
            B::Flow(body) | B::Aggregate(body) => body.encode(out),
            B::PortStats(body) => body.encode(out),
            B::Queue(body) => body.encode(out),
            B::Group(body) => body.encode(out),
            B::Meter(body) | B::MeterConfig(body) => body.encode(out),
            B::TableFeatures(tables) => encode_all(tables, out),
            B::FlowMonitor(monitors) => encode_flow_monitor(monitors, out),
            B::Experimenter(body) => body.encode(out),
        }
    }
}

impl MultipartRequestBody {
    /// The number of the type.
    pub const fn number(&self) -> u16 {
        match self {
            Self::Desc => 0,
            Self::Flow(_) => 1,
            Self::Aggregate(_) => 2,
            Self::Table => 3,
            Self::PortStats(_) => 4,
            Self::Queue(_) => 5,
            Self::Group(_) => 6,
            Self::GroupDesc => 7,
            Self::GroupFeatures => 8,
            Self::Meter(_) => 9,
            Self::MeterConfig(_) => 10,
            Self::MeterFeatures => 11,
            Self::TableFeatures(_) => 12,
            Self::PortDesc => 13,
            Self::FlowMonitor(_) | Self::Experimenter(_) => EXPERIMENTER,
        }
    }
}

impl MultipartReply {
    pub(crate) fn decode<'a>(input: &'a [u8], frame: &Bytes) -> Parsed<'a, Self> {
        use MultipartReplyBody as B;
        let (input, (multipart_type, more, reserved)) = preamble(input)?;
        let (input, body) = match multipart_type {
            0 => part(input, |desc| B::Desc(Box::new(desc)))?,
            1 => (&[][..], B::Flow(list(input, FlowStats::ELEMENT, FlowStats::decode)?)),
            2 => part(input, B::Aggregate)?,
            3 => (&[][..], B::Table(fixed_list(input)?)),
            4 => (&[][..], B::PortStats(fixed_list(input)?)),
            5 => (&[][..], B::Queue(fixed_list(input)?)),
            6 => (&[][..], B::Group(list(input, GroupStats::ELEMENT, GroupStats::decode)?)),
            7 => (&[][..], B::GroupDesc(list(input, GroupDesc::ELEMENT, GroupDesc::decode)?)),
            8 => part(input, B::GroupFeatures)?,
            9 => (&[][..], B::Meter(list(input, MeterStats::ELEMENT, MeterStats::decode)?)),
            10 => (&[][..], B::MeterConfig(list(input, MeterConfig::ELEMENT, MeterConfig::decode)?)),
            11 => part(input, B::MeterFeatures)?,
            12 => (&[][..], B::TableFeatures(TableFeatures::list(input)?)),
            13 => (&[][..], B::PortDesc(fixed_list(input)?)),
            EXPERIMENTER => match experimenter(input)? {
                (body, ONF, FLOW_MONITOR) => {
                    (&[][..], B::FlowMonitor(list(body, FlowUpdate::ELEMENT, FlowUpdate::decode)?))
                }
                (body, experimenter, exp_type) => (
                    &[][..],
                    B::Experimenter(ExperimenterMultipart { experimenter, exp_type, data: frame.slice_ref(body) }),
                ),
            },
            _ => return refuse(input, ErrorCode::BAD_REQUEST_BAD_MULTIPART),
        };
        Ok((input, Self { more, reserved, body }))
    }

    pub(crate) fn encode(&self, out: &mut BytesMut) {
        use MultipartReplyBody as B;
        encode_preamble(out, self.body.number(), self.more, self.reserved);
        match &self.body {
            B::Desc(body) => body.encode(out),
            B::Flow(entries) => encode_all(entries, out),
            B::Aggregate(body) => body.encode(out),
            B::Table(tables) => encode_all(tables, out),
            B::PortStats(ports) => encode_all(ports, out),
            B::Queue(queues) => encode_all(queues, out),
            B::Group(groups) => encode_all(groups, out),
            B::GroupDesc(groups) => encode_all(groups, out),
            B::GroupFeatures(body) => body.encode(out),
            B::Meter(meters) => encode_all(meters, out),
            B::MeterConfig(meters) => encode_all(meters, out),
            B::MeterFeatures(body) => body.encode(out),
            B::TableFeatures(tables) => encode_all(tables, out),
            B::PortDesc(ports) => encode_all(ports, out),
            B::FlowMonitor(updates) => encode_flow_monitor(updates, out),
            B::Experimenter(body) => body.encode(out),
        }
    }
}

impl MultipartReplyBody {
    /// The number of the type.
    pub const fn number(&self) -> u16 {
        match self {
            Self::Desc(_) => 0,
            Self::Flow(_) => 1,
            Self::Aggregate(_) => 2,
            Self::Table(_) => 3,
            Self::PortStats(_) => 4,
            Self::Queue(_) => 5,
            Self::Group(_) => 6,
            Self::GroupDesc(_) => 7,
            Self::GroupFeatures(_) => 8,
            Self::Meter(_) => 9,
            Self::MeterConfig(_) => 10,
            Self::MeterFeatures(_) => 11,
            Self::TableFeatures(_) => 12,
            Self::PortDesc(_) => 13,
            Self::FlowMonitor(_) | Self::Experimenter(_) => EXPERIMENTER,
        }
    }
}

/// The body behind experimenter and type.
fn experimenter(input: &[u8]) -> Result<(&[u8], u32, u32), nom::Err<DecodeError>> {
    let (rest, (experimenter, exp_type)) =
        within(Structure::request("ofp_experimenter_multipart_header"), input, |input| {
            let (input, experimenter) = u32::decode(input)?;
            let (input, exp_type) = u32::decode(input)?;
            Ok((input, (experimenter, exp_type)))
        })?;
    Ok((rest, experimenter, exp_type))
}

fn encode_flow_monitor<T: Wire>(items: &[T], out: &mut BytesMut) {
    ONF.encode(out);
    FLOW_MONITOR.encode(out);
    encode_all(items, out);
}

impl ExperimenterMultipart {
    fn encode(&self, out: &mut BytesMut) {
        self.experimenter.encode(out);
        self.exp_type.encode(out);
        out.put_slice(&self.data);
    }
}
