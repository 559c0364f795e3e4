//! What the emulator costs: a FLOW_MOD in memory, FLOW_MODs over TCP to a hundred switches on one core, and the memory
//! of ten thousand idle switches. Prints figures and judges none of them: machines differ.
//!
//! `cargo bench --bench emulator`

#![expect(clippy::expect_used, clippy::print_stdout, reason = "a benchmark prints what it finds or fails")]

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use flumen::emulator::{Fleet, Switch, SwitchConfig};
use openflow::{DatapathId, Hello, Message, OFP_VERSION, Xid};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;

const SWITCHES: u64 = 100;
const FLOWS: u32 = 10_000;
/// FLOW_MODs before each barrier.
const BATCH: u32 = 500;
/// As many as one process may have files, on machines that are careful.
const IDLE_SWITCHES: u64 = 9_500;

fn main() {
    let batches = batches();
    in_memory(&batches);
    over_tcp(&batches);
    idle();
}

/// The flows of a switch, each like those of a voice call, in batches that end with a barrier.
fn batches() -> Vec<Bytes> {
    let mut bytes = BytesMut::new();
    let mut batches = Vec::new();
    for number in 0..FLOWS {
        let [_, b, c, d] = number.to_be_bytes();
        let packets = format!("priority=46000,udp,nw_src=10.{b}.{c}.{d},nw_dst=10.0.0.0/8,tp_dst=5060");
        let flow = format!("cookie={number},{packets},actions=set_field:46->ip_dscp,set_queue:6,NORMAL");
        let flow_mod = flow.parse().expect("a lawful flow");
        Message::FlowMod(flow_mod).encode(Xid(number), &mut bytes).expect("a message that fits");
        if (number + 1).is_multiple_of(BATCH) {
            Message::BarrierRequest.encode(Xid(number), &mut bytes).expect("a message that fits");
            batches.push(bytes.split().freeze());
        }
    }
    batches
}

fn hello() -> BytesMut {
    let mut bytes = BytesMut::new();
    Message::Hello(Hello::with_versions(&[OFP_VERSION])).encode(Xid(0), &mut bytes).expect("a message that fits");
    bytes
}

/// The switches alone: decode, check, look up, insert, confirm.
fn in_memory(batches: &[Bytes]) {
    let now = Instant::now();
    let mut switches: Vec<_> = (0..SWITCHES)
        .map(|id| {
            let mut switch = Switch::new(SwitchConfig::new(DatapathId(id)));
            let channel = switch.open(now);
            switch.handle_input(channel, &mut hello(), now);
            (switch, channel)
        })
        .collect();
    for round in ["added", "replaced"] {
        let start = Instant::now();
        for batch in batches {
            for (switch, channel) in &mut switches {
                switch.handle_input(*channel, &mut BytesMut::from(batch.clone()), now);
                let mut answers = BytesMut::new();
                switch.poll_transmit(*channel, &mut answers);
                assert!(!answers.is_empty(), "the barrier is answered");
            }
        }
        report(&format!("in memory, {round}"), start.elapsed());
    }
}

/// A raw controller on one core, the switches on another.
fn over_tcp(batches: &[Bytes]) {
    let (controller, emulator) = (one_core(), one_core());
    let listener = controller.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let shutdown = CancellationToken::new();
    let fleet = {
        let _in_the_emulator = emulator.enter();
        Fleet::connect(&address, SWITCHES, &SwitchConfig::new(DatapathId(1)), &shutdown)
    };
    let stopped = std::thread::spawn(move || emulator.block_on(async move { fleet.stopped().await }));
    let elapsed = controller.block_on(async {
        let mut streams = Vec::new();
        for _ in 0..SWITCHES {
            let (mut stream, _) = listener.accept().await.expect("a switch");
            stream.write_all(&hello()).await.expect("the switch reads");
            streams.push(stream);
        }
        let start = Instant::now();
        let conversations: Vec<_> =
            streams.into_iter().map(|stream| tokio::spawn(confirm(stream, batches.to_vec()))).collect();
        for conversation in conversations {
            conversation.await.expect("every barrier is answered");
        }
        start.elapsed()
    });
    report("over TCP", elapsed);
    shutdown.cancel();
    stopped.join().expect("the switches end");
}

/// Writes all batches, and reads HELLO and the answer to each barrier.
async fn confirm(stream: TcpStream, batches: Vec<Bytes>) {
    let (mut reader, mut writer) = stream.into_split();
    let mut answers = vec![0; hello().len() + 8 * batches.len()];
    let writing = tokio::spawn(async move {
        for batch in batches {
            writer.write_all(&batch).await.expect("the switch reads");
        }
        writer
    });
    reader.read_exact(&mut answers).await.expect("the switch answers");
    let _ = writing.await;
}

/// What a switch costs that is connected and has nothing to do.
fn idle() {
    let (controller, emulator) = (one_core(), one_core());
    let listener = controller.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let shutdown = CancellationToken::new();
    let before = resident();
    let fleet = {
        let _in_the_emulator = emulator.enter();
        Fleet::connect(&address, IDLE_SWITCHES, &SwitchConfig::new(DatapathId(1)), &shutdown)
    };
    let observed = fleet.clone();
    let start = Instant::now();
    std::thread::spawn(move || emulator.block_on(async move { fleet.stopped().await }));
    let streams: Vec<TcpStream> = controller.block_on(async {
        let mut streams = Vec::new();
        for _ in 0..IDLE_SWITCHES {
            let (mut stream, _) = listener.accept().await.expect("a switch");
            stream.write_all(&hello()).await.expect("the switch reads");
            streams.push(stream);
        }
        while observed.state().connected < streams.len() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        streams
    });
    let each = resident().saturating_sub(before) / IDLE_SWITCHES;
    println!("{} idle switches, up after {:.1?}: {each} bytes each", streams.len(), start.elapsed());
    shutdown.cancel();
}

fn report(what: &str, elapsed: Duration) {
    let flows = SWITCHES as f64 * f64::from(FLOWS);
    let (each, rate) = (elapsed.as_nanos() as f64 / flows, flows / elapsed.as_secs_f64());
    println!("{what}: {each:.0} ns each, {rate:.0} confirmed FLOW_MODs a second over {SWITCHES} switches");
}

fn one_core() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// The memory of this process, in bytes.
fn resident() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    pages.split_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4096
}
