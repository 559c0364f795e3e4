//! [`Match`]: the fields that a packet is compared with (section 7.2.3).

use bytes::{BufMut, BytesMut};
use std::hash::{Hash, Hasher};

use crate::error::{DecodeError, Fault, Structure};
use crate::error_code::ErrorCode;
use crate::match_builder::MatchBuilder;
use crate::number::{EthType, IpProto};
use crate::oxm::{OxmField, VID_PRESENT};
use crate::wire::{Element, Parsed, Wire, element, measured, measured_padded, refuse, whole};

/// The type of a match made of OXM fields.
#[doc(alias = "OFPMT_OXM")]
const OXM_TYPE: u16 = 1;

/// A lawful match: no field stands twice, no prerequisite is missing, no value is wider than its field or has a bit
/// outside its mask.
///
/// A match that an application builds has its fields in the order of their numbers. One that came from a peer keeps
/// the order in which they came, so that it is written back to the same bytes; equality and hash ignore the order.
///
/// ```
/// # use openflow::{EthType, IpProto, Match};
/// let voice = Match::builder()
///     .eth_type(EthType::IPV4)
///     .ip_proto(IpProto::UDP)
///     .ipv4_dst_masked([10, 0, 0, 0].into(), [255, 0, 0, 0].into())
///     .udp_dst(5060)
///     .build()?;
/// assert_eq!(voice.fields().len(), 4);
/// assert!(Match::builder().udp_dst(5060).build().is_err(), "nothing says that this is UDP");
/// # Ok::<(), openflow::MatchError>(())
/// ```
#[doc(alias = "ofp_match")]
#[derive(Debug, Clone, Default)]
pub struct Match {
    fields: Vec<OxmField>,
}

/// Why fields are not a match, or a field not a set-field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MatchError {
    /// The value has more bits than the field.
    #[error("{field} has {width} bits, the value has more")]
    TooWide {
        /// The field.
        field: &'static str,
        /// Its bits.
        width: u32,
    },
    /// The value has a bit where the mask has none.
    #[error("the value of {field} has bits outside its mask")]
    BitsOutsideMask {
        /// The field.
        field: &'static str,
    },
    /// The field stands twice.
    #[error("{field} stands twice")]
    Duplicate {
        /// The field.
        field: &'static str,
    },
    /// Another field must say first what kind of packet this is.
    #[error("{field} asks for {needs}")]
    Prerequisite {
        /// The field.
        field: &'static str,
        /// What it asks for.
        needs: &'static str,
    },
    /// A set-field can only write header fields, and all of the field.
    #[error("{field} cannot be set, or not under a mask")]
    NotSettable {
        /// The field.
        field: &'static str,
    },
}

impl MatchError {
    /// The code with which the specification answers this in a match.
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::TooWide { .. } => ErrorCode::BAD_MATCH_BAD_VALUE,
            Self::BitsOutsideMask { .. } => ErrorCode::BAD_MATCH_BAD_WILDCARDS,
            Self::Duplicate { .. } => ErrorCode::BAD_MATCH_DUP_FIELD,
            Self::Prerequisite { .. } => ErrorCode::BAD_MATCH_BAD_PREREQ,
            Self::NotSettable { .. } => ErrorCode::BAD_ACTION_BAD_SET_TYPE,
        }
    }
}

impl Match {
    /// The match of every packet.
    pub const fn any() -> Self {
        Self { fields: Vec::new() }
    }

    /// Starts a match.
    pub fn builder() -> MatchBuilder {
        MatchBuilder::default()
    }

    /// The fields: in the order of their numbers if built here, in the order of arrival if decoded.
    pub fn fields(&self) -> &[OxmField] {
        &self.fields
    }

    /// Whether the packets that match are of a kind that has this field: a switch refuses a set-field that asks for
    /// more than the match says.
    ///
    /// ```
    /// # use openflow::{EthType, Match, OxmField};
    /// let ipv4 = Match::builder().eth_type(EthType::IPV4).build()?;
    /// assert!(ipv4.admits(&OxmField::IpDscp(46)).is_ok());
    /// assert!(Match::any().admits(&OxmField::IpDscp(46)).is_err());
    /// # Ok::<(), openflow::MatchError>(())
    /// ```
    pub fn admits(&self, field: &OxmField) -> Result<(), MatchError> {
        let mut packet = Packet::default();
        self.fields.iter().for_each(|field| packet.note(field));
        packet.admits(field)
    }

    /// Reads a list of OXM fields that fills the whole of `oxm`: a match without its header and its padding.
    ///
    /// ```
    /// # use openflow::Match;
    /// let mut oxm = bytes::BytesMut::new();
    /// Match::builder().eth_type(openflow::EthType::IPV6).build()?.append_oxm(&mut oxm);
    /// assert_eq!(oxm[..], [0x80, 0x00, 0x0a, 0x02, 0x86, 0xdd]);
    /// assert_eq!(Match::from_oxm(&oxm)?.fields().len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_oxm(oxm: &[u8]) -> Result<Self, DecodeError> {
        match whole(oxm, Structure::MATCH, 0, decode_fields) {
            Ok(fields) => Ok(Self { fields }),
            Err(nom::Err::Error(error) | nom::Err::Failure(error)) => Err(error),
            Err(nom::Err::Incomplete(_)) => Err(DecodeError::new(Fault::Truncated, Structure::MATCH, 0)),
        }
    }

    /// Appends the OXM fields as [`Match::from_oxm`] reads them.
    pub fn append_oxm(&self, out: &mut BytesMut) {
        for field in &self.fields {
            field.encode(out);
        }
    }

    /// Appends the match without the padding that follows it.
    pub(crate) fn encode_unpadded(&self, out: &mut BytesMut) {
        measured(out, 2, |out| self.encode_fields(out));
    }

    #[inline]
    fn encode_fields(&self, out: &mut BytesMut) {
        out.put_u32(u32::from(OXM_TYPE) << 16);
        self.append_oxm(out);
    }

    /// Reads bare fields that fill the whole of `input`.
    pub(crate) fn decode_bare(input: &[u8]) -> Parsed<'_, Self> {
        decode_fields(input).map(|(rest, fields)| (rest, Self { fields }))
    }

    /// Checks fields and puts them into the order of their numbers.
    pub(crate) fn canonical(mut fields: Vec<OxmField>) -> Result<Self, MatchError> {
        fields.sort();
        check(&fields)?;
        Ok(Self { fields })
    }

    /// The fields in the order of their numbers.
    fn sorted(&self) -> Vec<&OxmField> {
        let mut fields: Vec<_> = self.fields.iter().collect();
        fields.sort();
        fields
    }
}

impl PartialEq for Match {
    fn eq(&self, other: &Self) -> bool {
        self.fields.len() == other.fields.len() && (self.fields == other.fields || self.sorted() == other.sorted())
    }
}

impl Eq for Match {}

impl Hash for Match {
    fn hash<H: Hasher>(&self, state: &mut H) {
        if self.fields.is_sorted() {
            self.fields.hash(state);
        } else {
            self.sorted().hash(state);
        }
    }
}

/// Checks that fields are lawful together; linear in their number.
fn check(fields: &[OxmField]) -> Result<(), MatchError> {
    let mut seen = 0_u64;
    let mut raw = Vec::new();
    let mut packet = Packet::default();
    for field in fields {
        field.check()?;
        packet.note(field);
        match (field, field.number()) {
            (_, Some(number)) if seen & 1 << number != 0 => {
                return Err(MatchError::Duplicate { field: field.name() });
            }
            (_, Some(number)) => seen |= 1 << number,
            (OxmField::Raw(other), None) => raw.push(other.key()),
            (_, None) => {}
        }
    }
    raw.sort_unstable();
    if !raw.is_sorted_by(|one, next| one < next) {
        return Err(MatchError::Duplicate { field: "oxm" });
    }
    fields.iter().try_for_each(|field| packet.admits(field))
}

/// What the fields of a match say about the packet, as far as other fields ask for it.
#[derive(Default)]
struct Packet {
    in_port: bool,
    vlan: bool,
    eth_type: Option<EthType>,
    ip_proto: Option<IpProto>,
    icmpv6_type: Option<u8>,
}

impl Packet {
    fn note(&mut self, field: &OxmField) {
        match field {
            OxmField::InPort(_) => self.in_port = true,
            OxmField::VlanVid(vid) => self.vlan = vid.value() & VID_PRESENT != 0,
            OxmField::EthType(eth_type) => self.eth_type = Some(*eth_type),
            OxmField::IpProto(ip_proto) => self.ip_proto = Some(*ip_proto),
            OxmField::Icmpv6Type(icmpv6_type) => self.icmpv6_type = Some(*icmpv6_type),
            _ => {}
        }
    }

    /// The column "prerequisite" of the table of fields in section 7.2.3.7.
    fn admits(&self, field: &OxmField) -> Result<(), MatchError> {
        use OxmField as F;
        let eth_type = |wanted: EthType| self.eth_type == Some(wanted);
        let ip_proto = |wanted: IpProto| self.ip_proto == Some(wanted);
        let (met, needs) = match field {
            F::InPhyPort(_) => (self.in_port, "in_port"),
            F::VlanPcp(_) => (self.vlan, "vlan_vid with a tag"),
            F::IpDscp(_) | F::IpEcn(_) | F::IpProto(_) => {
                (eth_type(EthType::IPV4) || eth_type(EthType::IPV6), "eth_type 0x0800 or 0x86dd")
            }
            F::Ipv4Src(_) | F::Ipv4Dst(_) => (eth_type(EthType::IPV4), "eth_type 0x0800"),
            F::Ipv6Src(_) | F::Ipv6Dst(_) | F::Ipv6Flabel(_) | F::Ipv6Exthdr(_) => {
                (eth_type(EthType::IPV6), "eth_type 0x86dd")
            }
            F::TcpSrc(_) | F::TcpDst(_) => (ip_proto(IpProto::TCP), "ip_proto 6"),
            F::UdpSrc(_) | F::UdpDst(_) => (ip_proto(IpProto::UDP), "ip_proto 17"),
            F::SctpSrc(_) | F::SctpDst(_) => (ip_proto(IpProto::SCTP), "ip_proto 132"),
            F::Icmpv4Type(_) | F::Icmpv4Code(_) => (ip_proto(IpProto::ICMP), "ip_proto 1"),
            F::Icmpv6Type(_) | F::Icmpv6Code(_) => (ip_proto(IpProto::ICMPV6), "ip_proto 58"),
            F::Ipv6NdTarget(_) => (matches!(self.icmpv6_type, Some(135 | 136)), "icmpv6_type 135 or 136"),
            F::Ipv6NdSll(_) => (self.icmpv6_type == Some(135), "icmpv6_type 135"),
            F::Ipv6NdTll(_) => (self.icmpv6_type == Some(136), "icmpv6_type 136"),
            F::ArpOp(_) | F::ArpSpa(_) | F::ArpTpa(_) | F::ArpSha(_) | F::ArpTha(_) => {
                // Open vSwitch takes them for RARP too, which has the same header, and reports such flows.
                (eth_type(EthType::ARP) || eth_type(EthType::RARP), "eth_type 0x0806")
            }
            F::MplsLabel(_) | F::MplsTc(_) | F::MplsBos(_) => {
                (eth_type(EthType::MPLS) || eth_type(EthType::MPLS_MULTICAST), "eth_type 0x8847 or 0x8848")
            }
            F::PbbIsid(_) => (eth_type(EthType::PBB), "eth_type 0x88e7"),
            F::InPort(_) | F::Metadata(_) | F::EthDst(_) | F::EthSrc(_) | F::EthType(_) | F::VlanVid(_) => {
                return Ok(());
            }
            F::TunnelId(_) | F::Raw(_) => return Ok(()),
        };
        if met { Ok(()) } else { Err(MatchError::Prerequisite { field: field.name(), needs }) }
    }
}

impl Wire for Match {
    #[inline]
    fn decode(input: &[u8]) -> Parsed<'_, Self> {
        let (rest, body) = element(input, Element::padded(Structure::MATCH, 4))?;
        let after = input.len() - body.len();
        let fields = whole(body, Structure::MATCH, after, |input| {
            let (input, match_type) = u16::decode(input)?;
            if match_type != OXM_TYPE {
                return refuse(input, ErrorCode::BAD_MATCH_BAD_TYPE);
            }
            let (input, _length) = u16::decode(input)?;
            decode_fields(input)
        })?;
        Ok((rest, Self { fields }))
    }

    #[inline]
    fn encode(&self, out: &mut BytesMut) {
        measured_padded(out, 2, |out| self.encode_fields(out));
    }
}

/// Reads the fields of a match to the end of `input` and checks them.
#[inline]
fn decode_fields(mut input: &[u8]) -> Parsed<'_, Vec<OxmField>> {
    let mut fields = Vec::with_capacity(input.len().div_ceil(8).min(8));
    while !input.is_empty() {
        let (rest, field) = OxmField::decode(input)?;
        fields.push(field);
        input = rest;
    }
    match check(&fields) {
        Ok(()) => Ok((input, fields)),
        Err(flaw) => refuse(input, flaw.code()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{DecodeError, Fault};
    use crate::number::MacAddr;
    use std::collections::HashSet;

    fn decode(bytes: &[u8]) -> Result<Match, ErrorCode> {
        Match::decode(bytes).map(|(_, decoded)| decoded).map_err(|error| match error {
            nom::Err::Error(error) | nom::Err::Failure(error) => error.code(),
            nom::Err::Incomplete(_) => panic!("a complete parser asked for more"),
        })
    }

    fn encode(flow_match: &Match) -> BytesMut {
        let mut out = BytesMut::new();
        flow_match.encode(&mut out);
        out
    }

    #[test]
    fn an_empty_match_is_eight_bytes() {
        assert_eq!(&encode(&Match::any())[..], [0, 1, 0, 4, 0, 0, 0, 0]);
        assert_eq!(decode(&[0, 1, 0, 4, 0, 0, 0, 0]), Ok(Match::any()));
    }

    #[test]
    fn a_built_match_stands_in_the_order_of_the_numbers() {
        let built = Match::builder().eth_type(EthType::IPV4).in_port(crate::PortNo(1)).build().unwrap();
        let bytes = [0, 1, 0, 18, 0x80, 0, 0, 4, 0, 0, 0, 1, 0x80, 0, 10, 2, 8, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(&encode(&built)[..], bytes);
    }

    #[test]
    fn the_order_of_arrival_is_kept_and_does_not_count() {
        let bytes = [0, 1, 0, 18, 0x80, 0, 10, 2, 8, 0, 0x80, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        let received = decode(&bytes).unwrap();
        assert_eq!(&encode(&received)[..], bytes);
        let built = Match::builder().in_port(crate::PortNo(1)).eth_type(EthType::IPV4).build().unwrap();
        assert_eq!(received, built);
        assert_eq!(HashSet::from([received.clone(), built]).len(), 1);
        let other_port = Match::builder().in_port(crate::PortNo(2)).eth_type(EthType::IPV4).build().unwrap();
        assert_ne!(received, other_port);
        assert_ne!(received, Match::any());
    }

    #[test]
    fn a_mask_of_all_ones_is_none_and_a_mask_of_zeros_matches_everything() {
        let ip = || Match::builder().eth_type(EthType::IPV4);
        let exact = ip().ipv4_src([10, 0, 0, 1].into()).build();
        assert_eq!(ip().ipv4_src_masked([10, 0, 0, 1].into(), [255; 4].into()).build(), exact);
        assert_eq!(ip().ipv4_src_masked([0; 4].into(), [0; 4].into()).build(), ip().build());
    }

    #[test]
    fn a_value_bit_outside_the_mask_is_refused() {
        let built = Match::builder().eth_dst_masked(MacAddr([1, 0, 0, 0, 0, 1]), MacAddr([1, 0, 0, 0, 0, 0])).build();
        assert_eq!(built, Err(MatchError::BitsOutsideMask { field: "eth_dst" }));
        let bytes = [0, 1, 0, 16, 0x80, 0, 7, 12, 1, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(decode(&[&[0, 1, 0, 20], &bytes[4..]].concat()), Err(ErrorCode::BAD_MATCH_BAD_WILDCARDS));
    }

    #[test]
    fn a_value_wider_than_its_field_is_refused() {
        let built = Match::builder().eth_type(EthType::IPV4).ip_dscp(64).build();
        assert_eq!(built, Err(MatchError::TooWide { field: "ip_dscp", width: 6 }));
        assert!(Match::builder().vlan_vid(4095).build().is_ok());
        assert!(Match::builder().vlan_vid(4096).build().is_err());
        let bytes = [0, 1, 0, 15, 0x80, 0, 10, 2, 8, 0, 0x80, 0, 16, 1, 64, 0];
        assert_eq!(decode(&bytes), Err(ErrorCode::BAD_MATCH_BAD_VALUE));
    }

    #[test]
    fn a_field_that_stands_twice_is_refused() {
        let built = Match::builder().eth_type(EthType::IPV4).eth_type(EthType::IPV4).build();
        assert_eq!(built, Err(MatchError::Duplicate { field: "eth_type" }));
        let bytes = [0, 1, 0, 16, 0x80, 0, 10, 2, 8, 0, 0x80, 0, 10, 2, 8, 0];
        assert_eq!(decode(&bytes), Err(ErrorCode::BAD_MATCH_DUP_FIELD));
        let unknown = [0, 1, 0, 14, 0, 1, 0, 1, 7, 0, 1, 0, 1, 7, 0, 0];
        assert_eq!(decode(&unknown), Err(ErrorCode::BAD_MATCH_DUP_FIELD));
    }

    #[test]
    fn a_field_without_its_prerequisite_is_refused() {
        let built = Match::builder().eth_type(EthType::IPV4).ip_proto(IpProto::TCP).udp_dst(1).build();
        assert_eq!(built, Err(MatchError::Prerequisite { field: "udp_dst", needs: "ip_proto 17" }));
        let bytes = [0, 1, 0, 9, 0x80, 0, 20, 1, 6, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(decode(&bytes), Err(ErrorCode::BAD_MATCH_BAD_PREREQ));
    }

    #[test]
    fn ports_under_a_mask_are_read_and_written() {
        let built =
            Match::builder().eth_type(EthType::IPV4).ip_proto(IpProto::TCP).tcp_dst_masked(0x50, 0xfff0).build();
        let built = built.unwrap();
        assert_eq!(decode(&encode(&built)), Ok(built));
    }

    #[test]
    fn fields_that_nobody_knows_survive_byte_for_byte() {
        let bytes = [0, 1, 0, 18, 0xff, 0xff, 0x54, 6, 0x4f, 0x4e, 0x46, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(&encode(&decode(&bytes).unwrap())[..], bytes);
    }

    #[test]
    fn a_match_of_another_type_is_refused() {
        assert_eq!(decode(&[0, 0, 0, 4, 0, 0, 0, 0]), Err(ErrorCode::BAD_MATCH_BAD_TYPE));
    }

    #[test]
    fn wrong_lengths_in_a_match_are_refused() {
        let too_short = [0, 1, 0, 3, 0, 0, 0, 0];
        let longer_than_the_parent = [0, 1, 0, 9, 0x80, 0, 10, 2];
        let field_past_the_end = [0, 1, 0, 10, 0x80, 0, 10, 3, 8, 0, 0, 0, 0, 0, 0, 0];
        let field_of_no_length = [0, 1, 0, 8, 0x80, 0, 10, 0];
        let mask_of_half_a_value = [0, 1, 0, 15, 0x80, 0, 23, 7, 1, 2, 3, 4, 255, 255, 255, 0];
        let torn_header = [0, 1, 0, 7, 0x80, 0, 10, 0];
        for bytes in [
            &too_short[..],
            &longer_than_the_parent,
            &field_past_the_end,
            &field_of_no_length,
            &mask_of_half_a_value,
            &torn_header,
        ] {
            assert_eq!(decode(bytes), Err(ErrorCode::BAD_MATCH_BAD_LEN), "{bytes:?}");
        }
    }

    #[test]
    fn an_error_in_a_match_names_the_field_structure() {
        let Err(nom::Err::Error(error)) = Match::decode(&[0, 1, 0, 8, 0x80, 0, 10, 0]) else { panic!() };
        assert_eq!(error, DecodeError::new(Fault::Length, Structure::OXM, 0));
    }
}
