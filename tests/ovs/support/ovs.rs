//! A private Open vSwitch: its own directories, database and processes; nothing of it outlives the value.

use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use super::{Process, Rule, free_port, have, output, spawned, within};

/// The schema that Debian's and Ubuntu's packages install.
const SCHEMA: &str = "/usr/share/openvswitch/vswitch.ovsschema";

/// An `ovsdb-server` and an `ovs-vswitchd` on the dummy datapath, which needs no privileges and carries no packets.
#[derive(Debug)]
pub(crate) struct Ovs {
    /// Dropped in this order: switch, database, directory.
    switch: Option<Process>,
    database: Process,
    directory: TempDir,
}

impl Ovs {
    /// Starts one; `None`, with the reason printed, where Open vSwitch is not installed.
    pub(crate) fn start() -> Option<Self> {
        if !have(&["ovs-vswitchd", "ovsdb-server", "ovsdb-tool", "ovs-vsctl", "ovs-ofctl", "setpriv", SCHEMA]) {
            return None;
        }
        let directory = tempfile::Builder::new().prefix("flumen-ovs-").tempdir().unwrap();
        let home = directory.path();
        output(Command::new("ovsdb-tool").arg("create").arg(home.join("conf.db")).arg(SCHEMA));
        let database = start_database(home);
        let mut ovs = Self { switch: None, database, directory };
        ovs.vsctl(&["--no-wait", "init"]);
        ovs.start_switch();
        Some(ovs)
    }

    /// Starts `ovs-vswitchd`; the bridges of the database come back with their datapath ids, without their flows.
    pub(crate) fn start_switch(&mut self) {
        self.database.assert_running();
        let home = self.directory.path();
        let mut command = spawned("ovs-vswitchd");
        environment(&mut command, home)
            .arg(self.database_socket())
            .args(["--disable-system", "--enable-dummy=override"]);
        let switch = self.switch.insert(Process::start(&mut command, &home.join("ovs-vswitchd.log")));
        // A change, however small, is answered when the switch has taken the whole configuration.
        let change = format!("external-ids:switch={}", switch.id());
        self.vsctl(&["set", "open_vswitch", ".", &change]);
    }

    /// `kill -9` of `ovs-vswitchd`.
    pub(crate) fn kill_switch(&mut self) {
        drop(self.switch.take());
    }

    /// `kill -9` of `ovsdb-server`, and a new one with the same rows.
    pub(crate) fn restart_database(&mut self) {
        self.database.kill();
        std::fs::remove_file(self.directory.path().join("db.sock")).unwrap();
        self.database = start_database(self.directory.path());
    }

    /// Lets the database listen on a port too, over `ptcp` or `pssl`, and returns the port.
    pub(crate) fn open_database(&self, method: &str) -> u16 {
        let port = free_port();
        self.vsctl(&["set-manager", &format!("{method}:{port}:127.0.0.1")]);
        within(10, "the database to listen", || TcpStream::connect(("127.0.0.1", port)).ok());
        port
    }

    /// Stops `ovs-vswitchd` in its tracks, connections open, or lets it go on.
    pub(crate) fn pause_switch(&self, pause: bool) {
        let switch = self.switch.as_ref().unwrap();
        switch.signal(if pause { "STOP" } else { "CONT" });
    }

    /// Adds a bridge in secure mode, without a controller, with so many ports.
    pub(crate) fn add_bridge(&self, name: &str, datapath_id: u64, ports: u32) {
        let port = |port| {
            format!("-- add-port {name} {name}p{port} -- set interface {name}p{port} type=dummy ofport_request={port} ")
        };
        let ports: String = (1..=ports).map(port).collect();
        self.vsctl_words(&format!(
            "add-br {name} -- set bridge {name} datapath_type=dummy protocols=OpenFlow13 fail-mode=secure \
             other-config:datapath-id={datapath_id:016x} {ports}"
        ));
    }

    /// Adds a bridge that connects to a controller on this port.
    pub(crate) fn add_dialling_bridge(&self, name: &str, datapath_id: u64, controller_port: u16) {
        self.add_bridge(name, datapath_id, 2);
        self.set_controller(name, &format!("tcp:127.0.0.1:{controller_port}"));
    }

    /// Adds a bridge that waits for a controller, and returns the port that it listens on.
    pub(crate) fn add_dialled_bridge(&self, name: &str, datapath_id: u64) -> u16 {
        let port = free_port();
        self.add_bridge(name, datapath_id, 2);
        self.set_controller(name, &format!("ptcp:{port}:127.0.0.1"));
        port
    }

    /// Adds a bridge that connects to a controller on this port over TLS, and shows the switch's certificate.
    pub(crate) fn add_secure_bridge(&self, name: &str, datapath_id: u64, controller_port: u16) {
        self.add_bridge(name, datapath_id, 2);
        self.set_controller(name, &format!("ssl:127.0.0.1:{controller_port}"));
    }

    /// Adds a bridge that waits for a controller that speaks TLS, and returns the port that it listens on.
    pub(crate) fn add_secure_dialled_bridge(&self, name: &str, datapath_id: u64) -> u16 {
        let port = free_port();
        self.add_bridge(name, datapath_id, 2);
        self.set_controller(name, &format!("pssl:{port}:127.0.0.1"));
        port
    }

    /// Out of band: for a controller in band the switch keeps hidden rules of its own, which fill limited tables.
    fn set_controller(&self, bridge: &str, controller: &str) {
        self.vsctl_words(&format!(
            "set-controller {bridge} {controller} -- set controller {bridge} connection-mode=out-of-band"
        ));
    }

    /// Where a bridge listens beside its controller.
    pub(crate) fn management(&self, bridge: &str) -> PathBuf {
        self.directory.path().join(format!("{bridge}.mgmt"))
    }

    /// Opens an OpenFlow connection to a bridge, beside that of its controller.
    pub(crate) fn connect(&self, bridge: &str) -> UnixStream {
        let stream = UnixStream::connect(self.management(bridge)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    /// The rules in all tables of a bridge, sorted.
    pub(crate) fn rules(&self, bridge: &str) -> Vec<Rule> {
        let mut rules: Vec<_> = self.dump(bridge).lines().filter_map(Rule::parse).collect();
        rules.sort();
        rules
    }

    /// The same as `ovs-ofctl` prints them.
    pub(crate) fn dump(&self, bridge: &str) -> String {
        self.ofctl(&["--no-stats", "--no-names"], "dump-flows", bridge, &[])
    }

    /// The rules of one priority.
    pub(crate) fn rules_of_priority(&self, bridge: &str, priority: u16) -> Vec<Rule> {
        self.rules(bridge).into_iter().filter(|rule| rule.priority == priority).collect()
    }

    /// The meters of a bridge as `dump-meters` prints them, each on one line, sorted.
    pub(crate) fn meters(&self, bridge: &str) -> Vec<String> {
        let text = self.ofctl(&[], "dump-meters", bridge, &[]);
        let mut meters: Vec<_> = text.split("meter=").skip(1).map(|meter| words(meter).join(" ")).collect();
        meters.sort();
        meters
    }

    /// Adds or changes a meter that is not ours, or changes one that is, in the syntax of `ovs-ofctl add-meter`.
    pub(crate) fn add_foreign_meter(&self, bridge: &str, meter: &str) {
        self.ofctl(&[], "add-meter", bridge, &[meter]);
    }

    /// Deletes a meter, whoever owns it.
    pub(crate) fn delete_meter(&self, bridge: &str, meter_id: u32) {
        self.ofctl(&[], "del-meter", bridge, &[&format!("meter={meter_id}")]);
    }

    /// How many rules the switch counts itself.
    pub(crate) fn flow_count(&self, bridge: &str) -> usize {
        let text = self.ofctl(&[], "dump-aggregate", bridge, &[]);
        text.split_once("flow_count=").and_then(|(_, count)| count.trim().parse().ok()).unwrap()
    }

    /// Adds a rule that is not ours, in `ovs-ofctl` syntax.
    pub(crate) fn add_foreign_flow(&self, bridge: &str, flow: &str) {
        self.ofctl(&[], "add-flow", bridge, &[flow]);
    }

    /// Deletes every rule that such a match takes in, whoever owns it.
    pub(crate) fn delete_flows(&self, bridge: &str, flow_match: &str) {
        self.ofctl(&[], "del-flows", bridge, &[flow_match]);
    }

    /// Changes the actions of every rule that the match takes in, whoever owns it.
    pub(crate) fn modify_flows(&self, bridge: &str, flow: &str) {
        self.ofctl(&[], "mod-flows", bridge, &[flow]);
    }

    /// Limits table 0 of a bridge to so many rules; more are refused.
    pub(crate) fn limit_table(&self, bridge: &str, limit: usize) {
        self.limit_tables(bridge, 1, limit, "refuse");
    }

    /// Limits the first tables of a bridge; the policy is `refuse` or `evict`.
    pub(crate) fn limit_tables(&self, bridge: &str, tables: u8, limit: usize, overflow_policy: &str) {
        let table = |table| {
            format!(
                "-- --id=@t{table} create Flow_Table flow_limit={limit} overflow_policy={overflow_policy} \
                 -- set bridge {bridge} flow_tables:{table}=@t{table} "
            )
        };
        self.vsctl_words(&(0..tables).map(table).collect::<String>());
    }

    /// What `ovs-ofctl ofp-print` says about one message, its log included.
    pub(crate) fn print_message(&self, message: &[u8]) -> String {
        let hex = openflow::Hex(message).to_string();
        let mut command = Command::new("ovs-ofctl");
        let printed = environment(command.args(["ofp-print", &hex, "2"]), self.directory.path()).output().unwrap();
        String::from_utf8_lossy(&printed.stdout).into_owned() + &String::from_utf8_lossy(&printed.stderr)
    }

    /// Runs `ovs-vsctl` on the private database.
    pub(crate) fn vsctl(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("ovs-vsctl");
        command.arg("--timeout=20").arg(format!("--db={}", self.database_socket())).args(arguments);
        output(environment(&mut command, self.directory.path()))
    }

    fn vsctl_words(&self, words: &str) {
        self.vsctl(&words.split_whitespace().collect::<Vec<_>>());
    }

    fn ofctl(&self, options: &[&str], verb: &str, bridge: &str, arguments: &[&str]) -> String {
        let socket = format!("unix:{}", self.management(bridge).display());
        let mut command = Command::new("ovs-ofctl");
        command.args(["-O", "OpenFlow13"]).args(options).args([verb, &socket]).args(arguments);
        output(environment(&mut command, self.directory.path()))
    }

    /// Where the database listens always.
    pub(crate) fn database_socket(&self) -> String {
        format!("unix:{}", self.directory.path().join("db.sock").display())
    }
}

fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}

/// Starts `ovsdb-server`, with the keys and the further listeners that its own rows name.
fn start_database(home: &Path) -> Process {
    let mut command = spawned("ovsdb-server");
    environment(&mut command, home).arg(home.join("conf.db")).args([
        &format!("--remote=punix:{}/db.sock", home.display()),
        "--remote=db:Open_vSwitch,Open_vSwitch,manager_options",
        "--private-key=db:Open_vSwitch,SSL,private_key",
        "--certificate=db:Open_vSwitch,SSL,certificate",
        "--ca-cert=db:Open_vSwitch,SSL,ca_cert",
    ]);
    let database = Process::start(&mut command, &home.join("ovsdb-server.log"));
    within(10, "the socket of ovsdb-server", || home.join("db.sock").exists().then_some(()));
    database
}

/// Points the programs of Open vSwitch at private directories.
fn environment<'a>(command: &'a mut Command, home: &Path) -> &'a mut Command {
    let path: PathBuf = home.to_owned();
    command.envs(["OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR", "OVS_SYSCONFDIR"].map(|name| (name, path.clone())))
}

#[test]
fn a_private_open_vswitch_starts_and_survives_kill_9_without_its_flows() {
    let Some(mut ovs) = Ovs::start() else { return };
    ovs.add_dialled_bridge("s1", 0xa1);
    ovs.add_foreign_flow("s1", "priority=7,udp,actions=drop");
    assert_eq!((ovs.flow_count("s1"), ovs.rules("s1").len()), (1, 1));
    ovs.kill_switch();
    ovs.start_switch();
    assert!(ovs.vsctl(&["get", "bridge", "s1", "datapath_id"]).contains("00000000000000a1"));
    assert_eq!(ovs.flow_count("s1"), 0);
}

#[test]
fn a_limited_table_refuses_what_is_too_much() {
    let Some(ovs) = Ovs::start() else { return };
    ovs.add_dialled_bridge("s1", 0xa1);
    ovs.limit_table("s1", 1);
    ovs.add_foreign_flow("s1", "priority=7,udp,actions=drop");
    let refused = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        ovs.add_foreign_flow("s1", "priority=8,udp,actions=drop");
    }));
    assert!(refused.is_err());
    assert_eq!(ovs.flow_count("s1"), 1);
}

#[test]
fn ofp_print_tells_a_lawful_message_from_a_broken_one() {
    let Some(ovs) = Ovs::start() else { return };
    assert!(ovs.print_message(&[4, 0, 0, 8, 0, 0, 0, 1]).starts_with("OFPT_HELLO"));
    assert!(ovs.print_message(&[4, 14, 0, 8, 0, 0, 0, 1]).contains("decode error"));
}
