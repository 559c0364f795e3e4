//! The store's twin in memory, for tests and the demonstration.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Batch, Operation, Snapshot, Table};

/// Values by table and key.
type Records = BTreeMap<(Table, Vec<u8>), Vec<u8>>;

/// Takes the place of a directory: clones share what they hold, and it outlives the stores opened on it.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    records: Arc<Mutex<Records>>,
}

impl Memory {
    pub(super) fn apply(&self, batch: Batch) {
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        for operation in batch.operations {
            match operation {
                Operation::Put { table, key, value } => {
                    records.insert((table, key), value);
                }
                Operation::Delete { table, key } => {
                    records.remove(&(table, key));
                }
            }
        }
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        let records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        let mut snapshot = Snapshot::default();
        for ((table, key), value) in records.iter() {
            snapshot.records_mut(*table).push(key, value);
        }
        snapshot
    }
}
