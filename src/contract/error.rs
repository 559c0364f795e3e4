//! What is said when a request cannot be done.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::text::words;

words! {
    /// The kind of an error, for programs.
    pub enum ErrorCode {
        /// Not JSON, or nested too deeply.
        InvalidJson = "invalid_json",
        /// JSON, but not a lawful request.
        InvalidRequest = "invalid_request",
        /// No such command.
        UnknownCommand = "unknown_command",
        /// Who asks is not known.
        Unauthenticated = "unauthenticated",
        /// Who asks may not.
        Forbidden = "forbidden",
        /// What was named is not there.
        NotFound = "not_found",
        /// What was to be made is there, and different.
        AlreadyExists = "already_exists",
        /// It contradicts what is there.
        Conflict = "conflict",
        /// The switch cannot do it.
        Unsupported = "unsupported",
        /// Not now.
        Unavailable = "unavailable",
        /// Too much at once.
        Overloaded = "overloaded",
        /// It took too long.
        Timeout = "timeout",
        /// Too big.
        TooLarge = "too_large",
        /// A fault of the daemon itself.
        Internal = "internal",
    }
}

/// The `error` of an Error message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, thiserror::Error)]
#[error("{code}: {message}")]
pub struct ErrorBody {
    /// The kind of the error.
    pub code: ErrorCode,
    /// What is wrong and what is allowed, as a sentence for people.
    pub message: Cow<'static, str>,
    /// The place in the request (`payload.flows[17].source`), where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

impl ErrorBody {
    /// An error that is about no place in particular.
    pub fn new(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), path: None }
    }

    /// The same, about a place in the request.
    #[must_use]
    pub fn at(self, path: impl Into<String>) -> Self {
        Self { path: Some(path.into()), ..self }
    }
}

/// Why a payload is unlawful although each of its fields is well formed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Invalid {
    /// The field, from the payload's root: `destination`, `flows[17].source_port`.
    pub path: String,
    /// What is wrong and what is allowed, as a sentence.
    pub message: String,
}

impl Invalid {
    /// The field `path` breaks a rule: the predicate says which.
    pub(super) fn new(path: &str, predicate: &str) -> Self {
        Self { path: path.to_owned(), message: format!("{path} {predicate}") }
    }

    /// The same, below `parent`.
    pub(super) fn below(self, parent: &str) -> Self {
        Self { path: format!("{parent}.{}", self.path), ..self }
    }
}

impl From<Invalid> for ErrorBody {
    fn from(invalid: Invalid) -> Self {
        Self::new(ErrorCode::InvalidRequest, invalid.message).at(format!("payload.{}", invalid.path))
    }
}
