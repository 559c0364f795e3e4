//! The daemon as a service: what it tells systemd, and the unit in `dist/`.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::binary::{PATIENCE, flumen};
use crate::serve::{signal, start};

/// What the service manager hears next.
fn hear(socket: &UnixDatagram) -> String {
    let mut message = [0; 4096];
    let length = socket.recv(&mut message).expect("the service manager was told nothing more");
    String::from_utf8(message[..length].to_vec()).unwrap()
}

/// The next that is no sign of life.
fn hear_news(socket: &UnixDatagram) -> String {
    loop {
        let heard = hear(socket);
        if heard != "WATCHDOG=1\n" {
            return heard;
        }
    }
}

#[test]
fn a_service_manager_is_told_when_the_daemon_is_ready_alive_reloading_and_stopping() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let data = directory.path().join("data");
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--openflow", "127.0.0.1:0", "--data", data.to_str().unwrap()];
    let mut command = flumen(arguments);
    command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", Duration::from_secs(3).as_micros().to_string());
    let (mut child, _, _log) = start(command, "ready");

    let ready = hear(&socket);
    assert!(ready.starts_with("READY=1\nSTATUS=clients at 127.0.0.1:"), "{ready}");
    let address = ready.split("clients at ").nth(1).unwrap().split(',').next().unwrap();
    std::net::TcpStream::connect(address).expect("who is ready has its listeners open");
    assert_eq!(hear(&socket), "WATCHDOG=1\n");
    signal(&child, "-HUP");
    let reloading = hear_news(&socket);
    assert!(reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{reloading}");
    assert_eq!(hear_news(&socket), "READY=1\n");
    signal(&child, "-TERM");
    assert_eq!(hear_news(&socket), "STOPPING=1\n");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn without_a_service_manager_nobody_is_told_and_a_broken_one_stops_nothing() {
    let data = tempfile::tempdir().unwrap();
    let arguments =
        ["serve", "--listen", "127.0.0.1:0", "--openflow", "127.0.0.1:0", "--data", data.path().to_str().unwrap()];
    let mut command = flumen(arguments);
    command.env("NOTIFY_SOCKET", data.path().join("nobody"));
    let (mut child, _, mut log) = start(command, "cannot tell the service manager");
    signal(&child, "-TERM");
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut log, &mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{rest}");
}

#[test]
fn systemd_takes_the_unit() {
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        return println!("skipped systemd_takes_the_unit: systemd-analyze is not installed");
    }
    let unit = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("dist/flumen.service")).unwrap();
    // The program is where the test has it; systemd wants it to be there.
    let unit = unit.replace("/usr/bin/flumen", env!("CARGO_BIN_EXE_flumen"));
    let directory = tempfile::tempdir().unwrap();
    let verify = |unit: &str| {
        let path = directory.path().join("flumen.service");
        fs::write(&path, unit).unwrap();
        let output = Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&path).output().unwrap();
        // Other units of this machine are none of ours.
        let complaints = String::from_utf8(output.stderr).unwrap();
        let ours: Vec<_> = complaints.lines().filter(|line| line.contains("flumen")).map(str::to_owned).collect();
        (output.status.success(), ours.join("\n"))
    };
    assert_eq!(verify(&unit), (true, String::new()));
    let (_, complaint) = verify(&unit.replace("WatchdogSec=30", "WatchdogSecs=30"));
    assert!(complaint.contains("WatchdogSecs"), "a fault in the unit is found: {complaint}");
}
