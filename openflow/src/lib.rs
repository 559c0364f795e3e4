//! The OpenFlow 1.3 wire format: decode and encode every message, linear in time, impossible to crash.
//!
//! All of OpenFlow 1.3.5, in both directions, so that controllers and switches can be written with it; and of the
//! ONF's extensions bundles (230) and flow monitors (187). What an experimenter defines beyond them survives byte for
//! byte. Names are those of the specification without their prefix: search for `ofp_flow_mod` and find [`FlowMod`].
//!
//! # Map
//!
//! | to | see |
//! | --- | --- |
//! | cut messages out of a stream | [`split_frame`], [`Header`] |
//! | decode and encode a message | [`Message::decode`], [`Message::encode`] |
//! | say which packets | [`Match::builder`], [`OxmField`], [`Masked`] |
//! | say what happens to them | [`Instruction`], [`Action`], [`SetField`] |
//! | change a switch | [`FlowMod`], [`GroupMod`], [`MeterMod`], [`BundleControl`], [`BundleAdd`] |
//! | ask a switch | [`MultipartRequest`], [`MultipartReply`] |
//! | understand an error | [`ErrorMsg`], [`ErrorCode`]; of bytes: [`DecodeError`] |
//! | print, and read what people type | `Display` of every message, `FromStr` of [`FlowMod`] and [`Match`]; [`Hex`], [`parse_hex`] |
//!
//! # Promises
//!
//! - Bytes from a peer never panic, and are read in time that grows with their number and not faster.
//! - A canonical message (its padding is zero) is encoded to the bytes from which it was decoded; any other decodes to
//!   the same again. The padding itself is ignored: real switches send what they had in memory.
//! - No element of a list takes more than ten times its bytes in memory; a list may hold room for twice its elements.
//! - Decoding shares the frame with what runs to the end of a message, and copies what stands inside a list.
//! - Encoding appends to a buffer of the caller, and to nothing else.
//! - A [`Match`] holds no duplicate, no field without its prerequisite, no value too wide or outside its mask. Open
//!   vSwitch takes masks on ports of TCP, UDP and SCTP, and on neighbour discovery: they are lawful here too.
//!
//! # Examples
//!
//! Cut a stream into messages and decode them:
//!
//! ```
//! use bytes::BytesMut;
//! use openflow::{Echo, Message, Xid, split_frame};
//!
//! let mut stream = BytesMut::from(&b"\x04\x02\x00\x0c\x00\x00\x00\x07ping\x04\x15\x00"[..]);
//! while let Some(frame) = split_frame(&mut stream)? {
//!     assert_eq!(Message::decode(&frame)?, (Xid(7), Message::EchoRequest(Echo { data: "ping".into() })));
//! }
//! assert_eq!(stream.len(), 3, "the front of a message that is still to come");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Build a FLOW_MOD and encode it:
//!
//! ```
//! use bytes::BytesMut;
//! use openflow::{Action, EthType, FlowMod, Instruction, IpProto, Match, Message, MeterId, OxmField, PortNo, QueueId, Xid};
//!
//! let voice = FlowMod {
//!     priority: 1000,
//!     flow_match: Match::builder().eth_type(EthType::IPV4).ip_proto(IpProto::UDP).udp_dst(5060).build()?,
//!     instructions: vec![
//!         Instruction::Meter(MeterId(1)),
//!         Instruction::ApplyActions(vec![
//!             Action::set_field(OxmField::IpDscp(46))?,
//!             Action::SetQueue(QueueId(1)),
//!             Action::output(PortNo::NORMAL),
//!         ]),
//!     ],
//!     ..FlowMod::add()
//! };
//! let mut out = BytesMut::new();
//! Message::FlowMod(voice).encode(Xid(1), &mut out)?;
//! assert_eq!(out[..8], [4, 14, 0, 128, 0, 0, 0, 1]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Decode a reply:
//!
//! ```
//! use bytes::Bytes;
//! use openflow::{Message, MultipartReplyBody};
//!
//! let frame = Bytes::from_static(
//!     b"\x04\x13\x00\x28\x00\x00\x00\x01\x00\x02\x00\x00\x00\x00\x00\x00\
//!       \x00\x00\x00\x00\x00\x00\x00\x05\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00\x02\x00\x00\x00\x00",
//! );
//! let (_, Message::MultipartReply(reply)) = Message::decode(&frame)? else { panic!("a reply") };
//! let MultipartReplyBody::Aggregate(sum) = reply.body else { panic!("a sum over flows") };
//! assert_eq!((sum.flow_count, sum.packet_count, sum.byte_count), (2, 5, 512));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Print a flow, and read what people type:
//!
//! ```
//! use openflow::{FlowMod, Match};
//!
//! let flow: FlowMod = "priority=100,tcp,nw_src=10.0.0.0/24,actions=set_field:46->ip_dscp,NORMAL".parse()?;
//! assert_eq!(flow.flow_match.to_string(), "tcp,nw_src=10.0.0.0/24");
//! let error = "udp,tp_dst=70000".parse::<Match>().expect_err("a port of 17 bits");
//! assert_eq!(error.to_string(), "at byte 11: not a value of this word");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![warn(clippy::indexing_slicing)]

mod action;
mod band;
mod bucket;
mod error;
mod error_code;
mod fixed_text;
mod flow_match;
mod frame;
mod hex;
mod instruction;
mod macros;
mod match_builder;
mod message;
mod multipart;
mod number;
mod oxm;
mod port;
mod queue_property;
mod text;
mod wire;

pub use self::action::{Action, ExperimenterAction, SetField};
pub use self::band::{Band, BandKind};
pub use self::bucket::Bucket;
pub use self::error::{DecodeError, EncodeError, Fault, Structure};
pub use self::error_code::ErrorCode;
pub use self::fixed_text::FixedText;
pub use self::flow_match::{Match, MatchError};
pub use self::frame::{FrameError, Header, split_frame};
pub use self::hex::{Hex, HexError, parse_hex};
pub use self::instruction::{ExperimenterInstruction, Instruction};
pub use self::match_builder::MatchBuilder;
pub use self::message::{
    AsyncConfig, AsyncMask, BundleAdd, BundleControl, BundleControlType, BundleFlags, BundleId, BundleProperty,
    Capabilities, ControllerRole, Echo, ErrorMsg, Experimenter, ExperimenterMultipart, FeaturesReply, FlowMod,
    FlowModCommand, FlowModFlags, FlowMonitorCancel, FlowMonitorFlags, FlowMonitorRequest, FlowRemoved,
    FlowRemovedReason, FlowUpdate, FlowUpdateEvent, FlowUpdateFull, GroupMod, GroupModCommand, GroupType, Hello,
    HelloElement, MatchForm, Message, MeterFlags, MeterMod, MeterModCommand, MultipartReply, MultipartReplyBody,
    MultipartRequest, MultipartRequestBody, PacketIn, PacketInReason, PacketOut, PacketQueue, PortMod, PortReason,
    PortStatus, QueueGetConfigReply, QueueGetConfigRequest, RawExperimenter, RoleMsg, SwitchConfig, TableMod,
};
pub use self::multipart::{
    AggregateStats, BandStats, BucketCounter, ByGroupType, Desc, ExperimenterProperty, FlowStats, FlowStatsRequest,
    GroupDesc, GroupFeatures, GroupStats, GroupStatsRequest, MeterConfig, MeterFeatures, MeterRequest, MeterStats,
    PortStats, PortStatsRequest, QueueStats, QueueStatsRequest, TableFeatureProperty, TableFeatures, TableStats,
    TypeId,
};
pub use self::number::{
    BufferId, DatapathId, EthType, GroupId, IpProto, MacAddr, MeterId, OFP_VERSION, ParseIdError, QueueId, TableId, Xid,
};
pub use self::oxm::{Isid, Masked, OxmField, OxmId, RawOxm, VID_PRESENT};
pub use self::port::{Port, PortConfig, PortFeatures, PortName, PortNo, PortState};
pub use self::queue_property::QueueProperty;
pub use self::text::{FlowTextFault, ParseFlowError};

/// The example of the README is a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
