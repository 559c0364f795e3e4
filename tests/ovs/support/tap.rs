//! A wire with an ear: relays one TCP connection and keeps what the controller sent.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// Listens for the controller, connects it to the switch, and records the controller's bytes.
#[derive(Debug)]
pub(crate) struct Tap {
    /// Where the controller connects.
    pub(crate) port: u16,
    recorded: Arc<Mutex<Vec<u8>>>,
}

impl Tap {
    /// Relays connections, one at a time, to the switch that listens on this port.
    pub(crate) fn before(switch: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let recorded = Arc::new(Mutex::new(Vec::new()));
        let record = Arc::clone(&recorded);
        thread::spawn(move || -> io::Result<()> {
            loop {
                let (controller, _) = listener.accept()?;
                // A connection that breaks, or that nobody takes, is over for both sides.
                let _ = relay(controller, switch, &record);
            }
        });
        Self { port, recorded }
    }

    /// The messages that the controller has sent so far.
    pub(crate) fn messages(&self) -> Vec<Vec<u8>> {
        messages(&self.recorded.lock().unwrap())
    }
}

/// Carries one connection to its end.
fn relay(mut controller: TcpStream, switch: u16, record: &Mutex<Vec<u8>>) -> io::Result<()> {
    let mut switch = TcpStream::connect(("127.0.0.1", switch))?;
    let (mut back_from, mut back_to) = (switch.try_clone()?, controller.try_clone()?);
    thread::spawn(move || {
        let _ = io::copy(&mut back_from, &mut back_to);
        let _ = back_to.shutdown(Shutdown::Both);
    });
    let mut buffer = [0; 65536];
    loop {
        let read = controller.read(&mut buffer)?;
        if read == 0 {
            return switch.shutdown(Shutdown::Both);
        }
        record.lock().unwrap().extend_from_slice(&buffer[..read]);
        switch.write_all(&buffer[..read])?;
    }
}

/// Cuts OpenFlow messages at the lengths in their headers; the last one may be torn.
pub(crate) fn messages(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    while let [_, _, high, low, ..] = *bytes {
        let length = usize::from(u16::from_be_bytes([high, low]));
        let (message, rest) = bytes.split_at(length.clamp(1, bytes.len()));
        messages.push(message.to_vec());
        bytes = rest;
    }
    messages
}

/// The bytes that a string of hex digits stands for.
pub(crate) fn bytes_of(hex: &str) -> Vec<u8> {
    assert!(hex.len().is_multiple_of(2) && hex.is_ascii(), "{hex}");
    (0..hex.len()).step_by(2).map(|start| u8::from_str_radix(&hex[start..start + 2], 16).unwrap()).collect()
}
