//! How the demonstration looks: numbered steps, labelled lines, nothing wider than the page.

use std::fmt::Write as _;

use super::super::exit::Failure;
use super::super::output::{Output, Tone, shown};

/// Labels end here; what they label begins here.
const INDENT: usize = 13;
/// The page on paper and in a pipe, and at least on a terminal.
const WIDTH: usize = 80;
/// Wider lines are hard to read.
const WIDEST: usize = 120;

/// Prints step after step.
pub(super) struct Page<'a> {
    output: &'a mut Output,
    steps: u32,
}

impl<'a> Page<'a> {
    pub(super) fn new(output: &'a mut Output, title: &str) -> Result<Self, Failure> {
        output.line(output.headline(title))?;
        Ok(Self { output, steps: 0 })
    }

    /// Begins the next step.
    pub(super) fn step(&mut self, title: &str) -> Result<(), Failure> {
        self.steps += 1;
        let headline = self.output.headline(format!("{}. {title}", self.steps)).to_string();
        self.output.line(format_args!("\n{headline}"))
    }

    /// A label and what it labels, folded at the page's width where a comma or a space allows it.
    pub(super) fn entry(&mut self, label: &str, text: &str) -> Result<(), Failure> {
        self.toned(Tone::Plain, label, text)
    }

    /// The same in a tone.
    pub(super) fn toned(&mut self, tone: Tone, label: &str, text: &str) -> Result<(), Failure> {
        let width = self.output.width().map_or(WIDTH, |width| usize::from(width).clamp(WIDTH, WIDEST));
        let mut lines = String::new();
        for (at, line) in fold(&shown(text), width - INDENT).into_iter().enumerate() {
            let label = if at == 0 { label } else { "" };
            // A `String` takes every write.
            let _ = writeln!(
                lines,
                "   {}{}",
                self.output.paint(Tone::Quiet, format_args!("{label:<width$}", width = INDENT - 3)),
                self.output.paint(tone, line)
            );
        }
        self.output.data(lines)
    }

    /// A table, which needs the whole width.
    pub(super) fn table(&mut self, table: &str) -> Result<(), Failure> {
        self.output.data(table)
    }

    /// What to do next.
    pub(super) fn next(&mut self, text: &str) -> Result<(), Failure> {
        self.output.line(text)
    }

    /// The verdict on all of it.
    pub(super) fn end(&mut self, tone: Tone, text: &str) -> Result<(), Failure> {
        let text = self.output.paint(tone, text).to_string();
        self.output.line(format_args!("\n{text}"))
    }

    pub(super) fn output(&self) -> &Output {
        self.output
    }
}

/// Lines of at most `width` characters, broken after the last comma or space that fits, or anywhere if there is none.
fn fold(text: &str, width: usize) -> Vec<&str> {
    let mut lines = Vec::new();
    let mut rest = text;
    while let Some((limit, _)) = rest.char_indices().nth(width) {
        let fits = &rest[..limit];
        let end = fits.rfind([',', ' ']).map_or(limit, |at| at + 1);
        let (line, after) = rest.split_at(end);
        lines.push(line.trim_end());
        rest = after;
    }
    lines.push(rest);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_line_stays_one() {
        assert_eq!(fold("priority=1,ip", 20), ["priority=1,ip"]);
        assert_eq!(fold("", 20), [""]);
    }

    #[test]
    fn a_long_line_is_broken_after_a_comma_or_a_space() {
        assert_eq!(
            fold("cookie=0x1, priority=1,ip,actions=NORMAL", 16),
            ["cookie=0x1,", "priority=1,ip,", "actions=NORMAL"]
        );
    }

    #[test]
    fn a_line_without_a_place_to_break_is_broken_at_the_width() {
        assert_eq!(fold("äbcdefgh", 3), ["äbc", "def", "gh"]);
    }
}
