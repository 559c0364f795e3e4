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
use crate::programmer::{Request, Slice};

mod access;
mod audit;
mod autobahn;
mod endings;
mod events;
mod floods;
mod frames;
mod handshake;
mod msgpack;
mod requests;
mod rfc6455;
mod rows;
mod slow;

type Client = WebSocketStream<TcpStream>;

/// Longer than anything here takes, so that a test that waits for ever fails.
const PATIENCE: Duration = Duration::from_secs(20);

struct Daemon {
    address: SocketAddr,
    shutdown: CancellationToken,
    /// The programmer's news.
    told: mpsc::Sender<News>,
    serving: JoinHandle<()>,
}

impl Daemon {
    /// A daemon whose programmer is the receiver.
    async fn start(config: NorthboundConfig) -> (Self, mpsc::Receiver<Request>) {
        let (daemon, requests, _) = Self::with_slices(config).await;
        (daemon, requests)
    }

    /// The same, whose programmer takes the parts of large batches too.
    async fn with_slices(config: NorthboundConfig) -> (Self, mpsc::Receiver<Request>, mpsc::Receiver<Slice>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (inbox, requests) = mpsc::channel(64);
        let (parts, slices) = mpsc::channel(64);
        let shutdown = CancellationToken::new();
        let programmer = Programmer::with_slices(inbox, parts);
        let (told, news) = mpsc::channel(64);
        let serving = tokio::spawn(serve(listener, programmer, news, config, shutdown.clone()));
        (Self { address, shutdown, serving, told }, requests, slices)
    }

    /// A daemon whose programmer answers every command at once.
    async fn answering(config: NorthboundConfig) -> Self {
        let (daemon, mut requests) = Self::start(config).await;
        tokio::spawn(async move {
            while let Some(Request { command, answer, .. }) = requests.recv().await {
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

fn remove_node(id: &str) -> Message {
    Message::text(format!(r#"{{"type":"RemoveNode","id":"{id}","payload":{{"name":"s1"}}}}"#))
}

/// A batch of so many flows.
fn install_flows(id: &str, count: usize) -> Message {
    let flow = serde_json::json!({"source": "any", "destination": "any", "traffic_type": "voice"});
    let payload = serde_json::json!({"flows": vec![flow; count], "report": "problems"});
    Message::text(serde_json::json!({"type": "InstallFlows", "id": id, "payload": payload}).to_string())
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
