//! The task around the agent, over real sockets.

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::super::{Address, Ovsdb, Report, Stream, Target};
use super::*;

const PATIENCE: Duration = Duration::from_secs(20);

fn ovsdb() -> (Ovsdb, mpsc::Receiver<Report>, TaskTracker, CancellationToken) {
    let (reports, news) = mpsc::channel(16);
    let (tracker, shutdown) = (TaskTracker::new(), CancellationToken::new());
    let insecure =
        Arc::new(|stream, _| -> super::super::Secured { Box::pin(async { Ok(Box::new(stream) as Box<dyn Stream>) }) });
    (Ovsdb::new(reports, insecure, tracker.clone(), shutdown.clone()), news, tracker, shutdown)
}

fn target(address: Address) -> Target {
    Target { address, datapath_id: 1, installation: 0xbeef, wanted: BTreeMap::new() }
}

/// A database that answers one connection's `monitor` with nothing, and its transactions with success, until it has
/// answered so many requests.
async fn serve(mut stream: impl Stream, requests: usize) {
    let (mut framer, mut buffer, mut answered) = (Framer::default(), BytesMut::new(), 0);
    while answered < requests {
        match framer.next_message(&mut buffer).unwrap() {
            None => assert!(stream.read_buf(&mut buffer).await.unwrap() > 0),
            Some(message) => {
                let request: Value = serde_json::from_slice(&message).unwrap();
                let result = if request["method"] == "monitor" { json!({}) } else { json!([{}]) };
                let answer = json!({"id": request["id"], "result": result, "error": null}).to_string();
                // In pieces, as a network may deliver it.
                for piece in answer.as_bytes().chunks(7) {
                    stream.write_all(piece).await.unwrap();
                }
                answered += 1;
            }
        }
    }
}

async fn next(news: &mut mpsc::Receiver<Report>) -> News {
    let Report { key, news } = tokio::time::timeout(PATIENCE, news.recv()).await.unwrap().unwrap();
    assert_eq!(key, 7);
    news
}

#[tokio::test]
async fn a_database_is_reached_over_tcp_and_again_after_it_went_away() {
    let (ovsdb, mut news, tracker, shutdown) = ovsdb();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let _watch = ovsdb.watch(7, target(Address::Tcp("localhost".to_owned(), port)));
    for _ in 0..2 {
        let (stream, _) = listener.accept().await.unwrap();
        serve(stream, 1).await;
        assert!(matches!(next(&mut news).await, News::Reached));
        assert!(matches!(next(&mut news).await, News::Ports(ports) if ports.is_empty()));
        assert!(matches!(next(&mut news).await, News::Lost { reason } if reason.contains("closed")));
    }
    shutdown.cancel();
    tracker.close();
    tokio::time::timeout(PATIENCE, tracker.wait()).await.unwrap();
}

#[tokio::test]
async fn a_database_is_reached_over_a_socket_in_the_file_system_and_told_what_is_wanted() {
    let (ovsdb, mut news, tracker, _shutdown) = ovsdb();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("db.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let watch = ovsdb.watch(7, target(Address::Unix(path.to_str().unwrap().to_owned())));
    watch.command(Command { token: 5, wish: Wish::Clear }).unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    let ((), ()) = tokio::join!(serve(stream, 2), async {
        assert!(matches!(next(&mut news).await, News::Reached));
        assert!(matches!(next(&mut news).await, News::Ports(_)));
        assert!(matches!(next(&mut news).await, News::Done { token: 5, result: Ok(_) }));
    });
    drop(watch);
    tracker.close();
    tokio::time::timeout(PATIENCE, tracker.wait()).await.unwrap();
}

#[tokio::test]
async fn a_database_that_is_not_there_is_told_with_the_systems_words() {
    let (ovsdb, mut news, _, _shutdown) = ovsdb();
    let _watch = ovsdb.watch(7, target(Address::Unix("/nowhere/db.sock".to_owned())));
    assert!(matches!(next(&mut news).await, News::Lost { reason } if reason.contains("No such file")));
}

#[tokio::test]
async fn a_database_that_asks_without_end_and_reads_nothing_is_given_up() {
    let (ovsdb, mut news, _tracker, _shutdown) = ovsdb();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("db.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let _watch = ovsdb.watch(7, target(Address::Unix(path.to_str().unwrap().to_owned())));
    let (mut stream, _) = listener.accept().await.unwrap();
    let question = json!({"id": 1, "method": "echo", "params": ["x".repeat(1 << 20)]}).to_string();
    let asking = async {
        // It is an error once the connection is given up.
        for _ in 0..16 {
            if stream.write_all(question.as_bytes()).await.is_err() {
                break;
            }
        }
    };
    let ((), lost) = tokio::join!(asking, next(&mut news));
    assert!(matches!(&lost, News::Lost { reason } if reason.contains("does not read")), "{lost:?}");
}
