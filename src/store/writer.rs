//! The writer: one thread that turns whatever waits into one commit, and says what became of it.

use std::io;
use std::thread;

use tokio::sync::mpsc;

use super::disk::{Disk, Outcome};
use super::{Completion, GROUP_OPERATIONS, Job, StoreError};
use crate::crash::{self, Place};

/// Starts the writer. It ends when `jobs` is closed and empty, or after a failure; by then the file is closed.
pub(super) fn spawn(
    disk: Disk,
    jobs: mpsc::Receiver<Job>,
    reports: mpsc::Sender<Completion>,
) -> Result<(), StoreError> {
    let path = disk.path().to_owned();
    thread::Builder::new()
        .name("flumen-store".to_owned())
        .spawn(move || run(disk, jobs, &reports))
        .map(drop)
        .map_err(|source: io::Error| StoreError::Io { path, source })
}

fn run(mut disk: Disk, mut jobs: mpsc::Receiver<Job>, reports: &mpsc::Sender<Completion>) {
    while let Some(group) = next_group(&mut jobs) {
        crash::pass(Place::BeforeWrite);
        let outcome = disk.commit(group.iter().flat_map(|job| job.batch.operations()));
        crash::pass(Place::AfterFsync);
        let tickets = group.iter().map(|job| job.ticket).collect();
        let report = match outcome {
            Outcome::Committed => Completion::Committed { tickets },
            Outcome::Refused(error) => Completion::Refused { tickets, error },
            Outcome::Failed(error) => {
                drop(jobs);
                drop(reports.blocking_send(Completion::Failed { error }));
                return;
            }
        };
        // Who dropped the receiver does not want to know; what was submitted is written nevertheless.
        drop(reports.blocking_send(report));
    }
}

/// Waits for a batch and takes what waits behind it, up to the bound; nothing when the store was closed.
fn next_group(jobs: &mut mpsc::Receiver<Job>) -> Option<Vec<Job>> {
    let first = jobs.blocking_recv()?;
    let mut operations = first.batch.operations().len();
    let mut group = vec![first];
    while operations < GROUP_OPERATIONS
        && let Ok(job) = jobs.try_recv()
    {
        operations += job.batch.operations().len();
        group.push(job);
    }
    Some(group)
}
