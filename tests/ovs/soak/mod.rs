//! The soak: clients work without a pause while the daemon and Open vSwitch are killed and connections are cut, and a
//! checker that shares nothing with the product says whether anything that was acknowledged is lost, changed or too much.
//!
//! Everything that is asked, answered and seen goes into a `history`, a file to which is only appended. The `storm` is
//! the world in which it happens: `writer`s with their `workload`, and `wire`s that can be cut, with a `witness` that
//! reads what switches confirm. The `checker` reads the history and nothing else; `flow` is what it knows of a flow.
//! `forgery` plants bugs in a history, each of which the checker must find.
//!
//! `make soak` is the long run. `FLUMEN_SOAK_KILLS`, `FLUMEN_SOAK_RESTARTS` and `FLUMEN_SOAK_CUTS` say how much is
//! broken, `FLUMEN_SOAK_SEED` what is asked and in which order it is broken, and `FLUMEN_SOAK_HISTORY` names a new file
//! for the history, which is kept. `FLUMEN_SOAK_JUDGE` names one that is judged once more, and nothing else is done.

mod checker;
mod flow;
mod forgery;
mod history;
mod storm;
mod wire;
mod witness;
mod workload;
mod writer;

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Instant;

use fastrand::Rng;

use checker::Checker;
use forgery::Forgery;
use history::{Entry, Event, Log, Reader};
use storm::{Blow, Storm};

/// The short form.
const KILLS: usize = 3;
const RESTARTS: usize = 2;
const CUTS: usize = 12;

/// Connections that are cut side by side, at most.
const ABREAST: usize = 6;

/// Blows of one round, at most: each but the first falls before the one before it is healed.
const BLOWS: usize = 4;

/// Rounds after which a long run says how far it has come.
const PROGRESS: usize = 20;

fn from_environment<T: FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok()?.parse().ok()
}

/// What is broken in each round: blows in random order, until everything has been done often enough.
fn next_blows(rng: &mut Rng, kills: usize, restarts: usize, cuts: usize) -> Vec<Blow> {
    let mut left = [kills, restarts, cuts.div_ceil(ABREAST)];
    let count = rng.usize(1..=BLOWS);
    let mut blows = Vec::new();
    while blows.len() < count && left.iter().sum::<usize>() > 0 {
        let mut pick = rng.usize(0..left.iter().sum());
        let kind = left.iter().position(|weight| {
            let is_it = pick < *weight;
            pick = pick.saturating_sub(*weight);
            is_it
        });
        match kind {
            Some(0) => blows.push(Blow::Kill),
            Some(1) => blows.push(Blow::Restart),
            _ => blows.push(Blow::Cuts(rng.usize(2..=ABREAST).min(cuts))),
        }
        left[kind.unwrap_or_default()] -= 1;
    }
    blows
}

/// Judges a history from its beginning.
fn judge(history: &[Entry]) -> Vec<String> {
    let mut checker = Checker::default();
    history.iter().cloned().for_each(|entry| checker.take(entry));
    checker.findings
}

/// Where the history goes, and what takes it away again when nobody wants to keep it.
fn history_file() -> (PathBuf, Option<tempfile::TempDir>) {
    match std::env::var_os("FLUMEN_SOAK_HISTORY") {
        Some(path) => (PathBuf::from(path), None),
        None => {
            let directory = tempfile::Builder::new().prefix("flumen-soak-").tempdir().unwrap();
            (directory.path().join("history"), Some(directory))
        }
    }
}

#[test]
fn whatever_is_killed_or_cut_nothing_that_was_acknowledged_is_lost_changed_or_too_much() {
    if let Some(path) = std::env::var_os("FLUMEN_SOAK_JUDGE") {
        let mut checker = Checker::default();
        Reader::open(Path::new(&path)).for_each(|entry| checker.take(entry));
        println!("soak: {:?}", checker.tally);
        return assert_eq!(checker.findings, Vec::<String>::new());
    }
    let kills = from_environment("FLUMEN_SOAK_KILLS").unwrap_or(KILLS);
    let restarts = from_environment("FLUMEN_SOAK_RESTARTS").unwrap_or(RESTARTS);
    let cuts = from_environment("FLUMEN_SOAK_CUTS").unwrap_or(CUTS);
    let seed = from_environment("FLUMEN_SOAK_SEED").unwrap_or_else(|| fastrand::u64(..));
    let (path, directory) = history_file();
    let log = Log::create(&path);
    let Some(mut storm) = Storm::begin(&log, seed) else { return };
    let mut rng = Rng::with_seed(seed);
    let mut checker = Checker::default();
    let mut reader = Reader::open(&path);
    let began = Instant::now();
    println!("soak: seed {seed}, {kills} kills, {restarts} restarts, {cuts} cuts");
    for round in 1.. {
        let done = &storm.done;
        let left =
            (kills.saturating_sub(done.kills), restarts.saturating_sub(done.restarts), cuts.saturating_sub(done.cuts));
        if left == (0, 0, 0) {
            break;
        }
        storm.round(&next_blows(&mut rng, left.0, left.1, left.2));
        reader.by_ref().for_each(|entry| checker.take(entry));
        if round % PROGRESS == 0 {
            println!("soak: round {round}, {} s: {:?}", began.elapsed().as_secs(), storm.done);
        }
        if !checker.findings.is_empty() {
            break;
        }
    }
    println!("soak: {} s: {:?}\nsoak: {:?}", began.elapsed().as_secs(), storm.done, checker.tally);
    if !checker.findings.is_empty() {
        let kept = directory.map_or(path, tempfile::TempDir::keep);
        panic!("seed {seed}, history in {}:\n{}", kept.display(), checker.findings.join("\n"));
    }
    // A checker that cannot fail proves nothing.
    assert_finds_what_is_planted(&path, seed);
    storm.delete_behind_its_back();
    reader.for_each(|entry| checker.take(entry));
    let has_found = |finding: &String| finding.contains("has lost a rule");
    assert!(checker.findings.iter().any(has_found), "a deletion behind the daemon's back was not noticed");
    println!("soak: nothing lost, nothing stray, no answer changed; every planted bug is found");
}

/// Plants every bug in the beginning of a history in which there are none.
fn assert_finds_what_is_planted(path: &Path, seed: u64) {
    let mut history: Vec<Entry> = Reader::open(path).take(forgery::ENTRIES).collect();
    let last = history.iter().rposition(|entry| matches!(entry.event, Event::Quiet { .. }));
    history.truncate(last.map_or(0, |last| last + 1));
    assert_eq!(judge(&history), Vec::<String>::new());
    let mut rng = Rng::with_seed(seed);
    let missed: Vec<_> = Forgery::ALL
        .into_iter()
        .filter(|forgery| {
            let mut forged = history.clone();
            let is_planted = forgery.plant(&mut forged, &mut rng);
            !is_planted || judge(&forged).is_empty()
        })
        .collect();
    assert!(missed.is_empty(), "the checker did not notice {missed:?}");
}
