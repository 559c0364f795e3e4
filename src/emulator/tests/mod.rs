//! A scripted controller without sockets, and what the switch does with what it says.

mod bad_bytes;
mod bundles;
mod conversation;
mod driver;
mod flow_mods;
mod groups_and_meters;
mod misbehaviour;
mod monitors;
mod roles;
mod statistics;
mod timeouts;

use std::time::{Duration, Instant};

use bytes::BytesMut;
use openflow::{
    Action, DatapathId, ErrorCode, EthType, FlowMod, FlowStats, Hello, Instruction, Match, Message, OFP_VERSION,
    PortNo, Xid, split_frame,
};

use super::{ChannelId, Switch, SwitchConfig};

/// A switch, one controller, and a clock that stands still unless told.
struct Stage {
    switch: Switch,
    channel: ChannelId,
    now: Instant,
    last_xid: u32,
}

impl Stage {
    /// The conversation before HELLO.
    fn opened(config: SwitchConfig) -> Self {
        let now = Instant::now();
        let mut switch = Switch::new(config);
        let channel = switch.open(now);
        Self { switch, channel, now, last_xid: 1000 }
    }

    /// The conversation after HELLO.
    fn ready(config: SwitchConfig) -> Self {
        let mut stage = Self::opened(config);
        stage.say(&Message::Hello(Hello::with_versions(&[OFP_VERSION])));
        stage
    }

    /// Sends one message and gives back all that the switch then has to say.
    fn say(&mut self, message: &Message) -> Vec<(Xid, Message)> {
        self.last_xid += 1;
        let mut bytes = BytesMut::new();
        message.encode(Xid(self.last_xid), &mut bytes).unwrap();
        self.say_bytes(bytes)
    }

    fn say_bytes(&mut self, mut bytes: BytesMut) -> Vec<(Xid, Message)> {
        self.switch.handle_input(self.channel, &mut bytes, self.now);
        self.hear()
    }

    /// All that the switch has to say.
    fn hear(&mut self) -> Vec<(Xid, Message)> {
        let mut output = BytesMut::new();
        self.switch.poll_transmit(self.channel, &mut output);
        decode(output)
    }

    /// Sends a FLOW_MOD, which is carried out without an answer.
    fn apply(&mut self, flow_mod: FlowMod) {
        assert_eq!(self.say(&Message::FlowMod(flow_mod)), []);
    }

    /// Sends a FLOW_MOD, which is refused with this code.
    fn refused(&mut self, flow_mod: FlowMod) -> ErrorCode {
        let said = self.say(&Message::FlowMod(flow_mod));
        let [(xid, Message::Error(error))] = said.as_slice() else { panic!("one error expected, not {said:?}") };
        assert_eq!(*xid, Xid(self.last_xid));
        error.error_code()
    }

    /// Lets time pass and gives back what the switch says meanwhile.
    fn wait(&mut self, duration: Duration) -> Vec<(Xid, Message)> {
        let end = self.now + duration;
        while let Some(at) = self.switch.poll_timeout().filter(|&at| at <= end) {
            self.now = at;
            self.switch.handle_timeout(at);
        }
        self.now = end;
        self.switch.handle_timeout(end);
        self.hear()
    }

    fn flows(&self) -> Vec<FlowStats> {
        self.switch.flows(self.now)
    }

    /// The priorities of the flows, which name them in many of these tests.
    fn priorities(&self) -> Vec<u16> {
        self.flows().iter().map(|flow| flow.priority).collect()
    }
}

fn config() -> SwitchConfig {
    SwitchConfig::new(DatapathId(1))
}

fn decode(mut bytes: BytesMut) -> Vec<(Xid, Message)> {
    let mut messages = Vec::new();
    while let Some(frame) = split_frame(&mut bytes).unwrap() {
        messages.push(Message::decode(&frame).unwrap());
    }
    assert!(bytes.is_empty(), "the switch stopped in the middle of a message");
    messages
}

fn output(port: u32) -> Vec<Instruction> {
    vec![Instruction::ApplyActions(vec![Action::output(PortNo(port))])]
}

/// IPv4 to an address.
fn to(address: [u8; 4]) -> Match {
    Match::builder().eth_type(EthType::IPV4).ipv4_dst(address.into()).build().unwrap()
}

/// IPv4 to 10.0.0.0 and a prefix length.
fn to_subnet(prefix: u32) -> Match {
    let mask = u32::MAX << (32 - prefix);
    Match::builder().eth_type(EthType::IPV4).ipv4_dst_masked([10, 0, 0, 0].into(), mask.into()).build().unwrap()
}

/// A flow that is told from others by its priority.
fn flow(priority: u16) -> FlowMod {
    FlowMod { priority, instructions: output(1), ..FlowMod::add() }
}
