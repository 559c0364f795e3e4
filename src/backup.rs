//! Exports a store as lines of JSON, and imports them into an empty one, while no daemon runs on either.

use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::programmer::{self, Counts, ExportError, ImportError};
use crate::store::{Completion, Snapshot, Store, StoreError};

/// Why a store was not exported or imported. A refused import has changed nothing.
#[derive(Debug, Error)]
pub enum BackupError {
    /// There is nothing to export.
    #[error("there is no store in {0}")]
    Missing(PathBuf),
    /// The target of an import has something.
    #[error("the store in {0} is not empty: import into a new directory")]
    NotEmpty(PathBuf),
    /// A store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Export.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// Import.
    #[error(transparent)]
    Import(#[from] ImportError),
}

/// Writes what the store in `dir` has.
///
/// # Errors
/// A [`BackupError`].
pub fn export(dir: &Path, output: &mut impl Write) -> Result<Counts, BackupError> {
    if !Store::is_in(dir) {
        return Err(BackupError::Missing(dir.to_owned()));
    }
    let (_store, snapshot) = Store::open(dir)?;
    Ok(programmer::export(&snapshot, output)?)
}

/// Makes a store in `dir` of what was exported, all of it or nothing.
///
/// # Errors
/// A [`BackupError`].
pub async fn import(dir: &Path, input: impl BufRead) -> Result<Counts, BackupError> {
    let (batch, counts) = programmer::import(input)?;
    let (mut store, snapshot) = Store::open(dir)?;
    if snapshot != Snapshot::default() {
        return Err(BackupError::NotEmpty(dir.to_owned()));
    }
    store.submit(batch, 0).map_err(|_| StoreError::Stopped)?;
    match store.completion().await {
        Completion::Committed { .. } => {}
        Completion::Refused { error, .. } | Completion::Failed { error } => return Err(error.into()),
    }
    store.close().await;
    Ok(counts)
}
