//! The Debian package, as `Cargo.toml` describes it and `dist/package` prepares it: what it takes is there, and lands where
//! the unit and other programs look for it. Nothing is built here; `make deb` does that.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::binary::{flumen, run};

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// What `Cargo.toml` says of the Debian package under this key, as cargo reads it.
fn of_the_package<T: DeserializeOwned>(key: &str) -> T {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--offline", "--no-deps", "--format-version=1"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    let told: Value = serde_json::from_slice(&cargo.output().unwrap().stdout).unwrap();
    let mut packages = told["packages"].as_array().unwrap().iter();
    let package = packages.find(|package| package["name"] == env!("CARGO_PKG_NAME")).unwrap();
    serde_json::from_value(package["metadata"]["deb"][key].clone()).unwrap()
}

/// The files of the package: where each is now, where it goes, and with which rights.
fn assets() -> Vec<Vec<String>> {
    of_the_package("assets")
}

/// Where a file of the package is after its installation.
fn destinations() -> BTreeSet<String> {
    let place = |asset: &Vec<String>| match asset[1].ends_with('/') {
        true => format!("/{}{}", asset[1], Path::new(&asset[0]).file_name().unwrap().to_str().unwrap()),
        false => format!("/{}", asset[1]),
    };
    assets().iter().map(place).collect()
}

#[test]
fn what_the_package_takes_is_in_the_repository_or_written_by_the_binary() {
    let stage = tempfile::tempdir().unwrap();
    let man = stage.path().join("man");
    run(&mut flumen(["man", man.to_str().unwrap()])).with(0);
    let pages: Vec<_> = fs::read_dir(man).unwrap().map(|page| page.unwrap().path()).collect();
    let script = read("dist/package");
    let mut sections = BTreeSet::new();
    for asset in assets() {
        let Some(written) = asset[0].strip_prefix("target/deb/") else {
            assert!(!read(&asset[0]).is_empty(), "{asset:?}");
            continue;
        };
        if let Some(section) = written.strip_prefix("man/*.") {
            assert_eq!(asset[1], format!("usr/share/man/man{section}/"));
            sections.insert(section.to_owned());
        } else if let Some(shell) = written.strip_prefix("flumen.") {
            assert!(script.contains(&format!(" {shell}")), "dist/package writes no completions for {shell}");
            assert!(run(&mut flumen(["completions", shell])).with(0).stdout.contains("flumen"), "{shell}");
        } else {
            assert_eq!((written, asset[1].as_str()), ("flumen", "usr/bin/"));
        }
    }
    let of_pages = pages.iter().map(|page| page.extension().unwrap().to_str().unwrap().to_owned());
    assert_eq!(sections, of_pages.collect::<BTreeSet<_>>(), "a section of the manual pages is left out, or has none");
}

#[test]
fn the_unit_finds_its_binary_and_its_configuration_where_the_package_puts_them() {
    let unit = read("dist/flumen.service");
    let start = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
    let places = destinations();
    let paths: Vec<_> = start.split(' ').filter(|word| word.starts_with('/')).collect();
    assert_eq!(paths, ["/usr/bin/flumen", "/etc/flumen/flumen.toml"]);
    assert!(paths.iter().all(|path| places.contains(*path)), "{places:?}");
    let kept: Vec<String> = of_the_package("conf-files");
    assert_eq!(kept, ["/etc/flumen/flumen.toml"], "what is in /etc is the administrator's");
}
