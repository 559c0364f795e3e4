//! What becomes of each message: it is decoded, and shown or counted.

use std::fmt;

use bytes::Bytes;
use openflow::{Header, Message, OFP_VERSION, Xid};

use super::place::{Place, Trouble};
use super::tally::Tally;
use super::{View, json, text};
use crate::cli::exit::{Exit, Failure};
use crate::cli::output::Output;

/// So much text is collected before it is written, or less when the input makes a pause.
const FULL: usize = 1 << 16;

/// So many undecodable messages are told one by one where messages are only counted.
const TOLD: u64 = 10;

/// A message, and what its header says.
#[derive(Debug)]
pub(super) struct Decoded {
    /// The version: a HELLO may be of any.
    pub(super) version: u8,
    pub(super) xid: Xid,
    pub(super) message: Message,
}

impl Decoded {
    fn of(frame: Bytes) -> Result<Self, Trouble> {
        let (xid, message) = Message::decode(&frame).map_err(Trouble::Message)?;
        let version = Header::peek(&frame).map_or(OFP_VERSION, |header| header.version);
        Ok(Self { version, xid, message })
    }
}

/// Decodes messages and shows them.
#[derive(Debug)]
pub(super) struct Listing<'a> {
    view: View,
    json: bool,
    output: &'a mut Output,
    text: String,
    tally: Tally,
}

impl<'a> Listing<'a> {
    pub(super) fn new(view: View, json: bool, output: &'a mut Output) -> Self {
        Self { view, json, output, text: String::new(), tally: Tally::default() }
    }

    /// Takes a message, or what is none.
    pub(super) fn put(&mut self, place: Place, cut: Result<Bytes, Trouble>) -> Result<(), Failure> {
        let decoded = cut.and_then(Decoded::of);
        match &decoded {
            Ok(decoded) => self.tally.count(&decoded.message),
            Err(_) => self.tally.undecodable += 1,
        }
        let text = &mut self.text;
        match (self.view, &decoded) {
            (View::Count, Ok(_)) => return Ok(()),
            (View::Count, Err(trouble)) if self.tally.undecodable <= TOLD => {
                self.output.error(format_args!("{place}: {trouble}"));
            }
            (View::Count, Err(_)) => {}
            (View::Messages, Ok(decoded)) if self.json => json::message(text, &place, decoded),
            (View::Messages, Err(trouble)) if self.json => json::trouble(text, &place, trouble),
            (View::Messages, Ok(decoded)) => text::message(text, &place, decoded),
            (View::Messages, Err(trouble)) => text::trouble(text, &place, trouble),
        }
        if self.text.len() >= FULL { self.pause() } else { Ok(()) }
    }

    /// Writes what there is: the next input may be long in coming.
    pub(super) fn pause(&mut self) -> Result<(), Failure> {
        if !self.text.is_empty() {
            self.output.data(&self.text)?;
            self.text.clear();
        }
        Ok(())
    }

    /// Whether nobody reads the output any more.
    pub(super) fn is_unread(&self) -> bool {
        self.output.reader_gone()
    }

    /// Whether nothing has been put into it.
    pub(super) fn is_empty(&self) -> bool {
        self.tally.decoded() + self.tally.undecodable == 0
    }

    /// Says something about the input as a whole.
    pub(super) fn note(&self, what: impl fmt::Display) {
        self.output.note(what);
    }

    /// Shows the counts, and judges.
    pub(super) fn finish(&mut self) -> Result<Exit, Failure> {
        let Tally { undecodable, .. } = self.tally;
        match (self.view, self.json) {
            (View::Count, true) => json::tally(&mut self.text, &self.tally),
            (View::Count, false) => text::tally(&mut self.text, &self.tally),
            (View::Messages, _) => {}
        }
        self.pause()?;
        if undecodable == 0 {
            return Ok(Exit::Done);
        }
        if self.view == View::Messages {
            let all = self.tally.decoded() + undecodable;
            self.output.error(format_args!("{undecodable} of {all} could not be decoded"));
        }
        Ok(Exit::No)
    }
}
