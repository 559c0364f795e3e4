//! Requests and answers: one for each, in any order, as many in flight as are allowed.

use std::collections::BTreeMap;

use tokio::net::TcpSocket;

use super::*;
use crate::contract::FlowState;
use crate::programmer::Checked;

#[tokio::test]
async fn a_wrong_request_is_answered_and_the_connection_goes_on() {
    let daemon = Daemon::answering(NorthboundConfig::default()).await;
    let mut client = daemon.client().await;
    for (text, code) in [
        ("", "invalid_json"),
        ("{", "invalid_json"),
        ("[]", "invalid_request"),
        (r#"{"type":"Frobnicate","id":"a"}"#, "unknown_command"),
        (r#"{"type":"GetNode","id":"a","payload":{"name":5}}"#, "invalid_request"),
        (r#"{"type":"GetNode","id":"a","payload":{"name":"s1"}}"#, "not_found"),
    ] {
        client.send(Message::text(text)).await.unwrap();
        let answer = receive(&mut client).await;
        assert_eq!((&answer["type"], &answer["error"]["code"]), (&"Error".into(), &code.into()), "{text}: {answer}");
    }
    client.send(list_nodes("b")).await.unwrap();
    let answer = receive(&mut client).await;
    assert_eq!(
        (&answer["type"], &answer["id"], &answer["command"]),
        (&"Reply".into(), &"b".into(), &"ListNodes".into())
    );
    assert!(answer["timestamp"].as_str().unwrap().ends_with('Z'));
}

#[tokio::test]
async fn an_id_in_flight_is_a_conflict_and_is_free_after_its_answer() {
    let (daemon, mut requests) = Daemon::start(NorthboundConfig::default()).await;
    let mut client = daemon.client().await;
    client.send(list_nodes("a")).await.unwrap();
    let first = within(requests.recv()).await.unwrap();
    client.send(list_nodes("a")).await.unwrap();
    let conflict = receive(&mut client).await;
    assert_eq!((&conflict["id"], &conflict["error"]["code"]), (&"a".into(), &"conflict".into()));
    let mut other = daemon.client().await;
    other.send(list_nodes("a")).await.unwrap();
    within(requests.recv()).await.unwrap().answer.send(answer_to(&Command::ListNodes)).unwrap();
    assert_eq!(receive(&mut other).await["type"], "Reply");
    first.answer.send(answer_to(&Command::ListNodes)).unwrap();
    assert_eq!(receive(&mut client).await["type"], "Reply");
    client.send(list_nodes("a")).await.unwrap();
    within(requests.recv()).await.unwrap().answer.send(answer_to(&Command::ListNodes)).unwrap();
    assert_eq!(receive(&mut client).await["type"], "Reply");
}

#[tokio::test]
async fn answers_come_as_they_are_ready_and_each_request_gets_exactly_one() {
    const COUNT: u32 = 1000;
    let (daemon, mut requests) = Daemon::start(NorthboundConfig::default()).await;
    let (mut sink, mut stream) = daemon.client().await.split();
    let sending = tokio::spawn(async move {
        for id in 0..COUNT {
            sink.feed(get_flow(id)).await.unwrap();
        }
        sink.flush().await.unwrap();
        sink
    });
    let mut waiting = Vec::new();
    for _ in 0..COUNT {
        waiting.push(within(requests.recv()).await.unwrap());
    }
    for request in waiting.into_iter().rev() {
        request.answer.send(Err(ErrorBody::new(ErrorCode::NotFound, "no"))).unwrap();
    }
    let _sink = sending.await.unwrap();
    let mut answered = std::collections::HashSet::new();
    let mut last = Value::Null;
    for _ in 0..COUNT {
        let Some(Ok(Message::Text(text))) = within(stream.next()).await else { panic!("no answer") };
        let answer: Value = serde_json::from_str(&text).unwrap();
        assert!(answered.insert(answer["id"].to_string()));
        last = answer["id"].clone();
    }
    assert_eq!(answered.len(), COUNT as usize);
    assert_ne!(last, "999");
}

#[tokio::test]
async fn a_client_that_writes_ten_thousand_requests_before_it_reads_is_answered() {
    const COUNT: u32 = 10_000;
    let daemon = Daemon::answering(NorthboundConfig::default()).await;
    let mut client = daemon.client().await;
    for id in 0..COUNT {
        within(client.feed(get_flow(id))).await.unwrap();
    }
    within(client.flush()).await.unwrap();
    for _ in 0..COUNT {
        assert_eq!(receive(&mut client).await["error"]["code"], "not_found");
    }
}

#[tokio::test]
async fn no_more_is_read_than_may_be_in_flight() {
    let config = NorthboundConfig { requests_in_flight: 4, ..NorthboundConfig::default() };
    let (daemon, mut requests) = Daemon::start(config).await;
    let mut client = daemon.client().await;
    for id in 0..6 {
        client.send(get_flow(id)).await.unwrap();
    }
    let mut waiting = Vec::new();
    for _ in 0..4 {
        waiting.push(within(requests.recv()).await.unwrap());
    }
    tokio::task::yield_now().await;
    assert!(requests.is_empty());
    let answer = || Err(ErrorBody::new(ErrorCode::NotFound, "no"));
    waiting.pop().unwrap().answer.send(answer()).unwrap();
    receive(&mut client).await;
    waiting.push(within(requests.recv()).await.unwrap());
    // A page of flows weighs as much as the whole allowance, so it waits until it is alone.
    for request in waiting {
        request.answer.send(answer()).unwrap();
        receive(&mut client).await;
    }
    let last = within(requests.recv()).await.unwrap();
    client.send(Message::text(r#"{"type":"ListFlows","id":"list","payload":{"limit":10000}}"#)).await.unwrap();
    let early = timeout(Duration::from_millis(200), requests.recv()).await;
    assert!(early.is_err(), "it is not alone yet");
    last.answer.send(answer()).unwrap();
    let list = within(requests.recv()).await.unwrap();
    assert_eq!(list.command.name(), "ListFlows");
}

/// Says yes to all of a large batch.
async fn install(slices: &mut mpsc::Receiver<Slice>, count: usize) {
    let mut installed = 0;
    while installed < count {
        match within(slices.recv()).await.unwrap() {
            Slice::Check(part, answer) => answer.send(Ok(Checked::untested(part))).unwrap(),
            Slice::Install(part, _, answer, _) => {
                installed += part.len();
                let summary = BTreeMap::from([(FlowState::Applied, part.len() as u64)]);
                answer.send(Ok(Reply::FlowsInstalled { flows: Vec::new(), summary, left_out: 0 })).unwrap();
            }
        }
    }
}

#[tokio::test]
async fn w15_batches_whose_clients_have_gone_take_no_more_room_than_there_is_and_hold_up_nothing_else() {
    let config = NorthboundConfig { batch_flows: 600, ..NorthboundConfig::default() };
    let (daemon, mut requests, mut slices) = Daemon::with_slices(config).await;
    for _ in 0..5 {
        let mut client = daemon.client().await;
        client.send(install_flows("a", 300)).await.unwrap();
        client.send(list_nodes("b")).await.unwrap();
    }
    let mut client = daemon.client().await;
    client.send(list_nodes("a")).await.unwrap();
    // Those of the two whose batches have begun, and the last.
    for _ in 0..3 {
        drop(within(requests.recv()).await.unwrap().answer.send(answer_to(&Command::ListNodes)));
    }
    assert_eq!(receive(&mut client).await["id"], "a", "nobody else waits");
    assert!(timeout(Duration::from_millis(200), requests.recv()).await.is_err(), "there is no room for the third");
    install(&mut slices, 5 * 300).await;
    client.send(install_flows("b", 1_000)).await.unwrap();
    install(&mut slices, 1_000).await;
    let summary = &receive(&mut client).await["payload"]["summary"];
    assert_eq!(summary, &serde_json::json!({"applied": 1_000}), "a batch that is alone is never too big");
}

#[tokio::test]
async fn an_answer_that_is_too_big_to_send_is_replaced_by_an_error() {
    let daemon = Daemon::answering(NorthboundConfig { outbound_bytes: 50_000, ..NorthboundConfig::default() }).await;
    let mut client = daemon.client().await;
    client.send(Message::text(r#"{"type":"ListFlows","id":"a"}"#)).await.unwrap();
    let answer = receive(&mut client).await;
    assert_eq!((&answer["id"], &answer["error"]["code"]), (&"a".into(), &"too_large".into()));
}

#[tokio::test]
async fn without_a_programmer_a_request_is_answered_unavailable() {
    let (daemon, mut requests) = Daemon::start(NorthboundConfig::default()).await;
    let mut client = daemon.client().await;
    client.send(list_nodes("a")).await.unwrap();
    drop(within(requests.recv()).await.unwrap());
    assert_eq!(receive(&mut client).await["error"]["code"], "unavailable");
    drop(requests);
    client.send(list_nodes("a")).await.unwrap();
    assert_eq!(receive(&mut client).await["error"]["code"], "unavailable");
}

#[tokio::test]
async fn a_client_that_takes_no_answers_is_not_read_from_beyond_the_outbound_limit() {
    let config = NorthboundConfig { outbound_bytes: 200_000, ..NorthboundConfig::default() };
    let (daemon, mut requests) = Daemon::start(config).await;
    let (answered, mut count) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some(Request { command, answer, .. }) = requests.recv().await {
            let _ = answer.send(answer_to(&command));
            let _ = answered.send(());
        }
    });
    const COUNT: usize = 400;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(64 << 10).unwrap();
    let socket = socket.connect(daemon.address).await.unwrap();
    let (client, _) = client_async(format!("ws://{}/v1/ws", daemon.address), socket).await.unwrap();
    let (mut sink, mut stream) = client.split();
    let sending = tokio::spawn(async move {
        for id in 0..COUNT {
            let list = format!(r#"{{"type":"ListFlows","id":"{id}","payload":{{"limit":1}}}}"#);
            sink.feed(Message::text(list)).await.unwrap();
        }
        sink.flush().await.unwrap();
        sink
    });
    // 400 answers are 40 MB: far more than the sockets and the limit hold together.
    let mut held = 0;
    while timeout(Duration::from_millis(200), count.recv()).await.is_ok() {
        held += 1;
    }
    assert!(held < COUNT / 2, "{held} answers were made for a client that takes none");
    for _ in 0..COUNT {
        assert!(matches!(within(stream.next()).await, Some(Ok(Message::Text(_)))));
    }
    drop(sending.await.unwrap());
}

#[tokio::test]
async fn a_batch_whose_answer_could_never_be_sent_does_not_reach_the_programmer() {
    let config = NorthboundConfig { outbound_bytes: 2_000, ..NorthboundConfig::default() };
    let (daemon, mut requests) = Daemon::start(config).await;
    let mut client = daemon.client().await;
    let install = |id: &str, report: &str| {
        let flow = serde_json::json!({"source": "any", "destination": "any", "traffic_type": "voice"});
        let payload = serde_json::json!({"flows": vec![flow; 20], "report": report});
        Message::text(serde_json::json!({"type": "InstallFlows", "id": id, "payload": payload}).to_string())
    };
    client.send(install("a", "all")).await.unwrap();
    let answer = receive(&mut client).await;
    assert_eq!((&answer["id"], &answer["error"]["code"]), (&"a".into(), &"too_large".into()));
    assert_eq!(answer["error"]["path"], "payload.flows");
    client.send(install("a", "problems")).await.unwrap();
    let Request { command, answer, .. } = within(requests.recv()).await.unwrap();
    let Command::InstallFlows(request) = &command else { panic!("{command:?}") };
    assert_eq!(request.report, crate::contract::Report::Problems, "and nothing before it");
    let summary = BTreeMap::from([(FlowState::Applied, 20)]);
    answer.send(Ok(Reply::FlowsInstalled { flows: Vec::new(), summary, left_out: 0 })).unwrap();
    assert_eq!(receive(&mut client).await["payload"]["summary"], serde_json::json!({"applied": 20}));
}
