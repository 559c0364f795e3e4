//! An Open vSwitch of our own: its dummy datapath needs no kernel module and touches no interface.

use std::io;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A running Open vSwitch with one bridge; it ends with this value.
pub(crate) struct Ovs {
    directory: TempDir,
    daemons: Vec<Child>,
}

impl Ovs {
    /// Starts it, or says what is missing on this machine.
    pub(crate) fn start() -> Result<Self, String> {
        for program in ["ovsdb-tool", "ovsdb-server", "ovs-vswitchd", "ovs-vsctl"] {
            if Command::new(program).arg("--version").output().is_err() {
                return Err(format!("{program} is not installed"));
            }
        }
        let directory = tempfile::Builder::new().prefix("flumen-ovs-").tempdir().expect("a temporary directory");
        let mut ovs = Self { directory, daemons: Vec::new() };
        let database = ovs.path("conf.db");
        ovs.run("ovsdb-tool", &["create", &database, "/usr/share/openvswitch/vswitch.ovsschema"]);
        let socket = ovs.path("db.sock");
        ovs.spawn("ovsdb-server", &[&database, &format!("--remote=punix:{socket}")]);
        ovs.until_it_exists("db.sock");
        ovs.vsctl(&["--no-wait", "init"]);
        ovs.spawn("ovs-vswitchd", &[&format!("unix:{socket}"), "--disable-system", "--enable-dummy=override"]);
        Ok(ovs)
    }

    /// Adds a bridge in secure mode with four ports, whose first tables refuse or evict flows beyond a limit.
    pub(crate) fn add_bridge(&self, tables: u8, table_limit: usize, overflow_policy: &str) {
        let mut arguments: Vec<String> = "add-br br0 -- set bridge br0 datapath_type=dummy protocols=OpenFlow13 \
             fail-mode=secure other-config:datapath-id=0000000000000001"
            .split_whitespace()
            .map(str::to_owned)
            .collect();
        for port in 1..=4 {
            let add = format!("-- add-port br0 p{port} -- set interface p{port} type=dummy ofport_request={port}");
            arguments.extend(add.split_whitespace().map(str::to_owned));
        }
        for table in 0..tables {
            let limit = format!(
                "-- --id=@t{table} create Flow_Table flow_limit={table_limit} overflow_policy={overflow_policy} \
                 -- set bridge br0 flow_tables:{table}=@t{table}"
            );
            arguments.extend(limit.split_whitespace().map(str::to_owned));
        }
        self.vsctl(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    }

    /// Opens an OpenFlow connection to the bridge.
    pub(crate) fn connect(&self) -> io::Result<UnixStream> {
        self.until_it_exists("br0.mgmt");
        // The socket is there a moment before anybody listens on it.
        let start = Instant::now();
        let stream = loop {
            match UnixStream::connect(self.path("br0.mgmt")) {
                Err(error)
                    if error.kind() == io::ErrorKind::ConnectionRefused
                        && start.elapsed() < Duration::from_secs(20) =>
                {
                    std::thread::sleep(Duration::from_millis(10));
                }
                connected => break connected?,
            }
        };
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        Ok(stream)
    }

    fn vsctl(&self, arguments: &[&str]) {
        let database = format!("--db=unix:{}", self.path("db.sock"));
        self.run("ovs-vsctl", &[&["--timeout=20", "--retry", &database], arguments].concat());
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let output = self.command(program, arguments).output().expect(program);
        assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn spawn(&mut self, program: &str, arguments: &[&str]) {
        let log = format!("--log-file={}", self.path(&format!("{program}.log")));
        let mut command = self.command(program, arguments);
        command.args([log.as_str(), "--pidfile"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.daemons.push(command.spawn().expect(program));
    }

    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        for variable in ["OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR", "OVS_SYSCONFDIR"] {
            command.env(variable, self.directory.path());
        }
        command.args(arguments);
        command
    }

    fn path(&self, name: &str) -> String {
        self.directory.path().join(name).to_string_lossy().into_owned()
    }

    fn until_it_exists(&self, name: &str) {
        let start = Instant::now();
        while !Path::new(&self.path(name)).exists() {
            assert!(start.elapsed() < Duration::from_secs(20), "Open vSwitch made no {name}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Ovs {
    fn drop(&mut self) {
        for daemon in self.daemons.iter_mut().rev() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }
}
