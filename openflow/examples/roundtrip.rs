//! Reads one message as hex per line; writes the hex of the decoded message encoded again, or `error: ` and why it
//! is not a message.

use std::io::{self, BufRead, BufWriter, Write};

use bytes::{Bytes, BytesMut};
use openflow::Message;

fn main() -> io::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    for line in io::stdin().lock().lines() {
        match roundtrip(line?.trim()) {
            Ok(bytes) => {
                for byte in bytes {
                    write!(out, "{byte:02x}")?;
                }
                writeln!(out)?;
            }
            Err(error) => writeln!(out, "error: {error}")?,
        }
    }
    out.flush()
}

/// Decodes the hex of a message and encodes the message again.
fn roundtrip(hex: &str) -> Result<BytesMut, Box<dyn std::error::Error>> {
    let frame = parse_hex(hex).ok_or("not an even number of hexadecimal digits")?;
    let (xid, message) = Message::decode(&frame)?;
    let mut out = BytesMut::with_capacity(frame.len());
    message.encode(xid, &mut out)?;
    Ok(out)
}

/// Two digits a byte, and nothing else.
fn parse_hex(hex: &str) -> Option<Bytes> {
    let (pairs, []) = hex.as_bytes().as_chunks::<2>() else {
        return None;
    };
    pairs
        .iter()
        .map(|[high, low]| {
            let digit = |digit: u8| char::from(digit).to_digit(16);
            u8::try_from(digit(*high)? << 4 | digit(*low)?).ok()
        })
        .collect()
}
