//! Ids for flows that a file gives none: made of what is asked, so that the same file applied again does nothing twice.

use std::fmt::Write as _;
use std::str::FromStr;

use sha2::{Digest, Sha256};

use crate::contract::{DEFAULT_TIMEOUT_MS, FlowId, InstallFlow, MAX_ID_CHARACTERS, Wait};

/// Bytes of the digest that are in an id: 64 bits keep a million flows apart.
const DIGEST: usize = 8;
/// Characters that an id has beyond the name of its set: `-`, the digest, and `-` with a number that counts rounds.
const BEYOND_NAME: usize = 1 + 2 * DIGEST + 1 + 6;

/// The name of a set of flows: the ids that are made for it begin with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct SetName(String);

impl SetName {
    pub(in crate::cli) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the id was made for a flow of this set.
    pub(in crate::cli) fn made(&self, id: &FlowId) -> bool {
        let digest = id.as_str().strip_prefix(self.as_str()).and_then(|rest| rest.strip_prefix('-'));
        digest.is_some_and(|rest| {
            let (digest, round) = rest.split_once('-').unwrap_or((rest, "2"));
            let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
            digest.len() == 2 * DIGEST && digest.bytes().all(is_hex) && round.parse::<u32>().is_ok()
        })
    }
}

impl FromStr for SetName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let longest = MAX_ID_CHARACTERS - BEYOND_NAME;
        let lawful = |character: char| character.is_ascii_alphanumeric() || "._-".contains(character);
        if (1..=longest).contains(&text.len()) && text.chars().all(lawful) {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!("must be 1 to {longest} of A-Z, a-z, 0-9, '.', '_' and '-'"))
        }
    }
}

/// What is asked of the network, without how the asking is done: two requests that are equal so are the same flow.
pub(in crate::cli) fn without_id(flow: &InstallFlow) -> InstallFlow {
    InstallFlow {
        flow_id: None,
        dry_run: false,
        replace: false,
        on_conflict: crate::contract::OnConflict::default(),
        wait: Wait::default(),
        timeout_ms: DEFAULT_TIMEOUT_MS,
        ..flow.clone()
    }
}

/// The id of a flow in a set; `round` counts from 1 how often a flow of this id has come to its end.
///
/// # Errors
/// None that a flow can lead to.
pub(in crate::cli) fn derived_id(set: &SetName, flow: &InstallFlow, round: u32) -> Result<FlowId, String> {
    let asked = serde_json::to_vec(&without_id(flow)).map_err(|error| error.to_string())?;
    let mut id = format!("{}-", set.as_str());
    for byte in Sha256::digest(asked).iter().take(DIGEST) {
        let _ = write!(id, "{byte:02x}");
    }
    if round > 1 {
        let _ = write!(id, "-{round}");
    }
    id.parse().map_err(|reason| format!("{id}: {reason}"))
}
