//! A controller that sends nonsense: every message is answered or ends the conversation, and nothing panics.

use bytes::Bytes;
use openflow::{
    Bucket, BundleAdd, BundleFlags, BundleId, Echo, Experimenter, FlowStatsRequest, GroupId, GroupMod, GroupModCommand,
    GroupType, MultipartRequestBody,
};

use super::*;

const BARRIER: Xid = Xid(0xba22_1e42);

/// One message of each kind that has an inside.
fn lawful() -> Vec<Message> {
    let add = BundleAdd {
        bundle_id: BundleId(1),
        flags: BundleFlags::ATOMIC,
        xid: Xid(1),
        message: Box::new(Message::FlowMod(flow(1))),
        properties: Vec::new(),
    };
    let group = GroupMod {
        command: GroupModCommand::Add,
        group_type: GroupType::All,
        group_id: GroupId(1),
        buckets: vec![Bucket { actions: vec![Action::output(PortNo(1))], ..Bucket::default() }],
    };
    vec![
        Message::FlowMod(FlowMod { flow_match: to_subnet(8), ..flow(1) }),
        Message::FlowMod(FlowMod::delete()),
        Message::GroupMod(group),
        Message::EchoRequest(Echo { data: Bytes::from_static(b"hello") }),
        Message::MultipartRequest(MultipartRequestBody::Flow(FlowStatsRequest::default()).into()),
        Message::MultipartRequest(MultipartRequestBody::Desc.into()),
        Message::Experimenter(Experimenter::BundleAdd(add)),
        Message::FeaturesRequest,
    ]
}

/// Whether the conversation goes on: then the barrier that came after the nonsense was answered.
fn survives(stage: &mut Stage, mut nonsense: BytesMut) -> bool {
    Message::BarrierRequest.encode(BARRIER, &mut nonsense).unwrap();
    let said = stage.say_bytes(nonsense);
    let answered = said.last().is_some_and(|(xid, message)| (*xid, message) == (BARRIER, &Message::BarrierReply));
    assert!(answered || stage.switch.is_closed(stage.channel), "{said:?}");
    answered
}

#[test]
fn any_byte_of_any_message_can_be_wrong() {
    let mut stage = Stage::ready(config());
    for message in lawful() {
        let mut bytes = BytesMut::new();
        message.encode(Xid(1), &mut bytes).unwrap();
        // The length in the header is left alone: a wrong one eats what follows, and that is another test.
        for at in (0..2).chain(4..bytes.len()) {
            for wrong in [0, 1, 7, 8, 0x7f, 0x80, 0xff] {
                let mut nonsense = bytes.clone();
                nonsense[at] = wrong;
                assert!(survives(&mut stage, nonsense), "{message} with {wrong} at {at}");
            }
        }
    }
}

#[test]
fn random_bodies_are_refused_and_the_conversation_goes_on() {
    let mut rng = fastrand::Rng::with_seed(4);
    let mut stage = Stage::ready(config());
    for _ in 0..20_000 {
        let length = rng.u16(8..200);
        let mut nonsense = BytesMut::from(&[OFP_VERSION, rng.u8(..40)][..]);
        nonsense.extend_from_slice(&length.to_be_bytes());
        nonsense.extend((4..length).map(|_| rng.u8(..)));
        assert!(survives(&mut stage, nonsense));
    }
}

#[test]
fn a_message_that_ends_too_early_waits_for_its_rest() {
    let mut stage = Stage::ready(config());
    for message in lawful() {
        let mut bytes = BytesMut::new();
        message.encode(Xid(1), &mut bytes).unwrap();
        for length in 0..bytes.len() {
            let mut part = BytesMut::from(&bytes[..length]);
            stage.switch.handle_input(stage.channel, &mut part, stage.now);
            assert_eq!((part.len(), stage.hear()), (length, vec![]));
        }
    }
}
