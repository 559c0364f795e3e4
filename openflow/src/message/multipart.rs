//! MULTIPART: requests and replies that may take several messages (section 7.3.5).

use bytes::{BufMut, Bytes, BytesMut};

use crate::error::Structure;
use crate::error_code::ErrorCode;
use crate::multipart::{AggregateStats, Desc, FlowStats, FlowStatsRequest};
use crate::port::Port;
use crate::wire::{Parsed, Wire, encode_all, fixed_list, list, refuse, skip};

/// The bit that says that more parts follow, in requests and in replies.
#[doc(alias = "OFPMPF_REQ_MORE")]
#[doc(alias = "OFPMPF_REPLY_MORE")]
const MORE: u16 = 1;

/// A request for a description or for statistics, or a part of one.
#[doc(alias = "ofp_multipart_request")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MultipartRequest {
    /// Whether more parts of the same request follow.
    pub more: bool,
    /// What is asked for.
    pub body: MultipartRequestBody,
}

/// A part of the answer to a [`MultipartRequest`].
#[doc(alias = "ofp_multipart_reply")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MultipartReply {
    /// Whether more parts of the same reply follow.
    pub more: bool,
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
    /// The ports.
    #[doc(alias = "OFPMP_PORT_DESC")]
    PortDesc,
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
    /// The ports.
    #[doc(alias = "OFPMP_PORT_DESC")]
    PortDesc(Vec<Port>),
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
        Self { more: false, body }
    }
}

impl From<MultipartReplyBody> for MultipartReply {
    /// The whole, or the last part, of a reply.
    fn from(body: MultipartReplyBody) -> Self {
        Self { more: false, body }
    }
}

/// Type, flags, padding.
fn preamble(input: &[u8]) -> Parsed<'_, (u16, bool)> {
    let (input, multipart_type) = u16::decode(input)?;
    let (input, flags) = u16::decode(input)?;
    let (input, ()) = skip(input, 4)?;
    Ok((input, (multipart_type, flags & MORE != 0)))
}

/// Type, flags, padding.
fn encode_preamble(out: &mut BytesMut, multipart_type: u16, more: bool) {
    out.put_u16(multipart_type);
    out.put_u16(if more { MORE } else { 0 });
    out.put_bytes(0, 4);
}

impl MultipartRequest {
    pub(crate) fn decode<'a>(input: &'a [u8], frame: &Bytes) -> Parsed<'a, Self> {
        let (input, (multipart_type, more)) = preamble(input)?;
        let (input, body) = match multipart_type {
            0 => (input, MultipartRequestBody::Desc),
            1 => FlowStatsRequest::decode(input).map(|(rest, body)| (rest, MultipartRequestBody::Flow(body)))?,
            2 => FlowStatsRequest::decode(input).map(|(rest, body)| (rest, MultipartRequestBody::Aggregate(body)))?,
            13 => (input, MultipartRequestBody::PortDesc),
            0xffff => {
                experimenter(input, frame).map(|(rest, body)| (rest, MultipartRequestBody::Experimenter(body)))?
            }
            _ => return refuse(input, ErrorCode::BAD_REQUEST_BAD_MULTIPART),
        };
        Ok((input, Self { more, body }))
    }

    pub(crate) fn encode(&self, out: &mut BytesMut) {
        use MultipartRequestBody as B;
        let multipart_type = match self.body {
            B::Desc => 0,
            B::Flow(_) => 1,
            B::Aggregate(_) => 2,
            B::PortDesc => 13,
            B::Experimenter(_) => 0xffff,
        };
        encode_preamble(out, multipart_type, self.more);
        match &self.body {
            B::Desc | B::PortDesc => {}
            B::Flow(body) | B::Aggregate(body) => body.encode(out),
            B::Experimenter(body) => encode_experimenter(body, out),
        }
    }
}

impl MultipartReply {
    pub(crate) fn decode<'a>(input: &'a [u8], frame: &Bytes) -> Parsed<'a, Self> {
        let (input, (multipart_type, more)) = preamble(input)?;
        let (input, body) = match multipart_type {
            0 => Desc::decode(input).map(|(rest, body)| (rest, MultipartReplyBody::Desc(Box::new(body))))?,
            1 => (&[][..], MultipartReplyBody::Flow(list(input, FlowStats::ELEMENT, FlowStats::decode)?)),
            2 => AggregateStats::decode(input).map(|(rest, body)| (rest, MultipartReplyBody::Aggregate(body)))?,
            13 => (&[][..], MultipartReplyBody::PortDesc(fixed_list(input)?)),
            0xffff => experimenter(input, frame).map(|(rest, body)| (rest, MultipartReplyBody::Experimenter(body)))?,
            _ => return refuse(input, ErrorCode::BAD_REQUEST_BAD_MULTIPART),
        };
        Ok((input, Self { more, body }))
    }

    pub(crate) fn encode(&self, out: &mut BytesMut) {
        use MultipartReplyBody as B;
        let multipart_type = match self.body {
            B::Desc(_) => 0,
            B::Flow(_) => 1,
            B::Aggregate(_) => 2,
            B::PortDesc(_) => 13,
            B::Experimenter(_) => 0xffff,
        };
        encode_preamble(out, multipart_type, self.more);
        match &self.body {
            B::Desc(body) => body.encode(out),
            B::Flow(entries) => encode_all(entries, out),
            B::Aggregate(body) => body.encode(out),
            B::PortDesc(ports) => encode_all(ports, out),
            B::Experimenter(body) => encode_experimenter(body, out),
        }
    }
}

fn experimenter<'a>(input: &'a [u8], frame: &Bytes) -> Parsed<'a, ExperimenterMultipart> {
    crate::wire::within(Structure::request("ofp_experimenter_multipart_header"), input, |input| {
        let (input, experimenter) = u32::decode(input)?;
        let (data, exp_type) = u32::decode(input)?;
        Ok((&[][..], ExperimenterMultipart { experimenter, exp_type, data: frame.slice_ref(data) }))
    })
}

fn encode_experimenter(body: &ExperimenterMultipart, out: &mut BytesMut) {
    body.experimenter.encode(out);
    body.exp_type.encode(out);
    out.put_slice(&body.data);
}
