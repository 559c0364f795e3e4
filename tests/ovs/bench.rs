//! The comparison that `make bench` makes, a thousandth of it: it runs, and what it cannot measure takes nothing else along.

use std::fs;

use crate::support::{binary, have, project, spawned};

#[test]
fn the_comparison_measures_all_but_what_is_not_installed_and_says_so_in_its_place() {
    let python = project().join(".venv/bin/python");
    if !have(&["ovs-vswitchd", "ovs-ofctl", "setpriv", python.to_str().unwrap()]) {
        return;
    }
    let into = tempfile::tempdir().unwrap();
    let measure = |more: &[&str]| {
        let mut command = spawned(&python);
        command
            .arg("-B")
            .arg(project().join("testbed/bench/run"))
            .args(["--share", "0.001", "--rounds", "1", "--into"]);
        let run = command.arg(into.path()).args(more).env("FLUMEN_BIN", binary()).output().unwrap();
        let said = String::from_utf8_lossy(&run.stdout).into_owned() + &String::from_utf8_lossy(&run.stderr);
        (run.status.code(), said)
    };

    // That environment has no os-ken, which is a contender like any other.
    let (code, said) = measure(&["rates", "latencies", "switches", "flows", "storm", "drift", "hostile"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("not all of rates, latencies could be measured"), "{said}");
    let page = fs::read_to_string(into.path().join("figures.md")).unwrap();
    let failed: Vec<_> = page.lines().filter(|line| line.contains("not measured")).collect();
    assert_eq!(failed.len(), 2, "{said}\n{page}");
    assert!(failed.iter().all(|line| line.starts_with("| os-ken ofctl_rest") && line.contains("No module")), "{page}");
    for heading in
        ["Flows a second", "One flow", "More switches", "More flows", "All switches at once", "Beside others"]
    {
        assert!(page.contains(&format!("\n## {heading}\n")), "{heading} is missing:\n{page}");
    }
    for picture in ["rates.svg", "latencies.png", "switches.svg", "flows.png"] {
        assert!(into.path().join(picture).is_file(), "{picture}");
    }

    let (_, said) = measure(&["--missing", "storm", "latencies"]);
    assert!(said.contains("# storm: has its figures") && said.contains("# latencies\n"), "{said}");
}
