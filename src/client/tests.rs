//! The client against a scripted daemon.

use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};

use super::*;
use crate::contract::{ErrorCode, GetFlow};

async fn listen() -> (TcpListener, Url) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap()).parse().unwrap();
    (listener, url)
}

/// The daemon's end of one connection, and what the upgrade request carried as `Authorization`.
async fn accept(listener: TcpListener) -> (WebSocketStream<TcpStream>, Option<HeaderValue>) {
    let (socket, _) = listener.accept().await.unwrap();
    let mut authorization = None;
    #[expect(clippy::result_large_err, reason = "the signature is the WebSocket engine's")]
    let socket = accept_hdr_async(socket, |request: &Request, mut response: Response| {
        assert_eq!(request.headers()[header::SEC_WEBSOCKET_PROTOCOL], SUBPROTOCOL);
        authorization = request.headers().get(header::AUTHORIZATION).cloned();
        response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
        Ok::<_, ErrorResponse>(response)
    })
    .await
    .unwrap();
    (socket, authorization)
}

async fn pair() -> (Client, WebSocketStream<TcpStream>) {
    let (listener, url) = listen().await;
    let (client, (daemon, _)) = tokio::join!(Client::connect(&url, None), accept(listener));
    (client.unwrap(), daemon)
}

/// The id and the type of the next request.
async fn next(daemon: &mut WebSocketStream<TcpStream>) -> (String, String) {
    let text = daemon.next().await.unwrap().unwrap().into_text().unwrap();
    let request: serde_json::Value = serde_json::from_str(&text).unwrap();
    (request["id"].as_str().unwrap().to_owned(), request["type"].as_str().unwrap().to_owned())
}

async fn reply(daemon: &mut WebSocketStream<TcpStream>, id: &str, payload: &str) {
    let text = format!(
        r#"{{"type":"Reply","id":"{id}","command":"GetInfo","payload":{payload},"timestamp":"2026-11-21T02:30:00.123456Z"}}"#
    );
    daemon.send(Message::text(text)).await.unwrap();
}

fn get_flow(flow_id: &str) -> Command {
    Command::GetFlow(GetFlow { flow_id: flow_id.parse().unwrap() })
}

#[tokio::test]
async fn a_payload_comes_back_byte_for_byte() {
    let (client, mut daemon) = pair().await;
    let scripted = async {
        let (id, command) = next(&mut daemon).await;
        assert_eq!(command, "GetInfo");
        reply(&mut daemon, &id, r#"{ "b": 1.50,  "a":[] }"#).await;
    };
    let (payload, ()) = tokio::join!(client.request(&Command::GetInfo), scripted);
    assert_eq!(payload.unwrap().get(), r#"{ "b": 1.50,  "a":[] }"#);
}

#[tokio::test]
async fn answers_find_their_requests_in_any_order() {
    let (client, mut daemon) = pair().await;
    let first = client.send(&get_flow("a")).await.unwrap();
    let second = client.send(&get_flow("b")).await.unwrap();
    let (first_id, _) = next(&mut daemon).await;
    let (second_id, _) = next(&mut daemon).await;
    reply(&mut daemon, &second_id, "2").await;
    reply(&mut daemon, "nobody", "0").await;
    reply(&mut daemon, &first_id, "1").await;
    assert_eq!(first.answer().await.unwrap().get(), "1");
    assert_eq!(second.answer().await.unwrap().get(), "2");
}

#[tokio::test]
async fn a_request_shows_the_text_that_was_sent() {
    let (client, mut daemon) = pair().await;
    let sent = client.send(&get_flow("voice")).await.unwrap();
    let received = daemon.next().await.unwrap().unwrap().into_text().unwrap();
    assert_eq!(sent.text(), received.as_str());
    assert_eq!(sent.text(), r#"{"type":"GetFlow","id":"1","payload":{"flow_id":"voice"}}"#);
}

#[tokio::test]
async fn the_daemons_error_is_the_requests_error() {
    let (client, mut daemon) = pair().await;
    let request = client.send(&get_flow("a")).await.unwrap();
    let (id, _) = next(&mut daemon).await;
    let error = r#""error":{"code":"not_found","message":"there is no flow \"a\"","path":"payload.flow_id"}"#;
    let text = format!(r#"{{"type":"Error","id":"{id}",{error},"timestamp":"2026-11-21T02:30:00.123456Z"}}"#);
    daemon.send(Message::text(text)).await.unwrap();
    match request.answer().await {
        Err(RequestError::Refused(error)) => assert_eq!(error.code, ErrorCode::NotFound),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_close_of_the_daemon_fails_what_waits_with_its_reason() {
    let (client, mut daemon) = pair().await;
    let request = client.send(&Command::GetInfo).await.unwrap();
    let frame = CloseFrame { code: CloseCode::Away, reason: "shutting down".into() };
    daemon.close(Some(frame)).await.unwrap();
    let goodbye = Lost::ByDaemon { code: 1001, reason: "shutting down".to_owned() };
    match request.answer().await {
        Err(RequestError::Lost(lost)) => assert_eq!(lost, goodbye),
        other => panic!("{other:?}"),
    }
    // Whoever asks after the end is told the same.
    match client.request(&Command::GetInfo).await {
        Err(RequestError::Lost(lost)) => assert_eq!(lost, goodbye),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_connection_that_breaks_fails_what_waits() {
    let (client, daemon) = pair().await;
    let request = client.send(&Command::GetInfo).await.unwrap();
    drop(daemon);
    assert!(matches!(request.answer().await, Err(RequestError::Lost(Lost::Broken(_)))));
}

#[tokio::test]
async fn what_is_not_the_protocol_ends_the_connection() {
    for text in ["not json", "{}", r#"{"type":"Reply","id":"1"}"#] {
        let (client, mut daemon) = pair().await;
        let request = client.send(&Command::GetInfo).await.unwrap();
        daemon.send(Message::text(text)).await.unwrap();
        assert!(matches!(request.answer().await, Err(RequestError::Lost(Lost::Protocol(_)))), "{text}");
    }
}

#[tokio::test]
async fn a_token_travels_as_a_bearer_header() {
    let (listener, url) = listen().await;
    let token: Token = "s3cret".parse().unwrap();
    let (client, (_daemon, authorization)) = tokio::join!(Client::connect(&url, Some(&token)), accept(listener));
    client.unwrap();
    assert_eq!(authorization.unwrap(), "Bearer s3cret");
}

#[tokio::test]
async fn closing_says_goodbye() {
    let (client, mut daemon) = pair().await;
    let scripted =
        async { matches!(daemon.next().await, Some(Ok(Message::Close(_)))) && daemon.next().await.is_none() };
    let ((), said_goodbye) = tokio::join!(client.close(), scripted);
    assert!(said_goodbye);
}

#[tokio::test]
async fn a_thousand_requests_share_one_connection() {
    let (client, mut daemon) = pair().await;
    let scripted = async {
        for _ in 0..3 * IN_FLIGHT_MAX {
            let (id, _) = next(&mut daemon).await;
            reply(&mut daemon, &id, &id).await;
        }
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
    tokio::join!(scripted, ask);
}

#[tokio::test]
async fn an_address_where_nothing_listens_says_so() {
    let (listener, url) = listen().await;
    drop(listener);
    assert!(matches!(Client::connect(&url, None).await, Err(ConnectError::Tcp(_))));
}

#[tokio::test]
async fn a_server_that_is_no_daemon_is_told_apart() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    for (answer, is_refusal) in [
        (&b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n"[..], Some(true)),
        (b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", Some(false)),
        (b"\x04\x00\x00\x08\x00\x00\x00\x01", None),
    ] {
        let (listener, url) = listen().await;
        let server = async {
            let (mut socket, _) = listener.accept().await.unwrap();
            let _ = socket.read(&mut [0; 1024]).await.unwrap();
            socket.write_all(answer).await.unwrap();
        };
        let (client, ()) = tokio::join!(Client::connect(&url, None), server);
        let error = client.unwrap_err();
        assert!(matches!(error, ConnectError::Http(_)) == is_refusal.is_some(), "{error}");
        assert_eq!(error.is_refusal(), is_refusal.unwrap_or_default(), "{error}");
    }
}
