//! Queues, bundles, roles and experimenters that are wrong or that nobody asked for.

use super::*;

/// The ONF's experimenter id, under which bundles and flow monitors go.
const ONF: [u8; 4] = 0x4f4e_4600_u32.to_be_bytes();

fn experimenter(experimenter: [u8; 4], exp_type: u32, body: &[u8]) -> Vec<u8> {
    raw(4, NOBODY, &[&experimenter[..], &exp_type.to_be_bytes(), body].concat())
}

/// A bundle control message: id, type, flags.
fn bundle(id: u32, control_type: u16, flags: u16, properties: &[u8]) -> Vec<u8> {
    let body = [&id.to_be_bytes()[..], &control_type.to_be_bytes(), &flags.to_be_bytes(), properties].concat();
    experimenter(ONF, 2300, &body)
}

/// Whatever is made of it, it is counted, it confirms nothing, and the session goes on.
fn counted(bytes: &[u8]) {
    let mut trial = Trial::begin(InFlight);
    trial.give(bytes);
    trial.goes_on();
    assert_ne!(trial.counted(), NOTHING);
    assert_eq!(trial.settle(), ["confirmed"; 3]);
}

#[test]
fn m51_a_queue_of_the_wrong_length_is_refused() {
    let reply = |length: u8| {
        let queue = with(vec![0; 16], 8, &[0, length]);
        raw(23, NOBODY, &[&[0; 8][..], &queue].concat())
    };
    for length in (0..16).chain([17, 200]) {
        malformed(&reply(length), ErrorCode::BAD_REQUEST_BAD_LEN);
    }
    unasked(&reply(16), STRAY_REPLY);
}

#[test]
fn m51_a_queue_property_shorter_than_its_header_is_refused() {
    for length in 0..8 {
        let queue = with(vec![0; 16], 8, &[0, 24]);
        let property = [0, 1, 0, length, 0, 0, 0, 0];
        malformed(&raw(23, NOBODY, &[&[0; 8][..], &queue, &property].concat()), ErrorCode::BAD_REQUEST_BAD_LEN);
    }
}

#[test]
fn m52_a_bundle_reply_that_nobody_waits_for_confirms_nothing() {
    for control_type in [1, 3, 5] {
        counted(&bundle(0xdead, control_type, 0xffff, &[]));
    }
}

/// A bundle of two FLOW_MODs whose commit is out, and the barrier behind it: their xids, and the commit's.
fn committed(trial: &mut Trial) -> (Vec<Xid>, Xid) {
    let mods = (0..2).map(|token| (Token(100 + token), FlowMod::add())).collect();
    trial.session.handle_command(Command::Bundle(mods), trial.now);
    trial.look();
    let mut xids: Vec<_> = trial.sent.drain(..).map(|(xid, _)| xid).collect();
    let (_barrier, commit) = (xids.pop().unwrap(), xids.pop().unwrap());
    (xids.split_off(1), commit)
}

/// What became of the FLOW_MODs of the bundle.
fn bundled(trial: &Trial) -> Vec<&'static str> {
    trial.outcomes().into_iter().filter(|(token, _)| *token >= 100).map(|(_, outcome)| outcome).collect()
}

#[test]
fn m52_a_commit_reply_for_another_bundle_confirms_nothing() {
    let mut trial = Trial::begin(InFlight);
    let (_, commit) = committed(&mut trial);
    trial.give(&with(bundle(0xdead, 5, 3, &[]), 4, &commit.0.to_be_bytes()));
    assert!(bundled(&trial).is_empty());
    assert_eq!(trial.counted(), STRAY_REPLY);
    trial.give(&with(bundle(1, 5, 3, &[]), 4, &commit.0.to_be_bytes()));
    trial.tell(Xid(commit.0 + 1), &Message::BarrierReply);
    assert_eq!(bundled(&trial), ["confirmed"; 2]);
}

#[test]
fn m52_an_answer_that_cannot_be_understood_leaves_a_bundle_unknown() {
    let mut trial = Trial::begin(InFlight);
    let (added, commit) = committed(&mut trial);
    trial.give(&raw(1, added[1], &[0]));
    trial.give(&with(bundle(1, 5, 3, &[]), 4, &commit.0.to_be_bytes()));
    trial.tell(Xid(commit.0 + 1), &Message::BarrierReply);
    assert_eq!(bundled(&trial), ["confirmed", "unknown"]);

    let mut trial = Trial::begin(InFlight);
    let (_, commit) = committed(&mut trial);
    trial.give(&with(bundle(1, 5, 3, &[]), 4, &commit.0.to_be_bytes()));
    trial.give(&raw(1, Xid(commit.0 + 1), &[0]));
    assert_eq!(bundled(&trial), ["unknown"; 2]);

    let mut trial = Trial::begin(InFlight);
    let (_, commit) = committed(&mut trial);
    trial.give(&raw(1, commit, &[0]));
    assert_eq!(bundled(&trial), ["unknown"; 2]);
}

#[test]
fn m52_a_commit_that_is_never_answered_ends_the_session() {
    let mut trial = Trial::begin(InFlight);
    trial.tell(trial.barrier, &Message::BarrierReply);
    committed(&mut trial);
    for _ in 0..60 {
        assert!(!trial.session.is_closed());
        trial.give(&echo_request(0));
        trial.pass(Duration::from_secs(1));
    }
    assert!(matches!(trial.events.last(), Some(Event::Closed(CloseReason::BarrierUnanswered))));
}

#[test]
fn m52_a_bundle_property_shorter_than_its_header_is_refused() {
    for length in 0..4 {
        malformed(&bundle(1, 5, 3, &[0xff, 0xff, 0, length, 0, 0, 0, 0]), ErrorCode::BAD_REQUEST_BAD_LEN);
    }
}

#[test]
fn m52_a_bundle_error_cut_short_confirms_nothing() {
    for length in 0..8 {
        let error = raw(1, NOBODY, &[&[0xff, 0xff, 0x08, 0xfc][..], &ONF, &[0; 4]].concat()[..4 + length]);
        let mut trial = Trial::begin(InFlight);
        trial.give(&error);
        trial.goes_on();
        assert_eq!(trial.counted(), STRAY_ERROR);
        assert_eq!(trial.settle(), ["confirmed"; 3]);
    }
}

#[test]
fn m53_a_role_reply_that_nobody_asked_for_changes_nothing() {
    for (role, generation) in [(2_u32, 0_u64), (3, u64::MAX), (1, 1 << 63)] {
        let body = [&role.to_be_bytes()[..], &[0; 4], &generation.to_be_bytes()].concat();
        counted(&raw(25, NOBODY, &body));
    }
}

#[test]
fn m53_a_role_that_does_not_exist_is_refused() {
    let body = with(vec![0; 16], 3, &[7]);
    malformed(&raw(25, NOBODY, &body), ErrorCode::ROLE_REQUEST_FAILED_BAD_ROLE);
}

#[test]
fn m54_role_status_of_openflow_1_4_is_an_unknown_type() {
    let body = with(vec![0; 16], 4, &[99]);
    malformed(&raw(30, NOBODY, &body), ErrorCode::BAD_REQUEST_BAD_TYPE);
}

#[test]
fn m55_a_large_message_of_an_unknown_experimenter_is_ignored() {
    unasked(&experimenter([0xba, 0xdb, 0xad, 0x00], 1, &[0xa5; 65_519]), IGNORED);
}
