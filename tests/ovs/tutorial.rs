//! What `docs/tutorial.md` tells to type, typed, and what it shows, compared.

use std::fs;
use std::path::Path;
use std::process::Output;

use crate::support::{binary, have, have_root, project, spawned};

fn follow(part: &[&str], page: &Path) -> Output {
    let testbed = project().join("testbed");
    let mut command = spawned(testbed.join("leaves-nothing"));
    command.arg(testbed.join("tutorial")).args(part).arg(page).env("FLUMEN_BIN", binary()).output().unwrap()
}

/// Follows a page that tells the truth.
fn follows(part: &[&str]) {
    let run = follow(part, &project().join("docs/tutorial.md"));
    let said = String::from_utf8_lossy(&run.stdout).into_owned() + &String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{said}");
    assert!(said.contains("commands did what the page shows") && said.contains("nothing is left behind"), "{said}");
}

/// Follows a page that shows another mark than the packet has, wherever it shows one.
fn finds_out(part: &[&str]) {
    let page = fs::read_to_string(project().join("docs/tutorial.md")).unwrap();
    assert_eq!(page.matches("IP (tos 0xb8").count(), 2);
    let lie = tempfile::NamedTempFile::new().unwrap();
    fs::write(lie.path(), page.replace("IP (tos 0xb8", "IP (tos 0xb4")).unwrap();
    let run = follow(part, lie.path());
    let said = String::from_utf8_lossy(&run.stdout).into_owned() + &String::from_utf8_lossy(&run.stderr);
    assert!(!run.status.success() && said.contains("the page shows something else"), "{said}");
    assert!(said.contains("IP (tos 0xb8") && said.contains("IP (tos 0xb4"), "{said}");
    assert!(said.contains("nothing is left behind"), "{said}");
}

fn can_be_followed() -> bool {
    let pexpect = "/usr/lib/python3/dist-packages/pexpect/__init__.py";
    have_root() && have(&["mn", "ovs-vswitchd", "unshare", "tcpdump", "/usr/bin/python3", pexpect])
}

fn has_containers() -> bool {
    let pexpect = "/usr/lib/python3/dist-packages/pexpect/__init__.py";
    have_root() && have(&["docker", "dockerd", "debootstrap", "unshare", "/usr/bin/python3", pexpect])
}

#[test]
fn every_command_of_the_tutorial_does_what_the_page_shows() {
    if can_be_followed() {
        follows(&[]);
    }
}

#[test]
fn a_tutorial_that_shows_another_mark_than_the_packet_has_is_found_out() {
    if can_be_followed() {
        finds_out(&[]);
    }
}

#[test]
fn every_command_of_the_tutorial_in_containers_does_what_the_page_shows() {
    if has_containers() {
        follows(&["--containers"]);
    }
}

#[test]
fn a_tutorial_that_shows_another_mark_than_the_packet_in_containers_has_is_found_out() {
    if has_containers() {
        finds_out(&["--containers"]);
    }
}
