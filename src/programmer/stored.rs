//! A flow as the store has it: in some 60 bytes, because there may be millions of them.
//!
//! ```text
//! form (1)  flags (1)  [ended (8)]  length of what was asked (4)  what was asked  its nodes, to the end:
//!   stage (1)  flags (1)  length of the name (2)  the name  what the flags say that there is, in their order
//! ```
//! Numbers are big endian, and times are microseconds since 1970. What was asked is as [`Asked`] keeps it. A store of an
//! earlier daemon has JSON in place of this, the same that an export has; it is read, and written anew when the flow changes.

use bytes::{Buf, BufMut};

use super::asked::{Asked, get_short, take};
use super::record::{AtomRecord, FlowRecord, PlacementRecord, StoredStage};
use crate::contract::{InstallFlow, Timestamp};

/// The form above. No JSON begins like this.
const FORM: u8 = 1;

/// The flow has ended.
const ENDED: u8 = 1;

/// What is there of a flow on a node.
mod flag {
    pub(super) const APPLIED_AT: u8 = 1;
    pub(super) const EXPIRED_RULES: u8 = 1 << 1;
    pub(super) const METER: u8 = 1 << 2;
    pub(super) const ATOM: u8 = 1 << 3;
    pub(super) const ATOM_PER_NODE: u8 = 1 << 4;
    pub(super) const ERROR: u8 = 1 << 5;
}

/// A flow as it was stored.
pub(super) struct StoredFlow {
    pub(super) asked: Asked,
    /// The same, put together.
    pub(super) request: InstallFlow,
    pub(super) nodes: Vec<PlacementRecord>,
    pub(super) ended: Option<Timestamp>,
}

impl From<FlowRecord> for StoredFlow {
    fn from(record: FlowRecord) -> Self {
        let FlowRecord { flow_id, request, nodes, ended } = record;
        Self { asked: Asked::new(&flow_id, &request), request: *request, nodes, ended }
    }
}

impl From<StoredFlow> for FlowRecord {
    fn from(stored: StoredFlow) -> Self {
        let StoredFlow { asked, request, nodes, ended } = stored;
        Self { flow_id: asked.flow_id(), request: Box::new(request), nodes, ended }
    }
}

/// The bytes of a flow.
pub(super) fn encode(asked: &Asked, nodes: impl Iterator<Item = PlacementRecord>, ended: Option<Timestamp>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(asked.as_bytes().len() + 48);
    bytes.put_u8(FORM);
    bytes.put_u8(if ended.is_some() { ENDED } else { 0 });
    ended.iter().for_each(|ended| bytes.put_i64(ended.as_micros()));
    put_long(&mut bytes, asked.as_bytes());
    nodes.for_each(|node| put_node(&mut bytes, &node));
    bytes
}

fn put_node(bytes: &mut Vec<u8>, record: &PlacementRecord) {
    let PlacementRecord { node, stage, error, applied_at, expired_rules, meter, atom } = record;
    let flags = [
        (applied_at.is_some(), flag::APPLIED_AT),
        (*expired_rules > 0, flag::EXPIRED_RULES),
        (meter.is_some(), flag::METER),
        (atom.is_some(), flag::ATOM),
        (atom.is_some_and(|atom| atom.per_node), flag::ATOM_PER_NODE),
        (error.is_some(), flag::ERROR),
    ];
    let name = node.as_str().as_bytes();
    bytes.put_u8(*stage as u8);
    bytes.put_u8(flags.into_iter().filter(|(is_there, _)| *is_there).fold(0, |flags, (_, bit)| flags | bit));
    bytes.put_u16(u16::try_from(name.len()).unwrap_or_else(|_| unreachable!("names are short")));
    bytes.put_slice(name);
    applied_at.iter().for_each(|at| bytes.put_i64(at.as_micros()));
    if *expired_rules > 0 {
        bytes.put_u32(*expired_rules);
    }
    meter.iter().for_each(|meter| bytes.put_u32(*meter));
    atom.iter().for_each(|atom| bytes.put_u64(atom.first));
    if let Some(error) = error {
        // It has nothing that JSON lacks.
        put_long(bytes, &serde_json::to_vec(error).unwrap_or_default());
    }
}

/// A flow of its bytes, or what is wrong with them.
pub(super) fn decode(bytes: &[u8]) -> Result<StoredFlow, String> {
    match bytes.first() {
        Some(&FORM) => get_flow(bytes).ok_or_else(|| "it is not whole, or not lawful".to_owned()),
        Some(b'{') => {
            serde_json::from_slice::<FlowRecord>(bytes).map(StoredFlow::from).map_err(|error| error.to_string())
        }
        form => Err(format!("it has form {form:?}, and this program reads {FORM} and JSON")),
    }
}

fn get_flow(mut bytes: &[u8]) -> Option<StoredFlow> {
    let [_, flags] = bytes.try_get_u16().ok()?.to_be_bytes();
    let ended = if flags & ENDED != 0 { Some(get_time(&mut bytes)?) } else { None };
    let (asked, request) = Asked::from_bytes(get_long(&mut bytes)?)?;
    let mut nodes = Vec::with_capacity(1);
    while !bytes.is_empty() {
        nodes.push(get_node(&mut bytes)?);
    }
    Some(StoredFlow { asked, request, nodes, ended })
}

fn get_node(bytes: &mut &[u8]) -> Option<PlacementRecord> {
    let [stage, flags] = bytes.try_get_u16().ok()?.to_be_bytes();
    let name = get_short(bytes)?;
    let has = |bit| flags & bit != 0;
    Some(PlacementRecord {
        node: std::str::from_utf8(name).ok()?.parse().ok()?,
        stage: *StoredStage::ALL.get(usize::from(stage))?,
        applied_at: if has(flag::APPLIED_AT) { Some(get_time(bytes)?) } else { None },
        expired_rules: if has(flag::EXPIRED_RULES) { bytes.try_get_u32().ok()? } else { 0 },
        meter: if has(flag::METER) { Some(bytes.try_get_u32().ok()?) } else { None },
        atom: if has(flag::ATOM) {
            Some(AtomRecord { first: bytes.try_get_u64().ok()?, per_node: has(flag::ATOM_PER_NODE) })
        } else {
            None
        },
        error: if has(flag::ERROR) { Some(serde_json::from_slice(get_long(bytes)?).ok()?) } else { None },
    })
}

fn get_time(bytes: &mut &[u8]) -> Option<Timestamp> {
    Timestamp::from_micros(bytes.try_get_i64().ok()?)
}

/// Bytes behind their number, in four bytes. A request is far shorter than that can say: a message is.
fn put_long(bytes: &mut Vec<u8>, long: &[u8]) {
    bytes.put_u32(u32::try_from(long.len()).unwrap_or_else(|_| unreachable!("requests are short")));
    bytes.put_slice(long);
}

fn get_long<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = bytes.try_get_u32().ok()?;
    take(bytes, usize::try_from(length).ok()?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::contract::SwitchError;

    fn time() -> impl Strategy<Value = Timestamp> {
        (0..4_000_000_000_000_000_i64).prop_map(|micros| Timestamp::from_micros(micros).unwrap())
    }

    prop_compose! {
        fn node()(
            name in "[a-z]{1,64}",
            stage in prop::sample::select(StoredStage::ALL.to_vec()),
            applied_at in prop::option::of(time()),
            expired_rules in prop_oneof![Just(0), any::<u32>()],
            meter in prop::option::of(any::<u32>()),
            atom in prop::option::of((any::<u64>(), any::<bool>())),
            message in prop::option::of("\\PC{0,80}"),
        ) -> PlacementRecord {
            let error = |message| SwitchError {
                error_type: "FLOW_MOD_FAILED".to_owned(), code: "TABLE_FULL".to_owned(), message
            };
            PlacementRecord {
                node: name.parse().unwrap(),
                stage,
                error: message.map(|message| Box::new(error(message))),
                applied_at,
                expired_rules,
                meter,
                atom: atom.map(|(first, per_node)| AtomRecord { first, per_node }),
            }
        }
    }

    prop_compose! {
        fn flow()(
            id in "\\PC{1,128}",
            source in any::<u32>(),
            nodes in prop::collection::vec(node(), 0..4),
            ended in prop::option::of(time()),
        ) -> FlowRecord {
            let source = std::net::Ipv4Addr::from_bits(source).to_string();
            let request = InstallFlow::new(source.parse().unwrap(), "10.200.0.1".parse().unwrap(), "voice");
            FlowRecord { flow_id: id.parse().unwrap(), request: Box::new(request), nodes, ended }
        }
    }

    fn stored(record: FlowRecord) -> Vec<u8> {
        let StoredFlow { asked, nodes, ended, .. } = record.into();
        encode(&asked, nodes.into_iter(), ended)
    }

    fn json(record: &FlowRecord) -> String {
        serde_json::to_string(record).unwrap()
    }

    fn read(bytes: &[u8]) -> Result<String, String> {
        decode(bytes).map(|flow| json(&flow.into()))
    }

    proptest! {
        #[test]
        fn a_flow_comes_back_as_it_was_stored_in_either_form(record in flow()) {
            let json = json(&record);
            prop_assert_eq!(read(json.as_bytes()), Ok(json.clone()));
            prop_assert_eq!(read(&stored(record)), Ok(json));
        }

        #[test]
        fn what_is_not_whole_is_refused(record in flow(), at in any::<prop::sample::Index>()) {
            let nodes = record.nodes.len();
            let bytes = stored(record);
            // A flow on fewer nodes is one, too.
            if let Ok(flow) = decode(&bytes[..at.index(bytes.len())]) {
                prop_assert!(flow.nodes.len() < nodes);
            }
        }

        #[test]
        fn no_bytes_are_too_odd_to_be_looked_at(mut bytes in prop::collection::vec(any::<u8>(), 1..100)) {
            bytes[0] = FORM;
            let _ = decode(&bytes);
        }
    }

    /// What is in the stores of those who have one.
    #[test]
    fn the_form_stays_as_it_is() {
        let at = Timestamp::from_micros(0x0102_0304).unwrap();
        let request = InstallFlow::new("10.0.0.1".parse().unwrap(), "10.0.0.0/8".parse().unwrap(), "voice");
        let asked = Asked::new(&"call".parse().unwrap(), &request);
        let node = PlacementRecord {
            node: "s1".parse().unwrap(),
            stage: StoredStage::Superseded,
            error: None,
            applied_at: Some(at),
            expired_rules: 2,
            meter: Some(3),
            atom: Some(AtomRecord { first: 4, per_node: true }),
        };
        let hex: String =
            encode(&asked, [node].into_iter(), Some(at)).iter().map(|byte| format!("{byte:02x}")).collect();
        let flow = "01010000000001020304";
        let asked = "0000001b0000110f00050004766f69636563616c6c0a000001200a00000008";
        let node = "071f00027331000000000102030400000002000000030000000000000004";
        assert_eq!(hex, format!("{flow}{asked}{node}"));
    }
}
