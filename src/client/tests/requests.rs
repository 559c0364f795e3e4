//! Requests and answers on one connection.

use super::*;
use crate::contract::{ErrorCode, InstallFlows};

#[tokio::test(start_paused = true)]
async fn a_payload_comes_back_byte_for_byte() {
    let (client, _door, mut peer) = connected().await;
    let script = async {
        let request = peer.next().await;
        assert_eq!(request["type"], "GetInfo");
        let text = format!(
            r#"{{"type":"Reply","id":{},"command":"GetInfo","payload":{{ "b": 1.50,  "a":[] }},"timestamp":"2026-11-21T02:30:00Z"}}"#,
            request["id"]
        );
        peer.socket.send(Message::text(text)).await.unwrap();
    };
    let (payload, ()) = tokio::join!(client.request(&Command::GetInfo), script);
    assert_eq!(payload.unwrap().get(), r#"{ "b": 1.50,  "a":[] }"#);
}

#[tokio::test(start_paused = true)]
async fn answers_find_their_requests_in_any_order() {
    let (client, _door, mut peer) = connected().await;
    let [first, second] = [client.send(&get_flow("a")).await.unwrap(), client.send(&get_flow("b")).await.unwrap()];
    let (a, b) = (peer.next().await, peer.next().await);
    peer.reply(&b, json!(2)).await;
    peer.reply(&json!({"id": "nobody", "type": "GetFlow"}), json!(0)).await;
    peer.reply(&json!({"id": "77", "type": "GetFlow"}), json!(0)).await;
    peer.reply(&a, json!(1)).await;
    assert_eq!(first.answer().await.unwrap().get(), "1");
    assert_eq!(second.answer().await.unwrap().get(), "2");
}

#[tokio::test(start_paused = true)]
async fn a_request_shows_the_text_that_was_sent() {
    let (client, _door, mut peer) = connected().await;
    let sent = client.send(&get_flow("voice")).await.unwrap();
    assert_eq!(sent.text(), r#"{"type":"GetFlow","id":"1","payload":{"flow_id":"voice"}}"#);
    assert_eq!(peer.next().await, serde_json::from_str::<Value>(&sent.text()).unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_flow_that_is_given_no_id_gets_one_and_no_other_client_makes_the_same() {
    let (client, _door, mut peer) = connected().await;
    let many = InstallFlows {
        flows: match (install(None), install(Some("mine"))) {
            (Command::InstallFlow(a), Command::InstallFlow(b)) => vec![*a.clone(), *b, *a],
            _ => unreachable!(),
        },
        atomic: Default::default(),
        report: Default::default(),
    };
    let _sent = [
        client.send(&install(None)).await.unwrap(),
        client.send(&install(Some("mine"))).await.unwrap(),
        client.send(&Command::InstallFlows(many)).await.unwrap(),
    ];
    let made = peer.next().await["payload"]["flow_id"].clone();
    assert_eq!(peer.next().await["payload"]["flow_id"], "mine");
    let flows = peer.next().await["payload"]["flows"].clone();
    assert_eq!(flows[1]["flow_id"], "mine");
    let ids = BTreeSet::from([made.as_str(), flows[0]["flow_id"].as_str(), flows[2]["flow_id"].as_str()]);
    assert!(ids.len() == 3 && !ids.contains(&None), "{ids:?}");
    assert_ne!(client.name, connected().await.0.name);
}

#[tokio::test(start_paused = true)]
async fn the_daemons_error_is_the_requests_error() {
    let (client, _door, mut peer) = connected().await;
    let request = client.send(&get_flow("a")).await.unwrap();
    let asked = peer.next().await;
    peer.refuse(&asked, "not_found").await;
    match request.answer().await {
        Err(RequestError::Refused(error)) => assert_eq!(error.code, ErrorCode::NotFound),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_reply_of_another_version_is_told_apart_from_no_reply() {
    let (client, _door, mut peer) = connected().await;
    let script = async {
        let request = peer.next().await;
        peer.reply(&request, json!({"switches": []})).await;
    };
    let (reply, ()) = tokio::join!(client.call(&Command::ListNodes), script);
    assert!(matches!(reply, Err(RequestError::Strange(_))), "{reply:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_not_the_protocol_ends_the_client() {
    for text in ["not json", "{}", r#"{"type":"Reply","id":"1"}"#] {
        let (client, _door, mut peer) = connected().await;
        let request = client.send(&Command::GetInfo).await.unwrap();
        peer.next().await;
        peer.socket.send(Message::text(text)).await.unwrap();
        assert!(matches!(request.answer().await, Err(RequestError::OutcomeUnknown(Lost::Protocol(_)))), "{text}");
        assert!(matches!(client.request(&Command::GetInfo).await, Err(RequestError::NotSent(Lost::Protocol(_)))));
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_travels_as_a_bearer_header() {
    let (_client, _door, peer) = connected_with(Config { token: Some("s3cret".parse().unwrap()), ..config() }).await;
    assert_eq!(peer.headers[header::AUTHORIZATION], "Bearer s3cret");
}

#[tokio::test(start_paused = true)]
async fn closing_sends_what_was_asked_and_says_goodbye() {
    let (client, _door, mut peer) = connected().await;
    let sent = client.send(&get_flow("a")).await.unwrap();
    let script = async {
        peer.next().await;
        loop {
            match peer.socket.next().await {
                Some(Ok(Message::Close(_))) => return true,
                Some(Ok(_)) => {}
                _ => return false,
            }
        }
    };
    let ((), said_goodbye) = tokio::join!(client.close(), script);
    assert!(said_goodbye);
    assert!(matches!(sent.answer().await, Err(RequestError::OutcomeUnknown(Lost::Closed))));
}

#[tokio::test(start_paused = true)]
async fn closing_takes_no_longer_than_it_may_when_the_daemon_is_stuck() {
    let (client, _door, _peer) = connected().await;
    let begun = tokio::time::Instant::now();
    client.close().await;
    assert!(begun.elapsed() <= Duration::from_secs(4), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn no_more_requests_are_in_flight_than_may_be_whoever_forgets_them() {
    let (client, _door, mut peer) = connected().await;
    for _ in 0..IN_FLIGHT_MAX {
        drop(client.send(&Command::GetInfo).await.unwrap());
    }
    let one_more = client.send(&Command::GetInfo);
    tokio::pin!(one_more);
    assert!(tokio::time::timeout(Duration::from_secs(3), &mut one_more).await.is_err());
    let first = peer.next().await;
    peer.reply(&first, json!({})).await;
    one_more.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_request_takes_room_by_its_length_until_it_is_answered() {
    let (client, _door, mut peer) = connected().await;
    let Command::AddNode(node) = add_node("s1") else { unreachable!() };
    let long = AddNode { labels: [("a".to_owned(), "x".repeat(1 << 20))].into(), ..node };
    let asked = client.send(&Command::AddNode(long)).await.unwrap();
    let all = IN_FLIGHT_BYTES_MAX / BYTES_UNIT;
    assert_eq!(client.bytes.available_permits(), all - 1 - (1 << 20) / BYTES_UNIT);
    let request = peer.next().await;
    peer.reply(&request, json!({})).await;
    asked.answer().await.unwrap();
    assert_eq!(client.bytes.available_permits(), all);
}

#[tokio::test(start_paused = true)]
async fn three_thousand_requests_share_one_connection_and_are_counted() {
    let (client, _door, mut peer) = connected().await;
    let script = async {
        for _ in 0..3 * IN_FLIGHT_MAX {
            let request = peer.next().await;
            peer.reply(&request, json!({})).await;
        }
        peer
    };
    let client = Arc::new(client);
    let ask = async {
        let requests = (0..3 * IN_FLIGHT_MAX).map(|_| {
            let client = Arc::clone(&client);
            tokio::spawn(async move { client.request(&Command::GetInfo).await.unwrap() })
        });
        for request in requests.collect::<Vec<_>>() {
            request.await.unwrap();
        }
    };
    tokio::join!(script, ask);
    let counters = client.counters();
    assert_eq!((counters.messages_sent, counters.messages_received, counters.connections), (3072, 3072, 1));
    assert!(counters.bytes_sent > 3072 * 30 && counters.bytes_received > 3072 * 90, "{counters:?}");
}
