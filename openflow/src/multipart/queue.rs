//! QUEUE: the counters of queues (section 7.3.5.8).

use crate::error::Structure;
use crate::macros::wire_struct;
use crate::number::QueueId;
use crate::port::PortNo;

wire_struct! {
    /// Which queues to report.
    #[doc(alias = "ofp_queue_stats_request")]
    pub struct QueueStatsRequest in Structure::request("ofp_queue_stats_request") => {
        /// The port, or [`PortNo::ANY`].
        pub port_no: PortNo;
        /// The queue, or [`QueueId::ALL`].
        pub queue_id: QueueId;
    }
}

wire_struct! {
    /// The counters of a queue.
    #[doc(alias = "ofp_queue_stats")]
    pub struct QueueStats in Structure::request("ofp_queue_stats") => {
        /// The port.
        pub port_no: PortNo;
        /// The queue.
        pub queue_id: QueueId;
        /// The bytes that went out.
        pub tx_bytes: u64;
        /// The packets that went out.
        pub tx_packets: u64;
        /// The packets dropped because the queue was full.
        pub tx_errors: u64;
        /// How long the queue lives: the seconds.
        pub duration_sec: u32;
        /// And the nanoseconds beyond them.
        pub duration_nsec: u32;
    }
}
