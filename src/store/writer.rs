//! The writer: one thread that turns whatever waits into one commit, and says what became of it.

use std::io;
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::Instant;

use tokio::sync::mpsc;

use super::disk::{Disk, Outcome};
use super::{Completion, GROUP_OPERATIONS, Job, PATIENCE, StoreError};

/// Starts the writer. It ends when `jobs` is closed and empty, or after a failure; by then the file is closed.
pub(super) fn spawn(disk: Disk, jobs: Receiver<Job>, reports: mpsc::Sender<Completion>) -> Result<(), StoreError> {
    let path = disk.path().to_owned();
    thread::Builder::new()
        .name("flumen-store".to_owned())
        .spawn(move || run(disk, jobs, &reports))
        .map(drop)
        .map_err(|source: io::Error| StoreError::Io { path, source })
}

fn run(mut disk: Disk, jobs: Receiver<Job>, reports: &mpsc::Sender<Completion>) {
    while let Some(group) = next_group(&jobs) {
        let outcome = disk.commit(group.iter().flat_map(|job| job.batch.operations()));
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

/// Waits for a batch and takes what waits behind it, and what the last of them expects, up to the bound; nothing when
/// the store was closed.
fn next_group(jobs: &Receiver<Job>) -> Option<Vec<Job>> {
    let first = jobs.recv().ok()?;
    let deadline = Instant::now() + PATIENCE;
    let mut operations = first.batch.operations().len();
    let mut expects_more = first.batch.expects_more;
    let mut group = vec![first];
    while operations < GROUP_OPERATIONS {
        let next = match jobs.try_recv() {
            Err(_) if expects_more => jobs.recv_timeout(deadline.saturating_duration_since(Instant::now())).ok(),
            next => next.ok(),
        };
        let Some(job) = next else { break };
        operations += job.batch.operations().len();
        expects_more = job.batch.expects_more;
        group.push(job);
    }
    Some(group)
}
