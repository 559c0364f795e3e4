//! The file under the database, seen so that a full disk and a failed fsync are told apart.

use std::fs::File;
use std::io;
use std::path::Path;

use redb::backends::FileBackend;
use redb::{DatabaseError, StorageBackend};

use crate::crash::{self, Place};

/// Hands everything through, except that an error of an fsync never passes for a full disk, whatever its number: the
/// system may have dropped pages that were written before, while a write that found no room changed nothing.
///
/// It has no locks, which the database does without: the data directory's own lock is held for longer.
#[derive(Debug)]
pub(super) struct Backend(Box<dyn StorageBackend>);

impl Backend {
    /// The file at `path`, which exists.
    pub(super) fn open(path: &Path) -> Result<Self, DatabaseError> {
        let file = File::options().read(true).write(true).open(path)?;
        Ok(Self::over(FileBackend::new(file)?))
    }

    /// Anything that the database can be kept on.
    pub(super) fn over(storage: impl StorageBackend) -> Self {
        Self(Box::new(storage))
    }
}

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        crash::pass(Place::BeforeFsync);
        self.0.sync_data().map_err(|error| io::Error::other(format!("fsync: {error}")))
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.0.close()
    }
}

/// Whether an error of the database says that a write found no room.
pub(super) fn is_full(error: &redb::Error) -> bool {
    matches!(error, redb::Error::Io(error) if matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    ))
}
