//! `flumen completions SHELL`.

use clap::CommandFactory;

use super::args::Args;
use super::exit::Failure;
use super::output::Output;

/// Writes the completions of one shell. They go through a buffer, because the generator panics where a pipe breaks.
pub(super) fn run(shell: clap_complete::Shell, output: &mut Output) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "flumen", &mut script);
    output.data(script)
}
