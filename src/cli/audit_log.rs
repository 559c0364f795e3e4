//! The file of the audit log: lines are appended by a thread of its own, so that a slow disk holds up nobody who serves
//! clients; when the file is large it becomes the old one.
//!
//! Nothing is left out: who finds the thread too far behind waits for it. [`AuditLog::finish`] waits for the last line.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;

use tracing::error;
use tracing_subscriber::fmt::MakeWriter;

/// How large the file grows before it is renamed, in place of the one before.
const LARGEST: u64 = 64 << 20;
/// Lines that may wait for the disk, some 300 bytes each: those of a few large batches.
const WAITING: usize = 65_536;

/// Where lines are handed in; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct AuditLog(Arc<SyncSender<Work>>);

/// What the thread is given.
#[derive(Debug)]
enum Work {
    Line(Vec<u8>),
    /// Everything before it is written when it is answered.
    Finish(Sender<()>),
}

/// The file, which the thread has.
#[derive(Debug)]
struct Open {
    path: PathBuf,
    file: File,
    bytes: u64,
    largest: u64,
    /// A fault was told of, and nothing has gone well since.
    is_failing: bool,
}

impl AuditLog {
    /// Opens the file, to go on where it ends.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Self::with_limit(path, LARGEST)
    }

    fn with_limit(path: &Path, largest: u64) -> io::Result<Self> {
        let file = append(path)?;
        let bytes = file.metadata()?.len();
        let open = Open { path: path.to_owned(), file, bytes, largest, is_failing: false };
        let (sender, work) = sync_channel(WAITING);
        thread::Builder::new().name("audit-log".to_owned()).spawn(move || open.run(&work))?;
        Ok(Self(Arc::new(sender)))
    }

    /// Waits until everything so far is written.
    pub(super) fn finish(&self) {
        let (done, wait) = channel();
        // The thread ends when nobody can hand anything in any more.
        if self.0.send(Work::Finish(done)).is_ok() {
            let _ = wait.recv();
        }
    }
}

impl Open {
    fn run(mut self, work: &Receiver<Work>) {
        while let Ok(work) = work.recv() {
            match work {
                Work::Line(line) => {
                    if self.bytes > self.largest {
                        let rotated = self.rotate();
                        self.note("cannot begin a new file for the audit log; the old one goes on", rotated);
                    }
                    let written = self.file.write_all(&line);
                    self.bytes += line.len() as u64;
                    self.note("a line of the audit log is lost", written);
                }
                Work::Finish(done) => drop(done.send(())),
            }
        }
    }

    /// Begins a new file. When that is not possible the old one goes on, until it has grown by as much again.
    fn rotate(&mut self) -> io::Result<()> {
        self.bytes = 0;
        let mut old = self.path.clone().into_os_string();
        old.push(".1");
        fs::rename(&self.path, old)?;
        self.file = append(&self.path)?;
        Ok(())
    }

    /// Tells of the first of several faults.
    fn note(&mut self, what: &str, result: io::Result<()>) {
        if let Err(error) = &result
            && !self.is_failing
        {
            let path = self.path.display();
            error!(%path, %error, "{what}");
        }
        self.is_failing = result.is_err();
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(0o600).open(path)
}

/// One line, handed in when it is complete.
#[derive(Debug)]
pub(super) struct Line<'a> {
    log: &'a AuditLog,
    bytes: Vec<u8>,
}

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        // The thread lives as long as the log.
        let _ = self.log.0.send(Work::Line(std::mem::take(&mut self.bytes)));
    }
}

impl<'a> MakeWriter<'a> for AuditLog {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line { log: self, bytes: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(log: &AuditLog, lines: &[&str]) {
        for line in lines {
            log.make_writer().write_all(line.as_bytes()).unwrap();
        }
        log.finish();
    }

    #[test]
    fn a_large_file_makes_room_and_one_old_one_is_kept() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("audit");
        let log = AuditLog::with_limit(&path, 10).unwrap();
        write(&log, &["first line\n", "second line\n", "third line\n"]);
        assert_eq!(fs::read_to_string(&path).unwrap(), "third line\n");
        assert_eq!(fs::read_to_string(directory.path().join("audit.1")).unwrap(), "second line\n");
        drop(log);
        let log = AuditLog::with_limit(&path, 100).unwrap();
        write(&log, &["more\n"]);
        assert_eq!(fs::read_to_string(&path).unwrap(), "third line\nmore\n");
    }

    #[test]
    fn where_no_new_file_can_be_begun_the_old_one_goes_on() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("audit");
        // A directory that is not empty cannot be replaced by a file.
        fs::create_dir_all(directory.path().join("audit.1/in the way")).unwrap();
        let log = AuditLog::with_limit(&path, 10).unwrap();
        write(&log, &["first line\n", "second line\n", "third line\n"]);
        assert_eq!(fs::read_to_string(&path).unwrap(), "first line\nsecond line\nthird line\n");
    }
}
