//! The configuration file: TOML with a table `serve`, the options of the daemon by their own names, and a table
//! `classes`, which changes the classes of traffic and adds new ones.
//!
//! Everything that is wrong is found in one reading, each fault with its line. Which options there are, and what
//! values they take, the command line knows; here they are only read.

use std::fmt;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::classes;
use crate::policy::ClassTable;

/// The tables of the file.
const TABLES: [&str; 2] = ["serve", "classes"];

/// What a configuration file says.
#[derive(Debug)]
pub struct ConfigFile {
    /// The options of `[serve]`, in the order of the file.
    pub options: Vec<Setting>,
    /// The built-in classes of traffic, as the file changes them.
    pub classes: ClassTable,
}

/// One option as it is written.
#[derive(Debug)]
pub struct Setting {
    /// Its name.
    pub name: String,
    /// The line it is on.
    pub line: usize,
    /// What it is set to.
    pub value: Value,
}

/// A value as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A string.
    Text(String),
    /// A whole number.
    Number(i64),
    /// True or false.
    Switch(bool),
    /// A list of strings.
    List(Vec<String>),
    /// What no option is, by the name that TOML has for it.
    Other(&'static str),
}

/// Something that is wrong with a configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The line it is on.
    pub line: usize,
    /// What is wrong, and what is allowed.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "line {}: {}", self.line, self.message)
    }
}

impl std::error::Error for Fault {}

/// Reads the text of a configuration file: what it says, and everything that is wrong with it.
#[must_use]
pub fn read(text: &str) -> (ConfigFile, Vec<Fault>) {
    let mut reader = Reader { text, faults: Vec::new() };
    let mut file = ConfigFile { options: Vec::new(), classes: ClassTable::built_in() };
    let (root, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        reader.fault(error.span().unwrap_or(text.len()..text.len()), error.message().to_owned());
    }
    // What was made out of a text that is no TOML says nothing about what was meant.
    if reader.faults.is_empty() {
        for (key, value) in root.get_ref() {
            match (key.get_ref().as_ref(), value.get_ref()) {
                ("serve", DeValue::Table(options)) => {
                    file.options = options.iter().map(|(name, value)| reader.setting(name, value)).collect();
                }
                ("classes", DeValue::Table(table)) => classes::read(table, &mut file.classes, &mut reader),
                (name, _) if TABLES.contains(&name) => reader.fault(key.span(), format!("{name} must be a table")),
                (name, _) => {
                    let message =
                        format!("{name} is not allowed here: there are the tables [serve] and [classes.NAME]");
                    reader.fault(key.span(), message);
                }
            }
        }
    }
    file.options.sort_by_key(|setting| setting.line);
    reader.faults.sort_by_key(|fault| fault.line);
    (file, reader.faults)
}

/// A reading under way.
pub(super) struct Reader<'a> {
    text: &'a str,
    faults: Vec<Fault>,
}

impl Reader<'_> {
    pub(super) fn fault(&mut self, span: Range<usize>, message: String) {
        self.faults.push(Fault { line: self.line(span.start), message });
    }

    fn line(&self, offset: usize) -> usize {
        1 + self.text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
    }

    fn setting(&self, name: &Spanned<std::borrow::Cow<'_, str>>, value: &Spanned<DeValue<'_>>) -> Setting {
        Setting {
            name: name.get_ref().to_string(),
            line: self.line(name.span().start),
            value: Value::of(value.get_ref()),
        }
    }
}

impl Value {
    fn of(value: &DeValue<'_>) -> Self {
        match value {
            DeValue::String(text) => Self::Text(text.to_string()),
            DeValue::Boolean(switch) => Self::Switch(*switch),
            DeValue::Integer(_) => number(value).map_or(Self::Other("a number beyond 64 bits"), Self::Number),
            DeValue::Array(items) => {
                let texts = items.iter().map(|item| item.get_ref().as_str().map(str::to_owned));
                texts.collect::<Option<_>>().map_or(Self::Other("a list of other things than strings"), Self::List)
            }
            DeValue::Float(_) => Self::Other("a number with a fraction"),
            DeValue::Datetime(_) => Self::Other("a date or time"),
            DeValue::Table(_) => Self::Other("a table"),
        }
    }
}

/// The whole number that a value is.
pub(super) fn number(value: &DeValue<'_>) -> Option<i64> {
    let number = value.as_integer()?;
    i64::from_str_radix(number.as_str(), number.radix()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &str) -> Vec<String> {
        read(text).1.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn options_are_read_in_order_with_their_lines() {
        let text = "[serve]\nlisten = \"[::1]:1\"\n# why\ninsecure = true\norigin = [\"a\", \"b\"]\nlimit = 0x10\n";
        let (file, faults) = read(text);
        assert_eq!(faults, []);
        let options: Vec<_> =
            file.options.into_iter().map(|Setting { name, line, value }| (name, line, value)).collect();
        let list = Value::List(vec!["a".to_owned(), "b".to_owned()]);
        assert_eq!(
            options,
            [
                ("listen".to_owned(), 2, Value::Text("[::1]:1".to_owned())),
                ("insecure".to_owned(), 4, Value::Switch(true)),
                ("origin".to_owned(), 5, list),
                ("limit".to_owned(), 6, Value::Number(16)),
            ]
        );
        assert_eq!(file.classes, ClassTable::built_in());
    }

    #[test]
    fn a_text_that_is_no_toml_is_told_with_its_line() {
        for (text, line) in [("[serve]\nlisten = \n", "line 2: "), ("x", "line 1: "), ("[a]\n[a]\n", "line 2: ")] {
            let faults = faults(text);
            assert!(faults.iter().any(|fault| fault.starts_with(line)), "{text:?}: {faults:?}");
        }
    }

    #[test]
    fn what_is_no_table_of_the_file_is_refused() {
        assert_eq!(
            faults("listen = 1\nclasses = 2\n"),
            [
                "line 1: listen is not allowed here: there are the tables [serve] and [classes.NAME]",
                "line 2: classes must be a table"
            ]
        );
    }

    #[test]
    fn an_empty_file_changes_nothing() {
        let (file, faults) = read("");
        assert!(file.options.is_empty() && faults.is_empty());
    }
}
