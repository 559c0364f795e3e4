//! The packets of a pcap or pcapng file, as a stream.
//!
//! Formats: draft-ietf-opsawg-pcap and draft-ietf-opsawg-pcapng. Blocks of pcapng that hold no packet are skipped.

use std::io::{self, BufRead, BufReader, Read};

use crate::cli::decode::CHUNK;
use crate::contract::Timestamp;

/// No packet is longer than the longest snapshot that capturing programs take; a block of pcapng holds one.
const LONGEST: u32 = 1 << 20;

/// The option of a pcapng interface that says in which units time is counted.
const IF_TSRESOL: u16 = 9;
/// The option of a pcapng interface that says from when time is counted, in seconds.
const IF_TSOFFSET: u16 = 14;

/// A packet, as far as it was captured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Packet<'a> {
    pub(super) link_type: u32,
    pub(super) time: Option<Timestamp>,
    pub(super) data: &'a [u8],
}

/// Why there is no next packet, though the file does not end here.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// It cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// What is there is no packet.
    #[error("{0}")]
    Broken(&'static str),
}

type Result<T> = std::result::Result<T, Fault>;

/// Reads packets from the front of a file.
#[derive(Debug)]
pub(super) struct Packets<R> {
    input: BufReader<R>,
    offset: u64,
    block: Vec<u8>,
    big_endian: bool,
    format: Format,
}

#[derive(Debug)]
enum Format {
    Pcap(Interface),
    Pcapng(Vec<Interface>),
}

/// Where packets were captured, and how their time is counted.
#[derive(Debug, Clone, Copy)]
struct Interface {
    link_type: u32,
    units_per_second: u64,
    offset_seconds: i64,
}

/// Where the packet of a pcapng block stands in it.
#[derive(Debug, Clone, Copy)]
struct InBlock {
    link_type: u32,
    time: Option<Timestamp>,
    at: usize,
    length: u32,
}

impl Interface {
    fn time(&self, units: u64) -> Option<Timestamp> {
        let micros = u128::from(units) * 1_000_000 / u128::from(self.units_per_second);
        let offset = self.offset_seconds.checked_mul(1_000_000)?;
        Timestamp::from_micros(i64::try_from(micros).ok()?.checked_add(offset)?)
    }
}

impl<R: Read> Packets<R> {
    /// Reads the header of the file.
    pub(super) fn open(input: R) -> Result<Self> {
        let mut packets = Self {
            input: BufReader::with_capacity(CHUNK, input),
            offset: 0,
            block: Vec::new(),
            big_endian: false,
            format: Format::Pcapng(Vec::new()),
        };
        let magic = packets.input.fill_buf()?.first_chunk().copied().unwrap_or_default();
        let units_per_second = match magic {
            [0xa1, 0xb2, 0xc3, 0xd4] | [0xd4, 0xc3, 0xb2, 0xa1] => 1_000_000,
            [0xa1, 0xb2, 0x3c, 0x4d] | [0x4d, 0x3c, 0xb2, 0xa1] => 1_000_000_000,
            [0x0a, 0x0d, 0x0d, 0x0a] => return Ok(packets),
            _ => return Err(Fault::Broken("neither pcap nor pcapng begins like this")),
        };
        packets.big_endian = magic[0] == 0xa1;
        packets.load(24)?;
        // The upper bits tell about checksums behind the packets.
        let link_type = packets.u32_at(20)? & 0x0fff_ffff;
        packets.format = Format::Pcap(Interface { link_type, units_per_second, offset_seconds: 0 });
        Ok(packets)
    }

    /// How many bytes of the file have been read.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Whether the next packet may be long in coming.
    pub(super) fn is_drained(&self) -> bool {
        self.input.buffer().is_empty()
    }

    /// The next packet; `None` at the end of the file.
    pub(super) fn next(&mut self) -> Result<Option<Packet<'_>>> {
        match self.format {
            Format::Pcap(interface) => self.record(interface),
            Format::Pcapng(_) => loop {
                if !self.more()? {
                    return Ok(None);
                }
                if let Some(InBlock { link_type, time, at, length }) = self.block()? {
                    return Ok(Some(Packet { link_type, time, data: self.data(at, length)? }));
                }
            },
        }
    }

    fn more(&mut self) -> Result<bool> {
        Ok(!self.input.fill_buf()?.is_empty())
    }

    /// A packet of a pcap file: seconds, fraction, length as captured, length as sent.
    fn record(&mut self, interface: Interface) -> Result<Option<Packet<'_>>> {
        if !self.more()? {
            return Ok(None);
        }
        self.load(16)?;
        let (seconds, fraction, length) = (self.u32_at(0)?, self.u32_at(4)?, self.u32_at(8)?);
        self.load(within_reason(length)?)?;
        let time = interface.time(u64::from(seconds) * interface.units_per_second + u64::from(fraction));
        Ok(Some(Packet { link_type: interface.link_type, time, data: &self.block }))
    }

    /// Reads a block of a pcapng file, which may hold a packet.
    fn block(&mut self) -> Result<Option<InBlock>> {
        self.load(8)?;
        let is_section = self.block.starts_with(b"\x0a\x0d\x0d\x0a");
        if is_section {
            // The order of bytes, which the length before it has, too.
            let order = self.input.fill_buf()?.first_chunk().copied();
            self.big_endian = match order {
                Some([0x1a, 0x2b, 0x3c, 0x4d]) => true,
                Some([0x4d, 0x3c, 0x2b, 0x1a]) => false,
                _ => return Err(Fault::Broken("a section of pcapng lacks its byte-order magic")),
            };
        }
        let (block_type, length) = (self.u32_at(0)?, self.u32_at(4)?);
        if length < 12 || length % 4 != 0 {
            return Err(Fault::Broken("the length of a pcapng block is wrong"));
        }
        self.load(within_reason(length - 8)?)?;
        match block_type {
            _ if is_section => {
                self.format = Format::Pcapng(Vec::new());
                Ok(None)
            }
            1 => {
                let interface = self.interface()?;
                if let Format::Pcapng(interfaces) = &mut self.format {
                    interfaces.push(interface);
                }
                Ok(None)
            }
            // The packet block of old, with an interface of 16 bits, and the enhanced packet block.
            2 => self.packet_at(u32::from(self.u16_at(0)?), 4).map(Some),
            6 => self.packet_at(self.u32_at(0)?, 4).map(Some),
            3 => {
                let (interface, sent) = (self.interface_at(0)?, self.u32_at(0)?);
                let there = self.block.len().saturating_sub(8) as u32;
                let length = sent.min(there);
                Ok(Some(InBlock { link_type: interface.link_type, time: None, at: 4, length }))
            }
            _ => Ok(None),
        }
    }

    /// The packet of a block: time in two halves, length as captured, length as sent, data.
    fn packet_at(&self, interface: u32, at: usize) -> Result<InBlock> {
        let interface = self.interface_at(interface)?;
        let units = u64::from(self.u32_at(at)?) << 32 | u64::from(self.u32_at(at + 4)?);
        let length = self.u32_at(at + 8)?;
        Ok(InBlock { link_type: interface.link_type, time: interface.time(units), at: at + 16, length })
    }

    fn interface_at(&self, number: u32) -> Result<Interface> {
        match &self.format {
            Format::Pcapng(interfaces) => interfaces.get(number as usize).copied(),
            Format::Pcap(interface) => Some(*interface),
        }
        .ok_or(Fault::Broken("a packet of an interface that the capture does not describe"))
    }

    /// The description of an interface: link type, snapshot length, options.
    fn interface(&self) -> Result<Interface> {
        let link_type = self.u16_at(0)?.into();
        let mut interface = Interface { link_type, units_per_second: 1_000_000, offset_seconds: 0 };
        let mut at = 8;
        while let (Ok(code), Ok(length)) = (self.u16_at(at), self.u16_at(at + 2)) {
            match (code, length) {
                (0, _) => break,
                (IF_TSRESOL, 1) => {
                    let exponent = self.data(at + 4, 1)?.first().copied().unwrap_or_default();
                    let base: u64 = if exponent & 0x80 == 0 { 10 } else { 2 };
                    interface.units_per_second = base
                        .checked_pow(u32::from(exponent & 0x7f))
                        .ok_or(Fault::Broken("an interface counts time in units that are too small"))?;
                }
                (IF_TSOFFSET, 8) => {
                    let halves = [self.u32_at(at + 4)?, self.u32_at(at + 8)?];
                    let [high, low] = if self.big_endian { halves } else { [halves[1], halves[0]] };
                    interface.offset_seconds = (u64::from(high) << 32 | u64::from(low)).cast_signed();
                }
                _ => {}
            }
            at += 4 + usize::from(length).next_multiple_of(4);
        }
        Ok(interface)
    }

    /// Reads so many bytes into the block.
    fn load(&mut self, length: u32) -> Result<()> {
        self.block.clear();
        let read = self.input.by_ref().take(length.into()).read_to_end(&mut self.block)?;
        if read < length as usize {
            return Err(Fault::Broken("the capture ends inside a packet"));
        }
        self.offset += u64::from(length);
        Ok(())
    }

    fn data(&self, at: usize, length: u32) -> Result<&[u8]> {
        let data = self.block.get(at..).and_then(|rest| rest.get(..length as usize));
        data.ok_or(Fault::Broken("a pcapng block is shorter than what it should hold"))
    }

    fn u32_at(&self, at: usize) -> Result<u32> {
        let bytes = self.data(at, 4)?.first_chunk().copied().unwrap_or_default();
        Ok(if self.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }

    fn u16_at(&self, at: usize) -> Result<u16> {
        let bytes = self.data(at, 2)?.first_chunk().copied().unwrap_or_default();
        Ok(if self.big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    }
}

fn within_reason(length: u32) -> Result<u32> {
    if length <= LONGEST { Ok(length) } else { Err(Fault::Broken("a packet longer than any capture holds")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fixed-width numbers in one order of bytes.
    struct Writer {
        big_endian: bool,
        bytes: Vec<u8>,
    }

    impl Writer {
        fn new(big_endian: bool) -> Self {
            Self { big_endian, bytes: Vec::new() }
        }

        fn u16(&mut self, number: u16) -> &mut Self {
            self.raw(&if self.big_endian { number.to_be_bytes() } else { number.to_le_bytes() })
        }

        fn u32(&mut self, number: u32) -> &mut Self {
            self.raw(&if self.big_endian { number.to_be_bytes() } else { number.to_le_bytes() })
        }

        fn raw(&mut self, bytes: &[u8]) -> &mut Self {
            self.bytes.extend_from_slice(bytes);
            self
        }

        fn block(&mut self, block_type: u32, body: &Self) -> &mut Self {
            let length = 12 + body.bytes.len() as u32;
            self.u32(block_type).u32(length).raw(&body.bytes).u32(length)
        }
    }

    /// Link type, time and data of a packet.
    type Seen = (u32, String, Vec<u8>);

    /// The packets, and the fault that ends the file.
    fn packets(file: &[u8]) -> (Vec<Seen>, Option<String>) {
        let mut found = Vec::new();
        let mut packets = match Packets::open(file) {
            Ok(packets) => packets,
            Err(fault) => return (found, Some(fault.to_string())),
        };
        loop {
            match packets.next() {
                Ok(Some(Packet { link_type, time, data })) => {
                    found.push((link_type, time.map_or(String::new(), |time| time.to_string()), data.to_vec()));
                }
                Ok(None) => return (found, None),
                Err(fault) => return (found, Some(fault.to_string())),
            }
        }
    }

    fn pcap(big_endian: bool, magic: u32, fraction: u32) -> Vec<u8> {
        let mut file = Writer::new(big_endian);
        file.u32(magic).u16(2).u16(4).u32(0).u32(0).u32(65535).u32(1);
        file.u32(1_700_000_000).u32(fraction).u32(3).u32(99).raw(b"abc");
        file.bytes
    }

    const TIME: &str = "2023-11-14T22:13:20.250000Z";

    #[test]
    fn pcap_is_read_in_both_orders_of_bytes_and_both_resolutions() {
        for big_endian in [false, true] {
            for (magic, fraction) in [(0xa1b2_c3d4, 250_000), (0xa1b2_3c4d, 250_000_999)] {
                let file = pcap(big_endian, magic, fraction);
                assert_eq!(packets(&file), (vec![(1, TIME.to_owned(), b"abc".to_vec())], None));
            }
        }
    }

    fn pcapng(big_endian: bool) -> Vec<u8> {
        let new = || Writer::new(big_endian);
        let mut section = new();
        section.u32(0x1a2b_3c4d).u16(1).u16(0).raw(&[0xff; 8]);
        let mut plain = new();
        plain.u16(1).u16(0).u32(0);
        let mut fine = new();
        // In units of 2^-2 seconds, counted from 100 seconds after the epoch; an unknown option before.
        fine.u16(101).u16(0).u32(0).u16(2).u16(3).raw(b"any\0").u16(9).u16(1).raw(&[0x82, 0, 0, 0]);
        fine.u16(14).u16(8);
        match big_endian {
            true => fine.u32(0).u32(100),
            false => fine.u32(100).u32(0),
        };
        fine.u16(0).u16(0);
        let mut enhanced = new();
        let micros: u64 = 1_700_000_000_250_000;
        enhanced.u32(0).u32((micros >> 32) as u32).u32(micros as u32).u32(3).u32(99).raw(b"abc\0");
        let mut of_fine = new();
        let quarters: u64 = (1_700_000_000 - 100) * 4 + 1;
        of_fine.u32(1).u32((quarters >> 32) as u32).u32(quarters as u32).u32(1).u32(1).raw(b"d\0\0\0");
        let mut simple = new();
        simple.u32(2).raw(b"ef\0\0");
        let mut old = new();
        old.u16(1).u16(0).u32(0).u32(4).u32(1).u32(1).raw(b"g\0\0\0");
        let mut file = new();
        file.block(0x0a0d_0d0a, &section).block(1, &plain).block(1, &fine).block(5, &new());
        file.block(6, &enhanced).block(6, &of_fine).block(3, &simple).block(2, &old);
        file.bytes
    }

    #[test]
    fn pcapng_is_read_with_its_interfaces_and_their_time() {
        for big_endian in [false, true] {
            let expected = vec![
                (1, TIME.to_owned(), b"abc".to_vec()),
                (101, TIME.to_owned(), b"d".to_vec()),
                (1, String::new(), b"ef".to_vec()),
                (101, "1970-01-01T00:01:41.000000Z".to_owned(), b"g".to_vec()),
            ];
            assert_eq!(packets(&pcapng(big_endian)), (expected, None));
        }
    }

    #[test]
    fn a_new_section_forgets_the_interfaces_of_the_one_before() {
        let file = [pcapng(false), pcapng(true)].concat();
        assert_eq!(packets(&file).0.len(), 8);
        let section = &pcapng(true)[..28];
        let mut packet = Writer::new(true);
        packet.u32(0).u32(0).u32(0).u32(0).u32(0);
        let mut stray = Writer::new(true);
        stray.block(6, &packet);
        let fault = packets(&[&pcapng(false), section, &stray.bytes].concat()).1.unwrap();
        assert_eq!(fault, "a packet of an interface that the capture does not describe");
    }

    #[test]
    fn a_file_that_is_cut_short_gives_its_packets_and_a_reason() {
        for (file, boundaries) in
            [(pcap(false, 0xa1b2_c3d4, 0), vec![24]), (pcapng(false), vec![28, 48, 100, 112, 148, 184, 204])]
        {
            for length in 0..file.len() {
                let (found, fault) = packets(&file[..length]);
                assert!(found.len() <= packets(&file).0.len());
                assert_eq!(fault.is_none(), boundaries.contains(&length), "{length} bytes: {fault:?}");
            }
        }
    }

    #[test]
    fn lengths_that_lie_are_faults() {
        let mut huge = pcap(true, 0xa1b2_c3d4, 0);
        huge[32..36].copy_from_slice(&[0xff; 4]);
        assert_eq!(packets(&huge).1.as_deref(), Some("a packet longer than any capture holds"));
        for length in [0, 8, 13] {
            let mut block = pcapng(true);
            block[32..36].copy_from_slice(&u32::to_be_bytes(length));
            assert_eq!(packets(&block).1.as_deref(), Some("the length of a pcapng block is wrong"));
        }
        let mut inner = pcapng(true);
        let at = 112 + 8 + 12;
        inner[at..at + 4].copy_from_slice(&[0, 0, 0, 99]);
        assert_eq!(packets(&inner).1.as_deref(), Some("a pcapng block is shorter than what it should hold"));
    }
}
