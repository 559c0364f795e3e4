//! The shape of the source: imports point one way, files are short and say what they are.
#![cfg(test)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The longest a file may be, in lines.
const LONGEST: usize = 500;

/// Files that may be longer, each a flat table, with the reason.
const LONGER: [(&str, &str); 1] =
    [("openflow/src/error_code.rs", "a flat table: every error code of the specification with its sentence")];

/// What each module of the `flumen` library may import from it. The modules are in the order in which data flows.
const LAYERS: [(&str, &[&str]); 22] = [
    ("crash", &[]),
    ("backoff", &[]),
    ("counted", &[]),
    ("session", &[]),
    ("southbound", &["crash", "backoff", "session"]),
    ("contract", &[]),
    ("store", &["crash"]),
    ("policy", &["contract"]),
    ("ovsdb", &["backoff"]),
    ("programmer", &["crash", "contract", "store", "policy", "ovsdb", "session", "southbound"]),
    ("backup", &["store", "programmer"]),
    ("tokens", &["contract"]),
    ("northbound", &["counted", "contract", "programmer", "tokens"]),
    ("service", &[]),
    ("config", &["contract", "policy", "programmer", "northbound", "southbound", "service"]),
    ("shutdown", &[]),
    (
        "daemon",
        &[
            "tokens",
            "config",
            "shutdown",
            "service",
            "contract",
            "store",
            "policy",
            "session",
            "southbound",
            "programmer",
            "northbound",
        ],
    ),
    ("client", &["backoff", "counted", "contract"]),
    ("emulator", &["session"]),
    ("cli", &["backup", "crash", "tokens", "contract", "policy", "client", "emulator", "config", "shutdown", "daemon"]),
    ("lib", &[]),
    ("main", &["cli"]),
];

/// What the tests of any module may use beside: a switch to talk to.
const FOR_TESTS: &str = "emulator";

/// One `.rs` file: its path from the root of the project, and its text.
type Source = (PathBuf, String);

fn sources(directory: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut waiting = vec![root.join(directory)];
    let mut found = Vec::new();
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(&directory).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("target") {
                waiting.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path.strip_prefix(root).unwrap().to_owned(), text));
            }
        }
    }
    found.sort();
    found
}

fn every_source() -> Vec<Source> {
    ["src", "tests", "benches", "openflow"].into_iter().flat_map(sources).collect()
}

/// The module of the library that a file belongs to: `src/store/disk.rs` and `src/store.rs` are `store`.
fn layer(path: &Path) -> &str {
    path.iter().nth(1).and_then(|part| Path::new(part).file_stem()).and_then(|stem| stem.to_str()).unwrap()
}

/// Whether a file below `src` is a module of tests.
fn is_test(path: &Path) -> bool {
    path.iter().any(|part| part == "tests" || part == "tests.rs")
}

/// The modules that a text imports from the crate, in `use` lines and in paths, comments left out.
fn imports(text: &str) -> Vec<String> {
    let code: String = text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect();
    let mut modules = Vec::new();
    for path in ["crate::", "flumen::"].into_iter().flat_map(|prefix| code.split(prefix).skip(1)) {
        match path.strip_prefix('{').and_then(|list| list.split_once("};")) {
            Some((list, _)) => modules.extend(list.split(',').map(first_name)),
            None => modules.push(first_name(path)),
        }
    }
    modules.retain(|module| module.starts_with(|first: char| first.is_lowercase()));
    modules
}

fn first_name(path: &str) -> String {
    path.trim_start().chars().take_while(|&character| character.is_alphanumeric() || character == '_').collect()
}

#[test]
fn imports_point_left_only() {
    let layers = BTreeMap::from(LAYERS);
    let mut wrong = Vec::new();
    for (path, text) in sources("src") {
        let own = layer(&path);
        let allowed = layers.get(own).unwrap_or_else(|| panic!("{} belongs to no layer", path.display()));
        for module in imports(&text) {
            let is_allowed = allowed.contains(&module.as_str()) || (is_test(&path) && module == FOR_TESTS);
            if module != own && layers.contains_key(module.as_str()) && !is_allowed {
                wrong.push(format!("{} imports {module}", path.display()));
            }
        }
    }
    wrong.dedup();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_codec_imports_nothing_of_the_rest() {
    for (path, text) in sources("openflow/src") {
        for crate_name in ["flumen", "tokio", "serde"] {
            assert!(!text.contains(&format!("use {crate_name}")), "{} imports {crate_name}", path.display());
        }
    }
}

#[test]
fn no_file_is_too_long_to_be_read_in_one_sitting() {
    let longer = BTreeMap::from(LONGER);
    let long: Vec<_> = every_source()
        .into_iter()
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(path, lines)| *lines > LONGEST && !longer.contains_key(path.to_str().unwrap()))
        .map(|(path, lines)| format!("{} has {lines} lines", path.display()))
        .collect();
    assert!(long.is_empty(), "more than {LONGEST} lines:\n{}", long.join("\n"));
}

#[test]
fn every_file_opens_with_what_it_is() {
    let silent: Vec<_> = every_source()
        .into_iter()
        .filter(|(_, text)| !text.starts_with("//!"))
        .map(|(path, _)| path.display().to_string())
        .collect();
    assert!(silent.is_empty(), "no `//!` at the top of:\n{}", silent.join("\n"));
}

#[test]
fn imports_are_found_in_use_lines_lists_and_paths() {
    let text = "use crate::store::Disk;\n// crate::ignored\nuse crate::{\n    policy::Rule,\n    contract,\n};\nlet x = crate::cli::run();\n\
                use flumen::client::Client;\nuse crate::Error;";
    assert_eq!(imports(text), ["store", "policy", "contract", "cli", "client"]);
}
