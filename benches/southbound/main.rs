//! What a session and its driver cost: FLOW_MODs to one Open vSwitch beside the same bytes from a raw socket, FLOW_MODs
//! to a hundred emulated switches, and what thousands of idle ones cost. Prints figures and judges none of them:
//! machines differ.
//!
//! `cargo bench --bench southbound`, with one or more of these behind `--` for a part of it:
//!
//! | part | measures | needs |
//! | --- | --- | --- |
//! | `ovs` | 100,000 FLOW_MODs and single round trips, raw and through the library in turn | Open vSwitch |
//! | `fleet` | a million FLOW_MODs to 100 emulated switches in this process | |
//! | `idle` | 9,500 idle switches of another process on the southbound side alone | `ulimit -n` above 9,600 |
//! | `daemon` | the same on a whole `flumen serve` that has taken them in as nodes | the same |

#![expect(clippy::expect_used, clippy::print_stdout, reason = "a benchmark prints what it finds or fails")]

mod fleet;
mod idle;
mod ovs;
mod process;

use std::net::SocketAddr;

use flumen::session::{Command, Config, Event, Outcome, Token};
use flumen::southbound::{REPORTS, Report, Southbound};
use openflow::FlowMod;
use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::Builder;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// FLOW_MODs in one command, about as many as the programmer hands over at a time.
const COMMAND: usize = 250;

fn main() {
    let chosen: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let is_chosen = |part: &str| chosen.is_empty() || chosen.iter().any(|name| name == part);
    let runtime = Builder::new_multi_thread().enable_all().build().expect("a runtime");
    if is_chosen("ovs") {
        ovs::run(&runtime);
    }
    if is_chosen("fleet") {
        runtime.block_on(fleet::run());
    }
    if is_chosen("idle") {
        runtime.block_on(idle::library());
    }
    if is_chosen("daemon") {
        idle::daemon();
    }
}

/// A flow like those of a voice call.
fn flow_mod(number: u32) -> FlowMod {
    let [_, b, c, d] = number.to_be_bytes();
    let packets = format!("priority=46000,udp,nw_src=10.{b}.{c}.{d},nw_dst=10.1.2.3,tp_dst=5060");
    let flow = format!("cookie={number},{packets},actions=set_field:46->ip_dscp,set_queue:6,NORMAL");
    flow.parse().expect("a lawful flow")
}

fn commands(flows: u32) -> Vec<Command> {
    let mods: Vec<_> = (0..flows).map(|number| (Token(number.into()), flow_mod(number))).collect();
    mods.chunks(COMMAND).map(|mods| Command::Program(mods.to_vec())).collect()
}

fn southbound(listener: Option<TcpListener>) -> (Southbound, mpsc::Receiver<Report>) {
    let (sender, reports) = mpsc::channel(REPORTS);
    let (tracker, token) = (TaskTracker::new(), CancellationToken::new());
    (Southbound::start(Config::default(), listener, None, sender, tracker, token), reports)
}

async fn listening() -> (SocketAddr, mpsc::Receiver<Report>, Southbound) {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(([127, 0, 0, 1], 0).into()).expect("an address");
    let listener = socket.listen(16_384).expect("a listener");
    let address = listener.local_addr().expect("an address");
    let (southbound, reports) = southbound(Some(listener));
    (address, reports, southbound)
}

/// How many FLOW_MODs a report confirms.
fn confirmed(report: &Report) -> usize {
    let Report::Happened { event: Event::Settled(settlements), .. } = report else { return 0 };
    assert!(settlements.iter().all(|settlement| matches!(settlement.outcome, Outcome::Confirmed)), "{settlements:?}");
    settlements.len()
}
