//! One flow table: flows by priority and match, with their counters and their time.
//!
//! Every strict operation is one step in a hash map however many flows there are; every non-strict one looks at each
//! flow once. The table does not check what it is given and tells nobody what it did: [`super::datapath`] does.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use openflow::{FlowModFlags, FlowRemovedReason, GroupId, Instruction, PortNo};

use super::hash::FixedState;
use super::pattern::Pattern;
use super::program;

/// What names a flow within its table: no two flows have both in common.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Rule {
    pub(super) priority: u16,
    pub(super) pattern: Pattern,
}

/// What a table knows of a flow beside its name.
#[derive(Clone, Debug)]
pub(super) struct FlowEntry {
    pub(super) cookie: u64,
    pub(super) idle_timeout: u16,
    pub(super) hard_timeout: u16,
    pub(super) flags: FlowModFlags,
    pub(super) instructions: Arc<[Instruction]>,
    pub(super) packet_count: u64,
    pub(super) byte_count: u64,
    /// When the flow came into the table.
    pub(super) created: Instant,
    /// When its last packet came, or it itself.
    pub(super) used: Instant,
    /// The number of the change that added it.
    pub(super) added_by: u64,
    /// The number of the change that gave it its present instructions.
    pub(super) changed_by: u64,
    /// Where the table has it among its deadlines.
    pub(super) armed: Option<Instant>,
}

impl FlowEntry {
    /// When the flow ends by itself, and why.
    fn deadline(&self) -> Option<(Instant, FlowRemovedReason)> {
        let after = |start: Instant, seconds: u16| (seconds > 0).then(|| start + Duration::from_secs(seconds.into()));
        let idle = after(self.used, self.idle_timeout).map(|at| (at, FlowRemovedReason::IdleTimeout));
        let hard = after(self.created, self.hard_timeout).map(|at| (at, FlowRemovedReason::HardTimeout));
        [hard, idle].into_iter().flatten().min_by_key(|&(at, _)| at)
    }
}

/// Which flows a request is about.
#[derive(Debug)]
pub(super) struct Selection {
    /// A strict request names one rule; any other takes every flow that the pattern covers.
    pub(super) pattern: Pattern,
    /// `Some` makes the request strict.
    pub(super) priority: Option<u16>,
    pub(super) cookie: u64,
    pub(super) cookie_mask: u64,
    pub(super) out_port: PortNo,
    pub(super) out_group: GroupId,
}

impl Selection {
    /// Whether the request is about this flow.
    pub(super) fn takes(&self, rule: &Rule, entry: &FlowEntry) -> bool {
        let named = match self.priority {
            Some(priority) => rule.priority == priority && rule.pattern == self.pattern,
            None => self.pattern.covers(&rule.pattern),
        };
        named && self.filters_let_pass(entry)
    }

    fn filters_let_pass(&self, entry: &FlowEntry) -> bool {
        (entry.cookie ^ self.cookie) & self.cookie_mask == 0
            && (self.out_port == PortNo::ANY || program::outputs_to(&entry.instructions, self.out_port))
            && (self.out_group == GroupId::ANY || program::uses_group(&entry.instructions, self.out_group))
    }
}

/// The flows of one table.
#[derive(Debug, Default)]
pub(super) struct FlowTable {
    flows: HashMap<Rule, FlowEntry, FixedState>,
    /// The flows that have a timeout, by the time at which it could strike: a flow that was used since is put back.
    deadlines: BTreeSet<(Instant, Rule)>,
}

impl FlowTable {
    pub(super) fn len(&self) -> usize {
        self.flows.len()
    }

    pub(super) fn get(&self, rule: &Rule) -> Option<&FlowEntry> {
        self.flows.get(rule)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Rule, &FlowEntry)> {
        self.flows.iter()
    }

    /// Puts the flow where `rule` says and returns the one that was there.
    pub(super) fn insert(&mut self, rule: Rule, mut entry: FlowEntry) -> Option<FlowEntry> {
        entry.armed = entry.deadline().map(|(at, _)| at);
        match self.flows.entry(rule) {
            Entry::Vacant(vacant) => {
                self.deadlines.extend(entry.armed.map(|at| (at, vacant.key().clone())));
                vacant.insert(entry);
                None
            }
            Entry::Occupied(mut occupied) => {
                let rule = occupied.key().clone();
                if let Some(at) = occupied.get().armed {
                    self.deadlines.remove(&(at, rule.clone()));
                }
                self.deadlines.extend(entry.armed.map(|at| (at, rule)));
                Some(occupied.insert(entry))
            }
        }
    }

    pub(super) fn remove(&mut self, rule: &Rule) -> Option<FlowEntry> {
        let (rule, entry) = self.flows.remove_entry(rule)?;
        if let Some(at) = entry.armed {
            self.deadlines.remove(&(at, rule));
        }
        Some(entry)
    }

    /// Counts packets of a flow, which also keeps it from being idle; false without such a flow.
    pub(super) fn count(&mut self, rule: &Rule, packets: u64, bytes: u64, now: Instant) -> bool {
        let Some(entry) = self.flows.get_mut(rule) else { return false };
        if !entry.flags.contains(FlowModFlags::NO_PKT_COUNTS) {
            entry.packet_count += packets;
        }
        if !entry.flags.contains(FlowModFlags::NO_BYT_COUNTS) {
            entry.byte_count += bytes;
        }
        entry.used = now;
        true
    }

    /// The flows that a request is about.
    pub(super) fn select(&self, selection: &Selection) -> Vec<Rule> {
        if let Some(priority) = selection.priority {
            let rule = Rule { priority, pattern: selection.pattern.clone() };
            return match self.get(&rule) {
                Some(entry) if selection.filters_let_pass(entry) => vec![rule],
                _ => Vec::new(),
            };
        }
        self.iter().filter(|(rule, entry)| selection.takes(rule, entry)).map(|(rule, _)| rule.clone()).collect()
    }

    /// Whether another flow of the same priority could match a packet that `rule` matches.
    pub(super) fn overlaps(&self, rule: &Rule) -> bool {
        self.flows.keys().any(|other| other.priority == rule.priority && other.pattern.overlaps(&rule.pattern))
    }

    /// The flow that makes room for another one: the first that would end by itself, else the oldest.
    pub(super) fn eviction_candidate(&self) -> Option<Rule> {
        self.deadlines
            .first()
            .map(|(_, rule)| rule)
            .or_else(|| self.iter().min_by_key(|(_, entry)| entry.added_by).map(|(rule, _)| rule))
            .cloned()
    }

    /// When [`FlowTable::next_expired`] should be asked again.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|&(at, _)| at)
    }

    /// A flow whose time is over; call it until there is none.
    pub(super) fn next_expired(&mut self, now: Instant) -> Option<(Rule, FlowRemovedReason)> {
        while self.next_deadline().is_some_and(|at| at <= now) {
            let (_, rule) = self.deadlines.pop_first()?;
            let entry = self.flows.get_mut(&rule)?;
            let (at, reason) = entry.deadline()?;
            if at <= now {
                return Some((rule, reason));
            }
            entry.armed = Some(at);
            self.deadlines.insert((at, rule));
        }
        None
    }
}
