//! From the work that waits for a node to the FLOW_MODs and METER_MODs that its connection is given.

use openflow::{FlowMod, FlowModCommand, FlowModFlags, Match, MeterMod, TableId};

use super::cookie::{FlowNumber, Purpose, Tag, meter_token, token};
use super::engine::Engine;
use super::flow::{Replan, Stage};
use super::meter::{Meter, MeterStage};
use super::node::{BEHIND_WINDOW, Job, Node, NodeId, Sync};
use crate::policy::{self, Rule};
use crate::session::{Command, Token};

/// Flows of one bundle of a large batch: a millisecond or two of the switch's time.
const BUNDLE: usize = 256;

impl Engine {
    /// Hands every node with waiting work as many FLOW_MODs as it may have without an answer.
    pub(super) fn send_queued(&mut self) {
        for id in std::mem::take(&mut self.ready) {
            let (mut mods, mut meters) = (Vec::new(), Vec::new());
            while let Some(job) = self.next_job(id, mods.len() + meters.len()) {
                match job {
                    Job::Meter(request) => {
                        self.hand_over(id, Command::Program, &mut mods);
                        meters.push((meter_token(&request), request));
                    }
                    Job::Wipe => {
                        self.hand_over(id, Command::Program, &mut mods);
                        meters.extend(self.wipe_meters(id));
                        self.hand_over(id, Command::Meter, &mut meters);
                        self.carry_out(id, Job::Wipe, &mut mods);
                    }
                    job => {
                        self.hand_over(id, Command::Meter, &mut meters);
                        self.carry_out(id, job, &mut mods);
                    }
                }
            }
            self.hand_over(id, Command::Meter, &mut meters);
            self.hand_over(id, Command::Program, &mut mods);
            self.send_bulk(id);
            self.check_sync(id);
        }
    }

    /// Hands over new flows of large batches: in bundles where the switch has them, which it confirms with one answer
    /// and tells its flow monitors of at once. A bundle of which it refuses a rule is rolled back, and goes again singly.
    fn send_bulk(&mut self, id: NodeId) {
        loop {
            let least = self.config.bulk;
            let Some(node) = self.nodes.get_mut(&id) else { return };
            let waiting = node.bulk.len();
            let Some(live) = node.live() else { return };
            let is_in_bundles = live.has_bundles && live.sync == Sync::Done && waiting >= least;
            let most = usize::try_from(live.bulk_credit()).unwrap_or(BUNDLE).min(BUNDLE);
            if waiting == 0 || most < waiting.min(BUNDLE) || live.sync == Sync::Unrecorded {
                return;
            }
            let jobs: Vec<_> = node.bulk.drain(..waiting.min(most)).collect();
            let mut mods = Vec::with_capacity(jobs.len());
            for job in jobs {
                self.set_aside(id, &job, false);
                self.carry_out(id, job, &mut mods);
            }
            if is_in_bundles {
                self.hand_over_bundle(id, mods, Purpose::Bulk);
            } else {
                self.hand_over(id, Command::Program, &mut mods);
            }
        }
    }

    /// Gives the connection a bundle of rules of flows.
    pub(super) fn hand_over_bundle(&mut self, id: NodeId, mods: Vec<(Token, FlowMod)>, purpose: Purpose) {
        let Some(live) = self.nodes.get_mut(&id).and_then(Node::live_mut).filter(|_| !mods.is_empty()) else { return };
        let count = mods.len() as u64;
        live.bundled += count;
        live.bulk += if purpose == Purpose::Bulk { count } else { 0 };
        let connection = live.connection;
        let mods = mods.into_iter().map(|(token, flow_mod)| (self.begin_bundled(id, token, purpose), flow_mod));
        let mods = mods.collect();
        self.command(connection, Command::Bundle(mods));
    }

    /// Gives the connection what has gathered of one kind, so that the other kind comes after it.
    fn hand_over<T>(&mut self, id: NodeId, command: fn(Vec<(Token, T)>) -> Command, mods: &mut Vec<(Token, T)>) {
        let Some(live) = self.nodes.get_mut(&id).and_then(Node::live_mut) else { return };
        if !mods.is_empty() {
            live.sent += mods.len() as u64;
            let connection = live.connection;
            self.command(connection, command(std::mem::take(mods)));
        }
    }

    /// Deletes every meter that is ours. Meters before rules here: when the last word on the rules is in, that on the
    /// meters is too, and none of what goes with a meter is to stay.
    fn wipe_meters(&mut self, id: NodeId) -> Vec<(Token, MeterMod)> {
        let Some(node) = self.nodes.get_mut(&id) else { return Vec::new() };
        let on_switch = node.meters.iter_mut().filter(|meter| meter.stage != MeterStage::Recording);
        let delete = |meter: &mut Meter| {
            meter.stage = MeterStage::Removing;
            let request = policy::delete_meter(meter.id);
            (meter_token(&request), request)
        };
        on_switch.map(delete).collect()
    }

    /// A job is taken while there is credit at all; a flow of many rules may overdraw it, once.
    fn next_job(&mut self, id: NodeId, taken: usize) -> Option<Job> {
        let node = self.nodes.get(&id)?;
        let live = node.live()?;
        // Whoever asks for one flow after the other leaves room for a part of a batch.
        let reserved = if node.bulk.is_empty() || live.bulk > 0 { 0 } else { BUNDLE as u64 };
        let has_credit = live.credit() > taken as u64 + reserved && live.sync != Sync::Unrecorded;
        // A bundle overtakes what waits in the window, so it leaves when that is settled.
        let is_overtaken = taken > 0 || live.settled < live.sent;
        if !has_credit || matches!(node.queue.front(), Some(Job::Prepare { .. })) && is_overtaken {
            return None;
        }
        // What would have to wait for a bundle waits where it is, and not before what is asked later.
        let is_free = node.behind.front().is_none_or(|job| !self.must_wait(id, job));
        let has_leisure = live.in_window() + (taken as u64) < BEHIND_WINDOW;
        let node = self.nodes.get_mut(&id)?;
        if is_free && node.is_turn_of_behind(has_leisure) { node.behind.pop_front() } else { node.queue.pop_front() }
    }

    pub(super) fn carry_out(&mut self, id: NodeId, job: Job, mods: &mut Vec<(Token, FlowMod)>) {
        let tag = self.tag;
        if self.must_wait(id, &job) {
            return self.defer(id, job);
        }
        match job {
            Job::Install { number, rules } => self.install_rules(id, number, rules, Purpose::Install, mods),
            Job::Prepare { atom } => self.prepare(atom, id),
            Job::Remove { number } => self.delete_rules(id, number, Stage::Removing, Purpose::Remove, mods),
            Job::Undo { number } => self.delete_rules(id, number, Stage::Undoing, Purpose::Undo, mods),
            // It may have been taken back since.
            Job::Sweep { cookie, rule } if self.is_wanted(id, cookie, &rule) => {}
            Job::Sweep { cookie, rule } => {
                mods.push((token(Purpose::Sweep, FlowNumber::TABLE_MISS), delete(rule, cookie)));
            }
            Job::WriteTableMiss => {
                let cookie = tag.cookie(FlowNumber::TABLE_MISS);
                let flow_mod = FlowMod {
                    cookie,
                    table_id: self.config.pipeline.qos_table(),
                    priority: 0,
                    flags: FlowModFlags::SEND_FLOW_REM,
                    instructions: self.table_miss_instructions(),
                    ..FlowMod::add()
                };
                mods.push((token(Purpose::TableMiss, FlowNumber::TABLE_MISS), flow_mod));
            }
            Job::DeleteTableMiss => {
                let table_id = self.config.pipeline.qos_table();
                let rule = Rule { table_id, priority: 0, flow_match: Match::any(), instructions: Vec::new() };
                let cookie = tag.cookie(FlowNumber::TABLE_MISS);
                mods.push((token(Purpose::Sweep, FlowNumber::TABLE_MISS), delete(rule, cookie)));
            }
            Job::Wipe => {
                let cookie = tag.cookie(FlowNumber::TABLE_MISS);
                mods.push((token(Purpose::Wipe, FlowNumber::TABLE_MISS), delete_all(cookie, Tag::MASK)));
            }
            // METER_MODs leave by another way.
            Job::Meter(_) => {}
            Job::DropMeters => self.mark_meters(id, mods.len()),
            Job::Synced => self.mark_sync(id, mods.len()),
        }
    }

    /// Adds every one of these rules of a flow.
    pub(super) fn install_rules(
        &mut self,
        id: NodeId,
        number: FlowNumber,
        rules: Vec<Rule>,
        purpose: Purpose,
        mods: &mut Vec<(Token, FlowMod)>,
    ) {
        let cookie = self.tag.cookie(number);
        let stages = [Stage::Waiting, Stage::Unknown, Stage::Drifted];
        if let Some(placement) = self.flows.get_mut(&number).and_then(|flow| flow.placement_mut(id))
            && placement.replan == Replan::Due
            && stages.contains(&placement.stage)
        {
            placement.replan = Replan::Sent;
        }
        let covers_foreign = self.covers_foreign(id, &rules);
        if let Some(flow) = self.begin(number, id, &stages, rules.len()) {
            let timeouts = (flow.asked.idle_timeout(), flow.asked.hard_timeout());
            mods.extend(rules.into_iter().map(|rule| (token(purpose, number), add(rule, cookie, timeouts))));
            if covers_foreign
                && let Some(placement) = self.flows.get_mut(&number).and_then(|flow| flow.placement_mut(id))
            {
                placement.more().covers_foreign = true;
            }
        }
    }

    /// Turns the flow's placement from waiting for its turn into having `count` FLOW_MODs under way. `None` when it has
    /// moved on since the job was made.
    fn begin(&mut self, number: FlowNumber, id: NodeId, stages: &[Stage], count: usize) -> Option<&super::flow::Flow> {
        let sequence = self.next_sequence();
        let connection = self.nodes.get(&id)?.live()?.connection;
        let flow = self.flows.get_mut(&number)?;
        let placement = flow.placement_mut(id)?;
        if !stages.contains(&placement.stage) {
            return None;
        }
        placement.queued = false;
        placement.touched = sequence;
        placement.set_connection(connection);
        placement.tally.outstanding += u32::try_from(count).unwrap_or(u32::MAX);
        if placement.stage == Stage::Waiting {
            placement.stage = Stage::Sent;
        }
        Some(flow)
    }

    /// Deletes every rule of a flow, and only those: strictly, and by the flow's own cookie.
    fn delete_rules(
        &mut self,
        id: NodeId,
        number: FlowNumber,
        stage: Stage,
        purpose: Purpose,
        mods: &mut Vec<(Token, FlowMod)>,
    ) {
        let Some(flow) = self.flows.get(&number) else { return };
        let cookie = self.tag.cookie(number);
        if flow.placement(id).is_some_and(|placement| placement.replan != Replan::No) {
            // Which rules of it the switch has is not known.
            if self.begin(number, id, &[stage], 1).is_some() {
                mods.push((token(purpose, number), delete_all(cookie, u64::MAX)));
            }
            return;
        }
        let rules = self.rules_of(&flow.asked.request());
        if self.begin(number, id, &[stage], rules.len()).is_some() {
            mods.extend(rules.into_iter().map(|rule| (token(purpose, number), delete(rule, cookie))));
        }
    }

    /// What is sent so far, and the `pending` FLOW_MODs about to be, comes before the meters leave that it makes useless.
    fn mark_meters(&mut self, id: NodeId, pending: usize) {
        if let Some(live) = self.nodes.get_mut(&id).and_then(Node::live_mut) {
            live.meters_leave = Some(live.sent + pending as u64);
            self.drop_meters_when_settled(id);
        }
    }

    /// Everything sent on this connection so far, and the `pending` FLOW_MODs about to be, belong to what is waited for.
    fn mark_sync(&mut self, id: NodeId, pending: usize) {
        let Some(node) = self.nodes.get_mut(&id) else { return };
        let Some(live) = node.live_mut() else { return };
        let until = live.sent + pending as u64;
        if live.sync == Sync::Queued {
            live.sync = Sync::Repairing { until };
        }
    }
}

pub(super) fn add(rule: Rule, cookie: u64, (idle_timeout, hard_timeout): (u16, u16)) -> FlowMod {
    FlowMod {
        cookie,
        table_id: rule.table_id,
        priority: rule.priority,
        idle_timeout,
        hard_timeout,
        flags: FlowModFlags::SEND_FLOW_REM,
        flow_match: rule.flow_match,
        instructions: rule.instructions,
        ..FlowMod::add()
    }
}

/// Deletes whatever has a cookie like this.
fn delete_all(cookie: u64, cookie_mask: u64) -> FlowMod {
    FlowMod { cookie, cookie_mask, table_id: TableId::ALL, ..FlowMod::delete() }
}

fn delete(rule: Rule, cookie: u64) -> FlowMod {
    FlowMod {
        command: FlowModCommand::DeleteStrict,
        cookie,
        cookie_mask: u64::MAX,
        table_id: rule.table_id,
        priority: rule.priority,
        flow_match: rule.flow_match,
        ..FlowMod::delete()
    }
}
