//! `flumen store`: a store as lines of JSON, and back.

use std::io::{self, BufWriter};
use std::path::Path;

use super::exit::{Exit, Failure};
use super::output::Output;
use crate::backup::{self, BackupError};

/// Writes the store to standard output.
pub(super) fn export(data: &Path, output: &mut Output) -> Result<Exit, Failure> {
    let counts = backup::export(data, &mut BufWriter::new(io::stdout().lock())).map_err(failure)?;
    output.note(format_args!("exported {} nodes and {} flows", counts.nodes, counts.flows));
    Ok(Exit::Done)
}

/// Makes a store of standard input.
pub(super) async fn import(data: &Path, output: &mut Output) -> Result<Exit, Failure> {
    let counts = backup::import(data, io::stdin().lock()).await.map_err(failure)?;
    output.note(format_args!("imported {} nodes and {} flows", counts.nodes, counts.flows));
    Ok(Exit::Done)
}

fn failure(error: BackupError) -> Failure {
    Failure::new(Exit::No, error.to_string())
}
