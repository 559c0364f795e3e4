//! The file of the audit log: lines are appended, and when it is large it becomes the old one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tracing_subscriber::fmt::MakeWriter;

/// How large the file grows before it is renamed, in place of the one before.
const LARGEST: u64 = 64 << 20;

/// The file, shared by all who write to it.
#[derive(Debug)]
pub(super) struct AuditLog(Mutex<Open>);

#[derive(Debug)]
struct Open {
    path: PathBuf,
    file: File,
    bytes: u64,
    largest: u64,
}

impl AuditLog {
    /// Opens the file, to go on where it ends.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Self::with_limit(path, LARGEST)
    }

    fn with_limit(path: &Path, largest: u64) -> io::Result<Self> {
        let file = append(path)?;
        let bytes = file.metadata()?.len();
        Ok(Self(Mutex::new(Open { path: path.to_owned(), file, bytes, largest })))
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(0o600).open(path)
}

/// One line's turn at the file.
pub(super) struct Turn<'a>(MutexGuard<'a, Open>);

impl Write for Turn<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let open = &mut *self.0;
        if open.bytes > open.largest {
            let mut old = open.path.clone().into_os_string();
            old.push(".1");
            fs::rename(&open.path, old)?;
            (open.file, open.bytes) = (append(&open.path)?, 0);
        }
        let written = open.file.write(bytes)?;
        open.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.file.flush()
    }
}

impl<'a> MakeWriter<'a> for AuditLog {
    type Writer = Turn<'a>;

    fn make_writer(&'a self) -> Turn<'a> {
        Turn(self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_file_makes_room_and_one_old_one_is_kept() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("audit");
        let log = AuditLog::with_limit(&path, 10).unwrap();
        for line in ["first line\n", "second line\n", "third line\n"] {
            log.make_writer().write_all(line.as_bytes()).unwrap();
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "third line\n");
        assert_eq!(fs::read_to_string(directory.path().join("audit.1")).unwrap(), "second line\n");
        drop(log);
        let log = AuditLog::with_limit(&path, 100).unwrap();
        log.make_writer().write_all(b"more\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "third line\nmore\n");
    }
}
