//! What a request means on a switch: classes of traffic, and the exact rules that a request becomes.
//!
//! Nothing here keeps state or talks to anybody: the same request and the same classes give the same rules.

mod class;
mod port_range;

pub use self::class::{ClassTable, TrafficClass, UnknownClass, dscp_name};
pub use self::port_range::{PortBlock, blocks};
