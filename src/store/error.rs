//! Why a store cannot be opened or went out of order, in sentences for the operator.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use super::disk::FORMAT;

/// Why a store cannot be used.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The system refuses a file or directory.
    #[error("cannot use {path} for the store: {source}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another daemon has it.
    #[error("the data directory {path} is in use by another daemon")]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// What it holds cannot be trusted.
    #[error("the store {path} is damaged ({damage}); it was left as it is: restore a copy of it or move it away")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        damage: Damage,
    },
    /// A later program wrote it.
    #[error(
        "the store {path} has format {found} and this program knows {FORMAT}: a newer version wrote it; run that one"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u64,
    },
    /// The disk is full.
    #[error("no room for the store {path}: {source}")]
    Full {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: redb::Error,
    },
    /// A write or an fsync failed, or the database found itself inconsistent.
    #[error("writing the store {path} failed: {source}")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the database said.
        source: redb::Error,
    },
    /// The writer is gone.
    #[error("the store's writer has stopped")]
    Stopped,
}

/// What is wrong with a store's file.
#[derive(Debug, Error)]
pub enum Damage {
    /// It is empty.
    #[error("it is empty")]
    Empty,
    /// The database says so.
    #[error("{0}")]
    Database(#[from] redb::Error),
    /// The database gave up on it altogether.
    #[error("the database cannot read it")]
    Unreadable,
    /// Checksums do not fit, or a page has two uses.
    #[error("its pages contradict each other")]
    Inconsistent,
    /// The record of the format is missing.
    #[error("it has no format record")]
    NoFormat,
    /// A record's checksum does not fit its bytes.
    #[error("a record's checksum does not fit")]
    Checksum,
    /// A record is too short to be one.
    #[error("a record is cut short")]
    Short,
    /// A record has a version that this format does not have.
    #[error("a record has the unknown version {0}")]
    RecordVersion(u8),
}
