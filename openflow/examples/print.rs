//! Reads one message as hex per line; writes each as text for people, and an empty line after it.

use std::io::{self, BufRead, BufWriter, Write};

use openflow::{Message, Xid, parse_hex};

fn main() -> io::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    for line in io::stdin().lock().lines() {
        match decode(&line?) {
            Ok((xid, message)) => writeln!(out, "xid={xid} {message}\n")?,
            Err(error) => writeln!(out, "error: {error}\n")?,
        }
    }
    out.flush()
}

/// Decodes the hex of a message.
fn decode(hex: &str) -> Result<(Xid, Message), Box<dyn std::error::Error>> {
    Ok(Message::decode(&parse_hex(hex)?)?)
}
