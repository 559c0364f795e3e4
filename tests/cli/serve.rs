//! `flumen serve` and `flumen emulate` as processes: how they start, how they refuse to, how they end.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::process::{Child, ChildStderr, Command, Stdio};

use crate::binary::{flumen, run};

pub(crate) fn signal(child: &Child, signal: &str) {
    assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
}

/// Starts it and waits for a line of its log that holds `word`; returns that line, too.
pub(crate) fn start(mut command: Command, word: &str) -> (Child, String, BufReader<ChildStderr>) {
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains(word) {
        line.clear();
        assert_ne!(log.read_line(&mut line).unwrap(), 0, "it ended before it said {word:?}");
    }
    (child, line, log)
}

#[test]
fn a_daemon_ends_in_order_on_a_signal() {
    for end in ["-INT", "-TERM"] {
        let data = tempfile::tempdir().unwrap();
        let data = data.path().join("new/state");
        let arguments =
            ["serve", "--listen", "127.0.0.1:0", "--openflow", "127.0.0.1:0", "--data", data.to_str().unwrap()];
        let (mut child, line, mut log) = start(flumen(arguments.into_iter().chain(["--log-format", "json"])), "ready");
        assert!(line.starts_with('{') && line.contains("127.0.0.1:"), "{line}");
        signal(&child, end);
        let mut rest = String::new();
        log.read_to_string(&mut rest).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0), "{end}: {rest}");
        assert!(data.is_dir());
    }
}

#[test]
fn a_second_signal_ends_a_daemon_at_once_with_the_code_of_that_signal() {
    let data = tempfile::tempdir().unwrap();
    let data = data.path().to_str().unwrap();
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--openflow", "127.0.0.1:0", "--data", data];
    let (mut child, _, mut log) = start(flumen(arguments), "ready");
    // Both wait for it when it goes on, in an order that the log tells.
    for name in ["-STOP", "-INT", "-TERM", "-CONT"] {
        signal(&child, name);
    }
    let mut rest = String::new();
    log.read_to_string(&mut rest).unwrap();
    let code = if rest.contains("SIGTERM") { 130 } else { 143 };
    assert_eq!(child.wait().unwrap().code(), Some(code), "{rest}");
}

#[test]
fn an_address_that_is_taken_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let data = tempfile::tempdir().unwrap();
    let data = data.path().to_str().unwrap();
    for arguments in
        [["--listen", &address, "--openflow", "127.0.0.1:0"], ["--openflow", &address, "--listen", "127.0.0.1:0"]]
    {
        let ended = run(&mut flumen(["serve", "--data", data].into_iter().chain(arguments))).with(1);
        assert!(ended.stderr.contains(&address) && ended.stderr.contains("in use"), "{}", ended.stderr);
        assert!(
            ended.stderr.contains("hint: ") && ended.stderr.contains("--openflow choose other"),
            "{}",
            ended.stderr
        );
    }
}

#[test]
fn a_data_directory_that_cannot_be_had_is_named_with_what_to_do() {
    let nowhere = "/proc/flumen";
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--openflow", "127.0.0.1:0", "--data", nowhere];
    let ended = run(&mut flumen(arguments)).with(1);
    assert!(ended.stderr.contains(nowhere) && ended.stderr.contains("hint: --data"), "{}", ended.stderr);
}

#[test]
fn beyond_loopback_a_daemon_refuses_to_start_and_says_why() {
    let data = tempfile::tempdir().unwrap();
    let data = data.path().to_str().unwrap();
    for arguments in
        [["--listen", "0.0.0.0:0", "--openflow", "127.0.0.1:0"], ["--openflow", "0.0.0.0:0", "--listen", "127.0.0.1:0"]]
    {
        let ended = run(&mut flumen(["serve", "--data", data].into_iter().chain(arguments))).with(1);
        assert!(ended.stderr.contains("--insecure"), "{}", ended.stderr);
    }
}

#[test]
fn emulated_switches_say_how_many_are_connected() {
    let stage = crate::stage::Stage::set();
    let address = stage.listening.openflow.to_string();
    let (mut child, _, _log) =
        start(flumen(["emulate", "--switches", "3", "--connect", &address]), "3 of 3 switches connected");
    stage.wait_for("0000000000000003", "discovered");
    signal(&child, "-TERM");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
