//! What a test needs of the machine, and what happens when the machine does not have it.

use std::env;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The root of the project.
pub(crate) fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Whether everything in `programs` is installed; where not, the reason is printed and the caller should return.
///
/// # Panics
/// In CI as root, where `make test` installs what is missing: there a test never passes without having run.
pub(crate) fn have(programs: &[&str]) -> bool {
    let missing: Vec<_> = programs.iter().filter(|program| !is_installed(program)).copied().collect();
    missing.is_empty() || skip(&format!("not installed: {}", missing.join(", ")))
}

/// Whether the test runs as root; where not, the reason is printed and the caller should return.
pub(crate) fn have_root() -> bool {
    is_root() || skip("needs root, for network namespaces")
}

fn skip(reason: &str) -> bool {
    assert!(env::var_os("CI").is_none() || !is_root(), "in CI nothing is skipped, but: {reason}");
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    // Straight to the stream: the print macros are captured by the test harness.
    let _ = writeln!(io::stderr(), "skipped {test}: {reason}");
    false
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout.trim_ascii() == b"0")
}

fn is_installed(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    program.starts_with('/') && Path::new(program).exists()
        || env::split_paths(&path).chain(system).any(|directory| directory.join(program).is_file())
}
