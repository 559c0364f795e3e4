//! The OpenFlow 1.3 wire format: decode and encode, linear in time, impossible to crash.
//!
//! [`split_frame`] cuts messages out of a stream, [`Message::decode`] and [`Message::encode`] do the rest. Names are
//! those of the specification without their prefix: search for `ofp_flow_mod` and find [`FlowMod`].

#![warn(clippy::indexing_slicing)]

mod action;
mod band;
mod bucket;
mod error;
mod error_code;
mod fixed_text;
mod flow_match;
mod frame;
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
