//! The command line: as typed (`args`), checked (`check`), run.
//!
//! Standard output is data, standard error is talk. The exit code tells a script what happened: 0 done and applied
//! (or accepted, where that was asked for), 1 the daemon or a switch said no or the outcome is not known, 2 wrong
//! usage, 3 the daemon cannot be reached.
//!
//! The subcommands that ask a daemon go through [`crate::client`], like any other client.

mod apply;
mod args;
mod ask;
mod asked;
mod audit_log;
mod check;
mod completions;
mod config;
mod config_file;
mod decode;
mod demo;
mod diff;
mod emulate;
mod exit;
mod export;
mod flow_file;
mod live;
mod man;
mod output;
mod serve;
mod spelling;
mod store;
mod table;
mod token;
mod top;
mod unreachable;
mod verdict;
mod view;
mod watch;

use std::ffi::OsString;
use std::future::Future;
use std::process::ExitCode;
use std::thread;

use clap::{ColorChoice, CommandFactory, FromArgMatches, ValueEnum};
use tokio::runtime;

use self::args::{Args, Color};
use self::check::Job;
use self::exit::{Exit, Failure};
use self::output::Output;
use crate::config::{ClassSource, ClassTable};

/// Runs the command line of this process.
pub fn run() -> ExitCode {
    let flumen = Args::command().color(asked_colour(std::env::args_os()));
    let typed = spelling::by_place(std::env::args_os().collect());
    let complete = match config_file::complete(&flumen, typed.clone()) {
        Ok(complete) => complete,
        Err(error) => return usage(&error),
    };
    let matches = flumen.try_get_matches_from(complete.arguments);
    let args = match matches.and_then(|matches| Args::from_arg_matches(&matches)) {
        Ok(args) => args,
        Err(error) => return usage(&error),
    };
    let mut output = Output::new(args.global.color);
    let mut job = match check::check(args, complete.classes) {
        Ok(job) => job,
        Err(error) => return usage(&error),
    };
    if let Job::Serve(service) = &mut job {
        service.config.class_source = Some(ClassSource::new(move || classes_of(typed.clone())));
    }
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

/// The classes of traffic that a command line of `flumen serve` gives a daemon, its file as it is now.
fn classes_of(typed: Vec<OsString>) -> Result<ClassTable, String> {
    let flumen = Args::command().color(ColorChoice::Never);
    let job = config_file::complete(&flumen, typed).and_then(|complete| {
        let args = Args::from_arg_matches(&flumen.try_get_matches_from(complete.arguments)?)?;
        check::check(args, complete.classes)
    });
    match job {
        Ok(Job::Serve(service)) => Ok(service.config.classes),
        Ok(_) => Err("the command line is not one of flumen serve".to_owned()),
        Err(error) => Err(error.to_string().trim().to_owned()),
    }
}

fn run_job(job: Job, output: &mut Output) -> Result<Exit, Failure> {
    match job {
        Job::Serve(service) => on(for_serving(service.threads), serve::run(*service)),
        Job::Ask(ask) => on(runtime::Builder::new_current_thread(), ask::run(*ask, output)),
        Job::ExportStore(data) => store::export(&data, output),
        Job::ImportStore(data) => on(runtime::Builder::new_current_thread(), store::import(&data, output)),
        Job::Lawful(file) => output.line(format_args!("{}: ok", file.display())).map(|()| Exit::Done),
        Job::ShowConfig => config::show(output).map(|()| Exit::Done),
        Job::Top(top) => on(runtime::Builder::new_current_thread(), top::run(*top, output)),
        Job::Watch(watch) => on(runtime::Builder::new_current_thread(), watch::run(*watch, output)),
        Job::Demo => on(runtime::Builder::new_multi_thread(), demo::run(output)),
        Job::Emulate(emulate) => on(runtime::Builder::new_multi_thread(), emulate::run(emulate, output)),
        Job::Decode(decode) => decode::run(&decode, output),
        Job::Token(work) => token::run(work, output),
        Job::Man(directory) => man::run(&directory, output),
        Job::Completions(shell) => completions::run(shell, output).map(|()| Exit::Done),
    }
}

/// So many threads, or one for every two processors: a request goes from task to task, and from one thread to the next it
/// takes longer than to be done; and the store's writer, and a switch beside it, want a processor too.
fn for_serving(threads: Option<u16>) -> runtime::Builder {
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let mut runtime = runtime::Builder::new_multi_thread();
    runtime.worker_threads(threads.map_or((processors / 2).max(1), usize::from));
    runtime
}

fn on(mut runtime: runtime::Builder, job: impl Future<Output = Result<Exit, Failure>>) -> Result<Exit, Failure> {
    match runtime.enable_all().build() {
        Ok(runtime) => runtime.block_on(job),
        Err(error) => Err(Failure::new(Exit::No, format!("cannot start: {error}"))),
    }
}

/// `--color` as far as it can be told before the command line is understood: what clap says about a wrong one has
/// colours, too.
fn asked_colour(arguments: impl Iterator<Item = OsString>) -> ColorChoice {
    let arguments: Vec<String> = arguments.filter_map(|argument| argument.into_string().ok()).collect();
    let next = arguments.iter().skip_while(|argument| *argument != "--color").nth(1);
    let asked = arguments.iter().find_map(|argument| argument.strip_prefix("--color=")).or(next.map(String::as_str));
    match asked.and_then(|asked| Color::from_str(asked, false).ok()) {
        Some(Color::Always) => ColorChoice::Always,
        Some(Color::Never) => ColorChoice::Never,
        Some(Color::Auto) | None => ColorChoice::Auto,
    }
}

/// Help and version are data and end well; everything else that clap or `check` has to say is wrong usage.
fn usage(error: &clap::Error) -> ExitCode {
    // A reader who has gone away is nobody's failure.
    let _ = error.print();
    if error.use_stderr() { Exit::Usage.into() } else { Exit::Done.into() }
}
