//! Over TCP, and over streams in memory where the size of the buffers matters.

use bytes::Bytes;
use openflow::Echo;
use session::{CloseReason, Outcome};
use tokio::io::AsyncWriteExt;

use super::*;

/// A switch that has said HELLO and nothing else.
async fn greeted(stage: &Stage) -> TcpStream {
    let mut stream = stage.dial().await;
    let hello = Message::Hello(openflow::Hello::with_versions(&[OFP_VERSION]));
    stream.write_all(&bytes_of(&hello)).await.unwrap();
    stream
}

#[tokio::test]
async fn m01_m08_m21_malformed_messages_end_a_handshake_and_no_other_connection() {
    let mut stage = Stage::with(None).await;
    behave(7, stage.dial().await);
    let (_, datapath_id, commands) = stage.connected().await;
    assert_eq!(datapath_id, DatapathId(7));
    for bytes in [vec![OFP_VERSION, 0, 0, 0, 0, 0, 0, 0], raw(99, &[]), raw(6, &[0; 10])] {
        let mut stream = greeted(&stage).await;
        stream.write_all(&bytes).await.unwrap();
        read_to_end(&mut stream).await;
    }
    stage.counted(|totals| totals.sessions.malformed == 2).await;
    confirm(&mut stage, &commands, 10).await;
}

#[tokio::test]
async fn m04_a_stream_that_ends_or_breaks_inside_a_message_ends_its_session() {
    for is_reset in [false, true] {
        let mut stage = Stage::with(None).await;
        let stream = stage.dial().await;
        if is_reset {
            socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
        }
        let switch = emulated(7);
        switch.misbehave(vec![crate::emulator::Fault::CutInput { after: 50_000 }]);
        tokio::spawn(async move { switch.converse(stream).await });
        let (_, _, commands) = stage.connected().await;
        commands.send(Command::Program(flow_mods(1_000))).await.unwrap();
        let reason = stage.closed().await;
        assert!(matches!(reason, CloseReason::PeerClosed | CloseReason::Transport(_)), "{reason:?}");
    }
}

#[tokio::test]
async fn m71_a_peer_that_asks_without_reading_is_given_up_and_others_are_not_disturbed() {
    let mut stage = Stage::with(None).await;
    behave(7, stage.dial().await);
    let (_, _, commands) = stage.connected().await;
    let mut attacker = greeted(&stage).await;
    let echo = raw(2, &[0; 65_527]);
    let flood = tokio::spawn(async move { while attacker.write_all(&echo).await.is_ok() {} });
    confirm(&mut stage, &commands, 1_000).await;
    tokio::time::timeout(PATIENCE, flood).await.expect("the flood ends").unwrap();
}

/// One connection to this switch through buffers of 16 KiB in memory, and so many reports that may wait.
fn in_memory(switch: EmulatedSwitch, reports: usize) -> Stage {
    let (sender, reports) = mpsc::channel(reports);
    let shutdown = CancellationToken::new();
    let config = session::Config::default();
    let southbound = Southbound::start(config, None, None, sender, TaskTracker::new(), shutdown.clone());
    let address: SocketAddr = ([127, 0, 0, 1], 1).into();
    let (ours, theirs) = tokio::io::duplex(16 << 10);
    tokio::spawn(async move { switch.converse(theirs).await });
    let shared = Arc::clone(&southbound.shared);
    let link =
        connection::Link { connection: ConnectionId(1), peer: address, origin: Origin::Accepted, identity: None };
    tokio::spawn(async move { connection::drive(ours, link, &shared, &shutdown).await });
    Stage { southbound, reports, address, held: Vec::new() }
}

#[tokio::test(start_paused = true)]
async fn an_owner_that_takes_no_reports_for_a_while_does_not_lose_its_switches() {
    for _ in 0..16 {
        let mut stage = in_memory(emulated(7), 1);
        let (_, _, commands) = stage.connected().await;
        for _ in 0..3 {
            commands.send(Command::Program(flow_mods(1))).await.unwrap();
            // Nobody listens: once there is no room for reports, nothing is read or written.
            tokio::time::sleep(Duration::from_secs(31)).await;
        }
        let mut confirmed = 0;
        while confirmed < 3 {
            match stage.report().await {
                Report::Happened { event: Event::Settled(settlements), .. } => {
                    confirmed += settlements.iter().filter(|s| matches!(s.outcome, Outcome::Confirmed)).count();
                }
                Report::Happened { event: Event::Alive, .. } => {}
                other => panic!("{other:?}"),
            }
        }
        confirm(&mut stage, &commands, 10).await;
    }
}

/// Open vSwitch stops reading while a hundred replies wait to be written; so does the emulator. Whoever writes without
/// reading locks up with it.
#[tokio::test]
async fn m66_a_hundred_thousand_refusals_over_buffers_of_16_kib_are_all_told() {
    let switch = EmulatedSwitch::new(SwitchConfig { table_limit: 0, ..SwitchConfig::new(DatapathId(7)) });
    let mut stage = in_memory(switch, REPORTS);
    let (_, _, commands) = stage.connected().await;
    tokio::spawn(async move {
        for _ in 0..100 {
            commands.send(Command::Program(flow_mods(1_000))).await.unwrap();
        }
        std::future::pending::<()>().await;
    });
    let mut refused = 0;
    while refused < 100_000 {
        if let Report::Happened { event: Event::Settled(settlements), .. } = stage.report().await {
            assert!(settlements.iter().all(|settlement| matches!(settlement.outcome, Outcome::Refused(_))));
            refused += settlements.len();
        }
    }
}

#[tokio::test]
async fn what_was_counted_is_summed_over_connections() {
    let mut stage = Stage::with(None).await;
    let reply = bytes_of(&Message::EchoReply(Echo { data: Bytes::new() }));
    for _ in 0..2 {
        let mut stream = greeted(&stage).await;
        stream.write_all(&reply.repeat(3)).await.unwrap();
        stage.counted(|totals| totals.sessions.stray_replies % 3 == 0 && totals.sessions.stray_replies > 0).await;
    }
    stage.counted(|totals| totals.sessions.stray_replies == 6 && totals.connections == 2).await;
    assert!(stage.reports.try_recv().is_err(), "nobody became ready");
}

#[tokio::test]
async fn a_connection_that_nobody_can_command_any_more_ends() {
    let mut stage = Stage::with(None).await;
    behave(7, stage.dial().await);
    let (_, _, commands) = stage.connected().await;
    stage.held.clear();
    drop(commands);
    assert_eq!(stage.closed().await, CloseReason::Abandoned);
}

#[tokio::test]
async fn a_dialled_connection_that_is_hung_up_is_reported_as_closed() {
    let mut stage = Stage::with(None).await;
    let switches = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = switches.local_addr().unwrap().port();
    let dial = stage.southbound.dial(SwitchAddress { host: "127.0.0.1".to_owned(), port, tls: false });
    behave(7, switches.accept().await.unwrap().0);
    stage.connected().await;
    drop(dial);
    assert_eq!(stage.closed().await, CloseReason::Removed);
}

#[tokio::test]
async fn switches_that_the_owner_turns_away_are_counted_by_reason() {
    let mut stage = Stage::with(None).await;
    for (reason, refusal) in [
        (CloseReason::DuplicateDatapathId, Refusal::Duplicate),
        (CloseReason::NotAdmitted("nobody knows it".to_owned()), Refusal::NotAdmitted),
        (CloseReason::Removed, Refusal::TooMany),
    ] {
        let before = stage.southbound.totals().refused_for(refusal);
        behave(7, stage.dial().await);
        let (_, _, commands) = stage.connected().await;
        commands.send(Command::Close(reason.clone())).await.unwrap();
        assert_eq!(stage.closed().await, reason);
        let counted = stage.southbound.totals().refused_for(refusal) - before;
        assert_eq!(counted, u64::from(reason != CloseReason::Removed), "{reason}");
    }
}

#[test]
fn alarms_go_off_on_a_grid_never_early_and_never_later_than_a_step() {
    let southbound = Southbound::start(
        session::Config::default(),
        None,
        None,
        mpsc::channel(1).0,
        TaskTracker::new(),
        CancellationToken::new(),
    );
    let shared = &southbound.shared;
    let mut moments = std::collections::BTreeSet::new();
    for micros in (0..1_000_000).step_by(777) {
        let at = shared.started + Duration::from_micros(micros);
        let alarm = shared.on_the_grid(at);
        assert!(alarm >= at && alarm - at < connection::GRID, "{micros} us");
        moments.insert(alarm);
    }
    assert_eq!(moments.len(), 21, "one for each 50 ms");
}

#[tokio::test]
async fn only_so_many_switches_say_at_a_time_what_their_tables_can_do_and_the_others_wait_their_turn() {
    let mut stage = Stage::with(None).await;
    let mut asked = Vec::new();
    for _ in 0..TABLE_READS {
        let mut peer = bad_input::Peer::dial(&stage).await;
        peer.greet().await;
        peer.describe().await;
        let question = peer.question().await;
        asked.push((peer, question));
    }
    let mut waiting = bad_input::Peer::dial(&stage).await;
    waiting.greet().await;
    waiting.describe().await;
    // It has all that it will be told before it is its turn.
    for _ in 0..3 {
        waiting.echo().await;
    }
    let (first, question) = asked.first_mut().unwrap();
    first.refuse(*question).await;
    waiting.question().await;
    stage.connected().await;
}
