//! What the database has, as far as queues are concerned: kept up to date by its monitor (RFC 7047, 4.1.5 and 4.1.6).

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::datum::{Row, Unique, Uuid};
use super::session::CloseReason;

pub(super) const BRIDGE: &str = "Bridge";
pub(super) const PORT: &str = "Port";
pub(super) const INTERFACE: &str = "Interface";
pub(super) const QOS: &str = "QoS";
pub(super) const QUEUE: &str = "Queue";
pub(super) const OPEN_VSWITCH: &str = "Open_vSwitch";

/// The database of Open vSwitch.
pub(super) const DATABASE: &str = "Open_vSwitch";

/// The columns that are read.
const COLUMNS: [(&str, &[&str]); 6] = [
    (BRIDGE, &["name", "datapath_id", "ports"]),
    (PORT, &["name", "interfaces", "qos"]),
    (INTERFACE, &["name", "ofport", "error"]),
    (QOS, &["type", "queues", "other_config", "external_ids"]),
    (QUEUE, &["other_config", "external_ids"]),
    (OPEN_VSWITCH, &["cur_cfg", "next_cfg"]),
];

/// Rows that are kept: those of a switch with some ten thousand ports, each with an interface and eight queues.
const MAX_ROWS: usize = 200_000;

/// The number that Open vSwitch writes for OFPP_LOCAL.
const OFPP_LOCAL_IN_DATABASE: i64 = 65_534;
/// What OpenFlow 1.3 writes for it.
const OFPP_LOCAL: u32 = 0xffff_fffe;

/// The parameters of `monitor`: every column of [`COLUMNS`], whatever happens to it.
pub(super) fn monitor_params() -> Value {
    let requests: BTreeMap<&str, Value> =
        COLUMNS.iter().map(|(table, columns)| (*table, json!({"columns": columns}))).collect();
    json!([DATABASE, null, requests])
}

/// A copy of the rows of [`COLUMNS`].
#[derive(Debug, Default)]
pub(super) struct Replica {
    tables: BTreeMap<&'static str, BTreeMap<Uuid, Row>>,
}

/// A port of a bridge.
#[derive(Debug, Clone, Copy)]
pub(super) struct Port<'a> {
    pub(super) uuid: Uuid,
    pub(super) row: &'a Row,
    pub(super) name: &'a str,
}

#[derive(Debug, Deserialize)]
struct RowUpdate {
    new: Option<Row>,
}

impl Replica {
    /// Takes in what the monitor says: everything at first, and then what has changed.
    pub(super) fn update(&mut self, updates: &str) -> Result<(), CloseReason> {
        let Unique(updates): Unique<String, Unique<Uuid, RowUpdate>> =
            serde_json::from_str(updates).map_err(|_| CloseReason::Nonsense)?;
        for (name, Unique(rows)) in updates {
            let (table, _) = COLUMNS.iter().find(|(table, _)| *table == name).ok_or(CloseReason::Nonsense)?;
            let table = self.tables.entry(table).or_default();
            for (uuid, update) in rows {
                match update.new {
                    Some(row) => table.insert(uuid, row),
                    None => table.remove(&uuid),
                };
            }
        }
        let rows: usize = self.tables.values().map(BTreeMap::len).sum();
        if rows > MAX_ROWS { Err(CloseReason::TooManyRows) } else { Ok(()) }
    }

    pub(super) fn rows(&self, table: &str) -> impl Iterator<Item = (Uuid, &Row)> {
        self.tables.get(table).into_iter().flatten().map(|(uuid, row)| (*uuid, row))
    }

    pub(super) fn row(&self, table: &str, uuid: Uuid) -> Option<&Row> {
        self.tables.get(table)?.get(&uuid)
    }

    /// The ports of the bridge with this datapath id; `None` where there is no such bridge.
    pub(super) fn ports(&self, datapath_id: &str) -> Option<Vec<Port<'_>>> {
        let (_, bridge) = self.rows(BRIDGE).find(|(_, row)| row.text("datapath_id") == Some(datapath_id))?;
        let port = |uuid| {
            let row = self.row(PORT, uuid)?;
            Some(Port { uuid, row, name: row.text("name")? })
        };
        Some(bridge.uuids("ports").filter_map(port).collect())
    }

    /// The OpenFlow number of a port's only interface; a bond has several interfaces, and no number of its own.
    pub(super) fn number(&self, port: Port<'_>) -> Option<u32> {
        let mut interfaces = port.row.uuids("interfaces");
        let (only, None) = (interfaces.next()?, interfaces.next()) else { return None };
        match self.row(INTERFACE, only)?.integer("ofport")? {
            OFPP_LOCAL_IN_DATABASE => Some(OFPP_LOCAL),
            number => u32::try_from(number).ok(),
        }
    }

    /// What the switch says is wrong with a port.
    pub(super) fn error(&self, port: Port<'_>) -> Option<&str> {
        port.row.uuids("interfaces").find_map(|uuid| self.row(INTERFACE, uuid)?.text("error"))
    }

    /// How much of the configuration the switch has taken: `next_cfg` as it was when it last did.
    pub(super) fn taken(&self) -> i64 {
        self.rows(OPEN_VSWITCH).find_map(|(_, row)| row.integer("cur_cfg")).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uuid(number: u32) -> String {
        format!("00000000-0000-0000-0000-{number:012}")
    }

    #[test]
    fn rows_come_change_and_go() {
        let mut replica = Replica::default();
        let row = |new: &str| format!(r#"{{"Queue":{{"{}":{new}}}}}"#, uuid(1));
        let text =
            |replica: &Replica| replica.rows(QUEUE).filter_map(|(_, row)| row.text("x").map(str::to_owned)).next();
        replica.update(&row(r#"{"new":{"x":"a"}}"#)).unwrap();
        assert_eq!(text(&replica).as_deref(), Some("a"));
        replica.update(&row(r#"{"old":{"x":"a"},"new":{"x":"b"}}"#)).unwrap();
        assert_eq!(text(&replica).as_deref(), Some("b"));
        replica.update(&row(r#"{"old":{"x":"b"}}"#)).unwrap();
        assert_eq!(text(&replica), None);
    }

    #[test]
    fn ports_are_found_by_the_datapath_id_of_their_bridge_with_their_numbers() {
        let mut replica = Replica::default();
        let port = |name: &str, interfaces: &str| format!(r#"{{"new":{{"name":"{name}","interfaces":{interfaces}}}}}"#);
        let one = |number| format!(r#"["uuid","{}"]"#, uuid(number));
        let bond = format!(r#"["set",[{},{}]]"#, one(21), one(22));
        let updates = format!(
            r#"{{"Bridge":{{"{}":{{"new":{{"name":"s1","datapath_id":"00000000000000a1","ports":["set",[{},{},{}]]}}}}}},
                "Port":{{"{}":{},"{}":{},"{}":{}}},
                "Interface":{{"{}":{{"new":{{"ofport":1,"error":["set",[]]}}}},"{}":{{"new":{{"ofport":65534}}}},
                              "{}":{{"new":{{"ofport":["set",[]],"error":"no such device"}}}}}}}}"#,
            uuid(1),
            one(11),
            one(12),
            one(13),
            uuid(11),
            port("p1", &one(21)),
            uuid(12),
            port("s1", &one(22)),
            uuid(13),
            port("bond", &bond),
            uuid(21),
            uuid(22),
            uuid(23),
        );
        replica.update(&updates).unwrap();
        let ports = replica.ports("00000000000000a1").unwrap();
        let numbers: Vec<_> = ports.iter().map(|port| (port.name, replica.number(*port))).collect();
        assert_eq!(numbers, [("p1", Some(1)), ("s1", Some(OFPP_LOCAL)), ("bond", None)]);
        assert!(replica.ports("00000000000000a2").is_none());
        assert_eq!(replica.error(ports[0]), None);
    }

    #[test]
    fn what_was_not_asked_for_makes_no_sense() {
        for updates in [
            "5",
            "null",
            "[]",
            r#"{"Mirror":{}}"#,
            r#"{"Queue":5}"#,
            r#"{"Queue":{"x":{}}}"#,
            r#"{"Queue":{},"Queue":{}}"#,
            &format!(r#"{{"Queue":{{"{0}":{{}},"{0}":{{}}}}}}"#, uuid(1)),
            &format!(r#"{{"Queue":{{"{}":{{"new":{{"a":1,"a":1}}}}}}}}"#, uuid(1)),
            &format!(r#"{{"Queue":{{"{}":{{"new":{{"a":null}}}}}}}}"#, uuid(1)),
            &format!(r#"{{"Queue":{{"{}":{{"new":null,"new":null}}}}}}"#, uuid(1)),
        ] {
            assert_eq!(Replica::default().update(updates), Err(CloseReason::Nonsense), "{updates}");
        }
    }

    #[test]
    fn rows_are_bounded() {
        let mut replica = Replica::default();
        let page = |page: u32| {
            let rows: Vec<_> =
                (0..1_000).map(|row| format!(r#""{}":{{"new":{{}}}}"#, uuid(page * 1_000 + row))).collect();
            format!(r#"{{"Queue":{{{}}}}}"#, rows.join(","))
        };
        let refused = (0..).find(|number| replica.update(&page(*number)).is_err());
        assert_eq!(refused, Some(200));
    }
}
