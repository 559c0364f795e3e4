//! The pieces of a request in JSON: texts that are known to be JSON, and cut no further than is asked for.
//!
//! The depth of a request is bounded here as well, before anything recurses.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::locate::{Fault, Kind, Number, Piece};

/// Whether arrays and objects are nested more deeply than that. Brackets within strings do not count; whether they are
/// balanced is for the parser to say.
pub(super) fn is_deeper_than(limit: usize, text: &str) -> bool {
    let mut depth = 0_usize;
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'[' | b'{' if depth == limit => return true,
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            b'"' => skip_string(&mut bytes),
            _ => {}
        }
    }
    false
}

/// Goes on behind the quote that ends a string.
fn skip_string(bytes: &mut impl Iterator<Item = u8>) {
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return,
            b'\\' => drop(bytes.next()),
            _ => {}
        }
    }
}

impl<'a> Piece<'a> for &'a RawValue {
    /// JSON tells by the first character.
    fn kind(self) -> Kind {
        match self.get().as_bytes().first() {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::List,
            Some(b'"') => Kind::String,
            Some(b't') => Kind::Bool(true),
            Some(b'f') => Kind::Bool(false),
            Some(b'n') => Kind::Null,
            _ => Kind::Number,
        }
    }

    fn entries(self) -> Result<Vec<(Cow<'a, str>, Self)>, Fault> {
        struct Entries;

        impl<'de> Visitor<'de> for Entries {
            type Value = Vec<(Cow<'de, str>, &'de RawValue)>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some((Borrowed(key), value)) = map.next_entry()? {
                    entries.push((key, value));
                }
                Ok(entries)
            }
        }

        serde_json::Deserializer::from_str(self.get())
            .deserialize_map(Entries)
            .map_err(|_| Fault::new("has a key with an escape that is no character"))
    }

    fn items(self) -> Result<impl Iterator<Item = Self>, Fault> {
        serde_json::from_str(self.get()).map(Vec::into_iter).map_err(|_| Fault::new("is not a list"))
    }

    fn string(self) -> Result<Cow<'a, str>, Fault> {
        serde_json::from_str(self.get())
            .map(|Borrowed(string)| string)
            .map_err(|_| Fault::new("has an escape that is no character: surrogates come in pairs"))
    }

    fn number(self) -> Number<'a> {
        match (self.get().parse(), self.get().parse()) {
            (Ok(number), _) => Number::Unsigned(number),
            // "-0" is a number that only a float can hold, and no field of the contract is one.
            (_, Ok(number)) if number != 0 => Number::Negative(number),
            _ => Number::Other(self.get().into()),
        }
    }
}

/// A string that is copied only where it has escapes.
#[derive(Deserialize)]
struct Borrowed<'a>(#[serde(borrow)] Cow<'a, str>);
