//! Judges a history by the contract alone: nothing here knows how the daemon works, and nothing but the history is read.
//!
//! Every answer is compared with all that was answered about the same flow before, with what its request allows, and
//! with what the switch had confirmed by then. At every quiet moment the tables must hold exactly the rules of the
//! flows that are applied: no acknowledged flow may be missing, and nothing else may be there.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde_json::Value;

use super::flow::{Flow, Places, Word, has_ended};
use super::history::{Entry, Event, Listed, Name};
use super::storm::{FOREIGN, KILL};
use super::workload::NARROW;
use crate::expectation::{CLASSES, is_table_miss, rules};
use crate::support::Rule;

/// How long after the reconnect of its switch a flow may be unknown, in microseconds.
const UNKNOWN: u64 = 1_000_000;

/// How long the daemon asks a silent connection whether it is alive before it believes in another one.
const DOUBT: u64 = 1_000_000;

/// Findings that are kept; more say nothing new.
const ENOUGH: usize = 12;

/// What was seen, for the record.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) requests: u64,
    pub(super) lost: u64,
    pub(super) errors: u64,
    /// Flows acknowledged for the first time.
    pub(super) flows: u64,
    /// Answers about flows that had been answered before.
    pub(super) again: u64,
    /// States told, of a flow on a node.
    pub(super) states: BTreeMap<Name, u64>,
    /// Flows on nodes that were seen unknown, and how long after the reconnect the last of them was resolved at most,
    /// in microseconds.
    pub(super) unknown: u64,
    pub(super) longest_unknown: u64,
    pub(super) reconnects: u64,
    pub(super) quiet: u64,
    /// Rules compared at quiet moments.
    pub(super) rules: u64,
}

impl Tally {
    pub(super) fn add(&mut self, other: Self) {
        let Self { requests, lost, errors, flows, again, states, unknown, longest_unknown, reconnects, quiet, rules } =
            other;
        self.requests += requests;
        self.lost += lost;
        self.errors += errors;
        self.flows += flows;
        self.again += again;
        states.into_iter().for_each(|(state, count)| *self.states.entry(state).or_default() += count);
        self.unknown += unknown;
        self.longest_unknown = self.longest_unknown.max(longest_unknown);
        self.reconnects += reconnects;
        self.quiet += quiet;
        self.rules += rules;
    }
}

/// Whether the daemon answers clients. What reconnects while it starts and does not answer anybody yet counts from the
/// first answer to a request that was sent after its end had been noticed.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Daemon {
    #[default]
    Answers,
    /// It is about to be, and answers that it gave may still be written down.
    Killed,
    /// A connection to it has ended, when this was the highest number of a request.
    Dead { since: u64 },
}

#[derive(Debug, Default)]
pub(super) struct Checker {
    pub(super) findings: Vec<String>,
    pub(super) tally: Tally,
    now: u64,
    /// The highest number of a request.
    asked: u64,
    /// Requests without an answer.
    open: BTreeMap<u64, (Name, Value)>,
    flows: BTreeMap<Name, Flow>,
    places: Places,
    confirmed: HashSet<(Name, u64)>,
    /// Since when each node's wire carries.
    linked: HashMap<Name, u64>,
    daemon: Daemon,
    /// When the daemon last began to answer clients.
    back_at: u64,
    /// Nodes whose last connection was forsaken.
    forsaken: HashSet<Name>,
    /// What was unknown when it was last asked for, and when each was first seen so.
    unknown: BTreeMap<(Name, Name), u64>,
}

impl Checker {
    /// Takes the next entry of the history.
    pub(super) fn take(&mut self, entry: Entry) {
        self.now = entry.at;
        match entry.event {
            Event::Asked { number, command, payload } => self.asked(number, command, payload),
            Event::Answered { number, answer } => self.answered(number, &answer),
            Event::Lost { number } => {
                self.tally.lost += 1;
                if self.daemon == Daemon::Killed {
                    self.daemon = Daemon::Dead { since: self.asked };
                }
                if self.open.remove(&number).is_none() {
                    self.find(format!("request {number} was lost after it was answered"));
                }
            }
            Event::Linked { node } => {
                self.tally.reconnects += 1;
                let doubt = if self.forsaken.remove(&node) { DOUBT } else { 0 };
                self.linked.insert(node, entry.at + doubt);
            }
            Event::Unlinked { node, is_forsaken } => {
                self.linked.remove(&node);
                if is_forsaken {
                    self.forsaken.insert(node);
                }
            }
            Event::Confirmed { node, cookies } => {
                self.confirmed.extend(cookies.into_iter().map(|cookie| (node.clone(), cookie)));
            }
            Event::Broken { what } => {
                if what == KILL {
                    self.daemon = Daemon::Killed;
                }
            }
            Event::Restless { what } => self.find(format!("these do not come to rest: {what:?}")),
            Event::Unknown { flows } => self.unknown(flows),
            Event::Quiet { flows, tables } => self.quiet(&flows, &tables),
        }
    }

    fn find(&mut self, sentence: String) {
        if self.findings.len() < ENOUGH {
            self.findings.push(format!("{:.3} s: {sentence}", self.now as f64 / 1e6));
        }
    }

    fn asked(&mut self, number: u64, command: Name, payload: Value) {
        self.tally.requests += 1;
        for request in installs(&command, &payload).iter().filter(|request| !is_wrong(request)) {
            self.remember(request);
        }
        for id in removals(&command, &payload) {
            if let Some(flow) = self.flows.get_mut(&id) {
                flow.is_unwanted = true;
            }
        }
        self.asked = self.asked.max(number);
        self.open.insert(number, (command, payload));
    }

    fn remember(&mut self, request: &Value) {
        let id = text(&request["flow_id"]);
        let flow = self.flows.entry(id.clone()).or_insert_with(|| Flow::new(request.clone(), self.now));
        if flow.request == *request {
            self.places.insert(&id, request);
        }
    }

    fn answered(&mut self, number: u64, answer: &Value) {
        let Some((command, payload)) = self.open.remove(&number) else {
            return self.find(format!("request {number} is answered twice, or was never asked: {answer}"));
        };
        if matches!(self.daemon, Daemon::Dead { since } if number > since) {
            (self.daemon, self.back_at) = (Daemon::Answers, self.now);
        }
        if answer["type"] == "Error" {
            self.tally.errors += 1;
            return self.refused(&command, &payload, &answer["error"]);
        }
        let requests = installs(&command, &payload);
        if let Some(request) = requests.iter().find(|request| is_wrong(request)) {
            self.find(format!("{request} is wrong and was answered by {answer}"));
        }
        let reply = &answer["payload"];
        match command.as_str() {
            "RemoveFlows" => removals(&command, &payload).iter().for_each(|id| self.removed(id)),
            "RemoveFlow" => {
                self.told(&reply["flow"]);
                self.removed(&text(&payload["flow_id"]));
            }
            _ => {
                let views = reply["flows"].as_array().cloned().unwrap_or_else(|| vec![reply["flow"].clone()]);
                for request in requests {
                    match views.iter().find(|view| view["flow_id"] == request["flow_id"]) {
                        Some(view) if view["nodes"][0]["cookie"].is_null() => self.in_the_way(request, view),
                        Some(view) => {
                            // It may have been refused since it was asked for, and not any more.
                            self.remember(request);
                            self.told(view);
                        }
                        None => self.find(format!("{request} is not in its answer: {answer}")),
                    }
                }
            }
        }
    }

    /// A removal is answered: whatever becomes of the flow, it is not wanted any more.
    fn removed(&mut self, id: &str) {
        if let Some(flow) = self.flows.get_mut(id) {
            flow.is_removed = true;
        }
    }

    /// An Error came instead of a Reply.
    fn refused(&mut self, command: &str, payload: &Value, error: &Value) {
        let requests = installs(command, payload);
        if requests.iter().any(is_wrong) {
            return;
        }
        if command == "InstallFlow" && error["code"] == "conflict" {
            return self.in_the_way(payload, error);
        }
        let is_told = |id: &Name| self.flows.get(id).is_some_and(|flow| flow.is_acknowledged() && !flow.is_narrow());
        let ids: Vec<_> = requests.iter().map(|request| text(&request["flow_id"])).collect();
        let is_missing = error["code"] == "not_found" && command == "RemoveFlow";
        if !is_missing || removals(command, payload).iter().any(is_told) {
            self.find(format!("{command} {payload} is refused: {error}"));
        }
        ids.iter().for_each(|id| self.never_was(id));
    }

    /// A request is refused because another flow is in its way.
    fn in_the_way(&mut self, request: &Value, answer: &Value) {
        let id = text(&request["flow_id"]);
        let is_other_body = self.flows.get(&id).is_some_and(|flow| flow.request != *request);
        if !is_other_body && !self.places.is_contested(&id, request, |_| true) {
            self.find(format!("nothing is in the way of {request}, which is refused: {answer}"));
        }
        if !is_other_body {
            self.never_was(&id);
        }
    }

    /// A request was refused: unless it was acknowledged before, the flow is not to be anywhere.
    fn never_was(&mut self, id: &str) {
        match self.flows.get(id) {
            Some(flow) if flow.is_acknowledged() => {
                self.find(format!("{id} was acknowledged, and is refused now"));
            }
            Some(_) => self.forget(id),
            None => {}
        }
    }

    fn forget(&mut self, id: &str) {
        if let Some(flow) = self.flows.remove(id) {
            self.places.remove(id, &flow.request);
        }
    }

    /// The daemon tells of a flow.
    fn told(&mut self, view: &Value) {
        let id = text(&view["flow_id"]);
        let words = view["nodes"].as_array().into_iter().flatten().map(|node| {
            let cookie = u64::from_str_radix(text(&node["cookie"]).trim_start_matches("0x"), 16).unwrap_or_default();
            (text(&node["node"]), Word { state: text(&node["state"]), cookie })
        });
        let words: BTreeMap<_, _> = words.collect();
        let Some(flow) = self.flows.get_mut(&id) else { return self.find(format!("nobody asked for {view}")) };
        if flow.is_freed() && words.values().all(|word| flow.words.values().all(|before| before.cookie != word.cookie))
        {
            // The removal of a flow that was refused frees its id: this is another flow.
            *flow = Flow::new(flow.request.clone(), self.now);
        }
        if flow.is_acknowledged() {
            self.tally.again += 1;
        } else {
            self.tally.flows += 1;
        }
        for node in view["nodes"].as_array().into_iter().flatten() {
            *self.tally.states.entry(text(&node["state"])).or_default() += 1;
            if node["state"] == "rejected" && node["error"]["code"] != "TABLE_FULL" {
                self.find(format!("{id} is refused for no reason: {node}"));
            }
        }
        self.hear(&id, words);
    }

    /// Compares the words on a flow with those that were said before.
    fn hear(&mut self, id: &str, words: BTreeMap<Name, Word>) {
        let Some(flow) = self.flows.get(id) else { return };
        let asked: BTreeSet<Name> = flow.request["nodes"].as_array().into_iter().flatten().map(text).collect();
        let mut wrong = Vec::new();
        if !words.keys().eq(&asked) {
            wrong.push(format!("{id} was asked for on {asked:?} and is on {words:?}"));
        }
        for (node, word) in &words {
            let rival = |other: &Name| self.flows.get(other).is_some_and(|other| other.request["replace"] == true);
            let is_contested = || self.places.is_contested(id, &flow.request, rival);
            if let Err(sentence) = flow.hear(node, word, self.now, is_contested) {
                wrong.push(format!("{id} on {node}: {sentence}"));
            }
            if word.state == "applied" && !self.confirmed.contains(&(node.clone(), word.cookie)) {
                wrong.push(format!("{id} is called applied on {node}, which has not confirmed it"));
            }
        }
        if let Some(flow) = self.flows.get_mut(id) {
            flow.words = words;
        }
        wrong.into_iter().for_each(|sentence| self.find(sentence));
    }

    fn unknown(&mut self, flows: Vec<(Name, Name)>) {
        let before = std::mem::take(&mut self.unknown);
        let now = self.now;
        let with_first_seen = |flow| {
            let first_seen = before.get(&flow).copied().unwrap_or(now);
            (flow, first_seen)
        };
        self.unknown = flows.into_iter().map(with_first_seen).collect();
        for ((id, node), first_seen) in before {
            if let Some(late) = self.unknown_for(&node, first_seen).filter(|_| !self.unknown.contains_key(&(id, node)))
            {
                self.tally.longest_unknown = self.tally.longest_unknown.max(late);
            }
        }
        self.tally.unknown += self.unknown.values().filter(|first_seen| **first_seen == now).count() as u64;
        let late = self.unknown.iter().filter_map(|((id, node), first_seen)| {
            let late = self.unknown_for(node, *first_seen).filter(|late| *late > UNKNOWN)? as f64 / 1e6;
            Some(format!("{id} is unknown {late:.3} s after {node} was connected again"))
        });
        late.collect::<Vec<_>>().into_iter().for_each(|sentence| self.find(sentence));
    }

    /// How long the daemon could have found out by now what a flow is on a node that it has been connected to again, in
    /// microseconds. A flow may become unknown on a connection that is there: somebody else writes to its switch, too.
    fn unknown_for(&self, node: &Name, first_seen: u64) -> Option<u64> {
        let linked = self.linked.get(node).filter(|_| self.daemon == Daemon::Answers)?;
        Some(self.now.saturating_sub(first_seen.max(self.back_at).max(*linked)))
    }

    fn quiet(&mut self, listed: &[Listed], tables: &BTreeMap<Name, Vec<String>>) {
        self.tally.quiet += 1;
        for (number, (command, payload)) in std::mem::take(&mut self.open) {
            self.find(format!("request {number} was never answered: {command} {payload}"));
        }
        let mut wanted: BTreeMap<&str, BTreeMap<Rule, (&Name, bool)>> = BTreeMap::new();
        for Listed { flow_id, nodes } in listed {
            let word = |(node, (state, cookie)): (&Name, &(Name, u64))| {
                (node.clone(), Word { state: state.clone(), cookie: *cookie })
            };
            self.hear(flow_id, nodes.iter().map(word).collect());
            let Some(flow) = self.flows.get(flow_id) else {
                self.find(format!("nobody asked for {flow_id}, and it is there"));
                continue;
            };
            if flow.is_removed && !nodes.values().all(|(state, _)| has_ended(state)) {
                self.find(format!("{flow_id} was removed, and is {nodes:?}"));
                continue;
            }
            let mut restless = Vec::new();
            for (node, (state, cookie)) in nodes {
                if state == "applied" {
                    let is_mortal = flow.is_mortal();
                    let rules = rules(&flow.request, *cookie).into_iter().map(|rule| (rule, (flow_id, is_mortal)));
                    wanted.entry(node).or_default().extend(rules);
                } else if state != "rejected" && !has_ended(state) {
                    restless.push(format!("{flow_id} is {state} on {node}, and nothing moves any more"));
                }
            }
            restless.into_iter().for_each(|sentence| self.find(sentence));
        }
        let names: HashSet<_> = listed.iter().map(|flow| flow.flow_id.as_str()).collect();
        let lost: Vec<_> =
            self.flows.iter().filter(|(id, flow)| flow.is_live(self.now) && !names.contains(id.as_str())).collect();
        let lost: Vec<_> = lost.iter().map(|(id, flow)| format!("{id} is lost: it was {:?}", flow.words)).collect();
        lost.into_iter().for_each(|sentence| self.find(sentence));
        for (node, table) in tables {
            self.check_table(node, table, wanted.remove(node.as_str()).unwrap_or_default());
        }
        let gone: Vec<_> = self.flows.iter().filter(|(_, flow)| flow.is_removed).map(|(id, _)| id.clone()).collect();
        gone.iter().for_each(|id| self.forget(id));
    }

    /// A switch has the rules that are wanted, what is not ours, and nothing else.
    fn check_table(&mut self, node: &str, table: &[String], mut wanted: BTreeMap<Rule, (&Name, bool)>) {
        let (mut misses, mut foreign) = (0, 0);
        for (line, rule) in table.iter().filter_map(|line| Some((line, Rule::parse(line)?))) {
            self.tally.rules += 1;
            if wanted.remove(&rule).is_some() {
            } else if is_table_miss(&rule, &["NORMAL"]) {
                misses += 1;
            } else if Some(&rule) == Rule::parse(FOREIGN).as_ref() {
                foreign += 1;
            } else {
                self.find(format!("{node} has a rule that nobody wants: {line}"));
            }
        }
        if (misses, foreign) != (1, usize::from(node != NARROW)) {
            self.find(format!("{node} has {misses} table-miss rules and {foreign} of somebody else"));
        }
        // What ends by itself may have done so since it was listed.
        for (rule, (id, _)) in wanted.into_iter().filter(|(_, (_, is_mortal))| !is_mortal) {
            self.find(format!("{node} has lost a rule of {id}: {rule:?}"));
        }
    }
}

/// The flows that a command asks for.
fn installs<'a>(command: &str, payload: &'a Value) -> &'a [Value] {
    match command {
        "InstallFlow" => std::slice::from_ref(payload),
        "InstallFlows" => payload["flows"].as_array().map(Vec::as_slice).unwrap_or_default(),
        _ => &[],
    }
}

/// The ids of the flows that a command removes.
pub(super) fn removals(command: &str, payload: &Value) -> Vec<Name> {
    match command {
        "RemoveFlow" => vec![text(&payload["flow_id"])],
        "RemoveFlows" => payload["flow_ids"].as_array().into_iter().flatten().map(text).collect(),
        _ => Vec::new(),
    }
}

/// Whether no lawful daemon accepts the request.
fn is_wrong(request: &Value) -> bool {
    let is_known = |class: &Value| CLASSES.iter().any(|(name, ..)| class == name);
    request.get("colour").is_some()
        || !is_known(&request["traffic_type"])
        || request["nodes"].as_array().is_some_and(|nodes| nodes.iter().any(|node| node == "nowhere"))
}

fn text(value: &Value) -> Name {
    value.as_str().unwrap_or_default().to_owned()
}
