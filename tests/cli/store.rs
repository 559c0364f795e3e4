//! `flumen store export` and `import`: what a daemon kept is there again elsewhere, and nothing is ever mixed.

use std::fs::File;
use std::path::Path;

use tempfile::TempDir;

use crate::binary::{Ended, flumen, run};

/// What an export of one flow on one node looks like.
const EXPORTED: &str = r#"{"flumen_store":1}
{"tag":4660}
{"next_number":100}
{"node":{"request":{"name":"s1","datapath_id":"00000000000000a1"},"datapath_id":"00000000000000a1","was_seen":true}}
{"flow":{"number":7,"record":{"flow_id":"call","request":{"flow_id":"call","source":"10.0.0.1","destination":"10.0.0.2","traffic_type":"voice"},"nodes":[{"node":"s1","stage":"applied"}]}}}
{"end":{"nodes":1,"flows":1}}
"#;

fn import(dir: &Path, text: &str) -> Ended {
    let input = dir.with_extension("jsonl");
    std::fs::write(&input, text).unwrap();
    run(flumen(["store", "import", "--data", dir.to_str().unwrap()]).stdin(File::open(input).unwrap()))
}

fn export(dir: &Path) -> Ended {
    run(&mut flumen(["store", "export", "--data", dir.to_str().unwrap()]))
}

#[test]
fn what_is_imported_is_what_was_exported() {
    let home = TempDir::new().unwrap();
    let (first, second) = (home.path().join("first"), home.path().join("second"));
    assert!(import(&first, EXPORTED).with(0).stderr.contains("imported 1 nodes and 1 flows"));
    let exported = export(&first).with(0).stdout;
    assert!(exported.contains(r#""flow_id":"call""#) && exported.contains(r#"{"tag":4660}"#), "{exported}");
    import(&second, &exported).with(0);
    assert_eq!(export(&second).with(0).stdout, exported);
}

#[test]
fn a_store_that_is_not_empty_is_not_imported_into() {
    let home = TempDir::new().unwrap();
    let store = home.path().join("store");
    import(&store, EXPORTED).with(0);
    assert!(import(&store, EXPORTED).with(1).stderr.contains("not empty"));
}

#[test]
fn where_there_is_no_store_nothing_is_exported_or_made() {
    let home = TempDir::new().unwrap();
    assert!(export(&home.path().join("none")).with(1).stderr.contains("there is no store"));
    assert!(!home.path().join("none").exists());
}

#[test]
fn an_export_that_is_not_whole_or_not_lawful_is_refused_and_makes_nothing() {
    let home = TempDir::new().unwrap();
    let store = home.path().join("store");
    let without = |line: usize| -> String {
        EXPORTED.lines().enumerate().filter(|(at, _)| *at != line).map(|(_, text)| format!("{text}\n")).collect()
    };
    let twice = EXPORTED.replace("{\"end\"", &format!("{}\n{{\"end\"", EXPORTED.lines().nth(4).unwrap()));
    for (text, sentence) in [
        (without(5), "not whole"),
        (without(4), "line 5: end counts"),
        (without(0), "line 1"),
        (without(1), "line 2"),
        (twice, "line 6: there are two flows"),
        (EXPORTED.replace("flumen_store\":1", "flumen_store\":2"), "line 1: this program reads version 1"),
        (EXPORTED.replace("\"number\":7", "\"number\":100"), "line 5: number must be from 1 to 99"),
        (EXPORTED.replace("10.0.0.1", "10.0.0.1/8"), "line 5"),
        (format!("{EXPORTED}{{\"tag\":1}}\n"), "after"),
    ] {
        let stderr = import(&store, &text).with(1).stderr;
        assert!(stderr.contains(sentence), "{sentence}: {stderr}");
        assert!(!store.exists());
    }
}
