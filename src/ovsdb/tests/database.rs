//! A database in memory that carries out what the agent asks of it, and a switch behind it that takes what is written.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// Rows by table and UUID.
type Tables = BTreeMap<String, BTreeMap<String, Value>>;

pub(super) struct Database {
    pub(super) tables: Tables,
    next_uuid: u32,
    /// `ovs-vswitchd` runs: it takes every change at once.
    pub(super) has_switch: bool,
    /// What every transaction is answered instead.
    pub(super) refuses: Option<Value>,
    /// What somebody else does just before the next transaction.
    pub(super) meddler: Option<fn(&mut Database)>,
    /// Transactions that changed something.
    pub(super) transactions: usize,
}

impl Database {
    /// One bridge with the datapath id 1 and the ports `p1` and `p2`, and another bridge with `q1`.
    pub(super) fn new() -> Self {
        let mut database = Self {
            tables: Tables::new(),
            next_uuid: 1,
            has_switch: true,
            refuses: None,
            meddler: None,
            transactions: 0,
        };
        database.insert("Open_vSwitch", json!({"cur_cfg": 0, "next_cfg": 0}));
        for (bridge, datapath_id, ports) in [("s1", 1, &[("p1", 1), ("p2", 2)][..]), ("s2", 2, &[("q1", 1)])] {
            let ports: Vec<Value> = ports.iter().map(|(name, number)| database.add_port(name, *number)).collect();
            let row = json!({"name": bridge, "datapath_id": format!("{datapath_id:016x}"), "ports": ["set", ports]});
            database.insert("Bridge", row);
        }
        database
    }

    fn add_port(&mut self, name: &str, number: u32) -> Value {
        let interface = self.insert("Interface", json!({"name": name, "ofport": number, "error": ["set", []]}));
        self.insert("Port", json!({"name": name, "interfaces": interface, "qos": ["set", []]}))
    }

    /// Adds a row, and returns a reference to it.
    pub(super) fn insert(&mut self, table: &str, row: Value) -> Value {
        let uuid = format!("00000000-0000-0000-0000-{:012}", self.next_uuid);
        self.next_uuid += 1;
        self.tables.entry(table.to_owned()).or_default().insert(uuid.clone(), row);
        json!(["uuid", uuid])
    }

    /// A QoS that somebody else made, with one queue.
    pub(super) fn insert_foreign_qos(&mut self) -> Value {
        let config = json!({"other_config": ["map", [["max-rate", "7000"]]], "external_ids": ["map", []]});
        let queue = self.insert("Queue", config);
        self.insert(
            "QoS",
            json!({"type": "linux-htb", "queues": ["map", [[0, queue]]], "other_config": ["map", []],
                "external_ids": ["map", []]}),
        )
    }

    /// The row of a table whose `name` is this.
    pub(super) fn named(&mut self, table: &str, name: &str) -> &mut Value {
        self.rows(table).find(|row| row["name"] == name).unwrap()
    }

    pub(super) fn rows(&mut self, table: &str) -> impl Iterator<Item = &mut Value> {
        self.tables.entry(table.to_owned()).or_default().values_mut()
    }

    pub(super) fn count(&self, table: &str) -> usize {
        self.tables.get(table).map_or(0, BTreeMap::len)
    }

    /// What is referred to.
    pub(super) fn at(&self, table: &str, reference: &Value) -> &Value {
        &self.tables[table][reference[1].as_str().unwrap()]
    }

    /// The queues of a port as text: `0: 1000..2000 burst 5 priority 1`, and the port's own limit in front.
    pub(super) fn shown(&mut self, port: &str) -> String {
        let qos = self.named("Port", port)["qos"].clone();
        if qos == json!(["set", []]) {
            return "none".to_owned();
        }
        let qos = self.at("QoS", &qos).clone();
        let texts = |row: &Value| {
            let pairs = row["other_config"][1].as_array().unwrap().iter();
            pairs
                .map(|pair| format!(" {}={}", pair[0].as_str().unwrap(), pair[1].as_str().unwrap()))
                .collect::<String>()
        };
        let queue = |pair: &Value| format!("; {}:{}", pair[0], texts(self.at("Queue", &pair[1])));
        let queues: String = qos["queues"][1].as_array().unwrap().iter().map(queue).collect();
        format!("{}{}{queues}", qos["type"].as_str().unwrap(), texts(&qos))
    }

    /// What the monitor says after `before`.
    pub(super) fn changes(&self, before: &Tables) -> Value {
        let mut changes = serde_json::Map::new();
        for (table, rows) in &self.tables {
            let old = before.get(table);
            let mut changed = serde_json::Map::new();
            for (uuid, row) in rows {
                if old.and_then(|old| old.get(uuid)) != Some(row) {
                    changed.insert(uuid.clone(), json!({"new": row}));
                }
            }
            for uuid in old.into_iter().flat_map(BTreeMap::keys).filter(|uuid| !rows.contains_key(*uuid)) {
                changed.insert(uuid.clone(), json!({"old": {}}));
            }
            if !changed.is_empty() {
                changes.insert(table.clone(), Value::Object(changed));
            }
        }
        Value::Object(changes)
    }

    /// Carries out a transaction, whole or not at all.
    pub(super) fn transact(&mut self, params: &[Value]) -> Value {
        if let Some(meddler) = self.meddler.take() {
            meddler(self);
        }
        if let Some(refusal) = &self.refuses {
            return json!([refusal]);
        }
        let before = (self.tables.clone(), self.next_uuid);
        let mut names = BTreeMap::new();
        let mut results = Vec::new();
        for operation in params {
            match self.operate(operation, &mut names) {
                Ok(result) => results.push(result),
                Err(error) => {
                    (self.tables, self.next_uuid) = before;
                    results.push(json!({"error": error}));
                    return Value::Array(results);
                }
            }
        }
        for reference in self.references() {
            if !self.tables.values().any(|rows| rows.contains_key(&reference)) {
                (self.tables, self.next_uuid) = before;
                results.push(json!({"error": "referential integrity violation", "details": reference}));
                return Value::Array(results);
            }
        }
        self.transactions += 1;
        if self.has_switch {
            self.take();
        }
        Value::Array(results)
    }

    /// The switch takes the configuration as it is.
    pub(super) fn take(&mut self) {
        for row in self.rows("Open_vSwitch") {
            row["cur_cfg"] = row["next_cfg"].clone();
        }
    }

    fn references(&self) -> Vec<String> {
        fn find(value: &Value, found: &mut Vec<String>) {
            match value {
                Value::Array(parts) if parts.len() == 2 && parts[0] == "uuid" => {
                    found.push(parts[1].as_str().unwrap().to_owned());
                }
                Value::Array(parts) => parts.iter().for_each(|part| find(part, found)),
                Value::Object(columns) => columns.values().for_each(|column| find(column, found)),
                _ => {}
            }
        }

        let mut found = Vec::new();
        self.tables.values().flat_map(BTreeMap::values).for_each(|row| find(row, &mut found));
        found
    }

    fn operate(&mut self, operation: &Value, names: &mut BTreeMap<String, Value>) -> Result<Value, &'static str> {
        let table = operation["table"].as_str().unwrap_or_default().to_owned();
        let uuid = operation["where"][0][2][1].as_str().unwrap_or_default().to_owned();
        let mut row = operation["row"].clone();
        resolve(&mut row, names);
        let rows = self.tables.entry(table.clone()).or_default();
        match operation["op"].as_str().unwrap() {
            "insert" => {
                let reference = self.insert(&table, row);
                names.insert(operation["uuid-name"].as_str().unwrap().to_owned(), reference);
            }
            "update" => {
                let Some(old) = rows.get_mut(&uuid) else { return Ok(json!({"count": 0})) };
                row.as_object().unwrap().iter().for_each(|(column, value)| old[column] = value.clone());
            }
            "delete" => drop(rows.remove(&uuid)),
            "mutate" => {
                let column = operation["mutations"][0][0].as_str().unwrap();
                rows.values_mut().for_each(|row| row[column] = json!(row[column].as_i64().unwrap() + 1));
            }
            "select" => return Ok(json!({"rows": rows.values().collect::<Vec<_>>()})),
            "wait" => {
                let expected = operation["rows"][0].as_object().unwrap();
                let is_so = |row: &Value| expected.iter().all(|(column, value)| row[column] == *value);
                if !rows.get(&uuid).is_some_and(is_so) {
                    return Err("timed out");
                }
            }
            "comment" => {}
            other => panic!("the agent asks for {other}"),
        }
        Ok(json!({}))
    }
}

/// Puts the rows that a transaction has inserted in the place of their names.
fn resolve(value: &mut Value, names: &BTreeMap<String, Value>) {
    match value {
        Value::Array(parts) if parts.first() == Some(&json!("named-uuid")) => {
            *value = names[parts[1].as_str().unwrap()].clone();
        }
        Value::Array(parts) => parts.iter_mut().for_each(|part| resolve(part, names)),
        Value::Object(columns) => columns.values_mut().for_each(|column| resolve(column, names)),
        _ => {}
    }
}
