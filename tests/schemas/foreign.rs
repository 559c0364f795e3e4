//! Judges that are not ours: Python's jsonschema, and AsyncAPI's own parser.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output};

use super::project;

/// Runs a judge, where its program is installed; in CI as root, everything is.
fn judge(program: &Path, script: &str) -> Option<Output> {
    let script = project().join("tests/schemas").join(script);
    match Command::new(program).arg(script).current_dir(project()).output() {
        Ok(output) => Some(output),
        Err(error) => {
            assert!(std::env::var_os("CI").is_none(), "{}: {error}", program.display());
            let _ = writeln!(std::io::stderr(), "skipped a judge of the schemas: {}: {error}", program.display());
            None
        }
    }
}

#[test]
fn the_json_schema_of_python_judges_the_examples_as_we_do() {
    let Some(judged) = judge(&project().join(".venv/bin/python"), "judge.py") else { return };
    let said = String::from_utf8_lossy(&judged.stdout) + String::from_utf8_lossy(&judged.stderr);
    assert!(judged.status.success() && said.contains("examples judged"), "{said}");
}

#[test]
fn the_parser_of_asyncapi_finds_no_fault_with_the_document() {
    if !project().join(".node/node_modules/@asyncapi/parser").is_dir() {
        assert!(std::env::var_os("CI").is_none(), "testbed/prerequisites has not installed @asyncapi/parser");
        let _ = writeln!(std::io::stderr(), "skipped AsyncAPI's parser: it is not installed");
        return;
    }
    let Some(judged) = judge(Path::new("node"), "judge.mjs") else { return };
    let said = String::from_utf8_lossy(&judged.stdout) + String::from_utf8_lossy(&judged.stderr);
    assert!(judged.status.success() && said.contains("20 operations"), "{said}");
}
