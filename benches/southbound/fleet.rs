//! FLOW_MODs to a hundred emulated switches in this process: both ends share its cores.

use std::time::Instant;

use flumen::emulator::{Fleet, SwitchConfig};
use flumen::southbound::Report;
use openflow::DatapathId;
use tokio_util::sync::CancellationToken;

use super::{commands, confirmed, listening};

const SWITCHES: u64 = 100;
/// For each of them.
const FLOWS: u32 = 10_000;

pub(super) async fn run() {
    let (address, mut reports, _southbound) = listening().await;
    let template = SwitchConfig::new(DatapathId(1));
    let _fleet = Fleet::connect(&address.to_string(), SWITCHES, &template, &CancellationToken::new());
    let mut switches = Vec::new();
    while (switches.len() as u64) < SWITCHES {
        if let Report::Connected { commands, .. } = reports.recv().await.expect("news") {
            switches.push(commands);
        }
    }
    let work: Vec<_> = switches.into_iter().map(|switch| (switch, commands(FLOWS))).collect();
    let begun = Instant::now();
    for (switch, commands) in work {
        tokio::spawn(async move {
            for command in commands {
                switch.send(command).await.expect("a connection");
            }
            switch.closed().await;
        });
    }
    let all = SWITCHES as usize * FLOWS as usize;
    let mut done = 0;
    while done < all {
        done += confirmed(&reports.recv().await.expect("news"));
    }
    let rate = all as f64 / begun.elapsed().as_secs_f64();
    println!("fleet: {all} flows confirmed by {SWITCHES} emulated switches: {rate:.0}/s");
}
