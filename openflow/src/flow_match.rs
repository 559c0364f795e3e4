//! [`Match`]: the fields that a packet is compared with (section 7.2.3).

use bytes::{BufMut, BytesMut};
use std::hash::{Hash, Hasher};

use crate::error::{DecodeError, Fault, Structure};
use crate::error_code::ErrorCode;
use crate::match_builder::MatchBuilder;
use crate::number::{EthType, IpProto};
use crate::oxm::{OxmField, VID_PRESENT};
use crate::wire::{Element, Parsed, Wire, element, measured_padded, refuse, whole};

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
        self.fields.len() == other.fields.len()
            && (self.fields == other.fields || self.sorted() == other.sorted())
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
                return Err(MatchError::Duplicate {
                    field: field.name(),
                });
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
            F::IpDscp(_) | F::IpEcn(_) | F::IpProto(_) => (
                eth_type(EthType::IPV4) || eth_type(EthType::IPV6),
                "eth_type 0x0800 or 0x86dd",
            ),
            F::Ipv4Src(_) | F::Ipv4Dst(_) => (eth_type(EthType::IPV4), "eth_type 0x0800"),
            F::Ipv6Src(_) | F::Ipv6Dst(_) | F::Ipv6Flabel(_) | F::Ipv6Exthdr(_) => {
                (eth_type(EthType::IPV6), "eth_type 0x86dd")
            }
            F::TcpSrc(_) | F::TcpDst(_) => (ip_proto(IpProto::TCP), "ip_proto 6"),
            F::UdpSrc(_) | F::UdpDst(_) => (ip_proto(IpProto::UDP), "ip_proto 17"),
            F::SctpSrc(_) | F::SctpDst(_) => (ip_proto(IpProto::SCTP), "ip_proto 132"),
            F::Icmpv4Type(_) | F::Icmpv4Code(_) => (ip_proto(IpProto::ICMP), "ip_proto 1"),
            F::Icmpv6Type(_) | F::Icmpv6Code(_) => (ip_proto(IpProto::ICMPV6), "ip_proto 58"),
            F::Ipv6NdTarget(_) => (
                matches!(self.icmpv6_type, Some(135 | 136)),
                "icmpv6_type 135 or 136",
            ),
            F::Ipv6NdSll(_) => (self.icmpv6_type == Some(135), "icmpv6_type 135"),
            F::Ipv6NdTll(_) => (self.icmpv6_type == Some(136), "icmpv6_type 136"),
            F::ArpOp(_) | F::ArpSpa(_) | F::ArpTpa(_) | F::ArpSha(_) | F::ArpTha(_) => {
                (eth_type(EthType::ARP), "eth_type 0x0806")
            }
            F::MplsLabel(_) | F::MplsTc(_) | F::MplsBos(_) => (
                eth_type(EthType::MPLS) || eth_type(EthType::MPLS_MULTICAST),
                "eth_type 0x8847 or 0x8848",
            ),
            F::PbbIsid(_) => (eth_type(EthType::PBB), "eth_type 0x88e7"),
            F::InPort(_)
            | F::Metadata(_)
            | F::EthDst(_)
            | F::EthSrc(_)
            | F::EthType(_)
            | F::VlanVid(_) => return Ok(()),
            F::TunnelId(_) | F::Raw(_) => return Ok(()),
        };
        if met {
            Ok(())
        } else {
            Err(MatchError::Prerequisite {
                field: field.name(),
                needs,
            })
        }
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
        measured_padded(out, 2, |out| {
            out.put_u32(u32::from(OXM_TYPE) << 16);
            self.append_oxm(out);
        });
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
