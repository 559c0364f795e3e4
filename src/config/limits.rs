//! What each client is allowed, as it is configured.

use std::time::Duration;

use crate::northbound::NorthboundConfig;

/// What each client is allowed.
#[derive(Debug, Clone)]
pub struct ClientLimits {
    /// The biggest message in JSON, in bytes.
    pub message_bytes: usize,
    /// The biggest message in MessagePack, in bytes.
    pub msgpack_message_bytes: usize,
    /// How much may wait for the client to read it, in bytes.
    pub outbound_bytes: usize,
    /// How deeply a message may be nested.
    pub json_depth: usize,
    /// How long it may take to connect, and to show its token.
    pub handshake_timeout: Duration,
    /// How often it is pinged.
    pub ping_interval: Duration,
    /// How long it may take to answer that.
    pub pong_timeout: Duration,
}

impl Default for ClientLimits {
    fn default() -> Self {
        let NorthboundConfig {
            message_bytes,
            msgpack_message_bytes,
            outbound_bytes,
            json_depth,
            handshake_timeout,
            ping_interval,
            pong_timeout,
            ..
        } = NorthboundConfig::default();
        Self {
            message_bytes,
            msgpack_message_bytes,
            outbound_bytes,
            json_depth,
            handshake_timeout,
            ping_interval,
            pong_timeout,
        }
    }
}

impl ClientLimits {
    /// The front end's configuration with these limits and its defaults.
    pub(crate) fn northbound(&self) -> NorthboundConfig {
        NorthboundConfig {
            message_bytes: self.message_bytes,
            msgpack_message_bytes: self.msgpack_message_bytes,
            outbound_bytes: self.outbound_bytes,
            json_depth: self.json_depth,
            handshake_timeout: self.handshake_timeout,
            ping_interval: self.ping_interval,
            pong_timeout: self.pong_timeout,
            ..NorthboundConfig::default()
        }
    }
}
