//! Who may do what: the roles, and the command that shows a token.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::command::Command;
use super::text::words;

words! {
    /// What the holder of a token may do; each role may do what those before it may.
    pub enum Role {
        /// Reads, and subscribes.
        Viewer = "viewer",
        /// Also installs and removes flows.
        Operator = "operator",
        /// Also adds and removes nodes, and sets queues.
        Admin = "admin",
    }
}

/// A text that must not be seen: it does not show itself in `Debug`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for whoever has to compare it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(…)")
    }
}

/// The payload of `Authenticate`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Authenticate {
    /// The token.
    pub token: Secret,
}

impl Command {
    /// The least role that may ask for it; `None` where no role is needed.
    pub const fn role(&self) -> Option<Role> {
        match self {
            Self::Authenticate(_) => None,
            Self::ListNodes
            | Self::GetNode(_)
            | Self::ListFlows(_)
            | Self::GetFlow(_)
            | Self::Subscribe(_)
            | Self::Unsubscribe(_)
            | Self::GetInfo => Some(Role::Viewer),
            Self::InstallFlow(_) | Self::InstallFlows(_) | Self::RemoveFlow(_) | Self::RemoveFlows(_) => {
                Some(Role::Operator)
            }
            Self::AddNode(_) | Self::RemoveNode(_) | Self::SetQueues(_) => Some(Role::Admin),
        }
    }
}
