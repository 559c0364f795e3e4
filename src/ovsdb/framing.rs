//! Cuts JSON values out of a stream of bytes: RFC 7047, section 4, writes them one behind the other, with nothing
//! between them but white space.
//!
//! One cursor goes over each byte once, however the stream was torn. It knows strings and nesting and nothing else of
//! JSON; what is cut out is for the parser to judge.

use bytes::{Buf, Bytes, BytesMut};
use thiserror::Error;

/// The longest message: the first answer of a database with some ten thousand ports has about half of it.
const MAX_MESSAGE: usize = 16 << 20;

/// How deeply a message may be nested. The deepest that a database has to say is a map within a row: nine levels.
const MAX_DEPTH: usize = 16;

/// Why the stream cannot be read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(super) enum FrameError {
    #[error("it sent something that is no JSON object")]
    NotAnObject,
    #[error("it sent a message of more than 16 MiB")]
    TooLong,
    #[error("it sent a message that is nested more than 16 levels deep")]
    TooDeep,
}

/// The cursor within the message that is being received.
#[derive(Debug, Default)]
pub(super) struct Framer {
    /// Bytes that were looked at.
    seen: usize,
    depth: usize,
    text: Text,
}

/// Where the cursor is with respect to strings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Text {
    #[default]
    Outside,
    Inside,
    /// Behind a backslash.
    Escaped,
}

impl Framer {
    /// The next whole message, if the buffer has one. The buffer begins where the last message ended.
    pub(super) fn next_message(&mut self, buffer: &mut BytesMut) -> Result<Option<Bytes>, FrameError> {
        if self.depth == 0 {
            let blank = buffer.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            buffer.advance(blank);
        }
        while let Some(&byte) = buffer.get(self.seen) {
            self.seen += 1;
            if self.step(byte)? {
                let message = buffer.split_to(self.seen).freeze();
                self.seen = 0;
                return Ok(Some(message));
            }
            if self.seen >= MAX_MESSAGE {
                return Err(FrameError::TooLong);
            }
        }
        Ok(None)
    }

    /// Takes one byte; true when it ends the message.
    fn step(&mut self, byte: u8) -> Result<bool, FrameError> {
        match (self.text, byte) {
            (Text::Outside, b'{' | b'[') => {
                if self.depth == 0 && byte == b'[' {
                    return Err(FrameError::NotAnObject);
                }
                self.depth += 1;
                if self.depth > MAX_DEPTH {
                    return Err(FrameError::TooDeep);
                }
            }
            (Text::Outside, _) if self.depth == 0 => return Err(FrameError::NotAnObject),
            (Text::Outside, b'}' | b']') => {
                self.depth -= 1;
                return Ok(self.depth == 0);
            }
            (Text::Outside, b'"') => self.text = Text::Inside,
            (Text::Outside, _) => {}
            (Text::Inside, b'"') => self.text = Text::Outside,
            (Text::Inside, b'\\') => self.text = Text::Escaped,
            (Text::Inside | Text::Escaped, _) => self.text = Text::Inside,
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every message of a stream that arrives in pieces of this size.
    fn messages(stream: &str, piece: usize) -> Result<Vec<String>, FrameError> {
        let (mut framer, mut buffer, mut found) = (Framer::default(), BytesMut::new(), Vec::new());
        for piece in stream.as_bytes().chunks(piece) {
            buffer.extend_from_slice(piece);
            while let Some(message) = framer.next_message(&mut buffer)? {
                found.push(String::from_utf8(message.to_vec()).unwrap());
            }
        }
        Ok(found)
    }

    #[test]
    fn messages_are_cut_out_of_a_stream_however_it_is_torn() {
        let stream = " {\"a\":\"}{\\\"\\\\\"}\n{\"b\":[{},[1]]}{}\t{\"c\":1";
        for piece in 1..=stream.len() {
            assert_eq!(
                messages(stream, piece).unwrap(),
                [r#"{"a":"}{\"\\"}"#, r#"{"b":[{},[1]]}"#, "{}"],
                "pieces of {piece}"
            );
        }
    }

    #[test]
    fn what_does_not_begin_with_a_brace_is_no_message() {
        for stream in ["x", "[]", "\"a\"", "}", "5", "{}]", "\u{16}\u{3}\u{1}", "HTTP/1.1 400"] {
            assert_eq!(messages(stream, 1), Err(FrameError::NotAnObject), "{stream}");
        }
    }

    #[test]
    fn nesting_is_bounded_before_anything_recurses() {
        let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth - 1), "]".repeat(depth - 1));
        assert_eq!(messages(&nested(16), 4096).unwrap().len(), 1);
        assert_eq!(messages(&nested(17), 4096), Err(FrameError::TooDeep));
        assert_eq!(messages(&format!("{{\"a\":{}", "[".repeat(1_000_000)), 4096), Err(FrameError::TooDeep));
    }

    #[test]
    fn a_message_without_end_is_given_up_at_16_mib() {
        let (mut framer, mut buffer) = (Framer::default(), BytesMut::from(&b"{\"a\":\""[..]));
        let mut received = buffer.len();
        let refused = loop {
            match framer.next_message(&mut buffer) {
                Ok(_) => {
                    buffer.extend_from_slice(&[b'x'; 65_536]);
                    received += 65_536;
                }
                Err(error) => break error,
            }
        };
        assert_eq!(refused, FrameError::TooLong);
        assert!(received <= MAX_MESSAGE + 65_536, "{received}");
    }
}
