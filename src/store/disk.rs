//! The store's file: a redb database that is looked at before it is touched, and written with quick repair.
//!
//! Besides the three tables it has one of its own, with the number of its format and of its last commit.
//!
//! # After an error
//! A database whose file had an error takes no more writes until it is opened again, and a commit that returned an
//! error may have happened nevertheless. After a write that found no room it is opened again, and the number of the
//! last commit tells which it was; nothing that reached the disk earlier can be lost by such a write. After any other
//! error nothing is certain, and it stays closed.

use std::fs::{self, File, TryLockError};
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::thread;

use redb::{
    Builder, Database, DatabaseError, Durability, ReadableDatabase, ReadableTable, TableDefinition, TableError,
};

use super::backend::{Backend, is_full};
use super::scratch::Scratch;
use super::{Damage, Operation, Snapshot, StoreError, Table, record};

/// The format that this program writes. In format 1 a flow was JSON; that is read, and every flow is written anew when it
/// changes.
pub(super) const FORMAT: u64 = 2;

/// The store's file in its directory.
pub(super) const FILE: &str = "flumen.redb";

/// A new store under construction: it gets the store's name when it is whole.
const DRAFT: &str = "flumen.redb.new";

/// Locked for as long as the directory is in use, also while the database is closed and opened again.
const LOCK: &str = "flumen.lock";

/// Memory for the database's pages: all of a store of some 100,000 flows. Beyond that the system has them.
const CACHE_BYTES: usize = 16 << 20;

pub(super) const ABOUT: TableDefinition<'_, &str, u64> = TableDefinition::new("about");
pub(super) const ABOUT_FORMAT: &str = "format";
const ABOUT_COMMIT: &str = "commit";

pub(super) type Definition = TableDefinition<'static, &'static [u8], &'static [u8]>;

pub(super) const fn definition(table: Table) -> Definition {
    TableDefinition::new(match table {
        Table::Node => "node",
        Table::Flow => "flow",
        Table::Meta => "meta",
    })
}

/// A file that was found in order.
struct Opened {
    database: Database,
    commit: u64,
    format: u64,
}

/// What became of a group of operations.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It is on disk.
    Committed,
    /// There was no room, and nothing of it is on disk.
    Refused(StoreError),
    /// It is in doubt, and so is the store.
    Failed(StoreError),
}

/// Opens the file under the database for writing: [`Backend::open`], or a disk that fails when a test wants one.
pub(super) type OpenBackend = Box<dyn Fn(&Path) -> Result<Backend, DatabaseError> + Send>;

/// The open store's file.
pub(super) struct Disk {
    path: PathBuf,
    open_backend: OpenBackend,
    /// Nothing only after an error, until it is open again.
    database: Option<Database>,
    /// The number of the last commit.
    commit: u64,
    /// The format that the file says it has.
    format: u64,
    /// Released last.
    _lock: File,
}

impl Disk {
    /// Opens the store in `dir`, or makes one.
    pub(super) fn open(dir: &Path) -> Result<(Self, Snapshot), StoreError> {
        Self::open_on(dir, Box::new(Backend::open))
    }

    pub(super) fn open_on(dir: &Path, open_backend: OpenBackend) -> Result<(Self, Snapshot), StoreError> {
        fs::create_dir_all(dir).map_err(|source| StoreError::Io { path: dir.to_owned(), source })?;
        let lock = lock(dir)?;
        let path = dir.join(FILE);
        if !path.try_exists().map_err(|source| StoreError::Io { path: path.clone(), source })? {
            create(dir)?;
        }
        // The database panics on some files that are not whole. Nothing that it left half done is used afterwards.
        let (Opened { database, commit, format }, snapshot) =
            panic::catch_unwind(AssertUnwindSafe(|| open(&path, &open_backend)))
                .unwrap_or_else(|_| Err(StoreError::Damaged { path: path.clone(), damage: Damage::Unreadable }))?;
        Ok((Self { path, open_backend, database: Some(database), commit, format, _lock: lock }, snapshot))
    }

    /// The store's file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Puts all operations on disk as one transaction.
    pub(super) fn commit<'a>(&mut self, operations: impl Iterator<Item = &'a Operation>) -> Outcome {
        let number = self.commit + 1;
        let source = match self.write(number, operations) {
            Ok(()) => {
                (self.commit, self.format) = (number, FORMAT);
                return Outcome::Committed;
            }
            Err(source) => source,
        };
        let path = self.path.clone();
        if !is_full(&source) {
            return Outcome::Failed(StoreError::Write { path, source });
        }
        match self.reopen() {
            Ok(()) if self.commit == number => Outcome::Committed,
            Ok(()) => Outcome::Refused(StoreError::Full { path, source }),
            Err(source) => Outcome::Failed(StoreError::Write { path, source }),
        }
    }

    fn write<'a>(&self, number: u64, operations: impl Iterator<Item = &'a Operation>) -> Result<(), redb::Error> {
        let database = self.database.as_ref().ok_or(redb::Error::DatabaseClosed)?;
        let mut transaction = database.begin_write()?;
        transaction.set_durability(Durability::Immediate)?;
        transaction.set_quick_repair(true);
        {
            let mut tables = [const { None }; Table::ALL.len()];
            for operation in operations {
                let (name, key) = operation.place();
                let opened = tables[name as usize].take();
                let mut table = opened.map_or_else(|| transaction.open_table(definition(name)), Ok)?;
                match operation {
                    Operation::Put { value, .. } => {
                        table.insert(key, record::seal(key, value).as_slice())?;
                    }
                    Operation::Delete { .. } => {
                        table.remove(key)?;
                    }
                }
                tables[name as usize] = Some(table);
            }
            let mut about = transaction.open_table(ABOUT)?;
            about.insert(ABOUT_COMMIT, number)?;
            // From here on an earlier program does not know all that is in it.
            if self.format < FORMAT {
                about.insert(ABOUT_FORMAT, FORMAT)?;
            }
        }
        Ok(transaction.commit()?)
    }

    fn reopen(&mut self) -> Result<(), redb::Error> {
        self.database = None;
        let database = open_for_writing(&self.path, &self.open_backend)?;
        self.commit = about(&database, ABOUT_COMMIT)?.unwrap_or(0);
        self.database = Some(database);
        Ok(())
    }
}

fn lock(dir: &Path) -> Result<File, StoreError> {
    let path = dir.join(LOCK);
    let refused = |source| StoreError::Io { path: path.clone(), source };
    let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(refused)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse { path: dir.to_owned() }),
        Err(TryLockError::Error(source)) => Err(refused(source)),
    }
}

/// Makes an empty store beside its place and moves it there, so that what has the store's name is always whole.
fn create(dir: &Path) -> Result<(), StoreError> {
    let draft = dir.join(DRAFT);
    let refused = |source| StoreError::Io { path: draft.clone(), source };
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(refused(error)),
        _ => {}
    }
    write_empty(&draft).map_err(|source| StoreError::Write { path: draft.clone(), source })?;
    fs::rename(&draft, dir.join(FILE)).and_then(|()| File::open(dir)?.sync_all()).map_err(refused)
}

fn write_empty(path: &Path) -> Result<(), redb::Error> {
    let database = builder().create(path)?;
    let mut transaction = database.begin_write()?;
    transaction.set_quick_repair(true);
    for table in Table::ALL {
        transaction.open_table(definition(table))?;
    }
    transaction.open_table(ABOUT)?.insert(ABOUT_FORMAT, FORMAT)?;
    Ok(transaction.commit()?)
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE_BYTES);
    // Quick repair makes a full one needless. Where one would be needed the file is not as it was left, and what a
    // full repair makes of it may lack commits that were reported.
    builder.set_repair_callback(redb::RepairSession::abort);
    builder
}

/// Opens a store and reads it. It is looked at first, by two threads, and touched only when all of it is in order.
fn open(path: &Path, open_backend: &OpenBackend) -> Result<(Opened, Snapshot), StoreError> {
    let refused = |error: redb::Error| refusal(path, error);
    let damaged = |damage| StoreError::Damaged { path: path.to_owned(), damage };
    if fs::metadata(path).is_ok_and(|file| file.len() == 0) {
        return Err(damaged(Damage::Empty));
    }
    let looked_at = look(path).map_err(refused)?;
    let format = match about(&looked_at, ABOUT_FORMAT).map_err(refused)? {
        None => return Err(damaged(Damage::NoFormat)),
        Some(found) if found > FORMAT => return Err(StoreError::Newer { path: path.to_owned(), found }),
        Some(found) => found,
    };
    let (is_consistent, snapshot) = thread::scope(|scope| {
        let check = scope.spawn(|| is_consistent(path));
        let snapshot = snapshot(&looked_at);
        (check.join().unwrap_or_else(|panic| panic::resume_unwind(panic)), snapshot)
    });
    if !is_consistent.map_err(refused)? {
        return Err(damaged(Damage::Inconsistent));
    }
    let snapshot = snapshot.map_err(damaged)?;
    let commit = about(&looked_at, ABOUT_COMMIT).map_err(refused)?.unwrap_or(0);
    drop(looked_at);
    let database = open_for_writing(path, open_backend).map_err(refused)?;
    Ok((Opened { database, commit, format }, snapshot))
}

/// Opens a store without touching it.
fn look(path: &Path) -> Result<Database, redb::Error> {
    Ok(builder().create_with_backend(Scratch::open(path)?)?)
}

/// Whether the checksum of every page is right. With quick repair the database believes the pages of its last commit
/// without a look at them.
fn is_consistent(path: &Path) -> Result<bool, redb::Error> {
    Ok(look(path)?.check_integrity()?)
}

fn open_for_writing(path: &Path, open_backend: &OpenBackend) -> Result<Database, redb::Error> {
    Ok(builder().create_with_backend(open_backend(path)?)?)
}

fn refusal(path: &Path, error: redb::Error) -> StoreError {
    let path = path.to_owned();
    match error {
        redb::Error::RepairAborted => StoreError::Damaged { path, damage: Damage::Inconsistent },
        redb::Error::Io(source)
            if !matches!(source.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof) =>
        {
            StoreError::Io { path, source }
        }
        error => StoreError::Damaged { path, damage: Damage::Database(error) },
    }
}

fn about(database: &impl ReadableDatabase, key: &str) -> Result<Option<u64>, redb::Error> {
    match database.begin_read()?.open_table(ABOUT) {
        Ok(about) => Ok(about.get(key)?.map(|number| number.value())),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn snapshot(database: &impl ReadableDatabase) -> Result<Snapshot, Damage> {
    let transaction = database.begin_read().map_err(redb::Error::from)?;
    let mut snapshot = Snapshot::default();
    for table in Table::ALL {
        let stored = transaction.open_table(definition(table)).map_err(redb::Error::from)?;
        for entry in stored.iter().map_err(redb::Error::from)? {
            let (key, value) = entry.map_err(redb::Error::from)?;
            let key = key.value();
            let value = record::unseal(key, value.value())?;
            snapshot.records_mut(table).push(key, value);
        }
    }
    Ok(snapshot)
}
