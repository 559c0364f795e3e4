//! Runs the binary under test and looks at how it ended.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Longer than anything here takes: a command that hangs fails its test instead of hanging it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The binary, cut off from the environment of whoever runs the tests.
pub(crate) fn flumen<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flumen"));
    command.args(arguments).stdin(Stdio::null());
    for name in ["URL", "TOKEN", "LOG", "DATA", "CONFIG"] {
        command.env_remove(format!("FLUMEN_{name}"));
    }
    for name in ["NO_COLOR", "COLUMNS", "CLICOLOR_FORCE", "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"] {
        command.env_remove(name);
    }
    command
}

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// Fails unless it ended with this code.
    #[track_caller]
    pub(crate) fn with(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }
}

/// Runs it to the end.
pub(crate) fn run(command: &mut Command) -> Ended {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let id = child.id();
    let waiting = thread::spawn(move || child.wait_with_output().unwrap());
    let started = Instant::now();
    while !waiting.is_finished() {
        if started.elapsed() > PATIENCE {
            let _ = Command::new("kill").args(["-9", &id.to_string()]).status();
            panic!("{command:?} did not end");
        }
        thread::sleep(Duration::from_millis(2));
    }
    let Output { status, stdout, stderr } = waiting.join().unwrap();
    Ended {
        code: status.code().unwrap_or(-1),
        stdout: String::from_utf8(stdout).unwrap(),
        stderr: String::from_utf8(stderr).unwrap(),
    }
}

/// Compares with a file of `golden/`; `FLUMEN_REWRITE_GOLDEN=1` writes it anew.
#[track_caller]
pub(crate) fn compare_with_golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/golden").join(name);
    if std::env::var_os("FLUMEN_REWRITE_GOLDEN").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, golden, "{name} differs; FLUMEN_REWRITE_GOLDEN=1 writes it anew");
}
