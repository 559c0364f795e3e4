//! A client of the daemon with nothing of the product's own client in it, over a WebSocket library of choice.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpStream};
use std::process::{ChildStdin, Command};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::{Message, WebSocket, client};

use super::lawful::assert_lawful;
use super::{Process, within};

/// An answer that takes longer never comes.
const PATIENCE: Duration = Duration::from_secs(120);
/// How many answers of a pipeline are compared with their schemas.
const JUDGED: usize = 100;

/// A connection that asks one thing at a time, or many at once with [`Client::pipeline`].
#[derive(Debug)]
pub(crate) struct Client {
    outward: Outward,
    inward: Receiver<Message>,
    requests: u64,
}

/// Where requests go. What comes back is read by a thread of its own, so that writing never waits for reading.
#[derive(Debug)]
enum Outward {
    Tungstenite(Box<WebSocket<TcpStream>>),
    /// A program that sends each line of its input as a text frame and prints each text frame as a line.
    Relay {
        lines: ChildStdin,
        _process: Process,
    },
}

impl Client {
    /// Connects to a daemon on loopback.
    pub(crate) fn connect(port: u16) -> Self {
        Self::try_connect(port).expect("the daemon to be there")
    }

    /// Connects to a daemon that may not be there.
    pub(crate) fn try_connect(port: u16) -> Option<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
        stream.set_nodelay(true).ok()?;
        let mut request = format!("ws://127.0.0.1:{port}/v1/ws").into_client_request().unwrap();
        request.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static("flumen.v1.json"));
        let (socket, _) = client(request, stream).ok()?;
        let mut reader = WebSocket::from_raw_socket(socket.get_ref().try_clone().unwrap(), Role::Client, None);
        let (sender, inward) = channel();
        thread::spawn(move || while reader.read().is_ok_and(|message| pass_on(&sender, message)) {});
        Some(Self { outward: Outward::Tungstenite(Box::new(socket)), inward, requests: 0 })
    }

    /// Connects through a relay program, which is given the address of the daemon as its last argument.
    pub(crate) fn through(relay: &mut Command, port: u16) -> Self {
        let (process, lines, output) = Process::piped(relay.arg(format!("ws://127.0.0.1:{port}/v1/ws")));
        let (sender, inward) = channel();
        thread::spawn(move || {
            let lines = BufReader::new(output).lines();
            lines.map_while(Result::ok).all(|line| pass_on(&sender, Message::text(line)));
        });
        Self { outward: Outward::Relay { lines, _process: process }, inward, requests: 0 }
    }

    /// The payload of the Reply, or nothing when the daemon ends first.
    pub(crate) fn reply_if_alive(&mut self, command: &str, payload: Value) -> Option<Value> {
        if !self.try_ask("1", command, &payload) {
            return None;
        }
        let mut answer = self.try_receive(PATIENCE).ok()?;
        assert_eq!(answer["type"], "Reply", "{answer}");
        Some(answer["payload"].take())
    }

    /// Sends a command and returns the whole message that answers it.
    pub(crate) fn ask(&mut self, command: &str, payload: Value) -> Value {
        self.requests += 1;
        let id = format!("test-{}", self.requests);
        let answer = self.exchange(&json!({"type": command, "id": id, "payload": payload}).to_string());
        assert_eq!(answer["id"], id, "{answer}");
        answer
    }

    /// Sends a command that must be answered by a Reply, and returns its payload.
    pub(crate) fn reply(&mut self, command: &str, payload: Value) -> Value {
        let mut answer = self.ask(command, payload);
        assert_eq!((&answer["type"], &answer["command"]), (&json!("Reply"), &json!(command)), "{answer}");
        answer["payload"].take()
    }

    /// Sends a command that must be answered by an Error, and returns that.
    pub(crate) fn error(&mut self, command: &str, payload: Value) -> Value {
        let mut answer = self.ask(command, payload);
        assert_eq!(answer["type"], "Error", "{answer}");
        answer["error"].take()
    }

    /// Installs a flow and returns it as answered.
    pub(crate) fn install(&mut self, request: &Value) -> Value {
        self.reply("InstallFlow", request.clone())["flow"].take()
    }

    /// Writes all commands without waiting, then returns the answers in the order of the commands.
    pub(crate) fn pipeline(&mut self, command: &str, payloads: &[Value]) -> Vec<Value> {
        self.write_pipeline(command, payloads);
        let answers = self.read_pipeline(payloads.len());
        let by_id = |answer: Value| (answer["id"].as_str().unwrap_or_default().to_owned(), answer);
        let mut answers: HashMap<String, Value> = answers.into_iter().map(by_id).collect();
        (0..payloads.len()).map(|number| answers.remove(&format!("pipelined-{number}")).unwrap()).collect()
    }

    /// Writes all commands and waits for no answer.
    pub(crate) fn write_pipeline(&mut self, command: &str, payloads: &[Value]) {
        for (number, payload) in payloads.iter().enumerate() {
            let request = json!({"type": command, "id": format!("pipelined-{number}"), "payload": payload});
            self.send(Message::text(request.to_string()));
        }
    }

    /// The next so many answers, in the order of their arrival.
    pub(crate) fn read_pipeline(&mut self, count: usize) -> Vec<Value> {
        // The schemas see the first ones, so that a measured client does not spend its time with them.
        (0..count).map(|number| if number < JUDGED { self.receive() } else { self.receive_unjudged() }).collect()
    }

    /// Sends a text as it is and returns the next message.
    pub(crate) fn exchange(&mut self, text: &str) -> Value {
        self.send(Message::text(text));
        self.receive()
    }

    /// Sends a frame.
    pub(crate) fn send(&mut self, message: Message) {
        match &mut self.outward {
            Outward::Tungstenite(socket) => socket.send(message).unwrap(),
            Outward::Relay { lines, .. } => writeln!(lines, "{message}").unwrap(),
        }
    }

    /// Sends a command under this id; false when the connection has ended.
    pub(crate) fn try_ask(&mut self, id: &str, command: &str, payload: &Value) -> bool {
        let request = json!({"type": command, "id": id, "payload": payload}).to_string();
        match &mut self.outward {
            Outward::Tungstenite(socket) => socket.send(Message::text(request)).is_ok(),
            Outward::Relay { lines, .. } => writeln!(lines, "{request}").is_ok(),
        }
    }

    /// The next message of the daemon: none when the connection has ended, or when nothing comes in time.
    pub(crate) fn try_receive(&mut self, patience: Duration) -> Result<Value, RecvTimeoutError> {
        match self.inward.recv_timeout(patience)? {
            Message::Text(text) => {
                let message = serde_json::from_str(&text).unwrap();
                assert_lawful(&message);
                Ok(message)
            }
            _ => Err(RecvTimeoutError::Disconnected),
        }
    }

    /// The next message of the daemon; panics when it is none of the contract's.
    pub(crate) fn receive(&mut self) -> Value {
        let message = self.receive_unjudged();
        assert_lawful(&message);
        message
    }

    fn receive_unjudged(&mut self) -> Value {
        match self.receive_frame() {
            Message::Text(text) => serde_json::from_str(&text).unwrap(),
            other => panic!("expected a text message, not {other:?}"),
        }
    }

    /// The next frame that is neither a ping nor a pong.
    pub(crate) fn receive_frame(&mut self) -> Message {
        self.inward.recv_timeout(PATIENCE).expect("the daemon to answer")
    }

    /// The node, as GetNode has it.
    pub(crate) fn node(&mut self, name: &str) -> Value {
        self.reply("GetNode", json!({"name": name}))["node"].take()
    }

    /// The flow, as GetFlow has it.
    pub(crate) fn flow(&mut self, flow_id: &str) -> Value {
        self.reply("GetFlow", json!({"flow_id": flow_id}))["flow"].take()
    }

    /// The nodes, by name, as ListNodes has them.
    pub(crate) fn nodes(&mut self) -> HashMap<String, Value> {
        let reply = self.reply("ListNodes", json!({}));
        let nodes = reply["nodes"].as_array().unwrap();
        nodes.iter().map(|node| (node["name"].as_str().unwrap().to_owned(), node.clone())).collect()
    }

    /// Waits until ListNodes says that the node is in this state, and returns it.
    pub(crate) fn wait_for_node(&mut self, name: &str, state: &str, seconds: u64) -> Value {
        within(seconds, &format!("node {name} to be {state}"), || {
            self.nodes().remove(name).filter(|node| node["state"] == state)
        })
    }

    /// Waits until GetFlow says that the flow is in this state, and returns it.
    pub(crate) fn wait_for_flow(&mut self, flow_id: &str, state: &str, seconds: u64) -> Value {
        within(seconds, &format!("flow {flow_id} to be {state}"), || {
            Some(self.flow(flow_id)).filter(|flow| flow["state"] == state)
        })
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if let Outward::Tungstenite(socket) = &mut self.outward {
            let _ = socket.close(None);
            let _ = socket.flush();
            // Ends the reading thread.
            let _ = socket.get_ref().shutdown(Shutdown::Both);
        }
    }
}

/// Hands a frame of the daemon to the client; false when the client is gone.
fn pass_on(client: &Sender<Message>, message: Message) -> bool {
    matches!(message, Message::Ping(_) | Message::Pong(_)) || client.send(message).is_ok()
}
