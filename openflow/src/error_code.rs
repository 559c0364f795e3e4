//! The error types and codes of the specification (section 7.4.4), each with a sentence for people.

use std::fmt;

/// The type and the code of an `OFPT_ERROR`.
#[doc(alias = "ofp_error_type")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ErrorCode {
    /// The high-level type.
    pub error_type: u16,
    /// The reason, in the space of the type.
    pub code: u16,
}

impl ErrorCode {
    /// A type and a code, whether or not the specification knows them.
    pub const fn new(error_type: u16, code: u16) -> Self {
        Self { error_type, code }
    }

    /// No common version of the protocol.
    #[doc(alias = "OFPHFC_INCOMPATIBLE")]
    pub const HELLO_FAILED_INCOMPATIBLE: Self = Self::new(0, 0);
    /// Not permitted.
    #[doc(alias = "OFPHFC_EPERM")]
    pub const HELLO_FAILED_EPERM: Self = Self::new(0, 1);
    /// The version of the header is not supported.
    #[doc(alias = "OFPBRC_BAD_VERSION")]
    pub const BAD_REQUEST_BAD_VERSION: Self = Self::new(1, 0);
    /// The type of the message is not supported.
    #[doc(alias = "OFPBRC_BAD_TYPE")]
    pub const BAD_REQUEST_BAD_TYPE: Self = Self::new(1, 1);
    /// The type of the multipart request is not supported.
    #[doc(alias = "OFPBRC_BAD_MULTIPART")]
    pub const BAD_REQUEST_BAD_MULTIPART: Self = Self::new(1, 2);
    /// The experimenter is not supported.
    #[doc(alias = "OFPBRC_BAD_EXPERIMENTER")]
    pub const BAD_REQUEST_BAD_EXPERIMENTER: Self = Self::new(1, 3);
    /// The type of the experimenter message is not supported.
    #[doc(alias = "OFPBRC_BAD_EXP_TYPE")]
    pub const BAD_REQUEST_BAD_EXP_TYPE: Self = Self::new(1, 4);
    /// Not permitted.
    #[doc(alias = "OFPBRC_EPERM")]
    pub const BAD_REQUEST_EPERM: Self = Self::new(1, 5);
    /// The length of the request is wrong for its type.
    #[doc(alias = "OFPBRC_BAD_LEN")]
    pub const BAD_REQUEST_BAD_LEN: Self = Self::new(1, 6);
    /// The buffer has been used already.
    #[doc(alias = "OFPBRC_BUFFER_EMPTY")]
    pub const BAD_REQUEST_BUFFER_EMPTY: Self = Self::new(1, 7);
    /// The buffer does not exist.
    #[doc(alias = "OFPBRC_BUFFER_UNKNOWN")]
    pub const BAD_REQUEST_BUFFER_UNKNOWN: Self = Self::new(1, 8);
    /// The table is invalid or does not exist.
    #[doc(alias = "OFPBRC_BAD_TABLE_ID")]
    pub const BAD_REQUEST_BAD_TABLE_ID: Self = Self::new(1, 9);
    /// Denied, because the controller is a slave.
    #[doc(alias = "OFPBRC_IS_SLAVE")]
    pub const BAD_REQUEST_IS_SLAVE: Self = Self::new(1, 10);
    /// The port is invalid.
    #[doc(alias = "OFPBRC_BAD_PORT")]
    pub const BAD_REQUEST_BAD_PORT: Self = Self::new(1, 11);
    /// The packet in the packet-out is invalid.
    #[doc(alias = "OFPBRC_BAD_PACKET")]
    pub const BAD_REQUEST_BAD_PACKET: Self = Self::new(1, 12);
    /// The multipart request overflowed its buffer.
    #[doc(alias = "OFPBRC_MULTIPART_BUFFER_OVERFLOW")]
    pub const BAD_REQUEST_MULTIPART_BUFFER_OVERFLOW: Self = Self::new(1, 13);
    /// The type of the action is unknown or not supported.
    #[doc(alias = "OFPBAC_BAD_TYPE")]
    pub const BAD_ACTION_BAD_TYPE: Self = Self::new(2, 0);
    /// The length of an action is wrong.
    #[doc(alias = "OFPBAC_BAD_LEN")]
    pub const BAD_ACTION_BAD_LEN: Self = Self::new(2, 1);
    /// The experimenter of the action is unknown.
    #[doc(alias = "OFPBAC_BAD_EXPERIMENTER")]
    pub const BAD_ACTION_BAD_EXPERIMENTER: Self = Self::new(2, 2);
    /// The type of the experimenter action is unknown.
    #[doc(alias = "OFPBAC_BAD_EXP_TYPE")]
    pub const BAD_ACTION_BAD_EXP_TYPE: Self = Self::new(2, 3);
    /// The output port is invalid.
    #[doc(alias = "OFPBAC_BAD_OUT_PORT")]
    pub const BAD_ACTION_BAD_OUT_PORT: Self = Self::new(2, 4);
    /// An argument of the action is bad.
    #[doc(alias = "OFPBAC_BAD_ARGUMENT")]
    pub const BAD_ACTION_BAD_ARGUMENT: Self = Self::new(2, 5);
    /// Not permitted.
    #[doc(alias = "OFPBAC_EPERM")]
    pub const BAD_ACTION_EPERM: Self = Self::new(2, 6);
    /// Too many actions.
    #[doc(alias = "OFPBAC_TOO_MANY")]
    pub const BAD_ACTION_TOO_MANY: Self = Self::new(2, 7);
    /// The output queue is invalid.
    #[doc(alias = "OFPBAC_BAD_QUEUE")]
    pub const BAD_ACTION_BAD_QUEUE: Self = Self::new(2, 8);
    /// The group of the action is invalid.
    #[doc(alias = "OFPBAC_BAD_OUT_GROUP")]
    pub const BAD_ACTION_BAD_OUT_GROUP: Self = Self::new(2, 9);
    /// The action cannot apply to this match, or a set-field misses its prerequisite.
    #[doc(alias = "OFPBAC_MATCH_INCONSISTENT")]
    pub const BAD_ACTION_MATCH_INCONSISTENT: Self = Self::new(2, 10);
    /// The order of the actions of an apply-actions is not supported.
    #[doc(alias = "OFPBAC_UNSUPPORTED_ORDER")]
    pub const BAD_ACTION_UNSUPPORTED_ORDER: Self = Self::new(2, 11);
    /// The action uses an unsupported tag or encapsulation.
    #[doc(alias = "OFPBAC_BAD_TAG")]
    pub const BAD_ACTION_BAD_TAG: Self = Self::new(2, 12);
    /// The type of a set-field is not supported.
    #[doc(alias = "OFPBAC_BAD_SET_TYPE")]
    pub const BAD_ACTION_BAD_SET_TYPE: Self = Self::new(2, 13);
    /// The length of a set-field is wrong.
    #[doc(alias = "OFPBAC_BAD_SET_LEN")]
    pub const BAD_ACTION_BAD_SET_LEN: Self = Self::new(2, 14);
    /// The argument of a set-field is bad.
    #[doc(alias = "OFPBAC_BAD_SET_ARGUMENT")]
    pub const BAD_ACTION_BAD_SET_ARGUMENT: Self = Self::new(2, 15);
    /// The instruction is unknown.
    #[doc(alias = "OFPBIC_UNKNOWN_INST")]
    pub const BAD_INSTRUCTION_UNKNOWN_INST: Self = Self::new(3, 0);
    /// The switch or the table does not support the instruction.
    #[doc(alias = "OFPBIC_UNSUP_INST")]
    pub const BAD_INSTRUCTION_UNSUP_INST: Self = Self::new(3, 1);
    /// The table of the instruction is invalid.
    #[doc(alias = "OFPBIC_BAD_TABLE_ID")]
    pub const BAD_INSTRUCTION_BAD_TABLE_ID: Self = Self::new(3, 2);
    /// The metadata value is not supported.
    #[doc(alias = "OFPBIC_UNSUP_METADATA")]
    pub const BAD_INSTRUCTION_UNSUP_METADATA: Self = Self::new(3, 3);
    /// The metadata mask is not supported.
    #[doc(alias = "OFPBIC_UNSUP_METADATA_MASK")]
    pub const BAD_INSTRUCTION_UNSUP_METADATA_MASK: Self = Self::new(3, 4);
    /// The experimenter of the instruction is unknown.
    #[doc(alias = "OFPBIC_BAD_EXPERIMENTER")]
    pub const BAD_INSTRUCTION_BAD_EXPERIMENTER: Self = Self::new(3, 5);
    /// The type of the experimenter instruction is unknown.
    #[doc(alias = "OFPBIC_BAD_EXP_TYPE")]
    pub const BAD_INSTRUCTION_BAD_EXP_TYPE: Self = Self::new(3, 6);
    /// The length of an instruction is wrong.
    #[doc(alias = "OFPBIC_BAD_LEN")]
    pub const BAD_INSTRUCTION_BAD_LEN: Self = Self::new(3, 7);
    /// Not permitted.
    #[doc(alias = "OFPBIC_EPERM")]
    pub const BAD_INSTRUCTION_EPERM: Self = Self::new(3, 8);
    /// The type of the match is not supported.
    #[doc(alias = "OFPBMC_BAD_TYPE")]
    pub const BAD_MATCH_BAD_TYPE: Self = Self::new(4, 0);
    /// The length of the match is wrong.
    #[doc(alias = "OFPBMC_BAD_LEN")]
    pub const BAD_MATCH_BAD_LEN: Self = Self::new(4, 1);
    /// The match uses an unsupported tag or encapsulation.
    #[doc(alias = "OFPBMC_BAD_TAG")]
    pub const BAD_MATCH_BAD_TAG: Self = Self::new(4, 2);
    /// The mask of an Ethernet address is not supported.
    #[doc(alias = "OFPBMC_BAD_DL_ADDR_MASK")]
    pub const BAD_MATCH_BAD_DL_ADDR_MASK: Self = Self::new(4, 3);
    /// The mask of a network address is not supported.
    #[doc(alias = "OFPBMC_BAD_NW_ADDR_MASK")]
    pub const BAD_MATCH_BAD_NW_ADDR_MASK: Self = Self::new(4, 4);
    /// The combination of fields masked or omitted is not supported.
    #[doc(alias = "OFPBMC_BAD_WILDCARDS")]
    pub const BAD_MATCH_BAD_WILDCARDS: Self = Self::new(4, 5);
    /// A field of the match is not supported.
    #[doc(alias = "OFPBMC_BAD_FIELD")]
    pub const BAD_MATCH_BAD_FIELD: Self = Self::new(4, 6);
    /// A value of the match is not supported.
    #[doc(alias = "OFPBMC_BAD_VALUE")]
    pub const BAD_MATCH_BAD_VALUE: Self = Self::new(4, 7);
    /// A mask of the match is not supported.
    #[doc(alias = "OFPBMC_BAD_MASK")]
    pub const BAD_MATCH_BAD_MASK: Self = Self::new(4, 8);
    /// A prerequisite of a field is not met.
    #[doc(alias = "OFPBMC_BAD_PREREQ")]
    pub const BAD_MATCH_BAD_PREREQ: Self = Self::new(4, 9);
    /// A field stands twice in the match.
    #[doc(alias = "OFPBMC_DUP_FIELD")]
    pub const BAD_MATCH_DUP_FIELD: Self = Self::new(4, 10);
    /// Not permitted.
    #[doc(alias = "OFPBMC_EPERM")]
    pub const BAD_MATCH_EPERM: Self = Self::new(4, 11);
    /// The reason is not specified.
    #[doc(alias = "OFPFMFC_UNKNOWN")]
    pub const FLOW_MOD_FAILED_UNKNOWN: Self = Self::new(5, 0);
    /// The flow was not added, because the table is full.
    #[doc(alias = "OFPFMFC_TABLE_FULL")]
    pub const FLOW_MOD_FAILED_TABLE_FULL: Self = Self::new(5, 1);
    /// The table does not exist.
    #[doc(alias = "OFPFMFC_BAD_TABLE_ID")]
    pub const FLOW_MOD_FAILED_BAD_TABLE_ID: Self = Self::new(5, 2);
    /// The flow overlaps another and the check for overlaps was asked for.
    #[doc(alias = "OFPFMFC_OVERLAP")]
    pub const FLOW_MOD_FAILED_OVERLAP: Self = Self::new(5, 3);
    /// Not permitted.
    #[doc(alias = "OFPFMFC_EPERM")]
    pub const FLOW_MOD_FAILED_EPERM: Self = Self::new(5, 4);
    /// The idle or hard timeout is not supported.
    #[doc(alias = "OFPFMFC_BAD_TIMEOUT")]
    pub const FLOW_MOD_FAILED_BAD_TIMEOUT: Self = Self::new(5, 5);
    /// The command is unknown or not supported.
    #[doc(alias = "OFPFMFC_BAD_COMMAND")]
    pub const FLOW_MOD_FAILED_BAD_COMMAND: Self = Self::new(5, 6);
    /// The flags are unknown or not supported.
    #[doc(alias = "OFPFMFC_BAD_FLAGS")]
    pub const FLOW_MOD_FAILED_BAD_FLAGS: Self = Self::new(5, 7);
    /// The group was not added, because it exists already.
    #[doc(alias = "OFPGMFC_GROUP_EXISTS")]
    pub const GROUP_MOD_FAILED_GROUP_EXISTS: Self = Self::new(6, 0);
    /// The group is invalid.
    #[doc(alias = "OFPGMFC_INVALID_GROUP")]
    pub const GROUP_MOD_FAILED_INVALID_GROUP: Self = Self::new(6, 1);
    /// The switch does not share load unequally among buckets.
    #[doc(alias = "OFPGMFC_WEIGHT_UNSUPPORTED")]
    pub const GROUP_MOD_FAILED_WEIGHT_UNSUPPORTED: Self = Self::new(6, 2);
    /// The group table is full.
    #[doc(alias = "OFPGMFC_OUT_OF_GROUPS")]
    pub const GROUP_MOD_FAILED_OUT_OF_GROUPS: Self = Self::new(6, 3);
    /// The group has too many buckets.
    #[doc(alias = "OFPGMFC_OUT_OF_BUCKETS")]
    pub const GROUP_MOD_FAILED_OUT_OF_BUCKETS: Self = Self::new(6, 4);
    /// Groups that forward to groups are not supported.
    #[doc(alias = "OFPGMFC_CHAINING_UNSUPPORTED")]
    pub const GROUP_MOD_FAILED_CHAINING_UNSUPPORTED: Self = Self::new(6, 5);
    /// The group cannot watch the port or group.
    #[doc(alias = "OFPGMFC_WATCH_UNSUPPORTED")]
    pub const GROUP_MOD_FAILED_WATCH_UNSUPPORTED: Self = Self::new(6, 6);
    /// The group would be part of a loop.
    #[doc(alias = "OFPGMFC_LOOP")]
    pub const GROUP_MOD_FAILED_LOOP: Self = Self::new(6, 7);
    /// The group does not exist.
    #[doc(alias = "OFPGMFC_UNKNOWN_GROUP")]
    pub const GROUP_MOD_FAILED_UNKNOWN_GROUP: Self = Self::new(6, 8);
    /// Another group forwards to this one.
    #[doc(alias = "OFPGMFC_CHAINED_GROUP")]
    pub const GROUP_MOD_FAILED_CHAINED_GROUP: Self = Self::new(6, 9);
    /// The type of the group is unknown or not supported.
    #[doc(alias = "OFPGMFC_BAD_TYPE")]
    pub const GROUP_MOD_FAILED_BAD_TYPE: Self = Self::new(6, 10);
    /// The command is unknown or not supported.
    #[doc(alias = "OFPGMFC_BAD_COMMAND")]
    pub const GROUP_MOD_FAILED_BAD_COMMAND: Self = Self::new(6, 11);
    /// A bucket is wrong.
    #[doc(alias = "OFPGMFC_BAD_BUCKET")]
    pub const GROUP_MOD_FAILED_BAD_BUCKET: Self = Self::new(6, 12);
    /// The watched port or group is wrong.
    #[doc(alias = "OFPGMFC_BAD_WATCH")]
    pub const GROUP_MOD_FAILED_BAD_WATCH: Self = Self::new(6, 13);
    /// Not permitted.
    #[doc(alias = "OFPGMFC_EPERM")]
    pub const GROUP_MOD_FAILED_EPERM: Self = Self::new(6, 14);
    /// The port does not exist.
    #[doc(alias = "OFPPMFC_BAD_PORT")]
    pub const PORT_MOD_FAILED_BAD_PORT: Self = Self::new(7, 0);
    /// The hardware address is not that of the port.
    #[doc(alias = "OFPPMFC_BAD_HW_ADDR")]
    pub const PORT_MOD_FAILED_BAD_HW_ADDR: Self = Self::new(7, 1);
    /// The configuration is invalid.
    #[doc(alias = "OFPPMFC_BAD_CONFIG")]
    pub const PORT_MOD_FAILED_BAD_CONFIG: Self = Self::new(7, 2);
    /// The advertised features are invalid.
    #[doc(alias = "OFPPMFC_BAD_ADVERTISE")]
    pub const PORT_MOD_FAILED_BAD_ADVERTISE: Self = Self::new(7, 3);
    /// Not permitted.
    #[doc(alias = "OFPPMFC_EPERM")]
    pub const PORT_MOD_FAILED_EPERM: Self = Self::new(7, 4);
    /// The table does not exist.
    #[doc(alias = "OFPTMFC_BAD_TABLE")]
    pub const TABLE_MOD_FAILED_BAD_TABLE: Self = Self::new(8, 0);
    /// The configuration is invalid.
    #[doc(alias = "OFPTMFC_BAD_CONFIG")]
    pub const TABLE_MOD_FAILED_BAD_CONFIG: Self = Self::new(8, 1);
    /// Not permitted.
    #[doc(alias = "OFPTMFC_EPERM")]
    pub const TABLE_MOD_FAILED_EPERM: Self = Self::new(8, 2);
    /// The port is invalid or does not exist.
    #[doc(alias = "OFPQOFC_BAD_PORT")]
    pub const QUEUE_OP_FAILED_BAD_PORT: Self = Self::new(9, 0);
    /// The queue does not exist.
    #[doc(alias = "OFPQOFC_BAD_QUEUE")]
    pub const QUEUE_OP_FAILED_BAD_QUEUE: Self = Self::new(9, 1);
    /// Not permitted.
    #[doc(alias = "OFPQOFC_EPERM")]
    pub const QUEUE_OP_FAILED_EPERM: Self = Self::new(9, 2);
    /// The flags are invalid.
    #[doc(alias = "OFPSCFC_BAD_FLAGS")]
    pub const SWITCH_CONFIG_FAILED_BAD_FLAGS: Self = Self::new(10, 0);
    /// The length is invalid.
    #[doc(alias = "OFPSCFC_BAD_LEN")]
    pub const SWITCH_CONFIG_FAILED_BAD_LEN: Self = Self::new(10, 1);
    /// Not permitted.
    #[doc(alias = "OFPSCFC_EPERM")]
    pub const SWITCH_CONFIG_FAILED_EPERM: Self = Self::new(10, 2);
    /// The generation id is stale.
    #[doc(alias = "OFPRRFC_STALE")]
    pub const ROLE_REQUEST_FAILED_STALE: Self = Self::new(11, 0);
    /// The switch cannot change the role of a controller.
    #[doc(alias = "OFPRRFC_UNSUP")]
    pub const ROLE_REQUEST_FAILED_UNSUP: Self = Self::new(11, 1);
    /// The role is invalid.
    #[doc(alias = "OFPRRFC_BAD_ROLE")]
    pub const ROLE_REQUEST_FAILED_BAD_ROLE: Self = Self::new(11, 2);
    /// The reason is not specified.
    #[doc(alias = "OFPMMFC_UNKNOWN")]
    pub const METER_MOD_FAILED_UNKNOWN: Self = Self::new(12, 0);
    /// The meter was not added, because it exists already.
    #[doc(alias = "OFPMMFC_METER_EXISTS")]
    pub const METER_MOD_FAILED_METER_EXISTS: Self = Self::new(12, 1);
    /// The meter is invalid.
    #[doc(alias = "OFPMMFC_INVALID_METER")]
    pub const METER_MOD_FAILED_INVALID_METER: Self = Self::new(12, 2);
    /// The meter does not exist.
    #[doc(alias = "OFPMMFC_UNKNOWN_METER")]
    pub const METER_MOD_FAILED_UNKNOWN_METER: Self = Self::new(12, 3);
    /// The command is unknown or not supported.
    #[doc(alias = "OFPMMFC_BAD_COMMAND")]
    pub const METER_MOD_FAILED_BAD_COMMAND: Self = Self::new(12, 4);
    /// The flags are not supported.
    #[doc(alias = "OFPMMFC_BAD_FLAGS")]
    pub const METER_MOD_FAILED_BAD_FLAGS: Self = Self::new(12, 5);
    /// The rate is not supported.
    #[doc(alias = "OFPMMFC_BAD_RATE")]
    pub const METER_MOD_FAILED_BAD_RATE: Self = Self::new(12, 6);
    /// The burst size is not supported.
    #[doc(alias = "OFPMMFC_BAD_BURST")]
    pub const METER_MOD_FAILED_BAD_BURST: Self = Self::new(12, 7);
    /// The band is not supported.
    #[doc(alias = "OFPMMFC_BAD_BAND")]
    pub const METER_MOD_FAILED_BAD_BAND: Self = Self::new(12, 8);
    /// A value of the band is not supported.
    #[doc(alias = "OFPMMFC_BAD_BAND_VALUE")]
    pub const METER_MOD_FAILED_BAD_BAND_VALUE: Self = Self::new(12, 9);
    /// No more meters are available.
    #[doc(alias = "OFPMMFC_OUT_OF_METERS")]
    pub const METER_MOD_FAILED_OUT_OF_METERS: Self = Self::new(12, 10);
    /// The meter has too many bands.
    #[doc(alias = "OFPMMFC_OUT_OF_BANDS")]
    pub const METER_MOD_FAILED_OUT_OF_BANDS: Self = Self::new(12, 11);
    /// The table does not exist.
    #[doc(alias = "OFPTFFC_BAD_TABLE")]
    pub const TABLE_FEATURES_FAILED_BAD_TABLE: Self = Self::new(13, 0);
    /// The metadata mask is invalid.
    #[doc(alias = "OFPTFFC_BAD_METADATA")]
    pub const TABLE_FEATURES_FAILED_BAD_METADATA: Self = Self::new(13, 1);
    /// The type of a property is unknown.
    #[doc(alias = "OFPTFFC_BAD_TYPE")]
    pub const TABLE_FEATURES_FAILED_BAD_TYPE: Self = Self::new(13, 2);
    /// The length of a property is wrong.
    #[doc(alias = "OFPTFFC_BAD_LEN")]
    pub const TABLE_FEATURES_FAILED_BAD_LEN: Self = Self::new(13, 3);
    /// A property has an unsupported value.
    #[doc(alias = "OFPTFFC_BAD_ARGUMENT")]
    pub const TABLE_FEATURES_FAILED_BAD_ARGUMENT: Self = Self::new(13, 4);
    /// Not permitted.
    #[doc(alias = "OFPTFFC_EPERM")]
    pub const TABLE_FEATURES_FAILED_EPERM: Self = Self::new(13, 5);
}

/// A type with its number and its codes.
struct Type {
    name: &'static str,
    codes: &'static [(&'static str, &'static str)],
}

/// The types in the order of their numbers, and so the codes of each: names without their prefix, and sentences.
#[rustfmt::skip]
const TYPES: &[Type] = &[
    Type { name: "HELLO_FAILED", codes: &[
        ("INCOMPATIBLE", "no common version of the protocol"),
        ("EPERM", "not permitted"),
    ] },
    Type { name: "BAD_REQUEST", codes: &[
        ("BAD_VERSION", "the version of the header is not supported"),
        ("BAD_TYPE", "the type of the message is not supported"),
        ("BAD_MULTIPART", "the type of the multipart request is not supported"),
        ("BAD_EXPERIMENTER", "the experimenter is not supported"),
        ("BAD_EXP_TYPE", "the type of the experimenter message is not supported"),
        ("EPERM", "not permitted"),
        ("BAD_LEN", "the length of the request is wrong for its type"),
        ("BUFFER_EMPTY", "the buffer has been used already"),
        ("BUFFER_UNKNOWN", "the buffer does not exist"),
        ("BAD_TABLE_ID", "the table is invalid or does not exist"),
        ("IS_SLAVE", "denied, because the controller is a slave"),
        ("BAD_PORT", "the port is invalid"),
        ("BAD_PACKET", "the packet in the packet-out is invalid"),
        ("MULTIPART_BUFFER_OVERFLOW", "the multipart request overflowed its buffer"),
    ] },
    Type { name: "BAD_ACTION", codes: &[
        ("BAD_TYPE", "the type of the action is unknown or not supported"),
        ("BAD_LEN", "the length of an action is wrong"),
        ("BAD_EXPERIMENTER", "the experimenter of the action is unknown"),
        ("BAD_EXP_TYPE", "the type of the experimenter action is unknown"),
        ("BAD_OUT_PORT", "the output port is invalid"),
        ("BAD_ARGUMENT", "an argument of the action is bad"),
        ("EPERM", "not permitted"),
        ("TOO_MANY", "too many actions"),
        ("BAD_QUEUE", "the output queue is invalid"),
        ("BAD_OUT_GROUP", "the group of the action is invalid"),
        ("MATCH_INCONSISTENT", "the action cannot apply to this match, or a set-field misses its prerequisite"),
        ("UNSUPPORTED_ORDER", "the order of the actions of an apply-actions is not supported"),
        ("BAD_TAG", "the action uses an unsupported tag or encapsulation"),
        ("BAD_SET_TYPE", "the type of a set-field is not supported"),
        ("BAD_SET_LEN", "the length of a set-field is wrong"),
        ("BAD_SET_ARGUMENT", "the argument of a set-field is bad"),
    ] },
    Type { name: "BAD_INSTRUCTION", codes: &[
        ("UNKNOWN_INST", "the instruction is unknown"),
        ("UNSUP_INST", "the switch or the table does not support the instruction"),
        ("BAD_TABLE_ID", "the table of the instruction is invalid"),
        ("UNSUP_METADATA", "the metadata value is not supported"),
        ("UNSUP_METADATA_MASK", "the metadata mask is not supported"),
        ("BAD_EXPERIMENTER", "the experimenter of the instruction is unknown"),
        ("BAD_EXP_TYPE", "the type of the experimenter instruction is unknown"),
        ("BAD_LEN", "the length of an instruction is wrong"),
        ("EPERM", "not permitted"),
    ] },
    Type { name: "BAD_MATCH", codes: &[
        ("BAD_TYPE", "the type of the match is not supported"),
        ("BAD_LEN", "the length of the match is wrong"),
        ("BAD_TAG", "the match uses an unsupported tag or encapsulation"),
        ("BAD_DL_ADDR_MASK", "the mask of an Ethernet address is not supported"),
        ("BAD_NW_ADDR_MASK", "the mask of a network address is not supported"),
        ("BAD_WILDCARDS", "the combination of fields masked or omitted is not supported"),
        ("BAD_FIELD", "a field of the match is not supported"),
        ("BAD_VALUE", "a value of the match is not supported"),
        ("BAD_MASK", "a mask of the match is not supported"),
        ("BAD_PREREQ", "a prerequisite of a field is not met"),
        ("DUP_FIELD", "a field stands twice in the match"),
        ("EPERM", "not permitted"),
    ] },
    Type { name: "FLOW_MOD_FAILED", codes: &[
        ("UNKNOWN", "the reason is not specified"),
        ("TABLE_FULL", "the flow was not added, because the table is full"),
        ("BAD_TABLE_ID", "the table does not exist"),
        ("OVERLAP", "the flow overlaps another and the check for overlaps was asked for"),
        ("EPERM", "not permitted"),
        ("BAD_TIMEOUT", "the idle or hard timeout is not supported"),
        ("BAD_COMMAND", "the command is unknown or not supported"),
        ("BAD_FLAGS", "the flags are unknown or not supported"),
    ] },
    Type { name: "GROUP_MOD_FAILED", codes: &[
        ("GROUP_EXISTS", "the group was not added, because it exists already"),
        ("INVALID_GROUP", "the group is invalid"),
        ("WEIGHT_UNSUPPORTED", "the switch does not share load unequally among buckets"),
        ("OUT_OF_GROUPS", "the group table is full"),
        ("OUT_OF_BUCKETS", "the group has too many buckets"),
        ("CHAINING_UNSUPPORTED", "groups that forward to groups are not supported"),
        ("WATCH_UNSUPPORTED", "the group cannot watch the port or group"),
        ("LOOP", "the group would be part of a loop"),
        ("UNKNOWN_GROUP", "the group does not exist"),
        ("CHAINED_GROUP", "another group forwards to this one"),
        ("BAD_TYPE", "the type of the group is unknown or not supported"),
        ("BAD_COMMAND", "the command is unknown or not supported"),
        ("BAD_BUCKET", "a bucket is wrong"),
        ("BAD_WATCH", "the watched port or group is wrong"),
        ("EPERM", "not permitted"),
    ] },
    Type { name: "PORT_MOD_FAILED", codes: &[
        ("BAD_PORT", "the port does not exist"),
        ("BAD_HW_ADDR", "the hardware address is not that of the port"),
        ("BAD_CONFIG", "the configuration is invalid"),
        ("BAD_ADVERTISE", "the advertised features are invalid"),
        ("EPERM", "not permitted"),
    ] },
    Type { name: "TABLE_MOD_FAILED", codes: &[
        ("BAD_TABLE", "the table does not exist"),
        ("BAD_CONFIG", "the configuration is invalid"),
        ("EPERM", "not permitted"),
    ] },
    Type { name: "QUEUE_OP_FAILED", codes: &[
        ("BAD_PORT", "the port is invalid or does not exist"),
        ("BAD_QUEUE", "the queue does not exist"),
        ("EPERM", "not permitted"),
    ] },
    Type { name: "SWITCH_CONFIG_FAILED", codes: &[
        ("BAD_FLAGS", "the flags are invalid"),
        ("BAD_LEN", "the length is invalid"),
        ("EPERM", "not permitted"),
    ] },
    Type { name: "ROLE_REQUEST_FAILED", codes: &[
        ("STALE", "the generation id is stale"),
        ("UNSUP", "the switch cannot change the role of a controller"),
        ("BAD_ROLE", "the role is invalid"),
    ] },
    Type { name: "METER_MOD_FAILED", codes: &[
        ("UNKNOWN", "the reason is not specified"),
        ("METER_EXISTS", "the meter was not added, because it exists already"),
        ("INVALID_METER", "the meter is invalid"),
        ("UNKNOWN_METER", "the meter does not exist"),
        ("BAD_COMMAND", "the command is unknown or not supported"),
        ("BAD_FLAGS", "the flags are not supported"),
        ("BAD_RATE", "the rate is not supported"),
        ("BAD_BURST", "the burst size is not supported"),
        ("BAD_BAND", "the band is not supported"),
        ("BAD_BAND_VALUE", "a value of the band is not supported"),
        ("OUT_OF_METERS", "no more meters are available"),
        ("OUT_OF_BANDS", "the meter has too many bands"),
    ] },
    Type { name: "TABLE_FEATURES_FAILED", codes: &[
        ("BAD_TABLE", "the table does not exist"),
        ("BAD_METADATA", "the metadata mask is invalid"),
        ("BAD_TYPE", "the type of a property is unknown"),
        ("BAD_LEN", "the length of a property is wrong"),
        ("BAD_ARGUMENT", "a property has an unsupported value"),
        ("EPERM", "not permitted"),
    ] },
];
/// The errors of bundles: codes 2300 and following of the ONF (extension 230, section 3.6).
#[rustfmt::skip]
const BUNDLE: &[(&str, &str)] = &[
    ("UNKNOWN", "the reason is not specified"),
    ("EPERM", "not permitted"),
    ("BAD_ID", "the bundle does not exist"),
    ("BUNDLE_EXIST", "the bundle exists already"),
    ("BUNDLE_CLOSED", "the bundle is closed"),
    ("OUT_OF_BUNDLES", "there are too many bundles"),
    ("BAD_TYPE", "the type of the control message is unknown or not supported"),
    ("BAD_FLAGS", "the flags are unknown, not supported, or not those of the bundle"),
    ("MSG_BAD_LEN", "the length of the message inside is wrong"),
    ("MSG_BAD_XID", "the transaction of the message inside is not that of the message around it"),
    ("MSG_UNSUP", "the message inside is not supported in this bundle"),
    ("MSG_CONFLICT", "the message inside does not go with others of this bundle"),
    ("MSG_TOO_MANY", "the bundle has too many messages"),
    ("MSG_FAILED", "a message of the bundle failed"),
    ("TIMEOUT", "the bundle took too long"),
    ("BUNDLE_IN_PROGRESS", "the bundle has locked the resource"),
];

/// Name and sentence of an error of a bundle.
pub(crate) fn bundle_error(code: u16) -> Option<&'static (&'static str, &'static str)> {
    BUNDLE.get(usize::from(code.checked_sub(2300)?))
}

impl ErrorCode {
    /// The type of errors that an experimenter defines.
    #[doc(alias = "OFPET_EXPERIMENTER")]
    pub const EXPERIMENTER: u16 = 0xffff;

    /// The name of the type without its prefix, such as `FLOW_MOD_FAILED`.
    pub fn type_name(self) -> Option<&'static str> {
        if self.error_type == Self::EXPERIMENTER {
            return Some("EXPERIMENTER");
        }
        TYPES.get(usize::from(self.error_type)).map(|known| known.name)
    }

    /// The name of the code without its prefix, such as `TABLE_FULL`.
    pub fn code_name(self) -> Option<&'static str> {
        self.row().map(|(name, _)| *name)
    }

    /// What the code means, as part of a sentence.
    pub fn sentence(self) -> Option<&'static str> {
        self.row().map(|(_, sentence)| *sentence)
    }

    fn row(self) -> Option<&'static (&'static str, &'static str)> {
        TYPES.get(usize::from(self.error_type))?.codes.get(usize::from(self.code))
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.type_name() {
            Some(name) => f.write_str(name)?,
            None => write!(f, "{}", self.error_type)?,
        }
        match self.row() {
            Some((name, sentence)) => write!(f, "/{name}: {sentence}"),
            None => write!(f, "/{}", self.code),
        }
    }
}
