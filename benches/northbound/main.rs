//! What the front end costs its clients: batches of flows beside what the switch takes at most, the single request beside
//! somebody else's batch, and thousands of subscribers. Prints figures and judges none of them: machines differ.
//!
//! `cargo bench --bench northbound`, with `batch`, `fair` or `subscribers` behind `--` for a part of it. It needs Open
//! vSwitch, and the last part `ulimit -n 20000`; the laboratory is that of the tests.
#![cfg(test)]

mod batch;
mod fair;
mod frames;
mod subscribers;
#[path = "../../tests/ovs/support/mod.rs"]
#[expect(dead_code, unused_imports, reason = "a benchmark needs less of the laboratory than the tests")]
mod support;

use std::time::Duration;

fn main() {
    let chosen: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let parts: [(&str, fn()); 3] = [("batch", batch::run), ("fair", fair::run), ("subscribers", subscribers::run)];
    for (name, part) in parts {
        if chosen.is_empty() || chosen.iter().any(|chosen| chosen == name) {
            part();
        }
    }
}

/// The time below which so many percent of the others lie.
fn percentile(times: &mut [Duration], percent: usize) -> Duration {
    times.sort();
    times[(times.len() * percent / 100).min(times.len() - 1)]
}
