//! The manual pages: every command has one, and the programs that show them have nothing to say against them.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::binary::{flumen, run};

/// The pages, in a directory of their own.
fn pages() -> (tempfile::TempDir, BTreeSet<String>) {
    let directory = tempfile::tempdir().unwrap();
    let new = directory.path().join("new/man");
    run(&mut flumen(["man", new.to_str().unwrap()])).with(0);
    let names = std::fs::read_dir(new).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let names = names.collect();
    (directory, names)
}

fn is_installed(program: &str, test: &str) -> bool {
    let is_there = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    if !is_there {
        println!("skipped {test}: {program} is not installed");
    }
    is_there
}

fn text(directory: &Path, page: &str) -> String {
    std::fs::read_to_string(directory.join("new/man").join(page)).unwrap()
}

#[test]
fn every_command_has_a_page_in_its_section() {
    let (directory, names) = pages();
    for page in [
        "flumen.1",
        "flumen-serve.8",
        "flumen.toml.5",
        "flumen-node.1",
        "flumen-node-add.1",
        "flumen-flow-install.1",
        "flumen-flow-apply.1",
        "flumen-watch.1",
        "flumen-top.1",
        "flumen-decode.1",
        "flumen-config-check.1",
        "flumen-token-add.1",
    ] {
        assert!(names.contains(page), "{page} is not among {names:?}");
    }
    let install = text(directory.path(), "flumen-flow-install.1");
    for part in [".SH NAME", ".SH SYNOPSIS", ".SH EXAMPLES", "traffic\\-type", ".SH \"SEE ALSO\""] {
        assert!(install.contains(part), "{part} is not in {install}");
    }
    let config = text(directory.path(), "flumen.toml.5");
    for option in ["table\\-miss", "audit\\-log", "[classes.example]"] {
        assert!(config.contains(option), "{option} is not in {config}");
    }
    // What stands in SEE ALSO is there.
    let flumen = text(directory.path(), "flumen.1");
    assert!(flumen.contains("\\fBflumen\\-serve\\fR(8)") && flumen.contains("\\fBflumen.toml\\fR(5)"), "{flumen}");
}

#[test]
fn man_shows_every_page_without_a_warning() {
    if !is_installed("man", "man_shows_every_page_without_a_warning") {
        return;
    }
    let (directory, names) = pages();
    for name in names {
        let page = directory.path().join("new/man").join(&name);
        let mut man = Command::new("man");
        man.args(["--warnings", "--local-file"]).arg(&page).env("MANWIDTH", "80").env("LC_ALL", "C.UTF-8");
        let shown = man.env("MANROFFSEQ", "").stdin(Stdio::null()).output().unwrap();
        let (stdout, stderr) = (String::from_utf8_lossy(&shown.stdout), String::from_utf8_lossy(&shown.stderr));
        assert!(shown.status.success() && stderr.is_empty(), "{name}: {stderr}");
        assert!(stdout.contains("NAME") && stdout.contains("SEE ALSO"), "{name}: {stdout}");
    }
}

#[test]
fn mandoc_finds_no_fault_in_any_page() {
    if !is_installed("mandoc", "mandoc_finds_no_fault_in_any_page") {
        return;
    }
    let (directory, names) = pages();
    let mut all = String::new();
    for name in names {
        let page = directory.path().join("new/man").join(&name);
        let linted = Command::new("mandoc").args(["-T", "lint", "-W", "warning"]).arg(&page).output().unwrap();
        let told = String::from_utf8_lossy(&linted.stdout).into_owned();
        all.push_str(&told);
    }
    assert_eq!(all, "");
}
