//! An OpenFlow 1.3 switch in memory: for the demonstration, for tests, and to load a controller with.
//!
//! [`Switch`] is the switch itself, without sockets and without a clock. [`EmulatedSwitch`] runs one on real
//! connections; [`connect`] and [`listen`] start it in either direction, and a [`Fleet`] is many of them. [`Link`] puts deliberate [`Fault`]s between a
//! switch and its controller.
//!
//! It promises the specification's behaviour of the control plane, with the errors that a switch answers, and tables
//! that end up as Open vSwitch's do after the same messages. It forwards no packets: counters move when a test says so.

mod bundle;
mod capabilities;
mod change;
mod channel;
mod check;
mod config;
mod counters;
mod datapath;
mod dispatch;
mod driver;
mod fleet;
mod flow_table;
mod group_table;
mod hash;
mod journal;
mod meter_table;
mod misbehaviour;
mod monitor;
mod notify;
mod pattern;
mod program;
mod role;
mod statistics;
mod switch;
#[cfg(test)]
mod tests;

pub use self::channel::ChannelId;
pub use self::config::{Backoff, Description, MissingPorts, SwitchConfig, WhenFull};
pub use self::driver::{EmulatedSwitch, connect, listen};
pub use self::fleet::{Fleet, FleetState};
pub use self::journal::JournalEntry;
pub use self::misbehaviour::{Fault, Link};
pub use self::switch::Switch;
