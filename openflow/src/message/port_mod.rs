//! PORT_MOD: configure a port (section 7.3.4.3).

use crate::error::Structure;
use crate::macros::wire_struct;
use crate::number::MacAddr;
use crate::port::{PortConfig, PortFeatures, PortNo};

wire_struct! {
    /// Configures a port.
    #[doc(alias = "ofp_port_mod")]
    pub struct PortMod in Structure::request("ofp_port_mod") => {
        /// The port.
        pub port_no: PortNo, pad 4;
        /// Its hardware address: a switch refuses another, so that the right port is meant.
        pub hw_addr: MacAddr, pad 2;
        /// The bits to set.
        pub config: PortConfig;
        /// Which bits of [`config`](Self::config) count.
        pub mask: PortConfig;
        /// The features to advertise; zero leaves them.
        pub advertise: PortFeatures, pad 4;
    }
}
