//! Vectors: messages that others made, in files of lines of a name and hexadecimal digits.

use std::fs;
use std::path::Path;

use bytes::Bytes;
use openflow::parse_hex;

/// A message that somebody else made.
pub(crate) struct Vector {
    /// File and name.
    pub(crate) name: String,
    /// The message.
    pub(crate) frame: Bytes,
}

/// The files of a directory of the tests, by name, with their text.
pub(crate) fn files(directory: &str) -> Vec<(String, String)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(directory);
    let mut files: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(path).unwrap())
        })
        .collect();
    files.sort();
    files
}

/// All vectors of all files.
pub(crate) fn vectors() -> Vec<Vector> {
    let mut vectors = Vec::new();
    for (file, text) in files("vectors") {
        let Some(file) = file.strip_suffix(".hex") else { continue };
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (name, bytes) = line.split_once(' ').unwrap();
            vectors.push(Vector { name: format!("{file}: {name}"), frame: parse_hex(bytes).unwrap() });
        }
    }
    vectors
}
