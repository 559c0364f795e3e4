//! Help, version and completions: data on standard output, and a reader who goes away is nobody's failure.

use std::io::Read;
use std::process::Stdio;

use crate::binary::{compare_with_golden, flumen, run};

#[test]
fn help_is_as_it_was_agreed() {
    for (name, line) in [
        ("flumen", ""),
        ("serve", "serve"),
        ("node-add", "node add"),
        ("flow-install", "flow install"),
        ("flow-remove", "flow remove"),
        ("flow-list", "flow list"),
        ("flow-apply", "flow apply"),
        ("flow-diff", "flow diff"),
        ("queues-set", "queues set"),
        ("emulate", "emulate"),
        ("decode", "decode"),
    ] {
        let arguments = line.split_whitespace().chain(["--help"]);
        let ended = run(flumen(arguments).env("COLUMNS", "80")).with(0);
        assert_eq!(ended.stderr, "");
        let longest = ended.stdout.lines().map(|line| line.chars().count()).max();
        assert!(longest <= Some(100), "{name}: a line of {longest:?} characters");
        compare_with_golden(&format!("{name}.help"), &ended.stdout);
    }
}

#[test]
fn every_command_has_help() {
    for line in [
        "node",
        "node remove",
        "node list",
        "node show",
        "flow",
        "flow show",
        "flow export",
        "watch",
        "store",
        "store export",
        "store import",
        "queues",
        "queues show",
        "queues remove",
        "info",
        "classes",
        "demo",
        "config",
        "config check",
        "config show",
        "completions",
    ] {
        let ended = run(&mut flumen(line.split_whitespace().chain(["-h"]))).with(0);
        assert!(ended.stdout.contains("Usage: flumen"), "{line}");
    }
}

#[test]
fn the_version_is_the_packages() {
    let ended = run(&mut flumen(["--version"])).with(0);
    assert_eq!(ended.stdout, concat!("flumen ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn completions_come_for_every_shell() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let ended = run(&mut flumen(["completions", shell])).with(0);
        assert_eq!(ended.stderr, "");
        for word in ["traffic-type", "datapath-id", "admission"] {
            assert!(ended.stdout.contains(word), "{shell} does not know {word}");
        }
    }
}

#[test]
fn bash_takes_its_completions() {
    let script = run(&mut flumen(["completions", "bash"])).with(0).stdout;
    let bash = std::process::Command::new("bash").args(["--norc", "-n", "-c", &script]).output().unwrap();
    assert!(bash.status.success(), "{}", String::from_utf8_lossy(&bash.stderr));
}

#[test]
fn a_broken_pipe_is_quiet() {
    // More than a pipe holds, so that the writer is still at it when the reader goes.
    for arguments in [&["completions", "zsh"][..], &["--help"], &["flow", "install", "--help"]] {
        let mut child = flumen(arguments.iter().copied());
        let mut child = child.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let mut stderr = String::new();
        child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        assert_eq!((child.wait().unwrap().code(), stderr.as_str()), (Some(0), ""), "{arguments:?}");
    }
}

#[test]
fn a_full_disk_is_not_quiet() {
    let Ok(full) = std::fs::File::options().write(true).open("/dev/full") else { return };
    let mut command = flumen(["completions", "bash"]);
    let output = command.stdout(full).stderr(Stdio::piped()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot write to standard output"));
}
