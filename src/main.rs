//! The flumen binary: everything is in the library's command line.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// Large batches are a quarter faster with it than with the C library's, and threads that free what others took do not
/// wait for each other: `cargo bench --bench northbound -- batch`.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    flumen::cli::run()
}
