//! What both kinds of store promise, and what the one on disk promises beyond.

use std::fs;

use redb::Database;
use tempfile::TempDir;

use super::disk::{ABOUT, ABOUT_FORMAT, FILE, FORMAT, definition};
use super::*;

fn put(key: &str, value: &str) -> Batch {
    let mut batch = Batch::new();
    batch.put(Table::Flow, key, value);
    batch
}

fn texts(records: &Records) -> Vec<(&str, &str)> {
    let text = |bytes| std::str::from_utf8(bytes).unwrap();
    records.iter().map(|record| (text(record.key), text(record.value))).collect()
}

fn tickets(completions: Vec<Completion>) -> Vec<u64> {
    completions
        .into_iter()
        .flat_map(|completion| match completion {
            Completion::Committed { tickets } => tickets,
            other => panic!("{other:?}"),
        })
        .collect()
}

/// What a store must do, wherever it keeps its records: `open` opens the same one each time.
async fn conforms(open: impl Fn() -> (Store, Snapshot)) {
    let (store, snapshot) = open();
    assert_eq!(snapshot, Snapshot::default(), "a new store is empty");
    let mut first = Batch::new();
    first.put(Table::Flow, "b", "1");
    first.put(Table::Flow, "a", "2");
    first.put(Table::Node, "a", "3");
    first.put(Table::Meta, "", "");
    store.submit(first, 7).unwrap();
    store.submit(Batch::new(), 8).unwrap();
    store.submit(put("c", "4"), 7).unwrap();
    assert_eq!(tickets(store.close().await), [7, 8, 7], "every ticket is reported, in order");

    let (store, snapshot) = open();
    assert_eq!(texts(&snapshot.flows), [("a", "2"), ("b", "1"), ("c", "4")], "in the order of keys");
    assert_eq!(texts(&snapshot.nodes), [("a", "3")]);
    assert_eq!(texts(&snapshot.meta), [("", "")]);
    let mut second = Batch::new();
    second.put(Table::Flow, "a", "5");
    second.delete(Table::Flow, "a");
    second.delete(Table::Flow, "never there");
    second.delete(Table::Flow, "b");
    second.put(Table::Flow, "b", "6");
    store.submit(second, 1).unwrap();
    store.submit(put("c", "7"), 2).unwrap();
    store.submit(put("c", "8"), 3).unwrap();
    drop(store.close().await);

    let (_, snapshot) = open();
    assert_eq!(texts(&snapshot.flows), [("b", "6"), ("c", "8")], "operations take effect in order");
    assert_eq!(texts(&snapshot.nodes), [("a", "3")], "a key belongs to its table");
}

#[tokio::test]
async fn the_store_on_disk_conforms() {
    let dir = TempDir::new().unwrap();
    conforms(|| Store::open(&dir.path().join("made/on/demand")).unwrap()).await;
}

#[tokio::test]
async fn the_store_in_memory_conforms() {
    let memory = Memory::default();
    conforms(|| Store::open_memory(&memory)).await;
}

#[tokio::test]
async fn what_was_reported_survives_a_kill() {
    let dir = TempDir::new().unwrap();
    let (mut store, _) = Store::open(dir.path()).unwrap();
    for round in 0..20_u64 {
        store.submit(put(&format!("{round:02}"), "x"), round).unwrap();
        assert!(matches!(store.completion().await, Completion::Committed { tickets } if tickets == [round]));
        // A killed process leaves the file as the system sees it now.
        let killed = TempDir::new().unwrap();
        fs::copy(dir.path().join(FILE), killed.path().join(FILE)).unwrap();
        let (_, snapshot) = Store::open(killed.path()).unwrap();
        assert_eq!(snapshot.flows.len() as u64, round + 1);
    }
}

#[tokio::test]
async fn batches_that_wait_share_a_commit() {
    let dir = TempDir::new().unwrap();
    let (disk, _) = Disk::open(dir.path()).unwrap();
    let (queue, jobs) = mpsc::channel(QUEUE_BATCHES);
    let (reports, mut completions) = mpsc::channel(REPORTS);
    for ticket in 0..10_000 {
        queue.try_send(Job { batch: put(&ticket.to_string(), "x"), ticket }).unwrap();
    }
    drop(queue);
    writer::spawn(disk, jobs, reports).unwrap();
    let mut commits = Vec::new();
    while let Some(completion) = completions.recv().await {
        commits.push(tickets(vec![completion]));
    }
    let sizes: Vec<usize> = commits.iter().map(Vec::len).collect();
    assert_eq!(sizes, [GROUP_OPERATIONS, GROUP_OPERATIONS, 10_000 - 2 * GROUP_OPERATIONS]);
    assert!(commits.concat().into_iter().eq(0..10_000), "in the order of submission");
}

#[tokio::test]
async fn a_large_batch_is_one_commit() {
    let dir = TempDir::new().unwrap();
    let (store, _) = Store::open(dir.path()).unwrap();
    let mut batch = Batch::new();
    for key in 0..2 * GROUP_OPERATIONS {
        batch.put(Table::Flow, key.to_be_bytes(), "x");
    }
    store.submit(batch, 1).unwrap();
    assert_eq!(tickets(store.close().await), [1]);
    assert_eq!(Store::open(dir.path()).unwrap().1.flows.len(), 2 * GROUP_OPERATIONS);
}

/// Submits until a batch comes back, and returns how many were taken before.
fn fill(store: &Store) -> u64 {
    for ticket in 0.. {
        let batch = put("key", &ticket.to_string());
        if let Err(refused) = store.submit(batch.clone(), ticket) {
            assert_eq!(refused, SubmitError::Full(batch));
            return ticket;
        }
    }
    unreachable!("the queue has no bound");
}

#[tokio::test]
async fn a_full_queue_gives_the_batch_back_and_loses_nothing() {
    let dir = TempDir::new().unwrap();
    let (disk, _) = Disk::open(dir.path()).unwrap();
    let (queue, jobs) = mpsc::channel(QUEUE_BATCHES);
    let (reports, completions) = mpsc::channel(REPORTS);
    let store = Store { target: Target::Disk(queue), completions };
    let taken = fill(&store);
    assert_eq!(taken, QUEUE_BATCHES as u64);
    writer::spawn(disk, jobs, reports).unwrap();
    assert!(tickets(store.close().await).into_iter().eq(0..taken));
}

#[tokio::test]
async fn a_store_in_memory_has_a_bound_too() {
    let mut store = Store::memory();
    let taken = fill(&store);
    assert_eq!(taken, QUEUE_BATCHES as u64);
    assert_eq!(tickets(vec![store.completion().await]), [0]);
    store.submit(put("key", "now there is room"), taken).unwrap();
    assert!(tickets(store.close().await).into_iter().eq(1..=taken));
}

#[test]
fn a_dropped_store_has_written_what_was_submitted() {
    let dir = TempDir::new().unwrap();
    let (store, _) = Store::open(dir.path()).unwrap();
    for ticket in 0..1_000 {
        store.submit(put(&ticket.to_string(), "x"), ticket).unwrap();
    }
    drop(store);
    let snapshot = loop {
        match Store::open(dir.path()) {
            Ok((_, snapshot)) => break snapshot,
            Err(StoreError::InUse { .. }) => std::thread::yield_now(),
            Err(error) => panic!("{error}"),
        }
    };
    assert_eq!(snapshot.flows.len(), 1_000);
}

#[test]
fn a_directory_in_use_is_refused() {
    let dir = TempDir::new().unwrap();
    let _open = Store::open(dir.path()).unwrap();
    let error = Store::open(dir.path()).unwrap_err();
    assert!(matches!(error, StoreError::InUse { .. }));
    assert_eq!(error.to_string(), format!("the data directory {} is in use by another daemon", dir.path().display()));
}

#[test]
fn a_directory_that_cannot_be_made_is_an_error_that_names_it() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let error = Store::open(&file.join("data")).unwrap_err();
    assert!(error.to_string().contains(file.join("data").to_str().unwrap()), "{error}");
}

/// A closed store with one record.
async fn written() -> TempDir {
    let dir = TempDir::new().unwrap();
    let (store, _) = Store::open(dir.path()).unwrap();
    store.submit(put("key", "value"), 1).unwrap();
    drop(store.close().await);
    dir
}

/// Opening must fail and leave the file as it is.
fn refused(dir: &TempDir) -> StoreError {
    let file = dir.path().join(FILE);
    let before = fs::read(&file).unwrap();
    let error = Store::open(dir.path()).unwrap_err();
    assert!(error.to_string().contains(file.to_str().unwrap()), "{error}");
    assert!(fs::read(&file).unwrap() == before, "{error}");
    error
}

#[tokio::test]
async fn a_file_that_is_no_store_is_refused() {
    let dir = TempDir::new().unwrap();
    for content in [&b""[..], b"x", b"not a database at all", &[0; 8192], b"redb\x1a\x0a\xa9\x0d\x0a"] {
        fs::write(dir.path().join(FILE), content).unwrap();
        assert!(matches!(refused(&dir), StoreError::Damaged { .. }));
    }
}

#[tokio::test]
async fn a_store_cut_short_is_refused() {
    let dir = written().await;
    let whole = fs::read(dir.path().join(FILE)).unwrap();
    for length in [1, 100, 320, 4096, whole.len() / 2, whole.len() - 1] {
        fs::write(dir.path().join(FILE), &whole[..length]).unwrap();
        assert!(matches!(refused(&dir), StoreError::Damaged { .. }), "{length}");
    }
}

#[tokio::test]
async fn a_record_without_its_checksum_is_refused() {
    let dir = written().await;
    let database = Database::open(dir.path().join(FILE)).unwrap();
    let mut transaction = database.begin_write().unwrap();
    transaction.set_quick_repair(true);
    transaction.open_table(definition(Table::Flow)).unwrap().insert(&b"key"[..], &b"value"[..]).unwrap();
    transaction.commit().unwrap();
    drop(database);
    assert!(matches!(refused(&dir), StoreError::Damaged { damage: Damage::Checksum, .. }));
}

/// Says of a store that it has this format; what it said before.
fn set_format(dir: &TempDir, format: u64) -> u64 {
    let database = Database::open(dir.path().join(FILE)).unwrap();
    let mut transaction = database.begin_write().unwrap();
    transaction.set_quick_repair(true);
    let before =
        transaction.open_table(ABOUT).unwrap().insert(ABOUT_FORMAT, format).unwrap().map(|before| before.value());
    transaction.commit().unwrap();
    before.unwrap()
}

#[tokio::test]
async fn a_store_of_a_newer_format_is_refused() {
    let dir = written().await;
    set_format(&dir, FORMAT + 1);
    let error = refused(&dir);
    assert!(matches!(error, StoreError::Newer { found, .. } if found == FORMAT + 1));
}

#[tokio::test]
async fn a_store_of_an_earlier_format_gets_this_one_with_the_first_write() {
    let dir = written().await;
    set_format(&dir, 1);
    let (store, snapshot) = Store::open(dir.path()).unwrap();
    store.close().await;
    assert_eq!(set_format(&dir, 1), 1, "nothing was written");
    let (store, again) = Store::open(dir.path()).unwrap();
    assert_eq!(again, snapshot);
    store.submit(put("later", "x"), 1).unwrap();
    store.close().await;
    assert_eq!(set_format(&dir, FORMAT), FORMAT);
    let (_, later) = Store::open(dir.path()).unwrap();
    assert_eq!(later.flows.len(), snapshot.flows.len() + 1);
}

#[tokio::test]
async fn a_database_of_somebody_else_is_refused() {
    let dir = TempDir::new().unwrap();
    let database = Database::create(dir.path().join(FILE)).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(definition(Table::Flow)).unwrap();
    transaction.commit().unwrap();
    drop(database);
    assert!(matches!(refused(&dir), StoreError::Damaged { damage: Damage::NoFormat, .. }));
}

#[tokio::test]
async fn a_store_whose_making_was_interrupted_is_made_anew() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("flumen.redb.new"), "half a stor").unwrap();
    let (_, snapshot) = Store::open(dir.path()).unwrap();
    assert_eq!(snapshot, Snapshot::default());
}

#[tokio::test]
async fn a_damaged_store_is_refused_or_read_right() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join(FILE);
    let (mut store, _) = Store::open(dir.path()).unwrap();
    let mut batch = Batch::new();
    for key in 0..300_u32 {
        batch.put(Table::Flow, key.to_be_bytes(), vec![0x5a; 100]);
    }
    store.submit(batch, 1).unwrap();
    drop(store.completion().await);
    let killed = fs::read(&path).unwrap();
    drop(store.close().await);
    let closed = fs::read(&path).unwrap();
    let (_, snapshot) = Disk::open(dir.path()).unwrap();

    let mut random = fastrand::Rng::with_seed(1);
    for whole in [killed, closed] {
        let used: Vec<usize> = (0..whole.len()).filter(|at| whole[*at] != 0).collect();
        let mut refusals = 0;
        for _ in 0..100 {
            let mut damaged = whole.clone();
            for _ in 0..random.usize(1..4) {
                damaged[used[random.usize(..used.len())]] ^= 1 << random.u8(..8);
            }
            fs::write(&path, damaged).unwrap();
            match Disk::open(dir.path()) {
                Ok((_, found)) => assert!(found == snapshot, "wrong records were taken for right ones"),
                Err(_) => {
                    refused(&dir);
                    refusals += 1;
                }
            }
        }
        assert!(refusals > 50, "{refusals} of 100 were refused");
    }
}
