//! Reads a match: `tcp,nw_src=10.0.0.0/24,tp_dst=80`.

use std::str::FromStr;

use super::parse::{FlowTextFault, ParseFlowError, Parsed, Span};
use crate::flow_match::Match;
use crate::number::{EthType, IpProto};
use crate::oxm::{Isid, Masked, OxmField, RawOxm, VID_PRESENT};

impl FromStr for Match {
    type Err = ParseFlowError;

    /// Reads the fields as `ovs-ofctl` writes them, or by the names of the specification; see ovs-fields(7).
    ///
    /// ```
    /// # use openflow::Match;
    /// let web: Match = "tcp,nw_src=10.0.0.0/24,tp_dst=80".parse()?;
    /// assert_eq!(web.to_string(), "tcp,nw_src=10.0.0.0/24,tp_dst=80");
    /// # Ok::<(), openflow::ParseFlowError>(())
    /// ```
    fn from_str(text: &str) -> Result<Self, ParseFlowError> {
        let whole = Span::new(text);
        let mut fields = MatchText::default();
        for piece in whole.pieces(|character| character == ',' || character.is_whitespace())? {
            if !fields.read(piece)? {
                return piece.fail(FlowTextFault::UnknownWord);
            }
        }
        fields.finish(whole)
    }
}

/// The words that say Ethernet type and protocol.
const KEYWORDS: &[(&str, EthType, Option<IpProto>)] = &[
    ("ip", EthType::IPV4, None),
    ("icmp", EthType::IPV4, Some(IpProto::ICMP)),
    ("tcp", EthType::IPV4, Some(IpProto::TCP)),
    ("udp", EthType::IPV4, Some(IpProto::UDP)),
    ("sctp", EthType::IPV4, Some(IpProto::SCTP)),
    ("ipv6", EthType::IPV6, None),
    ("icmp6", EthType::IPV6, Some(IpProto::ICMPV6)),
    ("tcp6", EthType::IPV6, Some(IpProto::TCP)),
    ("udp6", EthType::IPV6, Some(IpProto::UDP)),
    ("sctp6", EthType::IPV6, Some(IpProto::SCTP)),
    ("arp", EthType::ARP, None),
    ("rarp", EthType::RARP, None),
    ("mpls", EthType::MPLS, None),
    ("mplsm", EthType::MPLS_MULTICAST, None),
];

/// The fields that have been read.
#[derive(Default)]
pub(super) struct MatchText {
    fields: Vec<OxmField>,
    eth_type: Option<EthType>,
    ip_proto: Option<IpProto>,
    /// The sixteen bits of the VLAN tag, of which several words say parts.
    tci: u16,
    tci_mask: u16,
}

impl MatchText {
    /// Reads one word with its value; false if it is not a field.
    pub(super) fn read(&mut self, piece: Span<'_>) -> Parsed<bool> {
        let (word, value) = piece.word_and_argument()?;
        let Some(value) = value else { return Ok(self.keyword(word.text)) };
        match word.text {
            "dl_vlan" => match value.number::<u16>()? {
                0xffff => self.tag(piece, 0, 0xffff)?,
                vid @ 0..=0x0fff => self.tag(piece, VID_PRESENT | vid, 0x1fff)?,
                _ => return value.fail(FlowTextFault::BadValue),
            },
            "dl_vlan_pcp" | "vlan_pcp" => match value.number::<u16>()? {
                pcp @ 0..=7 => self.tag(piece, VID_PRESENT | pcp << 13, 0xe000 | VID_PRESENT)?,
                _ => return value.fail(FlowTextFault::BadValue),
            },
            "vlan_vid" => {
                let vid = value.masked(Span::number::<u16>)?;
                let mask = vid.mask().unwrap_or(0x1fff);
                if mask > 0x1fff {
                    return value.fail(FlowTextFault::BadValue);
                }
                self.tag(piece, vid.value(), mask)?;
            }
            "vlan_tci" => {
                let tci = value.masked(Span::number::<u16>)?;
                self.tag(piece, tci.value(), tci.mask().unwrap_or(0xffff))?;
            }
            name => match field(self.resolve(name, value)?, value)? {
                Some(field) => self.put(field),
                None => return Ok(false),
            },
        }
        Ok(true)
    }

    /// The match, if the fields are lawful together.
    pub(super) fn finish(mut self, whole: Span<'_>) -> Parsed<Match> {
        let vid_mask = self.tci_mask & 0x1fff;
        // "No tag" has no priority either.
        let tagged = self.tci_mask & VID_PRESENT == 0 || self.tci & VID_PRESENT != 0;
        match self.tci_mask >> 13 {
            7 if tagged => self.fields.push(OxmField::VlanPcp((self.tci >> 13) as u8)),
            0 | 7 => {}
            _ => return whole.fail(FlowTextFault::NoMask),
        }
        let vid = self.tci & vid_mask;
        match vid_mask {
            0 => {}
            0x1fff => self.fields.push(OxmField::VlanVid(Masked::exact(vid))),
            mask => self.fields.extend(Masked::new(vid, mask).map(OxmField::VlanVid)),
        }
        Match::canonical(self.fields).or_else(|flaw| whole.fail(FlowTextFault::Match(flaw)))
    }

    /// Takes what a word says of the tag; several may say the same of a bit.
    fn tag(&mut self, piece: Span<'_>, tci: u16, mask: u16) -> Parsed<()> {
        if (self.tci ^ tci) & self.tci_mask & mask != 0 {
            return piece.fail(FlowTextFault::OtherVlan);
        }
        self.tci |= tci;
        self.tci_mask |= mask;
        Ok(())
    }

    fn keyword(&mut self, word: &str) -> bool {
        let Some((_, eth_type, ip_proto)) = KEYWORDS.iter().find(|(keyword, ..)| *keyword == word) else {
            return false;
        };
        self.put(OxmField::EthType(*eth_type));
        if let Some(ip_proto) = ip_proto {
            self.put(OxmField::IpProto(*ip_proto));
        }
        true
    }

    fn put(&mut self, field: OxmField) {
        match &field {
            OxmField::EthType(eth_type) => self.eth_type = Some(*eth_type),
            OxmField::IpProto(ip_proto) => self.ip_proto = Some(*ip_proto),
            _ => {}
        }
        self.fields.push(field);
    }

    /// The name of the field that a word means beside the protocols named so far.
    fn resolve<'a>(&self, word: &'a str, value: Span<'_>) -> Parsed<&'a str> {
        let by_protocol = |names: [&'static str; 3]| match self.ip_proto {
            Some(IpProto::TCP) => Ok(names[0]),
            Some(IpProto::UDP) => Ok(names[1]),
            Some(IpProto::SCTP) => Ok(names[2]),
            _ => value.fail(FlowTextFault::NeedsProtocol),
        };
        match word {
            "tp_src" => by_protocol(["tcp_src", "udp_src", "sctp_src"]),
            "tp_dst" => by_protocol(["tcp_dst", "udp_dst", "sctp_dst"]),
            "icmp_type" if self.ip_proto == Some(IpProto::ICMPV6) => Ok("icmpv6_type"),
            "icmp_code" if self.ip_proto == Some(IpProto::ICMPV6) => Ok("icmpv6_code"),
            "nw_src" if self.eth_type == Some(EthType::ARP) => Ok("arp_spa"),
            "nw_dst" if self.eth_type == Some(EthType::ARP) => Ok("arp_tpa"),
            other => Ok(other),
        }
    }
}

/// Reads the value of a field by any of its names; `None` if no field has this name.
pub(super) fn field(name: &str, value: Span<'_>) -> Parsed<Option<OxmField>> {
    use OxmField as F;
    let s = value;
    Ok(Some(match name {
        "in_port" => F::InPort(s.port()?),
        "in_phy_port" => F::InPhyPort(s.port()?),
        "metadata" => F::Metadata(s.masked(Span::number)?),
        "dl_dst" | "eth_dst" => F::EthDst(s.masked(Span::value)?),
        "dl_src" | "eth_src" => F::EthSrc(s.masked(Span::value)?),
        "dl_type" | "eth_type" => F::EthType(s.number().map(EthType)?),
        "vlan_vid" => F::VlanVid(s.masked(Span::number)?),
        "vlan_pcp" => F::VlanPcp(s.number()?),
        "ip_dscp" => F::IpDscp(s.number()?),
        "nw_tos" | "ip_tos" => match s.number::<u8>()? {
            tos if tos & 3 == 0 => F::IpDscp(tos >> 2),
            _ => return s.fail(FlowTextFault::BadValue),
        },
        "nw_ecn" | "ip_ecn" => F::IpEcn(s.number()?),
        "nw_proto" | "ip_proto" => F::IpProto(s.number().map(IpProto)?),
        "nw_src" | "ip_src" | "ipv4_src" => F::Ipv4Src(s.ipv4()?),
        "nw_dst" | "ip_dst" | "ipv4_dst" => F::Ipv4Dst(s.ipv4()?),
        "tcp_src" => F::TcpSrc(s.masked(Span::number)?),
        "tcp_dst" => F::TcpDst(s.masked(Span::number)?),
        "udp_src" => F::UdpSrc(s.masked(Span::number)?),
        "udp_dst" => F::UdpDst(s.masked(Span::number)?),
        "sctp_src" => F::SctpSrc(s.masked(Span::number)?),
        "sctp_dst" => F::SctpDst(s.masked(Span::number)?),
        "icmp_type" | "icmpv4_type" => F::Icmpv4Type(s.number()?),
        "icmp_code" | "icmpv4_code" => F::Icmpv4Code(s.number()?),
        "arp_op" => F::ArpOp(s.number()?),
        "arp_spa" => F::ArpSpa(s.ipv4()?),
        "arp_tpa" => F::ArpTpa(s.ipv4()?),
        "arp_sha" => F::ArpSha(s.masked(Span::value)?),
        "arp_tha" => F::ArpTha(s.masked(Span::value)?),
        "ipv6_src" => F::Ipv6Src(s.ipv6()?),
        "ipv6_dst" => F::Ipv6Dst(s.ipv6()?),
        "ipv6_label" | "ipv6_flabel" => F::Ipv6Flabel(s.masked(Span::number)?),
        "icmpv6_type" => F::Icmpv6Type(s.number()?),
        "icmpv6_code" => F::Icmpv6Code(s.number()?),
        "nd_target" | "ipv6_nd_target" => F::Ipv6NdTarget(s.ipv6()?),
        "nd_sll" | "ipv6_nd_sll" => F::Ipv6NdSll(s.masked(Span::value)?),
        "nd_tll" | "ipv6_nd_tll" => F::Ipv6NdTll(s.masked(Span::value)?),
        "mpls_label" => F::MplsLabel(s.number()?),
        "mpls_tc" => F::MplsTc(s.number()?),
        "mpls_bos" => F::MplsBos(s.number()?),
        "pbb_isid" => F::PbbIsid(s.masked(isid)?),
        "tun_id" | "tunnel_id" => F::TunnelId(s.masked(Span::number)?),
        "ipv6_exthdr" => F::Ipv6Exthdr(s.masked(Span::number)?),
        "oxm" => F::Raw(raw(s)?),
        _ => return Ok(None),
    }))
}

fn isid(span: Span<'_>) -> Parsed<Isid> {
    Isid::try_from(span.number::<u32>()?).or_else(|_| span.fail(FlowTextFault::BadValue))
}

/// Reads `class,number,payload` or `class,number,masked,payload`: a field that is none of the forty.
fn raw(span: Span<'_>) -> Parsed<RawOxm> {
    let pieces = span.pieces(|character| character == ',')?;
    let (class, number, has_mask, body) = match pieces[..] {
        [class, number] => (class, number, false, Span::new("")),
        [class, number, masked] if masked.text == "masked" => (class, number, true, Span::new("")),
        [class, number, body] => (class, number, false, body),
        [class, number, masked, body] if masked.text == "masked" => (class, number, true, body),
        _ => return span.fail(FlowTextFault::BadValue),
    };
    let raw = RawOxm::new(class.number()?, number.number()?, has_mask, body.bytes()?);
    raw.map_or_else(|| span.fail(FlowTextFault::BadValue), Ok)
}
