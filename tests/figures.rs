//! The figures of the documentation: each is one that `make bench` has measured, or is in a list here with the reason why
//! it may stand there. What stands in a fenced block is run or read by other tests, and pages that are written by
//! programs are compared with what these write.
#![cfg(test)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// What makes a number a figure.
const UNITS: [&str; 41] = [
    "%",
    "ns",
    "us",
    "µs",
    "ms",
    "s",
    "nanoseconds",
    "microsecond",
    "microseconds",
    "millisecond",
    "milliseconds",
    "second",
    "seconds",
    "minute",
    "minutes",
    "hour",
    "hours",
    "day",
    "days",
    "byte",
    "bytes",
    "kB",
    "KB",
    "MB",
    "GB",
    "KiB",
    "MiB",
    "GiB",
    "bit/s",
    "kbit",
    "kbit/s",
    "Mbit",
    "Mbit/s",
    "Gbit/s",
    "MB/s",
    "/s",
    "flows/s",
    "rules/s",
    "messages/s",
    "times",
    "fold",
];

/// Numbers in words.
const WORDS: [&str; 26] = [
    "half",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "fifteen",
    "twenty",
    "thirty",
    "forty",
    "fifty",
    "sixty",
    "seventy",
    "eighty",
    "ninety",
    "hundred",
    "thousand",
    "million",
    "hundreds",
    "thousands",
];

/// Figures that `make bench` does not measure: the page, the figure, and why it may stand there. Without a figure all of the
/// page is meant.
const OTHERS: [(&str, &str, &str); 35] = [
    ("README.md", "16 MiB", "a bound of the program"),
    ("README.md", "ten minutes", TUTORIAL),
    ("README.md", "24 hours", "a bound of the program"),
    ("docs/answers.md", "24 hours", "a bound of the program"),
    ("docs/answers.md", "30 seconds", "a constant of the program"),
    ("docs/index.md", "ten minutes", TUTORIAL),
    ("docs/operations.md", "30 s", "a constant of the unit"),
    ("docs/operations.md", "15 seconds", "the manual of Open vSwitch says so"),
    ("docs/operations.md", "2,000,000", "a bound of the program"),
    ("docs/operations.md", "1,024", "a bound of the program"),
    ("docs/operations.md", "524,288", "a bound of the program"),
    ("docs/operations.md", "1,000", "a bound of the program"),
    ("docs/operations.md", "1 MiB", "a bound of the program"),
    ("docs/operations.md", "16 MiB", "a bound of the program"),
    ("docs/operations.md", "64 MiB", "a bound of the program"),
    ("docs/operations.md", "1,000,000", "a bound of the program"),
    ("docs/operations.md", "32 MiB", "a bound of the program"),
    ("docs/operations.md", "50,000", "a bound of the program"),
    ("docs/qos.md", "5,000 kbit/s", "an example"),
    ("docs/queues.md", "12 kbit/s", "a bound of linux-htb"),
    ("docs/queues.md", "5 seconds", "a constant of the program"),
    ("docs/queues.md", "three times", "a constant of the program"),
    ("docs/queues.md", "4,096", "a bound of the program"),
    ("docs/secure.md", "5 seconds", "a bound of the program"),
    ("docs/secure.md", "64 MiB", "a bound of the program"),
    ("docs/soak.md", "", "each section says which command printed it: they run for hours"),
    ("docs/watching.md", "250 ms", "a bound of the program"),
    ("docs/watching.md", "60 s", "a bound of the program"),
    ("docs/watching.md", "ten seconds", "a bound of the program"),
    ("docs/watching.md", "three times", "a constant of the program"),
    ("testbed/README.md", "5,000 kbit/s", "what the scenario asks for"),
    ("testbed/README.md", "20 %", "what the scenario asserts"),
    ("testbed/README.md", "30 Mbit/s", "what the scenario sends"),
    ("testbed/README.md", "10 Mbit/s", "what the scenario's link carries"),
    ("testbed/README.md", "6 Mbit/s", "what the scenario asks for"),
];
const TUTORIAL: &str = "how long a person may take, more than the test that types it";

/// Pages that programs write, each compared by a test: `docs/bench` below, `docs/reference` in `tests/schemas`.
const WRITTEN: [&str; 2] = ["docs/bench", "docs/reference"];

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// README.md and every page of the documentation that a person wrote, by its path in the project.
fn pages() -> Vec<String> {
    let mut found = vec!["README.md".to_owned(), "testbed/README.md".to_owned()];
    let mut directories = vec![PathBuf::from("docs")];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(project().join(&directory)).unwrap() {
            let path = directory.join(entry.unwrap().file_name());
            let name = path.to_str().unwrap().to_owned();
            if project().join(&path).is_dir() {
                if !WRITTEN.contains(&name.as_str()) {
                    directories.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "md") {
                found.push(name);
            }
        }
    }
    found.sort();
    found
}

fn read(page: &str) -> String {
    fs::read_to_string(project().join(page)).unwrap_or_else(|error| panic!("{page}: {error}"))
}

/// The figures of a page outside its fenced blocks: a number with a unit, or one of more than three digits.
fn figures(page: &str) -> Vec<String> {
    let prose: Vec<_> = format!("\n{page}").split("\n```").step_by(2).map(str::to_owned).collect();
    let words: Vec<String> = prose.iter().flat_map(|prose| prose.split([' ', '\n', '|', '-']).map(bare)).collect();
    let mut found = Vec::new();
    for (place, word) in words.iter().enumerate() {
        let digits = word.trim_end_matches(|letter: char| !letter.is_ascii_digit());
        let unit = &word[digits.len()..];
        let next = words.get(place + 1).map_or("", String::as_str);
        let is_number = digits.starts_with(|first: char| first.is_ascii_digit())
            && digits.chars().all(|letter| letter.is_ascii_digit() || letter == ',' || letter == '.');
        if is_number && UNITS.contains(&unit) {
            found.push(word.clone());
        } else if (is_number && unit.is_empty() || WORDS.contains(&word.as_str())) && UNITS.contains(&next) {
            found.push(format!("{word} {next}"));
        } else if is_number && unit.is_empty() && digits.contains(',') {
            found.push(word.clone());
        }
    }
    found
}

/// A word without what stands around it.
fn bare(word: &str) -> String {
    let is_around = |letter: char| !letter.is_alphanumeric() && letter != '%' && letter != '/';
    word.trim_matches(is_around).to_owned()
}

/// What is wrong with the figures of these pages, beside what was measured and the list of the others.
fn faults(pages: &[(&str, &str)], measured: &[String], others: &[(&str, &str, &str)]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut used = vec![false; others.len()];
    for (page, text) in pages {
        for figure in figures(text) {
            let reason = others.iter().position(|(at, other, _)| at == page && (other.is_empty() || *other == figure));
            match reason {
                Some(reason) => used[reason] = true,
                None if measured.contains(&figure) => {}
                None => faults.push(format!("{page}: {figure} is not among the figures of make bench")),
            }
        }
    }
    let unused = others.iter().zip(used).filter(|(_, used)| !used);
    faults.extend(unused.map(|((page, figure, _), _)| format!("{page}: {figure} stands there no more")));
    faults
}

#[test]
fn every_figure_of_the_documentation_is_measured_by_make_bench_or_has_a_reason() {
    let measured = figures(&read("docs/bench/figures.md"));
    assert!(measured.len() > 50, "{measured:?}");
    let texts: Vec<_> = pages().into_iter().map(|page| (read(&page), page)).collect();
    assert!(texts.len() > 10);
    let pages: Vec<_> = texts.iter().map(|(text, page)| (page.as_str(), text.as_str())).collect();
    let faults = faults(&pages, &measured, &OTHERS);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_figure_that_nobody_measured_is_found_and_so_is_a_reason_for_none() {
    let measured = ["71 us".to_owned(), "0.22 ms".to_owned()];
    let text =
        "Takes 71 us, or 9,999 flows/s.\n```text\n4 ms\n```\nTen pages (at **98.5 %**), `12ms`, twice two seconds.";
    let others = [("page.md", "two seconds", "a constant"), ("page.md", "3 GiB", "was there once")];
    assert_eq!(figures(text), ["71 us", "9,999 flows/s", "98.5 %", "12ms", "two seconds"]);
    let found = faults(&[("page.md", text)], &measured, &others);
    let of = |figure| format!("page.md: {figure} is not among the figures of make bench");
    assert_eq!(
        found,
        [of("9,999 flows/s"), of("98.5 %"), of("12ms"), "page.md: 3 GiB stands there no more".to_owned()]
    );
}

#[test]
fn the_page_of_figures_is_what_make_bench_writes_from_what_it_measured() {
    let program = Command::new("python3")
        .arg(project().join("testbed/bench/report.py"))
        .arg(project().join("docs/bench/figures.json"))
        .output();
    let Ok(written) = program else {
        assert!(env::var_os("CI").is_none(), "python3 is missing");
        return println!("skipped: no python3 to write the page of figures");
    };
    let complaint = String::from_utf8_lossy(&written.stderr);
    assert!(written.status.success(), "{complaint}");
    assert!(
        written.stdout == read("docs/bench/figures.md").as_bytes(),
        "docs/bench/figures.md is not what report.py writes"
    );
}
