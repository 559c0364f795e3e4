//! The laboratory: a private Open vSwitch, a daemon, a client, and what they need to be cleaned up after.

mod client;
mod daemon;
mod flow_line;
mod lab;
mod lawful;
mod ovs;
mod process;
mod requirements;
mod tap;
mod wait;

pub(crate) use client::Client;
pub(crate) use daemon::{Daemon, binary};
pub(crate) use flow_line::Rule;
pub(crate) use lab::Lab;
pub(crate) use ovs::Ovs;
pub(crate) use process::{Process, output, spawned};
pub(crate) use requirements::{have, have_root, project};
pub(crate) use tap::{Tap, bytes_of, messages};
pub(crate) use wait::{eventually, free_port, within};
