//! What one flow of a large batch costs on its way through the daemon, stage by stage: `cargo bench --bench batch`.
//!
//! The stages that stand alone are timed alone. The programmer runs as in the daemon, on a thread of its own, with an
//! emulated switch on another and the store's writer on a third: what each thread works for a flow is read from the system,
//! so that the figures do not depend on who waits for whom. Prints figures and judges none of them: machines differ.

#![expect(clippy::expect_used, clippy::print_stdout, reason = "a benchmark prints what it finds or fails")]

use std::collections::BTreeMap;
use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use flumen::contract::{
    AddNode, Atomic, Command, InstallFlow, InstallFlows, Limits, Protocol, Reply, Report, parse_request,
};
use flumen::emulator::{self, SwitchConfig};
use flumen::policy::{self, ClassTable};
use flumen::programmer::{self, Admission, TableMiss};
use flumen::session;
use flumen::southbound::{REPORTS, Southbound};
use flumen::store::{Batch, Snapshot, Store, Table};
use openflow::{DatapathId, FlowMod, Message, Xid};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

const FLOWS: u32 = 100_000;
/// Flows of one request: about what fits into a message.
const BATCH: u32 = 4_000;
/// Records of one commit, as the store's writer groups them.
const COMMIT: u64 = 4_000;

fn main() {
    let classes = ClassTable::built_in();
    parse();
    compile(&classes);
    encode(&classes);
    store();
    program(&classes, "switch away, store in memory", false, None);
    program(&classes, "switch there, store in memory", true, None);
    let directory = tempfile::tempdir().expect("a directory");
    program(&classes, "switch there, store on disk", true, Some(directory.path()));
}

fn tell(stage: &str, took: Duration, flows: u32) {
    println!("{stage}: {} ns a flow", took.as_nanos() / u128::from(flows));
}

fn flow(number: u32) -> InstallFlow {
    let [_, b, c, d] = number.to_be_bytes();
    InstallFlow {
        flow_id: Some(format!("call-{number}").parse().expect("an id")),
        protocol: Some(Protocol::Udp),
        destination_port: Some("5060".parse().expect("a port")),
        ..InstallFlow::new(
            format!("10.{b}.{c}.{d}").parse().expect("an address"),
            "10.200.0.1".parse().expect("an address"),
            "voice",
        )
    }
}

fn batches() -> Vec<InstallFlows> {
    let batch = |first| InstallFlows {
        flows: (first..first + BATCH).map(flow).collect(),
        atomic: Atomic::None,
        report: Report::Problems,
    };
    (0..FLOWS).step_by(BATCH as usize).map(batch).collect()
}

fn parse() {
    let text = |batch: InstallFlows| {
        let payload = serde_json::to_value(batch).expect("JSON");
        serde_json::json!({"type": "InstallFlows", "id": "1", "payload": payload}).to_string()
    };
    let texts: Vec<String> = batches().into_iter().map(text).collect();
    let begun = Instant::now();
    for text in &texts {
        black_box(parse_request(text.as_bytes()).expect("a lawful request"));
    }
    tell("parse JSON", begun.elapsed(), FLOWS);
}

fn compile(classes: &ClassTable) {
    let requests: Vec<InstallFlow> = (0..FLOWS).map(flow).collect();
    let begun = Instant::now();
    for request in &requests {
        black_box(policy::compile(request, classes.get(&request.traffic_type).expect("a class")).expect("rules"));
    }
    tell("compile", begun.elapsed(), FLOWS);
}

fn encode(classes: &ClassTable) {
    let class = classes.get("voice").expect("a class");
    let rules = (0..FLOWS).flat_map(|number| policy::compile(&flow(number), class).expect("rules"));
    let mods: Vec<_> = rules
        .map(|rule| {
            let (flow_match, instructions) = (rule.flow_match, rule.instructions);
            Message::FlowMod(FlowMod { priority: rule.priority, flow_match, instructions, ..FlowMod::add() })
        })
        .collect();
    let mut out = BytesMut::new();
    let begun = Instant::now();
    for message in &mods {
        out.clear();
        message.encode(Xid(1), &mut out).expect("a message that fits");
        black_box(&out);
    }
    tell("encode FLOW_MOD", begun.elapsed(), FLOWS);
}

fn store() {
    let directory = tempfile::tempdir().expect("a directory");
    let (mut store, _) = Store::open(directory.path()).expect("a store");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let before = worked();
    let begun = Instant::now();
    for first in (0..u64::from(FLOWS)).step_by(COMMIT as usize) {
        let mut batch = Batch::new();
        (first..first + COMMIT).for_each(|number| batch.put(Table::Flow, number.to_be_bytes(), [0x5a; 300]));
        store.submit(batch, first).expect("room");
        runtime.block_on(store.completion());
    }
    tell("store 300 bytes", begun.elapsed(), FLOWS);
    tell_worked(&before);
}

/// The programmer with one switch, or with one that is away.
fn program(classes: &ClassTable, what: &str, is_there: bool, directory: Option<&Path>) {
    let (store, snapshot) = match directory {
        Some(directory) => Store::open(directory).expect("a store"),
        None => (Store::memory(), Snapshot::default()),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let elsewhere = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("switch")
        .enable_all()
        .build()
        .expect("a runtime");
    let shutdown = CancellationToken::new();
    let took = runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let (reports, heard) = mpsc::channel(REPORTS);
        let tracker = TaskTracker::new();
        let southbound = Southbound::start(
            session::Config::default(),
            Some(listener),
            None,
            reports,
            tracker.clone(),
            shutdown.clone(),
        );
        let (programmer, _news, work) =
            programmer::start(config(classes), store, &snapshot, southbound, heard, tracker, shutdown.clone())
                .await
                .expect("a programmer");
        let worker = tokio::spawn(work);
        let ask = async |command| programmer.submit(command).await.expect("taken").await.expect("answered");
        ask(Command::AddNode(node())).await.expect("added");
        let guard = elsewhere.enter();
        let _switch =
            is_there.then(|| emulator::connect(address, SwitchConfig::new(DatapathId(0xa1)), shutdown.clone()));
        drop(guard);
        while is_there && !is_connected(&ask(Command::ListNodes).await.expect("nodes")) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }

        let batches = batches();
        let before = worked();
        let begun = Instant::now();
        let mut answers = Vec::new();
        for batch in batches {
            answers.push(programmer.submit(Command::InstallFlows(batch)).await.expect("taken"));
        }
        for answer in answers {
            match answer.await.expect("answered").expect("installed") {
                Reply::FlowsInstalled { summary, .. } => assert_eq!(summary.len(), 1, "{summary:?}"),
                other => unreachable!("{other:?}"),
            }
        }
        let took = begun.elapsed();
        tell(what, took, FLOWS);
        tell_worked(&before);
        shutdown.cancel();
        worker.await.expect("the programmer ends").expect("and its store is in order");
        took
    });
    black_box(took);
}

fn node() -> AddNode {
    AddNode {
        name: "s1".parse().expect("a name"),
        kind: Default::default(),
        datapath_id: Some(flumen::contract::DatapathId(0xa1)),
        address: None,
        ovsdb: None,
        labels: BTreeMap::new(),
    }
}

fn is_connected(reply: &Reply) -> bool {
    match reply {
        Reply::Nodes { nodes } => nodes.iter().all(|node| node.state == flumen::contract::NodeState::Connected),
        _ => false,
    }
}

fn config(classes: &ClassTable) -> programmer::Config {
    programmer::Config {
        admission: Admission::Discover,
        table_miss: TableMiss::Normal,
        pipeline: policy::Pipeline::default(),
        dial_tls: false,
        max_flows: programmer::MAX_FLOWS,
        patience: programmer::PATIENCE,
        bulk: programmer::BULK,
        many: programmer::MANY,
        classes: classes.clone(),
        limits: Limits {
            message_bytes: 0,
            msgpack_message_bytes: 0,
            outbound_bytes: 0,
            json_depth: 0,
            requests_in_flight: 0,
            connections: 0,
            discovered_nodes: 0,
        },
    }
}

/// How long each thread has worked so far, by name, in nanoseconds.
fn worked() -> BTreeMap<String, u64> {
    let mut threads = BTreeMap::new();
    for task in fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
        let read = |file: &str| fs::read_to_string(task.path().join(file)).unwrap_or_default();
        let nanos = read("schedstat").split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0);
        *threads.entry(read("comm").trim().to_owned()).or_default() += nanos;
    }
    threads
}

fn tell_worked(before: &BTreeMap<String, u64>) {
    for (thread, nanos) in worked() {
        let since = nanos.saturating_sub(before.get(&thread).copied().unwrap_or(0)) / u64::from(FLOWS);
        if since > 0 {
            println!("    thread {thread}: {since} ns a flow");
        }
    }
}
