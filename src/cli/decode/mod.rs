//! `flumen decode`: OpenFlow messages out of hex, a file or a packet capture, shown to people or to programs.
//!
//! A [`form`](mod@form) tells what the input is, a source ([`hex`], [`stream`],
//! [`capture`]) cuts it into messages, and
//! a [`Listing`](listing::Listing) decodes and shows them. Input is read once, from front to back, and what is kept
//! of a line, of each connection and of all connections is bounded, so it may be a pipe without an end.

mod capture;
mod cutter;
mod form;
mod hex;
mod json;
mod listing;
mod place;
mod stream;
mod tally;
mod text;

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};

use self::form::Kind;
use self::listing::Listing;
use super::args::Form;
use super::exit::{Exit, Failure};
use super::output::Output;

/// What is to be decoded, and how it is shown.
#[derive(Debug)]
pub(super) struct Decode {
    pub(super) file: Option<PathBuf>,
    pub(super) form: Form,
    pub(super) view: View,
    pub(super) json: bool,
}

/// What is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum View {
    /// Each message.
    Messages,
    /// How many messages there are of each type.
    Count,
}

/// How many bytes are asked for at once.
const CHUNK: usize = 1 << 18;

/// Decodes the input to its end.
pub(super) fn run(decode: &Decode, output: &mut Output) -> Result<Exit, Failure> {
    let (name, mut input) = open(decode.file.as_deref(), output)?;
    let unreadable = |error: io::Error| Failure::new(Exit::Usage, format!("cannot read {name}: {error}"));
    let front = form::front(&mut input).map_err(unreadable)?;
    if front.is_empty() {
        output.note(format_args!("{name} is empty: there is nothing to decode"));
    }
    let kind = form::recognise(decode.form, &front).map_err(|what| {
        Failure::new(Exit::Usage, format!("{name} {what}"))
            .hint("if it is, say so with --form hex, messages or capture")
    })?;
    let input = io::Cursor::new(front).chain(input);
    let mut listing = Listing::new(decode.view, decode.json, output);
    let read = match kind {
        Kind::Hex => hex::read(input, &mut listing),
        Kind::Messages => stream::read(input, &mut listing),
        Kind::Capture => capture::read(input, &mut listing),
    };
    read.and_then(|()| Ok(listing.finish()?)).map_err(|stop| match stop {
        Stop::Input(error) => unreadable(error),
        Stop::Output(failure) => failure,
    })
}

/// Why decoding ends before the input does.
#[derive(Debug)]
enum Stop {
    /// The input cannot be read.
    Input(io::Error),
    /// The output cannot be written.
    Output(Failure),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Input(error)
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Output(failure)
    }
}

/// The input and its name.
fn open(file: Option<&Path>, output: &Output) -> Result<(String, Box<dyn Read + Send>), Failure> {
    match file.filter(|file| *file != Path::new("-")) {
        Some(file) => {
            let name = file.display().to_string();
            match File::open(file) {
                Ok(input) => Ok((name, Box::new(input))),
                Err(error) => Err(Failure::new(Exit::Usage, format!("cannot open {name}: {error}"))),
            }
        }
        None => {
            if io::stdin().is_terminal() {
                output.note("Type or paste messages as hex, one a line; Ctrl-D ends.");
            }
            Ok(("standard input".to_owned(), Box::new(io::stdin())))
        }
    }
}
