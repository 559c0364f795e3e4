//! Switches on sockets, and on streams in memory where time has to be virtual.

use openflow::{FeaturesReply, FlowModFlags};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::emulator::{Backoff, EmulatedSwitch, Fault, Fleet, FleetState, connect, listen};

/// The controller's end of a stream.
struct Controller<S> {
    stream: S,
    input: BytesMut,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Controller<S> {
    async fn greet(stream: S) -> Self {
        let mut controller = Self { stream, input: BytesMut::new() };
        controller.say(Xid(1), &Message::Hello(Hello::with_versions(&[OFP_VERSION]))).await;
        assert!(matches!(controller.hear().await, Some((_, Message::Hello(_)))));
        controller
    }

    async fn say(&mut self, xid: Xid, message: &Message) {
        let mut bytes = BytesMut::new();
        message.encode(xid, &mut bytes).unwrap();
        self.stream.write_all(&bytes).await.unwrap();
    }

    /// The next message, or `None` at the end of the stream.
    async fn hear(&mut self) -> Option<(Xid, Message)> {
        loop {
            if let Some(frame) = split_frame(&mut self.input).unwrap() {
                return Some(Message::decode(&frame).unwrap());
            }
            if self.stream.read_buf(&mut self.input).await.unwrap() == 0 {
                return None;
            }
        }
    }

    async fn ask_features(&mut self) -> FeaturesReply {
        self.say(Xid(2), &Message::FeaturesRequest).await;
        match self.hear().await {
            Some((Xid(2), Message::FeaturesReply(features))) => features,
            other => panic!("{other:?}"),
        }
    }
}

/// A controller of the switch, over a stream in memory of this size.
async fn in_memory(switch: &EmulatedSwitch, size: usize) -> Controller<DuplexStream> {
    let (ours, theirs) = tokio::io::duplex(size);
    let switch = switch.clone();
    tokio::spawn(async move { switch.converse(theirs).await });
    Controller::greet(ours).await
}

#[tokio::test]
async fn a_switch_that_dials_can_be_looked_into_while_it_runs() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let shutdown = CancellationToken::new();
    let config = SwitchConfig { table_limit: 1, journal: 10, ..SwitchConfig::new(DatapathId(7)) };
    let switch = connect(listener.local_addr().unwrap().to_string(), config, shutdown.clone());
    let mut controller = Controller::greet(listener.accept().await.unwrap().0).await;
    assert_eq!(controller.ask_features().await.datapath_id, DatapathId(7));
    assert!(switch.is_connected());
    for priority in [1, 2] {
        controller.say(Xid(10 + u32::from(priority)), &Message::FlowMod(flow(priority))).await;
    }
    controller.say(Xid(20), &Message::BarrierRequest).await;
    assert!(matches!(controller.hear().await, Some((Xid(12), Message::Error(_)))));
    assert_eq!(controller.hear().await, Some((Xid(20), Message::BarrierReply)));

    assert_eq!(switch.flows().len(), 1);
    assert_eq!(switch.flows_as_text().lines().count(), 1);
    let refusals: Vec<_> = switch.journal().into_iter().map(|entry| entry.refusal).collect();
    assert_eq!(refusals, [None, Some(ErrorCode::FLOW_MOD_FAILED_TABLE_FULL)]);

    shutdown.cancel();
    switch.stopped().await;
    assert_eq!(controller.hear().await, None);
    assert!(!switch.is_connected());
}

#[tokio::test]
async fn a_switch_that_listens_talks_with_several_controllers() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let switch = listen(listener, config(), shutdown.clone());
    let mut one = Controller::greet(TcpStream::connect(address).await.unwrap()).await;
    let mut other = Controller::greet(TcpStream::connect(address).await.unwrap()).await;
    let all_of_it = openflow::SwitchConfig { flags: 0, miss_send_len: 128 };
    for controller in [&mut one, &mut other] {
        controller.say(Xid(2), &Message::SetConfig(all_of_it.clone())).await;
        controller.ask_features().await;
    }
    one.say(Xid(3), &Message::FlowMod(FlowMod { flags: FlowModFlags::SEND_FLOW_REM, ..flow(1) })).await;
    one.say(Xid(4), &Message::FlowMod(FlowMod::delete())).await;
    for controller in [&mut one, &mut other] {
        assert!(matches!(controller.hear().await, Some((_, Message::FlowRemoved(_)))));
    }
    shutdown.cancel();
    switch.stopped().await;
}

#[tokio::test]
async fn a_fleet_is_as_many_switches_with_ids_that_count_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let shutdown = CancellationToken::new();
    let template = SwitchConfig::new(DatapathId(100));
    let fleet = Fleet::connect(&listener.local_addr().unwrap().to_string(), 20, &template, &shutdown);
    let mut controllers = Vec::new();
    let mut ids = Vec::new();
    for priority in 0..20 {
        let mut controller = Controller::greet(listener.accept().await.unwrap().0).await;
        controller.say(Xid(1), &Message::FlowMod(flow(priority))).await;
        ids.push(controller.ask_features().await.datapath_id.0);
        controllers.push(controller);
    }
    ids.sort_unstable();
    assert_eq!(ids, (100..120).collect::<Vec<_>>());
    assert_eq!(fleet.state(), FleetState { connected: 20, flows: 20 });
    shutdown.cancel();
    fleet.stopped().await;
    assert_eq!(fleet.state(), FleetState { connected: 0, flows: 20 });
}

#[tokio::test]
async fn flows_outlive_the_connection_that_made_them() {
    let switch = EmulatedSwitch::new(config());
    let mut controller = in_memory(&switch, 4096).await;
    controller.say(Xid(3), &Message::FlowMod(flow(1))).await;
    controller.ask_features().await;
    drop(controller);
    while switch.is_connected() {
        tokio::task::yield_now().await;
    }
    assert_eq!(switch.flows().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_controller_that_is_gone_is_dialled_again_ever_more_rarely() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let backoff = Backoff { first: Duration::from_secs(1), last: Duration::from_secs(4) };
    let config = SwitchConfig { backoff, ..config() };
    let shutdown = CancellationToken::new();
    let switch = connect(listener.local_addr().unwrap().to_string(), config, shutdown.clone());
    let start = tokio::time::Instant::now();
    let mut attempts = Vec::new();
    for _ in 0..5 {
        drop(listener.accept().await.unwrap());
        attempts.push(start.elapsed().as_secs());
    }
    assert_eq!(attempts, [0, 1, 3, 7, 11]);
    shutdown.cancel();
    switch.stopped().await;
}

#[tokio::test(start_paused = true)]
async fn a_flow_expires_on_time_and_the_controller_hears_of_it() {
    let switch = EmulatedSwitch::new(config());
    let mut controller = in_memory(&switch, 4096).await;
    let short = FlowMod { hard_timeout: 30, flags: FlowModFlags::SEND_FLOW_REM, ..flow(1) };
    controller.say(Xid(3), &Message::FlowMod(short)).await;
    controller.ask_features().await;
    let start = tokio::time::Instant::now();
    assert!(matches!(controller.hear().await, Some((_, Message::FlowRemoved(_)))));
    assert_eq!(start.elapsed().as_secs(), 30);
}

#[tokio::test]
async fn a_controller_that_writes_without_reading_is_answered_in_the_end() {
    let switch = EmulatedSwitch::new(SwitchConfig { table_limit: 0, ..config() });
    let controller = in_memory(&switch, 1024).await;
    let (mut reader, mut writer) = tokio::io::split(controller.stream);
    let writing = tokio::spawn(async move {
        for xid in 0..20_000 {
            let mut bytes = BytesMut::new();
            Message::FlowMod(flow(1)).encode(Xid(xid), &mut bytes).unwrap();
            writer.write_all(&bytes).await.unwrap();
        }
    });
    let mut bytes = vec![0; 20_000 * (12 + 64)];
    reader.read_exact(&mut bytes).await.unwrap();
    writing.await.unwrap();
    assert_eq!(decode(BytesMut::from(&bytes[..])).last().unwrap().0, Xid(19_999));
}

#[tokio::test]
async fn faults_hold_for_the_connections_to_come() {
    let switch = EmulatedSwitch::new(config());
    switch.misbehave(vec![Fault::Torn, Fault::WrongBarrierXid]);
    let mut controller = in_memory(&switch, 4096).await;
    controller.say(Xid(5), &Message::BarrierRequest).await;
    assert_eq!(controller.hear().await, Some((Xid(!5), Message::BarrierReply)));
    switch.misbehave(vec![]);
    let mut controller = in_memory(&switch, 4096).await;
    controller.say(Xid(5), &Message::BarrierRequest).await;
    assert_eq!(controller.hear().await, Some((Xid(5), Message::BarrierReply)));
}

#[tokio::test]
async fn what_a_test_does_to_the_switch_reaches_its_controller() {
    let switch = EmulatedSwitch::new(config());
    let mut controller = in_memory(&switch, 4096).await;
    let short = FlowMod { hard_timeout: 30, flags: FlowModFlags::SEND_FLOW_REM, ..flow(1) };
    controller.say(Xid(3), &Message::FlowMod(short)).await;
    controller.ask_features().await;
    switch.with(|switch, now| switch.handle_timeout(now + Duration::from_secs(30)));
    assert!(matches!(controller.hear().await, Some((_, Message::FlowRemoved(_)))));
}
