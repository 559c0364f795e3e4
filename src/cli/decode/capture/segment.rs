//! The TCP segment in a packet.

use std::net::SocketAddr;

use etherparse::{EtherType, LaxNetSlice, LaxSlicedPacket, TransportSlice};

/// The link-layer types that are understood, by their numbers in the registry of tcpdump.
mod link_type {
    pub(super) const NULL: u32 = 0;
    pub(super) const ETHERNET: u32 = 1;
    pub(super) const RAW_BSD: u32 = 12;
    pub(super) const RAW_OPENBSD: u32 = 14;
    pub(super) const RAW: u32 = 101;
    pub(super) const LOOP: u32 = 108;
    pub(super) const LINUX_SLL: u32 = 113;
    pub(super) const IPV4: u32 = 228;
    pub(super) const IPV6: u32 = 229;
    pub(super) const LINUX_SLL2: u32 = 276;
}

/// A TCP segment, as far as it was captured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Segment<'a> {
    pub(super) source: SocketAddr,
    pub(super) destination: SocketAddr,
    /// The number of the first byte, or of the SYN.
    pub(super) sequence: u32,
    pub(super) syn: bool,
    /// After this comes nothing more: FIN or RST.
    pub(super) last: bool,
    pub(super) payload: &'a [u8],
}

impl<'a> Segment<'a> {
    /// The segment in a packet of a link-layer type; `None` if it is something else.
    pub(super) fn of(link_type: u32, packet: &'a [u8]) -> Option<Self> {
        let sliced = match link_type {
            link_type::ETHERNET => LaxSlicedPacket::from_ethernet(packet).ok()?,
            // "Cooked" captures of any interface: the Ethernet type stands at 14 of 16 bytes, or at 0 of 20.
            link_type::LINUX_SLL => by_ether_type(packet, 14, 16)?,
            link_type::LINUX_SLL2 => by_ether_type(packet, 0, 20)?,
            link_type::NULL | link_type::LOOP => LaxSlicedPacket::from_ip(packet.get(4..)?).ok()?,
            link_type::RAW | link_type::RAW_BSD | link_type::RAW_OPENBSD | link_type::IPV4 | link_type::IPV6 => {
                LaxSlicedPacket::from_ip(packet).ok()?
            }
            _ => return None,
        };
        let (source, destination) = match sliced.net? {
            LaxNetSlice::Ipv4(ip) => (ip.header().source_addr().into(), ip.header().destination_addr().into()),
            LaxNetSlice::Ipv6(ip) => (ip.header().source_addr().into(), ip.header().destination_addr().into()),
            LaxNetSlice::Arp(_) => return None,
        };
        let Some(TransportSlice::Tcp(tcp)) = sliced.transport else { return None };
        Some(Self {
            source: SocketAddr::new(source, tcp.source_port()),
            destination: SocketAddr::new(destination, tcp.destination_port()),
            sequence: tcp.sequence_number(),
            syn: tcp.syn(),
            last: tcp.fin() || tcp.rst(),
            payload: tcp.payload(),
        })
    }
}

fn by_ether_type(packet: &[u8], ether_type_at: usize, payload_at: usize) -> Option<LaxSlicedPacket<'_>> {
    let ether_type = packet.get(ether_type_at..)?.first_chunk()?;
    Some(LaxSlicedPacket::from_ether_type(EtherType(u16::from_be_bytes(*ether_type)), packet.get(payload_at..)?))
}

#[cfg(test)]
mod tests {
    use etherparse::PacketBuilder;

    use super::*;

    const PAYLOAD: &[u8] = b"\x04\x02\x00\x08\x00\x00\x00\x01";

    /// An IP packet with a segment.
    fn ip(version: u8) -> Vec<u8> {
        let mut packet = Vec::new();
        let builder = match version {
            4 => PacketBuilder::ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64),
            _ => PacketBuilder::ipv6([1; 16], [2; 16], 64),
        };
        builder.tcp(6653, 40000, 7, 1024).syn().write(&mut packet, PAYLOAD).unwrap();
        packet
    }

    #[test]
    fn a_segment_is_found_under_every_link_layer() {
        for version in [4, 6] {
            let ether_type: &[u8] = if version == 4 { &[0x08, 0x00] } else { &[0x86, 0xdd] };
            for (link_type, header) in [
                (1, [&[0; 12][..], ether_type].concat()),
                (1, [&[0; 12][..], &[0x81, 0x00, 0, 5], ether_type].concat()),
                (113, [&[0; 14][..], ether_type].concat()),
                (276, [ether_type, &[0; 18]].concat()),
                (0, vec![0; 4]),
                (101, vec![]),
            ] {
                let packet = [header, ip(version)].concat();
                let segment = Segment::of(link_type, &packet).unwrap_or_else(|| panic!("{link_type} {version}"));
                assert_eq!((segment.source.port(), segment.destination.port()), (6653, 40000));
                assert_eq!(segment.source.is_ipv4(), version == 4);
                assert_eq!((segment.sequence, segment.syn, segment.last), (7, true, false));
                assert_eq!(segment.payload, PAYLOAD, "{link_type}");
            }
        }
    }

    #[test]
    fn padding_of_short_ethernet_frames_is_no_payload() {
        let packet = [&[0; 12][..], &[0x08, 0x00], &ip(4), &[0; 6]].concat();
        assert_eq!(Segment::of(1, &packet).map(|segment| segment.payload), Some(PAYLOAD));
    }

    #[test]
    fn of_a_packet_that_was_cut_short_the_rest_is_taken() {
        let packet = ip(4);
        assert_eq!(Segment::of(101, &packet[..packet.len() - 3]).map(|segment| segment.payload), Some(&PAYLOAD[..5]));
    }

    #[test]
    fn what_is_no_segment_is_passed_over() {
        let mut udp = Vec::new();
        PacketBuilder::ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64).udp(1, 2).write(&mut udp, PAYLOAD).unwrap();
        assert_eq!(Segment::of(101, &udp), None);
        assert_eq!(Segment::of(9, &ip(4)), None, "another link layer");
        for length in 0..40 {
            assert_eq!(Segment::of(101, &ip(4)[..length]), None, "{length} bytes");
            assert_eq!(Segment::of(276, &ip(4)[..length]), None, "{length} bytes");
        }
    }
}
