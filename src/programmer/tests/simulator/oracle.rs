//! Judges a daemon by what its clients asked and were told and by what is in the switches' tables, and by nothing else:
//! it shares no thought with the engine.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Instant;

use openflow::FlowStats;

use super::client::{self, Body};
use super::together::Appearances;
use crate::contract::{
    Command, ErrorBody, ErrorCode, FlowNodeView, FlowState, FlowView, FlowsOnRemoval, InstallFlow, NodeState, Reply,
};
use crate::policy::Rule;
use crate::programmer::Answer;
use crate::programmer::engine::Ticket;

/// What is wrong, in a sentence.
pub(super) type Verdict = Result<(), String>;

/// A command and what came of it.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) command: Command,
    pub(super) at: Instant,
    pub(super) answer: Option<Answer>,
    /// The first request that was asked after that.
    pub(super) answered_before: usize,
    /// The daemon died before it answered.
    pub(super) is_lost: bool,
    /// Writes of others so far, by switch.
    meddlings: Vec<u64>,
    /// Messages that had come to switches when it was asked.
    pub(super) messages: u64,
    /// Nobody else wrote between the request and the answer.
    pub(super) is_undisturbed: bool,
}

/// What an `InstallFlow` came to, as far as its client can know.
#[derive(Debug)]
pub(super) enum Attempt<'a> {
    Acknowledged(&'a FlowView),
    /// It cannot have had an effect.
    Refused,
    /// Anything may have become of it. So it is with one that was not acknowledged for want of room: it may have been
    /// stored before its verdict found none.
    Doubtful,
}

/// The same of a removal.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Removal {
    Acknowledged,
    Missing,
    Doubtful,
}

pub(super) struct Oracle {
    pub(super) seed: u64,
    pub(super) tag: u16,
    pub(super) has_table_miss: bool,
    /// By ticket.
    pub(super) history: Vec<Asked>,
    /// The rules that each switch ever had, by cookie.
    had: Vec<HashSet<(u64, Rule)>>,
    pub(super) appearances: Appearances,
    /// Whether a switch can refuse a flow.
    pub(super) is_small: Vec<bool>,
    meddlings: Vec<u64>,
    /// Last words on flows on nodes.
    last_words: HashMap<(u64, String), FlowState>,
    /// The cookie under which a flow id was acknowledged, and when it was asked for.
    cookies: BTreeMap<String, (u64, usize)>,
    pub(super) states: BTreeSet<FlowState>,
}

impl Oracle {
    pub(super) fn new(seed: u64, tag: u16, has_table_miss: bool, is_small: Vec<bool>) -> Self {
        let switches = is_small.len();
        Self {
            seed,
            tag,
            has_table_miss,
            history: Vec::new(),
            had: vec![HashSet::new(); switches],
            appearances: Appearances::new(switches),
            is_small,
            meddlings: vec![0; switches],
            last_words: HashMap::new(),
            cookies: BTreeMap::new(),
            states: BTreeSet::new(),
        }
    }

    pub(super) fn switches(&self) -> usize {
        self.had.len()
    }

    pub(super) fn asked(&mut self, command: Command, at: Instant) -> Ticket {
        let meddlings = self.meddlings.clone();
        self.history.push(Asked {
            command,
            at,
            answer: None,
            answered_before: 0,
            is_lost: false,
            messages: self.appearances.messages,
            meddlings,
            is_undisturbed: false,
        });
        Ticket(self.history.len() as u64 - 1)
    }

    /// The daemon died, and with it every answer that it had not given.
    pub(super) fn daemon_died(&mut self) {
        self.history.iter_mut().filter(|asked| asked.answer.is_none()).for_each(|asked| asked.is_lost = true);
    }

    /// Somebody else wrote to a switch, or what was sent long ago arrives now.
    pub(super) fn meddled(&mut self, at: usize) {
        self.meddlings[at] += 1;
    }

    /// A switch has carried out a message of the daemon.
    pub(super) fn switch_changed(&mut self, at: usize, before: &[FlowStats], after: &[FlowStats]) -> Verdict {
        self.appearances.note(at, before, after);
        let ours: Vec<_> = after.iter().filter(|entry| self.is_ours(entry)).collect();
        self.had[at].extend(ours.into_iter().map(|entry| (entry.cookie, rule_of(entry))));
        for foreign in before.iter().filter(|entry| !self.is_ours(entry)) {
            let place = |entry: &&FlowStats| is_same_place(&rule_of(entry), &rule_of(foreign));
            match after.iter().find(place) {
                Some(same) if same.cookie == foreign.cookie && same.instructions == foreign.instructions => {}
                Some(other) if self.is_ours(other) && self.was_asked_for(at, foreign) => {}
                other => return Err(format!("a foreign rule on s{} was touched: {foreign}, now {other:?}", at + 1)),
            }
        }
        Ok(())
    }

    /// Whether some flow wants the place of this rule on the switch.
    fn was_asked_for(&self, at: usize, foreign: &FlowStats) -> bool {
        let rule = rule_of(foreign);
        // What they wrote after the table was read and before the table-miss rule arrived is not there to be seen.
        if self.has_table_miss && rule.priority == 0 {
            return true;
        }
        self.bodies().any(|body| is_on(&body.request, at) && body.rules.iter().any(|own| is_same_place(own, &rule)))
    }

    /// An answer reaches its client while the switches have these tables.
    pub(super) fn answered(&mut self, ticket: Ticket, answer: Answer, tables: &[Vec<FlowStats>]) -> Verdict {
        let index = usize::try_from(ticket.0).unwrap();
        let asked = self.history.get(index).ok_or("an answer to nothing")?;
        if asked.answer.is_some() {
            return Err(format!("a second answer to {}", asked.command.name()));
        }
        if let Ok(reply) = &answer {
            self.check_kind(index, reply, tables)?;
            for view in views(reply) {
                self.check_view(index, view, tables)?;
            }
        }
        self.history[index].answer = Some(answer);
        self.history[index].answered_before = self.history.len();
        self.history[index].is_undisturbed = self.history[index].meddlings == self.meddlings;
        Ok(())
    }

    /// What a reply says beside flows.
    fn check_kind(&mut self, index: usize, reply: &Reply, tables: &[Vec<FlowStats>]) -> Verdict {
        let asked = &self.history[index];
        match (&asked.command, reply) {
            (Command::InstallFlow(request), Reply::Flow { flow }) if flow.queue != request.queue => {
                return Err(format!("asked for {request:?} and answered with another flow: {flow:?}"));
            }
            (Command::InstallFlows(request), Reply::FlowsInstalled { flows, summary, .. }) => {
                if summary.values().sum::<u64>() != request.flows.len() as u64 {
                    return Err(format!("{} flows asked for, and answered: {summary:?}", request.flows.len()));
                }
                for item in &request.flows {
                    if !flows
                        .iter()
                        .any(|view| Some(&view.flow_id) == item.flow_id.as_ref() && view.queue == item.queue)
                    {
                        return Err(format!("an item of a batch is not answered: {item:?} in {flows:?}"));
                    }
                }
            }
            (Command::RemoveNode(request), Reply::Node { node })
                if request.flows == FlowsOnRemoval::Remove && node.state != NodeState::Registered =>
            {
                let at = switch_of(request.name.as_str());
                let left = tables[at].iter().find(|entry| self.is_ours(entry));
                let is_same_node =
                    |asked: &Asked| matches!(&asked.command, Command::AddNode(again) if again.name == request.name);
                let is_back = self.history[index..].iter().any(is_same_node);
                let is_undisturbed = asked.meddlings[at] == self.meddlings[at] && !self.was_left(at);
                if let Some(entry) = left.filter(|_| !is_back && is_undisturbed) {
                    return Err(format!("{} was removed and has a flow of ours: {entry}", request.name.as_str()));
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// What a view says of a flow is true, and does not contradict what was said before.
    fn check_view(&mut self, index: usize, view: &FlowView, tables: &[Vec<FlowStats>]) -> Verdict {
        self.states.insert(view.state);
        let id = view.flow_id.as_str().to_owned();
        let queue = view.queue.ok_or("a flow without its queue")?;
        let body = Body::of_queue(self.seed, queue, self.switches());
        if body.id != id {
            return Err(format!("flow {id} has the body of {}", body.id));
        }
        let worst = FlowState::worst(view.nodes.iter().map(|node| node.state));
        if worst != Some(view.state) {
            return Err(format!("the state of {id} is not the worst of its nodes': {view:?}"));
        }
        for node in &view.nodes {
            let Some(cookie) = cookie_of(node) else { continue };
            self.check_node(&body, cookie, node, tables)?;
        }
        let is_install = matches!(self.history[index].command, Command::InstallFlow(_) | Command::InstallFlows(_));
        if let Some(cookie) = view.nodes.first().and_then(cookie_of).filter(|_| is_install) {
            let (before, since) = *self.cookies.entry(id.clone()).or_insert((cookie, index));
            if before != cookie && !self.removals(&id).any(|(at, removal)| at > since && removal != Removal::Missing) {
                return Err(format!("{id} was acknowledged as {before:#x} and is {cookie:#x} now"));
            }
            if before != cookie {
                self.cookies.insert(id, (cookie, index));
            }
        }
        Ok(())
    }

    fn check_node(&mut self, body: &Body, cookie: u64, node: &FlowNodeView, tables: &[Vec<FlowStats>]) -> Verdict {
        let name = node.node.as_str().to_owned();
        let at = switch_of(&name);
        let id = &body.id;
        if node.state == FlowState::Applied
            && let Some(rule) = body.rules.iter().find(|rule| !self.had[at].contains(&(cookie, (*rule).clone())))
        {
            return Err(format!("{id} is called applied on {name}, which never had {rule:?}"));
        }
        let is_explained = (self.is_small[at] && is_table_full(node)) || self.is_refused_with_others(id, node);
        if node.state == FlowState::Rejected && !is_explained {
            return Err(format!("{id} is called rejected on {name}, which had no reason to: {node:?}"));
        }
        let is_there = tables[at].iter().any(|entry| entry.cookie == cookie);
        if node.state == FlowState::Removed && is_there && self.meddlings[at] == 0 && !self.was_left(at) {
            return Err(format!("{id} is called removed on {name} and is there: {node:?}"));
        }
        let is_last =
            matches!(node.state, FlowState::Rejected | FlowState::Removed | FlowState::Expired | FlowState::Superseded);
        match self.last_words.get(&(cookie, name.clone())) {
            Some(before) if *before == node.state => {}
            // RemoveFlow frees the id of a rejected flow, and a node that goes takes it along.
            Some(FlowState::Rejected) if matches!(node.state, FlowState::Removing | FlowState::Removed) => {}
            Some(before) => {
                return Err(format!(
                    "the last word on {id} ({cookie:#x}) on {name} was {before}, now it is {}",
                    node.state
                ));
            }
            None => {}
        }
        if is_last {
            self.last_words.insert((cookie, name), node.state);
        }
        Ok(())
    }

    /// Whether the switch was ever told to keep rules of a node that goes.
    fn was_left(&self, at: usize) -> bool {
        self.history.iter().any(|asked| match &asked.command {
            Command::RemoveNode(request) => {
                switch_of(request.name.as_str()) == at && request.flows == FlowsOnRemoval::Leave
            }
            _ => false,
        })
    }

    pub(super) fn is_ours(&self, entry: &FlowStats) -> bool {
        entry.cookie >> 48 == u64::from(self.tag)
    }

    /// Every body that was asked for.
    pub(super) fn bodies(&self) -> impl Iterator<Item = Body> {
        let queues: BTreeSet<u32> =
            self.history.iter().flat_map(|asked| items(&asked.command)).filter_map(|item| item.queue).collect();
        let (seed, switches) = (self.seed, self.switches());
        queues.into_iter().map(move |queue| Body::of_queue(seed, queue, switches))
    }

    /// Every time that a flow id was asked for.
    pub(super) fn attempts<'a>(&'a self, id: &'a str) -> impl Iterator<Item = (usize, &'a InstallFlow, Attempt<'a>)> {
        self.history.iter().enumerate().flat_map(move |(index, asked)| {
            let items = items(&asked.command).iter().filter(move |item| has_id(item, id));
            items.map(move |item| (index, item, attempt(asked, item)))
        })
    }

    /// Every time that somebody wanted it removed.
    pub(super) fn removals<'a>(&'a self, id: &'a str) -> impl Iterator<Item = (usize, Removal)> + 'a {
        self.history.iter().enumerate().filter_map(move |(index, asked)| {
            let is_meant = |command: &Command| match command {
                Command::RemoveFlow(request) => request.flow_id.as_str() == id,
                Command::RemoveFlows(request) => {
                    request.flow_ids.as_ref().is_none_or(|ids| ids.iter().any(|other| other.as_str() == id))
                }
                _ => false,
            };
            let is_by_node = matches!(&asked.command, Command::RemoveFlows(request) if request.node.is_some());
            let removal = match &asked.answer {
                Some(Ok(_)) if !is_by_node => Removal::Acknowledged,
                Some(Err(ErrorBody { code: ErrorCode::NotFound, .. })) => Removal::Missing,
                _ => Removal::Doubtful,
            };
            is_meant(&asked.command).then_some((index, removal))
        })
    }
}

fn attempt<'a>(asked: &'a Asked, item: &InstallFlow) -> Attempt<'a> {
    match &asked.answer {
        None => Attempt::Doubtful,
        Some(Ok(reply)) => {
            let is_it = |view: &&FlowView| Some(&view.flow_id) == item.flow_id.as_ref() && view.queue == item.queue;
            match views(reply).iter().find(is_it) {
                Some(view) if view.nodes.iter().all(|node| node.cookie.is_some()) => Attempt::Acknowledged(view),
                _ => Attempt::Refused,
            }
        }
        Some(Err(error)) => match error.code {
            ErrorCode::Unavailable | ErrorCode::Timeout | ErrorCode::Internal => Attempt::Doubtful,
            _ => Attempt::Refused,
        },
    }
}

pub(super) fn items(command: &Command) -> &[InstallFlow] {
    match command {
        Command::InstallFlow(request) => std::slice::from_ref(request.as_ref()),
        Command::InstallFlows(request) => &request.flows,
        _ => &[],
    }
}

pub(super) fn views(reply: &Reply) -> &[FlowView] {
    match reply {
        Reply::Flow { flow } => std::slice::from_ref(flow.as_ref()),
        Reply::FlowsInstalled { flows, .. } | Reply::Flows { flows, .. } => flows,
        _ => &[],
    }
}

pub(super) fn has_id(request: &InstallFlow, id: &str) -> bool {
    request.flow_id.as_ref().is_some_and(|own| own.as_str() == id)
}

pub(super) fn cookie_of(node: &FlowNodeView) -> Option<u64> {
    u64::from_str_radix(node.cookie.as_ref()?.strip_prefix("0x")?, 16).ok()
}

/// The switch of the node `s1`, `s2`….
pub(super) fn switch_of(name: &str) -> usize {
    name[1..].parse::<usize>().unwrap() - 1
}

pub(super) fn is_on(request: &InstallFlow, at: usize) -> bool {
    request.nodes.as_ref().is_none_or(|names| names.iter().any(|name| switch_of(name.as_str()) == at))
}

pub(super) fn is_table_full(node: &FlowNodeView) -> bool {
    node.error.as_ref().is_some_and(|error| error.code == "TABLE_FULL" || error.error_type == "BUNDLE_FAILED")
}

pub(super) fn rule_of(entry: &FlowStats) -> Rule {
    Rule {
        table_id: entry.table_id,
        priority: entry.priority,
        flow_match: entry.flow_match.clone(),
        instructions: entry.instructions.clone(),
    }
}

pub(super) fn is_same_place(a: &Rule, b: &Rule) -> bool {
    a.table_id == b.table_id && a.priority == b.priority && a.flow_match == b.flow_match
}

/// The ids of every flow.
pub(super) fn ids() -> impl Iterator<Item = String> {
    (0..client::IDS).map(|id| format!("f{id}"))
}
