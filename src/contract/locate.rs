//! A deserializer that knows where it is: the slow way through a request, taken only to explain what is wrong.
//!
//! It walks the text piece by piece ([`RawValue`]), so that a number too big for any type, a lone surrogate or a
//! duplicate key is found at its place. Each level scans its text once more, which is affordable because the depth
//! is bounded by [`MAX_DEPTH`](super::MAX_DEPTH). A [`Fault`] collects the path while it travels outwards.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt::{self, Display};

use serde::Deserialize;
use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, Error, Expected, IntoDeserializer, MapAccess, SeqAccess, Unexpected, Visitor,
};
use serde::forward_to_deserialize_any;
use serde_json::value::RawValue;

use super::error::{ErrorBody, ErrorCode};
use super::text::{abridged, quoted};

/// What is wrong, and where.
#[derive(Debug)]
pub(super) struct Fault {
    /// From the innermost step outwards.
    path: Vec<Step>,
    /// What is wrong with the value there, as a predicate.
    predicate: String,
}

/// One step into a value.
#[derive(Debug)]
enum Step {
    Field(String),
    Index(usize),
}

impl Fault {
    /// A fault of the value at hand.
    pub(super) fn new(predicate: impl Into<String>) -> Self {
        Self { path: Vec::new(), predicate: predicate.into() }
    }

    /// The same fault, seen from the object that has the value as `field`.
    pub(super) fn in_field(mut self, field: &str) -> Self {
        self.path.push(Step::Field(abridged(field).into_owned()));
        self
    }

    fn at_index(mut self, index: usize) -> Self {
        self.path.push(Step::Index(index));
        self
    }

    /// `payload.flows[17].source`
    fn path(&self) -> String {
        let mut path = String::new();
        for step in self.path.iter().rev() {
            match step {
                Step::Field(field) if path.is_empty() => path.push_str(field),
                Step::Field(field) => path.extend([".", field]),
                Step::Index(index) => path.push_str(&format!("[{index}]")),
            }
        }
        path
    }

    /// How a sentence calls the value: its field, and its index where it is an item of a list.
    fn subject(path: &str) -> &str {
        path.rsplit_once('.').map_or(path, |(_, last)| last)
    }
}

impl From<Fault> for ErrorBody {
    fn from(fault: Fault) -> Self {
        let path = fault.path();
        let message = format!("{} {}", Fault::subject(&path), fault.predicate);
        Self::new(ErrorCode::InvalidRequest, message).at(path)
    }
}

impl Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.path(), self.predicate)
    }
}

impl std::error::Error for Fault {}

impl Error for Fault {
    fn custom<T: Display>(predicate: T) -> Self {
        Self::new(predicate.to_string())
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let got = match unexpected {
            Unexpected::Bool(value) => value.to_string(),
            Unexpected::Unsigned(number) => number.to_string(),
            Unexpected::Signed(number) => number.to_string(),
            Unexpected::Str(text) => quoted(text),
            Unexpected::Unit => "null".to_owned(),
            Unexpected::Seq => "a list".to_owned(),
            Unexpected::Map => "an object".to_owned(),
            other => other.to_string(),
        };
        Self::new(format!("must be {expected}, not {got}"))
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(unexpected, expected)
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let predicate = match expected {
            [] => "is not a field that is known here: there are none".to_owned(),
            known => format!("is not a field that is known here; known are {}", known.join(", ")),
        };
        Self::new(predicate).in_field(field)
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new("is required").in_field(field)
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::new("is given twice").in_field(field)
    }
}

/// An object, key by key in the order of its text.
pub(super) struct Entries<'a>(pub(super) Vec<(String, Located<'a>)>);

impl<'a> Entries<'a> {
    /// Reads one level of an object.
    fn read(object: &'a str) -> Result<Self, Fault> {
        struct EntriesVisitor;

        impl<'de> Visitor<'de> for EntriesVisitor {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(entries)
            }
        }

        let entries = serde_json::Deserializer::from_str(object)
            .deserialize_map(EntriesVisitor)
            .map_err(|_| Fault::new("has a key with an escape that is no character"))?;
        Ok(Self(entries.into_iter().map(|(key, value)| (key, Located(value))).collect()))
    }

    /// No key may come twice.
    pub(super) fn check_unique(&self) -> Result<(), Fault> {
        let mut seen = HashSet::new();
        match self.0.iter().find(|(key, _)| !seen.insert(key.as_str())) {
            Some((key, _)) => Err(Fault::new("is given twice").in_field(key)),
            None => Ok(()),
        }
    }

    /// The values of a key.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = Located<'a>> {
        self.0.iter().filter(move |(key, _)| key == name).map(|&(_, value)| value)
    }
}

/// One value in the text of a request, which is known to be JSON.
#[derive(Debug, Clone, Copy)]
pub(super) struct Located<'a>(pub(super) &'a RawValue);

/// What kind of value a text is: JSON tells by its first character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Object,
    List,
    String,
    True,
    False,
    Null,
    Number,
}

impl<'a> Located<'a> {
    fn text(self) -> &'a str {
        self.0.get()
    }

    fn kind(self) -> Kind {
        match self.text().as_bytes().first() {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::List,
            Some(b'"') => Kind::String,
            Some(b't') => Kind::True,
            Some(b'f') => Kind::False,
            Some(b'n') => Kind::Null,
            _ => Kind::Number,
        }
    }

    /// The entries, if it is an object.
    pub(super) fn entries(self) -> Option<Result<Entries<'a>, Fault>> {
        (self.kind() == Kind::Object).then(|| Entries::read(self.text()))
    }

    fn string(self) -> Result<Cow<'a, str>, Fault> {
        #[derive(Deserialize)]
        struct Borrowed<'a>(#[serde(borrow)] Cow<'a, str>);

        serde_json::from_str(self.text())
            .map(|Borrowed(string)| string)
            .map_err(|_| Fault::new("has an escape that is no character: surrogates come in pairs"))
    }

    /// "must be `expected`, not `self`".
    fn unlike(self, expected: &dyn Expected) -> Fault {
        let unexpected = match self.kind() {
            Kind::Object => Unexpected::Map,
            Kind::List => Unexpected::Seq,
            Kind::Null => Unexpected::Unit,
            Kind::True => Unexpected::Bool(true),
            Kind::False => Unexpected::Bool(false),
            Kind::String => return Fault::new(format!("must be {expected}, not {}", abridged(self.text()))),
            Kind::Number => Unexpected::Other(&abridged(self.text())),
        };
        Fault::invalid_type(unexpected, expected)
    }
}

impl<'de> Deserializer<'de> for Located<'de> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.kind() {
            Kind::Object => {
                let entries = Entries::read(self.text())?;
                entries.check_unique()?;
                visitor.visit_map(Fields { entries: entries.0.into_iter(), next: None })
            }
            Kind::List => {
                let items: Vec<&RawValue> =
                    serde_json::from_str(self.text()).map_err(|_| Fault::new("is not a list"))?;
                visitor.visit_seq(Items { items: items.into_iter().enumerate() })
            }
            Kind::String => match self.string()? {
                Cow::Borrowed(text) => visitor.visit_borrowed_str(text),
                Cow::Owned(text) => visitor.visit_string(text),
            },
            Kind::True => visitor.visit_bool(true),
            Kind::False => visitor.visit_bool(false),
            Kind::Null => visitor.visit_unit(),
            // "-0" is a number that only a float can hold, and no field of the contract is one.
            Kind::Number => match (self.text().parse::<u64>(), self.text().parse::<i64>()) {
                (Ok(number), _) => visitor.visit_u64(number),
                (_, Ok(number)) if number != 0 => visitor.visit_i64(number),
                _ => Err(self.unlike(&visitor)),
            },
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.kind() {
            Kind::True | Kind::False => self.deserialize_any(visitor),
            _ => Err(self.unlike(&"true or false")),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.kind() {
            Kind::List => self.deserialize_any(visitor),
            _ => Err(self.unlike(&"a list")),
        }
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct tuple tuple_struct map struct enum identifier ignored_any
    }
}

struct Fields<'a> {
    entries: std::vec::IntoIter<(String, Located<'a>)>,
    next: Option<(String, Located<'a>)>,
}

impl<'de> MapAccess<'de> for Fields<'de> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Fault> {
        self.next = self.entries.next();
        let Some((key, _)) = &self.next else { return Ok(None) };
        let key: StrDeserializer<'_, Fault> = key.as_str().into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        let (key, value) = self.next.take().ok_or_else(|| Fault::new("has a value without a key"))?;
        seed.deserialize(value).map_err(|fault| fault.in_field(&key))
    }
}

struct Items<'a> {
    items: std::iter::Enumerate<std::vec::IntoIter<&'a RawValue>>,
}

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Fault> {
        let Some((index, item)) = self.items.next() else { return Ok(None) };
        seed.deserialize(Located(item)).map(Some).map_err(|fault| fault.at_index(index))
    }
}
