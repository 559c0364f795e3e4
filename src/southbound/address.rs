//! Where a switch listens.

use std::fmt;

/// An endpoint by name or address, and how to speak to it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SwitchAddress {
    /// Whether OpenFlow goes over TLS.
    pub tls: bool,
    /// A name, an IPv4 address, or an IPv6 address without brackets.
    pub host: String,
    /// The TCP port.
    pub port: u16,
}

/// `tcp:HOST:PORT` or `tls:HOST:PORT`, an IPv6 address in brackets.
impl fmt::Display for SwitchAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tls, host, port } = self;
        let scheme = if *tls { "tls" } else { "tcp" };
        if host.contains(':') { write!(f, "{scheme}:[{host}]:{port}") } else { write!(f, "{scheme}:{host}:{port}") }
    }
}
