//! What goes into a session beside bytes, and what comes out: commands, events, outcomes.

use std::sync::Arc;
use std::time::Duration;

use openflow::{
    ControllerRole, DecodeError, ErrorCode, ErrorMsg, FeaturesReply, FlowMod, FlowRemoved, FlowStats, FlowStatsRequest,
    FlowUpdateFull, FrameError, GroupFeatures, MeterConfig, MeterFeatures, MeterId, MeterMod, MeterStats, Port,
    PortStatus, Xid,
};
use thiserror::Error;

use super::tables::Tables;

/// The owner's name for something it asked for; means nothing to the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token(pub u64);

/// What the owner of a session can ask of it.
#[derive(Debug, Clone)]
pub enum Command {
    /// Send these FLOW_MODs in order and say of each what became of it.
    Program(Vec<(Token, FlowMod)>),
    /// Send these METER_MODs in order, after what was to be sent before, and say of each what became of it as of a
    /// FLOW_MOD. Bundles do not take them.
    Meter(Vec<(Token, MeterMod)>),
    /// Read what the switch's meters are.
    ReadMeters {
        /// The owner's name for the read.
        token: Token,
    },
    /// Read what a meter has counted.
    ReadMeterStats {
        /// The owner's name for the read.
        token: Token,
        /// The meter.
        meter_id: MeterId,
    },
    /// Read flow entries.
    ReadFlows {
        /// The owner's name for the read.
        token: Token,
        /// Which entries.
        request: FlowStatsRequest,
        /// How many of them the owner has put there: the bounds are on what is beyond those.
        expected: usize,
    },
    /// Say which asynchronous messages are wanted (FLOW_REMOVED and PORT_STATUS always), and find out whether the
    /// switch has bundles, which [`Event::Bundles`] tells.
    Control {
        /// Whether hosts' packets are wanted too.
        packet_in: bool,
    },
    /// Ask to be told of every flow entry that somebody else adds, changes or deletes.
    Monitor,
    /// Apply these FLOW_MODs in order, all or none, in one bundle. They settle like those of [`Command::Program`].
    /// Bundles are carried out one after the other, beside single FLOW_MODs.
    Bundle(Vec<(Token, FlowMod)>),
    /// Put these FLOW_MODs into a bundle and close it: [`Event::Prepared`] tells that the switch has nothing against
    /// any of them so far, and [`Command::Commit`] or [`Command::Discard`] decides. They settle then, or when the
    /// switch refuses.
    Prepare {
        /// The owner's name for the bundle.
        bundle: Token,
        /// What is in it.
        mods: Vec<(Token, FlowMod)>,
    },
    /// Commit a bundle that was prepared.
    Commit {
        /// Its name.
        bundle: Token,
    },
    /// Give a bundle up that is not committed: its FLOW_MODs settle as not sent.
    Discard {
        /// Its name.
        bundle: Token,
    },
    /// Ask for a role. From this moment FLOW_MODs are held back until the switch has granted one that may write.
    ClaimRole {
        /// MASTER, SLAVE or EQUAL.
        role: ControllerRole,
        /// The number of the election that gave it.
        generation_id: u64,
    },
    /// Ask whether the peer is there, and close the session when it does not answer in time.
    Probe {
        /// The time it has.
        within: Duration,
    },
    /// Give the connection up.
    Close(CloseReason),
}

/// What happened on a session, in order.
#[derive(Debug, Clone)]
pub enum Event {
    /// The handshake is done: commands are taken from now on.
    Ready(Box<Description>),
    /// What became of FLOW_MODs and METER_MODs. Each gets exactly one final outcome; [`Outcome::Unknown`] with
    /// [`UnknownReason::BarrierOverdue`] may come before it.
    Settled(Vec<Settlement>),
    /// A bundle of [`Command::Prepare`] is closed, and only a commit is missing.
    Prepared {
        /// Its name.
        bundle: Token,
    },
    /// An error for a FLOW_MOD that had been confirmed: the switch answered the barrier too early.
    LateRefusal {
        /// The FLOW_MOD's token.
        token: Token,
        /// The switch's error.
        error: Box<ErrorMsg>,
    },
    /// The answer to [`Command::ReadFlows`]: everything, or nothing.
    FlowsRead {
        /// The command's token.
        token: Token,
        /// Every entry, or why there is no full answer.
        result: Result<Vec<FlowStats>, ReadError>,
    },
    /// The answer to [`Command::ReadMeters`]: everything, or nothing.
    MetersRead {
        /// The command's token.
        token: Token,
        /// Every meter, or why there is no full answer.
        result: Result<Vec<MeterConfig>, ReadError>,
    },
    /// The answer to [`Command::ReadMeterStats`].
    MeterStatsRead {
        /// The command's token.
        token: Token,
        /// What the meter has counted, or why there is no answer.
        result: Result<Vec<MeterStats>, ReadError>,
    },
    /// Whether the switch has bundles.
    Bundles(bool),
    /// Whether the switch has a flow monitor, which is now on.
    Monitoring(bool),
    /// Flow entries that somebody else added, changed or deleted.
    FlowUpdates(Vec<FlowUpdateFull>),
    /// The switch has granted a role.
    RoleGranted(ControllerRole),
    /// The switch has refused a role; [`Command::ClaimRole`] asks again.
    RoleRefused {
        /// Its generation id is older than one that the switch has seen: another controller was elected since.
        is_stale: bool,
        /// The switch's error.
        error: Box<ErrorMsg>,
    },
    /// A flow entry is gone.
    FlowRemoved(Box<FlowRemoved>),
    /// A port came, went or changed.
    PortStatus(Box<PortStatus>),
    /// The echo reply to a [`Command::Probe`]. Those that the session asks for by itself are not told.
    Alive,
    /// An error that answers nothing the session waits for.
    StrayError(Box<ErrorMsg>),
    /// The session is over; nothing follows.
    Closed(CloseReason),
}

/// What a switch says of itself in the handshake.
#[derive(Debug, Clone)]
pub struct Description {
    /// FEATURES_REPLY.
    pub features: FeaturesReply,
    /// Who made it, in its own words; empty where it would not say. So are the next two.
    pub manufacturer: String,
    /// What it is made of.
    pub hardware: String,
    /// What it runs.
    pub software: String,
    /// Its ports, empty where it refused to list them.
    pub ports: Vec<Port>,
    /// What meters it can have, where it says.
    pub meters: Option<MeterFeatures>,
    /// What groups it can have, where it says.
    pub groups: Option<GroupFeatures>,
    /// What its flow tables can do, where it says.
    pub tables: Tables,
}

impl Description {
    /// What is known after FEATURES_REPLY alone.
    #[must_use]
    pub fn new(features: FeaturesReply) -> Self {
        Self {
            features,
            manufacturer: String::new(),
            hardware: String::new(),
            software: String::new(),
            ports: Vec::new(),
            meters: None,
            groups: None,
            tables: Tables::default(),
        }
    }
}

/// One FLOW_MOD's fate.
#[derive(Debug, Clone)]
pub struct Settlement {
    /// The FLOW_MOD's token.
    pub token: Token,
    /// The transaction id that it was written with; none if it was not.
    pub xid: Option<Xid>,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of a FLOW_MOD.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// The barrier reply came after it, on this connection, with no error for it.
    Confirmed,
    /// The switch refused it.
    Refused(Box<ErrorMsg>),
    /// It was sent, and what the switch made of it is not known.
    Unknown(UnknownReason),
    /// It was part of a bundle that was not applied: for the sake of another FLOW_MOD in it, or, where the switch blames
    /// none of them, with its error for the whole.
    RolledBack(Option<Arc<ErrorMsg>>),
    /// It never left.
    NotSent,
    /// It cannot be written as an OpenFlow message (it is longer than 65,535 bytes).
    Unencodable,
}

/// Why an outcome is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum UnknownReason {
    /// The connection ended before the barrier reply.
    #[error("the connection ended before the switch confirmed it")]
    ConnectionLost,
    /// The barrier reply has not come in time. The final outcome still follows.
    #[error("the switch has not answered the barrier in time")]
    BarrierOverdue,
    /// The barrier reply has not come in time, and that to a later barrier has.
    #[error("the switch skipped the barrier")]
    BarrierSkipped,
    /// The switch answered the barrier with an error.
    #[error("the switch refused the barrier")]
    BarrierRefused,
    /// The switch answered it, or its barrier, with a message that cannot be understood: it may have been a refusal.
    #[error("the switch's answer is malformed")]
    AnswerMalformed,
}

/// Why a read has no full answer. A part of an answer is never given.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ReadError {
    /// The connection ended.
    #[error("the connection ended")]
    ConnectionLost,
    /// The switch fell silent in the middle.
    #[error("the switch did not finish its answer in time")]
    Timeout,
    /// The switch refused.
    #[error("the switch refused: {}", describe(.0))]
    Refused(Box<ErrorMsg>),
    /// A part could not be understood.
    #[error("the answer is malformed: {0}")]
    Malformed(DecodeError),
    /// The parts do not belong together.
    #[error("the parts of the answer are of different types")]
    MixedTypes,
    /// More than this side is willing to keep.
    #[error("the answer is larger than allowed")]
    TooLarge,
}

/// Why a session ended.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CloseReason {
    /// The peer closed the connection.
    #[error("the switch closed the connection")]
    PeerClosed,
    /// The transport failed.
    #[error("the connection failed: {0}")]
    Transport(std::io::ErrorKind),
    /// A message's length is below 8.
    #[error("{0}")]
    Framing(FrameError),
    /// No common version.
    #[error("the switch speaks OpenFlow wire version {peer:#04x}, this controller only 0x04 (OpenFlow 1.3)")]
    Version {
        /// The version of the peer's message.
        peer: u8,
    },
    /// The peer found no common version.
    #[error("the switch refused the version: {0}")]
    VersionRefused(String),
    /// Something else than HELLO came first.
    #[error("the first message was not HELLO")]
    NoHello,
    /// The handshake took too long.
    #[error("the handshake was not done in time")]
    HandshakeTimeout,
    /// A message of the handshake could not be understood.
    #[error("a message of the handshake is malformed: {0}")]
    Malformed(DecodeError),
    /// More malformed messages than any lawful switch has reason to send.
    #[error("the switch sends too many malformed messages; the last one: {0}")]
    TooManyMalformed(ErrorCode),
    /// A reply of the handshake is not of the type that was asked for.
    #[error("a reply of the handshake is of another type than the question")]
    HandshakeMixedTypes,
    /// A reply of the handshake is larger than this side is willing to keep.
    #[error("a reply of the handshake is larger than allowed")]
    HandshakeTooLarge,
    /// The switch refused a request of the handshake.
    #[error("the switch refused the handshake: {0}")]
    HandshakeRefused(String),
    /// Datapath id 0 names no switch.
    #[error("the switch has datapath id 0")]
    NoDatapathId,
    /// An auxiliary connection, which this controller never asks for.
    #[error("auxiliary connections are not used (auxiliary id {0})")]
    Auxiliary(u8),
    /// A switch without a flow table cannot be programmed.
    #[error("the switch has no flow tables")]
    NoTables,
    /// A barrier has gone without an answer for so long that none will come.
    #[error("the switch does not answer barriers")]
    BarrierUnanswered,
    /// Nothing came for too long.
    #[error("the switch does not answer")]
    Unresponsive,
    /// The peer asks more than it reads answers.
    #[error("the switch sends requests faster than it reads the answers")]
    Flooded,
    /// Another connection of the same switch took over.
    #[error("the switch has connected again")]
    Replaced,
    /// Another switch with this datapath id is connected and alive.
    #[error("another switch with this datapath id is connected")]
    DuplicateDatapathId,
    /// The datapath id is not the one that was asked for or allowed.
    #[error("{0}")]
    NotAdmitted(String),
    /// The node was removed, or is no longer dialled.
    #[error("the node was removed")]
    Removed,
    /// Its owner sends no more commands: without them the connection is of no use.
    #[error("the daemon has given the connection up")]
    Abandoned,
    /// The daemon is shutting down.
    #[error("the daemon is shutting down")]
    Shutdown,
}

/// What a session has seen beside what it asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Whole messages.
    pub messages: u64,
    /// Messages that could not be understood, or that only a controller may send.
    pub malformed: u64,
    /// Replies to nothing.
    pub stray_replies: u64,
    /// Errors that answer nothing.
    pub stray_errors: u64,
    /// Packets that hosts sent and the switch passed on.
    pub packet_ins: u64,
    /// Lawful messages that this controller has no use for.
    pub ignored: u64,
}

/// A switch's error for people: type, code and what they mean.
#[must_use]
pub fn describe(error: &ErrorMsg) -> String {
    format!("{}/{}: {}", error.type_name(), error.code_name(), error.sentence())
}
