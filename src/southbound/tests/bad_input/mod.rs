//! Bad input over real sockets, TCP and TLS, in each of the three states of a connection: the rows are in [`rows`],
//! the peers with deadlines in [`silent`]. `session::bad_input` has every way there is, in memory.
//!
//! Beside every one of them a well-behaved switch is connected to the same listener. After each it is asked for
//! something, and must have noticed nothing.

mod rows;
mod silent;

use bytes::Bytes;
use openflow::{Echo, ErrorCode, ErrorMsg, FlowMod, FlowStatsRequest, Hello, split_frame};
use tokio::io::AsyncWriteExt;

use super::secure::{Certified, Pki};
use super::*;
use crate::session::bad_input::{NOBODY, STATES, State, features_reply};
use crate::session::{CloseReason, Outcome, Token};

/// The datapath id of the switch that misbehaves; `features_reply` says the same.
const NAME: &str = "dpid-00000000000000a1";
/// The datapath id of the switch that does not.
const GOOD: u64 = 0xb2;
const GOOD_NAME: &str = "dpid-00000000000000b2";

/// What a connection is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Transport {
    Tcp,
    Tls,
}

const TRANSPORTS: [Transport; 2] = [Transport::Tcp, Transport::Tls];

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// A listener, the certificates, and the good switch.
struct Scene {
    stage: Stage,
    pki: Option<(Pki, Certified)>,
    good: (ConnectionId, mpsc::Sender<Command>),
    next: u64,
}

impl Scene {
    async fn new(transport: Transport, config: session::Config) -> Self {
        let pki = (transport == Transport::Tls).then(Pki::new);
        let mut stage = Stage::configured(config, pki.as_ref().map(Pki::load)).await;
        match &pki {
            Some(pki) => behave(GOOD, pki.dial(&stage, Some(&pki.switch(GOOD_NAME))).await),
            None => behave(GOOD, stage.dial().await),
        }
        let (connection, _, commands) = stage.connected().await;
        let pki = pki.map(|pki| {
            let shown = pki.switch(NAME);
            (pki, shown)
        });
        Self { stage, pki, good: (connection, commands), next: 0 }
    }

    async fn dial(&self) -> Box<dyn Stream> {
        match &self.pki {
            Some((pki, shown)) => Box::new(pki.dial(&self.stage, Some(shown)).await),
            None => Box::new(self.stage.dial().await),
        }
    }

    /// A switch that behaves until it is in this state.
    async fn peer(&mut self, state: State) -> Peer {
        let mut peer = Peer { stream: self.dial().await, input: BytesMut::new(), xids: Xids::default(), ready: None };
        assert!(matches!(peer.next().await, Some((_, Message::Hello(_)))));
        if state != State::BeforeHello {
            peer.greet().await;
        }
        if state == State::InFlight {
            peer.introduce(&mut self.stage).await;
            peer.take_batch().await;
        }
        peer
    }

    /// The good switch does what it is asked for, and nothing else has been told of it meanwhile.
    async fn assert_undisturbed(&mut self) {
        let (good, commands) = &self.good;
        self.next += 1;
        let token = Token(self.next);
        commands.send(Command::Program(vec![(token, FlowMod::add())])).await.unwrap();
        loop {
            match self.stage.report().await {
                Report::Happened { connection, event: Event::Settled(settlements) } if connection == *good => {
                    let [settlement] = settlements.as_slice() else { panic!("{settlements:?}") };
                    assert_eq!((settlement.token, name(&settlement.outcome)), (token, "confirmed"));
                    return;
                }
                Report::Happened { connection, event: Event::Alive } if connection == *good => {}
                Report::Happened { connection, .. } if connection != *good => {}
                other => panic!("{other:?}"),
            }
        }
    }
}

/// The ids of what is out on a connection; of nobody where nothing is.
#[derive(Debug, Clone, Copy)]
struct Xids {
    features: Xid,
    flow_mods: [Xid; 3],
    barrier: Xid,
    read: Xid,
}

impl Default for Xids {
    fn default() -> Self {
        Self { features: NOBODY, flow_mods: [NOBODY; 3], barrier: NOBODY, read: NOBODY }
    }
}

/// The switch's end of a connection.
pub(super) struct Peer {
    stream: Box<dyn Stream>,
    input: BytesMut,
    xids: Xids,
    /// Once it is ready: what it is called, and where commands for it go.
    ready: Option<(ConnectionId, mpsc::Sender<Command>)>,
}

impl Peer {
    /// One over TCP that has said nothing yet.
    pub(super) async fn dial(stage: &Stage) -> Self {
        Self { stream: Box::new(stage.dial().await), input: BytesMut::new(), xids: Xids::default(), ready: None }
    }

    async fn send(&mut self, bytes: &[u8]) {
        // A peer that has been given up already need not take all of it.
        let _ = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        }
        .await;
    }

    async fn say(&mut self, xid: Xid, message: &Message) {
        let mut bytes = BytesMut::new();
        message.encode(xid, &mut bytes).unwrap();
        self.send(&bytes).await;
    }

    /// The next message; none at the end of the stream.
    async fn next(&mut self) -> Option<(Xid, Message)> {
        loop {
            if let Some(frame) = split_frame(&mut self.input).unwrap() {
                return Some(Message::decode(&frame).unwrap());
            }
            let read = tokio::time::timeout(PATIENCE, self.stream.read_buf(&mut self.input)).await;
            if !read.expect("a message in time").is_ok_and(|read| read > 0) {
                return None;
            }
        }
    }

    /// Says HELLO, and is asked for its features.
    pub(super) async fn greet(&mut self) {
        self.say(NOBODY, &Message::Hello(Hello::with_versions(&[OFP_VERSION]))).await;
        self.wait_for_question().await;
    }

    async fn wait_for_question(&mut self) {
        loop {
            match self.next().await {
                // Its own greeting, when nobody has read it yet.
                Some((_, Message::Hello(_))) => {}
                Some((xid, Message::FeaturesRequest)) => {
                    self.xids.features = xid;
                    return;
                }
                Some((_, Message::Error(_) | Message::EchoReply(_))) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// Says what it is, which is told as a connection.
    async fn introduce(&mut self, stage: &mut Stage) {
        self.describe().await;
        let tables = self.question().await;
        self.refuse(tables).await;
        loop {
            match stage.report().await {
                Report::Connected { connection, commands, .. } => {
                    self.ready = Some((connection, commands));
                    return;
                }
                Report::Happened { event: Event::Alive | Event::PortStatus(_) | Event::FlowRemoved(_), .. } => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// Says its features, and refuses the four questions of which everybody is asked at once.
    pub(super) async fn describe(&mut self) {
        self.say(self.xids.features, &features_reply()).await;
        for _ in 0..4 {
            let question = self.question().await;
            self.refuse(question).await;
        }
    }

    /// The xid of the next question.
    pub(super) async fn question(&mut self) -> Xid {
        loop {
            match self.next().await {
                Some((xid, Message::MultipartRequest(_))) => return xid,
                Some((_, Message::Error(_) | Message::EchoReply(_))) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    pub(super) async fn refuse(&mut self, question: Xid) {
        let refusal = Message::Error(ErrorMsg::new(ErrorCode::BAD_REQUEST_BAD_MULTIPART, Bytes::new()));
        self.say(question, &refusal).await;
    }

    /// Asks whether the other side is there, and is told so before anything else.
    pub(super) async fn echo(&mut self) {
        self.say(NOBODY, &Message::EchoRequest(Echo { data: Bytes::new() })).await;
        assert!(matches!(self.next().await, Some((NOBODY, Message::EchoReply(_)))));
    }

    /// Is asked for three FLOW_MODs, a barrier and a read, and answers none of them.
    async fn take_batch(&mut self) {
        let (_, commands) = self.ready.as_ref().unwrap();
        let mods = (0..3).map(|token| (Token(token), FlowMod::add())).collect();
        commands.send(Command::Program(mods)).await.unwrap();
        let request = FlowStatsRequest::default();
        commands.send(Command::ReadFlows { token: Token(77), request, expected: 0 }).await.unwrap();
        let mut flow_mods = Vec::new();
        while self.xids.barrier == NOBODY || self.xids.read == NOBODY {
            match self.next().await {
                Some((xid, Message::FlowMod(_))) => flow_mods.push(xid),
                Some((xid, Message::BarrierRequest)) => self.xids.barrier = xid,
                Some((xid, Message::MultipartRequest(_))) => self.xids.read = xid,
                Some((_, Message::Error(_) | Message::EchoReply(_))) => {}
                other => panic!("{other:?}"),
            }
        }
        self.xids.flow_mods = flow_mods.try_into().unwrap();
    }

    /// What became of the three FLOW_MODs once this connection has told of all of them, the last word on each.
    async fn outcomes(&self, stage: &mut Stage) -> [&'static str; 3] {
        let (own, _) = self.ready.as_ref().unwrap();
        let mut outcomes = [None; 3];
        while outcomes.contains(&None) {
            match stage.report().await {
                Report::Happened { connection, event: Event::Settled(settlements) } if connection == *own => {
                    for settlement in settlements {
                        outcomes[usize::try_from(settlement.token.0).unwrap()] = Some(name(&settlement.outcome));
                    }
                }
                Report::Happened { connection, event: Event::Closed(reason) } if connection == *own => {
                    panic!("{outcomes:?} at the end: {reason}");
                }
                Report::Happened { event: Event::Closed(reason), .. } => panic!("the good switch: {reason}"),
                Report::Happened { .. } => {}
                other => panic!("{other:?}"),
            }
        }
        outcomes.map(Option::unwrap)
    }

    /// Reads until this side has ended the stream; what it then says of the FLOW_MODs in flight, and why it ended, if
    /// the connection was ready.
    async fn end(&mut self, stage: &mut Stage) -> (Vec<&'static str>, Option<CloseReason>) {
        read_to_end(&mut self.stream).await;
        let mut outcomes = Vec::new();
        let Some((own, _)) = &self.ready else { return (outcomes, None) };
        loop {
            match stage.report().await {
                Report::Happened { connection, event: Event::Settled(settlements) } if connection == *own => {
                    outcomes.extend(settlements.iter().map(|settlement| name(&settlement.outcome)));
                }
                Report::Happened { connection, event: Event::Closed(reason) } => {
                    assert_eq!(connection, *own, "the good switch: {reason}");
                    return (outcomes, Some(reason));
                }
                Report::Happened { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    }
}

fn name(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Confirmed => "confirmed",
        Outcome::Refused(_) => "refused",
        _ => "unknown",
    }
}
