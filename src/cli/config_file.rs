//! The configuration file and the command line of `flumen serve`, brought together.
//!
//! Which options there are, and which values they take, only the command line's own definition says: an option of the
//! file that neither the command line nor the environment has becomes one of the command line. So the command line goes
//! before the environment, that before the file, and that before the default, and whatever the command line would
//! refuse is refused in the file.

use std::any::TypeId;
use std::error::Error as _;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::builder::Resettable;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};

use super::output::shown;
use crate::config::file::{self, ConfigFile, Fault, Setting, Value};
use crate::policy::ClassTable;

/// Where the file is named: no option of the file.
const CONFIG: &str = "config";

/// A command line with what the file adds to it.
#[derive(Debug)]
pub(super) struct Complete {
    pub(super) arguments: Vec<OsString>,
    pub(super) classes: ClassTable,
}

/// Adds to a command line of `flumen serve` the options of the file that it names; any other stays as it is.
pub(super) fn complete(flumen: &Command, mut arguments: Vec<OsString>) -> Result<Complete, clap::Error> {
    let unchanged = |arguments| Complete { arguments, classes: ClassTable::built_in() };
    // What is wrong with it is told when all of it is there.
    let typed = flumen.clone().ignore_errors(true).try_get_matches_from(&arguments).ok();
    let typed = typed.as_ref().and_then(ArgMatches::subcommand).filter(|(name, _)| *name == "serve");
    let (Some((_, typed)), Some(serve)) = (typed, flumen.find_subcommand("serve")) else {
        return Ok(unchanged(arguments));
    };
    let Some(path) = typed.get_one::<PathBuf>(CONFIG) else { return Ok(unchanged(arguments)) };
    let ConfigFile { options, classes } = read(serve, path)?;
    let is_said = |arg: &Arg| {
        let source = typed.value_source(arg.get_id().as_str());
        matches!(source, Some(ValueSource::CommandLine | ValueSource::EnvVariable))
    };
    let unsaid = options.iter().filter_map(|setting| Some((option(serve, &setting.name)?, setting)));
    let unsaid = unsaid.filter(|(arg, _)| !is_said(arg));
    let added = unsaid.flat_map(|(arg, setting)| spell(arg, setting).unwrap_or_default()).map(OsString::from);
    let end = arguments.iter().position(|argument| argument == "--").unwrap_or(arguments.len());
    arguments.splice(end..end, added.collect::<Vec<_>>());
    Ok(Complete { arguments, classes })
}

/// Reads a file; every fault of it is told.
fn read(serve: &Command, path: &Path) -> Result<ConfigFile, clap::Error> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path);
    let text = text.map_err(|error| wrong(ErrorKind::Io, &[format!("cannot read {name}: {error}")]))?;
    let (file, mut faults) = file::read(&text);
    let check = |setting: &Setting| {
        let wrong = check(serve, setting).err()?;
        Some(Fault { line: setting.line, message: format!("{} {wrong}", setting.name) })
    };
    faults.extend(file.options.iter().filter_map(check));
    faults.sort_by_key(|fault| fault.line);
    if faults.is_empty() {
        return Ok(file);
    }
    let faults: Vec<_> = faults.iter().map(|fault| format!("{name}: {fault}")).collect();
    Err(wrong(ErrorKind::ValueValidation, &faults))
}

fn wrong(kind: ErrorKind, messages: &[String]) -> clap::Error {
    let lines: Vec<_> = messages.iter().map(|message| shown(message)).collect();
    clap::Error::raw(kind, format!("{}\n", lines.join("\nerror: ")))
}

/// The options that a file may set.
pub(super) fn options(serve: &Command) -> impl Iterator<Item = &Arg> {
    serve.get_arguments().filter(|arg| !arg.is_hide_set() && arg.get_long().is_some() && arg.get_id() != CONFIG)
}

fn option<'a>(serve: &'a Command, name: &str) -> Option<&'a Arg> {
    options(serve).find(|arg| arg.get_long() == Some(name))
}

/// Why the command line would refuse an option by itself.
fn check(serve: &Command, setting: &Setting) -> Result<(), String> {
    let Some(arg) = option(serve, &setting.name) else {
        let names: Vec<_> = options(serve).filter_map(Arg::get_long).collect();
        return Err(format!("is not an option: there are {}", names.join(", ")));
    };
    let words = spell(arg, setting)?;
    let alone = serve.clone().mut_args(|arg| arg.env(Resettable::Reset));
    let words = ["serve".to_owned()].into_iter().chain(words);
    match alone.try_get_matches_from(words) {
        Err(error) if matches!(error.kind(), ErrorKind::InvalidValue | ErrorKind::ValueValidation) => {
            Err(reason(&error))
        }
        // What it needs beside it is seen to when all of it is there.
        Ok(_) | Err(_) => Ok(()),
    }
}

/// What the command line says of a value, in the words of the file.
fn reason(error: &clap::Error) -> String {
    let value = error.get(ContextKind::InvalidValue).map(ToString::to_string).unwrap_or_default();
    match (error.get(ContextKind::ValidValue), error.source()) {
        (Some(ContextValue::Strings(allowed)), _) if !allowed.is_empty() => {
            format!("must be one of {}, not {value:?}", allowed.join(", "))
        }
        (_, Some(source)) => format!("cannot be {value:?}: {source}"),
        (_, None) => format!("cannot be {value:?}"),
    }
}

/// An option of the file as words of a command line; why that cannot be, if its value is of another type.
fn spell(arg: &Arg, setting: &Setting) -> Result<Vec<String>, String> {
    let Setting { name, value, .. } = setting;
    let placeholder = placeholder(arg);
    match (arg.get_action(), value) {
        (ArgAction::SetTrue, Value::Switch(true)) => Ok(vec![format!("--{name}")]),
        (ArgAction::SetTrue, Value::Switch(false)) => Ok(Vec::new()),
        (ArgAction::SetTrue, _) => Err("must be true or false".to_owned()),
        (ArgAction::Append, Value::List(items)) => Ok(items.iter().map(|item| format!("--{name}={item}")).collect()),
        (ArgAction::Append, _) => Err(format!("must be a list of strings: [\"{placeholder}\"]")),
        (_, Value::Number(number)) if is_number(arg) => Ok(vec![format!("--{name}={number}")]),
        (_, _) if is_number(arg) => Err("must be a whole number".to_owned()),
        (_, Value::Text(text)) => Ok(vec![format!("--{name}={text}")]),
        (_, Value::Other(what)) => Err(format!("must be a string, \"{placeholder}\", not {what}")),
        (_, _) => Err(format!("must be a string: \"{placeholder}\"")),
    }
}

/// What stands for the value of an option in its help.
pub(super) fn placeholder(arg: &Arg) -> String {
    arg.get_value_names().and_then(<[_]>::first).map(ToString::to_string).unwrap_or_default()
}

/// Whether its values are whole numbers.
pub(super) fn is_number(arg: &Arg) -> bool {
    let numbers =
        [TypeId::of::<u8>(), TypeId::of::<u16>(), TypeId::of::<u32>(), TypeId::of::<u64>(), TypeId::of::<usize>()];
    numbers.iter().any(|number| arg.get_value_parser().type_id() == *number)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use clap::{CommandFactory, FromArgMatches};

    use super::super::args::{self, Args, Serve};
    use super::*;

    /// `flumen serve` with a file of this text and these options.
    fn serve(text: &str, options: &[&str]) -> Result<Serve, String> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        let path = file.path().to_str().unwrap();
        let line = ["flumen", "serve", "--config", path].iter().chain(options).map(OsString::from).collect();
        let matches = complete(&Args::command(), line)
            .and_then(|complete| Args::command().try_get_matches_from(complete.arguments))
            .and_then(|matches| Args::from_arg_matches(&matches));
        match matches {
            Ok(Args { command: args::Command::Serve(serve), .. }) => Ok(*serve),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error.to_string().replace(path, "FILE")),
        }
    }

    #[test]
    fn the_file_goes_before_the_defaults_and_the_command_line_before_the_file() {
        let text = "[serve]\nlisten = \"127.0.0.1:1\"\norigin = [\"http://a\", \"http://b\"]\ninsecure = true\n";
        let from_file = serve(text, &[]).unwrap();
        assert_eq!(from_file.listen.port(), 1);
        assert_eq!(from_file.origins, ["http://a", "http://b"]);
        assert!(from_file.insecure);
        let typed = serve(text, &["--listen", "127.0.0.1:2", "--origin=http://c"]).unwrap();
        assert_eq!((typed.listen.port(), typed.insecure), (2, true));
        assert_eq!(typed.origins, ["http://c"]);
        assert_eq!(serve("", &[]).unwrap().listen.port(), 8653);
    }

    #[test]
    fn what_needs_another_option_may_have_it_from_either_place() {
        let text = "[serve]\nopenflow-cert = \"c\"\nopenflow-key = \"k\"\n";
        assert!(serve(text, &[]).unwrap_err().contains("--openflow-ca"));
        assert_eq!(serve(text, &["--openflow-ca", "a"]).unwrap().openflow_key, Some("k".into()));
    }

    #[test]
    fn every_fault_is_told_with_its_line_and_what_is_allowed() {
        let text = "[serve]\nlisten = \"8653\"\nadmission = \"all\"\nport = 1\ninsecure = \"yes\"\norigin = \"x\"\n\
                    data = 5\nlog = \"a=b=c\"\ncrash-at = \"x:1\"\nconfig = \"x\"\n[classes.voice]\ndscp = 64\n";
        let complaint = serve(text, &[]).unwrap_err();
        for part in [
            "FILE: line 2: listen cannot be \"8653\": must be an IP address and a port",
            "FILE: line 3: admission must be one of discover, adopt, registered, not \"all\"",
            "FILE: line 4: port is not an option: there are listen, ",
            "FILE: line 5: insecure must be true or false",
            "FILE: line 6: origin must be a list of strings: [\"ORIGIN\"]",
            "FILE: line 7: data must be a string: \"DIR\"",
            "FILE: line 8: log cannot be \"a=b=c\": ",
            "FILE: line 9: crash-at is not an option",
            "FILE: line 10: config is not an option",
            "FILE: line 12: classes.voice.dscp must be a number from 0 to 63",
        ] {
            assert!(complaint.contains(part), "{part:?} is not in: {complaint}");
        }
    }

    #[test]
    fn other_command_lines_stay_as_they_are() {
        for line in [&["flumen", "info"][..], &["flumen", "serve"], &["flumen", "--help"], &["flumen"]] {
            let line: Vec<OsString> = line.iter().map(OsString::from).collect();
            assert_eq!(complete(&Args::command(), line.clone()).unwrap().arguments, line);
        }
    }
}
