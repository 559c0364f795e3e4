//! MessagePack: the same objects as in JSON, in fewer bytes.
//!
//! A request is looked through before anything is made of it: it must be one whole value, no deeper than
//! [`MAX_DEPTH`], with strings that are UTF-8, and a length that it claims must be there. What JSON has no counterpart
//! of (binary data, extension types, fractions, keys that are no strings) is MessagePack all the same: it is refused at
//! its place, like any other value of a wrong type.

use std::borrow::Cow;

use rmp::Marker;
use rmp_serde::config::{DefaultConfig, HumanReadableConfig};
use rmp_serde::decode::ReadRefReader;
use rmp_serde::{Deserializer, Serializer};
use serde::de::Error as _;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::locate::{Fault, Kind, Number, Piece};

/// Keys of one object that are looked at to say what is wrong with it; JSON can have hardly more in a message.
const MAX_KEYS: usize = 1 << 17;

/// A deserializer of what could be JSON as well.
pub(super) type Plain<'a> = Deserializer<ReadRefReader<'a, [u8]>, HumanReadableConfig<DefaultConfig>>;

/// Why bytes are no request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unsound {
    #[error("the request is not valid MessagePack: it ends within a value, or a length is longer than what follows")]
    Cut,
    #[error("the request is not valid MessagePack: there are bytes behind its end")]
    Trailing,
    #[error("the request is not valid MessagePack: 0xc1 is no type")]
    NoType,
    #[error("the request is not valid MessagePack: a string is not UTF-8")]
    NotUtf8,
    #[error("the request is nested more than {0} levels deep")]
    TooDeep(usize),
}

/// What a value is, as its first bytes say.
#[derive(Debug, Clone, Copy)]
enum Head<'a> {
    Null,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    String(&'a [u8]),
    Binary,
    Extension,
    List(usize),
    Object(usize),
}

/// The bytes of one value that is known to be sound.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sound<'a>(&'a [u8]);

/// An empty object.
pub(super) const NO_FIELDS: Sound<'_> = Sound(&[0x80]);

/// What is known of a request that was looked through.
#[derive(Debug)]
pub(super) struct Checked<'a> {
    pub(super) value: Sound<'a>,
    /// It could be JSON as well: it has nothing that only MessagePack has.
    pub(super) is_plain: bool,
    /// Its fields, if it is an object with string keys; no more of them than a request may have, and one.
    pub(super) entries: Vec<(&'a str, Sound<'a>)>,
}

/// Looks a request through, which may be nested so deeply.
pub(super) fn check(depth: usize, bytes: &[u8]) -> Result<Checked<'_>, Unsound> {
    let within =
        |unsound: Unsound| if matches!(unsound, Unsound::TooDeep(_)) { Unsound::TooDeep(depth) } else { unsound };
    look_through(depth, bytes).map_err(within)
}

fn look_through(depth: usize, bytes: &[u8]) -> Result<Checked<'_>, Unsound> {
    let (mut rest, mut is_plain, mut entries) = (bytes, true, Vec::new());
    if let Head::Object(length) = head(&mut rest)?
        && depth > 0
    {
        for _ in 0..length {
            let key = cut(&mut rest, depth - 1, &mut is_plain)?;
            let value = cut(&mut rest, depth - 1, &mut is_plain)?;
            match key.head() {
                Head::String(key) if entries.len() < 4 => entries.push((text(key)?, value)),
                Head::String(_) => {}
                _ => is_plain = false,
            }
        }
    } else {
        rest = bytes;
        skip(&mut rest, depth, &mut is_plain)?;
    }
    if rest.is_empty() { Ok(Checked { value: Sound(bytes), is_plain, entries }) } else { Err(Unsound::Trailing) }
}

/// Cuts a value off.
fn cut<'a>(rest: &mut &'a [u8], levels: usize, is_plain: &mut bool) -> Result<Sound<'a>, Unsound> {
    let bytes = *rest;
    skip(rest, levels, is_plain)?;
    Ok(Sound(bytes.get(..bytes.len() - rest.len()).unwrap_or_default()))
}

fn text(bytes: &[u8]) -> Result<&str, Unsound> {
    std::str::from_utf8(bytes).map_err(|_| Unsound::NotUtf8)
}

/// Goes on behind a value of so many levels at most. Each round of its loops takes a byte at least, and it recurses no
/// deeper than that.
fn skip(rest: &mut &[u8], levels: usize, is_plain: &mut bool) -> Result<(), Unsound> {
    match head(rest)? {
        Head::Null | Head::Bool(_) | Head::Unsigned(_) | Head::Signed(_) | Head::Float(_) => {}
        Head::String(bytes) => drop(text(bytes)?),
        Head::Binary | Head::Extension => *is_plain = false,
        Head::List(_) | Head::Object(_) if levels == 0 => return Err(Unsound::TooDeep(0)),
        Head::List(length) => {
            for _ in 0..length {
                skip(rest, levels - 1, is_plain)?;
            }
        }
        Head::Object(length) => {
            for _ in 0..length {
                *is_plain &= matches!(Sound(rest).head(), Head::String(_));
                skip(rest, levels - 1, is_plain)?;
                skip(rest, levels - 1, is_plain)?;
            }
        }
    }
    Ok(())
}

/// Takes the head of a value; of one without parts, all of it.
fn head<'a>(rest: &mut &'a [u8]) -> Result<Head<'a>, Unsound> {
    let marker = Marker::from_u8(number(rest, 1)? as u8);
    Ok(match marker {
        Marker::Null => Head::Null,
        Marker::True => Head::Bool(true),
        Marker::False => Head::Bool(false),
        Marker::FixPos(value) => Head::Unsigned(value.into()),
        Marker::FixNeg(value) => Head::Signed(value.into()),
        Marker::U8 => Head::Unsigned(number(rest, 1)?),
        Marker::U16 => Head::Unsigned(number(rest, 2)?),
        Marker::U32 => Head::Unsigned(number(rest, 4)?),
        Marker::U64 => Head::Unsigned(number(rest, 8)?),
        Marker::I8 => Head::Signed(number(rest, 1)? as i8 as i64),
        Marker::I16 => Head::Signed(number(rest, 2)? as i16 as i64),
        Marker::I32 => Head::Signed(number(rest, 4)? as i32 as i64),
        Marker::I64 => Head::Signed(number(rest, 8)? as i64),
        Marker::F32 => Head::Float(f32::from_bits(number(rest, 4)? as u32).into()),
        Marker::F64 => Head::Float(f64::from_bits(number(rest, 8)?)),
        Marker::FixStr(length) => Head::String(take(rest, length.into())?),
        Marker::Str8 => Head::String(counted(rest, 1)?),
        Marker::Str16 => Head::String(counted(rest, 2)?),
        Marker::Str32 => Head::String(counted(rest, 4)?),
        Marker::Bin8 => counted(rest, 1).map(|_| Head::Binary)?,
        Marker::Bin16 => counted(rest, 2).map(|_| Head::Binary)?,
        Marker::Bin32 => counted(rest, 4).map(|_| Head::Binary)?,
        Marker::FixExt1 => take(rest, 2).map(|_| Head::Extension)?,
        Marker::FixExt2 => take(rest, 3).map(|_| Head::Extension)?,
        Marker::FixExt4 => take(rest, 5).map(|_| Head::Extension)?,
        Marker::FixExt8 => take(rest, 9).map(|_| Head::Extension)?,
        Marker::FixExt16 => take(rest, 17).map(|_| Head::Extension)?,
        Marker::Ext8 => extension(rest, 1)?,
        Marker::Ext16 => extension(rest, 2)?,
        Marker::Ext32 => extension(rest, 4)?,
        Marker::FixArray(length) => Head::List(there(rest, length.into(), 1)?),
        Marker::Array16 => Head::List(number(rest, 2).and_then(|length| there(rest, length, 1))?),
        Marker::Array32 => Head::List(number(rest, 4).and_then(|length| there(rest, length, 1))?),
        Marker::FixMap(length) => Head::Object(there(rest, length.into(), 2)?),
        Marker::Map16 => Head::Object(number(rest, 2).and_then(|length| there(rest, length, 2))?),
        Marker::Map32 => Head::Object(number(rest, 4).and_then(|length| there(rest, length, 2))?),
        Marker::Reserved => return Err(Unsound::NoType),
    })
}

/// The next bytes.
fn take<'a>(rest: &mut &'a [u8], length: u64) -> Result<&'a [u8], Unsound> {
    let length = usize::try_from(length).map_err(|_| Unsound::Cut)?;
    let (taken, behind) = rest.split_at_checked(length).ok_or(Unsound::Cut)?;
    *rest = behind;
    Ok(taken)
}

/// A number of so many bytes, the most significant first.
fn number(rest: &mut &[u8], width: u64) -> Result<u64, Unsound> {
    Ok(take(rest, width)?.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

/// The bytes behind their own count.
fn counted<'a>(rest: &mut &'a [u8], width: u64) -> Result<&'a [u8], Unsound> {
    let length = number(rest, width)?;
    take(rest, length)
}

/// An extension: a count, a type, and as many bytes.
fn extension<'a>(rest: &mut &'a [u8], width: u64) -> Result<Head<'a>, Unsound> {
    let length = number(rest, width)?;
    take(rest, length + 1).map(|_| Head::Extension)
}

/// So many parts, if there are bytes enough for them.
fn there(rest: &[u8], length: u64, bytes_each: u64) -> Result<usize, Unsound> {
    let length = usize::try_from(length).map_err(|_| Unsound::Cut)?;
    if length as u64 * bytes_each > rest.len() as u64 { Err(Unsound::Cut) } else { Ok(length) }
}

impl<'a> Sound<'a> {
    fn head(self) -> Head<'a> {
        // It is sound, so it has a head.
        let mut rest = self.0;
        head(&mut rest).unwrap_or(Head::Null)
    }

    /// Deserializes it, provided that it is plain.
    pub(super) fn plain(self) -> Plain<'a> {
        Deserializer::from_read_ref(self.0).with_human_readable()
    }
}

impl<'a> Piece<'a> for Sound<'a> {
    fn kind(self) -> Kind {
        match self.head() {
            Head::Null => Kind::Null,
            Head::Bool(value) => Kind::Bool(value),
            Head::Unsigned(_) | Head::Signed(_) | Head::Float(_) => Kind::Number,
            Head::String(_) => Kind::String,
            Head::Binary => Kind::Foreign("binary data"),
            Head::Extension => Kind::Foreign("an extension type"),
            Head::List(_) => Kind::List,
            Head::Object(_) => Kind::Object,
        }
    }

    fn entries(self) -> Result<Vec<(Cow<'a, str>, Self)>, Fault> {
        let mut rest = self.0;
        let Ok(Head::Object(length)) = head(&mut rest) else { return Ok(Vec::new()) };
        if length > MAX_KEYS {
            return Err(Fault::new(format!("has more than {MAX_KEYS} keys")));
        }
        let mut parts = Parts { rest, left: 2 * length };
        let mut entries = Vec::with_capacity(length);
        while let (Some(key), Some(value)) = (parts.next(), parts.next()) {
            if key.kind() != Kind::String {
                return Err(Fault::new("has a key that is no string"));
            }
            entries.push((key.string()?, value));
        }
        Ok(entries)
    }

    fn items(self) -> Result<impl Iterator<Item = Self>, Fault> {
        let mut rest = self.0;
        let left = if let Ok(Head::List(length)) = head(&mut rest) { length } else { 0 };
        Ok(Parts { rest, left })
    }

    fn string(self) -> Result<Cow<'a, str>, Fault> {
        let Head::String(text) = self.head() else { return Ok(Cow::Borrowed("")) };
        std::str::from_utf8(text).map(Cow::Borrowed).map_err(|_| Fault::new("is not UTF-8"))
    }

    fn number(self) -> Number<'a> {
        match self.head() {
            Head::Unsigned(number) => Number::Unsigned(number),
            Head::Signed(number) => u64::try_from(number).map_or(Number::Negative(number), Number::Unsigned),
            Head::Float(number) => Number::Other(format!("{number:?}").into()),
            _ => Number::Other("".into()),
        }
    }
}

/// The parts of a list or an object, one after the other.
struct Parts<'a> {
    rest: &'a [u8],
    left: usize,
}

impl<'a> Iterator for Parts<'a> {
    type Item = Sound<'a>;

    fn next(&mut self) -> Option<Sound<'a>> {
        self.left = self.left.checked_sub(1)?;
        // The whole was looked through, with its bound.
        cut(&mut self.rest, usize::MAX, &mut true).ok()
    }
}

/// Writes a message as MessagePack: objects with their keys, times and addresses as the strings that they are in JSON.
pub fn to_msgpack<T: Serialize>(message: &T) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(256);
    let mut serializer = Serializer::new(&mut bytes).with_struct_map().with_human_readable();
    // The contract's types are strings, numbers and maps with string keys: writing them cannot fail.
    let _ = message.serialize(&mut serializer);
    bytes
}

/// Reads a message of the daemon from MessagePack.
///
/// # Errors
/// It is not what it should be.
pub fn from_msgpack<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, rmp_serde::decode::Error> {
    T::deserialize(&mut Deserializer::from_read_ref(bytes).with_human_readable())
}

/// A value of any form, held as JSON whatever it is read from.
#[derive(Debug, Clone)]
pub struct AsJson(pub Box<RawValue>);

impl<'de> Deserialize<'de> for AsJson {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut text = Vec::new();
        serde_transcode::transcode(deserializer, &mut serde_json::Serializer::new(&mut text))
            .map_err(D::Error::custom)?;
        let text = String::from_utf8(text).map_err(D::Error::custom)?;
        RawValue::from_string(text).map(Self).map_err(D::Error::custom)
    }
}
