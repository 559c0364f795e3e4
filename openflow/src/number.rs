//! Ids and other numbers, each a type of its own with the values that the specification reserves.

use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;

use crate::macros::wire_struct;

/// The version byte of OpenFlow 1.3.
pub const OFP_VERSION: u8 = 0x04;

wire_struct! {
    /// A transaction id: a reply carries the one of its request (section 7.1).
    pub struct Xid(u32);
}

wire_struct! {
    /// The id of a datapath: the lower 48 bits are usually a MAC address (section 7.3.1).
    #[doc(alias = "datapath_id")]
    pub struct DatapathId(u64);
}

wire_struct! {
    /// The number of a flow table.
    #[doc(alias = "ofp_table")]
    pub struct TableId(u8);
}

wire_struct! {
    /// The number of a group.
    #[doc(alias = "ofp_group")]
    pub struct GroupId(u32);
}

wire_struct! {
    /// The number of a meter.
    #[doc(alias = "ofp_meter")]
    pub struct MeterId(u32);
}

wire_struct! {
    /// The number of a queue of a port.
    pub struct QueueId(u32);
}

wire_struct! {
    /// The number of a packet that waits in the switch.
    pub struct BufferId(u32);
}

wire_struct! {
    /// An Ethernet address.
    pub struct MacAddr([u8; 6]);
}

wire_struct! {
    /// The type of an Ethernet frame.
    pub struct EthType(u16);
}

wire_struct! {
    /// The protocol of an IP packet.
    pub struct IpProto(u8);
}

impl TableId {
    /// The last number that a table can have.
    #[doc(alias = "OFPTT_MAX")]
    pub const MAX: Self = Self(0xfe);
    /// All tables, in requests that delete or count.
    #[doc(alias = "OFPTT_ALL")]
    pub const ALL: Self = Self(0xff);
}

impl GroupId {
    /// The last number that a group can have.
    #[doc(alias = "OFPG_MAX")]
    pub const MAX: Self = Self(0xffff_ff00);
    /// All groups, in a group delete.
    #[doc(alias = "OFPG_ALL")]
    pub const ALL: Self = Self(0xffff_fffc);
    /// No restriction, in flow deletes and flow statistics requests.
    #[doc(alias = "OFPG_ANY")]
    pub const ANY: Self = Self(0xffff_ffff);
}

impl MeterId {
    /// The last number that a meter can have.
    #[doc(alias = "OFPM_MAX")]
    pub const MAX: Self = Self(0xffff_0000);
    /// The meter of the slow path.
    #[doc(alias = "OFPM_SLOWPATH")]
    pub const SLOWPATH: Self = Self(0xffff_fffd);
    /// The meter of the connection to the controller.
    #[doc(alias = "OFPM_CONTROLLER")]
    pub const CONTROLLER: Self = Self(0xffff_fffe);
    /// All meters, in a statistics request or a delete.
    #[doc(alias = "OFPM_ALL")]
    pub const ALL: Self = Self(0xffff_ffff);
}

impl QueueId {
    /// All queues of a port, in a statistics request.
    #[doc(alias = "OFPQ_ALL")]
    pub const ALL: Self = Self(0xffff_ffff);
}

impl BufferId {
    /// No packet waits: the message carries all of it.
    #[doc(alias = "OFP_NO_BUFFER")]
    pub const NO_BUFFER: Self = Self(0xffff_ffff);
}

impl EthType {
    /// IPv4.
    pub const IPV4: Self = Self(0x0800);
    /// ARP.
    pub const ARP: Self = Self(0x0806);
    /// Reverse ARP.
    pub const RARP: Self = Self(0x8035);
    /// A customer VLAN tag (802.1Q).
    pub const VLAN: Self = Self(0x8100);
    /// IPv6.
    pub const IPV6: Self = Self(0x86dd);
    /// MPLS unicast.
    pub const MPLS: Self = Self(0x8847);
    /// MPLS multicast.
    pub const MPLS_MULTICAST: Self = Self(0x8848);
    /// A service VLAN tag (802.1ad).
    pub const VLAN_SERVICE: Self = Self(0x88a8);
    /// A provider backbone instance tag (802.1ah).
    pub const PBB: Self = Self(0x88e7);
    /// Link layer discovery.
    pub const LLDP: Self = Self(0x88cc);
}

impl IpProto {
    /// ICMP for IPv4.
    pub const ICMP: Self = Self(1);
    /// TCP.
    pub const TCP: Self = Self(6);
    /// UDP.
    pub const UDP: Self = Self(17);
    /// ICMP for IPv6.
    pub const ICMPV6: Self = Self(58);
    /// SCTP.
    pub const SCTP: Self = Self(132);
}

impl fmt::Display for Xid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:x}", self.0)
    }
}

impl fmt::Display for DatapathId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Display for TableId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::ALL => f.write_str("ALL"),
            Self::ANY => f.write_str("ANY"),
            Self(number) => number.fmt(f),
        }
    }
}

impl fmt::Display for MeterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::SLOWPATH => f.write_str("slowpath"),
            Self::CONTROLLER => f.write_str("controller"),
            Self::ALL => f.write_str("all"),
            Self(number) => number.fmt(f),
        }
    }
}

impl fmt::Display for QueueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::ALL => f.write_str("ALL"),
            Self(number) => number.fmt(f),
        }
    }
}

impl fmt::Display for BufferId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:08x}", self.0)
    }
}

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Display for EthType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:04x}", self.0)
    }
}

impl fmt::Display for IpProto {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Text that is not the id it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseIdError {
    /// Not a datapath id.
    #[error(
        "a datapath id is 16 hexadecimal digits, 8 pairs of them with colons between, 0x and hexadecimal digits, or a decimal number"
    )]
    DatapathId,
    /// Not an Ethernet address.
    #[error("an Ethernet address is 6 pairs of hexadecimal digits with colons between")]
    MacAddr,
}

impl From<ParseIntError> for ParseIdError {
    fn from(_: ParseIntError) -> Self {
        Self::DatapathId
    }
}

/// Hexadecimal digits and nothing else: `from_str_radix` would accept a sign.
fn hex(digits: &str) -> Result<u64, ParseIdError> {
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err(ParseIdError::DatapathId);
    }
    Ok(u64::from_str_radix(digits, 16)?)
}

impl FromStr for DatapathId {
    type Err = ParseIdError;

    /// Sixteen hexadecimal digits, the same in pairs with `:` between, `0x…`, or a decimal number.
    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
            return hex(digits).map(Self);
        }
        if text.contains(':') {
            let pairs: Vec<&str> = text.split(':').collect();
            if pairs.len() != 8 || pairs.iter().any(|pair| pair.len() != 2) {
                return Err(ParseIdError::DatapathId);
            }
            return hex(&pairs.concat()).map(Self);
        }
        if text.len() == 16 {
            return hex(text).map(Self);
        }
        if !text.bytes().all(|digit| digit.is_ascii_digit()) {
            return Err(ParseIdError::DatapathId);
        }
        Ok(Self(text.parse()?))
    }
}

impl FromStr for MacAddr {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let mut octets = [0; 6];
        let mut pairs = text.split(':');
        for octet in &mut octets {
            let pair = pairs.next().filter(|pair| (1..=2).contains(&pair.len())).ok_or(ParseIdError::MacAddr)?;
            *octet = hex(pair).ok().and_then(|value| u8::try_from(value).ok()).ok_or(ParseIdError::MacAddr)?;
        }
        pairs.next().is_none().then_some(Self(octets)).ok_or(ParseIdError::MacAddr)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datapath_id_prints_as_sixteen_hexadecimal_digits() {
        assert_eq!(DatapathId(0x2a).to_string(), "000000000000002a");
    }

    #[test]
    fn a_datapath_id_is_read_in_each_of_its_four_spellings() {
        for text in ["000000000000002a", "00:00:00:00:00:00:00:2a", "0x2a", "42"] {
            assert_eq!(text.parse(), Ok(DatapathId(42)), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_datapath_id_is_refused() {
        for text in [
            "",
            "0x",
            "-1",
            "+1",
            "2a",
            "00:00",
            "0:0:0:0:0:0:0:2a",
            "0x12345678901234567",
            "18446744073709551616",
            "000000000000002g",
        ] {
            assert_eq!(text.parse::<DatapathId>(), Err(ParseIdError::DatapathId), "{text}");
        }
    }

    #[test]
    fn an_ethernet_address_prints_and_reads_back() {
        let address = MacAddr([0x02, 0, 0, 0, 0xab, 1]);
        assert_eq!(address.to_string(), "02:00:00:00:ab:01");
        assert_eq!("2:0:0:0:AB:01".parse(), Ok(address));
        for text in ["", "02:00:00:00:ab", "02:00:00:00:ab:01:02", "002:0:0:0:0:1", "g:0:0:0:0:1", "+1:0:0:0:0:1"] {
            assert_eq!(text.parse::<MacAddr>(), Err(ParseIdError::MacAddr), "{text}");
        }
    }
}
