//! Messages as hexadecimal digits, one a line.

use std::borrow::Cow;
use std::io::{BufRead, BufReader, Read};

use openflow::parse_hex;

use super::cutter::Cutter;
use super::listing::Listing;
use super::place::{Place, Trouble};
use super::{CHUNK, Stop};

/// Bytes of one line, its end included: eight of the longest messages there are. A longer line is passed over.
pub(super) const LONGEST: usize = 1 << 20;

/// Lists the message of every line, or the messages, if it holds more than one; empty lines and those that begin with
/// `#` are skipped. A line may begin with `0x`.
pub(super) fn read(input: impl Read, listing: &mut Listing<'_>) -> Result<(), Stop> {
    let mut input = BufReader::with_capacity(CHUNK, input);
    let mut bytes = Vec::new();
    for line in 1.. {
        bytes.clear();
        if input.by_ref().take(LONGEST as u64).read_until(b'\n', &mut bytes)? == 0 || listing.is_unread() {
            break;
        }
        if bytes.len() == LONGEST && bytes.last() != Some(&b'\n') {
            input.skip_until(b'\n')?;
            if !bytes.starts_with(b"#") {
                listing.put(Place::Line { line }, Err(Trouble::LongLine))?;
            }
            continue;
        }
        let text = String::from_utf8_lossy(&bytes);
        if text.trim().is_empty() || text.starts_with('#') {
            continue;
        }
        match parse_hex(&without_prefix(&text)) {
            Ok(bytes) => put_all(&bytes, line, listing)?,
            Err(error) => listing.put(Place::Line { line }, Err(Trouble::Hex(error)))?,
        }
        if input.buffer().is_empty() {
            listing.pause()?;
        }
    }
    Ok(())
}

/// The line with blanks in the place of a `0x` at its beginning, so that what is wrong keeps its place.
fn without_prefix(text: &str) -> Cow<'_, str> {
    let digits = text.trim_start();
    match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(rest) => format!("{:1$}{rest}", "", text.len() - rest.len()).into(),
        None => text.into(),
    }
}

fn put_all(bytes: &[u8], line: u64, listing: &mut Listing<'_>) -> Result<(), Stop> {
    let mut cutter = Cutter::default();
    cutter.push(bytes);
    while let Some((_, cut)) = cutter.next().or_else(|| cutter.finish()) {
        listing.put(Place::Line { line }, cut)?;
    }
    Ok(())
}
