//! `flumen demo`: the whole story in one command, and nothing left behind.

use crate::binary::{flumen, run};

#[test]
fn the_demonstration_shows_two_applied_one_rejected_and_cleans_up() {
    let directory = tempfile::tempdir().unwrap();
    let ended = run(flumen(["demo"]).env("TMPDIR", directory.path())).with(0);
    assert_eq!(ended.stderr, "");
    for words in [
        r#"{"type":"InstallFlow""#,
        "priority=46000,udp,nw_src=10.0.1.0/24,nw_dst=10.0.2.0/24",
        "set_field:46->ip_dscp,set_queue:6,NORMAL",
        "BAD_ACTION BAD_OUT_PORT",
        "priority=0 ",
        "As it should be: 2 flows applied, 1 rejected",
    ] {
        assert!(ended.stdout.contains(words), "{words:?} is not in:\n{}", ended.stdout);
    }
    assert_eq!(directory.path().read_dir().unwrap().count(), 0, "something is left in the temporary directory");
}
