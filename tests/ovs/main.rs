//! The daemon against switches and clients that nobody here wrote: Open vSwitch, Mininet, Python and Node. And, in
//! `emulator`, our own switch against Open vSwitch.
//!
//! Nearly every test starts its own Open vSwitch (dummy datapath, its own directories, no privileges) and its own daemon on
//! free ports, talks to the daemon over WebSocket, and reads the switch back with `ovs-ofctl`. What must be there is
//! worked out from the request by `expectation`, which shares no line with the product.
//!
//! A test whose programs are missing prints why and passes, so that `cargo test` works everywhere. With `CI` set and
//! root, where `make test` has installed everything, missing programs are a failure.
#![cfg(test)]

mod atomic;
mod bad_input;
mod bench;
mod conflicts;
mod crashes;
mod discovered_nodes;
mod drift;
mod emulator;
mod expectation;
mod foreign_clients;
mod full_table;
mod installs;
mod interruptions;
mod lifetimes;
mod meters;
mod packets;
mod pages;
mod pipeline;
mod qos_page;
mod queues;
mod readme;
mod reconnects;
mod reload;
mod removals;
mod shortages;
mod soak;
mod support;
mod table_miss;
mod tables;
mod tls;
mod tutorial;
mod wire_bytes;
