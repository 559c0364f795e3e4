//! The full-screen views in a terminal of their own (script(1) makes it), and where there is none.

use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;

use crate::binary::{PATIENCE, flumen, run};
use crate::stage::Stage;

const ENTERED: &str = "\u{1b}[?1049h";
const LEFT: &str = "\u{1b}[?1049l";

/// A program in a terminal.
struct Terminal {
    child: Child,
    told: mpsc::Receiver<Vec<u8>>,
    seen: String,
}

impl Terminal {
    /// Starts `flumen LINE` in a terminal of 80 x 24; its process id is the first that is seen.
    fn start(stage: &Stage, line: &str) -> Self {
        let program = env!("CARGO_BIN_EXE_flumen");
        let command = format!("stty rows 24 cols 80; echo pid=$$.; exec {program} {line}");
        let mut script = Command::new("script");
        script.args(["--quiet", "--return", "--flush", "--command", &command, "/dev/null"]);
        script.env("FLUMEN_URL", format!("ws://{}", stage.listening.northbound)).env("TERM", "xterm-256color");
        script.env_remove("NO_COLOR").env("SHELL", "/bin/sh");
        let mut child = script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = stdout.read(&mut buffer) {
                if tell.send(buffer[..length].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self { child, told, seen: String::new() }
    }

    /// Waits until this has been written.
    fn wait_for(&mut self, text: &str) {
        while !self.seen.contains(text) {
            let more = self.told.recv_timeout(PATIENCE);
            let more = more.unwrap_or_else(|_| panic!("{text:?} was not seen in {:?}", self.seen));
            self.seen.push_str(&String::from_utf8_lossy(&more));
        }
    }

    fn press(&mut self, keys: &str) {
        self.child.stdin.as_mut().unwrap().write_all(keys.as_bytes()).unwrap();
    }

    fn signal(&mut self, signal: &str) {
        let pid = self.seen.split("pid=").nth(1).unwrap().split('.').next().unwrap();
        assert!(Command::new("kill").args([signal, pid]).status().unwrap().success());
    }

    /// Everything that was written, and the exit code.
    fn end(mut self) -> (String, Option<i32>) {
        while let Ok(more) = self.told.recv_timeout(PATIENCE) {
            self.seen.push_str(&String::from_utf8_lossy(&more));
        }
        (self.seen, self.child.wait().unwrap().code())
    }
}

fn has_script(test: &str) -> bool {
    let is_there = Command::new("script").arg("--version").output().is_ok();
    if !is_there {
        println!("skipped {test}: script(1) is not installed");
    }
    is_there
}

const VOICE: &str = "flow install --source 10.0.1.0/24 --destination 10.0.2.0/24 --traffic-type voice --flow-id early";

#[test]
fn top_shows_the_network_and_gives_the_terminal_back_however_it_ends() {
    if !has_script("top_shows_the_network_and_gives_the_terminal_back_however_it_ends") {
        return;
    }
    let stage = Stage::set();
    let _switch = stage.connected("s1", 1, 100);
    stage.flumen(VOICE).with(0);
    for end in ["q", "\u{3}", "-TERM", "-INT"] {
        let mut terminal = Terminal::start(&stage, "top");
        // The first picture may be drawn before the list is there.
        for part in ["pid=", ENTERED, "flumen top", "early"] {
            terminal.wait_for(part);
        }
        if end.starts_with('-') {
            terminal.signal(end);
        } else {
            terminal.press(end);
        }
        let (seen, code) = terminal.end();
        assert_eq!(code, Some(0), "{end:?}: {seen:?}");
        assert!(seen.trim_end().ends_with("\u{1b}[?25h") && seen.contains(LEFT), "{end:?}: {seen:?}");
    }
}

#[test]
fn a_daemon_that_is_off_is_told_before_the_screen_is_taken() {
    if !has_script("a_daemon_that_is_off_is_told_before_the_screen_is_taken") {
        return;
    }
    let stage = Stage::set();
    for command in ["top", "watch"] {
        let (seen, code) = Terminal::start(&stage, &format!("--url ws://127.0.0.1:1 {command}")).end();
        assert_eq!(code, Some(3), "{seen:?}");
        assert!(seen.contains("connection refused") && !seen.contains(ENTERED), "{seen:?}");
    }
}

#[test]
fn watch_on_a_terminal_has_a_table_above_the_log_and_leaves_the_log_behind() {
    if !has_script("watch_on_a_terminal_has_a_table_above_the_log_and_leaves_the_log_behind") {
        return;
    }
    let stage = Stage::set();
    let _switch = stage.connected("s1", 1, 100);
    let mut terminal = Terminal::start(&stage, "watch --topic flows");
    for part in [ENTERED, "flumen watch", "s1", "0000000000000001"] {
        terminal.wait_for(part);
    }
    stage.flumen(VOICE).with(0);
    terminal.wait_for("early");
    terminal.press("q");
    let (seen, code) = terminal.end();
    assert_eq!(code, Some(0), "{seen:?}");
    let behind = seen.split(LEFT).nth(1).unwrap_or_default();
    assert!(behind.contains("early is applied"), "{seen:?}");
}

#[test]
fn top_without_a_terminal_says_what_to_do_instead() {
    let ended = run(&mut flumen(["top"])).with(2);
    assert!(ended.stdout.is_empty() && ended.stderr.contains("terminal"), "{}", ended.stderr);
    assert!(ended.stderr.contains("flumen watch --topic stats"), "{}", ended.stderr);
    let ended = run(&mut flumen(["top", "--json"])).with(2);
    assert!(ended.stderr.contains("watch --topic stats --json"), "{}", ended.stderr);
}
