//! GROUP_MOD: add, change or delete groups (section 7.3.4.2).

use bytes::{BufMut, BytesMut};

use crate::bucket::Bucket;
use crate::error::Structure;
use crate::error_code::ErrorCode;
use crate::macros::wire_enum;
use crate::number::GroupId;
use crate::wire::{Parsed, Wire, encode_all, skip, within};

/// Adds, changes or deletes a group.
#[doc(alias = "ofp_group_mod")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupMod {
    /// What to do.
    pub command: GroupModCommand,
    /// The type of the group.
    pub group_type: GroupType,
    /// The group.
    pub group_id: GroupId,
    /// Its buckets.
    pub buckets: Vec<Bucket>,
}

wire_enum! {
    /// What a [`GroupMod`] does.
    #[doc(alias = "ofp_group_mod_command")]
    pub enum GroupModCommand: u16, closed ErrorCode::GROUP_MOD_FAILED_BAD_COMMAND => {
        /// Add the group.
        #[doc(alias = "OFPGC_ADD")]
        Add = 0,
        /// Change the group.
        #[doc(alias = "OFPGC_MODIFY")]
        Modify = 1,
        /// Delete the group, and the flows that use it.
        #[doc(alias = "OFPGC_DELETE")]
        Delete = 2,
    }
}

wire_enum! {
    /// How a group chooses among its buckets.
    #[doc(alias = "ofp_group_type")]
    pub enum GroupType: u8, closed ErrorCode::GROUP_MOD_FAILED_BAD_TYPE => {
        /// All of them: multicast.
        #[doc(alias = "OFPGT_ALL")]
        All = 0,
        /// One of them, by weight.
        #[doc(alias = "OFPGT_SELECT")]
        Select = 1,
        /// The only one.
        #[doc(alias = "OFPGT_INDIRECT")]
        Indirect = 2,
        /// The first that is live.
        #[doc(alias = "OFPGT_FF")]
        FastFailover = 3,
    }
}

impl Wire for GroupMod {
    fn decode(input: &[u8]) -> Parsed<'_, Self> {
        within(Structure::request("ofp_group_mod"), input, |input| {
            let (input, command) = GroupModCommand::decode(input)?;
            let (input, group_type) = GroupType::decode(input)?;
            let (input, ()) = skip(input, 1)?;
            let (input, group_id) = GroupId::decode(input)?;
            let buckets = Bucket::list(input)?;
            Ok((&[], Self { command, group_type, group_id, buckets }))
        })
    }

    fn encode(&self, out: &mut BytesMut) {
        self.command.encode(out);
        self.group_type.encode(out);
        out.put_bytes(0, 1);
        self.group_id.encode(out);
        encode_all(&self.buckets, out);
    }
}
