//! JSON or MessagePack: what is offered, what is agreed to, and that both say the same.

use super::*;
use crate::contract::{Subscribe, Topic};

fn prefers_msgpack() -> Config {
    Config { subprotocol: Subprotocol::MessagePack, ..config() }
}

/// The next attempt is let in, and agrees to this.
async fn agree_to(door: &mut Door, subprotocol: Subprotocol) -> Peer {
    Peer::agree_to(subprotocol, door.pipe().await).await.unwrap()
}

fn offered(peer: &Peer) -> &str {
    peer.headers[header::SEC_WEBSOCKET_PROTOCOL].to_str().unwrap()
}

#[tokio::test(start_paused = true)]
async fn msgpack_is_offered_before_json_and_json_alone_where_nothing_else_is_wanted() {
    let (_client, mut door) = start(prefers_msgpack());
    assert_eq!(offered(&agree_to(&mut door, Subprotocol::MessagePack).await), "flumen.v1.msgpack, flumen.v1.json");
    let (_client, mut door) = start(config());
    assert_eq!(offered(&door.accept().await), "flumen.v1.json");
}

#[tokio::test(start_paused = true)]
async fn a_request_and_its_reply_say_the_same_in_both() {
    for subprotocol in Subprotocol::ALL.iter().copied() {
        let (client, mut door) = start(Config { subprotocol, ..config() });
        let mut peer = agree_to(&mut door, subprotocol).await;
        let asked = client.send(&install(Some("voice-1"))).await.unwrap();
        let request = peer.next().await;
        assert_eq!(serde_json::from_str::<Value>(&asked.text()).unwrap(), request);
        assert_eq!((&request["type"], &request["payload"]["flow_id"]), (&"InstallFlow".into(), &"voice-1".into()));
        let payload = json!({"a": 18_446_744_073_709_551_615_u64, "b": [null, true, -1, "é", 0.5], "c": {}});
        peer.reply(&request, payload.clone()).await;
        assert_eq!(asked.answer().await.unwrap().get(), payload.to_string(), "{subprotocol}");
        assert_eq!(client.subprotocol(), subprotocol);
        let asked = client.send(&get_flow("x")).await.unwrap();
        let request = peer.next().await;
        peer.refuse(&request, "not_found").await;
        assert!(matches!(asked.answer().await, Err(RequestError::Refused(_))));
    }
}

#[tokio::test(start_paused = true)]
async fn events_come_in_both_and_their_text_is_json() {
    for subprotocol in Subprotocol::ALL.iter().copied() {
        let (client, mut door) = start(Config { subprotocol, ..config() });
        let mut events = client.events().unwrap();
        let mut peer = agree_to(&mut door, subprotocol).await;
        let asked = client.send(&Command::Subscribe(Subscribe::to([Topic::Alarms]))).await.unwrap();
        let request = peer.next().await;
        peer.reply(&request, json!({"topics": {"alarms": 0}, "epoch": "one"})).await;
        asked.answer().await.unwrap();
        peer.alarm("one", 1).await;
        let event = events.recv().await.unwrap();
        let text: Value = serde_json::from_str(&event.text).unwrap();
        assert_eq!((event.seq, &text["type"], &text["seq"]), (1, &"Event".into(), &1.into()));
        assert_eq!(text["payload"], json!({"alarm": "drift", "message": "somebody else"}));
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_again_is_written_as_the_next_connection_wants_it() {
    let (client, mut door) = start(prefers_msgpack());
    let mut peer = agree_to(&mut door, Subprotocol::MessagePack).await;
    let subscribed = client.send(&Command::Subscribe(Subscribe::to([Topic::Alarms]))).await.unwrap();
    let request = peer.next().await;
    peer.reply(&request, json!({"topics": {"alarms": 4}, "epoch": "one"})).await;
    subscribed.answer().await.unwrap();
    let asked = client.send(&install(Some("voice-1"))).await.unwrap();
    let first = peer.next().await;
    drop(peer);
    for subprotocol in [Subprotocol::Json, Subprotocol::MessagePack, Subprotocol::Json] {
        let mut peer = agree_to(&mut door, subprotocol).await;
        assert_eq!(peer.next().await["payload"]["from_seq"], json!({"alarms": 5}));
        assert_eq!(peer.next().await, first, "{subprotocol}");
        assert_eq!(client.subprotocol(), subprotocol);
    }
    let mut peer = agree_to(&mut door, Subprotocol::Json).await;
    peer.next().await;
    let again = peer.next().await;
    peer.reply(&again, json!({})).await;
    assert_eq!(asked.answer().await.unwrap().get(), "{}");
}

#[tokio::test(start_paused = true)]
async fn a_frame_of_the_wrong_type_or_that_cannot_be_read_ends_the_connection_for_good() {
    let not_msgpack = b"\xc1".to_vec();
    for (subprotocol, frame) in [
        (Subprotocol::Json, Message::binary(to_msgpack(&json!({})))),
        (Subprotocol::MessagePack, Message::text("{}")),
        (Subprotocol::Json, Message::text("{")),
        (Subprotocol::MessagePack, Message::binary(not_msgpack)),
    ] {
        let (client, mut door) = start(Config { subprotocol, ..config() });
        let mut peer = agree_to(&mut door, subprotocol).await;
        let mut states = client.watch();
        peer.socket.send(frame).await.unwrap();
        while states.next().await.is_some() {}
        assert!(matches!(client.loss(), Some(Lost::Protocol(_))), "{:?}", client.loss());
    }
}
