//! A flow as its clients know it: what was asked, what was said, and what may be said next.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;

use super::history::Name;
use super::workload::NARROW;
use crate::expectation::rules;

/// What was said of a flow on a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) state: Name,
    pub(super) cookie: u64,
}

#[derive(Debug)]
pub(super) struct Flow {
    pub(super) request: Value,
    /// When it was asked for first.
    asked_at: u64,
    /// The last words; none before it was acknowledged.
    pub(super) words: BTreeMap<Name, Word>,
    /// Its removal was asked for.
    pub(super) is_unwanted: bool,
    /// Its removal was answered.
    pub(super) is_removed: bool,
}

impl Flow {
    pub(super) fn new(request: Value, asked_at: u64) -> Self {
        Self { request, asked_at, words: BTreeMap::new(), is_unwanted: false, is_removed: false }
    }

    pub(super) fn is_acknowledged(&self) -> bool {
        !self.words.is_empty()
    }

    /// Whether it ends by itself.
    pub(super) fn is_mortal(&self) -> bool {
        self.life().is_some()
    }

    /// After how many seconds it ends by itself.
    fn life(&self) -> Option<u64> {
        let seconds = |field: &str| self.request[field].as_u64().filter(|seconds| *seconds > 0);
        seconds("idle_timeout").into_iter().chain(seconds("hard_timeout")).min()
    }

    /// Whether its switch may have no room for it.
    pub(super) fn is_narrow(&self) -> bool {
        self.words.contains_key(NARROW) || self.request["nodes"][0] == NARROW
    }

    /// Whether its id is free again.
    pub(super) fn is_freed(&self) -> bool {
        self.is_narrow() && self.is_unwanted && self.is_acknowledged()
    }

    /// Whether it must be there: it was acknowledged, nobody removed it, and neither has it ended nor had it the time to.
    pub(super) fn is_live(&self, now: u64) -> bool {
        let has_left = || self.words.values().all(|word| has_ended(&word.state));
        self.is_acknowledged() && !self.is_unwanted && !self.has_lived(now) && !has_left()
    }

    /// Whether it is old enough to have ended by itself.
    fn has_lived(&self, now: u64) -> bool {
        self.life().is_some_and(|seconds| now - self.asked_at >= seconds * 1_000_000)
    }

    /// Whether a word is possible after those that were said before.
    pub(super) fn hear(
        &self,
        node: &str,
        word: &Word,
        now: u64,
        is_contested: impl Fn() -> bool,
    ) -> Result<(), String> {
        let state = word.state.as_str();
        let before = self.words.get(node);
        if let Some(before) = before.filter(|before| before.cookie != word.cookie) {
            return Err(format!("its cookie was {:#x} and is {:#x}", before.cookie, word.cookie));
        }
        let before = before.map_or("accepted", |word| word.state.as_str());
        let is_followed = match before {
            before if has_ended(before) => state == before,
            "rejected" => matches!(state, "rejected" | "removing" | "removed"),
            "removing" => matches!(state, "removing" | "removed" | "expired" | "superseded"),
            "applied" => !matches!(state, "accepted" | "unknown"),
            _ => true,
        };
        if !is_followed {
            return Err(format!("it was {before} and is {state}"));
        }
        let is_justified = match state {
            _ if state == before => true,
            "removing" | "removed" => self.is_unwanted,
            "expired" => self.has_lived(now),
            "superseded" => is_contested(),
            "rejected" => self.is_narrow(),
            "accepted" | "applied" | "unknown" | "drifted" => true,
            _ => false,
        };
        if is_justified { Ok(()) } else { Err(format!("it is {state} for no reason")) }
    }
}

/// Whether a flow in this state has left its switch for good.
pub(super) fn has_ended(state: &str) -> bool {
    matches!(state, "removed" | "expired" | "superseded")
}

/// Who wants which place: a node, table, priority and match.
#[derive(Debug, Default)]
pub(super) struct Places(HashMap<Name, BTreeSet<Name>>);

impl Places {
    pub(super) fn insert(&mut self, id: &str, request: &Value) {
        for place in places(request) {
            self.0.entry(place).or_default().insert(id.to_owned());
        }
    }

    pub(super) fn remove(&mut self, id: &str, request: &Value) {
        for place in places(request) {
            if let Some(ids) = self.0.get_mut(&place) {
                ids.remove(id);
            }
        }
    }

    /// Whether another flow, one that `counts`, wants one of the places of this one.
    pub(super) fn is_contested(&self, id: &str, request: &Value, counts: impl Fn(&Name) -> bool) -> bool {
        let others = places(request).into_iter().filter_map(|place| self.0.get(&place)).flatten();
        others.into_iter().any(|other| other != id && counts(other))
    }
}

fn places(request: &Value) -> Vec<Name> {
    let nodes: Vec<_> = request["nodes"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let place = |rule: &crate::support::Rule| format!("{} {} {:?}", rule.table, rule.priority, rule.fields);
    let rules = rules(request, 0);
    nodes.iter().flat_map(|node| rules.iter().map(move |rule| format!("{node} {}", place(rule)))).collect()
}
