//! A `flumen serve` on free ports, with its own data directory.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use super::{Client, Process, free_port, spawned, within};

/// The program under test: the one that cargo built beside this test, or the one named by `FLUMEN_BIN`.
pub(crate) fn binary() -> OsString {
    std::env::var_os("FLUMEN_BIN").unwrap_or_else(|| env!("CARGO_BIN_EXE_flumen").into())
}

/// A running daemon; dropping it kills it.
#[derive(Debug)]
pub(crate) struct Daemon {
    pub(crate) process: Process,
    options: Vec<String>,
    data: TempDir,
    /// Keeps the small disk on which the store is, and is gone with it.
    disk: Option<Process>,
    /// The port of WebSocket and HTTP.
    pub(crate) northbound: u16,
    /// The port of OpenFlow.
    pub(crate) openflow: u16,
}

impl Daemon {
    /// Starts a daemon with these options beside the addresses and the directory, and waits until it listens.
    pub(crate) fn start(options: &[&str]) -> Self {
        let data = tempfile::Builder::new().prefix("flumen-data-").tempdir().unwrap();
        Self::start_with(data, None, options)
    }

    /// The same with its store on a disk of so many megabytes of its own, which takes root.
    pub(crate) fn start_on_small_disk(megabytes: u32) -> Self {
        let data = tempfile::Builder::new().prefix("flumen-data-").tempdir().unwrap();
        let store = data.path().join("store");
        std::fs::create_dir(&store).unwrap();
        let mut command = spawned("unshare");
        command.args(["--mount", "--", "sh", "-c"]).arg(format!(
            "mount -t tmpfs -o size={megabytes}m tmpfs {0} && touch {0}/mounted && exec sleep infinity",
            store.display()
        ));
        let mut disk = Process::start(&mut command, &data.path().join("disk.log"));
        within(10, "the small disk", || {
            disk.assert_running();
            seen_by(&disk, &store).join("mounted").exists().then_some(())
        });
        std::fs::remove_file(seen_by(&disk, &store).join("mounted")).unwrap();
        Self::start_with(data, Some(disk), &[])
    }

    fn start_with(data: TempDir, disk: Option<Process>, options: &[&str]) -> Self {
        let (northbound, openflow) = (free_port(), free_port());
        let options: Vec<_> = options.iter().map(|&option| option.to_owned()).collect();
        let process = launch(&data, disk.as_ref(), northbound, openflow, &options);
        let mut daemon = Self { process, options, data, disk, northbound, openflow };
        daemon.wait_until_listening();
        daemon
    }

    /// A file beside the store, on its small disk.
    pub(crate) fn beside_the_store(&self, name: &str) -> PathBuf {
        seen_by(self.disk.as_ref().unwrap(), &self.data.path().join("store")).join(name)
    }

    /// `kill -9`, then starts again on the same ports and data.
    pub(crate) fn kill_and_restart(&mut self) {
        self.process.kill();
        self.restart();
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts again on the same ports and data, to die at one of the places that the program names.
    pub(crate) fn restart_to_crash_at(&mut self, place: &str) {
        let options = [self.options.as_slice(), &["--crash-at".to_owned(), place.to_owned()]].concat();
        self.process = launch(&self.data, self.disk.as_ref(), self.northbound, self.openflow, &options);
    }

    /// Waits until the daemon has ended by itself.
    pub(crate) fn wait_for_end(&mut self) {
        within(20, "the daemon to end by itself", || self.process.has_ended().then_some(()));
    }

    /// An orderly end with exit code 0, then starts again on the same ports and data.
    pub(crate) fn stop_and_restart(&mut self) {
        assert!(self.process.terminate(), "SIGTERM ended the daemon badly:\n{}", self.process.log());
        self.restart();
    }

    /// Stops the daemon in its tracks, connections open, or lets it go on.
    pub(crate) fn pause(&self, pause: bool) {
        self.process.signal(if pause { "STOP" } else { "CONT" });
    }

    /// A new connection to the daemon.
    pub(crate) fn client(&self) -> Client {
        Client::connect(self.northbound)
    }

    /// What the daemon answers to a GET of this path.
    pub(crate) fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.northbound)).unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// What the daemon has logged so far.
    pub(crate) fn log(&self) -> String {
        self.process.log()
    }

    /// Panics, with the log, when the daemon is not running any more.
    pub(crate) fn assert_running(&mut self) {
        self.process.assert_running();
    }

    /// Starts again on the same ports and data.
    pub(crate) fn restart(&mut self) {
        self.process = launch(&self.data, self.disk.as_ref(), self.northbound, self.openflow, &self.options);
        self.wait_until_listening();
    }

    fn wait_until_listening(&mut self) {
        let address = ([127, 0, 0, 1], self.northbound).into();
        within(20, "the daemon to listen", || {
            self.process.assert_running();
            TcpStream::connect_timeout(&address, Duration::from_millis(200)).ok()
        });
    }
}

/// A path as a process sees it that has mounts of its own.
fn seen_by(process: &Process, path: &Path) -> PathBuf {
    Path::new(&format!("/proc/{}/root", process.id())).join(path.strip_prefix("/").unwrap())
}

fn launch(data: &TempDir, disk: Option<&Process>, northbound: u16, openflow: u16, options: &[String]) -> Process {
    let mut command = match disk {
        Some(disk) => {
            let mut command = spawned("nsenter");
            command.args(["--mount", "--target", &disk.id().to_string(), "--"]).arg(binary());
            command
        }
        None => spawned(binary()),
    };
    command
        .arg("serve")
        .args(["--listen", &format!("127.0.0.1:{northbound}"), "--openflow", &format!("127.0.0.1:{openflow}")])
        .arg("--data")
        .arg(data.path().join("store"))
        .args(options);
    Process::start(&mut command, &data.path().join("log"))
}
