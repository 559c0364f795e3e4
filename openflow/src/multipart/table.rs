//! TABLE: the counters of tables (section 7.3.5.4).

use crate::error::Structure;
use crate::macros::wire_struct;
use crate::number::TableId;

wire_struct! {
    /// The counters of a table.
    #[doc(alias = "ofp_table_stats")]
    pub struct TableStats in Structure::request("ofp_table_stats") => {
        /// The table.
        pub table_id: TableId, pad 3;
        /// The flow entries in it.
        pub active_count: u32;
        /// The packets that were looked up.
        pub lookup_count: u64;
        /// The packets that an entry matched.
        pub matched_count: u64;
    }
}
