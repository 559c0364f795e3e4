//! The command line: as typed (`args`), checked (`check`), run.
//!
//! Standard output is data, standard error is talk. The exit code tells a script what happened: 0 done and applied
//! (or accepted, where that was asked for), 1 the daemon or a switch said no or the outcome is not known, 2 wrong
//! usage, 3 the daemon cannot be reached.
//!
//! The subcommands that ask a daemon go through [`crate::client`], like any other client.

mod args;
mod ask;
mod check;
mod completions;
mod demo;
mod emulate;
mod exit;
mod output;
mod serve;
mod table;
mod verdict;
mod view;

use std::future::Future;
use std::process::ExitCode;

use clap::Parser;
use tokio::runtime;

use self::args::Args;
use self::check::Job;
use self::exit::{Exit, Failure};
use self::output::Output;

/// Runs the command line of this process.
pub fn run() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return usage(&error),
    };
    let mut output = Output::new(args.global.color);
    let job = match check::check(args) {
        Ok(job) => job,
        Err(error) => return usage(&error),
    };
    run_job(job, &mut output)
        .unwrap_or_else(|failure| {
            output.error(&failure.what);
            if let Some(hint) = &failure.hint {
                output.hint(hint);
            }
            failure.exit
        })
        .into()
}

fn run_job(job: Job, output: &mut Output) -> Result<Exit, Failure> {
    match job {
        Job::Serve(service) => on(runtime::Builder::new_multi_thread(), serve::run(*service)),
        Job::Ask(ask) => on(runtime::Builder::new_current_thread(), ask::run(*ask, output)),
        Job::Demo => on(runtime::Builder::new_multi_thread(), demo::run(output)),
        Job::Emulate(emulate) => on(runtime::Builder::new_multi_thread(), emulate::run(emulate, output)),
        Job::Completions(shell) => completions::run(shell, output).map(|()| Exit::Done),
    }
}

fn on(mut runtime: runtime::Builder, job: impl Future<Output = Result<Exit, Failure>>) -> Result<Exit, Failure> {
    match runtime.enable_all().build() {
        Ok(runtime) => runtime.block_on(job),
        Err(error) => Err(Failure::new(Exit::No, format!("cannot start: {error}"))),
    }
}

/// Help and version are data and end well; everything else that clap or `check` has to say is wrong usage.
fn usage(error: &clap::Error) -> ExitCode {
    // A reader who has gone away is nobody's failure.
    let _ = error.print();
    if error.use_stderr() { Exit::Usage.into() } else { Exit::Done.into() }
}
