//! One client's single requests, one after the other, while another's hundred thousand flows go to the same switch.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::batch::{FLOWS, applied, batches};
use super::frames::{Bare, Form};
use super::percentile;
use super::support::Lab;

const RUNS: usize = 3;
const ALONE: usize = 1_000;

pub(crate) fn run() {
    let Some(lab) = Lab::start(&[]) else { return };
    lab.add_dialled_node(&mut lab.daemon.client(), "s1", 0xa1);
    let mut single = Single { client: Bare::connect(lab.daemon.northbound, Form::Json), number: 0 };
    let mut alone: Vec<_> = (0..ALONE).map(|_| single.install()).collect();
    tell("alone", &mut alone);
    for (form, batchers) in [(Form::Json, 1), (Form::MessagePack, 1), (Form::Json, 4)] {
        let mut times = Vec::new();
        let mut batch_times = Vec::new();
        for _ in 0..RUNS {
            batch_times.extend(beside(&lab, &mut single, form, batchers, &mut times));
            let removed = json!({"type": "RemoveFlows", "id": "r", "payload": {"traffic_type": "voice"}});
            assert_eq!(single.client.ask(&removed)["type"], "Reply");
        }
        tell(&format!("beside {batchers} x {} flows in {}", FLOWS, form.subprotocol()), &mut times);
        println!("fair:   which took {:.2?} (median) meanwhile", percentile(&mut batch_times, 50));
    }
}

/// Single requests until the batches are answered: how long each took, and each batch.
fn beside(lab: &Lab, single: &mut Single, form: Form, batchers: u32, times: &mut Vec<Duration>) -> Vec<Duration> {
    let under_way: Vec<_> = (0..batchers).map(|batcher| batches(form, "problems", 1, batcher * FLOWS)).collect();
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let batches: Vec<_> = under_way
            .iter()
            .map(|(frames, count)| {
                let mut client = Bare::connect(lab.daemon.northbound, form);
                scope.spawn(move || {
                    let begun = Instant::now();
                    let answers = client.exchange(frames, *count);
                    let time = begun.elapsed();
                    assert_eq!(answers.iter().map(|answer| applied(&form.read(answer))).sum::<u64>(), u64::from(FLOWS));
                    time
                })
            })
            .collect();
        let is_over = &is_over;
        let waiting = scope.spawn(move || {
            let times: Vec<Duration> = batches.into_iter().map(|batch| batch.join().unwrap()).collect();
            is_over.store(true, Ordering::Relaxed);
            times
        });
        while !is_over.load(Ordering::Relaxed) {
            times.push(single.install());
        }
        waiting.join().unwrap()
    })
}

/// A client that asks for one flow at a time.
struct Single {
    client: Bare,
    number: u32,
}

impl Single {
    fn install(&mut self) -> Duration {
        let [_, b, c, d] = self.number.to_be_bytes();
        self.number += 1;
        let payload: Value =
            json!({"source": format!("10.{b}.{c}.{d}"), "destination": "10.201.0.1", "traffic_type": "video"});
        let begun = Instant::now();
        let answer = self.client.ask(&json!({"type": "InstallFlow", "id": "s", "payload": payload}));
        let time = begun.elapsed();
        assert_eq!(answer["payload"]["flow"]["state"], "applied", "{answer}");
        time
    }
}

fn tell(what: &str, times: &mut [Duration]) {
    let [p50, p99, most] = [50, 99, 100].map(|percent| percentile(times, percent));
    println!(
        "fair: a single InstallFlow {what}: p50 {p50:.2?}, p99 {p99:.2?}, most {most:.2?}, {} of them",
        times.len()
    );
}
