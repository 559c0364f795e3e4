//! The soak: clients work without a pause while the daemon and Open vSwitch are killed and connections are cut, and a
//! checker that shares nothing with the product says whether anything that was acknowledged is lost, changed or too much.
//!
//! Everything that is asked, answered and seen goes into a `history`, a file to which is only appended. The `storm` is
//! the world in which it happens: `writer`s with their `workload`, and `wire`s that can be cut, with a `witness` that
//! reads what switches confirm. The `checker` reads the history and nothing else; `flow` is what it knows of a flow.
//! `forgery` plants bugs in a history, each of which the checker must find.
//!
//! `make soak` is the long run. `FLUMEN_SOAK_KILLS`, `FLUMEN_SOAK_RESTARTS` and `FLUMEN_SOAK_CUTS` say how much is
//! broken, `FLUMEN_SOAK_WORLDS` in how many worlds side by side, each with a daemon, an Open vSwitch and a checker of its
//! own. `FLUMEN_SOAK_SEED` says what is asked and in which order it is broken, and `FLUMEN_SOAK_HISTORY` how the files of
//! the histories begin, which are kept then. `FLUMEN_SOAK_JUDGE` names one that is judged once more, planted bugs
//! included, and nothing else is done.

mod checker;
mod flow;
mod forgery;
mod history;
mod storm;
mod wire;
mod witness;
mod workload;
mod writer;

use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use fastrand::Rng;

use checker::{Checker, Tally};
use forgery::Forgery;
use history::{Entry, Log, Reader};
use storm::{Blow, Done, Storm};

/// The short form.
const KILLS: usize = 3;
const RESTARTS: usize = 2;
const CUTS: usize = 12;

/// Connections that are cut side by side, at most.
const ABREAST: usize = 6;

/// Blows of one round, at most: each but the first falls before the one before it is healed.
const BLOWS: usize = 4;

/// Rounds of a world after which a long run says how far it has come.
const PROGRESS: usize = 20;

fn from_environment<T: FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok()?.parse().ok()
}

/// What is broken in each round: blows in random order, until everything has been done often enough.
fn next_blows(rng: &mut Rng, Counts { kills, restarts, cuts }: Counts) -> Vec<Blow> {
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
fn history_file(number: usize) -> (PathBuf, Option<tempfile::TempDir>) {
    match std::env::var("FLUMEN_SOAK_HISTORY") {
        Ok(path) => (PathBuf::from(format!("{path}.{number}")), None),
        Err(_) => {
            let directory = tempfile::Builder::new().prefix("flumen-soak-").tempdir().unwrap();
            (directory.path().join("history"), Some(directory))
        }
    }
}

#[test]
fn whatever_is_killed_or_cut_nothing_that_was_acknowledged_is_lost_changed_or_too_much() {
    let seed = from_environment("FLUMEN_SOAK_SEED").unwrap_or_else(|| fastrand::u64(..));
    if let Some(path) = std::env::var_os("FLUMEN_SOAK_JUDGE") {
        println!("soak: seed {seed}");
        let mut checker = Checker::default();
        Reader::open(Path::new(&path)).for_each(|entry| checker.take(entry));
        println!("soak: {:?}", checker.tally);
        assert_eq!(checker.findings, Vec::<String>::new());
        return assert_finds_what_is_planted(Path::new(&path), seed);
    }
    let counts = Counts {
        kills: from_environment("FLUMEN_SOAK_KILLS").unwrap_or(KILLS),
        restarts: from_environment("FLUMEN_SOAK_RESTARTS").unwrap_or(RESTARTS),
        cuts: from_environment("FLUMEN_SOAK_CUTS").unwrap_or(CUTS),
    };
    let worlds = from_environment("FLUMEN_SOAK_WORLDS").unwrap_or(1);
    println!("soak: seed {seed}, {counts:?} in {worlds} worlds");
    let began = Instant::now();
    // One after the other: each looks for ports that are free.
    let Some(lanes): Option<Vec<_>> =
        (0..worlds).map(|number| Lane::begin(number, seed, counts.of(number, worlds))).collect()
    else {
        return;
    };
    let is_over = AtomicBool::new(false);
    let ends: Vec<_> = thread::scope(|scope| {
        let lanes: Vec<_> = lanes.into_iter().map(|lane| scope.spawn(|| lane.run(&is_over))).collect();
        lanes.into_iter().map(|lane| lane.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
    });
    let (mut done, mut tally, mut findings) = (Done::default(), Tally::default(), Vec::new());
    for (lane_done, lane_tally, lane_findings) in ends {
        done.add(lane_done);
        tally.add(lane_tally);
        findings.extend(lane_findings);
    }
    println!("soak: {} s: {done:?}\nsoak: {tally:?}", began.elapsed().as_secs());
    assert!(findings.is_empty(), "seed {seed}:\n{}", findings.join("\n"));
    println!("soak: nothing lost, nothing stray, no answer changed; every planted bug is found");
}

/// How much is to be broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Counts {
    kills: usize,
    restarts: usize,
    cuts: usize,
}

impl Counts {
    /// What falls to one of so many worlds.
    fn of(self, number: usize, worlds: usize) -> Self {
        let share = |total: usize| total / worlds + usize::from(number < total % worlds);
        Self { kills: share(self.kills), restarts: share(self.restarts), cuts: share(self.cuts) }
    }

    fn without(self, done: &Done) -> Self {
        Self {
            kills: self.kills.saturating_sub(done.kills),
            restarts: self.restarts.saturating_sub(done.restarts),
            cuts: self.cuts.saturating_sub(done.cuts),
        }
    }

    fn total(self) -> usize {
        self.kills + self.restarts + self.cuts
    }
}

/// A world of its own, and who watches it: a round waits for Open vSwitch most of the time, so several go side by side.
struct Lane {
    number: usize,
    seed: u64,
    counts: Counts,
    storm: Storm,
    checker: Checker,
    reader: Reader,
    path: PathBuf,
    directory: Option<tempfile::TempDir>,
}

impl Lane {
    /// `None` where Open vSwitch is missing.
    fn begin(number: usize, seed: u64, counts: Counts) -> Option<Self> {
        let seed = seed.wrapping_add(number as u64);
        let (path, directory) = history_file(number);
        let log = Log::create(&path);
        let storm = Storm::begin(&log, seed)?;
        let reader = Reader::open(&path);
        Some(Self { number, seed, counts, storm, checker: Checker::default(), reader, path, directory })
    }

    /// Breaks everything that is to be broken, unless something is found before, here or in another world.
    fn run(mut self, is_over: &AtomicBool) -> (Done, Tally, Vec<String>) {
        let (number, began, mut rng) = (self.number, Instant::now(), Rng::with_seed(self.seed));
        for round in 1.. {
            let left = self.counts.without(&self.storm.done);
            if left.total() == 0 || is_over.load(Ordering::Relaxed) {
                break;
            }
            self.storm.round(&next_blows(&mut rng, left));
            self.reader.by_ref().for_each(|entry| self.checker.take(entry));
            if round % PROGRESS == 0 {
                println!("soak: world {number}, round {round}, {} s: {:?}", began.elapsed().as_secs(), self.storm.done);
            }
            if !self.checker.findings.is_empty() {
                is_over.store(true, Ordering::Relaxed);
                let kept = self.directory.take().map_or(self.path, tempfile::TempDir::keep);
                let findings = self.checker.findings.join("\n");
                let findings = format!("world {number}, history in {}:\n{findings}", kept.display());
                return (std::mem::take(&mut self.storm.done), self.checker.tally, vec![findings]);
            }
        }
        let tally = std::mem::take(&mut self.checker.tally);
        if self.counts.without(&self.storm.done).total() > 0 {
            // Something was found in another world, and too little has happened in this one to plant anything.
            return (std::mem::take(&mut self.storm.done), tally, Vec::new());
        }
        // A checker that cannot fail proves nothing.
        assert_finds_what_is_planted(&self.path, self.seed);
        self.storm.delete_behind_its_back();
        self.reader.for_each(|entry| self.checker.take(entry));
        let has_found = |finding: &String| finding.contains("has lost a rule");
        assert!(self.checker.findings.iter().any(has_found), "a deletion behind the daemon's back was not noticed");
        (std::mem::take(&mut self.storm.done), tally, Vec::new())
    }
}

/// Plants every bug in the beginning of a history in which there are none.
fn assert_finds_what_is_planted(path: &Path, seed: u64) {
    let history = forgery::beginning(Reader::open(path));
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
