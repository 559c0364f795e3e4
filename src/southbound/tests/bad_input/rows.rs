//! The table: what is sent, and how it ends in each state. A row is a line.

use openflow::{Capabilities, FeaturesReply, SwitchConfig};

use super::*;
use crate::session::bad_input::{bytes_of, echo_request, features, multipart, packet_in, raw, with};

/// How it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// The connection is closed, and FLOW_MODs in flight are unknown.
    Ends,
    /// The connection goes on: what was under way comes to its lawful end.
    GoesOn,
    /// The connection goes on, and this becomes of the FLOW_MODs in flight once their barrier is answered.
    Settles([&'static str; 3]),
}

use Fate::{Ends, GoesOn, Settles};

/// Before HELLO, before FEATURES_REPLY, in flight.
type Fates = [Fate; 3];

/// A stream that cannot be followed any more.
const BROKEN: Fates = [Ends, Ends, Ends];
/// A message that cannot be understood: fatal for who cannot say what it is.
const MALFORMED: Fates = [Ends, Ends, GoesOn];
/// A lawful message that answers nothing: it is no HELLO.
const UNASKED: Fates = [Ends, GoesOn, GoesOn];
/// A HELLO, whatever else is in it.
const GREETS: Fates = [GoesOn, GoesOn, GoesOn];
/// The answer to the question for the features is the wrong one.
const WRONG_FEATURES: Fates = [Ends, Ends, GoesOn];

const CONFIG: SwitchConfig = SwitchConfig { flags: 0, miss_send_len: 0 };

type Row = (&'static str, fn(Xids) -> Vec<u8>, Fates);

#[rustfmt::skip]
const ROWS: &[Row] = &[
    ("m01 length 0", |_| header(0), BROKEN),
    ("m02 length 7", |_| header(7), BROKEN),
    ("m05 a lawful message in pieces", |_| echo_request(40), UNASKED),
    ("m06 a thousand messages in one segment", |_| echo_request(0).repeat(1_000), UNASKED),
    ("m07 version 1", |_| with(echo_request(0), 0, &[1]), BROKEN),
    ("m07 version 255", |_| with(echo_request(0), 0, &[0xff]), BROKEN),
    ("m08 type 30", |_| raw(30, NOBODY, &[]), MALFORMED),
    ("m08 type 255", |_| raw(255, NOBODY, &[0xa5; 64]), MALFORMED),
    ("m09 FLOW_MOD from a switch", |_| bytes_of(NOBODY, &Message::FlowMod(FlowMod::add())), UNASKED),
    ("m09 SET_CONFIG from a switch", |_| bytes_of(NOBODY, &Message::SetConfig(CONFIG)), UNASKED),
    ("m10 a BARRIER_REPLY too long", |_| raw(21, NOBODY, &[0; 65_527]), MALFORMED),
    ("m11 a HELLO element of length 0", |_| raw(0, NOBODY, &[0, 1, 0, 0, 0, 0, 0, 16]), MALFORMED),
    ("m12 a HELLO element of length 3", |_| raw(0, NOBODY, &[0, 1, 0, 3, 0, 0, 0, 16]), MALFORMED),
    ("m13 a HELLO element past its end", |_| raw(0, NOBODY, &[0, 1, 0, 16, 0, 0, 0, 16]), MALFORMED),
    ("m14 a bitmap of 3 bytes", |_| raw(0, NOBODY, &[0, 1, 0, 7, 0, 0, 16, 0]), MALFORMED),
    ("m15 a bitmap without 1.3", |_| bytes_of(NOBODY, &Message::Hello(Hello::with_versions(&[1, 5, 6]))), UNASKED),
    ("m16 16,000 empty HELLO elements", |_| raw(0, NOBODY, &[0, 9, 0, 4].repeat(16_000)), GREETS),
    ("m17 ECHO_REQUEST first", |_| echo_request(0), UNASKED),
    ("m17 PACKET_IN first", |_| packet_in(64, 64), UNASKED),
    ("m19 a second HELLO", |_| bytes_of(NOBODY, &Message::Hello(Hello::with_versions(&[OFP_VERSION]))), GREETS),
    ("m20 HELLO_FAILED", |_| bytes_of(NOBODY, &error(ErrorCode::HELLO_FAILED_INCOMPATIBLE)), MALFORMED),
    ("m21 FEATURES_REPLY short by 1", |xids| raw(6, xids.features, &[0; 23]), MALFORMED),
    ("m22 FEATURES_REPLY to nothing", |_| bytes_of(NOBODY, &features_reply()), UNASKED),
    ("m23 datapath id 0", |xids| features_that(xids, FeaturesReply { datapath_id: DatapathId(0), ..features() }), WRONG_FEATURES),
    ("m26 a second datapath id", |xids| [bytes_of(xids.features, &features_reply()), features_that(xids, FeaturesReply { datapath_id: DatapathId(7), ..features() })].concat(), UNASKED),
    ("m27 an auxiliary connection", |xids| features_that(xids, FeaturesReply { auxiliary_id: 1, ..features() }), WRONG_FEATURES),
    ("m28 no tables", |xids| features_that(xids, FeaturesReply { n_tables: 0, ..features() }), WRONG_FEATURES),
    ("m30 a flow entry of length 0", |xids| multipart(xids.read, 1, false, &[0; 56]), MALFORMED),
    ("m31 a flow entry of 55 bytes", |xids| multipart(xids.read, 1, false, &entry(55, &ANY)), MALFORMED),
    ("m32 a flow entry longer than its message", |xids| multipart(xids.read, 1, false, &entry(0xffff, &ANY)), MALFORMED),
    ("m33 a match of length 3", |xids| multipart(xids.read, 1, false, &entry(56, &[0, 1, 0, 3, 0, 0, 0, 0])), MALFORMED),
    ("m34 a field longer than its match", |xids| multipart(xids.read, 1, false, &entry(60, &[0, 1, 0, 12, 0x80, 0, 0, 200, 0, 0, 0, 1])), MALFORMED),
    ("m35 an instruction of length 0", |xids| multipart(xids.read, 1, false, &entry(64, &[&ANY[..], &[0, 4, 0, 0, 0, 0, 0, 0]].concat())), MALFORMED),
    ("m36 an action of length 0", |xids| multipart(xids.read, 1, false, &entry(72, &[&ANY[..], &[0, 4, 0, 16, 0, 0, 0, 0], &[0; 8]].concat())), MALFORMED),
    ("m37 table features of length 0", |_| multipart(NOBODY, 12, false, &[0; 64]), MALFORMED),
    ("m38 a table feature property of length 3", |_| multipart(NOBODY, 12, false, &[&[0, 72][..], &[0; 62], &[0, 0, 0, 3, 0, 0, 0, 0]].concat()), MALFORMED),
    ("m39 a group of length 0", |_| multipart(NOBODY, 7, false, &[0; 8]), MALFORMED),
    ("m40 a bucket of length 0", |_| multipart(NOBODY, 7, false, &[&[0, 24, 0, 0, 0, 0, 0, 1][..], &[0; 16]].concat()), MALFORMED),
    ("m41 an action of length 0 in a bucket", |_| multipart(NOBODY, 7, false, &[&[0, 32, 0, 0, 0, 0, 0, 1, 0, 24][..], &[0; 22]].concat()), MALFORMED),
    ("m42 a meter of length 0", |_| multipart(NOBODY, 10, false, &[0; 8]), MALFORMED),
    ("m43 half a port", |_| multipart(NOBODY, 13, false, &[0; 32]), MALFORMED),
    ("m46 parts of different types", |xids| [multipart(xids.read, 1, true, &[]), multipart(xids.read, 13, false, &[0; 64])].concat(), UNASKED),
    ("m47 a reply to nothing", |_| multipart(NOBODY, 1, false, &[]), UNASKED),
    ("m49 a reply after the last part", |xids| multipart(xids.read, 1, false, &[]).repeat(2), UNASKED),
    ("m50 a hundred empty parts", |xids| multipart(xids.read, 1, true, &[]).repeat(100), UNASKED),
    ("m51 a queue of length 0", |_| raw(23, NOBODY, &[0; 24]), MALFORMED),
    ("m52 a reply to no bundle", |_| raw(4, NOBODY, &[&ONF[..], &2300_u32.to_be_bytes(), &[0, 0, 0, 9, 0, 5, 0, 3]].concat()), UNASKED),
    ("m53 role 7", |_| raw(25, NOBODY, &[0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), MALFORMED),
    ("m53 a role that nobody asked for", |_| raw(25, NOBODY, &[0, 0, 0, 2, 0, 0, 0, 0, 0xff, 0, 0, 0, 0, 0, 0, 0]), UNASKED),
    ("m54 ROLE_STATUS of 1.4", |_| raw(30, NOBODY, &[0, 0, 0, 2, 99, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), MALFORMED),
    ("m55 65,519 bytes of an experimenter", |_| raw(4, NOBODY, &[&[0xba, 0xdb, 0xad, 0, 0, 0, 0, 1][..], &[0xa5; 65_519]].concat()), UNASKED),
    ("m56 an error that quotes nothing", |xids| bytes_of(xids.flow_mods[1], &table_full()), [Ends, GoesOn, Settles(["confirmed", "refused", "confirmed"])]),
    ("m56 an error without a code", |xids| raw(1, xids.flow_mods[1], &[0, 5]), [Ends, Ends, Settles(["confirmed", "unknown", "confirmed"])]),
    ("m57 an error of type 0x7777", |xids| raw(1, xids.flow_mods[0], &[0x77, 0x77, 0x88, 0x88]), [Ends, GoesOn, Settles(["refused", "confirmed", "confirmed"])]),
    ("m58 an error for nothing", |_| bytes_of(NOBODY, &table_full()), UNASKED),
    ("m60 an error for the barrier", |xids| bytes_of(xids.barrier, &error(ErrorCode::BAD_REQUEST_BAD_TYPE)), [Ends, GoesOn, Settles(["unknown"; 3])]),
    ("m61 an error after the barrier reply", |xids| [bytes_of(xids.barrier, &Message::BarrierReply), bytes_of(xids.flow_mods[1], &table_full())].concat(), UNASKED),
    ("m62 two errors for one FLOW_MOD", |xids| bytes_of(xids.flow_mods[2], &table_full()).repeat(2), [Ends, GoesOn, Settles(["confirmed", "confirmed", "refused"])]),
    ("m63 a barrier reply to nothing", |_| bytes_of(NOBODY, &Message::BarrierReply), UNASKED),
    ("m63 a barrier reply with a body", |xids| raw(21, xids.barrier, &[0; 8]), [Ends, Ends, Settles(["unknown"; 3])]),
    ("m64 a barrier reply of another connection", |xids| bytes_of(Xid(xids.barrier.0 ^ 0x4000_0000), &Message::BarrierReply), UNASKED),
    ("m66 20,000 errors for nothing", |_| bytes_of(NOBODY, &table_full()).repeat(20_000), UNASKED),
    ("m67 20,000 packets", |_| packet_in(64, 64).repeat(20_000), UNASKED),
    ("m68 a packet shorter than its match", |_| raw(10, NOBODY, &[0; 20]), MALFORMED),
    ("m69 FLOW_REMOVED for reason 255", |_| raw(11, NOBODY, &[&[0; 10][..], &[255], &[0; 29], &[0, 1, 0, 4, 0, 0, 0, 0]].concat()), UNASKED),
    ("m70 a port that flaps", |_| raw(12, NOBODY, &[0; 72]).repeat(500), UNASKED),
    ("m72 an echo reply to nothing", |_| bytes_of(NOBODY, &Message::EchoReply(Echo { data: Bytes::new() })), UNASKED),
    ("m73 a flow update of length 0", |_| multipart(NOBODY, 0xffff, false, &[&ONF[..], &1870_u32.to_be_bytes(), &[0; 8]].concat()), MALFORMED),
    ("more malformed messages than anybody sends by mistake", |_| raw(99, NOBODY, &[]).repeat(200), BROKEN),
];

/// The rows that have no line: what needs time is in `silent`, M04 and M71 in `plain`; duplicates (M24, M25) are the
/// owner's; what needs two batches or two reads (M48, M59), or 64 MiB (M44), is in `session::bad_input` alone.
const ELSEWHERE: [u32; 12] = [3, 4, 18, 24, 25, 29, 44, 45, 48, 59, 65, 71];

/// The ONF's experimenter id.
const ONF: [u8; 4] = 0x4f4e_4600_u32.to_be_bytes();

/// A match of everything.
const ANY: [u8; 8] = [0, 1, 0, 4, 0, 0, 0, 0];

fn header(length: u16) -> Vec<u8> {
    [&[OFP_VERSION, 2][..], &length.to_be_bytes(), &NOBODY.0.to_be_bytes()].concat()
}

fn error(code: ErrorCode) -> Message {
    Message::Error(ErrorMsg::new(code, Bytes::new()))
}

fn table_full() -> Message {
    error(ErrorCode::FLOW_MOD_FAILED_TABLE_FULL)
}

fn features_that(xids: Xids, features: FeaturesReply) -> Vec<u8> {
    bytes_of(xids.features, &Message::FeaturesReply(features))
}

/// A flow entry that says it is so long.
fn entry(length: u16, rest: &[u8]) -> Vec<u8> {
    [&length.to_be_bytes()[..], &[0; 46], rest].concat()
}

#[test]
fn each_row_has_a_line_or_a_place_elsewhere() {
    for row in 1..=73 {
        let has_line = ROWS.iter().any(|(name, ..)| name.starts_with(&format!("m{row:02} ")));
        assert!(has_line != ELSEWHERE.contains(&row), "M{row:02}");
    }
    assert_eq!(features().capabilities, Capabilities::FLOW_STATS, "the switch of the table is that of the session's");
}

#[tokio::test]
async fn bad_input_over_tcp_ends_as_it_should_in_every_state_and_disturbs_no_other_switch() {
    play(Transport::Tcp).await;
}

#[tokio::test]
async fn bad_input_over_tls_ends_as_it_should_in_every_state_and_disturbs_no_other_switch() {
    play(Transport::Tls).await;
}

async fn play(transport: Transport) {
    let mut scene = Scene::new(transport, session::Config::default()).await;
    for (name, bytes, fates) in ROWS {
        for (state, fate) in STATES.into_iter().zip(fates) {
            // Shown when it fails.
            println!("{transport:?}, {state:?}: {name}");
            let mut peer = scene.peer(state).await;
            let bytes = bytes(peer.xids);
            let (front, back) = bytes.split_at(bytes.len() / 3);
            peer.send(front).await;
            peer.send(back).await;
            match fate {
                Ends => ends(&mut scene, peer).await,
                GoesOn => goes_on(&mut scene, peer, state, ["confirmed"; 3]).await,
                Settles(outcomes) => goes_on(&mut scene, peer, state, *outcomes).await,
            }
            scene.assert_undisturbed().await;
        }
    }
}

/// This side ends the connection. What was in flight is unknown, and whoever was not ready is never told of.
async fn ends(scene: &mut Scene, mut peer: Peer) {
    let (outcomes, reason) = peer.end(&mut scene.stage).await;
    assert!(outcomes.iter().all(|outcome| *outcome == "unknown"), "{outcomes:?}");
    assert_eq!((outcomes.len(), reason.is_some()), if peer.ready.is_some() { (3, true) } else { (0, false) });
}

/// The handshake comes to its end, or what was in flight does.
async fn goes_on(scene: &mut Scene, mut peer: Peer, state: State, expected: [&str; 3]) {
    if state == State::BeforeHello {
        peer.wait_for_question().await;
    }
    if state != State::InFlight {
        peer.introduce(&mut scene.stage).await;
        peer.take_batch().await;
    }
    peer.say(peer.xids.barrier, &Message::BarrierReply).await;
    assert_eq!(peer.outcomes(&mut scene.stage).await, expected);
}
