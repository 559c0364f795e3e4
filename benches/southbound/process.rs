//! Other processes, and what they take.

use std::process::{Child, Command};
use std::time::Duration;

/// A process that ends with the value.
pub(super) struct Running(Child);

impl Running {
    pub(super) fn start(program: &mut Command) -> Option<Self> {
        program.spawn().ok().map(Self)
    }

    pub(super) fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The time that a process has spent on processors.
pub(super) fn processor_time(process: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).expect("the state of a process");
    // The name, in parentheses, may have spaces; user and system time are the 12th and 13th field after it, in ticks.
    let fields = stat.rsplit(')').next().expect("fields").split_whitespace();
    let ticks: u64 = fields.skip(11).take(2).map(|ticks| ticks.parse::<u64>().expect("ticks")).sum();
    Duration::from_millis(ticks * 10)
}

/// KiB of memory that a process has, and the most that it ever had.
pub(super) fn resident(process: u32) -> (u64, u64) {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("the state of a process");
    let value = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("its memory");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    };
    (value("VmRSS:"), value("VmHWM:"))
}
