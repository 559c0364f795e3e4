//! The last judgement: everything is connected, healed and quiet, and every flow is asked for once more.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use openflow::FlowStats;

use super::client::Body;
use super::oracle::{
    Attempt, Oracle, Removal, Verdict, cookie_of, ids, is_on, is_same_place, rule_of, switch_of, views,
};
use crate::contract::{Command, ErrorBody, ErrorCode, FlowNodeView, FlowState, FlowView, Reply};
use crate::policy::Rule;

/// What the daemon says of every flow in the end; `None` for those that there are not.
pub(super) type Views = BTreeMap<String, Option<FlowView>>;

impl Oracle {
    /// Judges the whole history by how it ended.
    pub(super) fn conclude(&self, views: &Views, tables: &[Vec<FlowStats>], now: Instant) -> Verdict {
        for asked in &self.history {
            if asked.answer.is_none() && !asked.is_lost {
                return Err(format!("{:?} was never answered", asked.command));
            }
        }
        for id in ids() {
            let view = views.get(&id).and_then(Option::as_ref);
            self.check_existence(&id, view)?;
            self.check_lookups(&id)?;
            for node in view.iter().flat_map(|view| &view.nodes) {
                self.check_end(&id, view.and_then(|view| view.queue).unwrap_or_default(), node, now)?;
            }
        }
        self.check_together()?;
        self.check_tables(views, tables)
    }

    /// A flow that was acknowledged and that nobody removed is there; one whose removal was acknowledged is not.
    fn check_existence(&self, id: &str, view: Option<&FlowView>) -> Verdict {
        let is_live =
            |state| matches!(state, FlowState::Accepted | FlowState::Applied | FlowState::Unknown | FlowState::Drifted);
        let acknowledged = self
            .attempts(id)
            .filter_map(|(index, _, attempt)| match attempt {
                Attempt::Acknowledged(view) if is_live(view.state) => Some((index, view)),
                _ => None,
            })
            .last();
        let is_removed_after = |index| self.removals(id).any(|(at, removal)| at > index && removal != Removal::Missing);
        if let Some((index, told)) = acknowledged
            && !is_removed_after(index)
        {
            let Some(view) = view else { return Err(format!("{id} was acknowledged and is lost: {told:?}")) };
            if view.queue != told.queue {
                return Err(format!("{id} was acknowledged as {told:?} and is {view:?} now"));
            }
            let is_justified = |node: &FlowNodeView| {
                node.state != FlowState::Removed || self.is_node_removed_after(index, switch_of(node.node.as_str()))
            };
            if let Some(node) = view.nodes.iter().find(|node| !is_justified(node)) {
                return Err(format!("{id} was acknowledged and is removed: {node:?}"));
            }
        }
        let Some(view) = view else { return Ok(()) };
        let is_asked_for = |index: usize, at: usize| at > index;
        let removed = self.removals(id).filter(|(_, removal)| *removal == Removal::Acknowledged).last();
        if let Some((removed, _)) = removed {
            let may_be_back = self.attempts(id).any(|(index, _, attempt)| {
                is_asked_for(removed, index)
                    && match attempt {
                        // A flow that is leaving one of its nodes is wanted on the others.
                        Attempt::Acknowledged(view) => {
                            view.nodes.iter().any(|node| is_live(node.state) || node.state == FlowState::Rejected)
                        }
                        Attempt::Doubtful => true,
                        Attempt::Refused => false,
                    }
            });
            if !may_be_back && view.nodes.iter().any(|node| !is_ended(node.state)) {
                return Err(format!("{id} was removed and is there: {view:?}"));
            }
        }
        let is_wanted = self.attempts(id).any(|(_, item, attempt)| {
            item.queue == view.queue && matches!(attempt, Attempt::Acknowledged(_) | Attempt::Doubtful)
        });
        if !is_wanted && view.nodes.iter().any(|node| !is_ended(node.state)) {
            return Err(format!("{id} was refused or not acknowledged, and is there: {view:?}"));
        }
        Ok(())
    }

    /// Nobody was told that there is no such flow while there was one.
    fn check_lookups(&self, id: &str) -> Verdict {
        // The first request at which whoever asks can know of it.
        let mut known_from = None;
        for (index, asked) in self.history.iter().enumerate() {
            let is_missing = matches!(&asked.answer, Some(Err(ErrorBody { code: ErrorCode::NotFound, .. })));
            match &asked.command {
                // Somebody may have removed it while its counters were asked for.
                Command::GetFlow(request)
                    if request.flow_id.as_str() == id
                        && is_missing
                        && known_from.is_some_and(|from| from <= index)
                        && !self.removals(id).any(|(at, _)| at > index) =>
                {
                    return Err(format!("{id} was acknowledged before request {index}, and then called not found"));
                }
                Command::RemoveFlow(request)
                    if request.flow_id.as_str() == id && is_missing && known_from.is_some() =>
                {
                    return Err(format!("{id} was acknowledged before removal {index}, and then called not found"));
                }
                Command::RemoveFlow(request) if request.flow_id.as_str() == id => known_from = None,
                Command::RemoveFlows(_) => known_from = None,
                _ => {
                    let views = asked.answer.as_ref().and_then(|answer| answer.as_ref().ok()).map(views);
                    let is_install = matches!(asked.command, Command::InstallFlow(_) | Command::InstallFlows(_));
                    let is_known = is_install
                        && views.unwrap_or_default().iter().any(|view| {
                            view.flow_id.as_str() == id
                                && view.nodes.iter().all(|node| node.cookie.is_some())
                                && matches!(view.state, FlowState::Accepted | FlowState::Applied | FlowState::Unknown)
                        });
                    if is_known {
                        known_from = Some(known_from.unwrap_or(usize::MAX).min(asked.answered_before));
                    }
                }
            }
        }
        Ok(())
    }

    /// A flow on a node has come to an end that is true.
    fn check_end(&self, id: &str, queue: u32, node: &FlowNodeView, now: Instant) -> Verdict {
        let body = Body::of_queue(self.seed, queue, self.switches());
        let at = switch_of(node.node.as_str());
        let Some((first, _, _)) = self.attempts(id).next() else { return Err(format!("nobody asked for {id}")) };
        let is_true = match node.state {
            FlowState::Applied | FlowState::Removed | FlowState::Rejected => true,
            FlowState::Expired => {
                let age = now.duration_since(self.history[first].at);
                let has_passed = |seconds: u16| seconds > 0 && age >= Duration::from_secs(seconds.into());
                has_passed(body.request.idle_timeout) || has_passed(body.request.hard_timeout)
            }
            // A removal that found no room has freed the place for a while, and a restart brings both flows back.
            FlowState::Superseded => self.bodies().any(|other| {
                other.id != id
                    && (other.request.replace || self.removals(id).any(|(_, removal)| removal == Removal::Doubtful))
                    && is_on(&other.request, at)
                    && other.rules.iter().any(|rule| body.rules.iter().any(|own| is_same_place(own, rule)))
            }),
            _ => false,
        };
        if is_true { Ok(()) } else { Err(format!("{id} ends as {node:?}, which is not true or not an end")) }
    }

    /// The switches have every rule of the flows that are applied, and no other one of ours.
    fn check_tables(&self, views: &Views, tables: &[Vec<FlowStats>]) -> Verdict {
        for (at, table) in tables.iter().enumerate() {
            let mut wanted: Vec<(u64, Rule, u16, u16)> = Vec::new();
            for view in views.values().flatten() {
                let body = Body::of_queue(self.seed, view.queue.unwrap_or_default(), self.switches());
                let here =
                    |node: &&FlowNodeView| switch_of(node.node.as_str()) == at && node.state == FlowState::Applied;
                for cookie in view.nodes.iter().filter(here).filter_map(cookie_of) {
                    let (idle, hard) = (body.request.idle_timeout, body.request.hard_timeout);
                    wanted.extend(body.rules.iter().map(|rule| (cookie, rule.clone(), idle, hard)));
                }
            }
            for entry in table.iter().filter(|entry| self.is_ours(entry)) {
                let found = (entry.cookie, rule_of(entry), entry.idle_timeout, entry.hard_timeout);
                match wanted.iter().position(|rule| *rule == found) {
                    Some(index) => {
                        wanted.swap_remove(index);
                    }
                    None if self.has_table_miss && entry.cookie & 0xffff_ffff_ffff == 0 && entry.priority == 0 => {}
                    None => return Err(format!("s{} has a rule that nobody wants: {entry}", at + 1)),
                }
            }
            if let Some((cookie, rule, ..)) = wanted.first() {
                return Err(format!("s{} has lost a rule of {cookie:#x}: {rule:?}", at + 1));
            }
        }
        Ok(())
    }

    fn is_node_removed_after(&self, index: usize, at: usize) -> bool {
        // A removal that was asked before, and finished after, takes along what came between.
        let _ = index;
        self.history.iter().any(|asked| {
            let is_it =
                matches!(&asked.command, Command::RemoveNode(request) if switch_of(request.name.as_str()) == at);
            is_it && !matches!(&asked.answer, Some(Err(ErrorBody { code: ErrorCode::NotFound, .. })))
        })
    }
}

fn is_ended(state: FlowState) -> bool {
    matches!(state, FlowState::Removed | FlowState::Expired | FlowState::Superseded)
}

/// After a restart with nothing else happening, everything is as it was said before.
pub(super) fn compare(before: &Views, after: &Views) -> Verdict {
    let essence = |view: &Option<FlowView>| {
        view.as_ref().map(|view| {
            let nodes: Vec<_> = view
                .nodes
                .iter()
                .map(|node| (node.node.clone(), node.state, node.cookie.clone(), node.error.clone()))
                .collect();
            (view.state, view.queue, nodes)
        })
    };
    for (id, view) in before {
        let now = after.get(id).unwrap_or(&None);
        let may_expire = view.as_ref().is_some_and(|view| view.idle_timeout > 0 || view.hard_timeout > 0);
        if essence(view) != essence(now) && !may_expire {
            return Err(format!("after a restart {id} is {now:?}, and was {view:?}"));
        }
    }
    Ok(())
}

/// The view in the answer to `GetFlow`.
pub(super) fn view_of(answer: Option<&crate::programmer::Answer>) -> Option<FlowView> {
    match answer {
        Some(Ok(Reply::Flow { flow })) => Some((**flow).clone()),
        _ => None,
    }
}
