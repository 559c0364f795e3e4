//! Switches on sockets of this machine: emulated ones that behave, and scripted ones that do not.

mod bad_input;
mod plain;
mod secure;

use std::time::Duration;

use bytes::BytesMut;
use openflow::{DatapathId, FlowMod, Message, OFP_VERSION, Xid};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::emulator::{EmulatedSwitch, SwitchConfig};
use crate::session::{Outcome, Token};

/// How long anything may take that does happen; only a failing test waits so long.
const PATIENCE: Duration = Duration::from_secs(20);

/// A southbound side with a listener, and what it reports.
struct Stage {
    southbound: Southbound,
    reports: mpsc::Receiver<Report>,
    address: SocketAddr,
    /// A connection lives as long as somebody can command it.
    held: Vec<mpsc::Sender<Command>>,
}

impl Stage {
    async fn with(tls: Option<Arc<Tls>>) -> Self {
        Self::configured(session::Config::default(), tls).await
    }

    async fn configured(config: session::Config, tls: Option<Arc<Tls>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, reports) = mpsc::channel(REPORTS);
        let (tracker, shutdown) = (TaskTracker::new(), CancellationToken::new());
        let southbound = Southbound::start(config, Some(listener), tls, sender, tracker, shutdown);
        Self { southbound, reports, address, held: Vec::new() }
    }

    async fn dial(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn report(&mut self) -> Report {
        tokio::time::timeout(PATIENCE, self.reports.recv()).await.expect("news in time").expect("news")
    }

    /// The connection that is ready next.
    async fn connected(&mut self) -> (ConnectionId, DatapathId, mpsc::Sender<Command>) {
        match self.report().await {
            Report::Connected { connection, description, commands, .. } => {
                self.held.push(commands.clone());
                (connection, description.features.datapath_id, commands)
            }
            other => panic!("{other:?}"),
        }
    }

    /// Why the connection ended that was ready.
    async fn closed(&mut self) -> session::CloseReason {
        loop {
            if let Report::Happened { event: Event::Closed(reason), .. } = self.report().await {
                return reason;
            }
        }
    }

    /// Waits until the totals are as wanted.
    async fn counted(&self, is_wanted: impl Fn(&Totals) -> bool) {
        let wanted = async {
            while !is_wanted(&self.southbound.totals()) {
                tokio::task::yield_now().await;
            }
        };
        if tokio::time::timeout(PATIENCE, wanted).await.is_err() {
            panic!("{:?}", self.southbound.totals());
        }
    }

    async fn refused(&self, reason: Refusal) {
        self.counted(|totals| totals.refused_for(reason) > 0).await;
    }
}

fn emulated(datapath_id: u64) -> EmulatedSwitch {
    EmulatedSwitch::new(SwitchConfig::new(DatapathId(datapath_id)))
}

/// A switch that behaves, until the stream ends.
fn behave(datapath_id: u64, stream: impl AsyncRead + AsyncWrite + Send + 'static) {
    let switch = emulated(datapath_id);
    tokio::spawn(async move { switch.converse(stream).await });
}

/// A message of this type whatever its body.
fn raw(message_type: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len() + 8).unwrap().to_be_bytes();
    [&[OFP_VERSION, message_type, length[0], length[1], 0xde, 0xad, 0xbe, 0xef][..], body].concat()
}

fn bytes_of(message: &Message) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    message.encode(Xid(1), &mut bytes).unwrap();
    bytes.to_vec()
}

/// Reads until the peer has ended the stream.
async fn read_to_end(stream: &mut (impl AsyncRead + Unpin)) {
    let mut sink = [0; 4096];
    let end = async { while stream.read(&mut sink).await.is_ok_and(|read| read > 0) {} };
    tokio::time::timeout(PATIENCE, end).await.expect("the end of the stream");
}

fn flow_mods(count: u64) -> Vec<(Token, FlowMod)> {
    (0..count).map(|token| (Token(token), FlowMod { cookie: token, priority: 1, ..FlowMod::add() })).collect()
}

/// So many FLOW_MODs are confirmed on this connection.
async fn confirm(stage: &mut Stage, commands: &mpsc::Sender<Command>, count: u64) {
    commands.send(Command::Program(flow_mods(count))).await.unwrap();
    let mut confirmed = 0;
    while confirmed < count {
        if let Report::Happened { event: Event::Settled(settlements), .. } = stage.report().await {
            assert!(settlements.iter().all(|settlement| matches!(settlement.outcome, Outcome::Confirmed)));
            confirmed += settlements.len() as u64;
        }
    }
}
