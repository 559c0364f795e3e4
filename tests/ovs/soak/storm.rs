//! The world that the checker watches: a daemon, an Open vSwitch with six bridges, wires between them, clients; and
//! everything that is broken in it while the clients work.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use fastrand::Rng;
use serde_json::{Value, json};

use super::history::{Event, Listed, Log};
use super::wire::{Caller, Cut, Wire};
use super::workload::{NARROW, NARROW_LIMIT, ROOMY, Workload};
use super::writer::Writer;
use crate::installs::cookie;
use crate::support::{Client, Daemon, Ovs, eventually, free_port, within};

/// A rule that is not ours, on every bridge but the narrow one.
pub(super) const FOREIGN: &str = "cookie=0x77,priority=7,udp,actions=drop";

/// What is written down of the daemon's end.
pub(super) const KILL: &str = "kill -9 of the daemon";

/// Clients that ask at the same time.
const WRITERS: usize = 3;

/// How long switches and flows may take to come to rest. Open vSwitch waits up to 8 s before it connects again, and a
/// connection that is half open is noticed after up to 15 s.
const REST_SECONDS: u64 = 40;

/// How long a connection must have lived for Open vSwitch to make the next one after a second, and not after up to eight.
const SETTLED: Duration = Duration::from_millis(1_300);

/// States of flows that have not come to rest.
const RESTLESS: [&str; 4] = ["unknown", "accepted", "removing", "drifted"];

/// Rounds after which somebody else writes to a bridge, to another one each time: what is taken away more than three times
/// in a minute is held.
const MEDDLE: usize = 2;

/// Most of our rules, and none of theirs.
const OURS: &str = "ip,nw_dst=10.0.0.2";

/// How often the daemon is asked what is unknown.
const WATCH: Duration = Duration::from_millis(30);

/// One connection in so many is left half open instead of being cut: that takes long to be noticed.
const HALF_OPEN: u32 = 60;

/// What is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Blow {
    /// `kill -9` of the daemon, which is started again at once.
    Kill,
    /// `kill -9` of `ovs-vswitchd`, which is started again at once, without its flows.
    Restart,
    /// So many connections, at most, at the same time.
    Cuts(usize),
}

/// What was done.
#[derive(Debug, Default)]
pub(super) struct Done {
    pub(super) kills: usize,
    pub(super) restarts: usize,
    pub(super) cuts: usize,
    /// Times that somebody else deleted or changed what is ours on a bridge.
    pub(super) meddlings: usize,
    pub(super) by_kind: BTreeMap<&'static str, usize>,
}

impl Done {
    pub(super) fn add(&mut self, other: Self) {
        self.kills += other.kills;
        self.restarts += other.restarts;
        self.cuts += other.cuts;
        self.meddlings += other.meddlings;
        other.by_kind.into_iter().for_each(|(kind, count)| *self.by_kind.entry(kind).or_default() += count);
    }
}

/// The world.
pub(super) struct Storm {
    pub(super) done: Done,
    log: Log,
    rng: Rng,
    ovs: Ovs,
    daemon: Daemon,
    wires: BTreeMap<&'static str, (Wire, Caller)>,
    writers: Vec<Writer>,
    rounds: usize,
    /// Ends who asks what is unknown.
    is_over: Arc<AtomicBool>,
}

impl Storm {
    /// Builds everything, and waits until every node is connected; `None` where Open vSwitch is missing.
    pub(super) fn begin(log: &Log, seed: u64) -> Option<Self> {
        let ovs = Ovs::start()?;
        let daemon = Daemon::start(&[]);
        let mut client = daemon.client();
        let mut wires = BTreeMap::new();
        for (number, name) in (1u16..).zip(ROOMY.into_iter().chain([NARROW])) {
            let (datapath_id, caller) = (u64::from(number), if number <= 2 { Caller::Switch } else { Caller::Daemon });
            let wire = match caller {
                Caller::Switch => {
                    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
                    let wire = Wire::lay(name, listener, caller, daemon.openflow, log);
                    ovs.add_dialling_bridge(name, datapath_id, wire.port);
                    client.reply("AddNode", json!({"name": name, "datapath_id": format!("{datapath_id:016x}")}));
                    wire
                }
                Caller::Daemon => {
                    let target = ovs.add_dialled_bridge(name, datapath_id);
                    let listener = TcpListener::bind(("127.0.0.1", free_port())).unwrap();
                    let wire = Wire::lay(name, listener, caller, target, log);
                    client.reply("AddNode", json!({"name": name, "address": format!("tcp:127.0.0.1:{}", wire.port)}));
                    wire
                }
            };
            wires.insert(name, (wire, caller));
        }
        ovs.limit_table(NARROW, NARROW_LIMIT);
        for name in wires.keys() {
            client.wait_for_node(name, "connected", 15);
        }
        add_foreign_rules(&ovs);
        let is_over = Arc::new(AtomicBool::new(false));
        watch(daemon.northbound, log.clone(), Arc::clone(&is_over));
        let writer = |number| {
            let seed = seed.wrapping_mul(31).wrapping_add(number);
            Writer::new(Workload::new(&format!("w{number}"), seed), daemon.northbound, log)
        };
        let writers = (0..WRITERS as u64).map(writer).collect();
        let rng = Rng::with_seed(seed);
        Some(Self { done: Done::default(), log: log.clone(), rng, ovs, daemon, wires, writers, rounds: 0, is_over })
    }

    /// Strikes while clients work, one blow after the other; then lets everything come to rest and writes down what
    /// there is.
    pub(super) fn round(&mut self, blows: &[Blow]) {
        let Self { done, log, rng, ovs, daemon, wires, writers, .. } = self;
        let (is_over, answers) = (AtomicBool::new(false), AtomicU64::new(0));
        thread::scope(|scope| {
            // Also when a blow fails.
            let _over = OnDrop(&is_over);
            for writer in writers {
                scope.spawn(|| writer.work(&is_over, &answers));
            }
            for blow in blows {
                await_more(&answers, rng.u64(1..200));
                match *blow {
                    Blow::Kill => {
                        log.write(Event::Broken { what: KILL.to_owned() });
                        daemon.kill_and_restart();
                        done.kills += 1;
                    }
                    Blow::Restart => {
                        log.write(Event::Broken { what: "kill -9 of ovs-vswitchd".to_owned() });
                        ovs.kill_switch();
                        ovs.start_switch();
                        add_foreign_rules(ovs);
                        done.restarts += 1;
                    }
                    Blow::Cuts(count) => cut_some(count, rng, wires, log, done),
                }
            }
            await_more(&answers, rng.u64(1..60));
        });
        self.rest();
        self.meddle();
        let listed = self.list();
        for writer in &mut self.writers {
            writer.repeat(|id| listed.iter().any(|flow| flow.flow_id == id));
        }
        self.rest();
        self.write_down(self.list());
    }

    /// Somebody else deletes or changes, on one bridge, what is ours.
    fn meddle(&mut self) {
        self.rounds += 1;
        if !self.rounds.is_multiple_of(MEDDLE) {
            return;
        }
        let name = ROOMY[self.rounds / MEDDLE % ROOMY.len()];
        self.log.write(Event::Broken { what: format!("somebody else writes to {name}") });
        if self.rng.bool() {
            self.ovs.delete_flows(name, OURS);
        } else {
            self.ovs.modify_flows(name, &format!("{OURS},actions=drop"));
        }
        self.done.meddlings += 1;
    }

    /// Waits until every wire has carried for long enough, every node is connected and every flow has come to rest. What
    /// does not is written down.
    fn rest(&self) {
        let mut client = self.daemon.client();
        let mut restless = Vec::new();
        let has_rested = eventually(REST_SECONDS, || {
            let silent = self.wires.iter().filter(|(_, (wire, _))| !wire.has_carried_for(SETTLED));
            restless = silent.map(|(name, _)| format!("the wire of {name}")).collect();
            let nodes = client.nodes().into_iter().filter(|(_, node)| node["state"] != "connected");
            restless.extend(nodes.map(|(name, node)| format!("{name} is {}", node["state"])));
            for state in RESTLESS {
                let page = client.reply("ListFlows", json!({"state": state, "limit": 5}));
                restless.extend(
                    page["flows"].as_array().unwrap().iter().map(|flow| format!("{} is {state}", flow["flow_id"])),
                );
            }
            restless.is_empty().then_some(())
        });
        if has_rested.is_none() {
            self.log.write(Event::Restless { what: restless });
        }
    }

    /// Every flow that has not ended.
    fn list(&self) -> Vec<Listed> {
        let mut client = self.daemon.client();
        let mut flows = Vec::new();
        for state in RESTLESS.into_iter().chain(["applied", "rejected"]) {
            let mut filter = json!({"state": state, "limit": 1000});
            loop {
                let page = client.reply("ListFlows", filter.clone());
                flows.extend(page["flows"].as_array().unwrap().iter().map(listed));
                if page["next_cursor"].is_null() {
                    break;
                }
                filter["cursor"] = page["next_cursor"].clone();
            }
        }
        flows
    }

    fn write_down(&self, flows: Vec<Listed>) {
        let lines = |name: &&str| self.ovs.dump(name).lines().map(|line| line.trim().to_owned()).collect();
        let tables = self.wires.keys().map(|name| ((*name).to_owned(), lines(name))).collect();
        self.log.write(Event::Quiet { flows, tables });
    }

    /// Deletes what a switch has of us behind the back of a daemon that can do nothing about it: what must be found.
    pub(super) fn delete_behind_its_back(&self) {
        let flows = self.list();
        self.daemon.pause(true);
        self.ovs.delete_flows(ROOMY[0], "ip");
        self.write_down(flows);
        self.daemon.pause(false);
    }
}

impl Drop for Storm {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

/// Sets a flag when it goes.
struct OnDrop<'a>(&'a AtomicBool);

impl Drop for OnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Where there is room for them for certain.
fn add_foreign_rules(ovs: &Ovs) {
    ROOMY.iter().for_each(|name| ovs.add_foreign_flow(name, FOREIGN));
}

fn await_more(answers: &AtomicU64, count: u64) {
    let until = answers.load(Ordering::Relaxed) + count;
    within(60, "clients to be answered", || (answers.load(Ordering::Relaxed) >= until).then_some(()));
}

/// Cuts up to `count` connections, each in its own way.
fn cut_some(count: usize, rng: &mut Rng, wires: &BTreeMap<&'static str, (Wire, Caller)>, log: &Log, done: &mut Done) {
    let mut names: Vec<_> = wires.keys().copied().collect();
    rng.shuffle(&mut names);
    for name in names.into_iter().take(count) {
        let (wire, caller) = &wires[name];
        let (cut, kind) = match rng.u32(0..HALF_OPEN) {
            0 => (Cut::HalfOpen, "half open"),
            1..=10 => (Cut::Torn(rng.u16(1..2_000)), "torn"),
            11..=25 => (Cut::Deaf(rng.u16(20..400)), "deaf"),
            26..=32 => (Cut::Slow(rng.u16(5..40)), "slow"),
            33..=40 if *caller == Caller::Switch => (Cut::Forsaken, "forsaken"),
            _ => (Cut::Closed, "closed"),
        };
        if wire.cut(cut) {
            log.write(Event::Broken { what: format!("the connection of {name}: {kind}") });
            done.cuts += 1;
            *done.by_kind.entry(kind).or_default() += 1;
        }
    }
}

fn listed(flow: &Value) -> Listed {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let node = |node: &Value| (text(&node["node"]), (text(&node["state"]), cookie(node)));
    Listed { flow_id: text(&flow["flow_id"]), nodes: flow["nodes"].as_array().unwrap().iter().map(node).collect() }
}

/// Asks again and again what is unknown, and writes it down.
fn watch(port: u16, log: Log, is_over: Arc<AtomicBool>) {
    thread::spawn(move || {
        let mut client = None;
        let mut was_any = false;
        while !is_over.load(Ordering::Relaxed) {
            thread::park_timeout(WATCH);
            let Some(mut asking) = client.take().or_else(|| Client::try_connect(port)) else { continue };
            asking.try_ask("watch", "ListFlows", &json!({"state": "unknown", "limit": 1000}));
            let Ok(answer) = asking.try_receive(Duration::from_secs(20)) else { continue };
            client = Some(asking);
            if answer["type"] != "Reply" {
                continue;
            }
            let flows = unknown(&answer["payload"]);
            let is_any = !flows.is_empty();
            if is_any || was_any {
                log.write(Event::Unknown { flows });
            }
            was_any = is_any;
        }
    });
}

/// The flows of a page that are unknown, each with the nodes on which they are.
fn unknown(page: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for flow in page["flows"].as_array().into_iter().flatten().map(listed) {
        let nodes = flow.nodes.into_iter().filter(|(_, (state, _))| state == "unknown");
        found.extend(nodes.map(|(node, _)| (flow.flow_id.clone(), node)));
    }
    found
}
