//! What the README tells a newcomer to type, typed.

use std::os::unix::fs::symlink;

use crate::support::{binary, have, have_root, project, spawned};

/// The code blocks of the README in this language that contain this text.
fn blocks(readme: &str, language: &str, containing: &str) -> Vec<String> {
    let parts = readme.split("```").skip(1).step_by(2);
    let blocks = parts.filter_map(|part| part.strip_prefix(language)).filter(|block| block.contains(containing));
    blocks.map(|block| block.trim().to_owned()).collect()
}

#[test]
fn the_quick_start_of_the_readme_works_line_by_line() {
    let python = project().join(".venv/bin/python");
    if !have_root() || !have(&["ovs-vswitchd", "unshare", "ip", python.to_str().unwrap()]) {
        return;
    }
    let readme = std::fs::read_to_string(project().join("README.md")).unwrap();
    let [quick_start] = blocks(&readme, "sh", "flumen serve").try_into().unwrap();
    let [client] = blocks(&readme, "python", "InstallFlow").try_into().unwrap();
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join("bin")).unwrap();
    symlink(binary(), home.path().join("bin/flumen")).unwrap();

    // Whoever types is slower than the daemon and the switch: here a line may be tried for a while.
    let mut script = "try() { for _ in $(seq 100); do eval \"$1\" && return; sleep 0.1; done; exit 1; }\n".to_owned();
    let lines: Vec<_> = quick_start.lines().collect();
    assert_eq!((lines[0], lines.len()), ("cargo install --path .", 9));
    for line in &lines[1..] {
        script += &format!("echo '$ {}'\ntry '{}'\n", line.replace('\'', "'\\''"), line.replace('\'', "'\\''"));
    }
    script += &format!("{} -c '{}'\nflumen flow list\n", python.display(), client.replace('\'', "'\\''"));
    let run = spawned(project().join("testbed/private-ovs"))
        .args(["bash", "-euc", &script])
        .current_dir(home.path())
        .env("PATH", format!("{}:{}", home.path().join("bin").display(), std::env::var("PATH").unwrap()))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&run.stdout).into_owned() + &String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{said}");
    assert!(
        said.contains("nw_src=10.0.1.0/24,nw_dst=10.0.2.0/24 actions=set_field:46->ip_dscp,set_queue:6,NORMAL"),
        "{said}"
    );
    assert!(
        said.contains("nw_src=10.0.2.0/24,nw_dst=10.0.1.0/24 actions=set_field:46->ip_dscp,set_queue:6,NORMAL"),
        "{said}"
    );
    assert!(said.contains(r#""state":"applied""#), "{said}");
}
