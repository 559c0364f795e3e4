//! From the text of a request to a lawful [`Command`].

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::command::{Command, CommandName};
use super::error::{ErrorBody, ErrorCode};
use super::name::RequestId;
use super::strict::Object;

/// How deeply arrays and objects may be nested in a request.
pub const MAX_DEPTH: usize = 16;

/// Reads one request.
///
/// # Errors
/// What is wrong, and the request's `id` where it has a usable one.
pub fn parse_request(text: &[u8]) -> Result<(RequestId, Command), (Option<RequestId>, ErrorBody)> {
    let invalid = |id, message: &'static str| (id, ErrorBody::new(ErrorCode::InvalidRequest, message));
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Envelope<'a> {
        #[serde(borrow)]
        r#type: Cow<'a, str>,
        id: RequestId,
        #[serde(borrow, default, deserialize_with = "some_raw")]
        payload: Option<&'a RawValue>,
    }
    fn some_raw<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'a RawValue>, D::Error> {
        <&RawValue>::deserialize(deserializer).map(Some)
    }
    let text = std::str::from_utf8(text).map_err(|_| invalid(None, "not UTF-8"))?;
    let Object(Envelope { r#type, id, payload }) =
        serde_json::from_str(text).map_err(|_| invalid(None, "not a request"))?;
    let name: CommandName = r#type.parse().map_err(|_| invalid(Some(id.clone()), "unknown command"))?;
    let payload = payload.map_or("{}", RawValue::get);
    let command = Command::deserialize(name, &mut serde_json::Deserializer::from_str(payload))
        .map_err(|_| invalid(Some(id.clone()), "wrong payload"))?;
    command.check().map_err(|wrong| (Some(id.clone()), wrong.into()))?;
    Ok((id, command))
}
