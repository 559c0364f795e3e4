//! DESC: who made the switch (section 7.3.5.1).

use crate::error::Structure;
use crate::fixed_text::FixedText;
use crate::macros::wire_struct;

wire_struct! {
    /// Who made the switch.
    #[doc(alias = "ofp_desc")]
    pub struct Desc in Structure::request("ofp_desc") => {
        /// The manufacturer.
        pub mfr_desc: FixedText<256>;
        /// The hardware.
        pub hw_desc: FixedText<256>;
        /// The software.
        pub sw_desc: FixedText<256>;
        /// The serial number.
        pub serial_num: FixedText<32>;
        /// What people call the datapath.
        pub dp_desc: FixedText<256>;
    }
}
