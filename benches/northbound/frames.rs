//! A client that does as little as possible while the clock runs: its frames are bytes already, and what comes back is
//! cut into messages and kept.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;

use serde_json::Value;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;

/// How messages are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Json,
    MessagePack,
}

impl Form {
    pub(crate) fn subprotocol(self) -> &'static str {
        match self {
            Self::Json => "flumen.v1.json",
            Self::MessagePack => "flumen.v1.msgpack",
        }
    }

    /// The most that the daemon takes in one message, and a little less.
    pub(crate) fn message_bytes(self) -> usize {
        match self {
            Self::Json => (1 << 20) - 1024,
            Self::MessagePack => (16 << 20) - 1024,
        }
    }

    pub(crate) fn write(self, value: &Value) -> Vec<u8> {
        match self {
            Self::Json => value.to_string().into_bytes(),
            Self::MessagePack => rmp_serde::to_vec_named(value).unwrap(),
        }
    }

    pub(crate) fn read(self, bytes: &[u8]) -> Value {
        match self {
            Self::Json => serde_json::from_slice(bytes).unwrap(),
            Self::MessagePack => rmp_serde::from_slice(bytes).unwrap(),
        }
    }

    /// One masked frame.
    pub(crate) fn frame(self, payload: &[u8]) -> Vec<u8> {
        masked(if self == Self::Json { 0x81 } else { 0x82 }, payload)
    }
}

fn pong(payload: &[u8]) -> Vec<u8> {
    masked(0x8a, payload)
}

fn masked(opcode: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0x5a, 0xa5, 0x3c, 0xc3];
    let mut frame = vec![opcode];
    match payload.len() {
        short @ 0..126 => frame.push(0x80 | short as u8),
        middle @ 126..0x1_0000 => {
            frame.push(0x80 | 126);
            frame.extend((middle as u16).to_be_bytes());
        }
        long => {
            frame.push(0x80 | 127);
            frame.extend((long as u64).to_be_bytes());
        }
    }
    frame.extend(MASK);
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// A WebSocket of which only the socket is left.
#[derive(Debug)]
pub(crate) struct Bare {
    stream: TcpStream,
    form: Form,
    input: Vec<u8>,
}

impl Bare {
    pub(crate) fn connect(port: u16, form: Form) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_nodelay(true).unwrap();
        let mut request = format!("ws://127.0.0.1:{port}/v1/ws").into_client_request().unwrap();
        request.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static(form.subprotocol()));
        let (socket, _) = tokio_tungstenite::tungstenite::client(request, stream).unwrap();
        Self { stream: socket.get_ref().try_clone().unwrap(), form, input: Vec::new() }
    }

    /// Sends one request and gives its answer.
    pub(crate) fn ask(&mut self, request: &Value) -> Value {
        let frame = self.form.frame(&self.form.write(request));
        let answers = self.exchange(&frame, 1);
        self.form.read(&answers[0])
    }

    /// Writes everything, in a thread of its own so that reading never waits for it, and reads so many messages.
    pub(crate) fn exchange(&mut self, frames: &[u8], count: usize) -> Vec<Vec<u8>> {
        let mut writer = self.stream.try_clone().unwrap();
        thread::scope(|scope| {
            scope.spawn(move || writer.write_all(frames).unwrap());
            (0..count).map(|_| self.message()).collect()
        })
    }

    /// The next message. Pings are answered.
    fn message(&mut self) -> Vec<u8> {
        loop {
            let (opcode, payload) = self.frame();
            match opcode {
                0x81 | 0x82 => return payload,
                0x89 => self.stream.write_all(&pong(&payload)).unwrap(),
                other => panic!("a frame of {other:#x}: {}", String::from_utf8_lossy(&payload)),
            }
        }
    }

    fn frame(&mut self) -> (u8, Vec<u8>) {
        self.fill(2);
        let opcode = self.input[0];
        let (length, header) = match self.input[1] {
            126 => {
                self.fill(4);
                (u16::from_be_bytes(self.input[2..4].try_into().unwrap()) as usize, 4)
            }
            127 => {
                self.fill(10);
                (u64::from_be_bytes(self.input[2..10].try_into().unwrap()) as usize, 10)
            }
            short => (short as usize, 2),
        };
        self.fill(header + length);
        let rest = self.input.split_off(header + length);
        let mut payload = std::mem::replace(&mut self.input, rest);
        payload.drain(..header);
        (opcode, payload)
    }

    /// Reads until there are so many bytes.
    fn fill(&mut self, length: usize) {
        let mut space = [0; 64 << 10];
        while self.input.len() < length {
            let read = self.stream.read(&mut space).unwrap();
            assert!(read > 0, "the daemon has hung up");
            self.input.extend_from_slice(&space[..read]);
        }
    }
}
