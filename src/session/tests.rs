//! A session against a scripted switch: bytes in memory, time that only the test moves.

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use openflow::{
    Capabilities, DatapathId, Echo, ErrorCode, ErrorMsg, FeaturesReply, FlowMod, FlowStats, FlowStatsRequest, Hello,
    Match, Message, MultipartReply, MultipartReplyBody, TableId, Xid, split_frame,
};

use super::*;

/// The switch's end of a session.
struct Script {
    session: Session,
    now: Instant,
    wire: BytesMut,
}

impl Script {
    fn begin() -> Self {
        let now = Instant::now();
        Self { session: Session::new(Config::default(), now), now, wire: BytesMut::new() }
    }

    /// A session whose handshake is done.
    fn ready() -> Self {
        let mut script = Self::begin();
        script.sent();
        script.reply(Xid(9), &Message::Hello(Hello::with_versions(&[OFP_VERSION])));
        let features = script.only_sent();
        script.reply(features.0, &features_reply());
        for (xid, message) in script.sent() {
            let Message::MultipartRequest(request) = message else { panic!("expected a request for a description") };
            let refusal = match request.body {
                openflow::MultipartRequestBody::Desc => {
                    ErrorMsg::new(ErrorCode::BAD_REQUEST_BAD_MULTIPART, Bytes::new())
                }
                _ => {
                    let body = MultipartReplyBody::PortDesc(Vec::new());
                    script.reply(xid, &Message::MultipartReply(MultipartReply { more: false, body }));
                    continue;
                }
            };
            script.reply(xid, &Message::Error(refusal));
        }
        assert!(matches!(script.events().as_slice(), [Event::Ready(_)]), "the handshake is done");
        script
    }

    /// What the session has written since the last time.
    fn sent(&mut self) -> Vec<(Xid, Message)> {
        self.session.poll_transmit(&mut self.wire, self.now);
        let mut messages = Vec::new();
        while let Some(frame) = split_frame(&mut self.wire).unwrap() {
            messages.push(Message::decode(&frame).unwrap());
        }
        messages
    }

    fn only_sent(&mut self) -> (Xid, Message) {
        let mut sent = self.sent();
        assert_eq!(sent.len(), 1, "{sent:?}");
        sent.remove(0)
    }

    fn reply(&mut self, xid: Xid, message: &Message) {
        let mut bytes = BytesMut::new();
        message.encode(xid, &mut bytes).unwrap();
        self.session.handle_input(&mut bytes, self.now);
    }

    fn raw(&mut self, bytes: &[u8]) {
        self.session.handle_input(&mut BytesMut::from(bytes), self.now);
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.session.handle_timeout(self.now);
    }

    fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.session.poll_event()).collect()
    }

    /// The outcomes settled since the last look, by token.
    fn outcomes(&mut self) -> Vec<(u64, &'static str)> {
        let settled = self.events().into_iter().filter_map(|event| match event {
            Event::Settled(settlements) => Some(settlements),
            _ => None,
        });
        settled.flatten().map(|settlement| (settlement.token.0, name(&settlement.outcome))).collect()
    }

    fn program(&mut self, tokens: impl IntoIterator<Item = u64>) {
        let mods = tokens.into_iter().map(|token| (Token(token), FlowMod::add())).collect();
        self.session.handle_command(Command::Program(mods), self.now);
    }

    fn read(&mut self, token: u64) -> Xid {
        let request = FlowStatsRequest::default();
        self.session.handle_command(Command::ReadFlows { token: Token(token), request }, self.now);
        self.only_sent().0
    }

    fn close_reason(&mut self) -> CloseReason {
        match self.events().pop() {
            Some(Event::Closed(reason)) => reason,
            other => panic!("expected the end of the session, not {other:?}"),
        }
    }
}

fn name(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Confirmed => "confirmed",
        Outcome::Refused(_) => "refused",
        Outcome::Unknown(_) => "unknown",
        Outcome::NotSent => "not sent",
        Outcome::Unencodable => "unencodable",
    }
}

fn features_reply() -> Message {
    Message::FeaturesReply(FeaturesReply {
        datapath_id: DatapathId(0xa1),
        n_buffers: 0,
        n_tables: 254,
        auxiliary_id: 0,
        capabilities: Capabilities::FLOW_STATS,
        reserved: 0,
    })
}

fn table_full() -> Message {
    Message::Error(ErrorMsg::new(ErrorCode::FLOW_MOD_FAILED_TABLE_FULL, Bytes::new()))
}

fn xids(sent: &[(Xid, Message)], is_wanted: fn(&Message) -> bool) -> Vec<Xid> {
    sent.iter().filter(|(_, message)| is_wanted(message)).map(|(xid, _)| *xid).collect()
}

fn flow_mods(sent: &[(Xid, Message)]) -> Vec<Xid> {
    xids(sent, |message| matches!(message, Message::FlowMod(_)))
}

fn barriers(sent: &[(Xid, Message)]) -> Vec<Xid> {
    xids(sent, |message| matches!(message, Message::BarrierRequest))
}

fn part(entries: usize, more: bool) -> Message {
    let entry = FlowStats {
        table_id: TableId(0),
        duration_sec: 0,
        duration_nsec: 0,
        priority: 1,
        idle_timeout: 0,
        hard_timeout: 0,
        flags: openflow::FlowModFlags::SEND_FLOW_REM,
        cookie: 0,
        packet_count: 0,
        byte_count: 0,
        flow_match: Match::any(),
        instructions: Vec::new(),
    };
    Message::MultipartReply(MultipartReply { more, body: MultipartReplyBody::Flow(vec![entry; entries]) })
}

#[test]
fn the_first_message_is_a_hello_that_offers_only_1_3() {
    let (_, message) = Script::begin().only_sent();
    let Message::Hello(hello) = message else { panic!("{message:?}") };
    assert_eq!(hello.versions(), Some(1 << 4));
}

#[test]
fn a_switch_without_a_description_is_ready_all_the_same() {
    Script::ready();
}

#[test]
fn a_switch_of_openflow_1_0_is_told_hello_failed_with_both_versions() {
    let mut script = Script::begin();
    script.sent();
    script.raw(&[1, 0, 0, 8, 0, 0, 0, 7]);
    let (xid, Message::Error(error)) = script.only_sent() else { panic!("expected an error") };
    assert_eq!((xid, error.error_code()), (Xid(7), ErrorCode::HELLO_FAILED_INCOMPATIBLE));
    let text = String::from_utf8(error.data.to_vec()).unwrap();
    assert!(text.contains("0x01") && text.contains("0x04"), "{text}");
    assert_eq!(script.close_reason(), CloseReason::Version { peer: 1 });
}

#[test]
fn a_newer_switch_without_a_bitmap_falls_back_to_1_3() {
    let mut script = Script::begin();
    script.sent();
    script.raw(&[6, 0, 0, 8, 0, 0, 0, 7]);
    assert!(matches!(script.only_sent().1, Message::FeaturesRequest));
}

#[test]
fn a_bitmap_without_1_3_is_refused_whatever_the_header_says() {
    let mut script = Script::begin();
    script.sent();
    script.raw(&[6, 0, 0, 16, 0, 0, 0, 7, 0, 1, 0, 8, 0, 0, 0, 0b0110_0010]);
    assert!(matches!(script.only_sent().1, Message::Error(_)));
    assert_eq!(script.close_reason(), CloseReason::Version { peer: 6 });
}

#[test]
fn anything_but_hello_first_ends_the_session() {
    let mut script = Script::begin();
    script.reply(Xid(1), &Message::EchoRequest(Echo { data: Bytes::new() }));
    assert_eq!(script.close_reason(), CloseReason::NoHello);
}

#[test]
fn hello_failed_from_the_switch_ends_the_session_with_its_words() {
    let mut script = Script::begin();
    let error = ErrorMsg::new(ErrorCode::HELLO_FAILED_INCOMPATIBLE, Bytes::from_static(b"too new"));
    script.reply(Xid(1), &Message::Error(error));
    assert_eq!(script.close_reason(), CloseReason::VersionRefused("too new".to_owned()));
}

#[test]
fn silence_in_the_handshake_ends_the_session() {
    let mut script = Script::begin();
    script.pass(Duration::from_millis(9_999));
    assert!(script.events().is_empty());
    script.pass(Duration::from_millis(1));
    assert_eq!(script.close_reason(), CloseReason::HandshakeTimeout);
    assert_eq!(script.session.poll_timeout(), None);
}

#[test]
fn datapath_id_0_and_auxiliary_connections_are_refused() {
    for (datapath_id, auxiliary_id, expected) in [(0, 0, CloseReason::NoDatapathId), (7, 3, CloseReason::Auxiliary(3))]
    {
        let mut script = Script::begin();
        script.sent();
        script.reply(Xid(9), &Message::Hello(Hello::with_versions(&[OFP_VERSION])));
        let (xid, _) = script.only_sent();
        let Message::FeaturesReply(features) = features_reply() else { unreachable!() };
        let features = FeaturesReply { datapath_id: DatapathId(datapath_id), auxiliary_id, ..features };
        script.reply(xid, &Message::FeaturesReply(features));
        assert_eq!(script.close_reason(), expected);
    }
}

#[test]
fn a_features_reply_with_another_xid_is_not_taken() {
    let mut script = Script::begin();
    script.sent();
    script.reply(Xid(9), &Message::Hello(Hello::with_versions(&[OFP_VERSION])));
    let (xid, _) = script.only_sent();
    script.reply(Xid(xid.0 + 1), &features_reply());
    assert!(script.sent().is_empty());
    assert_eq!(script.session.counters().stray_replies, 1);
}

#[test]
fn a_flow_mod_is_confirmed_only_by_the_reply_to_the_barrier_after_it() {
    let mut script = Script::ready();
    script.program([1, 2]);
    let sent = script.sent();
    let barrier = barriers(&sent);
    assert_eq!((flow_mods(&sent).len(), barrier.len()), (2, 1));
    assert!(script.outcomes().is_empty());
    script.reply(barrier[0], &Message::BarrierReply);
    assert_eq!(script.outcomes(), [(1, "confirmed"), (2, "confirmed")]);
}

#[test]
fn an_error_refuses_the_flow_mod_with_its_xid_and_no_other() {
    let mut script = Script::ready();
    script.program([1, 2, 3]);
    let sent = script.sent();
    script.reply(flow_mods(&sent)[1], &table_full());
    script.reply(flow_mods(&sent)[1], &table_full());
    assert!(script.outcomes().is_empty(), "nothing is said before the barrier");
    script.reply(barriers(&sent)[0], &Message::BarrierReply);
    assert_eq!(script.outcomes(), [(1, "confirmed"), (2, "refused"), (3, "confirmed")]);
}

#[test]
fn an_unknown_a_repeated_and_an_early_barrier_reply_confirm_nothing() {
    let mut script = Script::ready();
    script.program(0..300);
    let sent = script.sent();
    let barriers = barriers(&sent);
    assert_eq!(barriers.len(), 2);
    script.reply(Xid(0xdead), &Message::BarrierReply);
    script.reply(barriers[1], &Message::BarrierReply);
    assert!(script.outcomes().is_empty());
    script.reply(barriers[0], &Message::BarrierReply);
    assert_eq!(script.outcomes().len(), 250);
    script.reply(barriers[0], &Message::BarrierReply);
    assert!(script.outcomes().is_empty());
    assert_eq!(script.session.counters().stray_replies, 3);
}

#[test]
fn a_barrier_that_is_not_answered_makes_unknown_and_a_late_answer_resolves_it() {
    let mut script = Script::ready();
    script.program([1]);
    let sent = script.sent();
    script.pass(Duration::from_secs(5));
    assert_eq!(script.outcomes(), [(1, "unknown")]);
    assert!(matches!(script.only_sent().1, Message::EchoRequest(_)), "the peer is asked whether it is there");
    script.reply(barriers(&sent)[0], &Message::BarrierReply);
    assert_eq!(script.outcomes(), [(1, "confirmed")]);
}

#[test]
fn a_refused_barrier_leaves_its_flow_mods_unknown() {
    let mut script = Script::ready();
    script.program([1]);
    let sent = script.sent();
    script.reply(barriers(&sent)[0], &table_full());
    assert_eq!(script.outcomes(), [(1, "unknown")]);
}

#[test]
fn an_error_after_the_barrier_reply_is_told_as_a_late_refusal() {
    let mut script = Script::ready();
    script.program([1]);
    let sent = script.sent();
    script.reply(barriers(&sent)[0], &Message::BarrierReply);
    assert_eq!(script.outcomes(), [(1, "confirmed")]);
    script.reply(flow_mods(&sent)[0], &table_full());
    assert!(matches!(script.events().as_slice(), [Event::LateRefusal { token: Token(1), .. }]));
}

#[test]
fn a_lost_connection_leaves_sent_ones_unknown_refused_ones_refused_and_the_rest_not_sent() {
    let mut script = Script::ready();
    script.program(0..1_002);
    let sent = script.sent();
    assert_eq!(flow_mods(&sent).len(), 1_000, "the window");
    script.reply(flow_mods(&sent)[7], &table_full());
    script.session.handle_disconnect(CloseReason::PeerClosed);
    let outcomes = script.outcomes();
    assert_eq!(outcomes.len(), 1_002);
    assert_eq!(outcomes[6..9], [(6, "unknown"), (7, "refused"), (8, "unknown")]);
    assert_eq!(outcomes[1_000..], [(1_000, "not sent"), (1_001, "not sent")]);
}

#[test]
fn the_window_moves_on_with_each_barrier_reply() {
    let mut script = Script::ready();
    script.program(0..1_500);
    let first = script.sent();
    assert_eq!((flow_mods(&first).len(), barriers(&first).len()), (1_000, 4));
    assert!(script.sent().is_empty());
    script.reply(barriers(&first)[0], &Message::BarrierReply);
    let next = script.sent();
    assert_eq!((flow_mods(&next).len(), barriers(&next).len()), (250, 1));
}

#[test]
fn flow_mods_given_before_the_handshake_or_after_the_end_are_not_sent() {
    let mut script = Script::begin();
    script.program([1]);
    assert_eq!(script.outcomes(), [(1, "not sent")]);
    script.session.handle_disconnect(CloseReason::PeerClosed);
    script.program([2]);
    assert_eq!(script.outcomes(), [(2, "not sent")]);
}

#[test]
fn xids_go_round_and_leave_out_0() {
    let mut next = u32::MAX;
    assert_eq!([window::take_xid(&mut next), window::take_xid(&mut next)], [Xid(u32::MAX), Xid(1)]);
    let mut script = Script::ready();
    script.session.next_xid = u32::MAX - 1;
    script.program(0..4);
    let sent = script.sent();
    assert_eq!(flow_mods(&sent), [Xid(u32::MAX - 1), Xid(u32::MAX), Xid(1), Xid(2)]);
    script.reply(Xid(1), &table_full());
    script.reply(barriers(&sent)[0], &Message::BarrierReply);
    assert_eq!(script.outcomes(), [(0, "confirmed"), (1, "confirmed"), (2, "refused"), (3, "confirmed")]);
}

#[test]
fn a_silent_switch_is_asked_after_5_seconds_and_given_up_after_10() {
    let mut script = Script::ready();
    script.pass(Duration::from_secs(5));
    let (xid, Message::EchoRequest(_)) = script.only_sent() else { panic!("expected an echo request") };
    script.reply(xid, &Message::EchoReply(Echo { data: Bytes::new() }));
    assert!(matches!(script.events().as_slice(), [Event::Alive]));
    script.pass(Duration::from_secs(5));
    assert!(matches!(script.only_sent().1, Message::EchoRequest(_)));
    script.pass(Duration::from_secs(5));
    assert_eq!(script.close_reason(), CloseReason::Unresponsive);
}

#[test]
fn bytes_that_make_no_message_do_not_count_as_life() {
    let mut script = Script::ready();
    let mut input = BytesMut::new();
    script.pass(Duration::from_secs(5));
    for byte in [4u8, 3, 0] {
        input.extend_from_slice(&[byte]);
        script.session.handle_input(&mut input, script.now);
        script.pass(Duration::from_secs(2));
    }
    assert_eq!(script.close_reason(), CloseReason::Unresponsive);
}

#[test]
fn echo_requests_are_answered_with_their_data_and_xid() {
    let mut script = Script::ready();
    script.reply(Xid(77), &Message::EchoRequest(Echo { data: Bytes::from_static(b"ping") }));
    assert_eq!(script.only_sent(), (Xid(77), Message::EchoReply(Echo { data: Bytes::from_static(b"ping") })));
}

#[test]
fn a_switch_that_asks_without_reading_is_given_up() {
    let mut script = Script::ready();
    for _ in 0..32 {
        script.reply(Xid(1), &Message::EchoRequest(Echo { data: Bytes::from(vec![0; 65_000]) }));
    }
    assert_eq!(script.close_reason(), CloseReason::Flooded);
}

#[test]
fn a_read_is_answered_once_and_whole() {
    let mut script = Script::ready();
    let xid = script.read(5);
    script.reply(xid, &part(2, true));
    assert!(script.events().is_empty());
    script.reply(xid, &part(1, false));
    let events = script.events();
    let [Event::FlowsRead { token: Token(5), result: Ok(entries) }] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!(entries.len(), 3);
    script.reply(xid, &part(1, false));
    assert!(script.events().is_empty());
    assert_eq!(script.session.counters().stray_replies, 1);
}

#[test]
fn a_read_that_breaks_off_has_no_answer_at_all() {
    let mut script = Script::ready();
    let xid = script.read(5);
    script.reply(xid, &part(2, true));
    script.session.handle_disconnect(CloseReason::PeerClosed);
    let events = script.events();
    assert!(
        matches!(events.first(), Some(Event::FlowsRead { result: Err(ReadError::ConnectionLost), .. })),
        "{events:?}"
    );
}

#[test]
fn parts_that_never_end_or_never_come_or_are_of_another_kind_fail_the_read() {
    let mut script = Script::ready();
    let xid = script.read(1);
    script.reply(xid, &part(1, true));
    script.reply(
        xid,
        &Message::MultipartReply(MultipartReply { more: false, body: MultipartReplyBody::PortDesc(Vec::new()) }),
    );
    assert!(matches!(script.events().as_slice(), [Event::FlowsRead { result: Err(ReadError::MixedTypes), .. }]));

    let mut script = Script::ready();
    script.session.reads = Reads::new(&Config { read_entries: 3, ..Config::default() });
    let xid = script.read(2);
    script.reply(xid, &part(2, true));
    script.reply(xid, &part(2, true));
    assert!(matches!(script.events().as_slice(), [Event::FlowsRead { result: Err(ReadError::TooLarge), .. }]));

    let mut script = Script::ready();
    let xid = script.read(3);
    script.reply(xid, &part(2, true));
    let deadline = script.session.poll_timeout().unwrap();
    assert!(deadline <= script.now + Duration::from_secs(10));
    script.now += Duration::from_secs(4);
    script.reply(Xid(1), &Message::EchoRequest(Echo { data: Bytes::new() }));
    script.pass(Duration::from_secs(6));
    assert!(matches!(script.events().as_slice(), [Event::FlowsRead { result: Err(ReadError::Timeout), .. }]));
}

#[test]
fn every_split_of_the_stream_gives_the_same_events() {
    let mut stream = BytesMut::new();
    Message::EchoRequest(Echo { data: Bytes::from_static(b"abc") }).encode(Xid(1), &mut stream).unwrap();
    table_full().encode(Xid(2), &mut stream).unwrap();
    for at in 0..=stream.len() {
        let mut script = Script::ready();
        let mut input = BytesMut::from(&stream[..at]);
        script.session.handle_input(&mut input, script.now);
        input.extend_from_slice(&stream[at..]);
        script.session.handle_input(&mut input, script.now);
        assert!(matches!(script.events().as_slice(), [Event::StrayError(_)]), "split at {at}");
        assert_eq!(script.sent().len(), 1, "split at {at}");
    }
}

#[test]
fn a_length_below_8_ends_the_session() {
    for length in 0..8 {
        let mut script = Script::ready();
        script.program([1]);
        script.sent();
        script.raw(&[4, 3, 0, length, 0, 0, 0, 1]);
        let events = script.events();
        assert!(matches!(events.last(), Some(Event::Closed(CloseReason::Framing(_)))), "{events:?}");
        assert!(matches!(events.first(), Some(Event::Settled(_))), "what was in flight is settled first");
    }
}

#[test]
fn another_version_after_the_handshake_is_answered_and_ends_the_session() {
    for version in [0, 1, 5, 0xff] {
        let mut script = Script::ready();
        script.raw(&[version, 3, 0, 8, 0, 0, 0, 1]);
        let (_, Message::Error(error)) = script.only_sent() else { panic!("expected an error") };
        assert_eq!(error.error_code(), ErrorCode::BAD_REQUEST_BAD_VERSION);
        assert_eq!(script.close_reason(), CloseReason::Version { peer: version });
    }
}

#[test]
fn a_message_of_the_controllers_own_kind_or_of_no_kind_is_answered_with_bad_type() {
    let mut script = Script::ready();
    script.reply(Xid(5), &Message::FlowMod(FlowMod::add()));
    script.raw(&[4, 99, 0, 8, 0, 0, 0, 6]);
    let sent = script.sent();
    let codes: Vec<_> = sent
        .iter()
        .map(|(xid, message)| match message {
            Message::Error(error) => (*xid, error.error_code()),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(codes, [(Xid(5), ErrorCode::BAD_REQUEST_BAD_TYPE), (Xid(6), ErrorCode::BAD_REQUEST_BAD_TYPE)]);
    assert!(script.events().is_empty(), "the session goes on");
}
