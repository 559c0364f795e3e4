//! Each fault does what its name says, and nothing else.

use bytes::Bytes;
use openflow::ErrorCode;

use super::*;
use crate::emulator::{Fault, Link};

/// A switch behind a link with faults, after HELLO and without what was said until then.
struct FaultyStage {
    switch: Switch,
    link: Link,
    now: Instant,
}

impl FaultyStage {
    fn new(faults: Vec<Fault>) -> Self {
        let now = Instant::now();
        let mut switch = Switch::new(SwitchConfig { table_limit: 2, ..config() });
        let link = Link::open(&mut switch, faults, now);
        Self { switch, link, now }
    }

    fn say(&mut self, messages: &[Message]) -> Bytes {
        let mut input = encode(messages);
        self.link.handle_input(&mut self.switch, &mut input, self.now);
        self.hear()
    }

    fn hear(&mut self) -> Bytes {
        let mut output = BytesMut::new();
        self.link.poll_transmit(&mut self.switch, &mut output);
        output.freeze()
    }

    fn wait(&mut self, duration: Duration) -> Bytes {
        self.now += duration;
        self.link.handle_timeout(&mut self.switch, self.now);
        self.hear()
    }
}

/// HELLO and three flows, of which the last does not fit, then a barrier; with the numbers 1 to 5 as xids.
fn batch() -> Vec<Message> {
    vec![
        Message::Hello(Hello::with_versions(&[OFP_VERSION])),
        Message::FlowMod(flow(1)),
        Message::FlowMod(flow(2)),
        Message::FlowMod(flow(3)),
        Message::BarrierRequest,
    ]
}

fn encode(messages: &[Message]) -> BytesMut {
    let mut bytes = BytesMut::new();
    for (xid, message) in (1..).zip(messages) {
        message.encode(Xid(xid), &mut bytes).unwrap();
    }
    bytes
}

/// What the switch said, HELLO apart: the xid of each error and each barrier reply.
fn verdicts(bytes: Bytes) -> Vec<(u32, &'static str)> {
    decode(bytes.into())
        .into_iter()
        .filter_map(|(xid, message)| match message {
            Message::Hello(_) => None,
            Message::BarrierReply => Some((xid.0, "barrier")),
            Message::Error(error) if error.error_code() == ErrorCode::FLOW_MOD_FAILED_TABLE_FULL => {
                Some((xid.0, "table full"))
            }
            other => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn a_link_without_faults_adds_nothing() {
    let mut stage = FaultyStage::new(vec![]);
    assert_eq!(verdicts(stage.say(&batch())), [(4, "table full"), (5, "barrier")]);
}

#[test]
fn a_torn_switch_speaks_one_byte_at_a_time() {
    let mut stage = FaultyStage::new(vec![Fault::Torn]);
    let mut heard = BytesMut::from(&stage.say(&batch())[..]);
    assert_eq!(heard.len(), 1);
    loop {
        let next = stage.hear();
        if next.is_empty() {
            break;
        }
        assert_eq!(next.len(), 1);
        heard.extend_from_slice(&next);
    }
    assert_eq!(verdicts(heard.freeze()), [(4, "table full"), (5, "barrier")]);
}

#[test]
fn a_slow_switch_takes_its_time_for_every_message() {
    let mut stage = FaultyStage::new(vec![Fault::Slow(Duration::from_millis(100))]);
    assert_eq!(verdicts(stage.say(&batch())), []);
    assert_eq!(stage.link.poll_timeout(&stage.switch), Some(stage.now + Duration::from_millis(100)));
    assert_eq!(verdicts(stage.wait(Duration::from_millis(300))), []);
    assert_eq!(stage.switch.flows(stage.now).len(), 2);
    assert_eq!(verdicts(stage.wait(Duration::from_millis(100))), [(4, "table full")]);
    assert_eq!(verdicts(stage.wait(Duration::from_millis(100))), [(5, "barrier")]);
}

#[test]
fn a_silent_switch_stops_in_the_middle() {
    let mut stage = FaultyStage::new(vec![Fault::Silent { after: 2 }]);
    assert_eq!(verdicts(stage.say(&batch())), []);
    assert_eq!(stage.switch.flows(stage.now).len(), 1);
}

#[test]
fn flows_can_be_lost_while_the_barrier_says_that_all_is_well() {
    let mut stage = FaultyStage::new(vec![Fault::DropFlows { every: 2 }]);
    assert_eq!(verdicts(stage.say(&batch())), [(5, "barrier")]);
    let there: Vec<u16> = stage.switch.flows(stage.now).iter().map(|flow| flow.priority).collect();
    assert_eq!(there, [3, 1]);
}

#[test]
fn a_barrier_can_stay_without_an_answer() {
    let mut stage = FaultyStage::new(vec![Fault::NoBarrierReply]);
    assert_eq!(verdicts(stage.say(&batch())), [(4, "table full")]);
}

#[test]
fn every_second_answer_to_a_barrier_can_be_lost() {
    let mut stage = FaultyStage::new(vec![Fault::DropBarrierReplies { every: 2 }]);
    assert_eq!(verdicts(stage.say(&batch())), [(4, "table full"), (5, "barrier")]);
    assert_eq!(verdicts(stage.say(&batch())), [(4, "table full")]);
}

#[test]
fn a_barrier_can_be_answered_with_an_xid_of_nobody() {
    let mut stage = FaultyStage::new(vec![Fault::WrongBarrierXid]);
    assert_eq!(verdicts(stage.say(&batch())), [(4, "table full"), (!5, "barrier")]);
}

#[test]
fn errors_can_come_after_the_barrier() {
    let mut stage = FaultyStage::new(vec![Fault::ErrorsAfterBarrier]);
    assert_eq!(verdicts(stage.say(&batch())), [(5, "barrier"), (4, "table full")]);
}

#[test]
fn a_barrier_can_be_answered_before_anything_is_done() {
    let lag = Duration::from_secs(1);
    let mut stage = FaultyStage::new(vec![Fault::BarrierFirst(lag)]);
    stage.say(&batch()[..1]);
    stage.wait(lag);
    assert_eq!(verdicts(stage.say(&batch()[1..])), [(4, "barrier")]);
    assert_eq!(stage.switch.flows(stage.now), []);
    assert_eq!(verdicts(stage.wait(lag)), [(3, "table full")]);
    assert_eq!(stage.switch.flows(stage.now).len(), 2);
}

#[test]
fn errors_and_answers_to_barriers_can_come_twice() {
    let mut stage = FaultyStage::new(vec![Fault::Twice]);
    let full = (4, "table full");
    assert_eq!(verdicts(stage.say(&batch())), [full, full, (5, "barrier"), (5, "barrier")]);
}

#[test]
fn faults_combine() {
    let mut stage = FaultyStage::new(vec![Fault::ErrorsAfterBarrier, Fault::WrongBarrierXid]);
    assert_eq!(verdicts(stage.say(&batch())), [(!5, "barrier"), (4, "table full")]);
}

#[test]
fn a_connection_cut_towards_the_switch_delivers_exactly_the_bytes_before_the_cut() {
    let whole = encode(&batch());
    let ends = ends(&whole);
    for cut in 0..=whole.len() {
        let mut stage = FaultyStage::new(vec![Fault::CutInput { after: cut as u64 }]);
        // In two pieces, so that the count has to go on.
        let mut input = BytesMut::from(&whole[..cut / 2]);
        stage.link.handle_input(&mut stage.switch, &mut input, stage.now);
        input.extend_from_slice(&whole[cut / 2..]);
        stage.link.handle_input(&mut stage.switch, &mut input, stage.now);
        let arrived = ends.iter().filter(|&&end| end <= cut).count();
        assert_eq!(stage.switch.flows(stage.now).len(), arrived.saturating_sub(1).min(2), "cut at {cut}");
        assert!(stage.link.is_closed(&stage.switch), "cut at {cut}");
        assert_eq!(stage.hear().len(), 0);
    }
}

#[test]
fn a_connection_cut_towards_the_controller_delivers_exactly_the_bytes_before_the_cut() {
    let whole = FaultyStage::new(vec![Fault::WrongBarrierXid]).say(&batch());
    for cut in 0..=whole.len() {
        let mut stage = FaultyStage::new(vec![Fault::CutOutput { after: cut as u64 }, Fault::WrongBarrierXid]);
        assert_eq!(stage.say(&batch()), whole[..cut]);
        assert!(stage.link.is_closed(&stage.switch));
        assert_eq!(stage.hear().len(), 0);
    }
}

/// Where each message ends.
fn ends(bytes: &[u8]) -> Vec<usize> {
    let mut rest = BytesMut::from(bytes);
    std::iter::from_fn(|| split_frame(&mut rest).unwrap().map(|_| bytes.len() - rest.len())).collect()
}
