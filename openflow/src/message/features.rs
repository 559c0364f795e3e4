//! FEATURES: who the switch is (section 7.3.1).

use crate::error::Structure;
use crate::macros::wire_struct;
use crate::number::DatapathId;

wire_struct! {
    /// Who the switch is and what it can do.
    #[doc(alias = "ofp_switch_features")]
    pub struct FeaturesReply in Structure::request("ofp_switch_features") => {
        /// The id of the datapath.
        pub datapath_id: DatapathId;
        /// How many packets can wait in the switch.
        pub n_buffers: u32;
        /// The number of tables.
        pub n_tables: u8;
        /// Which connection to the switch this is: 0 for the main one.
        pub auxiliary_id: u8, pad 2;
        /// What the switch can do.
        pub capabilities: Capabilities;
        /// Not defined.
        pub reserved: u32;
    }
}

wire_struct! {
    /// What a switch can do, a bit each.
    #[doc(alias = "ofp_capabilities")]
    pub struct Capabilities(u32);
}

impl Capabilities {
    /// Flow statistics.
    #[doc(alias = "OFPC_FLOW_STATS")]
    pub const FLOW_STATS: Self = Self(1 << 0);
    /// Table statistics.
    #[doc(alias = "OFPC_TABLE_STATS")]
    pub const TABLE_STATS: Self = Self(1 << 1);
    /// Port statistics.
    #[doc(alias = "OFPC_PORT_STATS")]
    pub const PORT_STATS: Self = Self(1 << 2);
    /// Group statistics.
    #[doc(alias = "OFPC_GROUP_STATS")]
    pub const GROUP_STATS: Self = Self(1 << 3);
    /// Reassembly of IP fragments.
    #[doc(alias = "OFPC_IP_REASM")]
    pub const IP_REASM: Self = Self(1 << 5);
    /// Queue statistics.
    #[doc(alias = "OFPC_QUEUE_STATS")]
    pub const QUEUE_STATS: Self = Self(1 << 6);
    /// The switch blocks ports that would form a loop.
    #[doc(alias = "OFPC_PORT_BLOCKED")]
    pub const PORT_BLOCKED: Self = Self(1 << 8);

    /// Whether all of these bits are set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}
