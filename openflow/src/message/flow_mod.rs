//! FLOW_MOD: add, change or delete flow entries (section 7.3.4.1).

use bytes::{BufMut, BytesMut};
use std::ops::BitOr;

use crate::error::Structure;
use crate::error_code::ErrorCode;
use crate::flow_match::Match;
use crate::instruction::Instruction;
use crate::macros::{wire_enum, wire_struct};
use crate::number::{BufferId, GroupId, TableId};
use crate::port::PortNo;
use crate::wire::{Parsed, Wire, encode_all, skip, within};

/// Adds, changes or deletes flow entries.
///
/// ```
/// # use openflow::{Action, EthType, FlowMod, Instruction, IpProto, Match, Message, OxmField, PortNo, QueueId, Xid};
/// let flow = FlowMod {
///     priority: 1000,
///     flow_match: Match::builder().eth_type(EthType::IPV4).ip_proto(IpProto::UDP).udp_dst(5060).build()?,
///     instructions: vec![Instruction::ApplyActions(vec![
///         Action::set_field(OxmField::IpDscp(46))?,
///         Action::SetQueue(QueueId(1)),
///         Action::output(PortNo::NORMAL),
///     ])],
///     ..FlowMod::add()
/// };
/// let mut out = bytes::BytesMut::new();
/// Message::FlowMod(flow).encode(Xid(1), &mut out)?;
/// assert_eq!(out.len() % 8, 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "ofp_flow_mod")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowMod {
    /// The controller's own mark on the entry.
    pub cookie: u64,
    /// In modify and delete: which bits of the cookie must be the same; 0 is no restriction.
    pub cookie_mask: u64,
    /// The table; [`TableId::ALL`] is lawful in deletes.
    pub table_id: TableId,
    /// What to do.
    pub command: FlowModCommand,
    /// The entry goes after this many seconds without a packet; 0 is never.
    pub idle_timeout: u16,
    /// The entry goes after this many seconds; 0 is never.
    pub hard_timeout: u16,
    /// Higher ones win.
    pub priority: u16,
    /// A packet that waits in the switch and is sent through the new entry.
    pub buffer_id: BufferId,
    /// In deletes: only entries that send to this port.
    pub out_port: PortNo,
    /// In deletes: only entries that send to this group.
    pub out_group: GroupId,
    /// What else is asked for.
    pub flags: FlowModFlags,
    /// Which packets.
    pub flow_match: Match,
    /// What happens to them.
    pub instructions: Vec<Instruction>,
}

wire_enum! {
    /// What a [`FlowMod`] does.
    #[doc(alias = "ofp_flow_mod_command")]
    pub enum FlowModCommand: u8, closed ErrorCode::FLOW_MOD_FAILED_BAD_COMMAND => {
        /// Add an entry; one with the same match and priority is replaced.
        #[doc(alias = "OFPFC_ADD")]
        Add = 0,
        /// Change the instructions of all entries that the match covers.
        #[doc(alias = "OFPFC_MODIFY")]
        Modify = 1,
        /// Change the instructions of the entry with this match and priority.
        #[doc(alias = "OFPFC_MODIFY_STRICT")]
        ModifyStrict = 2,
        /// Delete all entries that the match covers.
        #[doc(alias = "OFPFC_DELETE")]
        Delete = 3,
        /// Delete the entry with this match and priority.
        #[doc(alias = "OFPFC_DELETE_STRICT")]
        DeleteStrict = 4,
    }
}

wire_struct! {
    /// What a [`FlowMod`] asks for besides, a bit each.
    #[doc(alias = "ofp_flow_mod_flags")]
    pub struct FlowModFlags(u16);
}

impl FlowModFlags {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// Tell the controller when the entry goes.
    #[doc(alias = "OFPFF_SEND_FLOW_REM")]
    pub const SEND_FLOW_REM: Self = Self(1 << 0);
    /// Refuse an entry that overlaps another of the same priority.
    #[doc(alias = "OFPFF_CHECK_OVERLAP")]
    pub const CHECK_OVERLAP: Self = Self(1 << 1);
    /// Start the counters at zero.
    #[doc(alias = "OFPFF_RESET_COUNTS")]
    pub const RESET_COUNTS: Self = Self(1 << 2);
    /// Do not count packets.
    #[doc(alias = "OFPFF_NO_PKT_COUNTS")]
    pub const NO_PKT_COUNTS: Self = Self(1 << 3);
    /// Do not count bytes.
    #[doc(alias = "OFPFF_NO_BYT_COUNTS")]
    pub const NO_BYT_COUNTS: Self = Self(1 << 4);

    /// Whether all of these bits are set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl BitOr for FlowModFlags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl FlowMod {
    /// A flow mod of table 0 and priority 0x8000 that matches every packet and asks for nothing besides.
    const fn new(command: FlowModCommand) -> Self {
        Self {
            cookie: 0,
            cookie_mask: 0,
            table_id: TableId(0),
            command,
            idle_timeout: 0,
            hard_timeout: 0,
            priority: 0x8000,
            buffer_id: BufferId::NO_BUFFER,
            out_port: PortNo::ANY,
            out_group: GroupId::ANY,
            flags: FlowModFlags::NONE,
            flow_match: Match::any(),
            instructions: Vec::new(),
        }
    }

    /// Adds an entry of table 0.
    pub const fn add() -> Self {
        Self::new(FlowModCommand::Add)
    }

    /// Changes all entries of table 0 that the match covers.
    pub const fn modify() -> Self {
        Self::new(FlowModCommand::Modify)
    }

    /// Changes one entry of table 0.
    pub const fn modify_strict() -> Self {
        Self::new(FlowModCommand::ModifyStrict)
    }

    /// Deletes all entries of all tables that the match covers.
    pub fn delete() -> Self {
        Self { table_id: TableId::ALL, ..Self::new(FlowModCommand::Delete) }
    }

    /// Deletes one entry of table 0.
    pub const fn delete_strict() -> Self {
        Self::new(FlowModCommand::DeleteStrict)
    }
}

impl Wire for FlowMod {
    fn decode(input: &[u8]) -> Parsed<'_, Self> {
        within(Structure::request("ofp_flow_mod"), input, |input| {
            let (input, cookie) = u64::decode(input)?;
            let (input, cookie_mask) = u64::decode(input)?;
            let (input, table_id) = TableId::decode(input)?;
            let (input, command) = FlowModCommand::decode(input)?;
            let (input, idle_timeout) = u16::decode(input)?;
            let (input, hard_timeout) = u16::decode(input)?;
            let (input, priority) = u16::decode(input)?;
            let (input, buffer_id) = BufferId::decode(input)?;
            let (input, out_port) = PortNo::decode(input)?;
            let (input, out_group) = GroupId::decode(input)?;
            let (input, flags) = FlowModFlags::decode(input)?;
            let (input, ()) = skip(input, 2)?;
            let (input, flow_match) = Match::decode(input)?;
            let instructions = Instruction::list(input)?;
            let flow_mod = Self {
                cookie,
                cookie_mask,
                table_id,
                command,
                idle_timeout,
                hard_timeout,
                priority,
                buffer_id,
                out_port,
                out_group,
                flags,
                flow_match,
                instructions,
            };
            Ok((&[], flow_mod))
        })
    }

    #[inline]
    fn encode(&self, out: &mut BytesMut) {
        self.cookie.encode(out);
        self.cookie_mask.encode(out);
        self.table_id.encode(out);
        self.command.encode(out);
        self.idle_timeout.encode(out);
        self.hard_timeout.encode(out);
        self.priority.encode(out);
        self.buffer_id.encode(out);
        self.out_port.encode(out);
        self.out_group.encode(out);
        self.flags.encode(out);
        out.put_bytes(0, 2);
        self.flow_match.encode(out);
        encode_all(&self.instructions, out);
    }
}
