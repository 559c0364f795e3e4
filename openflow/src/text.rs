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
    fn bits_print_by_name_and_what_has_none_as_a_number() {
        let print = |bits| Bits { bits, names: &["one", "", "four"] }.to_string();
        assert_eq!(print(0), "0");
        assert_eq!(print(0b101), "one four");
        assert_eq!(print(0b1110), "four 0xa");
        assert_eq!(print(0b1000), "0x8");
    }
}
