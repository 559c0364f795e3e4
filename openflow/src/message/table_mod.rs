//! TABLE_MOD: configure a table (section 7.3.3).

use crate::error::Structure;
use crate::macros::wire_struct;
use crate::number::TableId;

wire_struct! {
    /// Configures a table; nothing to configure is left in this version.
    #[doc(alias = "ofp_table_mod")]
    pub struct TableMod in Structure::request("ofp_table_mod") => {
        /// The table, or [`TableId::ALL`].
        pub table_id: TableId, pad 3;
        /// Bits that earlier versions defined.
        pub config: u32;
    }
}
