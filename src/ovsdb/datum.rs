//! The values of a database (RFC 7047, section 5.1), as far as queues need them: no reals.
//!
//! What a database sends is read strictly. A key that comes twice is an error wherever it comes: two programs that read
//! such a message differently would not agree on what the switch has.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde::ser::{Serialize, Serializer};
use serde_json::{Value, json};

/// The name of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Uuid(u128);

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = format!("{:032x}", self.0);
        let mut rest = digits.as_str();
        for (index, length) in [8, 4, 4, 4, 12].into_iter().enumerate() {
            let (group, later) = rest.split_at_checked(length).unwrap_or((rest, ""));
            write!(f, "{}{group}", if index == 0 { "" } else { "-" })?;
            rest = later;
        }
        Ok(())
    }
}

/// It is not a UUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a UUID")]
pub(super) struct NotUuid;

impl FromStr for Uuid {
    type Err = NotUuid;

    fn from_str(text: &str) -> Result<Self, NotUuid> {
        let groups: Vec<&str> = text.split('-').collect();
        let is_one = groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
            && groups.iter().all(|group| group.bytes().all(|digit| digit.is_ascii_hexdigit()));
        if !is_one {
            return Err(NotUuid);
        }
        u128::from_str_radix(&groups.concat(), 16).map(Self).map_err(|_| NotUuid)
    }
}

impl<'de> Deserialize<'de> for Uuid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// A value without parts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Atom {
    Integer(i64),
    Boolean(bool),
    Text(String),
    Uuid(Uuid),
    /// A row that the same transaction inserts, by the name it has there.
    Named(String),
}

impl From<u32> for Atom {
    fn from(number: u32) -> Self {
        Self::Integer(number.into())
    }
}

/// What a column of a row holds. One atom and a set of one are the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Datum {
    Set(Vec<Atom>),
    Map(BTreeMap<Atom, Atom>),
}

/// Columns by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Row(pub(super) BTreeMap<String, Datum>);

impl Datum {
    pub(super) fn text(text: &str) -> Self {
        Self::Set(vec![Atom::Text(text.to_owned())])
    }

    pub(super) fn texts(map: &BTreeMap<String, String>) -> Self {
        let pair = |(key, value): (&String, &String)| (Atom::Text(key.clone()), Atom::Text(value.clone()));
        Self::Map(map.iter().map(pair).collect())
    }

    /// A reference to a row, or to none.
    pub(super) fn reference(row: Option<Atom>) -> Self {
        Self::Set(row.into_iter().collect())
    }
}

impl Row {
    pub(super) fn of<const N: usize>(columns: [(&str, Datum); N]) -> Self {
        Self(columns.into_iter().map(|(name, datum)| (name.to_owned(), datum)).collect())
    }

    fn atoms(&self, column: &str) -> &[Atom] {
        match self.0.get(column) {
            Some(Datum::Set(atoms)) => atoms,
            Some(Datum::Map(_)) | None => &[],
        }
    }

    pub(super) fn text(&self, column: &str) -> Option<&str> {
        self.atoms(column).iter().find_map(|atom| if let Atom::Text(text) = atom { Some(text.as_str()) } else { None })
    }

    pub(super) fn integer(&self, column: &str) -> Option<i64> {
        self.atoms(column).iter().find_map(|atom| if let Atom::Integer(number) = atom { Some(*number) } else { None })
    }

    pub(super) fn uuids(&self, column: &str) -> impl Iterator<Item = Uuid> {
        self.atoms(column).iter().filter_map(|atom| if let Atom::Uuid(uuid) = atom { Some(*uuid) } else { None })
    }

    /// A map from text to text.
    pub(super) fn texts(&self, column: &str) -> BTreeMap<String, String> {
        let pair = |(key, value): (&Atom, &Atom)| match (key, value) {
            (Atom::Text(key), Atom::Text(value)) => Some((key.clone(), value.clone())),
            _ => None,
        };
        self.pairs(column).filter_map(pair).collect()
    }

    /// A map from numbers to rows.
    pub(super) fn rows(&self, column: &str) -> BTreeMap<u32, Uuid> {
        let pair = |(key, value): (&Atom, &Atom)| match (key, value) {
            (Atom::Integer(key), Atom::Uuid(value)) => Some((u32::try_from(*key).ok()?, *value)),
            _ => None,
        };
        self.pairs(column).filter_map(pair).collect()
    }

    fn pairs(&self, column: &str) -> impl Iterator<Item = (&Atom, &Atom)> {
        match self.0.get(column) {
            Some(Datum::Map(map)) => Some(map.iter()),
            Some(Datum::Set(_)) | None => None,
        }
        .into_iter()
        .flatten()
    }
}

impl Serialize for Atom {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Integer(number) => number.serialize(serializer),
            Self::Boolean(boolean) => boolean.serialize(serializer),
            Self::Text(text) => text.serialize(serializer),
            Self::Uuid(uuid) => ("uuid", uuid.to_string()).serialize(serializer),
            Self::Named(name) => ("named-uuid", name).serialize(serializer),
        }
    }
}

impl Serialize for Datum {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Set(atoms) => match atoms.as_slice() {
                [atom] => atom.serialize(serializer),
                atoms => ("set", atoms).serialize(serializer),
            },
            Self::Map(map) => ("map", map.iter().collect::<Vec<_>>()).serialize(serializer),
        }
    }
}

impl Serialize for Row {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

fn atom(value: Value) -> Option<Atom> {
    match value {
        Value::Bool(boolean) => Some(Atom::Boolean(boolean)),
        Value::Number(number) => number.as_i64().map(Atom::Integer),
        Value::String(text) => Some(Atom::Text(text)),
        Value::Array(parts) => match <[Value; 2]>::try_from(parts).ok()? {
            [Value::String(kind), Value::String(name)] if kind == "uuid" => name.parse().ok().map(Atom::Uuid),
            _ => None,
        },
        Value::Null | Value::Object(_) => None,
    }
}

fn datum(value: Value) -> Option<Datum> {
    let Value::Array(parts) = value else { return atom(value).map(|atom| Datum::Set(vec![atom])) };
    let [kind, content] = <[Value; 2]>::try_from(parts).ok()?;
    match (kind.as_str()?, content) {
        ("set", Value::Array(atoms)) => atoms.into_iter().map(atom).collect::<Option<_>>().map(Datum::Set),
        ("map", Value::Array(pairs)) => {
            let mut map = BTreeMap::new();
            for pair in pairs {
                let Value::Array(pair) = pair else { return None };
                let [key, value] = <[Value; 2]>::try_from(pair).ok()?;
                if map.insert(atom(key)?, atom(value)?).is_some() {
                    return None;
                }
            }
            Some(Datum::Map(map))
        }
        (_, content) => atom(json!([kind, content])).map(|atom| Datum::Set(vec![atom])),
    }
}

impl<'de> Deserialize<'de> for Datum {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        datum(Value::deserialize(deserializer)?).ok_or_else(|| D::Error::custom("not a value of a column"))
    }
}

impl<'de> Deserialize<'de> for Row {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Unique::deserialize(deserializer).map(|Unique(columns)| Self(columns))
    }
}

/// An object in which no key comes twice.
#[derive(Debug)]
pub(super) struct Unique<K, V>(pub(super) BTreeMap<K, V>);

impl<'de, K: Deserialize<'de> + Ord, V: Deserialize<'de>> Deserialize<'de> for Unique<K, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct UniqueVisitor<K, V>(PhantomData<(K, V)>);

        impl<'de, K: Deserialize<'de> + Ord, V: Deserialize<'de>> Visitor<'de> for UniqueVisitor<K, V> {
            type Value = Unique<K, V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
                let mut entries = BTreeMap::new();
                while let Some((key, value)) = access.next_entry()? {
                    if entries.insert(key, value).is_some() {
                        return Err(A::Error::custom("a key comes twice"));
                    }
                }
                Ok(Unique(entries))
            }
        }

        deserializer.deserialize_map(UniqueVisitor(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROW: &str = "8f6b1f4e-0c5e-4d38-9a5c-00000000000a";

    #[test]
    fn every_value_reads_and_writes_as_the_rfc_says() {
        let uuid: Uuid = ROW.parse().unwrap();
        let text = |text: &str| Atom::Text(text.to_owned());
        for (json, datum) in [
            ("5", Datum::Set(vec![Atom::Integer(5)])),
            ("true", Datum::Set(vec![Atom::Boolean(true)])),
            (r#""a""#, Datum::text("a")),
            (&format!(r#"["uuid","{ROW}"]"#), Datum::Set(vec![Atom::Uuid(uuid)])),
            (r#"["set",[]]"#, Datum::Set(Vec::new())),
            (r#"["set",[1,2]]"#, Datum::Set(vec![Atom::Integer(1), Atom::Integer(2)])),
            (r#"["map",[]]"#, Datum::Map(BTreeMap::new())),
            (r#"["map",[["a","b"]]]"#, Datum::Map(BTreeMap::from([(text("a"), text("b"))]))),
            (
                &format!(r#"["map",[[0,["uuid","{ROW}"]]]]"#),
                Datum::Map(BTreeMap::from([(Atom::Integer(0), Atom::Uuid(uuid))])),
            ),
        ] {
            assert_eq!(serde_json::from_str::<Datum>(json).unwrap(), datum, "{json}");
            assert_eq!(serde_json::to_string(&datum).unwrap(), json);
        }
        assert_eq!(serde_json::from_str::<Datum>(r#"["set",["a"]]"#).unwrap(), Datum::text("a"));
        assert_eq!(serde_json::to_string(&Atom::Named("new0".to_owned())).unwrap(), r#"["named-uuid","new0"]"#);
    }

    #[test]
    fn what_is_no_value_is_refused() {
        for json in [
            "null",
            "{}",
            "1.5",
            "9223372036854775808",
            "[]",
            r#"["uuid"]"#,
            r#"["uuid","x"]"#,
            r#"["uuid","8f6b1f4e0c5e4d389a5c00000000000a"]"#,
            r#"["uuid","+f6b1f4e-0c5e-4d38-9a5c-00000000000a"]"#,
            r#"["set",5]"#,
            r#"["set",[["set",[]]]]"#,
            r#"["set",[null]]"#,
            r#"["map",[["a"]]]"#,
            r#"["map",[["a","b","c"]]]"#,
            r#"["map",[["a","b"],["a","c"]]]"#,
            r#"["bag",[]]"#,
            r#"["set",[],[]]"#,
        ] {
            assert!(serde_json::from_str::<Datum>(json).is_err(), "{json}");
        }
    }

    #[test]
    fn a_row_with_a_column_twice_is_refused() {
        assert!(serde_json::from_str::<Row>(r#"{"name":"a","type":"b"}"#).is_ok());
        assert!(serde_json::from_str::<Row>(r#"{"name":"a","name":"a"}"#).is_err());
        assert!(serde_json::from_str::<Row>(r#"[["name","a"]]"#).is_err());
    }

    #[test]
    fn a_uuid_is_shown_as_it_was_read() {
        assert_eq!(ROW.parse::<Uuid>().unwrap().to_string(), ROW);
    }
}
