//! The properties that fuzzing asserts, of the vectors and of what fuzzing has left behind.

use std::path::Path;

use crate::support::{files, vectors};

#[path = "../../fuzz/properties.rs"]
mod properties;

/// The files that fuzzing found interesting, or that failed, if it ran here.
fn found(target: &str) -> Vec<Vec<u8>> {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let directories = [fuzz.join("corpus").join(target), fuzz.join("artifacts").join(target)];
    let entries = directories.iter().filter_map(|directory| std::fs::read_dir(directory).ok()).flatten();
    entries.map(|entry| std::fs::read(entry.unwrap().path()).unwrap()).collect()
}

#[test]
fn the_property_of_messages_holds_for_vectors_their_prefixes_and_the_corpus() {
    for vector in vectors() {
        for length in 0..=vector.frame.len().min(400) {
            properties::message(&vector.frame[..length]);
        }
        properties::message(&vector.frame);
    }
    found("message").iter().for_each(|data| properties::message(data));
}

#[test]
fn the_property_of_streams_holds_for_the_vectors_and_the_corpus() {
    let stream: Vec<u8> = vectors().iter().flat_map(|vector| vector.frame.to_vec()).collect();
    for step in [1, 7, 8, 64, 255] {
        properties::stream(&[&[step][..], &stream].concat());
    }
    found("stream").iter().for_each(|data| properties::stream(data));
}

#[test]
fn the_property_of_flow_text_holds_for_the_vectors_and_the_corpus() {
    for (name, text) in files("vectors") {
        if name.ends_with(".tsv") {
            text.split(['\t', '\n']).for_each(|text| properties::flow_text(text.as_bytes()));
        }
    }
    found("flow_text").iter().for_each(|data| properties::flow_text(data));
}
