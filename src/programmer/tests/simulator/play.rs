//! One seed from beginning to end: what happens, in which order, and who looks at it.

use std::collections::BTreeMap;
use std::time::Duration;

use fastrand::Rng;
use openflow::{Action, FlowMod, FlowModCommand, FlowStats, Instruction, Match, Message, PortNo};
use serde_json::json;

use super::client::{self, add_node, command, request};
use super::oracle::{Oracle, Verdict, ids};
use super::sabotage::Sabotage;
use super::stage::{Disk, Move, Seen, Stage};
use super::verdict::{Views, compare, view_of};
use super::{LITTLE_BULK, PATIENT, Summary};
use crate::contract::Command;
use crate::emulator::{Switch, SwitchConfig};
use crate::programmer::engine::Config;
use crate::programmer::tests::world::{config, switch};
use crate::programmer::{BULK, PATIENCE, TableMiss};

/// Moves after which a world that only settles is called restless.
const RESTLESS: usize = 200_000;

/// A cookie under which others write.
const FOREIGN: u64 = 7;

pub(super) struct Play {
    seed: u64,
    rng: Rng,
    stage: Stage,
    oracle: Oracle,
    is_traced: bool,
    /// How flows stand on nodes, as it was shown last.
    shown: BTreeMap<(u64, usize), String>,
    /// How likely trouble is on this seed, by its kind.
    troubles: [usize; 8],
    pub(super) summary: Summary,
}

impl Play {
    pub(super) fn new(seed: u64, sabotage: Option<Sabotage>, is_traced: bool) -> Self {
        // The engine's own dice.
        fastrand::seed(seed);
        let mut rng = Rng::with_seed(seed);
        let count = rng.usize(1..=3);
        let mut switches = Vec::new();
        let mut is_small = Vec::new();
        for id in 1..=count {
            let small = rng.u32(0..4) == 0;
            let config = SwitchConfig {
                table_limit: if small { rng.usize(2..=6) } else { 1_000 },
                bundles: rng.u32(0..3) > 0,
                flow_monitors: rng.u32(0..3) > 0,
                ..switch(id as u64)
            };
            is_small.push(small);
            switches.push(Switch::new(config));
        }
        let has_table_miss = rng.u32(0..3) == 0;
        let table_miss = if has_table_miss { TableMiss::Normal } else { TableMiss::None };
        let (patience, bulk) = if seed < PATIENT { (Duration::ZERO, BULK) } else { (PATIENCE, LITTLE_BULK) };
        let mut stage = Stage::new(Config { table_miss, patience, bulk, many: bulk, ..config() }, switches, sabotage);
        stage.is_traced = is_traced;
        let oracle = Oracle::new(seed, stage.engine.tag.0, has_table_miss, is_small);
        let mut troubles = [0; 8];
        troubles.fill_with(|| if rng.bool() { rng.usize(1..=6) } else { 0 });
        Self { seed, rng, stage, oracle, is_traced, shown: BTreeMap::new(), troubles, summary: Summary::default() }
    }

    /// Plays everything, and says what is wrong, if anything is.
    pub(super) fn run(&mut self) -> Verdict {
        for at in 1..=self.oracle.switches() {
            self.ask(add_node(at));
        }
        self.settle()?;
        let length = self.rng.usize(20..200);
        for _ in 0..length {
            match self.rng.usize(0..100) {
                0..=34 => self.ask_anything(),
                35..=74 => self.jostle()?,
                75..=84 => self.settle()?,
                _ => self.trouble()?,
            }
        }
        self.heal()?;
        let before = self.look()?;
        self.judge(&before)?;
        self.restart(usize::MAX);
        self.heal()?;
        let after = self.look()?;
        self.judge(&after)?;
        compare(&before, &after)
    }

    fn ask(&mut self, command: Command) {
        self.summary.requests += 1;
        self.trace(|| format!("ask #{} {command:?}", self.oracle.history.len()));
        let ticket = self.oracle.asked(command.clone(), self.stage.now);
        self.stage.ask(ticket, command);
    }

    fn ask_anything(&mut self) {
        for _ in 0..self.rng.usize(1..=3) {
            let command = request(self.seed, &mut self.rng, self.oracle.switches());
            self.ask(command);
        }
        self.connect_some();
    }

    fn connect_some(&mut self) {
        let at = self.rng.usize(0..self.oracle.switches());
        if !self.stage.is_dialled(at) {
            let connection = self.stage.dial(at);
            self.trace(|| format!("s{} dials: {connection:?}", at + 1));
        }
    }

    /// Some of what can happen happens, in no particular order.
    fn jostle(&mut self) -> Verdict {
        for _ in 0..self.rng.usize(1..60) {
            let moves = self.stage.moves();
            let Some(next) = self.rng.choice(moves) else { break };
            let amount = self.rng.usize(1..=5);
            self.make(next, amount)?;
        }
        Ok(())
    }

    /// Everything that can happen without time passing happens.
    fn settle(&mut self) -> Verdict {
        for _ in 0..RESTLESS {
            let moves = self.stage.moves();
            let Some(next) = self.rng.choice(moves) else { return Ok(()) };
            let amount = self.rng.usize(1..=50);
            self.make(next, amount)?;
        }
        Err(format!("the world does not come to rest: {:?}", self.stage.moves()))
    }

    fn make(&mut self, next: Move, amount: usize) -> Verdict {
        self.summary.moves += 1;
        if self.is_traced {
            println!("  {next:?} x{amount}");
        }
        let Seen { answers, changed, is_late } = self.stage.make(next, amount);
        if let Some((at, before)) = changed {
            if is_late {
                self.oracle.meddled(at);
            }
            let after = self.stage.switches[at].flows(self.stage.now);
            if self.is_traced && before.len() != after.len() {
                println!("    s{} has {} rules", at + 1, after.len());
            }
            self.oracle.switch_changed(at, &before, &after)?;
        }
        self.trace_placements();
        if !answers.is_empty() {
            let tables = self.tables();
            for (ticket, answer) in answers {
                self.trace(|| format!("    answer #{} {answer:?}", ticket.0));
                self.oracle.answered(ticket, answer, &tables)?;
            }
        }
        if !matches!(next, Move::Up(_) | Move::Down(_) | Move::Orders(_) | Move::Disk) {
            self.stage.engine.check_consistency()?;
        }
        Ok(())
    }

    fn tables(&self) -> Vec<Vec<FlowStats>> {
        self.stage.switches.iter().map(|switch| switch.flows(self.stage.now)).collect()
    }

    /// Something goes wrong.
    fn trouble(&mut self) -> Verdict {
        let total: usize = self.troubles.iter().sum();
        if total == 0 {
            return Ok(());
        }
        let mut pick = self.rng.usize(0..total);
        let kind = self.troubles.iter().position(|weight| match pick.checked_sub(*weight) {
            Some(rest) => {
                pick = rest;
                false
            }
            None => true,
        });
        let at = self.rng.usize(0..self.oracle.switches());
        match kind {
            Some(0) => self.cut(),
            Some(1) => {
                self.trace(|| format!("s{} restarts", at + 1));
                self.summary.switch_restarts += 1;
                self.oracle.meddled(at);
                self.stage.restart_switch(at);
            }
            Some(2) => {
                let written = self.rng.usize(0..10);
                self.restart(written);
            }
            Some(3 | 4) => self.meddle(at),
            Some(5) => {
                let disk = *self.rng.choice(&[Disk::Writes, Disk::Writes, Disk::Stalls, Disk::IsFull]).unwrap();
                self.trace(|| format!("the disk: {disk:?}"));
                self.stage.disk = disk;
            }
            Some(_) => {
                let time = *self.rng.choice(&[1, 20, 200, 1_000, 3_000, 6_000, 20_000, 61_000]).unwrap();
                self.trace(|| format!("{time} ms pass"));
                self.stage.pass(Duration::from_millis(time));
            }
            None => {}
        }
        self.connect_some();
        Ok(())
    }

    fn cut(&mut self) {
        let Some(connection) = self.rng.choice(self.stage.connections()) else { return };
        self.summary.cuts += 1;
        let kind = self.rng.u32(0..4);
        self.trace(|| format!("{connection:?} is cut, kind {kind}"));
        match kind {
            0 => self.stage.cut_far_end(connection),
            1 => {
                (0..self.oracle.switches()).for_each(|at| self.oracle.meddled(at));
                self.stage.cut_near_end(connection, true);
            }
            _ => {
                self.stage.cut_far_end(connection);
                self.stage.cut_near_end(connection, false);
            }
        }
    }

    fn restart(&mut self, written: usize) {
        let lingers = self.rng.u32(0..3) == 0;
        self.trace(|| format!("the daemon restarts; {written} batches are written, lingers: {lingers}"));
        if lingers {
            (0..self.oracle.switches()).for_each(|at| self.oracle.meddled(at));
        }
        self.summary.daemon_restarts += 1;
        self.oracle.daemon_died();
        self.stage.restart(written, lingers);
    }

    /// Somebody else writes to a switch: to what is theirs, or to what is ours.
    fn meddle(&mut self, at: usize) {
        self.summary.meddlings += 1;
        let entries = self.stage.switches[at].flows(self.stage.now);
        let entry = self.rng.choice(entries);
        let flood = vec![Instruction::ApplyActions(vec![Action::output(PortNo::FLOOD)])];
        let body = client::Body::random(self.seed, &mut self.rng, self.oracle.switches());
        let rule = self.rng.choice(&body.rules).unwrap().clone();
        let kind = self.rng.u32(0..9);
        let flow_mod = match (kind, entry) {
            (0, _) => FlowMod::delete(),
            (1, Some(entry)) => FlowMod {
                command: FlowModCommand::DeleteStrict,
                table_id: entry.table_id,
                priority: entry.priority,
                flow_match: entry.flow_match,
                ..FlowMod::delete()
            },
            (2, _) => FlowMod { command: FlowModCommand::Modify, instructions: flood, ..FlowMod::add() },
            (3, Some(entry)) => FlowMod {
                cookie: FOREIGN,
                priority: entry.priority,
                flow_match: entry.flow_match,
                instructions: flood,
                ..FlowMod::add()
            },
            // Under our tag: the cookie of a flow that there is, or of none.
            (4, Some(entry)) if self.oracle.is_ours(&entry) => FlowMod {
                cookie: entry.cookie + self.rng.u64(0..2) * 1_000,
                priority: self.rng.u16(1..4),
                instructions: flood,
                ..FlowMod::add()
            },
            // Where a flow may want to be.
            (5, _) => {
                FlowMod { cookie: FOREIGN, priority: rule.priority, flow_match: rule.flow_match, ..FlowMod::add() }
            }
            (6, _) => FlowMod { cookie: FOREIGN, priority: 0, flow_match: Match::any(), ..FlowMod::add() },
            _ => FlowMod { cookie: FOREIGN, priority: self.rng.u16(1..60_000), instructions: flood, ..FlowMod::add() },
        };
        self.trace(|| format!("somebody writes to s{}: {flow_mod}", at + 1));
        self.oracle.meddled(at);
        self.stage.meddle(at, &[Message::FlowMod(flow_mod)]);
    }

    /// Everything works again, and there is time to see to it.
    fn heal(&mut self) -> Verdict {
        self.trace(|| "everything heals".to_owned());
        self.stage.disk = Disk::Writes;
        self.settle()?;
        self.pass(3)?;
        for at in 0..self.oracle.switches() {
            self.ask(add_node(at + 1));
        }
        self.settle()?;
        self.connect_all()?;
        // Three times the minute for which a flow is held, and the time of the reads after it.
        for _ in 0..3 {
            self.pass(101)?;
            self.connect_all()?;
        }
        Ok(())
    }

    fn connect_all(&mut self) -> Verdict {
        for at in 0..self.oracle.switches() {
            if !self.stage.is_dialled(at) {
                let connection = self.stage.dial(at);
                self.trace(|| format!("s{} dials: {connection:?}", at + 1));
            }
        }
        self.settle()
    }

    fn pass(&mut self, seconds: u64) -> Verdict {
        for _ in 0..seconds {
            self.stage.pass(Duration::from_secs(1));
            self.settle()?;
        }
        Ok(())
    }

    fn look(&mut self) -> Result<Views, String> {
        let mut views = BTreeMap::new();
        for id in ids() {
            let index = self.oracle.history.len();
            self.ask(command("GetFlow", json!({"flow_id": id})));
            self.settle()?;
            views.insert(id, view_of(self.oracle.history[index].answer.as_ref()));
        }
        Ok(views)
    }

    fn judge(&mut self, views: &Views) -> Verdict {
        if self.is_traced {
            for (at, table) in self.tables().iter().enumerate() {
                table.iter().for_each(|entry| println!("s{}: {entry}", at + 1));
            }
        }
        self.summary.states.extend(self.oracle.states.iter().copied());
        self.oracle.conclude(views, &self.tables(), self.stage.now)
    }

    /// Shows which flows stand otherwise than before.
    fn trace_placements(&mut self) {
        if !self.is_traced {
            return;
        }
        for (number, flow) in self.stage.engine.flows.iter() {
            for (at, placement) in flow.placements.iter().enumerate() {
                let (stage, tally) = (placement.stage, &placement.tally);
                let node = self.stage.engine.node_name(placement.node).map(crate::contract::NodeName::as_str);
                let now = format!(
                    "{} ({number:?}) on {node:?}: {stage:?}, queued {}, {tally:?}, expired {}, replaces {:?}, atom {:?}",
                    flow.asked.id(),
                    placement.queued,
                    placement.expired_rules(),
                    placement.replaces(),
                    placement.atom()
                );
                if self.shown.get(&(number.get(), at)) != Some(&now) {
                    println!("      {now}");
                    self.shown.insert((number.get(), at), now);
                }
            }
        }
    }

    fn trace(&self, line: impl FnOnce() -> String) {
        if self.is_traced {
            println!("{}", line());
        }
    }
}
