//! Bugs planted in a history in which there are none, as a daemon that has them would have left it. The checker must
//! find each of them: one that cannot fail proves nothing.

use std::collections::{BTreeMap, BTreeSet};

use fastrand::Rng;
use serde_json::{Value, json};

use super::checker::removals;
use super::history::{Entry, Event, Listed};
use super::workload::{NARROW, ROOMY};

/// How much of a history bugs are planted in, at least: entries, and moments at which everything is compared.
const ENTRIES: usize = 10_000;
const QUIET_MOMENTS: usize = 6;

/// The beginning of a history, up to a moment at which everything is compared.
pub(super) fn beginning(entries: impl Iterator<Item = Entry>) -> Vec<Entry> {
    let (mut history, mut quiet_moments) = (Vec::new(), 0);
    for entry in entries {
        let is_quiet = matches!(entry.event, Event::Quiet { .. });
        quiet_moments += usize::from(is_quiet);
        history.push(entry);
        if is_quiet && history.len() >= ENTRIES && quiet_moments >= QUIET_MOMENTS {
            break;
        }
    }
    let last = history.iter().rposition(|entry| matches!(entry.event, Event::Quiet { .. }));
    history.truncate(last.map_or(0, |last| last + 1));
    history
}

/// One bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Forgery {
    /// A rule of an applied flow is not in its switch.
    LosesRule,
    /// The daemon and the switch know nothing of a flow that was acknowledged.
    LosesFlow,
    /// A flow that has left is still in its switch.
    KeepsRule,
    /// There is a rule under our tag that belongs to no flow.
    AddsRule,
    /// A rule has other actions.
    ChangesActions,
    /// A rule has another match.
    ChangesMatch,
    /// A rule has no timeout any more.
    DropsTimeout,
    /// A rule is in a switch that it was not asked for on.
    MovesRule,
    /// A rule of somebody else is gone.
    TouchesForeign,
    /// A flow has another cookie when it is asked for again.
    ChangesCookie,
    /// A flow that was applied is not when it is asked for again.
    TakesBack,
    /// A flow that is there is refused when it is asked for again.
    RefusesAgain,
    /// A flow is removed that nobody wanted removed.
    RemovesUnasked,
    /// A flow ends by a timeout that it does not have.
    ExpiresUnasked,
    /// A flow gives way to one that there is not.
    SupersedesUnasked,
    /// A flow is refused by a switch that has room for it.
    RejectsForNothing,
    /// A flow is refused because of another one that there is not.
    ConflictsWithNothing,
    /// A flow is told of on one node less than it was asked for on.
    ForgetsNode,
    /// A flow is called applied that its switch has not confirmed.
    AppliesUnconfirmed,
    /// A flow is unknown long after its switch is back.
    StaysUnknown,
    /// A request is not answered.
    NeverAnswers,
    /// A request is answered twice.
    AnswersTwice,
    /// A request that makes no sense is accepted.
    AcceptsNonsense,
}

impl Forgery {
    pub(super) const ALL: [Self; 23] = [
        Self::LosesRule,
        Self::LosesFlow,
        Self::KeepsRule,
        Self::AddsRule,
        Self::ChangesActions,
        Self::ChangesMatch,
        Self::DropsTimeout,
        Self::MovesRule,
        Self::TouchesForeign,
        Self::ChangesCookie,
        Self::TakesBack,
        Self::RefusesAgain,
        Self::RemovesUnasked,
        Self::ExpiresUnasked,
        Self::SupersedesUnasked,
        Self::RejectsForNothing,
        Self::ConflictsWithNothing,
        Self::ForgetsNode,
        Self::AppliesUnconfirmed,
        Self::StaysUnknown,
        Self::NeverAnswers,
        Self::AnswersTwice,
        Self::AcceptsNonsense,
    ];

    /// Plants the bug somewhere; false when there is no place for it.
    pub(super) fn plant(self, history: &mut Vec<Entry>, rng: &mut Rng) -> bool {
        match self {
            Self::LosesRule => edit_rule(history, rng, is_plain, |_| None),
            Self::ChangesActions => {
                edit_rule(history, rng, is_marking, |line| Some(line.replace("set_queue:", "set_queue:9")))
            }
            Self::ChangesMatch => {
                edit_rule(history, rng, is_plain, |line| Some(line.replace("nw_dst=10.0.0.2", "nw_dst=10.0.0.3")))
            }
            Self::DropsTimeout => {
                edit_rule(history, rng, is_mortal, |line| Some(line.replace("_timeout=", "_timeout=7")))
            }
            Self::TouchesForeign => edit_rule(history, rng, |line| line.contains("cookie=0x77,"), |_| None),
            Self::AddsRule => edit_rule(history, rng, is_plain, |line| {
                Some(format!("{line}\n{}", line.replace("nw_dst=10.0.0.2", "nw_dst=10.0.0.9")))
            }),
            Self::MovesRule => move_rule(history, rng),
            Self::KeepsRule => keep_rule(history, rng),
            Self::LosesFlow => lose_flow(history, rng),
            Self::ChangesCookie => {
                edit_answer(history, rng, true, |flow| set_all(flow, "cookie", "0x0001000000000001"))
            }
            Self::TakesBack => edit_answer(history, rng, true, |flow| set_all(flow, "state", "accepted")),
            Self::RemovesUnasked => edit_answer(history, rng, true, |flow| set_all(flow, "state", "removed")),
            Self::ExpiresUnasked => edit_answer(history, rng, false, |flow| set_all(flow, "state", "expired")),
            Self::SupersedesUnasked => edit_answer(history, rng, false, |flow| set_all(flow, "state", "superseded")),
            Self::RejectsForNothing => edit_answer(history, rng, false, |flow| {
                set_all(flow, "state", "rejected");
                flow["nodes"][0]["error"] = json!({"code": "TABLE_FULL"});
            }),
            Self::ForgetsNode => {
                edit_answer(history, rng, false, |flow| drop(flow["nodes"].as_array_mut().unwrap().pop()))
            }
            Self::RefusesAgain => refuse(history, rng, true, "unavailable"),
            Self::ConflictsWithNothing => refuse(history, rng, false, "conflict"),
            Self::AppliesUnconfirmed => unconfirm(history, rng),
            Self::StaysUnknown => stay_unknown(history, rng),
            Self::NeverAnswers => {
                let Some(at) = answers(history, rng, false) else { return false };
                history.remove(at);
                true
            }
            Self::AnswersTwice => {
                let Some(at) = answers(history, rng, false) else { return false };
                history.insert(at, history[at].clone());
                true
            }
            Self::AcceptsNonsense => accept_nonsense(history, rng),
        }
    }
}

/// The lines of rules of ours that stay: IPv4, one of those that most flows have.
fn is_plain(line: &str) -> bool {
    line.contains("nw_dst=10.0.0.2") && !is_mortal(line) && !line.contains("cookie=0x77,")
}

fn is_marking(line: &str) -> bool {
    is_plain(line) && line.contains("set_queue:")
}

fn is_mortal(line: &str) -> bool {
    line.contains("_timeout=")
}

/// What `ovs-ofctl` printed, by node.
type Tables = BTreeMap<String, Vec<String>>;

/// The flows and tables of a quiet moment, if the entry is one.
fn quiet(entry: &mut Entry) -> Option<(&mut Vec<Listed>, &mut Tables)> {
    match &mut entry.event {
        Event::Quiet { flows, tables } => Some((flows, tables)),
        _ => None,
    }
}

/// Replaces one line of one table by another, by two, or by none.
fn edit_rule(
    history: &mut [Entry],
    rng: &mut Rng,
    is_meant: impl Fn(&str) -> bool,
    edit: impl Fn(&str) -> Option<String>,
) -> bool {
    let tables = history.iter_mut().filter_map(quiet).flat_map(|(_, tables)| tables.values_mut());
    let meant = tables.filter(|table| table.iter().any(|line| is_meant(line)));
    let Some(table) = rng.choice(meant.collect::<Vec<_>>()) else { return false };
    let Some(at) = rng.choice((0..table.len()).filter(|at| is_meant(&table[*at])).collect::<Vec<_>>()) else {
        return false;
    };
    let line = table.remove(at);
    table.extend(edit(&line).iter().flat_map(|lines| lines.lines()).map(str::to_owned));
    true
}

fn move_rule(history: &mut [Entry], rng: &mut Rng) -> bool {
    let Some((_, tables)) = rng.choice(history.iter_mut().filter_map(quiet).collect::<Vec<_>>()) else { return false };
    let lines = tables[ROOMY[0]].iter().filter(|line| is_plain(line) && !tables[ROOMY[1]].contains(line));
    let Some(line) = rng.choice(lines.cloned().collect::<Vec<_>>()) else { return false };
    tables.entry(ROOMY[1].to_owned()).or_default().push(line);
    true
}

/// A rule that was there at one quiet moment, and not at the next, is there nevertheless.
fn keep_rule(history: &mut [Entry], rng: &mut Rng) -> bool {
    let mut moments: Vec<_> = history.iter_mut().filter_map(quiet).map(|(_, tables)| tables).collect();
    let mut places = Vec::new();
    for (index, pair) in moments.windows(2).enumerate() {
        for node in ROOMY {
            let gone = |line: &&String| is_plain(line) && !pair[1][node].contains(line);
            places.extend(pair[0][node].iter().filter(gone).map(|line| (index + 1, node, line.clone())));
        }
    }
    let Some((index, node, line)) = rng.choice(places) else { return false };
    moments[index].entry(node.to_owned()).or_default().push(line);
    true
}

fn lose_flow(history: &mut [Entry], rng: &mut Rng) -> bool {
    let Some((flows, tables)) = rng.choice(history.iter_mut().filter_map(quiet).collect::<Vec<_>>()) else {
        return false;
    };
    let is_applied = |flow: &Listed| flow.nodes.values().all(|(state, _)| state == "applied");
    let Some(at) = rng.choice((0..flows.len()).filter(|at| is_applied(&flows[*at])).collect::<Vec<_>>()) else {
        return false;
    };
    let lost = flows.remove(at);
    for (_, cookie) in lost.nodes.values() {
        let own = format!("cookie={cookie:#x},");
        tables.values_mut().for_each(|table| table.retain(|line| !line.contains(&own)));
    }
    true
}

/// The place of an answer to an InstallFlow that says `applied` of a flow that stays so as far as its clients know: of
/// a flow's first answer, or of a later one.
fn answers(history: &[Entry], rng: &mut Rng, is_again: bool) -> Option<usize> {
    let (mut seen, mut unwanted) = (BTreeSet::new(), BTreeSet::new());
    let mut found = Vec::new();
    for (at, entry) in history.iter().enumerate() {
        let answer = match &entry.event {
            Event::Answered { answer, .. } if answer["command"] == "InstallFlow" => answer,
            Event::Asked { command, payload, .. } => {
                unwanted.extend(removals(command, payload));
                continue;
            }
            _ => continue,
        };
        let flow = &answer["payload"]["flow"];
        let is_lasting = flow["state"] == "applied"
            && (flow["hard_timeout"] == 0 && flow["idle_timeout"] == 0)
            && flow["source"].as_str().is_some_and(|source| !source.starts_with("10.200."))
            && flow["nodes"][0]["node"] != NARROW;
        let id = flow["flow_id"].as_str().unwrap_or_default().to_owned();
        if is_lasting && !unwanted.contains(&id) && seen.insert(id) != is_again {
            found.push(at);
        }
    }
    rng.choice(found)
}

fn edit_answer(history: &mut [Entry], rng: &mut Rng, is_again: bool, edit: impl Fn(&mut Value)) -> bool {
    let Some(at) = answers(history, rng, is_again) else { return false };
    if let Event::Answered { answer, .. } = &mut history[at].event {
        edit(&mut answer["payload"]["flow"]);
    }
    true
}

fn set_all(flow: &mut Value, field: &str, value: &str) {
    flow["nodes"].as_array_mut().unwrap().iter_mut().for_each(|node| node[field] = json!(value));
}

fn refuse(history: &mut [Entry], rng: &mut Rng, is_again: bool, code: &str) -> bool {
    let Some(at) = answers(history, rng, is_again) else { return false };
    if let Event::Answered { answer, .. } = &mut history[at].event {
        *answer = json!({"type": "Error", "id": answer["id"], "error": {"code": code, "message": "no"}});
    }
    true
}

fn unconfirm(history: &mut [Entry], rng: &mut Rng) -> bool {
    let Some(at) = answers(history, rng, false) else { return false };
    let Event::Answered { answer, .. } = &history[at].event else { return false };
    let cookie = answer["payload"]["flow"]["nodes"][0]["cookie"].as_str().unwrap();
    let cookie = u64::from_str_radix(cookie.trim_start_matches("0x"), 16).unwrap();
    for entry in history {
        if let Event::Confirmed { cookies, .. } = &mut entry.event {
            cookies.retain(|confirmed| *confirmed != cookie);
        }
    }
    true
}

fn stay_unknown(history: &mut Vec<Entry>, rng: &mut Rng) -> bool {
    let stays = |at: usize| {
        let Event::Linked { node } = &history[at].event else { return None };
        let is_about = |entry: &&Entry| matches!(&entry.event, Event::Linked { node: other } | Event::Unlinked { node: other, .. } if other == node);
        let unlinked = history[at + 1..].iter().find(is_about).map_or(u64::MAX, |entry| entry.at);
        let until = history[at].at + 2_100_000;
        let end = history.iter().position(|entry| entry.at > until)?;
        (until < unlinked).then(|| (at..end, until, node.clone()))
    };
    let Some((range, until, node)) = rng.choice((0..history.len()).filter_map(stays).collect::<Vec<_>>()) else {
        return false;
    };
    let flow = ("w0-1".to_owned(), node);
    for entry in &mut history[range.clone()] {
        if let Event::Unknown { flows } = &mut entry.event {
            flows.push(flow.clone());
        }
    }
    let unknown = |at: u64| Entry { at, event: Event::Unknown { flows: vec![flow.clone()] } };
    history.insert(range.end, unknown(until));
    history.insert(range.start + 1, unknown(history[range.start].at));
    true
}

fn accept_nonsense(history: &mut [Entry], rng: &mut Rng) -> bool {
    let is_refused = |entry: &Entry| matches!(&entry.event, Event::Answered { answer, .. } if answer["error"]["code"] == "invalid_request");
    let Some(at) = rng.choice((0..history.len()).filter(|at| is_refused(&history[*at])).collect::<Vec<_>>()) else {
        return false;
    };
    if let Event::Answered { answer, .. } = &mut history[at].event {
        let flow = json!({"flow_id": "wrong", "state": "applied", "nodes": []});
        *answer = json!({"type": "Reply", "command": "InstallFlow", "id": answer["id"], "payload": {"flow": flow}});
    }
    true
}
