//! What was asked for, kept on disk: three tables of bytes, written by one thread.
//!
//! The store knows nothing of flows: keys and values are bytes, encoded by the layer above. It is small on purpose,
//! so that a replicated store can stand behind the same [`Store`] later.
//!
//! # The promise
//! - A ticket that was reported [`Completion::Committed`] is on disk: its batch survives `kill -9` and loss of power
//!   from then on, whole, in the order of submission.
//! - A ticket that was reported [`Completion::Refused`] left nothing behind: there was no room for it. The store goes
//!   on; what comes later is tried anew.
//! - A ticket that was not reported may have reached the disk or not. Batches reach it in the order of submission and
//!   each one whole, so what is found after a crash is what was submitted up to some point, less what was refused.
//! - After [`Completion::Failed`] nothing more is written or reported: a failed fsync may have lost pages that were
//!   thought written, and no retry brings them back. The daemon answers nothing more and exits; the next start reads
//!   what the disk really has.
//! - A store that is damaged, newer than this program or in use by another daemon is refused in a sentence that names
//!   the file, and keeps every byte. All of it is checked before it is used, which takes about half a second for a
//!   million flows.
//!
//! # Group commit
//! A durable write costs one wait for the disk however much it carries. The writer takes every batch that waits, up to
//! [`GROUP_OPERATIONS`] operations, and commits them as one transaction.
//!
//! # Threads
//! `flumen-store` is the writer. It ends when its [`Store`] is closed or dropped, after everything submitted has been
//! written, or after a failure. It holds no lock that another thread waits for.

mod backend;
mod disk;
mod error;
#[cfg(test)]
mod faults;
mod memory;
mod record;
mod records;
mod scratch;
#[cfg(test)]
mod tests;
mod writer;

use std::path::Path;

use tokio::sync::mpsc;

use self::disk::Disk;
pub use self::error::{Damage, StoreError};
pub use self::memory::Memory;
pub use self::records::{Record, Records};

/// Batches that may wait for the writer: what a burst of single requests needs while one commit runs.
pub const QUEUE_BATCHES: usize = 16_384;

/// Operations that one commit carries, unless a single batch has more: about 20 ms of the writer's time, which is what
/// a lone request may have to wait behind a flood.
pub const GROUP_OPERATIONS: usize = 4_096;

/// Reports that may wait for the driver. When it lags, the writer waits, and then the queue fills.
const REPORTS: usize = 64;

/// A table of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// Registered nodes.
    Node,
    /// Desired flows, with their last answers.
    Flow,
    /// What concerns the installation as a whole.
    Meta,
}

impl Table {
    /// Every table, in the order of the enum.
    pub const ALL: [Table; 3] = [Table::Node, Table::Flow, Table::Meta];
}

/// One change of one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// Writes a record, in place of the one that has the key.
    Put {
        /// The record's table.
        table: Table,
        /// Its key.
        key: Vec<u8>,
        /// Its value.
        value: Vec<u8>,
    },
    /// Removes a record, if there is one.
    Delete {
        /// The record's table.
        table: Table,
        /// Its key.
        key: Vec<u8>,
    },
}

impl Operation {
    /// The record that it is about.
    fn place(&self) -> (Table, &[u8]) {
        match self {
            Self::Put { table, key, .. } | Self::Delete { table, key } => (*table, key),
        }
    }
}

/// Changes that reach the disk together or not at all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    operations: Vec<Operation>,
}

impl Batch {
    /// A batch without operations. It may be submitted: its ticket is reported after those before it.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the writing of a record.
    pub fn put(&mut self, table: Table, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        self.operations.push(Operation::Put { table, key: key.into(), value: value.into() });
    }

    /// Adds the removal of a record.
    pub fn delete(&mut self, table: Table, key: impl Into<Vec<u8>>) {
        self.operations.push(Operation::Delete { table, key: key.into() });
    }

    /// Adds a later batch.
    pub fn append(&mut self, later: Self) {
        self.operations.extend(later.operations);
    }

    /// The operations, in the order they take effect.
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }
}

/// Every record of a store as it was found at opening, each table in the order of its keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// The records of [`Table::Node`].
    pub nodes: Records,
    /// The records of [`Table::Flow`].
    pub flows: Records,
    /// The records of [`Table::Meta`].
    pub meta: Records,
}

impl Snapshot {
    /// The records of one table.
    pub fn records(&self, table: Table) -> &Records {
        match table {
            Table::Node => &self.nodes,
            Table::Flow => &self.flows,
            Table::Meta => &self.meta,
        }
    }

    fn records_mut(&mut self, table: Table) -> &mut Records {
        match table {
            Table::Node => &mut self.nodes,
            Table::Flow => &mut self.flows,
            Table::Meta => &mut self.meta,
        }
    }
}

/// What became of submitted batches. Reports come in the order of submission.
#[derive(Debug)]
pub enum Completion {
    /// These are on disk.
    Committed {
        /// The batches' tickets, in the order of submission.
        tickets: Vec<u64>,
    },
    /// There was no room on the disk for these: they left nothing behind.
    Refused {
        /// The batches' tickets, in the order of submission.
        tickets: Vec<u64>,
        /// Why, naming the file.
        error: StoreError,
    },
    /// The store is out of order. It is the last report, and every ticket without one is in doubt.
    Failed {
        /// Why, naming the file.
        error: StoreError,
    },
}

/// Why a batch was not taken; it comes back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// [`QUEUE_BATCHES`] batches are waiting: there is room again after the next completion.
    #[error("the store's queue is full")]
    Full(Batch),
    /// The store has failed; [`Store::completion`] tells why.
    #[error("the store has failed")]
    Failed(Batch),
}

/// A batch on its way to the disk.
#[derive(Debug)]
struct Job {
    batch: Batch,
    ticket: u64,
}

/// An open store: batches go in by [`Store::submit`], reports come out by [`Store::completion`].
///
/// [`Store::close`] waits until what was submitted is written. Dropping it does not wait: it is written if the process
/// lives long enough.
#[derive(Debug)]
pub struct Store {
    target: Target,
    completions: mpsc::Receiver<Completion>,
}

/// Where batches go.
#[derive(Debug)]
enum Target {
    Disk(mpsc::Sender<Job>),
    Memory(Memory, mpsc::Sender<Completion>),
}

impl Store {
    /// Opens the store in the directory `dir` and reads it; makes both where there is nothing yet. It works on the
    /// disk in the calling thread.
    ///
    /// # Errors
    /// A [`StoreError`] when the directory cannot be used or is in use, and when the store in it is damaged or newer
    /// than this program.
    pub fn open(dir: &Path) -> Result<(Self, Snapshot), StoreError> {
        let (disk, snapshot) = Disk::open(dir)?;
        Ok((Self::over(disk)?, snapshot))
    }

    /// Whether the directory has a store.
    pub fn is_in(dir: &Path) -> bool {
        dir.join(disk::FILE).exists()
    }

    /// A store that is empty and is gone when dropped.
    pub fn memory() -> Self {
        Self::open_memory(&Memory::default()).0
    }

    /// Opens a store in memory. It has no thread: a batch is taken, done and reported within [`Store::submit`].
    pub fn open_memory(memory: &Memory) -> (Self, Snapshot) {
        let (reports, completions) = mpsc::channel(QUEUE_BATCHES);
        let snapshot = memory.snapshot();
        (Self { target: Target::Memory(memory.clone(), reports), completions }, snapshot)
    }

    fn over(disk: Disk) -> Result<Self, StoreError> {
        let (queue, jobs) = mpsc::channel(QUEUE_BATCHES);
        let (reports, completions) = mpsc::channel(REPORTS);
        writer::spawn(disk, jobs, reports)?;
        Ok(Self { target: Target::Disk(queue), completions })
    }

    /// Hands a batch over and returns at once; `ticket` comes back in a [`Completion`].
    ///
    /// # Errors
    /// The batch comes back when the queue is full or the store has failed.
    pub fn submit(&self, batch: Batch, ticket: u64) -> Result<(), SubmitError> {
        match &self.target {
            Target::Disk(queue) => queue.try_send(Job { batch, ticket }).map_err(|refused| match refused {
                mpsc::error::TrySendError::Full(job) => SubmitError::Full(job.batch),
                mpsc::error::TrySendError::Closed(job) => SubmitError::Failed(job.batch),
            }),
            Target::Memory(memory, reports) => match reports.try_reserve() {
                Ok(report) => {
                    memory.apply(batch);
                    report.send(Completion::Committed { tickets: vec![ticket] });
                    Ok(())
                }
                Err(_) => Err(SubmitError::Full(batch)),
            },
        }
    }

    /// The next report; it waits for one. Cancelling the wait loses nothing.
    pub async fn completion(&mut self) -> Completion {
        self.completions.recv().await.unwrap_or(Completion::Failed { error: StoreError::Stopped })
    }

    /// Writes everything that was submitted, closes the file, and returns the reports that were not fetched.
    pub async fn close(self) -> Vec<Completion> {
        let Self { target, mut completions } = self;
        drop(target);
        let mut last = Vec::new();
        while let Some(completion) = completions.recv().await {
            last.push(completion);
        }
        last
    }
}
