//! The names that things go by: nodes, flows, requests and datapaths.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use schemars::{Schema, json_schema};
use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::ser::{Serialize, Serializer};

use super::pattern;
use super::text::{Reason, Text, schema_of_text, serde_as_text};

/// Longest `flow_id` and request `id`, in characters.
pub const MAX_ID_CHARACTERS: usize = 128;
/// Longest name of a node, in characters.
pub const MAX_NODE_NAME_CHARACTERS: usize = 64;

/// Declares a checked string that is cheap to clone.
macro_rules! checked_string {
    ($(#[doc = $about:literal])+ $name:ident, $allowed:literal, $is_lawful:expr, $schema:tt) => {
        $(#[doc = $about])+
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as it is written.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = Reason;

            fn from_str(text: &str) -> Result<Self, Reason> {
                let is_lawful: fn(&str) -> bool = $is_lawful;
                if is_lawful(text) { Ok(Self(text.into())) } else { Err(Reason::expected(Self::ALLOWED, text)) }
            }
        }

        impl Text for $name {
            const ALLOWED: &'static str = $allowed;

            fn schema() -> Schema {
                let mut schema = json_schema!($schema);
                schema.insert("description".to_owned(), concat!($($about),+).trim().into());
                schema
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.pad(&self.0)
            }
        }

        serde_as_text!($name);
    };
}

checked_string! {
    /// The name of a node: 1 to 64 of `[A-Za-z0-9._-]`.
    NodeName, "1 to 64 letters, digits, dots, underscores or hyphens",
    |text| (1..=MAX_NODE_NAME_CHARACTERS).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')),
    {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"}
}

checked_string! {
    /// The lasting key of a flow, chosen by the client or made by the daemon: 1 to 128 characters.
    FlowId, "a string of 1 to 128 characters", is_id,
    {"type": "string", "minLength": 1, "maxLength": MAX_ID_CHARACTERS}
}

checked_string! {
    /// The `id` of a request: 1 to 128 characters, unique among those in flight on its connection.
    RequestId, "a string of 1 to 128 characters", is_id,
    {"type": "string", "minLength": 1, "maxLength": MAX_ID_CHARACTERS}
}

/// A client that numbers its requests has ids that are always lawful.
impl From<u64> for RequestId {
    fn from(number: u64) -> Self {
        Self(number.to_string().into())
    }
}

/// Counts characters only where the number of bytes leaves it open.
fn is_id(text: &str) -> bool {
    !text.is_empty() && (text.len() <= MAX_ID_CHARACTERS || text.chars().count() <= MAX_ID_CHARACTERS)
}

/// RFC 8259, section 6: beyond it, programs that hold numbers as IEEE 754 doubles have rounded already.
const MAX_EXACT_NUMBER: u64 = (1 << 53) - 1;

/// The datapath id of a switch, written as 16 lowercase hex digits. It is the codec's with serde's traits, which the
/// codec does not know.
#[doc(alias = "datapath_id")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DatapathId(pub u64);

impl fmt::Display for DatapathId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        openflow::DatapathId(self.0).fmt(formatter)
    }
}

impl FromStr for DatapathId {
    type Err = Reason;

    fn from_str(text: &str) -> Result<Self, Reason> {
        let id: openflow::DatapathId = text.parse().map_err(|_| Reason::expected(Self::ALLOWED, text))?;
        Ok(Self(id.0))
    }
}

impl Text for DatapathId {
    const ALLOWED: &'static str =
        "16 hex digits (with a colon between pairs or without), \"0x\" and hex digits, or a decimal number";

    fn schema() -> Schema {
        let hex = "[0-9A-Fa-f]";
        // Sixteen decimal digits are hex.
        let decimal = format!("(?!.{{16}}$)0*{}", pattern::decimal(u64::MAX));
        let texts =
            [format!("{hex}{{16}}"), format!("({hex}{{2}}:){{7}}{hex}{{2}}"), format!("0[xX]0*{hex}{{1,16}}"), decimal];
        json_schema!({"description": "The datapath id of a switch.", "anyOf": [
            pattern::one_of("16 hex digits, with a colon between pairs or without; `0x` and hex digits; or decimal.", &texts),
            {"type": "integer", "minimum": 0, "maximum": MAX_EXACT_NUMBER},
        ]})
    }
}

schema_of_text!(DatapathId);

impl Serialize for DatapathId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DatapathId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct DatapathIdVisitor;

        impl Visitor<'_> for DatapathIdVisitor {
            type Value = DatapathId;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(DatapathId::ALLOWED)
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<DatapathId, E> {
                if number > MAX_EXACT_NUMBER {
                    return Err(E::custom(
                        "must be a string where it is above 9007199254740991: many programs round it",
                    ));
                }
                Ok(DatapathId(number))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<DatapathId, E> {
                text.parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_any(DatapathIdVisitor)
    }
}

/// A host and a port, the host a name, an IPv4 address or an IPv6 address in brackets.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HostPort {
    /// A name or an address, without brackets.
    pub host: String,
    /// 1 to 65535.
    pub port: u16,
}

impl HostPort {
    /// Parses `HOST:PORT`.
    fn parse(text: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        let host = match host.strip_prefix('[') {
            Some(rest) => rest.strip_suffix(']').filter(|inner| inner.parse::<std::net::Ipv6Addr>().is_ok())?,
            None => Some(host).filter(|name| is_host_name(name))?,
        };
        let port = Some(port).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?.parse().ok()?;
        (port != 0).then(|| Self { host: host.to_owned(), port })
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(formatter, "[{host}]:{port}") } else { write!(formatter, "{host}:{port}") }
    }
}

/// RFC 1123 section 2.1, and underscores, which container networks use. All digits and dots must be an IPv4 address.
fn is_host_name(name: &str) -> bool {
    let characters = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'));
    let looks_numeric = name.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    (1..=253).contains(&name.len())
        && characters
        && name.split('.').all(|label| (1..=63).contains(&label.len()) && !label.starts_with('-'))
        && (!looks_numeric || name.parse::<std::net::Ipv4Addr>().is_ok())
}

/// Where the daemon dials a switch: `tcp:HOST:PORT` or `tls:HOST:PORT`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SwitchAddress {
    /// Whether the connection is TLS.
    pub tls: bool,
    /// The switch's end.
    pub target: HostPort,
}

impl FromStr for SwitchAddress {
    type Err = Reason;

    fn from_str(text: &str) -> Result<Self, Reason> {
        let (tls, rest) = match text.split_once(':') {
            Some(("tcp", rest)) => (false, rest),
            Some(("tls", rest)) => (true, rest),
            _ => return Err(Reason::expected(Self::ALLOWED, text)),
        };
        let target = HostPort::parse(rest).ok_or_else(|| Reason::expected(Self::ALLOWED, text))?;
        Ok(Self { tls, target })
    }
}

impl fmt::Display for SwitchAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", if self.tls { "tls" } else { "tcp" }, self.target)
    }
}

impl Text for SwitchAddress {
    const ALLOWED: &'static str =
        "\"tcp:HOST:PORT\" or \"tls:HOST:PORT\" (IPv6 addresses in brackets, port 1 to 65535)";

    fn schema() -> Schema {
        let description = "`tcp:HOST:PORT` or `tls:HOST:PORT`; IPv6 addresses in brackets.";
        pattern::one_of(description, &[format!("(tcp|tls):{}", pattern::host_port())])
    }
}

serde_as_text!(SwitchAddress);

/// Where a switch's database listens.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum OvsdbAddress {
    /// `tcp:HOST:PORT`
    Tcp(HostPort),
    /// `ssl:HOST:PORT`
    Ssl(HostPort),
    /// `unix:PATH`
    Unix(String),
}

impl FromStr for OvsdbAddress {
    type Err = Reason;

    fn from_str(text: &str) -> Result<Self, Reason> {
        let parsed = match text.split_once(':') {
            Some(("tcp", rest)) => HostPort::parse(rest).map(Self::Tcp),
            Some(("ssl", rest)) => HostPort::parse(rest).map(Self::Ssl),
            Some(("unix", path)) if !path.is_empty() && !path.contains('\0') => Some(Self::Unix(path.to_owned())),
            _ => None,
        };
        parsed.ok_or_else(|| Reason::expected(Self::ALLOWED, text))
    }
}

impl fmt::Display for OvsdbAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(target) => write!(formatter, "tcp:{target}"),
            Self::Ssl(target) => write!(formatter, "ssl:{target}"),
            Self::Unix(path) => write!(formatter, "unix:{path}"),
        }
    }
}

impl Text for OvsdbAddress {
    const ALLOWED: &'static str =
        "\"tcp:HOST:PORT\", \"ssl:HOST:PORT\" (IPv6 addresses in brackets, port 1 to 65535) or \"unix:PATH\"";

    fn schema() -> Schema {
        let description = "`tcp:HOST:PORT`, `ssl:HOST:PORT` (IPv6 addresses in brackets) or `unix:PATH`.";
        pattern::one_of(description, &[format!("(tcp|ssl):{}", pattern::host_port()), r"unix:[^\u0000]+".to_owned()])
    }
}

serde_as_text!(OvsdbAddress);
