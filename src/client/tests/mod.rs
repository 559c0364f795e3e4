//! The client against a scripted daemon, in memory and in virtual time.

mod cuts;
mod events;
mod losses;
mod requests;
mod sockets;
mod states;
mod subprotocols;

use std::collections::BTreeSet;

use futures_util::future::BoxFuture;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::DuplexStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::{HeaderMap, HeaderValue, StatusCode, header};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};

use super::wire::{Io, Wire};
use super::*;
use crate::contract::{AddNode, GetFlow, RemoveFlow, from_msgpack, to_msgpack};

/// What a pipe of the stage holds.
const PIPE: usize = 64 << 10;

/// An attempt of the client to connect, which the script decides about.
pub(super) type Attempt = oneshot::Sender<Result<Wire, ConnectError>>;

/// Hands every attempt to the script.
#[derive(Debug)]
pub(super) struct ScriptedDial(mpsc::Sender<Attempt>);

impl Dial for ScriptedDial {
    fn dial<'a>(&'a self, _: &'a Config) -> BoxFuture<'a, Result<Wire, ConnectError>> {
        Box::pin(async {
            let (attempt, decided) = oneshot::channel();
            self.0.send(attempt).await.unwrap();
            decided.await.unwrap_or_else(|_| Err(refused()))
        })
    }
}

pub(super) fn refused() -> ConnectError {
    ConnectError::Tcp(std::io::ErrorKind::ConnectionRefused.into())
}

/// Where attempts arrive.
pub(super) struct Door(mpsc::Receiver<Attempt>);

impl Door {
    pub(super) async fn knock(&mut self) -> Attempt {
        self.0.recv().await.unwrap()
    }

    /// The next attempt finds nobody.
    pub(super) async fn refuse(&mut self) {
        self.knock().await.send(Err(refused())).unwrap_or_else(|_| panic!("nobody waits"));
    }

    /// The next attempt gets a pipe.
    pub(super) async fn pipe(&mut self) -> DuplexStream {
        self.pipe_through(|pipe| pipe).await
    }

    /// The next attempt gets a pipe, through what is put around the client's end.
    pub(super) async fn pipe_through<S: Io + 'static>(&mut self, wrap: impl FnOnce(DuplexStream) -> S) -> DuplexStream {
        let (ours, theirs) = tokio::io::duplex(PIPE);
        let wire: Wire = Box::new(wrap(theirs));
        self.knock().await.send(Ok(wire)).unwrap_or_else(|_| panic!("nobody waits"));
        ours
    }

    /// The next attempt is let in.
    pub(super) async fn accept(&mut self) -> Peer {
        Peer::upgrade(self.pipe().await).await.unwrap()
    }

    /// The next attempt is answered with HTTP.
    pub(super) async fn answer(&mut self, status: StatusCode) {
        let pipe = self.pipe().await;
        #[expect(clippy::result_large_err, reason = "the signature is the WebSocket engine's")]
        let refuse = |_: &Request, _: Response| {
            let mut response = ErrorResponse::new(None);
            *response.status_mut() = status;
            Err(response)
        };
        assert!(accept_hdr_async(pipe, refuse).await.is_err());
    }
}

/// The daemon's end of one connection.
pub(super) struct Peer {
    pub(super) socket: WebSocketStream<DuplexStream>,
    pub(super) headers: HeaderMap,
    subprotocol: Subprotocol,
}

impl Peer {
    /// The daemon's part of the handshake; `None` if the connection ends before.
    pub(super) async fn upgrade(pipe: DuplexStream) -> Option<Self> {
        Self::agree_to(Subprotocol::Json, pipe).await
    }

    /// The same with another subprotocol, which the client must have offered.
    pub(super) async fn agree_to(subprotocol: Subprotocol, pipe: DuplexStream) -> Option<Self> {
        let mut headers = HeaderMap::new();
        #[expect(clippy::result_large_err, reason = "the signature is the WebSocket engine's")]
        let agree = |request: &Request, mut response: Response| {
            headers = request.headers().clone();
            response
                .headers_mut()
                .insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(subprotocol.as_str()));
            Ok::<_, ErrorResponse>(response)
        };
        let socket = accept_hdr_async(pipe, agree).await.ok()?;
        Some(Self { socket, headers, subprotocol })
    }

    /// The next request, or `None` when there is no other. Pings are answered while it is waited for.
    pub(super) async fn maybe_next(&mut self) -> Option<Value> {
        loop {
            match self.socket.next().await?.ok()? {
                Message::Text(text) if self.subprotocol == Subprotocol::Json => {
                    return Some(serde_json::from_str(&text).unwrap());
                }
                Message::Binary(bytes) if self.subprotocol == Subprotocol::MessagePack => {
                    return Some(from_msgpack(&bytes).unwrap());
                }
                Message::Ping(_) | Message::Pong(_) => {}
                _ => return None,
            }
        }
    }

    pub(super) async fn next(&mut self) -> Value {
        self.maybe_next().await.expect("a request")
    }

    /// Writes a message, if anybody is there to read it.
    pub(super) async fn say(&mut self, message: Value) {
        let frame = match self.subprotocol {
            Subprotocol::Json => Message::text(message.to_string()),
            Subprotocol::MessagePack => Message::binary(to_msgpack(&message)),
        };
        let _ = self.socket.send(frame).await;
    }

    pub(super) async fn reply(&mut self, request: &Value, payload: Value) {
        self.say(json!({"type": "Reply", "id": request["id"], "command": request["type"], "payload": payload,
            "timestamp": "2026-11-21T02:30:00.123456Z"}))
            .await;
    }

    pub(super) async fn refuse(&mut self, request: &Value, code: &str) {
        self.say(json!({"type": "Error", "id": request["id"], "error": {"code": code, "message": "no"},
            "timestamp": "2026-11-21T02:30:00.123456Z"}))
            .await;
    }

    /// An event of the topic `alarms`.
    pub(super) async fn alarm(&mut self, epoch: &str, seq: u64) {
        let payload = json!({"alarm": "drift", "message": "somebody else"});
        self.event(epoch, seq, payload).await;
    }

    pub(super) async fn event(&mut self, epoch: &str, seq: u64, payload: Value) {
        self.say(json!({"type": "Event", "topic": "alarms", "seq": seq, "epoch": epoch, "payload": payload,
            "timestamp": "2026-11-21T02:30:00.123456Z"}))
            .await;
    }

    /// Says goodbye, and waits until the client has, too.
    pub(super) async fn close(mut self, code: CloseCode) {
        let frame = CloseFrame { code, reason: "as the script says".into() };
        self.socket.close(Some(frame)).await.unwrap();
        while let Some(Ok(_)) = self.socket.next().await {}
    }
}

pub(super) fn config() -> Config {
    Config::new("ws://127.0.0.1:8653".parse().unwrap())
}

/// A client that begins to connect, and the door it knocks at.
pub(super) fn start(config: Config) -> (Client, Door) {
    let (attempts, door) = mpsc::channel(8);
    let shared = Arc::new(Shared::new());
    shared.states.enter(ConnectionState::Connecting);
    (Client::supervised(config, Arc::new(ScriptedDial(attempts)), shared, None), Door(door))
}

/// A client that is connected, the door, and the daemon's end.
pub(super) async fn connected() -> (Client, Door, Peer) {
    connected_with(config()).await
}

pub(super) async fn connected_with(config: Config) -> (Client, Door, Peer) {
    let (attempts, door) = mpsc::channel(8);
    let mut door = Door(door);
    let (client, peer) = tokio::join!(Client::connect_over(config, Arc::new(ScriptedDial(attempts))), door.accept());
    (client.unwrap(), door, peer)
}

pub(super) fn get_flow(id: &str) -> Command {
    Command::GetFlow(GetFlow { flow_id: id.parse().unwrap() })
}

pub(super) fn remove_flow(id: &str) -> Command {
    Command::RemoveFlow(RemoveFlow { flow_id: id.parse().unwrap() })
}

pub(super) fn install(id: Option<&str>) -> Command {
    let flow_id = id.map(|id| id.parse().unwrap());
    let flow = InstallFlow::new("any".parse().unwrap(), "any".parse().unwrap(), "voice".to_owned());
    Command::InstallFlow(Box::new(InstallFlow { flow_id, ..flow }))
}

pub(super) fn add_node(name: &str) -> Command {
    Command::AddNode(AddNode {
        name: name.parse().unwrap(),
        kind: crate::contract::NodeKind::default(),
        datapath_id: Some("1".parse().unwrap()),
        address: None,
        ovsdb: None,
        labels: Default::default(),
    })
}

/// A daemon that does what it is asked: what it has done, over all connections.
#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) flows: BTreeSet<String>,
    pub(super) nodes_added: usize,
}

impl Model {
    /// Answers everything until the connection ends.
    pub(super) async fn serve(&mut self, pipe: DuplexStream) {
        let Some(mut peer) = Peer::upgrade(pipe).await else { return };
        while let Some(request) = peer.maybe_next().await {
            let id = request["payload"]["flow_id"].as_str().unwrap_or_default().to_owned();
            match request["type"].as_str().unwrap() {
                "InstallFlow" => drop(self.flows.insert(id.clone())),
                "RemoveFlow" => drop(self.flows.remove(&id)),
                "AddNode" => self.nodes_added += 1,
                _ => {}
            }
            peer.reply(&request, json!({"done": request["type"], "flow_id": id})).await;
        }
    }
}
