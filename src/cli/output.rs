//! Standard output and standard error: data goes to the one, talk to the other.
//!
//! A reader who has gone away (`flumen flow list | head`) is nobody's failure: what is written after that is dropped
//! in silence and the command ends as it would have.

use std::ffi::OsString;
use std::fmt;
use std::io::{self, IsTerminal, Write};

use clap::builder::styling::{AnsiColor, Style};

use super::args::Color;
use super::exit::{Exit, Failure};

/// How good the news is; it becomes a colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Good,
    Doubtful,
    Bad,
    Quiet,
    Plain,
}

impl Tone {
    fn style(self) -> Style {
        match self {
            Self::Good => AnsiColor::Green.on_default(),
            Self::Doubtful => AnsiColor::Yellow.on_default(),
            Self::Bad => AnsiColor::Red.on_default().bold(),
            Self::Quiet => Style::new().dimmed(),
            Self::Plain => Style::new(),
        }
    }
}

/// A text in a tone, or plain where colours are off.
pub(super) struct Painted<T> {
    text: T,
    style: Style,
}

impl<T: fmt::Display> fmt::Display for Painted<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { text, style } = self;
        write!(formatter, "{style}{text}{style:#}")
    }
}

/// Where a command writes.
#[derive(Debug)]
pub(super) struct Output {
    colour: bool,
    talk_colour: bool,
    width: Option<u16>,
    reader_gone: bool,
}

impl Output {
    pub(super) fn new(color: Color) -> Self {
        let stdout = io::stdout().is_terminal();
        Self {
            colour: wants_colour(color, stdout, |name| std::env::var_os(name)),
            talk_colour: wants_colour(color, io::stderr().is_terminal(), |name| std::env::var_os(name)),
            width: stdout.then(terminal_size::terminal_size).flatten().map(|(width, _)| width.0),
            reader_gone: false,
        }
    }

    /// The width of the terminal; `None` for a file or a pipe, where a line is as long as it must be.
    pub(super) fn width(&self) -> Option<u16> {
        self.width
    }

    /// Whether standard output has colours.
    pub(super) fn has_colour(&self) -> bool {
        self.colour
    }

    /// A text of standard output in a tone.
    pub(super) fn paint<T: fmt::Display>(&self, tone: Tone, text: T) -> Painted<T> {
        Painted { text, style: if self.colour { tone.style() } else { Style::new() } }
    }

    /// A headline of standard output.
    pub(super) fn headline<T: fmt::Display>(&self, text: T) -> Painted<T> {
        Painted { text, style: if self.colour { Style::new().bold() } else { Style::new() } }
    }

    /// Whether whoever read the output has gone away, so that writing on is in vain.
    pub(super) fn reader_gone(&self) -> bool {
        self.reader_gone
    }

    /// Writes data.
    pub(super) fn data(&mut self, text: impl AsRef<[u8]>) -> Result<(), Failure> {
        if self.reader_gone {
            return Ok(());
        }
        let mut stdout = io::stdout().lock();
        match stdout.write_all(text.as_ref()).and_then(|()| stdout.flush()) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.reader_gone = true;
                Ok(())
            }
            Err(error) => Err(Failure::new(Exit::No, format!("cannot write to standard output: {error}"))),
        }
    }

    /// Writes one line of data.
    pub(super) fn line(&mut self, line: impl fmt::Display) -> Result<(), Failure> {
        self.data(format!("{line}\n"))
    }

    /// Says that something is wrong.
    pub(super) fn error(&self, what: impl fmt::Display) {
        self.talk(Tone::Bad, "error", what);
    }

    /// Says what the person should know.
    pub(super) fn warning(&self, what: impl fmt::Display) {
        self.talk(Tone::Doubtful, "warning", what);
    }

    /// Says what to try.
    pub(super) fn hint(&self, what: impl fmt::Display) {
        self.talk(Tone::Good, "hint", what);
    }

    /// Says something to the person that is neither data nor trouble.
    pub(super) fn note(&self, what: impl fmt::Display) {
        let _ = writeln!(io::stderr().lock(), "{what}");
    }

    fn talk(&self, tone: Tone, label: &str, what: impl fmt::Display) {
        let style = if self.talk_colour { tone.style() } else { Style::new() };
        // With nobody left to listen there is nobody to complain to.
        let _ = writeln!(io::stderr().lock(), "{style}{label}:{style:#} {what}");
    }
}

/// <https://no-color.org>: set and not empty means no colour, unless the person asks for it on the command line.
fn wants_colour(color: Color, terminal: bool, variable: impl Fn(&str) -> Option<OsString>) -> bool {
    match color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => {
            let refused = variable("NO_COLOR").is_some_and(|value| !value.is_empty());
            terminal && !refused && variable("TERM").is_none_or(|term| term != "dumb")
        }
    }
}

/// Somebody else's text as it may be shown on a terminal: control characters escaped.
pub(super) fn shown(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut shown, character| {
        if character.is_control() || is_mark(character) {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
        shown
    })
}

/// The invisible characters by which [`table`](super::table) remembers a tone while it lays out a cell.
pub(super) fn is_mark(character: char) -> bool {
    ('\u{2060}'..='\u{2064}').contains(&character)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wants(color: Color, terminal: bool, variables: &[(&str, &str)]) -> bool {
        wants_colour(color, terminal, |name| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into())
        })
    }

    #[test]
    fn colours_are_for_terminals_that_do_not_refuse_them() {
        assert!(wants(Color::Auto, true, &[]));
        assert!(wants(Color::Auto, true, &[("NO_COLOR", ""), ("TERM", "xterm")]));
        assert!(!wants(Color::Auto, true, &[("NO_COLOR", "1")]));
        assert!(!wants(Color::Auto, true, &[("TERM", "dumb")]));
        assert!(!wants(Color::Auto, false, &[]));
    }

    #[test]
    fn what_is_asked_for_on_the_command_line_wins() {
        assert!(wants(Color::Always, false, &[("NO_COLOR", "1"), ("TERM", "dumb")]));
        assert!(!wants(Color::Never, true, &[]));
    }

    #[test]
    fn somebody_elses_text_cannot_control_the_terminal() {
        assert_eq!(shown("s1\u{1b}[2J\r\n"), "s1\\u{1b}[2J\\r\\n");
        assert_eq!(shown("a\u{2063}b"), "a\\u{2063}b");
        assert_eq!(shown("größe 5"), "größe 5");
    }
}
