//! The front end over loopback, with a programmer that the tests play themselves.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::{WebSocketStream, client_async};

use super::*;
use crate::contract::{Command, ErrorBody, ErrorCode, Reply};
use crate::programmer::Request;

type Client = WebSocketStream<TcpStream>;

/// Longer than anything here takes, so that a test that waits for ever fails.
const PATIENCE: Duration = Duration::from_secs(20);

struct Daemon {
    address: SocketAddr,
    shutdown: CancellationToken,
    serving: JoinHandle<()>,
}

impl Daemon {
    /// A daemon whose programmer is the receiver.
    async fn start(config: NorthboundConfig) -> (Self, mpsc::Receiver<Request>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (inbox, requests) = mpsc::channel(64);
        let shutdown = CancellationToken::new();
        let serving = tokio::spawn(serve(listener, Programmer::new(inbox), config, shutdown.clone()));
        (Self { address, shutdown, serving }, requests)
    }

    /// A daemon whose programmer answers every command at once.
    async fn answering(config: NorthboundConfig) -> Self {
        let (daemon, mut requests) = Self::start(config).await;
        tokio::spawn(async move {
            while let Some(Request { command, answer }) = requests.recv().await {
                let _ = answer.send(answer_to(&command));
            }
        });
        daemon
    }

    async fn socket(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn client(&self) -> Client {
        client_async(format!("ws://{}/v1/ws", self.address), self.socket().await).await.unwrap().0
    }

    /// A socket behind a handshake, to write frames by hand.
    async fn raw_client(&self) -> TcpStream {
        let mut socket = self.socket().await;
        socket.write_all(handshake("").as_bytes()).await.unwrap();
        let mut response = Vec::new();
        while !response.ends_with(b"\r\n\r\n") {
            response.push(within(socket.read_u8()).await.unwrap());
        }
        assert!(response.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&response));
        socket
    }

    /// The whole response to some bytes.
    async fn http(&self, request: &str) -> String {
        let mut socket = self.socket().await;
        socket.write_all(request.as_bytes()).await.unwrap();
        read_to_end(&mut socket).await
    }

    async fn get(&self, path: &str) -> String {
        self.http(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")).await
    }
}

fn answer_to(command: &Command) -> Result<Reply, ErrorBody> {
    match command {
        Command::ListNodes => Ok(Reply::Nodes { nodes: Vec::new() }),
        Command::ListFlows(_) => Ok(Reply::Flows { flows: Vec::new(), next_cursor: Some("x".repeat(100_000)) }),
        _ => Err(ErrorBody::new(ErrorCode::NotFound, "there is nothing")),
    }
}

async fn within<F: Future>(future: F) -> F::Output {
    timeout(PATIENCE, future).await.expect("it took too long")
}

async fn read_to_end(socket: &mut TcpStream) -> String {
    let mut response = Vec::new();
    // A reset after the last byte is as good an end as any.
    let _ = within(socket.read_to_end(&mut response)).await;
    String::from_utf8_lossy(&response).into_owned()
}

fn handshake(headers: &str) -> String {
    format!(
        "GET /v1/ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
    )
}

fn list_nodes(id: &str) -> Message {
    Message::text(format!(r#"{{"type":"ListNodes","id":"{id}"}}"#))
}

fn get_flow(id: u32) -> Message {
    Message::text(format!(r#"{{"type":"GetFlow","id":"{id}","payload":{{"flow_id":"f{id}"}}}}"#))
}

async fn receive(client: &mut Client) -> Value {
    loop {
        match within(client.next()).await {
            Some(Ok(Message::Text(text))) => return serde_json::from_str(&text).unwrap(),
            Some(Ok(Message::Ping(_))) => {}
            other => panic!("not a text frame: {other:?}"),
        }
    }
}

/// What the daemon says goodbye with, and that the stream ends behind it.
async fn goodbye(client: &mut Client) -> CloseCode {
    let code = loop {
        match within(client.next()).await {
            Some(Ok(Message::Close(Some(CloseFrame { code, .. })))) => break code,
            Some(Ok(Message::Ping(_) | Message::Text(_))) => {}
            other => panic!("not a Close: {other:?}"),
        }
    };
    assert!(within(client.next()).await.is_none());
    code
}

/// A frame of a client, masked with zeros.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first, 0x80 | 126];
    frame.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

/// The code of the Close that answers some bytes, behind which the connection ends.
async fn close_code_after(daemon: &Daemon, bytes: &[u8]) -> u16 {
    let mut socket = daemon.raw_client().await;
    socket.write_all(bytes).await.unwrap();
    let mut frame = Vec::new();
    within(socket.read_to_end(&mut frame)).await.unwrap();
    assert_eq!(frame[0], 0x88, "a Close: {frame:x?}");
    u16::from_be_bytes([frame[2], frame[3]])
}

#[tokio::test]
async fn the_subprotocol_is_ours_by_default_and_named_only_when_offered() {
    let daemon = Daemon::answering(NorthboundConfig::default()).await;
    for (offer, chosen) in [
        ("", Some(None)),
        ("Sec-WebSocket-Protocol: flumen.v1.json\r\n", Some(Some("flumen.v1.json"))),
        ("Sec-WebSocket-Protocol: chat, flumen.v1.json\r\n", Some(Some("flumen.v1.json"))),
        ("Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Protocol: flumen.v1.json\r\n", Some(Some("flumen.v1.json"))),
        ("Sec-WebSocket-Protocol: flumen.v1.msgpack, flumen.v1.json\r\n", Some(Some("flumen.v1.json"))),
        ("Sec-WebSocket-Protocol: flumen.v1.msgpack\r\n", None),
        ("Sec-WebSocket-Protocol: chat\r\n", None),
        ("Sec-WebSocket-Protocol: flumen.v1.jsonx\r\n", None),
        ("Sec-WebSocket-Protocol: FLUMEN.V1.JSON\r\n", None),
        ("Sec-WebSocket-Protocol:\r\n", None),
    ] {
        let mut socket = daemon.socket().await;
        socket.write_all(handshake(offer).as_bytes()).await.unwrap();
        socket.shutdown().await.unwrap();
        let response = read_to_end(&mut socket).await.to_ascii_lowercase();
        let named = response.lines().find_map(|line| line.strip_prefix("sec-websocket-protocol: "));
        match chosen {
            Some(chosen) => {
                assert!(response.starts_with("http/1.1 101 "), "{offer}: {response}");
                assert_eq!(named, chosen, "{offer}");
            }
            None => {
                assert!(response.starts_with("http/1.1 400 ") && named.is_none(), "{offer}: {response}");
                assert!(response.contains("the only subprotocol here is flumen.v1.json"), "{response}");
            }
        }
    }
}

#[tokio::test]
async fn the_handshake_computes_the_rfcs_own_key_and_never_compresses() {
    let daemon = Daemon::answering(NorthboundConfig::default()).await;
    let mut socket = daemon.socket().await;
    let offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";
    socket.write_all(handshake(offer).as_bytes()).await.unwrap();
    socket.shutdown().await.unwrap();
    let response = read_to_end(&mut socket).await.to_ascii_lowercase();
    assert!(response.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=\r\n"), "{response}");
    assert!(response.contains("connection: upgrade\r\n"), "{response}");
    assert!(!response.contains("sec-websocket-extensions"), "{response}");
}

#[tokio::test]
async fn each_request_that_cannot_be_served_is_told_why() {
    let daemon = Daemon::answering(NorthboundConfig {
        origins: vec!["https://noc.example.net".into()],
        ..NorthboundConfig::default()
    })
    .await;
    let upgrade = |from: &str, to: &str| handshake("").replace(from, to);
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    for (request, status, piece) in [
        (get("/"), 404, "/v1/ws, /healthz, /readyz and /metrics"),
        (get("/v1/ws/"), 404, "/v1/ws"),
        (get("/v2/ws"), 404, "/v1/ws"),
        (get("/healthz/"), 404, "/healthz"),
        ("POST /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n".to_owned(), 405, "allow: GET, HEAD"),
        ("DELETE /v1/ws HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(), 405, "allow: GET\r\n"),
        ("HEAD /v1/ws HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(), 405, "allow: GET\r\n"),
        (get("/v1/ws"), 426, "connect to it with ws://"),
        (upgrade("Upgrade: websocket", "Upgrade: h2c"), 426, "upgrade: websocket"),
        (upgrade("Version: 13", "Version: 8"), 426, "sec-websocket-version: 13"),
        (upgrade("dGhlIHNhbXBsZSBub25jZQ==", "short"), 400, "16 bytes in base64"),
        (upgrade("HTTP/1.1", "HTTP/1.0"), 400, "needs HTTP/1.1"),
        (handshake("Content-Length: 5\r\n") + "hello", 400, "no body"),
        (handshake("Transfer-Encoding: chunked\r\n") + "0\r\n\r\n", 400, "no body"),
        (handshake("Origin: https://evil.com\r\n"), 403, "may not connect"),
        (handshake("Origin: null\r\n"), 403, "may not connect"),
        (handshake("Origin: http://127.0.0.1.evil.com\r\n"), 403, "may not connect"),
        (handshake("Origin: https://noc.example.net\r\nOrigin: https://noc.example.net\r\n"), 403, "may not connect"),
        (upgrade("Host: localhost", "Host: evil.com"), 400, "its name is localhost"),
        (upgrade("Host: localhost\r\n", ""), 400, "exactly one Host"),
        (handshake("Host: localhost\r\n"), 400, "exactly one Host"),
        (handshake(&"X-Filler: x\r\n".repeat(101)), 431, ""),
        (handshake(&format!("X-Filler: {}\r\n", "x".repeat(9000))), 431, ""),
        ("nonsense\r\n\r\n".to_owned(), 400, ""),
        (upgrade("Host: localhost", "Host : localhost"), 400, ""),
    ] {
        let response = daemon.http(&request).await;
        assert!(
            response.starts_with(&format!("HTTP/1.1 {status} "))
                || response.starts_with(&format!("HTTP/1.0 {status} ")),
            "{request}: {response}"
        );
        assert!(response.contains(piece), "{request}: {response}");
    }
}

#[tokio::test]
async fn a_page_of_the_daemons_own_address_may_connect() {
    let daemon = Daemon::answering(NorthboundConfig::default()).await;
    let mut request = format!("ws://{}/v1/ws", daemon.address).into_client_request().unwrap();
    let own = format!("http://localhost:{}", daemon.address.port());
    request.headers_mut().insert("Origin", own.parse().unwrap());
    let (mut client, _) = client_async(request, daemon.socket().await).await.unwrap();
    client.send(list_nodes("a")).await.unwrap();
    assert_eq!(receive(&mut client).await["type"], "Reply");
}

#[tokio::test]
async fn health_readiness_and_metrics_are_served_beside() {
    let (daemon, mut requests) = Daemon::start(NorthboundConfig::default()).await;
    assert!(daemon.get("/healthz").await.contains("200 OK"));
    let programmer = tokio::spawn(async move {
        while let Some(Request { command, answer }) = requests.recv().await {
            let _ = match command {
                Command::GetInfo => answer.send(Ok(Reply::Nodes { nodes: Vec::new() })),
                command => answer.send(answer_to(&command)),
            };
        }
    });
    assert!(daemon.get("/readyz").await.contains("200 OK"));
    let mut client = daemon.client().await;
    client.send(list_nodes("a")).await.unwrap();
    receive(&mut client).await;
    client.send(Message::text("{")).await.unwrap();
    receive(&mut client).await;
    let metrics = daemon.get("/metrics").await;
    for line in [
        "content-type: text/plain; version=0.0.4; charset=utf-8\r\n",
        "# TYPE flumen_connections gauge\nflumen_connections 2\n",
        "\nflumen_websockets_total 1\n",
        "\nflumen_requests_total{command=\"ListNodes\",outcome=\"ok\"} 1\n",
        "\nflumen_requests_total{command=\"none\",outcome=\"invalid_json\"} 1\n",
        "\nflumen_nodes{state=\"connected\"} 0\n",
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
    programmer.abort();
    let _ = programmer.await;
    assert!(daemon.get("/readyz").await.contains("503 "));
    assert!(daemon.get("/healthz").await.contains("200 OK"));
}

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
    }
    client.send(Message::text(r#"{"type":"ListFlows","id":"list","payload":{"limit":10000}}"#)).await.unwrap();
    within(requests.recv()).await.unwrap().answer.send(answer()).unwrap();
    let list = within(requests.recv()).await.unwrap();
    assert_eq!(list.command.name(), "ListFlows");
}

#[tokio::test]
async fn each_violation_is_closed_with_its_code() {
    let daemon = Daemon::answering(NorthboundConfig::default()).await;
    for (what, bytes, code) in [
        ("a binary frame", frame(0x82, b"{}"), 1003),
        ("text that is not UTF-8", frame(0x81, b"\xff\xfe"), 1007),
        ("a surrogate in UTF-8", frame(0x81, b"\xed\xa0\x80"), 1007),
        ("an unmasked frame", vec![0x81, 0x02, b'{', b'}'], 1002),
        ("a reserved bit", frame(0xc1, b"{}"), 1002),
        ("a reserved opcode", frame(0x83, b"{}"), 1002),
        ("a reserved control opcode", frame(0x8b, b"{}"), 1002),
        ("a continuation of nothing", frame(0x80, b"{}"), 1002),
        ("a new message inside another", [frame(0x01, b"{"), frame(0x81, b"}")].concat(), 1002),
        ("a ping in fragments", frame(0x09, b"x"), 1002),
        ("a ping of 126 bytes", frame(0x89, &[b'x'; 126]), 1002),
        ("a Close of one byte", vec![0x88, 0x81, 0, 0, 0, 0, 3], 1002),
        ("a Close with a code that is not sent", vec![0x88, 0x82, 0, 0, 0, 0, 0x03, 0xed], 1002),
        ("a frame of 1 MiB and a byte", vec![0x81, 0xff, 0, 0, 0, 0, 0, 0x10, 0, 1, 0, 0, 0, 0], 1009),
        ("a frame of 2^63 bytes", vec![0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], 1009),
        (
            "fragments of 1 MiB and more",
            [frame(0x01, &[b' '; 60_000]), frame(0x00, &[b' '; 60_000]).repeat(17)].concat(),
            1009,
        ),
    ] {
        assert_eq!(close_code_after(&daemon, &bytes).await, code, "{what}");
    }
}

#[tokio::test]
async fn a_message_of_exactly_the_limit_is_answered_and_one_byte_more_is_too_big() {
    let daemon = Daemon::answering(NorthboundConfig::default()).await;
    let request = r#"{"type":"ListNodes","id":"a"}"#;
    let padded = |length: usize| Message::text(format!("{request}{}", " ".repeat(length - request.len())));
    let mut client = daemon.client().await;
    client.send(padded(1 << 20)).await.unwrap();
    assert_eq!(receive(&mut client).await["type"], "Reply");
    client.send(padded((1 << 20) + 1)).await.unwrap();
    assert_eq!(goodbye(&mut client).await, CloseCode::Size);
}

#[tokio::test]
async fn a_ping_is_answered_between_the_fragments_of_a_message() {
    let daemon = Daemon::answering(NorthboundConfig::default()).await;
    let mut socket = daemon.raw_client().await;
    let message =
        [frame(0x01, br#"{"type":"ListNodes","#), frame(0x89, b"hi"), frame(0x00, b""), frame(0x80, br#""id":"a"}"#)];
    socket.write_all(&message.concat()).await.unwrap();
    let mut pong = [0; 4];
    within(socket.read_exact(&mut pong)).await.unwrap();
    assert_eq!(&pong, b"\x8a\x02hi");
    assert_eq!(within(socket.read_u8()).await.unwrap(), 0x81);
}

#[tokio::test]
async fn a_close_is_answered_with_its_own_code() {
    let daemon = Daemon::answering(NorthboundConfig::default()).await;
    let mut client = daemon.client().await;
    client.close(Some(CloseFrame { code: CloseCode::Normal, reason: "done".into() })).await.unwrap();
    assert_eq!(goodbye(&mut client).await, CloseCode::Normal);
}

#[tokio::test]
async fn a_slow_handshake_is_cut_off() {
    let config = NorthboundConfig { handshake_timeout: Duration::from_millis(50), ..NorthboundConfig::default() };
    let daemon = Daemon::answering(config).await;
    for begun in ["", "GET /v1/ws HTTP/1.1\r\nHost: loc", "GET /v1/ws HTTP/1.1\r\nHost: localhost\r\n"] {
        let mut socket = daemon.socket().await;
        socket.write_all(begun.as_bytes()).await.unwrap();
        assert!(!read_to_end(&mut socket).await.contains("101"), "{begun}");
    }
}

#[tokio::test]
async fn a_client_that_shows_no_life_is_let_go() {
    let config = NorthboundConfig {
        ping_interval: Duration::from_millis(50),
        pong_timeout: Duration::from_millis(50),
        ..NorthboundConfig::default()
    };
    let daemon = Daemon::answering(config).await;
    let mut dead = daemon.raw_client().await;
    let mut frames = Vec::new();
    within(dead.read_to_end(&mut frames)).await.unwrap();
    assert_eq!(&frames[..2], b"\x89\x00");
    assert_eq!(&frames[2..6], &[0x88, 10, 0x03, 0xf5]);

    let mut alive = daemon.client().await;
    for _ in 0..5 {
        assert!(matches!(within(alive.next()).await, Some(Ok(Message::Ping(_)))));
        alive.flush().await.unwrap();
    }
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_dropped_and_the_others_are_served() {
    let config = NorthboundConfig { stall_timeout: Duration::from_millis(100), ..NorthboundConfig::default() };
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
async fn an_answer_that_is_too_big_to_send_is_replaced_by_an_error() {
    let daemon = Daemon::answering(NorthboundConfig { outbound_bytes: 50_000, ..NorthboundConfig::default() }).await;
    let mut client = daemon.client().await;
    client.send(Message::text(r#"{"type":"ListFlows","id":"a"}"#)).await.unwrap();
    let answer = receive(&mut client).await;
    assert_eq!((&answer["id"], &answer["error"]["code"]), (&"a".into(), &"too_large".into()));
}

#[tokio::test]
async fn one_connection_too_many_is_told_so_and_a_place_is_free_again_after_a_close() {
    let daemon = Daemon::answering(NorthboundConfig { connections: 1, ..NorthboundConfig::default() }).await;
    let mut client = daemon.client().await;
    let refusal = daemon.get("/healthz").await;
    assert!(refusal.starts_with("HTTP/1.1 503 ") && refusal.ends_with("as it may have.\n"), "{refusal}");
    client.close(None).await.unwrap();
    while within(client.next()).await.is_some() {}
    drop(client);
    within(async { while !daemon.get("/healthz").await.contains("200 OK") {} }).await;
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
        handshake_timeout: Duration::from_millis(100),
        drain_deadline: Duration::from_millis(100),
        close_linger: Duration::from_millis(100),
        ..NorthboundConfig::default()
    };
    let (daemon, mut requests) = Daemon::start(config).await;
    let _silent = daemon.socket().await;
    let _deaf = daemon.raw_client().await;
    let mut waiting = daemon.client().await;
    waiting.send(list_nodes("a")).await.unwrap();
    let never_answered = within(requests.recv()).await.unwrap();
    daemon.shutdown.cancel();
    assert_eq!(goodbye(&mut waiting).await, CloseCode::Away);
    within(daemon.serving).await.unwrap();
    drop(never_answered);
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

#[test]
fn only_loopback_is_admitted_without_insecure() {
    for (address, loopback) in [
        ("127.0.0.1:8653", true),
        ("127.1.2.3:8653", true),
        ("[::1]:8653", true),
        ("[::ffff:127.0.0.1]:8653", true),
        ("0.0.0.0:8653", false),
        ("192.0.2.1:8653", false),
        ("[::]:8653", false),
    ] {
        let address = address.parse().unwrap();
        assert_eq!(admission(address, false).is_ok(), loopback, "{address}");
        assert!(admission(address, true).is_ok());
    }
    let refusal = admission("0.0.0.0:8653".parse().unwrap(), false).unwrap_err().to_string();
    assert!(refusal.contains("0.0.0.0:8653") && refusal.contains("--insecure"), "{refusal}");
}
