//! Flows that were asked for together, all or none: on each switch for itself, or on all of their switches.
//!
//! Such flows are an [`Atom`] from the request until it is decided that all of them are applied or all are rejected. The
//! switches are asked in two steps, so that nothing takes effect before every one of them has taken all of it:
//!
//! ```text
//!         every node is there       every bundle is closed        every commit is answered
//! Waiting ──────────────────▶ Preparing ──────────────▶ Committing ──────────────────────▶ applied
//!    ▲                            │ refused, cut, too slow  │ refused, cut
//!    │ a node was read            ▼                         ▼
//! Resting ◀── nobody refused ── Undoing ◀───────────────────┘
//!                                 └── somebody refused ──▶ rejected
//! ```
//!
//! Between the first commit and the last one some switches have the flows and others do not: no protocol closes that
//! window. What comes to grief in it is undone: the switches that have committed delete the flows again, and one that
//! went away is cleaned when it is back, before anything else.
//!
//! The verdicts of an atom reach the disk together, and they are its decision: an atom that was not decided when the
//! daemon died is taken for undone. Where one switch decides alone, nothing has to be undone: it has all of the flows or
//! none, and reading it tells.

mod decision;
mod limits;
mod reading;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use self::decision::not_applied;
pub(in crate::programmer) use self::reading::Judged;
use super::cookie::{FlowNumber, Purpose, from_token, token};
use super::engine::Engine;
use super::flow::{Placement, Stage};
use super::node::{Job, Node, NodeId};
use super::outcome::{meter_missing, switch_error};
use super::view::own_error;
use crate::contract::SwitchError;
use crate::session::{Command, Token};

/// How long closed bundles wait for that of a slow switch: less than a client waits for its answer, and well below the
/// 10 s after which Open vSwitch forgets an idle bundle.
const PATIENCE: Duration = Duration::from_secs(4);

/// How often a switch may forget the bundle of an atom before that is taken for a refusal.
const MAX_FORGOTTEN: u8 = 3;

/// Which atom it is: by its first flow, and by its node where each node decides for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::programmer) struct AtomId {
    pub(in crate::programmer) first: FlowNumber,
    pub(in crate::programmer) node: Option<NodeId>,
}

/// All that are not decided.
#[derive(Debug, Default)]
pub(in crate::programmer) struct Atoms {
    by_id: BTreeMap<AtomId, Atom>,
    /// Those about which there is news.
    touched: BTreeSet<AtomId>,
    /// When those are given up that wait for a slow switch. An entry counts only while its atom means the same moment.
    deadlines: BTreeSet<(Instant, AtomId)>,
}

/// Flows that are applied together or not at all.
#[derive(Debug, Default)]
struct Atom {
    flows: Vec<FlowNumber>,
    parts: BTreeMap<NodeId, Part>,
    phase: Phase,
    deadline: Option<Instant>,
    forgotten: u8,
}

/// How far an atom is; the diagram is in the [module](self).
#[derive(Debug, Default)]
enum Phase {
    #[default]
    Waiting,
    Resting,
    Preparing,
    Committing,
    Undoing(Option<Refusal>),
}

/// How far an atom is on one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Nothing of it is under way, and nothing of it is meant to be there.
    Idle,
    /// Its bundle waits in the node's queue.
    Queued,
    /// Its bundle is on the way.
    Sent,
    /// Its bundle is closed.
    Closed,
    /// Its commit is on the way.
    Committing,
    /// The switch has it.
    Committed,
    /// The switch may have it.
    Doubtful,
    /// Its bundle is being discarded, or its rules deleted.
    Leaving,
}

/// Who says no to an atom.
#[derive(Debug, Clone)]
struct Refusal {
    /// The flow and node that are to blame, where the switch blames one.
    culprit: Option<(FlowNumber, NodeId)>,
    error: SwitchError,
}

/// What an atom came to on a node.
#[derive(Debug)]
enum Fate {
    Confirmed,
    Refused(Refusal),
    /// The switch gave its bundle up before the commit, as Open vSwitch does with one that is idle for 10 s.
    Forgotten(Refusal),
    NotSent,
    Unknown,
}

impl Atoms {
    pub(in crate::programmer) fn deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    pub(in crate::programmer) fn have_news(&self) -> bool {
        !self.touched.is_empty()
    }

    /// There is news of it.
    pub(in crate::programmer) fn touch(&mut self, id: AtomId) {
        self.touched.insert(id);
    }

    /// A flow belongs to it on this node.
    fn join(&mut self, id: AtomId, number: FlowNumber, node: NodeId) {
        let atom = self.by_id.entry(id).or_default();
        if atom.flows.last() != Some(&number) {
            atom.flows.push(number);
        }
        atom.parts.insert(node, Part::Idle);
        self.touched.insert(id);
    }

    /// The atom whose bundle on a node goes by this flow.
    fn of_bundle(&self, first: FlowNumber, node: NodeId) -> Option<AtomId> {
        let mut candidates = [Some(node), None].into_iter().map(|node| AtomId { first, node });
        candidates.find(|id| self.by_id.contains_key(id))
    }

    pub(in crate::programmer) fn flows(&self, id: AtomId) -> &[FlowNumber] {
        self.by_id.get(&id).map(|atom| atom.flows.as_slice()).unwrap_or_default()
    }

    fn part_mut(&mut self, id: AtomId, node: NodeId) -> Option<&mut Part> {
        self.by_id.get_mut(&id)?.parts.get_mut(&node)
    }

    /// Whether nothing of it is under way on a node.
    pub(in crate::programmer) fn is_idle(&self, id: AtomId, node: NodeId) -> bool {
        self.by_id.get(&id).is_none_or(|atom| atom.parts.get(&node).is_none_or(|part| *part == Part::Idle))
    }

    /// A node has been read: what waited for that may begin.
    pub(in crate::programmer) fn wake(&mut self, node: NodeId) {
        for (id, atom) in self.by_id.iter_mut().filter(|(_, atom)| atom.parts.contains_key(&node)) {
            if matches!(atom.phase, Phase::Resting) {
                atom.phase = Phase::Waiting;
            }
            self.touched.insert(*id);
        }
    }
}

impl Engine {
    /// Makes a flow part of the atom that its placement on a node names.
    pub(in crate::programmer) fn join_atom(&mut self, number: FlowNumber, node: NodeId) {
        let placement = self.flows.get(&number).and_then(|flow| flow.placement(node));
        if let Some(id) = placement.and_then(Placement::undecided) {
            self.atoms.join(id, number, node);
        }
    }

    /// Moves the atoms on about which there is news.
    pub(in crate::programmer) fn advance_atoms(&mut self) {
        while let Some(id) = self.atoms.touched.pop_first() {
            let Some(mut atom) = self.atoms.by_id.remove(&id) else { continue };
            let was_resting = matches!(atom.phase, Phase::Resting);
            if self.advance(id, &mut atom) {
                let is_resting = matches!(atom.phase, Phase::Resting) && !was_resting;
                let flows = if is_resting { atom.flows.clone() } else { Vec::new() };
                self.atoms.by_id.insert(id, atom);
                // Whoever waits for them may have to wait for long.
                flows.into_iter().for_each(|number| self.flow_moved(number));
            }
        }
    }

    /// Moves an atom on; false when it is decided.
    fn advance(&mut self, id: AtomId, atom: &mut Atom) -> bool {
        self.look(id, atom);
        if atom.parts.is_empty() {
            return false;
        }
        match &atom.phase {
            Phase::Waiting => self.begin_atom(id, atom),
            Phase::Resting => {}
            Phase::Preparing if atom.parts.values().all(|part| matches!(part, Part::Closed | Part::Committed)) => {
                atom.phase = Phase::Committing;
                atom.deadline = None;
                for (node, part) in atom.parts.iter_mut().filter(|(_, part)| **part == Part::Closed) {
                    *part = Part::Committing;
                    self.about_bundle(id, *node, |bundle| Command::Commit { bundle });
                }
            }
            Phase::Preparing => {
                if atom.deadline.is_none() && atom.parts.values().any(|part| *part == Part::Closed) {
                    let deadline = self.now + PATIENCE;
                    atom.deadline = Some(deadline);
                    self.atoms.deadlines.insert((deadline, id));
                }
            }
            Phase::Committing => {}
            Phase::Undoing(_) => return self.undo(id, atom),
        }
        let is_done =
            matches!(atom.phase, Phase::Committing) && atom.parts.values().all(|part| *part == Part::Committed);
        if is_done {
            self.succeed(id, atom);
        }
        !is_done
    }

    /// Sees what has come of what was under way.
    fn look(&mut self, id: AtomId, atom: &mut Atom) {
        let nodes: Vec<NodeId> = atom.parts.keys().copied().collect();
        for node in nodes {
            let Some(before) = atom.parts.get(&node).copied() else { continue };
            let is_live = self.nodes.get(&node).and_then(Node::live).is_some();
            let (part, fate) = match before {
                Part::Sent | Part::Closed | Part::Committing | Part::Leaving
                    if self.is_at_work(id, &atom.flows, node) =>
                {
                    (before, Fate::Confirmed)
                }
                Part::Sent | Part::Closed | Part::Committing => match self.take_fate(id, &atom.flows, node) {
                    Fate::Confirmed => {
                        self.for_members(id, &atom.flows, node, |_, placement| placement.queued = true);
                        (Part::Committed, Fate::Confirmed)
                    }
                    Fate::Unknown => (Part::Doubtful, Fate::Unknown),
                    fate => (Part::Idle, fate),
                },
                Part::Leaving => match self.take_fate(id, &atom.flows, node) {
                    Fate::Refused(refusal) => (Part::Idle, Fate::Refused(refusal)),
                    Fate::Confirmed | Fate::Forgotten(_) | Fate::NotSent | Fate::Unknown => {
                        (Part::Idle, Fate::Confirmed)
                    }
                },
                Part::Queued if !is_live => (Part::Idle, Fate::NotSent),
                Part::Idle | Part::Queued | Part::Committed | Part::Doubtful => (before, Fate::Confirmed),
            };
            let is_deserted = self.members(id, &atom.flows, node).is_empty();
            match part {
                Part::Idle | Part::Queued | Part::Committed | Part::Doubtful if is_deserted => {
                    atom.parts.remove(&node);
                }
                Part::Sent | Part::Closed if is_deserted => {
                    self.about_bundle(id, node, |bundle| Command::Discard { bundle });
                    atom.parts.insert(node, Part::Leaving);
                }
                _ => {
                    atom.parts.insert(node, part);
                }
            }
            atom.suffer(fate);
        }
        if matches!(atom.phase, Phase::Committing) && atom.parts.values().any(|part| *part != Part::Committed) {
            self.look_for_lost(atom);
        }
    }

    /// A switch that has committed and went away before the others had is one that may have lost the flows again.
    fn look_for_lost(&self, atom: &mut Atom) {
        for (node, part) in &mut atom.parts {
            if *part == Part::Committed && self.nodes.get(node).and_then(Node::live).is_none() {
                *part = Part::Doubtful;
                atom.phase = Phase::Undoing(None);
            }
        }
    }

    /// Whether FLOW_MODs of the atom's flows are under way on a node, those of flows included that have left it since.
    fn is_at_work(&self, id: AtomId, flows: &[FlowNumber], node: NodeId) -> bool {
        self.placements(flows, node).any(|(_, placement)| {
            let is_undoing = placement.stage == Stage::Undoing && placement.is_in(id);
            is_undoing || (placement.tally.bundled && placement.tally.outstanding > 0)
        })
    }

    fn placements<'a>(
        &'a self,
        flows: &'a [FlowNumber],
        node: NodeId,
    ) -> impl Iterator<Item = (FlowNumber, &'a Placement)> {
        flows.iter().filter_map(move |number| Some((*number, self.flows.get(number)?.placement(node)?)))
    }

    /// The flows that belong to the atom on a node, still.
    fn members(&self, id: AtomId, flows: &[FlowNumber], node: NodeId) -> Vec<FlowNumber> {
        self.placements(flows, node).filter(|(_, placement)| placement.is_in(id)).map(|(number, _)| number).collect()
    }

    fn for_members(
        &mut self,
        id: AtomId,
        flows: &[FlowNumber],
        node: NodeId,
        mut change: impl FnMut(FlowNumber, &mut Placement),
    ) {
        for number in flows {
            let placement = self.flows.get_mut(number).and_then(|flow| flow.placement_mut(node));
            if let Some(placement) = placement.filter(|placement| placement.is_in(id)) {
                change(*number, placement);
            }
        }
    }

    /// What became of an atom's FLOW_MODs on a node, all of which are settled.
    fn take_fate(&mut self, id: AtomId, flows: &[FlowNumber], node: NodeId) -> Fate {
        let (mut refusal, mut rolled_back, mut forgotten, mut unknown, mut unsent) = (None, None, None, false, false);
        let mut unmetered = Vec::new();
        let now = self.now;
        self.for_members(id, flows, node, |number, placement| {
            let tally = std::mem::take(&mut placement.tally);
            if let Some(error) = &placement.error {
                let culprit = Some((number, node));
                refusal.get_or_insert_with(|| Refusal { culprit, error: error.as_ref().clone() });
            }
            if tally.rolled_back {
                let error = placement.more().cause.take().map_or_else(not_applied, |cause| switch_error(&cause));
                let is_forgotten = (error.error_type.as_str(), error.code.as_str()) == ("BUNDLE_FAILED", "BAD_ID");
                let fate = if is_forgotten { &mut forgotten } else { &mut rolled_back };
                fate.get_or_insert(Refusal { culprit: None, error });
            }
            unknown |= tally.lost;
            unsent |= tally.unsent;
            if tally.unmetered && placement.more().repairs.may_repair(now) {
                unmetered.push(number);
            } else if tally.unmetered {
                let culprit = Some((number, node));
                let error = placement.error.get_or_insert_with(|| Box::new(meter_missing()));
                refusal.get_or_insert_with(|| Refusal { culprit, error: error.as_ref().clone() });
            }
        });
        if !unmetered.is_empty() {
            // Somebody took a meter away, and the bundle came to nothing for want of it: all of it is tried again, unless
            // that has been done too often.
            (rolled_back, unsent) = (None, true);
            unmetered.into_iter().for_each(|number| self.doubt_meter_of(number, node));
        }
        let fate = match (refusal.or(rolled_back), forgotten, unknown, unsent) {
            (Some(refusal), ..) => Fate::Refused(refusal),
            (None, Some(refusal), ..) => Fate::Forgotten(refusal),
            (None, None, true, _) => Fate::Unknown,
            (None, None, false, true) => Fate::NotSent,
            (None, None, false, false) => Fate::Confirmed,
        };
        self.for_members(id, flows, node, |_, placement| {
            placement.queued = false;
            match fate {
                Fate::Unknown => placement.stage = Stage::Unknown,
                Fate::Confirmed => {}
                Fate::Refused(_) | Fate::Forgotten(_) | Fate::NotSent if placement.stage == Stage::Unknown => {}
                Fate::Refused(_) | Fate::Forgotten(_) | Fate::NotSent => placement.stage = Stage::Waiting,
            }
        });
        fate
    }

    /// Begins if every node is there, has been read and has bundles.
    fn begin_atom(&mut self, id: AtomId, atom: &mut Atom) {
        let mut is_whole = true;
        for node in atom.parts.keys() {
            let Some(node) = self.nodes.get(node) else { continue };
            match node.live().filter(|live| live.has_synced()) {
                Some(live) if !live.has_bundles => {
                    let error = own_error("UNSUPPORTED", &format!("{} has no bundles", node.request.name));
                    atom.phase = Phase::Undoing(Some(Refusal { culprit: None, error }));
                    return self.atoms.touch(id);
                }
                Some(_) => {}
                None => is_whole = false,
            }
        }
        if !is_whole || !self.are_meters_there(id, atom) {
            return;
        }
        atom.phase = Phase::Preparing;
        for (node, part) in &mut atom.parts {
            *part = Part::Queued;
            self.for_members(id, &atom.flows, *node, |_, placement| placement.queued = true);
            self.push_job(*node, Job::Prepare { atom: id });
        }
    }

    /// Gives up on atoms that wait for a slow switch while others hold their bundles.
    pub(in crate::programmer) fn give_up_overdue_atoms(&mut self) {
        while let Some((at, id)) = self.atoms.deadlines.first().copied().filter(|(at, _)| *at <= self.now) {
            self.atoms.deadlines.remove(&(at, id));
            let Some(atom) = self.atoms.by_id.get_mut(&id).filter(|atom| atom.deadline == Some(at)) else { continue };
            let is_late = |part: &Part| !matches!(part, Part::Closed | Part::Committed);
            let late = atom.parts.iter().find(|(_, part)| is_late(part)).map(|(node, _)| *node);
            let name = late.and_then(|node| self.nodes.get(&node)).map_or("a node", |node| node.request.name.as_str());
            let message = format!("{name} took too long to close its bundle while others waited with theirs");
            atom.phase = Phase::Undoing(Some(Refusal { culprit: None, error: own_error("TIMEOUT", &message) }));
            self.atoms.touch(id);
        }
    }

    /// Whether the flow cannot go on before another node is there.
    pub(in crate::programmer) fn is_held_up(&self, id: AtomId) -> bool {
        let is_away = |node: &NodeId| self.nodes.get(node).is_some_and(|node| node.live().is_none());
        self.atoms
            .by_id
            .get(&id)
            .is_some_and(|atom| matches!(atom.phase, Phase::Waiting | Phase::Resting) && atom.parts.keys().any(is_away))
    }

    /// Sends an atom's bundle to a node.
    pub(in crate::programmer) fn prepare(&mut self, id: AtomId, node: NodeId) {
        let Some(atom) = self.atoms.by_id.get(&id) else { return };
        if atom.parts.get(&node) != Some(&Part::Queued) {
            return;
        }
        let members = self.members(id, &atom.flows, node);
        let mut mods = Vec::new();
        for number in members {
            let rules = self.rules_on(number, node);
            self.install_rules(node, number, rules, Purpose::Bundled, &mut mods);
            if let Some(placement) = self.flows.get_mut(&number).and_then(|flow| flow.placement_mut(node)) {
                placement.tally.bundled = true;
            }
        }
        let is_empty = mods.is_empty();
        if let Some(live) = self.nodes.get_mut(&node).and_then(Node::live_mut).filter(|_| !is_empty) {
            live.bundled += mods.len() as u64;
            self.about_bundle(id, node, |bundle| Command::Prepare { bundle, mods });
        }
        if let Some(part) = self.atoms.part_mut(id, node) {
            *part = if is_empty { Part::Committed } else { Part::Sent };
        }
        self.atoms.touch(id);
    }

    /// A bundle is closed on a node.
    pub(in crate::programmer) fn prepared(&mut self, bundle: Token, node: NodeId) {
        let Some((Purpose::Atom, first)) = from_token(bundle) else { return };
        let Some(id) = self.atoms.of_bundle(first, node) else { return };
        if let Some(part) = self.atoms.part_mut(id, node).filter(|part| **part == Part::Sent) {
            *part = Part::Closed;
            self.atoms.touch(id);
        }
    }

    fn about_bundle(&mut self, id: AtomId, node: NodeId, command: impl FnOnce(Token) -> Command) {
        let connection = self.nodes.get(&node).and_then(Node::live).map(|live| live.connection);
        if let Some(connection) = connection {
            self.command(connection, command(token(Purpose::Atom, id.first)));
        }
    }
}

impl Atom {
    /// Takes in what it came to on a node.
    fn suffer(&mut self, fate: Fate) {
        let refusal = match fate {
            Fate::Confirmed => return,
            Fate::Refused(refusal) => Some(refusal),
            Fate::Forgotten(refusal) => {
                self.forgotten += 1;
                (self.forgotten > MAX_FORGOTTEN).then_some(refusal)
            }
            Fate::NotSent | Fate::Unknown => None,
        };
        if !matches!(self.phase, Phase::Undoing(Some(_))) {
            self.phase = Phase::Undoing(refusal);
        }
    }
}
