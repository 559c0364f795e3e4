//! The bodies of multipart messages, one file each (section 7.3.5).

mod aggregate;
mod desc;
mod flow;

pub use self::aggregate::AggregateStats;
pub use self::desc::Desc;
pub use self::flow::{FlowStats, FlowStatsRequest};
