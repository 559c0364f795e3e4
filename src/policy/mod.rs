//! What a request means on a switch: classes of traffic, and the exact rules that a request becomes.
//!
//! Nothing here keeps state or talks to anybody: the same request and the same classes give the same rules.
//!
//! ```
//! use flumen::contract::InstallFlow;
//! use flumen::policy::{ClassTable, compile};
//!
//! let classes = ClassTable::built_in();
//! let request = InstallFlow::new("10.1.1.0/24".parse()?, "10.2.1.7".parse()?, "voice");
//! let rules = compile(&request, classes.get(&request.traffic_type)?)?;
//! assert_eq!(rules.len(), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod class;
mod compile;
mod conflict_index;
mod limit;
mod overlap;
mod pipeline;
mod port_range;
mod shape;

pub use self::class::{ClassTable, Template, TrafficClass, UnknownClass, dscp_by_name, dscp_name};
pub use self::compile::{CompileError, MAX_RULES, Rule, RuleId, compile, compile_in};
pub use self::conflict_index::{ConflictIndex, Handle};
pub use self::limit::{ClassLimit, Exceed, Limit, Meter, Scope, Substitute, Unmetered, band_names, delete_meter};
pub use self::overlap::{Conflict, Relation, conflict, relation};
pub use self::pipeline::{NoPipeline, Pipeline};
pub use self::port_range::{MaskedPort, masked_ports};
pub use self::shape::{Addresses, Shape, shapes};
