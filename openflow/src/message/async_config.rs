//! GET_ASYNC and SET_ASYNC: which asynchronous messages a controller gets (section 7.3.10).

use crate::error::Structure;
use crate::macros::wire_struct;

wire_struct! {
    /// Which asynchronous messages a controller gets.
    #[doc(alias = "ofp_async_config")]
    pub struct AsyncConfig in Structure::request("ofp_async_config") => {
        /// Packet-ins, a bit for each reason.
        pub packet_in_mask: AsyncMask;
        /// Port status messages, a bit for each reason.
        pub port_status_mask: AsyncMask;
        /// Flow removed messages, a bit for each reason.
        pub flow_removed_mask: AsyncMask;
    }
}

wire_struct! {
    /// The reasons for which a message is sent, by the role of the controller.
    pub struct AsyncMask in Structure::request("ofp_async_config") => {
        /// While it is master or equal.
        pub master: u32;
        /// While it is slave.
        pub slave: u32;
    }
}
