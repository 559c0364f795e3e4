//! What `docs/tutorial.md` tells to type, typed, and what it shows, compared.

use std::fs;
use std::path::Path;
use std::process::Output;

use crate::support::{binary, have, have_root, project, spawned};

fn follow(page: &Path) -> Output {
    spawned(project().join("testbed/tutorial")).arg(page).env("FLUMEN_BIN", binary()).output().unwrap()
}

fn can_be_followed() -> bool {
    let pexpect = "/usr/lib/python3/dist-packages/pexpect/__init__.py";
    have_root() && have(&["mn", "ovs-vswitchd", "unshare", "tcpdump", "/usr/bin/python3", pexpect])
}

#[test]
fn every_command_of_the_tutorial_does_what_the_page_shows() {
    if !can_be_followed() {
        return;
    }
    let run = follow(&project().join("docs/tutorial.md"));
    let said = String::from_utf8_lossy(&run.stdout).into_owned() + &String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{said}");
    assert!(said.contains("commands did what the page shows"), "{said}");
}

#[test]
fn a_tutorial_that_shows_another_mark_than_the_packet_has_is_found_out() {
    if !can_be_followed() {
        return;
    }
    let page = fs::read_to_string(project().join("docs/tutorial.md")).unwrap();
    assert!(page.contains("IP (tos 0xb8"));
    let lie = tempfile::NamedTempFile::new().unwrap();
    fs::write(lie.path(), page.replace("IP (tos 0xb8", "IP (tos 0xb4")).unwrap();
    let run = follow(lie.path());
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(!run.status.success() && said.contains("the page shows something else") && said.contains("0xb4"), "{said}");
}
