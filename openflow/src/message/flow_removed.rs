//! FLOW_REMOVED: a flow entry has gone (section 7.4.2).

use crate::error::Structure;
use crate::flow_match::Match;
use crate::macros::{wire_enum, wire_struct};
use crate::number::TableId;

wire_struct! {
    /// A flow entry that asked for it has gone.
    #[doc(alias = "ofp_flow_removed")]
    pub struct FlowRemoved in Structure::request("ofp_flow_removed") => {
        /// The controller's own mark on the entry.
        pub cookie: u64;
        /// The priority.
        pub priority: u16;
        /// Why it went.
        pub reason: FlowRemovedReason;
        /// The table.
        pub table_id: TableId;
        /// How long it lived: the seconds.
        pub duration_sec: u32;
        /// And the nanoseconds beyond them.
        pub duration_nsec: u32;
        /// Its idle timeout.
        pub idle_timeout: u16;
        /// Its hard timeout.
        pub hard_timeout: u16;
        /// The packets that it saw.
        pub packet_count: u64;
        /// The bytes that it saw.
        pub byte_count: u64;
        /// Its match.
        pub flow_match: Match;
    }
}

wire_enum! {
    /// Why a flow entry went.
    #[doc(alias = "ofp_flow_removed_reason")]
    pub enum FlowRemovedReason: u8, open {
        /// No packet for the idle timeout.
        #[doc(alias = "OFPRR_IDLE_TIMEOUT")]
        IdleTimeout = 0,
        /// The hard timeout passed.
        #[doc(alias = "OFPRR_HARD_TIMEOUT")]
        HardTimeout = 1,
        /// A FLOW_MOD deleted it, or the switch evicted it.
        #[doc(alias = "OFPRR_DELETE")]
        Delete = 2,
        /// Its group was deleted.
        #[doc(alias = "OFPRR_GROUP_DELETE")]
        GroupDelete = 3,
    }
}
