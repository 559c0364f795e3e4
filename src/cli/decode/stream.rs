//! Messages as their bytes, one after the other.

use std::io::{self, Read};

use super::cutter::Cutter;
use super::listing::Listing;
use super::place::Place;
use super::{CHUNK, Stop};

/// Lists every message.
pub(super) fn read(mut input: impl Read, listing: &mut Listing<'_>) -> Result<(), Stop> {
    let mut cutter = Cutter::default();
    let mut chunk = vec![0; CHUNK];
    while !listing.is_unread() {
        let length = match input.read(&mut chunk) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error.into()),
        };
        cutter.push(chunk.get(..length).unwrap_or_default());
        while let Some((offset, cut)) = cutter.next() {
            listing.put(Place::Offset { offset }, cut)?;
        }
        listing.pause()?;
    }
    if let Some((offset, cut)) = cutter.finish() {
        listing.put(Place::Offset { offset }, cut)?;
    }
    Ok(())
}
