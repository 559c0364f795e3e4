//! The crate's three declarative macros are here and in `oxm/fields.rs`: for what is flat, and only for that.
//!
//! Anything with a length, a choice or a rule is written by hand.

/// An enumeration as it stands on the wire.
///
/// `open` keeps the numbers that it does not know; `closed` answers them with an error code of the specification.
///
/// ```text
/// wire_enum! { /// Doc. pub enum Reason: u8, open { /// Doc. Idle = 0, } }
/// // pub enum Reason { Idle, Unknown(u8) }, From<u8>, From<Reason> for u8, Wire
/// wire_enum! { /// Doc. pub enum Role: u32, closed ErrorCode::BAD_ROLE { /// Doc. NoChange = 0, } }
/// // pub enum Role { NoChange }, From<Role> for u32, Wire
/// ```
macro_rules! wire_enum {
    ($(#[$meta:meta])* pub enum $name:ident: $repr:ty, open { $($(#[$doc:meta])* $variant:ident = $value:literal,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$doc])* $variant,)*
            /// A number that this version of the protocol does not define.
            Unknown($repr),
        }
        impl From<$repr> for $name {
            fn from(raw: $repr) -> Self { match raw { $($value => Self::$variant,)* other => Self::Unknown(other) } }
        }
        impl From<$name> for $repr {
            fn from(typed: $name) -> Self { match typed { $($name::$variant => $value,)* $name::Unknown(raw) => raw } }
        }
        impl $crate::wire::Wire for $name {
            fn decode(input: &[u8]) -> $crate::wire::Parsed<'_, Self> { <$repr>::decode(input).map(|(rest, raw)| (rest, raw.into())) }
            fn encode(&self, out: &mut bytes::BytesMut) { <$repr>::from(*self).encode(out); }
        }
    };
    ($(#[$meta:meta])* pub enum $name:ident: $repr:ty, closed $refusal:expr => { $($(#[$doc:meta])* $variant:ident = $value:literal,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr($repr)]
        pub enum $name { $($(#[$doc])* $variant = $value,)* }
        impl From<$name> for $repr {
            fn from(typed: $name) -> Self { typed as Self }
        }
        impl $crate::wire::Wire for $name {
            fn decode(input: &[u8]) -> $crate::wire::Parsed<'_, Self> {
                let (rest, raw) = <$repr>::decode(input)?;
                let typed = match raw { $($value => Self::$variant,)* _ => return $crate::wire::refuse(input, $refusal) };
                Ok((rest, typed))
            }
            fn encode(&self, out: &mut bytes::BytesMut) { <$repr>::from(*self).encode(out); }
        }
    };
}

/// A structure of fixed size: its fields in the order of the wire, each perhaps followed by padding.
///
/// ```text
/// wire_struct! { /// Doc. pub struct Queue { /// Doc. pub port: PortNo, pad 4; /// Doc. pub id: QueueId; } }
/// // pub struct Queue { pub port: PortNo, pub id: QueueId } and its Wire
/// // wire_struct! { /// Doc. pub struct QueueId(u32); } is a number with a name: Copy, Ord, Hash, Wire
/// ```
macro_rules! wire_struct {
    ($(#[$meta:meta])* pub struct $name:ident($repr:ty);) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $repr);
        impl $crate::wire::Wire for $name {
            #[inline]
            fn decode(input: &[u8]) -> $crate::wire::Parsed<'_, Self> { <$repr>::decode(input).map(|(rest, raw)| (rest, Self(raw))) }
            #[inline]
            fn encode(&self, out: &mut bytes::BytesMut) { self.0.encode(out); }
        }
    };
    ($(#[$meta:meta])* pub struct $name:ident in $structure:expr => { $($(#[$doc:meta])* pub $field:ident: $type:ty $(, pad $pad:literal)?;)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name { $($(#[$doc])* pub $field: $type,)* }
        impl $crate::wire::Wire for $name {
            fn decode(input: &[u8]) -> $crate::wire::Parsed<'_, Self> {
                $crate::wire::within($structure, input, |input| {
                    $(
                        let (input, $field) = <$type as $crate::wire::Wire>::decode(input)?;
                        $(let (input, ()) = $crate::wire::skip(input, $pad)?;)?
                    )*
                    Ok((input, Self { $($field,)* }))
                })
            }
            fn encode(&self, out: &mut bytes::BytesMut) {
                $(
                    $crate::wire::Wire::encode(&self.$field, out);
                    $(bytes::BufMut::put_bytes(out, 0, $pad);)?
                )*
            }
        }
    };
}

pub(crate) use {wire_enum, wire_struct};
