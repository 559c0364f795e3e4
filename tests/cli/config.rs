//! The configuration file: what `flumen serve` takes from it, and what `flumen config` says of it.

use std::fs;
use std::path::Path;

use crate::binary::{flumen, run};
use crate::serve::start;

/// The example in the repository is what `flumen config show` writes.
const EXAMPLE: &str = "dist/flumen.toml";

fn written(text: &str) -> (tempfile::TempDir, String) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("flumen.toml");
    fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (directory, path)
}

#[test]
fn the_example_has_every_option_with_its_default() {
    let shown = run(&mut flumen(["config", "show"])).with(0).stdout;
    assert!(shown.lines().all(|line| line.chars().count() <= 120));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(EXAMPLE);
    if std::env::var_os("FLUMEN_REWRITE_GOLDEN").is_some() {
        fs::write(&path, &shown).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(shown, committed, "{EXAMPLE} differs; FLUMEN_REWRITE_GOLDEN=1 writes it anew");
}

#[test]
fn the_example_is_lawful_with_and_without_its_comments() {
    let shown = run(&mut flumen(["config", "show"])).with(0).stdout;
    // A comment that is a setting or the head of a table, its own comment sign taken away.
    let is_toml = |line: &str| {
        let word = line.split(" = ").next().unwrap_or_default();
        line.starts_with('[')
            || line.contains(" = ") && word.bytes().all(|byte| byte.is_ascii_lowercase() || b"-_".contains(&byte))
    };
    let uncommented: Vec<_> =
        shown.lines().map(|line| line.strip_prefix("# ").filter(|rest| is_toml(rest)).unwrap_or(line)).collect();
    assert!(uncommented.iter().filter(|line| !line.starts_with('#')).count() > 60, "{uncommented:?}");
    // The one placeholder that is no value.
    let uncommented = uncommented.join("\n").replace("TYPE=KBPS[:KB]", "voice=5000");
    for text in [shown.clone(), uncommented] {
        let (_directory, path) = written(&text);
        let ended = run(&mut flumen(["config", "check", &path])).with(0);
        assert_eq!(ended.stdout, format!("{path}: ok\n"));
    }
}

#[test]
fn a_faulty_file_is_refused_with_every_fault_and_its_line() {
    let (_directory, path) = written("[serve]\nlisten = 8653\ncolour = true\n\n[classes.voice]\ndscp = \"XX\"\n");
    for arguments in [["config", "check", &path], ["serve", "--config", &path]] {
        let ended = run(&mut flumen(arguments)).with(2);
        assert_eq!(ended.stdout, "");
        for (line, words) in [(2, "listen must be a string"), (3, "colour is not an option"), (6, "classes.voice.dscp")]
        {
            let complaint = format!("{path}: line {line}: {words}");
            assert!(ended.stderr.contains(&complaint), "{complaint:?} is not in: {}", ended.stderr);
        }
    }
    let ended = run(&mut flumen(["config", "check", "/nowhere/flumen.toml"])).with(2);
    assert!(ended.stderr.contains("cannot read /nowhere/flumen.toml"), "{}", ended.stderr);
}

#[test]
fn a_class_of_the_file_is_used_and_a_daemon_without_it_does_not_start_over_its_flows() {
    let (directory, path) = written("[classes.gold]\ndscp = \"AF42\"\npriority = 45000\nprotocol = \"udp\"\n");
    let data = directory.path().join("data");
    let serve = ["serve", "--openflow", "127.0.0.1:0", "--data", data.to_str().unwrap(), "--listen"];
    let with_file = ["127.0.0.1:0", "--config", &path];
    let (mut daemon, line, _log) = start(flumen(serve.into_iter().chain(with_file)), "northbound=");
    let address = line.split("northbound=").nth(1).unwrap().split_whitespace().next().unwrap();
    let url = format!("ws://{address}");
    let ask = |line: &str| run(flumen(line.split_whitespace()).env("FLUMEN_URL", &url)).with(0).stdout;
    let classes = ask("classes");
    let row = classes.lines().find(|line| line.starts_with("gold")).unwrap();
    assert_eq!(row.split_whitespace().collect::<Vec<_>>(), ["gold", "36", "AF42", "0", "45000", "udp"]);
    ask("node add s1 --datapath-id 1");
    ask("flow install --flow-id f1 --source 10.0.0.1 --destination 10.0.0.2 --traffic-type gold --wait accepted");
    assert!(ask("--json flow show f1").contains("\"protocol\":\"udp\""));
    daemon.kill().unwrap();
    daemon.wait().unwrap();

    let ended = run(&mut flumen(serve.into_iter().chain(["127.0.0.1:0"]))).with(1);
    assert!(ended.stderr.contains("flow f1 is of the traffic type gold"), "{}", ended.stderr);
}

#[test]
fn the_environment_goes_before_the_file_and_the_command_line_before_both() {
    let (directory, path) = written("[serve]\nlog = \"error\"\nlisten = \"127.0.0.1:0\"\nopenflow = \"0.0.0.0:1\"\n");
    let data = directory.path().join("data");
    let mut command = flumen(["serve", "--openflow", "127.0.0.1:0"]);
    command.env("FLUMEN_CONFIG", &path).env("FLUMEN_LOG", "info").env("FLUMEN_DATA", &data);
    // Only with the log of the environment, and the address of the command line, is there this line.
    let (mut child, line, _log) = start(command, "ready");
    assert!(line.contains("127.0.0.1:") && data.is_dir(), "{line}");
    child.kill().unwrap();
    child.wait().unwrap();
}
