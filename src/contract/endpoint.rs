//! What a flow runs between: addresses and transport ports.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use schemars::{Schema, json_schema};
use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};
use serde::ser::{Serialize, Serializer};

use super::pattern;
use super::text::{Reason, Text, schema_of_text, serde_as_text};

/// One end of a flow: an address, a prefix without host bits, or anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// `"any"`: every address of the other end's family; of both families when both ends are `any`.
    Any,
    /// IPv4.
    V4(Ipv4Net),
    /// IPv6.
    V6(Ipv6Net),
}

impl FromStr for Endpoint {
    type Err = Reason;

    fn from_str(text: &str) -> Result<Self, Reason> {
        if text == "any" {
            return Ok(Self::Any);
        }
        let wrong = || Reason::expected(Self::ALLOWED, text);
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let length = match length {
            None => width,
            Some(digits) if !digits.is_empty() && digits.len() <= 3 && digits.bytes().all(|b| b.is_ascii_digit()) => {
                digits.parse().map_err(|_| wrong())?
            }
            Some(_) => return Err(wrong()),
        };
        let net = IpNet::new(address, length).map_err(|_| {
            Reason::new(format!("has a prefix length of {length}, and {address} has only {width} bits"))
        })?;
        let right = net.trunc();
        if net != right {
            return Err(Reason::new(format!("has host bits set beyond /{length} in {text}: the prefix is {right}")));
        }
        Ok(match net {
            IpNet::V4(net) => Self::V4(net),
            IpNet::V6(net) => Self::V6(net),
        })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => formatter.write_str("any"),
            Self::V4(net) if net.prefix_len() == 32 => net.addr().fmt(formatter),
            Self::V4(net) => net.fmt(formatter),
            Self::V6(net) if net.prefix_len() == 128 => net.addr().fmt(formatter),
            Self::V6(net) => net.fmt(formatter),
        }
    }
}

impl Text for Endpoint {
    const ALLOWED: &'static str = "an IPv4 or IPv6 address or prefix, or \"any\"";

    fn schema() -> Schema {
        let prefix = |address: String, length| format!("{address}(/(?=.{{1,3}}$)0*{})?", pattern::decimal(length));
        let forms = ["any".to_owned(), prefix(pattern::ipv4(), 32), prefix(pattern::ipv6(), 128)];
        pattern::one_of("An IPv4 or IPv6 address, a prefix without host bits, or `any`.", &forms)
    }
}

serde_as_text!(Endpoint);

/// A transport port, or all from the first to the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PortRange {
    /// The lowest port.
    pub first: u16,
    /// The highest port, not below the first.
    pub last: u16,
}

impl PortRange {
    /// One port.
    pub const fn single(port: u16) -> Self {
        Self { first: port, last: port }
    }
}

impl FromStr for PortRange {
    type Err = Reason;

    fn from_str(text: &str) -> Result<Self, Reason> {
        let port = |digits: &str| {
            let lawful = (1..=5).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
            lawful.then(|| digits.parse::<u16>().ok()).flatten().ok_or_else(|| Reason::expected(Self::ALLOWED, text))
        };
        let (first, last) = match text.split_once('-') {
            Some((first, last)) => (port(first)?, port(last)?),
            None => (port(text)?, port(text)?),
        };
        if first > last {
            return Err(Reason::new(format!("has its first port above its last: write \"{last}-{first}\"")));
        }
        Ok(Self { first, last })
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { first, last } = self;
        if first == last { write!(formatter, "{first}") } else { write!(formatter, "{first}-{last}") }
    }
}

impl Text for PortRange {
    const ALLOWED: &'static str = "a port from 0 to 65535, or a range such as \"5060-5070\"";

    fn schema() -> Schema {
        let port = |end| format!("(?=[0-9]{{1,5}}{end})0*{}", pattern::decimal(65_535));
        let texts = [port("$"), format!("{}-{}", port("-"), port("$"))];
        json_schema!({"description": "A transport port, or all from the first to the last.", "anyOf": [
            {"type": "integer", "minimum": 0, "maximum": 65_535},
            pattern::one_of("A port, or a range such as `5060-5070`.", &texts),
        ]})
    }
}

schema_of_text!(PortRange);

impl Serialize for PortRange {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.first == self.last { serializer.serialize_u16(self.first) } else { serializer.collect_str(self) }
    }
}

impl<'de> Deserialize<'de> for PortRange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PortRangeVisitor;

        impl Visitor<'_> for PortRangeVisitor {
            type Value = PortRange;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(PortRange::ALLOWED)
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<PortRange, E> {
                let port = u16::try_from(number).map_err(|_| E::invalid_value(Unexpected::Unsigned(number), &self))?;
                Ok(PortRange::single(port))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<PortRange, E> {
                text.parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_any(PortRangeVisitor)
    }
}
