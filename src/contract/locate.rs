//! A deserializer that knows where it is: the slow way through a request, taken only to explain what is wrong.
//!
//! It walks the request piece by piece ([`Piece`]), so that a number too big for any type, a lone surrogate or a
//! duplicate key is found at its place. Each level scans its part once more, which is affordable because the depth
//! is bounded by [`MAX_DEPTH`](super::MAX_DEPTH). A [`Fault`] collects the path while it travels outwards.
//!
//! How the pieces are written is the business of their own files: `json` and `msgpack`.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt::{self, Display};

use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, Error, Expected, IntoDeserializer, MapAccess, SeqAccess, Unexpected, Visitor,
};
use serde::forward_to_deserialize_any;

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
        if path.is_empty() {
            return Self::new(ErrorCode::InvalidRequest, format!("the request {}", fault.predicate));
        }
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

/// One value of a request whose form is known to be sound, however it is written.
pub(super) trait Piece<'a>: Copy {
    /// What kind of value it is.
    fn kind(self) -> Kind;

    /// Its keys and values in their order, if it is an object.
    fn entries(self) -> Result<Vec<(Cow<'a, str>, Self)>, Fault>;

    /// Its items, if it is a list.
    fn items(self) -> Result<impl Iterator<Item = Self>, Fault>;

    /// What it says, if it is a string.
    fn string(self) -> Result<Cow<'a, str>, Fault>;

    /// What it is, if it is a number.
    fn number(self) -> Number<'a>;
}

/// What kind of value it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Object,
    List,
    String,
    Bool(bool),
    Null,
    Number,
    /// Something that no field can be.
    Foreign(&'static str),
}

/// A number as it is written.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Number<'a> {
    Unsigned(u64),
    Negative(i64),
    /// A fraction, or too big: no field of the contract can be that.
    Other(Cow<'a, str>),
}

/// An object, key by key in the order of its text.
pub(super) struct Entries<'a, P>(pub(super) Vec<(Cow<'a, str>, Located<P>)>);

impl<'a, P: Piece<'a>> Entries<'a, P> {
    /// No key may come twice.
    pub(super) fn check_unique(&self) -> Result<(), Fault> {
        let mut seen = HashSet::new();
        match self.0.iter().find(|(key, _)| !seen.insert(key.as_ref())) {
            Some((key, _)) => Err(Fault::new("is given twice").in_field(key)),
            None => Ok(()),
        }
    }

    /// The values of a key.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = Located<P>> {
        self.0.iter().filter(move |(key, _)| key == name).map(|&(_, value)| value)
    }
}

/// One value of a request, to be deserialized.
#[derive(Debug, Clone, Copy)]
pub(super) struct Located<P>(pub(super) P);

impl<'a, P: Piece<'a>> Located<P> {
    /// The entries, if it is an object.
    pub(super) fn entries(self) -> Option<Result<Entries<'a, P>, Fault>> {
        (self.0.kind() == Kind::Object).then(|| self.read())
    }

    /// One level of an object.
    fn read(self) -> Result<Entries<'a, P>, Fault> {
        let entries = self.0.entries()?;
        Ok(Entries(entries.into_iter().map(|(key, value)| (key, Self(value))).collect()))
    }

    /// "must be `expected`, not `self`".
    fn unlike(self, expected: &dyn Expected) -> Fault {
        match self.0.kind() {
            Kind::Object => Fault::invalid_type(Unexpected::Map, expected),
            Kind::List => Fault::invalid_type(Unexpected::Seq, expected),
            Kind::Null => Fault::invalid_type(Unexpected::Unit, expected),
            Kind::Bool(value) => Fault::invalid_type(Unexpected::Bool(value), expected),
            Kind::Foreign(what) => Fault::invalid_type(Unexpected::Other(what), expected),
            Kind::String => match self.0.string() {
                Ok(text) => Fault::invalid_type(Unexpected::Str(&text), expected),
                Err(fault) => fault,
            },
            Kind::Number => match self.0.number() {
                Number::Unsigned(number) => Fault::invalid_type(Unexpected::Unsigned(number), expected),
                Number::Negative(number) => Fault::invalid_type(Unexpected::Signed(number), expected),
                Number::Other(text) => Fault::invalid_type(Unexpected::Other(&abridged(&text)), expected),
            },
        }
    }
}

impl<'de, P: Piece<'de>> Deserializer<'de> for Located<P> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.0.kind() {
            Kind::Object => {
                let entries = self.read()?;
                entries.check_unique()?;
                visitor.visit_map(Fields { entries: entries.0.into_iter(), next: None })
            }
            Kind::List => visitor.visit_seq(Items(self.0.items()?.enumerate())),
            Kind::String => match self.0.string()? {
                Cow::Borrowed(text) => visitor.visit_borrowed_str(text),
                Cow::Owned(text) => visitor.visit_string(text),
            },
            Kind::Bool(value) => visitor.visit_bool(value),
            Kind::Null => visitor.visit_unit(),
            Kind::Number => match self.0.number() {
                Number::Unsigned(number) => visitor.visit_u64(number),
                Number::Negative(number) => visitor.visit_i64(number),
                Number::Other(_) => Err(self.unlike(&visitor)),
            },
            Kind::Foreign(_) => Err(self.unlike(&visitor)),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.0.kind() {
            Kind::Bool(_) => self.deserialize_any(visitor),
            _ => Err(self.unlike(&"true or false")),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.0.kind() {
            Kind::List => self.deserialize_any(visitor),
            _ => Err(self.unlike(&"a list")),
        }
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct tuple tuple_struct map struct enum identifier ignored_any
    }
}

struct Fields<'a, P> {
    entries: std::vec::IntoIter<(Cow<'a, str>, Located<P>)>,
    next: Option<(Cow<'a, str>, Located<P>)>,
}

impl<'de, P: Piece<'de>> MapAccess<'de> for Fields<'de, P> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Fault> {
        self.next = self.entries.next();
        let Some((key, _)) = &self.next else { return Ok(None) };
        let key: StrDeserializer<'_, Fault> = key.as_ref().into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        let (key, value) = self.next.take().ok_or_else(|| Fault::new("has a value without a key"))?;
        seed.deserialize(value).map_err(|fault| fault.in_field(&key))
    }
}

struct Items<I>(std::iter::Enumerate<I>);

impl<'de, P: Piece<'de>, I: Iterator<Item = P>> SeqAccess<'de> for Items<I> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Fault> {
        let Some((index, item)) = self.0.next() else { return Ok(None) };
        seed.deserialize(Located(item)).map(Some).map_err(|fault| fault.at_index(index))
    }
}
