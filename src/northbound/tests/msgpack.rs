//! The subprotocol `flumen.v1.msgpack`: binary frames, bigger ones, and the same answers.

use tokio_tungstenite::tungstenite::http::HeaderValue;

use super::*;
use crate::contract::{from_msgpack, to_msgpack};

async fn msgpack_client(daemon: &Daemon) -> Client {
    let mut request = format!("ws://{}/v1/ws", daemon.address).into_client_request().unwrap();
    request.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static("flumen.v1.msgpack"));
    client_async(request, daemon.socket().await).await.unwrap().0
}

fn request(value: Value) -> Message {
    Message::binary(to_msgpack(&value))
}

async fn receive_msgpack(client: &mut Client) -> Value {
    match within(client.next()).await {
        Some(Ok(Message::Binary(bytes))) => from_msgpack(&bytes).unwrap(),
        other => panic!("not a binary frame: {other:?}"),
    }
}

#[tokio::test]
async fn a_wrong_request_in_msgpack_is_answered_and_the_connection_goes_on() {
    let daemon = Daemon::answering(NorthboundConfig::default()).await;
    let mut client = msgpack_client(&daemon).await;
    for (message, id, code, path) in [
        (Message::binary(vec![]), Value::Null, "invalid_json", Value::Null),
        (Message::binary(b"\xc1".to_vec()), Value::Null, "invalid_json", Value::Null),
        (request(serde_json::json!([])), Value::Null, "invalid_request", Value::Null),
        (request(serde_json::json!({"type": "Frobnicate", "id": "a"})), "a".into(), "unknown_command", "type".into()),
        (
            request(serde_json::json!({"type": "GetNode", "id": "a", "payload": {"name": 5}})),
            "a".into(),
            "invalid_request",
            "payload.name".into(),
        ),
        (
            request(serde_json::json!({"type": "GetNode", "id": "a", "payload": {"name": "s1"}})),
            "a".into(),
            "not_found",
            Value::Null,
        ),
    ] {
        client.send(message).await.unwrap();
        let answer = receive_msgpack(&mut client).await;
        assert_eq!((&answer["type"], &answer["id"]), (&"Error".into(), &id), "{answer}");
        assert_eq!((&answer["error"]["code"], &answer["error"]["path"]), (&code.into(), &path), "{answer}");
    }
    client.send(request(serde_json::json!({"type": "ListNodes", "id": "b"}))).await.unwrap();
    let answer = receive_msgpack(&mut client).await;
    assert_eq!((&answer["type"], &answer["id"]), (&"Reply".into(), &"b".into()));
    assert!(answer["timestamp"].as_str().unwrap().ends_with('Z'));
}

#[tokio::test]
async fn a_text_frame_on_msgpack_is_the_wrong_type() {
    let daemon = Daemon::answering(NorthboundConfig::default()).await;
    let mut client = msgpack_client(&daemon).await;
    client.send(list_nodes("a")).await.unwrap();
    assert_eq!(goodbye(&mut client).await, CloseCode::Unsupported);
}

#[tokio::test]
async fn a_message_in_msgpack_may_have_16_mib_and_not_a_byte_more() {
    let daemon = Daemon::answering(NorthboundConfig::default()).await;
    let padded = |bytes: usize| {
        let message = |padding: usize| {
            let payload = serde_json::json!({"name": "x".repeat(padding)});
            to_msgpack(&serde_json::json!({"type": "GetNode", "id": "a", "payload": payload}))
        };
        let around = message(1 << 20).len() - (1 << 20);
        Message::binary(message(bytes - around))
    };
    let mut client = msgpack_client(&daemon).await;
    client.send(padded(16 << 20)).await.unwrap();
    assert_eq!(receive_msgpack(&mut client).await["error"]["path"], "payload.name");
    client.send(padded((16 << 20) + 1)).await.unwrap();
    assert_eq!(goodbye(&mut client).await, CloseCode::Size);
}

#[tokio::test]
async fn events_come_in_the_subprotocol_of_each_subscriber_and_say_the_same() {
    let daemon = super::events::daemon(NorthboundConfig::default(), 0).await;
    let subscribe = serde_json::json!({"type": "Subscribe", "id": "a", "payload": {"topics": ["alarms"]}});
    let (mut text, mut binary) = (daemon.client().await, msgpack_client(&daemon).await);
    text.send(Message::text(subscribe.to_string())).await.unwrap();
    binary.send(request(subscribe)).await.unwrap();
    assert_eq!(receive(&mut text).await["command"], "Subscribe");
    assert_eq!(receive_msgpack(&mut binary).await["command"], "Subscribe");
    daemon.told.send(super::events::alarm(1, "é")).await.unwrap();
    let event = receive(&mut text).await;
    assert_eq!((&event["topic"], &event["seq"]), (&"alarms".into(), &1.into()));
    assert_eq!(receive_msgpack(&mut binary).await, event);
}
