//! The examples of the documentation: every fenced block is run, read, or has a reason why not.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::{env, fs};

use flumen::contract::parse_request;

use crate::support::{Lab, binary, project};

/// Blocks that are not run here: a piece of the block, and where it is run, or why nowhere.
const ELSEWHERE: [(&str, &str); 16] = [
    ("make demo ", "CI runs both"),
    ("make lint ", "CI runs all three"),
    ("cargo install --path .", "the quick start has a test of its own, with network namespaces"),
    ("import asyncio", "a part of the quick start's test"),
    ("ovs-pki init", "writes below /var/lib; the tests of TLS make certificates so, in directories of their own"),
    ("tcpdump -i any", "waits for packets without end; the tests of decode read captures"),
    ("flumen token add noc", "listens beyond loopback; the tests of tokens type the like on loopback"),
    ("ovs-vsctl set bridge br0 protocols=OpenFlow13 -- set-fail-mode", "every lab begins so, with its own address"),
    ("/etc/systemd/system", "installs a service on the machine; its unit has tests of its own"),
    ("flumen store export", "needs a daemon that has ended; the tests of the store type the like"),
    ("openflow  <-  session", "a picture"),
    ("docs/qos.md\n", "the page has a test of its own, qos_page"),
    ("docs/tutorial.md\n", "the page has a test of its own, tutorial"),
    ("sudo testbed/mininet/dumbbell.py", "a prompt for a person; the scenario alone_at_a_prompt types the like"),
    ("h1 ──a── s1", "a picture"),
    ("testbed/containers/images ", "the tutorial's part in containers types the like"),
];

/// A fenced block: its page, its language and its text.
struct Block {
    page: String,
    language: String,
    text: String,
}

impl Block {
    /// Why it is not run here, if it is not.
    fn elsewhere(&self) -> Option<&'static str> {
        let whole = format!("{}\n{}", self.page, self.text);
        ELSEWHERE.iter().find(|(piece, _)| whole.contains(piece)).map(|(piece, _)| *piece)
    }
}

fn blocks() -> Vec<Block> {
    let of_docs = fs::read_dir(project().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let mut pages: Vec<_> =
        of_docs.filter(|path| path.extension().is_some_and(|extension| extension == "md")).collect();
    pages.extend(
        ["README.md", "CONTRIBUTING.md", "ARCHITECTURE.md", "testbed/README.md"].map(|page| project().join(page)),
    );
    pages.sort();
    pages.iter().flat_map(|path| blocks_of(path)).collect()
}

fn blocks_of(path: &Path) -> Vec<Block> {
    let page = path.strip_prefix(project()).unwrap().to_str().unwrap().to_owned();
    let text = fs::read_to_string(path).unwrap();
    let fences = text.split("\n```").skip(1).step_by(2);
    let block = |fence: &str| {
        let (language, text) = fence.split_once('\n').unwrap();
        Block { page: page.clone(), language: language.to_owned(), text: text.to_owned() + "\n" }
    };
    fences.map(block).collect()
}

#[test]
fn every_example_of_the_documentation_is_run_or_has_a_reason_why_not() {
    let Some(lab) = Lab::start(&[]) else { return };
    let mut client = lab.daemon.client();
    lab.add_dialling_node(&mut client, "s1", 0xa1);
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join("bin")).unwrap();
    symlink(binary(), home.path().join("bin/flumen")).unwrap();
    let mut unused: Vec<_> = ELSEWHERE.iter().map(|(piece, _)| *piece).collect();
    let mut seen = 0;
    for block in blocks() {
        if let Some(piece) = block.elsewhere() {
            unused.retain(|other| *other != piece);
            continue;
        }
        seen += 1;
        let place = format!("{}:\n{}", block.page, block.text);
        match block.language.as_str() {
            "sh" => {
                let whole = block.text.replace("\\\n", " ");
                whole.lines().for_each(|line| type_line(&lab, home.path(), line, &place));
            }
            "yaml" => keep_as_file(home.path(), &block.text, &place),
            "toml" => {
                fs::write(home.path().join("flumen.toml"), &block.text).unwrap();
                type_line(&lab, home.path(), "flumen config check flumen.toml", &place);
            }
            "json" => assert!(parse_request(block.text.as_bytes()).is_ok(), "{place}"),
            other => panic!("a block of {other:?} that is neither run nor has a reason: {place}"),
        }
    }
    assert!(seen >= 6, "{seen} blocks were run");
    assert!(unused.is_empty(), "no block is meant by {unused:?} any more");
}

/// Runs one line as a person would type it, with the daemon of the lab.
fn type_line(lab: &Lab, home: &Path, line: &str, place: &str) {
    let run = Command::new("bash")
        .args(["-euo", "pipefail", "-c", line])
        .current_dir(home)
        .env("PATH", format!("{}:{}", home.join("bin").display(), env::var("PATH").unwrap()))
        .env("FLUMEN_URL", format!("ws://127.0.0.1:{}/v1/ws", lab.daemon.northbound))
        .output()
        .unwrap();
    // A difference is an answer.
    let allowed = if line.starts_with("flumen flow diff") { 0..=1 } else { 0..=0 };
    let said = String::from_utf8_lossy(&run.stdout).into_owned() + &String::from_utf8_lossy(&run.stderr);
    assert!(run.status.code().is_some_and(|code| allowed.contains(&code)), "{line}: {said}\n{place}");
}

/// A file that the first line names is what the commands after it read.
fn keep_as_file(home: &Path, text: &str, place: &str) {
    let name = text.lines().next().and_then(|line| line.strip_prefix("# ")?.split([';', ' ']).next());
    fs::write(home.join(name.unwrap_or_else(|| panic!("the first line names no file: {place}"))), text).unwrap();
}
