//! GET_CONFIG and SET_CONFIG: fragments, and how much of a packet goes to the controller (section 7.3.2).

use crate::error::Structure;
use crate::macros::wire_struct;

wire_struct! {
    /// The configuration of a switch.
    #[doc(alias = "ofp_switch_config")]
    pub struct SwitchConfig in Structure::request("ofp_switch_config") => {
        /// What happens to IP fragments: 0 nothing special, 1 drop, 2 reassemble.
        #[doc(alias = "ofp_config_flags")]
        pub flags: u16;
        /// How many bytes of a packet a table miss sends to the controller.
        pub miss_send_len: u16;
    }
}

impl SwitchConfig {
    /// Packets go to the controller in full.
    #[doc(alias = "OFPCML_NO_BUFFER")]
    pub const NO_BUFFER: u16 = 0xffff;
}
