//! A batch of 200 FLOW_MODs, a quarter of which find the table full, cut at every byte in either direction: what is told
//! of each is true, and what is not known is found out by a read on the next connection.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::emulator::{ChannelId, Switch, SwitchConfig};

const FLOWS: u64 = 200;
const TABLE_LIMIT: usize = 150;
/// So that most cuts leave some groups answered and others not.
const BARRIER_EVERY: usize = 50;

/// A switch and one connection to it.
struct Line {
    switch: Switch,
    channel: ChannelId,
    session: Session,
    now: Instant,
}

impl Line {
    /// The handshake is done and nothing is programmed.
    fn ready() -> Self {
        let now = Instant::now();
        let config = SwitchConfig { n_tables: 1, table_limit: TABLE_LIMIT, ..SwitchConfig::new(DatapathId(1)) };
        let mut switch = Switch::new(config);
        let (channel, session) = connect(&mut switch, now);
        Self { switch, channel, session, now }
    }

    fn said(&mut self) -> BytesMut {
        let mut up = BytesMut::new();
        self.session.poll_transmit(&mut up, self.now);
        up
    }

    fn answers(&mut self) -> BytesMut {
        let mut down = BytesMut::new();
        self.switch.poll_transmit(self.channel, &mut down);
        down
    }

    /// The batch as it leaves.
    fn batch(&mut self) -> BytesMut {
        let mods = (1..=FLOWS).map(|number| (Token(number), flow_mod(number))).collect();
        self.session.handle_command(Command::Program(mods), self.now);
        self.said()
    }

    /// The flows that the switch has, by cookie.
    fn present(&self) -> BTreeSet<u64> {
        self.switch.flows(self.now).into_iter().map(|flow| flow.cookie).collect()
    }

    /// The same, as a read on the next connection tells it.
    fn read_back(&mut self) -> BTreeSet<u64> {
        let (channel, mut session) = connect(&mut self.switch, self.now);
        let request = FlowStatsRequest::default();
        session.handle_command(Command::ReadFlows { token: Token(0), request, expected: 0 }, self.now);
        talk(&mut session, &mut self.switch, channel, self.now);
        self.switch.close(channel);
        match session.poll_event() {
            Some(Event::FlowsRead { result: Ok(flows), .. }) => flows.into_iter().map(|flow| flow.cookie).collect(),
            other => panic!("expected the flows, not {other:?}"),
        }
    }
}

/// A connection on which the handshake is done.
fn connect(switch: &mut Switch, now: Instant) -> (ChannelId, Session) {
    let channel = switch.open(now);
    let mut session = Session::new(Config { barrier_every: BARRIER_EVERY, ..Config::default() }, now);
    talk(&mut session, switch, channel, now);
    assert!(matches!(session.poll_event(), Some(Event::Ready(_))));
    (channel, session)
}

/// Both say what they have to say.
fn talk(session: &mut Session, switch: &mut Switch, channel: ChannelId, now: Instant) {
    loop {
        let (mut up, mut down) = (BytesMut::new(), BytesMut::new());
        session.poll_transmit(&mut up, now);
        switch.poll_transmit(channel, &mut down);
        if up.is_empty() && down.is_empty() {
            return;
        }
        switch.handle_input(channel, &mut up, now);
        session.handle_input(&mut down, now);
    }
}

fn flow_mod(number: u64) -> FlowMod {
    let flow_match = Match::builder().in_port(openflow::PortNo(u32::try_from(number).unwrap())).build().unwrap();
    FlowMod { cookie: number, priority: 1, flow_match, ..FlowMod::add() }
}

/// What is told of each FLOW_MOD when the connection breaks now.
fn cut(mut session: Session) -> BTreeMap<u64, &'static str> {
    session.handle_disconnect(CloseReason::PeerClosed);
    let mut last = BTreeMap::new();
    let mut finals = 0;
    while let Some(event) = session.poll_event() {
        if let Event::Settled(settlements) = event {
            finals += settlements.len();
            last.extend(settlements.into_iter().map(|settlement| (settlement.token.0, name(&settlement.outcome))));
        }
    }
    assert_eq!((last.len(), finals), (FLOWS as usize, FLOWS as usize), "each has one final outcome");
    last
}

/// Nothing is told that the switch's table does not bear out. How many are unknown.
fn judge(told: &BTreeMap<u64, &'static str>, present: &BTreeSet<u64>, at: usize) -> usize {
    let mut unknown = 0;
    for (number, outcome) in told {
        match *outcome {
            "confirmed" => {
                assert!(present.contains(number), "{number} is confirmed and not there, cut after {at} bytes");
            }
            "refused" => assert!(!present.contains(number), "{number} is refused and there, cut after {at} bytes"),
            "unknown" => unknown += 1,
            other => panic!("{number} is {other}, cut after {at} bytes"),
        }
    }
    unknown
}

#[test]
fn a_batch_of_200_cut_at_every_byte_towards_the_switch_is_told_truthfully_and_found_out_later() {
    let mut line = Line::ready();
    let batch = line.batch();
    assert!(batch.len() > 200 * 64);
    let mut present = BTreeSet::new();
    let mut input = BytesMut::new();
    let mut fewest = FLOWS as usize;
    for at in 0..=batch.len() {
        // What the switch says to the bytes that came is still heard.
        let mut answers = line.answers();
        line.session.handle_input(&mut answers, line.now);
        if input.is_empty() {
            // A message is whole: the only moment at which the table can change.
            present = line.present();
            assert_eq!(line.read_back(), present, "cut after {at} bytes");
        }
        fewest = fewest.min(judge(&cut(line.session.clone()), &present, at));
        if let Some(byte) = batch.get(at) {
            input.extend_from_slice(&[*byte]);
            line.switch.handle_input(line.channel, &mut input, line.now);
        }
    }
    assert_eq!((fewest, present.len()), (0, TABLE_LIMIT), "in the end everything is known");
}

#[test]
fn a_batch_of_200_cut_at_every_byte_from_the_switch_is_told_truthfully_and_found_out_later() {
    let mut line = Line::ready();
    let mut batch = line.batch();
    line.switch.handle_input(line.channel, &mut batch, line.now);
    let mut answers = BytesMut::new();
    while !batch.is_empty() || answers.is_empty() {
        answers.extend_from_slice(&line.answers());
        line.switch.handle_input(line.channel, &mut batch, line.now);
    }
    answers.extend_from_slice(&line.answers());
    let present = line.present();
    let mut unknown = Vec::new();
    let mut input = BytesMut::new();
    let mut session = line.session.clone();
    for at in 0..=answers.len() {
        unknown.push(judge(&cut(session.clone()), &present, at));
        if let Some(byte) = answers.get(at) {
            input.extend_from_slice(&[*byte]);
            session.handle_input(&mut input, line.now);
        }
    }
    assert_eq!((unknown.first(), unknown.last()), (Some(&(FLOWS as usize)), Some(&0)));
    assert!(unknown.is_sorted_by(|before, after| before >= after), "what is known stays known");
    assert_eq!(line.read_back(), present, "a read tells of each unknown one whether it is there");
}
