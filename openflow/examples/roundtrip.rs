//! Reads one message as hex per line; writes the hex of the decoded message encoded again, or `error: ` and why it
//! is not a message.

use std::io::{self, BufRead, BufWriter, Write};

use bytes::BytesMut;
use openflow::{Hex, Message, parse_hex};

fn main() -> io::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    for line in io::stdin().lock().lines() {
        match roundtrip(&line?) {
            Ok(bytes) => writeln!(out, "{}", Hex(&bytes))?,
            Err(error) => writeln!(out, "error: {error}")?,
        }
    }
    out.flush()
}

/// Decodes the hex of a message and encodes the message again.
fn roundtrip(hex: &str) -> Result<BytesMut, Box<dyn std::error::Error>> {
    let frame = parse_hex(hex)?;
    let (xid, message) = Message::decode(&frame)?;
    let mut out = BytesMut::with_capacity(frame.len());
    message.encode(xid, &mut out)?;
    Ok(out)
}
