//! `flumen man DIR`: the manual pages, made of the command line's own definition.
//!
//! Section 1 has a page for each command, 8 the daemon, and 5 its configuration file. They go through a buffer and end
//! up as files, so that packages can take them.

use std::fs;
use std::io;
use std::path::Path;

use clap::{Arg, Command, CommandFactory};
use clap_mangen::Man;
use roff::{Inline, Roff, bold, roman};

use super::args::Args;
use super::config;
use super::config_file::options;
use super::exit::{Exit, Failure};
use super::output::Output;

/// When the pages were last looked through.
const DATE: &str = "2026-11-30";
const MANUAL: &str = "Flumen";
/// What stands in the page of the configuration file, and where it is kept by the service.
const CONFIG_PAGE: &str = "flumen.toml";
const CONFIG_PATH: &str = "/etc/flumen/flumen.toml";

/// A page: the name of its file, and what is in it.
type Page = (String, Vec<u8>);

/// Writes every page into a directory.
pub(super) fn run(directory: &Path, output: &mut Output) -> Result<Exit, Failure> {
    let cannot = |error: io::Error| Failure::new(Exit::No, format!("cannot write to {}: {error}", directory.display()));
    fs::create_dir_all(directory).map_err(cannot)?;
    let pages = pages().map_err(cannot)?;
    for (name, text) in &pages {
        fs::write(directory.join(name), text).map_err(cannot)?;
    }
    output.note(format_args!("{} pages in {}; 'man -l FILE' shows one", pages.len(), directory.display()));
    Ok(Exit::Done)
}

fn pages() -> io::Result<Vec<Page>> {
    let mut flumen = Args::command();
    flumen.build();
    let mut pages = Vec::new();
    collect(&flumen, &flumen, &mut pages)?;
    if let Some(serve) = flumen.find_subcommand("serve") {
        pages.push((format!("{CONFIG_PAGE}.5"), config_page(serve)?));
    }
    Ok(pages)
}

/// The page of a command, and those of the commands below it.
fn collect(command: &Command, parent: &Command, pages: &mut Vec<Page>) -> io::Result<()> {
    pages.push((format!("{}.{}", name(command), section(command)), page(command, parent)?));
    below(command).try_for_each(|sub| collect(sub, command, pages))
}

fn below(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|sub| !sub.is_hide_set())
}

/// `flumen-flow-install`
fn name(command: &Command) -> &str {
    command.get_display_name().unwrap_or_else(|| command.get_name())
}

/// What runs for ever and is started by the system belongs to section 8.
fn section(command: &Command) -> &'static str {
    if command.get_name() == "serve" { "8" } else { "1" }
}

fn page(command: &Command, parent: &Command) -> io::Result<Vec<u8>> {
    let source = format!("flumen {}", env!("CARGO_PKG_VERSION"));
    let man = Man::new(command.clone())
        .title(name(command))
        .section(section(command))
        .date(DATE)
        .source(source)
        .manual(MANUAL);
    let mut text = Vec::new();
    man.render_title(&mut text)?;
    man.render_name_section(&mut text)?;
    man.render_synopsis_section(&mut text)?;
    man.render_description_section(&mut text)?;
    let mut roff = Roff::new();
    if below(command).next().is_some() {
        roff.control("SH", ["COMMANDS"]);
        for sub in below(command) {
            roff.control("TP", []);
            roff.text([bold(name(sub)), roman(format!("({})", section(sub)))]);
            roff.text([roman(sub.get_about().map(ToString::to_string).unwrap_or_default())]);
        }
    }
    roff.to_writer(&mut text)?;
    man.render_options_section(&mut text)?;
    let mut roff = Roff::new();
    if let Some(after) = command.get_after_help().or_else(|| command.get_after_long_help()) {
        after_help(&mut roff, &after.to_string());
    }
    see_also(&mut roff, command, parent);
    roff.to_writer(&mut text)?;
    Ok(tidy(&text))
}

/// Without the line breaks beside an empty line, which have no effect.
fn tidy(text: &[u8]) -> Vec<u8> {
    let lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
    let is = |at: Option<usize>, request: &[u8]| {
        at.and_then(|at| lines.get(at)).is_some_and(|line| line.trim_ascii_end() == request)
    };
    let is_idle = |at: usize| is(Some(at), b".br") && (is(at.checked_sub(1), b"") || is(Some(at + 1), b""));
    lines.iter().enumerate().filter(|(at, _)| !is_idle(*at)).flat_map(|(_, line)| *line).copied().collect()
}

/// What stands behind the options of a help text. A line that ends with a colon and is not indented is a heading; all
/// else stays line by line as it is.
fn after_help(roff: &mut Roff, text: &str) {
    let is_heading = |line: &str| line.ends_with(':') && line.starts_with(char::is_uppercase) && line.len() < 20;
    let mut is_open = false;
    for line in text.lines() {
        let heading = is_heading(line).then(|| line.trim_end_matches(':').to_uppercase());
        match heading.or_else(|| (!is_open).then(|| "NOTES".to_owned())) {
            Some(heading) => {
                if is_open {
                    roff.control("fi", []);
                }
                roff.control("SH", [heading.as_str()]);
                roff.control("nf", []);
                if !is_heading(line) {
                    roff.text([roman(line)]);
                }
            }
            None => drop(roff.text([roman(line)])),
        }
        is_open = true;
    }
    if is_open {
        roff.control("fi", []);
    }
}

fn see_also(roff: &mut Roff, command: &Command, parent: &Command) {
    let mut others: Vec<(String, &str)> = Vec::new();
    if name(parent) != name(command) {
        others.push((name(parent).to_owned(), section(parent)));
    }
    let siblings = below(parent).filter(|other| name(other) != name(command) && name(parent) != name(command));
    others.extend(siblings.take(8).map(|other| (name(other).to_owned(), section(other))));
    if section(command) == "8" || name(command) == "flumen-config" || name(command) == "flumen" {
        others.push((CONFIG_PAGE.to_owned(), "5"));
    }
    if others.is_empty() {
        return;
    }
    roff.control("SH", ["SEE ALSO"]);
    roff.text(references(&others));
}

fn references(others: &[(String, &str)]) -> Vec<Inline> {
    let last = others.len().saturating_sub(1);
    let reference = |(at, (name, section)): (usize, &(String, &str))| {
        [bold(name.clone()), roman(format!("({section}){}", if at < last { ", " } else { "" }))]
    };
    others.iter().enumerate().flat_map(reference).collect()
}

/// The page of the configuration file: every option of `flumen serve`, and the classes.
fn config_page(serve: &Command) -> io::Result<Vec<u8>> {
    let mut roff = Roff::new();
    let source = format!("flumen {}", env!("CARGO_PKG_VERSION"));
    roff.control("TH", [CONFIG_PAGE, "5", DATE, source.as_str(), MANUAL]);
    roff.control("SH", ["NAME"]);
    roff.text([roman(format!("{CONFIG_PAGE} - configuration of the Flumen daemon"))]);
    roff.control("SH", ["DESCRIPTION"]);
    for (at, paragraph) in [
        "A TOML file that 'flumen serve --config FILE' reads at its start. The table [serve] has the options of \
         flumen-serve(8), each table [classes.NAME] a class of traffic. The command line goes before the environment, \
         that before the file, and that before the defaults.",
        "'flumen config show' writes a file with every option and every class, 'flumen config check FILE' tells every \
         fault of one with its line.",
    ]
    .into_iter()
    .enumerate()
    {
        if at > 0 {
            roff.control("PP", []);
        }
        roff.text([roman(paragraph)]);
    }
    roff.control("SH", ["OPTIONS"]);
    roff.text([roman("In the table [serve]:")]);
    for arg in options(serve) {
        option(&mut roff, arg);
    }
    roff.control("SH", ["CLASSES OF TRAFFIC"]);
    roff.control("nf", []);
    for line in config::classes_example().lines() {
        roff.text([roman(line.strip_prefix("# ").unwrap_or(line))]);
    }
    roff.control("fi", []);
    roff.control("SH", ["FILES"]);
    roff.control("TP", []);
    roff.text([bold(CONFIG_PATH)]);
    roff.text([roman("Read by the service.")]);
    roff.control("SH", ["SEE ALSO"]);
    roff.text(references(&[("flumen-serve".to_owned(), "8"), ("flumen-config".to_owned(), "1")]));
    let mut text = Vec::new();
    roff.to_writer(&mut text)?;
    Ok(text)
}

fn option(roff: &mut Roff, arg: &Arg) {
    let name = arg.get_long().unwrap_or_default().to_owned();
    roff.control("TP", []);
    roff.text([bold(name), roman(format!(" = {}", config::default_of(arg)))]);
    roff.text([roman(arg.get_help().map(ToString::to_string).unwrap_or_default())]);
}
