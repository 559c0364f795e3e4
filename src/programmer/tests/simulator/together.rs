//! Flows that were asked for together: what every switch must have had of them at once, or not at all.

use std::collections::HashMap;

use openflow::FlowStats;

use super::oracle::{Asked, Oracle, Removal, Verdict, cookie_of, has_id, items, switch_of, views};
use crate::contract::{Atomic, Command, FlowNodeView, FlowState, FlowView, Reply};

/// When the first rule of each flow, by its cookie, came to each switch.
pub(super) struct Appearances {
    by_switch: Vec<HashMap<u64, u64>>,
    pub(super) messages: u64,
}

impl Appearances {
    pub(super) fn new(switches: usize) -> Self {
        Self { by_switch: vec![HashMap::new(); switches], messages: 0 }
    }

    /// A switch has carried out a message of the daemon.
    pub(super) fn note(&mut self, at: usize, before: &[FlowStats], after: &[FlowStats]) {
        self.messages += 1;
        let was_there = |cookie: u64| before.iter().any(|entry| entry.cookie == cookie);
        for entry in after.iter().filter(|entry| !was_there(entry.cookie)) {
            self.by_switch[at].entry(entry.cookie).or_insert(self.messages);
        }
    }
}

impl Oracle {
    /// Whether flows that were asked for together came to each switch together, and were decided together.
    pub(super) fn check_together(&self) -> Verdict {
        for (index, asked) in self.history.iter().enumerate() {
            if let (Command::InstallFlows(request), Some(Ok(reply))) = (&asked.command, &asked.answer)
                && request.atomic != Atomic::None
            {
                let made: Vec<_> = views(reply).iter().filter(|view| self.is_made_by(index, view)).collect();
                self.check_arrival(index, &made)?;
                self.check_decision(index, request.atomic, reply, &made)?;
            }
        }
        Ok(())
    }

    /// Whether a request made the flow, as far as can be told: nobody may have asked for it before with success.
    fn is_made_by(&self, index: usize, view: &FlowView) -> bool {
        let Some(cookie) = view.nodes.first().and_then(cookie_of) else { return false };
        let means_it =
            |command: &Command| items(command).iter().any(|item| item.flow_id.as_ref() == Some(&view.flow_id));
        self.history[..index].iter().filter(|asked| means_it(&asked.command)).all(|asked| match &asked.answer {
            Some(Ok(reply)) => {
                let is_it = |other: &&FlowView| other.flow_id == view.flow_id;
                views(reply).iter().filter(is_it).all(|other| other.nodes.first().and_then(cookie_of) != Some(cookie))
            }
            Some(Err(_)) | None => false,
        })
    }

    /// Whether a flow may have been refused for the sake of others that go together with it: a switch is too small for
    /// one of them, has no bundles or was too slow.
    pub(super) fn is_refused_with_others(&self, id: &str, node: &FlowNodeView) -> bool {
        let goes_together = |asked: &Asked| match &asked.command {
            Command::InstallFlows(request) => {
                request.atomic != Atomic::None && request.flows.iter().any(|item| has_id(item, id))
            }
            _ => false,
        };
        let Some(error) = node.error.as_ref().filter(|_| self.history.iter().any(goes_together)) else { return false };
        match (error.error_type.as_str(), error.code.as_str()) {
            ("FLUMEN", "UNSUPPORTED" | "TIMEOUT") => true,
            ("BUNDLE_FAILED", "MSG_FAILED") => self.is_small.contains(&true),
            _ => false,
        }
    }

    /// Whether the flows came to each switch together, but for those whose removal had been asked for by then: one that
    /// found no room on the disk takes a flow out of its batch for a while, and a restart brings it back.
    fn check_arrival(&self, index: usize, made: &[&FlowView]) -> Verdict {
        for at in 0..self.switches() {
            let mut arrived: Option<(&FlowView, u64)> = None;
            for view in made {
                let here = view.nodes.iter().find(|node| switch_of(node.node.as_str()) == at).and_then(cookie_of);
                let Some(when) = here.and_then(|cookie| self.appearances.by_switch[at].get(&cookie)).copied() else {
                    continue;
                };
                let takes_it_out = |(at, removal): (usize, Removal)| {
                    at > index && removal != Removal::Missing && self.history[at].messages < when
                };
                if self.removals(view.flow_id.as_str()).any(takes_it_out) {
                    continue;
                }
                let (first, expected) = *arrived.get_or_insert((view, when));
                if when != expected {
                    let (first, second) = (&first.flow_id, &view.flow_id);
                    return Err(format!("{first:?} and {second:?} go together and came to s{} one by one", at + 1));
                }
            }
        }
        Ok(())
    }

    /// No answer tells of flows of which some were applied and others refused, on one switch or on all. Where others
    /// wrote meanwhile, one may have been refused when it was put back.
    fn check_decision(&self, index: usize, atomic: Atomic, reply: &Reply, made: &[&FlowView]) -> Verdict {
        let is_undisturbed = self.history[index].is_undisturbed;
        let nodes = || made.iter().flat_map(|view| &view.nodes);
        let has = |at: usize, state| {
            nodes().any(|node| node.state == state && (atomic == Atomic::All || switch_of(node.node.as_str()) == at))
        };
        let is_torn = |at: &usize| has(*at, FlowState::Applied) && has(*at, FlowState::Rejected);
        match (0..self.switches()).find(is_torn) {
            Some(at) if is_undisturbed => Err(format!("a batch is applied and rejected on s{}: {reply:?}", at + 1)),
            _ => Ok(()),
        }
    }
}
