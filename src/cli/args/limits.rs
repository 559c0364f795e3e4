//! What `flumen serve` allows each client, as typed.

use clap::value_parser;

/// The bounds of one connection.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Limits")]
pub(crate) struct Limits {
    /// The biggest message of a client in JSON, in bytes
    #[arg(long, value_name = "BYTES", default_value = "1048576", value_parser = value_parser!(u32).range(1_024..=1_073_741_824))]
    pub(crate) message_bytes: u32,
    /// The biggest message of a client in MessagePack, in bytes
    #[arg(long, value_name = "BYTES", default_value = "16777216", value_parser = value_parser!(u32).range(1_024..=1_073_741_824))]
    pub(crate) msgpack_message_bytes: u32,
    /// How much may wait for a client to read it, in bytes
    #[arg(long, value_name = "BYTES", default_value = "33554432", value_parser = value_parser!(u32).range(65_536..=1_073_741_824))]
    pub(crate) outbound_bytes: u32,
    /// How deeply a message may be nested
    #[arg(long, value_name = "LEVELS", default_value = "16", value_parser = value_parser!(u32).range(5..=64))]
    pub(crate) json_depth: u32,
    /// How long a client may take to connect, and to show its token, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = value_parser!(u32).range(1..=3_600))]
    pub(crate) handshake_timeout: u32,
    /// How often a client is pinged, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = value_parser!(u32).range(1..=3_600))]
    pub(crate) ping_interval: u32,
    /// How long a client may take to answer a ping, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = value_parser!(u32).range(1..=3_600))]
    pub(crate) pong_timeout: u32,
}
