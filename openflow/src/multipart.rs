//! The bodies of multipart messages, one file each (section 7.3.5).
//!
//! DESC, FLOW, TABLE and so on are the names of the specification; the reply of PORT_DESC is a list of
//! [`Port`](crate::Port)s, and a flow monitor is in `message/flow_monitor.rs`, beside its other messages.

mod aggregate;
mod desc;
mod flow;
mod group;
mod meter;
mod port_stats;
mod queue;
mod table;
mod table_features;

pub use self::aggregate::AggregateStats;
pub use self::desc::Desc;
pub use self::flow::{FlowStats, FlowStatsRequest};
pub use self::group::{BucketCounter, ByGroupType, GroupDesc, GroupFeatures, GroupStats, GroupStatsRequest};
pub use self::meter::{BandStats, MeterConfig, MeterFeatures, MeterRequest, MeterStats};
pub use self::port_stats::{PortStats, PortStatsRequest};
pub use self::queue::{QueueStats, QueueStatsRequest};
pub use self::table::TableStats;
pub use self::table_features::{ExperimenterProperty, TableFeatureProperty, TableFeatures, TypeId};
