//! Open vSwitch over TLS, with the certificates that its own `ovs-pki` makes.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;
use tempfile::TempDir;

use crate::installs::install_applied;
use crate::support::{Client, Daemon, Lab, Ovs, have, output, within};

const DATAPATH_ID: u64 = 0xa1;
const NAME: &str = "dpid-00000000000000a1";

/// Two authorities, one for controllers and one for switches, and what they have signed.
struct Pki(TempDir);

impl Pki {
    fn new() -> Option<Self> {
        if !have(&["ovs-pki", "openssl"]) {
            return None;
        }
        let pki = Self(tempfile::Builder::new().prefix("flumen-pki-").tempdir().unwrap());
        pki.run(&["init"]);
        pki.run(&["-u", "req+sign", "flumen", "controller"]);
        Some(pki)
    }

    fn run(&self, arguments: &[&str]) {
        let home = self.0.path();
        let mut command = Command::new("ovs-pki");
        let (dir, log) = (home.join("pki"), home.join("log"));
        let places = [format!("--dir={}", dir.display()), format!("--log={}", log.display())];
        output(command.current_dir(home).args(places).args(arguments));
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn authority(&self, of: &str) -> PathBuf {
        self.path(&format!("pki/{of}ca/cacert.pem"))
    }

    /// The daemon's options.
    fn options(&self) -> Vec<String> {
        let option = |name: &str, path: PathBuf| [name.to_owned(), path.display().to_string()];
        [
            option("--openflow-cert", self.path("flumen-cert.pem")),
            option("--openflow-key", self.path("flumen-privkey.pem")),
            option("--openflow-ca", self.authority("switch")),
        ]
        .concat()
    }

    /// Gives the switch this certificate.
    fn install(&self, ovs: &Ovs, key: &Path, certificate: &Path) {
        let (key, certificate, authority) = (key.display(), certificate.display(), self.authority("controller"));
        let paths = [key.to_string(), certificate.to_string(), authority.display().to_string()];
        ovs.vsctl(&["set-ssl", &paths[0], &paths[1], &paths[2]]);
    }

    /// Gives the switch a certificate of this name, as an operator would.
    fn certify(&self, ovs: &Ovs, name: &str) {
        self.run(&["-u", "req+sign", name, "switch"]);
        self.install(ovs, &self.path(&format!("{name}-privkey.pem")), &self.path(&format!("{name}-cert.pem")));
    }
}

impl Pki {
    /// Gives the switch a certificate of its own name that ended yesterday.
    fn expired(&self, ovs: &Ovs) {
        std::fs::write(self.path("extensions"), format!("subjectAltName=DNS:{NAME}")).unwrap();
        self.openssl("req -newkey rsa:2048 -nodes -subj /CN=switch -keyout own.key -out own.req");
        self.openssl(
            "x509 -req -days -1 -in own.req -CA pki/switchca/cacert.pem -CAkey pki/switchca/private/cakey.pem \
             -CAcreateserial -extfile extensions -out own.pem",
        );
        self.install(ovs, &self.path("own.key"), &self.path("own.pem"));
    }

    /// Gives the switch a certificate of its own name that nobody but itself has signed.
    fn self_signed(&self, ovs: &Ovs) {
        self.openssl(&format!(
            "req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=switch -addext subjectAltName=DNS:{NAME} \
             -addext basicConstraints=critical,CA:FALSE -keyout own.key -out own.pem"
        ));
        self.install(ovs, &self.path("own.key"), &self.path("own.pem"));
    }

    fn openssl(&self, words: &str) {
        output(Command::new("openssl").current_dir(self.0.path()).args(words.split_whitespace()));
    }
}

/// A daemon with certificates, and a node that waits for its switch.
fn lab() -> Option<(Pki, Lab, Client)> {
    let (pki, ovs) = (Pki::new()?, Ovs::start()?);
    let options = pki.options();
    let daemon = Daemon::start(&options.iter().map(String::as_str).collect::<Vec<_>>());
    let mut client = daemon.client();
    client.reply("AddNode", json!({"name": "s1", "datapath_id": format!("{DATAPATH_ID:016x}")}));
    Some((pki, Lab { ovs, daemon }, client))
}

#[test]
fn open_vswitch_with_a_certificate_of_ovs_pki_connects_and_is_programmed() {
    let Some((pki, lab, mut client)) = lab() else { return };
    pki.certify(&lab.ovs, NAME);
    lab.ovs.add_secure_bridge("s1", DATAPATH_ID, lab.daemon.openflow);
    client.wait_for_node("s1", "connected", 20);
    let request = json!({"source": "10.0.0.1", "destination": "any", "traffic_type": "voice"});
    install_applied(&mut client, &request, &["s1"]);
}

#[test]
fn open_vswitch_that_listens_is_dialled_over_tls() {
    let Some((pki, lab, mut client)) = lab() else { return };
    pki.certify(&lab.ovs, "dpid-00000000000000b2");
    let port = lab.ovs.add_secure_dialled_bridge("s2", 0xb2);
    client.reply("AddNode", json!({"name": "s2", "address": format!("tls:127.0.0.1:{port}")}));
    client.wait_for_node("s2", "connected", 20);
}

#[test]
fn open_vswitch_without_tls_or_with_a_certificate_that_is_not_its_own_is_refused() {
    let Some((pki, lab, mut client)) = lab() else { return };
    lab.ovs.add_dialling_bridge("s1", DATAPATH_ID, lab.daemon.openflow);
    refused(&lab.daemon, "not_tls", "it does not speak TLS");
    lab.ovs.vsctl(&["del-br", "s1"]);

    pki.certify(&lab.ovs, "dpid-00000000000000b2");
    lab.ovs.add_secure_bridge("s1", DATAPATH_ID, lab.daemon.openflow);
    refused(&lab.daemon, "wrong_datapath_id", "its certificate is for 00000000000000b2");

    pki.expired(&lab.ovs);
    refused(&lab.daemon, "expired", "its certificate is expired");
    pki.self_signed(&lab.ovs);
    refused(&lab.daemon, "unknown_issuer", "signed by nobody that is trusted");
    assert_ne!(client.node("s1")["state"], "connected");

    pki.certify(&lab.ovs, NAME);
    client.wait_for_node("s1", "connected", 20);
}

/// A switch was refused: the counter of this reason has moved, and the log says so.
fn refused(daemon: &Daemon, reason: &str, words: &str) {
    within(20, &format!("a refusal: {reason}"), || {
        let metrics = daemon.get("/metrics");
        let is_counted = metrics.lines().any(|line| {
            line.strip_prefix(&format!("flumen_switches_refused_total{{reason=\"{reason}\"}} "))
                .is_some_and(|count| count != "0")
        });
        is_counted.then_some(())
    });
    let log = daemon.log();
    assert!(log.contains(words), "{log}");
}

#[test]
fn the_database_is_reached_over_tls_with_the_certificate_of_its_switch_and_no_other() {
    let (Some(pki), Some(mut ovs)) = (Pki::new(), Ovs::start()) else { return };
    pki.certify(&ovs, NAME);
    let port = ovs.open_database("pssl");
    let options = pki.options();
    let daemon = Daemon::start(&options.iter().map(String::as_str).collect::<Vec<_>>());
    let mut client = daemon.client();
    let id = format!("{DATAPATH_ID:016x}");
    client.reply("AddNode", json!({"name": "s1", "datapath_id": id, "ovsdb": format!("ssl:127.0.0.1:{port}")}));
    ovs.add_secure_bridge("s1", DATAPATH_ID, daemon.openflow);
    client.wait_for_node("s1", "connected", 20);
    let queues = json!({"node": "s1", "port": 1, "max_rate_kbps": 1000, "queues": [{"queue": 3}]});
    assert_eq!(client.reply("SetQueues", queues)["state"], "applied");

    pki.certify(&ovs, "dpid-00000000000000b2");
    ovs.restart_database();
    within(20, "the refusal of a borrowed certificate", || {
        let warnings = client.node("s1")["warnings"].to_string();
        warnings.contains("its certificate is another switch's").then_some(())
    });
}
