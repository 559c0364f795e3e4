//! Clients that are slow, by the thousand, over streams in memory and in virtual time.

use tokio::io::DuplexStream;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::super::auth::Grant;
use super::super::subprotocol::Subprotocol;
use super::super::websocket;
use super::events::{alarm, answer_at};
use super::*;

/// What a stream holds.
const PIPE: usize = 64 << 10;

/// A front end without sockets, whose programmer is played.
struct Front {
    server: Arc<Server>,
}

impl Front {
    fn new(config: NorthboundConfig) -> Self {
        let (inbox, mut requests) = mpsc::channel(64);
        let server = Arc::new(Server::new(Programmer::new(inbox), config, CancellationToken::new()));
        tokio::spawn(async move {
            while let Some(Request { command, answer, .. }) = requests.recv().await {
                let _ = answer.send(answer_at(&command, 0));
            }
        });
        Self { server }
    }

    /// The way to tell news, and the task that writes them.
    fn news(&self) -> mpsc::Sender<News> {
        let (told, news) = mpsc::channel(64);
        let server = Arc::clone(&self.server);
        tokio::spawn(async move { server.hub.run(news).await });
        told
    }

    fn ends() -> Ends {
        let loopback = SocketAddr::from(([127, 0, 0, 1], 8653));
        Ends { peer: loopback, local: loopback }
    }

    /// A connection from its first byte on, and its task.
    fn http(&self) -> (DuplexStream, JoinHandle<()>) {
        let (ours, theirs) = tokio::io::duplex(PIPE);
        let server = Arc::clone(&self.server);
        (ours, tokio::spawn(async move { serve_socket(theirs, Self::ends(), &server, false).await }))
    }

    /// A connection behind its handshake, and its task.
    fn upgraded(&self) -> (DuplexStream, JoinHandle<()>) {
        let (ours, theirs) = tokio::io::duplex(PIPE);
        let server = Arc::clone(&self.server);
        let run = async move {
            websocket::run(theirs, Self::ends().peer, Grant::Open, Subprotocol::Json, &server).await;
        };
        (ours, tokio::spawn(run))
    }
}

async fn client(stream: DuplexStream) -> WebSocketStream<DuplexStream> {
    WebSocketStream::from_raw_socket(stream, Role::Client, None).await
}

#[tokio::test(start_paused = true)]
async fn w03_five_thousand_slow_handshakes_hold_up_nobody_and_are_over_after_their_time() {
    const SLOW: usize = 5_000;
    let front = Front::new(NorthboundConfig::default());
    let begun = Instant::now();
    let mut slow = Vec::with_capacity(SLOW);
    for number in 0..SLOW {
        let (mut stream, task) = front.http();
        // Each stands at another place of its request.
        let request = handshake("");
        stream.write_all(&request.as_bytes()[..number % request.len()]).await.unwrap();
        slow.push((stream, task));
    }
    let (mut good, task) = front.http();
    good.write_all(handshake("").as_bytes()).await.unwrap();
    let mut response = Vec::new();
    while !response.ends_with(b"\r\n\r\n") {
        response.push(good.read_u8().await.unwrap());
    }
    assert!(response.starts_with(b"HTTP/1.1 101 "));
    assert!(begun.elapsed() < Duration::from_millis(100), "nobody waits for them");
    for (mut stream, task) in slow {
        task.await.unwrap();
        let mut said = Vec::new();
        let _ = stream.read_to_end(&mut said).await;
        assert!(!said.starts_with(b"HTTP/1.1 101 "));
    }
    let lasted = begun.elapsed();
    assert!(lasted >= Duration::from_secs(5) && lasted < Duration::from_secs(6), "{lasted:?}");
    assert!(!task.is_finished(), "and the good one is still there");
}

#[tokio::test(start_paused = true)]
async fn w03_tls_and_the_request_behind_it_have_the_time_of_one_handshake() {
    let directory = tempfile::tempdir().unwrap();
    let files = TlsFiles { certificate: directory.path().join("cert.pem"), key: directory.path().join("key.pem") };
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(&files.certificate, made.cert.pem()).unwrap();
    std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
    let tls = Some(Arc::new(Tls::load(files).unwrap()));
    let front = Front::new(NorthboundConfig { tls, ..NorthboundConfig::default() });
    let (stream, task) = front.http();
    let begun = Instant::now();
    tokio::time::sleep(Duration::from_secs(4)).await;
    let mut stream =
        super::access::connector(made.cert.der()).connect("localhost".try_into().unwrap(), stream).await.unwrap();
    stream.write_all(b"GET /v1/ws HTTP/1.1\r\n").await.unwrap();
    stream.flush().await.unwrap();
    task.await.unwrap();
    assert_eq!(begun.elapsed().as_secs(), 5);
}

#[tokio::test(start_paused = true)]
async fn w03_a_request_has_a_hundred_headers_and_8_kib_and_no_more() {
    let front = Front::new(NorthboundConfig::default());
    let own = handshake("").matches("\r\n").count() - 2;
    let filler = |bytes: usize| handshake(&format!("X-Filler: {}\r\n", "x".repeat(bytes)));
    let around = filler(0).len();
    for (request, status) in [
        (handshake(&"X-Filler: x\r\n".repeat(100 - own)), "101"),
        (handshake(&"X-Filler: x\r\n".repeat(101 - own)), "431"),
        (filler((8 << 10) - around - 1), "101"),
        (filler((8 << 10) - around + 1), "431"),
    ] {
        let (mut stream, _task) = front.http();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut line = [0; 12];
        stream.read_exact(&mut line).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&line), format!("HTTP/1.1 {status}"), "{} bytes", request.len());
    }
}

#[tokio::test(start_paused = true)]
async fn w03_a_first_message_in_single_bytes_is_ended_when_its_time_is_over() {
    // Without a ping in between.
    let ping_interval = Duration::from_secs(3_600);
    let front = Front::new(NorthboundConfig { ping_interval, ..NorthboundConfig::default() });
    let (mut stream, task) = front.upgraded();
    let begun = Instant::now();
    stream.write_all(&[0x81, 0xfe, 0x10, 0, 0, 0, 0, 0]).await.unwrap();
    let mut head = [0; 4];
    while stream.write_all(b" ").await.is_ok() {
        match timeout(Duration::from_secs(1), stream.read_exact(&mut head)).await {
            Ok(Ok(_)) if head[0] == 0x88 => break,
            _ => {}
        }
    }
    assert_eq!(u16::from_be_bytes([head[2], head[3]]), 1008);
    assert!(begun.elapsed() <= Duration::from_secs(31), "{:?}", begun.elapsed());
    drop(stream);
    task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn w05_a_fragment_that_only_control_frames_follow_is_ended_when_its_time_is_over() {
    let ping_interval = Duration::from_secs(3_600);
    let front = Front::new(NorthboundConfig { ping_interval, ..NorthboundConfig::default() });
    let (mut stream, _task) = front.upgraded();
    let begun = Instant::now();
    stream.write_all(&[0x01, 0x81, 0, 0, 0, 0, b'{']).await.unwrap();
    let goodbye = timeout(Duration::from_secs(60), async {
        loop {
            // Far more often than anybody looks.
            stream.write_all(&[0x8a, 0x80, 0, 0, 0, 0]).await.unwrap();
            let mut head = [0; 4];
            match timeout(Duration::from_secs(1), stream.read_exact(&mut head)).await {
                Ok(Ok(_)) if head[0] == 0x88 => break u16::from_be_bytes([head[2], head[3]]),
                _ => {}
            }
        }
    });
    assert_eq!(goodbye.await, Ok(1008));
    assert!(begun.elapsed() <= Duration::from_secs(31), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_message_that_takes_long_and_meets_a_ping_is_answered() {
    let ping_interval = Duration::from_secs(6);
    let front = Front::new(NorthboundConfig { ping_interval, ..NorthboundConfig::default() });
    let (mut stream, _task) = front.upgraded();
    let message = frame(0x81, format!("{:200}", r#"{"type":"ListNodes","id":"a"}"#).as_bytes());
    for piece in message.chunks(message.len() / 18) {
        stream.write_all(piece).await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let mut client = client(stream).await;
    let answer = loop {
        match client.next().await {
            Some(Ok(Message::Ping(_))) => {}
            Some(Ok(Message::Text(answer))) => break answer,
            other => panic!("no answer: {other:?}"),
        }
    };
    assert!(answer.contains("Reply"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn w12_a_subscriber_that_takes_nothing_is_closed_with_1013_and_the_others_have_every_event() {
    let front = Front::new(NorthboundConfig::default());
    let told = front.news();
    let subscribe = r#"{"type":"Subscribe","id":"a","payload":{"topics":["alarms"]}}"#;
    let (mut stuck, task) = front.upgraded();
    stuck.write_all(&frame(0x81, subscribe.as_bytes())).await.unwrap();
    let (good, _task) = front.upgraded();
    let mut good = client(good).await;
    good.send(Message::text(subscribe)).await.unwrap();
    let Some(Ok(Message::Text(reply))) = good.next().await else { panic!("no reply") };
    assert!(reply.contains("Reply"), "{reply}");
    assert_eq!(front.server.hub.subscriptions(), 2);
    let (text, begun) = ("x".repeat(2 * PIPE), Instant::now());
    let mut seq = 0;
    while front.server.hub.subscriptions() == 2 {
        seq += 1;
        told.send(alarm(seq, &text)).await.unwrap();
        let Some(Ok(Message::Text(event))) = good.next().await else { panic!("no event") };
        assert!(event.contains(&format!(r#""seq":{seq},"#)), "after {seq} events");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let lasted = begun.elapsed();
    assert!(lasted >= Duration::from_secs(10) && lasted < Duration::from_secs(22), "{lasted:?}");
    let mut taken = Vec::new();
    stuck.read_to_end(&mut taken).await.unwrap();
    assert!(taken.ends_with(b"\x88\x0a\x03\xf5too slow"));
    drop(stuck);
    task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn w07_a_hundred_control_frames_are_allowed_in_every_second() {
    let front = Front::new(NorthboundConfig::default());
    let (stream, _task) = front.upgraded();
    let mut client = client(stream).await;
    for _ in 0..5 {
        for _ in 0..100 {
            client.send(Message::Pong("x".into())).await.unwrap();
        }
        client.send(list_nodes("a")).await.unwrap();
        let Some(Ok(Message::Text(answer))) = client.next().await else { panic!("no answer") };
        assert!(answer.contains("Reply"), "{answer}");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
