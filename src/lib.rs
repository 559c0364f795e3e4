//! Flumen programs quality-of-service flows into OpenFlow 1.3 switches and answers with the switch's own verdict.
//!
//! Clients speak JSON over WebSocket ([`northbound`]); switches speak OpenFlow 1.3 over TCP ([`southbound`]).
//! Between the two, the [`programmer`] turns a request into flow rules and reports `applied` only when the
//! switch's barrier reply came after them, on the same connection, without an error.
//!
//! Imports point left only:
//!
//! ```text
//! openflow <- session <- southbound <- programmer <- northbound <- daemon <- cli <- main
//!                  store, policy, ovsdb <- programmer only
//! contract <- programmer, northbound, client        tokens <- northbound, cli        openflow <- emulator        client, emulator <- cli
//! ```

mod backoff;
pub mod backup;
pub mod cli;
pub mod client;
pub mod config;
pub mod contract;
mod counted;
pub mod crash;
pub mod daemon;
pub mod emulator;
pub mod northbound;
pub mod ovsdb;
pub mod policy;
pub mod programmer;
pub mod service;
pub mod session;
pub mod shutdown;
pub mod southbound;
pub mod store;
pub mod tokens;
