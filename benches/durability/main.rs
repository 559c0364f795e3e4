//! What it costs that nothing acknowledged is ever lost: the latency of one durable flow beside its three parts, and how
//! soon a million flows are there again after a restart of the daemon, and a hundred thousand after one of the switch.
//! Prints figures and judges none of them: machines differ.
//!
//! `cargo bench --bench durability`, with `latency`, `daemon` or `switch` behind `--` for a part of it. It needs Open
//! vSwitch; the laboratory is that of the tests.
#![cfg(test)]

mod latency;
mod restart;
#[path = "../../tests/ovs/support/mod.rs"]
#[expect(dead_code, unused_imports, reason = "a benchmark needs less of the laboratory than the tests")]
mod support;

use std::time::Duration;

fn main() {
    let chosen: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let parts: [(&str, fn()); 3] =
        [("latency", latency::run), ("daemon", restart::daemon), ("switch", restart::switch)];
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
