//! The client library against a real daemon: one that is killed and started again beneath it, and the example.

use std::io::Read;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use flumen::client::{Client, Config, RequestError, Url};
use flumen::contract::{
    AddNode, Atomic, Command, FlowState, GetFlow, InstallFlow, InstallFlows, ListFlows, NodeKind, NodeState, Reply,
    Report, Subprotocol, Subscribe, Topic,
};
use flumen::emulator::{self, Backoff, SwitchConfig};
use openflow::DatapathId;
use tokio_util::sync::CancellationToken;

use crate::binary::{PATIENCE, flumen};
use crate::serve::start;
use crate::stage::Stage;

#[allow(dead_code, reason = "its main is for whoever runs it")]
#[path = "../../examples/voice.rs"]
mod voice;

/// Flows that are asked for at once.
const FLOWS: usize = 1_500;
/// How often the daemon is killed meanwhile.
const KILLS: usize = 2;

/// A daemon that keeps its state and its addresses when it is killed.
struct Daemon {
    child: Child,
    northbound: SocketAddr,
    openflow: SocketAddr,
}

impl Daemon {
    fn start(data: &Path, northbound: &str, openflow: &str) -> Self {
        let arguments = ["serve", "--listen", northbound, "--openflow", openflow, "--data", data.to_str().unwrap()];
        let (child, line, mut log) = start(flumen(arguments), "northbound=");
        // A log that nobody reads would stop it.
        std::thread::spawn(move || log.read_to_end(&mut Vec::new()));
        let address = |name: &str| line.split(name).nth(1).unwrap().split_whitespace().next().unwrap().parse().unwrap();
        Self { child, northbound: address("northbound="), openflow: address("openflow=") }
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A flow on s1: without its name it would be on every node there is when it is asked for, once more after a kill.
fn flow(n: usize) -> Command {
    let source = format!("10.{}.{}.1", n / 250, n % 250).parse().unwrap();
    let flow = InstallFlow::new(source, "any".parse().unwrap(), "voice".to_owned());
    Command::InstallFlow(Box::new(InstallFlow { nodes: Some(vec!["s1".parse().unwrap()]), ..flow }))
}

fn node(name: &str, datapath_id: u64) -> Command {
    let (name, datapath_id) = (name.parse().unwrap(), Some(datapath_id.to_string().parse().unwrap()));
    let kind = NodeKind::default();
    Command::AddNode(AddNode { name, kind, datapath_id, address: None, ovsdb: None, labels: Default::default() })
}

/// Asks until the answer is as it should be.
async fn until<T>(client: &Client, command: &Command, wanted: impl Fn(&Reply) -> Option<T>) -> T {
    let mut last = None;
    let asking = async {
        loop {
            let answer = last.insert(client.call(command).await);
            if let Some(found) = answer.as_ref().ok().and_then(&wanted) {
                return found;
            }
        }
    };
    let found = tokio::time::timeout(PATIENCE, asking).await;
    found.unwrap_or_else(|_| panic!("it took too long; the last answer was {last:?}"))
}

#[test]
fn a_daemon_that_is_killed_in_the_middle_of_a_pipelined_run_answers_everything_truthfully() {
    let data = tempfile::tempdir().unwrap();
    let mut daemon = Daemon::start(data.path(), "127.0.0.1:0", "127.0.0.1:0");
    let (northbound, openflow) = (daemon.northbound.to_string(), daemon.openflow.to_string());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let stop = CancellationToken::new();
        let first = Duration::from_millis(20);
        let config = SwitchConfig { backoff: Backoff { first, last: first }, ..SwitchConfig::new(DatapathId(1)) };
        let switch = emulator::connect(openflow.clone(), config, stop.clone());
        let client =
            Arc::new(Client::connect(Config::new(format!("ws://{northbound}").parse().unwrap())).await.unwrap());
        client.call(&node("s1", 1)).await.unwrap();
        let list = Command::ListNodes;
        let is_connected = |reply: &Reply| match reply {
            Reply::Nodes { nodes } => nodes.iter().any(|node| node.state == NodeState::Connected).then_some(()),
            _ => None,
        };
        until(&client, &list, is_connected).await;

        let answered = Arc::new(AtomicUsize::new(0));
        let ask = |command: Command| {
            let (client, answered) = (Arc::clone(&client), Arc::clone(&answered));
            tokio::spawn(async move {
                let answer = client.call(&command).await;
                answered.fetch_add(1, Ordering::Relaxed);
                answer
            })
        };
        let flows: Vec<_> = (0..FLOWS).map(|n| ask(flow(n))).collect();
        let nodes: Vec<_> = (0..50).map(|n| (n, ask(node(&format!("n{n}"), 1_000 + n)))).collect();
        for round in 1..=KILLS {
            // Answers of a daemon that was killed may still come: the next one is killed when the client has found it.
            let is_connected = || client.counters().connections >= round as u64;
            while answered.load(Ordering::Relaxed) < round * FLOWS / (KILLS + 1) || !is_connected() {
                tokio::task::yield_now().await;
            }
            daemon.kill();
            daemon = Daemon::start(data.path(), &northbound, &openflow);
        }

        let mut told = Vec::new();
        for flow in flows {
            match tokio::time::timeout(PATIENCE, flow).await.expect("an answer is missing").unwrap() {
                Ok(Reply::Flow { flow }) => told.push(flow),
                other => panic!("a flow has an id and is asked for again: {other:?}"),
            }
        }
        // A switch that is away for a moment has not confirmed yet: it does so later, by itself.
        let honest = [FlowState::Applied, FlowState::Accepted, FlowState::Unknown];
        assert!(told.iter().all(|flow| honest.contains(&flow.state)), "{told:?}");
        for flow in &told {
            let get = Command::GetFlow(GetFlow { flow_id: flow.flow_id.clone() });
            let is_applied = |reply: &Reply| match reply {
                Reply::Flow { flow } => (flow.state == FlowState::Applied).then_some(()),
                _ => None,
            };
            until(&client, &get, is_applied).await;
        }
        let table = switch.flows_as_text();
        assert_eq!(table.matches("nw_src=10.").count(), FLOWS, "none twice and none missing");

        let Ok(Reply::Nodes { nodes: there }) = client.call(&list).await else { panic!("no list of nodes") };
        for (n, node) in nodes {
            match node.await.unwrap() {
                Ok(_) => assert!(there.iter().any(|node| node.name.as_str() == format!("n{n}")), "n{n} is not there"),
                Err(RequestError::OutcomeUnknown(_)) => {}
                Err(other) => panic!("{other:?}"),
            }
        }
        assert_eq!(client.counters().connections, 1 + KILLS as u64);
        stop.cancel();
    });
}

#[test]
fn the_client_and_the_daemon_say_the_same_in_json_and_in_msgpack() {
    // Few enough that the events of all of them wait for their reader.
    const EACH: usize = 200;
    let stage = Stage::set();
    let _switch = stage.connected("s1", 1, 1_000);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let url: Url = format!("ws://{}", stage.listening.northbound).parse().unwrap();
        let mut clients = Vec::new();
        for subprotocol in Subprotocol::ALL.iter().copied() {
            let client = Client::connect(Config { subprotocol, ..Config::new(url.clone()) }).await.unwrap();
            let events = client.events().unwrap();
            client.call(&Command::Subscribe(Subscribe::to([Topic::Flows]))).await.unwrap();
            assert_eq!(client.subprotocol(), subprotocol);
            clients.push((client, events));
        }
        let flow = |n: usize| match flow(n) {
            Command::InstallFlow(flow) => InstallFlow { flow_id: Some(format!("f{n}").parse().unwrap()), ..*flow },
            other => panic!("{other:?}"),
        };
        for (at, (client, _)) in clients.iter().enumerate() {
            let flows = (at * EACH..(at + 1) * EACH).map(flow).collect();
            let many = InstallFlows { flows, atomic: Atomic::None, report: Report::All };
            let Ok(Reply::FlowsInstalled { flows, summary, .. }) = client.call(&Command::InstallFlows(many)).await
            else {
                panic!("no reply");
            };
            assert_eq!((flows.len(), summary[&FlowState::Applied]), (EACH, EACH as u64));
        }
        let list = Command::ListFlows(ListFlows::default());
        let mut payloads = Vec::new();
        for (client, _) in &clients {
            payloads.push(client.request(&list).await.unwrap().get().to_owned());
        }
        assert_eq!(payloads[0], payloads[1], "byte for byte");
        let get = Command::GetFlow(GetFlow { flow_id: "no-such-flow".parse().unwrap() });
        let mut refusals = Vec::new();
        for (client, _) in &clients {
            refusals.push(client.call(&get).await.unwrap_err().to_string());
        }
        assert_eq!(refusals[0], refusals[1]);
        let mut told = Vec::new();
        for (_, events) in &mut clients {
            let mut texts = Vec::new();
            while texts.len() < 2 * EACH {
                let text = events.recv().await.unwrap().text;
                texts.push(serde_json::from_str::<serde_json::Value>(&text).unwrap());
            }
            told.push(texts);
        }
        assert_eq!(told[0], told[1]);
    });
}

#[test]
fn the_example_runs() {
    let stage = Stage::set();
    let _switch = stage.connected("s1", 1, 100);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let told = runtime.block_on(async {
        let url = format!("ws://{}", stage.listening.northbound).parse().unwrap();
        let client = Client::connect(Config::new(url)).await.unwrap();
        let told = voice::let_voice_go_first(&client).await.unwrap();
        client.close().await;
        told
    });
    assert!(told.starts_with("example-voice is applied on 1 nodes"), "{told}");
}
