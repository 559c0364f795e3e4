//! AGGREGATE: the sum over flow entries (section 7.3.5.3).

use crate::error::Structure;
use crate::macros::wire_struct;

wire_struct! {
    /// The sum over the flow entries that a [`FlowStatsRequest`](crate::FlowStatsRequest) covers.
    #[doc(alias = "ofp_aggregate_stats_reply")]
    pub struct AggregateStats in Structure::request("ofp_aggregate_stats_reply") => {
        /// The packets.
        pub packet_count: u64;
        /// The bytes.
        pub byte_count: u64;
        /// The entries.
        pub flow_count: u32, pad 4;
    }
}
