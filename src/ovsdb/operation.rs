//! The operations of a transaction (RFC 7047, section 5.2), as far as queues need them, and what becomes of them.

use std::borrow::Cow;

use serde::Deserialize;
use serde::ser::{Serialize, Serializer};
use serde_json::json;
use thiserror::Error;

use super::datum::{Atom, Row, Uuid};

/// One operation. All of a transaction take effect, or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Operation {
    /// 5.2.1: adds a row, which the rest of the transaction calls `name`.
    Insert { table: &'static str, row: Row, name: String },
    /// 5.2.3: sets columns of a row.
    Update { table: &'static str, uuid: Uuid, row: Row },
    /// 5.2.5: removes a row.
    Delete { table: &'static str, uuid: Uuid },
    /// 5.2.4: adds to a column of every row of a table.
    Increment { table: &'static str, column: &'static str },
    /// 5.2.2: reads a column of every row of a table.
    Select { table: &'static str, column: &'static str },
    /// 5.2.6: nothing of the transaction happens unless the row is still like this.
    Wait { table: &'static str, uuid: Uuid, row: Row },
    /// 5.2.9: what the database's own log is to say.
    Comment(String),
}

impl Serialize for Operation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let is = |uuid: &Uuid| json!([["_uuid", "==", Atom::Uuid(*uuid)]]);
        match self {
            Self::Insert { table, row, name } => json!({"op": "insert", "table": table, "row": row, "uuid-name": name}),
            Self::Update { table, uuid, row } => {
                json!({"op": "update", "table": table, "where": is(uuid), "row": row})
            }
            Self::Delete { table, uuid } => json!({"op": "delete", "table": table, "where": is(uuid)}),
            Self::Increment { table, column } => {
                json!({"op": "mutate", "table": table, "where": [], "mutations": [[column, "+=", 1]]})
            }
            Self::Select { table, column } => {
                json!({"op": "select", "table": table, "where": [], "columns": [column]})
            }
            Self::Wait { table, uuid, row } => {
                let columns: Vec<&String> = row.0.keys().collect();
                json!({
                    "op": "wait", "timeout": 0, "table": table, "where": is(uuid),
                    "columns": columns, "until": "==", "rows": [row],
                })
            }
            Self::Comment(comment) => json!({"op": "comment", "comment": comment}),
        }
        .serialize(serializer)
    }
}

/// Why a transaction did not happen.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DatabaseError {
    /// Somebody changed a row meanwhile: what the transaction waits for is not so.
    #[error("somebody else was changing the same rows")]
    Changed,
    /// The database said no, in its own words.
    #[error("{0}")]
    Refused(Cow<'static, str>),
}

/// What came of a transaction: the rows that its `select` found.
pub(super) fn outcome(result: &str) -> Result<Vec<Row>, DatabaseError> {
    #[derive(Deserialize)]
    struct OperationResult {
        #[serde(default)]
        rows: Vec<Row>,
        error: Option<String>,
        details: Option<String>,
    }

    let nonsense = |_| DatabaseError::Refused("its answer to a transaction makes no sense".into());
    let results: Vec<Option<OperationResult>> = serde_json::from_str(result).map_err(nonsense)?;
    let mut rows = Vec::new();
    for result in results.into_iter().flatten() {
        match (result.error, result.details) {
            (None, _) => rows.extend(result.rows),
            (Some(error), _) if error == "timed out" => return Err(DatabaseError::Changed),
            (Some(error), None) => return Err(DatabaseError::Refused(error.into())),
            (Some(error), Some(details)) => return Err(DatabaseError::Refused(format!("{error}: {details}").into())),
        }
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::super::datum::Datum;
    use super::*;

    const ROW: &str = "8f6b1f4e-0c5e-4d38-9a5c-00000000000a";

    #[test]
    fn operations_are_written_as_the_rfc_says() {
        let uuid = ROW.parse().unwrap();
        let row = || Row::of([("qos", Datum::reference(None))]);
        for (operation, json) in [
            (
                Operation::Insert { table: "QoS", row: row(), name: "new0".to_owned() },
                json!({"op": "insert", "table": "QoS", "row": {"qos": ["set", []]}, "uuid-name": "new0"}),
            ),
            (
                Operation::Update { table: "Port", uuid, row: row() },
                json!({"op": "update", "table": "Port", "where": [["_uuid", "==", ["uuid", ROW]]],
                    "row": {"qos": ["set", []]}}),
            ),
            (
                Operation::Delete { table: "QoS", uuid },
                json!({"op": "delete", "table": "QoS", "where": [["_uuid", "==", ["uuid", ROW]]]}),
            ),
            (
                Operation::Increment { table: "Open_vSwitch", column: "next_cfg" },
                json!({"op": "mutate", "table": "Open_vSwitch", "where": [], "mutations": [["next_cfg", "+=", 1]]}),
            ),
            (
                Operation::Select { table: "Open_vSwitch", column: "next_cfg" },
                json!({"op": "select", "table": "Open_vSwitch", "where": [], "columns": ["next_cfg"]}),
            ),
            (
                Operation::Wait { table: "Port", uuid, row: row() },
                json!({"op": "wait", "timeout": 0, "table": "Port", "where": [["_uuid", "==", ["uuid", ROW]]],
                    "columns": ["qos"], "until": "==", "rows": [{"qos": ["set", []]}]}),
            ),
            (Operation::Comment("why".to_owned()), json!({"op": "comment", "comment": "why"})),
        ] {
            assert_eq!(serde_json::to_value(operation).unwrap(), json);
        }
    }

    #[test]
    fn the_first_error_of_a_transaction_is_told_in_the_databases_own_words() {
        let told = |result: &str| outcome(result).unwrap_err().to_string();
        assert_eq!(
            told(r#"[{},{"error":"constraint violation","details":"no","syntax":"x"},null]"#),
            "constraint violation: no"
        );
        assert_eq!(told(r#"[{},{},{"error":"referential integrity violation"}]"#), "referential integrity violation");
        assert_eq!(outcome(r#"[{"error":"timed out"},null]"#), Err(DatabaseError::Changed));
    }

    #[test]
    fn what_was_selected_comes_back() {
        let rows = outcome(r#"[{"uuid":["uuid","x"]},{"count":1},{"rows":[{"next_cfg":7}]}]"#).unwrap();
        assert_eq!(rows[0].integer("next_cfg"), Some(7));
    }

    #[test]
    fn an_answer_that_makes_no_sense_is_no_success() {
        for result in ["null", "{}", "[5]", "[[]]", r#"[{"rows":5}]"#, r#"[{"error":null,"error":"x"}]"#, "["] {
            assert!(matches!(outcome(result), Err(DatabaseError::Refused(_))), "{result}");
        }
    }
}
