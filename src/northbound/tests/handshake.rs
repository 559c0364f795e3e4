//! HTTP: who may connect, who is refused, and what is served beside the WebSocket.

use super::audit::kept_for_people;
use super::*;

#[tokio::test]
async fn the_subprotocol_is_ours_by_default_and_named_only_when_offered() {
    let daemon = Daemon::answering(NorthboundConfig::default()).await;
    for (offer, chosen) in [
        ("", Some(None)),
        ("Sec-WebSocket-Protocol: flumen.v1.json\r\n", Some(Some("flumen.v1.json"))),
        ("Sec-WebSocket-Protocol: chat, flumen.v1.json\r\n", Some(Some("flumen.v1.json"))),
        ("Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Protocol: flumen.v1.json\r\n", Some(Some("flumen.v1.json"))),
        ("Sec-WebSocket-Protocol: flumen.v1.msgpack\r\n", Some(Some("flumen.v1.msgpack"))),
        ("Sec-WebSocket-Protocol: flumen.v1.msgpack, flumen.v1.json\r\n", Some(Some("flumen.v1.msgpack"))),
        ("Sec-WebSocket-Protocol: flumen.v1.json,flumen.v1.msgpack\r\n", Some(Some("flumen.v1.json"))),
        (
            "Sec-WebSocket-Protocol: flumen.v2.json\r\nSec-WebSocket-Protocol: flumen.v1.msgpack, flumen.v1.json\r\n",
            Some(Some("flumen.v1.msgpack")),
        ),
        ("Sec-WebSocket-Protocol: flumen.bearer.AAAA, flumen.v1.msgpack\r\n", Some(Some("flumen.v1.msgpack"))),
        ("Sec-WebSocket-Protocol: flumen.bearer.AAAA\r\n", None),
        ("Sec-WebSocket-Protocol: flumen.v1.msgpackx\r\n", None),
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
                assert!(response.contains("the subprotocols here are flumen.v1.json"), "{response}");
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
        (get("/metrics").replace("\r\n\r\n", "\r\nOrigin: https://evil.com\r\n\r\n"), 403, "may not connect"),
        (upgrade("Host: localhost", "Host: evil.com"), 400, "its name is localhost"),
        (upgrade("Host: localhost\r\n", ""), 400, "exactly one Host"),
        (handshake("Host: localhost\r\n"), 400, "exactly one Host"),
        (handshake(&"X-Filler: x\r\n".repeat(101)), 431, ""),
        (handshake(&format!("X-Filler: {}\r\n", "x".repeat(9000))), 431, ""),
        ("nonsense\r\n\r\n".to_owned(), 400, ""),
        (handshake("X-Folded: a\r\n b\r\n"), 400, ""),
        (handshake("Content-Length: 0\r\nContent-Length: 5\r\n"), 400, ""),
        (handshake("Content-Length: +0\r\n"), 400, ""),
        (handshake("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), 400, ""),
        (handshake("Transfer-Encoding: chunked, identity\r\n"), 400, ""),
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
        while let Some(Request { command, answer, .. }) = requests.recv().await {
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
    // The earlier requests' connections end in their own time.
    let alone = "# TYPE flumen_connections gauge\nflumen_connections 2\n";
    within(async { while !daemon.get("/metrics").await.contains(alone) {} }).await;
    let metrics = daemon.get("/metrics").await;
    for line in [
        "content-type: text/plain; version=0.0.4; charset=utf-8\r\n",
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
        assert_eq!(admission(address, None, false).is_ok(), loopback, "{address}");
        assert!(admission(address, None, true).is_ok());
    }
    let refusal = admission("0.0.0.0:8653".parse().unwrap(), None, false).unwrap_err().to_string();
    assert!(refusal.contains("0.0.0.0:8653") && refusal.contains("--insecure"), "{refusal}");
}

#[tokio::test]
async fn w18_oddities_of_http_are_refused() {
    let daemon = Daemon::answering(NorthboundConfig::default()).await;
    let with = |header: &str| handshake(&format!("{header}\r\n"));
    let without = |from: &str, to: &str| handshake("").replacen(from, to, 1);
    let mut rows = Vec::new();
    rows.extend(
        [
            "Content-Length: 1",
            "Content-Length: -1",
            "Content-Length: 0x0",
            "Content-Length: 0, 0",
            "Content-Length: 00000000000000000000001",
            "Content-Length: 99999999999999999999",
            "Content-Length: 1\r\nContent-Length: 2",
            "Content-Length: 0\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: chunked",
            "Transfer-Encoding: identity",
            "Transfer-Encoding: gzip, chunked",
            "Transfer-Encoding: xchunked",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding:\u{b}chunked",
            "Host: localhost",
            "Host: evil.com",
            "Host:",
            "X-Folded: a\r\n b",
            "X-Folded: a\r\n\tb",
            "X Space: a",
            "X-Space : a",
            " X-Lead: a",
            ": a",
            "X-Nul: a\0b",
            "X-Cr: a\rb",
            "no colon at all",
            "X-(paren): a",
            "X-\u{e9}: a",
            "Sec-WebSocket-Protocol: chat",
            "Origin: http://evil.com",
        ]
        .map(with),
    );
    rows.extend(
        [
            ("GET /v1/ws HTTP/1.1", "GET /v1/ws HTTP/1.0"),
            ("GET /v1/ws HTTP/1.1", "GET /v1/ws HTTP/0.9"),
            ("GET /v1/ws HTTP/1.1", "GET /v1/ws HTTP/2.0"),
            ("GET /v1/ws HTTP/1.1", "GET /v1/ws"),
            ("GET /v1/ws HTTP/1.1", "GET  /v1/ws HTTP/1.1"),
            ("GET /v1/ws HTTP/1.1", "GET /v1/ws  HTTP/1.1"),
            ("GET /v1/ws HTTP/1.1", "GET\t/v1/ws\tHTTP/1.1"),
            ("GET /v1/ws HTTP/1.1", "GET /v1/ws HTTP/1.1 x"),
            ("GET /v1/ws HTTP/1.1", "GET /v1/ws http/1.1"),
            ("GET /v1/ws HTTP/1.1", "GET /v1/%77s HTTP/1.1"),
            ("GET /v1/ws HTTP/1.1", "GET /v1//ws HTTP/1.1"),
            ("GET /v1/ws HTTP/1.1", "GET /v1/../v1/ws HTTP/1.1"),
            ("GET /v1/ws HTTP/1.1", "GET /V1/WS HTTP/1.1"),
            ("GET /v1/ws HTTP/1.1", "GET * HTTP/1.1"),
            ("GET /v1/ws HTTP/1.1", "get /v1/ws HTTP/1.1"),
            ("GET /v1/ws HTTP/1.1", "POST /v1/ws HTTP/1.1"),
            ("GET /v1/ws HTTP/1.1", "CONNECT localhost:80 HTTP/1.1"),
            ("GET /v1/ws HTTP/1.1", "GET(/v1/ws HTTP/1.1"),
            ("Upgrade: websocket", "Upgrade: websockets"),
            ("Upgrade: websocket\r\n", ""),
            ("Connection: Upgrade", "Connection: close"),
            ("Connection: Upgrade\r\n", ""),
            ("Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 14"),
            ("Sec-WebSocket-Version: 13\r\n", ""),
            ("dGhlIHNhbXBsZSBub25jZQ==", ""),
            ("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQ"),
            ("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQ===="),
            ("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZSE="),
            ("Host: localhost", "Host: localhost.evil.com"),
            ("Host: localhost\r\n", ""),
        ]
        .map(|(from, to)| without(from, to)),
    );
    assert!(rows.len() >= 60);
    for request in rows {
        let response = daemon.http(&request).await;
        let is_refused =
            response.is_empty() || response.split(' ').nth(1).is_some_and(|status| status.starts_with('4'));
        assert!(is_refused, "{request}: {response}");
        assert!(!response.contains("\nHTTP/1."), "what follows is no second request: {response}");
    }
}

#[tokio::test]
async fn w20_what_a_client_sends_cannot_break_a_line_of_the_log() {
    let (lines, _guard) = kept_for_people();
    let configured = ["https://a\r\nforged: line".to_owned(), "https://\u{1b}[31mred".to_owned()];
    let daemon =
        Daemon::answering(NorthboundConfig { origins: configured.to_vec(), ..NorthboundConfig::default() }).await;
    let mut client = daemon.client().await;
    for name in ["a\\r\\nforged", "\\u001b[31mred", "\\u0000", "\\u2028"] {
        client
            .send(Message::text(format!(r#"{{"type":"GetNode","id":"a","payload":{{"name":"{name}"}}}}"#)))
            .await
            .unwrap();
        let error = receive(&mut client).await["error"].clone();
        assert_eq!(error["code"], "invalid_request", "no such name gets as far as a log: {error}");
        let message = error["message"].as_str().unwrap();
        assert!(!message.chars().any(char::is_control), "{message:?}");
    }
    for id in ["a\\r\\nforged: line", "\\u001b[31mred", "\\u0000"] {
        client.send(remove_node(id)).await.unwrap();
        assert_eq!(receive(&mut client).await["error"]["code"], "not_found", "an id may be any text");
    }
    let text = lines.text();
    assert_eq!(text.matches("RemoveNode").count(), 3, "{text}");
    for line in text.lines() {
        assert!(line.starts_with("20") && line.contains(" flumen::"), "a line of somebody else's making: {line:?}");
        assert!(!line.chars().any(char::is_control), "{line:?}");
    }
}
