//! Tables for people: no lines, two spaces between columns, columns that nothing is in left out.
//!
//! On a terminal the last column is folded to fit; no other is, because an address that is broken in two cannot be
//! copied. In a pipe every row is one line, whatever its length, so that `grep` and `awk` work.

use std::fmt::Write as _;

use comfy_table::{ColumnConstraint, ContentArrangement, presets};

use super::output::{Output, Tone, shown};

/// Between two columns.
const GAP: u16 = 2;
/// A column that is folded to less than this is not worth reading.
const NARROWEST: u16 = 16;

/// U+2060 to U+2064 have no width: a cell carries its tone through the layout in them.
const END: char = '\u{2060}';
const MARKS: [(Tone, char); 4] =
    [(Tone::Good, '\u{2061}'), (Tone::Doubtful, '\u{2062}'), (Tone::Bad, '\u{2063}'), (Tone::Quiet, '\u{2064}')];

/// One cell.
#[derive(Debug, Clone, Default)]
pub(super) struct Cell(String);

impl Cell {
    /// A word whose tone is shown.
    pub(super) fn toned(tone: Tone, text: impl ToString) -> Self {
        let mark = MARKS.iter().find_map(|&(of, mark)| (of == tone).then_some(mark)).unwrap_or(END);
        Self(format!("{mark}{}{END}", shown(&text.to_string())))
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<T: ToString> From<T> for Cell {
    fn from(text: T) -> Self {
        Self(shown(&text.to_string()))
    }
}

/// A table that is being filled.
#[derive(Debug)]
pub(super) struct Table {
    headers: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    pub(super) fn new(headers: &[&'static str]) -> Self {
        Self { headers: headers.to_vec(), rows: Vec::new() }
    }

    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// The table as text, one line feed at the end of each line.
    pub(super) fn render(&self, output: &Output) -> String {
        let used: Vec<bool> = (0..self.headers.len())
            .map(|at| self.rows.iter().any(|row| row.get(at).is_some_and(|cell| !cell.is_empty())))
            .collect();
        let keep = |at: &usize| used.get(*at).copied().unwrap_or(false);
        let headers = self.headers.iter().enumerate().filter(|(at, _)| keep(at));
        let rows =
            self.rows.iter().map(|row| row.iter().enumerate().filter(|(at, _)| keep(at)).map(|(_, cell)| &cell.0));
        let text = lay_out(headers.map(|(_, header)| *header), rows, output.width());
        paint(&text, output)
    }
}

/// Pairs of a name and a value, one a line.
pub(super) fn pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, Cell)>, output: &Output) -> String {
    let rows = pairs.into_iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| [name.to_owned(), value.0]);
    paint(&lay_out(std::iter::empty::<&str>(), rows, output.width()), output)
}

fn lay_out<H: Into<comfy_table::Cell>, C: Into<comfy_table::Cell>>(
    headers: impl Iterator<Item = H>,
    rows: impl Iterator<Item = impl IntoIterator<Item = C>>,
    width: Option<u16>,
) -> String {
    let mut table = comfy_table::Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    let headers: Vec<comfy_table::Cell> = headers.map(Into::into).collect();
    if !headers.is_empty() {
        table.set_header(headers);
    }
    for row in rows {
        table.add_row(row.into_iter().map(Into::into).collect::<Vec<comfy_table::Cell>>());
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, GAP));
    }
    if let Some(width) = width {
        fold_last_column(&mut table, width);
    }
    let mut text = String::new();
    for line in table.lines() {
        // A `String` takes every write.
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

/// Folds the last column to what the others leave of `width`, unless that is too little to read.
fn fold_last_column(table: &mut comfy_table::Table, width: u16) {
    let widths = table.column_max_content_widths();
    let Some((_, others)) = widths.split_last() else { return };
    let taken = others.iter().fold(0, |sum: u16, width| sum.saturating_add(*width).saturating_add(GAP));
    if width.saturating_sub(taken) < NARROWEST {
        return;
    }
    for at in 0..others.len() {
        if let Some(column) = table.column_mut(at) {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
}

/// Turns the invisible marks into colours, or into nothing.
fn paint(text: &str, output: &Output) -> String {
    let mut painted = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((at, tone, mark)) = rest
        .char_indices()
        .find_map(|(at, c)| MARKS.iter().find(|(_, mark)| *mark == c).map(|&(tone, mark)| (at, tone, mark)))
    {
        let (before, marked) = rest.split_at(at);
        let marked = &marked[mark.len_utf8()..];
        let (word, after) = marked.split_once(END).unwrap_or((marked, ""));
        let _ = write!(painted, "{before}{}", output.paint(tone, word));
        rest = after;
    }
    painted + rest
}
