//! The schemas of the contract: that the files are those of the types, and that parser and schema judge alike.
//!
//! What a schema cannot say stands beside the example, in `beyond_schemas`.
#![cfg(test)]

mod closed;
mod documents;
mod examples;
mod foreign;
mod reference;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The root of the project.
fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Compares the files of a directory with those that are made; `FLUMEN_REWRITE_GOLDEN=1` writes them anew.
fn assert_files(directory: &str, made: &BTreeMap<String, String>, is_made: impl Fn(&Path) -> bool) {
    let root = project().join(directory);
    if std::env::var_os("FLUMEN_REWRITE_GOLDEN").is_some() {
        for (name, text) in made {
            fs::create_dir_all(root.join(name).parent().unwrap()).unwrap();
            fs::write(root.join(name), text).unwrap();
        }
    }
    for (name, text) in made {
        let committed = fs::read_to_string(root.join(name)).unwrap_or_default();
        assert!(
            committed == *text,
            "{directory}/{name} is not what the types say; FLUMEN_REWRITE_GOLDEN=1 cargo test --test schemas writes it anew"
        );
    }
    let orphans: Vec<_> = files_below(&root)
        .into_iter()
        .map(|path| path.strip_prefix(&root).unwrap().to_owned())
        .filter(|path| is_made(path) && !made.contains_key(path.to_str().unwrap()))
        .collect();
    assert!(orphans.is_empty(), "{directory} has files that nothing makes: {orphans:?}");
}

fn files_below(directory: &Path) -> Vec<PathBuf> {
    let mut waiting = vec![directory.to_owned()];
    let mut found = Vec::new();
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { waiting.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}
