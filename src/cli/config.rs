//! `flumen config …`: a configuration file is checked, or written with every option and class there is.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::Path;

use clap::builder::Resettable;
use clap::{Arg, ArgAction, Command, CommandFactory, FromArgMatches};

use super::args::Args;
use super::check;
use super::config_file::{complete, is_number, options, placeholder};
use super::exit::Failure;
use super::output::Output;
use crate::policy::{ClassTable, TrafficClass};

/// The longest line of a comment.
const WIDTH: usize = 100;

const HEAD: &str = "\
# Configuration of the Flumen daemon: flumen serve --config FILE

# The command line goes before the environment, that before this file, and that before the defaults, which stand here.
# flumen config check FILE says whether all of it is lawful. Changed classes of
# traffic and class-limits count from the next SIGHUP, changed options from the next start of the daemon.

[serve]
";

const CLASSES: &str = "
# Classes of traffic, the names that flows say. What the table of a built-in class leaves out stays as it is; a new
# class needs at least dscp and priority.

# [classes.example]
# description = \"what it is for\"
# What its packets are marked with: a number from 0 to 63, or a name: \"EF\", \"AF41\", \"CS6\", \"LE\", \"DF\"
# dscp = \"AF12\"
# The queue of the outgoing port
# queue = 1
# The OpenFlow priority of its rules, where the flow says none: 1 to 65535
# priority = 12000
# What its packets are, where the flow names no protocol: \"tcp\", \"udp\", \"sctp\" or \"icmp\", and ports
# protocol = \"tcp\"
# source_port = 8080
# destination_port = \"5060-5070\"
# Take only packets that carry its mark already
# trust_dscp = false
# What all its flows on a switch may have together, in kbit/s, and at once in kilobits; what exceeds it is dropped, or
# with \"remark\" made the first to be dropped where the network is full
# rate_limit = { rate_kbps = 50000, burst_kb = 5000, exceed = \"drop\" }

# The built-in classes:
";

/// Checks a file as `flumen serve` would.
pub(super) fn check(file: &Path) -> Result<(), clap::Error> {
    // What the environment would change is not of the file.
    let flumen = Args::command().mut_subcommand("serve", |serve| serve.mut_args(|arg| arg.env(Resettable::Reset)));
    let line = ["flumen".into(), "serve".into(), "--config".into(), OsString::from(file)];
    let complete = complete(&flumen, line.into())?;
    let matches = flumen.try_get_matches_from(complete.arguments)?;
    check::check(Args::from_arg_matches(&matches)?, complete.classes).map(|_| ())
}

/// Writes the file with every default.
pub(super) fn show(output: &mut Output) -> Result<(), Failure> {
    let flumen = Args::command();
    output.data(flumen.find_subcommand("serve").map(example).unwrap_or_default())
}

/// What a class of traffic may say.
pub(super) fn classes_example() -> &'static str {
    CLASSES.trim_start().split("# The built-in classes:").next().unwrap_or_default()
}

/// A file in which everything is as it would be without it.
fn example(serve: &Command) -> String {
    let mut text = HEAD.to_owned();
    for arg in options(serve) {
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let allowed: Vec<_> = arg.get_possible_values();
        text.push('\n');
        comment(&mut text, &help);
        if !matches!(arg.get_action(), ArgAction::SetTrue) {
            for value in allowed {
                let help = value.get_help().map(ToString::to_string).unwrap_or_default();
                comment(&mut text, &format!("  \"{}\": {help}", value.get_name()));
            }
        }
        // Writing to a string does not fail.
        let _ = writeln!(text, "# {} = {}", arg.get_long().unwrap_or_default(), default_of(arg));
    }
    text.push_str(CLASSES);
    ClassTable::built_in().iter().for_each(|class| built_in(&mut text, class));
    text
}

/// A comment, folded between words.
fn comment(text: &mut String, words: &str) {
    let indent = " ".repeat(1 + words.len() - words.trim_start().len());
    let mut line = format!("#{indent}");
    for (index, word) in words.split_whitespace().enumerate() {
        if line.chars().count() + 1 + word.chars().count() > WIDTH {
            text.push_str(&line);
            line = format!("\n#{indent}");
        } else if index > 0 {
            line.push(' ');
        }
        line.push_str(word);
    }
    text.push_str(&line);
    text.push('\n');
}

/// The default of an option, or what its value looks like where it has none.
pub(super) fn default_of(arg: &Arg) -> String {
    let default = arg.get_default_values().first().map(|value| value.to_string_lossy().into_owned());
    let value = default.unwrap_or_else(|| if is_number(arg) { "1".to_owned() } else { placeholder(arg) });
    match arg.get_action() {
        ArgAction::SetTrue => "false".to_owned(),
        ArgAction::Append => format!("[{value:?}]"),
        _ if is_number(arg) => value,
        _ => format!("{value:?}"),
    }
}

fn built_in(text: &mut String, class: &TrafficClass) {
    let TrafficClass { name, description, queue, default_priority, .. } = class;
    let dscp = class.dscp_name().map_or(class.dscp.to_string(), |name| format!("{name:?}"));
    let _ = writeln!(
        text,
        "\n# [classes.{name}]\n# description = {description:?}\n# dscp = {dscp}\n# queue = {queue}\n\
         # priority = {default_priority}"
    );
}
