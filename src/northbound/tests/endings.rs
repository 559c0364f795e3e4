//! How connections end: by the client, by silence, by the shutdown.

use super::audit::kept;
use super::*;

#[tokio::test]
async fn a_close_is_answered_with_its_own_code() {
    let daemon = Daemon::answering(NorthboundConfig::default()).await;
    let mut client = daemon.client().await;
    client.close(Some(CloseFrame { code: CloseCode::Normal, reason: "done".into() })).await.unwrap();
    assert_eq!(goodbye(&mut client).await, CloseCode::Normal);
}

#[tokio::test]
async fn a_client_that_shows_no_life_is_let_go() {
    let config = NorthboundConfig {
        ping_interval: Duration::from_millis(50),
        pong_timeout: Duration::from_millis(50),
        close_linger: Duration::from_millis(100),
        ..NorthboundConfig::default()
    };
    let daemon = Daemon::answering(config).await;
    let mut dead = daemon.raw_client().await;
    let mut frames = Vec::new();
    within(dead.read_to_end(&mut frames)).await.unwrap();
    assert_eq!(&frames[..2], b"\x89\x00");
    assert_eq!(&frames[2..6], &[0x88, 10, 0x03, 0xf5]);
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_dropped_and_the_others_are_served() {
    let config = NorthboundConfig {
        outbound_bytes: 1 << 20,
        stall_timeout: Duration::from_millis(100),
        close_linger: Duration::from_millis(100),
        ..NorthboundConfig::default()
    };
    let daemon = Daemon::answering(config).await;
    let mut stuck = daemon.raw_client().await;
    let request = frame(0x81, br#"{"type":"ListFlows","id":"a","payload":{"limit":1}}"#);
    // 100 kB an answer, until the daemon has enough of it.
    let flood = async { while stuck.write_all(&request).await.is_ok() {} };
    within(flood).await;
    let mut client = daemon.client().await;
    client.send(list_nodes("a")).await.unwrap();
    assert_eq!(receive(&mut client).await["type"], "Reply");
}

#[tokio::test]
async fn a_shutdown_delivers_what_is_in_flight_and_says_goodbye() {
    let (daemon, mut requests) = Daemon::start(NorthboundConfig::default()).await;
    let mut client = daemon.client().await;
    client.send(list_nodes("a")).await.unwrap();
    let request = within(requests.recv()).await.unwrap();
    daemon.shutdown.cancel();
    request.answer.send(answer_to(&Command::ListNodes)).unwrap();
    assert_eq!(receive(&mut client).await["id"], "a");
    assert_eq!(goodbye(&mut client).await, CloseCode::Away);
    drop(client);
    within(daemon.serving).await.unwrap();
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_stuck_peers_or_for_a_stuck_programmer() {
    let config = NorthboundConfig {
        drain_deadline: Duration::from_millis(100),
        close_linger: Duration::from_millis(100),
        ..NorthboundConfig::default()
    };
    let (lines, _guard) = kept();
    let (daemon, mut requests, mut slices) = Daemon::with_slices(config).await;
    let _silent = daemon.socket().await;
    let _deaf = daemon.raw_client().await;
    let mut waiting = daemon.client().await;
    waiting.send(list_nodes("a")).await.unwrap();
    let never_answered = within(requests.recv()).await.unwrap();
    waiting.send(remove_node("b")).await.unwrap();
    let never_removed = within(requests.recv()).await.unwrap();
    waiting.send(install_flows("c", 300)).await.unwrap();
    let never_checked = within(slices.recv()).await.unwrap();
    daemon.shutdown.cancel();
    assert_eq!(goodbye(&mut waiting).await, CloseCode::Away);
    within(daemon.serving).await.unwrap();
    assert_eq!(lines.outcomes(2).await, ["unknown", "unknown"], "each change has its line all the same");
    drop((never_answered, never_removed, never_checked));
}

#[tokio::test]
async fn a_pipelined_client_gets_every_answer_before_the_goodbye_whoever_is_stuck_beside_it() {
    const PIPELINED: u32 = 300;
    let (daemon, mut requests) = Daemon::start(NorthboundConfig::default()).await;
    let _deaf = daemon.raw_client().await;
    let mut client = daemon.client().await;
    for id in 0..PIPELINED {
        client.feed(get_flow(id)).await.unwrap();
    }
    client.flush().await.unwrap();
    let mut in_flight = Vec::new();
    while in_flight.len() < PIPELINED as usize {
        in_flight.push(within(requests.recv()).await.unwrap());
    }
    daemon.shutdown.cancel();
    // None was answered before the shutdown.
    for Request { command, answer, .. } in in_flight {
        answer.send(answer_to(&command)).unwrap();
    }
    let mut answered = std::collections::BTreeSet::new();
    for _ in 0..PIPELINED {
        answered.insert(receive(&mut client).await["id"].as_str().unwrap().to_owned());
    }
    assert_eq!(answered, (0..PIPELINED).map(|id| id.to_string()).collect());
    assert_eq!(goodbye(&mut client).await, CloseCode::Away);
    drop(client);
    within(daemon.serving).await.unwrap();
}
