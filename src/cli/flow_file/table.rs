//! CSV: a header with the names of fields, then one flow a line. An empty cell leaves its field out.
//!
//! Lists and objects have a short form: `nodes` are names with blanks between them, `forward` is `port:2` or `table:1`,
//! and `rate_kbps` and `burst_kb` are columns of their own.

use serde_json::{Map, Value, json};

use super::{Fault, Item, lawful};
use crate::contract::InstallFlow;

/// The columns that [`write`] writes, in its order.
const COLUMNS: [&str; 19] = [
    "flow_id",
    "nodes",
    "source",
    "destination",
    "traffic_type",
    "priority",
    "protocol",
    "source_port",
    "destination_port",
    "dscp",
    "queue",
    "rate_kbps",
    "burst_kb",
    "forward",
    "bidirectional",
    "idle_timeout",
    "hard_timeout",
    "replace",
    "on_conflict",
];

/// Reads a table.
pub(super) fn read(text: &str) -> Result<Vec<Result<Item, Fault>>, Fault> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).comment(Some(b'#')).from_reader(text.as_bytes());
    let header = reader.headers().map_err(|error| Fault::new("line 1", error.to_string()))?.clone();
    if let Some(unknown) = header.iter().find(|column| !COLUMNS.contains(column)) {
        let what = format!("{unknown:?} is not a column that is known here; known are {}", COLUMNS.join(", "));
        return Err(Fault::new("line 1", what));
    }
    let row = |record: Result<csv::StringRecord, csv::Error>| {
        let record = record.map_err(|error| Fault::new(place(error.position()), reason(&error)))?;
        let place = place(record.position());
        let payload = payload(header.iter().zip(record.iter())).map_err(|what| Fault::new(&place, what))?;
        lawful(&place, &payload.to_string())
    };
    Ok(reader.records().map(row).collect())
}

/// What is wrong with a line, without its place, which is told before it.
fn reason(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("must have {expected_len} cells, as many as the header has columns, and has {len}")
        }
        _ => error.to_string(),
    }
}

fn place(position: Option<&csv::Position>) -> String {
    position.map_or_else(|| "a line".to_owned(), |position| format!("line {}", position.line()))
}

/// The payload that a line stands for.
fn payload<'a>(cells: impl Iterator<Item = (&'a str, &'a str)>) -> Result<Value, String> {
    let (mut payload, mut limit) = (Map::new(), Map::new());
    for (column, cell) in cells.filter(|(_, cell)| !cell.is_empty()) {
        let value = match column {
            "rate_kbps" | "burst_kb" => {
                limit.insert(column.to_owned(), number(cell));
                continue;
            }
            "nodes" => cell.split_whitespace().collect(),
            "forward" => match cell.split_once(':') {
                Some((kind, to)) => json!({ kind: number(to) }),
                None => cell.into(),
            },
            "priority" | "dscp" | "queue" | "idle_timeout" | "hard_timeout" => number(cell),
            "bidirectional" | "replace" => match cell {
                "true" => true.into(),
                "false" => false.into(),
                _ => return Err(format!("{column} must be true or false, not {cell:?}")),
            },
            _ => cell.into(),
        };
        if payload.insert(column.to_owned(), value).is_some() {
            return Err(format!("there are two columns {column}"));
        }
    }
    if !limit.is_empty() {
        payload.insert("rate_limit".to_owned(), limit.into());
    }
    Ok(payload.into())
}

/// What is no number is left as it is, for the contract to say what is allowed.
fn number(cell: &str) -> Value {
    cell.parse::<i64>().map_or_else(|_| cell.into(), Into::into)
}

/// Writes flows as a table; columns that no flow uses are left out.
///
/// # Errors
/// None that a flow can lead to.
pub(in crate::cli) fn write(flows: &[InstallFlow]) -> Result<String, String> {
    let rows = flows.iter().map(cells).collect::<Result<Vec<_>, _>>()?;
    let needed =
        |column: usize| column == 2 || rows.iter().any(|row| row.get(column).is_some_and(|cell| !cell.is_empty()));
    let columns: Vec<usize> = (0..COLUMNS.len()).filter(|column| needed(*column)).collect();
    let mut writer = csv::Writer::from_writer(Vec::new());
    let wrong = |error: csv::Error| error.to_string();
    writer.write_record(columns.iter().filter_map(|column| COLUMNS.get(*column))).map_err(wrong)?;
    for row in &rows {
        writer.write_record(columns.iter().filter_map(|column| row.get(*column))).map_err(wrong)?;
    }
    let bytes = writer.into_inner().map_err(|error| error.to_string())?;
    String::from_utf8(bytes).map_err(|error| error.to_string())
}

/// The cells of a flow, one a column.
fn cells(flow: &InstallFlow) -> Result<Vec<String>, String> {
    let payload = serde_json::to_value(flow).map_err(|error| error.to_string())?;
    let limit = payload.get("rate_limit");
    let cell = |column: &&str| match *column {
        "rate_kbps" | "burst_kb" => limit.and_then(|limit| limit.get(*column)).map(plain).unwrap_or_default(),
        _ => payload.get(*column).map(plain).unwrap_or_default(),
    };
    Ok(COLUMNS.iter().map(cell).collect())
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(" "),
        Value::Object(fields) => {
            fields.iter().map(|(kind, to)| format!("{kind}:{}", plain(to))).collect::<Vec<_>>().join(" ")
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}
