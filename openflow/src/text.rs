//! Messages as text, in the syntax of `ovs-ofctl` (ovs-fields(7), ovs-actions(7)): what people read, type and paste.
//!
//! `Display` writes what `ovs-ofctl --no-names ofp-print` would write for the same bytes, with these exceptions: what
//! Open vSwitch has no word for has the word of the specification (`in_phy_port`, `pbb_isid`, `copy_ttl_out`), what
//! it dissects (packets, table features) is summed up, and errors are told in a sentence.

mod parse;
mod parse_action;
mod parse_flow;
mod parse_match;
mod print_action;
mod print_flow;
mod print_group;
mod print_match;
mod print_message;
mod print_multipart;
mod print_port;

use std::fmt::{self, Display};

pub use self::parse::{FlowTextFault, ParseFlowError};

/// The names of the bits that are set, with spaces between; `0` if there are none, and a number for what has no name.
struct Bits<'a> {
    bits: u32,
    /// The names from the lowest bit upwards; an empty one is a bit without a name.
    names: &'a [&'a str],
}

impl Display for Bits<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.bits == 0 {
            return f.write_str("0");
        }
        let mut rest = self.bits;
        let mut separator = "";
        for (bit, name) in self.names.iter().enumerate().filter(|(_, name)| !name.is_empty()) {
            if rest & 1 << bit != 0 {
                write!(f, "{separator}{name}")?;
                separator = " ";
                rest &= !(1 << bit);
            }
        }
        if rest == 0 { Ok(()) } else { write!(f, "{separator}{rest:#x}") }
    }
}

/// Seconds, with three decimals if they are enough, else with nine.
struct Duration {
    sec: u32,
    nsec: u32,
}

impl Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.nsec, self.nsec % 1_000_000) {
            (0, _) => write!(f, "{}s", self.sec),
            (nsec, 0) => write!(f, "{}.{:03}s", self.sec, nsec / 1_000_000),
            (nsec, _) => write!(f, "{}.{nsec:09}s", self.sec),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_flag_has_the_bit_of_its_name() {
        use crate::{BundleFlags, Capabilities, FlowModFlags, MeterFlags, PortConfig, PortState};
        for (flag, name) in [
            (PortConfig::PORT_DOWN.to_string(), "PORT_DOWN"),
            (PortConfig::NO_RECV.to_string(), "NO_RECV"),
            (PortConfig::NO_FWD.to_string(), "NO_FWD"),
            (PortConfig::NO_PACKET_IN.to_string(), "NO_PACKET_IN"),
            (PortState::LINK_DOWN.to_string(), "LINK_DOWN"),
            (PortState::BLOCKED.to_string(), "BLOCKED"),
            (PortState::LIVE.to_string(), "LIVE"),
            (Capabilities::FLOW_STATS.to_string(), "FLOW_STATS"),
            (Capabilities::TABLE_STATS.to_string(), "TABLE_STATS"),
            (Capabilities::PORT_STATS.to_string(), "PORT_STATS"),
            (Capabilities::GROUP_STATS.to_string(), "GROUP_STATS"),
            (Capabilities::IP_REASM.to_string(), "IP_REASM"),
            (Capabilities::QUEUE_STATS.to_string(), "QUEUE_STATS"),
            (Capabilities::PORT_BLOCKED.to_string(), "PORT_BLOCKED"),
            (MeterFlags::KBPS.to_string(), "kbps"),
            (MeterFlags::PKTPS.to_string(), "pktps"),
            (MeterFlags::BURST.to_string(), "burst"),
            (MeterFlags::STATS.to_string(), "stats"),
            ((MeterFlags::KBPS | MeterFlags::STATS).to_string(), "kbps stats"),
            ((BundleFlags::ATOMIC | BundleFlags::ORDERED).to_string(), "atomic ordered"),
            (FlowModFlags::SEND_FLOW_REM.to_string(), "send_flow_rem "),
            (FlowModFlags::CHECK_OVERLAP.to_string(), "check_overlap "),
            (FlowModFlags::RESET_COUNTS.to_string(), "reset_counts "),
            (FlowModFlags::NO_PKT_COUNTS.to_string(), "no_packet_counts "),
            (FlowModFlags::NO_BYT_COUNTS.to_string(), "no_byte_counts "),
            ((FlowModFlags::SEND_FLOW_REM | FlowModFlags::RESET_COUNTS).to_string(), "send_flow_rem reset_counts "),
        ] {
            assert_eq!(flag, name);
        }
    }

    #[test]
    fn flags_contain_what_was_put_into_them_and_nothing_else() {
        use crate::{Capabilities, FlowModFlags, FlowMonitorFlags as F, MeterFlags as M};
        let flags = F::INITIAL | F::MODIFY | F::OWN;
        let contained = [F::INITIAL, F::ADD, F::DELETE, F::MODIFY, F::ACTIONS, F::OWN].map(|flag| flags.contains(flag));
        assert_eq!(contained, [true, false, false, true, false, true]);
        assert_eq!(flags.0, 0b10_1001);
        assert_eq!((M::KBPS | M::BURST | M::KBPS, flags | F::OWN), (M::KBPS | M::BURST, flags));
        assert!(!F::INITIAL.contains(flags));
        let capabilities = Capabilities(Capabilities::FLOW_STATS.0 | Capabilities::QUEUE_STATS.0);
        assert!(capabilities.contains(Capabilities::QUEUE_STATS) && !capabilities.contains(Capabilities::PORT_STATS));
        assert!(!capabilities.contains(Capabilities(Capabilities::FLOW_STATS.0 | Capabilities::PORT_STATS.0)));
        let flow = FlowModFlags::SEND_FLOW_REM | FlowModFlags::RESET_COUNTS;
        assert!(flow.contains(FlowModFlags::RESET_COUNTS) && !flow.contains(FlowModFlags::CHECK_OVERLAP));
        assert_eq!([M::KBPS, M::PKTPS].map(|flag| (M::KBPS | M::BURST).contains(flag)), [true, false]);
    }

    #[test]
    fn a_port_is_up_unless_it_is_switched_off_or_without_a_link() {
        use crate::{MacAddr, Port, PortConfig, PortFeatures, PortNo, PortState};
        let port = |config, state| Port {
            port_no: PortNo(1),
            hw_addr: MacAddr([0; 6]),
            name: "eth0".into(),
            config,
            state,
            curr: PortFeatures(0),
            advertised: PortFeatures(0),
            supported: PortFeatures(0),
            peer: PortFeatures(0),
            curr_speed: 0,
            max_speed: 0,
        };
        assert!(port(PortConfig::NO_RECV, PortState::LIVE).is_up());
        assert!(!port(PortConfig::PORT_DOWN, PortState::LIVE).is_up());
        assert!(!port(PortConfig(0), PortState::LINK_DOWN).is_up());
    }

    #[test]
    fn bits_print_by_name_and_what_has_none_as_a_number() {
        let print = |bits| Bits { bits, names: &["one", "", "four"] }.to_string();
        assert_eq!(print(0), "0");
        assert_eq!(print(0b101), "one four");
        assert_eq!(print(0b1110), "four 0xa");
        assert_eq!(print(0b1000), "0x8");
    }
}
