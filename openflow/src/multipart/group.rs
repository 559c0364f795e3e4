//! GROUP, GROUP_DESC and GROUP_FEATURES: what groups count, what they are and what they can be (sections 7.3.5.9 to
//! 7.3.5.11).

use bytes::{BufMut, BytesMut};

use crate::bucket::Bucket;
use crate::error::Structure;
use crate::macros::wire_struct;
use crate::message::GroupType;
use crate::number::GroupId;
use crate::wire::{Element, Parsed, Wire, encode_all, fixed_list, measured, skip};

wire_struct! {
    /// Which groups to report.
    #[doc(alias = "ofp_group_stats_request")]
    pub struct GroupStatsRequest in Structure::request("ofp_group_stats_request") => {
        /// The group, or [`GroupId::ALL`].
        pub group_id: GroupId, pad 4;
    }
}

/// The counters of a group.
#[doc(alias = "ofp_group_stats")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupStats {
    /// The group.
    pub group_id: GroupId,
    /// The flows and groups that use it.
    pub ref_count: u32,
    /// The packets that it handled.
    pub packet_count: u64,
    /// The bytes that it handled.
    pub byte_count: u64,
    /// How long it lives: the seconds.
    pub duration_sec: u32,
    /// And the nanoseconds beyond them.
    pub duration_nsec: u32,
    /// The counters of each of its buckets.
    pub bucket_stats: Vec<BucketCounter>,
}

wire_struct! {
    /// The counters of a bucket.
    #[doc(alias = "ofp_bucket_counter")]
    pub struct BucketCounter in Structure::request("ofp_bucket_counter") => {
        /// The packets.
        pub packet_count: u64;
        /// The bytes.
        pub byte_count: u64;
    }
}

/// What a group is.
#[doc(alias = "ofp_group_desc")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupDesc {
    /// How it chooses among its buckets.
    pub group_type: GroupType,
    /// The group.
    pub group_id: GroupId,
    /// Its buckets.
    pub buckets: Vec<Bucket>,
}

wire_struct! {
    /// What groups a switch can have.
    #[doc(alias = "ofp_group_features")]
    pub struct GroupFeatures in Structure::request("ofp_group_features") => {
        /// The types of groups, a bit for each [`GroupType`].
        pub types: u32;
        /// What else: weight, liveness, chaining, checks of it.
        #[doc(alias = "ofp_group_capabilities")]
        pub capabilities: u32;
        /// How many groups of each type.
        pub max_groups: ByGroupType;
        /// The actions that groups of each type can have, a bit for each.
        pub actions: ByGroupType;
    }
}

wire_struct! {
    /// A number for each [`GroupType`].
    pub struct ByGroupType in Structure::request("ofp_group_features") => {
        /// For groups that use all buckets.
        pub all: u32;
        /// For groups that select a bucket.
        pub select: u32;
        /// For groups of one bucket.
        pub indirect: u32;
        /// For fast failover groups.
        pub fast_failover: u32;
    }
}

impl GroupStats {
    /// The shape of a group in a reply.
    pub(crate) const ELEMENT: Element = Element::led_by_length(Structure::request("ofp_group_stats"), 40);
}

impl Wire for GroupStats {
    /// Reads one group that fills the whole of `input`.
    fn decode(input: &[u8]) -> Parsed<'_, Self> {
        let (input, _length) = u16::decode(input)?;
        let (input, ()) = skip(input, 2)?;
        let (input, group_id) = GroupId::decode(input)?;
        let (input, ref_count) = u32::decode(input)?;
        let (input, ()) = skip(input, 4)?;
        let (input, packet_count) = u64::decode(input)?;
        let (input, byte_count) = u64::decode(input)?;
        let (input, duration_sec) = u32::decode(input)?;
        let (input, duration_nsec) = u32::decode(input)?;
        let bucket_stats = fixed_list(input)?;
        let stats = Self { group_id, ref_count, packet_count, byte_count, duration_sec, duration_nsec, bucket_stats };
        Ok((&[], stats))
    }

    fn encode(&self, out: &mut BytesMut) {
        measured(out, 0, |out| {
            out.put_bytes(0, 4);
            self.group_id.encode(out);
            self.ref_count.encode(out);
            out.put_bytes(0, 4);
            self.packet_count.encode(out);
            self.byte_count.encode(out);
            self.duration_sec.encode(out);
            self.duration_nsec.encode(out);
            encode_all(&self.bucket_stats, out);
        });
    }
}

impl GroupDesc {
    /// The shape of a group in a reply.
    pub(crate) const ELEMENT: Element = Element::led_by_length(Structure::request("ofp_group_desc"), 8);
}

impl Wire for GroupDesc {
    /// Reads one group that fills the whole of `input`.
    fn decode(input: &[u8]) -> Parsed<'_, Self> {
        let (input, _length) = u16::decode(input)?;
        let (input, group_type) = GroupType::decode(input)?;
        let (input, ()) = skip(input, 1)?;
        let (input, group_id) = GroupId::decode(input)?;
        let buckets = Bucket::list(input)?;
        Ok((&[], Self { group_type, group_id, buckets }))
    }

    fn encode(&self, out: &mut BytesMut) {
        measured(out, 0, |out| {
            out.put_bytes(0, 2);
            self.group_type.encode(out);
            out.put_bytes(0, 1);
            self.group_id.encode(out);
            encode_all(&self.buckets, out);
        });
    }
}
