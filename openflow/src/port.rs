//! Ports: their numbers, and what a switch says about one (section 7.2.1).

use std::fmt;

use crate::error::Structure;
use crate::fixed_text::FixedText;
use crate::macros::wire_struct;
use crate::number::MacAddr;

wire_struct! {
    /// The number of a port.
    #[doc(alias = "ofp_port_no")]
    pub struct PortNo(u32);
}

impl PortNo {
    /// The last number that a real port can have.
    #[doc(alias = "OFPP_MAX")]
    pub const MAX: Self = Self(0xffff_ff00);
    /// Back where the packet came from.
    #[doc(alias = "OFPP_IN_PORT")]
    pub const IN_PORT: Self = Self(0xffff_fff8);
    /// The flow tables, in a packet-out.
    #[doc(alias = "OFPP_TABLE")]
    pub const TABLE: Self = Self(0xffff_fff9);
    /// The switch's own, traditional forwarding.
    #[doc(alias = "OFPP_NORMAL")]
    pub const NORMAL: Self = Self(0xffff_fffa);
    /// The switch's own flooding.
    #[doc(alias = "OFPP_FLOOD")]
    pub const FLOOD: Self = Self(0xffff_fffb);
    /// All ports but the one where the packet came in.
    #[doc(alias = "OFPP_ALL")]
    pub const ALL: Self = Self(0xffff_fffc);
    /// The controller.
    #[doc(alias = "OFPP_CONTROLLER")]
    pub const CONTROLLER: Self = Self(0xffff_fffd);
    /// The switch's own network stack.
    #[doc(alias = "OFPP_LOCAL")]
    pub const LOCAL: Self = Self(0xffff_fffe);
    /// No restriction, in deletes and statistics requests.
    #[doc(alias = "OFPP_ANY")]
    pub const ANY: Self = Self(0xffff_ffff);

    /// Whether the number is one of the names above, from [`IN_PORT`](Self::IN_PORT) to [`ANY`](Self::ANY).
    pub const fn is_reserved(self) -> bool {
        self.0 >= Self::IN_PORT.0
    }
}

impl fmt::Display for PortNo {
    /// The number, or the reserved name as `ovs-ofctl` writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match *self {
            Self::IN_PORT => "IN_PORT",
            Self::TABLE => "TABLE",
            Self::NORMAL => "NORMAL",
            Self::FLOOD => "FLOOD",
            Self::ALL => "ALL",
            Self::CONTROLLER => "CONTROLLER",
            Self::LOCAL => "LOCAL",
            Self::ANY => "ANY",
            Self(number) => return number.fmt(f),
        })
    }
}

/// The name of a port: at most 15 bytes and a NUL.
pub type PortName = FixedText<16>;

wire_struct! {
    /// What the administrator set.
    #[doc(alias = "ofp_port_config")]
    pub struct PortConfig(u32);
}

impl PortConfig {
    /// The port is switched off.
    #[doc(alias = "OFPPC_PORT_DOWN")]
    pub const PORT_DOWN: Self = Self(1 << 0);
    /// Packets that come in are dropped.
    #[doc(alias = "OFPPC_NO_RECV")]
    pub const NO_RECV: Self = Self(1 << 2);
    /// Packets that go out are dropped.
    #[doc(alias = "OFPPC_NO_FWD")]
    pub const NO_FWD: Self = Self(1 << 5);
    /// Packets that match nothing are not sent to the controller.
    #[doc(alias = "OFPPC_NO_PACKET_IN")]
    pub const NO_PACKET_IN: Self = Self(1 << 6);
}

wire_struct! {
    /// What the switch observes.
    #[doc(alias = "ofp_port_state")]
    pub struct PortState(u32);
}

impl PortState {
    /// No link.
    #[doc(alias = "OFPPS_LINK_DOWN")]
    pub const LINK_DOWN: Self = Self(1 << 0);
    /// Blocked, by a spanning tree for example.
    #[doc(alias = "OFPPS_BLOCKED")]
    pub const BLOCKED: Self = Self(1 << 1);
    /// Live for fast failover groups.
    #[doc(alias = "OFPPS_LIVE")]
    pub const LIVE: Self = Self(1 << 2);
}

wire_struct! {
    /// What a port can do: speeds, media, negotiation.
    #[doc(alias = "ofp_port_features")]
    pub struct PortFeatures(u32);
}

wire_struct! {
    /// What a switch says about one of its ports.
    #[doc(alias = "ofp_port")]
    pub struct Port in Structure::request("ofp_port") => {
        /// The number.
        pub port_no: PortNo, pad 4;
        /// The hardware address.
        pub hw_addr: MacAddr, pad 2;
        /// The name.
        pub name: PortName;
        /// What the administrator set.
        pub config: PortConfig;
        /// What the switch observes.
        pub state: PortState;
        /// The features in use.
        pub curr: PortFeatures;
        /// The features advertised.
        pub advertised: PortFeatures;
        /// The features supported.
        pub supported: PortFeatures;
        /// The features that the other end advertises.
        pub peer: PortFeatures;
        /// The bit rate in use, in kbit/s.
        pub curr_speed: u32;
        /// The highest bit rate, in kbit/s.
        pub max_speed: u32;
    }
}

impl Port {
    /// Neither switched off nor without a link.
    pub const fn is_up(&self) -> bool {
        self.config.0 & PortConfig::PORT_DOWN.0 == 0 && self.state.0 & PortState::LINK_DOWN.0 == 0
    }
}
