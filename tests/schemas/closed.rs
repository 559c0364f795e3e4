//! Schemas for those who want no field that is not in them.

use serde_json::{Map, Value, json};

/// The same schema without room for more: what the daemon writes is open to what a later one may add, and the daemon of
/// today adds nothing.
pub(crate) fn closed(schema: &Value) -> Value {
    match schema {
        Value::Object(object) => {
            let mut object: Map<_, _> = object.iter().map(|(name, value)| (name.clone(), closed(value))).collect();
            if object.get("properties").is_some_and(Value::is_object) && object.get("type") == Some(&json!("object")) {
                object.entry("additionalProperties").or_insert(false.into());
            }
            object.into()
        }
        Value::Array(items) => items.iter().map(closed).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => schema.clone(),
    }
}
