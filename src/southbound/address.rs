//! Where a switch listens.

use std::fmt;

/// A TCP endpoint by name or address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SwitchAddress {
    /// A name, an IPv4 address, or an IPv6 address without brackets.
    pub host: String,
    /// The TCP port.
    pub port: u16,
}

/// As Open vSwitch writes it: `tcp:HOST:PORT`, an IPv6 address in brackets.
impl fmt::Display for SwitchAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "tcp:[{}]:{}", self.host, self.port)
        } else {
            write!(f, "tcp:{}:{}", self.host, self.port)
        }
    }
}
