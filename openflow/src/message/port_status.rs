//! PORT_STATUS: a port came, went or changed (section 7.4.3).

use crate::error::Structure;
use crate::macros::{wire_enum, wire_struct};
use crate::port::Port;

wire_struct! {
    /// A port came, went or changed.
    #[doc(alias = "ofp_port_status")]
    pub struct PortStatus in Structure::request("ofp_port_status") => {
        /// What happened.
        pub reason: PortReason, pad 7;
        /// The port as it is now.
        pub desc: Port;
    }
}

wire_enum! {
    /// What happened to a port.
    #[doc(alias = "ofp_port_reason")]
    pub enum PortReason: u8, open {
        /// It was added.
        #[doc(alias = "OFPPR_ADD")]
        Add = 0,
        /// It was removed.
        #[doc(alias = "OFPPR_DELETE")]
        Delete = 1,
        /// Something about it changed.
        #[doc(alias = "OFPPR_MODIFY")]
        Modify = 2,
    }
}
