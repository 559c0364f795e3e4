//! MessagePack against the same tables: a request has the same verdict in both, and bytes that are no request get one.

use proptest::prelude::*;
use proptest::sample::Index;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::super::parse::msgpack_ways_agree;
use super::super::{
    Command, ErrorBody, ErrorCode, RequestId, ServerMessage, from_msgpack, parse_msgpack_request, parse_request,
    to_msgpack,
};
use super::{mutated, requests};

/// A JSON value with its keys in their order, and those that come twice.
#[derive(Debug, Clone)]
enum Tree {
    Null,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    String(String),
    List(Vec<Tree>),
    Object(Vec<(String, Tree)>),
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TreeVisitor;

        impl<'de> Visitor<'de> for TreeVisitor {
            type Value = Tree;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("anything")
            }

            fn visit_unit<E>(self) -> Result<Tree, E> {
                Ok(Tree::Null)
            }

            fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
                Ok(Tree::Bool(value))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Tree, E> {
                Ok(Tree::Unsigned(value))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Tree, E> {
                Ok(Tree::Signed(value))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Tree, E> {
                Ok(Tree::Float(value))
            }

            fn visit_str<E>(self, value: &str) -> Result<Tree, E> {
                Ok(Tree::String(value.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Tree, A::Error> {
                let mut list = Vec::new();
                while let Some(item) = items.next_element()? {
                    list.push(item);
                }
                Ok(Tree::List(list))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Tree, A::Error> {
                let mut object = Vec::new();
                while let Some(entry) = entries.next_entry()? {
                    object.push(entry);
                }
                Ok(Tree::Object(object))
            }
        }

        deserializer.deserialize_any(TreeVisitor)
    }
}

impl Tree {
    fn has_float(&self) -> bool {
        match self {
            Self::Float(_) => true,
            Self::List(items) => items.iter().any(Self::has_float),
            Self::Object(entries) => entries.iter().any(|(_, value)| value.has_float()),
            Self::Null | Self::Bool(_) | Self::Unsigned(_) | Self::Signed(_) | Self::String(_) => false,
        }
    }

    fn write(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Null => rmp::encode::write_nil(bytes).unwrap(),
            Self::Bool(value) => rmp::encode::write_bool(bytes, *value).unwrap(),
            Self::Unsigned(value) => drop(rmp::encode::write_uint(bytes, *value).unwrap()),
            Self::Signed(value) => drop(rmp::encode::write_sint(bytes, *value).unwrap()),
            Self::Float(value) => rmp::encode::write_f64(bytes, *value).unwrap(),
            Self::String(value) => rmp::encode::write_str(bytes, value).unwrap(),
            Self::List(items) => {
                rmp::encode::write_array_len(bytes, items.len().try_into().unwrap()).unwrap();
                items.iter().for_each(|item| item.write(bytes));
            }
            Self::Object(entries) => {
                rmp::encode::write_map_len(bytes, entries.len().try_into().unwrap()).unwrap();
                for (key, value) in entries {
                    rmp::encode::write_str(bytes, key).unwrap();
                    value.write(bytes);
                }
            }
        }
    }
}

/// The same request in MessagePack, if the text is JSON.
fn transcoded(text: &str) -> Option<(Tree, Vec<u8>)> {
    let tree: Tree = serde_json::from_str(text).ok()?;
    let mut bytes = Vec::new();
    tree.write(&mut bytes);
    Some((tree, bytes))
}

type Verdict = Result<(RequestId, Command), (Option<RequestId>, ErrorBody)>;

/// What must be the same: everything, but for how a fraction is spelled where it is repeated.
fn comparable(verdict: Verdict, has_float: bool) -> Verdict {
    verdict.map_err(|(id, error)| {
        let message = if has_float { "".into() } else { error.message };
        (id, ErrorBody { message, ..error })
    })
}

pub(super) fn assert_same_verdict(text: &str) {
    let Some((tree, bytes)) = transcoded(text) else { return };
    let verdict = |verdict| comparable(verdict, tree.has_float());
    assert_eq!(verdict(parse_msgpack_request(&bytes)), verdict(parse_request(text.as_bytes())), "{text}: {bytes:x?}");
    assert!(msgpack_ways_agree(&bytes), "{text}: {bytes:x?}");
}

#[test]
fn each_row_has_the_same_verdict_in_msgpack_as_in_json() {
    let rows = requests();
    rows.iter().for_each(|(text, _)| assert_same_verdict(text));
    assert!(rows.iter().filter(|(text, _)| transcoded(text).is_some()).count() > 200);
}

#[test]
fn what_is_accepted_reads_the_same_after_it_was_written_as_msgpack() {
    for (text, _) in requests().iter().filter(|row| row.1 == "ok") {
        let (id, command) = parse_request(text.as_bytes()).unwrap();
        let written = to_msgpack(&super::super::Request { id: &id, command: &command });
        assert_eq!(parse_msgpack_request(&written), Ok((id, command)), "{text} became {written:x?}");
    }
}

/// `{"type": "GetNode", "id": "a", "payload": {"name": VALUE}}`
fn get_node(value: &[u8]) -> Vec<u8> {
    [b"\x83\xa4type\xa7GetNode\xa2id\xa1a\xa7payload\x81\xa4name".as_slice(), value].concat()
}

/// `{"type": "InstallFlow", "id": "a", "payload": {…, "priority": VALUE}}`
fn install(priority: &[u8]) -> Vec<u8> {
    let ends = b"\xa6source\xa3any\xabdestination\xa3any\xactraffic_type\xa5voice\xa8priority";
    [b"\x83\xa4type\xabInstallFlow\xa2id\xa1a\xa7payload\x84".as_slice(), ends, priority].concat()
}

#[test]
fn bytes_that_are_no_request_get_their_verdict() {
    let nested = |depth: usize| [vec![0x91; depth], vec![0xc0]].concat();
    let behind = |mut bytes: Vec<u8>, more: &[u8]| {
        bytes.extend(more);
        bytes
    };
    for (what, bytes, code, path, piece) in [
        ("nothing", vec![], "invalid_json", None, "ends within"),
        ("the type that is none", vec![0xc1], "invalid_json", None, "0xc1"),
        ("the type that is none, inside", get_node(b"\xc1"), "invalid_json", None, "0xc1"),
        ("bytes behind the end", behind(get_node(b"\xa2s1"), b"\xc0"), "invalid_json", None, "behind"),
        ("JSON", br#"{"type":"ListNodes","id":"a"}"#.to_vec(), "invalid_json", None, "behind"),
        ("a string that ends early", get_node(b"\xa5s1"), "invalid_json", None, "ends within"),
        ("a string of 4 GiB", get_node(b"\xdb\xff\xff\xff\xff"), "invalid_json", None, "longer"),
        ("a list of 4 Gi items", get_node(b"\xdd\xff\xff\xff\xff"), "invalid_json", None, "longer"),
        ("an object of 4 Gi keys", get_node(b"\xdf\xff\xff\xff\xff"), "invalid_json", None, "longer"),
        ("binary data of 4 GiB", get_node(b"\xc6\xff\xff\xff\xff"), "invalid_json", None, "longer"),
        ("an extension of 4 GiB", get_node(b"\xc9\xff\xff\xff\xff\x01"), "invalid_json", None, "longer"),
        ("a request of 4 Gi keys", vec![0xdf, 0xff, 0xff, 0xff, 0xff, 0xa1, b'a'], "invalid_json", None, "longer"),
        ("a number that ends early", install(b"\xcd\x01"), "invalid_json", None, "ends within"),
        ("a string that is not UTF-8", get_node(b"\xa2s\xff"), "invalid_json", None, "UTF-8"),
        ("a surrogate", get_node(b"\xa3\xed\xa0\x80"), "invalid_json", None, "UTF-8"),
        ("a key that is not UTF-8", b"\x81\xa1\xff\xc0".to_vec(), "invalid_json", None, "UTF-8"),
        ("17 levels", nested(17), "invalid_json", None, "16 levels"),
        ("a million levels", nested(1_000_000), "invalid_json", None, "16 levels"),
        ("16 levels", nested(16), "invalid_request", None, "one object"),
        ("null", vec![0xc0], "invalid_request", None, "one object"),
        ("a key that is a number", b"\x81\x01\xc0".to_vec(), "invalid_request", None, "no string"),
        ("a key that is null", b"\x82\xc0\xc0\xa2id\xa1a".to_vec(), "invalid_request", None, "no string"),
        ("binary data as a name", get_node(b"\xc4\x02s1"), "invalid_request", Some("payload.name"), "binary data"),
        ("binary data as a key", get_node(b"\x81\xc4\x01a\xc0"), "invalid_request", Some("payload.name"), "no string"),
        ("an extension", get_node(b"\xd4\x01\x00"), "invalid_request", Some("payload.name"), "an extension type"),
        ("a time", get_node(b"\xd6\xff\0\0\0\0"), "invalid_request", Some("payload.name"), "an extension type"),
        ("a long extension", get_node(b"\xc7\x02\x01ab"), "invalid_request", Some("payload.name"), "an extension"),
        ("a fraction", install(b"\xcb\x3f\xf8\0\0\0\0\0\0"), "invalid_request", Some("payload.priority"), "not 1.5"),
        ("a whole float", install(b"\xca\x3f\x80\0\0"), "invalid_request", Some("payload.priority"), "not 1.0"),
        ("no number", install(b"\xca\x7f\xc0\0\0"), "invalid_request", Some("payload.priority"), "not NaN"),
        ("0", install(b"\x00"), "invalid_request", Some("payload.priority"), "from 1 to 65535, not 0"),
        ("-1", install(b"\xff"), "invalid_request", Some("payload.priority"), "not -1"),
        ("-2^63", install(b"\xd3\x80\0\0\0\0\0\0\0"), "invalid_request", Some("payload.priority"), "not -92"),
        ("2^16", install(b"\xce\0\x01\0\0"), "invalid_request", Some("payload.priority"), "not 65536"),
        (
            "2^64-1",
            install(&[0xcf, 255, 255, 255, 255, 255, 255, 255, 255]),
            "invalid_request",
            Some("payload.priority"),
            "not 18446744073709551615",
        ),
        ("null as a number", install(b"\xc0"), "invalid_request", Some("payload.priority"), "not null"),
        (
            "a key twice",
            b"\x83\xa4type\xa9ListNodes\xa2id\xa1a\xa2id\xa1a".to_vec(),
            "invalid_request",
            Some("id"),
            "twice",
        ),
        (
            "an unknown key",
            b"\x83\xa4type\xa9ListNodes\xa2id\xa1a\xa1x\xc0".to_vec(),
            "invalid_request",
            Some("x"),
            "known",
        ),
        (
            "a command as binary data",
            b"\x82\xa4type\xc4\x01a\xa2id\xa1a".to_vec(),
            "invalid_request",
            Some("type"),
            "binary",
        ),
        (
            "an id as binary data",
            b"\x82\xa4type\xa9ListNodes\xa2id\xc4\x01a".to_vec(),
            "invalid_request",
            Some("id"),
            "binary",
        ),
        ("no id", b"\x81\xa4type\xa9ListNodes".to_vec(), "invalid_request", Some("id"), "required"),
        (
            "null as a payload",
            b"\x83\xa4type\xa9ListNodes\xa2id\xa1a\xa7payload\xc0".to_vec(),
            "invalid_request",
            Some("payload"),
            "object",
        ),
    ] {
        let (id, error) = parse_msgpack_request(&bytes).unwrap_err();
        assert_eq!((error.code.as_str(), error.path.as_deref()), (code, path), "{what}: {error}");
        assert!(error.message.contains(piece), "{what}: {error}");
        let no_usable_id = error.code == ErrorCode::InvalidJson || matches!(path, None | Some("id"));
        assert_eq!(id.is_none(), no_usable_id, "{what}: {error}");
        assert!(msgpack_ways_agree(&bytes), "{what}");
    }
}

#[test]
fn a_number_may_be_written_as_long_as_it_likes() {
    let widths: [&[u8]; 9] = [
        b"\x07",
        b"\xcc\x07",
        b"\xcd\0\x07",
        b"\xce\0\0\0\x07",
        b"\xcf\0\0\0\0\0\0\0\x07",
        b"\xd0\x07",
        b"\xd1\0\x07",
        b"\xd2\0\0\0\x07",
        b"\xd3\0\0\0\0\0\0\0\x07",
    ];
    for width in widths {
        let Ok((_, Command::InstallFlow(flow))) = parse_msgpack_request(&install(width)) else { panic!("{width:x?}") };
        assert_eq!(flow.priority, Some(7), "{width:x?}");
        let (id, command) = parse_msgpack_request(&get_node(b"\xa2s1")).unwrap();
        assert_eq!((id.as_str(), command.name()), ("a", "GetNode"));
    }
}

#[test]
fn an_object_of_millions_of_keys_is_answered_and_the_answer_is_short() {
    let count = 4_000_000_u32;
    let mut bytes = b"\x83\xa4type\xa7GetInfo\xa2id\xa1a\xa7payload\xdf".to_vec();
    bytes.extend(count.to_be_bytes());
    (0..count).for_each(|_| bytes.extend(b"\xa1a\xc0"));
    let (id, error) = parse_msgpack_request(&bytes).unwrap_err();
    assert_eq!((id.unwrap().as_str(), error.path.as_deref()), ("a", Some("payload")));
    assert!(error.message.contains("more than 131072 keys"), "{error}");
}

#[test]
fn a_message_of_the_daemon_reads_the_same_in_both() {
    let flow = r#"{"flow_id":"f","state":"applied","source":"10.0.0.0/24","destination":"2001:db8::/32",
        "traffic_type":"voice","priority":46000,"destination_port":"5060-5070","forward":{"port":4294967295},
        "bidirectional":true,"idle_timeout":0,"hard_timeout":65535,"nodes":[{"node":"s1","datapath_id":null,
        "state":"applied","cookie":"0x0001000000000001","table":0,"rules":2,"error":null,
        "applied_at":"2026-11-21T02:30:00.123456Z","verified_at":null}],"warnings":[],"packets":18446744073709551615}"#;
    for (kind, rest) in [
        ("Reply", format!(r#""id":"a","command":"InstallFlow","payload":{{"flow":{flow}}}"#)),
        (
            "Reply",
            format!(r#""id":"a","command":"InstallFlows","payload":{{"flows":[{flow}],"summary":{{"applied":1}}}}"#),
        ),
        ("Event", format!(r#""topic":"flows","seq":9007199254740993,"epoch":"e","payload":{{"flow":{flow}}}"#)),
        ("Error", r#""id":null,"error":{"code":"invalid_json","message":"é"}"#.to_owned()),
    ] {
        let text = format!(r#"{{"type":"{kind}",{rest},"timestamp":"2026-11-21T02:30:00.000000Z"}}"#);
        let message: ServerMessage<serde_json::Value> = serde_json::from_str(&text).unwrap();
        let bytes = to_msgpack(&message);
        let read: serde_json::Value = from_msgpack(&bytes).unwrap();
        assert_eq!(read, serde_json::to_value(&message).unwrap());
        assert_eq!(from_msgpack::<ServerMessage<serde_json::Value>>(&bytes).unwrap(), message);
        if kind == "Reply" {
            let typed: ServerMessage = serde_json::from_str(&text).unwrap();
            let read: serde_json::Value = from_msgpack(&to_msgpack(&typed)).unwrap();
            assert_eq!(read, serde_json::to_value(&typed).unwrap());
            assert_eq!(from_msgpack::<ServerMessage>(&to_msgpack(&typed)).unwrap(), typed);
        }
    }
}

proptest! {
    #[test]
    fn whatever_the_request_json_and_msgpack_have_the_same_verdict(text in mutated()) {
        assert_same_verdict(&text);
    }

    #[test]
    fn no_mutation_of_the_bytes_panics_or_is_read_in_two_ways(
        row in any::<Index>(),
        edits in proptest::collection::vec((any::<Index>(), any::<u8>(), 0..3_u8), 1..6),
    ) {
        let requests: Vec<_> = requests().iter().filter_map(|(text, _)| transcoded(text)).collect();
        let mut bytes = row.get(&requests).1.clone();
        for (at, byte, edit) in edits {
            let at = at.index(bytes.len() + 1);
            match edit {
                0 if at < bytes.len() => bytes[at] = byte,
                1 if at < bytes.len() => drop(bytes.remove(at)),
                _ => bytes.insert(at, byte),
            }
        }
        prop_assert!(msgpack_ways_agree(&bytes), "{bytes:x?}");
        if let Ok((id, command)) = parse_msgpack_request(&bytes) {
            let written = to_msgpack(&super::super::Request { id: &id, command: &command });
            prop_assert_eq!(parse_msgpack_request(&written), Ok((id, command)));
        }
    }

    #[test]
    fn any_bytes_at_all_get_a_verdict(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse_msgpack_request(&bytes);
        prop_assert!(msgpack_ways_agree(&bytes));
    }
}
