//! Values that are written as one string: how they are read, and how a wrong one is explained.
//!
//! A [`Reason`] is a predicate ("must be …", "has host bits set …"), so that both a JSON path and a command-line
//! option can stand before it.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use schemars::Schema;
use serde::de::{Deserializer, Error, Visitor};

/// Longest piece of somebody's input that is repeated in an explanation, in characters.
const QUOTED_CHARACTERS: usize = 64;

/// Why a value was refused, as a predicate: the name of the field goes before it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Reason(String);

impl Reason {
    /// A reason in these words.
    pub fn new(words: impl Into<String>) -> Self {
        Self(words.into())
    }

    /// "must be `expected`, not `got`".
    pub(super) fn expected(expected: &str, got: &str) -> Self {
        Self(format!("must be {expected}, not {}", quoted(got)))
    }
}

/// Input as it may be shown: cut when long.
pub(super) fn abridged(input: &str) -> Cow<'_, str> {
    match input.char_indices().nth(QUOTED_CHARACTERS) {
        Some((end, _)) => format!("{}…", &input[..end]).into(),
        None => input.into(),
    }
}

/// The same in quotes, control characters escaped.
pub(super) fn quoted(input: &str) -> String {
    format!("{:?}", abridged(input))
}

/// A value with one written form, which is a JSON string and a command-line argument alike.
pub(super) trait Text: FromStr<Err = Reason> {
    /// What is allowed, after "must be".
    const ALLOWED: &'static str;

    /// The same for programs.
    fn schema() -> Schema;
}

/// Deserializes a [`Text`] from a string and nothing else.
pub(super) fn deserialize<'de, T: Text, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    struct TextVisitor<T>(PhantomData<T>);

    impl<T: Text> Visitor<'_> for TextVisitor<T> {
        type Value = T;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str(T::ALLOWED)
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
            text.parse().map_err(E::custom)
        }
    }

    deserializer.deserialize_str(TextVisitor(PhantomData))
}

/// Gives a [`Text`] its schema.
macro_rules! schema_of_text {
    ($name:ident) => {
        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                <Self as $crate::contract::text::Text>::schema()
            }
        }
    };
}

/// Gives a [`Text`] with `Display` its serde form, the string, and its schema.
macro_rules! serde_as_text {
    ($name:ident) => {
        $crate::contract::text::schema_of_text!($name);

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::contract::text::deserialize(deserializer)
            }
        }
    };
}

/// Declares a closed vocabulary: an enum whose variants are words on the wire.
///
/// `words! { pub enum Wait { Applied = "applied", Accepted = "accepted" } }` gives `Wait::ALL`, `as_str`, `Display`,
/// `FromStr`, serde's two traits and a schema. Serde's own derive would accept `{"applied":null}` too.
macro_rules! words {
    (
        $(#[doc = $about:literal])+
        $(#[derive($derived:ident)])?
        pub enum $name:ident { $($(#[doc = $doc:literal])+ $(#[$default:ident])? $variant:ident = $word:literal,)+ }
    ) => {
        $crate::contract::text::words!(@text $name [$($about)+] $([$word $($doc)+])+);

        $(#[doc = $about])+
        $(#[derive($derived)])?
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[doc = $doc])+ $(#[$default])? $variant,)+ }

        impl $name {
            /// Every word there is, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The word on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::contract::text::Reason;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => Err($crate::contract::text::Reason::expected(<Self as $crate::contract::text::Text>::ALLOWED, text)),
                }
            }
        }

        $crate::contract::text::serde_as_text!($name);
    };
    (@text $name:ident [$($about:literal)+] [$first:literal $($said:literal)+] $([$word:literal $($doc:literal)+])*) => {
        impl $crate::contract::text::Text for $name {
            const ALLOWED: &'static str = concat!("one of \"", $first, "\"" $(, ", \"", $word, "\"")*);

            fn schema() -> schemars::Schema {
                let about = concat!($($about,)+ "\n\n- `", $first, "`:" $(, $said)+ $(, "\n- `", $word, "`:" $(, $doc)+)*);
                schemars::json_schema!({"type": "string", "description": about.trim(), "enum": [$first $(, $word)*]})
            }
        }
    };
}

pub(super) use {schema_of_text, serde_as_text, words};
