//! Classes of traffic that change in the configuration file while the daemon runs: SIGHUP puts them in force on the
//! switch, or says why not, and a crash in the middle changes nothing about that.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Client, Lab, binary, within};

/// A lab whose daemon has a configuration file.
struct Setting {
    lab: Lab,
    client: Client,
    file: PathBuf,
    _directory: TempDir,
}

const GOLD: &str = "[classes.gold]\ndscp = \"AF11\"\nqueue = 1\npriority = 20000\n";

impl Setting {
    fn start(text: &str) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("flumen.toml");
        fs::write(&file, text).unwrap();
        let lab = Lab::start(&["--config", file.to_str().unwrap()])?;
        let mut client = lab.daemon.client();
        lab.add_dialled_node(&mut client, "s1", 0xa1);
        Some(Self { lab, client, file, _directory: directory })
    }

    /// The file changes, and the daemon is told so.
    fn reload(&self, text: &str) {
        fs::write(&self.file, text).unwrap();
        self.lab.daemon.process.signal("HUP");
    }

    fn logged(&self, words: &str) {
        let log = || self.lab.daemon.log();
        within(10, &format!("{words:?} in the log"), || log().contains(words).then_some(()));
    }

    /// Priority and actions of the rules of flows.
    fn rules(&self) -> Vec<(u16, String)> {
        let rules = self.lab.ovs.rules("s1").into_iter().filter(|rule| rule.priority != 0);
        rules.map(|rule| (rule.priority, rule.actions.join(","))).collect()
    }

    fn wait_for_rules(&self, expected: &[(u16, String)]) {
        within(20, "the switch to have the rules of the classes", || (self.rules() == expected).then_some(()));
    }
}

fn gold(id: &str, host: u8) -> Value {
    json!({"flow_id": id, "source": format!("10.0.0.{host}"), "destination": "10.9.0.1", "traffic_type": "gold"})
}

fn actions(dscp: u8, queue: u32) -> String {
    format!("set_field:{dscp}->ip_dscp,set_queue:{queue},NORMAL")
}

#[test]
fn a_changed_class_is_on_the_switch_after_a_sighup_and_shown() {
    let Some(mut setting) = Setting::start(GOLD) else { return };
    setting.client.install(&gold("a", 1));
    setting.client.install(&gold("b", 2));
    assert_eq!(setting.rules(), vec![(20000, actions(10, 1)); 2]);
    let limited = GOLD.replace("AF11", "AF21").replace("20000", "21000") + "rate_limit = { rate_kbps = 3000 }\n";
    setting.reload(&limited);
    setting.wait_for_rules(&vec![(21000, format!("meter:1,{}", actions(18, 1))); 2]);
    assert_eq!(setting.lab.ovs.meters("s1"), ["1 kbps stats bands= type=drop rate=3000"]);
    setting.client.wait_for_flow("a", "applied", 10);
    setting.logged("read the classes of traffic again");
    let url = format!("ws://127.0.0.1:{}/v1/ws", setting.lab.daemon.northbound);
    let shown = Command::new(binary()).arg("classes").env("FLUMEN_URL", url).output().unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    let line = shown.lines().find(|line| line.starts_with("gold")).unwrap();
    assert!(line.contains("AF21") && line.contains("21000"), "{line}");

    setting.reload(GOLD);
    setting.wait_for_rules(&vec![(20000, actions(10, 1)); 2]);
    within(10, "the meter to be gone", || setting.lab.ovs.meters("s1").is_empty().then_some(()));
}

#[test]
fn a_file_that_is_wrong_is_refused_with_its_line_and_the_old_classes_stay() {
    let Some(mut setting) = Setting::start(GOLD) else { return };
    setting.client.install(&gold("a", 1));
    setting.reload(&GOLD.replace("AF11", "AF55"));
    let file = setting.file.display().to_string();
    setting.logged(&format!(
        "the configuration file cannot be used; the old classes of traffic stay in force: error: {file}: line 2: \
         classes.gold.dscp must be a number from 0 to 63, or one of DF, LE,"
    ));
    setting.reload("");
    setting.logged("the class gold is gone, and flows have it: a; remove these flows first, or keep the class");
    assert_eq!(setting.rules(), [(20000, actions(10, 1))]);
    assert_eq!(setting.client.install(&gold("b", 2))["state"], "applied");
    for flow in ["a", "b"] {
        setting.client.reply("RemoveFlow", json!({"flow_id": flow}));
    }
    setting.lab.daemon.process.signal("HUP");
    setting.logged("read the classes of traffic again");
    assert_eq!(setting.client.error("InstallFlow", gold("c", 3))["path"], "payload.traffic_type");
}

#[test]
fn a_crash_in_the_middle_ends_with_the_new_classes_on_the_switch() {
    let Some(mut setting) = Setting::start(GOLD) else { return };
    for host in 1..=20 {
        setting.client.install(&gold(&format!("f{host}"), host));
    }
    for (life, place) in [(1, "during-reload:1"), (2, "during-reload:2")] {
        setting.lab.daemon.kill();
        setting.lab.daemon.restart_to_crash_at(place);
        let mut client = within(20, "the daemon to listen", || Client::try_connect(setting.lab.daemon.northbound));
        client.wait_for_node("s1", "connected", 20);
        drop(client);
        setting.reload(&GOLD.replace("20000", &format!("{}", 20000 + life)));
        setting.lab.daemon.wait_for_end();
        setting.lab.daemon.restart();
        setting.wait_for_rules(&vec![(20000 + life, actions(10, 1)); 20]);
        let mut client = setting.lab.daemon.client();
        for host in 1..=20 {
            client.wait_for_flow(&format!("f{host}"), "applied", 10);
        }
    }
}
