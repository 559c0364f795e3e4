//! One connection to a database as a pure state machine: requests by id with deadlines, echoes both ways, and what the
//! database tells of itself.
//!
//! It does no input or output and reads no clock. The driver's order: [`Session::handle_input`] with what was read,
//! [`Session::handle_timeout`] when [`Session::poll_timeout`] is due, then [`Session::poll_event`] until there is none,
//! then [`Session::poll_transmit`]. After [`Event::Closed`] nothing happens any more.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use serde::Serialize;
use serde_json::value::RawValue;
use thiserror::Error;

use super::framing::{FrameError, Framer};
use super::message::{Incoming, NotAMessage, RequestId, request, response};

/// How long the database may be silent before it is asked whether it is there.
const IDLE: Duration = Duration::from_secs(5);

/// How long it may take to answer. A request that it does not answer in this time it will not answer in order.
const PATIENCE: Duration = Duration::from_secs(10);

/// Bytes that may wait for the database to read them: a database that asks without reading the answers is given up.
const MAX_UNREAD: usize = 4 << 20;

/// What happened on a session, in order.
#[derive(Debug)]
pub(super) enum Event {
    /// The answer to a request: a result, or an error in the database's own words.
    Answered { id: RequestId, outcome: Result<Box<RawValue>, String> },
    /// The database tells something.
    Notified { method: String, params: Box<RawValue> },
    /// The session is over.
    Closed(CloseReason),
}

/// Why a session is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(super) enum CloseReason {
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error(transparent)]
    Message(#[from] NotAMessage),
    #[error("it sent something else than was asked for")]
    Nonsense,
    #[error("it has more rows than can be kept")]
    TooManyRows,
    #[error("it answered a request that was never made")]
    WrongId,
    #[error("it does not answer")]
    Silent,
    #[error("it does not read what it is sent")]
    Unread,
    #[error("it closed the connection")]
    Closed,
    #[error("the connection broke: {0}")]
    Broken(std::io::ErrorKind),
}

#[derive(Debug)]
pub(super) struct Session {
    framer: Framer,
    output: BytesMut,
    events: VecDeque<Event>,
    /// Requests without an answer, and until when it is waited for.
    waiting: BTreeMap<RequestId, Instant>,
    next_id: RequestId,
    heard: Instant,
    /// The echo that is out.
    echo: Option<RequestId>,
    is_over: bool,
}

impl Session {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            framer: Framer::default(),
            output: BytesMut::new(),
            events: VecDeque::new(),
            waiting: BTreeMap::new(),
            next_id: RequestId(1),
            heard: now,
            echo: None,
            is_over: false,
        }
    }

    /// Sends a request; its answer comes as [`Event::Answered`] with the id.
    pub(super) fn request(&mut self, method: &str, params: &impl Serialize, now: Instant) -> RequestId {
        let id = self.next_id;
        self.next_id = RequestId(id.0 + 1);
        self.waiting.insert(id, now + PATIENCE);
        self.send(&request(id, method, params));
        id
    }

    /// Takes what was read; what is not a whole message stays in the buffer.
    pub(super) fn handle_input(&mut self, input: &mut BytesMut, now: Instant) {
        while !self.is_over {
            match self.framer.next_message(input) {
                Ok(Some(text)) => {
                    self.heard = now;
                    match Incoming::parse(&text) {
                        Ok(message) => self.take(message),
                        Err(error) => self.close(error.into()),
                    }
                }
                Ok(None) => return,
                Err(error) => self.close(error.into()),
            }
        }
        input.clear();
    }

    fn take(&mut self, message: Incoming) {
        match message {
            Incoming::Response { id, outcome } => {
                if self.waiting.remove(&id).is_none() {
                    self.close(CloseReason::WrongId);
                } else if self.echo == Some(id) {
                    self.echo = None;
                } else {
                    self.events.push_back(Event::Answered { id, outcome });
                }
            }
            Incoming::Notification { method, params } => self.events.push_back(Event::Notified { method, params }),
            // Section 4.1.11: either side may ask for an echo, and gets its parameters back.
            Incoming::Request { method, params, id } if method == "echo" => self.send(&response(&id, Ok(&params))),
            Incoming::Request { id, .. } => self.send(&response(&id, Err("unknown method"))),
        }
    }

    fn send(&mut self, message: &[u8]) {
        self.output.extend_from_slice(message);
        if self.output.len() > MAX_UNREAD {
            self.close(CloseReason::Unread);
        }
    }

    /// Does what is due.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if self.waiting.values().any(|deadline| *deadline <= now) {
            return self.close(CloseReason::Silent);
        }
        if self.waiting.is_empty() && self.heard + IDLE <= now && !self.is_over {
            self.echo = Some(self.request("echo", &[(); 0], now));
        }
    }

    /// When [`Session::handle_timeout`] has something to do.
    pub(super) fn poll_timeout(&self) -> Instant {
        self.waiting.values().min().copied().unwrap_or(self.heard + IDLE)
    }

    /// The connection is gone, or what came over it cannot be used.
    pub(super) fn close(&mut self, reason: CloseReason) {
        if !self.is_over {
            self.is_over = true;
            self.output.clear();
            self.waiting.clear();
            self.events.push_back(Event::Closed(reason));
        }
    }

    pub(super) fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Moves what is to be sent behind what is in `output`.
    pub(super) fn poll_transmit(&mut self, output: &mut BytesMut) {
        output.unsplit(self.output.split());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Peer {
        session: Session,
        now: Instant,
        rest: BytesMut,
    }

    impl Peer {
        fn new() -> Self {
            let now = Instant::now();
            Self { session: Session::new(now), now, rest: BytesMut::new() }
        }

        fn says(&mut self, text: &str) {
            self.rest.extend_from_slice(text.as_bytes());
            self.session.handle_input(&mut self.rest, self.now);
        }

        fn passes(&mut self, time: Duration) {
            self.now += time;
            while self.session.poll_timeout() <= self.now && !self.session.is_over {
                self.session.handle_timeout(self.now);
            }
        }

        fn is_sent(&mut self) -> String {
            let mut output = BytesMut::new();
            self.session.poll_transmit(&mut output);
            String::from_utf8(output.to_vec()).unwrap()
        }

        fn event(&mut self) -> String {
            match self.session.poll_event() {
                Some(Event::Answered { id, outcome }) => format!("{} {:?}", id.0, outcome.map(|json| json.to_string())),
                Some(Event::Notified { method, params }) => format!("{method} {params}"),
                Some(Event::Closed(reason)) => format!("closed: {reason}"),
                None => "nothing".to_owned(),
            }
        }
    }

    #[test]
    fn answers_belong_to_requests_by_id_in_any_order() {
        let mut peer = Peer::new();
        assert_eq!(peer.session.request("a", &["x"], peer.now), RequestId(1));
        assert_eq!(peer.session.request("b", &["y"], peer.now), RequestId(2));
        assert_eq!(peer.is_sent(), r#"{"id":1,"method":"a","params":["x"]}{"id":2,"method":"b","params":["y"]}"#);
        peer.says(r#"{"id":2,"result":5,"error":null}{"id":1,"result":null,"error":"no"}{"id":"#);
        assert_eq!((peer.event().as_str(), peer.event().as_str()), (r#"2 Ok("5")"#, r#"1 Err("no")"#));
        assert_eq!(peer.event(), "nothing");
    }

    #[test]
    fn an_answer_to_nothing_or_twice_ends_the_session() {
        let mut peer = Peer::new();
        peer.says(r#"{"id":1,"result":5,"error":null}"#);
        assert_eq!(peer.event(), "closed: it answered a request that was never made");
        let mut peer = Peer::new();
        peer.session.request("a", &["x"], peer.now);
        peer.says(r#"{"id":1,"result":5,"error":null}{"id":1,"result":5,"error":null}"#);
        assert_eq!(peer.event(), r#"1 Ok("5")"#);
        assert_eq!(peer.event(), "closed: it answered a request that was never made");
    }

    #[test]
    fn an_echo_of_the_database_is_answered_and_other_requests_are_not_known() {
        let mut peer = Peer::new();
        peer.says(r#"{"id":"e","method":"echo","params":[1,"a"]}{"id":9,"method":"steal","params":[]}"#);
        assert_eq!(
            peer.is_sent(),
            r#"{"id":"e","result":[1,"a"],"error":null}{"id":9,"result":null,"error":"unknown method"}"#
        );
    }

    #[test]
    fn a_silent_database_is_asked_and_then_given_up() {
        let mut peer = Peer::new();
        peer.passes(IDLE);
        assert_eq!(peer.is_sent(), r#"{"id":1,"method":"echo","params":[]}"#);
        peer.says(r#"{"id":1,"result":[],"error":null}"#);
        assert_eq!(peer.event(), "nothing");
        peer.passes(IDLE);
        assert_eq!(peer.is_sent(), r#"{"id":2,"method":"echo","params":[]}"#);
        peer.passes(PATIENCE - Duration::from_nanos(1));
        assert_eq!(peer.event(), "nothing");
        peer.passes(Duration::from_nanos(1));
        assert_eq!(peer.event(), "closed: it does not answer");
    }

    #[test]
    fn a_request_without_an_answer_ends_the_session_whatever_else_is_told() {
        let mut peer = Peer::new();
        peer.session.request("a", &["x"], peer.now);
        peer.passes(PATIENCE / 2);
        peer.says(r#"{"id":null,"method":"update","params":[]}"#);
        assert_eq!(peer.event(), "update []");
        peer.passes(PATIENCE / 2);
        assert_eq!(peer.event(), "closed: it does not answer");
    }

    #[test]
    fn a_database_that_asks_without_reading_is_given_up() {
        let mut peer = Peer::new();
        let long = format!(r#"{{"id":1,"method":"echo","params":["{}"]}}"#, "x".repeat(1 << 20));
        for _ in 0..5 {
            peer.says(&long);
        }
        assert_eq!(peer.event(), "closed: it does not read what it is sent");
    }

    #[test]
    fn nothing_is_heard_after_the_end() {
        let mut peer = Peer::new();
        peer.says("[");
        assert_eq!(peer.event(), "closed: it sent something that is no JSON object");
        peer.says(r#"{"id":null,"method":"update","params":[]}"#);
        assert_eq!((peer.event().as_str(), peer.rest.len()), ("nothing", 0));
    }
}
