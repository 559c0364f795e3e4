//! Messages as hexadecimal digits, one a line.

use std::io::{BufRead, BufReader, Read};

use openflow::parse_hex;

use super::cutter::Cutter;
use super::listing::Listing;
use super::place::{Place, Trouble};
use super::{CHUNK, Stop};

/// Lists the message of every line, or the messages, if it holds more than one; empty lines and those that begin with
/// `#` are skipped.
pub(super) fn read(input: impl Read, listing: &mut Listing<'_>) -> Result<(), Stop> {
    let mut input = BufReader::with_capacity(CHUNK, input);
    let mut bytes = Vec::new();
    for line in 1.. {
        bytes.clear();
        if input.read_until(b'\n', &mut bytes)? == 0 || listing.is_unread() {
            break;
        }
        let text = String::from_utf8_lossy(&bytes);
        if text.trim().is_empty() || text.starts_with('#') {
            continue;
        }
        match parse_hex(&text) {
            Ok(bytes) => put_all(&bytes, line, listing)?,
            Err(error) => listing.put(Place::Line { line }, Err(Trouble::Hex(error)))?,
        }
        if input.buffer().is_empty() {
            listing.pause()?;
        }
    }
    Ok(())
}

fn put_all(bytes: &[u8], line: u64, listing: &mut Listing<'_>) -> Result<(), Stop> {
    let mut cutter = Cutter::default();
    cutter.push(bytes);
    while let Some((_, cut)) = cutter.next().or_else(|| cutter.finish()) {
        listing.put(Place::Line { line }, cut)?;
    }
    Ok(())
}
