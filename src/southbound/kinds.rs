//! What alike switches say of their tables, kept once for all of them.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use crate::session::Tables;

/// The kinds of switches that are connected. Thousands of one make cost no more than one.
#[derive(Debug, Default)]
pub(super) struct Kinds(Mutex<HashSet<Tables>>);

impl Kinds {
    /// The value that an equal switch has already, or this one, which then is the first of its kind.
    pub(super) fn share(&self, tables: Tables) -> Tables {
        let mut kinds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = kinds.get(&tables) {
            return known.clone();
        }
        // A new kind is rare: the time to forget those that nobody has any more.
        kinds.retain(Tables::is_shared);
        kinds.insert(tables.clone());
        tables
    }
}

#[cfg(test)]
mod tests {
    use openflow::{TableFeatures, TableId};

    use super::*;

    fn tables(max_entries: u32) -> Tables {
        let features = TableFeatures {
            table_id: TableId(0),
            name: "one".into(),
            metadata_match: 0,
            metadata_write: 0,
            config: 0,
            max_entries,
            properties: Vec::new(),
        };
        [features].into_iter().collect()
    }

    #[test]
    fn equal_tables_are_kept_once_and_forgotten_with_the_last_switch_that_has_them() {
        let kinds = Kinds::default();
        let (first, second) = (kinds.share(tables(5)), kinds.share(tables(5)));
        assert_eq!(first, second);
        assert!(std::ptr::eq(first.get(TableId(0)).unwrap(), second.get(TableId(0)).unwrap()));
        drop((first, second));
        let _other = kinds.share(tables(6));
        assert_eq!(kinds.0.lock().unwrap().len(), 1);
    }
}
