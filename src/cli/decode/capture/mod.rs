//! The OpenFlow connections of a packet capture.
//!
//! A [`file`](mod@file) gives packets, [`segment`] finds the TCP segments in them, and [`tcp`] puts the streams
//! together, out of which the cutter takes messages. Fragments of IP packets are not put together, and what is
//! encrypted cannot be read.

mod file;
mod segment;
mod streams;
mod tcp;

use std::io::Read;

use self::file::{Fault, Packet, Packets};
use self::segment::Segment;
use self::streams::{Direction, MOST, Streams};
use self::tcp::{Origin, Stream};
use super::Stop;
use super::listing::Listing;
use super::place::{Place, Trouble};

/// Lists the messages of every OpenFlow connection, each at the packet that made it whole.
pub(super) fn read(input: impl Read, listing: &mut Listing<'_>) -> Result<(), Stop> {
    let mut packets = match Packets::open(input) {
        Ok(packets) => packets,
        Err(Fault::Io(error)) => return Err(error.into()),
        Err(Fault::Broken(what)) => {
            listing.put(Place::Offset { offset: 0 }, Err(Trouble::Capture(what)))?;
            return Ok(());
        }
    };
    let mut capture = Capture { listing, streams: Streams::default(), packets: 0 };
    while !capture.listing.is_unread() {
        let offset = packets.offset();
        match packets.next() {
            Ok(Some(packet)) => capture.packet(&packet)?,
            Ok(None) => break,
            Err(Fault::Io(error)) => return Err(error.into()),
            Err(Fault::Broken(what)) => {
                capture.listing.put(Place::Offset { offset }, Err(Trouble::Capture(what)))?;
                break;
            }
        }
        if packets.is_drained() {
            capture.listing.pause()?;
        }
    }
    capture.finish()
}

/// What has been read of a capture.
struct Capture<'a, 'b> {
    listing: &'a mut Listing<'b>,
    streams: Streams,
    packets: u64,
}

impl Capture<'_, '_> {
    fn packet(&mut self, packet: &Packet<'_>) -> Result<(), Stop> {
        self.packets += 1;
        let Some(segment) = Segment::of(packet.link_type, packet.data) else { return Ok(()) };
        let direction = (segment.source, segment.destination);
        let origin = Origin { packet: self.packets, time: packet.time };
        if self.streams.is_full_for(direction) {
            if !self.streams.has_forgotten() {
                self.listing.note(format_args!(
                    "more than {MOST} directions of TCP connections at a time: those that are silent longest are given up"
                ));
            }
            self.give_up(Streams::forget_the_silent)?;
        }
        list(self.streams.put(direction, &segment, origin), direction, self.listing)
    }

    /// Lists what gaps have held back.
    fn finish(mut self) -> Result<(), Stop> {
        let directions = self.streams.seen();
        self.give_up(Streams::forget_all)?;
        if self.listing.is_empty() {
            let packets = self.packets;
            self.listing.note(format_args!(
                "no OpenFlow in {packets} packets and {directions} directions of TCP connections; what is encrypted \
                 cannot be read"
            ));
        }
        Ok(())
    }

    /// Lists what is left in streams that are forgotten.
    fn give_up(&mut self, forget: fn(&mut Streams) -> Vec<(Direction, Stream)>) -> Result<(), Stop> {
        for (direction, mut stream) in forget(&mut self.streams) {
            stream.finish();
            list(&mut stream, direction, self.listing)?;
        }
        Ok(())
    }
}

/// Lists the messages that have become whole.
fn list(stream: &mut Stream, (source, destination): Direction, listing: &mut Listing<'_>) -> Result<(), Stop> {
    while let Some((Origin { packet, time }, cut)) = stream.next() {
        listing.put(Place::Packet { packet, time, source, destination }, cut)?;
    }
    Ok(())
}
