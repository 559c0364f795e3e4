//! What the store does on a disk that fills up, fails or loses power: a disk made for it, and the tests.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use redb::StorageBackend;
use redb::backends::FileBackend;
use tempfile::TempDir;

use super::backend::Backend;
use super::disk::{Disk, FILE, Outcome};
use super::{Batch, Operation, Snapshot, Store, StoreError, SubmitError, Table};

const PAGE: u64 = 4096;

/// What the database did to its file.
#[derive(Debug, Clone)]
enum Step {
    Write(u64, Vec<u8>),
    SetLen(u64),
    Sync,
}

#[derive(Debug, Default)]
struct State {
    steps: Vec<Step>,
    /// Pages that have their place on the disk.
    pages: BTreeSet<u64>,
    /// How many more there is room for; nothing: any number.
    room: Option<usize>,
    sync_error: Option<io::ErrorKind>,
}

/// A file on a disk whose faults the test controls.
#[derive(Debug, Clone, Default)]
struct FaultyDisk(Arc<Mutex<State>>);

impl FaultyDisk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    fn open(&self, dir: &Path) -> (Disk, Snapshot) {
        let disk = self.clone();
        Disk::open_on(
            dir,
            Box::new(move |path| {
                let file = File::options().read(true).write(true).open(path)?;
                disk.state().pages.extend(0..file.metadata()?.len() / PAGE);
                Ok(Backend::over(FaultyFile { disk: disk.clone(), file: FileBackend::new(file)? }))
            }),
        )
        .unwrap()
    }
}

#[derive(Debug)]
struct FaultyFile {
    disk: FaultyDisk,
    file: FileBackend,
}

impl StorageBackend for FaultyFile {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.disk.state().steps.push(Step::SetLen(len));
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        match state.sync_error {
            Some(kind) => Err(kind.into()),
            None => {
                state.steps.push(Step::Sync);
                Ok(())
            }
        }
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.disk.state();
        let pages = offset / PAGE..=(offset + data.len() as u64 - 1) / PAGE;
        let new: Vec<u64> = pages.filter(|page| !state.pages.contains(page)).collect();
        if let Some(room) = &mut state.room {
            *room = room.checked_sub(new.len()).ok_or(io::ErrorKind::StorageFull)?;
        }
        state.pages.extend(new);
        state.steps.push(Step::Write(offset, data.to_vec()));
        self.file.write(offset, data)
    }
}

/// One record, large enough that a few of them make the file grow.
fn put(key: u32) -> [Operation; 1] {
    [Operation::Put { table: Table::Flow, key: key.to_be_bytes().to_vec(), value: vec![0x5a; 200_000] }]
}

fn keys(snapshot: &Snapshot) -> Vec<u32> {
    snapshot.flows.iter().map(|record| u32::from_be_bytes(record.key.try_into().unwrap())).collect()
}

fn reopened(dir: &TempDir, disk: Disk) -> Vec<u32> {
    drop(disk);
    keys(&Disk::open(dir.path()).unwrap().1)
}

#[test]
fn a_batch_without_room_is_refused_and_the_store_goes_on() {
    // Wherever in a commit the room ends: the batch is on disk whole and reported so, or refused and gone.
    for room in (0..60).step_by(12) {
        let dir = TempDir::new().unwrap();
        let faulty = FaultyDisk::default();
        let (mut disk, _) = faulty.open(dir.path());
        let mut expected = Vec::new();
        let mut refusals = 0;
        faulty.state().room = Some(room);
        for key in 0..30 {
            match disk.commit(put(key).iter()) {
                Outcome::Committed => expected.push(key),
                Outcome::Refused(error) => {
                    assert!(matches!(&error, StoreError::Full { .. }), "{error}");
                    refusals += 1;
                }
                Outcome::Failed(error) => panic!("{error} at {key} with room for {room} pages"),
            }
            if refusals == 3 {
                faulty.state().room = None;
                refusals += 1;
            }
        }
        assert_eq!(refusals, 4, "the disk was never full with room for {room} pages");
        assert_eq!(expected.last(), Some(&29), "the store went on");
        assert_eq!(reopened(&dir, disk), expected);
    }
}

#[test]
fn a_failed_fsync_is_final() {
    for kind in [io::ErrorKind::Other, io::ErrorKind::StorageFull] {
        let dir = TempDir::new().unwrap();
        let faulty = FaultyDisk::default();
        let (mut disk, _) = faulty.open(dir.path());
        assert!(matches!(disk.commit(put(1).iter()), Outcome::Committed));
        faulty.state().sync_error = Some(kind);
        assert!(matches!(disk.commit(put(2).iter()), Outcome::Failed(StoreError::Write { .. })));
        faulty.state().sync_error = None;
        assert!(matches!(disk.commit(put(3).iter()), Outcome::Failed(_)), "no retry");
        let found = reopened(&dir, disk);
        assert!(found == [1] || found == [1, 2], "{found:?}");
    }
}

#[tokio::test]
async fn after_a_failure_the_store_takes_and_reports_nothing_more() {
    let dir = TempDir::new().unwrap();
    let faulty = FaultyDisk::default();
    let (disk, _) = faulty.open(dir.path());
    let mut store = Store::over(disk).unwrap();
    faulty.state().sync_error = Some(io::ErrorKind::Other);
    store.submit(Batch::new(), 1).unwrap();
    let super::Completion::Failed { error } = store.completion().await else { panic!("no failure") };
    assert!(error.to_string().contains(dir.path().join(FILE).to_str().unwrap()), "{error}");
    assert_eq!(store.submit(Batch::new(), 2), Err(SubmitError::Failed(Batch::new())));
    assert!(matches!(store.completion().await, super::Completion::Failed { error: StoreError::Stopped }));
    assert!(store.close().await.is_empty());
}

/// The file after a loss of power behind `steps`: everything up to the last fsync is there, and of what came after it
/// whatever pages `kept` says.
fn after_power_loss(base: &[u8], steps: &[Step], mut kept: impl FnMut() -> bool) -> Vec<u8> {
    let synced = steps.iter().rposition(|step| matches!(step, Step::Sync)).map_or(0, |sync| sync + 1);
    let mut file = base.to_vec();
    for (index, step) in steps.iter().enumerate() {
        let mut kept = || index < synced || kept();
        match step {
            Step::Sync => {}
            Step::SetLen(len) if kept() => file.resize(*len as usize, 0),
            Step::SetLen(_) => {}
            Step::Write(offset, data) => {
                for (page, data) in data.chunks(PAGE as usize).enumerate() {
                    let offset = *offset as usize + page * PAGE as usize;
                    if kept() && offset + data.len() <= file.len() {
                        file[offset..offset + data.len()].copy_from_slice(data);
                    }
                }
            }
        }
    }
    file
}

#[test]
fn what_was_reported_survives_a_loss_of_power_at_any_moment() {
    let dir = TempDir::new().unwrap();
    let faulty = FaultyDisk::default();
    drop(Disk::open(dir.path()).unwrap());
    let base = fs::read(dir.path().join(FILE)).unwrap();
    let (mut disk, _) = faulty.open(dir.path());
    let mut reported = vec![faulty.state().steps.len()];
    for key in 0..6 {
        assert!(matches!(disk.commit(put(key).iter()), Outcome::Committed));
        reported.push(faulty.state().steps.len());
    }
    let steps = faulty.state().steps.clone();
    drop(disk);
    let mut random = fastrand::Rng::with_seed(1);
    for cut in 0..=steps.len() {
        let committed = reported.iter().filter(|at| **at <= cut).count().saturating_sub(1);
        let file = after_power_loss(&base, &steps[..cut], || match cut % 3 {
            0 => false,
            1 => true,
            _ => random.bool(),
        });
        let dir = TempDir::new().unwrap();
        fs::write(dir.path().join(FILE), file).unwrap();
        let (_, snapshot) = Disk::open(dir.path()).unwrap_or_else(|error| panic!("cut {cut}: {error}"));
        let found = keys(&snapshot);
        assert!(found.iter().copied().eq(0..found.len() as u32), "cut {cut}: {found:?}");
        assert!((committed..=committed + 1).contains(&found.len()), "cut {cut}: {found:?}");
    }
}
