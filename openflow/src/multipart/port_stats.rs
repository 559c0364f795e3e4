//! PORT_STATS: the counters of ports (section 7.3.5.6).

use crate::error::Structure;
use crate::macros::wire_struct;
use crate::port::PortNo;

wire_struct! {
    /// Which ports to report.
    #[doc(alias = "ofp_port_stats_request")]
    pub struct PortStatsRequest in Structure::request("ofp_port_stats_request") => {
        /// The port, or [`PortNo::ANY`].
        pub port_no: PortNo, pad 4;
    }
}

wire_struct! {
    /// The counters of a port; all ones where a switch does not count.
    #[doc(alias = "ofp_port_stats")]
    pub struct PortStats in Structure::request("ofp_port_stats") => {
        /// The port.
        pub port_no: PortNo, pad 4;
        /// The packets that came in.
        pub rx_packets: u64;
        /// The packets that went out.
        pub tx_packets: u64;
        /// The bytes that came in.
        pub rx_bytes: u64;
        /// The bytes that went out.
        pub tx_bytes: u64;
        /// The packets dropped on their way in.
        pub rx_dropped: u64;
        /// The packets dropped on their way out.
        pub tx_dropped: u64;
        /// The errors on the way in, of all kinds.
        pub rx_errors: u64;
        /// The errors on the way out.
        pub tx_errors: u64;
        /// The frames that were not aligned.
        pub rx_frame_err: u64;
        /// The packets that overran the receiver.
        pub rx_over_err: u64;
        /// The checksums that were wrong.
        pub rx_crc_err: u64;
        /// The collisions.
        pub collisions: u64;
        /// How long the port lives: the seconds.
        pub duration_sec: u32;
        /// And the nanoseconds beyond them.
        pub duration_nsec: u32;
    }
}
