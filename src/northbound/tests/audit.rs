//! The audit log: each change has its line, whatever becomes of whoever asked for it.

use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use tracing_subscriber::fmt::MakeWriter;

use super::*;

/// What was written down.
#[derive(Debug, Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

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
    fn entries(&self) -> Vec<Value> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        let entries = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        entries.filter(|entry| entry["target"] == AUDIT_TARGET).collect()
    }

    /// The outcomes, when there are so many.
    async fn outcomes(&self, count: usize) -> Vec<Value> {
        within(async {
            while self.entries().len() < count {
                tokio::task::yield_now().await;
            }
        })
        .await;
        self.entries().iter().map(|entry| entry["outcome"].clone()).collect()
    }
}

/// Writes down what this thread does, which is where all tasks of a test run.
fn kept() -> (Lines, tracing::subscriber::DefaultGuard) {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt().json().flatten_event(true).with_writer(lines.clone()).finish();
    (lines, tracing::subscriber::set_default(subscriber))
}

fn remove_node(id: &str) -> Message {
    Message::text(format!(r#"{{"type":"RemoveNode","id":"{id}","payload":{{"name":"s1"}}}}"#))
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
