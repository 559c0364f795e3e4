//! The audit log: each change has its line, whatever becomes of whoever asked for it.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::{LazyLock, Mutex, PoisonError};

use openflow::Xid;
use tracing::subscriber::DefaultGuard;
use tracing::{Dispatch, Subscriber};
use tracing_subscriber::fmt::MakeWriter;

use super::*;
use crate::contract::FlowState;
use crate::programmer::Step;

/// What was written down.
#[derive(Debug, Clone, Default)]
pub(super) struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Lines {
    pub(super) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    fn entries(&self) -> Vec<Value> {
        let text = self.text();
        let entries = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        entries.filter(|entry| entry["target"] == AUDIT_TARGET).collect()
    }

    /// The outcomes, when there are so many.
    pub(super) async fn outcomes(&self, count: usize) -> Vec<Value> {
        within(async {
            while self.entries().len() < count {
                tokio::task::yield_now().await;
            }
        })
        .await;
        self.entries().iter().map(|entry| entry["outcome"].clone()).collect()
    }
}

/// While there is a single subscriber, a place that is passed for the first time is asked of the thread that passes it,
/// which may be another test's and have none, and is silent from then on. So there is always another.
static ANOTHER: LazyLock<Dispatch> =
    LazyLock::new(|| Dispatch::new(tracing_subscriber::fmt().with_writer(io::sink).finish()));

/// Writes down what this thread does, which is where all tasks of a test run.
pub(super) fn kept() -> (Lines, DefaultGuard) {
    keep(|lines| tracing_subscriber::fmt().json().flatten_event(true).with_writer(lines).finish())
}

/// The same as it is written for people.
pub(super) fn kept_for_people() -> (Lines, DefaultGuard) {
    keep(|lines| tracing_subscriber::fmt().with_ansi(false).with_writer(lines).finish())
}

fn keep<S: Subscriber + Send + Sync>(subscriber: impl FnOnce(Lines) -> S) -> (Lines, DefaultGuard) {
    LazyLock::force(&ANOTHER);
    let lines = Lines::default();
    let guard = tracing::subscriber::set_default(subscriber(lines.clone()));
    (lines, guard)
}

#[tokio::test]
async fn a_change_whose_client_goes_away_before_the_answer_has_its_line() {
    let (lines, _guard) = kept();
    let (daemon, mut requests) = Daemon::start(NorthboundConfig::default()).await;
    let mut client = daemon.client().await;
    client.send(remove_node("a")).await.unwrap();
    client.send(remove_node("b")).await.unwrap();
    client.send(list_nodes("c")).await.unwrap();
    let mut taken = Vec::new();
    for _ in 0..3 {
        taken.push(within(requests.recv()).await.unwrap());
    }
    drop(client);
    let alone = "\nflumen_connections 1\n";
    within(async { while !daemon.get("/metrics").await.contains(alone) {} }).await;
    let [first, second, _reading]: [Request; 3] = taken.try_into().unwrap();
    first.answer.send(Ok(Reply::Nodes { nodes: Vec::new() })).unwrap();
    second.answer.send(Err(ErrorBody::new(ErrorCode::NotFound, "there is none"))).unwrap();
    let mut outcomes = lines.outcomes(2).await;
    outcomes.sort_by_key(Value::to_string);
    assert_eq!(outcomes, ["not_found", "ok"]);
    assert!(lines.entries().iter().all(|entry| entry["subject"] == "s1" && entry["command"] == "RemoveNode"));
}

#[tokio::test]
async fn a_change_that_nobody_will_answer_any_more_has_its_line_too() {
    let (lines, _guard) = kept();
    let (daemon, mut requests) = Daemon::start(NorthboundConfig::default()).await;
    let mut client = daemon.client().await;
    client.send(remove_node("a")).await.unwrap();
    drop(within(requests.recv()).await.unwrap());
    assert_eq!(receive(&mut client).await["error"]["code"], "unavailable");
    assert_eq!(lines.outcomes(1).await, ["unavailable"]);
}

#[tokio::test]
async fn what_changes_nothing_has_no_line_and_what_is_refused_has_one() {
    let (lines, _guard) = kept();
    let daemon = Daemon::answering(NorthboundConfig::default()).await;
    let mut client = daemon.client().await;
    client.send(list_nodes("a")).await.unwrap();
    receive(&mut client).await;
    client.send(remove_node("b")).await.unwrap();
    assert_eq!(receive(&mut client).await["error"]["code"], "not_found");
    assert_eq!(lines.outcomes(1).await, ["not_found"]);
}

#[tokio::test]
async fn each_flow_of_a_change_has_a_line_with_what_the_switch_knows_it_by() {
    let (lines, _guard) = kept();
    let (daemon, mut requests) = Daemon::start(NorthboundConfig::default()).await;
    let mut client = daemon.client().await;
    client.send(Message::text(r#"{"type":"RemoveFlows","id":"r-7","payload":{"all":true}}"#)).await.unwrap();
    let Request { answer, trail, .. } = within(requests.recv()).await.unwrap();
    let step = |flow: &str, xids: &[u32]| Step {
        flow_id: flow.parse().unwrap(),
        node: "s1".parse().unwrap(),
        state: FlowState::Removed,
        cookie: Some("0x0001000000000002".to_owned()),
        xids: xids.iter().map(|xid| Xid(*xid)).collect(),
    };
    trail.unwrap().send(vec![step("a", &[0x1f, 0x20]), step("b", &[])]).unwrap();
    answer.send(Ok(Reply::FlowsRemoved { summary: BTreeMap::from([(FlowState::Removed, 2)]) })).unwrap();
    receive(&mut client).await;
    lines.outcomes(3).await;
    let entries = lines.entries();
    assert!(entries.iter().all(|entry| entry["request_id"] == "r-7"), "{entries:?}");
    let [whole, first, second] = &entries[..] else { panic!("{entries:?}") };
    assert_eq!((&whole["outcome"], &whole["subject"]), (&"ok".into(), &r#"{"all":true}"#.into()));
    assert_eq!((&first["flow_id"], &first["node"], &first["state"]), (&"a".into(), &"s1".into(), &"removed".into()));
    assert_eq!((&first["cookie"], &first["xid"]), (&"0x0001000000000002".into(), &"0x1f 0x20".into()));
    assert_eq!((&second["flow_id"], second.get("xid")), (&"b".into(), None), "nothing was sent for it");
}

#[tokio::test]
async fn without_a_log_nobody_asks_what_was_sent() {
    let (daemon, mut requests) = Daemon::start(NorthboundConfig::default()).await;
    let mut client = daemon.client().await;
    client.send(remove_node("a")).await.unwrap();
    assert!(within(requests.recv()).await.unwrap().trail.is_none());
}

#[test]
fn a_line_is_kept_although_somebody_else_was_the_first_who_came_by_its_place() {
    let (lines, _guard) = kept();
    let say = || tracing::info!("said");
    std::thread::spawn(say).join().unwrap();
    say();
    assert_eq!(lines.text().matches("said").count(), 1);
}
