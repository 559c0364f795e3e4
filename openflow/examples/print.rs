//! Reads one message as hex per line; writes each as text for people, and an empty line after it.

use std::io::{self, BufRead, BufWriter, Write};

use bytes::Bytes;
use openflow::Message;

fn main() -> io::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    for line in io::stdin().lock().lines() {
        let Some(frame) = parse_hex(line?.trim()) else {
            writeln!(out, "error: not an even number of hexadecimal digits\n")?;
            continue;
        };
        match Message::decode(&frame) {
            Ok((xid, message)) => writeln!(out, "xid={xid} {message}\n")?,
            Err(error) => writeln!(out, "error: {error}\n")?,
        }
    }
    out.flush()
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
