//! The codec against messages that others made, and against messages that nobody should make.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests fail by panicking")]

mod bad_input;
mod corpus;
mod flow_text;
mod support;
mod vectors;

#[test]
fn no_test_file_is_orphaned() {
    let main = include_str!("main.rs");
    for (name, _) in support::files("messages") {
        let module = name.strip_suffix(".rs").unwrap();
        assert!(module == "main" || main.contains(&format!("mod {module};")), "{name}");
    }
}
