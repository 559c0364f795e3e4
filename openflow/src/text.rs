//! Flows as text, in the syntax of `ovs-ofctl` (ovs-fields(7), ovs-actions(7)): what people read, type and paste.
//!
//! `Display` writes what `ovs-ofctl --no-names` would write for the same bytes. What Open vSwitch has no word for has
//! the word of the specification (`in_phy_port`, `pbb_isid`, `ipv6_exthdr`, `copy_ttl_out`, `push_pbb`).

mod print_action;
mod print_flow;
mod print_match;
