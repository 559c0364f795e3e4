//! Help, version and completions: data on standard output, and a reader who goes away is nobody's failure.

use std::io::Read;
use std::process::Stdio;

use crate::binary::{compare_with_golden, flumen, run};

#[test]
fn help_is_as_it_was_agreed() {
    for (name, line) in [
        ("flumen", ""),
        ("serve", "serve"),
        ("node-add", "node add"),
        ("flow-install", "flow install"),
        ("flow-remove", "flow remove"),
        ("flow-list", "flow list"),
        ("flow-apply", "flow apply"),
        ("flow-diff", "flow diff"),
        ("queues-set", "queues set"),
        ("emulate", "emulate"),
        ("decode", "decode"),
        ("watch", "watch"),
        ("top", "top"),
    ] {
        let arguments = line.split_whitespace().chain(["--help"]);
        let ended = run(flumen(arguments).env("COLUMNS", "80")).with(0);
        assert_eq!(ended.stderr, "");
        let longest = ended.stdout.lines().map(|line| line.chars().count()).max();
        assert!(longest <= Some(100), "{name}: a line of {longest:?} characters");
        compare_with_golden(&format!("{name}.help"), &ended.stdout);
    }
}

#[test]
fn every_command_has_help() {
    for line in [
        "node",
        "node remove",
        "node list",
        "node show",
        "flow",
        "flow show",
        "flow export",
        "man",
        "store",
        "store export",
        "store import",
        "queues",
        "queues show",
        "queues remove",
        "info",
        "classes",
        "demo",
        "config",
        "config check",
        "config show",
        "completions",
    ] {
        let ended = run(&mut flumen(line.split_whitespace().chain(["-h"]))).with(0);
        assert!(ended.stdout.contains("Usage: flumen"), "{line}");
    }
}

#[test]
fn the_version_is_the_packages() {
    let ended = run(&mut flumen(["--version"])).with(0);
    assert_eq!(ended.stdout, concat!("flumen ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn completions_come_for_every_shell() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let ended = run(&mut flumen(["completions", shell])).with(0);
        assert_eq!(ended.stderr, "");
        for word in ["traffic-type", "datapath-id", "admission"] {
            assert!(ended.stdout.contains(word), "{shell} does not know {word}");
        }
    }
}

/// Runs a shell on a script of its own, and what it says against it.
fn complaint(shell: &str, arguments: &[&str], completions: &str, extension: &str) -> Option<String> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(format!("flumen.{extension}"));
    std::fs::write(&path, run(&mut flumen(["completions", completions])).with(0).stdout).unwrap();
    let arguments = arguments.iter().map(|argument| argument.replace("FILE", path.to_str().unwrap()));
    let Ok(ran) = std::process::Command::new(shell).args(arguments).output() else {
        println!("skipped the completions of {shell}: it is not installed");
        return None;
    };
    let said = format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    Some(if ran.status.success() { said } else { format!("{}: {said}", ran.status) })
}

#[test]
fn shells_take_their_completions_and_offer_what_they_say() {
    for (shell, arguments) in [
        // What comes behind `flumen flow a` and `flumen serve --table-miss `.
        (
            "bash",
            &[
                "--norc",
                "-c",
                "source FILE; for words in 'flumen flow a' 'flumen serve --table-miss '; do \
                 COMP_WORDS=($words); [[ $words != *' ' ]] || COMP_WORDS+=(''); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); \
                 _flumen flumen \"${COMP_WORDS[COMP_CWORD]}\" \"${COMP_WORDS[COMP_CWORD-1]}\"; echo \"${COMPREPLY[@]}\"; done",
            ][..],
        ),
        (
            "zsh",
            &[
                "-f",
                "-c",
                "autoload -U compinit; compinit -D -u; source FILE; whence -w _flumen; grep -o apply FILE | head -n 1; grep -o normal FILE | head -n 1",
            ],
        ),
        (
            "fish",
            &[
                "--no-config",
                "-c",
                "source FILE; complete -C 'flumen flow a'; complete -C 'flumen serve --table-miss '",
            ],
        ),
        (
            "pwsh",
            &[
                "-NoProfile",
                "-Command",
                ". FILE; (TabExpansion2 'flumen flow a' 13).CompletionMatches.CompletionText; 'normal'",
            ],
        ),
    ] {
        let (completions, extension) = match shell {
            "pwsh" => ("powershell", "ps1"),
            "zsh" => ("zsh", "zsh"),
            other => (other, "sh"),
        };
        if let Some(said) = complaint(shell, arguments, completions, extension) {
            assert!(said.contains("apply") && said.contains("normal"), "{shell}: {said}");
            assert!(!said.to_lowercase().contains("error"), "{shell}: {said}");
        }
    }
}

#[test]
fn a_broken_pipe_is_quiet() {
    // More than a pipe holds, so that the writer is still at it when the reader goes.
    for arguments in [&["completions", "zsh"][..], &["--help"], &["flow", "install", "--help"]] {
        let mut child = flumen(arguments.iter().copied());
        let mut child = child.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let mut stderr = String::new();
        child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        assert_eq!((child.wait().unwrap().code(), stderr.as_str()), (Some(0), ""), "{arguments:?}");
    }
}

#[test]
fn a_full_disk_is_not_quiet() {
    let Ok(full) = std::fs::File::options().write(true).open("/dev/full") else { return };
    let mut command = flumen(["completions", "bash"]);
    let output = command.stdout(full).stderr(Stdio::piped()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot write to standard output"));
}
